"""The playbook of examples/ci/ansible: what it calls changed and what failed."""

import re
import sys
from pathlib import Path

from world import ROOT, World, check

PLAYBOOK = ROOT / "examples/ci/ansible/kedrctl.yml"


def play(kedrctl: Path) -> None:
    ansible = Path(sys.executable).with_name("ansible-playbook")
    if not ansible.exists():
        print("   skipped: there is no ansible-playbook")
        return
    with World(kedrctl) as world:
        def run(*arguments: str) -> tuple[int, dict[str, int], str]:
            variables = f"kedrctl_state: {world.repository / 'kedr'}\nkedrctl_key: |\n"
            variables += "".join(f"  {line}\n" for line in world.key.splitlines())
            (world.folder / "variables.yml").write_text(variables)
            line = f"{ansible} -i localhost, -c local -e @variables.yml {PLAYBOOK} {' '.join(arguments)}"
            status, said = world.shell(line, world.folder, {"ANSIBLE_NOCOLOR": "1"})
            return status, {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", said.split("PLAY RECAP")[-1])}, said

        status, counts, said = run("--check")
        check(status == 0 and counts["changed"] == 1 and "+ isolate" in said, f"--check shows the plan{at(status, said)}")
        check(not world.is_isolated("WS-017.corp.example"), "and writes nothing")
        status, counts, said = run()
        check(status == 0 and counts["changed"] == 2 and world.is_isolated("WS-017.corp.example"),
              f"the playbook applies{at(status, said)}")
        status, counts, said = run()
        check(status == 0 and counts["changed"] == 0, f"once more changes nothing{at(status, said)}")
        world.declare("418", "{ dc1.corp.example: { isolation: { lease: 24h } } }")
        status, counts, said = run()
        check(status != 0 and counts["failed"] == 1 and counts["changed"] == 0, "what the policy refuses fails at the plan")


def at(status: int, said: str) -> str:
    return "" if status == 0 else f"\n{said}"

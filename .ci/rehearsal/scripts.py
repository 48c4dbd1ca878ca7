"""Writes the shell steps of examples/ci into files, for ShellCheck: `python .ci/rehearsal/scripts.py FOLDER`."""

import re
import sys
from pathlib import Path

import yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/ci"


def scripts():
    """Each script with a name that tells where it stands."""
    for file in sorted(EXAMPLES.glob("github/.github/workflows/*.yml")):
        for job, one in yaml.safe_load(file.read_text())["jobs"].items():
            yield from _steps(f"{file.stem}-{job}", one["steps"])
    for file in sorted(EXAMPLES.glob("github/.github/actions/*/action.yml")):
        yield from _steps(f"action-{file.parent.name}", yaml.safe_load(file.read_text())["runs"]["steps"])
    for job, one in yaml.safe_load((EXAMPLES / "gitlab/.gitlab-ci.yml").read_text()).items():
        if isinstance(one, dict) and "script" in one:
            yield f"gitlab-{job}", "\n".join(one["script"])


def _steps(place: str, steps: list[dict]):
    for number, step in enumerate(steps):
        if "run" in step:
            yield f"{place}-{number}", step["run"]


def main(folder: str) -> None:
    count = 0
    for name, script in scripts():
        # Values that the service fills in before the shell sees them.
        script = re.sub(r"\$\{\{.*?\}\}", "value", script)
        Path(folder, f"{name}.sh").write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{script}\n")
        count += 1
    if not count:
        sys.exit("no script found")
    print(f"{count} scripts")


main(*sys.argv[1:])

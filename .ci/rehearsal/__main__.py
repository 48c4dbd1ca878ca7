"""Rehearses the jobs of examples/ci: their shell steps as they stand there, against a simulated Central Node and
stand-ins of GitHub and GitLab on loopback. `python .ci/rehearsal KEDRCTL [github] [gitlab] [ansible]`."""

import sys
from pathlib import Path

import ansible
import github_story
import gitlab_story
from world import Failed

STORIES = {"github": github_story.play, "gitlab": gitlab_story.play, "ansible": ansible.play}


def main(kedrctl: str, *names: str) -> None:
    for name in names or STORIES:
        print(f"\n-- {name}", flush=True)
        STORIES[name](Path(kedrctl).resolve())


try:
    main(*sys.argv[1:])
except Failed as failed:
    sys.exit(f"flows: {failed}")

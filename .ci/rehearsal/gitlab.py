"""GitLab, as far as examples/ci/gitlab needs it: pipelines out of .gitlab-ci.yml, by its rules, and the part of the API
that the jobs call. Protected variables are for the main branch."""

import fnmatch
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from http_service import HttpService, Refused
from world import Failed, World

PROJECT = 7
RESERVED = {"stages", "workflow", "default", "variables"}


@dataclass
class Job:
    id: int
    name: str
    ref: str
    status: str
    files: dict[str, bytes] = field(default_factory=dict)
    log: str = ""
    exit_code: int | None = None
    variables: dict[str, str] = field(default_factory=dict)
    dotenv: dict[str, str] = field(default_factory=dict)
    junit: str | None = None


class GitLab:
    """One project. `protected` variables are for the jobs of the main branch."""

    def __init__(self, world: World, protected: dict[str, str], machine: dict[str, str]) -> None:
        self.world, self.protected, self.machine = world, protected, machine
        self.token, self.bot = "glpat-reporter", 42
        self.jobs: list[Job] = []
        self.notes: dict[int, list[dict]] = {}
        self._last = 100
        self.api = HttpService(self._answer)

    def close(self) -> None:
        self.api.close()

    def number(self) -> int:
        self._last += 1
        return self._last

    def say(self, iid: int, author: int, body: str) -> dict:
        note = {"id": self.number(), "author": {"id": author}, "body": body}
        # The newest first, as GitLab lists them.
        self.notes.setdefault(iid, []).insert(0, note)
        return note

    def said_by_bot(self, iid: int) -> list[dict]:
        return [note for note in self.notes.get(iid, []) if note["author"]["id"] == self.bot]

    def pipeline(self, source: str, commit: str, variables: dict[str, str] | None = None, iid: int | None = None,
                 before: str | None = None, token: bool = True) -> "Pipeline":
        pipeline = Pipeline(self, source, commit, variables or {}, iid, before, token)
        pipeline.go()
        return pipeline

    def _answer(self, method: str, path: str, query: dict, body: bytes, headers):
        if headers.get("PRIVATE-TOKEN") != self.token:
            raise Refused(401, "401 Unauthorized")
        if path == "/api/v4/user":
            return {"id": self.bot}
        what = path.removeprefix(f"/api/v4/projects/{PROJECT}/")
        if method == "GET" and what == "jobs":
            found = [{"id": job.id, "name": job.name, "ref": job.ref, "tag": False,
                      **({"artifacts_file": {"filename": "artifacts.zip"}} if job.files else {})}
                     for job in reversed(self.jobs)]
            return _page(found, query)
        if found := re.fullmatch(r"jobs/(\d+)/artifacts/(.+)", what):
            return next(job for job in self.jobs if job.id == int(found[1])).files[found[2]]
        if found := re.fullmatch(r"merge_requests/(\d+)/notes", what):
            if method == "POST":
                return self.say(int(found[1]), self.bot, json.loads(body)["body"])
            return _page(self.notes.get(int(found[1]), []), query)
        if (found := re.fullmatch(r"merge_requests/(\d+)/notes/(\d+)", what)) and method == "PUT":
            note = next(note for note in self.notes[int(found[1])] if note["id"] == int(found[2]))
            if note["author"]["id"] != self.bot:
                raise Refused(403, "403 Forbidden")
            note["body"] = json.loads(body)["body"]
            return note
        raise Refused(404, f"{method} {path}")


def _page(all_of_them: list, query: dict) -> list:
    size, page = int(query["per_page"]), int(query["page"])
    return all_of_them[(page - 1) * size:page * size]


class Pipeline:
    def __init__(self, gitlab: GitLab, source: str, commit: str, variables: dict, iid: int | None,
                 before: str | None, token: bool) -> None:
        self.gitlab, self.source, self.commit, self.before = gitlab, source, commit, before
        world = gitlab.world
        self.file = yaml.safe_load(world.git("show", f"{commit}:.gitlab-ci.yml"))
        self.is_protected = source != "merge_request_event"
        self.variables = {
            "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": source, "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_SHA": commit,
            "CI_PROJECT_ID": str(PROJECT), "CI_API_V4_URL": f"{gitlab.api.url}/api/v4",
            **self.file["variables"], **variables,
        }
        if iid:
            self.variables |= {"CI_MERGE_REQUEST_IID": str(iid), "CI_MERGE_REQUEST_PROJECT_ID": str(PROJECT)}
        else:
            self.variables["CI_COMMIT_BRANCH"] = "main"
        self.given = {"KEDR_TOKEN": gitlab.token} if token else {}
        if self.is_protected:
            self.given |= gitlab.protected
        self.ref = f"refs/merge-requests/{iid}/head" if iid else "main"
        self.jobs: dict[str, Job] = {}
        self._definitions: dict[str, dict] = {}
        self._waiting: dict[str, dict] = {}
        if not _first(self.file["workflow"]["rules"], self.variables, []):
            raise Failed(f"no pipeline for {source}")
        changed = world.git("diff", "--name-only", before, commit).splitlines() if before else []
        for name, definition in self.file.items():
            if name in RESERVED or name.startswith("."):
                continue
            definition = self._extended(definition)
            rule = _first(definition["rules"], self.variables, changed)
            if rule is not None:
                definition["when"] = rule.get("when", "on_success")
                self._definitions[name] = definition

    def _extended(self, definition: dict) -> dict:
        base = definition.get("extends")
        return {**self.file["default"], **(self.file[base] if base else {}), **definition}

    @property
    def failed(self) -> list[str]:
        return [job.name for job in self.jobs.values() if job.status == "failed"]

    @property
    def log(self) -> str:
        return "".join(f"$ {job.name}\n{job.log}exit {job.exit_code}\n" for job in self.jobs.values())

    @property
    def waits_for(self) -> list[str]:
        return [name for name, one in self._definitions.items()
                if one["when"] == "manual" and name not in self.jobs and self._is_ready(one)]

    def start_by_hand(self, name: str) -> Job:
        if name not in self.waits_for:
            raise Failed(f"{name} does not wait for anybody")
        self._run(name, self._definitions[name])
        self.go()
        return self.jobs[name]

    def go(self) -> None:
        """In the order of stages, as far as nobody has to start one by hand."""
        stages = self.file["stages"]
        for name, one in sorted(self._definitions.items(), key=lambda item: stages.index(item[1]["stage"])):
            if name not in self.jobs and one["when"] != "manual" and self._is_ready(one):
                self._run(name, one)

    def _needed(self, definition: dict) -> list[str]:
        if "needs" in definition:
            needs = [one if isinstance(one, dict) else {"job": one} for one in definition["needs"]]
            for one in needs:
                if one["job"] not in self._definitions and not one.get("optional"):
                    raise Failed(f"needs {one['job']}, which this pipeline does not have")
            return [one["job"] for one in needs if one["job"] in self._definitions]
        stages = self.file["stages"]
        earlier = stages[:stages.index(definition["stage"])]
        return [name for name, one in self._definitions.items() if one["stage"] in earlier]

    def _is_ready(self, definition: dict) -> bool:
        return all(name in self.jobs and self.jobs[name].status != "failed" for name in self._needed(definition))

    def _run(self, name: str, definition: dict) -> None:
        gitlab = self.gitlab
        variables = {**self.variables, **self.given}
        if "soc" in definition.get("tags", []):
            if not self.is_protected:
                raise Failed(f"{name} would run something of a stranger on the team's own runner")
            variables |= gitlab.machine
        for needed in self._needed(definition):
            variables |= self.jobs[needed].dotenv
        work = gitlab.world.checkout(self.commit)
        status, said = gitlab.world.shell("\n".join(definition["script"]), work, variables)
        allowed = definition.get("allow_failure", {})
        passes = status == 0 or (isinstance(allowed, dict) and status == allowed.get("exit_codes"))
        job = Job(gitlab.number(), name, self.ref, "success" if status == 0 else "allowed" if passes else "failed",
                  log=said, exit_code=status, variables=variables)
        self.jobs[name] = job
        gitlab.jobs.append(job)
        artifacts = definition.get("artifacts", {})
        if status == 0 or artifacts.get("when") == "always":
            _collect(job, work, artifacts)


def _collect(job: Job, work: Path, artifacts: dict) -> None:
    for pattern in artifacts.get("paths", []):
        path = work / pattern
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        job.files |= {str(file.relative_to(work)): file.read_bytes() for file in files}
    reports = artifacts.get("reports", {})
    if "dotenv" in reports:
        lines = (work / reports["dotenv"]).read_text().splitlines()
        job.dotenv = dict(line.split("=", 1) for line in lines)
    if "junit" in reports:
        job.junit = (work / reports["junit"]).read_text()


# Rules

def _first(rules: list[dict], variables: dict, changed: list[str]) -> dict | None:
    for rule in rules:
        is_so = "if" not in rule or _holds(rule["if"], variables)
        if is_so and "changes" in rule:
            patterns = [pattern.replace("**/*", "*") for pattern in rule["changes"]]
            is_so = any(fnmatch.fnmatch(path, pattern) for path in changed for pattern in patterns)
        if is_so:
            return rule
    return None


def _holds(expression: str, variables: dict) -> bool:
    words = []
    for word in re.findall(r"\$\w+|\"[^\"]*\"|==|!=|&&|\|\||[()]", expression):
        if word.startswith("$"):
            words.append(repr(variables.get(word[1:])))
        else:
            words.append({"&&": " and ", "||": " or "}.get(word, word))
    return bool(eval("".join(words), {"__builtins__": {}}))

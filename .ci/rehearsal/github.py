"""GitHub, as far as the workflows of examples/ci/github need it: a runner that takes the steps out of the workflow
files, and the part of the API that they call. Tokens can do what a job's `permissions` say and no more."""

import io
import json
import re
import secrets
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from http_service import HttpService, Redirect, Refused
from world import Failed, World

REPOSITORY = "soc/kedr"
BOT = "github-actions[bot]"


@dataclass
class Pull:
    """A pull request; `owner` is whose fork its branch is in."""

    number: int
    owner: str
    branch: str
    commit: str
    merged: str = ""


@dataclass
class Artifact:
    id: int
    name: str
    run: "Run"
    content: bytes


@dataclass
class Event:
    """Why a workflow runs, and on which commit of whose branch."""

    name: str
    commit: str
    owner: str = "soc"
    branch: str = "main"
    pull: Pull | None = None
    after: "Run | None" = None
    inputs: dict = field(default_factory=dict)

    @property
    def is_trusted(self) -> bool:
        return self.name != "pull_request" and self.owner == "soc" and self.branch == "main"


class GitHub:
    """The service. `environments` have secrets, and `reviewed` ones wait for somebody."""

    def __init__(self, world: World, environments: dict[str, dict[str, str]], reviewed: set[str],
                 machine: dict[str, str]) -> None:
        self.world, self.environments, self.reviewed, self.machine = world, environments, reviewed, machine
        self.pulls: list[Pull] = []
        self.artifacts: list[Artifact] = []
        self.comments: dict[int, list[dict]] = {}
        self.sarif: list[dict] = []
        self.tokens: dict[str, dict[str, str]] = {}
        self._last = 1000
        self._blobs = HttpService(self._blob)
        self.api = HttpService(self._answer)

    def close(self) -> None:
        self.api.close()
        self._blobs.close()

    def number(self) -> int:
        self._last += 1
        return self._last

    def run(self, workflow: str, event: Event) -> "Run":
        """Runs a workflow up to its end, or to a job that waits for a reviewer."""
        run = Run(self, workflow, event)
        run.go()
        return run

    def say(self, number: int, user: str, body: str) -> dict:
        id = self.number()
        comment = {"id": id, "user": {"login": user}, "body": body, "html_url": f"{REPOSITORY}#{id}"}
        self.comments.setdefault(number, []).append(comment)
        return comment

    def said_by_bot(self, number: int) -> list[dict]:
        """The comments of the bot that are plans."""
        return [comment for comment in self.comments.get(number, [])
                if comment["user"]["login"] == BOT and comment["body"].startswith("<!-- kedrctl plan")]

    # The API

    def _blob(self, method: str, path: str, query: dict, body: bytes, headers) -> bytes:
        if headers.get("Authorization"):
            raise Refused(400, "the token was sent to the store of artifacts")
        return next(artifact.content for artifact in self.artifacts if path == f"/{artifact.id}")

    def _answer(self, method: str, path: str, query: dict, body: bytes, headers):
        can = self.tokens.get((headers.get("Authorization") or "").removeprefix("Bearer "))
        if can is None:
            raise Refused(401, "Bad credentials")

        def needs(scope: str, level: str) -> None:
            if can.get(scope) not in (level, "write"):
                raise Refused(403, f"Resource not accessible by integration: {scope}: {level}")

        what = path.removeprefix(f"/repos/{REPOSITORY}/")
        if method == "GET" and what == "actions/artifacts":
            needs("actions", "read")
            return _listed(artifact for artifact in self.artifacts if artifact.name == query["name"])
        if found := re.fullmatch(r"actions/runs/(\d+)/artifacts", what):
            needs("actions", "read")
            return _listed(artifact for artifact in self.artifacts
                           if artifact.run.id == int(found[1]) and artifact.name == query["name"])
        if found := re.fullmatch(r"actions/artifacts/(\d+)/zip", what):
            needs("actions", "read")
            raise Redirect(f"{self._blobs.url}/{found[1]}")
        if method == "GET" and what == "pulls":
            needs("pull-requests", "read")
            return [{"number": pull.number, "head": {"sha": pull.commit}} for pull in self.pulls
                    if not pull.merged and query["head"] == f"{pull.owner}:{pull.branch}"]
        if found := re.fullmatch(r"issues/(\d+)/comments", what):
            number = int(found[1])
            if method == "POST":
                needs("pull-requests", "write")
                return self.say(number, BOT, _comment(body))
            needs("pull-requests", "read")
            size, page = int(query["per_page"]), int(query["page"])
            return self.comments.get(number, [])[(page - 1) * size:page * size]
        if (found := re.fullmatch(r"issues/comments/(\d+)", what)) and method == "PATCH":
            needs("pull-requests", "write")
            for comment in (comment for comments in self.comments.values() for comment in comments):
                if comment["id"] == int(found[1]):
                    comment["body"] = _comment(body)
                    return comment
        raise Refused(404, f"{method} {path}")


def _listed(artifacts) -> dict:
    return {"artifacts": [{
        "id": artifact.id, "name": artifact.name, "expired": False,
        "created_at": f"2026-01-01T00:00:00.{artifact.id}Z",
        "workflow_run": {
            "id": artifact.run.id, "head_branch": artifact.run.event.branch, "repository_id": 1,
            "head_repository_id": 1 if artifact.run.event.owner == "soc" else 2,
        },
    } for artifact in artifacts]}


def _comment(body: bytes) -> str:
    text = json.loads(body)["body"]
    if len(text) > 65536:
        raise Refused(422, "body is too long")
    return text


class Run:
    """One run of a workflow."""

    def __init__(self, github: GitHub, workflow: str, event: Event) -> None:
        self.github, self.event, self.id = github, event, github.number()
        # A pull request brings its own workflows; all else runs those of the main branch.
        show = github.world.git("show", f"{event.commit}:.github/workflows/{workflow}.yml")
        self.workflow = yaml.safe_load(show)
        if event.name not in _names(self.workflow[True]):
            raise Failed(f"{workflow} does not run on {event.name}")
        # Of its pull request, as it was then: that may have gone on since.
        self.head = event.pull.commit if event.pull else event.commit
        self.results: dict[str, str] = {}
        self.outputs: dict[str, dict[str, str]] = {}
        self.log = ""
        self.summary = ""
        self.secrets_given: list[str] = []
        self.waits_for: str | None = None
        self._approved: set[str] = set()

    @property
    def failed(self) -> bool:
        return "failure" in self.results.values()

    def approve(self) -> None:
        if self.waits_for is None:
            raise Failed("nothing waits for approval")
        self._approved.add(self.waits_for)
        self.waits_for = None
        self.go()

    def go(self) -> None:
        for name, job in self.workflow["jobs"].items():
            if name in self.results:
                continue
            needed = job.get("needs", [])
            needed = [needed] if isinstance(needed, str) else needed
            contexts = self._contexts({}, {})
            is_wanted = _truth(job.get("if", "true"), contexts, all(self.results[one] == "success" for one in needed))
            if not is_wanted or any(self.results[one] != "success" for one in needed):
                self.results[name] = "skipped"
                continue
            environment = job.get("environment")
            if environment in self.github.reviewed and name not in self._approved:
                self.waits_for = name
                return
            self.results[name] = _Job(self, name, job).run()

    def _contexts(self, given: dict, steps: dict) -> dict:
        event = self.event
        about: dict = {}
        if event.pull:
            about["pull_request"] = {"number": event.pull.number}
        if event.after:
            after = event.after
            about["workflow_run"] = {
                "id": after.id, "event": after.event.name, "head_branch": after.event.branch,
                "head_sha": after.head,
                "head_repository": {"full_name": f"{after.event.owner}/kedr", "owner": {"login": after.event.owner}},
            }
        return {
            "github": {"event": about, "repository": REPOSITORY, "event_name": event.name, "token": given.get("token", "")},
            "secrets": given.get("secrets", {}), "steps": steps, "inputs": given.get("inputs", {}),
            "needs": {name: {"outputs": outputs} for name, outputs in self.outputs.items()},
            "runner": {"os": "Linux", "arch": "X64"},
        }


class _Job:
    """One job, on a machine of its own."""

    def __init__(self, run: Run, name: str, job: dict) -> None:
        self.run_of, self.name, self.job, self.github = run, name, job, run.github
        self.work: Path | None = None
        self.files: dict[str, Path] = {}
        self.path: list[str] = []
        trusted = run.event.is_trusted
        self.secrets = self.github.environments.get(job.get("environment"), {}) if trusted else {}
        # What the workflow allows, and of a fork's pull request never to write.
        permissions = job.get("permissions", run.workflow.get("permissions", {}))
        if run.event.name == "pull_request" and run.event.owner != "soc":
            permissions = {scope: "read" for scope in permissions}
        self.permissions = permissions
        self.token = secrets.token_hex(8)
        self.github.tokens[self.token] = permissions
        self.steps: dict[str, dict] = {}
        self.has_failed = False

    def run(self) -> str:
        machine = {}
        if "soc" in self.job["runs-on"]:
            machine = self.github.machine
            if not self.run_of.event.is_trusted:
                raise Failed(f"{self.name} would run something of a stranger on the team's own runner")
        self.folder = Path(self.github.world.folder / f"runner-{self.github.number()}")
        (self.folder / "temp").mkdir(parents=True)
        self.work = self.folder / "work"
        self.work.mkdir()
        self._each(self.job["steps"], machine, {})
        contexts = self._contexts({})
        outputs = self.job.get("outputs", {})
        self.run_of.outputs[self.name] = {name: _filled(text, contexts) for name, text in outputs.items()}
        # A token ends with its job.
        del self.github.tokens[self.token]
        return "failure" if self.has_failed else "success"

    def _contexts(self, inputs: dict) -> dict:
        given = {"token": self.token, "secrets": self.secrets, "inputs": inputs}
        return self.run_of._contexts(given, self.steps)

    def _each(self, steps: list[dict], machine: dict, inputs: dict) -> None:
        for step in steps:
            if not _truth(step.get("if", ""), self._contexts(inputs), not self.has_failed):
                continue
            used = step.get("uses", "").split("@")[0]
            if used:
                self._use(used, step.get("with", {}), machine)
            else:
                status = self._shell(step, machine, inputs)
                if status and not step.get("continue-on-error"):
                    self.has_failed = True

    def _shell(self, step: dict, machine: dict, inputs: dict) -> int:
        if step.get("shell", self.run_of.workflow.get("defaults", {}).get("run", {}).get("shell")) != "bash":
            raise Failed(f"without `shell: bash` a failure inside of a pipe would pass: {step}")
        names = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "GITHUB_ENV")
        files = {name: self.folder / f"{name}-{self.github.number()}" for name in names}
        for file in files.values():
            file.touch()
        contexts = self._contexts(inputs)
        variables = dict(machine)
        for level in (self.run_of.workflow, self.job, step):
            variables |= {name: _filled(text, contexts) for name, text in level.get("env", {}).items()}
        self.run_of.secrets_given += [text for text in variables.values() if text in self.secrets.values()]
        variables |= {name: str(file) for name, file in files.items()}
        variables |= {
            "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_API_URL": self.github.api.url,
            "GITHUB_SHA": self.run_of.event.commit, "GITHUB_RUN_ID": str(self.run_of.id),
            "RUNNER_TEMP": str(self.folder / "temp"), "GITHUB_WORKSPACE": str(self.work),
        }
        status, said = self.github.world.shell(step["run"], self.work, variables)
        self.run_of.log += f"$ {self.name}: {step.get('name', step['run'])}\n{said}exit {status}\n"
        self.run_of.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        if "id" in step:
            lines = files["GITHUB_OUTPUT"].read_text().splitlines()
            self.steps[step["id"]] = {"outputs": dict(line.split("=", 1) for line in lines)}
        return status

    def _use(self, used: str, given: dict, machine: dict) -> None:
        github = self.github
        if used == "actions/checkout":
            if given.get("persist-credentials") is not False:
                raise Failed("the checkout leaves its token in the folder")
            self.work = github.world.checkout(self.run_of.event.commit)
        elif used == "actions/upload-artifact":
            content = _zipped(self.work / given["path"])
            if content:
                github.artifacts.append(Artifact(github.number(), given["name"], self.run_of, content))
            elif given.get("if-no-files-found") == "error":
                self.has_failed = True
        elif used == "github/codeql-action/upload-sarif":
            if self.permissions.get("security-events") != "write":
                raise Failed("upload-sarif needs security-events: write")
            github.sarif.append(json.loads((self.work / given["sarif_file"]).read_text()))
        elif used.startswith("./"):
            action = yaml.safe_load((self.work / used / "action.yml").read_text())
            inputs = {name: given.get(name, one["default"]) for name, one in action["inputs"].items()}
            self._each(action["runs"]["steps"], machine, inputs)
        else:
            raise Failed(f"no stand-in for {used}")


def _zipped(path: Path) -> bytes:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        return b""
    root = path.parent if path.is_file() else path
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(root))
    return out.getvalue()


# Expressions: names with dots, texts, == != ! && || and the functions that these workflows have.

def _names(on) -> list[str]:
    return [on] if isinstance(on, str) else list(on)


def _value(expression: str, contexts: dict, succeeded: bool = True):
    def look_up(path: str):
        value = contexts
        for part in path.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return value

    known = {"success": lambda: succeeded, "cancelled": lambda: False, "always": lambda: True, "look_up": look_up}
    words = []
    for word in re.findall(r"'[^']*'|[A-Za-z_][\w.-]*|==|!=|&&|\|\||[!()]", expression):
        if word in known or word in ("True", "False"):
            words.append(word)
        elif re.match(r"[A-Za-z_]", word):
            words.append({"true": "True", "false": "False"}.get(word, f"look_up({word!r})"))
        else:
            words.append({"&&": " and ", "||": " or ", "!": " not "}.get(word, word))
    return eval("".join(words), {"__builtins__": {}}, known)


def _truth(expression: str, contexts: dict, succeeded: bool) -> bool:
    expression = str(expression).strip().removeprefix("${{").removesuffix("}}")
    if not re.search(r"\b(success|always|cancelled|failure)\(", expression):
        if not succeeded:
            return False
        if not expression.strip():
            return True
    return bool(_value(expression, contexts, succeeded))


def _filled(text, contexts: dict) -> str:
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(_value(found[1], contexts)), str(text))

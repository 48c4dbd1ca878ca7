"""What every rehearsal happens in: a Central Node behind a counter of connections, a team's repository, a record that
runners share, and a shell."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """What was to be shown is not so."""


def check(is_so: bool, what: str) -> None:
    """Says what was shown, or ends the rehearsal."""
    if not is_so:
        raise Failed(f"not so: {what}")
    print(f"   {what}", flush=True)


class Clock:
    """How far ahead of the machine's clock the rehearsal is. Needs `faketime`; without it no time passes."""

    def __init__(self) -> None:
        self.can_move = shutil.which("faketime") is not None
        self.hours = 0

    def command(self, program: Path | str) -> list[str]:
        return ["faketime", "-f", f"+{self.hours}h", str(program)] if self.hours else [str(program)]


class Door:
    """A port in front of the Central Node that counts who comes. The node behind it may be started again."""

    def __init__(self) -> None:
        self.connections = 0
        self.behind = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                node = socket.create_connection(("127.0.0.1", self.behind))
            except OSError:
                client.close()
                continue
            for one, other in ((client, node), (node, client)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()

    def close(self) -> None:
        self._listener.close()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := one.recv(65536):
            other.sendall(chunk)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


class World:
    """Everything, in a folder that goes with it."""

    def __init__(self, kedrctl: Path, record: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kedrctl-flows-"))
        self.clock = Clock()
        self.door = Door()
        self._kedrctl = kedrctl
        self._node: subprocess.Popen | None = None
        self.record = record or str(self.folder / "record")
        self._write_fleet()
        self._write_program()
        self.start_node()
        self._repository()

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_node()
        self.door.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # The Central Node

    def _write_fleet(self) -> None:
        fleet = yaml.safe_load((ROOT / "examples/gitops/kedr/fleet.yaml").read_text())
        # Nobody waits for an agent here.
        for hosts in [*fleet["hosts"], fleet["generate"]]:
            hosts["contact_every"] = "1s"
        (self.folder / "fleet.yaml").write_text(yaml.safe_dump(fleet))

    def start_node(self) -> None:
        log = self.folder / "node.log"
        with log.open("w") as out:
            self._node = subprocess.Popen(
                [*self.clock.command(self._kedrctl), "simulate", "fleet.yaml", "--listen", "127.0.0.1:0",
                 "--credentials", "client"],
                cwd=self.folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )
        for _ in range(600):
            said = log.read_text()
            if "sha256" in said:
                break
            if self._node.poll() is not None:
                raise Failed(f"the simulator ended:\n{said}")
            time.sleep(0.1)
        self.door.behind = int(re.search(r"https://127\.0\.0\.1:(\d+)", said).group(1))
        self.fingerprint = re.search(r"sha256: *\"?([0-9a-f]{64})", said).group(1)
        self.system_id = re.search(r"external_system_id: *(\S+)", said).group(1)

    def stop_node(self) -> None:
        if self._node and self._node.poll() is None:
            os.killpg(self._node.pid, signal.SIGTERM)
            self._node.wait(timeout=30)

    def hours_pass(self, hours: int) -> None:
        self.stop_node()
        self.clock.hours += hours
        self._write_program()
        self.start_node()

    def _ask(self, method: str, call: str):
        """The Response API, past `kedrctl`. Answers the status and what was told."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(self.folder / "client/client.crt", self.folder / "client/client.key")
        url = f"https://127.0.0.1:{self.door.behind}/kata/response_api/v1/{self.system_id}/{call}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), context=context) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, None

    def _sensors(self) -> list[dict]:
        return self._ask("GET", "sensors")[1]["sensors"]

    def by_hand(self, method: str, host: str) -> int:
        """Somebody changes an isolation on the server itself, past files and record. Answers the status."""
        sensor = next(sensor["sensorId"] for sensor in self._sensors() if sensor["host"] == host)
        return self._ask(method, f"settings?sensor_id={sensor}&settings_type=network_isolation")[0]

    def agents_call(self) -> None:
        """Waits until every agent was in contact since, for sure: times are whole seconds, and the server's clock is known
        to a second only. So some more contacts than one."""
        seen = [{sensor["lastAccessTimestamp"] for sensor in self._sensors()}]
        for _ in range(300):
            now = {sensor["lastAccessTimestamp"] for sensor in self._sensors()}
            if min(now) > max(seen[-1]):
                seen.append(now)
            if len(seen) > 4:
                return
            time.sleep(0.1)
        raise Failed("the agents do not call")

    def is_isolated(self, host: str) -> bool:
        return self.by_hand("GET", host) == 200

    @property
    def key(self) -> str:
        return (self.folder / "client/client.key").read_text()

    # The program, in a folder for PATH

    def _write_program(self) -> None:
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "kedrctl"
        program.write_text(f"#!/bin/sh\nexec {' '.join(self.clock.command(self._kedrctl))} \"$@\"\n")
        program.chmod(0o755)

    # The repository

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        for who in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{who}_NAME": "Ana", f"GIT_{who}_EMAIL": "ana@example.org"}
        done = subprocess.run(["git", *arguments], cwd=folder or self.repository, env=environment,
                              capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"git {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def _repository(self) -> None:
        """The team's, with the state of examples/gitops for a server that is reached over the network."""
        self.repository = self.folder / "repository"
        kedr = self.repository / "kedr"
        shutil.copytree(ROOT / "examples/gitops/kedr", kedr, ignore=shutil.ignore_patterns(".*", "fleet.yaml"))
        shutil.copy(self.folder / "client/client.crt", kedr / "hq.crt")
        servers = {
            "version": 1, "owner": "soc-gitops", "record": self.record,
            "servers": {"hq": {
                "url": f"https://127.0.0.1:{self.door.port}",
                "external_system_id": self.system_id,
                "client_certificate": "hq.crt",
                "client_key": {"env": "KEDRCTL_HQ_KEY"},
                "trust": {"sha256": self.fingerprint},
            }},
        }
        (kedr / "servers.yaml").write_text(yaml.safe_dump(servers))
        self.git("init", "--quiet", "--initial-branch=main")

    def add(self, folder: Path) -> None:
        shutil.copytree(folder, self.repository, dirs_exist_ok=True)

    def commit(self, message: str, branch: str | None = None) -> str:
        """All that is there, as a commit of the branch (default: the one that is checked out)."""
        if branch:
            self.git("switch", "--quiet", "--create", branch)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def declare(self, name: str, hosts: str) -> None:
        """An incident: one file more in the state."""
        (self.repository / f"kedr/incidents/{name}.yaml").write_text(f"version: 1\nhosts: {hosts}\n")

    def merge(self, branch: str) -> str:
        self.git("switch", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", f"merge {branch}", branch)
        return self.git("rev-parse", "HEAD")

    def checkout(self, commit: str) -> Path:
        """What a runner works in: a clone of its own, which goes with the job."""
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="job-"))
        self.git("clone", "--quiet", "--no-checkout", str(self.repository), str(folder / "work"), folder=folder)
        self.git("checkout", "--quiet", "--detach", commit, folder=folder / "work")
        return folder / "work"

    def shell(self, script: str, folder: Path, variables: dict[str, str]) -> tuple[int, str]:
        """As the services' runners start it; answers the exit code and all that was printed."""
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder.parent), "CI": "true", "LC_ALL": "C.UTF-8", "NO_PROXY": "127.0.0.1", **variables,
        }
        done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=folder,
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300)
        return done.returncode, done.stdout

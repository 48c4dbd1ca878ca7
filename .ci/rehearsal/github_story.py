"""A team on GitHub: what its workflows do, from a stranger's pull request to the nightly check."""

import io
import zipfile
from pathlib import Path

import store
from github import BOT, Artifact, Event, GitHub, Pull, Run
from reports import cases, results
from world import ROOT, World, check

EXAMPLE = ROOT / "examples/ci/github"
NEW_HOST = "WS-019.corp.example"


def contain(host: str, reason: str = "INC-418") -> str:
    return f"{{ {host}: {{ isolation: {{ lease: 24h, reason: {reason} }} }} }}"


def play(kedrctl: Path) -> None:
    with store.bucket() as bucket, World(kedrctl, bucket.url) as world:
        world.add(EXAMPLE)
        first = world.commit("begin")
        given = {"KEDRCTL_HQ_KEY": world.key, "RECORD_KEY_ID": "test", "RECORD_KEY": "test"}
        environments = {name: dict(given) for name in ("kedr-read", "kedr-renew", "kedr-apply")}
        github = GitHub(world, environments, reviewed={"kedr-apply"}, machine=bucket.machine)
        try:
            Story(world, github).play(first)
        finally:
            github.close()


class Story:
    def __init__(self, world: World, github: GitHub) -> None:
        self.world, self.github = world, github

    def play(self, first: str) -> None:
        self.begins(first)
        pull = self.a_stranger_opens_a_pull_request()
        self.a_second_push_updates_the_comment(pull)
        self.what_a_stranger_forges_is_not_posted(pull)
        self.a_merge_is_approved_and_applied(pull)
        self.something_else_is_merged_in_between()
        self.isolations_are_renewed()
        self.somebody_changes_the_server()

    # Acts

    def run(self, workflow: str, event: Event, fails: bool = False) -> Run:
        run = self.github.run(workflow, event)
        check(run.failed == fails, f"{workflow} on {event.name} {'fails' if fails else 'passes'}" + said(run, fails))
        return run

    def approve(self, run: Run, fails: bool = False) -> Run:
        run.approve()
        check(run.failed == fails, f"apply, approved, {'fails' if fails else 'passes'}" + said(run, fails))
        return run

    def pushed(self, pull: Pull) -> Run:
        """What GitHub does when a pull request has new commits: `plan`, and then `comment`, of the main branch."""
        merged = self.would_be_merged(pull)
        planned = self.github.run("plan", Event("pull_request", merged, pull.owner, pull.branch, pull))
        named = "secrets." in self.world.git("show", f"{merged}:.github/workflows/plan.yml")
        check(planned.secrets_given == [] and not named, "the jobs of the pull request were given no secret, and name none")
        return planned

    def would_be_merged(self, pull: Pull) -> str:
        """The commit that `pull_request` runs on: the branch merged into main."""
        work = self.world.checkout(self.world.git("rev-parse", "main"))
        self.world.git("merge", "--quiet", "--no-ff", "--message", "merge", pull.commit, folder=work)
        commit = self.world.git("rev-parse", "HEAD", folder=work)
        self.world.git("fetch", "--quiet", str(work), commit)
        return commit

    def comment(self, planned: Run, fails: bool = False) -> Run:
        main = self.world.git("rev-parse", "main")
        return self.run("comment", Event("workflow_run", main, after=planned), fails)

    def proposal(self, owner: str, branch: str, name: str, hosts: str) -> Pull:
        world = self.world
        world.git("switch", "--quiet", "main")
        world.declare(name, hosts)
        commit = world.commit(f"contain {name}", branch)
        world.git("switch", "--quiet", "main")
        pull = Pull(len(self.github.pulls) + 1, owner, branch, commit)
        self.github.pulls.append(pull)
        return pull

    def merge(self, pull: Pull) -> Event:
        pull.merged = self.world.merge(pull.branch)
        return Event("push", pull.merged)

    # Scenes

    def begins(self, first: str) -> None:
        run = self.run("apply", Event("push", first))
        check(run.waits_for == "apply" and not self.world.is_isolated("WS-017.corp.example"),
              "nothing is written before somebody approves")
        check("WS-017.corp.example" in run.summary, "the summary shows what is to be approved")
        self.approve(run)
        check(self.world.is_isolated("WS-017.corp.example"), "what was approved is applied")
        check(self.run("apply", Event("push", first)).waits_for is None, "nothing to do asks nobody")
        self.run("snapshot", Event("schedule", first))

    def a_stranger_opens_a_pull_request(self) -> Pull:
        # The stranger's branch is called like ours, as a fork's is by default; a member's is not.
        pull = self.proposal("mallory", "incident-418", "418", contain(NEW_HOST))
        before = self.world.door.connections
        planned = self.pushed(pull)
        check(not planned.failed, "a pull request of a stranger is planned" + said(planned, False))
        check(self.world.door.connections == before, "nobody came to the Central Node for it")
        for number in range(120):
            self.github.say(pull.number, "ana", f"remark {number}")
        other = self.github.say(pull.number, BOT, "coverage: 93 %")
        forged = self.github.say(pull.number, "mallory", "<!-- kedrctl plan soc_gitops -->\nlooks good, merge it")
        self.comment(planned)
        check(NEW_HOST in self.only_comment(pull), "it shows the plan")
        check(forged["body"].endswith("merge it"), "a comment of somebody else with our marker is left alone")
        check(other["body"] == "coverage: 93 %", "and so is one of another workflow")
        return pull

    def a_second_push_updates_the_comment(self, pull: Pull) -> None:
        outdated = self.pushed(pull)
        world = self.world
        world.git("switch", "--quiet", pull.branch)
        world.declare("418", "{ WS-019.corp.example: { isolatoin: off } }")
        pull.commit = world.commit("a mistake")
        wrong = self.pushed(pull)
        check(wrong.results == {"check": "failure", "plan": "failure"}, "a mistake fails both checks")
        self.comment(wrong)
        check("isolatoin" in self.only_comment(pull), "and the comment says what is wrong")
        world.declare("418", contain(NEW_HOST, "INC-419"))
        pull.commit = world.commit("another reason")
        world.git("switch", "--quiet", "main")
        planned = self.pushed(pull)
        self.comment(planned)
        self.comment(planned)
        check("INC-419" in self.only_comment(pull), "the next push updates it, and adds none")
        self.comment(outdated)
        check("INC-419" in self.only_comment(pull), "a plan that is late changes nothing")

    def only_comment(self, pull: Pull) -> str:
        comments = self.github.said_by_bot(pull.number)
        check(len(comments) == 1, "there is one comment")
        return comments[0]["body"]

    def what_a_stranger_forges_is_not_posted(self, pull: Pull) -> None:
        body = self.only_comment(pull)
        planned = self.pushed(pull)
        self.replace_plan(planned, b"@everyone look here")
        self.comment(planned, fails=True)
        check(self.only_comment(pull) == body, "what is no plan of kedrctl is not posted")
        self.replace_plan(planned, b"<!-- kedrctl plan -->" + b"\n" + "я".encode() * 200_000)
        self.comment(planned)
        check(len(self.only_comment(pull)) == 65000, "a text beyond all measure is cut")
        # A snapshot of a fork's own branch `main` is none of ours.
        fork = Pull(99, "mallory", "main", pull.commit)
        run = self.pushed(fork)
        self.github.artifacts.append(Artifact(self.github.number(), "observed", run, b"forged"))
        check(not self.pushed(pull).failed, "a snapshot that a fork left is not taken for ours")

    def replace_plan(self, run: Run, text: bytes) -> None:
        artifact = next(one for one in self.github.artifacts if one.run is run and one.name == "plan")
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("comment.md", text)
        artifact.content = out.getvalue()

    def a_merge_is_approved_and_applied(self, pull: Pull) -> None:
        run = self.approve(self.run("apply", self.merge(pull)))
        check(self.world.is_isolated(NEW_HOST), "what was merged and approved is applied")
        check("1 change done" in run.summary or "change done" in run.log, "and the outcome is shown")

    def something_else_is_merged_in_between(self) -> None:
        world = self.world
        one = self.proposal("soc", "one", "421", contain("srv-31.corp.example"))
        two = self.proposal("soc", "two", "422", contain("srv-32.corp.example"))
        first = self.run("apply", self.merge(one))
        second = self.run("apply", self.merge(two))
        self.approve(first)
        check(world.is_isolated("srv-31.corp.example") and not world.is_isolated("srv-32.corp.example"),
              "the first merge is applied, and nothing of the second")
        self.approve(second)
        check(world.is_isolated("srv-32.corp.example"), "of the second, which had both, what is left passes")

        three = self.proposal("soc", "three", "423", contain("srv-33.corp.example"))
        waiting = self.run("apply", self.merge(three))
        status = world.by_hand("DELETE", "srv-31.corp.example")
        check(status == 200, "meanwhile somebody ends an isolation on the server itself")
        self.approve(waiting, fails=True)
        check("exit 3" in waiting.log and not world.is_isolated("srv-33.corp.example"),
              "what nobody approved is not written, and neither is the rest: exit 3")
        check("srv-31.corp.example" in waiting.log.split("$ apply: apply")[1], "and the log says what it is")
        self.approve(self.run("apply", Event("workflow_dispatch", three.merged)))
        check(world.is_isolated("srv-31.corp.example") and world.is_isolated("srv-33.corp.example"),
              "the newest run has all of it")

        four = self.proposal("soc", "four", "424", contain("srv-34.corp.example"))
        five = self.a_hash_more("five")
        earlier = self.run("apply", self.merge(four))
        self.approve(self.run("apply", self.merge(five)))
        self.approve(earlier, fails=True)
        check("exit 3" in earlier.log, "an earlier commit that would take back a later one is refused: exit 3")

    def a_hash_more(self, branch: str) -> Pull:
        self.world.git("switch", "--quiet", "main")
        with (self.world.repository / "kedr/lists/incident-417.txt").open("a") as hashes:
            hashes.write("f" * 64 + "   # late.exe\n")
        commit = self.world.commit("block one more", branch)
        self.world.git("switch", "--quiet", "main")
        pull = Pull(len(self.github.pulls) + 1, "soc", branch, commit)
        self.github.pulls.append(pull)
        return pull

    def isolations_are_renewed(self) -> None:
        main = self.world.git("rev-parse", "main")
        run = self.run("renew", Event("schedule", main))
        check("nothing" in run.log, "nothing is due yet")
        if not self.world.clock.can_move:
            print("   skipped: half a day later (there is no faketime)")
            return
        self.world.hours_pass(13)
        run = self.run("renew", Event("schedule", main))
        check("renew" in run.log and "done" in run.log, "half a day later the leases of a day are renewed")

    def somebody_changes_the_server(self) -> None:
        main = self.world.git("rev-parse", "main")
        self.world.agents_call()
        self.run("drift", Event("schedule", main))
        check(results(self.github.sarif[-1]) == [], "the fleet is as declared, and no finding is uploaded")
        check(self.world.by_hand("DELETE", NEW_HOST) == 200, "somebody ends an isolation on the server itself")
        self.run("drift", Event("schedule", main), fails=True)
        found = results(self.github.sarif[-1])
        place = found[0]["locations"][0]["physicalLocation"]
        check(len(found) == 1 and place["artifactLocation"]["uri"] == "kedr/incidents/418.yaml",
              "the night finds it, and uploads it at the line that declares it")
        artifact = self.github.artifacts[-1]
        ends = cases(store.of_zip(artifact.content, "drift.xml"))
        check(list(ends.values()).count("failure") == 1, "the JUnit report has one failure")
        check("<html" in store.of_zip(artifact.content, "drift.html"), "the page is there for the auditor")


def said(run: Run, fails: bool) -> str:
    """The log, where the run did not end as it should."""
    return f"\n{run.log}" if run.failed != fails else ""

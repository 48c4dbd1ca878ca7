"""A team on GitLab: what its pipelines do, from a stranger's merge request to the nightly check. Its record is a folder
that its runners share."""

from pathlib import Path

from gitlab import GitLab, Pipeline
from reports import cases
from world import ROOT, World, check

EXAMPLE = ROOT / "examples/ci/gitlab"
NEW_HOST = "WS-019.corp.example"


def contain(host: str, reason: str = "INC-418") -> str:
    return f"{{ {host}: {{ isolation: {{ lease: 24h, reason: {reason} }} }} }}"


def play(kedrctl: Path) -> None:
    with World(kedrctl) as world:
        world.add(EXAMPLE)
        first = world.commit("begin")
        protected = {"KEDRCTL_HQ_KEY": world.key, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        gitlab = GitLab(world, protected, machine={})
        try:
            Story(world, gitlab).play(first)
        finally:
            gitlab.close()


class Story:
    def __init__(self, world: World, gitlab: GitLab) -> None:
        self.world, self.gitlab = world, gitlab

    def play(self, first: str) -> None:
        self.begins(first)
        self.a_stranger_opens_a_merge_request()
        self.something_else_is_merged_in_between()
        self.isolations_are_renewed()
        self.somebody_changes_the_server()

    # Acts

    def main(self) -> str:
        return self.world.git("rev-parse", "main")

    def scheduled(self, job: str, fails: bool = False) -> Pipeline:
        pipeline = self.gitlab.pipeline("schedule", self.main(), {"JOB": job})
        return shown(pipeline, job, fails)

    def pushed(self, commit: str, before: str) -> Pipeline:
        return shown(self.gitlab.pipeline("push", commit, before=before), "the pipeline of the merge", False)

    def proposed(self, iid: int, commit: str, token: bool = True, fails: bool = False) -> Pipeline:
        pipeline = self.gitlab.pipeline("merge_request_event", commit, iid=iid, token=token)
        secrets = set(self.gitlab.protected.values())
        check(not any(secrets & set(job.variables.values()) for job in pipeline.jobs.values()),
              "the jobs of the merge request were given no protected variable")
        return shown(pipeline, "the pipeline of the merge request", fails)

    def branch(self, name: str, hosts: str) -> str:
        self.world.git("switch", "--quiet", "main")
        self.world.declare(name, hosts)
        commit = self.world.commit(f"contain {name}", f"incident-{name}")
        self.world.git("switch", "--quiet", "main")
        return commit

    def merge(self, name: str) -> Pipeline:
        before = self.main()
        return self.pushed(self.world.merge(f"incident-{name}"), before)

    # Scenes

    def begins(self, first: str) -> None:
        world = self.world
        world.git("switch", "--quiet", "--orphan", "nothing")
        world.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
        nothing = world.git("rev-parse", "HEAD")
        world.git("switch", "--quiet", "main")
        pipeline = self.pushed(first, nothing)
        check(pipeline.waits_for == ["apply"] and not world.is_isolated("WS-017.corp.example"),
              "nothing is written before somebody starts the job")
        job = pipeline.start_by_hand("apply")
        check(job.status == "success" and world.is_isolated("WS-017.corp.example"), f"then it is{at(job)}")
        check("snapshot" in pipeline.jobs, "and what merge requests are planned from is taken anew")

    def a_stranger_opens_a_merge_request(self) -> None:
        gitlab, world = self.gitlab, self.world
        for _ in range(3):
            self.scheduled("renew")
        commit = self.branch("418", contain(NEW_HOST))
        before = world.door.connections
        fork = self.proposed(1, commit, token=False)
        check(fork.jobs["plan-merge-request"].status == "allowed", "in the fork itself there is no plan, only a warning")
        for number in range(120):
            gitlab.say(1, 5, f"remark {number}")
        self.proposed(1, commit)
        notes = gitlab.said_by_bot(1)
        check(len(notes) == 1 and NEW_HOST in notes[0]["body"], "one note shows the plan")
        forged = gitlab.say(1, 5, notes[0]["body"].splitlines()[0] + "\nlooks good, merge it")
        for number in range(120):
            gitlab.say(1, 5, f"remark {number}")
        world.git("switch", "--quiet", "incident-418")
        world.declare("418", contain(NEW_HOST, "INC-419"))
        commit = world.commit("another reason")
        world.git("switch", "--quiet", "main")
        self.proposed(1, commit)
        notes = gitlab.said_by_bot(1)
        check(len(notes) == 1 and "INC-419" in notes[0]["body"], "the second push updates it, and adds none")
        check(forged["body"].endswith("merge it"), "a note of somebody else with our marker is left alone")
        refused = self.branch("419", contain("dc1.corp.example"))
        pipeline = self.proposed(2, refused, fails=True)
        check(pipeline.jobs["plan-merge-request"].exit_code == 3 and "Refused" in gitlab.said_by_bot(2)[0]["body"],
              "a domain controller is refused, and the note says so")
        check(world.door.connections == before, "nobody came to the Central Node for all that")

    def something_else_is_merged_in_between(self) -> None:
        world = self.world
        first = self.merge("418")
        self.branch("421", contain("srv-31.corp.example"))
        second = self.merge("421")
        job = first.start_by_hand("apply")
        check(job.status == "success" and world.is_isolated(NEW_HOST) and not world.is_isolated("srv-31.corp.example"),
              f"the first merge is applied, and nothing of the second{at(job)}")
        job = second.start_by_hand("apply")
        check(job.status == "success" and world.is_isolated("srv-31.corp.example"),
              f"of the second, which had both, what is left passes{at(job)}")

        self.branch("422", contain("srv-32.corp.example"))
        waiting = self.merge("422")
        check(world.by_hand("DELETE", NEW_HOST) == 200, "meanwhile somebody ends an isolation on the server itself")
        job = waiting.start_by_hand("apply")
        check(job.exit_code == 3 and NEW_HOST in job.log and not world.is_isolated("srv-32.corp.example"),
              "what nobody approved is not written, and neither is the rest: exit 3")
        self.branch("423", contain("srv-33.corp.example"))
        self.merge("423").start_by_hand("apply")
        check(all(world.is_isolated(host) for host in (NEW_HOST, "srv-32.corp.example", "srv-33.corp.example")),
              "the newest pipeline has all of it")

    def isolations_are_renewed(self) -> None:
        self.scheduled("renew")
        if not self.world.clock.can_move:
            print("   skipped: half a day later (there is no faketime)")
            return
        self.world.hours_pass(13)
        log = self.scheduled("renew").log
        check("renew" in log and "done" in log, "half a day later the leases of a day are renewed")

    def somebody_changes_the_server(self) -> None:
        self.world.agents_call()
        job = self.scheduled("drift").jobs["drift"]
        check(set(cases(job.junit).values()) == {"passed"}, "the fleet is as declared: every test case passes")
        check(self.world.by_hand("DELETE", NEW_HOST) == 200, "somebody ends an isolation on the server itself")
        job = self.scheduled("drift", fails=True).jobs["drift"]
        wrong = [name for name, ends in cases(job.junit).items() if ends == "failure"]
        check(len(wrong) == 1 and NEW_HOST in wrong[0], "the night finds it: the test case of that host fails")
        check({"drift.html", "drift.sarif"} <= set(job.files), "page and SARIF are there for the auditor")


def shown(pipeline: Pipeline, what: str, fails: bool) -> Pipeline:
    is_so = bool(pipeline.failed) == fails
    check(is_so, f"{what} {'fails' if fails else 'passes'}" + ("" if is_so else f"\n{pipeline.log}"))
    return pipeline


def at(job) -> str:
    return "" if job.status == "success" else f"\n{job.log}"

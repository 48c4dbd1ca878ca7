//! Small plans by hand, for the tests of every format.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::declare::{DeclaredPrevention, DeclaredTask, TaskPresence, Term};
use crate::diagnostic::{Code, Place, Problem, Sources};
use crate::execute::{ChangeOutcome, ServerOutcome};
use crate::guard::{Judgement, Refusal, RefusalKind};
use crate::model::{
    Aspect, Cause, Difference, Direction, ExclusionRule, FileHash, Isolation, LastAccess, Origin, PortRange,
    PreventionRule, Program, Protocol, ReadFailure, Sensor, SensorId, ServerKey, ServerName, Side, Subject,
    Target, TaskId, Timeout, Untrusted,
};
use crate::plan::{
    Action, AddedHash, Change, Contact, End, Finding, FindingKind, Judged, Plan, Purpose, RemovedBecause,
    RemovedHash, RuleChange, Scope, ServerClock, ServerPlan, ServerState, Step, Verdict, Whom, WhyUnknown,
};
use crate::record::{Hold, LastRun};
use crate::report::{Complaint, NoPlan, Told, View};
use crate::resolve::{DesiredHost, DesiredTask};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The instant of every sample.
pub(crate) fn now() -> Timestamp {
    at("2026-11-25T13:00:00Z")
}

pub(crate) fn origin(file: &str, line: u32) -> Origin {
    Origin { file: file.into(), line }
}

/// A host that was seen half an hour ago.
pub(crate) fn sensor(number: u8, name: &str) -> Sensor {
    Sensor {
        id: SensorId::new(Uuid::from_bytes([number; 16])),
        name: Some(Untrusted::new(name)),
        addresses: vec![[10, 1, 2, number].into()],
        last_access: LastAccess::At(at("2026-11-25T12:30:00Z")),
        agent_version: None,
        os_family: None,
        os_name: None,
        capabilities: Vec::new(),
    }
}

pub(crate) fn host(number: u8, name: &str) -> Arc<DesiredHost> {
    Arc::new(DesiredHost {
        entry: name.into(),
        origin: origin("state/hosts.yaml", u32::from(number)),
        sensor: Arc::new(sensor(number, name)),
        groups: Arc::new([]),
        is_named: true,
        isolation: None,
        prevention: None,
    })
}

pub(crate) fn change(host: Arc<DesiredHost>, action: Action, difference: Difference) -> Change {
    Change {
        subject: Subject { target: Target::Sensor(host.sensor.id), aspect: difference.aspect() },
        cause: host.origin.clone().into(),
        whom: Whom::Host(host),
        action,
        difference,
        reason: None,
        notes: Vec::new(),
    }
}

pub(crate) fn prevention() -> Arc<DeclaredPrevention> {
    let cause = origin("state/all.yaml", 3).into();
    Arc::new(DeclaredPrevention { cause, block: Vec::new(), unblock: Vec::new(), exact: false })
}

pub(crate) fn until() -> Term {
    Term::Until(at("2026-12-01T18:00:00+03:00"))
}

pub(crate) fn lease() -> Term {
    Term::Lease(Timeout::covering(SignedDuration::from_hours(24)))
}

/// An isolation that lets out name resolution to these last octets of 10.0.0.0/24.
pub(crate) fn isolation(servers: &[u8]) -> Isolation {
    let rule = |server: &u8| {
        let (protocol, ports) = (Protocol::from_name("udp"), PortRange::new(53, 53));
        ExclusionRule::new(Direction::Outbound, protocol, Some([10, 0, 0, *server].into()), ports, None)
            .unwrap()
    };
    Isolation { timeout_seconds: 86_400, exclusions: Arc::new(servers.iter().map(rule).collect()) }
}

pub(crate) fn isolate(host: Arc<DesiredHost>) -> Change {
    let after = Some(isolation(&[53]));
    let action = Action::Isolate { term: until(), is_lapsed: false };
    let mut change = change(host, action, Difference::Isolation(Side { before: None, after }));
    change.reason = Some("INC-417".into());
    change
}

pub(crate) fn exclusions(host: Arc<DesiredHost>, before: &[u8], after: &[u8]) -> Change {
    let side = Side { before: Some(isolation(before)), after: Some(isolation(after)) };
    change(host, Action::ChangeExclusions { term: lease() }, Difference::Isolation(side))
}

pub(crate) fn renew(host: Arc<DesiredHost>, end: End) -> Change {
    let side = Side { before: Some(isolation(&[53])), after: Some(isolation(&[53])) };
    change(host, Action::Renew { term: lease(), end }, Difference::Isolation(side))
}

pub(crate) fn release(host: Arc<DesiredHost>) -> Change {
    let side = Side { before: Some(isolation(&[])), after: None };
    change(host, Action::Release, Difference::Isolation(side))
}

pub(crate) fn end_spent(host: Arc<DesiredHost>) -> Change {
    let side = Side { before: Some(isolation(&[])), after: None };
    change(host, Action::EndSpent { until: at("2026-11-24T18:00:00Z") }, Difference::Isolation(side))
}

/// The `n`th hash.
pub(crate) fn hash(n: usize) -> FileHash {
    format!("{n:07x}{:057}", 0).parse().unwrap()
}

/// A rule that gains and loses hashes and keeps 212, 3 of them not ours.
pub(crate) fn block(host: Arc<DesiredHost>, added: usize, removed: usize) -> Change {
    let rule = |hashes: &mut dyn Iterator<Item = usize>| {
        let objects = hashes.map(|n| (hash(n), Default::default())).collect();
        Some(Arc::new(PreventionRule { objects }))
    };
    let side = Side {
        before: rule(&mut (0..removed).chain(1_000..1_212)),
        after: rule(&mut (500..500 + added).chain(1_000..1_212)),
    };
    let reasons = [
        RemovedBecause::Expired { at: at("2026-11-24T00:00:00Z"), origin: origin("lists/ransomware.txt", 9) },
        RemovedBecause::Unblocked(origin("state/hosts.yaml", 31)),
        RemovedBecause::NoLongerDeclared,
        RemovedBecause::Exact,
    ];
    let added = (500..500 + added).map(|n| AddedHash {
        hash: hash(n),
        list: (n % 2 == 0).then(|| "ransomware".into()),
        comment: (n % 3 == 0).then(|| Untrusted::new("dropper.exe")),
        origin: origin("lists/ransomware.txt", u32::try_from(n).unwrap()),
    });
    let removed =
        (0..removed).map(|n| RemovedHash { hash: hash(n), because: reasons[n % reasons.len()].clone() });
    let rule = RuleChange {
        added: added.collect(),
        removed: removed.collect(),
        kept: 212,
        kept_foreign: 3,
        ..RuleChange::default()
    };
    change(host, Action::Block(Arc::new(rule)), Difference::Prevention(side))
}

/// A declared program.
pub(crate) fn task(number: u8, host: &str) -> Arc<DesiredTask> {
    let program = Program {
        command: r"C:\Windows\System32\cmd.exe".into(),
        arguments: Some("/c collect.bat".into()),
        working_directory: Some(r"C:\Tools".into()),
    };
    let sensor = Arc::new(sensor(number, host));
    Arc::new(DesiredTask {
        id: TaskId::new(sensor.id, "collect-417", &program, 1),
        task: Arc::new(DeclaredTask {
            name: "collect-417".into(),
            origin: origin("state/tasks.yaml", 12),
            hosts: Vec::new(),
            groups: Vec::new(),
            program,
            not_after: at("2026-12-01T00:00:00Z"),
            generation: 1,
            presence: TaskPresence::Present,
        }),
        sensor,
        cause: origin("state/tasks.yaml", 12).into(),
        groups: Arc::default(),
    })
}

pub(crate) fn start_task(number: u8, host: &str) -> Change {
    let task = task(number, host);
    let side = Side { before: None, after: Some(Arc::new(task.task.program.clone())) };
    task_change(task, Action::StartTask { not_after: at("2026-12-01T00:00:00Z") }, side)
}

pub(crate) fn delete_task(number: u8, host: &str) -> Change {
    let task = task(number, host);
    let side = Side { before: Some(Arc::new(task.task.program.clone())), after: None };
    task_change(task, Action::DeleteTask, side)
}

fn task_change(task: Arc<DesiredTask>, action: Action, side: Side<Arc<Program>>) -> Change {
    Change {
        subject: task.subject(),
        cause: task.cause.clone(),
        difference: Difference::Task(task.id, side),
        whom: Whom::Task(task),
        action,
        reason: None,
        notes: Vec::new(),
    }
}

pub(crate) fn judged(host: Arc<DesiredHost>, aspect: Aspect, verdict: Verdict, contact: Contact) -> Judged {
    Judged { whom: Whom::Host(host), aspect, verdict, contact, hold: None, is_isolated: false }
}

pub(crate) fn hold() -> Hold {
    Hold {
        until: at("2026-11-26T13:00:00Z"),
        by: "ana@soc-1".into(),
        run: "20261125-120000-4f2a".into(),
        at: at("2026-11-25T12:00:00Z"),
        command: "isolate".into(),
        reason: Some("INC-417".into()),
    }
}

pub(crate) fn finding(kind: FindingKind, label: &str, message: &str) -> Finding {
    Finding { kind, label: label.to_owned(), aspect: None, message: message.to_owned(), cause: None }
}

pub(crate) fn server(name: &str) -> ServerPlan {
    ServerPlan {
        server: ServerName::new(name),
        address: "https://kata.example.org".to_owned(),
        origin: origin("state/servers.yaml", 5),
        state: ServerState::Read {
            key: ServerKey::of_address("kata.example.org", 443),
            hosts_listed: 9_998,
            clock: ServerClock::Together(SignedDuration::from_secs(1)),
            last_run: Some(LastRun { id: "41".into(), at: at("2026-11-25T06:40:00Z"), is_unfinished: false }),
            distinct_hashes: 230,
            timeouts: crate::plan::ListedTimeouts::NotKnown,
        },
        steps: Vec::new(),
        judged: Arc::default(),
        findings: Vec::new(),
    }
}

pub(crate) fn step(purpose: Purpose, changes: Vec<Change>) -> Step {
    Step { purpose, changes: changes.into_iter().map(Arc::new).collect() }
}

pub(crate) fn plan(servers: Vec<ServerPlan>) -> Plan {
    Plan { now: now(), observed_at: now(), scope: Scope::All, owner: "soc-gitops".into(), servers }
}

/// Every mark, every action and every kind of finding once.
pub(crate) fn of_everything() -> Plan {
    let mut hq = server("hq");
    let (ws17, ws18) = (host(17, "WS-017.corp.example"), host(18, "WS-018"));
    let mut lapsed = isolate(host(19, "WS-019"));
    lapsed.action = Action::Isolate { term: lease(), is_lapsed: true };
    let known = |hours| End::Known(now() + SignedDuration::from_hours(hours));
    let mut shortened = renew(host(24, "WS-024"), End::Unknown(WhyUnknown::NotRecorded));
    shortened.notes.push("it could end earlier than what is set now".to_owned());
    hq.steps = vec![
        step(
            Purpose::Contain,
            vec![
                isolate(Arc::clone(&ws17)),
                lapsed,
                exclusions(host(20, "WS-020"), &[53, 54], &[53, 55]),
                renew(host(21, "WS-021"), known(30)),
                renew(host(22, "WS-022"), known(20)),
                shortened,
                renew(host(25, "WS-025"), End::Unknown(WhyUnknown::ChangedByOthers)),
            ],
        ),
        step(Purpose::Prevent, vec![block(Arc::clone(&ws17), 2, 4)]),
        step(Purpose::Run, vec![start_task(26, "WS-026"), delete_task(27, "WS-027")]),
        step(Purpose::Release, vec![release(ws18), end_spent(host(23, "WS-023"))]),
    ];
    *hq.judged_mut() = vec![
        judged(Arc::clone(&ws17), Aspect::Isolation, Verdict::Differs, Contact::Seen),
        judged(host(21, "WS-021"), Aspect::Isolation, Verdict::Renew, Contact::Seen),
        judged(host(24, "WS-024"), Aspect::Isolation, Verdict::EndUnknown, Contact::Seen),
        judged(host(30, "WS-030"), Aspect::Isolation, Verdict::InSync, Contact::Silent),
        judged(host(31, "WS-031"), Aspect::Prevention, Verdict::InSync, Contact::Waiting),
        judged(host(32, "LX-001"), Aspect::Prevention, Verdict::InSync, Contact::Unsupported),
        Judged {
            whom: Whom::Task(task(28, "WS-028")),
            aspect: task(28, "WS-028").subject().aspect,
            verdict: Verdict::InSync,
            contact: Contact::Silent,
            hold: None,
            is_isolated: false,
        },
        Judged {
            hold: Some(Arc::new(hold())),
            ..judged(host(34, "WS-034"), Aspect::Isolation, Verdict::Held, Contact::Seen)
        },
        judged(
            host(33, "KIOSK-4"),
            Aspect::Isolation,
            Verdict::Unknown(crate::model::ReadFailure::new("timed out 3 times")),
            Contact::Seen,
        ),
    ];
    let mut superseded = finding(
        FindingKind::HostError,
        "WS-233",
        "superseded: sensor 91c0a1b2 has this name and was seen today",
    );
    superseded.cause = Some(Cause::group("pci".into(), origin("state/pci.yaml", 40)));
    hq.findings = vec![
        superseded,
        finding(
            FindingKind::SpentNotOurs,
            "SRV-9",
            "its time has passed, the rule that is listed is not ours",
        ),
        finding(
            FindingKind::GroupCheck,
            "SRV-7",
            "is isolated, declared off by group everyone: `kedrctl release SRV-7`, or `kedrctl hold SRV-7`",
        ),
        finding(
            FindingKind::TaskGone,
            "WS-029",
            "task `collect-417` is gone: it was created, and is not there",
        ),
        finding(
            FindingKind::Held,
            "WS-034",
            "is isolated, and declared off; ana@soc-1 holds it until 2026-11-26T13:00:00Z",
        ),
        finding(
            FindingKind::LeftBehind,
            "SRV-8",
            "ours, in force and declared no more: `isolation: off` ends it",
        ),
        finding(FindingKind::NeverBlockPresent, "WS-020", "blocks 1000000… of `never_block`"),
        finding(
            FindingKind::Unknown,
            "KIOSK-4",
            "could not be read: timed out 3 times; nothing will be written",
        ),
        finding(FindingKind::Spent, "WS-023", "its time ended on 24 Nov: remove the entry"),
        finding(FindingKind::Hold, "WS-030", "ana@soc-1 holds it until 2026-11-26T13:00:00Z"),
        finding(FindingKind::Notice, "WS-031", "meant by its address only (addresses move)"),
    ];
    plan(vec![hq])
}

/// One problem with two places, one that is only about a path, and a doubt, all with hostile texts.
pub(crate) fn problems() -> (Vec<Problem>, Sources) {
    let mut sources = Sources::default();
    let text = "version: 1\nhosts:\n  кухня: { isolatoin: off }\n  WS-1: {}\n";
    let file = sources.add("my state/a.yaml", text);
    let at = |part: &str| {
        let start = text.find(part).unwrap();
        Place::new(file, start, start + part.len())
    };
    let problems = vec![
        Problem::new(Code::NoSuchPath, "there is no file or folder `b\u{1b}.yaml`")
            .about("b\u{1b}.yaml".into())
            .help("give the path of a state file"),
        Problem::new(Code::NoRecord, "several paths make one state"),
        Problem::new(Code::UnknownKey, "the host `кухня` has no key `isolatoin`")
            .at(at("isolatoin"), "did you mean `isolation`?")
            .and(at("кухня"), "of this host\u{202e}")
            .help("its keys are `isolation` and `prevention`"),
        Problem::new(Code::NothingDeclared, "nothing is declared for the host `WS-1`").at(at("WS-1"), ""),
    ];
    (problems, sources)
}

/// What a report is given of this plan, without a record.
pub(crate) fn told<T>(
    plan: &Plan,
    judgement: &Judgement,
    view: View,
    tell: impl FnOnce(&Told<'_>) -> T,
) -> T {
    let recorded = BTreeMap::new();
    tell(&Told { plan, judgement, plan_id: "7c1e44d0", view, recorded: &recorded, since: None })
}

/// A name, reason and message of somebody who wants to break out of every format.
pub(crate) const HOSTILE: &str = "w\u{1b}[2J</script><img src=x onerror=alert(1)> @everyone #1 | a`b``c \
    [x](https://evil.example) ![x](//evil.example/x.png) https://evil.example <!-- --> ]]> &amp; \u{202e}rtl\u{202c} \
    \r\n# heading\n|a|b|\n|-|-|\n```\n\"'=1+1\t\u{0}\u{fffe}\u{ffff}\u{9b}";

/// A fleet as large as they come; made once.
pub(crate) fn ten_thousand() -> &'static Plan {
    static PLAN: std::sync::LazyLock<Plan> = std::sync::LazyLock::new(|| many(10_000));
    &PLAN
}

/// `count` changes on as many hosts, of every kind, with what is judged of them and of some more hosts.
pub(crate) fn many(count: usize) -> Plan {
    let mut hq = server("hq");
    let mut steps: BTreeMap<Purpose, Vec<Change>> = BTreeMap::new();
    // Rules of hundreds of hashes are made once each.
    let mut rules: BTreeMap<(usize, usize), Change> = BTreeMap::new();
    for n in 0..count {
        let host = numbered(n, &format!("WS-{n:05}.corp.example"));
        let known = End::Known(now() + SignedDuration::from_hours(20 + i64::try_from(n % 5).unwrap()));
        let (change, verdict) = match n % 6 {
            0 => (isolate(host), Verdict::Differs),
            1 => (exclusions(host, &[53, 54], &[53, 55]), Verdict::Differs),
            2 => {
                let key = (1 + n % 3, n % 4);
                let of_these = rules.entry(key).or_insert_with(|| block(Arc::clone(&host), key.0, key.1));
                let Change { action, difference, .. } = of_these.clone();
                (change(host, action, difference), Verdict::Differs)
            }
            3 => (release(host), Verdict::Differs),
            4 => (renew(host, known), Verdict::Renew),
            _ => (renew(host, End::Unknown(WhyUnknown::NotRecorded)), Verdict::EndUnknown),
        };
        let purpose = match &change.action {
            Action::Block(_) => Purpose::Prevent,
            Action::Release => Purpose::Release,
            Action::Isolate { .. }
            | Action::ChangeExclusions { .. }
            | Action::Renew { .. }
            | Action::EndSpent { .. } => Purpose::Contain,
            Action::StartTask { .. } | Action::DeleteTask => Purpose::Run,
        };
        hq.judged_mut().push(Judged {
            whom: change.whom.clone(),
            aspect: change.subject.aspect,
            verdict,
            contact: Contact::Seen,
            hold: None,
            is_isolated: false,
        });
        steps.entry(purpose).or_default().push(change);
    }
    hq.steps = steps.into_iter().map(|(purpose, changes)| step(purpose, changes)).collect();
    let further = [
        (Aspect::Isolation, Verdict::InSync, Contact::Seen),
        (Aspect::Isolation, Verdict::InSync, Contact::Silent),
        (Aspect::Prevention, Verdict::InSync, Contact::Waiting),
        (Aspect::Prevention, Verdict::InSync, Contact::Unsupported),
        (Aspect::Isolation, Verdict::LeftAlone, Contact::Seen),
        (Aspect::Isolation, Verdict::Held, Contact::Seen),
        (Aspect::Prevention, Verdict::Unknown(ReadFailure::new("timed out 3 times")), Contact::Seen),
    ];
    for (n, (aspect, verdict, contact)) in further.into_iter().enumerate() {
        let name = format!("SRV-{n}");
        let about = |kind, message: &str| Finding {
            aspect: Some(aspect),
            cause: Some(origin("state/hosts.yaml", u32::try_from(count + n + 1).unwrap()).into()),
            ..finding(kind, &name, message)
        };
        let off = "is isolated, declared off by group everyone: `kedrctl release SRV-4`";
        hq.findings.extend(match &verdict {
            Verdict::LeftAlone => Some(about(FindingKind::GroupCheck, off)),
            Verdict::Held => {
                Some(about(FindingKind::Held, "is isolated, and declared off; ana@soc-1 holds it"))
            }
            Verdict::Unknown(_) => Some(about(FindingKind::Unknown, "timed out; nothing will be written")),
            Verdict::InSync | Verdict::Differs | Verdict::Renew | Verdict::EndUnknown => None,
        });
        let hold = (verdict == Verdict::Held).then(hold);
        hq.judged_mut().push(Judged {
            hold: hold.map(Arc::new),
            ..judged(numbered(count + n, &name), aspect, verdict, contact)
        });
    }
    let mut lost = finding(FindingKind::HostError, "WS-233", "the server does not list it");
    lost.cause = Some(Cause::group("pci".into(), origin("state/pci.yaml", 40)));
    hq.findings.insert(0, lost);
    hq.findings.push(finding(FindingKind::LeftBehind, "SRV-90", "ours, in force and declared no more"));
    let mut lab = server("lab");
    lab.state = ServerState::Unreachable { why: "connection refused".to_owned() };
    plan(vec![hq, lab])
}

/// Every text that somebody else chose is hostile; some are 10 kB long.
pub(crate) fn hostile() -> (Plan, Judgement) {
    let long = HOSTILE.repeat(10_000 / HOSTILE.len() + 1);
    let mut hq = server("hq");
    hq.address = HOSTILE.to_owned();
    for (n, name) in [HOSTILE, &long, "=cmd()", "-1", "+1", "@x", "|", "`", "<b>"].into_iter().enumerate() {
        let host = Arc::new(DesiredHost {
            entry: name.into(),
            origin: origin(name, 1),
            sensor: Arc::new(Sensor { id: SensorId::new(Uuid::from_u128(n as u128)), ..sensor(1, name) }),
            groups: Arc::new([]),
            is_named: true,
            isolation: None,
            prevention: None,
        });
        let mut change = isolate(Arc::clone(&host));
        change.reason = Some(name.into());
        change.notes.push(name.to_owned());
        hq.judged_mut().push(judged(Arc::clone(&host), Aspect::Isolation, Verdict::Differs, Contact::Seen));
        hq.steps.push(step(Purpose::Contain, vec![change]));
        hq.steps.push(step(Purpose::Prevent, vec![block(Arc::clone(&host), 2, 2)]));
        let unknown = Verdict::Unknown(ReadFailure::new(name));
        hq.judged_mut().push(judged(host, Aspect::Prevention, unknown, Contact::Seen));
        hq.findings.push(finding(FindingKind::HostError, name, name));
        hq.findings.push(finding(FindingKind::LeftBehind, name, name));
    }
    let mut lab = server(HOSTILE);
    lab.state = ServerState::Unreachable { why: HOSTILE.to_owned() };
    let judgement = Judgement {
        refusals: vec![Refusal {
            kind: RefusalKind::Limit,
            subject: HOSTILE.to_owned(),
            message: HOSTILE.to_owned(),
            cause: Some(origin(HOSTILE, 4).into()),
        }],
        warnings: vec![HOSTILE.to_owned()],
    };
    (Plan { owner: HOSTILE.into(), ..plan(vec![hq, lab]) }, judgement)
}

fn numbered(n: usize, name: &str) -> Arc<DesiredHost> {
    let id = SensorId::new(Uuid::from_u128(n as u128 + 1));
    let entry = DesiredHost {
        entry: name.into(),
        origin: origin("state/hosts.yaml", u32::try_from(n + 1).unwrap()),
        sensor: Arc::new(Sensor { id, ..sensor(1, name) }),
        groups: Arc::new([]),
        is_named: true,
        isolation: None,
        prevention: None,
    };
    Arc::new(entry)
}

/// What became of changes of one server, none of which moves a file between rules.
pub(crate) fn ended(server: &str, changes: Vec<ChangeOutcome>) -> ServerOutcome {
    let server = ServerName::new(server);
    let clock = ServerClock::NotGiven;
    ServerOutcome { server, clock, changes, put_back: Vec::new(), open: None, stopped: None }
}

/// A command that failed: for wrong files and because a server can not be had.
pub(crate) fn no_plan<T>(view: View, tell: impl FnOnce(&NoPlan<'_>) -> T) -> T {
    let (problems, sources) = problems();
    let complaint = Complaint {
        kind: "record",
        message: format!("the record is gone: {HOSTILE}"),
        server: Some(ServerName::new("hq")),
    };
    tell(&NoPlan {
        view,
        command: view.as_str(),
        now: now(),
        exit_code: 1,
        problems: &problems,
        sources: &sources,
        complaint: Some(&complaint),
    })
}

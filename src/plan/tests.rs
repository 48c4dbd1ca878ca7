//! The design's table of isolations, row by row; and who counts as seen.

mod again;
mod alike;
mod by_hand;
mod holds;
mod left_behind;
mod undeclared;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::declare::{DeclaredIsolation, DeclaredPrevention, Term, WantedIsolation};
use crate::model::{
    Aspect, Difference, HashSet, HostList, Isolation, KeptObject, LastAccess, Origin, PreventionRule,
    ReadFailure, Reading, SensorId, ServerKey, ServerName, Subject, Target, Timeout, Untrusted,
};
use crate::observe::Observed;
use crate::record::{
    Attribution, IntentionNumber, OpenIntention, Recorded, RecordedIsolation, RecordedPrevention,
    RecordedRule,
};
use crate::report::sample;
use crate::resolve::{Desired, DesiredHost};

fn at(hours: i64) -> Timestamp {
    sample::now() + SignedDuration::from_hours(hours)
}

fn by(at: Timestamp) -> Attribution {
    let entry = Some("WS-1".into());
    Attribution {
        owner: "default".into(),
        run: "run".into(),
        entry,
        cause: None,
        reason: None,
        commit: None,
        at,
    }
}

fn rule(hours: u64) -> Isolation {
    Isolation { timeout_seconds: hours * 3_600, ..sample::isolation(&[]) }
}

fn on(term: Term) -> WantedIsolation {
    WantedIsolation::On { term, exclusions: sample::isolation(&[]).exclusions, reason: None }
}

fn lease(hours: i64) -> Term {
    Term::Lease(Timeout::covering(SignedDuration::from_hours(hours)))
}

/// One host, and all that is known of it.
struct Case {
    isolation: Option<WantedIsolation>,
    prevention: Option<DeclaredPrevention>,
    found: Reading<Isolation>,
    rule: Reading<Arc<PreventionRule>>,
    for_all: Reading<Arc<PreventionRule>>,
    recorded: Recorded,
    clock: ServerClock,
    seen: LastAccess,
    os: Option<&'static str>,
    by_hand: bool,
    /// Ours by the record, and declared no more.
    undeclared: Vec<Subject>,
}

impl Case {
    fn new() -> Self {
        Self {
            isolation: None,
            prevention: None,
            found: Reading::Absent,
            rule: Reading::Absent,
            for_all: Reading::Absent,
            recorded: Recorded::default(),
            clock: ServerClock::Together(SignedDuration::ZERO),
            seen: LastAccess::At(sample::now()),
            os: None,
            by_hand: false,
            undeclared: Vec::new(),
        }
    }

    fn wanting(want: WantedIsolation, found: Option<Isolation>) -> Self {
        let found = found.map_or(Reading::Absent, Reading::Present);
        Self { isolation: Some(want), found, ..Self::new() }
    }

    /// The record shows that we set a rule of so many hours so many hours ago.
    fn set(mut self, hours: u64, ago: i64) -> Self {
        let sent_at = at(-ago);
        let rule = RecordedRule {
            listed: rule(hours),
            sent_timeout_seconds: hours * 3_600,
            sent_at,
            verified_at: Some(sent_at),
            clocks_apart: false,
        };
        let known = RecordedIsolation { by: by(sent_at), rule: Some(rule), verified_at: sent_at };
        self.recorded.isolations.insert(id(), known);
        self
    }

    /// The clocks were too far apart when it was set.
    fn doubtful(mut self) -> Self {
        for rule in self.recorded.isolations.values_mut().flat_map(|known| &mut known.rule) {
            rule.clocks_apart = true;
        }
        self
    }

    fn of_another_owner(mut self) -> Self {
        self.recorded.isolations.values_mut().for_each(|known| known.by.owner = "other".into());
        self
    }

    fn apart(mut self) -> Self {
        self.clock = ServerClock::Apart(SignedDuration::from_hours(1));
        self
    }

    fn plan(self) -> ServerPlan {
        self.look(plan_server)
    }

    fn look<T>(self, at: impl FnOnce(&Facts<'_>) -> T) -> T {
        let mut sensor = sample::sensor(1, "WS-1");
        sensor.last_access = self.seen;
        sensor.os_family = self.os.map(Untrusted::new);
        let sensor = Arc::new(sensor);
        let declared = |want| DeclaredIsolation { cause: sample::origin("state.yaml", 4).into(), want };
        let host = DesiredHost {
            entry: "WS-1".into(),
            origin: sample::origin("state.yaml", 3),
            sensor: Arc::clone(&sensor),
            groups: Arc::new([]),
            is_named: true,
            isolation: self.isolation.map(declared),
            prevention: self.prevention.map(Arc::new),
        };
        let observed = Observed {
            isolations: BTreeMap::from([(id(), self.found)]),
            preventions: BTreeMap::from([(target(), self.rule), (Target::AllHosts, self.for_all)]),
            tasks: BTreeMap::new(),
            believed: BTreeMap::new(),
        };
        at(&Facts {
            server: &ServerName::new("hq"),
            address: "https://hq",
            origin: &Origin::command_line(),
            key: &ServerKey::of_address("hq", 443),
            listed: &HostList {
                sensors: BTreeMap::from([(id(), sensor)]),
                has_more: false,
                server_version: None,
            },
            clock: self.clock,
            desired: &Desired { hosts: vec![Arc::new(host)], ..Desired::default() },
            observed: &observed,
            recorded: &self.recorded,
            owner: "default",
            undeclared: &self.undeclared,
            never_block: &HashSet::new(),
            now: sample::now(),
            by_hand: self.by_hand,
            observed_at: sample::now(),
        })
    }
}

fn id() -> SensorId {
    sample::sensor(1, "").id
}

fn target() -> Target {
    Target::Sensor(id())
}

/// The verdict and the action in one word each.
fn words(plan: &ServerPlan) -> (&'static str, &'static str) {
    let verdict = match &plan.judged[0].verdict {
        Verdict::InSync => "in sync",
        Verdict::Differs => "differs",
        Verdict::LeftAlone => "left alone",
        Verdict::Held => "held",
        Verdict::Renew => "in sync, due",
        Verdict::EndUnknown => "end unknown",
        Verdict::Unknown(_) => "unknown",
    };
    (verdict, plan.changes().next().map_or("nothing", |change| change.action.as_str()))
}

#[test]
fn what_a_declared_isolation_needs() {
    let until = |hours| on(Term::Until(at(hours)));
    let case = Case::wanting;
    let other = Isolation { timeout_seconds: 8 * 3_600, ..sample::isolation(&[53]) };
    for (what, case, expected) in [
        ("no rule", case(until(9), None), ("differs", "isolate")),
        ("ended and listed", case(until(9), Some(rule(8))).set(8, 8), ("differs", "isolate")),
        ("other exclusions", case(until(9), Some(other.clone())), ("differs", "change_exclusions")),
        ("other exclusions, apart", case(until(9), Some(other)).apart(), ("differs", "change_exclusions")),
        ("not recorded", case(until(9), Some(rule(8))), ("end unknown", "renew")),
        ("another is recorded", case(until(9), Some(rule(8))).set(9, 1), ("end unknown", "renew")),
        (
            "set with clocks apart",
            case(until(7), Some(rule(8))).set(8, 1).doubtful(),
            ("end unknown", "renew"),
        ),
        ("ends before until", case(until(9), Some(rule(8))).set(8, 1), ("in sync, due", "renew")),
        ("ends at until", case(until(7), Some(rule(8))).set(8, 1), ("in sync", "nothing")),
        ("until was shortened", case(until(2), Some(rule(8))).set(8, 1), ("in sync", "nothing")),
        ("half of the lease", case(on(lease(8)), Some(rule(8))).set(8, 4), ("in sync", "nothing")),
        ("less of the lease", case(on(lease(8)), Some(rule(8))).set(8, 5), ("in sync, due", "renew")),
        ("a longer lease", case(on(lease(24)), Some(rule(8))).set(8, 0), ("in sync, due", "renew")),
        ("spent, no rule", case(until(0), None), ("in sync", "nothing")),
        ("spent, ours", case(until(-1), Some(rule(8))).set(8, 9), ("differs", "end_spent")),
        ("spent, not ours", case(until(-1), Some(rule(8))), ("left alone", "nothing")),
        ("spent, apart", case(until(-1), Some(rule(8))).set(8, 9).apart(), ("unknown", "nothing")),
        ("no rule, apart", case(until(9), None).apart(), ("differs", "isolate")),
        ("a rule, apart", case(until(9), Some(rule(8))).set(8, 1).apart(), ("unknown", "nothing")),
        ("off", case(WantedIsolation::Off, None), ("in sync", "nothing")),
        ("off, listed", case(WantedIsolation::Off, Some(rule(8))), ("differs", "release")),
        ("off, ended", case(WantedIsolation::Off, Some(rule(8))).set(8, 9), ("differs", "release")),
        ("off, apart", case(WantedIsolation::Off, Some(rule(8))).apart(), ("differs", "release")),
    ] {
        assert_eq!(words(&case.plan()), expected, "{what}");
    }
    for want in [WantedIsolation::Off, on(lease(8))] {
        let found = Reading::Unknown(ReadFailure::new("timed out"));
        assert_eq!(words(&Case { found, ..case(want, None) }.plan()), ("unknown", "nothing"));
    }
}

#[test]
fn isolated_is_where_a_rule_is_listed_that_is_not_known_to_have_ended() {
    let want = || on(lease(8));
    for (what, case, expected) in [
        ("no rule", Case::wanting(want(), None), false),
        ("ours", Case::wanting(want(), Some(rule(8))).set(8, 1), true),
        ("of others", Case::wanting(want(), Some(rule(8))), true),
        ("ended and listed", Case::wanting(want(), Some(rule(8))).set(8, 9), false),
        ("ended by which clock", Case::wanting(want(), Some(rule(8))).set(8, 9).apart(), true),
        ("declared off", Case::wanting(WantedIsolation::Off, Some(rule(8))), true),
        (
            "not read",
            Case { found: Reading::Unknown(ReadFailure::new("lost")), ..Case::wanting(want(), None) },
            false,
        ),
    ] {
        assert_eq!(case.plan().judged[0].is_isolated, expected, "{what}");
    }
}

#[test]
fn putting_back_a_lapsed_rule_of_ours_is_no_growth() {
    let is_lapsed = |case: Case| {
        let plan = case.plan();
        let Action::Isolate { is_lapsed, .. } = plan.changes().next().unwrap().action else {
            panic!("{plan:#?}");
        };
        is_lapsed
    };
    let want = || on(lease(8));
    assert!(is_lapsed(Case::wanting(want(), Some(rule(8))).set(8, 9)));
    assert!(is_lapsed(Case::wanting(want(), None).set(8, 9)), "listed no more");
    assert!(!is_lapsed(Case::wanting(want(), None)), "never ours");
    assert!(!is_lapsed(Case::wanting(want(), None).set(8, 1)), "somebody took it away");
    let mut of_another = Case::wanting(want(), None).set(8, 9);
    of_another.recorded.isolations.get_mut(&id()).unwrap().by.entry = Some("WS-2".into());
    assert!(!is_lapsed(of_another), "of another entry");
    assert!(!is_lapsed(Case::wanting(want(), None).set(8, 9).of_another_owner()), "of another owner");
}

#[test]
fn a_spent_entry_ends_nothing_of_another_owner() {
    let spent = || Case::wanting(on(Term::Until(at(-1))), Some(rule(8))).set(8, 2);
    let plan = spent().plan();
    assert!(matches!(plan.changes().next().unwrap().action, Action::EndSpent { .. }));
    assert_eq!(spent().of_another_owner().plan().changes().count(), 0);
}

#[test]
fn less_than_an_hour_is_an_hour_and_said() {
    let plan = Case::wanting(on(Term::Until(sample::now() + SignedDuration::from_mins(10))), None).plan();
    let change = plan.changes().next().unwrap();
    let Difference::Isolation(side) = &change.difference else { panic!("isolation") };
    assert_eq!(side.after.as_ref().unwrap().timeout_seconds, 3_600);
    assert!(change.notes[0].contains("50 min longer"), "{:?}", change.notes);
}

#[test]
fn who_was_seen_since_our_write() {
    let minutes = |minutes| LastAccess::At(sample::now() + SignedDuration::from_mins(minutes));
    let ahead = |minutes| ServerClock::Together(SignedDuration::from_mins(minutes));
    // Set and read back one hour ago.
    for (what, seen, clock, expected) in [
        ("after it", minutes(-59), ahead(0), Contact::Seen),
        ("in that moment", minutes(-60), ahead(0), Contact::Waiting),
        ("before it", minutes(-61), ahead(0), Contact::Waiting),
        ("after it by a clock that is ahead", minutes(-59), ahead(2), Contact::Waiting),
        ("before it by a clock that is behind", minutes(-61), ahead(-2), Contact::Seen),
        ("never", LastAccess::Unknown, ahead(0), Contact::Waiting),
    ] {
        let case = Case { seen, clock, ..Case::wanting(on(lease(8)), Some(rule(8))).set(8, 1) };
        assert_eq!(case.plan().judged[0].contact, expected, "{what}");
    }
    let silent = |want, seen| Case { seen, ..Case::wanting(want, Some(rule(24))) }.plan().judged[0].contact;
    assert_eq!(silent(on(lease(24)), minutes(-300)), Contact::Seen, "five hours");
    assert_eq!(silent(on(lease(24)), minutes(-301)), Contact::Silent);
    assert_eq!(silent(on(lease(24)), LastAccess::Unknown), Contact::Silent);
    assert_eq!(silent(WantedIsolation::Off, minutes(-301)), Contact::Seen, "nothing to drop");
}

#[test]
fn what_is_open_waits_for_contact() {
    let mut case = Case::wanting(on(lease(8)), Some(rule(8)));
    case.recorded.open.push(OpenIntention {
        number: IntentionNumber(1),
        subject: Subject { target: target(), aspect: Aspect::Isolation },
        by: by(at(-1)),
        difference: Difference::Isolation(crate::model::Side { before: None, after: Some(rule(8)) }),
        clocks_apart: false,
        foreign: None,
        by_hand: false,
        is_contested: false,
    });
    let plan = case.plan();
    assert_eq!(words(&plan), ("in sync", "nothing"), "the reading settles it");
    assert_eq!(plan.judged[0].contact, Contact::Waiting);
}

fn objects(hashes: &[usize]) -> Reading<Arc<PreventionRule>> {
    let objects = hashes.iter().map(|n| (sample::hash(*n), KeptObject::default()));
    Reading::Present(Arc::new(PreventionRule { objects: objects.collect() }))
}

fn blocking(entries: &[(usize, Option<i64>)], unblock: &[usize], exact: bool) -> DeclaredPrevention {
    let entry = |n: usize, until: Option<i64>| crate::model::BlockEntry {
        hash: sample::hash(n),
        comment: None,
        from: None,
        until: until.map(at),
        list: None,
        origin: sample::origin("state.yaml", 9),
    };
    DeclaredPrevention {
        cause: sample::origin("state.yaml", 8).into(),
        block: vec![entries.iter().map(|(n, until)| entry(*n, *until)).collect::<Vec<_>>().into()],
        unblock: unblock.iter().map(|n| entry(*n, None)).collect(),
        exact,
    }
}

#[test]
fn what_a_declared_prevention_needs() {
    // Found: 1, 2 (ours) and 3. Added and removed, by number.
    for (what, declared, added, removed) in [
        ("as it is", blocking(&[(1, None), (2, None)], &[], false), vec![], vec![]),
        ("one more", blocking(&[(2, None), (4, None)], &[], false), vec![4], vec![]),
        ("no longer declared", blocking(&[(1, None)], &[], false), vec![], vec![2]),
        ("unblocked", blocking(&[(2, None)], &[3], false), vec![], vec![3]),
        ("unblocked, not there", blocking(&[(2, None)], &[9], false), vec![], vec![]),
        ("expired", blocking(&[(2, Some(0)), (3, Some(1))], &[], false), vec![], vec![2]),
        ("expired, of others", blocking(&[(2, None), (1, Some(-1))], &[], false), vec![], vec![1]),
        ("expired in one list only", blocking(&[(2, Some(-1)), (2, None)], &[], false), vec![], vec![]),
        ("exact", blocking(&[(2, None)], &[], true), vec![], vec![1, 3]),
        ("exact and empty", blocking(&[], &[], true), vec![], vec![1, 2, 3]),
        ("covered by the rule for all", blocking(&[(2, None), (7, None)], &[], false), vec![], vec![]),
    ] {
        let mut case = Case { prevention: Some(declared), rule: objects(&[1, 2, 3]), ..Case::new() };
        case.for_all = objects(&[7]);
        let ours = HashSet::from([sample::hash(2)]);
        let known = RecordedPrevention { by: by(at(-9)), ours: Arc::new(ours), verified_at: at(-9) };
        case.recorded.preventions.insert(target(), known);
        let plan = case.plan();
        let change = match plan.changes().next().map(|change| &change.action) {
            Some(Action::Block(change)) => RuleChange::clone(change),
            Some(other) => panic!("{what}: {other:?}"),
            None => RuleChange::default(),
        };
        let hashes = |numbers: Vec<usize>| numbers.into_iter().map(sample::hash).collect::<Vec<_>>();
        assert_eq!(change.added.iter().map(|a| a.hash).collect::<Vec<_>>(), hashes(added), "{what}");
        assert_eq!(change.removed.iter().map(|r| r.hash).collect::<Vec<_>>(), hashes(removed), "{what}");
    }
}

#[test]
fn a_hash_is_not_blocked_before_its_time() {
    let to_come = |hours| {
        let mut declared = blocking(&[(1, None), (2, None)], &[], false);
        let mut entries = declared.block[0].to_vec();
        entries[1].from = Some(at(hours));
        declared.block = vec![entries.into()];
        declared
    };
    let ours = || RecordedPrevention {
        by: by(at(-9)),
        ours: HashSet::from([sample::hash(2)]).into(),
        verified_at: at(-9),
    };
    for (what, hours, found, clock, expected) in [
        ("its time has come", 0, vec![1], ServerClock::NotGiven, ("differs", "block")),
        ("not there", 2, vec![1], ServerClock::NotGiven, ("in sync", "nothing")),
        (
            "ours, from a time when the feed said otherwise",
            2,
            vec![1, 2],
            ServerClock::NotGiven,
            ("differs", "block"),
        ),
        (
            "who can tell",
            2,
            vec![1],
            ServerClock::Apart(SignedDuration::from_hours(9)),
            ("unknown", "nothing"),
        ),
    ] {
        let mut case = Case { prevention: Some(to_come(hours)), rule: objects(&found), clock, ..Case::new() };
        case.recorded.preventions.insert(target(), ours());
        let plan = case.plan();
        assert_eq!(words(&plan), expected, "{what}");
        let notices = plan.findings.iter().filter(|finding| finding.kind == FindingKind::Notice).count();
        assert_eq!(notices, usize::from(hours > 0 && clock == ServerClock::NotGiven), "{what}");
    }
}

#[test]
fn without_the_rule_for_all_nothing_is_added() {
    let unread = || Reading::Unknown(ReadFailure::new("timed out"));
    let case = |block: &[(usize, Option<i64>)], unblock: &[usize]| {
        let prevention = Some(blocking(block, unblock, false));
        words(&Case { prevention, rule: objects(&[1]), for_all: unread(), ..Case::new() }.plan())
    };
    assert_eq!(case(&[(2, None)], &[]), ("unknown", "nothing"));
    assert_eq!(case(&[(1, None)], &[]), ("in sync", "nothing"));
    assert_eq!(case(&[], &[1]), ("differs", "block"), "taking out shares nothing");
}

#[test]
fn linux_agents_do_not_block_by_all_signs() {
    let prevention = Some(blocking(&[(1, None)], &[], false));
    let case = Case { prevention, rule: objects(&[1]), os: Some("LINUX"), ..Case::new() };
    assert_eq!(case.plan().judged[0].contact, Contact::Unsupported);
}

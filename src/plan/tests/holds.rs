//! What a hold does to every row of the table: no write, and nothing that differs is silenced.

use super::*;
use crate::record::Hold;

fn hold(until: Timestamp) -> Hold {
    Hold {
        until,
        by: "ana@soc-1".into(),
        run: "20261125-120000-4f2a".into(),
        at: at(-1),
        command: "release".into(),
        reason: Some("false alarm".into()),
    }
}

impl Case {
    fn held(mut self, aspect: Aspect, until: Timestamp) -> Self {
        self.recorded.holds.insert(Subject { target: target(), aspect }.into(), hold(until));
        self
    }
}

fn messages(plan: &ServerPlan) -> Vec<(FindingKind, &str)> {
    plan.findings.iter().map(|finding| (finding.kind, &*finding.message)).collect()
}

#[test]
fn a_hold_takes_the_write_and_keeps_the_difference() {
    let until = |hours| on(Term::Until(at(hours)));
    let case = Case::wanting;
    let other = || Isolation { timeout_seconds: 8 * 3_600, ..sample::isolation(&[53]) };
    for (what, case, verdict, kind) in [
        ("no rule", case(until(9), None), "held", FindingKind::Held),
        ("released by hand", case(on(lease(8)), None).set(8, 1), "held", FindingKind::Held),
        ("ended and listed", case(until(9), Some(rule(8))).set(8, 8), "held", FindingKind::Held),
        ("other exclusions", case(until(9), Some(other())), "held", FindingKind::Held),
        ("isolated by hand", case(WantedIsolation::Off, Some(rule(8))), "held", FindingKind::Held),
        ("spent, ours", case(until(-1), Some(rule(8))).set(8, 9), "held", FindingKind::Held),
        ("spent, not ours", case(until(-1), Some(rule(8))), "left alone", FindingKind::SpentNotOurs),
        ("not recorded", case(until(9), Some(rule(8))), "end unknown", FindingKind::Held),
        ("less of the lease", case(on(lease(8)), Some(rule(8))).set(8, 5), "in sync", FindingKind::Held),
        ("as declared", case(on(lease(8)), Some(rule(8))).set(8, 1), "in sync", FindingKind::Hold),
        ("off", case(WantedIsolation::Off, None), "in sync", FindingKind::Hold),
        ("no rule, apart", case(until(9), None).apart(), "held", FindingKind::Held),
    ] {
        let plan = case.held(Aspect::Isolation, at(24)).plan();
        assert_eq!(words(&plan), (verdict, "nothing"), "{what}");
        assert!(plan.steps.is_empty(), "{what}: apply does nothing");
        assert_eq!(plan.judged[0].hold.as_deref(), Some(&hold(at(24))), "{what}");
        let first = plan.findings.iter().find(|finding| finding.kind != FindingKind::Spent);
        assert_eq!(first.map(|finding| finding.kind), Some(kind), "{what}: {:?}", plan.findings);
    }
}

#[test]
fn a_hold_says_who_until_when_why_and_how_it_ends() {
    let plan = Case::wanting(on(lease(8)), None).held(Aspect::Isolation, at(24)).plan();
    assert_eq!(
        messages(&plan),
        [(
            FindingKind::Held,
            "is declared isolated, and no rule is in force; ana@soc-1 holds its isolation until \
             2026-11-26T13:00:00Z (by `release`: false alarm), so apply leaves it alone; `kedrctl hold --end WS-1` ends that"
        )]
    );
    let due = Case::wanting(on(lease(8)), Some(rule(8))).set(8, 5).held(Aspect::Isolation, at(24)).plan();
    let [(FindingKind::Held, message)] = messages(&due)[..] else { panic!("{due:#?}") };
    assert!(
        message.starts_with("as declared, but its rule ends on 2026-11-25T16:00:00Z, before the hold does")
    );
    let soon = Case::wanting(on(lease(8)), Some(rule(8))).set(8, 5).held(Aspect::Isolation, at(1)).plan();
    let [(FindingKind::Hold, message)] = messages(&soon)[..] else { panic!("{soon:#?}") };
    assert!(message.starts_with("as declared until 2026-11-25T16:00:00Z"), "{message}");
}

#[test]
fn a_hold_is_of_one_aspect_and_ends_by_itself() {
    let want = || Case::wanting(on(lease(8)), None);
    assert_eq!(words(&want().held(Aspect::Prevention, at(24)).plan()), ("differs", "isolate"));
    assert_eq!(words(&want().held(Aspect::Isolation, sample::now()).plan()), ("differs", "isolate"));
    let mut of_another = want();
    let other = Target::Sensor(sample::sensor(2, "").id);
    let subject = Subject { target: other, aspect: Aspect::Isolation };
    of_another.recorded.holds.insert(subject.into(), hold(at(24)));
    assert_eq!(words(&of_another.plan()), ("differs", "isolate"));
    let prevention = || Some(blocking(&[(1, None)], &[], false));
    let blocked = Case { prevention: prevention(), ..Case::new() }.held(Aspect::Prevention, at(24)).plan();
    assert_eq!(words(&blocked), ("held", "nothing"));
    assert!(
        messages(&blocked)[0].1.starts_with("1 hash is missing, 0 too many; ana@soc-1 holds its prevention")
    );
}

#[test]
fn what_is_not_known_stays_unknown_under_a_hold() {
    let found = Reading::Unknown(ReadFailure::new("timed out"));
    let case = Case { found, ..Case::wanting(on(lease(8)), None) };
    let plan = case.held(Aspect::Isolation, at(24)).plan();
    assert_eq!(words(&plan), ("unknown", "nothing"));
    let apart = Case::wanting(on(lease(8)), Some(rule(8))).set(8, 1).apart();
    assert_eq!(words(&apart.held(Aspect::Isolation, at(24)).plan()), ("unknown", "nothing"));
}

#[test]
fn held_differences_are_counted_apart() {
    let plan = Case::wanting(on(lease(8)), None).held(Aspect::Isolation, at(24)).plan();
    let plan = sample::plan(vec![plan]);
    assert_eq!(plan.sums(), Sums { held: 1, ..Sums::default() });
}

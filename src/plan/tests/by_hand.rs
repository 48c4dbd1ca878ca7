//! What a person names at the command line: what it says is done, and nothing else.

use super::*;
use crate::model::Cause;
use crate::record::{Hold, RecordedPrevention};

impl Case {
    fn by_hand(self) -> Self {
        Self { by_hand: true, ..self }
    }

    fn held_by_ana(mut self, aspect: Aspect) -> Self {
        let hold = Hold {
            until: at(24),
            by: "ana@soc-1".into(),
            run: "20261125-120000-4f2a".into(),
            at: at(-1),
            command: "release".into(),
            reason: None,
        };
        self.recorded.holds.insert(Subject { target: target(), aspect }.into(), hold);
        self
    }
}

#[test]
fn an_isolation_by_hand_is_set_whatever_is_there() {
    let until = |hours| on(Term::Until(at(hours)));
    let case = Case::wanting;
    let other = Isolation { timeout_seconds: 8 * 3_600, ..sample::isolation(&[53]) };
    let earlier = "ends earlier than what is set now";
    for (what, case, expected, note) in [
        ("no rule", case(until(9), None), ("differs", "isolate"), ""),
        ("no rule, held", case(until(9), None).held_by_ana(Aspect::Isolation), ("differs", "isolate"), ""),
        ("a later end", case(until(9), Some(rule(8))).set(8, 1), ("in sync, due", "renew"), ""),
        ("a sooner end", case(until(2), Some(rule(8))).set(8, 1), ("in sync, due", "renew"), earlier),
        ("ended and listed", case(until(9), Some(rule(8))).set(8, 8), ("differs", "isolate"), ""),
        ("of others", case(until(9), Some(rule(8))), ("end unknown", "renew"), ""),
        ("a rule, apart", case(until(9), Some(rule(8))).apart(), ("end unknown", "renew"), ""),
        ("other exclusions", case(until(9), Some(other)), ("differs", "change_exclusions"), ""),
        ("released", case(WantedIsolation::Off, Some(rule(8))), ("differs", "release"), ""),
        ("released, free", case(WantedIsolation::Off, None), ("in sync", "nothing"), ""),
    ] {
        let plan = case.by_hand().plan();
        assert_eq!(words(&plan), expected, "{what}");
        let notes = plan.changes().flat_map(|change| change.notes.clone()).collect::<Vec<_>>().concat();
        assert!(notes.contains(note) && (!note.is_empty() || notes.is_empty()), "{what}: {notes}");
    }
}

#[test]
fn hashes_that_nobody_named_stay_whosever_they_are() {
    // Found: 1, and 2, which is ours; 7 stands in the rule for all hosts.
    for (what, declared, added, removed, notices) in [
        ("one more", blocking(&[(3, None)], &[], false), vec![3], vec![], 0),
        ("there already", blocking(&[(1, None)], &[], false), vec![], vec![], 0),
        ("for all already", blocking(&[(7, None)], &[], false), vec![], vec![], 1),
        ("taken out", blocking(&[], &[2], false), vec![], vec![2], 0),
        ("taken out, of others", blocking(&[], &[1], false), vec![], vec![1], 0),
        ("taken out, for all", blocking(&[], &[7], false), vec![], vec![], 1),
    ] {
        let mut case = Case { prevention: Some(declared), rule: objects(&[1, 2]), ..Case::new() };
        case.for_all = objects(&[7]);
        let ours = HashSet::from([sample::hash(2)]);
        let known = RecordedPrevention { by: by(at(-9)), ours: Arc::new(ours), verified_at: at(-9) };
        case.recorded.preventions.insert(target(), known);
        let plan = case.held_by_ana(Aspect::Prevention).by_hand().plan();
        let change = match plan.changes().next().map(|change| &change.action) {
            Some(Action::Block(change)) => RuleChange::clone(change),
            Some(other) => panic!("{what}: {other:?}"),
            None => RuleChange::default(),
        };
        let hashes = |numbers: Vec<usize>| numbers.into_iter().map(sample::hash).collect::<Vec<_>>();
        assert_eq!(change.added.iter().map(|added| added.hash).collect::<Vec<_>>(), hashes(added), "{what}");
        let taken: Vec<_> = change.removed.iter().map(|removed| removed.hash).collect();
        assert_eq!(taken, hashes(removed), "{what}");
        let said = plan.findings.iter().filter(|finding| finding.kind == FindingKind::Notice).count();
        assert_eq!(said, notices, "{what}");
    }
}

#[test]
fn an_entry_left_lying_ends_nothing_that_was_set_by_hand_or_by_a_group() {
    let spent = |cause: Cause| {
        let mut case = Case::wanting(on(Term::Until(at(-1))), Some(rule(8))).set(8, 1);
        for known in case.recorded.isolations.values_mut() {
            known.by.cause = Some(cause.clone());
        }
        words(&case.plan()).1
    };
    let line = || sample::origin("state.yaml", 4);
    assert_eq!(spent(Cause::Own(line())), "end_spent");
    assert_eq!(spent(Cause::Own(Origin::command_line())), "nothing");
    assert_eq!(spent(Cause::group("infected".into(), line())), "nothing");
}

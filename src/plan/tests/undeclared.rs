//! `drift --all-hosts`: what is said of a host that no file declares, by what is found and recorded.

use super::*;

/// What is said of it, in one text.
fn said(case: Case) -> String {
    let silent = SignedDuration::from_hours(48);
    let findings = case.look(|facts| undeclared(facts, &plan_server(facts), silent));
    findings.iter().map(|one| format!("{:?} {}: {}\n", one.kind, one.label, one.message)).collect()
}

fn blocking_ours(rule: Reading<Arc<PreventionRule>>, ours: &[usize]) -> Case {
    let mut case = Case { rule, ..Case::new() };
    let ours = Arc::new(ours.iter().map(|n| sample::hash(*n)).collect());
    let known = RecordedPrevention { by: by(at(-1)), ours, verified_at: at(-1) };
    case.recorded.preventions.insert(target(), known);
    case
}

#[test]
fn an_isolation_is_told_with_who_set_it_and_until_when_where_that_is_known() {
    let found = |found| Case { found: Reading::Present(found), ..Case::new() };
    let others = said(found(rule(8)));
    assert!(
        others.contains("is isolated, and no file declares it (who set it, and when it ends,"),
        "{others}"
    );
    let ours = said(found(rule(8)).set(8, 1));
    let expected =
        "is isolated until 2026-11-25T20:00:00Z, and no file declares it (set by owner default, run run)";
    assert!(ours.contains(expected), "{ours}");
    // By which clock it was set nobody knows: no end is promised.
    let doubtful = said(found(rule(8)).set(8, 1).doubtful());
    assert!(doubtful.contains("is isolated, and no file declares it (who set it, and when"), "{doubtful}");
    let exclusions = said(found(sample::isolation(&[53])));
    assert!(exclusions.contains("isolation: { lease: 24h, exclusions: […] }"), "{exclusions}");
    assert_eq!(said(found(rule(8)).set(8, 9)), "", "a rule that is listed after its end isolates nobody");
}

#[test]
fn as_many_hashes_are_written_out_as_a_command_takes() {
    let few = said(blocking_ours(objects(&[1, 2]), &[2]));
    assert!(
        few.contains("blocks 2 files, and no file declares that (1 of them set by owner default, run run)"),
        "{few}"
    );
    assert!(
        few.contains(&format!("kedrctl unblock {} {} --on WS-1", sample::hash(1), sample::hash(2))),
        "{few}"
    );
    let many = said(blocking_ours(objects(&[1, 2, 3, 4]), &[]));
    assert!(many.contains("(who put them there the record does not tell)"), "{many}");
    assert!(many.contains("to adopt it: `kedrctl import WS-1`"), "{many}");
    assert!(
        many.contains("`hosts: { WS-1: { prevention: { block: [], exact: true } } }` and `kedrctl apply`"),
        "{many}"
    );
    assert!(!many.contains("unblock"), "{many}");
    let empty = Case { rule: objects(&[]), for_all: objects(&[]), ..Case::new() };
    assert_eq!(said(empty), "", "a rule without files blocks nothing");
}

#[test]
fn the_rule_for_all_hosts_is_told_too() {
    let few = said(Case { for_all: objects(&[1]), ..Case::new() });
    assert!(few.contains("Undeclared all hosts: the rule for all hosts: blocks 1 file"), "{few}");
    assert!(few.contains(&format!("kedrctl unblock {} --all --server hq", sample::hash(1))), "{few}");
    let many = said(Case { for_all: objects(&[1, 2, 3, 4]), ..Case::new() });
    assert!(
        many.contains("`all_hosts: { hq: { prevention: { block: [], exact: true } } }` and `kedrctl apply`"),
        "{many}"
    );
}

#[test]
fn the_rule_for_all_hosts_that_a_file_declares_is_not_told() {
    let declared = blocking(&[(1, None)], &[], false);
    let findings = Case { for_all: objects(&[1]), ..Case::new() }.look(|facts| {
        let desired = Desired { all_hosts: Some(Arc::new(declared)), ..Desired::default() };
        let facts = Facts { desired: &desired, ..*facts };
        undeclared(&facts, &plan_server(&facts), SignedDuration::from_hours(48))
    });
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn what_is_left_behind_is_told_once_and_what_others_did_since_beside_it() {
    let left = |mut case: Case, aspect| {
        let subjects = [target(), Target::AllHosts].map(|target| Subject { target, aspect });
        case.undeclared = subjects.to_vec();
        said(case)
    };
    let isolated = |found| Case { found: Reading::Present(found), ..Case::new() };
    assert_eq!(left(isolated(rule(8)).set(8, 1), Aspect::Isolation), "", "it is left behind");
    let again = left(isolated(rule(48)).set(8, 1), Aspect::Isolation);
    assert!(again.contains("is isolated, and no file declares it (who set it, and when it ends,"), "{again}");
    let blocked = |rule, ours: &[usize]| left(blocking_ours(rule, ours), Aspect::Prevention);
    assert_eq!(blocked(objects(&[1, 2]), &[1, 2]), "", "it is left behind");
    let beside = blocked(objects(&[1, 2, 3]), &[2]);
    assert!(
        beside
            .contains("blocks 2 files beside ours, and no file declares that (who put them there the record"),
        "{beside}"
    );
    assert!(!beside.contains(&sample::hash(2).to_string()), "{beside}");
    let others = blocked(objects(&[1]), &[2]);
    assert!(others.contains("blocks 1 file, and no file declares that (who put them"), "{others}");
    let unread = blocked(Reading::Unknown(ReadFailure::new("timed out")), &[2]);
    assert_eq!(unread, "", "that it was ours and could not be read is said");
    let mut for_all = Case { for_all: objects(&[1, 2]), ..Case::new() };
    let ours = Arc::new(HashSet::from([sample::hash(2)]));
    let known = RecordedPrevention { by: by(at(-1)), ours, verified_at: at(-1) };
    for_all.recorded.preventions.insert(Target::AllHosts, known);
    let for_all = left(for_all, Aspect::Prevention);
    assert!(for_all.contains("the rule for all hosts: blocks 1 file beside ours"), "{for_all}");
}

#[test]
fn what_could_not_be_read_or_is_not_known_is_said() {
    let unread = || Reading::Unknown(ReadFailure::new("timed out"));
    let rules = said(Case { rule: unread(), for_all: unread(), ..Case::new() });
    assert!(rules.contains("Unknown WS-1: could not be read: timed out"), "{rules}");
    assert!(
        rules.contains("Unknown all hosts: the rule for all hosts could not be read: timed out"),
        "{rules}"
    );
    let silent = said(Case { seen: LastAccess::Unknown, ..Case::new() });
    assert!(silent.contains("SilentHost WS-1: when it was last in contact is not known"), "{silent}");
    assert_eq!(said(Case { seen: LastAccess::At(at(-48)), ..Case::new() }), "", "so long and not longer");
}

#[test]
fn what_an_entry_that_was_refused_may_mean_is_not_undeclared() {
    let case = Case { found: Reading::Present(rule(8)), rule: objects(&[1]), ..Case::new() };
    let silent = SignedDuration::from_hours(48);
    let findings = case.look(|facts| {
        let refused = crate::resolve::Unresolved {
            entry: "WS-1".into(),
            cause: sample::origin("state.yaml", 3).into(),
            why: crate::resolve::WhyUnresolved::Ambiguous,
            message: "several sensors have this name".to_owned(),
            listed: None,
            aspects: vec![Aspect::Isolation],
            preventions: Vec::new(),
            sensors: vec![id()],
            groups: Vec::new(),
        };
        let desired = Desired { unresolved: vec![refused], ..Desired::default() };
        undeclared(&Facts { desired: &desired, ..*facts }, &sample::server("hq"), silent)
    });
    assert_eq!(findings, []);
}

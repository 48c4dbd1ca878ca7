//! What is ours by the record and declared no more: the line or the command that ends it is one that does so.

use super::*;
use crate::model::Cause;

/// What is said of it; `nothing` where nothing is.
fn said(mut case: Case, target: Target, aspect: Aspect) -> String {
    case.undeclared = vec![Subject { target, aspect }];
    let plan = case.plan();
    assert!(plan.steps.is_empty(), "it is told, never touched");
    let said = plan.findings.iter().map(|one| format!("{:?} {}: {}", one.kind, one.label, one.message));
    if plan.findings.is_empty() { "nothing".to_owned() } else { said.collect() }
}

fn isolated(hours: u64, ago: i64) -> Case {
    Case { found: Reading::Present(rule(hours)), ..Case::new() }.set(hours, ago)
}

/// Hashes of ours in the rule of a target.
fn blocking_ours(target: Target, cause: Option<Cause>, ours: &[usize]) -> Case {
    let mut case = Case { rule: objects(&[1, 2, 3, 4, 5]), for_all: objects(&[1, 2]), ..Case::new() };
    let by = Attribution { cause, ..by(at(-1)) };
    let ours = Arc::new(ours.iter().map(|n| sample::hash(*n)).collect());
    case.recorded.preventions.insert(target, RecordedPrevention { by, ours, verified_at: at(-1) });
    case
}

#[test]
fn an_isolation_is_left_behind_while_it_lasts() {
    let said = |case| said(case, target(), Aspect::Isolation);
    let lasting = said(isolated(8, 1));
    assert!(
        lasting.starts_with("LeftBehind WS-1: left behind: is isolated by us until 2026-11-25T20:00:00Z"),
        "{lasting}"
    );
    assert_eq!(said(isolated(8, 8)), "nothing", "the server goes on listing a rule after its end");
    // When it ends by the agent's clock nobody knows, however long ago it was set.
    let doubtful = said(isolated(8, 9).doubtful());
    assert!(
        doubtful.starts_with("LeftBehind WS-1: left behind: is isolated by us and declared no more"),
        "{doubtful}"
    );
    let released = Case { found: Reading::Absent, ..isolated(8, 1) };
    assert_eq!(said(released), "nothing");
    let of_others = Case { found: Reading::Present(rule(9)), ..isolated(8, 1) };
    assert_eq!(said(of_others), "nothing", "another rule stands there by now");
    let unread = Case { found: Reading::Unknown(ReadFailure::new("timed out")), ..isolated(8, 1) };
    assert!(said(unread).starts_with("Unknown WS-1: left behind: was isolated by us"));
}

#[test]
fn what_was_done_by_hand_is_ended_by_hand() {
    let by_hand = || Some(Cause::Own(Origin::command_line()));
    let mut case = isolated(8, 1);
    case.recorded.isolations.values_mut().for_each(|known| known.by.cause = by_hand());
    let isolation = said(case, target(), Aspect::Isolation);
    assert!(
        isolation.contains("was isolated by hand") && isolation.contains("`kedrctl release WS-1`"),
        "{isolation}"
    );
    let host = said(blocking_ours(target(), by_hand(), &[1]), target(), Aspect::Prevention);
    assert!(host.contains(&format!("1 hash is blocked there by hand, and no file declares it; to take it out: `kedrctl unblock {} --on WS-1`", sample::hash(1))), "{host}");
    let all = said(blocking_ours(Target::AllHosts, by_hand(), &[1, 2]), Target::AllHosts, Aspect::Prevention);
    assert!(
        all.contains(&format!("`kedrctl unblock {} {} --all --server hq`", sample::hash(1), sample::hash(2))),
        "{all}"
    );
}

#[test]
fn what_files_declared_is_ended_by_files() {
    let host = said(blocking_ours(target(), None, &[1, 2, 3, 4]), target(), Aspect::Prevention);
    assert!(host.contains("4 hashes that we block there are declared no more"), "{host}");
    assert!(host.contains(", …] }` in its entry") && !host.contains(&sample::hash(4).to_string()), "{host}");
    let all = said(blocking_ours(Target::AllHosts, None, &[1]), Target::AllHosts, Aspect::Prevention);
    assert!(all.contains("1 hash that we block there is declared no more"), "{all}");
    assert!(all.contains("`all_hosts: { hq: { prevention: { unblock: ["), "{all}");
    let gone = said(blocking_ours(target(), None, &[7]), target(), Aspect::Prevention);
    assert_eq!(gone, "nothing", "what is blocked there is not ours any more");
}

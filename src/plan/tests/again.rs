//! A plan that was made before, beside what is found now. The walk is tried in `tests/cases/saved-plan*`.

use super::*;
use crate::report::sample::{isolate, server, step};

/// A plan of one server that isolates a host.
fn isolating(state: ServerState) -> Plan {
    let steps = vec![step(Purpose::Contain, vec![isolate(sample::host(1, "WS-1"))])];
    sample::plan(vec![ServerPlan { state, steps, ..server("hq") }])
}

#[test]
fn another_server_of_the_same_name_gets_nothing() {
    let then = isolating(server("hq").state);
    let mut now = then.clone();
    let ServerState::Read { key, .. } = &mut now.servers[0].state else { panic!("it was read") };
    *key = ServerKey::of_address("dr.example.org", 443);
    let (left, objections) = now.again(&then);
    assert_eq!(left.changes().count(), 0);
    let messages: Vec<&str> = objections.iter().map(|one| &*one.message).collect();
    assert_eq!(messages, ["is another server than the one that was planned for"]);
}

#[test]
fn what_can_not_be_read_now_gets_nothing() {
    let then = isolating(server("hq").state);
    let now = isolating(ServerState::Unreachable { why: "connection refused".to_owned() });
    let (left, objections) = now.again(&then);
    assert_eq!((left.changes().count(), objections.len()), (0, 0), "its state says why");
}

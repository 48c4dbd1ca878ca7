use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use snapbox::{IntoData, assert_data_eq, str};

use super::*;
use crate::model::{LastAccess, Sensor};
use crate::plan::{Change, End, ServerClock};
use crate::record::Hold;
use crate::report::sample;

fn ended(change: Change, result: WriteResult) -> ChangeOutcome {
    ChangeOutcome { change: Arc::new(change), result }
}

fn done() -> WriteResult {
    WriteResult::Done { sent_at: sample::now() }
}

fn outcome(changes: Vec<ChangeOutcome>) -> Outcome {
    Outcome { servers: vec![sample::ended("hq", changes)], was_interrupted: false }
}

fn written(outcome: &Outcome, listed_after: &BTreeMap<ServerName, HostList>) -> String {
    let options = OutcomeOptions {
        full: false,
        palette: Palette::OFF,
        again: "apply",
        run_id: Some("42"),
        listed_after,
    };
    let mut out = Vec::new();
    write(outcome, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn when_all_is_done_a_line_for_each_kind_is_enough() {
    let outcome = outcome(vec![
        ended(sample::isolate(sample::host(1, "WS-001")), done()),
        ended(sample::isolate(sample::host(2, "WS-002")), WriteResult::AlreadyAsDesired),
        ended(sample::exclusions(sample::host(3, "WS-003"), &[], &[53]), done()),
        ended(sample::block(sample::host(4, "WS-004"), 2, 1), done()),
        ended(sample::renew(sample::host(5, "WS-005"), End::Known(sample::now())), done()),
        ended(sample::release(sample::host(6, "WS-006")), done()),
        ended(sample::end_spent(sample::host(7, "WS-007")), done()),
    ]);
    assert_data_eq!(
        written(&outcome, &BTreeMap::new()),
        str![[r#"
hq

  + isolate   1 rule set, 1 found as declared, nothing sent
  ~ isolate   1 rule set with other exclusions
  ~ block     1 rule changed
  ↻ renew     1 rule set again
  - release   2 rules deleted

all 7 changes done
6 waiting for contact: what was written stands on the server, the agents have yet to fetch it
run 42

"#]]
        .raw()
    );
}

fn hold() -> Hold {
    Hold {
        until: sample::at("2026-11-26T13:00:00Z"),
        by: "ana@soc-1".into(),
        run: "43".into(),
        at: sample::now(),
        command: "isolate".into(),
        reason: Some("INC-417".into()),
    }
}

#[test]
fn what_is_not_done_is_told_one_by_one_with_the_way_on() {
    let why = |text: &str| text.to_owned();
    let host = |n| sample::host(n, &format!("WS-{n:03}"));
    let mut outcome = outcome(vec![
        ended(sample::isolate(host(1)), done()),
        ended(sample::isolate(host(2)), WriteResult::ChangedSincePlan { found: why("isolated for 8 h") }),
        ended(sample::isolate(host(3)), WriteResult::NotRead { why: why("timed out 3 times") }),
        ended(sample::block(host(4), 1, 0), WriteResult::Refused { why: why("clash with\n\u{1b}[2J") }),
        ended(sample::release(host(5)), WriteResult::Unknown { why: why("the answer was lost") }),
        ended(sample::end_spent(host(6)), WriteResult::NotTried { why: why("interrupted") }),
        ended(sample::release(host(7)), WriteResult::Held { hold: hold().into() }),
    ]);
    outcome.servers[0].stopped = Some(Stopped {
        why: why("this client is not authorised any more"),
        by: crate::execute::StoppedBy::Server,
    });
    outcome.was_interrupted = true;
    assert_data_eq!(written(&outcome, &BTreeMap::new()), str![[r#"
hq

  + isolate   1 rule set

  ! isolate   WS-002   changed since the plan, nothing sent: isolated for 8 h                state/hosts.yaml:2
  ? isolate   WS-003   could not be read before the write, nothing sent: timed out 3 times   state/hosts.yaml:3
  ! block     WS-004   refused by the server, nothing changed: clash with                    state/hosts.yaml:4
      \u{1b}[2J
  ? release   WS-005   sent, but not known whether it is in force: the answer was lost       state/hosts.yaml:5
  ! release   WS-006   not tried, nothing sent: interrupted                                  state/hosts.yaml:6
  ! release   WS-007   left alone, nothing sent: held by ana@soc-1 until 26 Nov 13:00Z, `isolate` (INC-417)   state/hosts.yaml:7
  ! stopped   nothing more was sent to this server: this client is not authorised any more

1 of 7 changes done; 1 changed since the plan, 1 held, 1 not read, 1 refused, 1 unknown, 1 not tried
1 waiting for contact: what was written stands on the server, the agents have yet to fetch it
interrupted: from then on nothing new was written
run apply again: it looks anew and continues with what is left
run 42

"#]].raw());
}

#[test]
fn a_host_that_was_seen_after_the_write_waits_no_more() {
    let host = sample::host(1, "WS-001");
    let outcome = outcome(vec![ended(sample::isolate(Arc::clone(&host)), done())]);
    assert!(written(&outcome, &BTreeMap::new()).contains("1 waiting for contact"));
    let mut seen = sample::sensor(1, "WS-001");
    seen.last_access = LastAccess::At(sample::at("2026-11-25T13:00:30Z"));
    let list =
        HostList { sensors: [(seen.id, Arc::new(seen))].into(), has_more: false, server_version: None };
    let text = written(&outcome, &[(ServerName::new("hq"), list)].into());
    assert!(!text.contains("waiting"), "{text}");
}

#[test]
fn nothing_to_write_is_said() {
    assert_data_eq!(
        written(&outcome(Vec::new()), &BTreeMap::new()),
        str![[r#"
nothing was written: there was nothing to change
run 42

"#]]
        .raw()
    );
}

#[test]
fn no_outcome_claims_an_isolated_host() {
    let outcome = outcome(vec![ended(sample::isolate(sample::host(1, "WS-001")), done())]);
    assert!(!written(&outcome, &BTreeMap::new()).contains("isolated"));
}

#[test]
fn an_agent_is_seen_by_our_clock_and_not_by_that_of_its_server() {
    let host = sample::host(1, "WS-001");
    let seen = |at: Timestamp, clock| {
        let mut outcome = outcome(vec![ended(sample::isolate(Arc::clone(&host)), done())]);
        outcome.servers[0].clock = clock;
        let sensor = Sensor { last_access: LastAccess::At(at), ..Sensor::clone(&host.sensor) };
        let mut list = HostList::default();
        list.sensors.insert(sensor.id, Arc::new(sensor));
        let listed_after = BTreeMap::from([(ServerName::new("hq"), list)]);
        !written(&outcome, &listed_after).contains("waiting for contact")
    };
    let after = |seconds| sample::now() + SignedDuration::from_secs(seconds);
    let ahead = |seconds| ServerClock::Together(SignedDuration::from_secs(seconds));
    // Half a minute before the write, by a clock that is 90 seconds ahead.
    assert!(!seen(after(60), ahead(90)));
    assert!(seen(after(91), ahead(90)));
    assert!(seen(after(-60), ahead(-90)));
    assert!(!seen(after(0), ServerClock::NotGiven), "the same moment proves nothing");
    assert!(seen(after(1), ServerClock::NotGiven));
}

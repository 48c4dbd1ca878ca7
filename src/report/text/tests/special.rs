//! One thing each: cut lists, hostile names, nothing to do, servers without an answer, refusals.

use jiff::SignedDuration;
use snapbox::{IntoData, assert_data_eq, str};

use super::*;
use crate::guard::{Refusal, RefusalKind};
use crate::model::{Aspect, ReadFailure, ServerKey, Target};
use crate::plan::{Contact, FindingKind, Purpose, ServerClock, ServerState, Verdict, Whom};
use crate::report::sample::{self, step};
use crate::resolve::DesiredHost;

#[test]
fn long_lists_are_cut_with_a_count() {
    let mut hq = sample::server("hq");
    let hosts = |range: std::ops::Range<u8>| range.map(|n| sample::host(n, &format!("WS-{n:03}")));
    hq.steps = vec![
        step(Purpose::Contain, hosts(0..53).map(sample::isolate).collect()),
        step(Purpose::Prevent, vec![sample::block(sample::host(60, "WS-060"), 17, 23)]),
        step(
            Purpose::Release,
            vec![sample::exclusions(sample::host(61, "WS-061"), &[], &(0..25).collect::<Vec<_>>())],
        ),
    ];
    hq.findings =
        (0..41).map(|n| sample::finding(FindingKind::Unknown, &format!("KIOSK-{n}"), "timed out")).collect();
    hq.findings.push(sample::finding(FindingKind::Notice, "KIOSK-1", "meant by its address only"));
    let value = sample::plan(vec![hq]);
    let text = written(&value, &Judgement::default(), &PLAN);
    let cut: Vec<&str> = text.lines().filter(|line| line.contains("more (--full")).collect();
    assert_data_eq!(
        cut.join("\n"),
        str![[r#"
    … and 41 more (--full shows all)
      − … and 3 more (--full shows all)
      + … and 7 more (--full shows all)
      … and 5 more (--full shows all)
    … and 11 more (--full shows all)
"#]]
        .raw()
    );
    let full = written(&value, &Judgement::default(), &FULL);
    assert!(!full.contains("--full"));
    assert!(
        full.contains("WS-052") && full.contains("KIOSK-40") && full.contains(&sample::hash(22).to_string())
    );
}

#[test]
fn what_takes_one_line_is_not_cut_for_one_line() {
    let mut hq = sample::server("hq");
    let about = |n| sample::finding(FindingKind::Unknown, &format!("KIOSK-{n:03}"), "timed out");
    hq.findings = (0..31).map(about).collect();
    let text = written(&sample::plan(vec![hq]), &Judgement::default(), &PLAN);
    assert!(text.contains("KIOSK-030") && !text.contains("more"));
}

#[test]
fn no_text_of_others_drives_the_terminal() {
    const NAME: &str = "ws\u{1b}[2J\n\u{202e}1";
    let mut hq = sample::server("hq");
    hq.address = format!("https://{NAME}");
    let mut isolated = sample::isolate(sample::host(1, NAME));
    isolated.reason = Some(NAME.into());
    isolated.cause = sample::origin(NAME, 1).into();
    isolated.notes.push(NAME.to_owned());
    hq.steps = vec![step(Purpose::Contain, vec![isolated])];
    *hq.judged_mut() =
        vec![sample::judged(sample::host(1, NAME), Aspect::Isolation, Verdict::InSync, Contact::Waiting)];
    let mut notice = sample::finding(FindingKind::Notice, NAME, NAME);
    notice.cause = Some(sample::origin(NAME, 1).into());
    hq.findings = vec![notice];
    let refusal = Refusal {
        kind: RefusalKind::Limit,
        subject: NAME.to_owned(),
        message: NAME.to_owned(),
        cause: Some(sample::origin(NAME, 2).into()),
    };
    let judgement = Judgement { refusals: vec![refusal], warnings: vec![NAME.to_owned()] };
    for options in [PLAN, FULL, DRIFT] {
        let text = written(&sample::plan(vec![hq.clone()]), &judgement, &options);
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
    }
    let text = written(&sample::plan(vec![hq]), &judgement, &PLAN);
    assert_data_eq!(text, str![[r#"
hq  https://ws\u{1b}[2J\u{a}\u{202e}1   9,998 hosts, record: run 41, 6 h ago

  + isolate   ws\u{1b}[2J\u{a}\u{202e}1   until 1 Dec 15:00Z (6 d 2 h)   ws\u{1b}[2J\u{a}\u{202e}1   ws\u{1b}[2J\u{a}\u{202e}1:1
      note: ws\u{1b}[2J\u{a}\u{202e}1

  · ws\u{1b}[2J\u{a}\u{202e}1   ws\u{1b}[2J   ws\u{1b}[2J\u{a}\u{202e}1:1
      \u{202e}1
  ? waiting                     1 as declared on the server, the agent was not in contact since it was written
      ws\u{1b}[2J\u{a}\u{202e}1 isolation

refused: nothing of this plan will be written

  ! ws\u{1b}[2J\u{a}\u{202e}1   ws\u{1b}[2J   ws\u{1b}[2J\u{a}\u{202e}1:2
      \u{202e}1

warning: ws\u{1b}[2J
         \u{202e}1

1 to isolate, 0 to release, 0 rules to change, 0 to renew; 1 waiting for contact; 0 in sync
plan 7c1e44d0

"#]].raw());
}

#[test]
fn when_nothing_differs_one_sentence_says_so() {
    let mut hq = sample::server("hq");
    *hq.judged_mut() = (0..3)
        .map(|n| sample::judged(sample::host(n, "WS"), Aspect::Isolation, Verdict::InSync, Contact::Seen))
        .collect();
    let value = sample::plan(vec![hq]);
    assert_data_eq!(
        written(&value, &Judgement::default(), &PLAN),
        str![[r#"
hq  https://kata.example.org   9,998 hosts, record: run 41, 6 h ago

nothing to do: all 3 in sync

"#]]
        .raw()
    );
    assert_data_eq!(
        written(&value, &Judgement::default(), &DRIFT),
        str![[r#"
hq  https://kata.example.org   9,998 hosts, record: run 41, 6 h ago

no difference: all 3 in sync

"#]]
        .raw()
    );
}

#[test]
fn not_knowing_is_never_in_sync() {
    let mut hq = sample::server("hq");
    let host = || sample::host(1, "WS-001");
    let failure = || Verdict::Unknown(ReadFailure::new("timed out"));
    *hq.judged_mut() = vec![
        sample::judged(host(), Aspect::Isolation, failure(), Contact::Seen),
        sample::judged(host(), Aspect::Isolation, Verdict::InSync, Contact::Waiting),
        sample::judged(host(), Aspect::Isolation, Verdict::InSync, Contact::Silent),
        sample::judged(host(), Aspect::Prevention, Verdict::InSync, Contact::Unsupported),
    ];
    let value = sample::plan(vec![hq]);
    let last = |options: &TextOptions| {
        let text = written(&value, &Judgement::default(), options);
        let lines: Vec<&str> = text.lines().collect();
        format!("{}\n", lines[lines.len() - 2..].join("\n"))
    };
    assert_data_eq!(
        last(&PLAN),
        str![[r#"

nothing to do as far as could be judged: 0 in sync; 1 unknown, 1 waiting for contact, 1 silent, 1 unsupported

"#]]
        .raw()
    );
    assert_data_eq!(last(&DRIFT), str![[r#"
no difference as far as could be judged: 0 in sync; 1 unknown, 1 waiting for contact, 1 silent, 1 unsupported
this speaks of the rules on the servers only: 1 waiting for contact, 1 silent, 1 not supported by the agent (--require-contact counts them)

"#]].raw());
    let strict = TextOptions { view: View::Drift { require_contact: true }, ..DRIFT };
    assert_data_eq!(last(&strict), str![[r#"
no difference as far as could be judged: 0 in sync; 1 unknown, 1 waiting for contact, 1 silent, 1 unsupported
rules are not yet isolated hosts: 1 waiting for contact, 1 silent, 1 not supported by the agent; counted as incomplete by --require-contact

"#]].raw());
}

#[test]
fn a_server_that_gave_no_answer_is_shown_beside_others() {
    let mut lab = sample::server("lab");
    lab.state = ServerState::Unreachable { why: "connection refused".to_owned() };
    let mut old = sample::server("old");
    old.state = ServerState::ListNotBelieved { why: "it is empty".to_owned() };
    let mut slow = sample::server("slow");
    slow.state = ServerState::Read {
        key: ServerKey::of_address("kata.example.org", 443),
        hosts_listed: 1,
        clock: ServerClock::Apart(SignedDuration::from_mins(-14)),
        last_run: None,
        distinct_hashes: 0,
        timeouts: crate::plan::ListedTimeouts::NotKnown,
    };
    let value = sample::plan(vec![lab, old, slow]);
    assert_data_eq!(written(&value, &Judgement::default(), &PLAN), str![[r#"
lab  https://kata.example.org

  ! server    nothing is known of its hosts: connection refused

old  https://kata.example.org

  ? server    nothing is known of its hosts, nothing is written there: it is empty

slow  https://kata.example.org   1 host, no record, its clock is 14 min behind ours: too far for what hangs on an instant

nothing is known: 1 unknown, 1 server not reached

"#]].raw());
}

#[test]
fn refusals_are_whole_and_name_the_way_out() {
    let mut hq = sample::server("hq");
    hq.steps = vec![step(Purpose::Contain, vec![sample::isolate(sample::host(1, "dc1"))])];
    let judgement = Judgement {
        refusals: vec![
            Refusal {
                kind: RefusalKind::Protected,
                subject: "dc1".to_owned(),
                message: "is protected by `dc*` and would be isolated\nnothing lifts this but the file"
                    .to_owned(),
                cause: Some(sample::origin("state/policy.yaml", 4).into()),
            },
            Refusal {
                kind: RefusalKind::Limit,
                subject: "isolations".to_owned(),
                message: "7 on hq, at most 5 are allowed: `--allow isolations=7` lets exactly this plan pass"
                    .to_owned(),
                cause: None,
            },
        ],
        warnings: vec!["`dc9*` in `policy.protected` matches no host".to_owned()],
    };
    assert_data_eq!(
        written(&sample::plan(vec![hq]), &judgement, &PLAN),
        str![[r#"
hq  https://kata.example.org   9,998 hosts, record: run 41, 6 h ago

  + isolate   dc1   until 1 Dec 15:00Z (6 d 2 h)   INC-417   state/hosts.yaml:1

refused: nothing of this plan will be written

  ! dc1          is protected by `dc*` and would be isolated   state/policy.yaml:4
      nothing lifts this but the file
  ! isolations   7 on hq, at most 5 are allowed: `--allow isolations=7` lets exactly this plan pass

warning: `dc9*` in `policy.protected` matches no host

1 to isolate, 0 to release, 0 rules to change, 0 to renew; 0 in sync
plan 7c1e44d0

"#]]
        .raw()
    );
}

#[test]
fn the_rule_for_all_hosts_and_an_entry_with_another_name_say_who_is_meant() {
    let mut hq = sample::server("hq");
    let mut all = sample::block(sample::host(1, "WS-001"), 1, 0);
    all.subject.target = Target::AllHosts;
    all.whom = Whom::AllHosts(sample::prevention());
    let mut renamed = sample::isolate(sample::host(2, "WS-002"));
    renamed.whom = Whom::Host(std::sync::Arc::new(DesiredHost {
        entry: "front-desk".into(),
        origin: sample::origin("state/hosts.yaml", 2),
        sensor: std::sync::Arc::new(sample::sensor(2, "WS-002")),
        groups: std::sync::Arc::new([]),
        is_named: true,
        isolation: None,
        prevention: None,
    }));
    hq.steps = vec![step(Purpose::Contain, vec![renamed]), step(Purpose::Prevent, vec![all])];
    let text = written(&sample::plan(vec![hq]), &Judgement::default(), &PLAN);
    assert!(text.contains("+ isolate   front-desk (WS-002)"), "{text}");
    assert!(text.contains("~ block     all hosts "), "{text}");
}

#[test]
fn a_long_plan_begins_with_its_summary() {
    let value = sample::many(90);
    let short = TextOptions { summary: true, ..PLAN };
    assert_data_eq!(
        written(&value, &Judgement::default(), &short),
        str![[r#"
hq  https://kata.example.org   9,998 hosts, record: run 41, 6 h ago

  + isolate       15   15 lines
  ~ isolate       15   15 lines
  ~ block         15   15 lines
  - release       15   15 lines
  ↻ renew         30   30 lines
  ! host error    1
  ? unknown       1
  ! group check   1
  ! held          1
  ! left behind   1

lab  https://kata.example.org

  ! server        nothing is known of its hosts: connection refused

15 to isolate, 15 to release, 30 rules to change, 30 to renew; 1 left alone, 1 held, 1 left behind, 1 error, 1 unknown, 15 with an unknown end, 1 server not reached, 1 waiting for contact, 1 silent, 1 unsupported; 16 in sync
plan 7c1e44d0

"#]].raw()
    );
    let text = written(&value, &Judgement::default(), &PLAN);
    let (summary, lists) = text.split_once("the first of each list").unwrap();
    assert!(summary.contains("+ isolate       15") && !summary.contains("WS-000"), "{text}");
    assert!(lists.contains("WS-00000") && lists.contains("more (--full shows all)"), "{text}");
    assert!(text.lines().count() < 150, "{}", text.lines().count());
    let full = written(&value, &Judgement::default(), &FULL);
    assert!(!full.contains("the first of each list") && full.contains("WS-00088"));
    let few = written(&sample::many(40), &Judgement::default(), &PLAN);
    assert!(!few.contains("the first of each list"), "renewals do not make a plan long");
}

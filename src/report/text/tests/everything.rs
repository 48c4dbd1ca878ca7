//! The plan that has everything, in every view.

use snapbox::{IntoData, assert_data_eq, str};

use super::*;
use crate::report::sample;

#[test]
fn a_plan_says_what_it_would_do_and_why() {
    assert_data_eq!(written(&sample::of_everything(), &Judgement::default(), &PLAN), str![[r#"
hq  https://kata.example.org   9,998 hosts, record: run 41, 6 h ago

  + isolate   WS-017.corp.example   until 1 Dec 15:00Z (6 d 2 h)      INC-417   state/hosts.yaml:17
  + isolate   WS-019                lease 24 h, ours ran out          INC-417   state/hosts.yaml:19
  ~ isolate   WS-020                exclusions +1 −1, lease 24 h                state/hosts.yaml:20
      − outbound udp to 10.0.0.54 remote port 53
      + outbound udp to 10.0.0.55 remote port 53
  ~ block     WS-017.corp.example   +2 −4, 212 kept (3 not ours)                state/hosts.yaml:17
      − 0000000…  its time ended on 24 Nov   lists/ransomware.txt:9
      − 0000001…  `unblock` names it   state/hosts.yaml:31
      − 0000002…  ours, and no file names it any more
      − 0000003…  not in `block`, and the rule is declared exact
      + 00001f4…  list ransomware   lists/ransomware.txt:500
      + 00001f5…  declared by itself: dropper.exe   lists/ransomware.txt:501
  ▶ run       WS-026                collect-417  C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)  not after 1 Dec 00:00Z   state/tasks.yaml:12
  - delete    WS-027                collect-417  C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)  declared absent   state/tasks.yaml:12
  - release   WS-018                declared off                                state/hosts.yaml:18
  - release   WS-023                its time ended on 24 Nov 18:00Z             state/hosts.yaml:23
  ↻ renew     2 isolations, the next would end on 26 Nov 09:00Z
  ↻ renew     1 isolation, end not known: the record does not show that we set it
      WS-024
      the server does not tell when a rule ends, only the record does: sent again, the end will be known
      note: it could end earlier than what is set now (WS-024)
  ↻ renew     1 isolation, end not known: what is listed is not the rule that the record shows
      WS-025

  ! WS-233        superseded: sensor 91c0a1b2 has this name and was seen today    state/pci.yaml:40 (group pci)
  ! SRV-9         its time has passed, the rule that is listed is not ours
  ! SRV-7         is isolated, declared off by group everyone: `kedrctl release SRV-7`, or `kedrctl hold SRV-7`
  ! WS-029        task `collect-417` is gone: it was created, and is not there
  ! WS-034        is isolated, and declared off; ana@soc-1 holds it until 2026-11-26T13:00:00Z
  ! SRV-8         ours, in force and declared no more: `isolation: off` ends it
  ! WS-020        blocks 1000000… of `never_block`
  ? KIOSK-4       could not be read: timed out 3 times; nothing will be written
  · WS-023        its time ended on 24 Nov: remove the entry
  · WS-030        ana@soc-1 holds it until 2026-11-26T13:00:00Z
  · WS-031        meant by its address only (addresses move)
  ? waiting       1 as declared on the server, the agent was not in contact since it was written
      WS-031 prevention
  ? silent        1 as declared on the server, no contact for over 5 hours: the host may have dropped its isolation by itself
      WS-030 isolation
  ? unsupported   1 as declared on the server, but by all signs the agent can not carry it out
      LX-001 prevention
  ? deferred      1 task created and, by all signs, not started: each starts whenever its host takes it
      WS-028 collect-417 (silent)

2 to isolate, 2 to release, 2 rules to change, 4 to renew, 1 program to run, 1 task to delete; 1 held, 1 left behind, 1 error, 1 unknown, 1 with an unknown end, 1 waiting for contact, 1 silent, 1 unsupported, 1 deferred; 1 in sync
plan 7c1e44d0

"#]].raw());
}

#[test]
fn full_lists_everything_one_by_one() {
    assert_data_eq!(written(&sample::of_everything(), &Judgement::default(), &FULL), str![[r#"
hq  https://kata.example.org   9,998 hosts, record: run 41, 6 h ago

  + isolate   WS-017.corp.example   until 1 Dec 15:00Z (6 d 2 h)      INC-417   state/hosts.yaml:17
      lets through outbound udp to 10.0.0.53 remote port 53
  + isolate   WS-019                lease 24 h, ours ran out          INC-417   state/hosts.yaml:19
      lets through outbound udp to 10.0.0.53 remote port 53
  ~ isolate   WS-020                exclusions +1 −1, lease 24 h                state/hosts.yaml:20
      − outbound udp to 10.0.0.54 remote port 53
      + outbound udp to 10.0.0.55 remote port 53
  ~ block     WS-017.corp.example   +2 −4, 212 kept (3 not ours)                state/hosts.yaml:17
      − 0000000000000000000000000000000000000000000000000000000000000000  its time ended on 24 Nov   lists/ransomware.txt:9
      − 0000001000000000000000000000000000000000000000000000000000000000  `unblock` names it   state/hosts.yaml:31
      − 0000002000000000000000000000000000000000000000000000000000000000  ours, and no file names it any more
      − 0000003000000000000000000000000000000000000000000000000000000000  not in `block`, and the rule is declared exact
      + 00001f4000000000000000000000000000000000000000000000000000000000  list ransomware   lists/ransomware.txt:500
      + 00001f5000000000000000000000000000000000000000000000000000000000  declared by itself: dropper.exe   lists/ransomware.txt:501
  ▶ run       WS-026                collect-417  C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)  not after 1 Dec 00:00Z   state/tasks.yaml:12
  - delete    WS-027                collect-417  C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)  declared absent   state/tasks.yaml:12
  - release   WS-018                declared off                                state/hosts.yaml:18
  - release   WS-023                its time ended on 24 Nov 18:00Z             state/hosts.yaml:23
  ↻ renew     WS-021   lease 24 h, would end on 26 Nov 19:00Z   state/hosts.yaml:21
  ↻ renew     WS-022   lease 24 h, would end on 26 Nov 09:00Z   state/hosts.yaml:22
  ↻ renew     WS-024   lease 24 h, end not known: the record does not show that we set it   state/hosts.yaml:24
      note: it could end earlier than what is set now
  ↻ renew     WS-025   lease 24 h, end not known: what is listed is not the rule that the record shows   state/hosts.yaml:25

  ! WS-233        superseded: sensor 91c0a1b2 has this name and was seen today    state/pci.yaml:40 (group pci)
  ! SRV-9         its time has passed, the rule that is listed is not ours
  ! SRV-7         is isolated, declared off by group everyone: `kedrctl release SRV-7`, or `kedrctl hold SRV-7`
  ! WS-029        task `collect-417` is gone: it was created, and is not there
  ! WS-034        is isolated, and declared off; ana@soc-1 holds it until 2026-11-26T13:00:00Z
  ! SRV-8         ours, in force and declared no more: `isolation: off` ends it
  ! WS-020        blocks 1000000… of `never_block`
  ? KIOSK-4       could not be read: timed out 3 times; nothing will be written
  · WS-023        its time ended on 24 Nov: remove the entry
  · WS-030        ana@soc-1 holds it until 2026-11-26T13:00:00Z
  · WS-031        meant by its address only (addresses move)
  ? waiting       1 as declared on the server, the agent was not in contact since it was written
      WS-031 prevention
  ? silent        1 as declared on the server, no contact for over 5 hours: the host may have dropped its isolation by itself
      WS-030 isolation
  ? unsupported   1 as declared on the server, but by all signs the agent can not carry it out
      LX-001 prevention
  ? deferred      1 task created and, by all signs, not started: each starts whenever its host takes it
      WS-028 collect-417 (silent)

2 to isolate, 2 to release, 2 rules to change, 4 to renew, 1 program to run, 1 task to delete; 1 held, 1 left behind, 1 error, 1 unknown, 1 with an unknown end, 1 waiting for contact, 1 silent, 1 unsupported, 1 deferred; 1 in sync
plan 7c1e44d0

"#]].raw());
}

#[test]
fn drift_says_what_is_and_what_is_declared() {
    assert_data_eq!(written(&sample::of_everything(), &Judgement::default(), &DRIFT), str![[r#"
hq  https://kata.example.org   9,998 hosts, record: run 41, 6 h ago

  + isolation    WS-017.corp.example   no rule in force, declared until 1 Dec 15:00Z (6 d 2 h)           INC-417   state/hosts.yaml:17
  + isolation    WS-019                our rule has ended, declared lease 24 h                           INC-417   state/hosts.yaml:19
  ~ isolation    WS-020                1 exclusion missing, 1 too many                                             state/hosts.yaml:20
      − outbound udp to 10.0.0.54 remote port 53
      + outbound udp to 10.0.0.55 remote port 53
  ~ prevention   WS-017.corp.example   2 hashes missing, 4 too many, 212 stay (3 not ours)                         state/hosts.yaml:17
      − 0000000…  its time ended on 24 Nov   lists/ransomware.txt:9
      − 0000001…  `unblock` names it   state/hosts.yaml:31
      − 0000002…  ours, and no file names it any more
      − 0000003…  not in `block`, and the rule is declared exact
      + 00001f4…  list ransomware   lists/ransomware.txt:500
      + 00001f5…  declared by itself: dropper.exe   lists/ransomware.txt:501
  ▶ task         WS-026                not started: collect-417  C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)  not after 1 Dec 00:00Z   state/tasks.yaml:12
  - task         WS-027                there, declared absent: collect-417  C:\Windows\System32\cmd.exe /c collect.bat  (in C:\Tools)   state/tasks.yaml:12
  - isolation    WS-018                a rule is set, declared off                                                 state/hosts.yaml:18
  - isolation    WS-023                a rule of ours is still listed, its time ended on 24 Nov 18:00Z             state/hosts.yaml:23
  ↻ isolation    2 isolations in force as declared and due for renewal, the next ends on 26 Nov 09:00Z
  ? isolation    1 rule as declared, end not known: the record does not show that we set it
      WS-024
      the server does not tell when a rule ends, only the record does: it may have ended long ago
  ? isolation    1 rule as declared, end not known: what is listed is not the rule that the record shows
      WS-025

  ! WS-233        superseded: sensor 91c0a1b2 has this name and was seen today    state/pci.yaml:40 (group pci)
  ! SRV-9         its time has passed, the rule that is listed is not ours
  ! SRV-7         is isolated, declared off by group everyone: `kedrctl release SRV-7`, or `kedrctl hold SRV-7`
  ! WS-029        task `collect-417` is gone: it was created, and is not there
  ! WS-034        is isolated, and declared off; ana@soc-1 holds it until 2026-11-26T13:00:00Z
  ! SRV-8         ours, in force and declared no more: `isolation: off` ends it
  ! WS-020        blocks 1000000… of `never_block`
  ? KIOSK-4       could not be read: timed out 3 times; nothing will be written
  · WS-023        its time ended on 24 Nov: remove the entry
  · WS-030        ana@soc-1 holds it until 2026-11-26T13:00:00Z
  · WS-031        meant by its address only (addresses move)
  ? waiting       1 as declared on the server, the agent was not in contact since it was written
      WS-031 prevention
  ? silent        1 as declared on the server, no contact for over 5 hours: the host may have dropped its isolation by itself
      WS-030 isolation
  ? unsupported   1 as declared on the server, but by all signs the agent can not carry it out
      LX-001 prevention
  ? deferred      1 task created and, by all signs, not started: each starts whenever its host takes it
      WS-028 collect-417 (silent)

2 declared isolated without a rule in force, 2 with a rule and declared off, 2 rules differ, 1 program not started, 1 task there and declared absent; 1 held, 1 left behind, 1 error, 1 unknown, 1 with an unknown end, 1 waiting for contact, 1 silent, 1 unsupported, 1 deferred; 1 in sync
this speaks of the rules on the servers only: 1 waiting for contact, 1 silent, 1 not supported by the agent, 1 deferred (--require-contact counts them)

"#]].raw());
}

#[test]
fn colour_adds_nothing_but_colour() {
    let painted = TextOptions { palette: Palette::ON, ..PLAN };
    let text = written(&sample::of_everything(), &Judgement::default(), &painted);
    let mut bare = String::new();
    for (i, part) in text.split('\u{1b}').enumerate() {
        bare.push_str(if i == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_ne!(bare, text);
    assert_eq!(bare, written(&sample::of_everything(), &Judgement::default(), &PLAN));
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::declare::{Limit, Limits, NeverBlock, Protected, ProtectedRule};
use crate::model::Sensor;
use crate::plan::{Action, End, Purpose, ServerState, WhyUnknown};
use crate::record::{Attribution, RecordedIsolation};
use crate::report::sample;
use crate::resolve::DesiredHost;

/// A plan of these changes on a server with so many hosts and hashes.
fn plan(changes: Vec<Change>, hosts: u64, hashes: u64) -> Plan {
    let mut server = sample::server("hq");
    if let ServerState::Read { hosts_listed, distinct_hashes, .. } = &mut server.state {
        (*hosts_listed, *distinct_hashes) = (hosts, hashes);
    }
    server.steps = vec![sample::step(Purpose::Contain, changes)];
    sample::plan(vec![server])
}

fn judged(plan: &Plan, policy: &Policy, allow: &[&str]) -> Judgement {
    judged_by(plan, policy, allow, &[], &BTreeMap::new())
}

fn judged_by(
    plan: &Plan,
    policy: &Policy,
    allow: &[&str],
    take_over: &[&str],
    recorded: &BTreeMap<ServerName, Recorded>,
) -> Judgement {
    let allowances: Vec<Allowance> = allow.iter().map(|text| text.parse().unwrap()).collect();
    let take_over: BTreeSet<String> = take_over.iter().map(|text| (*text).to_owned()).collect();
    let listed = plan.changes().filter_map(|(_, change)| change.whom.sensor().map(Arc::clone));
    let listed = HostList {
        sensors: listed.map(|sensor| (sensor.id, sensor)).collect(),
        has_more: false,
        server_version: None,
    };
    let listed = BTreeMap::from([(ServerName::new("hq"), listed)]);
    let rules = Rules {
        policy,
        never_block: policy.never_block.whole().unwrap(),
        allowances: &allowances,
        take_over: &take_over,
        owner: "default",
        listed: &listed,
        recorded,
    };
    judge(plan, &rules)
}

fn kinds(judgement: &Judgement) -> Vec<RefusalKind> {
    judgement.refusals.iter().map(|refusal| refusal.kind).collect()
}

fn isolated(count: u8) -> Vec<Change> {
    (1..=count).map(|n| sample::isolate(sample::host(n, &format!("WS-{n}")))).collect()
}

fn protecting(rule: ProtectedRule) -> Policy {
    let protected = vec![Protected { rule, origin: sample::origin("policy.yaml", 3) }];
    Policy { protected, ..Policy::default() }
}

fn name(pattern: &str) -> ProtectedRule {
    ProtectedRule::name(pattern).unwrap()
}

fn network(text: &str) -> ProtectedRule {
    ProtectedRule::Network(text.parse().unwrap())
}

#[test]
fn limits_have_defaults_and_can_be_lifted_by_exactly_what_is_said() {
    let nothing = Policy::default();
    assert!(judged(&plan(isolated(5), 10, 0), &nothing, &[]).refusals.is_empty());
    let refused = judged(&plan(isolated(6), 10, 0), &nothing, &[]);
    assert_eq!(kinds(&refused), [RefusalKind::Limit]);
    let message = &refused.refusals[0].message;
    assert!(message.ends_with("`--allow isolations=6`"), "{message}");
    assert!(judged(&plan(isolated(6), 10, 0), &nothing, &["isolations=6"]).refusals.is_empty());
    assert!(!judged(&plan(isolated(7), 10, 0), &nothing, &["isolations=6"]).refusals.is_empty());
    assert!(!judged(&plan(isolated(6), 10, 0), &nothing, &["releases=6"]).refusals.is_empty());
}

#[test]
fn each_limit_counts_its_own() {
    let limits = |set: fn(&mut Limits, Limit), limit| {
        let mut limits = Limits::default();
        set(&mut limits, limit);
        Policy { limits, ..Policy::default() }
    };
    let isolations = |limit| limits(|limits, limit| limits.isolations = Some(limit), limit);
    let releases = |limit| limits(|limits, limit| limits.releases = Some(limit), limit);
    let hosts = |limit| limits(|limits, limit| limits.hosts_changed = Some(limit), limit);
    let hashes = |limit| limits(|limits, limit| limits.hashes_removed = Some(limit), limit);
    let host = |n| sample::host(n, &format!("WS-{n}"));
    let lapsed = |n| {
        let mut change = sample::isolate(host(n));
        change.action = Action::Isolate { term: sample::lease(), is_lapsed: true };
        change
    };
    let renew = |n| sample::renew(host(n), End::Unknown(WhyUnknown::NotRecorded));
    let release = |n| sample::release(host(n));
    let block = |n, removed| sample::block(host(n), 1, removed);
    let some = RefusalKind::Limit;
    for (what, changes, policy, hosts_listed, distinct, expected) in [
        ("lapsed and renewed", vec![lapsed(1), renew(2)], isolations(Limit::Count(0)), 9, 0, None),
        ("lapsed and renewed", vec![lapsed(1), renew(2)], hosts(Limit::Count(0)), 9, 0, None),
        ("released", vec![release(1), release(2)], releases(Limit::Count(2)), 9, 0, None),
        ("released", vec![release(1), release(2)], releases(Limit::Count(1)), 9, 0, Some(some)),
        ("spent", vec![sample::end_spent(host(1))], releases(Limit::Count(0)), 9, 0, Some(some)),
        ("10 % of 20", isolated(2), isolations(Limit::Percent(10)), 20, 0, None),
        ("10 % of 19", isolated(2), isolations(Limit::Percent(10)), 19, 0, Some(some)),
        ("one host twice", vec![release(1), block(1, 0)], hosts(Limit::Count(1)), 9, 0, None),
        ("two hosts", vec![release(1), block(2, 0)], hosts(Limit::Count(1)), 9, 0, Some(some)),
        ("the same hash twice", vec![block(1, 2), block(2, 2)], hashes(Limit::Count(2)), 9, 9, None),
        ("too many hashes", vec![block(1, 3)], hashes(Limit::Count(2)), 9, 9, Some(some)),
        ("small", vec![block(1, 9)], Policy::default(), 9, 19, None),
        ("20 % of 20", vec![block(1, 4)], Policy::default(), 9, 20, None),
        ("20 % of 20", vec![block(1, 5)], Policy::default(), 9, 20, Some(some)),
        ("25 % of 20", (1..6).map(|n| block(n, 0)).collect(), Policy::default(), 20, 0, None),
        ("25 % of 20", (1..7).map(|n| block(n, 0)).collect(), Policy::default(), 20, 0, Some(some)),
        ("a small fleet", (1..7).map(|n| block(n, 0)).collect(), Policy::default(), 19, 0, None),
    ] {
        let refused = judged(&plan(changes, hosts_listed, distinct), &policy, &[]);
        assert_eq!(kinds(&refused), Vec::from_iter(expected), "{what}: {refused:?}");
    }
}

#[test]
fn protection_matches_widely() {
    let bare = |change: fn(&mut Sensor)| {
        let mut sensor = sample::sensor(7, "Dc-1.corp.example");
        change(&mut sensor);
        sensor
    };
    let whole = |_: &mut Sensor| {};
    let nameless = |sensor: &mut Sensor| sensor.name = None;
    let addressless = |sensor: &mut Sensor| sensor.addresses.clear();
    let mapped = |sensor: &mut Sensor| sensor.addresses = vec!["::ffff:10.1.2.7".parse().unwrap()];
    let six = |sensor: &mut Sensor| sensor.addresses = vec!["fe80::1".parse().unwrap()];
    let short = |sensor: &mut Sensor| sensor.name = Some(crate::model::Untrusted::new("DC-1"));
    let id = sample::sensor(7, "").id;
    for (what, rule, sensor, is_protected) in [
        ("case", name("DC*"), bare(whole), true),
        ("first label", name("dc-1"), bare(whole), true),
        ("whole name", name("*.corp.example"), bare(whole), true),
        ("another name", name("dc-2"), bare(whole), false),
        ("no name", name("dc-2"), bare(nameless), true),
        ("network", network("10.1.2.0/24"), bare(whole), true),
        ("another network", network("10.1.3.0/24"), bare(whole), false),
        ("no address", network("10.1.3.0/24"), bare(addressless), true),
        ("mapped address", network("10.1.2.7/32"), bare(mapped), true),
        ("its IPv4 address is not given", network("10.1.3.0/24"), bare(six), true),
        ("IPv6 network, IPv4 host", network("2001:db8::/32"), bare(whole), false),
        ("listed without its domain", name("dc-1.corp.example"), bare(short), true),
        ("another one without its domain", name("dc-2.corp.example"), bare(short), false),
        ("braces, and no domain", name("{dc-1.corp.example,dc-2.corp.example}"), bare(short), true),
        ("sensor", ProtectedRule::Sensor(id), bare(nameless), true),
        ("another sensor", ProtectedRule::Sensor(sample::sensor(8, "").id), bare(nameless), false),
    ] {
        let host = Arc::new(DesiredHost {
            entry: "dc".into(),
            origin: sample::origin("state.yaml", 1),
            sensor: Arc::new(sensor),
            groups: Arc::new([]),
            is_named: true,
            isolation: None,
            prevention: None,
        });
        let policy = protecting(rule);
        assert_eq!(protected_by(&policy, &host.sensor).is_some(), is_protected, "{what}");
        let expected = if is_protected { vec![RefusalKind::Protected] } else { Vec::new() };
        let end = End::Unknown(WhyUnknown::NotRecorded);
        for change in [
            sample::isolate(Arc::clone(&host)),
            sample::renew(Arc::clone(&host), end),
            sample::exclusions(Arc::clone(&host), &[], &[53]),
        ] {
            // Nothing but the file lifts it.
            let allow = ["isolations=99", "hosts_changed=99"];
            assert_eq!(kinds(&judged(&plan(vec![change], 5, 0), &policy, &allow)), expected, "{what}");
        }
        let freed = plan(vec![sample::release(host)], 5, 0);
        assert!(judged(&freed, &policy, &[]).refusals.is_empty(), "{what}: a release isolates nobody");
    }
}

#[test]
fn a_rule_that_protects_nobody_is_said_on_plans_that_isolate() {
    let policy = protecting(name("srv*"));
    assert!(judged(&plan(isolated(1), 5, 0), &policy, &[]).warnings[0].contains("policy.yaml:3"));
    let release = sample::release(sample::host(1, "WS-1"));
    assert!(judged(&plan(vec![release], 5, 0), &policy, &[]).warnings.is_empty());
}

#[test]
fn never_block_refuses_additions_only() {
    let change = sample::block(sample::host(1, "WS-1"), 3, 2);
    let Action::Block(rule) = &change.action else { panic!("a block") };
    let (added, removed) = (rule.added[1].hash, rule.removed[0].hash);
    let never = |hash| Policy { never_block: NeverBlock::of([hash]), ..Policy::default() };
    let plan = plan(vec![change], 5, 0);
    let refused = judged(&plan, &never(added), &["hashes_removed=99", "hosts_changed=99"]);
    assert_eq!(kinds(&refused), [RefusalKind::NeverBlock]);
    assert!(refused.refusals[0].message.contains(&added.to_string()));
    assert!(judged(&plan, &never(removed), &[]).refusals.is_empty());
}

#[test]
fn a_hash_that_nobody_looked_up_is_not_added() {
    let change = sample::block(sample::host(1, "WS-1"), 3, 0);
    let Action::Block(rule) = &change.action else { panic!("a block") };
    let added: Vec<FileHash> = rule.added.iter().map(|added| added.hash).collect();
    let plan = plan(vec![change], 5, 0);
    let judged = |never_block: Forbidden| {
        let nobody = BTreeSet::new();
        let (listed, recorded) = (BTreeMap::new(), BTreeMap::new());
        judge(
            &plan,
            &Rules {
                policy: &Policy::default(),
                never_block: &never_block,
                allowances: &[],
                take_over: &nobody,
                owner: "default",
                listed: &listed,
                recorded: &recorded,
            },
        )
    };
    assert!(judged(Forbidden::among(added.clone(), [])).refusals.is_empty());
    let refused = judged(Forbidden::among(added[1..].to_vec(), []));
    assert_eq!(kinds(&refused), [RefusalKind::NeverBlock]);
    assert!(refused.refusals[0].message.contains("nobody looked for"), "{refused:?}");
}

#[test]
fn what_is_known_by_the_other_algorithm_only_is_counted() {
    let change = sample::block(sample::host(1, "WS-1"), 3, 0);
    let Action::Block(rule) = &change.action else { panic!("a block") };
    let sha256 = rule.added.iter().filter(|added| matches!(added.hash, FileHash::Sha256(_))).count();
    let (md5, other): (FileHash, FileHash) =
        ("900150983cd24fb0d6963f7d28e17f72".parse().unwrap(), FileHash::Sha256([9; 32]));
    let plan = plan(vec![change], 5, 0);
    let warnings = |never_block| judged(&plan, &Policy { never_block, ..Policy::default() }, &[]).warnings;
    assert_eq!(warnings(NeverBlock::default()), Vec::<String>::new());
    let counted = warnings(NeverBlock::of([md5]));
    assert!(
        counted.len() == 1 && counted[0].starts_with(&format!("{sha256} of the added hashes are SHA-256")),
        "{counted:?}"
    );
    assert_eq!(warnings(NeverBlock::of([other])).len(), usize::from(sha256 < 3));
}

#[test]
fn another_owners_subject_is_taken_over_by_name_only() {
    let change = sample::isolate(sample::host(1, "WS-1"));
    let sensor = change.whom.sensor().unwrap().id;
    let by = Attribution {
        owner: "another".into(),
        run: "20261125-100000-0000".into(),
        entry: None,
        cause: Some(sample::origin("it/state.yaml", 5).into()),
        reason: None,
        commit: Some("3f2a".repeat(10).into()),
        at: sample::now(),
    };
    let mut known = Recorded::default();
    let isolation = RecordedIsolation { by, rule: None, verified_at: sample::now() };
    known.isolations.insert(sensor, isolation);
    let recorded = BTreeMap::from([(ServerName::new("hq"), known)]);
    let plan = plan(vec![change], 5, 0);
    let alone = judged_by(&plan, &Policy::default(), &[], &[], &recorded);
    assert_eq!(
        alone.refusals[0].message,
        "was written last by owner `another` (run 20261125-100000-0000, 2026-11-25T13:00:00Z, it/state.yaml:5, \
         commit 3f2a3f2a3f2a), and you are `default`; take it out of one of the two states; if it is yours from now on: \
         `--take-over hq/WS-1/isolation`"
    );
    assert!(alone.warnings.is_empty());
    // Files that may have been edited since say so, however long the commit is.
    let mut edited = recorded.clone();
    for known in edited.values_mut().flat_map(|known| known.isolations.values_mut()) {
        known.by.commit = Some(format!("{}?", "3f2a".repeat(10)).into());
    }
    let edited = judged_by(&plan, &Policy::default(), &[], &[], &edited);
    assert!(edited.refusals[0].message.contains("commit 3f2a3f2a3f2a?), and"), "{edited:?}");
    for (take_over, expected) in [
        ("hq/WS-1/prevention", vec![RefusalKind::Owner]),
        ("hq/WS-2/isolation", vec![RefusalKind::Owner]),
        ("hq/WS-1/isolation", Vec::new()),
    ] {
        let judgement = judged_by(&plan, &Policy::default(), &[], &[take_over], &recorded);
        assert_eq!(kinds(&judgement), expected, "{take_over}");
        // What lets nothing pass is said.
        assert_eq!(judgement.warnings.len(), expected.len(), "{:?}", judgement.warnings);
    }
}

#[test]
fn a_program_is_started_only_where_the_files_say_so() {
    let plan = plan(vec![sample::start_task(1, "WS-1")], 10, 0);
    let refused = judged(&plan, &Policy::default(), &[]);
    assert_eq!(kinds(&refused), [RefusalKind::Tasks]);
    assert!(refused.refusals[0].message.contains("policy: { tasks: true }"));
    let allowed = Policy { tasks: true, ..Policy::default() };
    assert!(judged(&plan, &allowed, &[]).refusals.is_empty());
    let mut few = allowed;
    few.limits.hosts_changed = Some(Limit::Count(0));
    assert_eq!(kinds(&judged(&plan, &few, &[])), [RefusalKind::Limit]);
}

#[test]
fn a_program_is_ended_without_anybodys_word() {
    let plan = self::plan(vec![sample::delete_task(1, "WS-1")], 10, 0);
    assert!(judged(&plan, &Policy::default(), &[]).refusals.is_empty());
}

#[test]
fn the_words_of_refusals_are_those_that_are_documented() {
    let page = include_str!("../../docs/json-output.md");
    let line = page.lines().find(|line| line.starts_with("| `refusals`")).unwrap();
    for (kind, word) in [
        (RefusalKind::Protected, "protected"),
        (RefusalKind::NeverBlock, "never_block"),
        (RefusalKind::Tasks, "tasks"),
        (RefusalKind::Limit, "limit"),
        (RefusalKind::Owner, "owner"),
        (RefusalKind::NotApproved, "not_approved"),
        (RefusalKind::Stale, "stale"),
    ] {
        assert_eq!(kind.as_str(), word);
        assert!(line.contains(&format!("`{word}`")), "{word}");
    }
}

//! Random facts for planning: what is declared, read and recorded of a few hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kedrctl::declare::{DeclaredIsolation, DeclaredPrevention, Term, WantedIsolation};
use kedrctl::model::{
    Cause, HashSet, HostList, Isolation, KeptObject, LastAccess, PreventionRule, ReadFailure, Reading,
    Sensor, SensorId, Target, Timeout, Untrusted,
};
use kedrctl::observe::Observed;
use kedrctl::plan::{Facts, Plan, Scope, ServerClock, ServerPlan, plan_server};
use kedrctl::record::{Attribution, Recorded, RecordedIsolation, RecordedPrevention, RecordedRule};
use kedrctl::resolve::{Desired, DesiredHost};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use uuid::Uuid;

use crate::bench::start;
use crate::node::MemoryNode;
use crate::values::{block_entry, exclusions, hash, isolation, origin, server};

/// Names that a fleet has, and one host without a name or an address.
const NAMES: [Option<&str>; 5] =
    [Some("DC-1.corp.example"), Some("ws-2.corp.example"), Some("dc-3"), None, Some("WS-5")];

#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) all_hosts: Option<Arc<DeclaredPrevention>>,
    pub(crate) hosts: Vec<Arc<DesiredHost>>,
    /// Sensors that nobody declared.
    pub(crate) others: Vec<Arc<Sensor>>,
    pub(crate) isolations: BTreeMap<SensorId, Reading<Isolation>>,
    pub(crate) preventions: BTreeMap<Target, Reading<Arc<PreventionRule>>>,
    pub(crate) recorded: Recorded,
    pub(crate) clock: ServerClock,
    pub(crate) never_block: HashSet,
}

impl Known {
    pub(crate) fn listed(&self) -> HostList {
        let declared = self.hosts.iter().map(|host| Arc::clone(&host.sensor));
        let sensors = declared.chain(self.others.iter().cloned());
        HostList {
            sensors: sensors.map(|sensor| (sensor.id, sensor)).collect(),
            has_more: false,
            server_version: None,
        }
    }

    pub(crate) fn server_plan(&self) -> ServerPlan {
        let desired =
            Desired { hosts: self.hosts.clone(), all_hosts: self.all_hosts.clone(), ..Desired::default() };
        let observed = Observed {
            isolations: self.isolations.clone(),
            preventions: self.preventions.clone(),
            tasks: BTreeMap::new(),
            believed: BTreeMap::new(),
        };
        plan_server(&Facts {
            origin: &kedrctl::model::Origin::command_line(),
            server: &server(),
            address: "https://hq",
            key: &MemoryNode::key(),
            listed: &self.listed(),
            clock: self.clock,
            desired: &desired,
            observed: &observed,
            recorded: &self.recorded,
            owner: "default",
            undeclared: &[],
            never_block: &self.never_block,
            now: start(),
            by_hand: false,
            observed_at: start(),
        })
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan {
            now: start(),
            observed_at: start(),
            scope: Scope::All,
            owner: "default".into(),
            servers: vec![self.server_plan()],
        }
    }

    pub(crate) fn hashes(&self, target: Target) -> HashSet {
        match self.preventions.get(&target) {
            Some(Reading::Present(rule)) => rule.hashes(),
            Some(Reading::Absent | Reading::Unknown(_)) | None => HashSet::new(),
        }
    }
}

/// Everything of one host.
#[derive(Debug, Clone)]
struct OfHost {
    want: Option<WantedIsolation>,
    prevention: Option<DeclaredPrevention>,
    isolation: Reading<Isolation>,
    rule: Reading<PreventionRule>,
    recorded: Option<RecordedIsolation>,
    ours: Option<HashSet>,
    /// What is declared comes from a group.
    by_group: bool,
}

pub(crate) fn by(owner: &str, entry: Option<&str>, at: Timestamp) -> Attribution {
    Attribution {
        owner: owner.into(),
        run: "run".into(),
        entry: entry.map(Into::into),
        cause: None,
        reason: None,
        commit: None,
        at,
    }
}

fn rule_of(hashes: impl IntoIterator<Item = u8>) -> PreventionRule {
    let object = |n: u8| KeptObject {
        name: n.is_multiple_of(3).then(|| Untrusted::new(format!("file {n}"))),
        has_other_fields: n.is_multiple_of(5),
    };
    PreventionRule { objects: hashes.into_iter().map(|n| (hash(n), object(n))).collect() }
}

fn reading<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Reading<T>> {
    prop_oneof![
        5 => value.prop_map(Reading::Present),
        3 => Just(Reading::Absent),
        1 => Just(Reading::Unknown(ReadFailure::new("timed out"))),
    ]
}

fn listed() -> impl Strategy<Value = Isolation> {
    (prop_oneof![Just(7_200_u64), Just(7_205), Just(86_400), 1_u64..90_000], 0_u8..2)
        .prop_map(|(timeout_seconds, rules)| Isolation { timeout_seconds, exclusions: exclusions(rules) })
}

fn seconds(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn term() -> impl Strategy<Value = Term> {
    prop_oneof![
        (-90_000_i64..90_000).prop_map(|s| Term::Until(seconds(s))),
        (7_200_i64..90_000).prop_map(|s| Term::Lease(Timeout::from_seconds(s).unwrap())),
    ]
}

fn wanted() -> impl Strategy<Value = Option<WantedIsolation>> {
    prop_oneof![
        1 => Just(None),
        2 => Just(Some(WantedIsolation::Off)),
        6 => (term(), 0_u8..2).prop_map(|(term, rules)| Some(isolation(term, rules))),
    ]
}

fn declared_prevention() -> impl Strategy<Value = Option<DeclaredPrevention>> {
    let from = proptest::option::weighted(0.2, -5_000_i64..5_000);
    let entry = (0_u8..24, from, proptest::option::of(-5_000_i64..5_000));
    let lists = vec(vec(entry, 0..5), 0..3);
    proptest::option::weighted(0.8, (lists, vec(0_u8..24, 0..3), any::<bool>())).prop_map(|declared| {
        let (lists, mut unblock, exact) = declared?;
        unblock.retain(|n| !lists.iter().flatten().any(|(blocked, ..)| blocked == n));
        let block = lists.into_iter().map(|list| {
            let entries = list.into_iter().map(|(n, from, until)| {
                let (from, until) = (from.map(seconds), until.map(seconds));
                kedrctl::model::BlockEntry { from, until, ..block_entry(n) }
            });
            entries.collect::<Vec<_>>().into()
        });
        Some(DeclaredPrevention {
            cause: origin(90).into(),
            block: block.collect(),
            unblock: unblock.into_iter().map(block_entry).collect(),
            exact,
        })
    })
}

fn of_host() -> impl Strategy<Value = OfHost> {
    let rule = reading(btree_set(0_u8..16, 1..6).prop_map(rule_of));
    let recorded =
        proptest::option::of((listed(), any::<bool>(), -90_000_i64..0, any::<bool>(), any::<bool>()));
    let ours = proptest::option::of(btree_set(0_u8..16, 0..6));
    let by_group = (any::<bool>(), any::<bool>());
    (wanted(), declared_prevention(), reading(listed()), rule, recorded, ours, by_group).prop_map(
        |(want, prevention, isolation, rule, recorded, ours, (by_group, was_by_group))| {
            let recorded = recorded.map(|(other, is_listed, sent, clocks_apart, is_deleted)| {
                let listed = match &isolation {
                    Reading::Present(listed) if is_listed => listed.clone(),
                    Reading::Present(_) | Reading::Absent | Reading::Unknown(_) => other,
                };
                let sent_at = seconds(sent);
                let rule = RecordedRule {
                    sent_timeout_seconds: listed.timeout_seconds,
                    listed,
                    sent_at,
                    verified_at: Some(sent_at),
                    clocks_apart,
                };
                let rule = (is_listed || !is_deleted).then_some(rule);
                let cause = was_by_group.then(|| Cause::group("pci".into(), origin(1)));
                let by = Attribution { cause, ..by("default", None, sent_at) };
                RecordedIsolation { by, rule, verified_at: sent_at }
            });
            let ours = ours.map(|ours| ours.into_iter().map(hash).collect());
            OfHost { want, prevention, isolation, rule, recorded, ours, by_group }
        },
    )
}

pub(crate) fn known() -> impl Strategy<Value = Known> {
    let clock = prop_oneof![
        4 => Just(ServerClock::Together(SignedDuration::from_secs(1))),
        1 => Just(ServerClock::NotGiven),
        1 => (-9_000_i64..9_000).prop_map(|s| ServerClock::Apart(SignedDuration::from_secs(s))),
    ];
    let for_all = reading(btree_set(14_u8..24, 1..4).prop_map(rule_of));
    let never_block = btree_set(0_u8..24, 0..3);
    // Most hosts that nobody declares are in nobody's way: else the rule for all hosts would hardly ever be written.
    let other =
        prop_oneof![3 => Just(Reading::Absent), 1 => reading(btree_set(0_u8..16, 1..3).prop_map(rule_of))];
    let all = (declared_prevention(), proptest::option::of(btree_set(14_u8..24, 0..6)), other);
    (vec(of_host(), 1..NAMES.len()), clock, for_all, never_block, all).prop_map(
        |(cases, clock, for_all, never_block, (all_hosts, ours_in_all, other))| {
            let mut known = Known {
                all_hosts: all_hosts.map(Arc::new),
                hosts: Vec::new(),
                others: vec![sensor(99, Some("other"))],
                isolations: BTreeMap::new(),
                preventions: BTreeMap::from([(Target::AllHosts, for_all.map(Arc::new))]),
                recorded: Recorded::default(),
                clock,
                never_block: never_block.into_iter().map(hash).collect(),
            };
            let target = Target::Sensor(known.others[0].id);
            let other = known.beside_all(other);
            known.preventions.insert(target, other);
            known.recorded.preventions.extend(ours_in_all.map(|ours| {
                let ours = Arc::new(ours.into_iter().map(hash).collect());
                let by = by("default", None, start());
                (Target::AllHosts, RecordedPrevention { by, ours, verified_at: start() })
            }));
            for (n, (case, name)) in cases.into_iter().zip(NAMES).enumerate() {
                known.add(u8::try_from(n).unwrap(), name, case);
            }
            known
        },
    )
}

impl Known {
    /// The rule for all and a host's have no hash in common: the server sees to that.
    fn beside_all(&self, rule: Reading<PreventionRule>) -> Reading<Arc<PreventionRule>> {
        let for_all = self.hashes(Target::AllHosts);
        let rule = rule.map(|mut rule| {
            rule.objects.retain(|hash, _| !for_all.contains(hash));
            rule
        });
        match rule {
            Reading::Present(rule) if rule.objects.is_empty() => Reading::Absent,
            Reading::Present(_) | Reading::Absent | Reading::Unknown(_) => rule.map(Arc::new),
        }
    }

    fn add(&mut self, n: u8, name: Option<&str>, case: OfHost) {
        let sensor = sensor(n, name);
        let (id, target) = (sensor.id, Target::Sensor(sensor.id));
        let entry: Arc<str> = format!("host {n}").into();
        let rule = self.beside_all(case.rule);
        self.isolations.insert(id, case.isolation);
        self.preventions.insert(target, rule);
        self.recorded.isolations.extend(case.recorded.map(|known| (id, known)));
        self.recorded.preventions.extend(case.ours.map(|ours| {
            let by = by("default", None, start());
            (target, RecordedPrevention { by, ours: Arc::new(ours), verified_at: start() })
        }));
        let origin = origin(u32::from(n) * 10);
        let cause =
            if case.by_group { Cause::group("pci".into(), origin.clone()) } else { origin.clone().into() };
        self.hosts.push(Arc::new(DesiredHost {
            entry,
            origin: origin.clone(),
            sensor,
            groups: Arc::new([]),
            is_named: !case.by_group,
            isolation: case.want.map(|want| DeclaredIsolation { cause, want }),
            prevention: case.prevention.map(Arc::new),
        }));
    }
}

pub(crate) fn sensor(n: u8, name: Option<&str>) -> Arc<Sensor> {
    Arc::new(Sensor {
        id: SensorId::new(Uuid::from_u128(u128::from(n) + 1)),
        name: name.map(Untrusted::new),
        addresses: name.map(|_| std::net::IpAddr::from([10, 0, 0, n])).into_iter().collect(),
        last_access: LastAccess::At(start()),
        agent_version: None,
        os_family: None,
        os_name: None,
        capabilities: Vec::new(),
    })
}

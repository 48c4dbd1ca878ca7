//! A group means what it would mean to write the same out for each of its hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use kedrctl::declare::{
    Declared, DeclaredGroup, DeclaredIsolation, DeclaredPrevention, Except, HostMatch, Identity, Members,
    Missing, NamedHost, Policy, Term, WantedIsolation,
};
use kedrctl::model::{Case, Cause, FileHash, NamePattern, Sensor, SensorId};
use kedrctl::resolve::{self, Desired, WhyUnresolved};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bench::start;
use crate::facts::{self, Known};
use crate::values::{config, declared, declared_host, isolation, origin, prevention, server};

/// By the number of a host, each may be in a group and left out of it.
#[derive(Debug, Clone)]
struct Group {
    members: Vec<bool>,
    excepted: Vec<bool>,
    by_pattern: bool,
    want: Option<Option<u8>>,
    block: Option<Vec<u8>>,
}

impl Group {
    fn has(&self, host: usize) -> bool {
        self.members[host] && !self.excepted[host]
    }

    /// `off`, or one of a few isolations.
    fn want(&self) -> Option<WantedIsolation> {
        self.want.map(|want| match want {
            None => WantedIsolation::Off,
            Some(which) => isolation(Term::Until(start() + SignedDuration::from_hours(30)), which),
        })
    }

    fn declared(&self, number: usize, names: &[&str]) -> DeclaredGroup {
        let name: Arc<str> = format!("group {number}").into();
        let cause = Cause::group(Arc::clone(&name), origin(1));
        let of = |is: &[bool]| {
            names.iter().zip(is.to_vec()).filter(|(_, is)| *is).map(|(name, _)| *name).collect()
        };
        let (members, excepted): (Vec<&str>, Vec<&str>) = (of(&self.members), of(&self.excepted));
        let pattern = |name: &&str| NamePattern::new(name, Case::Counts).unwrap();
        let named = |name: &&str| NamedHost {
            name: (*name).into(),
            origin: origin(2),
            server: server(),
            is_entry: false,
        };
        DeclaredGroup {
            origin: origin(1),
            members: if self.by_pattern {
                // No name at all would match everybody.
                let names = members.iter().chain(&["nobody"]).map(pattern).collect();
                Members::Match { server: None, what: HostMatch { names, ..HostMatch::default() } }
            } else {
                Members::Named(members.iter().map(named).collect())
            },
            except: excepted
                .iter()
                .map(|name| Except { pattern: pattern(name), origin: origin(3) })
                .collect(),
            isolation: self.want().map(|want| DeclaredIsolation { cause: cause.clone(), want }),
            prevention: self
                .block
                .as_ref()
                .map(|block| Arc::new(DeclaredPrevention { cause, ..prevention(block, &[], false) })),
            name,
        }
    }
}

fn group() -> impl Strategy<Value = Group> {
    let five = || vec(any::<bool>(), 5);
    let excepted = vec(proptest::bool::weighted(0.2), 5);
    let want = proptest::option::of(proptest::option::of(0_u8..2));
    let block = proptest::option::of(vec(0_u8..6, 1..4));
    (five(), excepted, any::<bool>(), want, block).prop_map(|(members, excepted, by_pattern, want, block)| {
        Group { members, excepted, by_pattern, want, block }
    })
}

/// What is wanted of each sensor, whatever it was declared by.
fn values(desired: &Desired) -> BTreeMap<SensorId, (Option<WantedIsolation>, Option<BTreeSet<FileHash>>)> {
    let value = |host: &Arc<resolve::DesiredHost>| {
        let blocked = host.prevention.as_ref().map(|prevention| {
            prevention.block.iter().flat_map(|set| set.iter()).map(|entry| entry.hash).collect()
        });
        (host.sensor.id, (host.isolation.as_ref().map(|isolation| isolation.want.clone()), blocked))
    };
    desired.hosts.iter().map(value).collect()
}

fn resolved(declared: &Declared, facts: &Known) -> Desired {
    let known = resolve::Known {
        listed: &facts.listed(),
        listed_elsewhere: &BTreeMap::new(),
        recorded_entries: &BTreeMap::new(),
        accepted_moves: &BTreeSet::new(),
        missing: Missing::Error,
    };
    resolve::resolve(declared, &server(), &known)
}

/// The facts with these declarations.
fn with(facts: &Known, desired: &Desired) -> Known {
    Known {
        hosts: desired.hosts.clone(),
        others: facts.listed().sensors.into_values().collect(),
        ..facts.clone()
    }
}

proptest! {
    #![proptest_config(config(400, "grouping"))]

    #[test]
    fn a_group_is_what_it_would_be_written_out(groups in vec(group(), 1..4), mut facts in facts::known()) {
        // Those that a list can name.
        let sensors: Vec<Arc<Sensor>> =
            facts.hosts.iter().map(|host| Arc::clone(&host.sensor)).filter(|sensor| sensor.name.is_some()).collect();
        let names: Vec<&str> = sensors.iter().map(|sensor| sensor.name.as_ref().unwrap().raw()).collect();
        facts.hosts.retain(|host| host.sensor.name.is_some());

        let mut grouped = declared(Vec::new(), Policy::default());
        grouped.groups = groups.iter().enumerate().map(|(n, group)| group.declared(n, &names)).collect();
        let by_groups = resolved(&grouped, &facts);

        let mut written = Vec::new();
        let mut differing = BTreeSet::new();
        for (n, sensor) in sensors.iter().enumerate() {
            let of_host: Vec<&Group> = groups.iter().filter(|group| group.has(n)).collect();
            let mut wants: Vec<WantedIsolation> = of_host.iter().filter_map(|group| group.want()).collect();
            wants.dedup();
            if wants.len() > 1 {
                differing.insert(sensor.id);
                wants.clear();
            }
            let blocked: Vec<&Vec<u8>> = of_host.iter().filter_map(|group| group.block.as_ref()).collect();
            let all: Vec<u8> = blocked.iter().flat_map(|block| block.iter().copied()).collect();
            let block = (!blocked.is_empty()).then(|| prevention(&all, &[], false));
            if wants.is_empty() && block.is_none() {
                continue;
            }
            let mut host = declared_host(names[n], wants.pop(), block);
            host.identity = Identity::Sensor(sensor.id);
            written.push(host);
        }
        let mut by_entries = resolved(&declared(written, Policy::default()), &facts);

        let refused: BTreeSet<SensorId> =
            by_groups.unresolved.iter().flat_map(|lost| lost.sensors.iter().copied()).collect();
        prop_assert_eq!(&refused, &differing);
        prop_assert!(by_groups.unresolved.iter().all(|lost| lost.why == WhyUnresolved::GroupsDiffer));
        prop_assert_eq!(values(&by_groups), values(&by_entries));

        // `off` from a group is a check: written out it would release.
        for host in &mut by_entries.hosts {
            let is_off = host.isolation.as_ref().is_some_and(|isolation| isolation.want == WantedIsolation::Off);
            Arc::get_mut(host).unwrap().isolation.take_if(|_| is_off);
        }
        let (grouped, written) = (with(&facts, &by_groups).plan(), with(&facts, &by_entries).plan());
        prop_assert_eq!(grouped.id(), written.id());
    }
}

//! Which sensors of one server are in which groups.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::entries::{Entries, aspects};
use super::identity::{Index, Lost, Sought};
use super::{GroupUse, Known, Unresolved, WhyUnresolved};
use crate::declare::{Declared, DeclaredGroup, HostMatch, Identity, Members, NamedHost};
use crate::model::{Cause, NamePatterns, Sensor, SensorId, ServerName};

#[derive(Default)]
pub(super) struct Membership<'a> {
    pub(super) of: BTreeMap<SensorId, Member>,
    /// Entries that were not resolved and groups name.
    of_entries: BTreeMap<&'a str, Vec<usize>>,
    lost: Vec<(Vec<(usize, &'a NamedHost)>, Lost)>,
    /// Whom a name in a list may mean that was refused.
    claimed: BTreeMap<SensorId, &'a NamedHost>,
    pub(super) uses: Vec<GroupUse>,
}

/// A sensor that is in a group.
#[derive(Default)]
pub(super) struct Member {
    /// By their numbers, which are in the order of their names; each once.
    pub(super) groups: Vec<usize>,
    /// What a list calls it, where it has no entry.
    pub(super) name: Option<Arc<str>>,
}

impl<'a> Membership<'a> {
    pub(super) fn find(
        declared: &'a Declared,
        server: &ServerName,
        index: &Index<'_>,
        entries: &Entries<'_>,
        known: &Known<'_>,
    ) -> Self {
        let excepts: Vec<Excepts> = declared.groups.iter().map(Excepts::new).collect();
        let uses = excepts
            .iter()
            .map(|excepts| GroupUse { hosts: 0, excepts: vec![false; excepts.count] })
            .collect();
        let mut membership = Self { uses, ..Self::default() };
        membership.look_up_names(declared, server, index, entries, known, &excepts);
        membership.match_all(declared, server, entries, known, &excepts);
        for member in membership.of.values_mut() {
            member.groups.sort_unstable();
            member.groups.dedup();
        }
        membership
    }

    pub(super) fn groups_of(&self, sensor: SensorId) -> &[usize] {
        self.of.get(&sensor).map_or(&[], |member| &member.groups)
    }

    /// The groups that name an entry which was not resolved.
    pub(super) fn groups_of_entry(&self, key: &str) -> &[usize] {
        self.of_entries.get(key).map_or(&[], Vec::as_slice)
    }

    /// Why a sensor gets nothing from its groups: a name that was refused may mean it, and nobody can tell whether
    /// what is declared by that name is for this sensor.
    pub(super) fn claim(&self, sensor: SensorId, entries: &Entries<'_>) -> Option<Lost> {
        let what = match (entries.claimed_by(sensor), self.claimed.get(&sensor)) {
            (Some(host), _) => format!("the entry `{}` ({})", host.entry.escape_debug(), host.origin),
            (None, Some(host)) => {
                format!("the name `{}` in a list ({})", host.name.escape_debug(), host.origin)
            }
            (None, None) => return None,
        };
        let message =
            format!("{what} may mean it; until that is settled, it gets no task and nothing from a group");
        Some(Lost { why: WhyUnresolved::Contested, message, sensors: vec![sensor] })
    }

    /// What a sensor is called: the key of its entry, else what a list calls it.
    pub(super) fn label(&self, sensor: &Sensor, index: &Index<'_>, entries: &Entries<'_>) -> Arc<str> {
        if let Some(key) = entries.key_of(sensor.id) {
            return key.into();
        }
        let in_lists = self.of.get(&sensor.id).and_then(|member| member.name.clone());
        in_lists.unwrap_or_else(|| entries.label(sensor, index))
    }

    /// Groups by pattern: each sensor once.
    fn match_all(
        &mut self,
        declared: &Declared,
        server: &ServerName,
        entries: &Entries<'_>,
        known: &Known<'_>,
        excepts: &[Excepts],
    ) {
        let mut matches = Matches::new(&declared.groups, server);
        if matches.groups.is_empty() {
            return;
        }
        for sensor in known.listed.sensors.values() {
            for group in matches.of(sensor) {
                let names = [sensor_name(sensor), entries.key_of(sensor.id)];
                if !excepts[group].leave_out(names, &mut self.uses[group]) {
                    self.of.entry(sensor.id).or_default().groups.push(group);
                    self.uses[group].hosts += 1;
                }
            }
        }
    }

    /// Groups by name: each name is looked up once, as narrowly as an entry.
    fn look_up_names(
        &mut self,
        declared: &'a Declared,
        server: &ServerName,
        index: &Index<'_>,
        entries: &Entries<'_>,
        known: &Known<'_>,
        excepts: &[Excepts],
    ) {
        let mut named: BTreeMap<&str, Vec<(usize, &NamedHost)>> = BTreeMap::new();
        for (number, group) in declared.groups.iter().enumerate() {
            let Members::Named(hosts) = &group.members else { continue };
            for host in hosts.iter().filter(|host| host.server == *server) {
                if !excepts[number].leave_out([Some(&*host.name), None], &mut self.uses[number]) {
                    named.entry(&host.name).or_default().push((number, host));
                }
            }
        }
        let of_server = declared.hosts.iter().filter(|host| host.server == *server);
        let keys: Vec<&str> = of_server.map(|host| &*host.entry).collect();
        for (name, by) in named {
            // Whether it is an entry is the same for all groups of a server.
            let is_entry = by.iter().any(|(_, host)| host.is_entry);
            let found = if is_entry {
                entries.sensor_of(name).ok_or(None)
            } else {
                let identity = Identity::Name(name.into());
                let has_isolation = by.iter().any(|(group, _)| declared.groups[*group].isolation.is_some());
                let sought =
                    Sought { entry: name, identity: &identity, has_isolation, by_entry: false, keys: &keys };
                index.find(&sought, known).map(|sensor| sensor.id).map_err(Some)
            };
            match found {
                Ok(id) => {
                    let listed = known.listed.sensors.get(&id).and_then(|sensor| sensor_name(sensor));
                    for (group, host) in by {
                        if !excepts[group].leave_out([listed, entries.key_of(id)], &mut self.uses[group]) {
                            let member = self.of.entry(id).or_default();
                            member.groups.push(group);
                            member.name.get_or_insert_with(|| Arc::clone(&host.name));
                            self.uses[group].hosts += 1;
                        }
                    }
                }
                Err(lost) => {
                    for (group, _) in &by {
                        self.uses[*group].hosts += 1;
                    }
                    match lost {
                        Some(lost) => {
                            if let Some((_, host)) = by.first() {
                                for sensor in &lost.sensors {
                                    self.claimed.entry(*sensor).or_insert(*host);
                                }
                            }
                            self.lost.push((by, lost));
                        }
                        // The entry says it.
                        None => {
                            self.of_entries.insert(name, by.iter().map(|(group, _)| *group).collect());
                        }
                    }
                }
            }
        }
    }

    /// The names that were not found.
    pub(super) fn unresolved(&self, groups: &[DeclaredGroup]) -> Vec<Unresolved> {
        let mut unresolved = Vec::new();
        for (by, lost) in &self.lost {
            let causes: Vec<Cause> = by
                .iter()
                .filter_map(|(group, host)| {
                    Some(Cause::group(Arc::clone(&groups.get(*group)?.name), host.origin.clone()))
                })
                .collect();
            let (Some(cause), Some((_, host))) = (Cause::joined(&causes), by.first()) else { continue };
            let named_by = by.iter().filter_map(|(group, _)| groups.get(*group));
            unresolved.push(Unresolved {
                entry: Arc::clone(&host.name),
                why: lost.why,
                message: lost.message.clone(),
                listed: Some(Arc::clone(&host.name)),
                aspects: aspects(
                    named_by.clone().any(|group| group.isolation.is_some()),
                    named_by.clone().any(|group| group.prevention.is_some()),
                ),
                preventions: named_by.clone().filter_map(|group| group.prevention.clone()).collect(),
                sensors: lost.sensors.clone(),
                groups: named_by.map(|group| Arc::clone(&group.name)).collect(),
                cause,
            });
        }
        unresolved
    }
}

fn sensor_name(sensor: &Sensor) -> Option<&str> {
    sensor.name.as_ref().map(|name| name.raw())
}

/// Who is left out of a group.
struct Excepts {
    patterns: Option<NamePatterns>,
    count: usize,
}

impl Excepts {
    fn new(group: &DeclaredGroup) -> Self {
        let patterns = || group.except.iter().map(|except| &except.pattern);
        Self {
            patterns: (!group.except.is_empty()).then(|| NamePatterns::new(patterns())),
            count: group.except.len(),
        }
    }

    /// Whether any of these names is left out.
    fn leave_out(&self, names: [Option<&str>; 2], group: &mut GroupUse) -> bool {
        let Some(patterns) = &self.patterns else { return false };
        let (mut is_out, mut matching) = (false, Vec::new());
        for name in names.into_iter().flatten() {
            patterns.matching(name, &mut matching);
            for except in &matching {
                is_out = true;
                if let Some(used) = group.excepts.get_mut(*except) {
                    *used = true;
                }
            }
        }
        is_out
    }
}

/// The groups by pattern that hosts of one server can be in.
struct Matches<'a> {
    groups: Vec<(usize, &'a HostMatch)>,
    /// The name patterns of all of them, with the place in `groups` of each.
    patterns: NamePatterns,
    group_of: Vec<usize>,
    /// By place in `groups`: the last sensor, by its count, whose name matched.
    name_matched: Vec<usize>,
    count: usize,
    matching: Vec<usize>,
}

impl<'a> Matches<'a> {
    fn new(declared: &'a [DeclaredGroup], on: &ServerName) -> Self {
        let mut groups = Vec::new();
        for (number, group) in declared.iter().enumerate() {
            match &group.members {
                Members::Match { server, what } if server.as_ref().is_none_or(|server| server == on) => {
                    groups.push((number, what));
                }
                Members::Match { .. } | Members::Named(_) => {}
            }
        }
        let of_all = || {
            let places = groups.iter().enumerate();
            places.flat_map(|(place, (_, what))| what.names.iter().map(move |pattern| (place, pattern)))
        };
        let patterns = NamePatterns::new(of_all().map(|(_, pattern)| pattern));
        let group_of = of_all().map(|(place, _)| place).collect();
        let name_matched = vec![0; groups.len()];
        Self { groups, patterns, group_of, name_matched, count: 0, matching: Vec::new() }
    }

    /// The groups that a sensor is in, but for who is left out. What the server does not give matches nothing.
    fn of(&mut self, sensor: &Sensor) -> Vec<usize> {
        self.count += 1;
        if let Some(name) = sensor_name(sensor) {
            self.patterns.matching(name, &mut self.matching);
            for pattern in &self.matching {
                self.name_matched[self.group_of[*pattern]] = self.count;
            }
        }
        let addresses: Vec<IpAddr> = sensor.addresses.iter().map(IpAddr::to_canonical).collect();
        let os = sensor.os_family.as_ref().map(|os| os.raw().to_lowercase());
        let is_in = |place: usize, what: &HostMatch| {
            let is_near = |network: &ipnet::IpNet| addresses.iter().any(|address| network.contains(address));
            (what.names.is_empty() || self.name_matched[place] == self.count)
                && (what.networks.is_empty() || what.networks.iter().any(is_near))
                && (what.os.is_empty() || os.as_ref().is_some_and(|os| what.os.contains(os)))
        };
        let groups = self.groups.iter().enumerate();
        groups.filter(|(place, (_, what))| is_in(*place, what)).map(|(_, (number, _))| *number).collect()
    }
}

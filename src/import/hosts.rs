//! `hosts:` of one server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::isolated::{ExclusionSets, told};
use super::lists::Lists;
use super::{Counts, Fleet, Surroundings, in_order};
use crate::model::{
    Aspect, Isolation, LastAccess, PreventionRule, Reading, Sensor, Target, yaml_comment, yaml_scalar,
};

/// What the lines of one server are written with.
pub(super) struct Section<'a> {
    pub(super) surroundings: &'a Surroundings,
    pub(super) lists: &'a Lists,
    pub(super) exclusions: &'a ExclusionSets,
    /// Keys that are used up, by the files and by this import.
    pub(super) taken: &'a mut BTreeSet<String>,
    pub(super) counts: &'a mut Counts,
    pub(super) out: &'a mut String,
}

impl Section<'_> {
    pub(super) fn write(&mut self, fleet: &Fleet<'_>) {
        self.rule_for_all(fleet);
        let latest = latest_by_name(fleet);
        for sensor in in_order(fleet) {
            self.counts.hosts += 1;
            if fleet.declared.contains(&sensor.id) {
                self.counts.declared_already += 1;
                continue;
            }
            self.host(fleet, sensor, &latest);
        }
    }

    fn host(&mut self, fleet: &Fleet<'_>, sensor: &Arc<Sensor>, latest: &Latest<'_>) {
        let isolation = fleet.observed.isolation(sensor.id);
        let prevention = fleet.observed.prevention(Target::Sensor(sensor.id));
        let label = format!("{} (sensor_id {})", sensor.label(), sensor.id);
        for (aspect, why) in
            [(Aspect::Isolation, unknown(&isolation)), (Aspect::Prevention, unknown(&prevention))]
        {
            if let Some(why) = why {
                self.counts.unknown += 1;
                self.remark(&format!("{label}: its {aspect} could not be read: {why}"));
            }
        }
        let isolation = present(&isolation);
        let block = present(&prevention).and_then(|rule| self.block(rule));
        if isolation.is_none() && block.is_none() {
            return;
        }
        if fleet.listed_elsewhere.contains(&sensor.id) {
            self.counts.unknown += 1;
            return self.remark(&format!("{label}: another server lists it too, so it was left out"));
        }
        let identity = match latest.identity(sensor) {
            Who::Superseded => {
                self.counts.unknown += 1;
                return self.remark(&format!(
                    "{label}: another sensor has this name and was seen later, so it was left out"
                ));
            }
            Who::Name => None,
            Who::Sensor => Some(format!("sensor_id: {}", sensor.id)),
        };
        let entry = Entry::new(sensor, identity, fleet, self);
        if entry.is_called_otherwise {
            self.remark(&format!("the server calls it {}", sensor.label()));
        }
        self.entry(&entry, isolation, block.as_deref());
    }

    fn entry(&mut self, entry: &Entry, isolation: Option<&Isolation>, block: Option<&str>) {
        let Entry { key, who, .. } = entry;
        let who_lines = |indent: &str| who.iter().map(|line| format!("{indent}{line}\n")).collect::<String>();
        self.counts.isolated += usize::from(isolation.is_some());
        self.counts.entries += usize::from(block.is_some());
        match (isolation, block) {
            (None, Some(block)) if who.is_empty() => {
                self.line(&format!("  {key}: {{ prevention: {{ block: {block} }} }}"));
            }
            (None, Some(block)) => {
                self.line(&format!("  {key}:"));
                self.out.push_str(&who_lines("    "));
                self.line(&format!("    prevention: {{ block: {block} }}"));
            }
            (Some(rule), Some(block)) => {
                self.line(&format!("  {key}:"));
                self.out.push_str(&who_lines("    "));
                self.line(&format!("    # It {}. Take in one of these lines:", told(rule)));
                self.exclusions.choice(rule, "    # ", self.out);
                self.line(&format!("    prevention: {{ block: {block} }}"));
            }
            (Some(rule), None) => {
                self.line(&format!("  # {key} {}. Take in its key and one of these lines:", told(rule)));
                self.line(&format!("  # {key}:"));
                self.out.push_str(&who_lines("  #   "));
                self.exclusions.choice(rule, "  #   ", self.out);
            }
            (None, None) => {}
        }
    }

    fn block(&self, rule: &PreventionRule) -> Option<String> {
        self.lists.block(rule)
    }

    /// The rule for all hosts is not declared for anybody: it goes on as it is.
    fn rule_for_all(&mut self, fleet: &Fleet<'_>) {
        match fleet.observed.prevention(Target::AllHosts) {
            Reading::Absent => {}
            Reading::Present(rule) => {
                let blocks = super::counted(rule.objects.len(), "hash", "hashes");
                self.remark(&format!(
                    "{}: its rule for all hosts blocks {blocks}; it is not declared here and stays as it is",
                    fleet.server
                ));
            }
            Reading::Unknown(why) => {
                self.counts.unknown += 1;
                self.remark(&format!("{}: its rule for all hosts could not be read: {why}", fleet.server));
            }
        }
    }

    fn remark(&mut self, text: &str) {
        self.line(&format!("  # {}", yaml_comment(text)));
    }

    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.out, "{line}");
    }
}

/// The key of an entry, and the lines that say more of who is meant.
struct Entry {
    key: String,
    who: Vec<String>,
    /// Its name cannot be the key.
    is_called_otherwise: bool,
}

impl Entry {
    fn new(sensor: &Sensor, identity: Option<String>, fleet: &Fleet<'_>, section: &mut Section<'_>) -> Self {
        let name = sensor.name.as_ref().map(|name| name.raw());
        // What cannot be printed cannot be a key either.
        let name = name.filter(|name| !name.trim().is_empty() && yaml_comment(name) == **name);
        let base = name.map_or_else(|| sensor.id.to_string(), str::to_owned);
        let candidates = [base.clone(), format!("{base}@{}", fleet.server), sensor.id.to_string()];
        let last = format!("{}@{}", sensor.id, fleet.server);
        let key = candidates.into_iter().find(|key| !section.taken.contains(key)).unwrap_or(last);
        section.taken.insert(key.clone());
        let is_named_by_key = identity.is_none() && name == Some(&*key);
        let identity = match (identity, name) {
            _ if is_named_by_key => None,
            (None, Some(name)) => Some(format!("name: {}", yaml_scalar(name))),
            (Some(identity), _) => Some(identity),
            (None, None) => Some(format!("sensor_id: {}", sensor.id)),
        };
        let mut who = Vec::new();
        who.extend(identity.map(|identity| format!("identity: {{ {identity} }}")));
        if section.surroundings.names_servers {
            who.push(format!("server: {}", yaml_scalar(fleet.server.as_str())));
        }
        let is_called_otherwise = sensor.name.is_some() && name.is_none();
        Self { key: yaml_scalar(&key), who, is_called_otherwise }
    }
}

/// How a sensor is told from others of its name.
enum Who {
    Name,
    Sensor,
    /// An entry for it would be an error.
    Superseded,
}

/// The latest access and the number of sensors of each name.
struct Latest<'a>(BTreeMap<&'a str, (LastAccess, usize)>);

fn latest_by_name<'a>(fleet: &Fleet<'a>) -> Latest<'a> {
    let mut latest: BTreeMap<&str, (LastAccess, usize)> = BTreeMap::new();
    for sensor in fleet.listed.sensors.values() {
        if let Some(name) = &sensor.name {
            let known = latest.entry(name.raw()).or_insert((LastAccess::Unknown, 0));
            *known = (known.0.max(sensor.last_access), known.1 + 1);
        }
    }
    Latest(latest)
}

impl Latest<'_> {
    fn identity(&self, sensor: &Sensor) -> Who {
        let Some(name) = &sensor.name else { return Who::Sensor };
        match self.0.get(name.raw()) {
            None | Some((_, 0 | 1)) => Who::Name,
            Some((latest, _)) if sensor.last_access < *latest => Who::Superseded,
            Some(_) => Who::Sensor,
        }
    }
}

fn unknown<T>(reading: &Reading<T>) -> Option<String> {
    match reading {
        Reading::Unknown(why) => Some(why.to_string()),
        Reading::Present(_) | Reading::Absent => None,
    }
}

fn present<T>(reading: &Reading<T>) -> Option<&T> {
    match reading {
        Reading::Present(value) => Some(value),
        Reading::Unknown(_) | Reading::Absent => None,
    }
}

//! Which sensor an entry means: matched narrowly, and never guessed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Known, WhyUnresolved};
use crate::declare::{DeclaredHost, Identity, Missing};
use crate::model::{HostList, Sensor, SensorId, shell_word};

type Found = Result<Arc<Sensor>, (WhyUnresolved, String)>;

/// A host list by what entries name hosts by.
pub(super) struct Index<'a> {
    by_id: &'a BTreeMap<SensorId, Arc<Sensor>>,
    by_name: BTreeMap<&'a str, Vec<&'a Arc<Sensor>>>,
    /// First label of the name in lower case: only for saying what was probably meant.
    by_label: BTreeMap<String, Vec<&'a Arc<Sensor>>>,
    by_address: BTreeMap<IpAddr, Vec<&'a Arc<Sensor>>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(listed: &'a HostList) -> Self {
        let mut index = Self {
            by_id: &listed.sensors,
            by_name: BTreeMap::new(),
            by_label: BTreeMap::new(),
            by_address: BTreeMap::new(),
        };
        for sensor in listed.sensors.values() {
            if let Some(name) = &sensor.name {
                index.by_name.entry(name.raw()).or_default().push(sensor);
                index.by_label.entry(first_label(name.raw())).or_default().push(sensor);
            }
            for address in &sensor.addresses {
                index.by_address.entry(address.to_canonical()).or_default().push(sensor);
            }
        }
        index
    }

    pub(super) fn find(&self, host: &DeclaredHost, known: &Known<'_>) -> Found {
        let sensor = match &host.identity {
            Identity::Name(name) => self.only_one(host, known, self.by_name.get(&**name), name)?,
            Identity::Address(address) => {
                let found = self.by_address.get(&address.to_canonical());
                self.only_one(host, known, found, &address.to_string())?
            }
            Identity::Sensor(id) => {
                let sensor = self.by_id.get(id).ok_or_else(|| self.missing(host, known, &id.to_string()))?;
                self.not_superseded(sensor)?;
                Arc::clone(sensor)
            }
        };
        if let Some(other) = known.listed_elsewhere.get(&sensor.id) {
            let message = format!(
                "sensor {} is listed by server `{other}` too; declare only the server that manages it",
                sensor.id
            );
            return Err((WhyUnresolved::Contested, message));
        }
        self.not_moved(host, known, sensor)
    }

    fn only_one(
        &self,
        host: &DeclaredHost,
        known: &Known<'_>,
        found: Option<&Vec<&'a Arc<Sensor>>>,
        text: &str,
    ) -> Found {
        match found.map(Vec::as_slice) {
            None | Some([]) => Err(self.missing(host, known, text)),
            Some([sensor]) => Ok(Arc::clone(sensor)),
            Some(several) => Err((
                WhyUnresolved::Ambiguous,
                format!(
                    "{} sensors have this {}: {}; say which one with `identity: {{ sensor_id: … }}`",
                    several.len(),
                    if matches!(host.identity, Identity::Address(_)) { "address" } else { "name" },
                    latest_first(several)
                        .iter()
                        .map(|sensor| sensor.describe())
                        .collect::<Vec<_>>()
                        .join("; ")
                ),
            )),
        }
    }

    /// A declared host that is not listed is never "absent, so nothing to do".
    fn missing(&self, host: &DeclaredHost, known: &Known<'_>, text: &str) -> (WhyUnresolved, String) {
        let why = match known.missing {
            // Who declares an isolation must learn that it can not be had.
            Missing::Warn if host.isolation.is_none() => WhyUnresolved::MissingTolerated,
            Missing::Warn | Missing::Error => WhyUnresolved::Missing,
        };
        let similar = match &host.identity {
            Identity::Name(name) => self.by_label.get(&first_label(name)),
            Identity::Address(_) | Identity::Sensor(_) => None,
        };
        let hint = match similar.map(Vec::as_slice) {
            None | Some([]) => {
                "`kedrctl hosts` lists what there is; remove the entry if the host is gone".to_owned()
            }
            Some(candidates) => latest_first(candidates)
                .iter()
                .map(|candidate| self.say_difference(text, candidate))
                .collect::<Vec<_>>()
                .join("; "),
        };
        (why, format!("the server does not list `{}`; {hint}", text.escape_debug()))
    }

    fn say_difference(&self, text: &str, candidate: &Sensor) -> String {
        let name = candidate.name.as_ref().map_or("", |name| name.raw());
        let what = if name.eq_ignore_ascii_case(text) {
            "only the case differs (the server matches case-sensitively)"
        } else if first_label(text) == text.to_lowercase() || first_label(name) == name.to_lowercase() {
            "only the domain part differs"
        } else {
            "another domain"
        };
        format!("it lists {}: {what}", candidate.describe())
    }

    /// An agent that was installed again leaves its old sensor in the list: a setting made there reaches nobody.
    fn not_superseded(&self, sensor: &Arc<Sensor>) -> Result<(), (WhyUnresolved, String)> {
        let Some(name) = &sensor.name else { return Ok(()) };
        let namesakes = self.by_name.get(name.raw()).map_or(&[][..], Vec::as_slice);
        let newer =
            namesakes.iter().filter(|other| other.id != sensor.id && other.last_access > sensor.last_access);
        match newer.max_by_key(|other| other.last_access) {
            None => Ok(()),
            Some(newer) => Err((
                WhyUnresolved::Superseded,
                format!(
                    "superseded: another sensor has this name and was seen later: {}; write its sensor_id if it is \
                     the same host",
                    newer.describe()
                ),
            )),
        }
    }

    fn not_moved(&self, host: &DeclaredHost, known: &Known<'_>, sensor: Arc<Sensor>) -> Found {
        match known.recorded_entries.get(&host.entry) {
            Some(before) if *before != sensor.id && !known.accepted_moves.contains(&*host.entry) => {
                let was = match self.by_id.get(before) {
                    Some(old) => old.describe(),
                    None => format!("sensor_id {before}, which the server lists no more"),
                };
                Err((
                    WhyUnresolved::Moved,
                    format!(
                        "this entry meant {was}; now it means {}; if that is right: `kedrctl apply --accept-moved {}`",
                        sensor.describe(),
                        shell_word(&host.entry)
                    ),
                ))
            }
            Some(_) | None => Ok(sensor),
        }
    }
}

pub(super) fn first_label(name: &str) -> String {
    name.split('.').next().unwrap_or(name).to_lowercase()
}

pub(super) fn latest_first<'a>(sensors: &[&'a Arc<Sensor>]) -> Vec<&'a Arc<Sensor>> {
    let mut sorted = sensors.to_vec();
    sorted.sort_by(|a, b| b.last_access.cmp(&a.last_access).then(a.id.cmp(&b.id)));
    sorted
}

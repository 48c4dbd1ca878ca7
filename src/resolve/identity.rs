//! Which sensor an entry means: matched narrowly, and never guessed.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::likeness::alike;
use super::{Known, WhyUnresolved};
use crate::declare::{DeclaredHost, Identity, Missing};
use crate::model::{HostList, Sensor, SensorId, shell_word};

/// Who is looked for.
pub(super) struct Sought<'a> {
    /// What flags and the record call it.
    pub(super) entry: &'a str,
    pub(super) identity: &'a Identity,
    pub(super) has_isolation: bool,
    /// By an entry of `hosts`, or by a list of names.
    pub(super) by_entry: bool,
    /// The keys of entries that a list may name too, for saying what was probably meant.
    pub(super) keys: &'a [&'a str],
}

impl<'a> Sought<'a> {
    pub(super) fn by_entry(host: &'a DeclaredHost) -> Self {
        let has_isolation = host.isolation.is_some();
        Self { entry: &host.entry, identity: &host.identity, has_isolation, by_entry: true, keys: &[] }
    }
}

/// Why nobody was found.
pub(super) struct Lost {
    pub(super) why: WhyUnresolved,
    pub(super) message: String,
    /// Who may be meant: it is not written for another reason either.
    pub(super) sensors: Vec<SensorId>,
}

type Found = Result<Arc<Sensor>, Lost>;

/// A host list by what entries name hosts by.
pub(super) struct Index<'a> {
    by_id: &'a BTreeMap<SensorId, Arc<Sensor>>,
    by_name: BTreeMap<&'a str, Vec<&'a Arc<Sensor>>>,
    /// First label of the name in lower case: only for saying what was probably meant, and made when that has to be said.
    by_label: OnceCell<BTreeMap<String, Vec<&'a Arc<Sensor>>>>,
    /// Made for the first entry that names a host so.
    by_address: OnceCell<BTreeMap<IpAddr, Vec<&'a Arc<Sensor>>>>,
    /// How many names may still be compared to say what was probably meant.
    comparisons: Cell<usize>,
}

/// A second or so of comparing: in a large fleet where many are missing, the cause is no typing mistake.
const MAX_COMPARISONS: usize = 1_000_000;

impl<'a> Index<'a> {
    pub(super) fn new(listed: &'a HostList) -> Self {
        let names = listed.sensors.values().filter_map(|sensor| Some((sensor.name.as_ref()?.raw(), sensor)));
        Self {
            by_id: &listed.sensors,
            by_name: grouped(names),
            by_label: OnceCell::new(),
            by_address: OnceCell::new(),
            comparisons: Cell::new(MAX_COMPARISONS),
        }
    }

    fn by_label(&self) -> &BTreeMap<String, Vec<&'a Arc<Sensor>>> {
        self.by_label.get_or_init(|| {
            let names = self.by_id.values().filter_map(|sensor| Some((sensor.name.as_ref()?, sensor)));
            grouped(names.map(|(name, sensor)| (first_label(name.raw()), sensor)))
        })
    }

    fn by_address(&self) -> &BTreeMap<IpAddr, Vec<&'a Arc<Sensor>>> {
        self.by_address.get_or_init(|| {
            let of = |sensor: &'a Arc<Sensor>| {
                sensor.addresses.iter().map(move |address| (address.to_canonical(), sensor))
            };
            grouped(self.by_id.values().flat_map(of))
        })
    }

    pub(super) fn find(&self, sought: &Sought<'_>, known: &Known<'_>) -> Found {
        let sensor = match sought.identity {
            Identity::Name(name) => self.only_one(sought, known, self.by_name.get(&**name), name)?,
            Identity::Address(address) => {
                let found = self.by_address().get(&address.to_canonical());
                self.only_one(sought, known, found, &address.to_string())?
            }
            Identity::Sensor(id) => {
                let sensor =
                    self.by_id.get(id).ok_or_else(|| self.missing(sought, known, &id.to_string()))?;
                self.not_superseded(sensor)?;
                Arc::clone(sensor)
            }
        };
        if let Some(lost) = listed_elsewhere(&sensor, known) {
            return Err(lost);
        }
        self.not_moved(sought, known, sensor)
    }

    /// How many listed sensors have this name.
    pub(super) fn namesakes(&self, name: &str) -> usize {
        self.by_name.get(name).map_or(0, Vec::len)
    }

    fn only_one(
        &self,
        sought: &Sought<'_>,
        known: &Known<'_>,
        found: Option<&Vec<&'a Arc<Sensor>>>,
        text: &str,
    ) -> Found {
        match found.map(Vec::as_slice) {
            None | Some([]) => Err(self.missing(sought, known, text)),
            Some([sensor]) => Ok(Arc::clone(sensor)),
            Some(several) => Err(Lost {
                why: WhyUnresolved::Ambiguous,
                message: format!(
                    "{} sensors have this {}: {}; say which one with {}",
                    several.len(),
                    if matches!(sought.identity, Identity::Address(_)) { "address" } else { "name" },
                    latest_first(several)
                        .iter()
                        .map(|sensor| sensor.describe())
                        .collect::<Vec<_>>()
                        .join("; "),
                    if sought.by_entry {
                        "`identity: { sensor_id: … }`"
                    } else {
                        "an entry of this name under `hosts` that has `identity: { sensor_id: … }`"
                    }
                ),
                sensors: several.iter().map(|sensor| sensor.id).collect(),
            }),
        }
    }

    /// A declared host that is not listed is never "absent, so nothing to do".
    fn missing(&self, sought: &Sought<'_>, known: &Known<'_>, text: &str) -> Lost {
        let why = match known.missing {
            // Who declares an isolation must learn that it can not be had.
            Missing::Warn if !sought.has_isolation => WhyUnresolved::MissingTolerated,
            Missing::Warn | Missing::Error => WhyUnresolved::Missing,
        };
        let similar = match sought.identity {
            Identity::Name(name) => self.by_label().get(&first_label(name)),
            Identity::Address(_) | Identity::Sensor(_) => None,
        };
        let hint = match similar.map(Vec::as_slice) {
            None | Some([]) => {
                let it = if sought.by_entry { "the entry" } else { "it from the list" };
                let meant = self
                    .meant(sought)
                    .map_or_else(String::new, |meant| format!("did you mean `{}`? ", meant.escape_debug()));
                format!("{meant}`kedrctl hosts` lists what there is; remove {it} if the host is gone")
            }
            Some(candidates) => latest_first(candidates)
                .iter()
                .map(|candidate| self.say_difference(text, candidate))
                .collect::<Vec<_>>()
                .join("; "),
        };
        let message = format!("the server does not list `{}`; {hint}", text.escape_debug());
        Lost { why, message, sensors: Vec::new() }
    }

    /// The listed name, or the key of an entry, that was probably meant by a name.
    fn meant<'m>(&'m self, sought: &'m Sought<'_>) -> Option<&'m str> {
        let Identity::Name(name) = sought.identity else { return None };
        let left = self.comparisons.get().checked_sub(self.by_name.len() + sought.keys.len())?;
        self.comparisons.set(left);
        alike(name, self.by_name.keys().copied().chain(sought.keys.iter().copied()))
    }

    fn say_difference(&self, text: &str, candidate: &Sensor) -> String {
        let name = candidate.name.as_ref().map_or("", |name| name.raw());
        let what = if name.to_lowercase() == text.to_lowercase() {
            "only the case differs (the server matches case-sensitively)"
        } else if first_label(text) == text.to_lowercase() || first_label(name) == name.to_lowercase() {
            "only the domain part differs"
        } else {
            "another domain"
        };
        format!("it lists {}: {what}", candidate.describe())
    }

    /// An agent that was installed again leaves its old sensor in the list: a setting made there reaches nobody.
    fn not_superseded(&self, sensor: &Arc<Sensor>) -> Result<(), Lost> {
        let Some(name) = &sensor.name else { return Ok(()) };
        let namesakes = self.by_name.get(name.raw()).map_or(&[][..], Vec::as_slice);
        let newer =
            namesakes.iter().filter(|other| other.id != sensor.id && other.last_access > sensor.last_access);
        match newer.max_by_key(|other| other.last_access) {
            None => Ok(()),
            Some(newer) => Err(Lost {
                why: WhyUnresolved::Superseded,
                message: format!(
                    "superseded: another sensor has this name and was seen later: {}; write its sensor_id if it is \
                     the same host",
                    newer.describe()
                ),
                sensors: vec![sensor.id, newer.id],
            }),
        }
    }

    fn not_moved(&self, sought: &Sought<'_>, known: &Known<'_>, sensor: Arc<Sensor>) -> Found {
        match known.recorded_entries.get(sought.entry) {
            Some(before) if *before != sensor.id && !known.accepted_moves.contains(sought.entry) => {
                let was = match self.by_id.get(before) {
                    Some(old) => old.describe(),
                    None => format!("sensor_id {before}, which the server lists no more"),
                };
                Err(Lost {
                    why: WhyUnresolved::Moved,
                    message: format!(
                        "this {} meant {was}; now it means {}; if that is right: `kedrctl apply --accept-moved {}`",
                        if sought.by_entry { "entry" } else { "name" },
                        sensor.describe(),
                        shell_word(sought.entry)
                    ),
                    sensors: vec![sensor.id, *before],
                })
            }
            Some(_) | None => Ok(sensor),
        }
    }
}

fn grouped<'a, K: Ord>(
    keyed: impl Iterator<Item = (K, &'a Arc<Sensor>)>,
) -> BTreeMap<K, Vec<&'a Arc<Sensor>>> {
    let mut groups: BTreeMap<K, Vec<&'a Arc<Sensor>>> = BTreeMap::new();
    for (key, sensor) in keyed {
        groups.entry(key).or_default().push(sensor);
    }
    groups
}

/// A sensor that another declared server lists too is nobody's to write.
pub(super) fn listed_elsewhere(sensor: &Sensor, known: &Known<'_>) -> Option<Lost> {
    let other = known.listed_elsewhere.get(&sensor.id)?;
    let message = format!(
        "sensor {} is listed by server `{other}` too; declare only the server that manages it",
        sensor.id
    );
    Some(Lost { why: WhyUnresolved::Contested, message, sensors: vec![sensor.id] })
}

pub(super) fn first_label(name: &str) -> String {
    name.split('.').next().unwrap_or(name).to_lowercase()
}

pub(super) fn latest_first<'a>(sensors: &[&'a Arc<Sensor>]) -> Vec<&'a Arc<Sensor>> {
    let mut sorted = sensors.to_vec();
    sorted.sort_by(|a, b| b.last_access.cmp(&a.last_access).then(a.id.cmp(&b.id)));
    sorted
}

//! Whom a person means who types a name in the middle of an incident: short, in the wrong case, an address. Nothing is
//! guessed here either; who could be meant is listed, and they choose.

use std::net::IpAddr;
use std::sync::Arc;

use super::identity::{first_label, latest_first};
use crate::model::{Case, HostList, NamePattern, Sensor, SensorId};

/// What one typed word means among the hosts of one server.
#[derive(Debug)]
pub enum Picked<'a> {
    /// The only one with exactly this sensor id, name or address.
    One(&'a Arc<Sensor>),
    /// All that a pattern (`*`, `?`, `[…]`) matches, with its case; at least one.
    Matching(Vec<&'a Arc<Sensor>>),
    /// Nobody is called exactly this, or several are: whoever could be meant, the one seen last first; at least one.
    Choice(Vec<&'a Arc<Sensor>>),
    /// Nobody could be meant; the names that come nearest, to be shown, not to be taken.
    Nobody {
        /// At most three, the nearest first; empty for a pattern, a sensor id or an address.
        similar: Vec<&'a Arc<Sensor>>,
    },
}

/// Why what a person named means no host, or several.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PickError {
    /// The word is empty, or white space.
    #[error("an empty name means nobody")]
    Empty,
    /// A word with `*`, `?` or `[` that is no correct glob.
    #[error("`{pattern}` is no pattern for hosts: {why}")]
    Glob {
        /// The word, without white space around it.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
}

/// # Errors
/// A word that cannot mean anybody.
pub fn pick<'a>(listed: &'a HostList, word: &str) -> Result<Picked<'a>, PickError> {
    let word = word.trim();
    if word.is_empty() {
        return Err(PickError::Empty);
    }
    if let Ok(id) = word.parse::<SensorId>() {
        return Ok(one_or_more(listed.sensors.get(&id).into_iter().collect(), Vec::new));
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(one_or_more(having(listed, |sensor| sensor.addresses.contains(&address)), Vec::new));
    }
    let exact = having(listed, |sensor| name(sensor) == word);
    if !exact.is_empty() {
        return Ok(one_or_more(exact, Vec::new));
    }
    if word.contains(['*', '?', '[']) {
        let pattern = pattern(word)?;
        let matching = having(listed, |sensor| pattern.is_match(name(sensor)));
        if !matching.is_empty() {
            return Ok(Picked::Matching(matching));
        }
        return Ok(Picked::Nobody { similar: Vec::new() });
    }
    let meant = having(listed, |sensor| is_nearly(name(sensor), word));
    if meant.is_empty() {
        return Ok(Picked::Nobody { similar: similar(listed, word) });
    }
    Ok(Picked::Choice(meant))
}

fn one_or_more<'a>(
    found: Vec<&'a Arc<Sensor>>,
    similar: impl FnOnce() -> Vec<&'a Arc<Sensor>>,
) -> Picked<'a> {
    match found.as_slice() {
        [] => Picked::Nobody { similar: similar() },
        [only] => Picked::One(only),
        [..] => Picked::Choice(found),
    }
}

/// Latest seen first.
fn having(listed: &HostList, is_meant: impl Fn(&Sensor) -> bool) -> Vec<&Arc<Sensor>> {
    let found: Vec<&Arc<Sensor>> = listed.sensors.values().filter(|sensor| is_meant(sensor)).collect();
    latest_first(&found)
}

fn name(sensor: &Sensor) -> &str {
    sensor.name.as_ref().map_or("", |name| name.raw())
}

/// Without regard to case, with or without the domain on either side.
fn is_nearly(name: &str, word: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let is_short = |text: &str| !text.contains('.');
    name.to_lowercase() == word.to_lowercase()
        || ((is_short(name) || is_short(word)) && first_label(name) == first_label(word))
}

fn pattern(word: &str) -> Result<NamePattern, PickError> {
    NamePattern::new(word, Case::Counts)
        .map_err(|error| PickError::Glob { pattern: word.to_owned(), why: error.to_string() })
}

fn similar<'a>(listed: &'a HostList, word: &str) -> Vec<&'a Arc<Sensor>> {
    const SHOWN: usize = 3;
    const NEAR: f64 = 0.85;
    let word = first_label(word);
    let mut near: Vec<(f64, &Arc<Sensor>)> = listed
        .sensors
        .values()
        .filter(|sensor| !name(sensor).is_empty())
        .map(|sensor| (strsim::jaro_winkler(&first_label(name(sensor)), &word), sensor))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    near.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.name.cmp(&y.name)));
    near.into_iter().take(SHOWN).map(|(_, sensor)| sensor).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::model::{LastAccess, Untrusted};

    fn listed(hosts: &[(&str, &str)]) -> HostList {
        let sensors = hosts.iter().zip(1_u32..).map(|((name, address), number)| {
            let sensor = Sensor {
                id: SensorId::new(Uuid::from_u128(u128::from(number))),
                name: Some(Untrusted::new(*name)),
                addresses: vec![address.parse().unwrap()],
                last_access: LastAccess::At(Timestamp::from_second(i64::from(number)).unwrap()),
                agent_version: None,
                os_family: None,
                os_name: None,
                capabilities: Vec::new(),
            };
            (sensor.id, Arc::new(sensor))
        });
        HostList { sensors: sensors.collect(), has_more: false, server_version: None }
    }

    fn said(listed: &HostList, word: &str) -> String {
        let names = |sensors: &[&Arc<Sensor>]| {
            sensors
                .iter()
                .map(|sensor| format!("{}@{}", sensor.label(), sensor.addresses[0]))
                .collect::<Vec<_>>()
                .join(" ")
        };
        match pick(listed, word).unwrap() {
            Picked::One(sensor) => format!("one {}", names(&[sensor])),
            Picked::Matching(sensors) => format!("matching {}", names(&sensors)),
            Picked::Choice(sensors) => format!("choice {}", names(&sensors)),
            Picked::Nobody { similar } => format!("nobody {}", names(&similar)),
        }
    }

    #[test]
    fn only_what_is_called_exactly_so_is_taken_without_asking() {
        let fleet = listed(&[
            ("WS-1.corp.example", "10.0.0.1"),
            ("WS-2.corp.example", "10.0.0.2"),
            ("ws-2.lab.example", "10.0.0.3"),
            ("twin", "10.0.0.4"),
            ("twin", "10.0.0.5"),
        ]);
        for (word, expected) in [
            ("WS-1.corp.example", "one WS-1.corp.example@10.0.0.1"),
            ("10.0.0.2", "one WS-2.corp.example@10.0.0.2"),
            ("00000000-0000-0000-0000-000000000003", "one ws-2.lab.example@10.0.0.3"),
            ("ws-1", "choice WS-1.corp.example@10.0.0.1"),
            ("ws-2", "choice ws-2.lab.example@10.0.0.3 WS-2.corp.example@10.0.0.2"),
            ("WS-2.CORP.example", "choice WS-2.corp.example@10.0.0.2"),
            ("twin", "choice twin@10.0.0.5 twin@10.0.0.4"),
            ("WS-*", "matching WS-2.corp.example@10.0.0.2 WS-1.corp.example@10.0.0.1"),
            ("SRV-*", "nobody "),
            ("WS-11", "nobody WS-1.corp.example@10.0.0.1"),
            (
                "ws-1.lab.example",
                "nobody WS-1.corp.example@10.0.0.1 WS-2.corp.example@10.0.0.2 ws-2.lab.example@10.0.0.3",
            ),
            ("10.0.0.9", "nobody "),
            ("completely-else", "nobody "),
        ] {
            let said = said(&fleet, word);
            assert_eq!(said, expected, "{word}");
        }
        assert!(matches!(pick(&fleet, " "), Err(PickError::Empty)));
        assert!(matches!(pick(&fleet, "ws-["), Err(PickError::Glob { .. })));
    }
}

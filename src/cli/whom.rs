//! Whom a word of the command line means, by the host lists of the servers: an entry, a name, an address, a sensor
//! id. As strict as for entries: nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Exit;
use crate::central_node::{CallErrorKind, ReadSettings};
use crate::declare::{Declared, DeclaredHost, Identity, Missing};
use crate::model::{Clock, HostList, Sensor, SensorId, ServerName, Target, Untrusted};
use crate::resolve::{self, Known, NotBelieved, Picked};
use crate::session::{ByHand, Connected};

/// One host of one server, or the rule for all of them.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    pub(super) server: ServerName,
    pub(super) target: Target,
    /// What people call it; safe to print.
    pub(super) label: Arc<str>,
    /// As it was typed.
    pub(super) word: String,
}

/// Why a word means nobody for certain.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) exit: Exit,
}

/// The hosts of the servers in question, or why they are not known.
pub(super) struct Hosts<'a> {
    declared: &'a Declared,
    lists: BTreeMap<ServerName, Result<HostList, Refused>>,
}

impl<'a> Hosts<'a> {
    pub(super) async fn listed_by(
        declared: &'a Declared,
        servers: &[Connected],
        what: ByHand,
        clock: &dyn Clock,
    ) -> Self {
        let listings = join_all(servers.iter().map(|server| server.client.hosts(clock))).await;
        let lists = servers.iter().zip(listings).map(|(server, listing)| {
            let list = match listing {
                Ok(listing) => believed(&server.name, listing.hosts, what),
                Err(error) => {
                    let is_lost =
                        matches!(error.kind(), CallErrorKind::CannotConnect | CallErrorKind::AnswerLost);
                    let exit =
                        if is_lost || error.stops_server() { Exit::Unreachable } else { Exit::Incomplete };
                    Err(Refused { why: format!("server `{}`: {error}", server.name), exit })
                }
            };
            (server.name.clone(), list)
        });
        Self { declared, lists: lists.collect() }
    }

    /// Each server with what it lists, or why that is not known.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&ServerName, Result<&HostList, &Refused>)> {
        self.lists.iter().map(|(server, list)| (server, list.as_ref()))
    }

    /// What one server lists, where that is known.
    pub(super) fn list(&self, server: &ServerName) -> Option<&HostList> {
        self.lists().find_map(|(name, list)| match list {
            Ok(list) if name == server => Some(list),
            Ok(_) | Err(_) => None,
        })
    }

    /// Whom an entry of this key means that says itself who that is; `None`: there is none.
    pub(super) fn identified(&self, word: &str) -> Option<Result<Meant, Refused>> {
        let is_plain =
            |host: &DeclaredHost| matches!(&host.identity, Identity::Name(name) if **name == *word);
        let host = self.declared.hosts.iter().find(|host| *host.entry == *word && !is_plain(host))?;
        let list = self.lists.get(&host.server)?;
        Some(self.declared_as(host, list, word).and_then(|meant| self.unless_another_is_called_so(meant)))
    }

    /// Of a word that is the key of one host's entry and the name of another host, nobody knows whom it means.
    fn unless_another_is_called_so(&self, meant: Meant) -> Result<Meant, Refused> {
        let sensors = self.lists.values().flatten().flat_map(|list| list.sensors.values());
        let (meant_by_entry, others): (Vec<&Arc<Sensor>>, Vec<&Arc<Sensor>>) = sensors
            .filter(|sensor| meant.target == Target::Sensor(sensor.id) || is_exact(sensor, &meant.word))
            .partition(|sensor| meant.target == Target::Sensor(sensor.id));
        // An entry for one of several of this name settles which of them is meant.
        let is_called_so = meant_by_entry.iter().any(|sensor| is_exact(sensor, &meant.word));
        if others.is_empty() || is_called_so {
            return Ok(meant);
        }
        Err(usage(format!(
            "`{}`: several hosts are called so: an entry of the files means {}, and a server lists {}; write the sensor id \
             of the one that you mean",
            Untrusted::new(&*meant.word).printable(),
            described(&meant_by_entry),
            described(&others)
        )))
    }

    /// # Errors
    /// Nobody, several, or a server that may list it could not be asked.
    pub(super) fn find(&self, word: &str) -> Result<Meant, Refused> {
        if let Some(host) = self.declared.hosts.iter().find(|host| *host.entry == *word)
            && let Some(list) = self.lists.get(&host.server)
        {
            let meant = self.declared_as(host, list, word)?;
            return self.unless_another_is_called_so(meant);
        }
        let shown = Untrusted::new(word).printable().to_string();
        let (mut found, mut said) = (Vec::new(), Vec::new());
        for (server, list) in &self.lists {
            let Ok(list) = list else { continue };
            match resolve::pick(list, word) {
                Ok(Picked::One(sensor)) => found.push(meant(server, sensor, word)),
                Ok(Picked::Choice(sensors)) => said.push(format!(
                    "on `{server}` it could be {}; write the one that you mean as it stands there, or its sensor id",
                    described(&sensors)
                )),
                Ok(Picked::Matching(sensors)) => {
                    said.push(format!("on `{server}` it is a pattern for {}; name them", described(&sensors)));
                }
                Ok(Picked::Nobody { similar }) if similar.is_empty() => {}
                Ok(Picked::Nobody { similar }) => {
                    said.push(format!("`{server}` lists {}", described(&similar)));
                }
                Err(error) => said.push(error.to_string()),
            }
        }
        let unasked = self.lists.values().find_map(|list| list.as_ref().err());
        match (found.as_slice(), unasked) {
            ([only], None) => Ok(only.clone()),
            // It may list one of this name too.
            ([] | [_], Some(unasked)) => Err(Refused {
                why: format!("`{shown}`: {}; where you know its server, say so with `--server`", unasked.why),
                exit: unasked.exit,
            }),
            ([], None) if said.is_empty() => Err(usage(format!(
                "`{shown}`: no entry has this name, and no server lists such a host; `kedrctl hosts` lists what there is"
            ))),
            ([], None) => {
                Err(usage(format!("`{shown}` is no entry and no host's exact name: {}", said.join("; "))))
            }
            (several, _) => {
                let servers: Vec<String> = several.iter().map(|one| format!("`{}`", one.server)).collect();
                Err(usage(format!(
                    "`{shown}`: {} list a host of this name; say which one with `--server`",
                    servers.join(" and ")
                )))
            }
        }
    }

    fn declared_as(
        &self,
        host: &DeclaredHost,
        list: &Result<HostList, Refused>,
        word: &str,
    ) -> Result<Meant, Refused> {
        let listed = match list {
            Ok(listed) => listed,
            Err(refused) => return Err(Refused { why: refused.why.clone(), exit: refused.exit }),
        };
        let desired = resolve::resolve_entries(
            [host],
            &Known {
                listed,
                listed_elsewhere: &BTreeMap::new(),
                // Whoever is called so now is meant: what an earlier run meant is that run's matter.
                recorded_entries: &BTreeMap::new(),
                accepted_moves: &BTreeSet::new(),
                missing: Missing::Error,
            },
        );
        match (desired.hosts.first(), desired.unresolved.first()) {
            (Some(found), _) => Ok(meant(&host.server, &found.sensor, word)),
            (None, Some(unresolved)) => {
                Err(usage(format!("`{}` ({}): {}", unresolved.entry, unresolved.cause, unresolved.message)))
            }
            (None, None) => Err(usage(format!("`{}`: nobody is meant", host.entry))),
        }
    }
}

/// By hand one goes on with a short list, but not with one that says itself that it is not whole: only containment
/// does, where it has the host.
fn believed(server: &ServerName, list: HostList, what: ByHand) -> Result<HostList, Refused> {
    match resolve::believe(&list, None, true) {
        Ok(()) => Ok(list),
        Err(NotBelieved::Continued) if what == ByHand::Contains => Ok(list),
        Err(why @ (NotBelieved::Empty | NotBelieved::Continued | NotBelieved::Short { .. })) => {
            Err(Refused { why: format!("server `{server}`: {why}"), exit: Exit::Incomplete })
        }
    }
}

fn usage(why: String) -> Refused {
    Refused { why, exit: Exit::Error }
}

fn meant(server: &ServerName, sensor: &Sensor, word: &str) -> Meant {
    Meant {
        server: server.clone(),
        target: Target::Sensor(sensor.id),
        label: sensor.label().into(),
        word: word.to_owned(),
    }
}

/// Whether it is the host's name, an address or the sensor id of it, as the server writes it.
pub(super) fn is_exact(sensor: &Sensor, word: &str) -> bool {
    sensor.name.as_ref().is_some_and(|name| name.raw() == word)
        || word.parse::<IpAddr>().is_ok_and(|address| sensor.addresses.contains(&address))
        || word.parse::<SensorId>().is_ok_and(|id| id == sensor.id)
}

fn described(sensors: &[&Arc<Sensor>]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = sensors.iter().take(SHOWN).map(|sensor| sensor.describe()).collect();
    if sensors.len() > SHOWN {
        shown.push(format!("and {} more", sensors.len() - SHOWN));
    }
    shown.join("; ")
}

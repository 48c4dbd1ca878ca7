//! Whom the words mean: by the host lists of the servers, and by a person where a name is not exact.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Act;
use crate::cli::Exit;
use crate::cli::start::{Failure, check_names};
use crate::cli::whom::{self, Hosts, is_exact};
use crate::declare::Declared;
use crate::model::{HostList, LastAccess, Sensor, SensorId, ServerName, Target, Untrusted};
use crate::resolve::{self, DesiredHost, Known, Picked};
use crate::terminal::Ui;

/// A host that is meant.
pub(super) struct Host {
    pub(super) server: ServerName,
    pub(super) sensor: Arc<Sensor>,
    /// What the files declare for it.
    pub(super) declared: Option<Arc<DesiredHost>>,
    /// Whether nobody else on its server has its name, nor has an entry its key.
    pub(super) name_is_its_own: bool,
    /// Nobody typed its name.
    by_pattern: bool,
}

impl Host {
    /// The key of its entry, or what an entry for it could be called.
    pub(super) fn entry(&self) -> Arc<str> {
        match (&self.declared, &self.sensor.name) {
            (Some(declared), _) => Arc::clone(&declared.entry),
            (None, Some(name)) if self.name_is_its_own => name.raw().into(),
            (None, _) => self.sensor.id.to_string().into(),
        }
    }

    /// What a command takes for it: as the server lists it, where that is only one.
    pub(super) fn word(&self) -> Arc<str> {
        match &self.sensor.name {
            Some(name) if self.name_is_its_own => name.raw().into(),
            Some(_) | None => self.sensor.id.to_string().into(),
        }
    }
}

/// Whom an act by hand is about.
pub(super) struct Meant {
    pub(super) hosts: Vec<Host>,
    /// The server whose rule for all hosts is meant.
    pub(super) all_of: Option<ServerName>,
}

impl Meant {
    pub(super) fn is_on(&self, server: &ServerName) -> bool {
        self.all_of.as_ref() == Some(server) || self.hosts.iter().any(|host| host.server == *server)
    }
}

/// The one server whose rule for all hosts `--all` means.
///
/// # Errors
/// Several, and nobody says which.
pub(super) fn server_of_all(declared: &Declared, only: &[String]) -> Result<ServerName, Failure> {
    check_names(declared, only)?;
    let is_meant = |name: &&ServerName| only.is_empty() || only.iter().any(|only| only == name.as_str());
    let servers: Vec<&ServerName> = declared.servers.keys().filter(is_meant).collect();
    match servers.as_slice() {
        [server] => Ok((*server).clone()),
        [] => Err(Failure::Usage("`--all`: the files name no server".to_owned())),
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            Err(Failure::Usage(format!(
                "`--all` means the rule for all hosts of one server, and there are {}: say which with `--server`",
                names.join(", ")
            )))
        }
    }
}

/// Which hosts are meant, or how it ends that this can not be told; it was said why.
pub(super) fn meant(
    ui: &Ui,
    (act, words): (&Act<'_>, &[String]),
    declared: &Declared,
    hosts: &Hosts<'_>,
) -> Result<Result<Vec<Host>, Exit>, Failure> {
    let mut found: BTreeMap<(ServerName, SensorId), (Arc<Sensor>, bool)> = BTreeMap::new();
    let asking = Asking { ui, act, hosts };
    for word in words {
        match asking.meant_by(word)? {
            Ok(more) => {
                for one in more {
                    let known = found
                        .entry((one.server, one.sensor.id))
                        .or_insert_with(|| (Arc::clone(&one.sensor), one.by_pattern));
                    known.1 &= one.by_pattern;
                }
            }
            Err(refused) => {
                ui.error(&format!("{}; nothing was written", refused.why));
                return Ok(Err(refused.exit));
            }
        }
    }
    let mut files = Files::new(declared, hosts);
    let meant =
        found.into_iter().map(|((server, _), (sensor, by_pattern))| files.host(server, sensor, by_pattern));
    let meant: Vec<Host> = meant.collect();
    if let Some(why) = refused(act, &meant, hosts) {
        ui.error(&format!("{}; nothing was written", why.why));
        return Ok(Err(why.exit));
    }
    if act.is_release() && (act.hand.yes || !ui.can_ask()) && meant.iter().any(|host| host.by_pattern) {
        let names: Vec<String> =
            meant.iter().filter(|host| host.by_pattern).map(|host| host.sensor.label()).collect();
        ui.error(&format!(
            "nobody named {}: a pattern releases only whom somebody at a terminal says yes to, without `--yes`; name \
             them; nothing was written",
            names.join(", ")
        ));
        return Ok(Err(Exit::Refused));
    }
    for (server, list) in hosts.lists() {
        if list.is_ok_and(|list| list.has_more) && meant.iter().any(|host| host.server == *server) {
            ui.warn(&format!(
                "server `{server}` says that its host list goes on: another host of the same name may be in the rest"
            ));
        }
    }
    Ok(Ok(meant))
}

struct Refused {
    why: String,
    exit: Exit,
}

fn usage(why: String) -> Refused {
    Refused { why, exit: Exit::Error }
}

/// Nobody can tell which of two servers manages a sensor that both list.
fn refused(act: &Act<'_>, meant: &[Host], hosts: &Hosts<'_>) -> Option<Refused> {
    meant.iter().find_map(|host| {
        let lists_it = |list: Result<&HostList, _>| {
            list.is_ok_and(|list: &HostList| list.sensors.contains_key(&host.sensor.id))
        };
        let (other, _) = hosts.lists().find(|(server, list)| **server != host.server && lists_it(*list))?;
        Some(usage(format!(
            "servers `{}` and `{other}` both list {}: say which one with `kedrctl {} --server …`",
            host.server,
            host.sensor.describe(),
            act.command()
        )))
    })
}

struct One {
    server: ServerName,
    sensor: Arc<Sensor>,
    by_pattern: bool,
}

/// Whether the first, of several with the last access latest first, was surely seen after all others.
fn is_first_newest(seen: &[LastAccess]) -> bool {
    seen.split_first().is_some_and(|(first, others)| {
        !seen.contains(&LastAccess::Unknown) && others.iter().all(|other| other < first)
    })
}

struct Asking<'a> {
    ui: &'a Ui,
    act: &'a Act<'a>,
    hosts: &'a Hosts<'a>,
}

impl Asking<'_> {
    fn meant_by(&self, word: &str) -> Result<Result<Vec<One>, Refused>, Failure> {
        match self.hosts.identified(word) {
            None => {}
            Some(Err(refused)) => return Ok(Err(Refused { why: refused.why, exit: refused.exit })),
            Some(Ok(meant)) => return Ok(self.listed(&meant).map(|one| vec![one])),
        }
        let shown = Untrusted::new(word).printable().to_string();
        let (mut exact, mut matching, mut choice, mut similar) = (vec![], vec![], vec![], vec![]);
        let mut unasked = None;
        for (server, list) in self.hosts.lists() {
            let list = match list {
                Ok(list) => list,
                Err(refused) => {
                    unasked = unasked.or(Some(refused));
                    continue;
                }
            };
            let of = |sensors: Vec<&Arc<Sensor>>| -> Vec<(ServerName, Arc<Sensor>)> {
                sensors.into_iter().map(|sensor| (server.clone(), Arc::clone(sensor))).collect()
            };
            match resolve::pick(list, word) {
                Err(error) => return Ok(Err(usage(error.to_string()))),
                Ok(Picked::One(sensor)) => exact.extend(of(vec![sensor])),
                Ok(Picked::Matching(sensors)) => matching.extend(of(sensors)),
                Ok(Picked::Choice(sensors)) => choice.extend(of(sensors)),
                Ok(Picked::Nobody { similar: near }) => similar.extend(of(near)),
            }
        }
        if let Some(unasked) = unasked {
            // It may list one of this name too.
            let why =
                format!("`{shown}`: {}; where you know its server, say so with `--server`", unasked.why);
            return Ok(Err(Refused { why, exit: unasked.exit }));
        }
        choice.retain(|(_, sensor)| exact.is_empty() || is_exact(sensor, word));
        let servers: BTreeSet<&ServerName> = exact.iter().chain(&choice).map(|(server, _)| server).collect();
        if servers.len() > 1 && !exact.is_empty() {
            let servers: Vec<String> = servers.into_iter().map(|server| format!("`{server}`")).collect();
            return Ok(Err(usage(format!(
                "`{shown}`: {} list a host of this name; say which one with `--server`",
                servers.join(" and ")
            ))));
        }
        let all = |by_pattern, found: Vec<(ServerName, Arc<Sensor>)>| -> Vec<One> {
            found.into_iter().map(|(server, sensor)| One { server, sensor, by_pattern }).collect()
        };
        if !exact.is_empty() {
            return Ok(Ok(all(false, exact)));
        }
        if !matching.is_empty() {
            return Ok(Ok(all(true, matching)));
        }
        if choice.is_empty() {
            let lists = if similar.is_empty() {
                "`kedrctl hosts` lists what there is".to_owned()
            } else {
                let near: Vec<String> = similar.iter().map(|(_, sensor)| sensor.describe()).collect();
                format!("it may be {}", near.join("; "))
            };
            return Ok(Err(usage(format!(
                "`{shown}`: no entry has this name, and no server lists such a host; {lists}"
            ))));
        }
        choice.sort_by_key(|(_, sensor)| std::cmp::Reverse(sensor.last_access));
        self.choose(&shown, word, choice).map(|chosen| chosen.map(|(found, all_of)| all(all_of, found)))
    }

    fn listed(&self, meant: &whom::Meant) -> Result<One, Refused> {
        let Target::Sensor(id) = meant.target else { return Err(usage("nobody is meant".to_owned())) };
        let sensor = self.hosts.list(&meant.server).and_then(|list| list.sensors.get(&id).cloned());
        match sensor {
            Some(sensor) => Ok(One { server: meant.server.clone(), sensor, by_pattern: false }),
            None => Err(usage(format!("`{}`: the server lists it no more", meant.label))),
        }
    }

    /// By a flag, else by the person at the terminal; and whether that took all of them without naming them.
    #[expect(clippy::type_complexity, reason = "said once, and taken apart right there")]
    fn choose(
        &self,
        shown: &str,
        word: &str,
        mut of: Vec<(ServerName, Arc<Sensor>)>,
    ) -> Result<Result<(Vec<(ServerName, Arc<Sensor>)>, bool), Refused>, Failure> {
        if self.act.pick.newest {
            let seen: Vec<LastAccess> = of.iter().map(|(_, sensor)| sensor.last_access).collect();
            if !is_first_newest(&seen) {
                return Ok(Err(usage(format!(
                    "`{shown}`: `--newest` does not tell whom you mean: a last access is not known, or two have the same\n\
                     {}\nwrite the one that you mean as it stands there, or its sensor id",
                    numbered(&of)
                ))));
            }
            of.truncate(1);
            return Ok(Ok((of, false)));
        }
        if self.act.pick.all_matching {
            return Ok(Ok((of, true)));
        }
        let is_exact = of.iter().all(|(_, sensor)| is_exact(sensor, word));
        let asks = if is_exact { "several hosts are called so" } else { "no host is called exactly so" };
        let list = numbered(&of);
        if !self.ui.can_ask() {
            return Ok(Err(usage(format!(
                "`{shown}`: {asks}\n{list}\nwrite the one that you mean as it stands there, or its sensor id, or let \
                 `--newest` or `--all-matching` decide"
            ))));
        }
        self.ui.note(&format!("`{shown}`: {asks}\n{list}"));
        loop {
            let answer = match self.ui.ask_line("Whom do you mean? A number, several such as `1,3`, or `all`")
            {
                Ok(Some(answer)) if !answer.is_empty() => answer,
                Ok(Some(_) | None) => {
                    return Ok(Err(Refused {
                        why: "not confirmed: nobody was chosen".to_owned(),
                        exit: Exit::Refused,
                    }));
                }
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Ok(Err(Refused {
                        why: "not confirmed: nobody was chosen".to_owned(),
                        exit: Exit::Refused,
                    }));
                }
                Err(error) => return Err(error.into()),
            };
            match chosen(&answer, of.len()) {
                Ok(places) => {
                    return Ok(Ok((places.into_iter().map(|place| of[place].clone()).collect(), false)));
                }
                Err(why) => self.ui.note(&why),
            }
        }
    }
}

fn numbered(of: &[(ServerName, Arc<Sensor>)]) -> String {
    let several = of.iter().any(|(server, _)| *server != of[0].0);
    let line = |(number, (server, sensor)): (usize, &(ServerName, Arc<Sensor>))| {
        let addresses: Vec<String> = sensor.addresses.iter().map(IpAddr::to_string).collect();
        let system = sensor.os_name.as_ref().or(sensor.os_family.as_ref());
        let system = system.map_or_else(|| "system unknown".to_owned(), |name| name.printable().to_string());
        let seen = match sensor.last_access {
            LastAccess::Unknown => "last access unknown".to_owned(),
            LastAccess::At(at) => format!("last access {at:.0}"),
        };
        let on = if several { format!("   on {server}") } else { String::new() };
        format!(
            "  {:>2}  {}   {}   {system}   {seen}   sensor_id {}{on}",
            number + 1,
            sensor.label(),
            addresses.join(", "),
            sensor.id
        )
    };
    of.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// `1`, `1,3`, `all`: the places of a list of so many.
fn chosen(answer: &str, count: usize) -> Result<BTreeSet<usize>, String> {
    if answer == "all" {
        return Ok((0..count).collect());
    }
    let place = |text: &str| match text.trim().parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(number - 1),
        Ok(_) | Err(_) => {
            let shown = Untrusted::new(text.trim()).printable().to_string();
            Err(format!("`{shown}` is no number from 1 to {count}"))
        }
    };
    answer.split(',').map(place).collect()
}

/// What the files declare, server by server.
struct Files<'a> {
    declared: &'a Declared,
    hosts: &'a Hosts<'a>,
    desired: BTreeMap<ServerName, BTreeMap<SensorId, Arc<DesiredHost>>>,
}

impl<'a> Files<'a> {
    fn new(declared: &'a Declared, hosts: &'a Hosts<'a>) -> Self {
        Self { declared, hosts, desired: BTreeMap::new() }
    }

    fn host(&mut self, server: ServerName, sensor: Arc<Sensor>, by_pattern: bool) -> Host {
        let listed = self.hosts.list(&server);
        let declared = self.declared;
        let desired = self.desired.entry(server.clone()).or_insert_with(|| match listed {
            Some(listed) => by_sensor(declared, &server, listed),
            None => BTreeMap::new(),
        });
        let its = desired.get(&sensor.id).cloned();
        let name_is_its_own = match (&sensor.name, listed) {
            (Some(name), Some(listed)) => {
                let same = listed.sensors.values().filter(|other| other.name.as_ref() == Some(name)).count();
                let others_entry = declared.hosts.iter().any(|host| {
                    *host.entry == *name.raw() && its.as_ref().is_none_or(|its| *its.entry != *host.entry)
                });
                same == 1 && !others_entry && name.printable().to_string() == name.raw()
            }
            (Some(_) | None, _) => false,
        };
        Host { server, sensor, declared: its, name_is_its_own, by_pattern }
    }
}

fn by_sensor(
    declared: &Declared,
    server: &ServerName,
    listed: &HostList,
) -> BTreeMap<SensorId, Arc<DesiredHost>> {
    let desired = resolve::resolve(
        declared,
        server,
        &Known {
            listed,
            listed_elsewhere: &BTreeMap::new(),
            recorded_entries: &BTreeMap::new(),
            accepted_moves: &BTreeSet::new(),
            missing: declared.policy.missing,
        },
    );
    desired.hosts.into_iter().map(|host| (host.sensor.id, host)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_known_or_nobody_is_meant() {
        let at = |second| LastAccess::At(jiff::Timestamp::from_second(second).unwrap());
        for (seen, is_known) in [
            (vec![at(2), at(1), at(1)], true),
            (vec![at(2)], true),
            (vec![at(2), at(2), at(1)], false),
            (vec![at(2), LastAccess::Unknown], false),
            (vec![LastAccess::Unknown, LastAccess::Unknown], false),
        ] {
            assert_eq!(is_first_newest(&seen), is_known, "{seen:?}");
        }
    }

    #[test]
    fn an_answer_is_numbers_of_the_list_or_all() {
        let places = |answer| chosen(answer, 3).map(|places| places.into_iter().collect::<Vec<_>>());
        assert_eq!(places("2"), Ok(vec![1]));
        assert_eq!(places("3, 1,1"), Ok(vec![0, 2]));
        assert_eq!(places("all"), Ok(vec![0, 1, 2]));
        for wrong in ["0", "4", "1,", "yes", "1-3", "-1", "ALL"] {
            assert!(places(wrong).is_err(), "{wrong}");
        }
    }
}

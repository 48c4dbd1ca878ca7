//! The first half of every walk: list, resolve, read, plan. It has no way to write.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Connected, clock, groups, undeclared};
use crate::central_node::{CallError, CallErrorKind, Listing, ReadSettings};
use crate::declare::Declared;
use crate::model::{Clock, HostList, Reading, ServerName, Target};
use crate::observe::{self, Observed};
use crate::plan::{self, Facts, Finding, FindingKind, Plan, ServerClock, ServerPlan, ServerState};
use crate::record::{self, Recorded, Settled};
use crate::resolve::{self, Desired, HostPattern, Known, PatternError};

/// What a walk is about, and what it may take for granted.
#[derive(Debug, Default)]
pub struct SurveyOptions {
    /// `--limit`
    pub limit: Option<HostPattern>,
    /// `--accept-moved`
    pub accepted_moves: BTreeSet<String>,
    /// `--accept-short-list`
    pub accept_short_list: bool,
}

/// What was found, and the plan that follows from it.
#[derive(Debug)]
pub struct Survey {
    pub plan: Plan,
    /// The host lists that were believed.
    pub listed: BTreeMap<ServerName, HostList>,
    pub recorded: BTreeMap<ServerName, Recorded>,
    /// For the record: how open intentions of earlier runs are to be judged by what was read.
    pub settled: BTreeMap<ServerName, Vec<Settled>>,
    /// For the record: what later runs compare with.
    pub facts: BTreeMap<ServerName, record::Facts>,
}

/// How far the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many more reads are to be made.
    ToRead(usize),
    Read,
}

/// Lists, resolves, reads and plans; servers side by side.
///
/// # Errors
/// Only `--limit` that selects nothing; whatever a server does is in the plan. With it, no more servers need to be
/// given than [`HostPattern::servers`] names.
pub async fn survey<C: ReadSettings, K: Clock>(
    declared: &Declared,
    servers: &[Connected<C>],
    recorded: BTreeMap<ServerName, Recorded>,
    options: &SurveyOptions,
    clock: &K,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Survey, PatternError> {
    let mut selection = options.limit.as_ref().map(|pattern| pattern.selection(declared)).transpose()?;
    let now = clock.now();
    let listings = join_all(servers.iter().map(|server| list(server, clock))).await;
    let owners = listed_by(servers, &listings);
    let mut walks: Vec<(Walk<'_, C>, Resolved)> = Vec::with_capacity(servers.len());
    for (server, listing) in servers.iter().zip(listings) {
        let walk = Walk {
            declared,
            server,
            elsewhere: elsewhere(&owners, &server.name),
            recorded: recorded.get(&server.name).cloned().unwrap_or_default(),
            options,
            now,
        };
        let resolved = walk.resolve(listing);
        walks.push((walk, resolved));
    }
    let mut of_groups = Vec::new();
    if let Some(mut selection) = selection.take() {
        for (_, resolved) in &mut walks {
            if let Ok(resolved) = resolved {
                selection.narrow(&mut resolved.desired);
            }
        }
        let read = walks.iter().filter(|(_, resolved)| resolved.is_ok());
        let read = read.map(|(walk, _)| &walk.server.name).collect();
        selection.finish(&read, &walks.iter().map(|(walk, _)| &walk.server.name).collect())?;
    } else {
        let walked = walks.iter().map(|(walk, resolved)| {
            (&walk.server.name, resolved.as_ref().ok().map(|resolved| &resolved.desired))
        });
        of_groups = groups::findings(declared, walked);
    }
    let walked = join_all(walks.into_iter().map(|(walk, resolved)| walk.plan(resolved, progress))).await;
    let mut survey = Survey {
        plan: Plan { now, owner: declared.owner.clone(), servers: Vec::new() },
        listed: BTreeMap::new(),
        recorded,
        settled: BTreeMap::new(),
        facts: BTreeMap::new(),
    };
    for mut walked in walked {
        let name = walked.plan.server.clone();
        let here = of_groups.iter().filter(|(server, _)| *server == name);
        walked.plan.findings.extend(here.map(|(_, finding)| finding.clone()));
        survey.plan.servers.push(walked.plan);
        if let Some(read) = walked.read {
            survey.listed.insert(name.clone(), read.listed);
            survey.settled.insert(name.clone(), read.settled);
            survey.facts.insert(name, read.facts);
        }
    }
    Ok(survey)
}

async fn list<C: ReadSettings, K: Clock>(
    server: &Connected<C>,
    clock: &K,
) -> Result<(Listing, ServerClock), CallError> {
    let asked = clock.now();
    let listing = server.client.hosts().await?;
    let clock = clock::compare(asked, clock.now(), listing.date, server.clock_tolerance);
    Ok((listing, clock))
}

type Listed = Result<(Listing, ServerClock), CallError>;
type Owners = BTreeMap<crate::model::SensorId, Vec<ServerName>>;

/// Which servers list each sensor; only worth making where there are several servers.
fn listed_by<C>(servers: &[Connected<C>], listings: &[Listed]) -> Owners {
    let mut owners = Owners::new();
    if servers.len() < 2 {
        return owners;
    }
    for (server, listing) in servers.iter().zip(listings) {
        if let Ok((listing, _)) = listing {
            for sensor in listing.hosts.sensors.keys() {
                owners.entry(*sensor).or_default().push(server.name.clone());
            }
        }
    }
    owners
}

fn elsewhere(owners: &Owners, server: &ServerName) -> BTreeMap<crate::model::SensorId, ServerName> {
    owners
        .iter()
        .filter(|(_, servers)| servers.contains(server))
        .filter_map(|(sensor, servers)| {
            Some((*sensor, servers.iter().find(|other| *other != server)?.clone()))
        })
        .collect()
}

/// One server's way from its host list to its plan.
struct Walk<'a, C> {
    declared: &'a Declared,
    server: &'a Connected<C>,
    elsewhere: BTreeMap<crate::model::SensorId, ServerName>,
    recorded: Recorded,
    options: &'a SurveyOptions,
    now: Timestamp,
}

/// A host list that was believed, and what is wanted of its hosts; or why nothing is known of them.
type Resolved = Result<Found, ServerState>;

struct Found {
    listed: HostList,
    clock: ServerClock,
    desired: Desired,
}

struct Walked {
    plan: ServerPlan,
    read: Option<Read>,
}

struct Read {
    listed: HostList,
    settled: Vec<Settled>,
    facts: record::Facts,
}

impl<C: ReadSettings> Walk<'_, C> {
    /// All that is declared there: whether two entries mean one sensor does not hang on `--limit`.
    fn resolve(&self, listing: Listed) -> Resolved {
        let (listing, clock) = listing.map_err(|error| without_list(&error))?;
        let listed = listing.hosts;
        resolve::believe(&listed, self.recorded.hosts_last_seen, self.options.accept_short_list)
            .map_err(|why| ServerState::ListNotBelieved { why: why.to_string() })?;
        let known = Known {
            listed: &listed,
            listed_elsewhere: &self.elsewhere,
            recorded_entries: &self.recorded.entries,
            accepted_moves: &self.options.accepted_moves,
            missing: self.declared.policy.missing,
        };
        let desired = resolve::resolve(self.declared, &self.server.name, &known);
        Ok(Found { listed, clock, desired })
    }

    async fn plan(self, resolved: Resolved, progress: &(dyn Fn(Progress) + Sync)) -> Walked {
        let Found { listed, clock, desired } = match resolved {
            Ok(found) => found,
            Err(state) => return self.unread(state),
        };
        // Under `--limit` the rest is declared, just not looked at.
        let undeclared = match self.options.limit {
            Some(_) => Vec::new(),
            None => undeclared::subjects(&desired, &self.recorded, &listed, &self.declared.owner),
        };
        let open = observe::open_subjects(&self.recorded).filter(|subject| match subject.target {
            Target::AllHosts => true,
            Target::Sensor(sensor) => listed.sensors.contains_key(&sensor),
        });
        let subjects = observe::subjects(&desired, open.chain(undeclared.iter().copied()));
        progress(Progress::ToRead(subjects.len()));
        let on_read = || progress(Progress::Read);
        let observed =
            match observe::observe(&self.server.client, subjects, self.server.concurrency, on_read).await {
                Ok(observed) => observed,
                Err(error) => return self.unread(ServerState::Unreachable { why: error.to_string() }),
            };
        let mut plan = plan::plan_server(&Facts {
            server: &self.server.name,
            address: &self.server.address,
            key: &self.server.key,
            listed: &listed,
            clock,
            desired: &desired,
            observed: &observed,
            recorded: &self.recorded,
            owner: &self.declared.owner,
            undeclared: &undeclared,
            never_block: &self.declared.policy.never_block,
            now: self.now,
        });
        plan.findings.extend(clock::warning(clock).map(|message| Finding {
            kind: FindingKind::Notice,
            label: self.server.name.to_string(),
            aspect: None,
            message,
            cause: None,
        }));
        let settled = settle(&self.recorded, &observed);
        let facts = facts(&listed, &desired);
        Walked { plan, read: Some(Read { listed, settled, facts }) }
    }

    fn unread(&self, state: ServerState) -> Walked {
        Walked {
            plan: ServerPlan {
                server: self.server.name.clone(),
                address: self.server.address.clone(),
                state,
                steps: Vec::new(),
                judged: Vec::new(),
                findings: Vec::new(),
            },
            read: None,
        }
    }
}

/// What a server is whose host list could not be had: not there for us, or there and not to be understood.
fn without_list(error: &CallError) -> ServerState {
    let why = error.to_string();
    let is_lost = matches!(error.kind(), CallErrorKind::CannotConnect | CallErrorKind::AnswerLost);
    if is_lost || error.stops_server() {
        ServerState::Unreachable { why }
    } else {
        ServerState::ListNotBelieved { why }
    }
}

fn facts(listed: &HostList, desired: &Desired) -> record::Facts {
    let named = desired.hosts.iter().filter(|host| host.is_named);
    record::Facts {
        hosts_listed: Some(listed.sensors.len() as u64),
        // Who is known by a pattern only is whoever matches.
        entries: named.map(|host| (host.entry.clone(), host.sensor.id)).collect(),
    }
}

/// Judges by what was read what earlier runs left open.
fn settle(recorded: &Recorded, observed: &Observed) -> Vec<Settled> {
    let mut settled = Vec::new();
    let sensors: BTreeSet<_> = recorded.open.iter().map(|open| open.subject.target).collect();
    for target in sensors {
        if let Target::Sensor(sensor) = target {
            settled.extend(recorded.settle_isolation(sensor, &observed.isolation(sensor)));
        }
        let reading: Reading<_> = observed.prevention(target);
        settled.extend(recorded.settle_prevention(target, &reading));
    }
    settled
}

//! The first half of every walk: list, resolve, read, plan. It has no way to write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::listing::{Listed, elsewhere, list, listed_by};
use super::{Connected, clock, groups, never_block, undeclared};
use crate::central_node::ReadSettings;
use crate::declare::{Declared, Forbidden, NeverBlockError, TaskPresence};
use crate::model::{Aspect, Clock, HostList, Reading, SensorId, ServerName, Subject, Target};
use crate::observe::{self, Observed};
use crate::plan::{self, Facts, Finding, FindingKind, Plan, Scope, ServerClock, ServerPlan, ServerState};
use crate::record::{self, Recorded, Settled};
use crate::resolve::{self, Desired, DesiredTask, HostPattern, Known, PatternError};

/// What a walk is about, and what it may take for granted.
#[derive(Debug, Clone, Default)]
pub struct SurveyOptions {
    /// `--limit`
    pub limit: Option<HostPattern>,
    /// `--accept-moved`
    pub accepted_moves: BTreeSet<String>,
    /// `--accept-short-list`
    pub accept_short_list: bool,
    /// `drift --all-hosts`: every host is read, and what no file declares is told; so are hosts that were without
    /// contact for longer than this.
    pub all_hosts: Option<SignedDuration>,
    /// `--renew-only`: what keeps isolations of ours in force, by the record, and nothing else.
    pub renew_only: bool,
    /// A person acts on the hosts that are declared here, each named by its sensor: see [`plan::Facts::by_hand`].
    pub by_hand: Option<ByHand>,
    /// What is declared is what an earlier plan was to come to: nothing else is looked at. The sensors are those that
    /// the plan knew by a pattern alone.
    pub again: Option<BTreeSet<SensorId>>,
    /// Servers that are not asked, with what the plan says of them.
    pub left_out: BTreeMap<ServerName, ServerState>,
    /// Servers of the same run that have a walk of their own.
    pub walked_apart: BTreeSet<ServerName>,
    /// By hand: programs that a person starts, each on a host that is declared here, and tasks that they delete.
    pub tasks: BTreeMap<ServerName, Vec<Arc<DesiredTask>>>,
    /// When the readings were made that are walked over, where that is not now (`--observed`).
    pub observed_at: Option<Timestamp>,
}

/// What a person does to hosts that they name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHand {
    /// Containment waits for nobody: a host list that is not whole serves where it has the host.
    Contains,
    /// All else: the host list has to be believed, and the record be within reach.
    Changes,
}

/// What was found, and the plan that follows from it.
#[derive(Debug)]
pub struct Survey {
    /// Not judged by the guard yet; its servers in the order in which they were given.
    pub plan: Plan,
    /// The host lists that were believed.
    pub listed: BTreeMap<ServerName, HostList>,
    /// The ledgers that the plan was made by, as they were given.
    pub recorded: BTreeMap<ServerName, Recorded>,
    /// For the record: how open intentions of earlier runs are to be judged by what was read.
    pub settled: BTreeMap<ServerName, Vec<Settled>>,
    /// For the record: what later runs compare with.
    pub facts: BTreeMap<ServerName, record::Facts>,
    /// For the guard: what of the hashes in all this may never be blocked.
    pub never_block: Forbidden,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// `--limit` selects nothing.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Lists of `policy.never_block` have changed since the state was read, or can be read no more.
    #[error(transparent)]
    NeverBlock(#[from] NeverBlockError),
}

/// How far the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many more reads are to be made.
    ToRead(usize),
    /// One of them is over, whatever it told.
    Read,
}

/// Lists, resolves, reads and plans; servers side by side.
///
/// # Errors
/// `--limit` that selects nothing, and lists that can be read no more; whatever a server does is in the plan. With
/// `--limit`, no more servers need to be given than [`HostPattern::servers`] names.
pub async fn survey<C: ReadSettings, K: Clock>(
    declared: &Declared,
    servers: &[Connected<C>],
    recorded: BTreeMap<ServerName, Recorded>,
    options: &SurveyOptions,
    clock: &K,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Survey, SurveyError> {
    let mut selection = options.limit.as_ref().map(|pattern| pattern.selection(declared)).transpose()?;
    let now = clock.now();
    let listing = async |server: &Connected<C>| match options.left_out.get(&server.name) {
        Some(state) => Err(state.clone()),
        None => list(server, clock).await,
    };
    let listings = join_all(servers.iter().map(listing)).await;
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
        for (walk, resolved) in &mut walks {
            if let Ok(resolved) = resolved {
                selection.narrow(&walk.server.name, &mut resolved.desired);
            }
        }
        let read = walks.iter().filter(|(_, resolved)| resolved.is_ok());
        let read = read.map(|(walk, _)| &walk.server.name).collect();
        let asked = walks.iter().map(|(walk, _)| &walk.server.name).chain(&options.walked_apart);
        selection.finish(&read, &asked.collect())?;
    } else if !options.renew_only {
        let walked = walks.iter().map(|(walk, resolved)| {
            let desired = match resolved {
                Ok(found) => Some(&found.desired),
                // Nothing is known of its hosts: no group is said to have none.
                Err(_not_read) => None,
            };
            (&walk.server.name, desired)
        });
        of_groups = groups::findings(declared, walked);
    }
    let looked = join_all(walks.into_iter().map(|(walk, resolved)| walk.look(resolved, progress))).await;
    let about = looked.iter().flatten().map(|(_, seen)| (&seen.desired, &seen.observed));
    let never_block = never_block::look_up(&declared.policy.never_block, about).await?;
    let mut survey = Survey {
        plan: Plan {
            now,
            observed_at: options.observed_at.map_or(now, |at| at.min(now)),
            scope: if options.renew_only { Scope::Renewals { next_due: None } } else { Scope::All },
            owner: declared.owner.clone(),
            servers: Vec::new(),
        },
        listed: BTreeMap::new(),
        recorded,
        settled: BTreeMap::new(),
        facts: BTreeMap::new(),
        never_block,
    };
    for looked in looked {
        let mut walked = match looked {
            Ok((walk, seen)) => walk.plan(seen, &survey.never_block),
            Err(unread) => Walked { plan: unread, read: None },
        };
        let name = walked.plan.server.clone();
        let here = of_groups.iter().filter(|(server, _)| *server == name);
        walked.plan.findings.extend(here.map(|(_, finding)| finding.clone()));
        survey.plan.servers.push(walked.plan);
        if let Some(read) = walked.read {
            survey.listed.insert(name.clone(), read.listed);
            survey.settled.insert(name.clone(), read.settled);
            survey.facts.insert(name, read.facts);
            if let Scope::Renewals { next_due } = &mut survey.plan.scope {
                *next_due = next_due.iter().copied().chain(read.next_due).min();
            }
        }
    }
    Ok(survey)
}

/// One server's way from its host list to its plan.
struct Walk<'a, C> {
    declared: &'a Declared,
    server: &'a Connected<C>,
    elsewhere: BTreeMap<SensorId, ServerName>,
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

/// What a look at one server told.
struct Seen {
    listed: HostList,
    clock: ServerClock,
    desired: Desired,
    undeclared: Vec<Subject>,
    observed: Observed,
    /// Where only these are looked at.
    renewals: Option<plan::Renewals>,
}

struct Walked {
    plan: ServerPlan,
    read: Option<Read>,
}

struct Read {
    listed: HostList,
    settled: Vec<Settled>,
    facts: record::Facts,
    /// Of isolations that need nothing now, where only these were looked at.
    next_due: Option<Timestamp>,
}

impl<C: ReadSettings> Walk<'_, C> {
    /// All that is declared there: whether two entries mean one sensor does not hang on `--limit`.
    fn resolve(&self, listing: Listed) -> Resolved {
        let (listing, clock) = listing?;
        let listed = listing.hosts;
        if self.options.by_hand != Some(ByHand::Contains) {
            resolve::believe(&listed, self.recorded.hosts_last_seen, self.options.accept_short_list)
                .map_err(|why| ServerState::ListNotBelieved { why: why.to_string() })?;
        }
        let known = Known {
            listed: &listed,
            listed_elsewhere: &self.elsewhere,
            recorded_entries: self.recorded.entries_of(&self.declared.owner),
            accepted_moves: &self.options.accepted_moves,
            missing: self.declared.policy.missing,
        };
        let (declared, server) = (self.declared, &self.server.name);
        let desired = match (&self.options.by_hand, &self.options.again) {
            (Some(_), _) => {
                let here = declared.hosts.iter().filter(|host| host.server == *server);
                let all_hosts = declared.all_hosts.get(server);
                let all_hosts = all_hosts.map(|declared| Arc::clone(&declared.prevention));
                let mut desired = Desired { all_hosts, ..resolve::resolve_named(here, &known) };
                let tasks = self.options.tasks.get(server).into_iter().flatten();
                // A task can be deleted whose host is listed no more.
                let may_be = |task: &&Arc<DesiredTask>| match task.task.presence {
                    TaskPresence::Absent => true,
                    TaskPresence::Present => {
                        desired.hosts.iter().any(|host| host.sensor.id == task.sensor.id)
                    }
                };
                desired.tasks = tasks.filter(may_be).map(Arc::clone).collect();
                desired
            }
            (None, Some(by_patterns)) => resolve::resolve_again(declared, server, &known, by_patterns),
            (None, None) => resolve::resolve(declared, server, &known),
        };
        Ok(Found { listed, clock, desired })
    }

    /// The plan of a server that could not be read, where it could not.
    async fn look(
        self,
        resolved: Resolved,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(Self, Seen), ServerPlan> {
        let Found { listed, clock, mut desired } = match resolved {
            Ok(found) => found,
            Err(state) => return Err(self.unread(state)),
        };
        let (recorded, owner) = (&self.recorded, &*self.declared.owner);
        let renewals =
            self.options.renew_only.then(|| plan::renewals(&desired, recorded, owner, clock, self.now));
        let by_hand = self.options.by_hand.is_some();
        // Under `--limit` the rest is declared, just not looked at; renewals are of what is declared.
        let is_a_part = self.options.limit.is_some() || self.options.again.is_some();
        let undeclared = if is_a_part || renewals.is_some() || by_hand {
            Vec::new()
        } else {
            undeclared::subjects(&desired, recorded, &listed, owner)
        };
        let open = observe::open_subjects(recorded).filter(|subject| match subject.target {
            // Whoever has the lock settles what is open: it may be under way right now.
            _ if by_hand => false,
            Target::AllHosts => true,
            Target::Sensor(sensor) => listed.sensors.contains_key(&sensor),
        });
        let subjects = match &renewals {
            None => {
                let extra = open.chain(undeclared.iter().copied()).chain(self.not_named(&listed));
                observe::subjects(&desired, extra)
            }
            Some(renewals) => {
                let subjects = open.chain(renewals.to_read.iter().copied());
                subjects.collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        progress(Progress::ToRead(subjects.len()));
        let on_read = || progress(Progress::Read);
        let mut observed =
            match observe::observe(&self.server.client, subjects, self.server.concurrency, on_read).await {
                Ok(observed) => observed,
                Err(error) => return Err(self.unread(ServerState::Unreachable { why: error.to_string() })),
            };
        if let Some(renewals) = &renewals {
            observed.believed.clone_from(&renewals.believed);
            desired = renewals.desired(recorded, &observed);
        }
        let at = (self.now, by_hand);
        if plan::needs_every_rule(&desired, &observed, recorded, owner, clock, at) {
            let subjects = observe::rules_not_read(&listed, &observed);
            progress(Progress::ToRead(subjects.len()));
            let reading = observe::observe_more(
                &mut observed,
                &self.server.client,
                subjects,
                self.server.concurrency,
                on_read,
            );
            if let Err(error) = reading.await {
                return Err(self.unread(ServerState::Unreachable { why: error.to_string() }));
            }
        }
        Ok((self, Seen { listed, clock, desired, undeclared, observed, renewals }))
    }

    fn plan(self, seen: Seen, never_block: &Forbidden) -> Walked {
        let Seen { listed, clock, desired, undeclared, observed, renewals } = seen;
        let (recorded, owner) = (&self.recorded, &*self.declared.owner);
        let facts_of_plan = Facts {
            server: &self.server.name,
            address: &self.server.address,
            origin: &self.server.origin,
            key: &self.server.key,
            listed: &listed,
            clock,
            desired: &desired,
            observed: &observed,
            recorded,
            owner,
            undeclared: &undeclared,
            never_block: never_block.hashes(),
            now: self.now,
            by_hand: self.options.by_hand.is_some(),
            observed_at: self.options.observed_at.map_or(self.now, |at| at.min(self.now)),
        };
        let mut plan = plan::plan_server(&facts_of_plan);
        if let Some(silent) = self.options.all_hosts {
            let found = plan::undeclared(&facts_of_plan, &plan, silent);
            plan.findings.extend(found);
            plan.findings.sort_by_key(|finding| finding.kind);
        }
        plan.findings.extend(clock::warning(clock).map(|message| Finding {
            kind: FindingKind::Notice,
            label: self.server.name.to_string(),
            aspect: None,
            message,
            cause: None,
        }));
        let by_hand = self.options.by_hand.is_some();
        let settled = if by_hand { Vec::new() } else { settle(recorded, &observed) };
        // Renewals and acts by hand note nothing that another run would be compared with: they looked at a part only.
        // A saved plan has a part of the hosts too, but the list was read whole, and its files named them.
        let (facts, next_due) = match &renewals {
            None if by_hand => (record::Facts::default(), None),
            None => (facts(&listed, &desired, self.options.again.as_ref()), None),
            Some(renewals) => {
                renewals.keep_only_renewals(&mut plan, recorded);
                (record::Facts::default(), renewals.next_due(&plan, recorded, &observed))
            }
        };
        Walked { plan, read: Some(Read { listed, settled, facts, next_due }) }
    }

    /// Every setting of every host, and the rule for all of them, where those were asked for that no file names.
    fn not_named(&self, listed: &HostList) -> Vec<Subject> {
        if self.options.all_hosts.is_none() {
            return Vec::new();
        }
        let of = |aspect| move |id: &crate::model::SensorId| Subject { target: Target::Sensor(*id), aspect };
        let sensors = || listed.sensors.keys();
        let all = Subject { target: Target::AllHosts, aspect: Aspect::Prevention };
        let isolations = sensors().map(of(Aspect::Isolation));
        isolations.chain(sensors().map(of(Aspect::Prevention))).chain([all]).collect()
    }

    fn unread(&self, state: ServerState) -> ServerPlan {
        ServerPlan {
            server: self.server.name.clone(),
            address: self.server.address.clone(),
            origin: self.server.origin.clone(),
            state,
            steps: Vec::new(),
            judged: Arc::default(),
            findings: Vec::new(),
        }
    }
}

/// `by_patterns`: those of a saved plan, in which everybody is named, that its files did not name.
fn facts(listed: &HostList, desired: &Desired, by_patterns: Option<&BTreeSet<SensorId>>) -> record::Facts {
    let by_pattern = |id| by_patterns.is_some_and(|by_patterns| by_patterns.contains(&id));
    let named = desired.hosts.iter().filter(|host| host.is_named && !by_pattern(host.sensor.id));
    record::Facts {
        hosts_listed: Some(listed.sensors.len() as u64),
        // Who is known by a pattern only is whoever matches.
        entries: named.map(|host| (host.entry.clone(), host.sensor.id)).collect(),
    }
}

/// Judges by what was read what earlier runs left open.
fn settle(recorded: &Recorded, observed: &Observed) -> Vec<Settled> {
    let mut settled = Vec::new();
    let tasks: BTreeSet<_> = recorded
        .open
        .iter()
        .filter_map(|open| match open.subject.aspect {
            Aspect::Task(id) => Some(id),
            Aspect::Isolation | Aspect::Prevention => None,
        })
        .collect();
    for id in tasks {
        settled.extend(recorded.settle_task(id, &observed.task(id)));
    }
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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Action, Change, Contact, Finding, FindingKind, Judged, Verdict};
use crate::model::{AspectKind, FileHash, Origin, ServerKey, ServerName};
use crate::record::LastRun;

/// What differs, what would be done about it, and what could not be judged. This one value is shown, judged by
/// the guard, executed and reported.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The instant for which it was made.
    pub now: Timestamp,
    /// When the servers were asked; earlier than `now` where the plan was made from a snapshot.
    pub observed_at: Timestamp,
    /// What of the declared state was looked at.
    pub scope: Scope,
    /// Who we are in the record.
    pub owner: Arc<str>,
    /// In the order of their names.
    pub servers: Vec<ServerPlan>,
}

/// What of the declared state a plan speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything that is declared.
    All,
    /// Only what keeps isolations of ours in force, or ends spent ones; nothing else was looked at.
    Renewals {
        /// When the next of those that need nothing now will need something.
        next_due: Option<Timestamp>,
    },
}

/// What will be done on one server, in its order, and what else is to be told of it.
#[derive(Debug, Clone)]
pub struct ServerPlan {
    /// As the files call it.
    pub server: ServerName,
    /// What a person knows it by: the first URL, or the simulator's fleet file.
    pub address: String,
    /// Where the files declare it.
    pub origin: Origin,
    /// Whether it could be read; where not, there are no steps.
    pub state: ServerState,
    /// One after the other; the changes within one in any order, side by side.
    pub steps: Vec<Step>,
    /// Every managed aspect, in the order of the files. Shared by all copies: there may be hundreds of thousands.
    pub judged: Arc<Vec<Judged>>,
    /// In the order in which they are shown.
    pub findings: Vec<Finding>,
}

/// What the first look at a server told.
#[derive(Debug, Clone)]
pub enum ServerState {
    /// Its host list was read and could be planned by.
    Read {
        /// What it is in the record, whatever the files call it.
        key: ServerKey,
        /// How many hosts its list has, declared or not.
        hosts_listed: u64,
        /// Its clock against ours.
        clock: ServerClock,
        /// The run that wrote last into its chain; `None`: the record shows none.
        last_run: Option<LastRun>,
        /// Different hashes in all rules that were read: what a percentage of `hashes_removed` is of.
        distinct_hashes: u64,
        /// Whether it lists timeouts as they were sent, as far as there is evidence.
        timeouts: ListedTimeouts,
    },
    /// It answers, but its host list could not be read, or can not be whole; nothing is written there.
    ListNotBelieved {
        /// What is wrong with the list, for a person.
        why: String,
    },
    /// Its part of the record could not be had: another run holds its lock, or its chain cannot be read. It was not
    /// asked, and nothing is written there.
    Unrecorded {
        /// What the record or its lock answered, for a person.
        why: String,
    },
    /// No answer, not trusted, or it does not accept us.
    Unreachable {
        /// What went wrong, for a person.
        why: String,
    },
}

/// How the server lists the timeout of an isolation, by the evidence of what it lists and of what we sent. A
/// renewal whose timeout it rounds to the one that it listed before can not be told from one that it ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedTimeouts {
    /// It has listed one that is no whole number of hours.
    AsSent,
    /// It has listed another one than we sent.
    Rounded,
    /// Nothing tells.
    NotKnown,
}

/// The server's clock against ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerClock {
    /// Its answers carry no `Date`.
    NotGiven,
    /// How far it is ahead of ours (negative: behind), within what is tolerated.
    Together(SignedDuration),
    /// Too far apart: nothing that hangs on an instant is decided.
    Apart(SignedDuration),
}

impl ServerClock {
    /// How far the server's clock is ahead of ours, where that is known and worth a word: over two minutes. Less is
    /// the network's and the `Date` header's doing, and differs from run to run.
    pub fn notable(self) -> Option<SignedDuration> {
        match self {
            Self::NotGiven => None,
            Self::Together(ahead) => (ahead.abs() > SignedDuration::from_mins(2)).then_some(ahead),
            Self::Apart(ahead) => Some(ahead),
        }
    }
}

/// Changes that may be written side by side.
#[derive(Debug, Clone)]
pub struct Step {
    /// Why it comes at this point.
    pub purpose: Purpose,
    /// In the order in which they are shown.
    pub changes: Vec<Arc<Change>>,
}

/// Why a step stands where it stands: contain first, release last; a file that moves between the rule for all hosts
/// and those of hosts leaves the one before it comes into the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Hosts are cut off; exclusions change, and ends are set anew.
    Contain,
    /// Hosts give up the hashes that the rule for all hosts will gain.
    GiveUp,
    /// The rule for all hosts.
    ForAll,
    /// The rules of hosts: what the rule for all hosts lost is in them only now.
    Prevent,
    /// Programs are started, and tasks deleted: on hosts that are contained by then, and before any is let go.
    Run,
    /// Hosts are let go: those that are declared `off`, and those whose `until` has passed.
    Release,
}

/// How many of what: the plan's last line, and what exit codes are decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Hosts to isolate.
    pub isolate: u64,
    /// Hosts to release.
    pub release: u64,
    /// Rules to change: other exclusions, other hashes.
    pub change: u64,
    /// Isolations whose end is only set anew.
    pub renew: u64,
    /// Programs to start.
    pub run: u64,
    /// Tasks to take off their servers.
    pub delete_task: u64,
    /// Differences that apply leaves alone.
    pub left_alone: u64,
    /// Differences that a hold keeps `apply` off. Not counted in `left_alone`.
    pub held: u64,
    /// Ours, in force and declared no more.
    pub left_behind: u64,
    /// What stands on hosts and no file declares, where all of them were asked for.
    pub undeclared: u64,
    /// Hosts without contact for long, where all of them were asked for.
    pub silent_hosts: u64,
    /// What can not be done for a host as it is declared: findings of the kind [`FindingKind::HostError`].
    pub errors: u64,
    /// What could not be read or judged; a server without its host list or its record counts as one.
    pub unknown: u64,
    /// Looks as declared, but its end is not known. Not counted in `unknown`.
    pub end_unknown: u64,
    /// In sync and, as far as can be told, carried out.
    pub in_sync: u64,
    /// As declared on the server, but without contact of the agent since our write.
    pub waiting: u64,
    /// Isolated as declared, but without contact for over five hours: it may have dropped its isolation.
    pub silent: u64,
    /// As declared on the server, but by all signs not for this agent.
    pub unsupported: u64,
    /// Tasks that are created and, by all signs, not yet started; not counted in the three before.
    pub deferred: u64,
    /// Servers that did not answer, are not trusted, or do not accept us.
    pub servers_unreachable: u64,
}

impl Sums {
    /// What differs and would be written. Renewals are no difference.
    pub fn changes(&self) -> u64 {
        self.isolate + self.release + self.change + self.run + self.delete_task
    }

    /// What `drift` and `--detailed-exitcode` end with 2 for.
    pub fn differences(&self) -> u64 {
        self.changes() + self.left_alone + self.held + self.undeclared
    }

    /// What could not be read or judged.
    pub fn not_judged(&self) -> u64 {
        self.errors + self.unknown + self.servers_unreachable
    }

    /// What is not known to be carried out: a rule on a server is not yet an isolated host.
    pub fn without_contact(&self) -> u64 {
        self.waiting + self.silent + self.unsupported + self.deferred + self.silent_hosts
    }
}

impl Plan {
    /// Of all servers, in the order in which they are carried out.
    pub fn changes(&self) -> impl Iterator<Item = (&ServerPlan, &Arc<Change>)> {
        self.servers.iter().flat_map(|server| server.changes().map(move |change| (server, change)))
    }

    /// Every hash that some rule gains; as often as rules do.
    pub fn added_hashes(&self) -> impl Iterator<Item = FileHash> {
        let rules = self.changes().filter_map(|(_, change)| change.action.rule_change());
        rules.flat_map(|rule| &rule.added).map(|added| added.hash)
    }

    /// How the clocks of the servers that were read stand against ours.
    pub fn clocks(&self) -> BTreeMap<ServerName, ServerClock> {
        let clock = |server: &ServerPlan| match server.state {
            ServerState::Read { clock, .. } => Some((server.server.clone(), clock)),
            ServerState::ListNotBelieved { .. }
            | ServerState::Unrecorded { .. }
            | ServerState::Unreachable { .. } => None,
        };
        self.servers.iter().filter_map(clock).collect()
    }

    /// How many of each there are.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for server in &self.servers {
            server.add_to(&mut sums);
        }
        sums
    }
}

impl ServerPlan {
    /// In the order in which they are carried out.
    pub fn changes(&self) -> impl Iterator<Item = &Arc<Change>> {
        self.steps.iter().flat_map(|step| &step.changes)
    }

    /// What was judged, to be changed here and in no other copy.
    pub(crate) fn judged_mut(&mut self) -> &mut Vec<Judged> {
        Arc::make_mut(&mut self.judged)
    }

    /// `hq/WS-017.corp.example/isolation`: what a person, a flag and a report call the subject of a change.
    pub fn subject_text(&self, change: &Change) -> String {
        format!(
            "{}/{}/{}",
            self.server,
            change.whom.subject_name(),
            change.whom.aspect_text(change.subject.aspect)
        )
    }

    fn add_to(&self, sums: &mut Sums) {
        match &self.state {
            ServerState::Read { .. } => {}
            ServerState::ListNotBelieved { .. } | ServerState::Unrecorded { .. } => sums.unknown += 1,
            ServerState::Unreachable { .. } => sums.servers_unreachable += 1,
        }
        // Each unknown verdict has its finding; an aspect that differs may have one too, for a part of it that can
        // not be judged.
        let (mut unknown_findings, mut unknown_verdicts) = (0, 0);
        // A rule that is written in two steps is one rule.
        let mut rules = BTreeSet::new();
        for change in self.changes() {
            match &change.action {
                Action::Isolate { .. } => sums.isolate += 1,
                Action::Release | Action::EndSpent { .. } => sums.release += 1,
                Action::Block(_) => sums.change += u64::from(rules.insert(change.subject)),
                Action::ChangeExclusions { .. } => sums.change += 1,
                Action::Renew { .. } => sums.renew += 1,
                Action::StartTask { .. } => sums.run += 1,
                Action::DeleteTask => sums.delete_task += 1,
            }
        }
        for finding in &self.findings {
            match finding.kind {
                FindingKind::HostError => sums.errors += 1,
                FindingKind::LeftBehind => sums.left_behind += 1,
                FindingKind::Undeclared => sums.undeclared += 1,
                FindingKind::SilentHost => sums.silent_hosts += 1,
                FindingKind::Unknown => unknown_findings += 1,
                FindingKind::SpentNotOurs
                | FindingKind::GroupCheck
                | FindingKind::TaskGone
                | FindingKind::Held
                | FindingKind::Spent
                | FindingKind::NeverBlockPresent
                | FindingKind::Hold
                | FindingKind::Notice => {}
            }
        }
        for judged in self.judged.iter() {
            match &judged.verdict {
                Verdict::Unknown(_) => unknown_verdicts += 1,
                Verdict::Differs => {}
                Verdict::EndUnknown => sums.end_unknown += 1,
                Verdict::LeftAlone => sums.left_alone += 1,
                Verdict::Held => sums.held += 1,
                Verdict::InSync | Verdict::Renew => match (judged.aspect.kind(), judged.contact) {
                    (_, Contact::Seen) => sums.in_sync += 1,
                    (AspectKind::Tasks, Contact::Waiting | Contact::Silent | Contact::Unsupported) => {
                        sums.deferred += 1;
                    }
                    (_, Contact::Waiting) => sums.waiting += 1,
                    (_, Contact::Silent) => sums.silent += 1,
                    (_, Contact::Unsupported) => sums.unsupported += 1,
                },
            }
        }
        sums.unknown += unknown_findings.max(unknown_verdicts);
    }
}

//! What the files say of many hosts at once: groups, the rule for all hosts of a server, tasks.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;

use super::{DeclaredIsolation, DeclaredPrevention};
use crate::model::{NamePattern, Origin, Program, ServerName};

/// One entry of `groups`.
#[derive(Debug, Clone)]
pub struct DeclaredGroup {
    /// The key of the entry: never `all`, nor the key of a host's entry, so that `--limit` can tell them apart.
    pub name: Arc<str>,
    /// The line of that key.
    pub origin: Origin,
    /// Before `except` is taken away.
    pub members: Members,
    /// Hosts that are not in it all the same.
    pub except: Vec<Except>,
    /// Never with a lease.
    pub isolation: Option<DeclaredIsolation>,
    /// `None`: it says nothing of it. Shared with what is desired, where one group alone declares it.
    pub prevention: Option<Arc<DeclaredPrevention>>,
}

/// Who is in a group.
#[derive(Debug, Clone)]
pub enum Members {
    /// Whoever is so, on one server or (`None`) on all.
    Match {
        /// `None`: every server.
        server: Option<ServerName>,
        /// What the hosts have in common.
        what: HostMatch,
    },
    /// By name, as entries are: `hosts`, or the lines of `hosts_file`.
    Named(Vec<NamedHost>),
}

/// All that is given must hold; of the items of one list, one.
#[derive(Debug, Clone, Default)]
pub struct HostMatch {
    /// Case-sensitive, as the server matches names; empty: not given.
    pub names: Vec<NamePattern>,
    /// One address of the host in one of them is enough; empty: not given.
    pub networks: Vec<IpNet>,
    /// In lower case.
    pub os: Vec<String>,
}

/// A host that a group or a task names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedHost {
    /// As it is written; never a pattern.
    pub name: Arc<str>,
    /// Where it is written: in a state, or in a line of `hosts_file`.
    pub origin: Origin,
    /// The one that the group or task names; else that of the entry of this name; else the only one.
    pub server: ServerName,
    /// The name is the key of an entry on that server, whose identity counts; otherwise it is the name that the
    /// server lists.
    pub is_entry: bool,
}

/// Hosts that a group leaves out.
#[derive(Debug, Clone)]
pub struct Except {
    /// A name or a pattern; case-sensitive.
    pub pattern: NamePattern,
    /// Where it stands in the list; a warning quotes it when nobody is left out by it.
    pub origin: Origin,
}

impl DeclaredGroup {
    /// Whether hosts of this server can be in it.
    pub fn may_have_hosts_of(&self, server: &ServerName) -> bool {
        match &self.members {
            Members::Match { server: None, .. } => true,
            Members::Match { server: Some(only), .. } => only == server,
            Members::Named(hosts) => hosts.iter().any(|host| host.server == *server),
        }
    }
}

/// One entry of `all_hosts`.
#[derive(Debug, Clone)]
pub struct DeclaredAllHosts {
    /// The line of the server's name under `all_hosts`.
    pub origin: Origin,
    /// All that can be declared of it: there is no isolation of all hosts.
    pub prevention: Arc<DeclaredPrevention>,
}

/// One entry of `tasks`: a program that is started once on each host that it names.
#[derive(Debug, Clone)]
pub struct DeclaredTask {
    /// The key of the entry. The task's id is made of it too: under another name it is another task.
    pub name: Arc<str>,
    /// The line of that key; [`Origin::command_line`] for what a person starts.
    pub origin: Origin,
    /// Those that it names itself; empty where it names groups only, or a person starts it.
    pub hosts: Vec<NamedHost>,
    /// Names of groups.
    pub groups: Vec<Arc<str>>,
    /// What is started. The task's id is made of it too: another program is another task.
    pub program: Program,
    /// From this instant on it is not started; the last of all instants for what a person starts now.
    pub not_after: Timestamp,
    /// From 1.
    pub generation: u64,
    /// What the file says under `state`.
    pub presence: TaskPresence,
}

/// Whether a task is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskPresence {
    /// Started once on each of its hosts, also where the file does not say.
    #[default]
    Present,
    /// Taken off its server.
    Absent,
}

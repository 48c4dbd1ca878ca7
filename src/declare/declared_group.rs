//! What the files say of many hosts at once: groups, the rule for all hosts of a server, tasks.

use std::sync::Arc;

use globset::Glob;
use ipnet::IpNet;
use jiff::Timestamp;

use super::{DeclaredIsolation, DeclaredPrevention};
use crate::model::{Origin, Program, ServerName};

/// One entry of `groups`.
#[derive(Debug, Clone)]
pub struct DeclaredGroup {
    pub name: Arc<str>,
    pub origin: Origin,
    pub members: Members,
    /// Hosts that are not in it all the same.
    pub except: Vec<Except>,
    /// Never with a lease.
    pub isolation: Option<DeclaredIsolation>,
    pub prevention: Option<Arc<DeclaredPrevention>>,
}

/// Who is in a group.
#[derive(Debug, Clone)]
pub enum Members {
    /// Whoever is so, on one server or (`None`) on all.
    Match { server: Option<ServerName>, what: HostMatch },
    /// By name, as entries are: `hosts`, or the lines of `hosts_file`.
    Named(Vec<NamedHost>),
}

/// All that is given must hold; of the items of one list, one.
#[derive(Debug, Clone, Default)]
pub struct HostMatch {
    /// Case-sensitive, as the server matches names; empty: not given.
    pub names: Vec<Glob>,
    pub networks: Vec<IpNet>,
    /// In lower case.
    pub os: Vec<String>,
}

/// A host that a group or a task names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedHost {
    pub name: Arc<str>,
    pub origin: Origin,
    pub server: ServerName,
    /// The name is the key of an entry on that server, whose identity counts; otherwise it is the name that the
    /// server lists.
    pub is_entry: bool,
}

/// Hosts that a group leaves out.
#[derive(Debug, Clone)]
pub struct Except {
    /// A name or a pattern; case-sensitive.
    pub glob: Glob,
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
    pub origin: Origin,
    pub prevention: Arc<DeclaredPrevention>,
}

/// One entry of `tasks`: a program that is started once on each host that it names.
#[derive(Debug, Clone)]
pub struct DeclaredTask {
    pub name: Arc<str>,
    pub origin: Origin,
    pub hosts: Vec<NamedHost>,
    /// Names of groups.
    pub groups: Vec<Arc<str>>,
    pub program: Program,
    /// From this instant on it is not started; the last of all instants for what a person starts now.
    pub not_after: Timestamp,
    /// From 1.
    pub generation: u64,
    pub presence: TaskPresence,
}

/// Whether a task is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskPresence {
    #[default]
    Present,
    /// Taken off its server.
    Absent,
}

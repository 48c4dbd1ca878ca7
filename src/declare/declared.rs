//! What the files say, decoded and checked: every name in it is defined, every value is in its range.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use globset::GlobBuilder;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::{DeclaredAllHosts, DeclaredGroup, DeclaredTask, NeverBlock};
use crate::model::{
    BlockEntry, BlockSet, BucketUrl, Cause, ExclusionRule, Exclusions, Origin, SensorId, ServerName, Timeout,
    pattern,
};

/// All state files together: one state.
#[derive(Debug, Clone)]
pub struct Declared {
    pub record: RecordLocation,
    /// Who we are in a shared record; `default` when no file says.
    pub owner: Arc<str>,
    pub servers: BTreeMap<ServerName, DeclaredServer>,
    pub policy: Policy,
    /// In source order.
    pub hosts: Vec<DeclaredHost>,
    /// In the order of their names.
    pub groups: Vec<DeclaredGroup>,
    /// The rules for all hosts of a server.
    pub all_hosts: BTreeMap<ServerName, DeclaredAllHosts>,
    /// In the order of their names.
    pub tasks: Vec<Arc<DeclaredTask>>,
    /// What isolation may let through; that of declared hosts is in their entries.
    pub exclusions: ExclusionSets,
    /// Of hash lists and exclusion sets: a file that joins the state has to take others.
    pub shared_names: BTreeSet<Arc<str>>,
}

/// The named sets of traffic that isolation lets through.
#[derive(Debug, Clone, Default)]
pub struct ExclusionSets {
    pub named: BTreeMap<Arc<str>, BTreeSet<ExclusionRule>>,
    /// `policy.always_allow`: what every isolation lets through.
    pub always: BTreeSet<ExclusionRule>,
}

impl ExclusionSets {
    /// Those of these names together with what every isolation lets through.
    ///
    /// # Errors
    /// The first name that no set has.
    pub fn of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Exclusions, &'a str> {
        let mut rules = self.always.clone();
        for name in names {
            rules.extend(self.named.get(name).ok_or(name)?.iter().cloned());
        }
        Ok(Arc::new(rules))
    }
}

impl Declared {
    /// Whether anything of a server is declared: the rule for all hosts, a host, a task, or a group that its hosts may be
    /// in.
    pub fn manages(&self, server: &ServerName) -> bool {
        self.all_hosts.contains_key(server)
            || self.hosts.iter().any(|host| host.server == *server)
            || self.tasks.iter().flat_map(|task| &task.hosts).any(|host| host.server == *server)
            || self.groups.iter().any(|group| group.may_have_hosts_of(server))
    }
}

/// Where the record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLocation {
    pub place: RecordPlace,
    /// Whether a file names it; otherwise it is `.kedrctl` beside the state.
    pub is_declared: bool,
}

/// Where a record is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordPlace {
    Folder(PathBuf),
    Bucket(BucketUrl),
}

/// A Central Node as the files declare it.
#[derive(Debug, Clone)]
pub struct DeclaredServer {
    pub name: ServerName,
    pub origin: Origin,
    pub connection: Connection,
    /// Most requests in flight at once.
    pub concurrency: usize,
    /// How far the server's clock may be from ours before nothing that hangs on an instant is decided
    /// (design: "Time"); 10 minutes when no file says.
    pub clock_tolerance: SignedDuration,
}

/// What a server is reached at.
#[derive(Debug, Clone)]
pub enum Connection {
    CentralNode(CentralNodeAddress),
    /// The fleet file of a simulator that runs inside this process.
    Simulator {
        fleet: PathBuf,
    },
}

/// How a real Central Node is reached, and who asks.
#[derive(Debug, Clone)]
pub struct CentralNodeAddress {
    /// `https://host:port` each, the port always written out; at least one.
    pub urls: Vec<ServerUrl>,
    /// Usually a UUID; any text of `[A-Za-z0-9-]`.
    pub external_system_id: Arc<str>,
    pub client_certificate: PemSource,
    pub client_key: PemSource,
    /// Where the passphrase of an encrypted key comes from; `None`: a person is asked.
    pub client_key_passphrase: Option<PassphraseSource>,
    /// `None`: nobody has said yet which certificate is the server's, and nothing but `register` may talk to it.
    pub trust: Option<Trust>,
}

/// Scheme and path are fixed by the API, so an address is a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// A DNS name or an IP address, IPv6 without brackets, in lower case.
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for ServerUrl {
    /// `https://kata.example.org`; the port only where it is not 443.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "https://[{}]", self.host)?
        } else {
            write!(f, "https://{}", self.host)?
        }
        if self.port == 443 { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Where a PEM text comes from. Never inline: state files are in Git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    File(PathBuf),
    /// The environment variable that holds the PEM text itself.
    Env(String),
    /// The program (and its arguments) that prints the PEM text; runs only with `--allow-commands`.
    Command(Vec<String>),
}

/// Where the passphrase of a key comes from. Never inline, and not from a file: beside the key it would protect
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    Env(String),
    /// The program (and its arguments) that prints it; runs only with `--allow-commands`.
    Command(Vec<String>),
}

/// Why a server's certificate is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Signed by one of these authorities.
    Ca(PemSource),
    /// Exactly this certificate, by the SHA-256 of its DER.
    Pinned([u8; 32]),
    /// Signed by an authority that the operating system trusts.
    System,
}

/// What no plan may go beyond, and how the unknown is taken.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub protected: Vec<Protected>,
    pub limits: Limits,
    pub never_block: NeverBlock,
    pub missing: Missing,
    /// Programs may be started from declarations.
    pub tasks: bool,
}

/// Hosts that may never be isolated.
#[derive(Debug, Clone)]
pub struct Protected {
    pub rule: ProtectedRule,
    pub origin: Origin,
}

/// Which hosts are protected.
#[derive(Debug, Clone)]
pub enum ProtectedRule {
    /// A glob; matched without regard to case against the whole name and its first label.
    Name(globset::GlobMatcher),
    Network(IpNet),
    Sensor(SensorId),
}

impl ProtectedRule {
    /// Hosts by a name or a pattern such as `dc*`.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn name(text: &str) -> Result<Self, String> {
        // The same on every system, whatever its own paths look like.
        let glob = pattern(GlobBuilder::new(text).case_insensitive(true).backslash_escape(true));
        glob.map(|glob| Self::Name(glob.compile_matcher())).map_err(|error| error.to_string())
    }
}

/// `None`: the default of design, "Policy".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub isolations: Option<Limit>,
    pub releases: Option<Limit>,
    pub hosts_changed: Option<Limit>,
    pub hashes_removed: Option<Limit>,
}

/// How many changes one run may make: a count, or a part of the hosts or hashes that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Count(u64),
    /// 0..=100, of the hosts that the server lists (of the distinct hashes, for `hashes_removed`).
    Percent(u8),
}

/// What a declared host that the server does not list is, where its isolation is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    #[default]
    Error,
    Warn,
}

/// One entry of `hosts`.
#[derive(Debug, Clone)]
pub struct DeclaredHost {
    /// The key of the entry: what `--limit` and `--accept-moved` take.
    pub entry: Arc<str>,
    pub origin: Origin,
    pub server: ServerName,
    pub identity: Identity,
    pub isolation: Option<DeclaredIsolation>,
    /// Shared with what is desired.
    pub prevention: Option<Arc<DeclaredPrevention>>,
}

/// By what an entry names its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Case-sensitive, as the server matches (response-api.md, section 1).
    Name(Arc<str>),
    Address(IpAddr),
    Sensor(SensorId),
}

/// What one host or group says of its isolation, and where.
#[derive(Debug, Clone)]
pub struct DeclaredIsolation {
    pub cause: Cause,
    pub want: WantedIsolation,
}

/// Whether a host is to be cut off, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedIsolation {
    /// From a host's own entry this releases; from a group it is a check.
    Off,
    On {
        term: Term,
        /// With the sets of `policy.always_allow`.
        exclusions: Exclusions,
        reason: Option<Arc<str>>,
    },
}

/// How long an isolation is meant to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    Until(Timestamp),
    /// In force for as long as the file says so; 2 h to 9,999 h.
    Lease(Timeout),
}

/// What one host or group says of its prevention rule, and where.
#[derive(Debug, Clone)]
pub struct DeclaredPrevention {
    pub cause: Cause,
    /// Hash lists and single hashes, in source order; lists are shared between hosts.
    pub block: Vec<BlockSet>,
    pub unblock: Vec<BlockEntry>,
    /// The rule is exactly `block`: what others put there is taken out.
    pub exact: bool,
}

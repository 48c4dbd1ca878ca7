//! What the files say, decoded and checked: every name in it is defined, every value is in its range.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::{DeclaredAllHosts, DeclaredGroup, DeclaredTask, NeverBlock};
use crate::model::{
    BlockEntry, BlockSet, BucketUrl, Case, Cause, ExclusionRule, Exclusions, NamePattern, NamePatternError,
    Origin, SensorId, ServerName, Timeout,
};

/// All state files together: one state.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Where what is done is written down.
    pub record: RecordLocation,
    /// Who we are in a shared record; `default` when no file says.
    pub owner: Arc<str>,
    /// By name; those too of which nothing else is declared.
    pub servers: BTreeMap<ServerName, DeclaredServer>,
    /// That of the one file that has a policy; without one, the defaults.
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
    /// By name, each as the files write it: what is always let through is not added.
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
    /// A folder or a bucket, and which.
    pub place: RecordPlace,
    /// Whether a file names it; otherwise it is `.kedrctl` beside the state.
    pub is_declared: bool,
}

/// Where a record is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordPlace {
    /// On a disk: absolute, or relative to where the tool was called, not to the file that names it.
    Folder(PathBuf),
    /// In an object store; how to reach that and who we are there comes from the environment.
    Bucket(BucketUrl),
}

/// A Central Node as the files declare it.
#[derive(Debug, Clone)]
pub struct DeclaredServer {
    /// The key of its entry under `servers`: what hosts, groups and flags call it.
    pub name: ServerName,
    /// The line of that key.
    pub origin: Origin,
    /// A real Central Node, or a simulator in its place.
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
    /// A real one, over HTTPS.
    CentralNode(CentralNodeAddress),
    /// The fleet file of a simulator that runs inside this process.
    Simulator {
        /// Absolute, or relative to where the tool was called, not to the state that names it.
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
    /// What the server knows us by, together with `external_system_id`.
    pub client_certificate: PemSource,
    /// Belongs to `client_certificate`; may be encrypted, as PKCS #8.
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
    /// 443 where the files write none; never 0.
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
    /// Absolute, or relative to where the tool was called, not to the state that names it.
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
    /// The environment variable that holds the passphrase itself.
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
    /// In source order. A host is protected where one of them matches it, or cannot be judged.
    pub protected: Vec<Protected>,
    /// How much one plan may change on each server.
    pub limits: Limits,
    /// Files that no rule may get; those that one has already are only reported.
    pub never_block: NeverBlock,
    /// How a declared host is taken that its server does not list.
    pub missing: Missing,
    /// Programs may be started from declarations.
    pub tasks: bool,
}

/// Hosts that may never be isolated.
#[derive(Debug, Clone)]
pub struct Protected {
    /// Whom it means. A host of which the server does not give what the rule goes by counts as meant.
    pub rule: ProtectedRule,
    /// Where it stands in the list; refusals quote it.
    pub origin: Origin,
}

/// Which hosts are protected.
#[derive(Debug, Clone)]
pub enum ProtectedRule {
    /// A glob; matched without regard to case against the whole name and its first label.
    Name(NamePattern),
    /// Hosts with an address in it; a single address is a network of its own.
    Network(IpNet),
    /// One installed agent, whatever becomes of its name and address.
    Sensor(SensorId),
}

impl ProtectedRule {
    /// Hosts by a name or a pattern such as `dc*`.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn name(text: &str) -> Result<Self, NamePatternError> {
        NamePattern::new(text, Case::Ignored).map(Self::Name)
    }
}

/// `None`: the default of design, "Policy".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Hosts that are isolated; a renewal, or one of ours that is set again after its end, does not count.
    /// Default: 5.
    pub isolations: Option<Limit>,
    /// Isolation rules that are deleted, also because their `until` has passed. Default: 5.
    pub releases: Option<Limit>,
    /// Hosts with any change but a renewal, or one of ours that is set again; the rule for all hosts changes each.
    /// Default: 25 % of the hosts that the server lists, where these are 20 or more.
    pub hosts_changed: Option<Limit>,
    /// Different hashes that some host goes without for good.
    /// Default: 20 % of those in the rules that were read, where these are 20 or more.
    pub hashes_removed: Option<Limit>,
}

/// How many changes one run may make: a count, or a part of the hosts or hashes that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most so many on a server; 0 lets none pass.
    Count(u64),
    /// 0..=100, of the hosts that the server lists (of the distinct hashes, for `hashes_removed`).
    Percent(u8),
}

/// What a declared host that the server does not list is, where its isolation is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// An error on that host, as it is anyway where its isolation is declared.
    #[default]
    Error,
    /// A notice on that host: for servers that drop hosts which have been silent.
    Warn,
}

/// One entry of `hosts`.
#[derive(Debug, Clone)]
pub struct DeclaredHost {
    /// The key of the entry: what `--limit` and `--accept-moved` take.
    pub entry: Arc<str>,
    /// The line of that key; [`Origin::command_line`] for what a person does by hand.
    pub origin: Origin,
    /// The one that the entry names, or the only one that is declared.
    pub server: ServerName,
    /// Where the entry has no `identity`, its key as a name.
    pub identity: Identity,
    /// `None`: the entry says nothing of it, and groups may.
    pub isolation: Option<DeclaredIsolation>,
    /// Shared with what is desired.
    pub prevention: Option<Arc<DeclaredPrevention>>,
}

/// By what an entry names its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Case-sensitive, as the server matches (response-api.md, section 1).
    Name(Arc<str>),
    /// One that the host has; IPv4 is never in the form of IPv6. Files that use it get a warning: addresses move.
    Address(IpAddr),
    /// One installed agent; it is compared as a UUID, in whatever case it is written.
    Sensor(SensorId),
}

/// What one host or group says of its isolation, and where.
#[derive(Debug, Clone)]
pub struct DeclaredIsolation {
    /// The line of the key `isolation`, in the host's own entry or in groups.
    pub cause: Cause,
    /// Where groups differ on it, in more than the reason, that is an error on the host, and none of them counts.
    pub want: WantedIsolation,
}

/// Whether a host is to be cut off, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedIsolation {
    /// From a host's own entry this releases; from a group it is a check.
    Off,
    /// Cut off, but for what its exclusions let through.
    On {
        /// From a group always [`Term::Until`].
        term: Term,
        /// With the sets of `policy.always_allow`.
        exclusions: Exclusions,
        /// For people: shown and recorded, never sent to the server. `None`: none is given.
        reason: Option<Arc<str>>,
    },
}

/// How long an isolation is meant to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// From this instant on the entry is spent: nothing is set again.
    Until(Timestamp),
    /// In force for as long as the file says so; 2 h to 9,999 h.
    Lease(Timeout),
}

/// What one host or group says of its prevention rule, and where.
#[derive(Debug, Clone)]
pub struct DeclaredPrevention {
    /// The line of the key `prevention`, in the host's own entry or in groups.
    pub cause: Cause,
    /// Hash lists and single hashes, in source order, those of several groups by the names of the groups; lists are
    /// shared between hosts.
    pub block: Vec<BlockSet>,
    /// Hashes to take out, whoever put them there. They have no `until`, and none of them is in `block`.
    pub unblock: Vec<BlockEntry>,
    /// The rule is exactly `block`: what others put there is taken out.
    pub exact: bool,
}

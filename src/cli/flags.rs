//! Every flag, as it is typed.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use super::help;
use crate::central_node::Fingerprint;
use crate::guard::Allowance;
use crate::terminal::{ColorChoice, Detail, LogFormat, Voice};

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    error: usage, files, credentials
  2    there are differences (drift, plan --detailed-exitcode)
  3    refused before the first write: protected, never_block, limits, owner, not confirmed
  4    incomplete: some hosts could not be read, written or judged; running again continues
  5    no server could be reached or accepts this client; the record cannot be reached
  130  interrupted";

/// Keeps the isolation and the prevention rules of the hosts behind KATA/KEDR Central Nodes as YAML files say
#[derive(Debug, Parser)]
#[command(name = "kedrctl", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(super) struct Cli {
    /// When to use colour: auto, always or never
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,

    /// Show each call to a server on stderr, without keys; -vv with the headers of its answer
    #[arg(short = 'v', long = "verbose", global = true, action = ArgAction::Count)]
    verbose: u8,

    /// How messages are written to stderr: for people, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t = Log::Text)]
    log_format: Log,

    #[command(subcommand)]
    pub(super) command: Command,
}

impl Cli {
    pub(super) fn voice(&self) -> Voice {
        Voice {
            color: self.color,
            detail: Detail::of_count(self.verbose),
            log: match self.log_format {
                Log::Text => LogFormat::Text,
                Log::Json => LogFormat::Json,
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a working folder: a state with comments, a client key and certificate, what Git leaves out
    #[command(after_help = help::INIT)]
    Init(InitFlags),
    /// Make this client known to a Central Node: compare its certificate, ask, wait until an administrator accepts
    #[command(after_help = help::REGISTER)]
    Register(RegisterFlags),
    /// Check the files: finds every mistake in one run, sends nothing
    Validate(super::validate::ValidateFlags),
    /// Show what apply would do; has no way to write
    #[command(after_help = help::PLAN)]
    Plan(PlanFlags),
    /// Make the fleet as the files declare it: shows the plan, asks, writes, reads back
    #[command(after_help = help::APPLY)]
    Apply(ApplyFlags),
    /// Check whether the fleet is as declared: 0 in sync, 2 differences, 4 cannot tell
    #[command(after_help = help::DRIFT)]
    Drift(DriftFlags),
    /// Keep what a plan reads in a file, so that `plan --observed` needs no key and no network
    #[command(after_help = help::SNAPSHOT)]
    Snapshot(SnapshotFlags),
    /// List the hosts of the servers: how they are called, their sensor ids, when they were last seen
    #[command(after_help = help::HOSTS)]
    Hosts(HostsFlags),
    /// Keep apply off hosts for a while, end that, or list what is held; writes to the record only
    Hold(super::hold::HoldFlags),
    /// Show what was done, by whom and why: the runs of the record, newest first
    #[command(after_help = help::HISTORY)]
    History(super::history::HistoryFlags),
    /// Tell who set a host's rules, or put a hash there, when and why, as far as the record tells
    #[command(after_help = help::WHY)]
    Why(super::why::WhyFlags),
    /// Write new state files that say what the fleet is, so that the next plan is empty
    #[command(after_help = help::IMPORT)]
    Import(super::import::ImportFlags),
    /// Look after the record of what was done
    #[command(subcommand, after_help = help::RECORD)]
    Record(RecordCommand),
    /// Say what the codes of problems mean, such as E021; without one, list them all
    Explain(super::explain::ExplainFlags),
    /// Print the JSON Schema of state files, or of what is written with --format json
    Schema(super::schema::SchemaFlags),
    /// Show who holds the locks of the servers: one apply at a time writes
    Lock(LockFlags),
    /// Break the lock of a run that is gone
    Unlock(UnlockFlags),
    /// Measure on a lab host how this server answers where the documentation is silent, and put all back
    #[command(after_help = help::PROBE)]
    Probe(ProbeFlags),
    /// Run a Central Node with simulated agents, on loopback, until Ctrl-C
    #[command(after_help = help::SIMULATE)]
    Simulate(SimulateFlags),
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// Which files.
#[derive(Debug, Clone, Args)]
pub(super) struct FileFlags {
    /// A state file, or a folder: every *.yaml and *.yml in and below it; repeatable [default: $KEDRCTL_FILES (a list like $PATH), else `.`]
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
}

impl FileFlags {
    /// What was typed, else what the environment says, else this folder.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        if !self.files.is_empty() {
            return self.files.clone();
        }
        match std::env::var_os("KEDRCTL_FILES") {
            Some(list) if !list.is_empty() => std::env::split_paths(&list).collect(),
            Some(_) | None => vec![PathBuf::from(".")],
        }
    }
}

/// Which part of the state, and what may be taken for granted.
#[derive(Debug, Clone, Args)]
pub(super) struct ScopeFlags {
    /// Only these hosts: names, globs and groups, such as `pci:!WS-0*`; `,` and `:` join, `!` takes away, `&` keeps what is
    /// in both, `@FILE` has one on each line; each part must match
    #[arg(long, value_name = "PATTERN")]
    pub(super) limit: Vec<String>,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) server: Vec<String>,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,

    /// It is right that the entry HOST now means another sensor than the record knows; repeatable
    #[arg(long, value_name = "HOST")]
    pub(super) accept_moved: Vec<String>,

    /// It is right that a server lists under half of the hosts that the record last saw
    #[arg(long)]
    pub(super) accept_short_list: bool,
}

/// What a plan may do beyond what the files allow.
#[derive(Debug, Clone, Args)]
pub(super) struct GuardFlags {
    /// Let this run go beyond a limit, up to a count, such as `isolations=7` (isolations, releases, hosts_changed,
    /// hashes_removed); repeatable
    #[arg(long, value_name = "LIMIT=N")]
    pub(super) allow: Vec<Allowance>,

    /// Write a subject that another owner wrote last, such as `hq/WS-017.corp.example/isolation`; repeatable
    #[arg(long, value_name = "SUBJECT")]
    pub(super) take_over: Vec<String>,
}

/// Whether only renewals are looked at.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RenewalFlags {
    /// Only keep what is isolated: renew isolations, put back lapsed leases and delete spent rules, of what the record
    /// shows as ours. Reads nothing that the record tells, writes nothing else; for a job that runs every ten minutes
    #[arg(long, conflicts_with_all = ["take_over", "accept_moved"])]
    pub(super) renew_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// How results are shown.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputFlags {
    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    /// Show long lists whole instead of cutting them with a count
    #[arg(long)]
    pub(super) full: bool,
}

#[derive(Debug, Args)]
pub(super) struct InitFlags {
    /// The folder; made where it is not there
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,

    /// The Central Node, such as `https://kata.example.org`
    #[arg(long, value_name = "URL")]
    pub(super) server_url: Option<String>,

    /// What the files call it [default: the first label of its name]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,

    /// Write a job for this CI system too
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(super) ci: Option<CiSystem>,

    /// Do not ask: take the defaults for what no flag says
    #[arg(short = 'y', long)]
    pub(super) yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CiSystem {
    Github,
    Gitlab,
}

#[derive(Debug, Args)]
pub(super) struct RegisterFlags {
    /// The server, by its name in the files; may be left out where there is only one
    pub(super) server: Option<String>,

    #[command(flatten)]
    pub(super) files: FileFlags,

    /// The SHA-256 of the server's certificate, compared by you: then nothing is asked
    #[arg(long, value_name = "SHA256")]
    pub(super) fingerprint: Option<Fingerprint>,

    /// How long to wait until an administrator has accepted this client, such as `90s`, `5m`, `2h`
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    pub(super) timeout: Duration,

    /// Ask once, and do not wait
    #[arg(long, conflicts_with = "timeout")]
    pub(super) no_wait: bool,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,
    #[command(flatten)]
    pub(super) scope: ScopeFlags,
    #[command(flatten)]
    pub(super) guard: GuardFlags,
    #[command(flatten)]
    pub(super) output: OutputFlags,
    #[command(flatten)]
    pub(super) renewals: RenewalFlags,
    #[command(flatten)]
    pub(super) observed: ObservedFlags,

    /// Exit 2 when there are changes; renewals are none
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

/// Whether a snapshot is looked at instead of the servers.
#[derive(Debug, Clone, Args)]
pub(super) struct ObservedFlags {
    /// Plan from this file, which `kedrctl snapshot` wrote: no key, no network, no record and no program is used, so
    /// that the files may come from somebody who is not trusted. Exit 4 where it is too old
    #[arg(long, value_name = "FILE", conflicts_with = "allow_commands")]
    pub(super) observed: Option<PathBuf>,

    /// How old the snapshot may be, such as `90m` or `24h`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = seconds, requires = "observed")]
    pub(super) max_age: Duration,
}

#[derive(Debug, Args)]
pub(super) struct SnapshotFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,

    /// Where to write it; `-` is stdout. Written whole or not at all, and over nothing but an older snapshot
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(super) output: PathBuf,

    /// Read isolation and prevention of every listed host, two requests each, and not only what is declared: a change
    /// that adds a host can then be planned from it. Without it what such a change asks for is unknown (exit 4)
    #[arg(long)]
    pub(super) all_hosts: bool,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) server: Vec<String>,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApplyFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,
    #[command(flatten)]
    pub(super) scope: ScopeFlags,
    #[command(flatten)]
    pub(super) guard: GuardFlags,
    #[command(flatten)]
    pub(super) renewals: RenewalFlags,

    /// Show long lists whole instead of cutting them with a count
    #[arg(long)]
    pub(super) full: bool,

    /// Do not ask before writing; needed where there is no terminal
    #[arg(short = 'y', long, alias = "auto-approve")]
    pub(super) yes: bool,

    /// Only show the plan, as `plan` does
    #[arg(long)]
    pub(super) check: bool,

    /// How long to wait for another run on the same server, such as `90s` or `5m`
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = seconds)]
    pub(super) lock_timeout: Duration,
}

impl ApplyFlags {
    pub(super) fn output(&self) -> OutputFlags {
        OutputFlags { format: Format::Text, full: self.full }
    }

    pub(super) fn as_plan(&self) -> PlanFlags {
        PlanFlags {
            files: self.files.clone(),
            scope: self.scope.clone(),
            guard: self.guard.clone(),
            output: self.output(),
            renewals: self.renewals,
            observed: ObservedFlags { observed: None, max_age: Duration::ZERO },
            detailed_exitcode: false,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct DriftFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,
    #[command(flatten)]
    pub(super) scope: ScopeFlags,
    #[command(flatten)]
    pub(super) output: OutputFlags,

    /// Exit 4 also where an agent was not seen since our write, is silent for over 5 hours, or cannot carry it out
    #[arg(long)]
    pub(super) require_contact: bool,
}

#[derive(Debug, Args)]
pub(super) struct HostsFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) server: Vec<String>,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,

    /// Only hosts with such a name: a glob, matched without regard to case, also against the name without its domain;
    /// repeatable
    #[arg(long, value_name = "GLOB")]
    pub(super) name: Vec<String>,

    /// Only hosts with an address in this network, or with this one; repeatable
    #[arg(long, value_name = "CIDR|IP", value_parser = network)]
    pub(super) address: Vec<IpNet>,

    /// Only hosts whose operating system has this in its family or name; repeatable
    #[arg(long, value_name = "TEXT")]
    pub(super) os: Vec<String>,

    /// Only hosts that were not in contact for longer than this, such as `24h`, or never
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(super) silent: Option<Duration>,

    /// Only hosts with an isolation rule, and those of which it cannot be told; reads each host
    #[arg(long)]
    pub(super) isolated: bool,

    /// Show what stands on each host: its isolation rule, and how many files its own prevention rule blocks
    #[arg(long)]
    pub(super) rules: bool,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = HostsFormat::Text)]
    pub(super) format: HostsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HostsFormat {
    Text,
    Json,
    /// For spreadsheets: RFC 4180, and no cell is a formula
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct ProbeFlags {
    /// The lab host, by name, address or sensor id; it must be declared by no file, protected by none, and not isolated
    #[arg(long, value_name = "HOST")]
    pub(super) on: String,

    #[command(flatten)]
    pub(super) files: FileFlags,

    /// The server, by its name in the files; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(super) server: Option<String>,

    /// Where the report is written; a file that is there is not replaced
    #[arg(long, value_name = "PATH", default_value = "kedrctl-probe.json")]
    pub(super) report: PathBuf,

    /// The largest request that is tried, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=64))]
    pub(super) largest: u64,

    /// Also measure what is answered after an isolation has ended, and whether sending it again restarts its time: up
    /// to three hours
    #[arg(long)]
    pub(super) long: bool,

    /// Do not ask before writing; needed where there is no terminal
    #[arg(short = 'y', long)]
    pub(super) yes: bool,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RecordCommand {
    /// Try whether the store of the record does what a record needs: 0 yes, 1 no, 5 it could not be asked
    ///
    /// Many write at once under a key of their own: of those that create one object, and of those that update the same
    /// state of it, exactly one may succeed. Nothing is left behind. A store that fails must not be used; one that
    /// passes is not proved right (docs/record.md lists the stores that were tried).
    #[command(after_help = "\
Examples:
  kedrctl record check
  AWS_ENDPOINT_URL=https://s3.example.org kedrctl record check -f state/")]
    Check(RecordCheckFlags),
    /// Read all of it, and tell what is missing or not as it was written: 0 whole, 1 damaged
    Verify(RecordVerifyFlags),
}

#[derive(Debug, Args)]
pub(super) struct RecordCheckFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kedrctl lock
  kedrctl lock --server hq")]
pub(super) struct LockFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) server: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct RecordVerifyFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) server: Vec<String>,
}

/// Break the lock of a run that is gone
///
/// A lock in an object store ends by itself when it was not renewed for a minute: there is rarely a need for this. A
/// lock in a folder ends with its process and cannot be broken.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kedrctl unlock hq --fence 7     after `kedrctl lock` has shown whose it is")]
pub(super) struct UnlockFlags {
    /// The server, by its name in the files
    #[arg(value_name = "SERVER")]
    pub(super) server: String,

    /// The fence of the lock, as `kedrctl lock` shows it: the lock of another run is left alone
    #[arg(long, value_name = "N")]
    pub(super) fence: u64,

    #[command(flatten)]
    pub(super) files: FileFlags,
}

#[derive(Debug, Args)]
pub(super) struct SimulateFlags {
    /// The fleet file: which hosts there are, and how the server behaves (docs/simulator.md)
    pub(super) fleet: PathBuf,

    /// Where to listen; port 0 lets the system pick one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,

    /// Begin anew instead of going on with the state beside the fleet file
    #[arg(long)]
    pub(super) reset: bool,

    /// Write the client certificate and key of an accepted client here, and print a `servers:` block that uses them
    #[arg(long, value_name = "FOLDER")]
    pub(super) credentials: Option<PathBuf>,
}

/// `10.0.0.0/8`, `10.1.2.3`.
fn network(text: &str) -> Result<IpNet, String> {
    match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => Ok(network),
        (Err(_), Ok(address)) => Ok(IpNet::from(address)),
        (Err(_), Err(_)) => {
            Err(format!("`{text}` is no network and no address, such as `10.0.0.0/8` or `10.1.2.3`"))
        }
    }
}

/// `90`, `90s`, `5m`, `2h`, `3d`.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("`{text}` is no time: write seconds, minutes, hours or days, such as `90s`, `5m`, `2h`, `3d`")
    };
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        None => (text, 1),
        Some(end) => match &text[end..] {
            "s" => (&text[..end], 1),
            "m" => (&text[..end], 60),
            "h" => (&text[..end], 3_600),
            "d" => (&text[..end], 86_400),
            _ => return Err(wrong()),
        },
    };
    let number: u64 = number.parse().map_err(|_not_a_number| wrong())?;
    Ok(Duration::from_secs(number.saturating_mul(unit)))
}

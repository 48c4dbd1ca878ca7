//! The commands, and the flags that several of them take. Those of one command stand in its file.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use super::help;
use crate::guard::Allowance;
use crate::terminal::{ColorChoice, Detail, LogFormat, Voice};

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    error: usage, files, credentials
  2    there are differences (drift, plan --detailed-exitcode)
  3    refused before the first write: protected, never_block, tasks, limits, owner, stale or unapproved plan, not
       confirmed
  4    incomplete: some hosts could not be read, written or judged; running again continues
  5    no server could be reached or accepts this client; the record cannot be reached
  130  interrupted";

/// Keeps isolation, prevention rules and programs on the hosts behind KATA/KEDR Central Nodes as YAML files say
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
    Init(super::init::InitFlags),
    /// Make this client known to a Central Node: compare its certificate, ask, wait until an administrator accepts
    #[command(after_help = help::REGISTER)]
    Register(super::register::RegisterFlags),
    /// Check the files: finds every mistake in one run, sends nothing
    Validate(super::validate::ValidateFlags),
    /// Show what apply would do; has no way to write
    #[command(after_help = help::PLAN)]
    Plan(super::plan::PlanFlags),
    /// Make the fleet as the files declare it: shows the plan, asks, writes, reads back
    #[command(after_help = help::APPLY)]
    Apply(super::apply::ApplyFlags),
    /// Check whether the fleet is as declared: 0 in sync, 2 differences, 4 cannot tell
    #[command(after_help = help::DRIFT)]
    Drift(super::drift::DriftFlags),
    /// Keep what a plan reads in a file, so that `plan --observed` needs no key and no network
    #[command(after_help = help::SNAPSHOT)]
    Snapshot(super::snapshot::SnapshotFlags),
    /// List the hosts of the servers: how they are called, their sensor ids, when they were last seen
    #[command(after_help = help::HOSTS)]
    Hosts(super::hosts::HostsFlags),
    /// Show all that is known of one host: what stands on it, what the files declare, what the record tells
    #[command(after_help = help::SHOW)]
    Show(super::show::ShowFlags),
    /// Isolate hosts now, by hand: takes no lock, and applies keep off them until it ends
    Isolate(super::by_hand::IsolateFlags),
    /// Release hosts now, by hand: applies keep off them for a day
    Release(super::by_hand::ReleaseFlags),
    /// Block files on hosts now, by hand: added to what their rules have
    Block(super::by_hand::BlockFlags),
    /// Take files out of the prevention rules of hosts now, by hand
    Unblock(super::by_hand::UnblockFlags),
    /// Run a program on hosts now, by hand
    Run(super::by_hand::RunFlags),
    /// List the tasks of the record and how they stand on their servers, or delete some
    Tasks(super::tasks::TasksFlags),
    /// Keep apply off hosts for a while, end that, or list what is held; writes to the record only
    Hold(super::hold::HoldFlags),
    /// Put back what one run changed: a plan made of the record, shown and carried out as any other
    Rollback(super::rollback::RollbackFlags),
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
    Record(super::record::RecordCommand),
    /// Say what the codes of problems mean, such as E021; without one, list them all
    Explain(super::explain::ExplainFlags),
    /// Print the JSON Schema of state files, or of what is written with --format json
    Schema(super::schema::SchemaFlags),
    /// Show who holds the locks of the servers: one apply at a time writes
    Lock(super::lock::LockFlags),
    /// Break the lock of a run that is gone
    Unlock(super::lock::UnlockFlags),
    /// Measure on a lab host how this server answers where the documentation is silent, and put all back
    #[command(after_help = help::PROBE)]
    Probe(super::probe::ProbeFlags),
    /// Run a Central Node with simulated agents, on loopback, until Ctrl-C
    #[command(after_help = help::SIMULATE)]
    Simulate(super::simulate::SimulateFlags),
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

/// Which servers, and how far the files are trusted with their credentials.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerFlags {
    /// Only these servers, by their names in the files; repeatable
    #[arg(long = "server", value_name = "NAME")]
    pub(super) only: Vec<String>,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,
}

/// How many requests at once.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ParallelFlags {
    /// At most so many requests at once to each server, and never more than its `concurrency` in the files
    #[arg(long, value_name = "N")]
    pub(super) parallel: Option<std::num::NonZeroUsize>,
}

/// Which part of the state, and what may be taken for granted.
#[derive(Debug, Clone, Args)]
pub(super) struct ScopeFlags {
    /// Only these hosts: names, globs and groups, such as `pci:!WS-0*`; `,` and `:` join, `!` takes away, `&` keeps what is
    /// in both, `@FILE` has one on each line; each part must match
    #[arg(long, value_name = "PATTERN")]
    pub(super) limit: Vec<String>,

    #[command(flatten)]
    pub(super) servers: ServerFlags,

    #[command(flatten)]
    pub(super) parallel: ParallelFlags,

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
    #[command(flatten)]
    pub(super) limits: LimitFlags,
    #[command(flatten)]
    pub(super) owner: OwnerFlags,
}

#[derive(Debug, Clone, Args)]
pub(super) struct LimitFlags {
    /// Let this run go beyond a limit, up to a count, such as `isolations=7` (isolations, releases, hosts_changed,
    /// hashes_removed); repeatable
    #[arg(long, value_name = "LIMIT=N")]
    pub(super) allow: Vec<Allowance>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct OwnerFlags {
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

/// Of what looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// `90`, `90s`, `5m`, `2h`, `3d`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
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

/// `90m`, `24h`, `3d`; one that is too long for a number is as long as can be.
pub(super) fn whole_span(text: &str) -> Result<SignedDuration, String> {
    let wrong =
        || format!("`{text}` is no time: write whole minutes, hours or days, such as `90m`, `24h`, `3d`");
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: i64 = number.parse().map_err(|_too_large| wrong())?;
    Ok(SignedDuration::from_secs(number.saturating_mul(unit)))
}

//! What a responder types.

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::cli::contact::ContactFlags;
use crate::cli::flags::{FileFlags, LimitFlags, OwnerFlags, ServerFlags, whole_span};
use crate::cli::follow::FollowFlags;
use crate::cli::hold;
use crate::model::{FileHash, TaskId, Timeout};

const ISOLATE: &str = "\
Examples:
  kedrctl isolate WS-017.corp.example --for 4h --reason INC-417
  kedrctl isolate ws-017 --for 4h --reason INC-417          lists whom this may mean, and asks
  kedrctl isolate ws-017 --newest --for 4h --reason INC-417 --yes
  kedrctl isolate 'KIOSK-*' --until 2026-12-01T18:00:00+03:00 --exclusions dns,vpn --reason INC-417
  kedrctl isolate 10.1.2.3 --for 4h --reason INC-417 --wait-contact 10m

It takes no lock and waits for no apply; without the record it goes ahead all the same, and says so. A host that is
isolated already gets the new end and these exclusions. Exit codes: 3 protected, a limit, not confirmed; 4 something could
not be done, or an agent was not seen in time.";

const RELEASE: &str = "\
Examples:
  kedrctl release WS-017.corp.example --reason 'INC-417: false alarm'
  kedrctl release WS-017.corp.example --hold 3d --reason 'INC-417: cleaned'
  kedrctl release 'KIOSK-*' --reason 'INC-417 closed'       names each of them, and asks: never with a flag that says yes

Exit codes: 3 another owner's, a limit, not confirmed; 4 something could not be done; 5 the record cannot be reached.";

const BLOCK: &str = "\
Examples:
  kedrctl block 900150983cd24fb0d6963f7d28e17f72 --on WS-017.corp.example --reason INC-417
  kedrctl block 900150983cd24fb0d6963f7d28e17f72 --on 'KIOSK-*' WS-017.corp.example --reason INC-417
  kedrctl block 900150983cd24fb0d6963f7d28e17f72 --all --server hq --reason INC-417

What these rules have is kept, whoever put it there. Where a host's own rule has a file that `--all` is to block, nothing is
written, and those hosts are named: a file may not be in both. Exit codes: 3 never_block, another owner's, a limit, not
confirmed; 4 something could not be done; 5 the record cannot be reached.";

const UNBLOCK: &str = "\
Examples:
  kedrctl unblock 900150983cd24fb0d6963f7d28e17f72 --on WS-017.corp.example --reason 'a false alarm'
  kedrctl unblock 900150983cd24fb0d6963f7d28e17f72 --all --reason 'a false alarm'

Everything else in these rules is kept. Exit codes: 3 another owner's, a limit, not confirmed; 4 something
could not be done; 5 the record cannot be reached.";

const DELETE: &str = "\
Examples:
  kedrctl tasks delete c4e058e0-6082-508a-9722-c8230d5f006d --reason 'INC-417 closed'

Exit codes: 3 another owner's, a limit, not confirmed; 4 something could not be done; 5 the record cannot be reached.";

const RUN: &str = "\
Examples:
  kedrctl run WS-017.corp.example --reason INC-417 -- 'C:\\Windows\\System32\\cmd.exe' /c collect.bat
  kedrctl run 'KIOSK-*' --reason INC-417 --working-directory 'C:\\Tools' --wait -- 'C:\\Tools\\collect.exe' /q
  kedrctl run WS-017 --newest --reason INC-417 --arguments '/c dir > out.txt' -- 'C:\\Windows\\System32\\cmd.exe'

The files have to say `policy: { tasks: true }`. A host that is off starts it when it is back. `kedrctl tasks` lists what
was started. Exit codes: 3 no `policy.tasks`, a limit, not confirmed; 4 something could not be done, or was not done in
time; 5 the record cannot be reached.";

/// Run a program on hosts now, by hand
#[derive(Debug, Args)]
#[command(after_help = RUN)]
pub(in crate::cli) struct RunFlags {
    /// Hosts by name, address or sensor id as the server lists them, by the key of an entry, or a pattern (`*`, `?`, `[…]`)
    #[arg(value_name = "HOST", required = true)]
    pub(super) hosts: Vec<String>,

    /// The program by its path on the host, then its arguments: put together as Windows takes them apart
    #[arg(value_name = "PROGRAM", last = true, required = true, num_args = 1..)]
    pub(super) program: Vec<String>,

    /// The arguments as one text that is sent as it stands, instead of those after PROGRAM
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) arguments: Option<String>,

    /// In which folder of the host it runs
    #[arg(long, value_name = "PATH")]
    pub(super) working_directory: Option<String>,

    #[command(flatten)]
    pub(super) pick: PickFlags,
    #[command(flatten)]
    pub(super) follow: FollowFlags,
    #[command(flatten)]
    pub(super) hand: HandFlags,
}

/// Take tasks off their servers: what has started goes on, what has not never will
#[derive(Debug, Args)]
#[command(after_help = DELETE)]
pub(in crate::cli) struct DeleteFlags {
    /// The tasks by their ids, as `kedrctl tasks` lists them
    #[arg(value_name = "ID", required = true, value_parser = task_id)]
    pub(super) ids: Vec<TaskId>,

    #[command(flatten)]
    pub(super) owner: OwnerFlags,
    #[command(flatten)]
    pub(super) hand: HandFlags,
}

/// Isolate hosts now, by hand
#[derive(Debug, Args)]
#[command(after_help = ISOLATE)]
pub(in crate::cli) struct IsolateFlags {
    /// Hosts by name, address or sensor id as the server lists them, by the key of an entry, or a pattern (`*`, `?`, `[…]`)
    #[arg(value_name = "HOST", required = true)]
    pub(super) hosts: Vec<String>,

    /// How long, from 1h to 9999h, such as `4h` or `3d`
    #[arg(long = "for", value_name = "TIME", value_parser = isolation, required_unless_present = "until", conflicts_with = "until")]
    pub(super) span: Option<SignedDuration>,

    /// Until when, such as `2026-12-01T18:00:00+03:00`; the server cannot do less than an hour
    #[arg(long, value_name = "INSTANT")]
    pub(super) until: Option<Timestamp>,

    /// Sets of the files' `exclusions` that are let through beside `policy.always_allow`; `,` joins; repeatable
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    pub(super) exclusions: Vec<String>,

    #[command(flatten)]
    pub(super) act: ActFlags,
}

/// Release hosts now, by hand
#[derive(Debug, Args)]
#[command(after_help = RELEASE)]
pub(in crate::cli) struct ReleaseFlags {
    /// Hosts by name, address or sensor id as the server lists them, by the key of an entry, or a pattern, which is only
    /// taken where somebody answers the question
    #[arg(value_name = "HOST", required = true)]
    pub(super) hosts: Vec<String>,

    #[command(flatten)]
    pub(super) owner: OwnerFlags,
    #[command(flatten)]
    pub(super) act: ActFlags,
}

/// Block files on hosts, or on all of them, now, by hand
#[derive(Debug, Args)]
#[command(after_help = BLOCK)]
pub(in crate::cli) struct BlockFlags {
    /// The files, by MD5 or SHA-256
    #[arg(value_name = "HASH", required = true, value_parser = blockable)]
    pub(super) hashes: Vec<FileHash>,

    #[command(flatten)]
    pub(super) on: OnFlags,
    #[command(flatten)]
    pub(super) owner: OwnerFlags,
    #[command(flatten)]
    pub(super) act: ActFlags,
}

/// Take files out of the rules of hosts, or of the one for all, now, by hand
#[derive(Debug, Args)]
#[command(after_help = UNBLOCK)]
pub(in crate::cli) struct UnblockFlags {
    /// The files, by MD5 or SHA-256
    #[arg(value_name = "HASH", required = true, value_parser = hash)]
    pub(super) hashes: Vec<FileHash>,

    #[command(flatten)]
    pub(super) on: OnFlags,
    #[command(flatten)]
    pub(super) owner: OwnerFlags,
    #[command(flatten)]
    pub(super) act: ActFlags,
}

/// Whose rules are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct OnFlags {
    /// Hosts by name, address or sensor id as the server lists them, by the key of an entry, or a pattern
    #[arg(long = "on", value_name = "HOST", num_args = 1..)]
    pub(super) hosts: Vec<String>,

    /// The rule for all hosts of a server, which `--server` names where there are several. No host's own rule is touched
    #[arg(long, conflicts_with_all = ["newest", "all_matching", "wait_contact"])]
    pub(super) all: bool,
}

/// What those of them take that change the rules of hosts.
#[derive(Debug, Args)]
pub(super) struct ActFlags {
    #[command(flatten)]
    pick: PickFlags,
    #[command(flatten)]
    lasting: LastingFlags,
    #[command(flatten)]
    hand: HandFlags,
}

impl ActFlags {
    pub(super) fn parts(&self) -> (&HandFlags, &PickFlags, &LastingFlags) {
        (&self.hand, &self.pick, &self.lasting)
    }
}

/// What those of them take that change a rule.
#[derive(Debug, Default, Args)]
pub(super) struct LastingFlags {
    /// How long applies keep off, such as `12h` or `3d` [default: until the isolation ends, else 24h]
    #[arg(long, value_name = "TIME", value_parser = hold::span)]
    pub(super) hold: Option<SignedDuration>,

    #[command(flatten)]
    pub(super) contact: ContactFlags,
}

/// What those of them take that are given hosts.
#[derive(Debug, Default, Args)]
pub(super) struct PickFlags {
    /// Where a name means several hosts, or none exactly: take the one that was seen last;
    /// refused where that is not sure
    #[arg(long, conflicts_with = "all_matching")]
    pub(super) newest: bool,

    /// Where a name means several hosts, or none exactly: take all of them
    #[arg(long)]
    pub(super) all_matching: bool,
}

/// What all of them take.
#[derive(Debug, Args)]
pub(super) struct HandFlags {
    /// Why: shown and recorded, never sent
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,

    #[command(flatten)]
    pub(super) limits: LimitFlags,

    /// Do not ask before writing; needed where there is no terminal
    #[arg(short = 'y', long)]
    pub(super) yes: bool,

    #[command(flatten)]
    pub(super) files: FileFlags,

    #[command(flatten)]
    pub(super) servers: ServerFlags,
}

fn isolation(text: &str) -> Result<SignedDuration, String> {
    let span = whole_span(text)?;
    match Timeout::from_seconds(span.as_secs()) {
        Ok(_) => Ok(span),
        Err(_) => Err(format!("`{text}`: a server isolates for 1h to 9999h")),
    }
}

fn task_id(text: &str) -> Result<TaskId, String> {
    text.parse::<TaskId>().map_err(|why| why.to_string())
}

fn hash(text: &str) -> Result<FileHash, String> {
    text.parse::<FileHash>().map_err(|why| why.to_string())
}

fn blockable(text: &str) -> Result<FileHash, String> {
    match hash(text)? {
        empty if empty.is_of_empty_file() => {
            Err("this is the hash of the empty file: blocking it would block every empty file".to_owned())
        }
        hash => Ok(hash),
    }
}

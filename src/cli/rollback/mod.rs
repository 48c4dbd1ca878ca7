//! Puts back what one run changed: a plan made of the record, which is shown and carried out as any other.

mod find;
mod told;
mod walk;

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use super::Exit;
use super::chains::chains;
use super::contact::ContactFlags;
use super::flags::{FileFlags, LimitFlags, OwnerFlags, ServerFlags, seconds};
use super::hold::span;
use super::start::{Failure, declared, record, runtime};
use crate::terminal::Ui;

const EXAMPLES: &str = "\
Examples:
  kedrctl rollback last --check                   what would be put back of the last run that changed something
  kedrctl rollback last                           shows it, asks, writes, reads back
  kedrctl rollback 20261125-100000-4f1c --yes     `kedrctl history` lists the runs

What others changed since is left alone and said (exit 4). Applies keep off what was put back for a day: until then, let the
files say it. Exit codes: 3 protected, never_block, another owner's, a limit, not confirmed; 4 something could not be put
back; 5 no server, or the record, can be reached.";

/// What `rollback` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RollbackFlags {
    /// Which run: its id, as apply prints it in its last line, or `last`: the last one that changed something (not while
    /// something that was done from this machine waits to be brought into the record)
    #[arg(value_name = "RUN")]
    run: String,

    /// Why: shown and recorded, never sent [default: `rollback of RUN`]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// How long applies keep off what was put back, such as `12h` or `3d`
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "24h")]
    hold: SignedDuration,

    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    owner: OwnerFlags,

    /// Do not ask before writing; needed where there is no terminal
    #[arg(short = 'y', long)]
    yes: bool,

    /// Only show what would be put back; takes no lock and writes nothing
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    contact: ContactFlags,

    /// How long to wait for another run on the same server, such as `90s` or `5m`. Servers that are still locked then are
    /// left out
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = seconds)]
    lock_timeout: Duration,

    #[command(flatten)]
    files: FileFlags,

    #[command(flatten)]
    servers: ServerFlags,
}

pub(super) fn run(ui: &Ui, flags: &RollbackFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let chains = chains(&declared, &flags.servers.only)?;
    runtime()?.block_on(async {
        let found = find::find(ui, &record, &chains, &flags.run).await?;
        if found.servers.is_empty() {
            ui.note(&format!("run {} changed nothing on any server", find::printable(&found.id)));
            return Ok(Exit::Done);
        }
        walk::walk(ui, flags, &declared, &record, &found).await
    })
}

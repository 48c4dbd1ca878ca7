//! `record check` tries the store of the record; `record verify` reads all of what the record says, and tells what
//! is not as it was written.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::Exit;
use super::flags::FileFlags;
use super::introduce::whoami;
use super::start::{Failure, declared, record, runtime, server_keys};
use crate::model::{ServerName, Untrusted};
use crate::record::{Holder, ProblemKind, Verified};
use crate::report::record_state::write_probe;
use crate::terminal::{Printed, Ui};

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
pub(super) struct RecordVerifyFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,

    /// Only these servers, by their names in the files; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) server: Vec<String>,
}

pub(super) fn run(ui: &Ui, command: &RecordCommand) -> Result<Exit, Failure> {
    match command {
        RecordCommand::Check(flags) => check(ui, flags),
        RecordCommand::Verify(flags) => verify(ui, flags),
    }
}

fn check(ui: &Ui, flags: &RecordCheckFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let holder = Holder { by: whoami(), pid: std::process::id(), since: ui.clock().now() };
    let report = runtime()?.block_on(record.check(&holder)).map_err(Failure::Record)?;
    match ui.print(|out| write_probe(&record.place(), &report, ui.out_palette(), out))? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    Ok(if report.is_fit() { Exit::Done } else { Exit::Error })
}

fn verify(ui: &Ui, flags: &RecordVerifyFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let keys = server_keys(&declared, &flags.server)?;
    let verified: Vec<(ServerName, Verified)> = runtime()?.block_on(async {
        let mut verified = Vec::new();
        for (name, key) in keys {
            let found = record.verify(&key).await.map_err(Failure::Record)?;
            verified.push((name, found));
        }
        Ok::<_, Failure>(verified)
    })?;
    match ui.print(|out| verified.iter().try_for_each(|(name, found)| write_one(name, found, out)))? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    Ok(Exit::of(verified.iter().flat_map(|(_, found)| &found.problems).map(|problem| match problem.kind {
        ProblemKind::Gap
        | ProblemKind::Damaged
        | ProblemKind::Foreign
        | ProblemKind::Set
        | ProblemKind::FromNewerVersion
        | ProblemKind::Waiting => Exit::Error,
        // The chain is whole, and the snapshot is made of it.
        ProblemKind::Snapshot => Exit::Done,
    })))
}

fn write_one(name: &ServerName, found: &Verified, out: &mut dyn Write) -> io::Result<()> {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let judged = match found.problems.len() {
        0 => "all as it was written".to_owned(),
        number => count(number, "problem"),
    };
    let (segments, rules) = (count(found.segments, "segment"), count(found.sets, "prevention rule"));
    writeln!(out, "{name}  {segments}, {rules}: {judged}")?;
    for problem in &found.problems {
        let (place, why) = (Untrusted::new(&*problem.place), Untrusted::new(&*problem.why));
        writeln!(out, "  ! {}: {}", place.printable(), why.printable())?;
    }
    if found.waiting > 0 {
        let waiting = count(found.waiting, "segment");
        writeln!(out, "  … {waiting} on this machine, to be brought into the record by the next run")?;
    }
    for place in &found.aside {
        let place = Untrusted::new(&**place);
        writeln!(
            out,
            "  … {} was kept for a record that is not here any more: it is brought into none, and is yours to keep or \
             delete",
            place.printable()
        )?;
    }
    Ok(())
}

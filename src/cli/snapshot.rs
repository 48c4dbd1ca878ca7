use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::Exit;
use super::flags::{FileFlags, ParallelFlags, ServerFlags};
use super::look::ReadingBar;
use super::managed::{none_works, read_each};
use super::start::{Failure, connect_options, connected_by, declared, record, runtime};
use super::whole_file::{Readers, refuse_other_files, write_whole};
use crate::observe::{self, ServerSnapshot, Snapshot};
use crate::session::{self, ConnectOptions, take_snapshot};
use crate::terminal::{Printed, Ui};

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

    #[command(flatten)]
    pub(super) servers: ServerFlags,

    #[command(flatten)]
    pub(super) parallel: ParallelFlags,
}

/// Keeps what a plan reads in a file. What it calls has no way to write to a server.
pub(super) fn run(ui: &Ui, flags: &SnapshotFlags) -> Result<Exit, Failure> {
    let to_stdout = flags.output.as_os_str() == "-";
    if !to_stdout {
        // Not after half an hour of reading.
        refuse_other_files(&flags.output, "snapshot", observe::is_snapshot)?;
    }
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let options = ConnectOptions {
        parallel: flags.parallel.parallel,
        ..connect_options(ui, flags.servers.allow_commands)
    };
    let mut servers = connected_by(&options, &declared, &flags.servers.only, |_| true, |_| false)?;
    let snapshot = runtime()?.block_on(async {
        let (recorded, left_out) = read_each(&record, &servers).await;
        if recorded.is_empty() && !left_out.is_empty() {
            return Err(none_works(ui, left_out));
        }
        let not_asked = servers.extract_if(.., |server| left_out.contains_key(&server.name));
        let not_asked =
            not_asked.filter_map(|server| Some(session::not_asked(&server, left_out.get(&server.name)?)));
        let not_asked: Vec<ServerSnapshot> = not_asked.collect();
        let bar = ReadingBar::new(ui);
        let progress = |at| bar.take(at);
        let mut snapshot =
            take_snapshot(&declared, &servers, recorded, flags.all_hosts, &ui.clock(), &progress).await;
        snapshot.servers.extend(not_asked);
        snapshot.servers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok::<_, Failure>(snapshot)
    })?;
    tell(ui, &snapshot);
    if snapshot.is_empty() {
        ui.error("no server gave its host list; no snapshot was written");
        return Ok(Exit::Unreachable);
    }
    let bytes = observe::encode(&snapshot).map_err(io::Error::from)?;
    if to_stdout {
        match ui.print(|out| out.write_all(&bytes))? {
            Printed::Whole | Printed::PipeClosed => {}
        }
    } else {
        refuse_other_files(&flags.output, "snapshot", observe::is_snapshot)?;
        write_whole(&flags.output, Readers::Owner, |out| out.write_all(&bytes))?;
    }
    Ok(if snapshot.is_incomplete() { Exit::Incomplete } else { Exit::Done })
}

fn tell(ui: &Ui, snapshot: &Snapshot) {
    for server in &snapshot.servers {
        let failure = match &server.readings {
            Ok(readings) => readings.stopped.as_ref(),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            ui.warn(&format!("server `{}`: {}", server.name, failure.text));
        }
    }
    let listed = snapshot.servers.iter().flat_map(|server| &server.readings);
    let hosts: usize = listed.map(|readings| readings.listing.hosts.sensors.len()).sum();
    let (unknown, read) = snapshot.unknown_and_read();
    let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} could not be read") };
    ui.note(&format!("{hosts} hosts listed, {read} settings read{unknown}"));
}

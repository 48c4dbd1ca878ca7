use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kedrctl_simulator::{Credentials, Options, Simulator};

use super::Exit;
use super::start::{Failure, runtime};
use super::whole_file::{Readers, write_whole};
use crate::execute::Stop;
use crate::model::Untrusted;
use crate::session::chain;
use crate::terminal::{Interrupts, Printed, Ui};

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

/// How often somebody who waits for approval is looked for.
const PENDING_EVERY: Duration = Duration::from_millis(500);

/// Runs a simulated Central Node until it is interrupted.
pub(super) fn run(ui: &Ui, flags: &SimulateFlags) -> Result<Exit, Failure> {
    let options = Options { listen: flags.listen, reset: flags.reset, ..Options::default() };
    if !flags.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "`--listen {}`: the simulator listens on loopback only (127.0.0.1 or [::1])",
            flags.listen
        )));
    }
    let simulator = Simulator::start(&flags.fleet, options).map_err(|error| Failure::Usage(chain(&error)))?;
    let credentials = simulator.credentials();
    let files = match &flags.credentials {
        Some(folder) => {
            write_credentials(folder, &credentials)?;
            folder.clone()
        }
        None => "FOLDER".into(),
    };
    match ui.print(|out| {
        writeln!(out, "# a Central Node for {}; Ctrl-C ends it", flags.fleet.display())?;
        if flags.credentials.is_none() {
            writeln!(out, "# `--credentials FOLDER` writes the two files that this block names")?;
        }
        writeln!(out, "servers:")?;
        writeln!(out, "  simulated:")?;
        writeln!(out, "    url: {}", simulator.url())?;
        writeln!(out, "    external_system_id: {}", credentials.external_system_id)?;
        writeln!(out, "    client_certificate: {}", files.join("client.crt").display())?;
        writeln!(out, "    client_key: {}", files.join("client.key").display())?;
        writeln!(out, "    trust: {{ sha256: \"{}\" }}", simulator.certificate_sha256())
    })? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    runtime()?.block_on(until_stopped(ui, &simulator))?;
    simulator.stop().map_err(|error| Failure::Usage(chain(&error)))?;
    Ok(Exit::Done)
}

/// Tells of clients that wait for approval, as the web interface would, until Ctrl-C or SIGTERM.
async fn until_stopped(ui: &Ui, simulator: &Simulator) -> Result<(), Failure> {
    let interrupts = Interrupts::listen_quietly(ui)?;
    let mut stop = interrupts.stop();
    let mut told = BTreeSet::new();
    loop {
        for client in simulator.pending() {
            let id = client.identity.external_system_id.clone();
            if told.insert(client.identity) {
                ui.note(&format!(
                    "external system {} asks for registration and waits",
                    Untrusted::new(id).printable()
                ));
            }
        }
        tokio::select! {
            _stopped = stop.wait_for(|stop| *stop != Stop::No) => return Ok(()),
            () = tokio::time::sleep(PENDING_EVERY) => {}
        }
    }
}

fn write_credentials(folder: &Path, credentials: &Credentials) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in [("client.crt", &credentials.certificate_pem), ("client.key", &credentials.key_pem)] {
        write_whole(&folder.join(name), Readers::Owner, |out| out.write_all(text.as_bytes()))?;
    }
    Ok(())
}

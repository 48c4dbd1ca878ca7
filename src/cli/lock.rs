use clap::Args;

use super::Exit;
use super::flags::FileFlags;
use super::start::{Failure, declared, record, runtime, server_keys};
use crate::declare::{Connection, Declared};
use crate::model::ServerName;
use crate::record::Breaking;
use crate::report::record_state::{ServerLock, write_locks};
use crate::terminal::{Printed, Ui};

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

/// Shows who holds the locks of the servers. Changes nothing.
pub(super) fn run(ui: &Ui, flags: &LockFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let servers = server_keys(&declared, &flags.server)?;
    let record = record(&declared)?;
    let locks = runtime()?.block_on(async {
        let mut locks = Vec::new();
        for (server, key) in &servers {
            locks.push(ServerLock {
                server,
                address: address(&declared, server),
                lock: record.look_at_lock(key).await.map_err(Failure::Record)?,
                last_segment: record.last_segment(key).await.map_err(Failure::Record)?,
            });
        }
        Ok::<_, Failure>(locks)
    })?;
    match ui.print(|out| write_locks(&locks, ui.clock().now(), ui.out_palette(), out))? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}

/// What a person knows a server by.
fn address(declared: &Declared, server: &ServerName) -> String {
    match declared.servers.get(server).map(|server| &server.connection) {
        Some(Connection::CentralNode(node)) => node.urls.first().map(ToString::to_string).unwrap_or_default(),
        Some(Connection::Simulator { fleet }) => format!("simulator {}", fleet.display()),
        None => String::new(),
    }
}

/// Breaks the lock of a run that is gone.
pub(super) fn break_it(ui: &Ui, flags: &UnlockFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let servers = server_keys(&declared, std::slice::from_ref(&flags.server))?;
    let record = record(&declared)?;
    let (name, fence) = (&flags.server, flags.fence);
    let runtime = runtime()?;
    let mut exit = Exit::Done;
    for (_, key) in &servers {
        match runtime.block_on(record.break_lock(key, fence)).map_err(Failure::Record)? {
            Breaking::Broken => ui.note(&format!(
                "the lock of `{name}` with fence {fence} is broken: the next apply gets it at once, and settles by \
                 reading what that run left open; where that run lives, it notices within 20 s and stops"
            )),
            Breaking::WasFree => ui.note(&format!("nobody holds the lock of `{name}`: there is nothing to break")),
            Breaking::OtherFence(found) => {
                ui.error(&format!(
                    "the lock of `{name}` has the fence {found}, not {fence}: another run holds it; `kedrctl lock \
                     --server {name}` shows which"
                ));
                exit = Exit::Refused;
            }
            Breaking::EndsWithItsProcess => {
                ui.error(&format!(
                    "the lock of `{name}` is one of the operating system, since the record is a folder: it ends with \
                     the process that holds it, and with nothing else; `kedrctl lock --server {name}` shows which"
                ));
                exit = Exit::Refused;
            }
        }
    }
    Ok(exit)
}

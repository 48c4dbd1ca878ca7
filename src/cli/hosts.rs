use futures_util::future::join_all;

use super::Exit;
use super::flags::{Format, HostsFlags};
use super::start::{Failure, connected, declared, runtime};
use crate::central_node::ReadSettings;
use crate::model::{Clock, WallClock};
use crate::report::hosts::{ServerHosts, write_json, write_text};
use crate::terminal::{Printed, Ui};

/// Lists the hosts of the servers.
pub(super) fn run(ui: &Ui, flags: &HostsFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let servers = connected(&declared, &flags.server, flags.allow_commands, |_| true, |_| false)?;
    let listings =
        runtime()?.block_on(join_all(servers.iter().map(|server| server.client.hosts(&WallClock))));
    let answers: Vec<ServerHosts<'_>> = servers
        .iter()
        .zip(&listings)
        .map(|(server, listing)| ServerHosts {
            server: &server.name,
            address: &server.address,
            hosts: match listing {
                Ok(listing) => Ok(&listing.hosts),
                Err(error) => Err(error.to_string()),
            },
        })
        .collect();
    let now = WallClock.now();
    match ui.print(|out| match flags.format {
        Format::Text => write_text(&answers, now, ui.out_palette(), out),
        Format::Json => write_json(&answers, now, out),
    })? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    let failed = listings.iter().filter(|listing| listing.is_err()).count();
    Ok(match failed {
        0 => Exit::Done,
        all if all == listings.len() => Exit::Unreachable,
        _ => Exit::Incomplete,
    })
}

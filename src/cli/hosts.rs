use futures_util::future::join_all;
use jiff::SignedDuration;

use super::Exit;
use super::flags::{HostsFlags, HostsFormat};
use super::look::ReadingBar;
use super::start::{Failure, connected, declared, runtime};
use crate::central_node::{CallError, CallErrorKind};
use crate::model::{Clock, Reading, WallClock};
use crate::report::hosts::{HostRow, Hosts, ServerHosts, write_csv, write_json, write_text};
use crate::session::{Found, HostQuery, Inventory, Wanted, inventory};
use crate::terminal::{Printed, Ui};

/// Lists the hosts of the servers.
pub(super) fn run(ui: &Ui, flags: &HostsFlags) -> Result<Exit, Failure> {
    let query = query(flags)?;
    let declared = declared(ui, &flags.files)?;
    let servers = connected(ui, &declared, &flags.server, flags.allow_commands, |_| true, |_| false)?;
    let now = WallClock.now();
    let wanted = Wanted { isolation: flags.isolated || flags.rules, prevention: flags.rules };
    let answers = runtime()?.block_on(async {
        let bar = ReadingBar::new(ui);
        let progress = |at| bar.take(at);
        join_all(servers.iter().map(|server| inventory(server, &query, wanted, now, &progress))).await
    });
    let exit = exit(&answers);
    let answers: Vec<ServerHosts<'_>> = servers
        .iter()
        .zip(answers)
        .map(|(server, answer)| ServerHosts {
            server: &server.name,
            address: &server.address,
            hosts: match answer {
                Ok(inventory) => Ok(rows(inventory, flags.isolated)),
                Err(error) => Err(error.to_string()),
            },
        })
        .collect();
    if flags.format == HostsFormat::Csv {
        // A row cannot say that there should be others.
        for answer in &answers {
            if let Err(why) = &answer.hosts {
                ui.error(&format!("server `{}`: {why}", answer.server));
            }
        }
    }
    match ui.print(|out| match flags.format {
        HostsFormat::Text => write_text(&answers, now, ui.out_palette(), out),
        HostsFormat::Json => write_json(&answers, now, out),
        HostsFormat::Csv => write_csv(&answers, out),
    })? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    let is_whole = answers.iter().all(|answer| answer.hosts.as_ref().is_ok_and(Hosts::is_whole));
    Ok(Exit::of([exit, if is_whole { Exit::Done } else { Exit::Incomplete }]))
}

fn query(flags: &HostsFlags) -> Result<HostQuery, Failure> {
    let names = flags
        .name
        .iter()
        .map(|glob| {
            HostQuery::name(glob)
                .map_err(|why| Failure::Usage(format!("`--name {glob}` is no pattern: {why}")))
        })
        .collect::<Result<_, _>>()?;
    let silent = flags.silent.map(|silent| SignedDuration::try_from(silent).unwrap_or(SignedDuration::MAX));
    Ok(HostQuery { names, networks: flags.address.clone(), systems: flags.os.clone(), silent })
}

/// A host of which it is not known whether it is isolated stays: it may be the one that is looked for.
fn rows(inventory: Inventory, only_isolated: bool) -> Hosts {
    let is_wanted = |found: &Found| !only_isolated || !matches!(found.isolation, Some(Reading::Absent));
    let rows = inventory
        .found
        .into_iter()
        .filter(is_wanted)
        .map(|Found { sensor, isolation, blocked }| HostRow { sensor, isolation, blocked })
        .collect();
    Hosts::new(rows, inventory.listed, inventory.has_more)
}

/// How it ends for what the servers did, apart from what they answered.
fn exit(answers: &[Result<Inventory, CallError>]) -> Exit {
    let is_unreachable = |answer: &Result<Inventory, CallError>| {
        answer.as_ref().is_err_and(|error| {
            error.stops_server()
                || matches!(error.kind(), CallErrorKind::CannotConnect | CallErrorKind::AnswerLost)
        })
    };
    if !answers.is_empty() && answers.iter().all(is_unreachable) { Exit::Unreachable } else { Exit::Done }
}

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use futures_util::future::join_all;
use ipnet::IpNet;
use jiff::SignedDuration;

use super::Exit;
use super::flags::{FileFlags, ServerFlags, seconds};
use super::look::ReadingBar;
use super::start::{Failure, connected, declared, runtime};
use crate::central_node::{CallError, CallErrorKind};
use crate::model::Reading;
use crate::report::hosts::{HostRow, Hosts, ServerHosts, write_csv, write_json, write_text};
use crate::session::{Found, HostQuery, Inventory, Wanted, inventory};
use crate::terminal::{Printed, Ui};

#[derive(Debug, Args)]
pub(super) struct HostsFlags {
    #[command(flatten)]
    pub(super) files: FileFlags,

    #[command(flatten)]
    pub(super) servers: ServerFlags,

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

/// Lists the hosts of the servers.
pub(super) fn run(ui: &Ui, flags: &HostsFlags) -> Result<Exit, Failure> {
    let query = query(flags)?;
    let declared = declared(ui, &flags.files)?;
    let servers =
        connected(ui, &declared, &flags.servers.only, flags.servers.allow_commands, |_| true, |_| false)?;
    let now = ui.clock().now();
    let wanted = Wanted { isolation: flags.isolated || flags.rules, prevention: flags.rules };
    let answers = runtime()?.block_on(async {
        let bar = ReadingBar::new(ui);
        let progress = |at| bar.take(at);
        join_all(servers.iter().map(|server| inventory(server, &query, wanted, ui.clock(), &progress))).await
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
        // A row cannot say that there should be others, nor why a cell of it is unknown.
        for ServerHosts { server, hosts, .. } in &answers {
            match hosts {
                Ok(hosts) => {
                    for doubt in hosts.doubts() {
                        ui.warn(&format!("server `{server}`: {doubt}"));
                    }
                }
                Err(why) => ui.error(&format!("server `{server}`: {why}")),
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

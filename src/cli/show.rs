use std::collections::BTreeMap;

use clap::Args;

use super::Exit;
use super::chains::all_hosts_of;
use super::flags::{FileFlags, Format, ServerFlags};
use super::start::{Failure, connected, declared, record, record_exit, runtime};
use super::whom::{Hosts, Meant};
use crate::central_node::CallError;
use crate::declare::Declared;
use crate::guard::protected_by;
use crate::model::{HostList, SensorId, ServerName, Target, Untrusted};
use crate::record::{AnyStore, History, Record, RecordError, Recorded, SubjectStory};
use crate::report::show::{Shown, Stories, write_json, write_text};
use crate::session::{ByHand, Connected, chain, inspect};
use crate::terminal::{Printed, Ui};

#[derive(Debug, Args)]
pub(super) struct ShowFlags {
    /// A host by its entry, name, address or sensor id
    #[arg(value_name = "HOST")]
    pub(super) host: String,

    #[command(flatten)]
    pub(super) files: FileFlags,

    #[command(flatten)]
    pub(super) servers: ServerFlags,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// Shows all that is known of one host. What it calls has no way to write.
pub(super) fn run(ui: &Ui, flags: &ShowFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let servers =
        connected(ui, &declared, &flags.servers.only, flags.servers.allow_commands, |_| true, |_| false)?;
    if let Some(server) = servers.iter().find(|server| all_hosts_of(&flags.host, &server.name).is_some()) {
        return Err(Failure::Usage(format!(
            "`all@{}` is no host: `kedrctl why all@{0}` tells of the rule for all hosts",
            server.name
        )));
    }
    runtime()?.block_on(async {
        let hosts = Hosts::listed_by(&declared, &servers, ByHand::Contains, ui.clock()).await;
        let meant = match hosts.find(&flags.host) {
            Ok(meant) => meant,
            Err(refused) => {
                ui.error(&refused.why);
                return Ok(refused.exit);
            }
        };
        show(ui, flags, &declared, &record, (&servers, &hosts), &meant).await
    })
}

async fn show(
    ui: &Ui,
    flags: &ShowFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
    (servers, hosts): (&[Connected], &Hosts<'_>),
    meant: &Meant,
) -> Result<Exit, Failure> {
    let (Some(server), Target::Sensor(id)) =
        (servers.iter().find(|server| server.name == meant.server), meant.target)
    else {
        return Err(Failure::Usage(format!("`{}` is no host", Untrusted::new(&*flags.host).printable())));
    };
    let told = read(record, server).await;
    let nothing = Recorded::default();
    let recorded = told.as_ref().map_or(&nothing, |(_, recorded)| recorded);
    let elsewhere = listed_elsewhere(hosts, &server.name, id);
    let inspected = match inspect(declared, server, (id, &elsewhere), recorded, &ui.clock()).await {
        Ok(Some(inspected)) => inspected,
        Ok(None) => {
            ui.error(&format!("server `{}` does not list {} any more", server.name, meant.label));
            return Ok(Exit::Incomplete);
        }
        Err(error) => {
            ui.error(&error.to_string());
            return Ok(exit_of(&error));
        }
    };
    let now = inspected.plan.now;
    let stories: Result<Vec<SubjectStory<'_>>, _> = told
        .as_ref()
        .map(|(history, recorded)| history.stories_of(&[Target::Sensor(id)].into(), recorded, now))
        .map_err(|error| chain(error));
    let deeds = stories.iter().flatten().flat_map(SubjectStory::deeds).map(|deed| deed.act);
    // A rule that cannot be read again is said to be unknown by whoever asks for it alone.
    let counts = record.count(deeds.collect::<Vec<_>>()).await.map_err(Failure::Record)?;
    let shown = Shown {
        server: &server.name,
        address: &server.address,
        protected_by: protected_by(&declared.policy, &inspected.sensor),
        record: stories.map(|of| Stories { of, counts: &counts }),
        host: &inspected,
    };
    match ui.print(|out| match flags.format {
        Format::Text => write_text(&shown, ui.out_palette(), out),
        Format::Json => write_json(&shown, out),
    })? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    Ok(Exit::of([
        if inspected.is_whole() { Exit::Done } else { Exit::Incomplete },
        told.as_ref().err().map_or(Exit::Done, record_exit),
    ]))
}

async fn read(record: &Record<AnyStore>, server: &Connected) -> Result<(History, Recorded), RecordError> {
    Ok((record.history(&server.key, None).await?, record.read(&server.key).await?))
}

/// Nobody can tell which of two servers manages a sensor that both list.
fn listed_elsewhere(hosts: &Hosts<'_>, server: &ServerName, id: SensorId) -> BTreeMap<SensorId, ServerName> {
    let lists_it =
        |list: Result<&HostList, _>| list.is_ok_and(|list: &HostList| list.sensors.contains_key(&id));
    hosts
        .lists()
        .filter(|(name, list)| *name != server && lists_it(*list))
        .map(|(name, _)| (id, name.clone()))
        .collect()
}

fn exit_of(error: &CallError) -> Exit {
    if error.stops_server() || error.is_worth_retrying() { Exit::Unreachable } else { Exit::Incomplete }
}

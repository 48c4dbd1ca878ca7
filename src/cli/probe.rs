use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::Exit;
use super::flags::FileFlags;
use super::start::{Failure, connect_options, declared, record, record_exit, runtime, selected_server};
use super::whom::is_exact;
use crate::central_node::{HttpsCentralNode, ReadSettings};
use crate::declare::Declared;
use crate::execute::Stop;
use crate::guard;
use crate::model::{HostList, PreventionRule, Sensor, SensorId, Target, Untrusted};
use crate::probe::{self, End, Options, Patience, Probed, Redactor, Stopped, Transcript};
use crate::record::{AnyStore, Record, Recorded};
use crate::report::probe::{write_json, write_text};
use crate::resolve::{Known, resolve};
use crate::session::{ConnectOptions, Connected, Readers, chain, connect, write_new};
use crate::terminal::{Answer, Interrupts, Printed, Ui};

#[derive(Debug, Args)]
pub(super) struct ProbeFlags {
    /// The lab host, by name, address or sensor id; it must be declared by no file, also through a group or a task,
    /// protected by none, held by nobody, and not isolated
    #[arg(long, value_name = "HOST")]
    pub(super) on: String,

    #[command(flatten)]
    pub(super) files: FileFlags,

    /// The server, by its name in the files; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(super) server: Option<String>,

    /// Where the report is written; a file that is there is not replaced
    #[arg(long, value_name = "PATH", default_value = "kedrctl-probe.json")]
    pub(super) report: PathBuf,

    /// The largest request that is tried, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=64))]
    pub(super) largest: u64,

    /// Also measure what is answered after an isolation has ended, and whether sending it again restarts its time: up
    /// to three hours
    #[arg(long)]
    pub(super) long: bool,

    /// Do not ask before writing; needed where there is no terminal
    #[arg(short = 'y', long)]
    pub(super) yes: bool,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,
}

/// Measures on a lab host what the documentation leaves open.
pub(super) fn run(ui: &Ui, flags: &ProbeFlags) -> Result<Exit, Failure> {
    if flags.report.exists() {
        return Err(Failure::Usage(format!(
            "`--report {}`: this file is there already; move it, or name another one",
            flags.report.display()
        )));
    }
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let server = selected_server(&declared, flags.server.as_deref())?;
    let options = connect_options(ui, flags.allow_commands);
    let transcript = Arc::new(Transcript::new(options.watch.clone()));
    let options = ConnectOptions { watch: Some(Arc::clone(&transcript) as _), ..options };
    let connected = connect(server, &options)?;
    runtime()?.block_on(async {
        let interrupts = Interrupts::listen(ui)?;
        let mut stop = interrupts.stop();
        let probing = Probing {
            ui,
            flags,
            declared: &declared,
            record: &record,
            connected: &connected,
            transcript: &transcript,
        };
        tokio::select! {
            exit = probing.go(&interrupts) => exit,
            _now = stop.wait_for(|stop| *stop == Stop::Now) => {
                ui.error(
                    "ended at once: the host may still be isolated, for two hours at most, and its prevention rule may \
                     have hashes of this probe, which are of no file",
                );
                Ok(Exit::Interrupted)
            }
        }
    })
}

struct Probing<'a> {
    ui: &'a Ui,
    flags: &'a ProbeFlags,
    declared: &'a Declared,
    record: &'a Record<AnyStore>,
    connected: &'a Connected<HttpsCentralNode>,
    transcript: &'a Transcript,
}

impl Probing<'_> {
    async fn go(&self, interrupts: &Interrupts) -> Result<Exit, Failure> {
        let client = &self.connected.client;
        let hosts = match client.hosts(self.ui.clock()).await {
            Ok(listing) => listing.hosts,
            Err(error) => return Ok(self.unread(&error)),
        };
        let sensor = named(&hosts, &self.flags.on)?;
        if let Some(exit) = self.refusal(sensor, &hosts).await {
            return Ok(exit);
        }
        let before = match self.rule_of_a_free_host(sensor.id).await {
            Ok(before) => before,
            Err(exit) => return Ok(exit),
        };
        if let Some(exit) = self.not_confirmed(sensor, before.as_ref(), interrupts).await? {
            return Ok(exit);
        }
        // All of it again: while a person thinks, others isolate, block and declare.
        let before = match self.rule_of_a_free_host(sensor.id).await {
            Ok(before) => before,
            Err(exit) => return Ok(exit),
        };
        // The list last, so that it is what the transcript has.
        let hosts = match client.hosts(self.ui.clock()).await {
            Ok(listing) => listing.hosts,
            Err(error) => return Ok(self.unread(&error)),
        };
        let confirmed = sensor.id;
        let sensor = named(&hosts, &self.flags.on)?;
        if sensor.id != confirmed {
            return Ok(self.refused("another sensor is called so by now: run probe again"));
        }
        if let Some(exit) = self.refusal(sensor, &hosts).await {
            return Ok(exit);
        }
        let options = Options {
            largest_bytes: usize::try_from(self.flags.largest).unwrap_or(usize::MAX).saturating_mul(1 << 20),
            long: self.flags.long,
        };
        let redactor = Redactor::new(&hosts, self.own_words());
        let patience = Pausing(interrupts.stop());
        let bar = self.ui.waiting("probing");
        let probed =
            probe::probe(client, sensor.id, before, (self.transcript, &redactor), options, &patience).await;
        drop(bar);
        self.report(&probed, sensor, &hosts)
    }

    /// The prevention rule of a host that is not isolated. `Err`: it is said why it is not probed.
    async fn rule_of_a_free_host(&self, sensor: SensorId) -> Result<Option<PreventionRule>, Exit> {
        let client = &self.connected.client;
        match client.isolation(sensor).await {
            Ok(None) => {}
            Ok(Some(_)) => {
                return Err(self.refused(
                    "it has an isolation rule, whoever set it: a probe would end it. Take another host, or release it \
                     first",
                ));
            }
            Err(error) => return Err(self.unread(&error)),
        }
        match client.prevention(Target::Sensor(sensor)).await {
            Ok(before) => Ok(before.as_deref().cloned()),
            Err(error) => Err(self.unread(&error)),
        }
    }

    /// How it ends where this host is not to be probed, whatever the person says; that is said.
    async fn refusal(&self, sensor: &Sensor, hosts: &HostList) -> Option<Exit> {
        if let Some(origin) = guard::protected_by(&self.declared.policy, sensor) {
            let why = format!("it is protected by the rule of `policy.protected` in {origin}");
            return Some(self.refused(&why));
        }
        match self.record.read(&self.connected.key).await {
            Ok(recorded) => {
                let why =
                    self.declared_for(sensor.id, hosts, &recorded).or_else(|| self.held(sensor, &recorded));
                why.map(|why| self.refused(&why))
            }
            Err(error) => {
                let why = format!("whether somebody holds it, the record does not tell ({})", chain(&error));
                self.refused(&why);
                Some(record_exit(&error))
            }
        }
    }

    /// What an apply would do there, or could not tell whether it may: by its entry, its groups or a task.
    fn declared_for(&self, sensor: SensorId, hosts: &HostList, recorded: &Recorded) -> Option<String> {
        let known = Known {
            listed: hosts,
            listed_elsewhere: &BTreeMap::new(),
            recorded_entries: recorded.entries_of(&self.declared.owner),
            accepted_moves: &BTreeSet::new(),
            missing: self.declared.policy.missing,
        };
        let desired = resolve(self.declared, &self.connected.name, &known);
        let lab =
            "and an apply could meet the probe: take a lab host that no file names and no group matches";
        if let Some(host) = desired.hosts.iter().find(|host| host.sensor.id == sensor) {
            return Some(format!("{} declares it, {lab}", host.origin));
        }
        if let Some(task) = desired.tasks.iter().find(|task| task.sensor.id == sensor) {
            return Some(format!("{} declares a task on it, {lab}", task.cause.origin()));
        }
        let lost = desired.unresolved.iter().find(|lost| lost.sensors.contains(&sensor))?;
        Some(format!("{} may mean it, {lab}", lost.cause.origin()))
    }

    /// Who keeps others off this host.
    fn held(&self, sensor: &Sensor, recorded: &Recorded) -> Option<String> {
        let now = self.ui.clock().now();
        let mut holds = recorded.holds.iter();
        let (scope, hold) =
            holds.find(|(scope, hold)| scope.target == Target::Sensor(sensor.id) && hold.is_in_force(now))?;
        let printable = |text: &str| Untrusted::new(text).printable().to_string();
        Some(format!(
            "{} holds its {} until {:.0} (by `{}`): take another host, or end the hold first",
            printable(&hold.by),
            scope.aspect,
            hold.until,
            printable(&hold.command),
        ))
    }

    fn refused(&self, why: &str) -> Exit {
        self.ui.error(&format!("{} is not probed: {why}; nothing was written", self.flags.on));
        Exit::Refused
    }

    fn unread(&self, error: &crate::central_node::CallError) -> Exit {
        self.ui.error(&format!("server `{}`: {error}; nothing was written", self.connected.name));
        let is_lost = matches!(
            error.kind(),
            crate::central_node::CallErrorKind::CannotConnect
                | crate::central_node::CallErrorKind::AnswerLost
        );
        if is_lost || error.stops_server() { Exit::Unreachable } else { Exit::Incomplete }
    }

    /// Says what will be done; `None`: go on.
    async fn not_confirmed(
        &self,
        sensor: &Sensor,
        before: Option<&PreventionRule>,
        interrupts: &Interrupts,
    ) -> Result<Option<Exit>, Failure> {
        let rule = match before {
            None => {
                "it has no prevention rule now, and gets one of random hashes, which block no file".to_owned()
            }
            Some(rule) => format!(
                "its prevention rule of {} files gets random hashes added, which block no file; its own stay in it",
                rule.objects.len()
            ),
        };
        let long = if self.flags.long {
            "\n  - then it is isolated for an hour, and where the server forgets ended rules for another one and a \
             half: over three hours in all"
        } else {
            ""
        };
        self.ui.note(&format!(
            "{} on {} is going to be probed:\n  - it is isolated twice for a moment, without exclusions, and \
             released\n  - {rule}, up to requests of {} MiB{long}\nThen all is put back as it was, and read. The \
             record knows nothing of it.\n",
            sensor.describe(),
            self.connected.address,
            self.flags.largest,
        ));
        if self.flags.yes {
            return Ok(None);
        }
        Ok(match self.ui.confirm("probe it", interrupts.stop()).await? {
            Answer::Yes => None,
            Answer::No => {
                self.ui.error("not confirmed; nothing was written");
                Some(Exit::Refused)
            }
            Answer::NobodyToAsk => {
                self.ui.error(
                    "not confirmed: there is no terminal to ask at; with `--yes` probe does not ask; nothing was \
                     written",
                );
                Some(Exit::Refused)
            }
            Answer::Interrupted => {
                self.ui.error("interrupted; nothing was written");
                Some(Exit::Interrupted)
            }
        })
    }

    /// What of ours a server may repeat.
    fn own_words(&self) -> Vec<String> {
        let mut words = vec![self.connected.address.clone(), self.connected.name.to_string()];
        if let Some(server) = self.declared.servers.get(&self.connected.name)
            && let crate::declare::Connection::CentralNode(node) = &server.connection
        {
            words.extend(node.urls.iter().map(|url| url.host.clone()));
            words.push(node.external_system_id.to_string());
        }
        words
    }

    fn report(&self, probed: &Probed, sensor: &Sensor, hosts: &HostList) -> Result<Exit, Failure> {
        // First, whatever becomes of the report: a host that may be cut off, and what took hours to measure.
        for left in &probed.left {
            self.ui.error(&left.to_string());
        }
        match self.ui.print(|out| write_text(probed, self.ui.out_palette(), out))? {
            Printed::Whole | Printed::PipeClosed => {}
        }
        let mut file = Vec::new();
        let version = hosts.server_version.as_ref().map(Untrusted::raw);
        write_json(probed, sensor, version, self.ui.clock().now(), &mut file)?;
        let path = &self.flags.report;
        write_new(path, &file, Readers::All).map_err(|error| Failure::Usage(error.to_string()))?;
        match self.ui.print(|out| {
            writeln!(out, "\nwrote {}: no names, addresses, ids or hashes of yours are in it", path.display())
        })? {
            Printed::Whole | Printed::PipeClosed => {}
        }
        if probed.left.is_empty() {
            self.ui.note("all is as it was before, by reading");
        }
        let ended = match &probed.end {
            End::Whole => Exit::Done,
            End::Stopped => Exit::Interrupted,
            End::Failed(why) => {
                self.ui.error(&format!("not everything was measured: {why}"));
                Exit::Incomplete
            }
            End::Others(meanwhile) => {
                self.ui.error(&format!("not everything was measured: {meanwhile}"));
                Exit::Incomplete
            }
        };
        Ok(Exit::of([ended, if probed.left.is_empty() { Exit::Done } else { Exit::Incomplete }]))
    }
}

/// The one host with this name, address or sensor id.
fn named<'a>(hosts: &'a HostList, on: &str) -> Result<&'a Sensor, Failure> {
    let found: Vec<&Arc<Sensor>> = hosts.sensors.values().filter(|sensor| is_exact(sensor, on)).collect();
    let on = Untrusted::new(on);
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::Usage(format!(
            "`--on {}`: the server lists no such host; `kedrctl hosts` shows names, addresses and sensor ids",
            on.printable()
        ))),
        several => Err(Failure::Usage(format!(
            "`--on {}`: several hosts are called so: {}; say the sensor id",
            on.printable(),
            several.iter().map(|sensor| sensor.describe()).collect::<Vec<_>>().join("; ")
        ))),
    }
}

/// Waits by the clock, and ends when somebody wants it.
struct Pausing(watch::Receiver<Stop>);

impl Patience for Pausing {
    fn check(&self) -> Result<(), Stopped> {
        if *self.0.borrow() == Stop::No { Ok(()) } else { Err(Stopped) }
    }

    async fn wait(&self, how_long: Duration) -> Result<(), Stopped> {
        let mut stop = self.0.clone();
        tokio::select! {
            () = tokio::time::sleep(how_long) => self.check(),
            _stopped = stop.wait_for(|stop| *stop != Stop::No) => Err(Stopped),
        }
    }

    async fn wait_anyway(&self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }
}

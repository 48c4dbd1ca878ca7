use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::Exit;
use super::flags::FileFlags;
use super::start::{Failure, connect_options, declared, runtime, selected_server};
use crate::central_node::{HttpsCentralNode, ReadSettings};
use crate::declare::{Declared, DeclaredHost, Identity};
use crate::execute::Stop;
use crate::guard;
use crate::model::{HostList, PreventionRule, Sensor, Target, Untrusted};
use crate::probe::{self, End, Options, Patience, Probed, Redactor, Stopped, Transcript};
use crate::report::probe::{write_json, write_text};
use crate::session::{ConnectOptions, Connected, Readers, connect, write_new};
use crate::terminal::{Answer, Interrupts, Printed, Ui};

#[derive(Debug, Args)]
pub(super) struct ProbeFlags {
    /// The lab host, by name, address or sensor id; it must be declared by no file, protected by none, and not isolated
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
    let server = selected_server(&declared, flags.server.as_deref())?;
    let options = connect_options(ui, flags.allow_commands);
    let transcript = Arc::new(Transcript::new(options.watch.clone()));
    let options = ConnectOptions { watch: Some(Arc::clone(&transcript) as _), ..options };
    let connected = connect(server, &options)?;
    runtime()?.block_on(async {
        let interrupts = Interrupts::listen(ui)?;
        let mut stop = interrupts.stop();
        let probing = Probing { ui, flags, declared: &declared, connected: &connected, transcript: &transcript };
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
        if let Some(why) = self.refusal(sensor) {
            return Ok(self.refused(&why));
        }
        match client.isolation(sensor.id).await {
            Ok(None) => {}
            Ok(Some(_)) => {
                return Ok(self.refused(
                    "it has an isolation rule, whoever set it: a probe would end it. Take another host, or release it \
                     first",
                ));
            }
            Err(error) => return Ok(self.unread(&error)),
        }
        let before = match client.prevention(Target::Sensor(sensor.id)).await {
            Ok(before) => before.as_deref().cloned(),
            Err(error) => return Ok(self.unread(&error)),
        };
        if let Some(exit) = self.not_confirmed(sensor, before.as_ref(), interrupts).await? {
            return Ok(exit);
        }
        // The list again, so that it is what the transcript has: the questions above went past it.
        if let Err(error) = client.hosts(self.ui.clock()).await {
            return Ok(self.unread(&error));
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

    /// Why this host is not to be probed, whatever the person says.
    fn refusal(&self, sensor: &Sensor) -> Option<String> {
        if let Some(origin) = guard::protected_by(&self.declared.policy, sensor) {
            return Some(format!("it is protected by the rule of `policy.protected` in {origin}"));
        }
        let declares = |host: &&DeclaredHost| {
            host.server == self.connected.name
                && match &host.identity {
                    Identity::Name(name) => sensor.name.as_ref().is_some_and(|given| *given.raw() == **name),
                    Identity::Address(address) => sensor.addresses.contains(address),
                    Identity::Sensor(id) => *id == sensor.id,
                }
        };
        self.declared.hosts.iter().find(declares).map(|host| {
            format!(
                "{} declares it, and an apply could meet the probe: take a lab host that no file names",
                host.origin
            )
        })
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
        };
        Ok(Exit::of([ended, if probed.left.is_empty() { Exit::Done } else { Exit::Incomplete }]))
    }
}

/// The one host with this name, address or sensor id.
fn named<'a>(hosts: &'a HostList, on: &str) -> Result<&'a Sensor, Failure> {
    let matches = |sensor: &&Arc<Sensor>| {
        sensor.name.as_ref().is_some_and(|name| name.raw() == on)
            || on.parse().is_ok_and(|id| sensor.id == id)
            || on.parse().is_ok_and(|address| sensor.addresses.contains(&address))
    };
    let found: Vec<&Arc<Sensor>> = hosts.sensors.values().filter(matches).collect();
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

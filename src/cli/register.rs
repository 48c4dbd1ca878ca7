use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::Exit;
use super::flags::{FileFlags, seconds};
use super::start::{Failure, connect_options, runtime, selected_server, valid};
use crate::central_node::{
    CallError, CallErrorKind, Fingerprint, HttpsCentralNode, Listing, ServerCertificate, server_certificates,
};
use crate::declare::{self, CentralNodeAddress, Connection, Declared, DeclaredServer, Trust};
use crate::diagnostic::{Code, Problem};
use crate::execute::Stop;
use crate::session::{
    ConnectOptions, Connected, MadeFiles, NotRegistered, Patience, TrustPlace, connect, make_client_files,
    pin, trust_line, trust_place, until_accepted,
};
use crate::terminal::{Answer, Interrupts, Printed, Ui};

#[derive(Debug, Args)]
pub(super) struct RegisterFlags {
    /// The server, by its name in the files; may be left out where there is only one
    pub(super) server: Option<String>,

    #[command(flatten)]
    pub(super) files: FileFlags,

    /// The SHA-256 of the server's certificate, compared by you: then nothing is asked
    #[arg(long, value_name = "SHA256")]
    pub(super) fingerprint: Option<Fingerprint>,

    /// How long to wait until an administrator has accepted this client, such as `90s`, `5m`, `2h`
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    pub(super) timeout: Duration,

    /// Ask once, and do not wait
    #[arg(long, conflicts_with = "timeout")]
    pub(super) no_wait: bool,

    /// Let the files run programs for credentials (`client_key: {command: […]}`)
    #[arg(long)]
    pub(super) allow_commands: bool,
}

/// Makes a client known to a Central Node: its files, the server's certificate, the request, the wait.
pub(super) fn run(ui: &Ui, flags: &RegisterFlags) -> Result<Exit, Failure> {
    let declared = declared_for_registration(ui, &flags.files)?;
    let (server, node) = selected(&declared, flags.server.as_deref())?;
    let options = connect_options(ui, flags.allow_commands);
    let made = make_client_files(server, node, &options, ui.clock().now())
        .map_err(|error| Failure::Usage(format!("server `{}`: {error}", server.name)))?;
    tell_made(ui, &made);
    let registering = Registering { ui, flags, declared: &declared, server, node, options };
    runtime()?.block_on(async {
        let interrupts = Interrupts::listen_quietly(ui)?;
        let mut stop = interrupts.stop();
        tokio::select! {
            exit = registering.go(&interrupts) => exit,
            // Whatever was asked stays asked: the request is on the server's list.
            _stopped = stop.wait_for(|stop| *stop != Stop::No) => {
                ui.error("interrupted; running it again continues");
                Ok(Exit::Interrupted)
            }
        }
    })
}

/// Reads the files; warnings are the business of `validate`, and the first would be that `trust` is missing.
fn declared_for_registration(ui: &Ui, files: &FileFlags) -> Result<Declared, Failure> {
    let mut read = declare::read(&files.paths());
    read.problems.retain(Problem::is_error);
    let lacks_id = read
        .problems
        .iter()
        .any(|problem| problem.code == Code::MissingKey && problem.message.contains("`external_system_id`"));
    let declared = valid(ui, read);
    if lacks_id {
        ui.note(&format!(
            "`external_system_id: {}` would be a new one; `kedrctl init` writes a state that has its own",
            uuid::Uuid::new_v4()
        ));
    }
    declared
}

/// The Central Node that is meant.
fn selected<'a>(
    declared: &'a Declared,
    name: Option<&str>,
) -> Result<(&'a DeclaredServer, &'a CentralNodeAddress), Failure> {
    let server = selected_server(declared, name)?;
    match &server.connection {
        Connection::CentralNode(node) => Ok((server, node)),
        Connection::Simulator { .. } => Err(Failure::Usage(format!(
            "`{}` is a simulator inside this process, which knows its client from the start",
            server.name
        ))),
    }
}

fn tell_made(ui: &Ui, made: &MadeFiles) {
    if let Some(key) = &made.key {
        ui.note(&format!(
            "made the client key {} (readable by you alone; keep it out of Git)",
            key.display()
        ));
    }
    if let Some(certificate) = &made.certificate {
        ui.note(&format!("made the client certificate {} (valid for three years)", certificate.display()));
    }
}

/// One server on its way.
struct Registering<'a> {
    ui: &'a Ui,
    flags: &'a RegisterFlags,
    declared: &'a Declared,
    server: &'a DeclaredServer,
    node: &'a CentralNodeAddress,
    options: ConnectOptions,
}

impl Registering<'_> {
    async fn go(&self, interrupts: &Interrupts) -> Result<Exit, Failure> {
        let trust = match (&self.node.trust, self.flags.fingerprint) {
            (Some(Trust::Pinned(pin)), Some(given)) if given != Fingerprint(*pin) => {
                return Err(Failure::Usage(format!(
                    "`--fingerprint {given}`: the files pin another certificate, {}",
                    Fingerprint(*pin)
                )));
            }
            (Some(Trust::Ca(_) | Trust::System), Some(_)) => {
                return Err(Failure::Usage(
                    "`--fingerprint` is for servers without `trust`; the files say already whom to trust"
                        .to_owned(),
                ));
            }
            (Some(trust), _) => trust.clone(),
            (None, given) => match self.introduce(given, interrupts).await? {
                Introduced::Trusted(fingerprint) => Trust::Pinned(fingerprint.0),
                Introduced::Not(exit) => return Ok(exit),
            },
        };
        let server = DeclaredServer {
            connection: Connection::CentralNode(CentralNodeAddress {
                trust: Some(trust),
                ..self.node.clone()
            }),
            ..self.server.clone()
        };
        let connected = connect(&server, &self.options)?;
        self.ask(&connected).await
    }

    /// Shows the server's certificate and lets a person, or `--fingerprint`, vouch for it.
    async fn introduce(
        &self,
        given: Option<Fingerprint>,
        interrupts: &Interrupts,
    ) -> Result<Introduced, Failure> {
        let urls: Vec<(String, u16)> =
            self.node.urls.iter().map(|url| (url.host.clone(), url.port)).collect();
        let certificates = match server_certificates(&urls, self.options.limits).await {
            Ok(certificates) => certificates,
            Err(error) => {
                self.ui.error(&error.to_string());
                return Ok(Introduced::Not(Exit::Unreachable));
            }
        };
        for certificate in &certificates {
            self.ui.note(&shown(certificate, &self.address(), self.ui.clock().now()));
        }
        let fingerprint = match (given, certificates.as_slice()) {
            (Some(given), seen) if seen.iter().any(|certificate| certificate.fingerprint == given) => given,
            (Some(given), _) => {
                self.ui.error(&format!(
                    "the server is not trusted: its certificate is not the one of `--fingerprint {given}`; either the \
                     value is not that of this server, or somebody stands in between"
                ));
                return Ok(Introduced::Not(Exit::Unreachable));
            }
            (None, [only]) => only.fingerprint,
            (None, _) => {
                self.ui.error(
                    "the addresses of this server have different certificates, and one pin does not fit them all: say \
                     who signed them with `trust: { ca: … }`, or choose one with `--fingerprint`",
                );
                return Ok(Introduced::Not(Exit::Unreachable));
            }
        };
        let place = trust_place(self.declared, &self.server.name);
        if given.is_none() {
            let act = match &place {
                Some(place) => format!("trust it, and write so into {}", at(place)),
                None => "trust it".to_owned(),
            };
            match self.ui.confirm(&act, interrupts.stop()).await? {
                Answer::Yes => {}
                Answer::No => {
                    self.ui.error("not confirmed; nothing was sent");
                    return Ok(Introduced::Not(Exit::Refused));
                }
                Answer::NobodyToAsk => {
                    self.ui.error(
                        "not confirmed: there is no terminal to ask at; with `--fingerprint SHA256` register does not \
                         ask; nothing was sent",
                    );
                    return Ok(Introduced::Not(Exit::Refused));
                }
                Answer::Interrupted => return Ok(Introduced::Not(Exit::Interrupted)),
            }
        }
        self.write_down(place.as_ref(), fingerprint);
        Ok(Introduced::Trusted(fingerprint))
    }

    /// Into the line that `init` left for it; into no other.
    fn write_down(&self, place: Option<&TrustPlace>, fingerprint: Fingerprint) {
        if let Some(place) = place {
            let paths = self.flags.files.paths();
            match pin(place, &paths, self.declared, &self.server.name, &fingerprint.0) {
                Ok(()) => return self.ui.note(&format!("wrote `trust` into {}", at(place))),
                Err(error) => self.ui.warn(&error.to_string()),
            }
        }
        self.ui.note(&format!(
            "put this line into the block of `{}` ({}); until then every other command refuses to talk to it:\n\n{}\n",
            self.server.name,
            self.server.origin,
            trust_line(&fingerprint.0)
        ));
    }

    /// Sends the request, tells what an administrator has to do, waits.
    async fn ask(&self, connected: &Connected<HttpsCentralNode>) -> Result<Exit, Failure> {
        let patience = Patience::with_timeout(if self.flags.no_wait {
            std::time::Duration::ZERO
        } else {
            self.flags.timeout
        });
        let waiting = std::cell::RefCell::new(None);
        let refused = |error: &CallError| {
            self.ui.note(&self.instructions(error, connected.client.client_certificate()));
            if !self.flags.no_wait {
                let bar = self.ui.waiting("waiting until an administrator accepts this client");
                waiting.replace(Some(bar));
            }
        };
        let ended = until_accepted(&connected.client, &patience, refused, self.ui.clock()).await;
        drop(waiting.take());
        match ended {
            Ok(listing) => self.registered(&listing),
            Err(NotRegistered::NotYet(error)) => {
                self.ui.error(&format!(
                    "not accepted yet: {}; run `kedrctl register {}` again once it is",
                    refusal(&error),
                    self.server.name
                ));
                Ok(Exit::Unreachable)
            }
            Err(NotRegistered::Failed(error)) => {
                self.ui.error(&format!("{}: {error}", what_failed(&error)));
                Ok(Exit::Unreachable)
            }
        }
    }

    fn registered(&self, listing: &Listing) -> Result<Exit, Failure> {
        let hosts = listing.hosts.sensors.len();
        let hosts = if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") };
        let (name, address) = (&self.server.name, self.address());
        match self.ui.print(|out| {
            use std::io::Write;
            writeln!(out, "registered: {name} ({address}) answers this client, and lists {hosts}")
        })? {
            Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
        }
    }

    fn instructions(&self, error: &CallError, certificate: Fingerprint) -> String {
        format!(
            "the server has the request and does not know this client yet ({}). An administrator has to accept it: in \
             the web interface of the Central Node, among the external systems, by\n\n  \
             id                   {}\n  \
             certificate SHA-256  {}\n",
            refusal(error),
            self.node.external_system_id,
            certificate.pairs(),
        )
    }

    fn address(&self) -> String {
        self.node.urls.first().map(ToString::to_string).unwrap_or_default()
    }
}

enum Introduced {
    Trusted(Fingerprint),
    Not(Exit),
}

fn at(place: &TrustPlace) -> String {
    format!("{}:{}", place.path.display(), place.line)
}

/// `status 401, "authorization required"`.
fn refusal(error: &CallError) -> String {
    match (error.status(), error.body()) {
        (Some(status), Some(body)) => format!("status {status}, \"{}\"", body.printable()),
        (Some(status), None) => format!("status {status}"),
        (None, _) => error.reason(),
    }
}

/// Which of the things that go wrong at first contact this is.
fn what_failed(error: &CallError) -> &'static str {
    match error.kind() {
        CallErrorKind::CannotConnect => "the server cannot be reached",
        CallErrorKind::UntrustedServer => "the server is not trusted",
        CallErrorKind::ClientCertificateRefused => "the server refuses the client certificate itself",
        CallErrorKind::NotAuthorised => "this client is not registered",
        CallErrorKind::AnswerLost => "the server was reached and did not answer",
        CallErrorKind::Overloaded { .. } | CallErrorKind::ServerFailed => {
            "the server was reached and could not answer"
        }
        CallErrorKind::Incorrect(_)
        | CallErrorKind::Clash { .. }
        | CallErrorKind::TooLarge { .. }
        | CallErrorKind::NoSuchHost
        | CallErrorKind::AlreadyThere
        | CallErrorKind::NotUnderstood => "what answers is not understood as a Central Node",
    }
}

/// A certificate may be for thousands of names, and hide what else it says behind them.
const SHOWN_NAMES: usize = 8;

fn shown(certificate: &ServerCertificate, address: &str, now: Timestamp) -> String {
    let mut text = format!(
        "{address} presents this certificate, for which nobody has vouched yet:\n\n  SHA-256  {}\n",
        certificate.fingerprint.pairs()
    );
    match &certificate.says {
        None => text.push_str("  (what it says of itself cannot be read)\n"),
        Some(says) => {
            let issuer = if says.issuer == says.subject {
                "itself".to_owned()
            } else {
                says.issuer.printable().to_string()
            };
            let names: Vec<String> = says.names.iter().map(|name| name.printable().to_string()).collect();
            let names = match names.split_at_checked(SHOWN_NAMES) {
                _ if names.is_empty() => "none".to_owned(),
                Some((first, more)) if !more.is_empty() => {
                    format!("{} and {} more", first.join(", "), more.len())
                }
                Some(_) | None => names.join(", "),
            };
            let warning = if now > says.valid_until {
                "  it has expired"
            } else if now < says.valid_from {
                "  it is not valid yet"
            } else {
                ""
            };
            let lines = [
                ("subject", says.subject.printable().to_string()),
                ("issuer", issuer),
                ("names", names),
                ("valid", format!("{:.0} to {:.0}{warning}", says.valid_from, says.valid_until)),
            ];
            for (what, said) in lines {
                text.push_str(&format!("  {what:<7}  {said}\n"));
            }
        }
    }
    text.push_str(
        "\nCompare the SHA-256 with what an administrator sees on the server itself, not over this network:\n  openssl \
         x509 -noout -fingerprint -sha256 -in CERTIFICATE\n",
    );
    text
}

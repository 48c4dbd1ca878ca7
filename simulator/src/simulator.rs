//! The running simulator, as others use it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::Clock;
use crate::faults::{Fault, Faults};
use crate::fleet::{Fleet, FleetError, RegistrationMode};
use crate::front::{self, CertificateError, Face, KeyPair, Orders, ServerCertificate, Shared};
use crate::node::Node;
use crate::saver::{Changes, Saver};
use crate::state::{Identity, StateError, Store};
use crate::wire::Dialect;
use crate::world::{ClientIdentity, Effective, LoggedRequest, PendingClient, World};

/// How a simulator is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 lets the system pick one.
    pub listen: SocketAddr,
    /// Begins anew instead of going on with the state file: another world, with other certificates.
    pub reset: bool,
    /// The world's clock.
    pub clock: Clock,
    /// Whether the state file beside the fleet file is read and written.
    pub persist: bool,
}

/// A running Central Node. It serves on a thread of its own until it is stopped or dropped; both save its
/// state, and only stopping tells whether that went well.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    world_id: String,
    certificate_sha256: String,
    certificate: ServerCertificate,
    credentials: Credentials,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<io::Result<()>>>,
    saver: Option<Saver>,
}

/// What a client needs to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Goes into every path.
    pub external_system_id: String,
    /// The client's certificate.
    pub certificate_pem: String,
    /// Its key, PKCS#8.
    pub key_pem: String,
}

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The fleet cannot be used.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The system gives no thread, or no runtime on it.
    #[error("cannot start the server's thread")]
    Thread(#[source] io::Error),
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            reset: false,
            clock: Clock::wall(),
            persist: true,
        }
    }
}

impl Simulator {
    /// Starts the Central Node of a fleet file, going on with the state beside it.
    ///
    /// # Errors
    /// An unusable fleet, state or address; a world that another process runs.
    pub fn start(fleet_file: &Path, options: Options) -> Result<Simulator, StartError> {
        let fleet = Fleet::read(fleet_file)?;
        let store = if options.persist { Some(Store::open(fleet_file)?) } else { None };
        Simulator::run(&fleet, store, options)
    }

    /// Starts the Central Node of a fleet that is at hand; nothing is on disk, whatever `persist` says.
    ///
    /// # Errors
    /// An unusable address.
    pub fn start_with(fleet: Fleet, options: Options) -> Result<Simulator, StartError> {
        Simulator::run(&fleet, None, options)
    }

    fn run(fleet: &Fleet, store: Option<Store>, options: Options) -> Result<Simulator, StartError> {
        let now = options.clock.now();
        let saved = match &store {
            Some(store) if !options.reset => store.load()?,
            Some(_) | None => None,
        };
        let (kind, ip) = (fleet.server_certificate, options.listen.ip());
        let mut identity = match &saved {
            Some(saved) => saved.identity.clone(),
            None => Identity {
                world_id: Uuid::new_v4(),
                began_at: now,
                server: ServerCertificate::make(kind, ip)?,
                external_system_id: Uuid::new_v4().to_string(),
                client: KeyPair::make_client()?,
            },
        };
        if identity.server.kind != kind || identity.server.address != ip {
            identity.server = ServerCertificate::make(kind, ip)?;
        }
        let (left, clients) = saved.map(crate::state::Saved::left).unwrap_or_else(Default::default);
        let mut world = fleet.world(identity.began_at, now, left);
        clients.into_iter().for_each(|(client, standing)| world.registration.restore(client, standing));
        if fleet.registration == RegistrationMode::Auto {
            world.approve(&ClientIdentity {
                fingerprint: identity.client.fingerprint()?,
                external_system_id: identity.external_system_id.clone(),
            });
        }
        let node = Node {
            world,
            dialect: fleet.server.dialect.clone(),
            version: fleet.server.version.clone(),
            body_limit: fleet.server.body_limit,
            faults: Faults::new(fleet.server.faults.clone()),
        };
        Simulator::serve(identity, node, fleet.server.http2, store, options)
    }

    fn serve(
        identity: Identity,
        node: Node,
        http2: bool,
        store: Option<Store>,
        options: Options,
    ) -> Result<Simulator, StartError> {
        let failed = |source| StartError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tls = Arc::new(front::server_config(&identity.server, http2)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Thread)?;

        let changes = store.is_some().then(Arc::<Changes>::default);
        let (port, orders) = Orders::channel();
        let shared = Arc::new(Shared::new(options.clock, node, changes.clone(), port));
        let certificate = identity.server.clone();
        let certificate_sha256 = certificate.own.fingerprint()?;
        let world_id = identity.world_id.to_string();
        let credentials = Credentials {
            external_system_id: identity.external_system_id.clone(),
            certificate_pem: identity.client.certificate_pem.clone(),
            key_pem: identity.client.key_pem.clone(),
        };
        let saver = match store.zip(changes) {
            Some((mut store, changes)) => {
                let since = shared.clock.now();
                store.sign(&format!("process {} at https://{address} since {since}", std::process::id()))?;
                Some(Saver::start(store, identity, Arc::clone(&shared), changes)?)
            }
            None => None,
        };
        let (stop, stopped) = watch::channel(false);
        let serving = Arc::clone(&shared);
        let face = Face { certificate: certificate.clone(), http2, tls };
        let server = std::thread::Builder::new()
            .name("simulated-central-node".into())
            .spawn(move || runtime.block_on(front::serve(listener, face, serving, orders, stopped)))
            .map_err(StartError::Thread)?;
        let server = Some(server);
        Ok(Simulator {
            shared,
            address,
            world_id,
            certificate_sha256,
            certificate,
            credentials,
            stop,
            server,
            saver,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://ADDRESS:PORT`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The world's id: the same from run to run, another one after a reset.
    #[must_use]
    pub fn world_id(&self) -> &str {
        &self.world_id
    }

    /// SHA-256 of the server certificate's DER, in lower-case hexadecimal: for pinning.
    #[must_use]
    pub fn certificate_sha256(&self) -> String {
        self.certificate_sha256.clone()
    }

    /// The server's own certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate.own.certificate_pem
    }

    /// The CA that issued the server's certificate; the certificate itself where it is self-signed.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.certificate.ca_pem.as_deref().unwrap_or(&self.certificate.own.certificate_pem)
    }

    /// The client that the simulator brings along: accepted from the start, unless the fleet says
    /// `registration: manual`.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// The requests so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.node().world.log.all()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.node().world.log.clear();
    }

    /// Replaces the faults, those of the fleet file too, and their counts; the port is what it was at the start.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.node().faults = Faults::new(faults);
        self.shared.port.recover();
    }

    /// Replaces the dialect.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.shared.node().dialect = dialect;
    }

    /// What is in effect on a host now; nothing where the host is not listed (see [`World::effective`]).
    #[must_use]
    pub fn effective(&self, sensor: Uuid) -> Effective {
        self.shared.node().world.effective(sensor).unwrap_or_default()
    }

    /// Looks at the world or changes it, behind the back of all clients. Requests wait meanwhile.
    pub fn world<R>(&self, use_it: impl FnOnce(&mut World) -> R) -> R {
        let result = use_it(&mut self.shared.node().world);
        self.shared.changed();
        result
    }

    /// Clients that have called and wait for approval.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingClient> {
        self.shared.node().world.pending()
    }

    /// Accepts a client, as the administrator would in the web interface.
    pub fn approve(&self, client: &ClientIdentity) {
        self.world(|world| world.approve(client));
    }

    /// The clock that the world goes by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Ends it: connections break off, the state is saved.
    ///
    /// # Errors
    /// The state could not be saved.
    pub fn stop(mut self) -> Result<(), StateError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StateError> {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take()
            && server.join().is_err()
        {
            // Its panic was printed where it happened; what it did until then is saved.
        }
        self.saver.take().map_or(Ok(()), Saver::finish)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if self.end().is_err() {
            // Nobody is left to tell; who wants to know calls `stop`.
        }
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("address", &self.address).field("world_id", &self.world_id).finish()
    }
}

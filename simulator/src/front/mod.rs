//! HTTPS on loopback: connections, TLS, HTTP. What requests mean is decided in [`request`].

mod certificate;
mod cut_body;
mod port;
mod request;
mod tls;
mod wire;

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

pub use certificate::{CertificateError, CertificateKind};
pub(crate) use certificate::{KeyPair, ServerCertificate, fingerprint};
pub(crate) use port::{Face, Order, Orders};
use port::{News, Port};
use request::{Connection, Dropped};
pub(crate) use tls::server_config;
use wire::{Breaker, Wire};

use crate::clock::Clock;
use crate::node::Node;
use crate::saver::Changes;

/// What requests, tests and the saving of the state share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    node: Mutex<Node>,
    /// Told after every effect, so that the state is saved.
    changes: Option<Arc<Changes>>,
    pub(crate) port: Orders,
}

impl Shared {
    pub(crate) fn new(clock: Clock, node: Node, changes: Option<Arc<Changes>>, port: Orders) -> Shared {
        Shared { clock, node: Mutex::new(node), changes, port }
    }

    /// The node, its world moved to the present. A panic of a test inside `world` leaves it usable.
    pub(crate) fn node(&self) -> MutexGuard<'_, Node> {
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        node.world.set_now(self.clock.now());
        node
    }

    /// Asks for the state to be saved.
    pub(crate) fn changed(&self) {
        if let Some(changes) = &self.changes {
            changes.note();
        }
    }
}

/// Serves until told to stop; then connections break off.
pub(crate) async fn serve(
    listener: TcpListener,
    face: Face,
    shared: Arc<Shared>,
    orders: mpsc::UnboundedReceiver<Order>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut port = Port::new(listener, face, orders)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            news = port.news() => match news {
                News::Connection(stream, acceptor) => {
                    connections.spawn(connection(stream, acceptor, Arc::clone(&shared)));
                }
                News::BreakAll => connections.abort_all(),
                News::Nothing => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
    }
}

/// One connection until its end. How it ends is the client's to notice.
async fn connection(stream: tokio::net::TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    // Small answers must not wait for the peer's acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let breaker = Breaker::default();
    let Ok(stream) = acceptor.accept(Wire::new(stream, breaker.clone())).await else { return };
    let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()) else {
        return;
    };
    let connection =
        Connection { fingerprint: fingerprint(certificate).into(), shared, breaker: breaker.clone() };
    let service = Router::new().fallback(request::answer).with_state(connection);
    let broken_off = |answer: Result<Response, Infallible>| match answer {
        Ok(answer) if answer.extensions().get::<Dropped>().is_some() => Err(Dropped),
        Ok(answer) => Ok(answer),
        Err(never) => match never {},
    };
    let service = ServiceExt::<Request>::map_result(service, broken_off);
    let mut http = Builder::new(TokioExecutor::new());
    // The header follows the world's clock, not this machine's.
    http.http1().auto_date_header(false).http2().auto_date_header(false);
    tokio::select! {
        // An error: broken off, by the client or by a fault.
        _ended = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)) => {}
        () = breaker.told() => {}
    }
}

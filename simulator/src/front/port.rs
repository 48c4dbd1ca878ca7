//! The port: who listens there, and with which certificate.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::certificate::ServerCertificate;
use super::server_config;
use crate::faults::Connections;

/// Longer than it takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the port is to be from now on; `None`: as at the start.
pub(crate) struct Order {
    connections: Option<Connections>,
    carried_out: Option<std_mpsc::Sender<()>>,
}

/// Gives orders to the port of a server.
#[derive(Clone)]
pub(crate) struct Orders(mpsc::UnboundedSender<Order>);

impl Orders {
    pub(crate) fn channel() -> (Orders, mpsc::UnboundedReceiver<Order>) {
        let (orders, taken) = mpsc::unbounded_channel();
        (Orders(orders), taken)
    }

    /// From within a request: it ends with its connection.
    pub(super) fn give(&self, connections: Connections) {
        // Nobody takes orders any more once the server has ended.
        let _ended = self.0.send(Order { connections: Some(connections), carried_out: None });
    }

    /// Makes the port what it was, and waits until it is so. From another thread than the server's.
    pub(crate) fn recover(&self) {
        let (carried_out, done) = std_mpsc::channel();
        if self.0.send(Order { connections: None, carried_out: Some(carried_out) }).is_ok()
            && done.recv_timeout(PATIENCE).is_err()
        {
            // The server has ended meanwhile.
        }
    }
}

/// How the server shows itself.
pub(crate) struct Face {
    pub(crate) certificate: ServerCertificate,
    pub(crate) http2: bool,
    pub(crate) tls: Arc<ServerConfig>,
}

pub(super) struct Port {
    address: SocketAddr,
    face: Face,
    acceptor: TlsAcceptor,
    door: Door,
    orders: mpsc::UnboundedReceiver<Order>,
}

enum Door {
    Open(tokio::net::TcpListener),
    /// Nobody listens, and nobody else can take the port.
    Shut(TcpSocket),
    /// The system took the port from us.
    Lost,
}

/// What there is for the server to do.
pub(super) enum News {
    Connection(TcpStream, TlsAcceptor),
    /// All connections are to end.
    BreakAll,
    Nothing,
}

impl Port {
    pub(super) fn new(
        listener: TcpListener,
        face: Face,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> io::Result<Port> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let acceptor = TlsAcceptor::from(Arc::clone(&face.tls));
        Ok(Port { address: listener.local_addr()?, face, acceptor, door: Door::Open(listener), orders })
    }

    pub(super) async fn news(&mut self) -> News {
        let accepting = async {
            match &self.door {
                Door::Open(listener) => listener.accept().await,
                Door::Shut(_) | Door::Lost => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(order) = self.orders.recv() => self.obey(order),
            accepted = accepting => match accepted {
                Ok((stream, _)) => News::Connection(stream, self.acceptor.clone()),
                // A peer that is gone already, or no file handles left: the next may do better.
                Err(_) => News::Nothing,
            },
        }
    }

    fn obey(&mut self, order: Order) -> News {
        let tls = match order.connections {
            Some(Connections::OtherCertificate) => self.other_certificate(),
            Some(Connections::Refused) | None => Arc::clone(&self.face.tls),
        };
        self.acceptor = TlsAcceptor::from(tls);
        let door = std::mem::replace(&mut self.door, Door::Lost);
        self.door = match (order.connections, door) {
            (Some(Connections::Refused), Door::Open(listener)) => {
                drop(listener);
                bound(self.address).map_or(Door::Lost, Door::Shut)
            }
            (Some(Connections::OtherCertificate) | None, Door::Shut(socket)) => {
                socket.listen(1024).map_or(Door::Lost, Door::Open)
            }
            (_, door) => door,
        };
        if let Some(carried_out) = order.carried_out {
            // Who gave the order may have stopped waiting.
            let _gone = carried_out.send(());
        }
        if order.connections.is_some() { News::BreakAll } else { News::Nothing }
    }

    /// As after somebody else took over the address; the same where none can be made.
    fn other_certificate(&self) -> Arc<ServerConfig> {
        let ServerCertificate { kind, address, .. } = self.face.certificate;
        let made = ServerCertificate::make(kind, address)
            .and_then(|certificate| server_config(&certificate, self.face.http2));
        made.map_or_else(|_| Arc::clone(&self.face.tls), Arc::new)
    }
}

/// Holds the port without listening there, so that connections are refused.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

//! A connection that can be reset instead of closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Ends one connection from within the answering of a request.
#[derive(Clone, Default)]
pub(super) struct Breaker(Arc<Break>);

#[derive(Default)]
struct Break {
    is_reset: AtomicBool,
    told: Notify,
}

impl Breaker {
    /// The peer gets a reset; what was not sent yet is lost.
    pub(super) fn reset(&self) {
        self.0.is_reset.store(true, Ordering::Release);
        self.0.told.notify_one();
    }

    /// Until it is to end.
    pub(super) async fn told(&self) {
        self.0.told.notified().await;
    }
}

/// The stream below TLS.
pub(super) struct Wire {
    stream: TcpStream,
    breaker: Breaker,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, breaker: Breaker) -> Wire {
        Wire { stream, breaker }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.breaker.0.is_reset.load(Ordering::Acquire) && self.stream.set_zero_linger().is_err() {
            // It is closed then, which breaks the connection as well.
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

//! A body that breaks off: the connection with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};

/// Sends its bytes and then fails, having promised more.
pub(super) struct CutBody {
    sent: Option<Bytes>,
    promised: u64,
}

impl CutBody {
    /// The first half of `whole`.
    pub(super) fn half_of(whole: &[u8]) -> CutBody {
        // A promise of one byte more than there is also cuts an empty body.
        let promised = u64::try_from(whole.len()).map_or(u64::MAX, |length| length + 1);
        CutBody { sent: Some(Bytes::copy_from_slice(&whole[..whole.len() / 2])), promised }
    }
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let broken = || Err(std::io::Error::other("the connection breaks off here, as the fault says"));
        Poll::Ready(Some(self.sent.take().map_or_else(broken, |bytes| Ok(Frame::data(bytes)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

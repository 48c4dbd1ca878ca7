//! A body that breaks off, and the connection with it; or that never ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};

/// Sends its bytes, having promised more, and then fails or stalls.
pub(super) struct CutBody {
    sent: Option<Bytes>,
    promised: u64,
    stalls: bool,
}

impl CutBody {
    /// The first half of `whole`, and then the connection breaks off.
    pub(super) fn half_of(whole: &[u8]) -> CutBody {
        // A promise of one byte more than there is also cuts an empty body.
        let promised = u64::try_from(whole.len()).map_or(u64::MAX, |length| length + 1);
        CutBody { sent: Some(Bytes::copy_from_slice(&whole[..whole.len() / 2])), promised, stalls: false }
    }

    /// The first half of `whole`, and then nothing until the client gives up.
    pub(super) fn stalling_in(whole: &[u8]) -> CutBody {
        CutBody { stalls: true, ..CutBody::half_of(whole) }
    }
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.sent.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            // Nobody wakes this; the connection that it is part of notices when the client closes it.
            None if self.stalls => Poll::Pending,
            None => {
                let broken = std::io::Error::other("the connection breaks off here, as the fault says");
                Poll::Ready(Some(Err(broken)))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

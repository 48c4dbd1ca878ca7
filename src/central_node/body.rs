//! The body of an answer, up to as many bytes as are wanted of it.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// How much memory is taken for a body because its head says so, before the rest of it is here.
const ANNOUNCED_BYTES: usize = 64 << 10;

/// One that ended before its end.
pub(super) struct Broken {
    pub(super) beginning: Bytes,
    pub(super) why: BodyError,
}

pub(super) enum BodyError {
    TooLong { limit: usize },
    Transport(reqwest::Error),
}

/// # Errors
/// What had come by then, with why no more of it did.
pub(super) async fn read_body(mut response: Response, limit: usize) -> Result<Bytes, Broken> {
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    let mut pieces = Pieces {
        first: Bytes::new(),
        all: BytesMut::new(),
        expected: announced.min(limit).min(ANNOUNCED_BYTES),
    };
    loop {
        let why = match response.chunk().await {
            Ok(None) => return Ok(pieces.whole()),
            Ok(Some(piece)) if piece.len() <= limit - pieces.len() => {
                pieces.push(piece);
                continue;
            }
            Ok(Some(piece)) => {
                pieces.push(piece.slice(..limit - pieces.len()));
                BodyError::TooLong { limit }
            }
            Err(error) => BodyError::Transport(error),
        };
        return Err(Broken { beginning: pieces.whole(), why });
    }
}

/// What has come so far, never more than the limit. A body that comes in one piece, as most do, is not copied.
struct Pieces {
    first: Bytes,
    /// All of it, from the second piece on.
    all: BytesMut,
    /// So many bytes it is said to have, where that is nothing to be afraid of.
    expected: usize,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.reserve(self.expected);
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&piece);
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

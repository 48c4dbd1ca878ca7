use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Whether what goes to stdout is taken: a pipe whose reader does nothing takes 64 KiB, and then holds up whoever
/// writes, for as long as it likes.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// How many wait for the reader with all that the command has to do.
    waiting: AtomicU64,
    /// Grows whenever somebody begins to wait, or something was taken.
    moves: AtomicU64,
}

impl Taking {
    /// While `wait` runs the command does nothing else.
    pub(super) fn during<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.moves.fetch_add(1, Ordering::SeqCst);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let done = wait();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// Until the command has waited for the reader for so long, and nothing was taken.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            let before = self.moves.load(Ordering::SeqCst);
            let was_waiting = self.waiting.load(Ordering::SeqCst) > 0;
            tokio::time::sleep(patience).await;
            let is_waiting = self.waiting.load(Ordering::SeqCst) > 0;
            if was_waiting && is_waiting && self.moves.load(Ordering::SeqCst) == before {
                return;
            }
        }
    }
}

/// A stream of which is known whether it is taken.
#[derive(Debug)]
pub struct Watched<'a, W> {
    stream: W,
    taking: &'a Taking,
}

impl<'a, W> Watched<'a, W> {
    pub(super) fn new(stream: W, taking: &'a Taking) -> Self {
        Self { stream, taking }
    }
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes);
        self.taking.moves.fetch_add(1, Ordering::SeqCst);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn is_stalled(taking: &Taking) -> bool {
        tokio::time::timeout(4 * PATIENCE, taking.stalled(PATIENCE)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_reader_that_takes_nothing_holds_up_a_command() {
        let taking = Taking::default();
        assert!(!is_stalled(&taking).await, "nobody waits");
        let mut out = Watched::new(Vec::new(), &taking);
        out.write_all(b"plan").unwrap();
        assert!(!is_stalled(&taking).await, "nobody waits any more");
        taking.waiting.fetch_add(1, Ordering::SeqCst);
        let slowly = async {
            loop {
                tokio::time::sleep(PATIENCE / 2).await;
                out.write_all(b"plan").unwrap();
            }
        };
        tokio::select! {
            is_stalled = is_stalled(&taking) => assert!(!is_stalled, "it is slow and takes all"),
            () = slowly => {}
        }
        assert!(is_stalled(&taking).await);
        taking.waiting.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(taking.during(|| 7), 7);
        assert!(!is_stalled(&taking).await);
    }
}

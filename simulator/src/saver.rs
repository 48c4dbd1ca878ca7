//! Saves the state after changes, many of them at once, on a thread of its own: requests do not wait for disks.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::front::Shared;
use crate::simulator::StartError;
use crate::state::{Identity, Saved, StateError, Store};

/// At least so long between two savings.
const PAUSE: Duration = Duration::from_millis(200);

/// What wakes the thread.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    seen: Mutex<Seen>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    changed: bool,
    finished: bool,
}

/// The thread that saves.
pub(crate) struct Saver {
    changes: Arc<Changes>,
    thread: JoinHandle<Result<(), StateError>>,
}

impl Changes {
    /// Something has changed.
    pub(crate) fn note(&self) {
        self.seen().changed = true;
        self.wake.notify_one();
    }

    /// Nothing will change any more.
    fn finish(&self) {
        self.seen().finished = true;
        self.wake.notify_one();
    }

    /// Waits for changes; false at the end.
    fn more(&self) -> bool {
        let idle = |seen: &mut Seen| !seen.changed && !seen.finished;
        let mut seen = self.wake.wait_while(self.seen(), idle).unwrap_or_else(PoisonError::into_inner);
        seen.changed = false;
        !seen.finished
    }

    /// Lets changes gather, unless it is the end.
    fn pause(&self) {
        let going_on = |seen: &mut Seen| !seen.finished;
        drop(self.wake.wait_timeout_while(self.seen(), PAUSE, going_on));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Saver {
    /// Saves at once, so that the world's id and pins last, and after every change that `changes` is told of.
    pub(crate) fn start(
        store: Store,
        identity: Identity,
        shared: Arc<Shared>,
        changes: Arc<Changes>,
    ) -> Result<Saver, StartError> {
        let saving = Saving { store, identity, shared };
        saving.save()?;
        let woken = Arc::clone(&changes);
        let thread = std::thread::Builder::new()
            .name("simulator-state".into())
            .spawn(move || {
                while woken.more() {
                    if saving.save().is_err() {
                        // A full disk now may be none at the next change, or at the end, whose error is told.
                    }
                    woken.pause();
                }
                saving.save()
            })
            .map_err(StartError::Thread)?;
        Ok(Saver { changes, thread })
    }

    /// Saves a last time.
    pub(crate) fn finish(self) -> Result<(), StateError> {
        self.changes.finish();
        // A panic there was printed where it happened.
        self.thread.join().unwrap_or(Ok(()))
    }
}

struct Saving {
    store: Store,
    identity: Identity,
    shared: Arc<Shared>,
}

impl Saving {
    fn save(&self) -> Result<(), StateError> {
        let saved = Saved::of(&self.identity, &self.shared.node().world);
        self.store.save(&saved)
    }
}

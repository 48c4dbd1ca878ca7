//! Which of the hashes that a plan is about may never be blocked: asked once, for all servers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::declare::{Forbidden, NeverBlock, NeverBlockError};
use crate::model::{BlockSet, FileHash, Reading};
use crate::observe::Observed;
use crate::resolve::Desired;

/// Looks up every hash that is declared or that a rule holds.
///
/// Large lists are read on a thread of their own: for seconds, during which a lock has to be kept.
pub(super) async fn look_up<'a>(
    never_block: &NeverBlock,
    about: impl Iterator<Item = (&'a Desired, &'a Observed)>,
) -> Result<Forbidden, NeverBlockError> {
    if let Some(whole) = never_block.whole() {
        return Ok(whole.clone());
    }
    let hashes = hashes(about);
    let never_block = never_block.clone();
    let ending = StopOnDrop::default();
    let stop = Arc::clone(&ending.0);
    let looking = tokio::task::spawn_blocking(move || never_block.look_up(hashes, &stop));
    match looking.await {
        Ok(looked_up) => looked_up,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(NeverBlockError::Unreadable(cancelled.to_string())),
        },
    }
}

fn hashes<'a>(about: impl Iterator<Item = (&'a Desired, &'a Observed)>) -> BTreeSet<FileHash> {
    let mut hashes = BTreeSet::new();
    // Many hosts share a set or a rule: each is gone through once.
    let mut seen = BTreeSet::new();
    for (desired, observed) in about {
        let of_hosts = desired.hosts.iter().filter_map(|host| host.prevention.as_ref());
        for set in of_hosts.chain(&desired.all_hosts).flat_map(|declared| &declared.block) {
            if seen.insert(BlockSet::as_ptr(set).cast::<u8>()) {
                hashes.extend(set.iter().map(|entry| entry.hash));
            }
        }
        for reading in observed.preventions.values() {
            if let Reading::Present(rule) = reading
                && seen.insert(Arc::as_ptr(rule).cast::<u8>())
            {
                hashes.extend(rule.objects.keys());
            }
        }
    }
    hashes
}

/// Whoever waits no more needs no answer.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

use std::sync::Arc;

use super::event::Event;
use super::fold::Ledger;
use super::segment::{self, Link, Segment};
use super::sets::Sets;
use super::{RecordError, Recorded, Store};

/// A server's chain as far as it was read: verified, and folded into the ledger.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// Where the next segment stands.
    pub(super) next: Link,
    pub(super) sets: Sets,
    ledger: Ledger,
}

impl Chain {
    /// Before anything was read. `server`: the name that the server's files go under.
    pub(super) fn new(server: String) -> Self {
        Self { next: Link::first(server), sets: Sets::default(), ledger: Ledger::default() }
    }

    pub(super) fn recorded(&self) -> &Recorded {
        self.ledger.recorded()
    }

    /// Reads to the end of the chain.
    ///
    /// # Errors
    /// A gap, an edited, torn or foreign segment, a missing or edited set, a newer format.
    pub(super) async fn read<S: Store>(&mut self, store: &S) -> Result<(), RecordError> {
        let names = store.list(&segment::folder(&self.next.server)).await?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|key| segment::number_of(key)).collect();
        numbers.sort_unstable();
        let last = numbers.last().copied().unwrap_or(0);
        if let Some(gap) = (1..=last).zip(&numbers).find(|(expected, found)| expected != *found) {
            let missing = Link { number: gap.0, ..self.next.clone() };
            let why = format!("segment {} is missing, though there is a segment {last}", gap.0);
            return Err(segment::damaged(store, &missing, why));
        }
        while self.next.number <= last {
            let Some(bytes) = store.get(&self.next.key()).await? else {
                let why = "it was listed and is not there".to_owned();
                return Err(segment::damaged(store, &self.next, why));
            };
            let segment = segment::decode(store, &self.next, &bytes)?;
            self.fold(store, &segment).await?;
            self.next = self.next.after(segment.digest);
        }
        Ok(())
    }

    async fn fold<S: Store>(&mut self, store: &S, segment: &Segment) -> Result<(), RecordError> {
        let run: Arc<str> = segment.header.run.as_str().into();
        for event in &segment.events {
            if let Event::Intends(intends) = event {
                for set in intends.difference.sets() {
                    self.sets.load(store, set).await?;
                }
            }
            self.ledger.fold(&run, event, self.sets.known()).map_err(|what| {
                RecordError::FromNewerVersion {
                    place: store.place(&self.next.key()),
                    writer: segment.header.writer.clone(),
                    what,
                }
            })?;
        }
        Ok(())
    }
}

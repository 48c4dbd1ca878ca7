use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::event::Event;
use super::fold::{Ledger, Written};
use super::segment::{self, Header, Link, Segment};
use super::sets::Sets;
use super::store::put_in_place;
use super::{OpenIntention, RecordError, Recorded, Store, snapshot};
use crate::model::sha256_hex;

/// A server's chain as far as it was read: verified, and folded into the ledger.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// Where the next segment stands.
    pub(super) next: Link,
    pub(super) sets: Sets,
    pub(super) ledger: Ledger,
    /// How many segments a reader has to read after the snapshot that is there.
    after_snapshot: u64,
    /// What was put down in segments that were read or appended since somebody asked for it, in the order of the
    /// chain; `None`: nobody did.
    heard: Option<Vec<OpenIntention>>,
}

/// How many segments are asked for at once: a store far away answers each in its time.
const AT_ONCE: usize = 16;

/// A snapshot of the ledger is made anew when so many segments came after the last.
const SNAPSHOT_EVERY: u64 = 64;

impl Chain {
    /// Before anything was read. `server`: the name that the server's files go under.
    pub(super) fn new(server: String) -> Self {
        Self {
            next: Link::first(server),
            sets: Sets::default(),
            ledger: Ledger::default(),
            after_snapshot: 0,
            heard: None,
        }
    }

    /// From now on what is put down is kept; what is open now begins the list.
    pub(super) fn listen(&mut self) {
        self.heard = Some(self.recorded().open.clone());
    }

    pub(super) fn heard(&self) -> &[OpenIntention] {
        self.heard.as_deref().unwrap_or_default()
    }

    pub(super) fn recorded(&self) -> &Recorded {
        self.ledger.recorded()
    }

    /// Reads to the end of the chain, from the snapshot of the ledger on where there is a good one.
    ///
    /// # Errors
    /// A gap, an edited, torn or foreign segment, a missing or edited set, a newer format.
    pub(super) async fn read<S: Store>(server: String, store: &S) -> Result<Self, RecordError> {
        let mut chain = Self::new(server);
        if let Some((ledger, next)) = snapshot::load(store, &chain.next.server).await? {
            (chain.ledger, chain.next) = (ledger, next);
        }
        chain.catch_up(store).await?;
        Ok(chain)
    }

    /// Reads from the first segment to the last one before those of `run`, whatever snapshot there is.
    ///
    /// # Errors
    /// As for [`Chain::read`], for what had to be read.
    pub(super) async fn read_before<S: Store>(
        server: String,
        store: &S,
        run: &str,
    ) -> Result<Self, RecordError> {
        let mut chain = Self::new(server.clone());
        let mut segments = stream::iter(1..)
            .map(|number| {
                let key = segment::key(&server, number);
                async move { store.get(&key).await }
            })
            .buffered(AT_ONCE);
        while let Some(bytes) = segments.next().await {
            let Some(bytes) = bytes? else { break };
            let segment = segment::decode(store, &chain.next, &bytes)?;
            if segment.header.run == run {
                break;
            }
            chain.take(store, segment).await?;
        }
        Ok(chain)
    }

    /// Reads what was appended since; the headers of that.
    ///
    /// # Errors
    /// As for [`Chain::read`]. What was read before the error is folded.
    pub(super) async fn catch_up<S: Store>(&mut self, store: &S) -> Result<Vec<Header>, RecordError> {
        let server = self.next.server.clone();
        // By the key before ours, so that a chain whose end was cut off in the meantime is as it was.
        let read = segment::key(&server, self.next.number.saturating_sub(1));
        let names = store.list_after(&segment::folder(&server), &read).await?;
        let numbers: Vec<u64> = names.iter().filter_map(|key| segment::number_of(key)).collect();
        let last = numbers.iter().copied().max().unwrap_or(0);
        if let Some(number) = first_missing(self.next.number, numbers) {
            let missing = Link { number, ..self.next.clone() };
            let why = format!("segment {number} is missing, though there is a segment {last}");
            return Err(segment::damaged(store, &missing, why));
        }
        let mut segments = stream::iter(self.next.number..=last)
            .map(|number| {
                let key = segment::key(&server, number);
                async move { store.get(&key).await }
            })
            .buffered(AT_ONCE);
        let mut met = Vec::new();
        while let Some(bytes) = segments.next().await {
            let Some(bytes) = bytes? else {
                let why = "it was listed and is not there".to_owned();
                return Err(segment::damaged(store, &self.next, why));
            };
            let segment = segment::decode(store, &self.next, &bytes)?;
            met.push(segment.header.clone());
            self.take(store, segment).await?;
        }
        Ok(met)
    }

    /// Puts a segment into the next place. `Some`: something else is there, and stays.
    ///
    /// # Errors
    /// [`RecordError::Replaced`]; what the store fails with.
    pub(super) async fn put<S: Store>(
        &self,
        store: &S,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, RecordError> {
        self.is_still_there(store).await?;
        put_in_place(store, &self.next.key(), bytes).await
    }

    /// A run may outlive its record. What it put into the one that came after would be a segment without those before
    /// it, and nobody could read that record any more.
    async fn is_still_there<S: Store>(&self, store: &S) -> Result<(), RecordError> {
        let Some(digest) = &self.next.previous else { return Ok(()) };
        let key = segment::key(&self.next.server, self.next.number - 1);
        // An answer that was lost is asked for again, as that of an append is.
        let last = match store.get(&key).await {
            Ok(last) => last,
            Err(_lost) => store.get(&key).await?,
        };
        match last {
            Some(bytes) if sha256_hex(&bytes) == *digest => Ok(()),
            Some(_) | None => Err(RecordError::Replaced { place: store.place(&key) }),
        }
    }

    /// Folds the next segment. Given up half-way, it can be begun again.
    ///
    /// # Errors
    /// A missing or edited set; an event that makes no sense to this version.
    pub(super) async fn take<S: Store>(&mut self, store: &S, segment: Segment) -> Result<(), RecordError> {
        self.sets.load(store, segment.sets()).await?;
        self.fold(&store.place(&self.next.key()), &segment)?;
        if let Some(heard) = &mut self.heard {
            // Its end comes in a later segment: nothing is sent before this one is in its place.
            let open = self.ledger.recorded().open.iter();
            heard.extend(open.filter(|open| segment.puts_down(open)).cloned());
        }
        self.sets.forget();
        self.next = self.next.after(segment.digest);
        self.after_snapshot += 1;
        Ok(())
    }

    /// Folds what is not (yet) in the chain; its sets are known.
    pub(super) fn fold(&mut self, place: &str, segment: &Segment) -> Result<(), RecordError> {
        let run: Arc<str> = segment.header.run.as_str().into();
        let header = &segment.header;
        let written = Written { run: &run, by_hand: header.fence.is_none(), is_late: header.late };
        for event in &segment.events {
            self.ledger.fold(written, event, &self.sets).map_err(|what| RecordError::FromNewerVersion {
                place: place.to_owned(),
                writer: segment.header.writer.clone(),
                what,
            })?;
        }
        Ok(())
    }

    /// Spares later readers the old segments, now and then. That it can not be written costs them time only.
    pub(super) async fn keep_snapshot<S: Store>(&mut self, store: &S) {
        if self.after_snapshot >= SNAPSHOT_EVERY
            && let Some(segment) = &self.next.previous
        {
            let bytes = snapshot::encode(&self.next.server, self.next.number - 1, segment, &self.ledger);
            if store.replace(&snapshot::key(&self.next.server), &bytes).await.is_ok() {
                self.after_snapshot = 0;
            }
        }
    }
}

/// The first number from `from` to the highest that is not there.
pub(super) fn first_missing(from: u64, mut numbers: Vec<u64>) -> Option<u64> {
    numbers.sort_unstable();
    (from..).zip(&numbers).find(|(expected, found)| expected != *found).map(|(expected, _)| expected)
}

impl Segment {
    fn puts_down(&self, open: &OpenIntention) -> bool {
        let is_it =
            |event: &Event| matches!(event, Event::Intends(intends) if intends.intention == open.number.0);
        *open.by.run == *self.header.run && self.events.iter().any(is_it)
    }

    /// The sets that folding it needs.
    pub(super) fn sets(&self) -> impl Iterator<Item = &super::wire::SetRef> {
        self.events.iter().flat_map(|event| {
            let intends = if let Event::Intends(intends) = event { Some(intends) } else { None };
            intends.into_iter().flat_map(|intends| intends.sets())
        })
    }
}

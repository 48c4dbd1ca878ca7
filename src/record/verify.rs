use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};

use super::chain::Chain;
use super::segment::{self, Segment};
use super::snapshot::{self, Kept};
use super::{Record, RecordError, Store, key, sets};
use crate::model::ServerKey;

/// What reading all of a server's chain has shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// How many there are, damaged ones too; missing ones are not counted.
    pub segments: usize,
    /// Prevention rules that they name.
    pub sets: usize,
    /// Segments that wait on this machine to be brought into the record.
    pub waiting: usize,
    /// Where segments lie on this machine that were kept for a record which was put away or replaced since. They are
    /// brought into none.
    pub aside: Vec<String>,
    /// What is not as it was written, in the order of the chain.
    pub problems: Vec<Problem>,
}

/// Something of a record that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which sort of thing is wrong.
    pub kind: ProblemKind,
    /// What a person calls the place.
    pub place: String,
    /// What is wrong there, for a person; it may quote what stands there as it came.
    pub why: String,
}

/// What of it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// One or more segments are not there, and later ones are, or the snapshot of the ledger speaks of them.
    Gap,
    /// A segment was edited or cut off, follows another one than it says, or is not the one that the snapshot of the
    /// ledger was made of.
    Damaged,
    /// A segment of another chain, or of another place of this one.
    Foreign,
    /// A set of hashes that a segment names is missing, or not what its digest says.
    Set,
    /// This version does not understand it, so what follows is verified but not followed.
    FromNewerVersion,
    /// The snapshot of the ledger can not be read, or is not what its segments come to. Nothing is lost: it can be deleted.
    Snapshot,
    /// What waits on this machine can not be read.
    Waiting,
}

/// After what the snapshot of the ledger shows to be missing or another one.
const OF_ANOTHER: &str =
    "; where the chain was put away and begun anew since, delete that file: it is made anew";

/// How many segments are asked for at once.
const AT_ONCE: usize = 16;

impl<S: Store> Record<S> {
    /// Reads all of a server's chain, from its first segment on and past what is wrong with it. That is integrity,
    /// not proof against somebody who rewrites all of it.
    ///
    /// # Errors
    /// Only that the store can not be read.
    pub async fn verify(&self, server: &ServerKey) -> Result<Verified, RecordError> {
        let store = &*self.store;
        let name = key::file_name(server);
        let kept = store.get(&snapshot::key(&name)).await?;
        let names = store.list(&segment::folder(&name)).await?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|key| segment::number_of(key)).collect();
        numbers.sort_unstable();
        let mut walk = Walk {
            store,
            chain: Some(Chain::new(name.clone())),
            previous: Some(None),
            last: 0,
            kept: kept.as_deref().and_then(|bytes| Kept::decode(bytes, &name)),
            sets: BTreeSet::new(),
            server: name.clone(),
            verified: Verified { segments: numbers.len(), ..Verified::default() },
        };
        if kept.is_some() && walk.kept.is_none() {
            walk.snapshot("it can not be read; it is made anew");
        }
        let mut segments = stream::iter(numbers)
            .map(|number| {
                let key = segment::key(&name, number);
                async move { store.get(&key).await.map(|bytes| (number, bytes)) }
            })
            .buffered(AT_ONCE);
        while let Some(read) = segments.next().await {
            let (number, bytes) = read?;
            walk.step(number, bytes.as_deref()).await?;
        }
        if let Some(kept) = &walk.kept
            && kept.number() > walk.last
        {
            let why = format!(
                "segments are missing at the end: {} speaks of segment {}, and the chain ends with {}{}",
                store.place(&snapshot::key(&name)),
                kept.number(),
                walk.last,
                OF_ANOTHER
            );
            walk.problem(ProblemKind::Gap, walk.last + 1, why);
        }
        let mut verified = walk.verified;
        verified.sets = walk.sets.len();
        for spool in self.spools(server) {
            let (waiting, wrong) = spool.verify().await?;
            verified.waiting += waiting;
            verified.aside.extend(spool.aside().await?);
            verified
                .problems
                .extend(wrong.into_iter().filter_map(|wrong| problem(wrong, ProblemKind::Waiting)));
        }
        Ok(verified)
    }
}

struct Walk<'a, S> {
    store: &'a S,
    server: String,
    /// The ledger as far as every segment could be followed; `None` from there on.
    chain: Option<Chain>,
    /// The digest of the segment before; `None` where that is not to be trusted.
    previous: Option<Option<String>>,
    /// The number of the segment before.
    last: u64,
    kept: Option<Kept>,
    /// Those that were looked at.
    sets: BTreeSet<String>,
    verified: Verified,
}

impl<S: Store> Walk<'_, S> {
    async fn step(&mut self, number: u64, bytes: Option<&[u8]>) -> Result<(), RecordError> {
        let missing = self.last + 1..number;
        self.last = number;
        if !missing.is_empty() {
            let (first, last) = (missing.start, missing.end - 1);
            let why = if first == last {
                format!("segment {first} is missing, though there is a segment {number}")
            } else {
                format!("segments {first} to {last} are missing, though there is a segment {number}")
            };
            self.problem(ProblemKind::Gap, first, why);
            self.lose_track();
        }
        let Some(bytes) = bytes else {
            self.problem(ProblemKind::Gap, number, "it was listed and is not there".to_owned());
            self.lose_track();
            return Ok(());
        };
        let place = self.store.place(&segment::key(&self.server, number));
        let damaged = |why| RecordError::Damaged { place: place.clone(), why, remedy: String::new() };
        match segment::decode_anywhere(&place, &damaged, bytes) {
            Ok(segment) => self.follow(number, segment).await,
            Err(error) => {
                self.verified.problems.extend(problem(error, ProblemKind::Damaged));
                self.lose_track();
                Ok(())
            }
        }
    }

    async fn follow(&mut self, number: u64, segment: Segment) -> Result<(), RecordError> {
        let header = &segment.header;
        if header.server != self.server || header.number != number {
            let why = format!("it is segment {} of {}", header.number, header.server);
            self.problem(ProblemKind::Foreign, number, why);
            self.lose_track();
            return Ok(());
        }
        if self.previous.as_ref().is_some_and(|previous| *previous != header.previous) {
            let why = "the segment before it is not the one that it was written after".to_owned();
            self.problem(ProblemKind::Damaged, number, why);
            self.chain = None;
        }
        for set in segment.sets() {
            if self.sets.insert(set.sha256.clone())
                && let Err(error) = sets::read(self.store, &set.sha256).await
            {
                self.verified.problems.extend(problem_or(error, ProblemKind::Set)?);
                self.chain = None;
            }
        }
        let digest = segment.digest.clone();
        self.previous = Some(Some(digest.clone()));
        if let Some(mut chain) = self.chain.take() {
            match chain.take(self.store, segment).await {
                Ok(()) => self.chain = Some(chain),
                Err(error) => {
                    self.verified.problems.extend(problem_or(error, ProblemKind::FromNewerVersion)?);
                }
            }
        }
        let Some(kept) = self.kept.as_ref().filter(|kept| kept.number() == number) else { return Ok(()) };
        if !kept.is_of(&digest) {
            let snapshot = self.store.place(&snapshot::key(&self.server));
            let why = format!("it is not the segment that {snapshot} was made of{OF_ANOTHER}");
            self.problem(ProblemKind::Damaged, number, why);
        } else if self.chain.as_ref().is_some_and(|chain| !kept.says(&chain.ledger)) {
            self.snapshot("it is not what the chain says; delete it, and it is made anew");
        }
        Ok(())
    }

    /// What follows can not be judged by what came before.
    fn lose_track(&mut self) {
        self.chain = None;
        self.previous = None;
    }

    fn problem(&mut self, kind: ProblemKind, number: u64, why: String) {
        let place = self.store.place(&segment::key(&self.server, number));
        self.verified.problems.push(Problem { kind, place, why });
    }

    fn snapshot(&mut self, why: &str) {
        let place = self.store.place(&snapshot::key(&self.server));
        let why = why.to_owned();
        self.verified.problems.push(Problem { kind: ProblemKind::Snapshot, place, why });
    }
}

/// # Errors
/// The store can not be read.
fn problem_or(error: RecordError, kind: ProblemKind) -> Result<Option<Problem>, RecordError> {
    match error {
        RecordError::Unreachable { .. } | RecordError::Refused { .. } | RecordError::Unfit { .. } => {
            Err(error)
        }
        RecordError::Damaged { .. }
        | RecordError::FromNewerVersion { .. }
        | RecordError::Locked { .. }
        | RecordError::Collision { .. }
        | RecordError::LockNotSure
        | RecordError::Replaced { .. }
        | RecordError::Contended { .. } => Ok(problem(error, kind)),
    }
}

fn problem(error: RecordError, kind: ProblemKind) -> Option<Problem> {
    match error {
        RecordError::Damaged { place, why, .. } => Some(Problem { kind, place, why }),
        RecordError::FromNewerVersion { place, writer, what } => {
            let why = format!("it was written by a newer version ({writer}): {what}");
            Some(Problem { kind: ProblemKind::FromNewerVersion, place, why })
        }
        // Nothing here locks or appends.
        RecordError::Unreachable { .. }
        | RecordError::Refused { .. }
        | RecordError::Unfit { .. }
        | RecordError::Locked { .. }
        | RecordError::Collision { .. }
        | RecordError::LockNotSure
        | RecordError::Replaced { .. }
        | RecordError::Contended { .. } => None,
    }
}

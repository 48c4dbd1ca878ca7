//! A snapshot of the ledger: `ledger/<server>.json`. It spares reading old segments and is good only beside the
//! chain that it was made of; lost, damaged or of another version, it is as if it were not there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fold::{Ledger, Run};
use super::recorded_file::{SetsIn, SetsOut, WireOpen};
use super::segment::{self, Link, line};
use super::sets::WireSet;
use super::{RecordError, Recorded, RecordedFile, Store};

/// Raised with every change of what events fold into, also where an older version passed over an event that this
/// one understands: its ledger would lack it.
const FORMAT: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    writer: String,
    server: String,
    /// The last segment that is in it, and its digest.
    number: u64,
    segment: String,
}

/// The second line; the third is the digest of both.
#[derive(Serialize, Deserialize)]
struct Content {
    recorded: RecordedFile,
    /// Those that have not ended.
    runs: Vec<WireRun>,
    judged: Vec<WireOpen>,
    /// Of `judged`.
    sets: BTreeMap<String, WireSet>,
}

#[derive(Serialize, Deserialize)]
struct WireRun {
    run: String,
    owner: String,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
}

pub(super) fn key(server: &str) -> String {
    format!("ledger/{server}.json")
}

/// The ledger and where the chain goes on after it. `None`: to be read from the chain.
///
/// # Errors
/// The store can not be read.
pub(super) async fn load<S: Store>(store: &S, server: &str) -> Result<Option<(Ledger, Link)>, RecordError> {
    let Some(bytes) = store.get(&key(server)).await? else { return Ok(None) };
    let Some((header, ledger)) = decode(&bytes, server) else { return Ok(None) };
    let last = Link { server: server.to_owned(), number: header.number, previous: None };
    let segment = store.get(&last.key()).await?;
    let is_of_this_chain = segment.is_some_and(|bytes| crate::model::sha256_hex(&bytes) == header.segment);
    Ok(is_of_this_chain.then(|| (ledger, last.after(header.segment))))
}

/// A snapshot beside the chain that it says it was made of.
pub(super) struct Kept {
    header: Header,
    ledger: Ledger,
}

impl Kept {
    /// `None`: it can not be read by this version, and is as if it were not there.
    pub(super) fn decode(bytes: &[u8], server: &str) -> Option<Self> {
        decode(bytes, server).map(|(header, ledger)| Self { header, ledger })
    }

    /// The last segment that is in it.
    pub(super) fn number(&self) -> u64 {
        self.header.number
    }

    /// Whether it was made of the chain up to the segment with this digest.
    pub(super) fn is_of(&self, segment: &str) -> bool {
        self.header.segment == segment
    }

    /// Whether it is what that chain folds into.
    pub(super) fn says(&self, ledger: &Ledger) -> bool {
        self.ledger == *ledger
    }
}

pub(super) fn encode(server: &str, number: u64, segment: &str, ledger: &Ledger) -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        writer: segment::WRITER.to_owned(),
        server: server.to_owned(),
        number,
        segment: segment.to_owned(),
    };
    let mut sets = SetsOut::default();
    let content = Content {
        recorded: ledger.recorded().into(),
        runs: ledger
            .runs()
            .map(|(run, Run { owner, by, commit })| WireRun {
                run: run.to_string(),
                owner: owner.to_string(),
                by: by.to_string(),
                commit: commit.as_deref().map(str::to_owned),
            })
            .collect(),
        judged: ledger.judged().iter().map(|open| sets.open(open)).collect(),
        sets: sets.sets,
    };
    let mut lines = line(&header);
    lines.extend(line(&content));
    segment::seal(lines)
}

fn decode(bytes: &[u8], server: &str) -> Option<(Header, Ledger)> {
    let body = segment::sealed(bytes).ok_or_none()?;
    let end = body.iter().position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(&body[..end]).ok_or_none()?;
    if header.format != FORMAT || header.server != server || header.number == 0 {
        return None;
    }
    let content: Content = serde_json::from_slice(&body[end..]).ok_or_none()?;
    let recorded = Recorded::try_from(content.recorded).ok_or_none()?;
    let runs = content.runs.into_iter().map(|wire| {
        (
            wire.run.into(),
            Run { owner: wire.owner.into(), by: wire.by.into(), commit: wire.commit.map(Into::into) },
        )
    });
    let sets = SetsIn::new(content.sets).ok_or_none()?;
    let mut judged = Vec::new();
    for open in content.judged {
        judged.push(sets.open(open).ok_or_none()?);
    }
    Some((header, Ledger::from_parts(recorded, runs.collect(), judged)))
}

trait OrNone<T> {
    fn ok_or_none(self) -> Option<T>;
}

impl<T, E> OrNone<T> for Result<T, E> {
    #[expect(
        clippy::disallowed_methods,
        reason = "what can not be read is not there: the chain says the same, and more"
    )]
    fn ok_or_none(self) -> Option<T> {
        self.ok()
    }
}

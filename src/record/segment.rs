use serde::{Deserialize, Serialize};

use super::event::Event;
use super::{RecordError, Store};
use crate::model::sha256_hex;

/// What this version writes and reads.
pub(super) const FORMAT: u32 = 1;

/// In tests always the same, so that what they expect outlives a release.
pub(super) const WRITER: &str =
    if cfg!(test) { "kedrctl 0.0.0" } else { concat!("kedrctl ", env!("CARGO_PKG_VERSION")) };

/// The first line of a segment: its place in the chain and who put it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    /// The program and its version, for the message of one that is too old to read this.
    pub(super) writer: String,
    pub(super) server: String,
    /// Counted from 1, without gaps.
    pub(super) number: u64,
    /// The SHA-256 of the whole segment before; `None` for the first.
    pub(super) previous: Option<String>,
    pub(super) run: String,
    /// That of the lock under which it was written; `None`: without a lock.
    pub(super) fence: Option<u64>,
    /// Tells one's own segment from another's after a lost answer.
    pub(super) nonce: String,
    /// What stands before it may have been written after it: it was kept elsewhere, or somebody else was first. Between
    /// those two clocks have to tell, and between others the chain does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) late: bool,
}

/// The last line: the SHA-256 of all lines before it, so that an edit of the newest segment shows too.
#[derive(Serialize)]
struct Trailer<'a> {
    sha256: &'a str,
}

/// A segment that was read, found whole and in its place.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: Header,
    pub(super) events: Vec<Event>,
    /// Of all of it: what the next one names.
    pub(super) digest: String,
}

/// Where the next segment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) server: String,
    pub(super) number: u64,
    pub(super) previous: Option<String>,
}

impl Link {
    pub(super) fn first(server: String) -> Self {
        Self { server, number: 1, previous: None }
    }

    pub(super) fn after(&self, digest: String) -> Self {
        Self { server: self.server.clone(), number: self.number + 1, previous: Some(digest) }
    }

    pub(super) fn key(&self) -> String {
        key(&self.server, self.number)
    }
}

/// Twelve digits, so that names sort as numbers.
pub(super) fn key(server: &str, number: u64) -> String {
    format!("{}{number:012}.jsonl", folder(server))
}

/// The folder of one server's chain, by the name that its files go under.
pub(super) fn folder(server: &str) -> String {
    format!("journal/{server}/")
}

/// The number of a segment by its file's name; `None` for other files (an editor's copy, a note of a person).
pub(super) fn number_of(key: &str) -> Option<u64> {
    let name = key.rsplit('/').next()?.strip_suffix(".jsonl")?;
    match name.parse() {
        // In no other spelling: the name must be the one that the number gives.
        Ok(number) if format!("{number:012}") == name => Some(number),
        Ok(_) | Err(_) => None,
    }
}

pub(super) fn encode<'a>(header: &Header, events: impl IntoIterator<Item = &'a Event>) -> Vec<u8> {
    let mut bytes = line(header);
    for event in events {
        bytes.extend(line(event));
    }
    seal(bytes)
}

/// Puts the digest of these lines below them.
pub(super) fn seal(mut lines: Vec<u8>) -> Vec<u8> {
    let digest = sha256_hex(&lines);
    lines.extend(line(&Trailer { sha256: &digest }));
    lines
}

/// One line of JSON.
pub(super) fn line<T: Serialize>(value: &T) -> Vec<u8> {
    // It fails only on maps whose keys are no text and on a `Serialize` that fails by itself: ours are neither.
    let mut bytes = serde_json::to_vec(value).expect("the record's types are JSON");
    bytes.push(b'\n');
    bytes
}

/// Enough of a header to name who wrote a segment, whatever its format.
#[derive(Deserialize)]
struct Writer {
    format: u32,
    #[serde(default)]
    writer: Option<String>,
    #[serde(default)]
    run: Option<String>,
}

/// The run that wrote a segment, for messages; `None` where it does not say.
pub(super) fn run_of(bytes: &[u8]) -> Option<String> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    serde_json::from_slice::<Writer>(first).map_or(None, |writer| writer.run)
}

/// # Errors
/// [`RecordError::Damaged`] where it is not what was written at this place of this chain;
/// [`RecordError::FromNewerVersion`] where it is, but says what this version does not understand.
pub(super) fn decode<S: Store>(store: &S, link: &Link, bytes: &[u8]) -> Result<Segment, RecordError> {
    let segment = decode_alone(store, link, bytes)?;
    if segment.header.previous != link.previous {
        let why = "the segment before it is not the one that it was written after".to_owned();
        return Err(damaged(store, link, why));
    }
    Ok(segment)
}

/// As [`decode`], without a look at the segment before: whoever reads backwards compares that later.
pub(super) fn decode_alone<S: Store>(store: &S, link: &Link, bytes: &[u8]) -> Result<Segment, RecordError> {
    let damaged = |why: String| damaged(store, link, why);
    let segment = decode_anywhere(&store.place(&link.key()), &damaged, bytes)?;
    let header = &segment.header;
    if header.server != link.server || header.number != link.number {
        return Err(damaged(format!(
            "it belongs elsewhere: it is segment {} of {}",
            header.number, header.server
        )));
    }
    Ok(segment)
}

/// Reads a segment wherever it lies: whole, and by the digest in its last line as it was written.
///
/// # Errors
/// `damaged` makes one of what is wrong; [`RecordError::FromNewerVersion`].
pub(super) fn decode_anywhere(
    place: &str,
    damaged: &dyn Fn(String) -> RecordError,
    bytes: &[u8],
) -> Result<Segment, RecordError> {
    let newer = |writer: &str, what: String| RecordError::FromNewerVersion {
        place: place.to_owned(),
        writer: writer.to_owned(),
        what,
    };
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let writer: Writer =
        serde_json::from_slice(first).map_err(|e| damaged(format!("its first line is no header ({e})")))?;
    let name = writer.writer.as_deref().unwrap_or("unknown");
    if writer.format != FORMAT {
        return Err(newer(name, format!("its format is {}, this version reads {FORMAT}", writer.format)));
    }
    let body = sealed(bytes).map_err(|why| damaged(why.to_owned()))?;

    // From here on it is as its writer meant it; what can not be read comes from one that knows more.
    let header: Header = serde_json::from_slice(first).map_err(|e| newer(name, e.to_string()))?;
    let mut events = Vec::new();
    for (index, text) in body.split(|byte| *byte == b'\n').enumerate().skip(1) {
        if !text.is_empty() {
            let event =
                Event::decode(text).map_err(|what| newer(name, format!("line {}: {what}", index + 1)))?;
            events.extend(event);
        }
    }
    let segment = Segment { header, events, digest: sha256_hex(bytes) };
    // No version names a set otherwise, and the name is where it is looked for.
    if let Some(set) = segment.sets().find(|set| !set.is_digest()) {
        return Err(damaged(format!("it names a set of hashes `{}`, which is no SHA-256", set.sha256)));
    }
    Ok(segment)
}

/// The lines above the last one, which is their digest.
///
/// # Errors
/// What is wrong, for a message.
pub(super) fn sealed(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let body_end = bytes.strip_suffix(b"\n").and_then(|rest| rest.iter().rposition(|byte| *byte == b'\n'));
    let (body, trailer) = bytes.split_at(body_end.ok_or("it is cut off")? + 1);
    if trailer != line(&Trailer { sha256: &sha256_hex(body) }) {
        return Err("it was edited or is cut off: its last line is not the digest of the lines before");
    }
    Ok(body)
}

pub(super) fn damaged<S: Store>(store: &S, link: &Link, why: String) -> RecordError {
    RecordError::Damaged {
        place: store.place(&link.key()),
        why,
        remedy: format!(
            "restore it from a copy, or move {} away and keep it as evidence: then no end is known, isolations are \
             renewed once, and no hash counts as ours",
            store.place(&folder(&link.server))
        ),
    }
}

use std::sync::Arc;

use jiff::Timestamp;

use super::{FileHash, Origin, Untrusted};

/// One declared hash, with where it was declared and through which list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockEntry {
    /// To be blocked; under `unblock` to be taken out.
    pub hash: FileHash,
    /// What the files say of it, from the file of a list at most 200 characters; `None`: nothing.
    pub comment: Option<Untrusted>,
    /// Before this instant it is not blocked: feeds announce indicators.
    pub from: Option<Timestamp>,
    /// From this instant on it is taken out.
    pub until: Option<Timestamp>,
    /// The hash list that names it; `None` for a single hash: of an entry, a group, by hand, of a rollback.
    pub list: Option<Arc<str>>,
    /// Its own line, in a state or in the file of its list; [`Origin::command_line`] for what is done by hand.
    pub origin: Origin,
}

/// The entries of one hash list, or the single hashes of one entry; shared between all hosts that name the list.
pub type BlockSet = Arc<[BlockEntry]>;

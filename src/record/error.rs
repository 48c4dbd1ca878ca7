use std::error::Error;

use super::Holder;
use crate::model::Untrusted;

/// Why the record could not be read, locked or written. The cause, where there is one, is the error's `source`.
///
/// Its `Display` is safe to print: what somebody may have written into the record, or named in it, is escaped there.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It could not be asked or written at all (exit 5): nothing may be sent that the record would not know.
    #[error("the record can not be {attempted} at {}; {remedy}", safe(.place))]
    Unreachable {
        /// `read`, `written`, `listed`, `locked`, `created`.
        attempted: &'static str,
        /// What a person calls the file, folder or object: a path, or the bucket's address with the key.
        place: String,
        /// What to do, as the end of the sentence.
        remedy: &'static str,
        /// What the operating system or the store said; no URL of a request and no credentials are in it.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },

    /// It answers, and does not let us: trying again changes nothing until a person does (exit 1).
    #[error("the record can not be {attempted} at {}: {why}; {remedy}", safe(.place))]
    Refused {
        /// As of `Unreachable`, and `opened`.
        attempted: &'static str,
        /// As of `Unreachable`; the address in `record:` where the store could not even be opened.
        place: String,
        /// What it answered, or what of the settings makes no sense, as a part of the sentence.
        why: String,
        /// What to change, as the end of the sentence.
        remedy: String,
    },

    /// The store does not do what a record needs of it (exit 1).
    #[error(
        "the store of {} can not keep a record: {why}; nothing was sent; keep the record elsewhere (docs/record.md)",
        safe(.place)
    )]
    Unfit {
        /// The object on which it showed: a lock's.
        place: String,
        /// What it did that it must not, as a part of the sentence.
        why: String,
    },

    /// Another run holds this server's lock (exit 4).
    #[error(
        "the lock {} is held by {}; wait until that run has ended, or give a longer --lock-timeout",
        safe(.place), shown(.holder.as_deref())
    )]
    Locked {
        /// The lock's file or object, as a person calls it.
        place: String,
        /// `None`: whoever holds it has not (yet) said who they are.
        holder: Option<Box<Holder>>,
    },

    /// What was read is not as it was written: the chain, a set, a lock, a kept plan, or what waits on this machine.
    #[error("the record is damaged: {}: {}; {remedy}", safe(.place), safe(.why))]
    Damaged {
        /// The file or object that is wrong or missing.
        place: String,
        /// What is wrong with it, as a part of the sentence; it may quote what stands there as it came.
        why: String,
        /// What to do, as the end of the sentence.
        remedy: String,
    },

    /// Well kept, but it says something that this version does not understand, and which may change what the
    /// rest means.
    #[error(
        "the record was written by a newer version ({}): {}: {}; use that version or a later one",
        safe(.writer), safe(.place), safe(.what)
    )]
    FromNewerVersion {
        /// The file or object that says it.
        place: String,
        /// Program and version as it names them, `kedrctl 0.4.0`, as they came; `unknown` where it names none.
        writer: String,
        /// What of it is not understood, as a part of the sentence; it quotes what stands there as it came.
        what: String,
    },

    /// Somebody else appended to the chain while this run held its lock, so this run must not write on.
    #[error(
        "run {} wrote {} while this run was writing: nothing more is sent; is the record on a share \
         without working locks? Run one apply at a time, or keep the record on a local disk",
        safe(.other), safe(.place)
    )]
    Collision {
        /// The segment that the other run put there.
        place: String,
        /// The id of that run, as it came.
        other: String,
    },

    /// By our own clock somebody else may have taken over the lock (exit 4).
    #[error(
        "this run can not be sure any more that it holds its lock (it was suspended, the record did not answer for \
         too long, or its folder was taken away): nothing more is sent; run it again"
    )]
    LockNotSure,

    /// The segment that this run had read or written last is not there as it was (exit 5): what it goes on to say has
    /// no place in what is there now.
    #[error(
        "the record was moved away, or another was put in its place, while this run was under way: {} is not \
         there as it was; put it back, or run again",
        safe(.place)
    )]
    Replaced {
        /// That segment, as a person calls its place.
        place: String,
    },

    /// Others appended again and again before we could (exit 4).
    #[error("others kept writing {} before this run could; run it again", safe(.place))]
    Contended {
        /// The last place in the chain that this run tried for.
        place: String,
    },
}

fn safe(text: &str) -> String {
    Untrusted::new(text).printable().to_string()
}

fn shown(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => holder.to_string(),
        None => "another run (it has not said which)".to_owned(),
    }
}

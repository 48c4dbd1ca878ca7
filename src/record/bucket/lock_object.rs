use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::lock::WireWho;
use crate::record::{Holder, RecordError};

/// What this version writes and reads.
const FORMAT: u32 = 1;

/// What is under a lock's key. It is never deleted: who deletes may delete a successor's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockObject {
    format: u32,
    /// Higher with each holder.
    pub(super) fence: u64,
    /// Higher with each change by the same writer. Some stores name the same bytes by the same ETag: no two states
    /// may be the same bytes.
    pub(super) beat: u64,
    /// Seconds. Who sees the same object for so long may take it.
    ttl: u64,
    /// Of the one who wrote this: tells one's own earlier write, whose answer was lost, from another's.
    pub(super) nonce: String,
    /// `None`: given back; the next one need not wait.
    pub(super) holder: Option<WireWho>,
}

/// No holder's time is longer, in seconds: who wrote more keeps everybody out for good.
const LONGEST_TTL: u64 = 86_400;

/// No lock was ever held or renewed so often: what comes after has to have a number.
const HIGHEST: u64 = u64::MAX / 2;

/// Enough to tell a later format.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl LockObject {
    /// That of the holder after `before`.
    pub(super) fn acquired(
        before: Option<&Self>,
        holder: &Holder,
        nonce: &str,
        time_to_live: Duration,
    ) -> Self {
        Self {
            format: FORMAT,
            fence: before.map_or(0, |before| before.fence) + 1,
            beat: 1,
            ttl: time_to_live.as_secs().max(1),
            nonce: nonce.to_owned(),
            holder: Some(WireWho::new(holder)),
        }
    }

    pub(super) fn renewed(&self) -> Self {
        Self { beat: self.beat + 1, ..self.clone() }
    }

    /// Given back, or broken, by whoever `nonce` is.
    pub(super) fn freed(&self, nonce: &str) -> Self {
        Self { beat: self.beat + 1, nonce: nonce.to_owned(), holder: None, ..self.clone() }
    }

    pub(super) fn time_to_live(&self) -> Duration {
        Duration::from_secs(self.ttl)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Its fields are numbers and texts.
        serde_json::to_vec(self).expect("a lock is JSON")
    }

    pub(super) fn decode(bytes: &[u8], place: &str) -> Result<Self, RecordError> {
        let damaged = |why: String| RecordError::Damaged {
            place: place.to_owned(),
            why,
            remedy: "see to it that no run is under way, and delete this object".to_owned(),
        };
        let no_lock = |error: serde_json::Error| damaged(format!("it is no lock ({error})"));
        let Format { format } = serde_json::from_slice(bytes).map_err(no_lock)?;
        if format != FORMAT {
            return Err(RecordError::FromNewerVersion {
                place: place.to_owned(),
                writer: "unknown".to_owned(),
                what: format!("its format is {format}, this version reads {FORMAT}"),
            });
        }
        let lock: Self = serde_json::from_slice(bytes).map_err(no_lock)?;
        if lock.ttl > LONGEST_TTL {
            return Err(damaged(format!(
                "it is a lock for {} s, and none is for longer than a day ({LONGEST_TTL} s)",
                lock.ttl
            )));
        }
        if lock.fence > HIGHEST || lock.beat > HIGHEST {
            let (fence, beat) = (lock.fence, lock.beat);
            return Err(damaged(format!("no lock comes to the fence {fence} and the beat {beat}")));
        }
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_by_later_versions_and_no_two_states_are_the_same_bytes() {
        let kept = br#"{"format":1,"fence":3,"beat":2,"ttl":60,"nonce":"n","holder":{"by":"ana@soc-1","pid":4711,"since":"2026-11-25T00:00:00Z"},"later":true}"#;
        let lock = LockObject::decode(kept, "lock/x").unwrap();
        assert_eq!((lock.fence, lock.beat, lock.time_to_live().as_secs()), (3, 2, 60));
        assert_eq!(lock.holder.clone().unwrap().holder().by, "ana@soc-1".into());
        assert_ne!(lock.encode(), lock.renewed().encode());
        let free = br#"{"format":1,"fence":3,"beat":9,"ttl":60,"nonce":"n","holder":null}"#;
        assert_eq!(LockObject::decode(free, "lock/x").unwrap().holder, None);
        assert_eq!(lock.freed("m").beat, 3);

        let newer = LockObject::decode(br#"{"format":2}"#, "lock/x").unwrap_err();
        assert!(matches!(newer, RecordError::FromNewerVersion { .. }), "{newer}");
        let none = LockObject::decode(b"<html>", "lock/x").unwrap_err();
        assert!(matches!(none, RecordError::Damaged { .. }), "{none}");
    }

    #[test]
    fn numbers_that_no_run_wrote_are_refused() {
        let decoded = |(fence, beat, ttl): (u64, u64, u64)| {
            let bytes = format!(
                r#"{{"format":1,"fence":{fence},"beat":{beat},"ttl":{ttl},"nonce":"n","holder":null}}"#
            );
            LockObject::decode(bytes.as_bytes(), "lock/x")
        };
        for numbers in [(1, 1, u64::MAX), (1, 1, 86_401), (u64::MAX, 1, 60), (1, u64::MAX, 60)] {
            let error = decoded(numbers).unwrap_err();
            assert!(matches!(error, RecordError::Damaged { .. }), "{numbers:?}: {error}");
            assert!(error.to_string().ends_with("delete this object"), "{error}");
        }
        let most = decoded((u64::MAX / 2, u64::MAX / 2, 86_400)).unwrap();
        let next = LockObject::acquired(Some(&most), &holder(), "m", most.time_to_live());
        assert_eq!((next.fence, most.renewed().beat), (u64::MAX / 2 + 1, u64::MAX / 2 + 1));
    }

    fn holder() -> Holder {
        Holder { by: "ana@soc-1".into(), pid: 4711, since: jiff::Timestamp::UNIX_EPOCH }
    }
}

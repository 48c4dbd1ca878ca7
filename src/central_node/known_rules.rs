use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::wire::{NotUnderstood, read_prevention, write_prevention};
use crate::model::PreventionRule;

/// So many are remembered, each way; fleets have few different rules.
const MOST: usize = 16;
/// Bytes of the longest body that is: about 3,500 hashes.
const LONGEST: usize = 256 << 10;

/// What bodies said that came or went before. Most hosts of a fleet have one of few rules, and making one of its JSON, or
/// the JSON of it, takes longer than the rest of its exchange.
#[derive(Debug, Default)]
pub(super) struct KnownRules {
    read: Few,
    written: Few,
}

#[derive(Debug, Clone)]
struct Known {
    body: Bytes,
    /// `None`: the body says that there is none.
    rule: Option<Arc<PreventionRule>>,
}

impl KnownRules {
    /// As [`read_prevention`]; what is remembered is one value in memory.
    ///
    /// # Errors
    /// As those of [`read_prevention`]; they are not remembered.
    pub(super) fn read(&self, body: &[u8]) -> Result<Option<Arc<PreventionRule>>, NotUnderstood> {
        if let Some(known) = self.read.find(|known| known.body == body) {
            return Ok(known.rule);
        }
        let rule = read_prevention(body)?.map(Arc::new);
        // A copy: what came may be a piece of something larger.
        self.read.keep(|| Known { body: Bytes::copy_from_slice(body), rule: rule.clone() }, body.len());
        Ok(rule)
    }

    /// As [`write_prevention`]; what is remembered is one value in memory.
    ///
    /// # Errors
    /// As those of [`write_prevention`].
    pub(super) fn write(&self, rule: &Arc<PreventionRule>) -> serde_json::Result<Bytes> {
        if let Some(known) = self.written.find(|known| known.rule.as_ref() == Some(rule)) {
            return Ok(known.body);
        }
        let body = Bytes::from(write_prevention(rule)?);
        self.written.keep(|| Known { body: body.clone(), rule: Some(Arc::clone(rule)) }, body.len());
        Ok(body)
    }
}

/// The last [`MOST`], of which those that are asked for often stay.
#[derive(Debug, Default)]
struct Few(Mutex<VecDeque<Known>>);

impl Few {
    fn find(&self, is_it: impl Fn(&Known) -> bool) -> Option<Known> {
        // A poisoned lock still holds whole values.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = known.iter().position(is_it)?;
        known.swap(place, place / 2);
        known.get(place / 2).cloned()
    }

    /// `length`: that of its body. A long one is not kept.
    fn keep(&self, new: impl FnOnce() -> Known, length: usize) {
        if length <= LONGEST {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.truncate(MOST - 1);
            known.push_back(new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(n: usize) -> Vec<u8> {
        format!(r#"{{"settings": {{"objects": [{{"file": {{"sha256": "{n:064x}"}}}}]}}}}"#).into_bytes()
    }

    #[test]
    fn what_is_remembered_is_what_is_read() {
        let known = KnownRules::default();
        let bodies: Vec<Vec<u8>> = (0..3 * MOST).map(body).collect();
        // Each of them often enough to be remembered, and all of them more than are.
        for _ in 0..3 {
            for body in bodies.iter().chain(&bodies[..3]) {
                let read = read_prevention(body).map(|rule| rule.map(Arc::new));
                assert_eq!(known.read(body), read);
                assert_eq!(known.read(body), read);
            }
        }
        assert_eq!(known.read.0.lock().unwrap().len(), MOST);
    }

    #[test]
    fn what_is_remembered_is_what_is_written() {
        let known = KnownRules::default();
        let rule = |n| Arc::new(read_prevention(&body(n)).unwrap().unwrap());
        for _ in 0..3 {
            for n in (0..3 * MOST).chain(0..3) {
                let written = known.write(&rule(n)).unwrap();
                assert_eq!(written, write_prevention(&rule(n)).unwrap());
                assert_eq!(known.write(&rule(n)).unwrap().as_ptr(), written.as_ptr());
            }
        }
        assert_eq!(known.written.0.lock().unwrap().len(), MOST);
    }

    #[test]
    fn what_is_not_understood_stays_so() {
        let known = KnownRules::default();
        for _ in 0..2 {
            assert!(known.read(b"{}").is_err());
        }
        assert_eq!(known.read(br#"{"settings": {"objects": []}}"#), Ok(None));
        assert!(known.read(b"{}").is_err());
    }

    #[test]
    fn a_long_one_is_not_kept() {
        let known = KnownRules::default();
        let mut long = body(1);
        long.resize(LONGEST + 1, b' ');
        assert_eq!(known.read(&long), read_prevention(&long).map(|rule| rule.map(Arc::new)));
        assert!(known.read.0.lock().unwrap().is_empty());
    }
}

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::wire::{NotUnderstood, read_prevention};
use crate::model::PreventionRule;

/// So many answers are remembered; fleets have few different rules.
const MOST: usize = 16;
/// Bytes of the longest that is: about 3,500 hashes.
const LONGEST: usize = 256 << 10;

/// What answers said that came before, by their bytes. Most hosts of a fleet have one of few rules, and making one of its
/// JSON takes longer than the rest of its exchange.
#[derive(Debug, Default)]
pub(super) struct KnownRules(Mutex<VecDeque<Known>>);

#[derive(Debug)]
struct Known {
    body: Box<[u8]>,
    rule: Option<Arc<PreventionRule>>,
}

impl KnownRules {
    /// As [`read_prevention`]; what is remembered is one value in memory.
    ///
    /// # Errors
    /// As those of [`read_prevention`]; they are not remembered.
    pub(super) fn read(&self, body: &[u8]) -> Result<Option<Arc<PreventionRule>>, NotUnderstood> {
        // A poisoned lock still holds whole values.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.iter().position(|known| *known.body == *body) {
            // What is asked for often stays.
            known.swap(place, place / 2);
            return Ok(known[place / 2].rule.clone());
        }
        let rule = read_prevention(body)?.map(Arc::new);
        if body.len() <= LONGEST {
            known.truncate(MOST - 1);
            known.push_back(Known { body: body.into(), rule: rule.clone() });
        }
        Ok(rule)
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
        assert_eq!(known.0.lock().unwrap().len(), MOST);
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
        assert!(known.0.lock().unwrap().is_empty());
    }
}

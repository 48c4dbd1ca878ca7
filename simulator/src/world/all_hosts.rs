//! The prevention rule for all hosts, with the versions that some agent may still go by.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::PreventionRule;
use crate::agent::FetchedVersion;

/// How many versions are kept before those that no agent goes by are looked for.
const UNSORTED: usize = 8;

/// The rule for all hosts. Keeping its versions spares every agent a copy of what it fetched: which version
/// that was is told by the time of its last contact.
#[derive(Clone, Debug)]
pub(crate) struct AllHosts {
    /// By time and number; never empty; the last one stands.
    versions: Vec<Version>,
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) since: Timestamp,
    pub(crate) rule: Option<Arc<PreventionRule>>,
}

impl Default for AllHosts {
    fn default() -> AllHosts {
        AllHosts::of(None)
    }
}

impl AllHosts {
    /// A rule that has always stood.
    pub(crate) fn of(rule: Option<Arc<PreventionRule>>) -> AllHosts {
        AllHosts { versions: vec![Version { number: 0, since: Timestamp::MIN, rule }] }
    }

    /// As the state file had it; `None` without any version.
    pub(crate) fn restore(mut versions: Vec<Version>) -> Option<AllHosts> {
        versions.sort_by_key(|version| version.number);
        versions.first_mut()?.since = Timestamp::MIN;
        Some(AllHosts { versions })
    }

    pub(crate) fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The number of the rule that stands.
    pub(super) fn version(&self) -> u64 {
        self.versions.last().map_or(0, |last| last.number)
    }

    /// The rule that stands.
    pub(super) fn current(&self) -> Option<&Arc<PreventionRule>> {
        self.versions.last()?.rule.as_ref()
    }

    /// The rule that an agent fetched; a contact at the very instant of a change came before it.
    pub(super) fn fetched(&self, version: FetchedVersion) -> Option<&Arc<PreventionRule>> {
        self.versions[self.index(version)].rule.as_ref()
    }

    pub(super) fn set(
        &mut self,
        rule: Option<Arc<PreventionRule>>,
        now: Timestamp,
        fetched: impl Iterator<Item = FetchedVersion>,
    ) {
        if self.versions.len() >= UNSORTED {
            let mut needed: BTreeSet<usize> = fetched.map(|version| self.index(version)).collect();
            needed.insert(self.versions.len() - 1);
            let mut index = 0..;
            self.versions.retain(|_| index.next().is_some_and(|index| needed.contains(&index)));
            self.versions[0].since = Timestamp::MIN;
        }
        // A clock that went back must not let the new version stand before an older one.
        let since = self.versions.last().map_or(now, |last| last.since.max(now));
        self.versions.push(Version { number: self.version() + 1, since, rule });
    }

    fn index(&self, version: FetchedVersion) -> usize {
        let until = match version {
            FetchedVersion::At(contact) => self.versions.partition_point(|version| version.since < contact),
            FetchedVersion::Number(number) => {
                self.versions.partition_point(|version| version.number <= number)
            }
        };
        until.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::world::{FileHash, FileObject};

    fn rule(byte: u8) -> Option<Arc<PreventionRule>> {
        Some(Arc::new(PreventionRule::new(vec![FileObject::new(FileHash::Md5([byte; 16]))])))
    }

    #[test]
    fn an_agent_goes_by_the_version_of_its_last_contact() {
        let start = Timestamp::UNIX_EPOCH;
        let minute = SignedDuration::from_mins(1);
        let mut all = AllHosts::default();
        let [first, contact] = [start, start + minute * 3].map(FetchedVersion::At);
        let out_of_turn = FetchedVersion::Number(3);
        for n in 1..100_u8 {
            all.set(rule(n), start + minute * i32::from(n), [contact, first, out_of_turn].into_iter());
        }
        assert_eq!(all.fetched(first), None);
        assert_eq!(
            all.fetched(contact),
            rule(2).as_ref(),
            "a contact comes before a change of the same instant"
        );
        assert_eq!(all.fetched(out_of_turn), rule(3).as_ref(), "the number tells, at the same instant too");
        assert_eq!(all.current(), rule(99).as_ref());
        assert!(all.versions.len() <= UNSORTED + 1, "versions that nobody goes by are forgotten");
    }
}

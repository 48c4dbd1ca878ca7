//! The calls of the API on settings: what they refuse and what they replace.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Clash, ExclusionRule, FileObject, IsolationRule, PreventionRule, Refusal, TIMEOUT_LIMITS, Target, World,
};

/// What sending a rule again, the same as the one that stands, does to its time. Not documented: the first is
/// our reading of "replaced by what is sent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resend {
    /// Its time begins anew.
    #[default]
    Restarts,
    /// It goes on.
    Keeps,
}

impl World {
    /// Enables isolation, or replaces the rule that stands.
    ///
    /// # Errors
    /// An unknown host, or a timeout out of [`TIMEOUT_LIMITS`]. Exclusion rules are checked where they are read.
    pub fn post_isolation(
        &mut self,
        sensor: Uuid,
        timeout_seconds: u64,
        exclusions: Option<Vec<ExclusionRule>>,
        resend: Resend,
    ) -> Result<(), Refusal> {
        if !self.hosts.contains_key(&sensor) {
            return Err(Refusal::UnknownHost);
        }
        if !TIMEOUT_LIMITS.contains(&timeout_seconds) {
            let (from, to) = (TIMEOUT_LIMITS.start(), TIMEOUT_LIMITS.end());
            return Err(Refusal::Incorrect(format!("autoTurnoffTimeoutInSec must be from {from} to {to}")));
        }
        let mut rule = IsolationRule { timeout_seconds, exclusions, set_at: self.now };
        if let (Resend::Keeps, Some(old)) = (resend, self.isolation(sensor))
            && old.timeout_seconds == rule.timeout_seconds
            && old.exclusions == rule.exclusions
        {
            rule.set_at = old.set_at;
        }
        self.put_isolation(sensor, Some(rule)).map_err(Refusal::from)
    }

    /// Disables isolation.
    ///
    /// # Errors
    /// An unknown host, or one without a rule.
    pub fn delete_isolation(&mut self, sensor: Uuid) -> Result<(), Refusal> {
        let host = self.hosts.get(&sensor).ok_or(Refusal::UnknownHost)?;
        host.rules.isolation.as_ref().ok_or(Refusal::NoRule)?;
        self.put_isolation(sensor, None).map_err(Refusal::from)
    }

    /// Sets a prevention rule: all that stood there gives way to what is sent. An empty list removes it.
    ///
    /// # Errors
    /// An unknown host, or a clash.
    pub fn post_prevention(&mut self, target: Target, objects: Vec<FileObject>) -> Result<(), Refusal> {
        if let Target::Sensor(sensor) = target
            && !self.hosts.contains_key(&sensor)
        {
            return Err(Refusal::UnknownHost);
        }
        let rule = PreventionRule::new(objects);
        if let Some(clash) = self.clash(target, &rule) {
            return Err(Refusal::Clash(clash));
        }
        let rule = (!rule.objects().is_empty()).then(|| Arc::new(rule));
        self.put_prevention(target, rule).map_err(Refusal::from)
    }

    /// Removes a prevention rule.
    ///
    /// # Errors
    /// An unknown host, or one without a rule.
    pub fn delete_prevention(&mut self, target: Target) -> Result<(), Refusal> {
        if let Target::Sensor(sensor) = target
            && !self.hosts.contains_key(&sensor)
        {
            return Err(Refusal::UnknownHost);
        }
        self.prevention(target).ok_or(Refusal::NoRule)?;
        self.put_prevention(target, None).map_err(Refusal::from)
    }

    /// A rule for all hosts is refused while any single host has one of the same files, and the other way round.
    fn clash(&self, target: Target, rule: &PreventionRule) -> Option<Clash> {
        match target {
            Target::Sensor(_) => {
                let file = rule.first_shared_with(self.all.current()?)?;
                Some(Clash { file, of_all: true, hosts: Vec::new() })
            }
            Target::All => {
                let with_rule = || {
                    self.entries()
                        .filter_map(|entry| Some((&entry.host, entry.rules.prevention.as_deref()?)))
                        .filter(|(_, of_host)| of_host.hashes().iter().any(|hash| rule.blocks(*hash)))
                };
                let hashes = rule.objects().iter().filter_map(|object| object.hash);
                let clashing: Vec<_> = with_rule().collect();
                let file =
                    { hashes }.find(|hash| clashing.iter().any(|(_, of_host)| of_host.blocks(*hash)))?;
                let hosts = clashing
                    .iter()
                    .filter(|(_, of_host)| of_host.blocks(file))
                    .map(|(host, _)| (host.sensor_id, host.name.clone()))
                    .collect();
                Some(Clash { file, of_all: false, hosts })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::world::{FileHash, Host, sensor_id_of};

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn world() -> World {
        let mut world = World::new(START);
        ["WS-1", "WS-2"].into_iter().for_each(|name| world.add_host(Host::new(name)));
        world
    }

    fn host(name: &str) -> Target {
        Target::Sensor(sensor_id_of(name))
    }

    fn files(bytes: &[u8]) -> Vec<FileObject> {
        bytes.iter().map(|byte| FileObject::new(FileHash::Sha256([*byte; 32]))).collect()
    }

    #[test]
    fn timeouts_have_limits() {
        let mut world = world();
        let sensor = sensor_id_of("WS-1");
        let mut post = |timeout| world.post_isolation(sensor, timeout, None, Resend::Restarts);
        assert!(post(3_599).is_err() && post(35_996_401).is_err());
        assert!(post(3_600).is_ok() && post(35_996_400).is_ok());
    }

    #[test]
    fn only_the_same_rule_sent_again_may_keep_its_time() {
        let sensor = sensor_id_of("WS-1");
        let later = START + SignedDuration::from_mins(10);
        for (resend, timeout, set_at) in
            [(Resend::Restarts, 7_200, later), (Resend::Keeps, 7_200, START), (Resend::Keeps, 7_201, later)]
        {
            let mut world = world();
            world.post_isolation(sensor, 7_200, None, resend).unwrap();
            world.set_now(later);
            world.post_isolation(sensor, timeout, None, resend).unwrap();
            assert_eq!(world.isolation(sensor).unwrap().set_at, set_at);
        }
    }

    #[test]
    fn a_rule_for_all_clashes_with_those_of_hosts() {
        let mut world = world();
        world.post_prevention(host("WS-1"), files(&[1, 2])).unwrap();
        world.post_prevention(host("WS-2"), files(&[3])).unwrap();
        let clash = world.post_prevention(Target::All, files(&[9, 2, 3])).unwrap_err();
        let expected = Clash {
            file: FileHash::Sha256([2; 32]),
            of_all: false,
            hosts: vec![(sensor_id_of("WS-1"), "WS-1".into())],
        };
        assert_eq!(clash, Refusal::Clash(expected));
        assert!(world.prevention(Target::All).is_none());
        world.delete_prevention(host("WS-1")).unwrap();
        world.post_prevention(Target::All, files(&[9, 2])).unwrap();
    }

    #[test]
    fn a_hosts_rule_clashes_with_that_for_all() {
        let mut world = world();
        world.post_prevention(Target::All, files(&[1, 2])).unwrap();
        let clash = world.post_prevention(host("WS-1"), files(&[3, 2])).unwrap_err();
        let expected = Clash { file: FileHash::Sha256([2; 32]), of_all: true, hosts: Vec::new() };
        assert_eq!(clash, Refusal::Clash(expected));
        world.post_prevention(Target::All, Vec::new()).unwrap();
        world.post_prevention(host("WS-1"), files(&[3, 2])).unwrap();
    }

    #[test]
    fn hosts_that_are_gone_take_their_rules_and_tasks_along() {
        let mut world = world();
        world.post_prevention(host("WS-1"), files(&[1])).unwrap();
        assert!(world.remove_host(sensor_id_of("WS-1")));
        assert_eq!(world.delete_prevention(host("WS-1")), Err(Refusal::UnknownHost));
        world.post_prevention(Target::All, files(&[1])).unwrap();
        world.add_host(Host::new("WS-1"));
        assert_eq!(world.delete_prevention(host("WS-1")), Err(Refusal::NoRule));
    }
}

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

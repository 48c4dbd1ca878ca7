//! Who stands in the way of the rule for all hosts: the server refuses it while any host's own rule has one of its
//! files (response-api.md, section 4, "Clash"), and names the first one only. So it is found out before.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::make::Facts;
use super::{Finding, FindingKind, hold};
use crate::model::{
    Aspect, FileHash, PreventionRule, ReadFailure, Reading, Sensor, SensorId, Subject, Target, Untrusted,
    shell_word,
};

/// Hosts that hold a file which the rule for all is to have, and do not give it up by this plan.
pub(super) struct Clashes<'a> {
    facts: &'a Facts<'a>,
    of_hosts: Vec<Clash<'a>>,
    /// Whose rule could not be read, and why.
    unread: Vec<(&'a Arc<Sensor>, ReadFailure)>,
}

struct Clash<'a> {
    sensor: &'a Arc<Sensor>,
    shared: Arc<[FileHash]>,
    why: WhyKept,
}

/// Why a host does not give it up.
#[derive(Clone)]
enum WhyKept {
    NotManaged,
    /// By `--limit`.
    LeftOut,
    /// Its entry is refused: nobody can tell whether it is meant.
    Unresolved(Arc<str>),
    /// Who holds it, until when and why.
    Held(String),
}

impl<'a> Clashes<'a> {
    /// `for_all`: the rule as it is to be.
    pub(super) fn find(facts: &'a Facts<'a>, for_all: &PreventionRule) -> Self {
        let managed: BTreeMap<SensorId, Option<WhyKept>> = managed(facts);
        // Equal rules are shared in memory: each is compared once.
        let mut known: BTreeMap<*const PreventionRule, Arc<[FileHash]>> = BTreeMap::new();
        let mut clashes = Self { facts, of_hosts: Vec::new(), unread: Vec::new() };
        for sensor in facts.listed.sensors.values() {
            let rule = match facts.observed.prevention(Target::Sensor(sensor.id)) {
                Reading::Absent => continue,
                Reading::Unknown(why) => {
                    clashes.unread.push((sensor, why));
                    continue;
                }
                Reading::Present(rule) => rule,
            };
            let shared = known.entry(Arc::as_ptr(&rule)).or_insert_with(|| shared(&rule, for_all));
            if shared.is_empty() {
                continue;
            }
            let why = match managed.get(&sensor.id) {
                Some(None) => continue,
                Some(Some(why)) => why.clone(),
                None => WhyKept::NotManaged,
            };
            clashes.of_hosts.push(Clash { sensor, shared: Arc::clone(shared), why });
        }
        clashes
    }

    pub(super) fn is_any(&self) -> bool {
        !self.of_hosts.is_empty()
    }

    /// Why it can not be told whether the server would take the rule.
    pub(super) fn not_known(&self) -> Option<ReadFailure> {
        let (sensor, why) = self.unread.first()?;
        let whose = match self.unread.len() {
            1 => format!("that of {} could not be read", sensor.label()),
            many => format!("those of {many} hosts could not be read, first that of {}", sensor.label()),
        };
        Some(ReadFailure::new(format!(
            "a file may not be in it and in a host's rule at once, and {whose}: {why}"
        )))
    }

    /// One for each host, in the order of their ids.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let names = names(self.facts);
        self.of_hosts.iter().map(|clash| self.finding(clash, &names)).collect()
    }

    fn finding(&self, clash: &Clash<'_>, names: &BTreeMap<&str, usize>) -> Finding {
        let host = word(clash.sensor, names);
        let (count, them) = match clash.shared.len() {
            1 => ("a hash".to_owned(), "it"),
            many => (format!("{many} hashes"), "them"),
        };
        let first = clash.shared.first().map_or_else(String::new, |hash| format!(" ({}…)", hash.short()));
        let kept = "so the rule for all hosts stays as it is";
        let why = match &clash.why {
            // What files say of it nobody has looked up.
            WhyKept::NotManaged if self.facts.by_hand => format!(
                "this command leaves its rule as it is{}, {kept}; to move {them} write {them} under `all_hosts` in \
                 the files, and `kedrctl apply`; to take {them} out, where no file declares {them}: {}",
                self.of_another(clash.sensor),
                unblock(&clash.shared, &host)
            ),
            WhyKept::NotManaged => format!(
                "no file declares its prevention{}, {kept}; to take {them} out: {}, or declare `prevention: {{ \
                 block: [] }}` for it, and apply moves {them}",
                self.of_another(clash.sensor),
                unblock(&clash.shared, &host)
            ),
            WhyKept::LeftOut => {
                format!("`--limit` leaves it out, {kept}; run without `--limit`, or with this host in it")
            }
            WhyKept::Unresolved(entry) => {
                let entry = Untrusted::new(&**entry);
                format!("its entry `{}` is refused, {kept}; settle that first", entry.printable())
            }
            WhyKept::Held(held) => format!(
                "{held}, so apply takes nothing out of its rule, and the rule for all hosts stays as it is; \
                 `kedrctl hold --end {host}` ends that"
            ),
        };
        Finding {
            kind: FindingKind::HostError,
            label: clash.sensor.label(),
            aspect: Some(Aspect::Prevention),
            message: format!("holds {count} that the rule for all hosts is to gain{first}: {why}"),
            cause: self.facts.desired.all_hosts.as_ref().map(|declared| declared.cause.clone()),
        }
    }

    /// Whose it is, where another owner wrote it last.
    fn of_another(&self, sensor: &Sensor) -> String {
        let subject = Subject { target: Target::Sensor(sensor.id), aspect: Aspect::Prevention };
        match self.facts.recorded.owner_of(subject) {
            Some(owner) if **owner != *self.facts.owner => {
                format!(" here, and owner `{}` wrote it last", Untrusted::new(&**owner).printable())
            }
            Some(_) | None => String::new(),
        }
    }
}

/// The hosts whose prevention is declared; `None`: it gives up what it is asked for.
fn managed(facts: &Facts<'_>) -> BTreeMap<SensorId, Option<WhyKept>> {
    let mut managed = BTreeMap::new();
    for host in facts.desired.all_unresolved() {
        for sensor in host.sensors.iter().filter(|_| host.aspects.contains(&Aspect::Prevention)) {
            managed.insert(*sensor, Some(WhyKept::Unresolved(Arc::clone(&host.entry))));
        }
    }
    for host in facts.desired.left_out.iter().filter(|host| host.prevention.is_some()) {
        managed.insert(host.sensor.id, Some(WhyKept::LeftOut));
    }
    for host in facts.desired.hosts.iter().filter(|host| host.prevention.is_some()) {
        let subject = Subject { target: Target::Sensor(host.sensor.id), aspect: Aspect::Prevention };
        // By hand a hold is judged by who asks: a rollback ends the one that its run left.
        let held = facts.recorded.hold_on(subject, facts.now).filter(|_| !facts.by_hand);
        let held = held.map(|held| WhyKept::Held(hold::held(held, Aspect::Prevention)));
        managed.insert(host.sensor.id, held);
    }
    managed
}

fn shared(rule: &PreventionRule, for_all: &PreventionRule) -> Arc<[FileHash]> {
    let (few, many) =
        if rule.objects.len() < for_all.objects.len() { (rule, for_all) } else { (for_all, rule) };
    few.objects.keys().filter(|hash| many.objects.contains_key(*hash)).copied().collect()
}

/// How many hosts have each name.
fn names<'a>(facts: &'a Facts<'_>) -> BTreeMap<&'a str, usize> {
    let mut names = BTreeMap::new();
    for name in facts.listed.sensors.values().filter_map(|sensor| sensor.name.as_ref()) {
        *names.entry(name.raw()).or_default() += 1;
    }
    names
}

/// What a command takes for a host: its name, where that is only its own and can be typed.
fn word(sensor: &Sensor, names: &BTreeMap<&str, usize>) -> String {
    match &sensor.name {
        Some(name) if names.get(name.raw()) == Some(&1) && name.printable().to_string() == name.raw() => {
            shell_word(name.raw()).to_string()
        }
        Some(_) | None => sensor.id.to_string(),
    }
}

fn unblock(shared: &[FileHash], host: &str) -> String {
    const SHOWN: usize = 10;
    let mut shown: Vec<String> = shared.iter().take(SHOWN).map(FileHash::to_string).collect();
    if shared.len() > SHOWN {
        shown.push("…".to_owned());
    }
    format!("`kedrctl unblock {} --on {host} --reason …`", shown.join(" "))
}

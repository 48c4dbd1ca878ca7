//! The hosts that a page shows, each with how it stands and all that is said of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Page;
use super::changes::{Made, made};
use super::markup::{shown, shown_message};
use super::state::State;
use crate::execute::WriteResult;
use crate::model::{Aspect, Cause, Sensor, Subject, Target};
use crate::plan::{Change, Finding, Judged, ServerPlan, Verdict};
use crate::report::words::instant;

/// How the rule for all hosts is called where hosts are.
pub(super) const ALL_HOSTS: &str = "all hosts";

pub(super) struct Fleet<'a> {
    /// By server, then the worst first, then by name.
    pub(super) hosts: Vec<Host>,
    /// In the order in which they are made, the renewals last: a fleet has hundreds of them every day.
    pub(super) changes: Vec<Made<'a>>,
    /// In the order of the plan, each with its server's number.
    pub(super) findings: Vec<(usize, &'a Finding)>,
}

/// A host, or the rule for all hosts, or an entry of which nobody knows whom it means. Texts are safe to show.
pub(super) struct Host {
    pub(super) server: usize,
    pub(super) name: String,
    /// What its entry calls it, where that is another name.
    pub(super) entry: String,
    pub(super) state: State,
    pub(super) groups: Vec<String>,
    pub(super) sensor_id: String,
    pub(super) addresses: String,
    pub(super) os: String,
    pub(super) seen: Option<Timestamp>,
    pub(super) aspects: Vec<Standing>,
    /// Their numbers in [`Fleet::changes`] and [`Fleet::findings`].
    pub(super) changes: Vec<usize>,
    pub(super) findings: Vec<usize>,
}

/// How one aspect stands.
pub(super) struct Standing {
    pub(super) aspect: Aspect,
    pub(super) state: State,
    pub(super) note: String,
    pub(super) cause: String,
}

impl<'a> Fleet<'a> {
    pub(super) fn of(page: &Page<'a>) -> Self {
        let results = Results::of(page);
        let mut fleet = Self { hosts: Vec::new(), changes: Vec::new(), findings: Vec::new() };
        for (number, server) in page.plan.servers.iter().enumerate() {
            let first = fleet.hosts.len();
            let mut here = Here { server: number, first, by_target: BTreeMap::new() };
            for judged in server.judged.iter() {
                here.judged(&mut fleet.hosts, judged, &results, page.plan.now);
            }
            let listed = page.listed.and_then(|listed| listed.get(&server.server));
            for sensor in listed.iter().flat_map(|listed| listed.sensors.values()) {
                here.host(&mut fleet.hosts, Target::Sensor(sensor.id), &sensor.label(), Some(sensor));
            }
            here.findings(&mut fleet, server);
            here.changes(&mut fleet, page, server, &results);
        }
        fleet.sort();
        fleet.number_changes();
        fleet
    }

    /// Changes name their hosts by number.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        order.sort_by(|a, b| {
            let key = |host: &Host| (host.server, host.state);
            let (a, b) = (&self.hosts[*a], &self.hosts[*b]);
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name)).then_with(|| a.sensor_id.cmp(&b.sensor_id))
        });
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old] = new;
        }
        let mut hosts: Vec<Option<Host>> = self.hosts.drain(..).map(Some).collect();
        self.hosts = order.iter().filter_map(|old| hosts[*old].take()).collect();
        for change in &mut self.changes {
            change.host = change.host.map(|host| place[host]);
        }
    }

    /// Renewals last; then hosts know theirs.
    fn number_changes(&mut self) {
        self.changes.sort_by_key(|change| change.is_renewal);
        for (number, change) in self.changes.iter().enumerate() {
            if let Some(host) = change.host {
                self.hosts[host].changes.push(number);
            }
        }
    }

    /// How many hosts stand in each state, where any does.
    pub(super) fn counts(&self) -> BTreeMap<State, usize> {
        let mut counts = BTreeMap::new();
        for host in &self.hosts {
            *counts.entry(host.state).or_default() += 1;
        }
        counts
    }
}

/// What became of the changes of a plan.
struct Results<'a> {
    /// By server, of each change: a rule that is written in two steps has two.
    by_change: BTreeMap<(usize, *const Change), &'a WriteResult>,
    /// Those of them that are about one subject.
    by_subject: BTreeMap<(usize, Subject), Vec<&'a WriteResult>>,
    /// What was done, and undone again.
    undone: BTreeSet<(usize, Subject)>,
}

impl<'a> Results<'a> {
    fn of(page: &Page<'a>) -> Self {
        let mut results =
            Self { by_change: BTreeMap::new(), by_subject: BTreeMap::new(), undone: BTreeSet::new() };
        for server in page.outcome.iter().flat_map(|executed| &executed.outcome.servers) {
            let place = page.plan.servers.iter().position(|plan| plan.server == server.server);
            let Some(number) = place else { continue };
            let mut last = BTreeMap::new();
            for one in &server.changes {
                // What was done again stands behind what it was done again for.
                results.by_change.insert((number, Arc::as_ptr(&one.change)), &one.result);
                last.insert(Arc::as_ptr(&one.change), (one.change.subject, &one.result));
            }
            for (subject, result) in last.into_values() {
                results.by_subject.entry((number, subject)).or_default().push(result);
            }
            let back = server.put_back.iter().filter(|back| back.result.is_done());
            results.undone.extend(back.map(|back| (number, back.change.subject)));
        }
        results
    }

    fn of_change(&self, server: usize, change: &Arc<Change>) -> Option<&'a WriteResult> {
        self.by_change.get(&(server, Arc::as_ptr(change))).copied()
    }

    /// How a subject stands now that stood like this: as the worst of its changes left it.
    fn after(&self, server: usize, subject: Subject, before: State) -> Option<State> {
        let key = (server, subject);
        let states = self.by_subject.get(&key)?.iter().map(|result| before.after(result));
        let undone = self.undone.contains(&key).then_some(before);
        states.chain(undone).min()
    }
}

/// The hosts of one server, while they are gathered.
struct Here {
    server: usize,
    first: usize,
    by_target: BTreeMap<Target, usize>,
}

impl Here {
    fn host(
        &mut self,
        hosts: &mut Vec<Host>,
        target: Target,
        name: &str,
        sensor: Option<&Arc<Sensor>>,
    ) -> usize {
        if let Some(number) = self.by_target.get(&target) {
            return *number;
        }
        self.by_target.insert(target, hosts.len());
        hosts.push(new_host(self.server, name, sensor.map(AsRef::as_ref)));
        hosts.len() - 1
    }

    fn judged(&mut self, hosts: &mut Vec<Host>, judged: &Judged, results: &Results<'_>, now: Timestamp) {
        let whom = &judged.whom;
        let number = self.host(hosts, whom.target(), &whom.label(), whom.sensor());
        let host = &mut hosts[number];
        if let Some(desired) = whom.host() {
            host.groups = desired.groups.iter().map(|group| shown(group)).collect();
            let entry = shown(&desired.entry);
            if entry != host.name {
                host.entry = entry;
            }
        }
        let stands = State::of(judged);
        let state = results.after(self.server, judged.subject(), stands).unwrap_or(stands);
        host.state = host.state.min(state);
        host.aspects.push(Standing {
            aspect: judged.aspect,
            state,
            note: note(judged, now),
            cause: shown(&whom.cause(judged.aspect).to_string()),
        });
    }

    fn findings<'a>(&mut self, fleet: &mut Fleet<'a>, server: &'a ServerPlan) {
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, host) in fleet.hosts.iter().enumerate().skip(self.first) {
            by_name.entry(host.name.clone()).or_default().push(number);
            if !host.entry.is_empty() {
                by_name.entry(host.entry.clone()).or_default().push(number);
            }
        }
        for finding in &server.findings {
            let number = fleet.findings.len();
            fleet.findings.push((self.server, finding));
            let state = State::of_finding(finding.kind);
            let label = shown(&finding.label);
            let called = by_name.entry(label.clone()).or_default();
            // What is said of nobody who is shown yet is said of somebody all the same.
            if called.is_empty() && state.is_some() {
                called.push(fleet.hosts.len());
                let mut host = new_host(self.server, &label, None);
                host.groups = groups(finding.cause.as_ref());
                fleet.hosts.push(host);
            }
            for host in called.iter() {
                let host = &mut fleet.hosts[*host];
                host.findings.push(number);
                host.state = state.map_or(host.state, |state| host.state.min(state));
            }
        }
    }

    fn changes<'a>(
        &self,
        fleet: &mut Fleet<'a>,
        page: &Page<'a>,
        server: &'a ServerPlan,
        results: &Results<'a>,
    ) {
        for step in &server.steps {
            for change in &step.changes {
                let host = self.by_target.get(&change.whom.target()).copied();
                let result = results.of_change(self.server, change);
                let before = if change.action.is_renewal() { State::Renew } else { State::Differs };
                if let (Some(host), Some(state)) = (host, results.after(self.server, change.subject, before))
                {
                    let host = &mut fleet.hosts[host];
                    host.state = host.state.min(state);
                }
                fleet.changes.push(made(page, self.server, step.purpose, change, host, result));
            }
        }
    }
}

fn new_host(server: usize, name: &str, sensor: Option<&Sensor>) -> Host {
    let os = sensor.and_then(|sensor| sensor.os_name.as_ref().or(sensor.os_family.as_ref()));
    let addresses = sensor.map_or(&[][..], |sensor| &sensor.addresses);
    Host {
        server,
        name: shown(name),
        entry: String::new(),
        state: State::Listed,
        groups: Vec::new(),
        sensor_id: sensor.map(|sensor| sensor.id.to_string()).unwrap_or_default(),
        addresses: addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        os: os.map(|os| shown(os.raw())).unwrap_or_default(),
        seen: sensor.and_then(|sensor| sensor.last_access.at()),
        aspects: Vec::new(),
        changes: Vec::new(),
        findings: Vec::new(),
    }
}

fn groups(cause: Option<&Cause>) -> Vec<String> {
    cause.into_iter().flat_map(Cause::groups).map(|group| shown(&group.group)).collect()
}

/// Why nothing is known, and who keeps apply off it.
fn note(judged: &Judged, now: Timestamp) -> String {
    let why = match &judged.verdict {
        Verdict::Unknown(why) => why.to_string(),
        Verdict::InSync
        | Verdict::Differs
        | Verdict::LeftAlone
        | Verdict::Held
        | Verdict::Renew
        | Verdict::EndUnknown => String::new(),
    };
    let hold = judged.hold.as_ref().map(|hold| {
        let reason = hold.reason.as_ref().map_or_else(String::new, |reason| format!(", {reason}"));
        format!("held by {} until {}, by {}{reason}", hold.by, instant(hold.until, now), hold.command)
    });
    shown_message(&super::markup::joined([why, hold.unwrap_or_default()], "; "))
}

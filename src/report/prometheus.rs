//! Prometheus text for the textfile collector: what a drift check or a plan found, as gauges.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::standing::{State, standings};
use super::told::{NoPlan, Told};
use super::{escape, since};
use crate::declare::{Term, WantedIsolation};
use crate::model::{Aspect, Target};
use crate::plan::{FindingKind, Judged, ServerPlan, ServerState, Verdict, has_ended};

/// Writes every metric with its help and type; of what is not known there is no sample.
///
/// # Errors
/// Those of `out`.
pub fn write(told: &Told<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut families = Families::default();
    families.add("kedrctl_check_success", &[], 1);
    families.add("kedrctl_check_timestamp_seconds", &[], told.plan.observed_at.as_second());
    families.add("kedrctl_complete", &[], i64::from(told.view.is_complete(told.plan)));
    families.add("kedrctl_refusals", &[], count(told.judgement.refusals.len()));
    if let Some(since) = told.since {
        for age in [since::Age::New, since::Age::Still, since::Age::Gone, since::Age::NotKnown] {
            families.add("kedrctl_differences", &[("since", age.as_str())], count(since.count(age)));
        }
    }
    by_subject(told, &mut families);
    for server in &told.plan.servers {
        of_server(server, told, &mut families);
    }
    families.write(out)
}

/// That there is no result.
///
/// # Errors
/// Those of `out`.
pub fn write_failed(no_plan: &NoPlan<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut families = Families::default();
    families.add("kedrctl_check_success", &[], 0);
    families.add("kedrctl_check_timestamp_seconds", &[], no_plan.now.as_second());
    families.write(out)
}

/// A metric's name and help. All are gauges: each run says how it is now.
const METRICS: [(&str, &str); 27] = [
    ("kedrctl_check_success", "Whether the command had a result (1) or failed before it (0)."),
    (
        "kedrctl_check_timestamp_seconds",
        "When the servers were asked, or the command failed. Its age is time() minus this.",
    ),
    ("kedrctl_complete", "Whether all that was asked could be answered (1); where not, exit code 4 or 5."),
    ("kedrctl_refusals", "Why the policy refuses the plan; always 0 for drift."),
    ("kedrctl_differences", "Differences against the earlier result of --since."),
    ("kedrctl_managed", "Aspects of hosts that the files declare and whose host is known."),
    (
        "kedrctl_in_sync",
        "As declared on the server and, as far as can be told, carried out by the agent; renewals that are due included.",
    ),
    ("kedrctl_renewals_due", "As declared until an end that comes too soon; counted in kedrctl_in_sync too."),
    (
        "kedrctl_drifted",
        "Different from what is declared, with those that apply leaves alone and those that a hold covers.",
    ),
    ("kedrctl_left_alone", "Different, and apply leaves them; counted in kedrctl_drifted too."),
    ("kedrctl_held", "Different, and a hold keeps apply off them; counted in kedrctl_drifted too."),
    ("kedrctl_unknown", "Could not be read, or not be judged."),
    (
        "kedrctl_end_unknown",
        "As declared by its looks, but nobody can know whether the rule is still in force.",
    ),
    ("kedrctl_waiting", "As declared on the server, and the agent was not in contact since our write."),
    (
        "kedrctl_silent",
        "As declared on the server, and no contact for over 5 hours: the host may have dropped its isolation.",
    ),
    ("kedrctl_unsupported", "As declared on the server, and by all signs the agent can not carry it out."),
    ("kedrctl_server_up", "Whether the server's host list could be read and believed."),
    ("kedrctl_hosts_listed", "Hosts that the server lists."),
    ("kedrctl_host_errors", "Declared hosts of which nobody can tell who is meant, or what."),
    ("kedrctl_left_behind", "Rules of ours that are in force and declared no more."),
    ("kedrctl_undeclared", "What stands on the fleet and no file declares; 0 without --all-hosts."),
    ("kedrctl_silent_hosts", "Hosts without contact for long; 0 without --all-hosts."),
    (
        "kedrctl_isolated_hosts",
        "Hosts with an isolation rule in force, as far as was looked: declared isolated (on), declared not isolated or \
         until an instant that has passed (off), or declared nowhere (no): ours, and with --all-hosts anybody's.",
    ),
    ("kedrctl_nearest_end_timestamp_seconds", "When the first isolation of ours ends unless it is renewed."),
    ("kedrctl_nearest_deadline_timestamp_seconds", "The next instant until which an isolation is declared."),
    ("kedrctl_last_run_timestamp_seconds", "When the last run that the record shows last wrote to it."),
    ("kedrctl_last_run_unfinished", "Whether that run never said that it ended."),
];

/// Which metric counts a state, beside those that count several.
fn metric_of(state: State) -> &'static str {
    match state {
        State::InSync | State::Renew => "kedrctl_in_sync",
        State::Waiting => "kedrctl_waiting",
        State::Silent => "kedrctl_silent",
        State::Unsupported => "kedrctl_unsupported",
        State::Differs | State::LeftAlone | State::Held => "kedrctl_drifted",
        State::EndUnknown => "kedrctl_end_unknown",
        State::Unknown => "kedrctl_unknown",
    }
}

/// States that have a metric of their own beside.
fn more_of(state: State) -> Option<&'static str> {
    match state {
        State::Renew => Some("kedrctl_renewals_due"),
        State::LeftAlone => Some("kedrctl_left_alone"),
        State::Held => Some("kedrctl_held"),
        State::InSync
        | State::Waiting
        | State::Silent
        | State::Unsupported
        | State::Differs
        | State::EndUnknown
        | State::Unknown => None,
    }
}

/// Counts by server and aspect; of a server that was read also those that are 0, so that alerts have something to
/// compare with.
fn by_subject(told: &Told<'_>, families: &mut Families) {
    const ALL: [State; 10] = [
        State::InSync,
        State::Renew,
        State::Waiting,
        State::Silent,
        State::Unsupported,
        State::Differs,
        State::LeftAlone,
        State::Held,
        State::EndUnknown,
        State::Unknown,
    ];
    let mut counts: BTreeMap<(&'static str, &str, &str), i64> = BTreeMap::new();
    for server in told.plan.servers.iter().filter(|server| is_read(server)) {
        for aspect in ["isolation", "prevention", "task"] {
            for state in ALL {
                counts.insert((metric_of(state), server.server.as_str(), aspect), 0);
                if let Some(more) = more_of(state) {
                    counts.insert((more, server.server.as_str(), aspect), 0);
                }
            }
            counts.insert(("kedrctl_managed", server.server.as_str(), aspect), 0);
        }
    }
    for standing in standings(told) {
        let state = standing.state();
        for metric in ["kedrctl_managed", metric_of(state)].into_iter().chain(more_of(state)) {
            *counts
                .entry((metric, standing.server.server.as_str(), standing.judged.aspect.as_str()))
                .or_default() += 1;
        }
    }
    for ((metric, server, aspect), count) in counts {
        families.add(metric, &[("server", server), ("aspect", aspect)], count);
    }
}

fn of_server(server: &ServerPlan, told: &Told<'_>, families: &mut Families) {
    let name = server.server.as_str();
    let labels = [("server", name)];
    families.add("kedrctl_server_up", &labels, i64::from(is_read(server)));
    let ServerState::Read { hosts_listed, last_run, clock, .. } = &server.state else { return };
    families.add("kedrctl_hosts_listed", &labels, i64::try_from(*hosts_listed).unwrap_or(i64::MAX));
    let findings = |kind| count(server.findings.iter().filter(|finding| finding.kind == kind).count());
    families.add("kedrctl_host_errors", &labels, findings(FindingKind::HostError));
    families.add("kedrctl_left_behind", &labels, findings(FindingKind::LeftBehind));
    families.add("kedrctl_undeclared", &labels, findings(FindingKind::Undeclared));
    families.add("kedrctl_silent_hosts", &labels, findings(FindingKind::SilentHost));
    if let Some(run) = last_run {
        families.add("kedrctl_last_run_timestamp_seconds", &labels, run.at.as_second());
        families.add("kedrctl_last_run_unfinished", &labels, i64::from(run.is_unfinished));
    }
    let isolations = || server.judged.iter().filter(|judged| judged.aspect == Aspect::Isolation);
    let not_declared = |finding: &&crate::plan::Finding| {
        matches!(finding.kind, FindingKind::LeftBehind | FindingKind::Undeclared)
            && finding.aspect == Some(Aspect::Isolation)
    };
    let is_on = |judged: &Judged| wants(judged).is_some_and(|term| !has_ended(term, *clock, told.plan.now));
    let (on, off): (Vec<_>, Vec<_>) =
        isolations().filter(|judged| is_known_isolated(judged)).partition(|judged| is_on(judged));
    let no = server.findings.iter().filter(not_declared).count();
    for (declared, hosts) in [("on", on.len()), ("off", off.len()), ("no", no)] {
        let labels = [("server", name), ("declared", declared)];
        families.add("kedrctl_isolated_hosts", &labels, count(hosts));
    }
    if let Some(end) = isolations().filter_map(|judged| end(judged, server, told)).min() {
        families.add("kedrctl_nearest_end_timestamp_seconds", &labels, end.as_second());
    }
    if let Some(deadline) = isolations().filter_map(|judged| deadline(judged, told.plan.now)).min() {
        families.add("kedrctl_nearest_deadline_timestamp_seconds", &labels, deadline.as_second());
    }
}

fn is_read(server: &ServerPlan) -> bool {
    match &server.state {
        ServerState::Read { .. } => true,
        ServerState::ListNotBelieved { .. }
        | ServerState::Unrecorded { .. }
        | ServerState::Unreachable { .. } => false,
    }
}

/// How long a host is declared isolated, where it is.
fn wants(judged: &Judged) -> Option<Term> {
    match &judged.whom.host()?.isolation.as_ref()?.want {
        WantedIsolation::On { term, .. } => Some(*term),
        WantedIsolation::Off => None,
    }
}

/// With a rule, whether or not it is as declared. Of one whose end nobody knows `kedrctl_end_unknown` tells.
fn is_known_isolated(judged: &Judged) -> bool {
    let is_judged = match &judged.verdict {
        Verdict::InSync | Verdict::Renew | Verdict::Differs | Verdict::LeftAlone | Verdict::Held => true,
        Verdict::EndUnknown | Verdict::Unknown(_) => false,
    };
    is_judged && judged.is_isolated
}

/// When the rule of a host that is in sync ends, by the record.
fn end(judged: &Judged, server: &ServerPlan, told: &Told<'_>) -> Option<Timestamp> {
    let Target::Sensor(sensor) = judged.whom.target() else { return None };
    let recorded = told.recorded.get(&server.server)?;
    let rule = recorded.isolations.get(&sensor)?.rule.as_ref()?;
    (judged.verdict.is_in_sync() && wants(judged).is_some() && rule.end() > told.plan.now).then(|| rule.end())
}

fn deadline(judged: &Judged, now: Timestamp) -> Option<Timestamp> {
    match wants(judged)? {
        Term::Until(until) => (until > now).then_some(until),
        Term::Lease(_) => None,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Samples by metric.
#[derive(Default)]
struct Families(BTreeMap<&'static str, Vec<String>>);

impl Families {
    fn add(&mut self, name: &'static str, labels: &[(&str, &str)], value: i64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.entry(name).or_default().push(format!("{name}{labels} {value}"));
    }

    /// In the order of [`METRICS`]: the samples of one metric have to stand together.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for (name, help) in METRICS {
            let Some(samples) = self.0.get(name) else { continue };
            writeln!(out, "# HELP {name} {}", help.replace('\\', "\\\\"))?;
            writeln!(out, "# TYPE {name} gauge")?;
            samples.iter().try_for_each(|sample| writeln!(out, "{sample}"))?;
        }
        Ok(())
    }
}

/// The value of a label, without its quotes.
fn label(text: &str) -> String {
    escape::line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::declare::DeclaredIsolation;
    use crate::guard::Judgement;
    use crate::plan::{Plan, Whom};
    use crate::report::{View, sample};
    use crate::resolve::DesiredHost;

    const DRIFT: View = View::Drift { require_contact: false };

    fn written(plan: &Plan) -> String {
        let mut out = Vec::new();
        sample::told(plan, &Judgement::default(), DRIFT, |told| write(told, &mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The text format, as strict as its grammar: HELP and TYPE once before the samples of a metric, which stand
    /// together and each once; names, labels and values as they have to be. The samples by name and labels.
    fn parse(text: &str) -> BTreeMap<String, i64> {
        assert!(text.ends_with('\n'));
        let (mut samples, mut seen, mut current) = (BTreeMap::new(), BTreeSet::new(), String::new());
        let mut has_type = false;
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(seen.insert(name.to_owned()), "{name} stands twice");
                assert!(!help.is_empty());
                (current, has_type) = (name.to_owned(), false);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                assert_eq!(kind, format!("{current} gauge"));
                has_type = true;
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
                assert!(name == current && has_type, "{line}");
                assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
                check_labels(labels);
                assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{line} twice");
            }
        }
        samples
    }

    /// `name="value",…}`.
    fn check_labels(mut rest: &str) {
        while rest != "}" {
            let (name, value) = rest.split_once("=\"").unwrap();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            let mut end = None;
            let mut characters = value.char_indices();
            while let Some((at, c)) = characters.next() {
                match c {
                    '\\' => assert!(matches!(characters.next(), Some((_, '\\' | '"' | 'n')))),
                    '"' => {
                        end = Some(at);
                        break;
                    }
                    c => assert!(!c.is_control()),
                }
            }
            rest = &value[end.expect("the value ends") + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
    }

    #[test]
    fn thirty_changes_are_as_expected() {
        let text = written(&sample::many(30));
        parse(&text);
        snapbox::assert_data_eq!(text, snapbox::file!["golden/drift.prom": Text].raw());
    }

    #[test]
    fn the_gauges_add_up_to_the_sums() {
        let plan = sample::ten_thousand();
        let samples = parse(&written(plan));
        let sums = plan.sums();
        let of = |metric: &str| -> i64 {
            let all =
                samples.iter().filter(|(sample, _)| sample.starts_with(&format!("{metric}{{server=\"hq\"")));
            all.map(|(_, value)| value).sum()
        };
        let differ = sums.isolate + sums.release + sums.change + sums.left_alone + sums.held;
        assert_eq!(of("kedrctl_in_sync"), i64::try_from(sums.in_sync).unwrap());
        assert_eq!(of("kedrctl_drifted"), i64::try_from(differ).unwrap());
        assert_eq!(of("kedrctl_held"), 1);
        assert_eq!(of("kedrctl_end_unknown"), i64::try_from(sums.end_unknown).unwrap());
        let managed = ["in_sync", "drifted", "unknown", "end_unknown", "waiting", "silent", "unsupported"];
        let total: i64 = managed.iter().map(|metric| of(&format!("kedrctl_{metric}"))).sum();
        assert_eq!(of("kedrctl_managed"), total, "each aspect is in one of them");
        assert_eq!(samples[r#"kedrctl_server_up{server="lab"}"#], 0);
        assert_eq!(samples["kedrctl_complete"], 0);
    }

    #[test]
    fn a_hostile_name_is_a_label() {
        let (plan, _) = sample::hostile();
        parse(&written(&plan));
    }

    fn isolated(n: u8, until: &str) -> Whom {
        declared(
            n,
            WantedIsolation::On {
                term: Term::Until(sample::at(until)),
                exclusions: sample::isolation(&[]).exclusions,
                reason: None,
            },
        )
    }

    fn declared(n: u8, want: WantedIsolation) -> Whom {
        let host = sample::host(n, "WS");
        let isolation = Some(DeclaredIsolation { cause: host.origin.clone().into(), want });
        Whom::Host(Arc::new(DesiredHost {
            entry: host.entry.clone(),
            origin: host.origin.clone(),
            sensor: host.sensor.clone(),
            groups: host.groups.clone(),
            is_named: true,
            isolation,
            prevention: None,
        }))
    }

    #[test]
    fn ends_and_deadlines_are_the_nearest() {
        use crate::record::{Attribution, Recorded, RecordedIsolation, RecordedRule};
        let mut hq = sample::server("hq");
        let mut recorded = Recorded::default();
        let hosts = [(1, "2026-12-01T00:00:00Z"), (2, "2026-11-28T00:00:00Z"), (3, "2026-11-24T00:00:00Z")];
        for (n, until) in hosts {
            let whom = isolated(n, until);
            let rule = RecordedRule {
                listed: sample::isolation(&[]),
                sent_timeout_seconds: 86_400,
                sent_at: sample::at("2026-11-25T06:00:00Z"),
                verified_at: None,
                clocks_apart: false,
            };
            let by = Attribution {
                owner: "soc".into(),
                run: "1".into(),
                entry: None,
                cause: None,
                reason: None,
                commit: None,
                at: rule.sent_at,
            };
            let known = RecordedIsolation { by, rule: Some(rule), verified_at: sample::now() };
            recorded.isolations.insert(whom.sensor().unwrap().id, known);
            let (aspect, verdict) = (Aspect::Isolation, Verdict::InSync);
            let judged = sample::judged(sample::host(n, "WS"), aspect, verdict, SEEN);
            hq.judged_mut().push(Judged { whom, is_isolated: true, ..judged });
        }
        let plan = sample::plan(vec![hq]);
        let (judgement, mut ledgers) = (Judgement::default(), BTreeMap::new());
        ledgers.insert(plan.servers[0].server.clone(), recorded);
        let told = Told {
            plan: &plan,
            judgement: &judgement,
            plan_id: "",
            view: DRIFT,
            recorded: &ledgers,
            since: None,
        };
        let mut out = Vec::new();
        write(&told, &mut out).unwrap();
        let samples = parse(&String::from_utf8(out).unwrap());
        let second = |text: &str| sample::at(text).as_second();
        assert_eq!(
            samples[r#"kedrctl_nearest_end_timestamp_seconds{server="hq"}"#],
            second("2026-11-26T06:00:00Z")
        );
        assert_eq!(
            samples[r#"kedrctl_nearest_deadline_timestamp_seconds{server="hq"}"#],
            second("2026-11-28T00:00:00Z")
        );
    }

    #[test]
    fn isolated_is_who_has_a_rule_and_not_who_is_as_declared() {
        let (now, past) = ("2026-12-01T00:00:00Z", "2026-11-24T00:00:00Z");
        let on = isolated;
        let judged = |whom, verdict, is_isolated| Judged {
            whom,
            is_isolated,
            ..sample::judged(sample::host(1, "WS"), Aspect::Isolation, verdict, SEEN)
        };
        let off = |n| declared(n, WantedIsolation::Off);
        let mut hq = sample::server("hq");
        *hq.judged_mut() = vec![
            judged(on(1, now), Verdict::InSync, true),
            judged(on(2, now), Verdict::Renew, true),
            // Other exclusions than declared, with and without a hold on it; and no rule.
            judged(on(3, now), Verdict::Differs, true),
            judged(on(4, now), Verdict::Held, true),
            judged(on(5, now), Verdict::Differs, false),
            judged(on(6, now), Verdict::EndUnknown, true),
            // Spent: without a rule, with ours, with somebody else's.
            judged(on(7, past), Verdict::InSync, false),
            judged(on(8, past), Verdict::Differs, true),
            judged(on(9, past), Verdict::LeftAlone, true),
            judged(off(10), Verdict::InSync, false),
            judged(off(11), Verdict::Differs, true),
            // Listed still, and known to have ended.
            judged(off(12), Verdict::Differs, false),
        ];
        let samples = parse(&written(&sample::plan(vec![hq])));
        let hosts = ["on", "off", "no"].map(|declared| {
            samples[&format!(r#"kedrctl_isolated_hosts{{server="hq",declared="{declared}"}}"#)]
        });
        assert_eq!(hosts, [4, 3, 0]);
    }

    const SEEN: crate::plan::Contact = crate::plan::Contact::Seen;

    #[test]
    fn a_check_that_failed_is_no_check() {
        let mut out = Vec::new();
        sample::no_plan(DRIFT, |no_plan| write_failed(no_plan, &mut out)).unwrap();
        let samples = parse(&String::from_utf8(out).unwrap());
        assert_eq!((samples.len(), samples["kedrctl_check_success"]), (2, 0));
    }
}

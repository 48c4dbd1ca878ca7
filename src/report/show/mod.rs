//! All that is known of one host, as text and as JSON: what stands on it, what the files declare and from where, how
//! the two compare, and what the record tells.

mod json;

use std::io::{self, Write};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::table::{Cell, Row, Table, write_cells};
use super::tasks::state_and_start;
use super::text::{differing as differs, finding_row, set_but};
use super::why;
use super::words::{ago, count_of, instant, term, thousands_of, whole};
use crate::declare::{DeclaredIsolation, DeclaredPrevention, TaskPresence, WantedIsolation};
use crate::model::{
    Aspect, BlockSet, Isolation, LastAccess, Origin, PreventionRule, Reading, Sensor, ServerName, Untrusted,
};
use crate::plan::{Contact, FindingKind, Inspected, InspectedTask, Judged, ServerPlan, Verdict};
use crate::record::{RuleCounts, SubjectStory};
use crate::terminal::{Paint, Palette};

pub use json::{Document, FORMAT_VERSION, document, write_json, write_schema};

/// One host, with what is told of it.
#[derive(Debug)]
pub struct Shown<'a> {
    /// As the files call it.
    pub server: &'a ServerName,
    /// What a person knows it by: the first URL, or the simulator's fleet file.
    pub address: &'a str,
    /// What stands on it, what the files declare, and how the two compare.
    pub host: &'a Inspected,
    /// The rule of `policy.protected` that keeps it from being isolated.
    pub protected_by: Option<Origin>,
    /// What the record tells of its aspects, or why it does not; safe to print.
    pub record: Result<Stories<'a>, String>,
}

/// What the record tells of a host.
#[derive(Debug)]
pub struct Stories<'a> {
    /// One for each aspect that anything is told of: isolation, prevention, then each task.
    pub of: Vec<SubjectStory<'a>>,
    /// What the acts in them changed in prevention rules.
    pub counts: &'a RuleCounts,
}

impl Shown<'_> {
    fn now(&self) -> Timestamp {
        self.host.plan.now
    }

    fn server_plan(&self) -> Option<&ServerPlan> {
        self.host.plan.servers.first()
    }
}

/// # Errors
/// Those of `out`.
pub fn write_text(shown: &Shown<'_>, palette: Palette, out: &mut impl Write) -> io::Result<()> {
    let sensor = &shown.host.sensor;
    let heading = [
        Cell::new(sensor.label(), Paint::Heading),
        Cell::plain(format!("   {}  {}", shown.server, shown.address)),
    ];
    write_cells(&heading, palette, out)?;
    writeln!(out)?;
    facts(sensor_rows(sensor, shown.now())).write(palette, out)?;
    for (aspect, rows) in
        [(Aspect::Isolation, isolation_rows(shown)), (Aspect::Prevention, prevention_rows(shown))]
    {
        writeln!(out)?;
        write_cells(&[Cell::new(format!("  {aspect}"), Paint::Heading)], palette, out)?;
        let mut rows = rows;
        rows.extend(stands(shown, aspect));
        rows.extend(told(shown, aspect));
        Table { indent: 4, ..facts(rows) }.write(palette, out)?;
    }
    for task in &shown.host.tasks {
        writeln!(out)?;
        write_cells(&[Cell::new(format!("  task {}", task.desired.label()), Paint::Heading)], palette, out)?;
        let aspect = task.desired.subject().aspect;
        let mut rows = task_rows(task, shown.now());
        rows.extend(stands(shown, aspect));
        rows.extend(told(shown, aspect));
        Table { indent: 4, ..facts(rows) }.write(palette, out)?;
    }
    let rest = findings_of_the_host(shown);
    if !rest.rows.is_empty() {
        writeln!(out)?;
        rest.write(palette, out)?;
    }
    if let Err(why) = &shown.record {
        writeln!(out)?;
        let line = format!("  the record could not be read, so who set what is not known: {why}");
        write_cells(&[Cell::new(line, Paint::Doubt)], palette, out)?;
    }
    Ok(())
}

/// A word, and what there is to say to it; further lines stand below.
type Fact = (&'static str, Vec<String>);

fn fact(word: &'static str, text: impl Into<String>) -> Fact {
    (word, vec![text.into()])
}

fn facts(facts: Vec<Fact>) -> Table {
    let rows = facts.into_iter().flat_map(|(word, lines)| {
        let first_only = move |i: usize| if i == 0 { word } else { "" };
        lines.into_iter().enumerate().map(move |(i, line)| Row {
            cells: vec![Cell::new(first_only(i), Paint::Faint), Cell::plain(line)],
            ..Row::default()
        })
    });
    Table { rows: rows.collect(), narrowest: vec!["last access".len()], indent: 2, ..Table::default() }
}

fn sensor_rows(sensor: &Sensor, now: Timestamp) -> Vec<Fact> {
    let or_none = |text: String| if text.is_empty() { "not given".to_owned() } else { text };
    let said = |text: &Option<Untrusted>| text.as_ref().map(|text| text.printable().to_string());
    let addresses: Vec<String> = sensor.addresses.iter().map(IpAddr::to_string).collect();
    let system: Vec<String> =
        [said(&sensor.os_name), said(&sensor.os_family)].into_iter().flatten().collect();
    let can: Vec<String> = sensor.capabilities.iter().map(|text| text.printable().to_string()).collect();
    let mut rows = vec![
        fact("sensor id", sensor.id.to_string()),
        fact("address", or_none(addresses.join(", "))),
        fact("OS", or_none(system.join(", "))),
        fact("agent", or_none(said(&sensor.agent_version).unwrap_or_default())),
        fact(
            "last access",
            match sensor.last_access {
                LastAccess::Unknown => "unknown".to_owned(),
                LastAccess::At(at) => format!("{} ({})", instant(at, now), ago(at, now)),
            },
        ),
    ];
    if !can.is_empty() {
        rows.push(fact("can", can.join(", ")));
    }
    rows
}

fn isolation_rows(shown: &Shown<'_>) -> Vec<Fact> {
    let (host, now) = (shown.host, shown.now());
    let mut rows = Vec::new();
    match &host.isolation {
        Reading::Present(rule) => {
            rows.push(("on server", isolation_lines(rule)));
            rows.push(fact("ends", ends(host, now)));
            rows.extend(host.isolation_contact.map(|contact| fact("agent", agent(contact))));
        }
        Reading::Absent => rows.push(fact("on server", "no isolation rule")),
        Reading::Unknown(why) => rows.push(fact("on server", format!("could not be read: {why}"))),
    }
    let declared = host.declared.as_ref().and_then(|declared| declared.isolation.as_ref());
    rows.push((
        "declared",
        declared.map_or_else(
            || not_declared(host, Aspect::Isolation),
            |declared| isolation_declared(declared, now),
        ),
    ));
    if let Some(rule) = &shown.protected_by {
        rows.push(fact("protected", format!("it may never be isolated, by the rule in {rule}")));
    }
    rows
}

fn isolation_lines(rule: &Isolation) -> Vec<String> {
    let seconds = i64::try_from(rule.timeout_seconds).unwrap_or(i64::MAX);
    let timeout = whole(SignedDuration::from_secs(seconds));
    let mut lines = vec![format!("isolated: timeout {timeout}, as it was set, not what is left")];
    lines.extend(rule.exclusions.iter().map(|exclusion| format!("lets through {exclusion}")));
    lines
}

fn ends(host: &Inspected, now: Timestamp) -> String {
    match host.isolated_until() {
        Some(end) if end <= now => {
            format!("ended on {} by the record; the server goes on listing such a rule", instant(end, now))
        }
        Some(end) => format!("{} at the soonest, by the record", instant(end, now)),
        None if host.in_force.is_some() => {
            "not known: the clocks were too far apart when it was set".to_owned()
        }
        None => "not known: the record does not show who set this rule, and when".to_owned(),
    }
}

/// A rule on a server is not yet an isolated host.
fn agent(contact: Contact) -> &'static str {
    match contact {
        Contact::Seen => "was in contact since it was set",
        Contact::Waiting => "was not in contact since it was set, and has yet to fetch it",
        Contact::Silent => "silent for over 5 hours: it may have dropped its isolation by itself",
        Contact::Unsupported => "by all signs it can not isolate its host",
    }
}

fn not_declared(host: &Inspected, aspect: Aspect) -> Vec<String> {
    let is_in_doubt = host.in_doubt.contains(&aspect);
    vec![if is_in_doubt { "not certain, see below" } else { "by no file" }.to_owned()]
}

fn isolation_declared(declared: &DeclaredIsolation, now: Timestamp) -> Vec<String> {
    match &declared.want {
        WantedIsolation::Off => vec![format!("off   {}", declared.cause)],
        WantedIsolation::On { term: wanted, exclusions, reason } => {
            let reason = reason.as_ref().map(|reason| format!("   {reason}")).unwrap_or_default();
            let mut lines = vec![format!("{}{reason}   {}", term(*wanted, now), declared.cause)];
            lines.extend(exclusions.iter().map(|exclusion| format!("letting through {exclusion}")));
            lines
        }
    }
}

fn prevention_rows(shown: &Shown<'_>) -> Vec<Fact> {
    let host = shown.host;
    let count = |rule: &PreventionRule| rule.objects.len();
    let mut rows = Vec::new();
    match &host.prevention {
        Reading::Present(rule) => {
            let lines = format!("blocks {}, {} of them by us", count_of(count(rule), "file"), host.ours);
            rows.push(fact("on server", lines));
        }
        Reading::Absent => rows.push(fact("on server", "no prevention rule of its own")),
        Reading::Unknown(why) => rows.push(fact("on server", format!("could not be read: {why}"))),
    }
    match &host.for_all {
        Reading::Present(rule) => {
            rows.push(fact("all hosts", format!("blocks {} on every host", count_of(count(rule), "file"))));
        }
        Reading::Absent => {}
        Reading::Unknown(why) => rows.push(fact("all hosts", format!("could not be read: {why}"))),
    }
    let declared = host.declared.as_ref().and_then(|declared| declared.prevention.as_ref());
    rows.push((
        "declared",
        declared
            .map_or_else(|| not_declared(host, Aspect::Prevention), |declared| prevention_declared(declared)),
    ));
    rows
}

fn prevention_declared(declared: &DeclaredPrevention) -> Vec<String> {
    let of = |set: &BlockSet| {
        let list = set.iter().find_map(|entry| entry.list.as_deref());
        let hashes =
            if set.len() == 1 { "1 hash".to_owned() } else { format!("{} hashes", thousands_of(set.len())) };
        list.map_or_else(|| hashes.clone(), |list| format!("{list} ({hashes})"))
    };
    let sets: Vec<String> = declared.block.iter().map(of).collect();
    let sets = if sets.is_empty() { "no file".to_owned() } else { sets.join(", ") };
    let exactly = if declared.exact { "exactly " } else { "" };
    let mut lines = vec![format!("block {exactly}{sets}   {}", declared.cause)];
    lines.extend(declared.unblock.iter().map(|entry| format!("unblock {}   {}", entry.hash, entry.origin)));
    lines
}

fn task_rows(task: &InspectedTask, now: Timestamp) -> Vec<Fact> {
    let InspectedTask { desired, listed } = task;
    let on_server = match listed {
        Reading::Present(listed) => state_and_start(listed, now),
        Reading::Absent => "no such task".to_owned(),
        Reading::Unknown(why) => format!("could not be read: {why}"),
    };
    let presence = match desired.task.presence {
        TaskPresence::Present => "",
        TaskPresence::Absent => "absent: ",
    };
    let declared = format!("{presence}{}   {}", desired.task.program, desired.cause);
    vec![fact("id", desired.id.to_string()), fact("on server", on_server), fact("declared", declared)]
}

/// How what is declared compares with what is there.
fn stands(shown: &Shown<'_>, aspect: Aspect) -> Option<Fact> {
    let plan = shown.server_plan()?;
    let judged = plan.judged.iter().find(|judged| judged.aspect == aspect)?;
    let change = plan.changes().find(|change| change.subject == judged.subject());
    let text = match &judged.verdict {
        Verdict::InSync => as_declared(judged).to_owned(),
        Verdict::Renew => format!("{}; due for renewal", as_declared(judged)),
        Verdict::Differs => {
            change.map_or_else(|| "differs".to_owned(), |change| differs(change, shown.now()))
        }
        Verdict::EndUnknown => "looks as declared, but when it ends is not known".to_owned(),
        Verdict::LeftAlone => "differs, and apply leaves it alone".to_owned(),
        Verdict::Held => "differs, and a hold keeps apply off it".to_owned(),
        Verdict::Unknown(_) => "not known".to_owned(),
    };
    Some(fact("stands", text))
}

fn as_declared(judged: &Judged) -> &'static str {
    set_but(judged.contact).unwrap_or("as declared")
}

fn told(shown: &Shown<'_>, aspect: Aspect) -> Option<Fact> {
    let Ok(stories) = &shown.record else { return None };
    let story = stories.of.iter().find(|story| story.scope.aspect == aspect.kind())?;
    Some(("record", why::told(story, stories.counts, shown.now())))
}

/// What the plan has to say of it beside: who is meant, what is left behind, what was found.
fn findings_of_the_host(shown: &Shown<'_>) -> Table {
    let findings = shown.server_plan().into_iter().flat_map(|plan| &plan.findings);
    let rows = findings
        // Said above.
        .filter(|finding| !matches!(finding.kind, FindingKind::Hold))
        .map(finding_row)
        .collect();
    Table { rows, indent: 2, widest: vec![30], narrowest: vec![7] }
}

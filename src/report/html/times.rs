//! Ends and deadlines on a time line whose steps grow: the next hours matter more than the next months.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::Page;
use super::markup::{shown, text};
use crate::declare::{Term, WantedIsolation};
use crate::model::{Aspect, display_duration};
use crate::plan::{Scope, Verdict, Whom};
use crate::report::words::{count_of, instant, thousands_of};

/// Instants that are listed; the picture has all.
const LISTED: usize = 40;

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// By the record: when a rule of ours stops, if nobody renews it.
    Rule,
    /// `until` in a file.
    Until,
    Hold,
    /// `until` of a hash in a list.
    Hash,
    /// From then on a program is not started.
    NotAfter,
    Renewal,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Rule, Self::Until, Self::Hold, Self::Hash, Self::NotAfter, Self::Renewal];

    fn words(self) -> &'static str {
        match self {
            Self::Rule => "isolation ends on the server",
            Self::Until => "declared until",
            Self::Hold => "hold ends",
            Self::Hash => "hash is taken out",
            Self::NotAfter => "not started any more",
            Self::Renewal => "next renewal is due",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Instant {
    at: Timestamp,
    kind: Kind,
    who: String,
}

pub(super) fn write(page: &Page<'_>, out: &mut impl Write) -> io::Result<()> {
    let instants = instants(page);
    if instants.is_empty() && page.outcome.is_some() {
        return writeln!(
            out,
            "<p class=\"quiet\">None was known when this was planned: <code>kedrctl drift --format html</code> tells \
             those of now.</p>"
        );
    }
    if instants.is_empty() {
        return writeln!(out, "<p class=\"quiet\">No end and no deadline is known.</p>");
    }
    let now = page.plan.now;
    write_picture(&instants, now, out)?;
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Ends and deadlines\"><table><thead><tr>\
         <th scope=\"col\">When</th><th scope=\"col\">In</th><th scope=\"col\">What</th><th scope=\"col\">Whose</th></tr></thead><tbody>"
    )?;
    let show = if page.full { instants.len() } else { instants.len().min(LISTED) };
    for one in &instants[..show] {
        let left = one.at.duration_since(now);
        let left = if left.is_negative() { "passed".to_owned() } else { display_duration(left) };
        writeln!(
            out,
            "<tr><td><time datetime=\"{:.0}\">{}</time></td><td>{left}</td><td>{}</td><td>{}</td></tr>",
            one.at,
            instant(one.at, now),
            one.kind.words(),
            text(&one.who)
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if instants.len() > show {
        let rest = thousands_of(instants.len() - show);
        writeln!(out, "<p class=\"cut\">… and {rest} later ones, which only the time line shows.</p>")?;
    }
    Ok(())
}

/// All that is known to end, the soonest first.
fn instants(page: &Page<'_>) -> Vec<Instant> {
    let mut instants = Vec::new();
    let mut hashes: BTreeMap<(Timestamp, String), usize> = BTreeMap::new();
    // Hosts share the lists that they block, and these may be long.
    let mut lists = BTreeSet::new();
    for server in &page.plan.servers {
        let recorded = page.recorded.get(&server.server);
        for judged in server.judged.iter() {
            let who = shown(&judged.whom.label());
            let mut add = |at, kind| instants.push(Instant { at, kind, who: who.clone() });
            if let Some(hold) = &judged.hold {
                add(hold.until, Kind::Hold);
            }
            match judged.aspect {
                Aspect::Isolation => {
                    let Some(host) = judged.whom.host() else { continue };
                    let Some(WantedIsolation::On { term, .. }) = host.isolation.as_ref().map(|one| &one.want)
                    else {
                        continue;
                    };
                    if let Term::Until(until) = term {
                        add(*until, Kind::Until);
                    }
                    let known = recorded.and_then(|recorded| recorded.isolations.get(&host.sensor.id));
                    let rule = known.and_then(|known| known.rule.as_ref());
                    if let Some(rule) = rule.filter(|rule| judged.verdict.is_in_sync() && !rule.clocks_apart)
                    {
                        add(rule.end(), Kind::Rule);
                    }
                }
                Aspect::Task(_) => {
                    // Of one that is started there is nothing to come.
                    if let Some(task) = judged.whom.task().filter(|_| judged.verdict == Verdict::Differs) {
                        add(task.task.not_after, Kind::NotAfter);
                    }
                }
                Aspect::Prevention => {
                    let blocked = match &judged.whom {
                        Whom::Host(host) => host.prevention.as_ref(),
                        Whom::AllHosts(prevention) => Some(prevention),
                        Whom::Task(_) => None,
                    };
                    for list in blocked.iter().flat_map(|prevention| &prevention.block) {
                        if !lists.insert(list.as_ptr()) {
                            continue;
                        }
                        for entry in list.iter() {
                            let Some(until) = entry.until else { continue };
                            let list = entry.list.as_deref().map_or_else(
                                || shown(&entry.origin.to_string()),
                                |list| format!("list {}", shown(list)),
                            );
                            *hashes.entry((until, list)).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    instants.extend(hashes.into_iter().map(|((at, whose), count)| Instant {
        at,
        kind: Kind::Hash,
        who: format!("{whose}, {}", count_of(count, "file")),
    }));
    if let Scope::Renewals { next_due: Some(at) } = page.plan.scope {
        instants.push(Instant { at, kind: Kind::Renewal, who: String::new() });
    }
    instants.sort();
    instants
}

/// Where the steps of the line begin, in hours from now, and what stands there.
const STEPS: [(i64, &str); 8] = [
    (0, "now"),
    (1, "1 h"),
    (6, "6 h"),
    (24, "1 d"),
    (72, "3 d"),
    (168, "7 d"),
    (720, "30 d"),
    (2_160, "90 d"),
];
/// Columns of one step.
const COLUMNS: i64 = 12;
const COLUMN: i64 = 8;
const LANE: i64 = 34;
const LEFT: i64 = 196;

/// Drawn here and not by the script, so that it is there without one and on paper. Colours come from classes.
fn write_picture(instants: &[Instant], now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let mut bars: BTreeMap<(Kind, i64), usize> = BTreeMap::new();
    for one in instants {
        *bars.entry((one.kind, column(one.at, now))).or_default() += 1;
    }
    let kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| instants.iter().any(|one| one.kind == *kind)).collect();
    // What has passed has a column of its own before the first, and what is far a step of its own.
    let columns = 2 + COLUMNS * STEPS.len() as i64;
    let (width, height) = (LEFT + columns * COLUMN + 8, LANE * kinds.len() as i64 + 26);
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Time line\">\
         <svg class=\"times\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{} at which something ends, by the time until then; the table below lists the soonest\">",
        count_of(instants.len(), "instant")
    )?;
    let x = |column: i64| LEFT + (column + 2) * COLUMN;
    for (step, (_, name)) in STEPS.iter().enumerate() {
        let at = x(step as i64 * COLUMNS);
        writeln!(out, "<line class=\"grid\" x1=\"{at}\" x2=\"{at}\" y1=\"0\" y2=\"{}\"/>", height - 22)?;
        writeln!(out, "<text x=\"{}\" y=\"{}\">{name}</text>", at + 2, height - 6)?;
    }
    for (lane, kind) in kinds.iter().enumerate() {
        let base = LANE * (lane as i64 + 1) - 6;
        writeln!(out, "<text x=\"0\" y=\"{}\">{}</text>", base - 4, kind.words())?;
        writeln!(out, "<line class=\"base\" x1=\"{LEFT}\" x2=\"{width}\" y1=\"{base}\" y2=\"{base}\"/>")?;
        for ((_, column), count) in bars.range((*kind, i64::MIN)..=(*kind, i64::MAX)) {
            // Thousands and one both show.
            let tall = (4 + i64::from(count.ilog2()) * 2).min(LANE - 10);
            let class = if *column < 0 { "passed" } else { "bar" };
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{tall}\"><title>{}</title></rect>",
                x(*column) + 1,
                base - tall,
                COLUMN - 2,
                count_of(*count, "time")
            )?;
        }
    }
    writeln!(out, "</svg></div>")
}

/// The column of an instant; below zero: it has passed.
fn column(at: Timestamp, now: Timestamp) -> i64 {
    let left = at.duration_since(now);
    if left < SignedDuration::ZERO {
        return -2;
    }
    let seconds = left.as_secs();
    let mut column = STEPS.len() as i64 * COLUMNS - 1;
    for (step, pair) in STEPS.windows(2).enumerate() {
        let (from, to) = (pair[0].0 * 3_600, pair[1].0 * 3_600);
        if seconds < to {
            column = step as i64 * COLUMNS + (seconds - from) * COLUMNS / (to - from);
            break;
        }
    }
    column
}

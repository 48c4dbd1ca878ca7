//! The data that the page's script draws from: rows by position, with texts that repeat written once. It is no
//! interface: programs read `--format json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Page;
use super::difference::Lines;
use super::fleet::Fleet;
use super::markup::{shown, shown_message};
use super::state::State;
use crate::plan::{Mark, Purpose};

/// What the script reads; it names the positions of the rows the same way.
#[derive(Serialize)]
pub(super) struct Data {
    now: i64,
    servers: Vec<String>,
    states: Vec<StateRow>,
    /// Texts that rows name by their place.
    texts: Vec<String>,
    hosts: Vec<HostRow>,
    changes: Vec<ChangeRow>,
    /// What changes are made of, each kind once.
    lines: Vec<Lines>,
    findings: Vec<FindingRow>,
}

/// Stable word, words for people, mark, tone.
#[derive(Serialize)]
struct StateRow(&'static str, &'static str, &'static str, &'static str);

/// Name, server, state, sensor id, addresses, system, seen (seconds), groups, entry, aspects, changes, findings.
#[derive(Serialize)]
struct HostRow(
    String,
    usize,
    usize,
    String,
    String,
    usize,
    Option<i64>,
    Vec<usize>,
    usize,
    Vec<AspectRow>,
    Vec<usize>,
    Vec<usize>,
);

/// Aspect, state, note, cause.
#[derive(Serialize)]
struct AspectRow(usize, usize, usize, usize);

/// Mark, word, who, host, server, step, detail, reason, cause, notes, lines, tone of the result, result.
#[derive(Serialize)]
struct ChangeRow(
    &'static str,
    &'static str,
    String,
    Option<usize>,
    usize,
    usize,
    usize,
    usize,
    usize,
    Vec<usize>,
    usize,
    &'static str,
    usize,
);

/// Mark, kind, server, label, message, cause.
#[derive(Serialize)]
struct FindingRow(&'static str, &'static str, usize, String, usize, usize);

impl Data {
    pub(super) fn of(page: &Page<'_>, fleet: &Fleet<'_>) -> Self {
        let mut texts = Once::default();
        texts.place(String::new());
        let mut lines: Once<Lines> = Once::default();
        let hosts = fleet
            .hosts
            .iter()
            .map(|host| {
                let aspects = host.aspects.iter().map(|standing| {
                    AspectRow(
                        texts.place(standing.aspect.as_str().to_owned()),
                        place_of(standing.state),
                        texts.place(standing.note.clone()),
                        texts.place(standing.cause.clone()),
                    )
                });
                let aspects = aspects.collect();
                HostRow(
                    host.name.clone(),
                    host.server,
                    place_of(host.state),
                    host.sensor_id.clone(),
                    host.addresses.clone(),
                    texts.place(host.os.clone()),
                    host.seen.map(jiff::Timestamp::as_second),
                    host.groups.iter().map(|group| texts.place(group.clone())).collect(),
                    texts.place(host.entry.clone()),
                    aspects,
                    host.changes.clone(),
                    host.findings.clone(),
                )
            })
            .collect();
        let changes = fleet
            .changes
            .iter()
            .map(|change| {
                let (tone, result) = change.result.clone().unwrap_or_default();
                ChangeRow(
                    change.mark,
                    change.word,
                    change.who.clone(),
                    change.host,
                    change.server,
                    texts.place(step(change.purpose).to_owned()),
                    texts.place(change.detail.clone()),
                    texts.place(change.reason.clone()),
                    texts.place(change.cause.clone()),
                    change.notes.iter().map(|note| texts.place(shown_message(note))).collect(),
                    lines.place(change.lines.clone()),
                    tone,
                    texts.place(result),
                )
            })
            .collect();
        let findings = fleet
            .findings
            .iter()
            .map(|(server, finding)| {
                let cause = finding.cause.as_ref().map(ToString::to_string).unwrap_or_default();
                FindingRow(
                    sign(finding.kind.mark()),
                    finding.kind.as_str(),
                    *server,
                    shown(&finding.label),
                    texts.place(shown_message(&finding.message)),
                    texts.place(shown(&cause)),
                )
            })
            .collect();
        Self {
            now: page.plan.now.as_second(),
            servers: page.plan.servers.iter().map(|server| shown(server.server.as_str())).collect(),
            states: State::ALL
                .iter()
                .map(|state| StateRow(state.as_str(), state.words(), state.mark(), state.tone().as_str()))
                .collect(),
            texts: texts.values,
            hosts,
            changes,
            lines: lines.values,
            findings,
        }
    }
}

/// In which step a change is made: one after the other, in this order.
pub(super) fn step(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Contain => "contain",
        Purpose::GiveUp => "give_up",
        Purpose::ForAll => "for_all",
        Purpose::Prevent => "prevent",
        Purpose::Run => "run",
        Purpose::Release => "release",
    }
}

fn place_of(state: State) -> usize {
    State::ALL.iter().position(|one| *one == state).unwrap_or(0)
}

/// The sign before a line.
pub(super) fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Attention => "!",
        Mark::Question => "?",
        Mark::Note => "·",
    }
}

/// Values that are written once, and named by their place.
struct Once<T> {
    places: BTreeMap<T, usize>,
    values: Vec<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { places: BTreeMap::new(), values: Vec::new() }
    }
}

impl<T: Ord + Clone> Once<T> {
    fn place(&mut self, value: T) -> usize {
        if let Some(place) = self.places.get(&value) {
            return *place;
        }
        self.places.insert(value.clone(), self.values.len());
        self.values.push(value);
        self.values.len() - 1
    }
}

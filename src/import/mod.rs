//! A fleet as it is to a state that says the same: which lines describe it, so that the next plan is empty. Pure.

mod hosts;
mod isolated;
mod lists;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{HostList, Sensor, SensorId, ServerName, yaml_comment};
use crate::observe::Observed;

use hosts::Section;
use isolated::ExclusionSets;
use lists::Lists;

/// One server, as it was read.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// The name that new entries give as `server:` where several are declared.
    pub server: &'a ServerName,
    /// What a person knows it by, for the head of the file.
    pub address: &'a str,
    /// All that the server lists, selected or not; it was believed to be whole.
    pub listed: &'a HostList,
    /// Isolation and prevention rule of each selected host, and the rule for all hosts.
    pub observed: &'a Observed,
    /// Whom it is about.
    pub selected: BTreeSet<SensorId>,
    /// Selected hosts that the files declare already: they stay as they are there.
    pub declared: BTreeSet<SensorId>,
    /// Sensors that another declared server lists too: nobody can tell whose they are.
    pub listed_elsewhere: BTreeSet<SensorId>,
}

/// What the new files must get along with.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Keys of `hosts` that are taken.
    pub entries: BTreeSet<String>,
    /// What the names of new lists begin with, such as `imported` for `imported-1`.
    pub prefix: String,
    /// Several servers are declared, so that each host has to name its own.
    pub names_servers: bool,
}

/// The new files, and what could not be put into them.
#[derive(Debug)]
pub struct Imported {
    /// By their paths below the folder that they go to; the state first.
    pub files: Vec<(PathBuf, String)>,
    /// What of the fleets is in them, and what is not.
    pub counts: Counts,
}

/// How much of what an import wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hosts that were looked at.
    pub hosts: usize,
    /// Entries that were written.
    pub entries: usize,
    /// Hosts with an isolation rule: comments.
    pub isolated: usize,
    /// New hash lists with a name; a set that stands in an entry itself is none.
    pub lists: usize,
    /// What could not be read (an aspect of a host, a rule for all hosts), and hosts of which nobody can tell who they are.
    pub unknown: usize,
    /// Of `hosts`, those that the files declare already: nothing was written for them.
    pub declared_already: usize,
}

/// Describes the fleets. The same fleets give the same files, but for the day in the first line.
pub fn import(fleets: &[Fleet<'_>], surroundings: &Surroundings, now: Timestamp) -> Imported {
    let lists = Lists::gather(fleets, &surroundings.prefix);
    let exclusions = ExclusionSets::gather(fleets, &surroundings.prefix);
    let mut counts = Counts { lists: lists.len(), ..Counts::default() };
    let mut taken = surroundings.entries.clone();
    let mut body = String::new();
    let mut section = Section {
        surroundings,
        lists: &lists,
        exclusions: &exclusions,
        taken: &mut taken,
        counts: &mut counts,
        out: &mut body,
    };
    for fleet in fleets {
        section.write(fleet);
    }
    let mut state = head(fleets, &counts, now);
    exclusions.section(&mut state);
    lists.section(&mut state);
    if counts.entries > 0 {
        state.push_str("\nhosts:\n");
    } else {
        // The key alone would have no value; who takes a comment in puts it back.
        state.push_str("\n# hosts:\n");
    }
    state.push_str(&body);
    let mut files = vec![(PathBuf::from("hosts.yaml"), state)];
    files.extend(lists.files());
    Imported { files, counts }
}

fn head(fleets: &[Fleet<'_>], counts: &Counts, now: Timestamp) -> String {
    let mut head = String::new();
    for fleet in fleets {
        // Writing into a String cannot fail.
        let _infallible = writeln!(
            head,
            "# {} as it was on {}: {}",
            fleet.server,
            now.strftime("%d %b %Y"),
            yaml_comment(fleet.address)
        );
    }
    let _infallible = writeln!(
        head,
        "# {} looked at, {} declared here, {} isolated. A plan right after this finds nothing to do; from here on the\n\
         # file is yours: give lists better names, write reasons, take out what nobody should manage.",
        counted(counts.hosts, "host", "hosts"),
        counts.entries,
        counts.isolated
    );
    head.push_str("version: 1\n");
    head
}

/// By what people call them, then by id: the order of the file.
fn in_order<'a>(fleet: &Fleet<'a>) -> Vec<&'a Arc<Sensor>> {
    let mut sensors: Vec<&Arc<Sensor>> =
        fleet.listed.sensors.values().filter(|sensor| fleet.selected.contains(&sensor.id)).collect();
    sensors.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
    sensors
}

/// `1 host`, `2 hosts`.
fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

//! What the state says at each moment of the soak, and how it changes.

use jiff::{SignedDuration, Timestamp};

use crate::dice::Dice;
use crate::programs::COMMAND;

/// Hosts that people act on by hand; applies leave alone what they hold.
pub(crate) const BY_HAND: std::ops::Range<usize> = 1..5;
/// Declared hosts that somebody else changes.
pub(crate) const CONTESTED: std::ops::Range<usize> = 5..9;
/// Hosts that no file names.
pub(crate) const FOREIGN: std::ops::Range<usize> = 9..11;
/// Isolated all the time, by renewals: nobody else touches them.
pub(crate) const LEASED: std::ops::Range<usize> = 11..13;
/// Isolated while the files name them. When they do not, nobody renews, and the isolation runs out.
pub(crate) const LEAVING: std::ops::Range<usize> = 13..15;
/// Isolated until an instant.
pub(crate) const UNTIL: usize = 15;
/// Where programs run.
pub(crate) const RUNNING: std::ops::Range<usize> = 16..18;
pub(crate) const HOSTS: std::ops::Range<usize> = 1..18;

pub(crate) const OURS: [&str; 2] = ["900150983cd24fb0d6963f7d28e17f72", "7d793037a0760186574b0282f2f435e7"];
/// Always in the rule for all hosts.
pub(crate) const OF_ALL: &str = "0cc175b9c0f1b6a831c399e269772661";
/// Files that move between the rule for all hosts and those of the contested ones.
pub(crate) const MOVING: [&str; 2] = ["92eb5ffee6ae2fec3ad71c777531578f", "4a8a08f09d37b73795649038408b5f33"];

/// The shortest that there is.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_hours(2);
/// Of hosts on which people act.
pub(crate) const LONG_LEASE: SignedDuration = SignedDuration::from_hours(4);

/// What is said, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said<T> {
    pub(crate) what: T,
    since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    AllHosts,
    Contested,
}

/// A program that each of the [`RUNNING`] hosts runs once in each generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Program {
    pub(crate) number: usize,
    pub(crate) generation: usize,
}

impl Program {
    pub(crate) fn name(self) -> String {
        format!("soak-{}", self.number)
    }

    pub(crate) fn arguments(self) -> String {
        format!("n={}", self.number)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// Whether each is isolated, and how many of [`OURS`] it blocks.
    pub(crate) contested: Vec<Said<(bool, usize)>>,
    /// Whether each is named.
    pub(crate) leaving: Vec<Said<bool>>,
    pub(crate) until: Said<Timestamp>,
    pub(crate) moving: Vec<Said<Place>>,
    pub(crate) programs: Vec<Said<Program>>,
    /// All that were ever declared, with their last generation.
    pub(crate) ever: Vec<usize>,
}

impl<T: PartialEq + Copy> Said<T> {
    pub(crate) fn new(what: T, since: Timestamp) -> Self {
        Self { what, since }
    }
}

impl Files {
    pub(crate) fn new(now: Timestamp) -> Self {
        let mut files = Self {
            contested: CONTESTED.map(|_| Said::new((true, 1), now)).collect(),
            leaving: LEAVING.map(|_| Said::new(true, now)).collect(),
            until: Said::new(whole(now + LEASE), now),
            moving: MOVING.map(|_| Said::new(Place::AllHosts, now)).to_vec(),
            programs: Vec::new(),
            ever: Vec::new(),
        };
        files.one_more_program(now);
        files
    }

    /// Somebody merges a change.
    pub(crate) fn change(&mut self, dice: &mut Dice, now: Timestamp) {
        match dice.below(7) {
            0 | 1 => {
                let which = dice.below(self.contested.len());
                self.contested[which] = Said::new((dice.below(2) == 0, 1 + dice.below(OURS.len())), now);
            }
            2 => {
                let which = dice.below(self.leaving.len());
                self.leaving[which] = Said::new(!self.leaving[which].what, now);
            }
            3 if self.until.what < now => {
                let minutes = i64::try_from(dice.of(20..240)).unwrap();
                self.until = Said::new(whole(now + SignedDuration::from_mins(minutes)), now);
            }
            3 | 4 => {
                let which = dice.below(self.moving.len());
                let place = [Place::Nowhere, Place::AllHosts, Place::Contested][dice.below(3)];
                self.moving[which] = Said::new(place, now);
            }
            5 => {
                let which = dice.below(self.programs.len());
                let program = &mut self.programs[which];
                let generation = program.what.generation + 1;
                *program = Said::new(Program { generation, ..program.what }, now);
                self.ever[program.what.number] = generation;
            }
            _ => self.one_more_program(now),
        }
    }

    /// A host blocks more than it did, or less.
    pub(crate) fn other_hashes(&mut self, which: usize, now: Timestamp) {
        let (isolated, hashes) = self.contested[which].what;
        self.contested[which] = Said::new((isolated, if hashes == 1 { OURS.len() } else { 1 }), now);
    }

    /// The oldest ones are taken out of the files: they ran long ago, or never will.
    fn one_more_program(&mut self, now: Timestamp) {
        const KEPT: usize = 3;
        if self.programs.len() == KEPT {
            self.programs.remove(0);
        }
        self.programs.push(Said::new(Program { number: self.ever.len(), generation: 1 }, now));
        self.ever.push(1);
    }

    /// In YAML, without the server.
    pub(crate) fn hosts(&self) -> String {
        let leased = |n: usize, lease: SignedDuration| {
            format!("WS-{n}: {{ isolation: {{ lease: {}h }} }}", lease.as_hours())
        };
        let mut hosts: Vec<String> = BY_HAND.map(|n| leased(n, LONG_LEASE)).collect();
        let moved = self.moved_to(Place::Contested);
        for (n, said) in CONTESTED.zip(&self.contested) {
            let (isolated, hashes) = said.what;
            let isolation = if isolated { "{ lease: 8h }" } else { "off" };
            let block = [&OURS[..hashes], &moved].concat().join(", ");
            hosts.push(format!("WS-{n}: {{ isolation: {isolation}, prevention: {{ block: [{block}] }} }}"));
        }
        hosts.extend(LEASED.map(|n| leased(n, LEASE)));
        hosts.extend(LEAVING.zip(&self.leaving).filter(|(_, said)| said.what).map(|(n, _)| leased(n, LEASE)));
        hosts.push(format!("WS-{UNTIL}: {{ isolation: {{ until: {:.0} }} }}", self.until.what));
        format!("{{ {} }}", hosts.join(", "))
    }

    /// What stands beside them, in YAML.
    pub(crate) fn rest(&self, now: Timestamp) -> String {
        let limits = "limits: { isolations: 100, releases: 100, hosts_changed: 100, hashes_removed: 100 }";
        let of_all = [&[OF_ALL][..], &self.moved_to(Place::AllHosts)].concat().join(", ");
        let whom = RUNNING.map(|n| format!("WS-{n}")).collect::<Vec<_>>().join(", ");
        // Later than anybody comes to start it, and the same each time: it is no part of what the task is.
        let not_after = now + SignedDuration::from_hours(24 * 30);
        let tasks: String = self
            .programs
            .iter()
            .map(|said| {
                let (name, arguments) = (said.what.name(), said.what.arguments());
                format!(
                    "  {name}: {{ hosts: [{whom}], run: {{ command: '{COMMAND}', arguments: '{arguments}' }}, \
                     generation: {}, not_after: {not_after:.0} }}\n",
                    said.what.generation
                )
            })
            .collect();
        format!(
            "policy: {{ tasks: true, {limits} }}\nall_hosts: {{ lab: {{ prevention: {{ block: [{of_all}] }} }} }}\ntasks:\n{tasks}"
        )
    }

    pub(crate) fn moved_to(&self, place: Place) -> Vec<&'static str> {
        MOVING
            .into_iter()
            .zip(&self.moving)
            .filter(|(_, said)| said.what == place)
            .map(|(hash, _)| hash)
            .collect()
    }
}

/// As the files can say it.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap()
}

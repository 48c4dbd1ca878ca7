//! What somebody may declare of the fleet: every aspect, of hosts, of a group, of all.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kedrctl::declare::{
    Declared, DeclaredAllHosts, DeclaredGroup, DeclaredIsolation, DeclaredPrevention, DeclaredTask,
    HostMatch, Members, NamedHost, Policy, Protected, ProtectedRule, TaskPresence, Term, WantedIsolation,
};
use kedrctl::model::{Case, Cause, HashSet, NamePattern, Program, SensorId, Timeout};
use kedrctl_simulator::World;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::law::{Law, TaskLaw};
use crate::steps::{Want, Wanted, want};
use crate::values::{HOSTS, declared, declared_host, hash, isolation, origin, prevention, sensor, server};

/// Nobody may isolate it.
pub(super) const PROTECTED: &str = "dc1";

/// No file names it.
pub(super) const NOBODYS: &str = "LOOSE";

/// The whole fleet.
pub(super) const NAMES: [&str; 5] = [HOSTS[0], HOSTS[1], HOSTS[2], PROTECTED, NOBODYS];

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) block: Vec<u8>,
    pub(super) unblock: Vec<u8>,
    pub(super) exact: bool,
}

impl Block {
    fn declared(&self) -> DeclaredPrevention {
        prevention(&self.block, &self.unblock, self.exact)
    }
}

/// What a group of the three hosts says; its isolation is a check.
#[derive(Debug, Clone)]
pub(super) struct GroupFile {
    pub(super) is_off: bool,
    pub(super) block: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(super) struct TaskFile {
    name: u8,
    hosts: BTreeSet<usize>,
    generation: u64,
    is_absent: bool,
    /// Seconds from when it is declared.
    not_after: i64,
}

/// All that the files say.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) wants: Vec<Want>,
    pub(super) blocks: Vec<Option<Block>>,
    pub(super) all: Option<Block>,
    pub(super) group: Option<GroupFile>,
    pub(super) tasks: Vec<TaskFile>,
    /// `policy.tasks`
    pub(super) tasks_are_allowed: bool,
    /// Somebody declares the protected host isolated: nothing at all is written then.
    pub(super) isolates_protected: bool,
}

fn block(weight: f64) -> impl Strategy<Value = Option<Block>> {
    let hashes =
        |most| btree_set(0_u8..10, 0..most).prop_map(|hashes| hashes.into_iter().collect::<Vec<_>>());
    let one =
        (hashes(5), hashes(3), proptest::bool::weighted(0.3)).prop_map(|(block, mut unblock, exact)| {
            unblock.retain(|hash| !block.contains(hash));
            Block { block, unblock, exact }
        });
    proptest::option::weighted(weight, one)
}

fn task() -> impl Strategy<Value = TaskFile> {
    let hosts = btree_set(0..HOSTS.len(), 1..3);
    let is_absent = proptest::bool::weighted(0.2);
    (0_u8..2, hosts, 1_u64..3, is_absent, prop_oneof![3 => 4_000_i64..90_000, 1 => -10_i64..60]).prop_map(
        |(name, hosts, generation, is_absent, not_after)| TaskFile {
            name,
            hosts,
            generation,
            is_absent,
            not_after,
        },
    )
}

pub(super) fn files() -> impl Strategy<Value = Files> {
    let group = (any::<bool>(), proptest::option::of(btree_set(0_u8..10, 1..4)))
        .prop_map(|(is_off, block)| GroupFile { is_off, block: block.map(|set| set.into_iter().collect()) });
    (
        vec(want(), HOSTS.len()),
        vec(block(0.6), HOSTS.len()),
        block(0.5),
        proptest::option::weighted(0.4, group),
        vec(task(), 0..3),
        proptest::bool::weighted(0.95),
        proptest::bool::weighted(0.05),
    )
        .prop_map(|(wants, blocks, all, group, mut tasks, tasks_are_allowed, isolates_protected)| {
            let mut names = BTreeSet::new();
            tasks.retain(|task| names.insert(task.name));
            Files { wants, blocks, all, group, tasks, tasks_are_allowed, isolates_protected }
        })
}

impl TaskFile {
    fn program(&self) -> Program {
        Program {
            command: format!(r"C:\tools\{}.exe", self.name).into(),
            // In the program, so that each generation is told from the others by what is started.
            arguments: Some(format!("/generation {}", self.generation).into()),
            working_directory: None,
        }
    }

    fn declared(&self, since: Timestamp) -> Arc<DeclaredTask> {
        let named = |host: &usize| NamedHost {
            name: HOSTS[*host].into(),
            origin: origin(71),
            server: server(),
            is_entry: false,
        };
        Arc::new(DeclaredTask {
            name: format!("task-{}", self.name).into(),
            origin: origin(70),
            hosts: self.hosts.iter().map(named).collect(),
            groups: Vec::new(),
            program: self.program(),
            not_after: self.ends(since),
            generation: self.generation,
            presence: if self.is_absent { TaskPresence::Absent } else { TaskPresence::Present },
        })
    }

    fn ends(&self, since: Timestamp) -> Timestamp {
        since + SignedDuration::from_secs(self.not_after)
    }
}

/// The files, and since when they say so.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) files: Files,
    since: Timestamp,
    wanted: Vec<Wanted>,
}

impl Said {
    pub(super) fn new(files: Files, since: Timestamp) -> Self {
        let wanted = files.wants.iter().map(|want| Wanted::new(*want, since)).collect();
        Self { files, since, wanted }
    }

    pub(super) fn declared(&self) -> Declared {
        let Files { blocks, group, all, tasks, .. } = &self.files;
        let mut hosts = Vec::new();
        for ((name, wanted), block) in HOSTS.iter().zip(&self.wanted).zip(blocks) {
            let (isolation, block) = (wanted.isolation(), block.as_ref().map(Block::declared));
            if isolation.is_some() || block.is_some() {
                hosts.push(declared_host(name, isolation, block));
            }
        }
        if self.files.isolates_protected {
            let lease = isolation(Term::Lease(Timeout::covering(SignedDuration::from_hours(8))), 0);
            hosts.push(declared_host(PROTECTED, Some(lease), None));
        }
        let protected = ProtectedRule::name("DC*").unwrap();
        let policy = Policy {
            protected: vec![Protected { rule: protected, origin: origin(2) }],
            tasks: self.files.tasks_are_allowed,
            ..Policy::default()
        };
        let mut declared = declared(hosts, policy);
        declared.groups.extend(group.as_ref().map(GroupFile::declared));
        declared.tasks = tasks.iter().map(|task| task.declared(self.since)).collect();
        if let Some(all) = all {
            let all = DeclaredAllHosts { origin: origin(80), prevention: Arc::new(all.declared()) };
            declared.all_hosts.insert(server(), all);
        }
        declared
    }

    /// What it lets a run write, beginning at this instant.
    pub(super) fn law(&self, now: Timestamp, skew: SignedDuration) -> Law {
        let allowed = HOSTS.iter().zip(&self.wanted);
        let ruled = HOSTS.iter().enumerate().filter(|(host, _)| self.rule_of(*host).is_some());
        let of = |which: &dyn Fn(&TaskFile) -> bool| {
            let tasks = self.files.tasks.iter().filter(|task| which(task));
            let on = |task: &TaskFile| {
                let program = task.program();
                task.hosts.iter().map(move |host| (sensor(HOSTS[*host]), program.clone())).collect::<Vec<_>>()
            };
            tasks.flat_map(on).collect()
        };
        Law {
            allowed: allowed
                .filter_map(|(name, wanted)| Some((sensor(name), wanted.allowed(now, skew)?)))
                .collect(),
            all_is_declared: self.files.all.is_some(),
            ruled: Some(ruled.map(|(_, name)| sensor(name)).collect()),
            tasks: TaskLaw {
                may_start: of(&|task| !task.is_absent && now < task.ends(self.since)),
                may_delete: of(&|task| task.is_absent),
                ..TaskLaw::default()
            },
            ..Law::default()
        }
    }

    /// What counts for a host: its own entry, else the group's.
    fn rule_of(&self, host: usize) -> Option<Block> {
        let of_group = || {
            let block = self.files.group.as_ref()?.block.clone()?;
            Some(Block { block, unblock: Vec::new(), exact: false })
        };
        self.files.blocks[host].clone().or_else(of_group)
    }

    /// Whether the world is as the files say, by the world alone.
    pub(super) fn assert_is_so(&self, world: &mut World, started: &BTreeSet<(SensorId, Program)>) {
        let now = world.now();
        let hashes = |blocked: &[u8]| blocked.iter().copied().map(hash).collect::<HashSet>();
        let of_all = super::rule_of(world, None);
        for (host, name) in HOSTS.iter().enumerate() {
            let id = sensor(name);
            let rule = world.isolation(id.uuid()).cloned();
            if let Some(exclusions) = self.wanted[host].isolated(now) {
                let rule = rule.unwrap_or_else(|| panic!("{name} is declared isolated, and has no rule"));
                assert!(rule.end() > now, "{name}: {rule:?} has ended by {now}");
                let through: BTreeSet<_> =
                    rule.exclusions.iter().flatten().map(crate::translate::exclusion).collect();
                assert_eq!(**exclusions, through, "{name}");
            } else if self.wanted[host].is_off() {
                // One that has ended may be kept, and listed no more.
                let is_in_force = rule.as_ref().is_some_and(|rule| rule.end() > now);
                assert!(!is_in_force, "{name} is declared off, and has {rule:?}");
            }
            let Some(wanted) = self.rule_of(host) else { continue };
            let here = super::rule_of(world, Some(host));
            let blocked = &here | &of_all;
            assert!(hashes(&wanted.block).is_subset(&blocked), "{name}: {wanted:?}, {blocked:?}");
            assert!(hashes(&wanted.unblock).is_disjoint(&here), "{name}: {wanted:?}, {here:?}");
            assert!(!wanted.exact || here.is_subset(&hashes(&wanted.block)), "{name}: {wanted:?}, {here:?}");
        }
        if let Some(wanted) = &self.files.all {
            assert!(hashes(&wanted.block).is_subset(&of_all), "all: {wanted:?}, {of_all:?}");
            assert!(hashes(&wanted.unblock).is_disjoint(&of_all), "all: {wanted:?}, {of_all:?}");
            assert!(!wanted.exact || of_all == hashes(&wanted.block), "all: {wanted:?}, {of_all:?}");
        }
        let there: BTreeSet<_> = world
            .tasks()
            .iter()
            .map(|task| (task.sensor, task.command.clone(), task.arguments.clone()))
            .collect();
        for task in &self.files.tasks {
            for host in &task.hosts {
                let (id, program) = (sensor(HOSTS[*host]), task.program());
                let arguments = program.arguments.as_deref().map(str::to_owned);
                let is_there = there.contains(&(id.uuid(), program.command.to_string(), arguments));
                let is_due = !task.is_absent && now < task.ends(self.since);
                assert!(!(task.is_absent && is_there), "{program} is declared absent");
                assert!(
                    !is_due || is_there || started.contains(&(id, program.clone())),
                    "{program} never ran"
                );
            }
        }
    }
}

impl GroupFile {
    fn declared(&self) -> DeclaredGroup {
        let name: Arc<str> = "workstations".into();
        let cause = Cause::group(Arc::clone(&name), origin(60));
        let block = self.block.as_ref().map(|block| {
            Arc::new(DeclaredPrevention { cause: cause.clone(), ..prevention(block, &[], false) })
        });
        DeclaredGroup {
            origin: origin(60),
            members: Members::Match {
                server: None,
                what: HostMatch {
                    names: vec![NamePattern::new("WS-*", Case::Counts).unwrap()],
                    ..HostMatch::default()
                },
            },
            except: Vec::new(),
            isolation: self.is_off.then_some(DeclaredIsolation { cause, want: WantedIsolation::Off }),
            prevention: block,
            name,
        }
    }
}

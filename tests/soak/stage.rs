//! Who does what in an incident, and what must have become of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kedrctl::model::{ServerKey, Target as ModelTarget};
use kedrctl::record::{ActValues, FolderStore, Record};
use kedrctl_simulator::world::{IsolationRule, Target, sensor_id_of};
use kedrctl_simulator::{CallKind, Connections, Drop, Fault, LoggedRequest, Spoiled};

use crate::lab::{Ended, Lab, write};

/// Hosts that people act on by hand; applies leave alone what they hold.
const BY_HAND: std::ops::Range<usize> = 1..5;
/// Declared hosts that somebody else changes.
const CONTESTED: std::ops::Range<usize> = 5..9;
/// Hosts that no file names.
const FOREIGN: std::ops::Range<usize> = 9..11;

const THEIRS: &str = "5d41402abc4b2a76b9719d911017c592";
const BLOCKED_BY_HAND: &str = "b026324c6904b2a9cb4b88d6d61c81d1";
const OURS: [&str; 2] = ["900150983cd24fb0d6963f7d28e17f72", "7d793037a0760186574b0282f2f435e7"];

/// Numbers that follow from a seed (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of(&mut self, range: std::ops::Range<usize>) -> usize {
        range.start + self.below(range.len())
    }
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) applies: AtomicUsize,
    pub(crate) kills: AtomicUsize,
    pub(crate) by_hand: AtomicUsize,
    pub(crate) foreign: AtomicUsize,
    pub(crate) faults: AtomicUsize,
}

/// What a person has last done to a host by hand, with success; `None`: nothing, or it is not known.
#[derive(Clone, Copy, Default)]
struct Done {
    isolated: Option<bool>,
    blocked: Option<bool>,
}

pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) counts: Counts,
    /// One person at a time per host.
    hands: Vec<Mutex<Done>>,
    /// What the state says: whether each contested host is isolated, and which hashes it blocks.
    declared: Mutex<Vec<(bool, usize)>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let hosts: String = (1..FOREIGN.end).map(|n| format!("  - {{ name: WS-{n} }}\n")).collect();
        let stage = Self {
            lab: Lab::new(&format!("hosts:\n{hosts}"), "{}"),
            counts: Counts::default(),
            hands: BY_HAND.map(|_| Mutex::default()).collect(),
            declared: Mutex::new(CONTESTED.map(|_| (true, 1)).collect()),
        };
        stage.declare(|_| ());
        stage
    }

    /// One of everything that a baseline is to have seen.
    pub(crate) fn warm_up(&self) {
        self.lab.run("apply --yes").expect(0, &[]);
    }

    fn declare(&self, change: impl FnOnce(&mut Vec<(bool, usize)>)) {
        let mut declared = self.declared.lock().unwrap();
        change(&mut declared);
        let mut hosts: Vec<String> =
            BY_HAND.map(|n| format!("WS-{n}: {{ isolation: {{ lease: 8h }} }}")).collect();
        for (n, (isolated, hashes)) in CONTESTED.zip(declared.iter()) {
            let isolation = if *isolated { "{ lease: 8h }" } else { "off" };
            let block = OURS[..*hashes].join(", ");
            hosts.push(format!("WS-{n}: {{ isolation: {isolation}, prevention: {{ block: [{block}] }} }}"));
        }
        let state = self.lab.state(&self.lab.server(), &format!("{{ {} }}", hosts.join(", ")));
        let limits = "policy: { limits: { isolations: 100, releases: 100, hosts_changed: 100, hashes_removed: 100 } }\n";
        // Whole, as an editor saves it: others read it at the same time.
        write(&self.lab.path(".state.new"), &format!("{state}{limits}"));
        std::fs::rename(self.lab.path(".state.new"), self.lab.path("state.yaml")).unwrap();
    }

    pub(crate) fn act(&self, dice: &mut Dice) {
        match dice.below(20) {
            0..=4 => self.apply("apply --yes"),
            5..=7 => self.apply("apply --yes --renew-only"),
            8 => self.killed(dice),
            9 => drop(self.lab.run("drift")),
            10..=13 => self.by_hand(dice),
            14..=15 => self.foreign(dice),
            16 => self.declare(|declared| {
                let which = dice.below(declared.len());
                declared[which] = (dice.below(2) == 0, 1);
            }),
            17 => self.lab.simulator.world(|world| {
                world.contact_all();
                world.restart(sensor_id_of(&format!("WS-{}", 1 + dice.below(8)))).unwrap();
            }),
            _ => self.fault(dice),
        }
    }

    /// Whatever goes wrong meanwhile, it ends as the exit codes say, and never in a panic.
    fn apply(&self, arguments: &str) {
        self.counts.applies.fetch_add(1, Ordering::Relaxed);
        let ended = self.lab.run(arguments);
        let is_told = matches!(ended.code, Some(0 | 4 | 5));
        assert!(is_told, "{:?}: {}{}", ended.code, ended.stdout, ended.stderr);
    }

    fn killed(&self, dice: &mut Dice) {
        self.counts.applies.fetch_add(1, Ordering::Relaxed);
        let mut run = self.lab.start("apply --yes");
        std::thread::sleep(Duration::from_millis(dice.of(1..120) as u64));
        if run.child().kill().is_ok() {
            self.counts.kills.fetch_add(1, Ordering::Relaxed);
        }
        drop(run.end());
    }

    fn by_hand(&self, dice: &mut Dice) {
        self.counts.by_hand.fetch_add(1, Ordering::Relaxed);
        let n = dice.of(BY_HAND);
        let mut done = self.hands[n - BY_HAND.start].lock().unwrap();
        let reason = "--yes --reason soak";
        let is_done = |ended: &Ended| {
            assert!(
                matches!(ended.code, Some(0 | 4 | 5)),
                "{:?}: {}{}",
                ended.code,
                ended.stdout,
                ended.stderr
            );
            ended.code == Some(0)
        };
        let hold = "--hold 24h";
        match dice.below(4) {
            0 => {
                let ended = self.lab.run(&format!("isolate WS-{n} --for 8h {hold} {reason}"));
                done.isolated = is_done(&ended).then_some(true);
            }
            1 => {
                let ended = self.lab.run(&format!("release WS-{n} {hold} {reason}"));
                done.isolated = is_done(&ended).then_some(false);
            }
            2 => {
                let ended = self.lab.run(&format!("block {BLOCKED_BY_HAND} --on WS-{n} {hold} {reason}"));
                done.blocked = is_done(&ended).then_some(true);
            }
            _ => {
                let ended = self.lab.run(&format!("unblock {BLOCKED_BY_HAND} --on WS-{n} {hold} {reason}"));
                done.blocked = is_done(&ended).then_some(false);
            }
        }
    }

    /// Somebody who does not use this program.
    fn foreign(&self, dice: &mut Dice) {
        self.counts.foreign.fetch_add(1, Ordering::Relaxed);
        let n = dice.of(CONTESTED.start..FOREIGN.end);
        let sensor = sensor_id_of(&format!("WS-{n}"));
        let what = dice.below(3);
        self.lab.simulator.world(|world| match what {
            0 => {
                let rule = IsolationRule { timeout_seconds: 7_200, exclusions: None, set_at: world.now() };
                world.put_isolation(sensor, Some(rule)).unwrap();
            }
            1 => world.put_isolation(sensor, None).unwrap(),
            _ => {
                let target = Target::Sensor(sensor);
                let mut objects =
                    world.prevention(target).map_or_else(Vec::new, |rule| rule.objects().to_vec());
                objects.push(
                    serde_json::from_str::<kedrctl_simulator::FleetFile>(&format!("{THEIRS:?}")).unwrap().0,
                );
                world.set_prevention(target, objects).unwrap();
            }
        });
    }

    fn fault(&self, dice: &mut Dice) {
        self.counts.faults.fetch_add(1, Ordering::Relaxed);
        let calls = [CallKind::Sensors, CallKind::Isolation, CallKind::Prevention];
        let on = Fault::on(calls[dice.below(3)]).skip(u32::try_from(dice.below(4)).unwrap()).first(1);
        let fault = match dice.below(9) {
            0 => on.status(503),
            1 => on.status(502),
            2 => Fault { after_effect: true, ..on.status(504) },
            3 => on.dropping(Drop::Before),
            4 => on.dropping(Drop::ResetAfter),
            5 => on.dropping(Drop::ResetBefore),
            6 => on.spoiling(Spoiled::Truncated),
            7 => on.status(400),
            _ => Fault { connections: Some(Connections::Refused), ..on },
        };
        let is_away = fault.connections.is_some();
        self.lab.simulator.set_faults(vec![fault]);
        if is_away {
            // A server that starts again: not for as long as nobody thinks of another fault.
            std::thread::sleep(Duration::from_millis(500));
            self.lab.simulator.set_faults(Vec::new());
        }
    }

    pub(crate) fn effects(&self) -> Vec<LoggedRequest> {
        self.lab.effects()
    }

    /// The faults end, one more apply makes all as declared, and everything is looked at.
    pub(crate) fn calm_down(&self) {
        self.lab.simulator.set_faults(Vec::new());
        // Of what people did by hand, all stands before that apply, and after it.
        self.what_was_done_by_hand_stands();
        let last = self.lab.run("apply --yes");
        last.expect(0, &[]);
        self.what_was_done_by_hand_stands();
        self.it_is_as_declared();
        self.lab.simulator.world(kedrctl_simulator::World::contact_all);
        self.lab.run("apply --yes").expect(0, &["nothing to do"]);
        self.lab.run("record verify").expect(0, &["all as it was written"]);
        self.every_write_is_in_the_record();
        self.nobody_else_was_written();
        let kills = self.counts.kills.load(Ordering::Relaxed);
        let left = left_over(&self.lab.path(".kedrctl")) + left_over(&self.lab.path(".state"));
        assert!(left <= kills, "{left} partial files of {kills} killed runs");
    }

    fn what_was_done_by_hand_stands(&self) {
        for n in BY_HAND {
            let done = *self.hands[n - BY_HAND.start].lock().unwrap();
            let sensor = sensor_id_of(&format!("WS-{n}"));
            self.lab.simulator.world(|world| {
                if let Some(isolated) = done.isolated {
                    assert_eq!(world.isolation(sensor).is_some(), isolated, "WS-{n}, by hand");
                }
                if let Some(blocked) = done.blocked {
                    let rule = world.prevention(Target::Sensor(sensor));
                    let has = rule.is_some_and(|rule| {
                        rule.hashes().iter().any(|hash| hash.to_string() == BLOCKED_BY_HAND)
                    });
                    assert_eq!(has, blocked, "WS-{n}, by hand");
                }
            });
        }
    }

    fn it_is_as_declared(&self) {
        let declared = self.declared.lock().unwrap().clone();
        for (n, (isolated, hashes)) in CONTESTED.zip(declared) {
            let sensor = sensor_id_of(&format!("WS-{n}"));
            self.lab.simulator.world(|world| {
                assert_eq!(world.isolation(sensor).is_some(), isolated, "WS-{n}");
                let rule = world.prevention(Target::Sensor(sensor));
                let blocked: BTreeSet<String> =
                    rule.into_iter().flat_map(|rule| rule.hashes()).map(ToString::to_string).collect();
                for hash in &OURS[..hashes] {
                    assert!(blocked.contains(*hash), "WS-{n}: {hash} of {blocked:?}");
                }
            });
        }
    }

    /// With the subject that it is about, before it was sent.
    fn every_write_is_in_the_record(&self) {
        let record = Record::new(FolderStore::new(self.lab.path(".kedrctl")));
        let address = self.lab.simulator.address();
        let key = ServerKey::of_address(&address.ip().to_string(), address.port());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let history = runtime.block_on(record.history(&key, None)).unwrap();
        let acts: Vec<_> = history.runs.iter().flat_map(|run| &run.acts).collect();
        for effect in self.effects() {
            let is_deletion = effect.method == "DELETE";
            let is_known = acts.iter().any(|act| {
                let ModelTarget::Sensor(sensor) = act.subject.target else { return false };
                let (aspect, is_gone) = match &act.values {
                    ActValues::Isolation(side) => ("network_isolation", side.after.is_none()),
                    ActValues::Prevention(side) => ("settings_type=prevention", side.after.is_none()),
                    ActValues::Task(side) => ("/tasks/", side.after.is_none()),
                };
                act.at <= effect.time
                    && is_gone == is_deletion
                    && effect.path.contains(aspect)
                    && effect.path.contains(&sensor.to_string())
            });
            assert!(is_known, "{} {} of {} is in no run", effect.method, effect.path, effect.time);
        }
    }

    fn nobody_else_was_written(&self) {
        for n in FOREIGN {
            let sensor = sensor_id_of(&format!("WS-{n}")).to_string();
            let asked = self.lab.simulator.requests();
            let written = asked.iter().find(|asked| asked.method != "GET" && asked.path.contains(&sensor));
            assert!(written.is_none(), "{written:?}");
        }
    }
}

/// Files that were being written when their program was killed.
fn left_over(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        usize::from(name.starts_with(".new-") || name.starts_with(".tmp")) + left_over(path)
    };
    entries.map(|entry| of(&entry.unwrap().path())).sum()
}

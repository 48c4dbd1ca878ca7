//! Who does what in an incident, and what each apply that succeeds has promised.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use kedrctl::model::Clock;
use kedrctl_simulator::world::{FileHash, FileObject, IsolationRule, Target, World, sensor_id_of};
use kedrctl_simulator::{CallKind, Connections, Drop, Fault, Method, Spoiled};

use crate::clock::FastClock;
use crate::dice::Dice;
use crate::files::{CONTESTED, FOREIGN, Files, HOSTS, LEASE, LEASED, LEAVING, UNTIL};
use crate::hands::Hands;
use crate::lab::{Ended, Lab, write};
use crate::program;
use crate::programs::{self, Programs};
use crate::written::Written;

const THEIRS: &str = "5d41402abc4b2a76b9719d911017c592";
const THEIRS_OF_ALL: &str = "7215ee9c7d9dc229d2921a40e899ec5f";

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) applies: AtomicUsize,
    /// Those that ended with 0.
    pub(crate) whole: AtomicUsize,
    pub(crate) kills: AtomicUsize,
    pub(crate) by_hand: AtomicUsize,
    /// Hosts that were found as declared after they had been held.
    pub(crate) holds_over: AtomicUsize,
    pub(crate) changes: AtomicUsize,
    pub(crate) foreign: AtomicUsize,
    pub(crate) faults: AtomicUsize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        write!(
            f,
            "{} applies ({} whole, {} killed), {} acts by hand ({} holds seen to be over), {} changes of the files, {} \
             foreign changes, {} faults",
            of(&self.applies),
            of(&self.whole),
            of(&self.kills),
            of(&self.by_hand),
            of(&self.holds_over),
            of(&self.changes),
            of(&self.foreign),
            of(&self.faults),
        )
    }
}

pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) clock: Arc<FastClock>,
    pub(crate) counts: Counts,
    pub(crate) hands: Hands,
    pub(crate) files: Mutex<Files>,
    pub(crate) programs: Programs,
    pub(crate) written: Written,
    /// What others block, put there while no program ran: nobody can say that it came between its look and its write.
    pub(crate) kept: Mutex<Vec<(Target, String)>>,
    /// Held by programs that run.
    pub(crate) quiet: RwLock<()>,
}

impl Stage {
    pub(crate) fn new(times: i64) -> Self {
        let clock = Arc::new(FastClock::new(times));
        let hosts: String = HOSTS.map(|n| format!("  - {{ name: WS-{n} }}\n")).collect();
        let of_the_world = Arc::clone(&clock);
        let world = kedrctl_simulator::Clock::of(move || of_the_world.now());
        let stage = Self {
            lab: Lab::on(world, &format!("hosts:\n{hosts}"), "{}"),
            counts: Counts::default(),
            hands: Hands::new(),
            files: Mutex::new(Files::new(clock.now())),
            programs: Programs::default(),
            written: Written::default(),
            kept: Mutex::default(),
            quiet: RwLock::default(),
            clock,
        };
        stage.declare(|_, _| ());
        stage
    }

    /// One of everything that a baseline is to have seen.
    pub(crate) fn warm_up(&self) {
        self.run("apply --yes").expect(0, &[]);
    }

    pub(crate) fn run(&self, arguments: &str) -> Ended {
        let _running = self.quiet.read().unwrap();
        program::run(&self.lab, &self.clock, arguments)
    }

    pub(crate) fn declare(&self, change: impl FnOnce(&mut Files, Timestamp)) {
        let mut files = self.files.lock().unwrap();
        let now = self.clock.now();
        change(&mut files, now);
        let state = self.lab.state(&self.lab.server(), &files.hosts());
        // Whole, as an editor saves it: others read it at the same time.
        write(&self.lab.path(".state.new"), &format!("{state}{}", files.rest(now)));
        std::fs::rename(self.lab.path(".state.new"), self.lab.path("state.yaml")).unwrap();
    }

    pub(crate) fn act(&self, dice: &mut Dice) {
        match dice.below(25) {
            0..=5 => self.apply("apply --yes"),
            6..=8 => self.apply("apply --yes --renew-only"),
            9 => self.killed(dice),
            10 => {
                let ended = self.run("drift");
                assert!(matches!(ended.code, Some(0 | 2 | 4 | 5)), "{ended:?}");
            }
            11..=14 => {
                self.counts.by_hand.fetch_add(1, Ordering::Relaxed);
                self.hands.act(self, dice);
            }
            15 => self.foreign(dice),
            16 => self.foreign_hash_that_stays(dice),
            17..=20 => {
                self.counts.changes.fetch_add(1, Ordering::Relaxed);
                self.declare(|files, now| files.change(dice, now));
            }
            21 => self.lab.simulator.world(|world| {
                world.contact_all();
                world.restart(sensor_id_of(&format!("WS-{}", dice.of(HOSTS)))).unwrap();
            }),
            22 => self.blocked_in_between(dice),
            _ => self.fault(dice),
        }
    }

    /// Whatever goes wrong meanwhile, it ends as the exit codes say, and never in a panic.
    fn apply(&self, arguments: &str) {
        self.counts.applies.fetch_add(1, Ordering::Relaxed);
        let before = self.files.lock().unwrap().clone();
        let began = self.clock.now();
        let ended = self.run(arguments);
        let is_told = matches!(ended.code, Some(0 | 4 | 5));
        assert!(is_told, "{:?}: {}{}", ended.code, ended.stdout, ended.stderr);
        if ended.code == Some(0) {
            self.counts.whole.fetch_add(1, Ordering::Relaxed);
            self.is_kept(&before, began, arguments.contains("--renew-only"));
        }
    }

    /// What an apply has promised that began then, on these files, and ended with 0. Nothing here hangs on how long ago
    /// that was: isolations of these hosts only ever get longer.
    pub(crate) fn is_kept(&self, before: &Files, began: Timestamp, is_renewal: bool) {
        let after = self.files.lock().unwrap().clone();
        for n in LEASED {
            self.is_isolated_until(n, began + LEASE / 2);
        }
        if is_renewal {
            return;
        }
        for (n, (before, after)) in LEAVING.zip(before.leaving.iter().zip(&after.leaving)) {
            if before == after && after.what {
                self.is_isolated_until(n, began + LEASE / 2);
            }
        }
        if before.until == after.until && self.clock.now() < after.until.what {
            self.is_isolated_until(UNTIL, after.until.what);
        }
        let seen = self.hands.the_rest_is_as_declared(self, began);
        self.counts.holds_over.fetch_add(seen, Ordering::Relaxed);
        self.programs.surely_started(before, &after);
    }

    pub(crate) fn is_isolated_until(&self, n: usize, at: Timestamp) {
        self.lab.simulator.world(|world| {
            let rule = world.isolation(sensor_id_of(&format!("WS-{n}")));
            let end = rule.map(IsolationRule::end);
            assert!(end.is_some_and(|end| end >= at), "WS-{n}: {end:?}, expected {at}; now {}", world.now());
        });
    }

    fn killed(&self, dice: &mut Dice) {
        self.counts.applies.fetch_add(1, Ordering::Relaxed);
        let _running = self.quiet.read().unwrap();
        let mut run = program::start(&self.lab, &self.clock, "apply --yes");
        std::thread::sleep(Duration::from_millis(dice.of(1..250) as u64));
        if run.child().kill().is_ok() {
            self.counts.kills.fetch_add(1, Ordering::Relaxed);
        }
        drop(run.end());
    }

    /// Somebody who does not use this program.
    fn foreign(&self, dice: &mut Dice) {
        self.counts.foreign.fetch_add(1, Ordering::Relaxed);
        let n = dice.of(CONTESTED.start..FOREIGN.end);
        let sensor = sensor_id_of(&format!("WS-{n}"));
        let what = dice.below(5);
        // Somebody clears up, and a program that has run is not listed any more.
        let programs: Vec<String> =
            self.files.lock().unwrap().programs.iter().flat_map(|said| programs::ids(said.what)).collect();
        let one_of_them = programs[dice.below(programs.len())].parse().unwrap();
        self.lab.simulator.world(|world| match what {
            0 => {
                let rule = IsolationRule { timeout_seconds: 7_200, exclusions: None, set_at: world.now() };
                world.put_isolation(sensor, Some(rule)).unwrap();
            }
            1 => world.put_isolation(sensor, None).unwrap(),
            2 => also_block(world, Target::Sensor(sensor), THEIRS),
            3 => also_block(world, Target::All, THEIRS_OF_ALL),
            // It may not be there yet, or no more.
            _ => drop(world.delete_task(one_of_them)),
        });
    }

    fn foreign_hash_that_stays(&self, dice: &mut Dice) {
        self.counts.foreign.fetch_add(1, Ordering::Relaxed);
        let n = dice.of(CONTESTED.start - 1..FOREIGN.end);
        let of_host = Target::Sensor(sensor_id_of(&format!("WS-{n}")));
        let target = if n < CONTESTED.start { Target::All } else { of_host };
        let _quiet = self.quiet.write().unwrap();
        self.written.gather(&self.lab.simulator);
        let mut kept = self.kept.lock().unwrap();
        let hash = format!("{:032x}", kept.len() + 1);
        self.lab.simulator.world(|world| also_block(world, target, &hash));
        kept.push((target, hash));
    }

    fn fault(&self, dice: &mut Dice) {
        self.counts.faults.fetch_add(1, Ordering::Relaxed);
        let calls = [CallKind::Sensors, CallKind::Isolation, CallKind::Prevention, CallKind::Tasks];
        let on = Fault::on(calls[dice.below(4)]).skip(u32::try_from(dice.below(4)).unwrap()).first(1);
        // There are far more reads than writes.
        let on = if dice.below(2) == 0 { on.method(Method::Post) } else { on };
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
            std::thread::sleep(Duration::from_millis(300));
            self.lab.simulator.set_faults(Vec::new());
        }
    }
}

pub(crate) fn blocks(world: &World, target: Target, hash: &str) -> bool {
    world.prevention(target).is_some_and(|rule| rule.blocks(FileHash::parse(hash).unwrap()))
}

pub(crate) fn also_block(world: &mut World, target: Target, hash: &str) {
    let mut objects = world.prevention(target).map_or_else(Vec::new, |rule| rule.objects().to_vec());
    objects.push(FileObject::new(FileHash::parse(hash).unwrap()));
    world.set_prevention(target, objects).unwrap();
}

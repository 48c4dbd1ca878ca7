//! The incident is over: all is as declared or as held, every write is in the record, and time goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use kedrctl::model::{Clock, ServerKey, Target as ModelTarget};
use kedrctl::record::{ActValues, FolderStore, Record};
use kedrctl_simulator::LoggedRequest;
use kedrctl_simulator::world::{IsolationRule, Target, sensor_id_of};

use crate::files::{CONTESTED, FOREIGN, LEASED, MOVING, OF_ALL, OURS, Place, UNTIL};
use crate::stage::{Stage, blocks};

/// Longer than any hold and any lease.
const LATER: i64 = 26;

/// What was done in all.
pub(crate) struct Aftermath {
    /// Programs that were started.
    pub(crate) programs: usize,
    /// How many of each kind the record has.
    pub(crate) acts: BTreeMap<String, usize>,
    pub(crate) requests: usize,
    /// Writes that took effect.
    pub(crate) effects: usize,
}

impl fmt::Display for Aftermath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, acts, requests, effects } = self;
        write!(
            f,
            "{effects} of {requests} requests wrote something, {programs} programs were started; in the record {acts:?}"
        )
    }
}

impl Stage {
    /// The faults end, one more apply makes all as declared, and everything is looked at.
    pub(crate) fn calm_down(&self) -> Aftermath {
        self.lab.simulator.set_faults(Vec::new());
        // Nothing that is looked at from now on may hang on how long a busy machine takes for it.
        self.clock.slow_down();
        // Of what people did by hand, all stands before that apply, and after it.
        self.hands.all_stands(self);
        self.applied();
        self.hands.all_stands(self);
        self.it_is_as_declared();
        self.later_it_is_as_declared_again();
        self.run("record verify").expect(0, &["all as it was written"]);
        self.written.gather(&self.lab.simulator);
        let writes = self.written.writes();
        self.nobody_else_was_written(&writes);
        let effects: Vec<_> = writes.into_iter().filter(|write| write.effect).collect();
        self.what_others_block_is_kept();
        let acts = self.every_write_is_in_the_record(&effects);
        let kills = self.counts.kills.load(Ordering::Relaxed);
        let left = left_over(&self.lab.path(".kedrctl")) + left_over(&self.lab.path(".state"));
        assert!(left <= kills, "{left} partial files of {kills} killed runs");
        let programs = self.programs.each_was_started_once(&effects, &self.files.lock().unwrap());
        Aftermath { programs, acts, requests: self.written.requests(), effects: effects.len() }
    }

    /// Gives when the apply began.
    fn applied(&self) -> Timestamp {
        let (before, began) = (self.files.lock().unwrap().clone(), self.clock.now());
        self.run("apply --yes").expect(0, &[]);
        self.is_kept(&before, began, false);
        began
    }

    /// Where nobody comes to renew, every isolation runs out; renewals alone set those again that the record knows, and an
    /// apply makes all as declared: no hold is left.
    fn later_it_is_as_declared_again(&self) {
        self.clock.skip(LATER);
        self.lab.simulator.world(|world| {
            for n in LEASED {
                let end = world.isolation(sensor_id_of(&format!("WS-{n}"))).map(IsolationRule::end);
                assert!(end.is_none_or(|end| end < world.now()), "WS-{n} is isolated until {end:?}");
            }
        });
        let (before, began) = (self.files.lock().unwrap().clone(), self.clock.now());
        self.run("apply --yes --renew-only").expect(0, &[]);
        self.is_kept(&before, began, true);
        let began = self.applied();
        self.it_is_as_declared();
        let seen = self.hands.the_rest_is_as_declared(self, began);
        self.counts.holds_over.fetch_add(seen, Ordering::Relaxed);
        self.lab.simulator.world(|world| {
            let left = world.isolation(sensor_id_of(&format!("WS-{UNTIL}")));
            assert!(left.is_none(), "WS-{UNTIL}, whose time is over: {left:?}");
            world.contact_all();
        });
        self.run("apply --yes").expect(0, &["nothing to do"]);
        for n in LEASED {
            let effective = self.lab.simulator.effective(sensor_id_of(&format!("WS-{n}")));
            assert!(effective.isolated, "WS-{n}: {effective:?}");
        }
    }

    fn it_is_as_declared(&self) {
        let files = self.files.lock().unwrap().clone();
        let moved = files.moved_to(Place::Contested);
        self.lab.simulator.world(|world| {
            for (n, said) in CONTESTED.zip(&files.contested) {
                let (isolated, hashes) = said.what;
                let sensor = sensor_id_of(&format!("WS-{n}"));
                assert_eq!(world.isolation(sensor).is_some(), isolated, "WS-{n}");
                for (which, hash) in OURS.iter().chain(&MOVING).enumerate() {
                    let is_declared = which < hashes || moved.contains(hash);
                    assert_eq!(blocks(world, Target::Sensor(sensor), hash), is_declared, "WS-{n}: {hash}");
                }
            }
            let of_all = files.moved_to(Place::AllHosts);
            for hash in MOVING.iter().chain([&OF_ALL]) {
                let is_declared = *hash == OF_ALL || of_all.contains(hash);
                assert_eq!(blocks(world, Target::All, hash), is_declared, "all hosts: {hash}");
            }
        });
    }

    fn what_others_block_is_kept(&self) {
        let kept = self.kept.lock().unwrap();
        self.lab.simulator.world(|world| {
            for (target, hash) in &*kept {
                assert!(blocks(world, *target, hash), "{hash} of others is gone from {target:?}");
            }
        });
    }

    /// With the subject that it is about, before it was sent: of each kind there are by then at least as many intentions
    /// as there were writes. Gives how many there are of each action.
    fn every_write_is_in_the_record(&self, effects: &[LoggedRequest]) -> BTreeMap<String, usize> {
        let record = Record::new(FolderStore::new(self.lab.path(".kedrctl")));
        let address = self.lab.simulator.address();
        let key = ServerKey::of_address(&address.ip().to_string(), address.port());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let history = runtime.block_on(record.history(&key, None)).unwrap();
        // By what would be in the path, whether it is gone after it, and the host or `all`.
        let mut intended: BTreeMap<(&str, bool, String), Vec<Timestamp>> = BTreeMap::new();
        let mut acts = BTreeMap::<String, usize>::new();
        for act in history.runs.iter().flat_map(|run| &run.acts) {
            *acts.entry(act.action.to_string()).or_default() += 1;
            let whom = match act.subject.target {
                ModelTarget::Sensor(sensor) => sensor.to_string(),
                ModelTarget::AllHosts => "all".to_owned(),
            };
            let (aspect, is_gone) = match &act.values {
                ActValues::Isolation(side) => ("network_isolation", side.after.is_none()),
                ActValues::Prevention(side) => ("settings_type=prevention", side.after.is_none()),
                ActValues::Task(side) => ("/tasks/", side.after.is_none()),
            };
            intended.entry((aspect, is_gone, whom)).or_default().push(act.at);
        }
        let mut sent: BTreeMap<&(&str, bool, String), usize> = BTreeMap::new();
        intended.values_mut().for_each(|times| times.sort_unstable());
        for effect in effects {
            let known = intended.iter().find(|((aspect, is_gone, whom), _)| {
                *is_gone == (effect.method == "DELETE")
                    && effect.path.contains(aspect)
                    && effect.path.contains(&**whom)
            });
            let Some((kind, times)) = known else { panic!("{effect:?} is in no run") };
            let nth = sent.entry(kind).or_default();
            let intention = times.get(*nth);
            assert!(
                intention.is_some_and(|at| *at <= effect.time),
                "{effect:?}, the {nth}th of {kind:?}, has no intention of its own: {intention:?}"
            );
            *nth += 1;
        }
        acts
    }

    fn nobody_else_was_written(&self, writes: &[LoggedRequest]) {
        for n in FOREIGN {
            let sensor = sensor_id_of(&format!("WS-{n}")).to_string();
            let written = writes.iter().find(|write| write.path.contains(&sensor));
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

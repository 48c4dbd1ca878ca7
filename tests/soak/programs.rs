//! That each declared program was started once on each of its hosts, whatever became of whoever started it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kedrctl::model::{Program as Run, SensorId, TaskId};
use kedrctl_simulator::LoggedRequest;
use kedrctl_simulator::world::sensor_id_of;

use crate::files::{Files, Program, RUNNING};

/// What runs, beside its arguments.
pub(crate) const COMMAND: &str = r"C:\soak.exe";

/// Those that an apply has surely started: it began with them, ended with 0, and the files still had them then.
#[derive(Default)]
pub(crate) struct Programs(Mutex<BTreeSet<Program>>);

impl Programs {
    pub(crate) fn surely_started(&self, before: &Files, after: &Files) {
        let all_along = before.programs.iter().filter(|program| after.programs.contains(program));
        self.0.lock().unwrap().extend(all_along.map(|said| said.what));
    }

    /// `effects` are all that was ever written. Gives how many programs were started.
    pub(crate) fn each_was_started_once(&self, effects: &[LoggedRequest], files: &Files) -> usize {
        let mut started: BTreeMap<&str, usize> = BTreeMap::new();
        for effect in effects.iter().filter(|effect| effect.method == "POST") {
            if let Some((id, _)) = effect.path.strip_prefix("/tasks/").and_then(|rest| rest.split_once('?')) {
                *started.entry(id).or_default() += 1;
            }
        }
        let twice: Vec<_> = started.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let in_the_files = files.programs.iter().map(|said| said.what);
        for program in self.0.lock().unwrap().iter().copied().chain(in_the_files) {
            for id in ids(program) {
                assert!(started.contains_key(&*id), "{program:?}, task {id}, was never started");
            }
        }
        let declared: BTreeSet<String> = files
            .ever
            .iter()
            .enumerate()
            .flat_map(|(number, last)| (1..=*last).map(move |generation| Program { number, generation }))
            .flat_map(ids)
            .collect();
        for id in started.keys() {
            assert!(declared.contains(*id), "nobody declared the task {id}");
        }
        started.len()
    }
}

/// What they are called on the server, on each host.
pub(crate) fn ids(program: Program) -> Vec<String> {
    let run =
        Run { command: COMMAND.into(), arguments: Some(program.arguments().into()), working_directory: None };
    RUNNING
        .map(|n| {
            let sensor = SensorId::new(sensor_id_of(&format!("WS-{n}")));
            TaskId::new(sensor, &program.name(), &run, program.generation as u64).uuid().to_string()
        })
        .collect()
}

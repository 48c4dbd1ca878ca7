//! All that was written to the server. Its own log forgets the oldest requests, and hours of an incident have more than it
//! keeps.

use std::sync::Mutex;

use kedrctl_simulator::{LoggedRequest, Simulator};

#[derive(Default)]
pub(crate) struct Written(Mutex<Gathered>);

#[derive(Default)]
struct Gathered {
    requests: usize,
    writes: Vec<LoggedRequest>,
}

impl Written {
    /// Empties the log; of the requests in it the writes are kept, whether they took effect or not.
    pub(crate) fn gather(&self, simulator: &Simulator) {
        let mut gathered = self.0.lock().unwrap();
        simulator.world(|world| {
            gathered.requests += world.log.iter().len();
            gathered.writes.extend(world.log.iter().filter(|asked| asked.method != "GET").cloned());
            world.log.clear();
        });
    }

    /// How many requests there were in all.
    pub(crate) fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    pub(crate) fn writes(&self) -> Vec<LoggedRequest> {
        self.0.lock().unwrap().writes.clone()
    }
}

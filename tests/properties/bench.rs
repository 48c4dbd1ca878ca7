//! A fleet in memory with everything that a run needs, and time that stands still.

use jiff::{SignedDuration, Timestamp};
use kedrctl::execute::{Pace, Rollout};
use kedrctl::record::{MemoryStore, Record};
use kedrctl_simulator::world::Host;
use kedrctl_simulator::{Clock, World};

use crate::fuse::{Fuse, FusedStore};
use crate::lab::{Lab, LabClock, connected};
use crate::node::{Manners, MemoryNode, Rounding};
use crate::values::HOSTS;

pub(crate) struct Bench {
    pub(crate) lab: Lab<MemoryNode, FusedStore>,
    pub(crate) node: MemoryNode,
    pub(crate) store: MemoryStore,
    pub(crate) fuse: Fuse,
    pub(crate) clock: Clock,
}

impl Bench {
    pub(crate) fn new(manners: Manners, skew: SignedDuration) -> Self {
        Self::with(&HOSTS, manners, skew)
    }

    pub(crate) fn with(names: &[&str], manners: Manners, skew: SignedDuration) -> Self {
        let mut world = World::new(start());
        for name in names {
            let mut host = Host::new(name);
            host.agent.restart_drops_isolation = true;
            world.add_host(host);
        }
        Self::of(world, MemoryStore::default(), manners, skew)
    }

    /// The same fleet and record, from now on apart.
    pub(crate) fn fork(&self) -> Self {
        let store = MemoryStore::default();
        for (key, bytes) in self.store.objects() {
            store.overwrite(&key, bytes);
        }
        let state = self.node.state();
        let fork = Self::of(state.world.clone(), store, state.manners, state.skew);
        {
            let mut forked = fork.node.state();
            (forked.law, forked.used) = (state.law.clone(), state.used.clone());
        }
        fork
    }

    fn of(world: World, store: MemoryStore, manners: Manners, skew: SignedDuration) -> Self {
        let clock = Clock::manual(world.now());
        // On some servers everything is written batch by batch.
        let rollout = match manners.rounding {
            Rounding::Exact => Rollout { batches: Some("1,50%".parse().unwrap()), max_failures: None },
            Rounding::Down | Rounding::Up => Rollout::default(),
        };
        let fuse = Fuse::default();
        let node = MemoryNode::new(world, clock.clone(), fuse.clone(), store.clone(), manners, skew);
        let lab = Lab {
            servers: vec![connected(node.clone(), MemoryNode::key())],
            record: Record::new(FusedStore { inner: store.clone(), fuse: fuse.clone() }),
            clock: LabClock(clock.clone()),
            pace: Pace::default(),
            rollout,
        };
        Self { lab, node, store, fuse, clock }
    }
}

pub(crate) fn start() -> Timestamp {
    "2026-03-01T08:00:00.25Z".parse().unwrap()
}

/// Runs on tokio's paused clock: pauses take no time.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

//! Where the model is checked: a Central Node in memory, or a simulated one over HTTPS.

use std::sync::Arc;

use jiff::SignedDuration;
use kedrctl::central_node::TakeTurns;
use kedrctl::execute::Pace;
use kedrctl::record::{LockStore, MemoryStore};
use kedrctl_simulator::{Clock, World};

use crate::bench::Bench;
use crate::fuse::{Fuse, FusedStore};
use crate::https::{Https, Witnessed};
use crate::lab::Lab;
use crate::law::Law;
use crate::node::{MemoryNode, Rounding, Trouble, Used};

pub(super) trait Ground {
    type Client: TakeTurns;
    type Store: LockStore<Lock: Send + Sync>;

    fn lab(&self) -> &Lab<Self::Client, Self::Store>;
    fn clock(&self) -> &Clock;
    fn fuse(&self) -> &Fuse;
    fn store(&self) -> &MemoryStore;
    fn law<T>(&self, of: impl FnOnce(&mut Law) -> T) -> T;
    /// The world, and what we have ever set in it.
    fn world<T>(&self, of: impl FnOnce(&mut World, &Used) -> T) -> T;
    /// Whether it rounds timeouts to whole hours.
    fn rounds(&self) -> bool;
    /// Writes that had an effect.
    fn writes(&self) -> u32;
    /// A run begins, and this goes wrong with its calls.
    fn begin(&self, troubles: &[Option<Trouble>]);
    fn end(&self);
    /// By how much the server's display of the time is ahead.
    fn set_skew(&self, skew: SignedDuration);
    /// Reading back is waited for from now on, as long as it takes on a busy machine.
    fn be_patient(&mut self);
}

impl Ground for Bench {
    type Client = MemoryNode;
    type Store = FusedStore;

    fn lab(&self) -> &Lab<MemoryNode, FusedStore> {
        &self.lab
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn fuse(&self) -> &Fuse {
        &self.fuse
    }

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn law<T>(&self, of: impl FnOnce(&mut Law) -> T) -> T {
        of(&mut self.node.state().law)
    }

    fn world<T>(&self, of: impl FnOnce(&mut World, &Used) -> T) -> T {
        let state = &mut *self.node.state();
        of(&mut state.world, &state.used)
    }

    fn rounds(&self) -> bool {
        self.node.state().manners.rounding != Rounding::Exact
    }

    fn writes(&self) -> u32 {
        self.node.state().writes
    }

    fn begin(&self, troubles: &[Option<Trouble>]) {
        let mut state = self.node.state();
        state.troubles = troubles.iter().copied().collect();
        state.takes_time = true;
    }

    fn end(&self) {
        let mut state = self.node.state();
        state.troubles.clear();
        state.takes_time = false;
    }

    fn set_skew(&self, skew: SignedDuration) {
        self.node.state().skew = skew;
    }

    /// Its clock is one that waits for nobody.
    fn be_patient(&mut self) {}
}

impl Ground for Https {
    type Client = Witnessed;
    type Store = FusedStore;

    fn lab(&self) -> &Lab<Witnessed, FusedStore> {
        &self.lab
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn fuse(&self) -> &Fuse {
        &self.fuse
    }

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn law<T>(&self, of: impl FnOnce(&mut Law) -> T) -> T {
        of(&mut self.seen().law)
    }

    fn world<T>(&self, of: impl FnOnce(&mut World, &Used) -> T) -> T {
        let simulator = Arc::clone(&self.simulator);
        let used = self.seen().used.clone();
        simulator.world(|world| of(world, &used))
    }

    fn rounds(&self) -> bool {
        self.dialect.timeouts != kedrctl_simulator::dialect::Rounding::None
    }

    fn writes(&self) -> u32 {
        self.seen().writes
    }

    fn begin(&self, troubles: &[Option<Trouble>]) {
        self.arm(troubles);
    }

    fn end(&self) {
        self.arm(&[]);
    }

    fn set_skew(&self, skew: SignedDuration) {
        self.seen().skew = skew;
        self.arm(&[]);
    }

    fn be_patient(&mut self) {
        self.lab.pace = Pace::default();
    }
}

//! A simulated Central Node: the KATA/KEDR Response API over real HTTPS, with simulated agents behind it.
//!
//! For people without one: to learn, to test state files in CI, to rehearse an incident. It is written from the
//! project's facts page on the API (`response-api.md`), not from the client: each checks the other.
//!
//! ```text
//! fleet file ──▶ fleet ──▶ world ◀── agent      state, saver ──▶ the file beside the fleet
//!                            ▲
//!  HTTPS ──▶ front ──▶ wire ─┴─ node            faults: what goes wrong on the way
//! ```
//!
//! - [`world`] and [`agent`] are pure: time comes in as an argument, nothing is read or sent.
//! - `wire` is the JSON, in the dialect that the fleet asks for.
//! - `node` carries one call out; `front` is connections, TLS, HTTP.
//! - [`Simulator`] is the handle on it all.
//!
//! ```
//! use kedrctl_simulator::{Fleet, Options, Simulator, world::sensor_id_of};
//!
//! let fleet = Fleet::from_yaml("hosts: [{ name: WS-1, isolation: { timeout: 8h } }]")?;
//! let simulator = Simulator::start_with(fleet, Options::default())?;
//! assert!(simulator.effective(sensor_id_of("WS-1")).isolated);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod agent;
mod clock;
mod faults;
mod fleet;
mod front;
mod node;
mod saver;
mod simulator;
mod state;
mod time_span;
mod wire;
pub mod world;

/// The switches of the server's dialect, each with its choices.
pub mod dialect {
    pub use crate::wire::{
        AllWithoutRule, ClashShape, DeleteWithoutRule, Dialect, Expired, HashCase, HostNameField, LastAccess,
        ListOrder, NotFoundBody, PostedNames, Rounding, SettingsShape, UuidCase, WriteStatus,
    };
    pub use crate::world::{PortRules, Resend};
}

pub use clock::Clock;
pub use dialect::Dialect;
pub use faults::{CallKind, Connections, Drop, Fault, Spoiled};
pub use fleet::{
    Fleet, FleetError, FleetFile, FleetHost, FleetIsolation, FleetOs, Generate, RegistrationMode, Server,
};
pub use front::{CertificateError, CertificateKind};
pub use simulator::{Credentials, Options, Simulator, StartError};
pub use state::StateError;
pub use time_span::Moment;
pub use wire::Method;
pub use world::{Effective, LoggedRequest, World};

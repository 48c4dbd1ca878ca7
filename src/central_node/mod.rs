//! The Response API client: reading and writing the settings of one Central Node over mutual TLS.
//!
//! Reading and writing are two traits, so that what plans cannot write. Reads inside are retried; writes never
//! are: an answer that was lost is settled by whoever knows what was meant, by reading.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{
    Clock, Exclusions, HostList, Isolation, ListedTask, PreventionRule, Program, SensorId, Target, TaskId,
    Timeout,
};

mod answer;
pub mod bodies;
mod body;
mod call;
mod clash;
mod classify;
mod endpoint;
mod error;
mod failure;
mod fingerprint;
mod https;
mod known_rules;
mod limits;
mod new_client;
mod presented;
mod retry;
mod route;
mod secret_pem;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
mod verifier;
mod watch;
mod wire;

pub use call::Call;
pub use endpoint::{Endpoint, EndpointError, Pem, Trust};
pub use error::{CallError, CallErrorKind};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use https::HttpsCentralNode;
pub use limits::{Limits, Retry};
pub use new_client::{NewClient, certificate_for};
pub use presented::{CertificateText, ServerCertificate, server_certificates};
pub use secret_pem::{Encryption, SecretPem};
pub use watch::{Answered, Exchange, Watch};

/// The answer to "which hosts are there".
#[derive(Debug, Clone)]
pub struct Listing {
    /// As the server gave them; whether that is all of them is not judged here.
    pub hosts: HostList,
    /// The server's clock, by the answer's `Date` header (whole seconds); `None` where it had none.
    pub date: Option<Timestamp>,
    /// The moments, by our clock, between which the server wrote that: of the attempt that was answered, not of those
    /// that failed before it.
    pub asked: Timestamp,
    /// The later of the two: when the head of the answer had come.
    pub answered: Timestamp,
}

/// The calls that change nothing.
pub trait ReadSettings: Send + Sync {
    /// All hosts of the server (response-api.md, section 1); `clock` is ours, which the server's is compared with.
    fn hosts(&self, clock: &dyn Clock) -> impl Future<Output = Result<Listing, CallError>> + Send;

    /// The isolation rule of a host that the host list has; `None`: 404 with the documented JSON body.
    fn isolation(
        &self,
        sensor: SensorId,
    ) -> impl Future<Output = Result<Option<Isolation>, CallError>> + Send;

    /// The prevention rule of a host that the host list has, or of all hosts; `None`: there is none. Most hosts of a fleet
    /// have one of few rules, so that those who have the same may share it.
    fn prevention(
        &self,
        target: Target,
    ) -> impl Future<Output = Result<Option<Arc<PreventionRule>>, CallError>> + Send;

    /// A task of this server, whichever host it is for; `None`: there is none (response-api.md, section 5).
    fn task(&self, id: TaskId) -> impl Future<Output = Result<Option<ListedTask>, CallError>> + Send;
}

/// The calls that change a fleet. `Ok` means that the server said yes (2xx), which is not proof.
pub trait WriteSettings: ReadSettings {
    /// Isolates a host, or replaces the rule that it has; its time begins anew (response-api.md, section 3).
    fn set_isolation(
        &self,
        sensor: SensorId,
        timeout: Timeout,
        exclusions: &Exclusions,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Releases a host, whoever isolated it.
    fn delete_isolation(&self, sensor: SensorId) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Replaces the whole rule by these objects (hash and `name`; other fields are not sent).
    fn set_prevention(
        &self,
        target: Target,
        rule: &Arc<PreventionRule>,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Takes a whole rule away, whoever set it.
    fn delete_prevention(&self, target: Target) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Starts a program as soon as the host is in contact. Fails with [`CallErrorKind::AlreadyThere`] where the server
    /// has a task of this id: whoever sends it again starts nothing twice.
    fn create_task(
        &self,
        id: TaskId,
        sensor: SensorId,
        program: &Program,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// What it has started goes on.
    fn delete_task(&self, id: TaskId) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// Where requests wait for each other, several of them can be sent in one turn: a write comes right after the look that
/// it hangs on, not behind the requests of others.
pub trait TakeTurns: WriteSettings {
    /// What may be asked without waiting. A write fails with [`CallErrorKind::Overloaded`], not sent, where the server
    /// has asked others to wait meanwhile.
    type Turn<'a>: Deref<Target: WriteSettings + Sized> + Send + Sync
    where
        Self: 'a;

    /// Waits for a turn. Whoever has one waits for nothing else of this server until it is given back.
    fn turn(&self) -> impl Future<Output = Self::Turn<'_>> + Send;
}

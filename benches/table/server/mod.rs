//! The servers that contestants are measured against, near and far.

mod delay;
mod nginx;
mod simulated;

pub(crate) use delay::Delay;
pub(crate) use nginx::Nginx;
pub(crate) use simulated::Simulated;

use std::net::SocketAddr;

use crate::workload::{Credentials, Host, Standing};

/// A Central Node, or what answers like one.
pub(crate) trait Server {
    /// As the table shows it.
    fn name(&self) -> &'static str;
    fn address(&self) -> SocketAddr;
    fn credentials(&self) -> &Credentials;
    fn hosts(&self) -> &[Host];
    /// Makes the rules of all hosts stand so again, and forgets what was asked.
    fn reset(&mut self, standing: Standing);
    /// What it was asked since.
    fn asked(&self) -> Asked;
}

/// `None`: this server does not count it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) requests: Option<usize>,
    pub(crate) connections: Option<usize>,
}

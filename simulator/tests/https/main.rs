//! The simulator over real HTTPS, asked by a plain client that shares nothing with it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod client;
mod connections;
mod dialects;
mod faults;
mod guide;
mod isolation;
mod prevention;
mod registration;
mod sensors;
mod state;
mod tasks;

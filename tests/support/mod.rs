//! What the folders under `tests/cases/` are played with.

mod case;
mod command;
mod lab;
mod log;
mod server;
mod told;

pub(crate) use lab::play;

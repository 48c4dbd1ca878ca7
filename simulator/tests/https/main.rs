//! The simulator over real HTTPS, asked by a plain client that shares nothing with it.

mod client;
mod connections;
mod isolation;
mod prevention;
mod registration;
mod sensors;
mod tasks;

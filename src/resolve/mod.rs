//! Declared state and a host list to desired state: which sensor is meant, with where each value came from.

use std::sync::Arc;

use crate::declare::{DeclaredIsolation, DeclaredPrevention};
use crate::model::{Origin, Sensor};

/// What is wanted of one server's hosts, and of which entries we could not tell who is meant.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// In the order of the files.
    pub hosts: Vec<Arc<DesiredHost>>,
    pub unresolved: Vec<Unresolved>,
}

/// One declared host whose sensor is known.
#[derive(Debug)]
pub struct DesiredHost {
    pub entry: Arc<str>,
    pub origin: Origin,
    pub sensor: Arc<Sensor>,
    pub isolation: Option<DeclaredIsolation>,
    pub prevention: Option<DeclaredPrevention>,
}

/// A declared host of which we can not tell, or not well enough, which sensor is meant. It gets no write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    pub entry: Arc<str>,
    pub origin: Origin,
    pub why: WhyUnresolved,
    /// For a person, safe to print: what was found instead and what to do.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUnresolved {
    /// The server does not list it.
    Missing,
    /// As `Missing`, for a fleet whose policy calls that a warning.
    MissingTolerated,
    /// Several sensors have this name or address.
    Ambiguous,
    /// Another sensor has the same name and was seen later.
    Superseded,
    /// The record knows another sensor under this entry.
    Moved,
    /// Another entry means the same sensor, or another declared server lists it too.
    Contested,
}

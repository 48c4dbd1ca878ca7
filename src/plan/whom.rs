use std::sync::Arc;

use crate::declare::DeclaredPrevention;
use crate::model::{Aspect, Cause, Sensor, Target};
use crate::resolve::DesiredHost;

/// Whom a change or a judgement is about.
#[derive(Debug, Clone)]
pub enum Whom {
    /// One declared host.
    Host(Arc<DesiredHost>),
    /// All hosts of the server: the rule that `all_hosts` declares.
    AllHosts(Arc<DeclaredPrevention>),
}

impl Whom {
    pub fn target(&self) -> Target {
        match self {
            Self::Host(host) => Target::Sensor(host.sensor.id),
            Self::AllHosts(_) => Target::AllHosts,
        }
    }

    /// The one sensor that it is about.
    pub fn sensor(&self) -> Option<&Arc<Sensor>> {
        match self {
            Self::Host(host) => Some(&host.sensor),
            Self::AllHosts(_) => None,
        }
    }

    pub fn host(&self) -> Option<&Arc<DesiredHost>> {
        match self {
            Self::Host(host) => Some(host),
            Self::AllHosts(_) => None,
        }
    }

    /// The key of the host's entry, or what else people and flags call it.
    pub fn entry(&self) -> Option<&Arc<str>> {
        match self {
            Self::Host(host) => Some(&host.entry),
            Self::AllHosts(_) => None,
        }
    }

    /// As a sentence calls it: the name that the server lists, `all hosts`. Safe to print.
    pub fn label(&self) -> String {
        match self {
            Self::Host(host) => host.sensor.label(),
            Self::AllHosts(_) => "all hosts".to_owned(),
        }
    }

    /// Its part of `hq/WS-017.corp.example/isolation`: no host can be called `all_hosts`, which is no host name.
    pub fn subject_name(&self) -> String {
        match self {
            Self::Host(host) => host.sensor.label(),
            Self::AllHosts(_) => "all_hosts".to_owned(),
        }
    }

    /// Where an aspect of it was declared.
    pub fn cause(&self, aspect: Aspect) -> Cause {
        match self {
            Self::Host(host) => {
                host.cause(aspect).cloned().unwrap_or_else(|| Cause::Own(host.origin.clone()))
            }
            Self::AllHosts(prevention) => prevention.cause.clone(),
        }
    }
}

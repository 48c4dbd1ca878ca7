use std::sync::Arc;

use crate::declare::DeclaredPrevention;
use crate::model::{Aspect, Cause, Sensor, Target};
use crate::resolve::{DesiredHost, DesiredTask};

/// Whom a change or a judgement is about.
#[derive(Debug, Clone)]
pub enum Whom {
    /// One declared host.
    Host(Arc<DesiredHost>),
    /// All hosts of the server: the rule that `all_hosts` declares.
    AllHosts(Arc<DeclaredPrevention>),
    /// One program on one host.
    Task(Arc<DesiredTask>),
}

impl Whom {
    /// What it is to the server.
    pub fn target(&self) -> Target {
        match self {
            Self::Host(host) => Target::Sensor(host.sensor.id),
            Self::AllHosts(_) => Target::AllHosts,
            Self::Task(task) => Target::Sensor(task.sensor.id),
        }
    }

    /// The one sensor that it is about.
    pub fn sensor(&self) -> Option<&Arc<Sensor>> {
        match self {
            Self::Host(host) => Some(&host.sensor),
            Self::AllHosts(_) => None,
            Self::Task(task) => Some(&task.sensor),
        }
    }

    /// `None`: it is no declared host.
    pub fn host(&self) -> Option<&Arc<DesiredHost>> {
        match self {
            Self::Host(host) => Some(host),
            Self::AllHosts(_) | Self::Task(_) => None,
        }
    }

    /// `None`: it is no task.
    pub fn task(&self) -> Option<&Arc<DesiredTask>> {
        match self {
            Self::Task(task) => Some(task),
            Self::Host(_) | Self::AllHosts(_) => None,
        }
    }

    /// The key of the declared entry: the host's, or the task's. `None`: it has none of its own.
    pub fn entry(&self) -> Option<&Arc<str>> {
        match self {
            Self::Host(host) => Some(&host.entry),
            Self::AllHosts(_) => None,
            Self::Task(task) => task.name(),
        }
    }

    /// As a sentence calls it: the name that the server lists, `all hosts`. Safe to print.
    pub fn label(&self) -> String {
        match self {
            Self::Host(host) => host.sensor.label(),
            Self::AllHosts(_) => "all hosts".to_owned(),
            Self::Task(task) => task.sensor.label(),
        }
    }

    /// Its part of `hq/WS-017.corp.example/isolation`: no host can be called `all_hosts`, which is no host name.
    pub fn subject_name(&self) -> String {
        match self {
            Self::Host(host) => host.sensor.label(),
            Self::AllHosts(_) => "all_hosts".to_owned(),
            Self::Task(task) => task.sensor.label(),
        }
    }

    /// The last part of a subject: `isolation`, `prevention`, `task/collect-417`. Safe to print.
    pub(super) fn aspect_text(&self, aspect: Aspect) -> String {
        match self {
            Self::Host(_) | Self::AllHosts(_) => aspect.to_string(),
            Self::Task(task) => format!("task/{}", task.label()),
        }
    }

    /// Where an aspect of it was declared.
    pub fn cause(&self, aspect: Aspect) -> Cause {
        match self {
            Self::Host(host) => {
                host.cause(aspect).cloned().unwrap_or_else(|| Cause::Own(host.origin.clone()))
            }
            Self::AllHosts(prevention) => prevention.cause.clone(),
            Self::Task(task) => task.cause.clone(),
        }
    }
}

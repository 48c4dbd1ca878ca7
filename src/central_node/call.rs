use std::borrow::Cow;
use std::fmt;

use http::Method;
use reqwest::Url;

use crate::model::{SensorId, Target, TaskId};

/// What was asked of a server: what an error is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// `GET sensors`: the host list.
    Hosts,
    /// `GET settings`: the isolation rule of a host.
    Isolation(SensorId),
    /// `GET settings`: the prevention rule of a host, or that for all hosts.
    Prevention(Target),
    /// `POST settings`: isolates a host, or replaces the rule that it has.
    SetIsolation(SensorId),
    /// `DELETE settings`: releases a host.
    DeleteIsolation(SensorId),
    /// `POST settings`: replaces a whole prevention rule.
    SetPrevention(Target),
    /// `DELETE settings`: takes a whole prevention rule away.
    DeletePrevention(Target),
    /// `GET tasks`: one task of the server, with the program that it starts.
    Task(TaskId),
    /// `POST tasks`: has a program started on a host, under an id that we give.
    CreateTask(TaskId, SensorId),
    /// `DELETE tasks`: takes a task away; what it has started goes on.
    DeleteTask(TaskId),
}

impl Call {
    /// Whether it changes the fleet: such a call is sent once, and again only after a look.
    pub fn is_write(self) -> bool {
        match self {
            Self::Hosts | Self::Isolation(_) | Self::Prevention(_) | Self::Task(_) => false,
            Self::SetIsolation(_)
            | Self::DeleteIsolation(_)
            | Self::SetPrevention(_)
            | Self::DeletePrevention(_)
            | Self::CreateTask(..)
            | Self::DeleteTask(_) => true,
        }
    }

    pub(super) fn method(self) -> Method {
        match self {
            Self::Hosts | Self::Isolation(_) | Self::Prevention(_) | Self::Task(_) => Method::GET,
            Self::SetIsolation(_) | Self::SetPrevention(_) | Self::CreateTask(..) => Method::POST,
            Self::DeleteIsolation(_) | Self::DeletePrevention(_) | Self::DeleteTask(_) => Method::DELETE,
        }
    }

    /// What follows `…/response_api/v1/<external_system_id>/`. Every part of it is made of letters, digits and
    /// hyphens, so that nothing needs to be escaped.
    pub(super) fn path(self) -> String {
        match self.place() {
            (path, None) => path.into_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        }
    }

    pub(super) fn url(self, base: &Base) -> Url {
        let (path, query) = self.place();
        let mut url = if path == SETTINGS { base.settings.clone() } else { base.at(&path) };
        url.set_query(query.as_deref());
        url
    }

    /// The path and its query.
    fn place(self) -> (Cow<'static, str>, Option<String>) {
        // Help pages up to 5.1 print `network_izolation`; the guide and 6.0 and later do not.
        const ISOLATION: &str = "network_isolation";
        let settings = |target: Target, kind| {
            (Cow::Borrowed(SETTINGS), Some(format!("sensor_id={target}&settings_type={kind}")))
        };
        let task = |id: TaskId| Cow::Owned(format!("tasks/{id}"));
        match self {
            Self::Hosts => (Cow::Borrowed("sensors"), None),
            Self::Isolation(id) | Self::SetIsolation(id) | Self::DeleteIsolation(id) => {
                settings(Target::Sensor(id), ISOLATION)
            }
            Self::Prevention(target) | Self::SetPrevention(target) | Self::DeletePrevention(target) => {
                settings(target, "prevention")
            }
            Self::Task(id) => (task(id), Some("settings=true".to_owned())),
            Self::CreateTask(id, sensor) => {
                (task(id), Some(format!("sensor_id={sensor}&task_type=run_process")))
            }
            Self::DeleteTask(id) => (task(id), None),
        }
    }
}

const SETTINGS: &str = "settings";

/// `https://…/response_api/v1/<external_system_id>/`: what the URLs of all calls to one address begin with. Most calls
/// are about settings, and theirs differ in the query alone.
#[derive(Debug, Clone)]
pub(super) struct Base {
    all: Url,
    settings: Url,
}

impl Base {
    /// `all`: ends with a slash.
    pub(super) fn new(all: Url) -> Self {
        let mut base = Self { settings: all.clone(), all };
        base.settings = base.at(SETTINGS);
        base
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.all.clone();
        url.set_path(&format!("{}{path}", self.all.path()));
        url
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |target: &Target| match target {
            Target::AllHosts => "the prevention rule for all hosts".to_owned(),
            Target::Sensor(id) => format!("the prevention rule of sensor {id}"),
        };
        match self {
            Self::Hosts => f.write_str("reading the host list"),
            Self::Isolation(id) => write!(f, "reading the isolation of sensor {id}"),
            Self::Prevention(target) => write!(f, "reading {}", of(target)),
            Self::SetIsolation(id) => write!(f, "isolating sensor {id}"),
            Self::DeleteIsolation(id) => write!(f, "releasing sensor {id} from isolation"),
            Self::SetPrevention(target) => write!(f, "setting {}", of(target)),
            Self::DeletePrevention(target) => write!(f, "deleting {}", of(target)),
            Self::Task(id) => write!(f, "reading task {id}"),
            Self::CreateTask(id, sensor) => write!(f, "creating task {id} of sensor {sensor}"),
            Self::DeleteTask(id) => write!(f, "deleting task {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_guide() {
        let id: SensorId = "5B0D2C1E-6F2E-4F4C-8A55-0B5B0C8F7A11".parse().unwrap();
        assert_eq!(Call::Hosts.path(), "sensors");
        assert_eq!(
            Call::DeleteIsolation(id).path(),
            "settings?sensor_id=5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11&settings_type=network_isolation"
        );
        assert_eq!(
            Call::Prevention(Target::AllHosts).path(),
            "settings?sensor_id=all&settings_type=prevention"
        );
        let task = TaskId::from_uuid(id.uuid());
        assert_eq!(Call::Task(task).path(), "tasks/5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11?settings=true");
        assert_eq!(
            Call::CreateTask(task, id).path(),
            "tasks/5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11?sensor_id=5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11\
             &task_type=run_process"
        );
        assert_eq!(Call::DeleteTask(task).path(), "tasks/5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11");
    }

    #[test]
    fn a_url_is_the_path_behind_its_base() {
        let text = "https://[::1]:8443/kata/response_api/v1/an-id/";
        let base = Base::new(text.parse().unwrap());
        let id: SensorId = "5B0D2C1E-6F2E-4F4C-8A55-0B5B0C8F7A11".parse().unwrap();
        let task = TaskId::from_uuid(id.uuid());
        for call in [Call::Hosts, Call::Isolation(id), Call::CreateTask(task, id), Call::DeleteTask(task)] {
            assert_eq!(call.url(&base).as_str(), format!("{text}{}", call.path()));
        }
    }
}

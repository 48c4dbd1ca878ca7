//! Which call a request is: method, path and query.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use uuid::Uuid;

use super::Dialect;
use crate::world::{Host, Refusal, Target};

/// The methods that the API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Sets.
    Post,
    /// Removes.
    Delete,
}

/// A call with its parameters, not yet with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Sensors(SensorFilter),
    Setting(Method, Setting),
    PostTask { id: Uuid, sensor: Uuid },
    GetTask { id: Uuid, with_settings: bool },
    DeleteTask { id: Uuid },
}

/// What a setting is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Isolation(Uuid),
    Prevention(Target),
}

/// Which hosts are to be listed; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SensorFilter {
    pub(crate) sensor_id: Option<Uuid>,
    /// Compared with regard to case.
    pub(crate) host: Option<String>,
    pub(crate) ip: Option<IpAddr>,
}

impl SensorFilter {
    pub(super) fn fits(&self, host: &Host) -> bool {
        self.sensor_id.is_none_or(|sensor| sensor == host.sensor_id)
            && self.host.as_ref().is_none_or(|name| *name == host.name)
            && self.ip.is_none_or(|ip| Some(ip) == host.ip)
    }
}

impl Call {
    /// Reads a call from what stands behind `/kata/response_api/v1/<external_system_id>`; `None`: there is no
    /// such page.
    pub(crate) fn read(
        method: Method,
        path: &str,
        query: Vec<(String, String)>,
        dialect: &Dialect,
    ) -> Option<Result<Call, Refusal>> {
        let mut query = Query::new(query);
        let call = match path.strip_prefix('/')?.split('/').collect::<Vec<_>>()[..] {
            ["sensors"] if method == Method::Get => sensors(&mut query),
            ["settings"] => setting(&mut query, dialect).map(|setting| Call::Setting(method, setting)),
            ["tasks", id] => task(method, id, &mut query),
            _ => return None,
        };
        Some(query.and_nothing_else(call))
    }
}

fn sensors(query: &mut Query) -> Result<Call, Refusal> {
    Ok(Call::Sensors(SensorFilter {
        sensor_id: query.take("sensor_id").map(|text| uuid("sensor_id", &text)).transpose()?,
        host: query.take("host"),
        ip: query
            .take("ip")
            .map(|text| text.parse().map_err(|error| Refusal::Incorrect(format!("ip: {text:?}: {error}"))))
            .transpose()?,
    }))
}

fn setting(query: &mut Query, dialect: &Dialect) -> Result<Setting, Refusal> {
    let sensor = query.required("sensor_id")?;
    match query.required("settings_type")?.as_str() {
        "network_isolation" => Ok(Setting::Isolation(uuid("sensor_id", &sensor)?)),
        "network_izolation" if dialect.izolation => Ok(Setting::Isolation(uuid("sensor_id", &sensor)?)),
        "prevention" if sensor == "all" => Ok(Setting::Prevention(Target::All)),
        "prevention" => Ok(Setting::Prevention(Target::Sensor(uuid("sensor_id", &sensor)?))),
        other => Err(Refusal::Incorrect(format!(
            "settings_type must be network_isolation or prevention, not {other:?}"
        ))),
    }
}

fn task(method: Method, id: &str, query: &mut Query) -> Result<Call, Refusal> {
    let id = uuid("the task's id", id)?;
    match method {
        Method::Post => {
            let sensor = uuid("sensor_id", &query.required("sensor_id")?)?;
            match query.required("task_type")?.as_str() {
                "run_process" => Ok(Call::PostTask { id, sensor }),
                other => Err(Refusal::Incorrect(format!("task_type must be run_process, not {other:?}"))),
            }
        }
        Method::Get => match query.take("settings").as_deref() {
            None | Some("false") => Ok(Call::GetTask { id, with_settings: false }),
            Some("true") => Ok(Call::GetTask { id, with_settings: true }),
            Some(other) => Err(Refusal::Incorrect(format!("settings must be true or false, not {other:?}"))),
        },
        Method::Delete => Ok(Call::DeleteTask { id }),
    }
}

/// UUIDs are accepted in either case, but only with hyphens.
fn uuid(field: &str, text: &str) -> Result<Uuid, Refusal> {
    match Uuid::try_parse(text) {
        Ok(uuid) if text.len() == 36 => Ok(uuid),
        Ok(_) | Err(_) => Err(Refusal::Incorrect(format!("{field}: {text:?} is no UUID"))),
    }
}

/// The parameters; what is left at the end is one that the API does not know.
struct Query {
    values: BTreeMap<String, String>,
    repeated: Option<String>,
}

impl Query {
    fn new(pairs: Vec<(String, String)>) -> Query {
        let mut query = Query { values: BTreeMap::new(), repeated: None };
        for (name, value) in pairs {
            if query.values.insert(name.clone(), value).is_some() {
                query.repeated = Some(name);
            }
        }
        query
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    fn required(&mut self, name: &str) -> Result<String, Refusal> {
        self.take(name).ok_or_else(|| Refusal::Incorrect(format!("{name} is missing")))
    }

    fn and_nothing_else(self, call: Result<Call, Refusal>) -> Result<Call, Refusal> {
        let call = call?;
        if let Some(name) = self.repeated {
            return Err(Refusal::Incorrect(format!("the parameter {name} is given twice")));
        }
        match self.values.into_keys().next() {
            None => Ok(call),
            Some(name) => Err(Refusal::Incorrect(format!("unknown parameter {name}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: Method, path: &str, query: &[(&str, &str)]) -> Option<Result<Call, Refusal>> {
        let query = query.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        Call::read(method, path, query, &Dialect::default())
    }

    #[test]
    fn uuids_are_read_in_either_case() {
        let lower = "e6aa2842-fb29-fa7c-84f2-fc2009bfc2d3";
        for text in [lower, &lower.to_uppercase()] {
            let query = [("sensor_id", text), ("settings_type", "network_isolation")];
            let call = Call::Setting(Method::Get, Setting::Isolation(lower.parse().unwrap()));
            assert_eq!(read(Method::Get, "/settings", &query), Some(Ok(call)));
        }
    }

    #[test]
    fn what_the_api_does_not_know_is_refused() {
        assert_eq!(read(Method::Get, "/hosts", &[]), None);
        let incorrect =
            |query| matches!(read(Method::Get, "/sensors", query), Some(Err(Refusal::Incorrect(_))));
        assert!(incorrect(&[("hostname", "WS-1")]));
        assert!(incorrect(&[("ip", "10.0.0")]));
        assert!(!incorrect(&[("host", "WS-1")]));
        let isolate_all = [("sensor_id", "all"), ("settings_type", "network_isolation")];
        assert!(matches!(read(Method::Post, "/settings", &isolate_all), Some(Err(Refusal::Incorrect(_)))));
    }
}

//! `case.yaml`: what happens in a case, step by step.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use kedrctl_simulator::{Dialect, Fault, FleetFile, FleetIsolation};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::told::CaseHold;

/// A case; without the file, it is one `plan`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Case {
    pub(super) now: Timestamp,
    /// Which requests are printed after each command.
    pub(super) requests: Requests,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Requests {
    Writes,
    All,
}

#[derive(Debug)]
pub(super) enum Step {
    /// A command with its flags, as one would type it: `apply --allow isolations=7`.
    Command(String),
    /// An apply during which something happens.
    Meanwhile(Meanwhile),
    Happening(Happening),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meanwhile {
    /// The command.
    pub(super) run: String,
    /// Between its plan and its writes.
    pub(super) meanwhile: Happening,
}

/// All that is given happens, in the order of these fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Happening {
    /// The clock that client and server share moves: `3h`, `90s`.
    pub(super) advance: Option<String>,
    /// From now on this file of the case is the state.
    pub(super) state: Option<String>,
    /// From now on this folder is the record: that of another machine.
    pub(super) record: Option<String>,
    /// The record is deleted.
    pub(super) lose_record: bool,
    /// An agent is in contact; `all` of them.
    pub(super) contact: Option<String>,
    /// An agent is off from now on.
    pub(super) off: Option<String>,
    /// An agent starts again.
    pub(super) restart: Option<String>,
    /// Somebody keeps applies off these hosts (or `all`).
    pub(super) hold: BTreeMap<String, CaseHold>,
    /// What holds this host ends.
    pub(super) end_hold: Option<String>,
    /// Somebody else isolates these hosts.
    pub(super) isolate: BTreeMap<String, FleetIsolation>,
    /// Somebody else releases a host.
    pub(super) release: Option<String>,
    /// Somebody else sets the prevention rules of these hosts (or of `all`); no files remove a rule.
    pub(super) block: BTreeMap<String, Vec<FleetFile>>,
    /// Somebody else deletes all tasks of a host.
    pub(super) delete_tasks: Option<String>,
    /// A host is listed from now on.
    pub(super) add_host: Option<NewHost>,
    /// A host is listed no more.
    pub(super) remove_host: Option<String>,
    /// What goes wrong from now on.
    pub(super) faults: Option<Vec<Fault>>,
    pub(super) dialect: Option<Dialect>,
    /// Prints what is really in effect on a host.
    pub(super) effective: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHost {
    pub(super) name: String,
    pub(super) sensor_id: Option<Uuid>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            now: Timestamp::constant(1_795_600_800, 0),
            requests: Requests::Writes,
            steps: vec![Step::Command("plan".to_owned())],
        }
    }
}

impl Case {
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("case.yaml");
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        yaml_serde::from_str(&text).map_err(|error| format!("case.yaml: {error}"))
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = yaml_serde::Value::deserialize(from)?;
        let step = if let Some(command) = value.as_str() {
            Ok(Self::Command(command.to_owned()))
        } else if value.get("run").is_some() {
            yaml_serde::from_value(value).map(Self::Meanwhile)
        } else {
            yaml_serde::from_value(value).map(Self::Happening)
        };
        step.map_err(D::Error::custom)
    }
}

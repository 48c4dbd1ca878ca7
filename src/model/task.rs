//! Programs that are started once on a host.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::SensorId;

/// What is started (response-api.md, section 5).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Program {
    /// `execCommand`
    pub command: Arc<str>,
    /// `cmdLineParameters`
    pub arguments: Option<Arc<str>>,
    /// `workingDirectory`
    pub working_directory: Option<Arc<str>>,
}

/// What a task is called on its server. It follows from what it means, so that any number of applies on any machine
/// start it once: the second finds it there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(Uuid);

impl TaskId {
    /// The UUIDv5 of the sensor, the task's name, its content and its generation. Neither the server's name nor the
    /// deadline is in it: renaming one or moving the other starts nothing.
    ///
    /// What it is made of must never change: every task that was declared before would be started again.
    pub fn new(sensor: SensorId, name: &str, program: &Program, generation: u64) -> Self {
        const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_0c8a_5d0e_4b7c_9a53_2f5b_7d4e_61c9);
        let mut bytes = sensor.uuid().as_bytes().to_vec();
        for text in [
            Some(name),
            Some(&*program.command),
            program.arguments.as_deref(),
            program.working_directory.as_deref(),
        ] {
            // With its length, so that no two different tasks give the same bytes.
            match text {
                None => bytes.push(0),
                Some(text) => {
                    bytes.push(1);
                    bytes.extend((text.len() as u64).to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes.extend(generation.to_be_bytes());
        Self(Uuid::new_v5(&NAMESPACE, &bytes))
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn program(command: &str, arguments: Option<&str>, working_directory: Option<&str>) -> Program {
        Program {
            command: command.into(),
            arguments: arguments.map(Into::into),
            working_directory: working_directory.map(Into::into),
        }
    }

    #[test]
    fn the_same_task_has_the_same_id_for_good() {
        let sensor: SensorId = "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11".parse().unwrap();
        let program = program(r"C:\Windows\System32\cmd.exe", Some("/c collect.bat"), Some(r"C:\Tools"));
        let id = TaskId::new(sensor, "collect-417", &program, 1);
        // A later version that gives another id would start every declared program once more.
        assert_eq!(id.to_string(), "c4e058e0-6082-508a-9722-c8230d5f006d");
        assert_eq!(id.uuid().get_version_num(), 5);
    }

    #[test]
    fn another_task_has_another_id() {
        let sensor = |n| SensorId::new(Uuid::from_u128(n));
        let id =
            |n, name: &str, program: &Program, generation| TaskId::new(sensor(n), name, program, generation);
        let ids = [
            id(1, "a", &program("x", None, None), 1),
            id(2, "a", &program("x", None, None), 1),
            id(1, "b", &program("x", None, None), 1),
            id(1, "a", &program("y", None, None), 1),
            id(1, "a", &program("x", None, None), 2),
            id(1, "a", &program("x", Some(""), None), 1),
            id(1, "a", &program("x", None, Some("")), 1),
            // The same letters, cut elsewhere.
            id(1, "a", &program("xy", Some("z"), None), 1),
            id(1, "a", &program("x", Some("yz"), None), 1),
            id(1, "a", &program("x", None, Some("yz")), 1),
            id(1, "ax", &program("yz", None, None), 1),
        ];
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}

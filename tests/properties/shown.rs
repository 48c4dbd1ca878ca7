//! What a server shows of its world, in the client's words.

use std::sync::Arc;

use kedrctl::model::{
    FileHash, Isolation, KeptObject, ListedTask, PreventionRule, Program, SensorId, Target, TaskId, Untrusted,
};
use kedrctl_simulator::World;

use crate::translate::{exclusion, of_target};

pub(crate) struct Shown<'a> {
    pub(crate) world: &'a World,
    /// Rules past their end are listed no more.
    pub(crate) forgets_ended: bool,
}

impl Shown<'_> {
    pub(crate) fn isolation(&self, id: SensorId) -> Option<Isolation> {
        let rule = self.world.isolation(id.uuid())?;
        let is_forgotten = self.forgets_ended && rule.end() <= self.world.now();
        if is_forgotten { None } else { self.kept_isolation(id) }
    }

    /// Ended or not.
    pub(crate) fn kept_isolation(&self, id: SensorId) -> Option<Isolation> {
        let rule = self.world.isolation(id.uuid())?;
        Some(Isolation {
            timeout_seconds: rule.timeout_seconds,
            exclusions: Arc::new(rule.exclusions.iter().flatten().map(exclusion).collect()),
        })
    }

    pub(crate) fn prevention(&self, target: Target) -> Option<PreventionRule> {
        let rule = self.world.prevention(of_target(target))?;
        let objects = rule.objects().iter().filter_map(|object| {
            let hash: FileHash = object.hash?.to_string().parse().unwrap();
            let name = object.fields.get("name").and_then(|name| name.as_str()).map(Untrusted::new);
            let has_other_fields = object.fields.keys().any(|key| key != "name");
            Some((hash, KeptObject { name, has_other_fields }))
        });
        Some(PreventionRule { objects: objects.collect() })
    }

    pub(crate) fn task(&self, id: TaskId) -> Option<ListedTask> {
        // Asking a world about a task lets time do its work, which nobody waits for here.
        let Ok(task) = self.world.clone().task(id.uuid()).cloned() else { return None };
        let text = |text: Option<String>| text.map(Arc::from);
        Some(ListedTask {
            state: Untrusted::new(format!("{:?}", task.state())),
            started: None,
            program: Some(Program {
                command: task.command.into(),
                arguments: text(task.arguments),
                working_directory: text(task.working_directory),
            }),
        })
    }
}

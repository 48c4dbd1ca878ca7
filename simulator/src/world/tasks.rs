//! The calls of the API on tasks.

use uuid::Uuid;

use super::{Refusal, Task, World, capability};

impl World {
    /// Creates a task; its id, host and content are the caller's, the rest is begun here.
    ///
    /// # Errors
    /// An unknown host, or a task with this id.
    pub fn post_task(&mut self, mut task: Task) -> Result<(), Refusal> {
        if self.tasks.contains_key(&task.id) {
            return Err(Refusal::TaskExists);
        }
        let now = self.now;
        let entry = self.caught_up(task.sensor).ok_or(Refusal::UnknownHost)?;
        task.created_at = now;
        (task.started_at, task.ended_at) = (None, None);
        task.unsupported = !entry.host.can(capability::TASKS);
        let (id, sensor) = (task.id, task.sensor);
        entry.tasks.push(task);
        entry.touched = true;
        self.tasks.insert(id, sensor);
        Ok(())
    }

    /// Reads a task as it stands now.
    ///
    /// # Errors
    /// No such task.
    pub fn task(&mut self, id: Uuid) -> Result<&Task, Refusal> {
        let sensor = *self.tasks.get(&id).ok_or(Refusal::NoTask)?;
        let entry = self.caught_up(sensor).ok_or(Refusal::NoTask)?;
        entry.tasks.iter().find(|task| task.id == id).ok_or(Refusal::NoTask)
    }

    /// Deletes a task; what it started goes on.
    ///
    /// # Errors
    /// No such task.
    pub fn delete_task(&mut self, id: Uuid) -> Result<(), Refusal> {
        let sensor = self.tasks.remove(&id).ok_or(Refusal::NoTask)?;
        let entry = self.caught_up(sensor).ok_or(Refusal::NoTask)?;
        entry.tasks.retain(|task| task.id != id);
        entry.touched = true;
        Ok(())
    }

    /// All tasks as they stand now.
    pub fn tasks(&mut self) -> Vec<Task> {
        let now = self.now;
        let with_tasks = self.hosts.values_mut().filter(|entry| !entry.tasks.is_empty());
        with_tasks
            .flat_map(|entry| {
                entry.catch_up(now);
                entry.tasks.iter().cloned()
            })
            .collect()
    }
}

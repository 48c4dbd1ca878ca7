//! What a declared task needs, by what is found. It is created once: what was ever created is never created again.

use std::sync::Arc;

use jiff::Timestamp;

use super::contact;
use super::isolation::{Judgement, clocks_apart};
use super::{Action, Change, Contact, Facts, Finding, FindingKind, ServerClock, Verdict, Whom};
use crate::declare::TaskPresence;
use crate::model::{
    Aspect, Difference, ListedTask, Program, Reading, Sensor, Side, TaskId, TaskState, Untrusted, shell_word,
};
use crate::record::{Attribution, RecordedTask};
use crate::resolve::DesiredTask;

pub(super) fn judge(desired: &Arc<DesiredTask>, facts: &Facts<'_>) -> Judgement {
    let found = match facts.observed.task(desired.id) {
        Reading::Unknown(why) => return Judgement::unknown(why),
        Reading::Absent => None,
        Reading::Present(task) => Some(task),
    };
    let case = Case { desired, facts };
    match (desired.task.presence, found) {
        (TaskPresence::Present, Some(task)) => case.there(&task),
        (TaskPresence::Present, None) => case.not_there(),
        (TaskPresence::Absent, Some(task)) => case.delete(task),
        (TaskPresence::Absent, None) => case.as_declared_and_over(),
    }
}

/// Whether its host can have started it.
pub(super) fn contact(desired: &DesiredTask, facts: &Facts<'_>) -> Contact {
    match facts.observed.task(desired.id) {
        Reading::Present(task) => {
            let now = facts.observed_at;
            let written = contact::last_write(&desired.sensor, desired.subject().aspect, facts.recorded, now);
            contact::judge_task(&desired.sensor, &task, written, facts.clock, now)
        }
        Reading::Absent | Reading::Unknown(_) => Contact::Seen,
    }
}

/// Whether an instant has come, by our clock or the server's: a program that comes too late must not be started.
pub fn not_after_has_come(not_after: Timestamp, clock: ServerClock, now: Timestamp) -> bool {
    let ahead = match clock {
        ServerClock::NotGiven => return not_after <= now,
        ServerClock::Together(ahead) | ServerClock::Apart(ahead) => ahead,
    };
    // Under two minutes is the network's doing, and differs from run to run.
    let theirs = match clock.notable() {
        Some(_) => now.saturating_add(ahead).unwrap_or(now),
        None => now,
    };
    not_after <= now.max(theirs)
}

struct Case<'a> {
    desired: &'a Arc<DesiredTask>,
    facts: &'a Facts<'a>,
}

impl Case<'_> {
    fn there(&self, task: &ListedTask) -> Judgement {
        let judgement = Judgement::plain(Verdict::InSync);
        if task.state() == TaskState::Failed {
            return judgement.with(
                FindingKind::Notice,
                format!(
                    "{}: the server says `{}`; to run it once more raise its `generation`",
                    self.name(),
                    task.state.printable()
                ),
            );
        }
        if !self.is_late() {
            return judgement;
        }
        if contact(self.desired, self.facts) == Contact::Seen {
            return judgement.with(
                FindingKind::Spent,
                format!(
                    "{}: its time ended on {:.0}; write `state: absent` to take it off the server, or remove the entry",
                    self.name(),
                    self.not_after()
                ),
            );
        }
        judgement.with(
            FindingKind::Notice,
            format!(
                "{}: its time ended on {:.0}, and by all signs its host has not started it: it will when it is back; \
                 `state: absent` takes it off the server before that",
                self.name(),
                self.not_after()
            ),
        )
    }

    fn not_there(&self) -> Judgement {
        let is_late = self.is_late();
        if let Some(known) = self.facts.recorded.tasks.get(&self.desired.id) {
            return self.gone(known, is_late);
        }
        // What a person starts now hangs on no instant.
        if self.is_apart() && !self.facts.by_hand {
            return Judgement::unknown(clocks_apart("whether a program may still be started"));
        }
        if is_late {
            return self.as_declared_and_over();
        }
        let program = Arc::new(self.desired.task.program.clone());
        let mut notes = Vec::new();
        if let Some(why) = contact::will_wait(&self.desired.sensor, self.facts.clock, self.facts.observed_at)
        {
            let late = if self.facts.by_hand { "" } else { ", also after its `not_after`" };
            notes.push(format!(
                "{why}: it is created and deferred, and starts whenever the host takes it{late}"
            ));
        }
        self.differs(
            Action::StartTask { not_after: self.not_after() },
            Side { before: None, after: Some(program) },
            notes,
        )
    }

    /// Created once, and not there any more. Starting it again would run the program a second time.
    fn gone(&self, known: &RecordedTask, is_late: bool) -> Judgement {
        let by = whence(&known.by);
        let what = if known.is_deleted {
            format!("{} was deleted by us ({by})", self.name())
        } else {
            format!(
                "{} is gone: it was created ({by}), and the server does not have it any more",
                self.name()
            )
        };
        if is_late && !self.is_apart() {
            let text = format!("{what}; its time ended on {:.0}; remove the entry", self.not_after());
            return Judgement::plain(Verdict::InSync).with(FindingKind::Spent, text);
        }
        Judgement::plain(Verdict::LeftAlone).with(
            FindingKind::TaskGone,
            format!(
                "{what}; it may have run, so it is not started again; to run it once more raise its `generation` (now \
                 {}), else remove the entry",
                self.desired.task.generation
            ),
        )
    }

    fn delete(&self, task: ListedTask) -> Judgement {
        let known = self.facts.recorded.tasks.get(&self.desired.id).map(|known| Arc::clone(&known.program));
        let declared = || Arc::new(self.desired.task.program.clone());
        let before: Arc<Program> = match task.program {
            Some(program) => Arc::new(program),
            None => known.unwrap_or_else(declared),
        };
        let note =
            "deleting it ends nothing that has started, and what has not started never will".to_owned();
        self.differs(Action::DeleteTask, Side { before: Some(before), after: None }, vec![note])
    }

    /// Nothing is there, and nothing has to be.
    fn as_declared_and_over(&self) -> Judgement {
        let judgement = Judgement::plain(Verdict::InSync);
        if !self.is_late() || self.is_apart() {
            return judgement;
        }
        judgement.with(
            FindingKind::Spent,
            format!(
                "{}: its time ended on {:.0}, and it is not started any more; remove the entry",
                self.name(),
                self.not_after()
            ),
        )
    }

    fn differs(&self, action: Action, side: Side<Arc<Program>>, notes: Vec<String>) -> Judgement {
        Judgement {
            first: None,
            verdict: Verdict::Differs,
            change: Some(Change {
                subject: self.desired.subject(),
                whom: Whom::Task(Arc::clone(self.desired)),
                action,
                difference: Difference::Task(self.desired.id, side),
                cause: self.desired.cause.clone(),
                reason: None,
                notes,
            }),
            findings: Vec::new(),
        }
    }

    fn name(&self) -> String {
        format!("task `{}`", self.desired.label())
    }

    fn not_after(&self) -> Timestamp {
        self.desired.task.not_after
    }

    fn is_late(&self) -> bool {
        not_after_has_come(self.not_after(), self.facts.clock, self.facts.now)
    }

    fn is_apart(&self) -> bool {
        matches!(self.facts.clock, ServerClock::Apart(_))
    }
}

/// What of ours is still listed although no file declares it any more: an older generation, an entry that was removed.
pub(super) fn left_behind(
    id: TaskId,
    sensor: &Sensor,
    by: &Attribution,
    facts: &Facts<'_>,
) -> Option<Finding> {
    let name = match &by.entry {
        Some(name) => format!("task `{}` ({id})", Untrusted::new(Arc::clone(name)).printable()),
        None => format!("task {id}"),
    };
    let end_it = format!("`kedrctl tasks delete {}`", shell_word(&id.to_string()));
    let (kind, message) = match facts.observed.task(id) {
        Reading::Absent => return None,
        Reading::Present(task) if task.is_over() => (
            FindingKind::Notice,
            format!("{name} of ours is declared no more and over; {end_it} takes it off the server's list"),
        ),
        Reading::Present(task) => {
            let state = task.state.printable();
            let how = if task.has_reached_its_host() { "runs" } else { "may still start" };
            (
                FindingKind::LeftBehind,
                format!(
                    "left behind: {name} is ours, declared no more, and {how} (the server says `{state}`); {end_it} \
                     takes it away"
                ),
            )
        }
        Reading::Unknown(why) => (
            FindingKind::Unknown,
            format!(
                "left behind: {name} was created by us and is declared no more; could not be read: {why}"
            ),
        ),
    };
    Some(Finding {
        kind,
        label: sensor.label(),
        aspect: Some(Aspect::Task(id)),
        message,
        cause: by.cause.clone(),
    })
}

/// `run 20261125-100000-0000, 2026-11-25T10:00:00Z`.
fn whence(by: &Attribution) -> String {
    format!("run {}, {:.0}", Untrusted::new(Arc::clone(&by.run)).printable(), by.at)
}

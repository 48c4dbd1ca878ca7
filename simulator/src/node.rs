//! One call, carried out on the world and answered in a dialect: the Central Node without its network.

use crate::faults::Faults;
use crate::wire::{
    AllWithoutRule, Answer, Call, DeleteWithoutRule, Dialect, Expired, IsolationRequest, Method, Setting,
    isolation_answer, prevention_answer, prevention_request, refused, sensors_answer, task_answer,
    task_request,
};
use crate::world::{PreventionRule, Refusal, Target, World};

/// The world and how its server behaves.
pub(crate) struct Node {
    pub(crate) world: World,
    pub(crate) dialect: Dialect,
    /// Of the server, as the host list tells it.
    pub(crate) version: String,
    /// Bytes; a longer body is refused by the web server in front.
    pub(crate) body_limit: usize,
    pub(crate) faults: Faults,
}

/// What came of a call.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    /// Whether it changed something.
    pub(crate) effect: bool,
}

impl Node {
    /// Carries a call out.
    pub(crate) fn carry_out(&mut self, call: &Call, body: &[u8]) -> Outcome {
        let result = match call {
            Call::Sensors(filter) => {
                Ok(read(sensors_answer(&self.world, filter, &self.version, &self.dialect)))
            }
            Call::Setting(Method::Get, setting) => self.get(*setting).map(read),
            Call::Setting(Method::Post, setting) => self.post(*setting, body).map(|()| self.done()),
            Call::Setting(Method::Delete, setting) => self.delete(*setting),
            Call::PostTask { id, sensor } => task_request(*id, *sensor, body, &self.world)
                .and_then(|task| self.world.post_task(task))
                .map(|()| self.done()),
            Call::GetTask { id, with_settings } => {
                let dialect = &self.dialect;
                self.world.task(*id).map(|task| read(task_answer(task, *with_settings, dialect)))
            }
            Call::DeleteTask { id } => self.world.delete_task(*id).map(|()| self.done()),
        };
        result.unwrap_or_else(|refusal| read(refused(&refusal, &self.dialect)))
    }

    fn get(&self, setting: Setting) -> Result<Answer, Refusal> {
        match setting {
            Setting::Isolation(sensor) => {
                let rule = self.world.isolation(sensor).ok_or(Refusal::NoRule)?;
                match self.dialect.expired {
                    Expired::Gone if rule.end() <= self.world.now() => Err(Refusal::NoRule),
                    Expired::Gone | Expired::Listed => Ok(isolation_answer(rule, &self.dialect)),
                }
            }
            Setting::Prevention(target) => match (self.world.prevention(target), target) {
                (Some(rule), _) => Ok(prevention_answer(rule, &self.dialect)),
                (None, Target::All) if self.dialect.all_without_rule == AllWithoutRule::EmptyObjects => {
                    Ok(prevention_answer(&PreventionRule::default(), &self.dialect))
                }
                (None, _) => Err(Refusal::NoRule),
            },
        }
    }

    fn post(&mut self, setting: Setting, body: &[u8]) -> Result<(), Refusal> {
        match setting {
            Setting::Isolation(sensor) => {
                let request = IsolationRequest::read(body, &self.dialect)?;
                let timeout = request.timeout_seconds;
                // What is out of the limits is refused as it was sent, not as it would be rounded.
                let kept = if crate::world::TIMEOUT_LIMITS.contains(&timeout) {
                    self.dialect.timeouts.round(timeout)
                } else {
                    timeout
                };
                self.world.post_isolation(sensor, kept, request.exclusions, self.dialect.resend)
            }
            Setting::Prevention(target) => {
                let objects = prevention_request(body, &self.dialect)?;
                self.world.post_prevention(target, objects)
            }
        }
    }

    fn delete(&mut self, setting: Setting) -> Result<Outcome, Refusal> {
        let gone = matches!(setting, Setting::Isolation(_)) && self.get(setting) == Err(Refusal::NoRule);
        let deleted = match setting {
            Setting::Isolation(sensor) => self.world.delete_isolation(sensor),
            Setting::Prevention(target) => self.world.delete_prevention(target),
        };
        let known = |target| match target {
            Target::All => true,
            Target::Sensor(sensor) => self.world.host(sensor).is_some(),
        };
        let target = match setting {
            Setting::Isolation(sensor) => Target::Sensor(sensor),
            Setting::Prevention(target) => target,
        };
        match (deleted, self.dialect.delete_without_rule) {
            (Ok(()), _) if !gone => Ok(self.done()),
            (Ok(()) | Err(Refusal::NoRule), DeleteWithoutRule::Done) if known(target) => {
                Ok(read(Answer::done(&self.dialect)))
            }
            (Ok(()), _) => Err(Refusal::NoRule),
            (Err(refusal), _) => Err(refusal),
        }
    }

    fn done(&self) -> Outcome {
        Outcome { answer: Answer::done(&self.dialect), effect: true }
    }
}

fn read(answer: Answer) -> Outcome {
    Outcome { answer, effect: false }
}

//! One write: look, send, read back; a lost answer is settled by looking, never by guessing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync;
use tokio::time::{sleep, timeout};

use super::compare::{Found, look};
use super::run::{ReadyChange, stopped_by};
use super::shared::Shared;
use super::{Event, Observer, Stop, StoppedBy, WriteResult};
use crate::central_node::{CallError, CallErrorKind, TakeTurns, WriteSettings};
use crate::model::{Clock, Difference, Side, Target, Timeout, Untrusted};
use crate::plan::{ListedTimeouts, has_ended, not_after_has_come};
use crate::record::{Hold, Intentions, WriteOutcome};

/// What one intention led to: for the user, and for the record.
pub(super) type Ended = (Written, WriteOutcome);

#[derive(Debug, Clone)]
pub(super) enum Written {
    Ended(WriteResult),
    /// The server answered 200 and lists the very timeout that it listed before, which may be ours, rounded: it took
    /// the renewal, or it ignored it.
    NotToldApart,
}

impl Written {
    pub(super) fn result(self) -> WriteResult {
        match self {
            Self::Ended(result) => result,
            Self::NotToldApart => WriteResult::Unknown { why: NOT_TOLD_APART.to_owned() },
        }
    }
}

/// However long a server asks to wait, as for reads.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

const NOT_SURE: &str = "this run can not be sure any more that it holds the server's lock (it was suspended, the record did not \
                        answer for too long, or its folder was taken away), and another may write by now; run it again";

const NOT_TOLD_APART: &str = "the server answered 200 and lists the same as before: rounded, or ignored";

/// `journal`: asked again before something is sent again.
pub(super) async fn write<C: TakeTurns, K: Clock, O: Observer, J: Intentions>(
    client: &C,
    ready: &ReadyChange,
    shared: &Shared<'_, K, O>,
    journal: &sync::Mutex<&mut J>,
) -> Ended {
    let mut attempt = Attempt { client, ready, shared, journal, first_sent: None };
    let mut last_error: Option<CallError> = None;
    for round in 0..shared.pace.attempts {
        if let Some(error) = &last_error {
            let why = format!("{}: {error}", ready.change.whom.label());
            shared.observer.notice(Event::Retrying { server: shared.server.clone(), why });
            let pause = error.retry_after().map_or(shared.pace.pause(round), |wait| wait.min(LONGEST_PAUSE));
            let mut stop = shared.stop.clone();
            tokio::select! {
                () = sleep(pause) => {}
                _stopped = stop.wait_for(|stop| *stop != Stop::No) => {}
            }
        }
        match attempt.once(round > 0).await {
            Step::Ended(ended) => return ended,
            Step::Again(error) => last_error = Some(error),
        }
    }
    attempt.give_up(last_error).await
}

struct Attempt<'a, 'j, C, K, O, J> {
    client: &'a C,
    ready: &'a ReadyChange,
    shared: &'a Shared<'a, K, O>,
    journal: &'a sync::Mutex<&'j mut J>,
    /// The moment before the first send whose answer was lost: where a later look finds the value, this is the
    /// soonest time from which it may count.
    first_sent: Option<Timestamp>,
}

enum Step {
    Ended(Ended),
    /// Nothing is decided; a new look, then perhaps a new write.
    Again(CallError),
}

impl<C: TakeTurns, K: Clock, O: Observer, J: Intentions> Attempt<'_, '_, C, K, O, J> {
    async fn once(&mut self, is_again: bool) -> Step {
        let difference = &self.ready.difference;
        if let Some(why) = self.must_not_send() {
            return Step::Ended(self.stopped(why).await);
        }
        let mut stop = self.shared.stop.clone();
        let looking = async {
            let turn = self.client.turn().await;
            // What came while it waited for its turn, too.
            let looked = match self.must_not_send() {
                None => look(&*turn, self.target(), difference).await,
                Some(why) => return Err(why),
            };
            Ok((turn, looked))
        };
        let looked = tokio::select! {
            looked = looking => looked,
            // While nothing was sent there is nothing to finish.
            _stopped = stop.wait_for(|stop| *stop != Stop::No), if self.first_sent.is_none() => {
                let why = "interrupted before it was sent".to_owned();
                return Step::Ended(self.stopped(why).await);
            }
        };
        let (turn, found) = match looked {
            Ok((turn, Ok(found))) => (turn, found),
            Ok((_, Err(error))) => return self.not_read(error),
            Err(why) => return Step::Ended(self.stopped(why).await),
        };
        if let Some(sent_at) = self.first_sent {
            // A lost answer: the value tells, unless it is the same before and after (a server that rounds).
            if found.is_after(difference) && !found.is_before(difference) {
                return Step::Ended(self.done(sent_at, found));
            }
            if !found.is_before(difference) {
                let why = format!("its answer was lost, and now the server lists {}", found.describe());
                return Step::Ended(unknown(why));
            }
        } else if !found.is_before(difference) {
            return Step::Ended(if found.is_as_desired(&self.ready.change) {
                (Written::Ended(WriteResult::AlreadyAsDesired), WriteOutcome::NothingToDo)
            } else {
                let why = format!("changed since the plan: the server lists {}", found.describe());
                (
                    Written::Ended(WriteResult::ChangedSincePlan { found: found.describe() }),
                    WriteOutcome::NotDone { why: why.into() },
                )
            });
        }
        if is_again && let Some(ended) = self.must_not_send_again().await {
            return Step::Ended(ended);
        }
        if let Some(why) = self.must_not_send() {
            return Step::Ended(self.stopped(why).await);
        }
        let sent_at = self.shared.clock.now();
        let sent = self.send(&*turn).await;
        // Reading it back is not urgent.
        drop(turn);
        match sent {
            Ok(()) => Step::Ended(self.verify(self.first_sent.unwrap_or(sent_at)).await),
            Err(error) if error.stops_server() => {
                self.shared.stop(StoppedBy::Server, error.to_string());
                // This attempt did nothing; one before it may have.
                Step::Ended(match self.first_sent {
                    Some(_) => unknown(error.to_string()),
                    None => without_effect(&error),
                })
            }
            Err(error) if matches!(error.kind(), CallErrorKind::Clash { .. }) => {
                Step::Ended(self.clashed(self.first_sent.unwrap_or(sent_at), &error).await)
            }
            Err(error) if error.may_have_had_effect() => {
                self.first_sent.get_or_insert(sent_at);
                Step::Again(error)
            }
            // Nothing was started by this one; perhaps by one before whose answer was lost, else by somebody's equal apply.
            Err(error) if matches!(error.kind(), CallErrorKind::AlreadyThere) => {
                self.already_there(error).await
            }
            // A task is created on a host, and there is none: no look tells more.
            Err(error)
                if matches!(error.kind(), CallErrorKind::NoSuchHost)
                    && matches!(difference, Difference::Task(_, Side { after: Some(_), .. }))
                    && self.first_sent.is_none() =>
            {
                Step::Ended(refused(error.to_string()))
            }
            // A rule that somebody else took away between the look and the deletion: another look tells.
            Err(error) if error.is_worth_retrying() || matches!(error.kind(), CallErrorKind::NoSuchHost) => {
                Step::Again(error)
            }
            Err(error) if self.first_sent.is_some() => Step::Ended(unknown(error.to_string())),
            Err(error) => Step::Ended(without_effect(&error)),
        }
    }

    /// The server has a task of this id: whose it is, a look and what we sent tell.
    async fn already_there(&self, error: CallError) -> Step {
        match look(self.client, self.target(), &self.ready.difference).await {
            Ok(found) if found.is_after(&self.ready.difference) => Step::Ended(match self.first_sent {
                Some(sent_at) => self.done(sent_at, found),
                None => (Written::Ended(WriteResult::AlreadyAsDesired), WriteOutcome::NothingToDo),
            }),
            Ok(_) | Err(_) => Step::Again(error),
        }
    }

    async fn send<T: WriteSettings>(&self, client: &T) -> Result<(), CallError> {
        match (&self.ready.difference, self.target()) {
            (Difference::Isolation(side), Target::Sensor(sensor)) => match &side.after {
                None => client.delete_isolation(sensor).await,
                Some(rule) => {
                    let seconds = i64::try_from(rule.timeout_seconds).unwrap_or(i64::MAX);
                    // What is intended was made by `timeout_to_send`, so it is in range; the ends are safe anyway.
                    let timeout = Timeout::from_seconds(seconds).unwrap_or_else(|_out_of_range| {
                        Timeout::covering(jiff::SignedDuration::from_secs(seconds))
                    });
                    client.set_isolation(sensor, timeout, &rule.exclusions).await
                }
            },
            (Difference::Isolation(_), Target::AllHosts) => Ok(()),
            (Difference::Prevention(side), target) => match &side.after {
                None => client.delete_prevention(target).await,
                Some(rule) => client.set_prevention(target, rule).await,
            },
            (Difference::Task(id, side), Target::Sensor(sensor)) => match &side.after {
                None => client.delete_task(*id).await,
                Some(program) => client.create_task(*id, sensor, program).await,
            },
            // A task is for one host.
            (Difference::Task(..), Target::AllHosts) => Ok(()),
        }
    }

    /// 200 is not proof: read until it is as sent.
    async fn verify(&self, sent_at: Timestamp) -> Ended {
        let last = Mutex::new("the server answered 200, and it could not be read back in time".to_owned());
        let reading = self.read_back(sent_at, &last);
        match timeout(self.shared.pace.verify_for, reading).await {
            Ok(ended) => ended,
            Err(_elapsed) => unknown(last.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Ends when something is proven; `last` is what to say if that takes too long.
    async fn read_back(&self, sent_at: Timestamp, last: &Mutex<String>) -> Ended {
        let say = |text: String| *last.lock().unwrap_or_else(PoisonError::into_inner) = text;
        let mut round = 0;
        loop {
            match look(self.client, self.target(), &self.ready.difference).await {
                Ok(found) if found.is_after(&self.ready.difference) => match self.proof(&found) {
                    Proof::Given => return self.done(sent_at, found),
                    Proof::NotToldApart => {
                        let why = NOT_TOLD_APART.into();
                        return (Written::NotToldApart, WriteOutcome::Unknown { why });
                    }
                    Proof::Denied => say(NOT_TOLD_APART.to_owned()),
                },
                Ok(found) => say(format!("the server answered 200, and lists {}", found.describe())),
                Err(error) if error.stops_server() => {
                    self.shared.stop(StoppedBy::Server, error.to_string());
                    return unknown(error.to_string());
                }
                Err(error) => say(format!("the server answered 200, and could not be read back: {error}")),
            }
            sleep(self.shared.pace.pause(round)).await;
            round += 1;
        }
    }

    /// What a value that may be ours proves, by how this server lists timeouts.
    fn proof(&self, found: &Found) -> Proof {
        let difference = &self.ready.difference;
        match self.shared.timeouts {
            ListedTimeouts::AsSent if found.is_exactly_after(difference) => Proof::Given,
            ListedTimeouts::AsSent => Proof::Denied,
            ListedTimeouts::Rounded => Proof::Given,
            ListedTimeouts::NotKnown if found.is_before(difference) => Proof::NotToldApart,
            ListedTimeouts::NotKnown => Proof::Given,
        }
    }

    /// Nothing more may be sent.
    async fn stopped(&self, why: String) -> Ended {
        match self.first_sent {
            Some(sent_at) => self.settle(sent_at, why).await,
            None => not_tried(why),
        }
    }

    fn not_read(&self, error: CallError) -> Step {
        if error.stops_server() {
            self.shared.stop(StoppedBy::Server, error.to_string());
        }
        let why = error.to_string();
        Step::Ended(match self.first_sent {
            Some(_) => unknown(format!("its answer was lost, and it could not be read: {why}")),
            None => (
                Written::Ended(WriteResult::NotRead { why: why.clone() }),
                WriteOutcome::NotDone { why: why.into() },
            ),
        })
    }

    /// After the last attempt one more look settles what it may have done.
    async fn give_up(&self, last_error: Option<CallError>) -> Ended {
        let why = || last_error.as_ref().map_or_else(|| "it was not tried".to_owned(), ToString::to_string);
        match (self.first_sent, &last_error) {
            (Some(sent_at), _) => self.settle(sent_at, why()).await,
            (None, Some(error)) => without_effect(error),
            (None, None) => not_tried(why()),
        }
    }

    /// The server says that a file is in another rule already. The plan had looked, so that is news; it is never sent
    /// again as it is. Under which status it says so is not documented (response-api.md, "Errors"): after one that
    /// may stand for a lost answer a look tells that nothing was changed.
    async fn clashed(&self, sent_at: Timestamp, error: &CallError) -> Ended {
        let whose = match self.target() {
            Target::AllHosts => "a host's rule has it since the plan looked at all of them",
            Target::Sensor(_) => "the rule for all hosts has it since the plan looked at it",
        };
        let why = format!("{error}; {whose}: run it again, it looks anew");
        if self.first_sent.is_none() && !error.may_have_had_effect() {
            return refused(why);
        }
        let difference = &self.ready.difference;
        let looking = look(self.client, self.target(), difference);
        match timeout(self.shared.pace.verify_for, looking).await {
            Ok(Ok(found)) if found.is_before(difference) => refused(why),
            Ok(Ok(found)) if found.is_after(difference) => self.done(sent_at, found),
            Ok(Ok(_) | Err(_)) | Err(_) => unknown(why),
        }
    }

    /// One look for a write whose answer was lost, and that is not sent again.
    async fn settle(&self, sent_at: Timestamp, why: String) -> Ended {
        let difference = &self.ready.difference;
        let looking = look(self.client, self.target(), difference);
        match timeout(self.shared.pace.verify_for, looking).await {
            Ok(Ok(found)) if found.is_after(difference) && !found.is_before(difference) => {
                self.done(sent_at, found)
            }
            Ok(Ok(_) | Err(_)) | Err(_) => unknown(format!("its answer was lost; {why}")),
        }
    }

    fn done(&self, sent_at: Timestamp, found: Found) -> Ended {
        let listed_timeout_seconds = found.isolation().map(|rule| rule.timeout_seconds);
        (
            Written::Ended(WriteResult::Done { sent_at }),
            WriteOutcome::Done { sent_at, listed_timeout_seconds },
        )
    }

    /// Its intention was put down a while ago: somebody may have acted by hand since, and what they found may be what
    /// the plan saw, so that a look alone does not show it.
    async fn must_not_send_again(&self) -> Option<Ended> {
        let now = self.shared.clock.now();
        let asked = self.journal.lock().await.hold_since(self.ready.change.subject, now).await;
        match (asked, self.first_sent) {
            (Ok(None), _) => None,
            (Ok(Some(hold)), None) => Some(held(hold)),
            (Ok(Some(hold)), Some(sent_at)) => {
                let by = Untrusted::new(&*hold.by);
                let why = format!("it was not sent again: held by {} since", by.printable());
                Some(self.settle(sent_at, why).await)
            }
            (Err(error), _) => {
                let why = format!("the record could not be read, so it was not sent again: {error}");
                self.shared.stop(stopped_by(&error), why.clone());
                Some(self.stopped(why).await)
            }
        }
    }

    fn must_not_send(&self) -> Option<String> {
        if !self.shared.lease.is_sure() {
            self.shared.stop(StoppedBy::Lock, NOT_SURE.to_owned());
            return Some(NOT_SURE.to_owned());
        }
        let term = self.ready.change.action.term();
        if term.is_some_and(|term| has_ended(term, self.shared.server_clock, self.shared.clock.now())) {
            return Some("the instant of its `until` has come since the plan was made".to_owned());
        }
        if let Some(why) = self.is_too_late_to_start() {
            return Some(why);
        }
        self.shared.why_nothing_is_sent()
    }

    /// A program must not be started by a run that was held up.
    fn is_too_late_to_start(&self) -> Option<String> {
        let not_after = self.ready.change.action.not_after()?;
        let now = self.shared.clock.now();
        not_after_has_come(not_after, self.shared.server_clock, now)
            .then(|| "the instant of its `not_after` has come since the plan was made".to_owned())
    }

    fn target(&self) -> Target {
        self.ready.change.subject.target
    }
}

fn held(hold: Hold) -> Ended {
    let by = Untrusted::new(&*hold.by);
    let why = format!("held by {} until {}", by.printable(), hold.until);
    (Written::Ended(WriteResult::Held { hold: hold.into() }), WriteOutcome::NotDone { why: why.into() })
}

fn unknown(why: String) -> Ended {
    (Written::Ended(WriteResult::Unknown { why: why.clone() }), WriteOutcome::Unknown { why: why.into() })
}

/// For errors of a write that can have had none.
fn without_effect(error: &CallError) -> Ended {
    if error.was_sent() { refused(error.to_string()) } else { not_tried(error.to_string()) }
}

fn not_tried(why: String) -> Ended {
    (Written::Ended(WriteResult::NotTried { why: why.clone() }), WriteOutcome::NotDone { why: why.into() })
}

fn refused(why: String) -> Ended {
    (Written::Ended(WriteResult::Refused { why: why.clone() }), WriteOutcome::NotDone { why: why.into() })
}

enum Proof {
    Given,
    /// Not, or not yet.
    Denied,
    NotToldApart,
}

/// How long to wait before the next look, doubling from `first`.
pub(super) fn doubling(first: Duration, round: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(round)).min(longest)
}

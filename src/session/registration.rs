//! Asking to be registered, until an administrator has said yes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::central_node::{CallError, CallErrorKind, Listing, ReadSettings};
use crate::model::Clock;

/// How long and how often is asked.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first answer on; zero asks once.
    pub timeout: Duration,
    /// Between the first refusal and the second question.
    pub first_pause: Duration,
    /// Pauses are doubled up to this one.
    pub longest_pause: Duration,
}

impl Patience {
    /// An administrator takes minutes; nobody notices ten seconds.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { timeout, first_pause: Duration::from_secs(1), longest_pause: Duration::from_secs(10) }
    }
}

/// Why there is no host list in the end.
#[derive(Debug, Clone)]
pub enum NotRegistered {
    /// Nobody has accepted this client yet; the last refusal.
    NotYet(CallError),
    /// Waiting does not help.
    Failed(CallError),
}

/// Asks for the host list until it is given. `refused` is told of the first refusal: from then on an administrator
/// can see the request.
///
/// # Errors
/// See [`NotRegistered`].
pub async fn until_accepted<C: ReadSettings>(
    client: &C,
    patience: &Patience,
    refused: impl FnOnce(&CallError),
    clock: &dyn Clock,
) -> Result<Listing, NotRegistered> {
    // A server that cannot be reached at first is not waited for: most likely its address is wrong.
    let mut last = match client.hosts(clock).await {
        Ok(listing) => return Ok(listing),
        Err(error) if is_refusal(&error) => error,
        Err(error) => return Err(NotRegistered::Failed(error)),
    };
    refused(&last);
    let began = Instant::now();
    let mut pause = patience.first_pause;
    loop {
        let left = patience.timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(NotRegistered::NotYet(last));
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(patience.longest_pause);
        match client.hosts(clock).await {
            Ok(listing) => return Ok(listing),
            // It answered before: an administrator may just be restarting it.
            Err(error) if is_refusal(&error) || error.is_worth_retrying() => last = error,
            Err(error) => return Err(NotRegistered::Failed(error)),
        }
    }
}

fn is_refusal(error: &CallError) -> bool {
    matches!(error.kind(), CallErrorKind::NotAuthorised)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::central_node::Call;
    use crate::model::{
        HostList, Isolation, ListedTask, PreventionRule, SensorId, Target, TaskId, WallClock,
    };

    /// Answers as told, one after the other; the last for ever.
    struct Scripted(Mutex<Vec<Option<CallErrorKind>>>, Mutex<Vec<Instant>>);

    impl Scripted {
        fn new(answers: &[Option<CallErrorKind>]) -> Self {
            Self(Mutex::new(answers.iter().rev().cloned().collect()), Mutex::default())
        }

        fn gaps(&self) -> Vec<u64> {
            let asked = self.1.lock().unwrap();
            asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
        }
    }

    impl ReadSettings for Scripted {
        async fn hosts(&self, clock: &dyn Clock) -> Result<Listing, CallError> {
            self.1.lock().unwrap().push(Instant::now());
            let mut answers = self.0.lock().unwrap();
            let answer = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
            match answer {
                None => Ok(Listing {
                    hosts: HostList::default(),
                    date: None,
                    asked: clock.now(),
                    answered: clock.now(),
                }),
                Some(kind) => Err(CallError::new(Call::Hosts, "https://kata", kind)),
            }
        }

        async fn isolation(&self, _sensor: SensorId) -> Result<Option<Isolation>, CallError> {
            unreachable!("only the host list is asked for")
        }

        async fn prevention(&self, _target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
            unreachable!("only the host list is asked for")
        }

        async fn task(&self, _id: TaskId) -> Result<Option<ListedTask>, CallError> {
            unreachable!("only the host list is asked for")
        }
    }

    const NOT_YET: Option<CallErrorKind> = Some(CallErrorKind::NotAuthorised);

    async fn asked(server: &Scripted, seconds: u64) -> (Result<(), NotRegistered>, bool) {
        let mut is_refused = false;
        let patience = Patience::with_timeout(Duration::from_secs(seconds));
        let ended = until_accepted(server, &patience, |_| is_refused = true, &WallClock).await;
        (ended.map(|_| ()), is_refused)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_ever_more_seldom() {
        let server = Scripted::new(&[
            NOT_YET,
            NOT_YET,
            NOT_YET,
            Some(CallErrorKind::CannotConnect),
            NOT_YET,
            NOT_YET,
            NOT_YET,
            None,
        ]);
        let (ended, is_refused) = asked(&server, 3_600).await;
        assert!(ended.is_ok() && is_refused);
        assert_eq!(server.gaps(), [1, 2, 4, 8, 10, 10, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let server = Scripted::new(&[NOT_YET]);
        assert!(matches!(asked(&server, 5).await.0, Err(NotRegistered::NotYet(_))));
        assert_eq!(server.gaps(), [1, 2, 2]);
        let server = Scripted::new(&[NOT_YET]);
        assert!(matches!(asked(&server, 0).await.0, Err(NotRegistered::NotYet(_))));
        assert!(server.gaps().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_get_better_is_not_waited_for() {
        for kind in [
            CallErrorKind::CannotConnect,
            CallErrorKind::UntrustedServer,
            CallErrorKind::ClientCertificateRefused,
            CallErrorKind::NotUnderstood,
        ] {
            let (ended, is_refused) = asked(&Scripted::new(&[Some(kind)]), 3_600).await;
            assert!(matches!(ended, Err(NotRegistered::Failed(_))) && !is_refused);
        }
        let revoked = Scripted::new(&[NOT_YET, Some(CallErrorKind::UntrustedServer)]);
        assert!(matches!(asked(&revoked, 3_600).await.0, Err(NotRegistered::Failed(_))));
    }
}

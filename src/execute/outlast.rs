//! A host that was isolated by hand stays isolated though a release of it was under way.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::compare::{Found, look};
use super::run::{ReadyChange, as_sent, write_all};
use super::shared::Shared;
use super::{Event, Observer, Server, ServerOutcome, Stop, WriteResult};
use crate::central_node::WriteSettings;
use crate::guard::ClearedServer;
use crate::model::{Clock, Difference, Side, Untrusted};
use crate::plan::Change;
use crate::record::{Journal, Store};

/// How long a release that is under way is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The pause between two looks at the record and the host.
    pub pause: Duration,
    /// Then whoever released has long given up, or was killed.
    pub at_most: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: Duration::from_secs(1), at_most: Duration::from_secs(120) }
    }
}

/// What an `isolate` by hand does last, after [`super::execute`] with the same plan and journal.
///
/// A run under the lock that puts a release down after our intention meets our hold and leaves the host alone. One
/// that had put it down before may send it before or after our isolation: so a host whose release was open is looked
/// at until that release is settled, and isolated again whenever it is not isolated. So is one that was released
/// between our plan and our write. What can not be found out in time is [`WriteResult::Unknown`].
pub async fn outlast_releases<C, K, O, S, L>(
    outcome: &mut ServerOutcome,
    plan: &ClearedServer<'_>,
    server: Server<'_, C, K, O>,
    journal: &mut Journal<S, L>,
    patience: Patience,
) where
    C: WriteSettings,
    K: Clock,
    O: Observer,
    S: Store,
    L: Send + Sync,
{
    let shared = Shared::new(plan.plan(), &server, crate::record::Intentions::lease(journal));
    for ended in &mut outcome.changes {
        let isolates = matches!(ended.change.difference, Difference::Isolation(Side { after: Some(_), .. }));
        let open = journal.open_release_of(ended.change.subject);
        let has_changed = matches!(ended.result, WriteResult::ChangedSincePlan { .. });
        if isolates && (open.is_some() || has_changed) {
            let run = open.map(|open| Untrusted::new(&*open.by.run).printable().to_string());
            let host = Host { change: &ended.change, client: server.client, shared: &shared, run };
            if let Some(result) = host.outlast(journal, patience).await {
                ended.result = result;
            }
        }
    }
}

struct Host<'a, C, K, O> {
    change: &'a std::sync::Arc<Change>,
    client: &'a C,
    shared: &'a Shared<'a, K, O>,
    /// Which releases it, where one does.
    run: Option<String>,
}

impl<C: WriteSettings, K: Clock, O: Observer> Host<'_, C, K, O> {
    /// `None`: it is as it was.
    async fn outlast<S: Store, L: Send + Sync>(
        &self,
        journal: &mut Journal<S, L>,
        patience: Patience,
    ) -> Option<WriteResult> {
        let begun = Instant::now();
        let label = self.change.whom.label();
        let run = self.run.as_ref().map_or_else(|| "another run".to_owned(), |run| format!("run {run}"));
        if self.run.is_some() {
            self.say(format!("{label}: {run} is releasing it; waiting until that is settled"));
        }
        let mut result = None;
        loop {
            // First the record, then the host: what is seen there is seen after the release was settled.
            let is_settled = match journal.catch_up().await {
                Ok(()) => self.is_settled(journal),
                Err(_unknown) => false,
            };
            let is_isolated =
                match look(self.client, self.change.subject.target, &self.change.difference).await {
                    Ok(Found::Isolation(None)) => {
                        self.say(format!("{label}: released by {run}; it is isolated again"));
                        result = self.isolate_again(journal).await.or(result);
                        if is_settled && result.as_ref().is_some_and(|result| !result.is_done()) {
                            return result;
                        }
                        false
                    }
                    Ok(Found::Isolation(Some(_)) | Found::Prevention(_) | Found::Task(_)) => true,
                    Err(_unknown) => false,
                };
            if is_settled && is_isolated {
                return result;
            }
            let why = if begun.elapsed() >= patience.at_most {
                format!("it was isolated, but {run} was releasing it and has not said how that ended")
            } else if *self.shared.stop.borrow() != Stop::No {
                format!("interrupted while {run} was releasing it")
            } else if let Some(why) = self.shared.why_stopped() {
                why
            } else {
                sleep(patience.pause).await;
                continue;
            };
            return Some(WriteResult::Unknown { why });
        }
    }

    fn is_settled<S: Store, L: Send + Sync>(&self, journal: &Journal<S, L>) -> bool {
        match journal.open_release_of(self.change.subject) {
            None => true,
            // It could not find out what became of it, and sends nothing more.
            Some(open) => journal.has_ended(&open.by.run),
        }
    }

    async fn isolate_again<S: Store, L: Send + Sync>(
        &self,
        journal: &mut Journal<S, L>,
    ) -> Option<WriteResult> {
        let sent = as_sent(self.change, self.shared.server_clock, self.shared.clock.now());
        let Difference::Isolation(side) = sent else { return None };
        let difference = Difference::Isolation(Side { before: None, ..side });
        let change = std::sync::Arc::clone(self.change);
        let again = ReadyChange { change, difference, returned: None };
        let written = write_all(&[again], self.client, self.shared, 1, journal).await;
        written.into_iter().next().map(super::write::Written::result)
    }

    fn say(&self, why: String) {
        self.shared.observer.notice(Event::Retrying { server: self.shared.server.clone(), why });
    }
}

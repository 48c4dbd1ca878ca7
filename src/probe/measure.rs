//! The order of the measurements, and what they share.

use std::collections::BTreeSet;
use std::time::Duration;

use super::shape::Redactor;
use super::transcript::{Seen, Transcript};
use super::{
    End, Finding, Meanwhile, Patience, Probed, Stopped, body_limit, isolation, list, prevention, restore,
};
use crate::central_node::{CallError, WriteSettings};
use crate::model::{FileHash, Isolation, PreventionRule, SensorId, Timeout};

/// What is measured beside what takes seconds.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Up to this many bytes of one request are tried.
    pub largest_bytes: usize,
    /// Also what takes hours: what is answered after an isolation has ended, whether sending it again restarts it.
    pub long: bool,
}

/// One run: a client, the host, what its answers were and what was sent.
pub(super) struct Run<'a, C, P> {
    pub(super) client: &'a C,
    pub(super) sensor: SensorId,
    pub(super) transcript: &'a Transcript,
    pub(super) redactor: &'a Redactor,
    pub(super) patience: &'a P,
    /// The host's own rule, to which ours is added.
    pub(super) before: Option<PreventionRule>,
    pub(super) findings: Vec<Finding>,
    /// Hashes that we sent: nobody else knows them, but for one of the rule for all hosts.
    pub(super) sent_hashes: BTreeSet<FileHash>,
    /// Timeouts that we sent, of which one may stand: none where the last release was read back.
    pub(super) sent_timeouts: BTreeSet<u32>,
}

/// Why the measuring ended early.
pub(super) enum Halt {
    Stopped,
    Failed(CallError),
    /// What would be written over is somebody else's.
    Others(Meanwhile),
}

impl From<Stopped> for Halt {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<CallError> for Halt {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

/// Measures, and puts back what was there before, whatever happened. The host's isolation must be known to be
/// absent, and `before` its prevention rule. The last exchange of the transcript must be the host list.
pub async fn probe<C: WriteSettings, P: Patience>(
    client: &C,
    sensor: SensorId,
    before: Option<PreventionRule>,
    (transcript, redactor): (&Transcript, &Redactor),
    options: Options,
    patience: &P,
) -> Probed {
    let mut run = Run {
        client,
        sensor,
        transcript,
        redactor,
        patience,
        before,
        findings: Vec::new(),
        sent_hashes: BTreeSet::new(),
        sent_timeouts: BTreeSet::new(),
    };
    let end = match run.all(options).await {
        Ok(()) => End::Whole,
        Err(Halt::Stopped) => End::Stopped,
        Err(Halt::Failed(error)) => End::Failed(error.reason()),
        Err(Halt::Others(meanwhile)) => End::Others(meanwhile),
    };
    let left = restore::restore(&run).await;
    Probed { findings: run.findings, end, left }
}

impl<C: WriteSettings, P: Patience> Run<'_, C, P> {
    async fn all(&mut self, options: Options) -> Result<(), Halt> {
        self.patience.check()?;
        isolation::without_a_rule(self).await?;
        isolation::rounding(self).await?;
        isolation::deletion(self).await?;
        if self.before.as_ref().is_some_and(|rule| rule.objects.values().any(|kept| kept.has_other_fields)) {
            self.find(
                "prevention rules",
                "not measured: the host has a rule with fields that could not be put back".to_owned(),
                None,
            );
        } else {
            prevention::kept(self).await?;
            prevention::clash(self).await?;
            body_limit::measure(self, options.largest_bytes).await?;
        }
        if options.long {
            isolation::after_its_end(self).await?;
        }
        Ok(())
    }

    /// What the host list looked like; it is the first thing that was asked.
    pub(super) fn describe_list(&mut self) {
        list::describe(self);
    }

    pub(super) fn find(&mut self, question: &'static str, answer: String, seen: Option<serde_json::Value>) {
        self.findings.push(Finding { question, answer, seen });
    }

    /// The answer to the call that was just made.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.transcript.last()
    }

    /// `status 404`; `no answer` where there was none.
    pub(super) fn status(&self) -> String {
        self.seen().map_or_else(|| "no answer".to_owned(), |seen| format!("status {}", seen.status))
    }

    pub(super) fn shape(&self) -> Option<serde_json::Value> {
        self.seen().map(|seen| self.redactor.shape(&seen.body))
    }

    /// Isolates the host unless somebody else has, and tells what was answered to that.
    pub(super) async fn isolate(&mut self, seconds: u32) -> Result<Result<(), CallError>, Halt> {
        self.patience.check()?;
        self.own_isolation().await?;
        self.sent_timeouts.insert(seconds);
        // All that are sent here are within the range.
        let timeout = Timeout::from_seconds(i64::from(seconds)).unwrap_or(Timeout::MIN);
        Ok(self.client.set_isolation(self.sensor, timeout, &std::sync::Arc::default()).await)
    }

    /// Releases the host unless somebody else has isolated it, and tells what was answered to that.
    pub(super) async fn release(&self) -> Result<Result<(), CallError>, Halt> {
        self.patience.check()?;
        self.own_isolation().await?;
        Ok(self.client.delete_isolation(self.sensor).await)
    }

    /// The isolation that is listed, if any; one that is not ours ends the measuring.
    pub(super) async fn own_isolation(&self) -> Result<Option<Isolation>, Halt> {
        match self.client.isolation(self.sensor).await? {
            Some(rule) if !self.may_be_ours(&rule) => {
                Err(Halt::Others(Meanwhile::Isolated { seconds: rule.timeout_seconds }))
            }
            listed => Ok(listed),
        }
    }

    /// Whether an isolation is one that we set, as far as the API tells: without exclusions, and for as long as we
    /// asked, or what a server that lists whole hours makes of that.
    pub(super) fn may_be_ours(&self, rule: &Isolation) -> bool {
        const HOUR: u64 = 3_600;
        let listed = rule.timeout_seconds;
        let is_of =
            |sent: u64| listed == sent || (listed.is_multiple_of(HOUR) && listed.abs_diff(sent) < HOUR);
        rule.exclusions.is_empty() && self.sent_timeouts.iter().any(|sent| is_of(u64::from(*sent)))
    }

    /// What is listed without what we sent.
    pub(super) fn without_ours(&self, listed: &PreventionRule) -> PreventionRule {
        let others = listed.objects.iter().filter(|(hash, _)| !self.sent_hashes.contains(hash));
        PreventionRule { objects: others.map(|(hash, kept)| (*hash, kept.clone())).collect() }
    }

    /// Whether nobody else has changed the rule since it was read first.
    pub(super) fn is_untouched(&self, listed: &PreventionRule) -> bool {
        let before = self.before.as_ref().map(|rule| rule.objects.keys()).into_iter().flatten();
        before.eq(listed.objects.keys().filter(|hash| !self.sent_hashes.contains(hash)))
    }

    /// The isolation as it is listed once the server has carried out what was sent.
    pub(super) async fn listed(&self, is_there: bool) -> Result<Option<u64>, Halt> {
        let mut listed = None;
        for _look in 0..5 {
            listed = self.client.isolation(self.sensor).await?.map(|rule| rule.timeout_seconds);
            if listed.is_some() == is_there {
                break;
            }
            self.patience.wait(Duration::from_secs(1)).await?;
        }
        Ok(listed)
    }
}

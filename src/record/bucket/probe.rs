use futures_util::future::join_all;
use object_store::{ObjectStoreExt as _, PutMode, UpdateVersion};
use uuid::Uuid;

use super::{BucketStore, words};
use crate::record::{RecordError, Store as _};

/// So many at once, so many times: enough that a store that looks and then writes is caught.
const RACERS: u8 = 24;
const ROUNDS: usize = 8;

/// What a store was asked to prove, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `what was created is listed at once`.
    pub what: &'static str,
    /// How it failed; `None`: as it must be.
    pub failure: Option<String>,
}

/// What [`check`](crate::record::AnyStore::check) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// Each proof once, in the order in which they were first tried; to fail in one round is to fail.
    pub findings: Vec<Finding>,
    /// Objects of the probe that could not be removed, and why.
    pub left_behind: Option<String>,
}

impl ProbeReport {
    /// Whether a record can be kept there.
    pub fn is_fit(&self) -> bool {
        self.findings.iter().all(|finding| finding.failure.is_none())
    }

    pub(in crate::record) fn add(&mut self, what: &'static str, failure: Option<String>) {
        match self.findings.iter_mut().find(|finding| finding.what == what) {
            Some(finding) if finding.failure.is_none() => finding.failure = failure,
            Some(_) => {}
            None => self.findings.push(Finding { what, failure }),
        }
    }
}

/// What one of many got that wrote at once.
enum Got {
    Won,
    Refused,
    Failed(RecordError),
}

impl BucketStore {
    /// Races against itself under a key of its own, and takes away what it wrote.
    ///
    /// # Errors
    /// Where it could not be asked at all.
    pub(in crate::record) async fn check(&self) -> Result<ProbeReport, RecordError> {
        let folder = format!("probe/{}/", Uuid::new_v4());
        // Tells a missing bucket and credentials that may not read, before anything is written.
        self.list(&folder).await?;
        let mut report = ProbeReport::default();
        let mut keys = Vec::new();
        let mut ended = Ok(());
        for round in 0..ROUNDS {
            let key = format!("{folder}{round}");
            keys.push(key.clone());
            ended = self.round(&folder, &key, &keys, &mut report).await;
            if ended.is_err() || !report.is_fit() {
                break;
            }
        }
        // Also after a failure.
        for key in &keys {
            if let Err(error) = self.in_time(self.objects.delete(&self.path(key))).await
                && !words::is_no_object(&error)
            {
                let why = self.failed("removed", &folder, &error);
                report.left_behind = Some(format!("{} ({why})", self.place(&folder)));
            }
        }
        ended.map(|()| report)
    }

    async fn round(
        &self,
        folder: &str,
        key: &str,
        keys: &[String],
        report: &mut ProbeReport,
    ) -> Result<(), RecordError> {
        let created = self.race(key, 0, || PutMode::Create).await?;
        report.add("of many that create an object at once, one succeeds", created);

        let found = self.list(folder).await?;
        let is_listed = keys.iter().all(|key| found.contains(key));
        let missing = (!is_listed).then(|| format!("{} of {} are listed", found.len(), keys.len()));
        report.add("what was created is listed at once", missing);

        let Some(first) = self.read(key).await? else {
            report.add("what was created is read at once", Some("it is not there".to_owned()));
            return Ok(());
        };
        let version = first.version;
        if version.e_tag.is_none() {
            report.add("what is read has an ETag", Some("it has none".to_owned()));
            return Ok(());
        }
        report.add("what was created is read at once", None);

        let updated = self.race(key, 100, || PutMode::Update(version.clone())).await?;
        report.add("of many that update the same state of an object at once, one succeeds", updated);

        let over = self.put(key, vec![1], PutMode::Create).await;
        report.add("creating what is there already is refused", self.must_be_refused(key, over)?);
        let stale = self.put(key, vec![2], PutMode::Update(version)).await;
        report.add("updating a state that is no more is refused", self.must_be_refused(key, stale)?);
        let never = UpdateVersion { e_tag: Some("\"0\"".to_owned()), version: Some("1".to_owned()) };
        let nothing = self.put(&format!("{key}-never"), vec![3], PutMode::Update(never)).await;
        if nothing.is_ok() {
            // It made an object: that goes too.
            drop(self.in_time(self.objects.delete(&self.path(&format!("{key}-never")))).await);
        }
        report.add("updating what is not there is refused", self.must_be_refused(key, nothing)?);
        Ok(())
    }

    /// Many write different bytes under one condition. `Some`: how the store failed.
    async fn race(
        &self,
        key: &str,
        first: u8,
        mode: impl Fn() -> PutMode,
    ) -> Result<Option<String>, RecordError> {
        let racers = (0..RACERS).map(|racer| {
            let put = self.put(key, vec![first + racer], mode());
            async move {
                match put.await {
                    Ok(_) => Got::Won,
                    Err(error) if words::is_condition(&error) => Got::Refused,
                    Err(error) => Got::Failed(self.failed("written", key, &error)),
                }
            }
        });
        let got = join_all(racers).await;
        let winners: Vec<u8> =
            (first..).zip(&got).filter(|(_, got)| matches!(got, Got::Won)).map(|(racer, _)| racer).collect();
        if winners.len() > 1 {
            return Ok(Some(format!("{} of {RACERS} did", winners.len())));
        }
        let kept = self.read(key).await?.map(|read| read.bytes);
        let is_ours = |bytes: &[u8]| matches!(bytes, [racer] if (first..first + RACERS).contains(racer));
        match (winners.first(), kept) {
            (Some(winner), Some(kept)) if kept == [*winner] => Ok(None),
            (Some(_), _) => Ok(Some("what was kept is not what the one wrote that succeeded".to_owned())),
            // Its answer was lost, and the store met its own write when it was asked again.
            (None, Some(kept)) if is_ours(&kept) => Ok(None),
            (None, _) => match got
                .into_iter()
                .find_map(|got| if let Got::Failed(error) = got { Some(error) } else { None })
            {
                Some(error) => Err(error),
                None => Ok(Some("none did".to_owned())),
            },
        }
    }

    fn must_be_refused(
        &self,
        key: &str,
        put: object_store::Result<object_store::PutResult>,
    ) -> Result<Option<String>, RecordError> {
        match put {
            Ok(_) => Ok(Some("it was accepted".to_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) if words::is_condition(&error) => Ok(None),
            Err(error) => Err(self.failed("written", key, &error)),
        }
    }
}

use std::path::Path;
use std::time::Duration;

use super::bucket::ProbeReport;
use super::folder::unreachable;
use super::{Creation, FolderStore, Holder, LockStore as _, RecordError, Store as _};

impl FolderStore {
    /// Tries files and locks in a folder of its own within the record's (or where that would be made), and takes it
    /// away again.
    ///
    /// # Errors
    /// Where nothing can be written there.
    pub(super) async fn check(&self, holder: &Holder) -> Result<ProbeReport, RecordError> {
        const REMEDY: &str = "check that `record:` names a folder that this user may read and write";
        let base = self.root().ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let place = tempfile::Builder::new()
            .prefix(".probe-")
            .tempdir_in(base)
            .map_err(|cause| unreachable("written", base, REMEDY, cause))?;
        let store = Self::new(place.path());
        let mut report = ProbeReport::default();

        let created = store.create("probe/1", b"one").await?;
        let again = store.create("probe/1", b"two").await?;
        let kept = store.get("probe/1").await?;
        let is_kept = (created, again) == (Creation::Created, Creation::AlreadyExists)
            && kept.as_deref() == Some(b"one");
        report.add(
            "creating what is there already is refused",
            (!is_kept).then(|| "it was written over".to_owned()),
        );
        let is_listed = store.list("probe/").await? == ["probe/1"];
        report.add("what was created is listed at once", (!is_listed).then(|| "it is not listed".to_owned()));

        let first = store.lock("lock/probe", holder, Duration::ZERO).await?;
        let second = Self::new(place.path()).lock("lock/probe", holder, Duration::ZERO).await;
        let is_excluded = matches!(second, Err(RecordError::Locked { .. }));
        report.add(
            "of two that lock, one has to wait",
            (!is_excluded).then(|| "both hold it: this file system has no working locks".to_owned()),
        );
        drop(first);
        if let Err(cause) = place.close() {
            report.left_behind = Some(format!("{} ({cause})", base.display()));
        }
        Ok(report)
    }
}

#![expect(clippy::disallowed_methods, reason = "tests prepare folders and read what other tools left there")]

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::support::*;
use crate::record::*;

fn rule() -> Option<crate::model::Isolation> {
    Some(isolation(86_400, 1))
}

#[test]
#[cfg(unix)]
fn a_folder_has_one_address_however_it_is_spelled_and_whether_it_is_there_or_not() {
    let place = tempfile::tempdir().unwrap();
    let at = |path: &str| FolderStore::new(place.path().join(path)).address().unwrap();
    fs::create_dir_all(place.path().join("srv/prod")).unwrap();
    std::os::unix::fs::symlink("srv/prod", place.path().join("link")).unwrap();
    std::os::unix::fs::symlink(place.path().join("disk/record"), place.path().join("srv/prod/away")).unwrap();
    std::os::unix::fs::symlink("circle", place.path().join("circle")).unwrap();
    let one = at("srv/prod/.kedrctl");
    assert!(one.ends_with("/srv/prod/.kedrctl"), "{one}");
    for spelled in ["link/.kedrctl", "srv/./prod/../prod/.kedrctl", "missing/../srv/prod/.kedrctl"] {
        assert_eq!(at(spelled), one, "{spelled}");
    }
    // Of a link, `..` is where it leads to.
    assert_eq!(at("link/../prod/.kedrctl"), one);
    let away = at("link/away");
    assert_eq!(away, at("disk/record"));
    fs::create_dir_all(place.path().join("disk/record")).unwrap();
    assert_eq!(at("link/away"), away);
    assert_ne!(at("circle/.kedrctl"), one);
}

#[tokio::test]
async fn a_missing_folder_reads_as_empty_and_is_made_private_at_the_first_write() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("deep/.kedrctl");
    let store = FolderStore::new(&root);
    assert_eq!(read(store.clone()).await, Recorded::default());
    assert!(!root.exists());

    let mut journal = begin(store.clone(), 1).await;
    journal
        .intend(&[isolate(1, at(1), None, rule()), block(crate::model::Target::AllHosts, at(1), &[], &[1])])
        .await
        .unwrap();
    journal.end(at(2), &RunEnd::Finished).await.unwrap();
    assert_eq!(fs::read_to_string(root.join(".gitignore")).unwrap(), "*\n");
    assert!(root.join("journal/kata.example.org_443/000000000001.jsonl").is_file());
    assert_eq!(fs::read_dir(root.join("sets")).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let recorded = read(store).await;
    assert_eq!(recorded.open.len(), 2);
    // No temporary file is left, and one that a killed writer left does not matter.
    let journal = root.join("journal/kata.example.org_443");
    assert_eq!(fs::read_dir(&journal).unwrap().count(), 2);
    fs::write(journal.join(".new-aBc123"), "{\"form").unwrap();
    assert_eq!(read(FolderStore::new(&root)).await, recorded);
}

#[tokio::test]
async fn nothing_is_ever_written_over() {
    let place = tempfile::tempdir().unwrap();
    let store = FolderStore::new(place.path());
    assert_eq!(store.create("sets/a.json", b"one").await.unwrap(), Creation::Created);
    assert_eq!(store.create("sets/a.json", b"two").await.unwrap(), Creation::AlreadyExists);
    assert_eq!(store.get("sets/a.json").await.unwrap().unwrap(), b"one");
    assert_eq!(store.list("sets/").await.unwrap(), ["sets/a.json"]);
    assert_eq!(store.list("journal/x/").await.unwrap(), Vec::<String>::new());
    assert_eq!(store.get("sets/b.json").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_folder_is_an_error_and_never_an_empty_record() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("record");
    fs::write(&file, "").unwrap();
    let record = Record::new(FolderStore::new(&file));
    let read = record.read(&server()).await.unwrap_err();
    let Err(locked) = record.lock(&server(), &holder(), Duration::ZERO).await else { panic!() };
    for error in [read, locked] {
        assert!(matches!(error, RecordError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(&*file.display().to_string()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[tokio::test]
async fn what_can_not_be_kept_leaves_nothing_partial_and_may_be_tried_again() {
    let place = tempfile::tempdir().unwrap();
    let mut journal = begin(FolderStore::new(place.path()), 1).await;
    for in_the_way in ["sets", "journal"] {
        let in_the_way = place.path().join(in_the_way);
        fs::write(&in_the_way, "").unwrap();
        let refused =
            journal.intend(&[block(crate::model::Target::AllHosts, at(1), &[], &[1])]).await.unwrap_err();
        assert!(refused.to_string().contains(&*in_the_way.display().to_string()), "{refused}");
        fs::remove_file(&in_the_way).unwrap();
    }
    assert_eq!(read(FolderStore::new(place.path())).await, Recorded::default());
    journal.intend(&[isolate(2, at(1), None, rule())]).await.unwrap();
    let recorded = read(FolderStore::new(place.path())).await;
    assert_eq!(recorded.open.len(), 1);
    assert_eq!(recorded.open[0].subject.target, crate::model::Target::Sensor(sensor(2)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_can_not_be_written_gets_nothing_partial() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let store = FolderStore::new(place.path());
    let mut journal = begin(store.clone(), 1).await;
    journal.flush().await.unwrap();
    let folder = place.path().join("journal/kata.example.org_443");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let is_bound_by_permissions = fs::File::create(folder.join("probe")).is_err();
    if is_bound_by_permissions {
        let refused = journal.intend(&[isolate(1, at(1), None, rule())]).await;
        assert!(matches!(refused, Err(RecordError::Unreachable { .. })), "{refused:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    journal.intend(&[isolate(2, at(1), None, rule())]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_run_at_a_time_holds_the_lock_and_the_refusal_names_it() {
    let place = tempfile::tempdir().unwrap();
    // Two handles, as two processes have.
    let (one, other) = (FolderStore::new(place.path()), FolderStore::new(place.path()));
    let journal = begin(one, 1).await;
    let waited = tokio::time::Instant::now();
    let refused = Record::new(other.clone()).lock(&server(), &holder(), Duration::from_secs(90)).await;
    let Err(RecordError::Locked { holder: Some(who), .. }) = refused else { panic!() };
    assert_eq!(who.to_string(), "ana@soc-1 (process 4711) since 2026-11-25T00:00:00Z");
    assert!(waited.elapsed() >= Duration::from_secs(90));

    // A holder that ends, however it does, holds nothing; the file stays.
    drop(journal);
    assert!(place.path().join("lock/kata.example.org_443").is_file());
    let fence = other.lock("lock/kata.example.org_443", &holder(), Duration::ZERO).await.unwrap().fence();
    assert_eq!(fence, 2);
}

#[test]
fn runs_that_race_on_one_folder_make_one_whole_chain() {
    const RUNS: u8 = 6;
    let place = tempfile::tempdir().unwrap();
    let start = Arc::new(Barrier::new(usize::from(RUNS)));
    let inside = Arc::new(AtomicU32::new(0));
    let racers = (0..RUNS).map(|n| {
        let (root, start, inside) = (place.path().to_owned(), start.clone(), inside.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            start.wait();
            runtime.block_on(async {
                let record = Record::new(FolderStore::new(root));
                let locked = record.lock(&server(), &holder(), Duration::from_secs(60)).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                let mut journal = locked.begin(&run(n));
                let intended = journal.intend(&[isolate(n, at(1), None, rule())]).await.unwrap();
                let numbers = sendable(intended);
                journal.outcomes(at(1), &[(numbers[0], done(at(1)))]);
                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                journal.end(at(2), &RunEnd::Finished).await.unwrap();
            });
        })
    });
    let racers: Vec<_> = racers.collect();
    racers.into_iter().for_each(|racer| racer.join().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let recorded = runtime.block_on(read(FolderStore::new(place.path())));
    assert_eq!(recorded.isolations.len(), usize::from(RUNS));
    let segments = fs::read_dir(place.path().join("journal/kata.example.org_443")).unwrap().count();
    assert_eq!(segments, usize::from(RUNS) * 2);
}

#[test]
fn of_many_that_create_one_key_one_wins() {
    let place = tempfile::tempdir().unwrap();
    let start = Arc::new(Barrier::new(8));
    let racers: Vec<_> = (0..8_u8)
        .map(|n| {
            let (store, start) = (FolderStore::new(place.path()), start.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                start.wait();
                (n, runtime.block_on(store.create("journal/x/000000000001.jsonl", &[n; 100])).unwrap())
            })
        })
        .collect();
    let created = racers.into_iter().map(|racer| racer.join().unwrap());
    let won: Vec<_> = created.filter(|(_, creation)| *creation == Creation::Created).collect();
    assert_eq!(won.len(), 1);
    let kept = fs::read(place.path().join("journal/x/000000000001.jsonl")).unwrap();
    assert_eq!(kept, [won[0].0; 100]);
}

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use kedrctl_simulator::world::{FileHash, FileObject, Target};
use kedrctl_simulator::{Clock, Options, Simulator, StartError};
use reqwest::Method;

use crate::client::{Client, minutes, sensor, start};

const FLEET: &str = "hosts:
  - { name: WS-1, isolation: { timeout: 8h, set: 1h ago }, prevention: [900150983cd24fb0d6963f7d28e17f72] }
  - { name: WS-2, contact_every: never }
generate: { hosts: 3, seed: 1, name: 'GEN-{n}' }
";

struct Folder {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Folder {
    fn new() -> Folder {
        let folder = Folder { folder: tempfile::tempdir().unwrap(), clock: Clock::manual(start()) };
        folder.write(FLEET);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "nobody else reads it meanwhile")]
    fn write(&self, fleet: &str) {
        std::fs::write(self.path("fleet.yaml"), fleet).unwrap();
    }

    fn options(&self) -> Options {
        Options { clock: self.clock.clone(), ..Options::default() }
    }

    fn start(&self) -> Simulator {
        Simulator::start(&self.path("fleet.yaml"), self.options()).unwrap()
    }
}

fn file() -> FileObject {
    FileObject::new(FileHash::parse(&"ab".repeat(32)).unwrap()).named("dropper.exe")
}

#[tokio::test]
async fn a_world_goes_on_where_it_was_left() {
    let folder = Folder::new();
    let first = folder.start();
    let known = (first.world_id().to_owned(), first.certificate_sha256(), first.credentials());
    let generated = first.world(|world| {
        world.remove_isolation(sensor("WS-1")).unwrap();
        world.set_isolation(sensor("WS-2"), 36_000, Vec::new()).unwrap();
        world.set_prevention(Target::All, vec![file()]).unwrap();
        let generated = world.hosts().find(|host| host.name == "GEN-2").unwrap().sensor_id;
        world.set_prevention(Target::Sensor(generated), vec![file(), file()]).unwrap();
        generated
    });
    assert!(first.effective(sensor("WS-1")).isolated, "released on the server only");
    first.stop().unwrap();

    folder.clock.advance(minutes(60));
    let second = folder.start();
    let again = (second.world_id().to_owned(), second.certificate_sha256(), second.credentials());
    assert_eq!(again, known, "pins and credentials stay valid");
    assert!(!second.effective(sensor("WS-1")).isolated, "the contacts of the hour between have happened");
    assert_eq!(second.effective(sensor("WS-1")).blocked.len(), 2, "its own and that of all hosts");
    assert!(!second.effective(sensor("WS-2")).isolated, "it has not been in contact");
    assert_eq!(second.effective(sensor("WS-2")).blocked.len(), 0);
    assert_eq!(second.effective(generated).blocked.len(), 1);
    second.world(|world| {
        let isolation = world.isolation(sensor("WS-2")).unwrap();
        assert_eq!((isolation.timeout_seconds, isolation.set_at), (36_000, start()));
        assert_eq!(world.prevention(Target::Sensor(generated)).unwrap().objects(), [file(), file()]);
    });

    let client = Client::new(&second, &second.credentials(), true);
    assert_eq!(client.send(Method::GET, "sensors", None).await.unwrap().status, 200);
}

#[test]
fn dropping_saves_too() {
    let folder = Folder::new();
    let first = folder.start();
    first.world(|world| world.remove_isolation(sensor("WS-1")).unwrap());
    drop(first);
    assert!(folder.start().world(|world| world.isolation(sensor("WS-1")).is_none()));
}

#[test]
fn a_changed_fleet_adds_and_drops_hosts_and_keeps_what_stands_on_the_known() {
    let folder = Folder::new();
    let first = folder.start();
    first.world(|world| world.remove_isolation(sensor("WS-1")).unwrap());
    first.stop().unwrap();
    folder.clock.advance(minutes(30));
    folder.write(
        "hosts:
  - { name: WS-1, ip: 10.9.9.9, isolation: { timeout: 8h } }
  - { name: WS-3, isolation: { timeout: 8h, set: 1h ago } }
",
    );
    folder.start().world(|world| {
        let names: Vec<&str> = world.hosts().map(|host| host.name.as_str()).collect();
        assert_eq!(names, ["WS-1", "WS-3"]);
        assert_eq!(world.host(sensor("WS-1")).unwrap().ip, Some("10.9.9.9".parse().unwrap()));
        assert!(world.isolation(sensor("WS-1")).is_none(), "released before");
        assert_eq!(world.isolation(sensor("WS-3")).unwrap().set_at, start() - minutes(30));
    });
}

#[test]
fn a_reset_begins_anew() {
    let folder = Folder::new();
    let first = folder.start();
    let world_id = first.world_id().to_owned();
    first.world(|world| world.remove_isolation(sensor("WS-1")).unwrap());
    first.stop().unwrap();
    let options = Options { reset: true, ..folder.options() };
    let second = Simulator::start(&folder.path("fleet.yaml"), options).unwrap();
    assert_ne!(second.world_id(), world_id);
    assert!(second.world(|world| world.isolation(sensor("WS-1")).is_some()));
}

#[test]
fn two_cannot_run_one_world() {
    let folder = Folder::new();
    let first = folder.start();
    let refused = Simulator::start(&folder.path("fleet.yaml"), folder.options()).unwrap_err();
    assert!(matches!(refused, StartError::State(_)));
    let message = refused.to_string();
    assert!(message.contains(&format!("process {} at {}", std::process::id(), first.url())), "{message}");
    first.stop().unwrap();
    folder.start();
}

#[test]
fn without_persistence_nothing_is_written() {
    let folder = Folder::new();
    let options = Options { persist: false, ..folder.options() };
    let simulator = Simulator::start(&folder.path("fleet.yaml"), options).unwrap();
    simulator.world(|world| world.remove_isolation(sensor("WS-1")).unwrap());
    simulator.stop().unwrap();
    assert_eq!(names(folder.folder.path()), ["fleet.yaml"]);
}

#[test]
fn the_state_stands_beside_the_fleet_and_is_its_owners_alone() {
    let folder = Folder::new();
    folder.start().stop().unwrap();
    let expected = [".fleet.simulator.json", ".fleet.simulator.lock", "fleet.yaml"];
    assert_eq!(names(folder.folder.path()), expected, "and no temporary file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path(".fleet.simulator.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nobody else reads it meanwhile")]
fn a_state_that_is_not_understood_is_left_alone() {
    let folder = Folder::new();
    for (state, expected) in [("{}", "cannot be understood"), (r#"{"version": 2}"#, "has version 2")] {
        let path = folder.path(".fleet.simulator.json");
        std::fs::write(&path, state).unwrap();
        let refused = Simulator::start(&folder.path("fleet.yaml"), folder.options()).unwrap_err().to_string();
        assert!(refused.contains(expected) && refused.contains("--reset"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), state);
    }
}

#[test]
fn a_large_fleet_starts_quickly_and_small() {
    let folder = Folder::new();
    folder.write("generate: { hosts: 100000, contact_every: 10m, silent_percent: 3 }");
    let simulator = folder.start();
    let sensors = simulator.world(|world| {
        world.set_prevention(Target::All, vec![file()]).unwrap();
        world.hosts().map(|host| host.sensor_id).collect::<Vec<_>>()
    });
    assert_eq!(sensors.len(), 100_000);
    folder.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(simulator.effective(sensors[0]).blocked.len(), 1);
    simulator.stop().unwrap();
    let state = std::fs::metadata(folder.path(".fleet.simulator.json")).unwrap().len();
    assert!(state < 10_000, "hosts that are as the fleet says are not written down: {state} bytes");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

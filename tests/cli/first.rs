//! First contact: an empty folder, a Central Node that knows nobody yet.

use std::path::Path;

use crate::lab::{Ended, Lab, Running, command, ended, wait_until, write};

const FLEET: &str =
    "registration: manual\nserver_certificate: self-signed-ca\nhosts: [{ name: WS-1 }, { name: WS-2 }]";

/// A Central Node and an empty folder beside it.
struct First {
    lab: Lab,
    folder: tempfile::TempDir,
}

impl First {
    fn new() -> Self {
        Self { lab: Lab::new(FLEET, "{}"), folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With what `init` makes.
    fn begun() -> Self {
        let first = Self::new();
        first.run(&format!("init --server-url {} --name hq --yes", first.lab.simulator.url())).expect(0, &[]);
        first
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).expect("it is there")
    }

    fn run(&self, arguments: &str) -> Ended {
        ended(command(self.path(), arguments).output().expect("the program starts"))
    }

    fn approve(&self) {
        wait_until("somebody asks", || !self.lab.simulator.pending().is_empty());
        let pending = self.lab.simulator.pending();
        self.lab.simulator.approve(&pending[0].identity);
    }
}

#[test]
fn a_new_folder_is_a_valid_state() {
    let first = First::new();
    first.run("init soc --server-url https://KATA.example.org:8443 --ci github").expect(
        0,
        &["state.yaml", "secrets/kata.key", "kata.crt", ".gitignore", "kedrctl register kata -f soc"],
    );
    first.run("validate -f soc").expect(0, &["the state is valid"]);
    assert!(first.read("soc/state.yaml").contains("url: https://kata.example.org:8443\n"));
    assert_eq!(first.read("soc/.gitignore").matches("/secrets/").count(), 1);
    assert!(first.read("soc/.github/workflows/kedrctl.yml").contains("secrets/kata.key"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode =
            |file: &str| std::fs::metadata(first.path().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("soc/secrets/kata.key"), 0o600);
        assert_eq!(mode("soc/secrets"), 0o700);
        std::fs::create_dir(first.path().join("plain")).unwrap();
        assert_eq!(mode("soc"), mode("plain"), "only the secrets are closed");
        assert_eq!(mode("soc/kata.crt"), 0o644);
    }
    let other = First::new();
    other.run("init --server-url https://kata.example.org --ci gitlab").expect(0, &[".gitlab-ci.yml"]);
    let id = |text: &str| text.lines().find(|line| line.contains("external_system_id")).unwrap().to_owned();
    assert_ne!(id(&other.read("state.yaml")), id(&first.read("soc/state.yaml")), "each has an id of its own");
}

#[test]
fn nothing_of_a_person_is_replaced() {
    let first = First::new();
    write(&first.path().join(".gitignore"), "target\n");
    write(&first.path().join("kata.crt"), "mine\n");
    let run = first.run("init --server-url https://kata.example.org");
    run.expect(0, &["left  .gitignore, as it is; it should have the lines", "left  kata.crt, as it is"]);
    assert_eq!(first.read(".gitignore"), "target\n");
    assert_eq!(first.read("kata.crt"), "mine\n");
    let state = first.read("state.yaml");
    first.run("init --server-url https://other.example.org").expect(0, &["left  state.yaml, as it is"]);
    assert_eq!(first.read("state.yaml"), state);
    first.run("register --no-wait").expect(1, &["kata.crt is there, and its key"]);
}

#[test]
fn what_cannot_be_asked_has_to_be_said() {
    let first = First::new();
    first.run("init").expect(1, &["--server-url"]);
    first.run("init --server-url http://kata").expect(1, &["not encrypted"]);
    first.run("init --server-url https://kata --name a/b").expect(1, &["no name for a server"]);
    assert_eq!(std::fs::read_dir(first.path()).unwrap().count(), 0);
}

#[test]
fn a_client_becomes_known() {
    let first = First::begun();
    let pin = first.lab.simulator.certificate_sha256();
    let pairs = |digits: &str| {
        digits
            .to_uppercase()
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).into_owned())
            .collect::<Vec<_>>()
            .join(":")
    };
    // Nobody vouches for the certificate: it is shown, and nothing is sent.
    first
        .run("register")
        .expect(3, &[&pairs(&pin), "CN=Simulated Central Node", "--fingerprint", "nothing was sent"]);
    let wrong = first.run(&format!("register --fingerprint {}", "ab".repeat(32)));
    wrong.expect(5, &["the server is not trusted", &pairs(&pin)]);
    assert!(first.lab.simulator.requests().is_empty());
    assert!(first.read("state.yaml").contains("# trust: comes here"));
    // Asked, and not accepted yet.
    let asked = first.run(&format!("register --no-wait --fingerprint {}", pairs(&pin)));
    let pending = first.lab.simulator.pending();
    assert_eq!(pending.len(), 1);
    asked.expect(5, &["wrote `trust` into state.yaml:17", "not accepted yet: status 401"]);
    asked.expect(5, &[&pending[0].identity.external_system_id, &pairs(&pending[0].identity.fingerprint)]);
    assert!(first.read("state.yaml").contains(&format!("\n    trust: {{ sha256: \"{pin}\" }}\n")));
    first.run("validate").expect(0, &["the state is valid"]);
    // From now on the file says whom to trust.
    let mut waiting = Running::start(command(first.path(), "register hq --timeout 60s"));
    waiting.wait_for_stderr("An administrator has to accept it");
    first.approve();
    waiting.end().expect(0, &["registered: hq", "lists 2 hosts"]);
    first.run("hosts").expect(0, &["WS-1", "WS-2"]);
    first.run("register").expect(0, &["registered: hq"]);
}

#[test]
fn a_state_of_a_person_is_not_edited() {
    let first = First::begun();
    let pin = first.lab.simulator.certificate_sha256();
    let state = first.read("state.yaml").replace("    # trust: comes here with `kedrctl register hq`\n", "");
    write(&first.path().join("state.yaml"), &state);
    let asked = first.run(&format!("register --no-wait --fingerprint {pin}"));
    asked.expect(
        5,
        &["put this line into the block of `hq`", &format!("\n    trust: {{ sha256: \"{pin}\" }}\n")],
    );
    assert_eq!(first.read("state.yaml"), state);
}

#[test]
fn missing_files_are_made_and_a_missing_id_is_explained() {
    let first = First::begun();
    let pin = first.lab.simulator.certificate_sha256();
    let (key, certificate) = (first.read("secrets/hq.key"), first.read("hq.crt"));
    std::fs::remove_file(first.path().join("hq.crt")).unwrap();
    let run = || first.run(&format!("register --no-wait --fingerprint {pin}"));
    run().expect(5, &["made the client certificate hq.crt"]);
    assert_eq!(first.read("secrets/hq.key"), key);
    assert_ne!(first.read("hq.crt"), certificate);
    std::fs::remove_file(first.path().join("hq.crt")).unwrap();
    std::fs::remove_file(first.path().join("secrets/hq.key")).unwrap();
    run().expect(5, &["made the client key secrets/hq.key", "made the client certificate hq.crt"]);
    assert_ne!(first.read("secrets/hq.key"), key);
    let without: Vec<String> = first
        .read("state.yaml")
        .lines()
        .filter(|line| !line.contains("external_system_id"))
        .map(str::to_owned)
        .collect();
    write(&first.path().join("state.yaml"), &without.join("\n"));
    run().expect(1, &["has no `external_system_id`", "would be a new one"]);
}

#[test]
fn what_goes_wrong_is_told_apart() {
    let first = First::begun();
    let url = first.lab.simulator.url();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let state = first.read("state.yaml");
    write(&first.path().join("state.yaml"), &state.replace(&url, &format!("https://{free}")));
    first.run("register").expect(5, &["cannot connect"]);
    write(&first.path().join("state.yaml"), &state);
    let pinned = state.replace(
        "    # trust: comes here with `kedrctl register hq`",
        &format!("    trust: {{ sha256: \"{}\" }}", "ab".repeat(32)),
    );
    write(&first.path().join("state.yaml"), &pinned);
    first.run("register").expect(5, &["the server is not trusted", "is pinned"]);
    first.run(&format!("register --fingerprint {}", "cd".repeat(32))).expect(1, &["pin another certificate"]);
    first.run("register other").expect(1, &["no server has this name", "hq"]);
    assert!(first.lab.simulator.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn a_wait_can_be_interrupted() {
    let first = First::begun();
    let pin = first.lab.simulator.certificate_sha256();
    let mut waiting = Running::start(command(first.path(), &format!("register --fingerprint {pin}")));
    waiting.wait_for_stderr("An administrator has to accept it");
    waiting.signal("INT");
    waiting.end().expect(130, &["interrupted"]);
}

//! A folder with a state and credentials, a Central Node that runs in the test, and the program against it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kedrctl_simulator::world::{FileHash, Target, sensor_id_of};
use kedrctl_simulator::{Clock, Fleet, LoggedRequest, Options, Simulator};
use tempfile::TempDir;
use uuid::Uuid;

/// How long anything may take before a test gives up: far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Lab {
    pub(crate) simulator: Simulator,
    folder: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Lab {
    /// `fleet` in the simulator's format; `hosts` is what stands under `hosts:` in the state, in one line.
    pub(crate) fn new(fleet: &str, hosts: &str) -> Self {
        Self::on(Clock::wall(), fleet, hosts)
    }

    /// With the Central Node on a clock of its own.
    pub(crate) fn on(clock: Clock, fleet: &str, hosts: &str) -> Self {
        let fleet = Fleet::from_yaml(fleet).expect("a correct fleet");
        let options = Options { clock, ..Options::default() };
        let simulator = Simulator::start_with(fleet, options).expect("a free port");
        let lab = Self { simulator, folder: tempfile::tempdir().expect("a temporary folder") };
        let credentials = lab.simulator.credentials();
        lab.write("client.crt", &credentials.certificate_pem);
        lab.write("client.key", &credentials.key_pem);
        lab.declare(hosts);
        lab
    }

    /// Writes a state with these hosts.
    pub(crate) fn declare(&self, hosts: &str) {
        self.write("state.yaml", &self.state(&self.server(), hosts));
    }

    pub(crate) fn state(&self, server: &str, hosts: &str) -> String {
        format!("version: 1\nservers:\n  lab: {server}\nhosts: {hosts}\n")
    }

    pub(crate) fn server(&self) -> String {
        self.server_with(&self.simulator.certificate_sha256(), "client.crt", "client.key")
    }

    pub(crate) fn server_with(&self, pin: &str, certificate: &str, key: &str) -> String {
        format!(
            "{{ url: '{}', external_system_id: {}, client_certificate: {certificate}, client_key: {key}, \
             trust: {{ sha256: '{pin}' }}, concurrency: 1 }}",
            self.simulator.url(),
            self.simulator.credentials().external_system_id,
        )
    }

    /// The hashes of a host's rule, in their order.
    pub(crate) fn blocked(&self, host: &str) -> Vec<String> {
        let rule = self.simulator.world(|world| world.prevention(Target::Sensor(sensor(host))).cloned());
        let mut hashes: Vec<String> =
            rule.iter().flat_map(|rule| rule.hashes()).map(FileHash::to_string).collect();
        hashes.sort();
        hashes
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    /// The program with these arguments, in the folder, deaf to the environment of the test run.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        command(self.folder.path(), arguments)
    }

    pub(crate) fn run(&self, arguments: &str) -> Ended {
        ended(self.command(arguments).output().expect("the program starts"))
    }

    pub(crate) fn start(&self, arguments: &str) -> Running {
        Running::start(self.command(arguments))
    }

    /// The writes that had an effect.
    pub(crate) fn effects(&self) -> Vec<LoggedRequest> {
        self.simulator.requests().into_iter().filter(|request| request.effect).collect()
    }
}

/// A program that runs; killed when the test ends.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it was not waited for yet")
    }

    /// Waits until it ends.
    pub(crate) fn end(mut self) -> Ended {
        let child = self.0.take().expect("it was not waited for yet");
        let (done, waited) = std::sync::mpsc::channel();
        let pid = child.id();
        std::thread::spawn(move || done.send(child.wait_with_output()));
        match waited.recv_timeout(PATIENCE) {
            Ok(output) => ended(output.expect("its output can be read")),
            Err(_too_long) => panic!("process {pid} did not end"),
        }
    }

    /// Reads stderr until `text` was seen.
    pub(crate) fn wait_for_stderr(&mut self, text: &str) -> String {
        read_until(self.child().stderr.as_mut().expect("it is piped"), text)
    }

    /// Reads stdout until `text` was seen.
    pub(crate) fn wait_for_stdout(&mut self, text: &str) -> String {
        read_until(self.child().stdout.as_mut().expect("it is piped"), text)
    }

    #[cfg(unix)]
    pub(crate) fn signal(&mut self, name: &str) {
        let kill = format!("kill -{name} {}", self.child().id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("sh is there");
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Ended {
    /// Checks the exit code and that stdout and stderr together have all of these texts.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, texts: &[&str]) {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{said}");
        for text in texts {
            assert!(said.contains(text), "`{text}` is not in:\n{said}");
        }
    }
}

fn read_until(stream: &mut impl Read, text: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    loop {
        let read = String::from_utf8_lossy(&seen);
        if read.contains(text) {
            return read.into_owned();
        }
        assert!(stream.read(&mut byte).expect("it can be read") > 0, "it ended with {read}");
        seen.push(byte[0]);
    }
}

pub(crate) fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kedrctl"));
    command.args(arguments.split_whitespace());
    alone(command, folder)
}

/// Started in the folder, with nothing to read and deaf to the environment of the test run.
pub(crate) fn alone(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).stdin(Stdio::null());
    command.env("XDG_STATE_HOME", folder.join(".state"));
    for variable in ["KEDRCTL_FILES", "CI", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

pub(crate) fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a partial file is no worse than none to a test")]
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the temporary folder can be written");
    #[cfg(unix)]
    if path.extension().is_some_and(|ending| ending == "key") {
        set_mode(path, 0o600);
    }
}

#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// Looks again and again until it is so.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a process has no clock that could be paused")]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn sensor(name: &str) -> Uuid {
    sensor_id_of(name)
}

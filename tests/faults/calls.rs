//! The calls of the API, each with the state and the fleet in which an apply makes it.

use kedrctl_simulator::world::{Target, sensor_id_of};
use kedrctl_simulator::{CallKind, Fault, Method};

/// The host that the faults befall. `BESIDE` is declared too, and nothing befalls it; `FOREIGN` no file names.
pub(crate) const HOST: &str = "WS-1";
pub(crate) const BESIDE: &str = "WS-2";
pub(crate) const FOREIGN: &str = "WS-3";

/// Put there by somebody else, and to stay.
pub(crate) const THEIRS: &str = "5d41402abc4b2a76b9719d911017c592";
const OURS: &str = "900150983cd24fb0d6963f7d28e17f72";

/// One call at one moment of an apply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) title: &'static str,
    pub(crate) method: Method,
    pub(crate) kind: CallKind,
    pub(crate) whom: Whom,
    /// So many of these calls come before it in one apply.
    pub(crate) skip: u32,
    /// What is declared of `HOST`, beside `BESIDE`.
    declared: Declared,
    /// What stands on the server before.
    rules: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Not told by the request, or of no matter.
    Any,
    Host,
    All,
}

#[derive(Debug, Clone, Copy)]
struct Declared {
    /// Of the host; empty: it is not named.
    host: &'static str,
    /// Keys of the state.
    beside: &'static str,
    /// The same before: an apply has been there.
    before: Option<&'static str>,
}

const ISOLATED: Declared = Declared { host: "isolation: { lease: 8h }", beside: "", before: None };
const RELEASED: Declared = Declared { host: "isolation: off", beside: "", before: None };
const BLOCKED: Declared =
    Declared { host: "prevention: { block: [900150983cd24fb0d6963f7d28e17f72] }", beside: "", before: None };
const UNBLOCKED: Declared = Declared {
    host: "prevention: { unblock: [900150983cd24fb0d6963f7d28e17f72] }",
    beside: "",
    before: None,
};
const ALL_BLOCKED: Declared = Declared {
    host: "",
    beside: "all_hosts: { lab: { prevention: { block: [900150983cd24fb0d6963f7d28e17f72] } } }\n",
    before: None,
};
const ALL_UNBLOCKED: Declared = Declared {
    host: "",
    beside: "all_hosts: { lab: { prevention: { unblock: [900150983cd24fb0d6963f7d28e17f72] } } }\n",
    before: None,
};
const STARTED: Declared = Declared { host: "", beside: TASK, before: None };
const DELETED: Declared = Declared { host: "", beside: NO_TASK, before: Some(TASK) };

const TASK: &str = r"policy: { tasks: true }
tasks:
  collect: { hosts: [WS-1], run: { command: 'C:\collect.exe' }, not_after: 2026-12-01T00:00:00Z }
";
const NO_TASK: &str = r"policy: { tasks: true }
tasks:
  collect: { hosts: [WS-1], run: { command: 'C:\collect.exe' }, not_after: 2026-12-01T00:00:00Z, state: absent }
";

const NONE: &str = "";
const IS_ISOLATED: &str = "isolation: { timeout: 9h }";
const THEIRS_ALONE: &str = "prevention: [5d41402abc4b2a76b9719d911017c592]";
const OURS_ALONE: &str = "prevention: [900150983cd24fb0d6963f7d28e17f72]";

const fn read(title: &'static str, kind: CallKind, whom: Whom, skip: u32, declared: Declared) -> Call {
    Call { title, method: Method::Get, kind, whom, skip, declared, rules: NONE }
}

const fn write(
    title: &'static str,
    method: Method,
    (kind, whom): (CallKind, Whom),
    declared: Declared,
    rules: &'static str,
) -> Call {
    Call { title, method, kind, whom, skip: 0, declared, rules }
}

/// All of them. A setting is read three times: for the plan, right before the write, and after it.
pub(crate) const CALLS: [Call; 19] = {
    use CallKind::{Isolation, Prevention, Sensors, Tasks};
    use Method::{Delete, Post};
    use Whom::{All, Any, Host};
    [
        read("Reading the host list", Sensors, Any, 0, ISOLATED),
        read("Reading an isolation for the plan", Isolation, Host, 0, ISOLATED),
        read("Reading an isolation right before the write", Isolation, Host, 1, ISOLATED),
        read("Reading an isolation after the write", Isolation, Host, 2, ISOLATED),
        with(
            read("Reading a host's prevention rule for the plan", Prevention, Host, 0, BLOCKED),
            THEIRS_ALONE,
        ),
        with(
            read("Reading a host's prevention rule right before the write", Prevention, Host, 1, BLOCKED),
            THEIRS_ALONE,
        ),
        with(
            read("Reading a host's prevention rule after the write", Prevention, Host, 2, BLOCKED),
            THEIRS_ALONE,
        ),
        with(read("Reading the rule for all hosts", Prevention, All, 0, BLOCKED), THEIRS_ALONE),
        read("Reading a task for the plan", Tasks, Any, 0, STARTED),
        read("Reading a task right before it is created", Tasks, Any, 1, STARTED),
        read("Reading a task after it was created", Tasks, Any, 2, STARTED),
        write("Isolating a host (POST)", Post, (Isolation, Host), ISOLATED, NONE),
        write("Releasing a host (DELETE)", Delete, (Isolation, Host), RELEASED, IS_ISOLATED),
        write("Setting a host's prevention rule (POST)", Post, (Prevention, Host), BLOCKED, THEIRS_ALONE),
        write(
            "Deleting a host's prevention rule (DELETE)",
            Delete,
            (Prevention, Host),
            UNBLOCKED,
            OURS_ALONE,
        ),
        write("Setting the rule for all hosts (POST)", Post, (Prevention, All), ALL_BLOCKED, THEIRS_ALONE),
        write(
            "Deleting the rule for all hosts (DELETE)",
            Delete,
            (Prevention, All),
            ALL_UNBLOCKED,
            OURS_ALONE,
        ),
        write("Creating a task (POST)", Post, (Tasks, Host), STARTED, NONE),
        write("Deleting a task (DELETE)", Delete, (Tasks, Any), DELETED, NONE),
    ]
};

const fn with(call: Call, rules: &'static str) -> Call {
    Call { rules, ..call }
}

impl Call {
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::Get
    }

    /// A fault of this call; what happens is still to be said.
    pub(crate) fn fault(&self) -> Fault {
        let fault = Fault::on(self.kind).method(self.method).skip(self.skip);
        match self.whom {
            Whom::Any => fault,
            Whom::Host => fault.sensor(Target::Sensor(sensor_id_of(HOST))),
            Whom::All => fault.sensor(Target::All),
        }
    }

    pub(crate) fn fleet(&self) -> String {
        let of_all = self.whom == Whom::All && self.is_write();
        let (host, all) = match self.rules.strip_prefix("prevention: ") {
            Some(rule) if of_all => (String::new(), format!("prevention_all: {rule}\n")),
            Some(_) | None if self.rules.is_empty() => (String::new(), String::new()),
            Some(_) | None => (format!(", {}", self.rules), String::new()),
        };
        format!(
            "server: {{ http2: false }}\n{all}hosts:\n  - {{ name: {HOST}{host} }}\n  - {{ name: {BESIDE} }}\n  - {{ \
             name: {FOREIGN}, isolation: {{ timeout: 8h }}, prevention: [b026324c6904b2a9cb4b88d6d61c81d1] }}\n"
        )
    }

    pub(crate) fn state(&self) -> String {
        state(self.declared.host, self.declared.beside)
    }

    /// What an apply has made so before.
    pub(crate) fn state_before(&self) -> Option<String> {
        self.declared.before.map(|beside| state("", beside))
    }

    /// The hashes of others that a rule has, and those that are ours.
    pub(crate) fn is_about_hashes(&self) -> bool {
        self.kind == CallKind::Prevention && self.rules == THEIRS_ALONE
    }

    pub(crate) fn hashes_at_last(&self) -> [&'static str; 2] {
        [OURS, THEIRS]
    }
}

fn state(host: &str, beside: &str) -> String {
    let host = if host.is_empty() { String::new() } else { format!("{HOST}: {{ {host} }}, ") };
    format!(
        "version: 1\nservers: {{ lab: {{ simulator: fleet.yaml }} }}\n{beside}hosts: {{ {host}{BESIDE}: {{ isolation: {{ \
         lease: 8h }} }} }}\n"
    )
}

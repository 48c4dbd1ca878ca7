//! `probe`: what a server answers, and that all is as it was.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kedrctl::central_node::{Endpoint, HttpsCentralNode, Limits, Pem, ReadSettings, SecretPem, Trust};
use kedrctl::probe::{End, Left, Meanwhile, Options, Patience, Probed, Redactor, Stopped, Transcript, probe};
use kedrctl_simulator::world::{FileHash, FileObject, Target};
use kedrctl_simulator::{CallKind, Clock, Fault, Fleet, Method, Simulator};
use serde_json::Value;

use crate::lab::{Lab, sensor, wait_until};

const FLEET: &str = "
prevention_all: [900150983cd24fb0d6963f7d28e17f72]
hosts:
  - name: LAB-1.corp.example
    prevention: [{ md5: 5d41402abc4b2a76b9719d911017c592, name: old-tool.exe }]
  - { name: LAB-2.corp.example, isolation: { timeout: 8h } }
  - { name: dc1.corp.example }
  - { name: WS-1.corp.example }
";

fn lab(server: &str) -> Lab {
    Lab::new(&format!("{FLEET}\nserver: {server}"), "{ WS-1.corp.example: { isolation: off } }")
}

fn stands(lab: &Lab) -> (bool, Vec<String>) {
    let id = sensor("LAB-1.corp.example");
    lab.simulator.world(|world| {
        let rule = world.prevention(Target::Sensor(id)).cloned();
        let files = rule.iter().flat_map(|rule| rule.objects()).map(|file| format!("{file:?}")).collect();
        (world.isolation(id).is_some(), files)
    })
}

fn answers(lab: &Lab) -> String {
    let text = std::fs::read_to_string(lab.path("kedrctl-probe.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|finding| format!("{}: {}\n", finding["question"], finding["answer"])).collect()
}

#[test]
fn what_is_not_documented_is_measured_and_put_back() {
    let dialect = "{ timeouts: nearest, host_name_field: hostName, clash_status: 409 }";
    let lab = lab(&format!("{{ body_limit: 1040000, dialect: {dialect} }}"));
    let before = stands(&lab);
    lab.run("probe --on LAB-1.corp.example --yes").expect(
        0,
        &[
            "is isolated twice for a moment",
            "timeouts that are no whole hours: rounded to the nearest hour",
            "all is as it was before",
        ],
    );
    assert_eq!(stands(&lab), before);
    let text = std::fs::read_to_string(lab.path("kedrctl-probe.json")).unwrap();
    for secret in ["LAB-1", "corp.example", "127.0.0.1", &lab.simulator.credentials().external_system_id] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert!(!text.contains(&sensor("LAB-1.corp.example").to_string()));
    let answers = answers(&lab);
    for answer in [
        r#""the field with a host's name": "hostName""#,
        r#""whether answers have a `Date` header": "yes""#,
        r#""reading the isolation of a host that has none": "status 404""#,
        r#""the `name` that is sent with a file": "kept""#,
        r#"has": "refused, status 409: told as a clash"#,
        "bytes are accepted, about 1073152 are refused (status 413)",
    ] {
        assert!(answers.contains(answer), "{answer} is not in\n{answers}");
    }
    lab.run("probe --on LAB-1.corp.example --yes").expect(1, &["is there already"]);
}

#[test]
fn a_host_that_matters_is_not_probed() {
    let lab = lab("{}");
    let state = std::fs::read_to_string(lab.path("state.yaml")).unwrap();
    lab.write("state.yaml", &format!("{state}policy: {{ protected: [{{ name: 'dc*' }}] }}\n"));
    for (host, why) in [
        ("LAB-2.corp.example", "it has an isolation rule"),
        ("dc1.corp.example", "it is protected by the rule of `policy.protected` in state.yaml:"),
        ("WS-1.corp.example", "declares it"),
    ] {
        lab.run(&format!("probe --on {host} --yes")).expect(3, &[why, "nothing was written"]);
    }
    lab.run("probe --on LAB-1.corp.example").expect(3, &["no terminal to ask at"]);
    lab.run("probe --on LAB-9 --yes").expect(1, &["lists no such host"]);
    assert!(lab.effects().is_empty());
}

#[test]
fn a_host_that_is_declared_in_any_way_or_held_is_not_probed() {
    let lab = lab("{}");
    let state = std::fs::read_to_string(lab.path("state.yaml")).unwrap();
    let block = "prevention: { block: [0cc175b9c0f1b6a831c399e269772661] }";
    for (declared, why) in [
        (format!("groups: {{ lab: {{ hosts: [LAB-1.corp.example], {block} }} }}"), "declares it"),
        (format!("groups: {{ lab: {{ match: {{ name: 'LAB-*' }}, {block} }} }}"), "declares it"),
        (
            "policy: { tasks: true }\ntasks: { collect: { hosts: [LAB-1.corp.example], run: { command: a.exe }, \
             not_after: 2099-12-01T00:00:00Z } }"
                .to_owned(),
            "declares a task on it",
        ),
    ] {
        lab.write("state.yaml", &format!("{state}{declared}\n"));
        lab.run("probe --on LAB-1.corp.example --yes").expect(3, &[why, "nothing was written"]);
    }
    lab.write("state.yaml", &state);
    lab.run("hold LAB-1.corp.example --for 1h --reason imaging").expect(0, &[]);
    lab.run("probe --on LAB-1.corp.example --yes").expect(3, &["holds its isolation until", "(by `hold`)"]);
    std::fs::remove_dir_all(lab.path(".kedrctl")).unwrap();
    lab.write(".kedrctl", "no folder");
    lab.run("probe --on LAB-1.corp.example --yes")
        .expect(5, &["the record does not tell", "nothing was written"]);
    assert!(lab.effects().is_empty());
}

/// A person who thinks takes as long as the server does here.
#[test]
fn a_host_that_is_isolated_while_it_asks_is_not_probed() {
    let lab = lab("{}");
    let delay_answer = Some(SignedDuration::from_millis(500));
    lab.simulator.set_faults(vec![Fault { delay_answer, ..Fault::on(CallKind::Prevention).first(1) }]);
    let run = lab.start("probe --on LAB-1.corp.example --yes");
    let is_asked = || lab.simulator.requests().iter().any(|request| request.path.contains("=prevention"));
    wait_until("it has found the host free", is_asked);
    let id = sensor("LAB-1.corp.example");
    lab.simulator.world(|world| world.set_isolation(id, 28_800, Vec::new())).unwrap();
    run.end().expect(3, &["it has an isolation rule", "nothing was written"]);
    assert!(lab.effects().is_empty());
    assert!(stands(&lab).0);
}

#[test]
fn what_somebody_else_isolates_meanwhile_is_neither_written_over_nor_deleted() {
    let lab = lab("{}");
    let delay_answer = Some(SignedDuration::from_millis(500));
    let slow = Fault::on(CallKind::Isolation).method(Method::Post).first(1);
    lab.simulator.set_faults(vec![Fault { delay_answer, ..slow }]);
    let run = lab.start("probe --on LAB-1.corp.example --yes");
    wait_until("it has isolated the host", || lab.effects().len() == 1);
    let id = sensor("LAB-1.corp.example");
    lab.simulator.world(|world| world.set_isolation(id, 28_800, Vec::new())).unwrap();
    run.end().expect(
        4,
        &[
            "somebody else has isolated the host meanwhile; that was left as it is",
            "not everything was measured: somebody else has isolated the host meanwhile, for 28800 s",
        ],
    );
    assert_eq!(lab.effects().len(), 1);
    let stands = lab.simulator.world(|world| world.isolation(id).map(|rule| rule.timeout_seconds));
    assert_eq!(stands, Some(28_800));
}

#[test]
fn what_somebody_else_blocks_and_unblocks_meanwhile_stays_so() {
    let lab = lab("{}");
    let delay_answer = Some(SignedDuration::from_millis(500));
    let slow = Fault::on(CallKind::Prevention).method(Method::Post).first(1);
    lab.simulator.set_faults(vec![Fault { delay_answer, ..slow }]);
    let run = lab.start("probe --on LAB-1.corp.example --yes");
    let is_set = || lab.effects().iter().any(|request| request.path.contains("=prevention"));
    wait_until("it has added a hash", is_set);
    let target = Target::Sensor(sensor("LAB-1.corp.example"));
    let added = FileObject::new(FileHash::parse("0cc175b9c0f1b6a831c399e269772661").unwrap());
    let unblocked = FileHash::parse("5d41402abc4b2a76b9719d911017c592").unwrap();
    lab.simulator.world(|world| {
        let rule = world.prevention(target).cloned();
        let files = rule.iter().flat_map(|rule| rule.objects().iter().cloned());
        let kept = files.filter(|file| file.hash != Some(unblocked)).chain([added.clone()]).collect();
        world.set_prevention(target, kept).unwrap();
    });
    run.end().expect(
        4,
        &[
            "somebody else has changed the host's prevention rule meanwhile; this probe's hashes are out of it",
            "not everything was measured: somebody else has changed the host's prevention rule meanwhile",
        ],
    );
    assert_eq!(stands(&lab), (false, vec![format!("{added:?}")]));
}

#[test]
fn what_fails_in_the_middle_is_put_back_too() {
    let lab = lab("{}");
    let before = stands(&lab);
    // The second isolation and the first deletion get lost answers.
    let lost = |method, skip| Fault::on(CallKind::Isolation).method(method).skip(skip).first(1);
    let broken = |fault| Fault { drop: Some(kedrctl_simulator::Drop::After), ..fault };
    lab.simulator.set_faults(vec![broken(lost(Method::Post, 1)), broken(lost(Method::Delete, 0))]);
    lab.run("probe --on LAB-1.corp.example --yes")
        .expect(4, &["not everything was measured", "all is as it was"]);
    assert_eq!(stands(&lab), before);
}

#[cfg(unix)]
#[test]
fn an_interrupted_probe_puts_back() {
    let lab = lab("{}");
    let before = stands(&lab);
    let slow = Fault::on(CallKind::Isolation).method(Method::Post).skip(1);
    let delay = Some(SignedDuration::from_millis(300));
    lab.simulator.set_faults(vec![Fault { delay_answer: delay, ..slow }]);
    let mut run = lab.start("probe --on LAB-1.corp.example --yes");
    wait_until("it has isolated the host", || lab.effects().len() == 2);
    run.signal("INT");
    run.end().expect(130, &["all is as it was before"]);
    assert_eq!(stands(&lab), before);
}

/// For as long as neither ours was sent for, nor a server that lists whole hours would make of it.
#[cfg(unix)]
#[test]
fn what_somebody_else_sets_meanwhile_is_not_taken_away() {
    let lab = lab("{}");
    let slow = Fault::on(CallKind::Isolation).method(Method::Post).skip(1);
    let delay = Some(SignedDuration::from_millis(300));
    lab.simulator.set_faults(vec![Fault { delay_answer: delay, ..slow }]);
    let mut run = lab.start("probe --on LAB-1.corp.example --yes");
    wait_until("it has isolated the host", || lab.effects().len() == 2);
    let id = sensor("LAB-1.corp.example");
    lab.simulator.world(|world| world.set_isolation(id, 5_400, Vec::new())).unwrap();
    run.signal("INT");
    run.end().expect(130, &["somebody else has isolated the host meanwhile; that was left as it is"]);
    let stands = lab.simulator.world(|world| world.isolation(id).map(|rule| rule.timeout_seconds));
    assert_eq!(stands, Some(5_400));
}

/// The disk may be full or the folder gone after hours: what is still on the host must be heard all the same, and what
/// was measured too.
#[cfg(unix)]
#[test]
fn what_is_left_is_told_although_the_report_can_not_be_written() {
    let lab = lab("{}");
    let isolation = |method| Fault::on(CallKind::Isolation).method(method);
    let slow =
        Fault { delay_answer: Some(SignedDuration::from_millis(300)), ..isolation(Method::Post).skip(1) };
    // Withdrawn in the middle: nobody may put back what was set.
    let withdrawn = [isolation(Method::Delete).status(401), Fault::on(CallKind::Sensors).skip(2).status(401)];
    lab.simulator.set_faults([slow].into_iter().chain(withdrawn).collect());
    let run = lab.start("probe --on LAB-1.corp.example --yes --report reports/report.json");
    wait_until("it has isolated the host", || lab.effects().len() == 2);
    lab.write("reports", "no folder");
    run.end().expect(
        1,
        &["the host may still be isolated, for two hours at most", "not rounded", "reports/report.json"],
    );
}

/// Waits by moving the world's clock, and tells somebody else of it.
struct Moving<F>(Clock, F);

impl<F: Fn(Duration) + Sync> Patience for Moving<F> {
    fn check(&self) -> Result<(), Stopped> {
        Ok(())
    }

    async fn wait(&self, how_long: Duration) -> Result<(), Stopped> {
        self.0.advance(SignedDuration::try_from(how_long).unwrap());
        self.1(how_long);
        Ok(())
    }

    async fn wait_anyway(&self, how_long: Duration) {
        self.0.advance(SignedDuration::try_from(how_long).unwrap());
    }
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
async fn hours(
    dialect: &str,
    others: impl Fn(&Simulator, uuid::Uuid, Duration) + Sync,
) -> (Probed, Option<u64>) {
    let clock = Clock::manual("2026-11-25T13:00:00Z".parse().unwrap());
    let fleet = format!("hosts: [{{ name: LAB-1 }}]\nserver: {{ dialect: {dialect} }}");
    let options = kedrctl_simulator::Options { clock: clock.clone(), ..Default::default() };
    let simulator = Simulator::start_with(Fleet::from_yaml(&fleet).unwrap(), options).unwrap();
    let credentials = simulator.credentials();
    let endpoint = Endpoint {
        urls: vec![("127.0.0.1".to_owned(), simulator.address().port())],
        external_system_id: credentials.external_system_id,
        certificate: Pem { source: "test".to_owned(), text: credentials.certificate_pem.into_bytes() },
        key: SecretPem::new("test", credentials.key_pem.into_bytes()),
        trust: Trust::Pinned(
            simulator.certificate_sha256().parse::<kedrctl::central_node::Fingerprint>().unwrap().0,
        ),
        concurrency: 1,
    };
    let transcript = Arc::new(Transcript::new(None));
    let client = HttpsCentralNode::new(&endpoint, Limits::default()).unwrap();
    let client = client.watched_by(Arc::clone(&transcript) as _);
    let hosts = client.hosts(&kedrctl::model::WallClock).await.unwrap().hosts;
    let redactor = Redactor::new(&hosts, []);
    let id = *hosts.sensors.keys().next().unwrap();
    let options = Options { largest_bytes: 0, long: true };
    let patience = Moving(clock, |waited| others(&simulator, id.uuid(), waited));
    let probed = probe(&client, id, None, (&transcript, &redactor), options, &patience).await;
    (probed, client.isolation(id).await.unwrap().map(|rule| rule.timeout_seconds))
}

#[tokio::test]
async fn what_takes_hours_is_measured_by_a_clock_that_moves() {
    for (dialect, after, restarts) in [
        ("{ expired: listed }", "status 200, still listed", "the API does not tell here"),
        ("{ expired: gone }", "status 404, listed no more", "yes"),
        ("{ expired: gone, resend: keeps }", "status 404, listed no more", "no: it ended with the first"),
    ] {
        let (probed, isolated) = hours(dialect, |_, _, _| {}).await;
        assert_eq!(isolated, None);
        assert_eq!(probed.end, End::Whole);
        assert!(probed.left.is_empty());
        let answer = |question: &str| {
            let finding = probed.findings.iter().find(|finding| finding.question == question);
            finding.map(|finding| finding.answer.clone()).unwrap_or_default()
        };
        assert_eq!(answer("reading the isolation after its end"), after);
        assert!(
            answer("whether sending an isolation again restarts its time").starts_with(restarts),
            "{dialect}"
        );
    }
}

/// An hour is ours, and nothing else once the first isolations were deleted: two hours would have been, while those were
/// measured.
#[tokio::test]
async fn nobody_elses_isolation_is_made_shorter_after_hours() {
    let long = Duration::from_secs(1_800);
    for seconds in [7_200, 259_200] {
        let isolates = |simulator: &Simulator, id, waited: Duration| {
            if waited == long {
                simulator.world(|world| world.set_isolation(id, seconds, Vec::new())).unwrap();
            }
        };
        let (probed, isolated) = hours("{ expired: gone }", isolates).await;
        assert_eq!(probed.end, End::Others(Meanwhile::Isolated { seconds }));
        assert_eq!(probed.left, [Left::IsolatedByOthers]);
        assert_eq!(isolated, Some(seconds));
    }
}

//! What `kedrctl plan` costs for 10,000 declared hosts: time, requests, and the peak memory of its process.
//!
//! `cargo bench --bench ten_thousand`. The Central Node is the simulator, in this process; the client is a process
//! of its own, so that its memory is the client's alone. On one machine both share its cores: a loop of the bare
//! HTTP library over the same requests tells how much of the time is the server's.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it measured, or fails")]

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use futures_util::StreamExt;
use jiff::SignedDuration;
use kedrctl::model::{Clock as _, WallClock};
use kedrctl_simulator::world::{FileHash, FileObject, Target};
use kedrctl_simulator::{Fleet, Options, Simulator};

mod support;

use support::cost_of;

const HOSTS: usize = 10_000;
/// Of them, so many lack one of the declared hashes.
const DIFFERENT: usize = 100;
const HASHES: usize = 100;
const CONCURRENCY: usize = 32;
/// What the design allows, MiB.
const MEMORY: u64 = 150;

fn main() {
    // `cargo test --all-targets` runs this too, and should not wait for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let simulator = simulator();
    let folder = tempfile::tempdir().unwrap();
    write_state(folder.path(), &simulator);

    let planned = cost_of("plan", &folder.path().join("state.yaml"));
    let requests = simulator.requests();
    let (first, last) = (requests.first().unwrap().time, requests.last().unwrap().time);
    let reading = last.duration_since(first);
    let paths: Vec<String> = requests.iter().map(|request| request.path.clone()).collect();
    simulator.clear_requests();
    let bare = bare_loop(&simulator, &paths);

    println!("hosts                  {HOSTS}, {DIFFERENT} of them to change");
    println!("whole run              {:.2} s", seconds(planned.took()));
    println!("  files                {:.2} s", seconds(first.duration_since(planned.began)));
    println!("  reading              {:.2} s, {} requests", seconds(reading), requests.len());
    println!("  planning, showing    {:.2} s", seconds(planned.ended.duration_since(last)));
    println!("bare loop              {:.2} s", seconds(bare));
    println!("reading / bare loop    {:.2}", seconds(reading) / seconds(bare));
    println!("peak memory            {:.1} MiB, {MEMORY} allowed", mebibytes(planned.peak_kib));
    assert!(planned.peak_kib <= MEMORY * 1024, "more memory than the design allows");
}

fn simulator() -> Simulator {
    let fleet = Fleet::from_yaml(&format!("generate: {{ hosts: {HOSTS} }}")).unwrap();
    let simulator = Simulator::start_with(fleet, Options::default()).unwrap();
    simulator.world(|world| {
        let sensors: Vec<_> = world.hosts().map(|host| host.sensor_id).collect();
        for (n, sensor) in sensors.into_iter().enumerate() {
            let lacking = usize::from(n < DIFFERENT);
            let objects = (lacking..HASHES).map(|n| FileObject::new(FileHash::parse(&hash(n)).unwrap()));
            world.set_prevention(Target::Sensor(sensor), objects.collect()).unwrap();
        }
    });
    simulator
}

fn hash(n: usize) -> String {
    format!("{n:064x}").replacen("000", "abc", 1)
}

fn write_state(folder: &Path, simulator: &Simulator) {
    let credentials = simulator.credentials();
    let mut state = format!(
        "version: 1\nservers:\n  hq:\n    url: {}\n    external_system_id: {}\n    client_certificate: client.crt\n    \
         client_key: client.key\n    trust: {{ sha256: \"{}\" }}\n    concurrency: {CONCURRENCY}\nhash_lists:\n  all: \
         {{ file: all.txt }}\nhosts:\n",
        simulator.url(),
        credentials.external_system_id,
        simulator.certificate_sha256()
    );
    simulator.world(|world| {
        for host in world.hosts() {
            writeln!(state, "  {}: {{ isolation: off, prevention: {{ block: [all] }} }}", host.name).unwrap();
        }
    });
    let list: Vec<String> = (0..HASHES).map(hash).collect();
    for (name, text) in [
        ("client.crt", &credentials.certificate_pem),
        ("client.key", &credentials.key_pem),
        ("all.txt", &list.join("\n")),
        ("state.yaml", &state),
    ] {
        write(&folder.join(name), text);
    }
}

/// For this user's eyes only: one of them is a key, and a key that others may read is refused.
fn write(path: &Path, text: &str) {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

/// The same requests by the HTTP library alone: no retries, nothing understood.
fn bare_loop(simulator: &Simulator, paths: &[String]) -> SignedDuration {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let credentials = simulator.credentials();
    let pem = format!("{}{}", credentials.certificate_pem, credentials.key_pem);
    let client = reqwest::Client::builder()
        .identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    let base = format!("{}/kata/response_api/v1/{}", simulator.url(), credentials.external_system_id);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let began = WallClock.now();
    runtime.block_on(async {
        futures_util::stream::iter(paths)
            .map(|path| client.get(format!("{base}{path}")).send())
            .map(|sent| async move { sent.await.unwrap().bytes().await.unwrap() })
            .buffer_unordered(CONCURRENCY)
            .for_each(|_| async {})
            .await;
    });
    WallClock.now().duration_since(began)
}

fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64()
}

fn mebibytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap()) / 1024.0
}

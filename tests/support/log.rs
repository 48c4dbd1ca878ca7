//! The requests that reached the server, and texts without what differs from run to run.

use std::fmt::Write as _;
use std::path::Path;

use kedrctl_simulator::{LoggedRequest, Simulator};

use super::case::Requests;

/// One line each: method, what it is about, body, and how it was answered.
pub(super) fn requests(simulator: &Simulator, which: Requests) -> String {
    let names: Vec<(String, String)> = simulator.world(|world| {
        world.hosts().map(|host| (host.sensor_id.to_string(), host.name.escape_debug().to_string())).collect()
    });
    let mut lines = String::new();
    for request in simulator.requests() {
        if which == Requests::Writes && request.method == "GET" {
            continue;
        }
        let line = line(&request);
        // Where two hosts have one name, the ids tell them apart.
        let line = names.iter().fold(line, |line, (id, name)| {
            let is_only = names.iter().filter(|(_, other)| other == name).count() == 1;
            if is_only { line.replace(&format!("sensor_id={id}"), name) } else { line }
        });
        lines.push_str(&line);
    }
    lines
}

fn line(request: &LoggedRequest) -> String {
    let path = request.path.replace("/settings?", "").replace("settings_type=", "");
    let mut line = format!("  {} {}", request.method, path.replace('&', " "));
    if !request.body.is_empty() {
        let _infallible = write!(line, " {}", request.body);
    }
    let answer = match request.status {
        Some(200) => String::new(),
        Some(status) => format!(" → {status}"),
        None => " → no answer".to_owned(),
    };
    let without_effect = if request.method != "GET" && !request.effect { ", without effect" } else { "" };
    line.push_str(&answer);
    line.push_str(without_effect);
    line.push('\n');
    line
}

/// Paths as one would see them in that folder; ports are picked by the system, and each world of the simulator has ids and certificates of its own.
pub(super) fn normalised(text: &str, folder: &Path) -> String {
    let text = text.replace(&format!("{}/", folder.display()), "");
    let mut normalised = String::with_capacity(text.len());
    for line in text.trim_end().lines() {
        let is_plan_id = line.strip_prefix("plan ").is_some_and(|id| id.len() == 8);
        let line = if is_plan_id { "plan ID".to_owned() } else { without(line, "127.0.0.1:", "PORT") };
        let line = without(&line, "the external system ", "ID");
        let line = without(&line, "simulator_", "ID");
        let line = without(&line, "held to plan ", "ID");
        normalised.push_str(&without(&line, "certificate of SHA-256 ", "DIGEST"));
        normalised.push('\n');
    }
    normalised
}

/// `instead` of what stands behind each `mark`: hexadecimal digits and hyphens.
fn without(line: &str, mark: &str, instead: &str) -> String {
    let mut parts = line.split(mark);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(mark);
        text.push_str(instead);
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == '-'));
    }
    text
}

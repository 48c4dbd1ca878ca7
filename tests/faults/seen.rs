//! What a person sees first of a run, without what differs from run to run.

use kedrctl_simulator::Simulator;
use kedrctl_simulator::world::sensor_id_of;

use crate::calls::{BESIDE, HOST};

/// The first line that complains, of the outcome before the plan; else how it ended.
pub(crate) fn of(plan: &str, outcome: &str, simulator: &Simulator) -> String {
    let complains = |line: &&str| {
        let line = line.trim_start();
        (line.starts_with("! ") || line.starts_with("? ")) && !line.starts_with("? waiting")
    };
    let verdict = |text: &str| {
        let ends = |line: &&str| {
            line.ends_with(" done") || line.contains("changes done;") || line.starts_with("nothing")
        };
        text.lines().find(ends).map(str::to_owned)
    };
    let complaint = outcome.lines().find(complains).or_else(|| plan.lines().find(complains));
    let line = complaint.map(str::to_owned).or_else(|| verdict(outcome)).or_else(|| verdict(plan));
    let line = line.unwrap_or_else(|| panic!("nothing is said:\n{plan}{outcome}"));
    normalised(&line, simulator)
}

pub(crate) fn normalised(line: &str, simulator: &Simulator) -> String {
    let credentials = simulator.credentials();
    let mut line =
        line.replace(&simulator.url(), "https://kata").replace(&credentials.external_system_id, "ID");
    for host in [HOST, BESIDE] {
        line = line.replace(&sensor_id_of(host).to_string(), host);
    }
    line = line.replace(&format!("127.0.0.1_{}", simulator.address().port()), "kata_443");
    if let Some((before, after)) = line.split_once("/.new-") {
        line = format!("{before}/.new-…{}", after.trim_start_matches(char::is_alphanumeric));
    }
    // The number is the operating system's own.
    for number in 1..200 {
        line = line.replace(&format!(" (os error {number})"), "");
    }
    let words: Vec<String> = line.split_whitespace().map(without_ids).collect();
    let is_place = |word: &String| word.contains("state.yaml:");
    let words = match words.split_last() {
        Some((last, words)) if is_place(last) => words,
        Some(_) | None => &words,
    };
    words.join(" ")
}

/// Digests and ids are others in every run.
fn without_ids(word: &str) -> String {
    let is_digit = |c: char| c.is_ascii_hexdigit() || c == '-';
    let id = word.split(|c| !is_digit(c)).max_by_key(|part| part.len()).unwrap_or("");
    match id.len() {
        16 | 64 => word.replace(id, "DIGEST"),
        36 => word.replace(id, "ID"),
        _ => word.to_owned(),
    }
}

//! What the record shows as ours, is in force by what was just read, and is declared no more: told, never touched.

use super::make::Facts;
use super::{Finding, FindingKind, task};
use crate::model::{Aspect, FileHash, HashSet, Reading, Subject, Target, shell_word};

pub(super) fn finding(subject: Subject, facts: &Facts<'_>) -> Option<Finding> {
    let by = facts.recorded.last_write_of(subject)?;
    let label = match subject.target {
        Target::AllHosts => "all hosts".to_owned(),
        Target::Sensor(id) => facts.listed.sensors.get(&id)?.label(),
    };
    // A person set it, and no file ever declared it.
    let by_hand = by.cause.as_ref().is_some_and(|cause| cause.origin().is_command_line());
    // What could not be read is neither in force nor gone.
    let mut kind = FindingKind::LeftBehind;
    let message = match (subject.aspect, subject.target) {
        (Aspect::Isolation | Aspect::Task(_), Target::AllHosts) => return None,
        (Aspect::Task(task), Target::Sensor(id)) => {
            return task::left_behind(task, facts.listed.sensors.get(&id)?, by, facts);
        }
        (Aspect::Isolation, Target::Sensor(id)) => match facts.observed.isolation(id) {
            Reading::Present(rule) => {
                let ours = facts.recorded.isolation_in_force(id, &rule)?;
                if !ours.clocks_apart && ours.end() <= facts.now {
                    return None;
                }
                let until =
                    if ours.clocks_apart { String::new() } else { format!(" until {:.0}", ours.end()) };
                if by_hand {
                    let name = shell_word(&label);
                    format!(
                        "was isolated by hand{until}, and no file declares it; to end it: `kedrctl release {name}`"
                    )
                } else {
                    format!(
                        "is isolated by us{until} and declared no more; to end it now write `isolation: off` in its \
                         entry, then `kedrctl apply`"
                    )
                }
            }
            Reading::Absent => return None,
            Reading::Unknown(why) => {
                kind = FindingKind::Unknown;
                format!("was isolated by us and is declared no more; could not be read: {why}")
            }
        },
        (Aspect::Prevention, target) => match facts.observed.prevention(target) {
            Reading::Present(rule) => {
                let ours = facts.recorded.ours_in(target, &rule.hashes());
                if ours.is_empty() {
                    return None;
                }
                if by_hand {
                    blocked_by_hand(&ours, target, &label, facts)
                } else {
                    blocked(&ours, target, facts)
                }
            }
            Reading::Absent => return None,
            Reading::Unknown(why) => {
                kind = FindingKind::Unknown;
                format!("had hashes of ours, is declared no more; could not be read: {why}")
            }
        },
    };
    Some(Finding {
        kind,
        label,
        aspect: Some(subject.aspect),
        message: format!("left behind: {message}"),
        cause: by.cause.clone(),
    })
}

/// As many hashes as a line holds, and what stands for the others.
fn first(hashes: &HashSet, between: &str, more: &str) -> String {
    let first: Vec<String> = hashes.iter().take(3).map(FileHash::to_string).collect();
    let more = if hashes.len() > 3 { more } else { "" };
    format!("{}{more}", first.join(between))
}

/// `2 hashes`, and how a sentence goes on about them.
fn counted(hashes: &HashSet) -> (String, &'static str, &'static str) {
    match hashes.len() {
        1 => ("1 hash".to_owned(), "is", "it"),
        many => (format!("{many} hashes"), "are", "them"),
    }
}

fn blocked(ours: &HashSet, target: Target, facts: &Facts<'_>) -> String {
    let (count, are, them) = counted(ours);
    let unblock = format!("prevention: {{ unblock: [{}] }}", first(ours, ", ", ", …"));
    let to_write = match target {
        Target::AllHosts => format!("`all_hosts: {{ {}: {{ {unblock} }} }}`", facts.server),
        Target::Sensor(_) => format!("`{unblock}` in its entry"),
    };
    format!(
        "{count} that we block there {are} declared no more; to take {them} out write {to_write}, then `kedrctl apply`"
    )
}

fn blocked_by_hand(ours: &HashSet, target: Target, label: &str, facts: &Facts<'_>) -> String {
    let (count, are, them) = counted(ours);
    let place = match target {
        Target::AllHosts => format!("--all --server {}", facts.server),
        Target::Sensor(_) => format!("--on {}", shell_word(label)),
    };
    let hashes = first(ours, " ", " …");
    format!(
        "{count} {are} blocked there by hand, and no file declares {them}; to take {them} out: `kedrctl unblock {hashes} {place}`"
    )
}

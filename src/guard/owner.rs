//! Two repositories never fight: what another owner wrote last is theirs until it is taken over by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Refusal, RefusalKind, Rules};
use crate::model::{Untrusted, shell_word};
use crate::plan::{Change, Plan, ServerPlan};
use crate::record::Attribution;

pub(super) fn refuse(server: &ServerPlan, change: &Change, rules: &Rules<'_>) -> Option<Refusal> {
    let by = of_another(server, change, rules)?;
    if names(server, change).any(|name| rules.take_over.contains(&name)) {
        return None;
    }
    let subject = server.subject_text(change);
    Some(Refusal {
        kind: RefusalKind::Owner,
        message: format!(
            "was written last by owner `{}` ({}), and you are `{}`; take it out of one of the two states; if it is \
             yours from now on: `--take-over {}`",
            printable(&by.owner),
            whence(by),
            printable(rules.owner),
            shell_word(&subject)
        ),
        subject,
        cause: Some(change.cause.clone()),
    })
}

/// A `--take-over` that lets nothing pass is a mistake that looks like consent.
pub(super) fn unused(plan: &Plan, rules: &Rules<'_>) -> Vec<String> {
    let mut used = BTreeSet::new();
    for (server, change) in plan.changes() {
        if of_another(server, change, rules).is_some() {
            used.extend(names(server, change));
        }
    }
    let unused = rules.take_over.iter().filter(|subject| !used.contains(*subject));
    unused
        .map(|subject| {
            format!(
                "`--take-over {}`: this plan writes nothing of that name that another owner wrote last",
                printable(subject)
            )
        })
        .collect()
}

/// The last write of a subject, where another owner made it.
fn of_another<'a>(server: &ServerPlan, change: &Change, rules: &Rules<'a>) -> Option<&'a Attribution> {
    let by = rules.recorded.get(&server.server)?.last_write_of(change.subject)?;
    (*by.owner != *rules.owner).then_some(by)
}

/// By what `--take-over` may call the subject: the host as the server lists it, or its entry.
fn names(server: &ServerPlan, change: &Change) -> impl Iterator<Item = String> {
    let host = change.whom.host().map(|host| Arc::clone(&host.entry));
    let by_entry = host.map(|entry| format!("{}/{entry}/{}", server.server, change.subject.aspect));
    by_entry.into_iter().chain([server.subject_text(change)])
}

/// `run 20261125-100000-0000, 2026-11-25T10:00:00Z, state.yaml:5`: enough to find whom to ask.
fn whence(by: &Attribution) -> String {
    let mut parts = vec![format!("run {}", printable(&by.run)), format!("{:.0}", by.at)];
    parts.extend(by.cause.as_ref().map(|cause| printable(&cause.to_string())));
    parts.extend(by.commit.as_ref().map(|commit| format!("commit {}", short(commit))));
    parts.join(", ")
}

/// As much of a commit as people copy, with its `?` where the files may have been edited since.
fn short(commit: &str) -> String {
    let (id, mark) = match commit.strip_suffix('?') {
        Some(id) => (id, "?"),
        None => (commit, ""),
    };
    printable(&id.chars().take(12).chain(mark.chars()).collect::<String>())
}

fn printable(text: &str) -> String {
    Untrusted::new(text).printable().to_string()
}

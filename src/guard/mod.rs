//! The judge of a plan: protected hosts, never-blocked files, limits, owners.
//!
//! It shares no code with `plan`, as a judge should not: it looks at the writes that the plan wants, on what names
//! resolved to, and knows nothing of how they came about.

mod limits;
mod protection;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use crate::declare::Policy;
use crate::model::{FileHash, HostList, ServerName};
use crate::plan::{Action, Change, Plan, ServerPlan};
use crate::record::Recorded;

pub use limits::{Allowance, AllowanceError, LimitKind};
pub use protection::protected_by;
pub use verdict::{Judgement, Refusal, RefusalKind};

/// What a plan is judged by.
#[derive(Debug)]
pub struct Rules<'a> {
    pub policy: &'a Policy,
    /// `--allow isolations=7`: limits that this run may go beyond, each named.
    pub allowances: &'a [Allowance],
    /// `--take-over SUBJECT`: subjects of other owners that this run may write.
    pub take_over: &'a BTreeSet<String>,
    pub owner: &'a str,
    pub listed: &'a BTreeMap<ServerName, HostList>,
    pub recorded: &'a BTreeMap<ServerName, Recorded>,
}

/// A plan that may be executed. Only [`clear`] makes one, and `execute` takes nothing else.
#[derive(Debug)]
pub struct Cleared(Plan);

/// One server of a cleared plan.
#[derive(Debug, Clone, Copy)]
pub struct ClearedServer<'a>(&'a ServerPlan);

impl Cleared {
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    pub fn servers(&self) -> impl Iterator<Item = ClearedServer<'_>> {
        self.0.servers.iter().map(ClearedServer)
    }
}

impl<'a> ClearedServer<'a> {
    pub fn plan(self) -> &'a ServerPlan {
        self.0
    }
}

/// Judges the plan and, where nothing refuses it, clears it.
///
/// # Errors
/// The judgement with its refusals; the whole plan is refused, since a part of it was never shown to anybody.
pub fn clear(plan: Plan, rules: &Rules<'_>) -> Result<(Cleared, Judgement), (Plan, Judgement)> {
    let judgement = judge(&plan, rules);
    if judgement.refusals.is_empty() { Ok((Cleared(plan), judgement)) } else { Err((plan, judgement)) }
}

/// What the guard says of a plan; for showing it without executing it.
pub fn judge(plan: &Plan, rules: &Rules<'_>) -> Judgement {
    let protected = protection::rules(&rules.policy.protected);
    let mut judgement = Judgement::default();
    for server in &plan.servers {
        for change in server.changes() {
            judgement.refusals.extend(protection::refuse_isolation(change, &protected));
            judgement.refusals.extend(refuse_never_block(change, rules.policy));
            judgement.refusals.extend(refuse_other_owner(server, change, rules));
        }
        judgement.refusals.extend(limits::refuse(server, &rules.policy.limits, rules.allowances));
    }
    judgement.warnings.extend(unjudged_md5(plan, rules.policy));
    judgement.warnings.extend(protection::unmatched(plan, &protected, rules.listed));
    judgement
}

fn refuse_never_block(change: &Change, policy: &Policy) -> Option<Refusal> {
    let Action::Block(rule) = &change.action else { return None };
    let forbidden: Vec<_> =
        rule.added.iter().filter(|added| policy.never_block.contains(&added.hash)).collect();
    let first = forbidden.first()?;
    Some(Refusal {
        kind: RefusalKind::NeverBlock,
        subject: change.host.sensor.label(),
        message: format!(
            "{} that `policy.never_block` forbids to block, {} first; only the files can change that",
            if forbidden.len() == 1 {
                "1 hash is added".to_owned()
            } else {
                format!("{} hashes are added", forbidden.len())
            },
            first.hash
        ),
        origin: Some(first.origin.clone()),
    })
}

/// Two repositories never fight: what another owner wrote last is theirs until it is taken over by name.
fn refuse_other_owner(server: &ServerPlan, change: &Change, rules: &Rules<'_>) -> Option<Refusal> {
    let other = rules
        .recorded
        .get(&server.server)?
        .owner_of(change.subject)
        .filter(|owner| ***owner != *rules.owner)?;
    let subject = server.subject_text(change);
    let by_entry = format!("{}/{}/{}", server.server, change.host.entry, change.subject.aspect);
    if rules.take_over.contains(&subject) || rules.take_over.contains(&by_entry) {
        return None;
    }
    Some(Refusal {
        kind: RefusalKind::Owner,
        message: format!("was written last by owner `{other}`; to take it over: `--take-over {subject}`"),
        subject,
        origin: Some(change.origin.clone()),
    })
}

/// A file that the never-block lists know by its SHA-256 only can still be blocked by its MD5.
fn unjudged_md5(plan: &Plan, policy: &Policy) -> Option<String> {
    if !policy.never_block.iter().any(|hash| matches!(hash, FileHash::Sha256(_))) {
        return None;
    }
    let added: BTreeSet<FileHash> = plan
        .changes()
        .filter_map(|(_, change)| match &change.action {
            Action::Block(rule) => Some(rule),
            Action::Isolate { .. }
            | Action::ChangeExclusions { .. }
            | Action::Renew { .. }
            | Action::Release
            | Action::EndSpent { .. } => None,
        })
        .flat_map(|rule| rule.added.iter().map(|added| added.hash))
        .filter(|hash| matches!(hash, FileHash::Md5(_)))
        .collect();
    (!added.is_empty()).then(|| {
        format!(
            "{} of the added hashes {} MD5: `policy.never_block` holds SHA-256 hashes, and whether they are the same \
             files can not be told",
            added.len(),
            if added.len() == 1 { "is an" } else { "are" }
        )
    })
}

#[cfg(test)]
mod tests;

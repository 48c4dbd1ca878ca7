//! The judge of a plan: protected hosts, never-blocked files, limits, owners.
//!
//! It shares no code with `plan`, as a judge should not: it looks at the writes that the plan wants, on what names
//! resolved to, and knows nothing of how they came about.

mod limits;
mod owner;
mod protection;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::declare::{Forbidden, MayBlock, Policy};
use crate::model::{Difference, FileHash, HostList, ServerName, Subject};
use crate::plan::{Change, Plan, ServerPlan};
use crate::record::Recorded;

pub use limits::{Allowance, AllowanceError, LimitKind};
pub use protection::protected_by;
pub use verdict::{Judgement, Refusal, RefusalKind};

/// What a plan is judged by.
#[derive(Debug)]
pub struct Rules<'a> {
    /// What the files say: protected hosts, limits, and whether programs may be started.
    pub policy: &'a Policy,
    /// What was looked up of `policy.never_block`.
    pub never_block: &'a Forbidden,
    /// `--allow isolations=7`: limits that this run may go beyond, each named.
    pub allowances: &'a [Allowance],
    /// `--take-over SUBJECT`: subjects of other owners that this run may write.
    pub take_over: &'a BTreeSet<String>,
    /// Who we are in the record: what another owner wrote last is refused.
    pub owner: &'a str,
    /// The host lists of the servers that were read, for telling which rules of `policy.protected` match nobody.
    pub listed: &'a BTreeMap<ServerName, HostList>,
    /// By server, who wrote each subject last; where a server is missing, no other owner is in the way.
    pub recorded: &'a BTreeMap<ServerName, Recorded>,
}

/// A plan that may be executed. Only [`clear`] makes one, and `execute` takes nothing else.
#[derive(Debug)]
pub struct Cleared(Plan);

/// One server of a cleared plan.
#[derive(Debug, Clone, Copy)]
pub struct ClearedServer<'a>(&'a ServerPlan);

impl Cleared {
    /// What may be carried out.
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    /// Each server with what may be carried out on it.
    pub fn servers(&self) -> impl Iterator<Item = ClearedServer<'_>> {
        self.0.servers.iter().map(ClearedServer)
    }
}

impl<'a> ClearedServer<'a> {
    /// What may be carried out there.
    pub fn plan(self) -> &'a ServerPlan {
        self.0
    }
}

/// Judges the plan and, where nothing refuses it, clears it.
///
/// # Errors
/// The judgement with its refusals; the whole plan is refused, since a part of it was never shown to anybody.
#[expect(clippy::result_large_err, reason = "made once in a run, and shown whole")]
pub fn clear(plan: Plan, rules: &Rules<'_>) -> Result<(Cleared, Judgement), (Plan, Judgement)> {
    clear_unless(plan, rules, Vec::new())
}

/// As [`clear`], for a plan that is held to another one; `refusals` say where it is not what was approved, or what was
/// saved. They are shown after those of the policy.
///
/// # Errors
/// As [`clear`].
#[expect(clippy::result_large_err, reason = "made once in a run, and shown whole")]
pub fn clear_unless(
    plan: Plan,
    rules: &Rules<'_>,
    refusals: Vec<Refusal>,
) -> Result<(Cleared, Judgement), (Plan, Judgement)> {
    let mut judgement = judge(&plan, rules);
    judgement.refusals.extend(refusals);
    if judgement.refusals.is_empty() { Ok((Cleared(plan), judgement)) } else { Err((plan, judgement)) }
}

/// What the guard says of a plan; for showing it without executing it.
pub fn judge(plan: &Plan, rules: &Rules<'_>) -> Judgement {
    let protected = protection::rules(&rules.policy.protected);
    let mut judgement = Judgement::default();
    for server in &plan.servers {
        for change in server.changes() {
            judgement.refusals.extend(of_change(server, change, rules, &protected));
        }
        judgement.refusals.extend(limits::refuse(server, &rules.policy.limits, rules.allowances));
    }
    judgement.warnings.extend(owner::unused(plan, rules));
    judgement.warnings.extend(not_to_tell(plan, rules.never_block));
    judgement.warnings.extend(protection::unmatched(plan, &protected, rules.listed));
    judgement
}

/// The changes that are refused by what they are, each with the first reason; limits are of a whole server.
pub fn refused<'a>(plan: &'a Plan, rules: &Rules<'_>) -> Vec<(&'a ServerName, Subject, Refusal)> {
    let protected = protection::rules(&rules.policy.protected);
    let refusal = |(server, change): (&'a ServerPlan, &'a Arc<Change>)| {
        let refusal = of_change(server, change, rules, &protected).next()?;
        Some((&server.server, change.subject, refusal))
    };
    plan.changes().filter_map(refusal).collect()
}

fn of_change(
    server: &ServerPlan,
    change: &Change,
    rules: &Rules<'_>,
    protected: &[protection::Rule<'_>],
) -> impl Iterator<Item = Refusal> {
    let protected = protection::refuse_isolation(change, protected);
    let forbidden = refuse_never_block(change, rules.never_block);
    let program = refuse_program(change, rules.policy);
    let owner = owner::refuse(server, change, rules);
    protected.into_iter().chain(forbidden).chain(program).chain(owner)
}

fn refuse_never_block(change: &Change, never_block: &Forbidden) -> Option<Refusal> {
    let rule = change.action.rule_change()?;
    let found =
        |what: MayBlock| rule.added.iter().filter(move |added| never_block.judge(&added.hash) == what);
    let (forbidden, unseen) = (found(MayBlock::Never).count(), found(MayBlock::NotLookedUp).count());
    let first = found(MayBlock::Never).chain(found(MayBlock::NotLookedUp)).next()?;
    let is_or_are = |count: usize| {
        if count == 1 { "1 hash is added".to_owned() } else { format!("{count} hashes are added") }
    };
    let message = if forbidden > 0 {
        format!(
            "{} that `policy.never_block` forbids to block, {} first; only the files can change that",
            is_or_are(forbidden),
            first.hash
        )
    } else {
        format!("{} that nobody looked for in `policy.never_block`, {} first", is_or_are(unseen), first.hash)
    };
    let (kind, subject) = (RefusalKind::NeverBlock, change.whom.label());
    Some(Refusal { kind, subject, message, cause: Some(first.origin.clone().into()) })
}

/// Without the files' word no program is started, whoever asks for it.
fn refuse_program(change: &Change, policy: &Policy) -> Option<Refusal> {
    let starts = matches!(&change.difference, Difference::Task(_, side) if side.after.is_some());
    (starts && !policy.tasks).then(|| Refusal {
        kind: RefusalKind::Tasks,
        subject: change.whom.label(),
        message: "a program would be started, and no file has `policy: { tasks: true }`; only the files can change that"
            .to_owned(),
        cause: Some(change.cause.clone()),
    })
}

/// A file that the never-block lists know by one algorithm only can still be blocked by the other.
fn not_to_tell(plan: &Plan, never_block: &Forbidden) -> Vec<String> {
    let cannot_tell = |hash: &FileHash| never_block.judge(hash) == MayBlock::CannotTell;
    let added: BTreeSet<FileHash> = plan.added_hashes().filter(cannot_tell).collect();
    let (md5, sha256): (Vec<FileHash>, Vec<FileHash>) =
        added.into_iter().partition(|hash| matches!(hash, FileHash::Md5(_)));
    [(md5.len(), "an MD5", "MD5", "SHA-256"), (sha256.len(), "a SHA-256", "SHA-256", "MD5")]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many, held)| {
            format!(
                "{count} of the added hashes {}: `policy.never_block` holds {held} hashes, and whether they are the \
                 same files can not be told",
                if count == 1 { format!("is {one}") } else { format!("are {many}") }
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;

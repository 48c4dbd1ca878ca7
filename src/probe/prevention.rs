//! Prevention rules: what is kept of what is sent, and what a clash with the rule for all hosts looks like. Only the
//! host's own rule is written, never the one for all.

use std::sync::Arc;

use uuid::Uuid;

use super::measure::{Halt, Run};
use super::{Meanwhile, Patience};
use crate::central_node::{CallError, CallErrorKind, WriteSettings};
use crate::model::{FileHash, KeptObject, PreventionRule, Target, Untrusted};

/// A hash of no file.
pub(super) fn random_hash() -> FileHash {
    let mut digest = [0; 32];
    let (first, second) = digest.split_at_mut(16);
    first.copy_from_slice(Uuid::new_v4().as_bytes());
    second.copy_from_slice(Uuid::new_v4().as_bytes());
    FileHash::Sha256(digest)
}

pub(super) async fn kept<C: WriteSettings, P: Patience>(run: &mut Run<'_, C, P>) -> Result<(), Halt> {
    let (sensor, target) = (run.sensor, Target::Sensor(run.sensor));
    if run.before.is_none() {
        run.client.prevention(target).await?;
        let (status, shape) = (run.status(), run.shape());
        run.find("reading the prevention rule of a host that has none", status, shape);
    }
    let hash = random_hash();
    let named = KeptObject { name: Some(Untrusted::new("kedrctl probe")), has_other_fields: false };
    let mut rule = run.before.clone().unwrap_or_default();
    rule.objects.insert(hash, named);
    set(run, rule).await??;
    let (status, shape) = (run.status(), run.shape());
    run.find("setting a prevention rule", status, shape);
    let read = run.client.prevention(Target::Sensor(sensor)).await?;
    let (status, shape) = (run.status(), run.shape());
    run.find("reading a prevention rule", status, shape);
    let name = match read.as_ref().and_then(|rule| rule.objects.get(&hash)) {
        None => "the file is not listed right after it was set",
        Some(KeptObject { name: Some(name), .. }) if name.raw() == "kedrctl probe" => "kept",
        Some(KeptObject { name: Some(_), .. }) => "replaced by another text",
        Some(KeptObject { name: None, .. }) => "dropped",
    };
    run.find("the `name` that is sent with a file", name.to_owned(), None);
    Ok(())
}

/// A file of the rule for all hosts is set for the host: refused, where the documentation is right.
pub(super) async fn clash<C: WriteSettings, P: Patience>(run: &mut Run<'_, C, P>) -> Result<(), Halt> {
    const CLASH: &str = "setting a file for a host that the rule for all hosts has";
    let all = run.client.prevention(Target::AllHosts).await?;
    if all.is_none() {
        let (status, shape) = (run.status(), run.shape());
        run.find("reading the rule for all hosts when there is none", status, shape);
    }
    let own = run.before.clone().unwrap_or_default();
    let shared = all.and_then(|all| all.objects.keys().find(|hash| !own.objects.contains_key(hash)).copied());
    let Some(shared) = shared else {
        run.find(
            CLASH,
            "not measured: the rule for all hosts has no file that this host has not".to_owned(),
            None,
        );
        return Ok(());
    };
    let mut rule = own;
    rule.objects.insert(shared, KeptObject::default());
    let answer = match set(run, rule).await? {
        Ok(()) => format!("accepted: {}", run.status()),
        Err(error) if error.status().is_some() && !error.stops_server() => {
            let recognised = match error.kind() {
                CallErrorKind::Clash { hosts, .. } if hosts.is_empty() => {
                    "told as a clash, without hosts".to_owned()
                }
                CallErrorKind::Clash { hosts, .. } => format!("told as a clash, with {} hosts", hosts.len()),
                CallErrorKind::CannotConnect
                | CallErrorKind::UntrustedServer
                | CallErrorKind::ClientCertificateRefused
                | CallErrorKind::NotAuthorised
                | CallErrorKind::Incorrect(_)
                | CallErrorKind::TooLarge { .. }
                | CallErrorKind::NoSuchHost
                | CallErrorKind::AlreadyThere
                | CallErrorKind::Overloaded { .. }
                | CallErrorKind::ServerFailed
                | CallErrorKind::AnswerLost
                | CallErrorKind::NotUnderstood => "not recognised as a clash".to_owned(),
            };
            format!("refused, {}: {recognised}", run.status())
        }
        Err(error) => return Err(error.into()),
    };
    let shape = run.shape();
    run.find(CLASH, answer, shape);
    Ok(())
}

/// Sets the host's rule unless somebody else has changed it, remembers what in it is ours, and tells what was
/// answered.
pub(super) async fn set<C: WriteSettings, P: Patience>(
    run: &mut Run<'_, C, P>,
    rule: PreventionRule,
) -> Result<Result<(), CallError>, Halt> {
    run.patience.check()?;
    let target = Target::Sensor(run.sensor);
    // Setting replaces everything: what others put there since, and what they took out, must not be lost.
    let listed = run.client.prevention(target).await?;
    if !run.is_untouched(listed.as_deref().unwrap_or(&PreventionRule::default())) {
        return Err(Halt::Others(Meanwhile::RuleChanged));
    }
    let own = run.before.as_ref();
    let is_ours = |hash: &&FileHash| own.is_none_or(|own| !own.objects.contains_key(hash));
    run.sent_hashes.extend(rule.objects.keys().filter(is_ours));
    Ok(run.client.set_prevention(target, &Arc::new(rule)).await)
}

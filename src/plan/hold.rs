//! What a hold makes of a judgement: `apply` keeps off the subject, and nothing that differs is silenced.

use super::isolation::Judgement;
use super::{Action, Change, End, FindingKind, Verdict};
use crate::model::{Aspect, Untrusted, shell_word};
use crate::record::Hold;

/// Takes the write out of `judgement`, and says who keeps `apply` from it, until when and why.
///
/// `who`: what `kedrctl hold --end` calls the host.
pub(super) fn keep_off(mut judgement: Judgement, hold: &Hold, aspect: Aspect, who: &str) -> Judgement {
    // Nothing is given up for a rule that a hold keeps from being so much as asked for it.
    let change = judgement.first.take().or(judgement.change.take());
    let held = held(hold, aspect);
    let end_it = format!("`kedrctl hold --end {}` ends that", shell_word(who));
    let (verdict, finding) = match (judgement.verdict, change) {
        (Verdict::Differs, Some(change)) => {
            if aspect == Aspect::Isolation {
                // That the end of what is set could not be known: nothing is set.
                judgement.findings.retain(|(kind, _)| *kind != FindingKind::Unknown);
            }
            let what = what_differs(&change);
            (
                Verdict::Held,
                Some((FindingKind::Held, format!("{what}; {held}, so apply leaves it alone; {end_it}"))),
            )
        }
        (Verdict::Renew, change) => {
            // In sync by evidence, and nothing will renew it.
            (Verdict::InSync, Some(not_renewed(change.as_ref().and_then(known_end), hold, &held, &end_it)))
        }
        (Verdict::EndUnknown, _) => {
            let message = format!(
                "as declared by its looks, but when it ends is not known; {held}, so apply does not renew it; {end_it}"
            );
            (Verdict::EndUnknown, Some((FindingKind::Held, message)))
        }
        // Apply would not write either; who could read it knows that it is held.
        (verdict @ (Verdict::InSync | Verdict::LeftAlone), _) => {
            let message = format!("{held}; apply leaves it alone until then");
            (verdict, Some((FindingKind::Hold, message)))
        }
        (verdict @ (Verdict::Differs | Verdict::Held | Verdict::Unknown(_)), _) => (verdict, None),
    };
    judgement.verdict = verdict;
    judgement.findings.extend(finding);
    judgement
}

fn known_end(change: &Change) -> Option<jiff::Timestamp> {
    match change.action {
        Action::Renew { end: End::Known(end), .. } => Some(end),
        Action::Renew { end: End::Unknown(_), .. }
        | Action::Isolate { .. }
        | Action::ChangeExclusions { .. }
        | Action::Release
        | Action::EndSpent { .. }
        | Action::StartTask { .. }
        | Action::DeleteTask
        | Action::Block(_) => None,
    }
}

/// A rule that is due for renewal and gets none: whether it outlives the hold is what matters.
fn not_renewed(end: Option<jiff::Timestamp>, hold: &Hold, held: &str, end_it: &str) -> (FindingKind, String) {
    match end {
        Some(end) if end <= hold.until => (
            FindingKind::Held,
            format!(
                "as declared, but its rule ends on {end:.0}, before the hold does; {held}, so apply does not renew \
                 it; {end_it}"
            ),
        ),
        Some(end) => (
            FindingKind::Hold,
            format!("as declared until {end:.0}; {held}, and apply does not renew it until then"),
        ),
        None => (FindingKind::Hold, format!("{held}; apply does not renew it until then")),
    }
}

/// `ana@soc-1 holds its isolation until 2026-11-26T13:00:00Z (by release: INC-417)`.
pub(super) fn held(hold: &Hold, aspect: Aspect) -> String {
    let printable = |text: &str| Untrusted::new(text).printable().to_string();
    let reason = hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", printable(reason)));
    let (by, command) = (printable(&hold.by), printable(&hold.command));
    format!("{by} holds its {} until {:.0} (by `{command}`{reason})", aspect.kind(), hold.until)
}

fn what_differs(change: &Change) -> String {
    match &change.action {
        Action::Isolate { is_lapsed: false, .. } => {
            "is declared isolated, and no rule is in force".to_owned()
        }
        Action::Isolate { is_lapsed: true, .. } => "is declared isolated, and our rule has ended".to_owned(),
        Action::ChangeExclusions { .. } => "is isolated with other exclusions than declared".to_owned(),
        Action::Renew { .. } => "is due for renewal".to_owned(),
        Action::Release => "is isolated, and declared off".to_owned(),
        Action::StartTask { .. } => format!("{} is declared, and was not started", task(change)),
        Action::DeleteTask => format!("{} is declared absent, and is there", task(change)),
        Action::EndSpent { until } => format!("its time ended on {until:.0}, and our rule is still listed"),
        Action::Block(rule) => {
            let (missing, surplus) = (rule.added.len(), rule.removed.len());
            let hashes = if missing == 1 { "1 hash is".to_owned() } else { format!("{missing} hashes are") };
            format!("{hashes} missing, {surplus} too many")
        }
    }
}

fn task(change: &Change) -> String {
    change.whom.task().map_or_else(|| "a task".to_owned(), |task| format!("task `{}`", task.label()))
}

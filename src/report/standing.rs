//! Each managed subject with all that a report says of it: what the formats for machines have a row, a case or a
//! result for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::last_write::LastWrite;
use super::since::Age;
use super::told::Told;
use super::{View, contact_word, escape, text};
use crate::model::{Aspect, Cause, Subject};
use crate::plan::{Change, Contact, Finding, FindingKind, Judged, ServerPlan, ServerState, Verdict};
use crate::record::Recorded;

/// A managed aspect of a host, or of all.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    pub(super) server: &'a ServerPlan,
    pub(super) judged: &'a Judged,
    /// What the plan would write there.
    pub(super) changes: Vec<&'a Change>,
    /// What the plan says of it beside.
    pub(super) findings: Vec<&'a Finding>,
    pub(super) last: LastWrite<'a>,
    /// With `--since`, of what differs or differed.
    pub(super) age: Option<Age>,
}

/// How a subject stands, in one word for machines. What is in sync on the server and may not be carried out has a word
/// of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    InSync,
    /// In sync until an end that comes too soon.
    Renew,
    Waiting,
    Silent,
    Unsupported,
    Differs,
    /// It differs, and apply leaves it.
    LeftAlone,
    /// It differs, and a hold keeps apply off it.
    Held,
    EndUnknown,
    Unknown,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Renew => "renew",
            Self::Waiting => "waiting",
            Self::Silent => "silent",
            Self::Unsupported => "unsupported",
            Self::Differs => "differs",
            Self::LeftAlone => "left_alone",
            Self::Held => "held",
            Self::EndUnknown => "end_unknown",
            Self::Unknown => "unknown",
        }
    }
}

/// What a report means by its answer: the same for every format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// As declared, as far as was asked.
    Right,
    Wrong,
    /// Nobody can tell.
    Doubt,
}

impl Standing<'_> {
    pub(super) fn state(&self) -> State {
        match (&self.judged.verdict, self.judged.contact) {
            (Verdict::InSync | Verdict::Renew, Contact::Waiting) => State::Waiting,
            (Verdict::InSync | Verdict::Renew, Contact::Silent) => State::Silent,
            (Verdict::InSync | Verdict::Renew, Contact::Unsupported) => State::Unsupported,
            (Verdict::InSync, Contact::Seen) => State::InSync,
            (Verdict::Renew, Contact::Seen) => State::Renew,
            (Verdict::Differs, _) => State::Differs,
            (Verdict::LeftAlone, _) => State::LeftAlone,
            (Verdict::Held, _) => State::Held,
            (Verdict::EndUnknown, _) => State::EndUnknown,
            (Verdict::Unknown(_), _) => State::Unknown,
        }
    }

    pub(super) fn grade(&self, view: View) -> Grade {
        let requires_contact = view == View::Drift { require_contact: true };
        match (self.state(), view) {
            (State::InSync | State::Renew, _) => Grade::Right,
            (State::Waiting | State::Silent | State::Unsupported, _) if requires_contact => Grade::Doubt,
            (State::Waiting | State::Silent | State::Unsupported, _) => Grade::Right,
            (State::Differs | State::LeftAlone | State::Held, _) => Grade::Wrong,
            // A rule whose end is not known is renewed: the plan has an answer to it.
            (State::EndUnknown, View::Plan) => Grade::Right,
            (State::EndUnknown, View::Drift { .. }) | (State::Unknown, _) => Grade::Doubt,
        }
    }

    pub(super) fn cause(&self) -> Cause {
        self.judged.whom.cause(self.judged.aspect)
    }

    /// What differs, why nobody can tell, or what to know all the same, in one line or more; safe to print. Empty
    /// where all is well.
    pub(super) fn what(&self, view: View, now: Timestamp) -> String {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.changes.iter().map(|change| match view {
            // What a plan does is its own answer.
            View::Plan => format!("{} {}", text::act(&change.action), text::planned(change, now)),
            View::Drift { .. } => text::differing(change, now),
        }));
        lines.extend(self.findings.iter().map(|finding| finding.message.clone()));
        if let Verdict::Unknown(why) = &self.judged.verdict
            && self.findings.is_empty()
        {
            lines.push(why.to_string());
        }
        let remark = match self.judged.contact {
            Contact::Seen => None,
            Contact::Waiting => {
                Some("as declared on the server; the agent was not in contact since it was written")
            }
            Contact::Silent => Some(
                "as declared on the server; no contact for over 5 hours: it may have dropped its isolation",
            ),
            Contact::Unsupported => {
                Some("as declared on the server; by all signs the agent can not carry it out")
            }
        };
        if self.judged.verdict.is_in_sync() {
            lines.extend(remark.map(|remark| format!("{}: {remark}", contact_word(self.judged.contact))));
        }
        let safe: Vec<String> =
            lines.iter().flat_map(|line| escape::lines(line)).map(std::borrow::Cow::into_owned).collect();
        safe.join("\n")
    }
}

/// What has no subject of its own: hosts of which nobody can tell who is meant, servers that could not be read, what no
/// file declares.
#[derive(Debug)]
pub(super) struct Trouble<'a> {
    pub(super) server: &'a ServerPlan,
    /// The stable word: `server`, `host_error`, `unknown`, `undeclared`, `silent_host`.
    pub(super) kind: &'static str,
    pub(super) grade: Grade,
    /// Safe to print.
    pub(super) label: String,
    pub(super) message: String,
    pub(super) cause: Option<&'a Cause>,
}

/// Every managed subject, in the order of the files.
pub(super) fn standings<'a>(told: &Told<'a>) -> Vec<Standing<'a>> {
    static NO_RECORD: std::sync::LazyLock<Recorded> = std::sync::LazyLock::new(Recorded::default);
    let mut standings = Vec::new();
    for server in &told.plan.servers {
        let recorded: &'a Recorded = told.recorded.get(&server.server).unwrap_or(&NO_RECORD);
        let mut changes: BTreeMap<Subject, Vec<&'a Change>> = BTreeMap::new();
        for change in server.changes() {
            changes.entry(change.subject).or_default().push(change.as_ref());
        }
        let mut findings: BTreeMap<(&'a str, Aspect), Vec<&'a Finding>> = BTreeMap::new();
        for finding in &server.findings {
            if let (Some(aspect), true) = (finding.aspect, is_of_a_subject(finding.kind)) {
                findings.entry((&finding.label, aspect)).or_default().push(finding);
            }
        }
        for judged in server.judged.iter() {
            let subject = judged.subject();
            let changes = changes.get(&subject).cloned().unwrap_or_default();
            let label = judged.whom.label();
            // Of two hosts of one name each has its own line in the files.
            let cause = judged.whom.cause(judged.aspect);
            let of_it = findings.get(&(label.as_str(), judged.aspect)).into_iter().flatten();
            let findings = of_it.filter(|finding| finding.cause.as_ref().is_none_or(|of| *of == cause));
            standings.push(Standing {
                server,
                judged,
                findings: findings.copied().collect(),
                last: LastWrite::of(subject, &changes, recorded, told.plan.now),
                age: told.since.and_then(|since| since.age(server, subject)),
                changes,
            });
        }
    }
    standings
}

/// What exit codes hang on beside the standings.
pub(super) fn troubles<'a>(told: &Told<'a>, standings: &[Standing<'a>]) -> Vec<Trouble<'a>> {
    let said: BTreeSet<*const Finding> =
        standings.iter().flat_map(|one| &one.findings).map(|finding| std::ptr::from_ref(*finding)).collect();
    let mut troubles = Vec::new();
    for server in &told.plan.servers {
        let why = match &server.state {
            ServerState::Read { .. } => None,
            ServerState::ListNotBelieved { why } => Some(format!("its host list is not believed: {why}")),
            ServerState::Unrecorded { why } => Some(format!("its record could not be read or locked: {why}")),
            ServerState::Unreachable { why } => Some(format!("could not be reached: {why}")),
        };
        if let Some(why) = why {
            let message = format!("nothing is known of its hosts; {why}");
            let label = server.server.to_string();
            troubles.push(Trouble {
                server,
                kind: "server",
                grade: Grade::Doubt,
                label,
                message,
                cause: None,
            });
        }
        for finding in &server.findings {
            let Some(grade) = grade_of(finding.kind, told.view) else { continue };
            if !said.contains(&std::ptr::from_ref(finding)) {
                troubles.push(Trouble {
                    server,
                    kind: finding.kind.as_str(),
                    grade,
                    label: finding.label.clone(),
                    message: finding.message.clone(),
                    cause: finding.cause.as_ref(),
                });
            }
        }
    }
    troubles
}

/// `None`: it is no trouble of its own.
fn grade_of(kind: FindingKind, view: View) -> Option<Grade> {
    match kind {
        FindingKind::HostError | FindingKind::Unknown => Some(Grade::Doubt),
        FindingKind::Undeclared => Some(Grade::Wrong),
        FindingKind::SilentHost if view == (View::Drift { require_contact: true }) => Some(Grade::Doubt),
        FindingKind::SilentHost => Some(Grade::Right),
        FindingKind::SpentNotOurs
        | FindingKind::GroupCheck
        | FindingKind::TaskGone
        | FindingKind::Held
        | FindingKind::LeftBehind
        | FindingKind::Spent
        | FindingKind::NeverBlockPresent
        | FindingKind::Hold
        | FindingKind::Notice => None,
    }
}

/// Findings that tell how a judged subject stands.
fn is_of_a_subject(kind: FindingKind) -> bool {
    !matches!(
        kind,
        FindingKind::HostError | FindingKind::LeftBehind | FindingKind::Undeclared | FindingKind::SilentHost
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Judgement;
    use crate::report::sample;

    /// What exit codes are decided by, and what the rows say.
    #[test]
    fn grades_are_those_of_the_exit_codes() {
        let (plan, recorded) = (sample::of_everything(), BTreeMap::new());
        for view in
            [View::Plan, View::Drift { require_contact: false }, View::Drift { require_contact: true }]
        {
            let judgement = Judgement::default();
            let told = Told {
                plan: &plan,
                judgement: &judgement,
                plan_id: "",
                view,
                recorded: &recorded,
                since: None,
            };
            let standings = standings(&told);
            let troubles = troubles(&told, &standings);
            let doubts = standings.iter().filter(|one| one.grade(view) == Grade::Doubt).count();
            let troubled = troubles.iter().filter(|trouble| trouble.grade == Grade::Doubt).count();
            assert_eq!(view.is_complete(&plan), troubled + doubts == 0);
            assert!(!standings.is_empty() && !troubles.is_empty());
        }
    }
}

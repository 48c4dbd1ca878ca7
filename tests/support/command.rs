//! The commands of a case: the flags of the real ones, without those that are about files and terminals.

use std::collections::BTreeSet;
use std::path::Path;

use kedrctl::execute::Rollout;
use kedrctl::guard::Allowance;
use kedrctl::report::View;
use kedrctl::resolve::{HostPattern, PatternError};
use kedrctl::session::SurveyOptions;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Plan {
        detailed: bool,
    },
    Apply,
    Drift {
        require_contact: bool,
    },
    History,
    /// Of what stands behind it.
    Why,
    /// Into the file that is its argument.
    Snapshot {
        all_hosts: bool,
    },
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) verb: Verb,
    /// What `why` is asked about.
    pub(super) what: Option<String>,
    pub(super) limit: Vec<String>,
    pub(super) accepted_moves: BTreeSet<String>,
    pub(super) accept_short_list: bool,
    pub(super) renew_only: bool,
    pub(super) allow: Vec<Allowance>,
    pub(super) take_over: BTreeSet<String>,
    pub(super) full: bool,
    pub(super) rollout: Rollout,
    /// `--locked SERVER`: while the locks are taken, another run holds this one.
    pub(super) locked: BTreeSet<String>,
    /// A snapshot to plan from, or the one to be written; the saved plan that is applied.
    pub(super) file: Option<String>,
    /// Where the plan is saved.
    pub(super) out: Option<String>,
    /// The saved plan that the plan of now is held to.
    pub(super) approved: Option<String>,
}

impl Command {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let verb = match words.next() {
            Some("plan") => Verb::Plan { detailed: false },
            Some("apply") => Verb::Apply,
            Some("drift") => Verb::Drift { require_contact: false },
            Some("history") => Verb::History,
            Some("why") => Verb::Why,
            Some("snapshot") => Verb::Snapshot { all_hosts: false },
            other => return Err(format!("`{text}`: no command {other:?}")),
        };
        let mut command = Self {
            what: if verb == Verb::Why { words.next().map(str::to_owned) } else { None },
            verb,
            limit: Vec::new(),
            accepted_moves: BTreeSet::new(),
            accept_short_list: false,
            renew_only: false,
            allow: Vec::new(),
            take_over: BTreeSet::new(),
            full: false,
            rollout: Rollout::default(),
            locked: BTreeSet::new(),
            file: None,
            out: None,
            approved: None,
        };
        while let Some(flag) = words.next() {
            let mut value = || words.next().map(str::to_owned).ok_or_else(|| format!("{flag} needs a value"));
            match (flag, verb) {
                ("--limit", _) => command.limit.push(value()?),
                ("--accept-moved", _) => drop(command.accepted_moves.insert(value()?)),
                ("--accept-short-list", _) => command.accept_short_list = true,
                ("--allow", _) => {
                    command.allow.push(value()?.parse().map_err(|error| format!("{error}"))?);
                }
                ("--take-over", _) => drop(command.take_over.insert(value()?)),
                ("--renew-only", Verb::Plan { .. } | Verb::Apply) => command.renew_only = true,
                ("--observed", Verb::Plan { .. }) | ("-o", Verb::Snapshot { .. }) => {
                    command.file = Some(value()?);
                }
                ("-o", Verb::Plan { .. }) => command.out = Some(value()?),
                ("--approved", Verb::Apply) => command.approved = Some(value()?),
                (file, Verb::Apply) if file.ends_with(".json") => command.file = Some(file.to_owned()),
                ("--all-hosts", Verb::Snapshot { .. }) => command.verb = Verb::Snapshot { all_hosts: true },
                ("--full", _) => command.full = true,
                ("--batch", Verb::Apply) => {
                    command.rollout.batches = Some(value()?.parse().map_err(|error| format!("{error}"))?);
                }
                ("--max-failures", Verb::Apply) => {
                    command.rollout.max_failures =
                        Some(value()?.parse().map_err(|error| format!("{error}"))?);
                }
                ("--locked", Verb::Apply) => drop(command.locked.insert(value()?)),
                ("--detailed-exitcode", Verb::Plan { .. }) => command.verb = Verb::Plan { detailed: true },
                ("--require-contact", Verb::Drift { .. }) => {
                    command.verb = Verb::Drift { require_contact: true };
                }
                _ => return Err(format!("`{text}`: no flag {flag}")),
            }
        }
        Ok(command)
    }

    pub(super) fn file(&self) -> Result<&str, String> {
        self.file.as_deref().ok_or_else(|| "`-o` names the file".to_owned())
    }

    /// `folder`: where the files of the case are.
    pub(super) fn survey_options(&self, folder: &Path) -> Result<SurveyOptions, PatternError> {
        let read = |path: &str| std::fs::read_to_string(folder.join(path)).map_err(|error| error.to_string());
        let limit = if self.limit.is_empty() { None } else { Some(HostPattern::parse(&self.limit, read)?) };
        Ok(SurveyOptions {
            limit,
            accepted_moves: self.accepted_moves.clone(),
            accept_short_list: self.accept_short_list,
            renew_only: self.renew_only,
            ..SurveyOptions::default()
        })
    }

    pub(super) fn view(&self) -> View {
        match self.verb {
            Verb::Plan { .. } | Verb::Apply | Verb::History | Verb::Why | Verb::Snapshot { .. } => View::Plan,
            Verb::Drift { require_contact } => View::Drift { require_contact },
        }
    }
}

//! What a change writes, with all that it is judged and sent by.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::instant;
use super::prevention::{Added, Ends, Removed, block};
use super::rules::{Isolation, RulesWriter};
use super::task::{Program, Task};
use super::term::{End, Term};
use crate::declare::{self, DeclaredIsolation, DeclaredPrevention, WantedIsolation};
use crate::model::{self, Difference, HashSet, PreventionRule, Side};
use crate::plan::{self, Action, RuleChange};

/// What is written, with what has to be there before.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum What {
    /// A host without a rule in force is cut off. `before`: a rule that has ended; `null`: none.
    Isolate {
        term: Term,
        /// A rule of ours for this entry had run out.
        lapsed: bool,
        before: Option<Isolation>,
        after: Isolation,
    },
    /// The same isolation with other exclusions.
    ChangeExclusions { term: Term, before: Isolation, after: Isolation },
    /// The same again with a later end.
    Renew { term: Term, end: End, before: Isolation, after: Isolation },
    /// `off` in the host's own entry.
    Release { before: Isolation },
    /// The rule of an entry whose `until` has passed.
    EndSpent { until: String, before: Isolation },
    /// A prevention rule is set, changed or, where `after` is `null`, removed.
    Block {
        /// By its place in `rules`.
        before: Option<usize>,
        after: Option<usize>,
        added: Vec<Added>,
        removed: Vec<Removed>,
        kept: usize,
        kept_foreign: usize,
        covered_by_all: usize,
        loses_fields: usize,
        /// Declared hashes of the rule that are to be taken out again; from then on the plan may not be carried out.
        ends: Vec<Ends>,
    },
    /// A program is started once.
    StartTask { task: Task },
    /// A task is taken off its server. `before`: what it was to start, as far as that is known.
    DeleteTask { task: Task, before: Option<Program> },
}

/// A change, and what files would have to declare for it.
pub(super) struct Meant {
    pub(super) action: Action,
    pub(super) difference: Difference,
    pub(super) declared: Declared,
}

pub(super) enum Declared {
    Isolation(DeclaredIsolation),
    Prevention(Arc<DeclaredPrevention>),
}

impl What {
    pub(super) fn of(change: &plan::Change, now: Timestamp, rules: &mut RulesWriter) -> Self {
        // An action has the sides that it needs: see `plan`.
        let isolation = |side: &Option<model::Isolation>| {
            let none = model::Isolation { timeout_seconds: 0, exclusions: Arc::default() };
            Isolation::from(side.as_ref().unwrap_or(&none))
        };
        match (&change.action, &change.difference) {
            (Action::Isolate { term, is_lapsed }, Difference::Isolation(side)) => Self::Isolate {
                term: (*term).into(),
                lapsed: *is_lapsed,
                before: side.before.as_ref().map(Into::into),
                after: isolation(&side.after),
            },
            (Action::ChangeExclusions { term }, Difference::Isolation(side)) => Self::ChangeExclusions {
                term: (*term).into(),
                before: isolation(&side.before),
                after: isolation(&side.after),
            },
            (Action::Renew { term, end }, Difference::Isolation(side)) => Self::Renew {
                term: (*term).into(),
                end: (*end).into(),
                before: isolation(&side.before),
                after: isolation(&side.after),
            },
            (Action::EndSpent { until }, Difference::Isolation(side)) => {
                Self::EndSpent { until: until.to_string(), before: isolation(&side.before) }
            }
            (
                Action::Release | Action::Block(_) | Action::StartTask { .. } | Action::DeleteTask,
                Difference::Isolation(side),
            ) => Self::Release { before: isolation(&side.before) },
            (_, Difference::Task(id, side)) => {
                let task = Task::of(change.whom.task(), *id, side);
                match &side.after {
                    Some(_) => Self::StartTask { task },
                    None => Self::DeleteTask { task, before: side.before.as_deref().map(Into::into) },
                }
            }
            (action, Difference::Prevention(side)) => {
                let nothing = RuleChange::default();
                let rule = action.rule_change().unwrap_or(&nothing);
                let ends = plan::end_of_hashes(change, now).into_iter();
                Self::Block {
                    before: side.before.as_ref().map(|rule| rules.place(rule)),
                    after: side.after.as_ref().map(|rule| rules.place(rule)),
                    added: rule.added.iter().map(Into::into).collect(),
                    removed: rule.removed.iter().map(Into::into).collect(),
                    kept: rule.kept,
                    kept_foreign: rule.kept_foreign,
                    covered_by_all: rule.covered_by_all,
                    loses_fields: rule.loses_fields,
                    ends: ends
                        .map(|(hash, until)| Ends { hash: hash.to_string(), until: until.to_string() })
                        .collect(),
                }
            }
        }
    }

    pub(super) fn read(
        self,
        cause: &model::Cause,
        reason: Option<&Arc<str>>,
        rules: &[Arc<PreventionRule>],
    ) -> Result<Meant, String> {
        let on = |term: declare::Term, after: &model::Isolation| WantedIsolation::On {
            term,
            exclusions: Arc::clone(&after.exclusions),
            reason: reason.cloned(),
        };
        let (action, want, before, after) = match self {
            Self::Isolate { term, lapsed, before, after } => {
                let (term, after): (_, model::Isolation) = (term.try_into()?, after.try_into()?);
                let before = before.map(model::Isolation::try_from).transpose()?;
                (Action::Isolate { term, is_lapsed: lapsed }, on(term, &after), before, Some(after))
            }
            Self::ChangeExclusions { term, before, after } => {
                let (term, after): (_, model::Isolation) = (term.try_into()?, after.try_into()?);
                (Action::ChangeExclusions { term }, on(term, &after), Some(before.try_into()?), Some(after))
            }
            Self::Renew { term, end, before, after } => {
                let (term, after): (_, model::Isolation) = (term.try_into()?, after.try_into()?);
                let action = Action::Renew { term, end: end.try_into()? };
                (action, on(term, &after), Some(before.try_into()?), Some(after))
            }
            Self::StartTask { .. } | Self::DeleteTask { .. } => {
                return Err("a task has no rule".to_owned());
            }
            // A group never releases: what would come of it is a check.
            Self::Release { .. } if cause.is_group() => {
                return Err("a release that no entry names".to_owned());
            }
            Self::Release { before } => {
                (Action::Release, WantedIsolation::Off, Some(before.try_into()?), None)
            }
            Self::EndSpent { until, before } => {
                let (until, before): (_, model::Isolation) = (instant(&until)?, before.try_into()?);
                let want = on(declare::Term::Until(until), &before);
                (Action::EndSpent { until }, want, Some(before), None)
            }
            Self::Block {
                before,
                after,
                added,
                removed,
                kept,
                kept_foreign,
                covered_by_all,
                loses_fields,
                ends,
            } => {
                let change = RuleChange {
                    added: added.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                    // A rollback is no plan that is saved.
                    for_others: HashSet::new(),
                    removed: removed.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                    kept,
                    kept_foreign,
                    covered_by_all,
                    loses_fields,
                };
                let rule = |place: Option<usize>| match place {
                    None => Ok(None),
                    Some(place) => match rules.get(place) {
                        Some(rule) => Ok(Some(Arc::clone(rule))),
                        None => Err(format!("there is no rule {place}")),
                    },
                };
                return block(change, Side { before: rule(before)?, after: rule(after)? }, ends, cause);
            }
        };
        Ok(Meant {
            action,
            difference: Difference::Isolation(Side { before, after }),
            declared: Declared::Isolation(DeclaredIsolation { cause: cause.clone(), want }),
        })
    }
}

//! `plan -o` and `plan --save`: a plan that waits for approval.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::flags::{FileFlags, GuardFlags, ScopeFlags};
use super::start::{Failure, record, runtime};
use super::whole_file::{Readers, refuse_other_files, write_whole};
use super::{Exit, Findings};
use crate::declare::Declared;
use crate::model::PlanId;
use crate::plan::{Approved, Plan};
use crate::saved::{self, Flags};
use crate::session::{Survey, saved_plan};
use crate::terminal::Ui;

#[derive(Debug, Clone, Default, Args)]
pub(super) struct SaveFlags {
    /// Save the plan in this file, for `apply FILE` and `apply --approved FILE`; a plan with refusals is not saved.
    /// Written whole or not at all, and over nothing but an older plan
    #[arg(short = 'o', long, value_name = "FILE", conflicts_with = "renew_only")]
    pub(super) out: Option<PathBuf>,

    /// Put what the plan means into the record, for `apply --approved PLAN_ID`, and print its id
    #[arg(long, conflicts_with_all = ["renew_only", "observed"])]
    pub(super) save: bool,
}

impl SaveFlags {
    /// Not after half an hour of reading.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &self.out {
            None => Ok(()),
            Some(path) if path.as_os_str() == "-" => {
                Err(Failure::Usage("`-o -`: on stdout is what is shown; name a file for the plan".to_owned()))
            }
            Some(path) => refuse_other_files(path, "saved plan", saved::is_saved_plan),
        }
    }
}

/// What a plan was made of.
pub(super) struct Made<'a> {
    pub(super) declared: &'a Declared,
    pub(super) survey: &'a Survey,
    pub(super) files: &'a FileFlags,
    pub(super) scope: &'a ScopeFlags,
    pub(super) guard: &'a GuardFlags,
}

/// Saves a plan where its flags say so.
pub(super) fn save(
    ui: &Ui,
    flags: &SaveFlags,
    plan: &Plan,
    is_refused: bool,
    made: &Made<'_>,
) -> Result<(), Failure> {
    if flags.out.is_none() && !flags.save {
        return Ok(());
    }
    let findings = Findings::of(plan);
    if is_refused {
        ui.error("refused; the plan was not saved");
        return Ok(());
    }
    if findings.reading_exit() == Exit::Unreachable {
        ui.error("no server could be read; the plan was not saved");
        return Ok(());
    }
    if findings.is_incomplete {
        ui.warn("the plan is incomplete: what could not be read or judged is not in what is saved");
    }
    if let Some(path) = &flags.out {
        let Made { declared, survey, files, scope, guard } = made;
        let flags = Flags {
            allow: guard.limits.allow.clone(),
            take_over: guard.owner.take_over.iter().cloned().collect(),
            accept_moved: scope.accept_moved.iter().cloned().collect(),
            accept_short_list: scope.accept_short_list,
        };
        let saved = saved_plan(plan, !findings.is_incomplete, (declared, &files.paths()), survey, flags)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let bytes = saved::encode(&saved).map_err(|error| Failure::Usage(error.to_string()))?;
        refuse_other_files(path, "saved plan", saved::is_saved_plan)?;
        write_whole(path, Readers::Owner, |out| out.write_all(&bytes))?;
        ui.note(&format!("saved in {}: plan {}", path.display(), plan.id()));
    }
    if flags.save {
        keep(ui, plan, made.declared)?;
    }
    Ok(())
}

/// Puts what a plan means into the record.
fn keep(ui: &Ui, plan: &Plan, declared: &Declared) -> Result<(), Failure> {
    let approved = Approved::new(plan.meanings());
    let id: PlanId = approved.id().parse().map_err(|error| Failure::Usage(format!("{error}")))?;
    let bytes = saved::encode_approved(&approved).map_err(io::Error::from)?;
    let record = record(declared)?;
    let other = runtime()?.block_on(record.keep_plan(&id, &bytes)).map_err(Failure::Record)?;
    if let Some(other) = other {
        // Another version may have put the same down in other words.
        saved::decode_approved(&other, &id)
            .map_err(|error| Failure::Record(record.damaged_plan(&id, error.to_string())))?;
    }
    ui.note(&format!("saved in the record at {}: plan {id}", record.place()));
    Ok(())
}

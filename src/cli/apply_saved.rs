//! `apply plan.json`: exactly a plan that was saved, if what it was made on is still so.

use std::collections::BTreeMap;
use std::path::Path;

use super::account::Account;
use super::apply::{ApplyFlags, Basis, apply_locked, warn_of_a_record_that_does_not_last};
use super::held_to;
use super::introduce::let_pass;
use super::look::ReadingBar;
use super::managed::{none_works, read_each};
use super::start::{Failure, connect_options, record, rules, runtime};
use super::{Exit, Findings};
use crate::declare::Declared;
use crate::guard::{self, Judgement};
use crate::model::display_duration;
use crate::record::{AnyStore, Record};
use crate::saved::SavedPlan;
use crate::session::{
    ConnectOptions, Connected, HeldTo, SurveyOptions, connect, left_out, options_again, survey,
};
use crate::terminal::Ui;

pub(super) fn run(ui: &Ui, flags: &ApplyFlags, path: &Path, account: &Account<'_>) -> Result<Exit, Failure> {
    let saved = held_to::read(path)?;
    let now = ui.clock().now();
    if let Some(why) = saved.too_old(now) {
        return Err(Failure::TooOld(format!("{}: {why}; nothing was written", path.display())));
    }
    ui.note(&format!(
        "{}: plan {}, made {} ago by kedrctl {}",
        path.display(),
        saved.plan.id(),
        display_duration(now.duration_since(saved.plan.now)),
        crate::model::Untrusted::new(saved.made_with.as_str()).printable()
    ));
    if !saved.is_complete {
        ui.warn(
            "the plan was incomplete when it was made: what could not be read or judged then is not in it",
        );
    }
    let declared = saved.declared();
    if declared.servers.is_empty() {
        ui.note("nothing to do: the plan has no change");
        account.plan(&saved.plan, &Judgement::default(), &BTreeMap::new())?;
        return Ok(Exit::Done);
    }
    let options = ConnectOptions {
        parallel: flags.scope.parallel.parallel,
        ..connect_options(ui, flags.scope.servers.allow_commands)
    };
    let servers = declared.servers.values().map(|server| connect(server, &options));
    let servers = servers.collect::<Result<Vec<_>, _>>()?;
    let record = record(&declared)?;
    let basis = basis(saved, path);
    if flags.check {
        return runtime()?.block_on(check((ui, account), &declared, &servers, &record, &basis));
    }
    warn_of_a_record_that_does_not_last(ui, &declared);
    runtime()?.block_on(apply_locked((ui, account), flags, &declared, &record, servers, &basis))
}

fn basis(saved: SavedPlan, path: &Path) -> Basis {
    let flags = saved.flags.clone();
    Basis {
        options: options_again(&saved),
        allowed: let_pass(&flags.allow, &flags.take_over, &flags.accept_moved, flags.accept_short_list),
        allow: flags.allow,
        take_over: flags.take_over,
        command: format!("apply {}", path.display()),
        paths: saved.files.clone(),
        held_to: HeldTo::Saved(Box::new(saved)),
    }
}

/// What would be done, and whether it may: without a lock, and without any way to write.
async fn check(
    (ui, account): (&Ui, &Account<'_>),
    declared: &Declared,
    servers: &[Connected],
    record: &Record<AnyStore>,
    basis: &Basis,
) -> Result<Exit, Failure> {
    let (recorded, lost) = read_each(record, servers).await;
    if recorded.is_empty() && !lost.is_empty() {
        return Err(none_works(ui, lost));
    }
    let options = SurveyOptions { left_out: left_out(&lost), ..basis.options.clone() };
    let bar = ReadingBar::new(ui);
    let survey = survey(declared, servers, recorded, &options, &ui.clock(), &|at| bar.take(at)).await?;
    let rules = rules(declared, &basis.allow, &basis.take_over, &survey);
    let (plan, refusals) = basis.held_to.judge(survey.plan.clone());
    let mut judgement = guard::judge(&plan, &rules);
    judgement.refusals.extend(refusals);
    account.plan(&plan, &judgement, &survey.recorded)?;
    Ok(Findings::of(&plan).plan_exit(!judgement.refusals.is_empty(), false))
}

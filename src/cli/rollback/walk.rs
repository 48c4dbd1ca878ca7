//! One rollback, from the record to the last line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::RollbackFlags;
use super::find::{Found, printable};
use super::told;
use crate::cli::carry_out::{
    Again, Question, Writing, clear, ended, give_back, interrupted, not_confirmed, print, report,
};
use crate::cli::introduce::{introduce, let_pass, whoami};
use crate::cli::look::ReadingBar;
use crate::cli::managed::{none_works, read_each};
use crate::cli::start::{Failure, connected, rules};
use crate::cli::{Exit, Findings, contact};
use crate::declare::Declared;
use crate::execute::{Pace, Stop};
use crate::model::ServerName;
use crate::plan::{self, KeptRules, Plan, Rollback};
use crate::record::{AnyLock, AnyStore, Holder, NewHold, Record, RecordError, Recorded, RecordedRun};
use crate::session::{
    Acts, ByHand, Connected, Journals, Locks, Run, Survey, SurveyOptions, left_out, lock_all, recorded_by,
    survey,
};
use crate::terminal::{Interrupts, Ui};

pub(super) async fn walk(
    ui: &Ui,
    flags: &RollbackFlags,
    declared: &Declared,
    record: &Record<AnyStore>,
    found: &Found,
) -> Result<Exit, Failure> {
    ui.note(&format!(
        "run {}: `{}` by {}, {:.0}",
        printable(&found.id),
        printable(&found.command),
        printable(&found.by),
        found.begun_at
    ));
    let is_asked = |server: &ServerName| found.servers.contains(server);
    let servers =
        connected(ui, declared, &flags.servers.only, flags.servers.allow_commands, is_asked, |_| false)?;
    let allowed = let_pass(&flags.limits.allow, &flags.owner.take_over, [], false);
    let run = introduce("rollback", &declared.owner, allowed, &flags.files.paths(), ui.clock().now());
    // Until here Ctrl-C ends the program, as anywhere.
    let interrupts = Interrupts::listen(ui)?;
    let walk = Walk { ui, flags, declared, record, found, servers: &servers, run: &run };
    let mut stop = interrupts.stop();
    let ended = tokio::select! {
        exit = walk.walk(&interrupts) => exit,
        _ = stop.wait_for(|stop| *stop == Stop::Now) => return Ok(Exit::Interrupted),
    };
    give_back(ui, record).await;
    // What is on a server whose chain could not be read is not put back.
    Ok(Exit::of([ended?, if found.is_part { Exit::Incomplete } else { Exit::Done }]))
}

struct Walk<'a> {
    ui: &'a Ui,
    flags: &'a RollbackFlags,
    /// All that the files say.
    declared: &'a Declared,
    record: &'a Record<AnyStore>,
    found: &'a Found,
    servers: &'a [Connected],
    run: &'a Run,
}

/// What the servers and their chains tell.
struct Looked {
    survey: Survey,
    /// The run that is put back, as each chain tells it.
    runs: BTreeMap<ServerName, RecordedRun>,
}

impl Walk<'_> {
    async fn walk(&self, interrupts: &Interrupts) -> Result<Exit, Failure> {
        let mut stop = interrupts.stop();
        let looking = async {
            // Nothing else writes there but acts by hand, whose holds are met: those left before this are planned
            // under, and those that come later are respected.
            let (locks, mut lost) = self.lock().await?;
            let now = self.ui.clock().now();
            let begun = locks.held.into_iter().map(|(name, lock)| (name, lock.begin(&self.run.header(now))));
            let journals: Journals<AnyStore, AnyLock> = begun.collect();
            let mut recorded = recorded_by(&journals);
            if self.flags.check {
                (recorded, lost) = read_each(self.record, self.servers).await;
            }
            let looked = self.look(recorded, &lost).await?;
            Ok::<_, Failure>((journals, looked))
        };
        let (journals, Looked { survey, runs }) = tokio::select! {
            looked = looking => looked?,
            // Nothing was written yet: there is nothing to finish.
            _ = stop.wait_for(|stop| *stop != Stop::No) => return Ok(interrupted(self.ui)),
        };
        let findings = Findings::of(&survey.plan);
        let (limits, taken) = (&self.flags.limits, self.flags.owner.take_over.iter().cloned().collect());
        let rules = rules(self.declared, &limits.allow, &taken, &survey);
        let Some(cleared) = clear(self.ui, survey.plan.clone(), &rules)? else {
            return Ok(Exit::of([findings.reading_exit(), Exit::Refused]));
        };
        let changes = cleared.plan().changes().count();
        if self.flags.check || changes == 0 {
            return Ok(findings.reading_exit());
        }
        let question = Question {
            command: "rollback",
            act: told::question(self.found, cleared.plan()),
            is_answered: self.flags.yes,
        };
        if let Some(exit) = not_confirmed(self.ui, &question, interrupts).await? {
            return Ok(Exit::of([findings.reading_exit(), exit]));
        }
        let writing = Writing::new(self.ui, changes);
        let holds = self.holds(cleared.plan());
        let acts = Acts { cleared, journals, holds, what: ByHand::Changes };
        let patience = (Pace::default(), None);
        let acted = acts.execute(self.servers, &self.ui.clock(), &writing, interrupts.stop(), patience).await;
        drop(writing);
        // `last` would mean this run by then.
        let again = format!("rollback {}", printable(&self.found.id));
        report(self.ui, &acted.outcome, &Again { command: &again, full: true }, None)?;
        let exit = ended(self.ui, &acted.outcome, &acted.failures);
        print(self.ui, &told::lasting(self.found, &acted, &runs))?;
        let flags = self.flags.contact;
        let seen = contact::wait_for(self.ui, self.servers, &acted.outcome, flags, interrupts).await?;
        print(self.ui, &[format!("run {}", self.run.id)])?;
        Ok(Exit::of([findings.reading_exit(), exit, seen]))
    }

    /// Whoever only looks needs no lock.
    async fn lock(&self) -> Result<(Locks<AnyStore>, BTreeMap<ServerName, RecordError>), Failure> {
        if self.flags.check {
            return Ok((Locks::default(), BTreeMap::new()));
        }
        let holder = Holder { by: whoami(), pid: std::process::id(), since: self.ui.clock().now() };
        let mut locks = lock_all(self.record, self.servers, &holder, self.flags.lock_timeout).await;
        let lost = std::mem::take(&mut locks.left_out);
        if locks.held.is_empty() && !lost.is_empty() {
            return Err(none_works(self.ui, lost));
        }
        Ok((locks, lost))
    }

    async fn look(
        &self,
        recorded: BTreeMap<ServerName, Recorded>,
        lost: &BTreeMap<ServerName, RecordError>,
    ) -> Result<Looked, Failure> {
        let now = self.ui.clock().now();
        let (mut rollbacks, mut runs) = (BTreeMap::new(), BTreeMap::new());
        for server in self.servers {
            let Some(known) = recorded.get(&server.name) else { continue };
            if let Some((rollback, run)) = self.undoing(server, known, now).await.map_err(Failure::Record)? {
                rollbacks.insert(server.name.clone(), rollback);
                runs.insert(server.name.clone(), run);
            }
        }
        let options = SurveyOptions {
            accept_short_list: true,
            by_hand: Some(ByHand::Changes),
            left_out: left_out(lost),
            ..SurveyOptions::default()
        };
        let mut survey = loop {
            let bar = ReadingBar::new(self.ui);
            let named = named(self.declared, &rollbacks);
            let recorded = recorded.clone();
            let survey =
                survey(&named, self.servers, recorded, &options, &self.ui.clock(), &|at| bar.take(at))
                    .await?;
            let mut is_whole = true;
            for server in &survey.plan.servers {
                let known = survey.recorded.get(&server.server);
                let listed = survey.listed.get(&server.server);
                if let (Some(rollback), Some(known), Some(listed)) =
                    (rollbacks.get_mut(&server.server), known, listed)
                {
                    is_whole &= !rollback.spare_all_hosts(server, listed, known, survey.plan.now);
                }
            }
            // What is spared once is not wanted again, so this ends.
            if is_whole {
                break survey;
            }
        };
        let reason: Arc<str> = match &self.flags.reason {
            Some(reason) => reason.as_str().into(),
            None => format!("rollback of {}", self.found.id).into(),
        };
        let Survey { plan, recorded, .. } = &mut survey;
        for server in &mut plan.servers {
            if let (Some(rollback), Some(known)) =
                (rollbacks.get(&server.server), recorded.get(&server.server))
            {
                rollback.keep_what_is_safe(server, known, plan.now);
            }
            for change in server.steps.iter_mut().flat_map(|step| &mut step.changes) {
                Arc::make_mut(change).reason = Some(Arc::clone(&reason));
            }
        }
        Ok(Looked { survey, runs })
    }

    /// What puts back what the run did on one server; `None`: it did nothing there.
    async fn undoing(
        &self,
        server: &Connected,
        recorded: &Recorded,
        now: jiff::Timestamp,
    ) -> Result<Option<(Rollback, RecordedRun)>, RecordError> {
        let history = self.record.history(&server.key, None).await?;
        let Some(run) = history.runs.iter().find(|run| run.id == self.found.id) else { return Ok(None) };
        let mut rules = KeptRules::new();
        for kept in plan::rules_of(&history, run) {
            rules.insert(kept.clone(), self.record.rule(kept).await?);
        }
        let before_it = if plan::took_hashes_out(run) {
            self.record.read_before(&server.key, &run.id).await?
        } else {
            Recorded::default()
        };
        let rollback = plan::rollback(&history, run, (&rules, &before_it), (&server.name, recorded, now));
        Ok(Some((rollback, run.clone())))
    }

    /// Otherwise the next apply of the same files would do it all again.
    fn holds(&self, plan: &Plan) -> BTreeMap<ServerName, Vec<(crate::model::Subject, NewHold)>> {
        let until = self.ui.clock().now().saturating_add(self.flags.hold).unwrap_or(jiff::Timestamp::MAX);
        let mut holds = BTreeMap::new();
        let mut held = BTreeSet::new();
        for (server, change) in plan.changes() {
            // A host whose rule is written twice is held once.
            if !held.insert((&server.server, change.subject)) {
                continue;
            }
            let hold = NewHold {
                until,
                command: "rollback".into(),
                reason: change.reason.clone(),
                host: Some(change.whom.label().into()),
            };
            let of_server: &mut Vec<_> = holds.entry(server.server.clone()).or_default();
            of_server.push((change.subject, hold));
        }
        holds
    }
}

/// What the walk works on: the files' servers and policy, and of rules those that the run changed.
fn named(declared: &Declared, rollbacks: &BTreeMap<ServerName, Rollback>) -> Declared {
    let of_all =
        |(server, rollback): (&ServerName, &Rollback)| Some((server.clone(), rollback.all_hosts.clone()?));
    Declared {
        hosts: rollbacks.values().flat_map(|rollback| &rollback.hosts).cloned().collect(),
        groups: Vec::new(),
        all_hosts: rollbacks.iter().filter_map(of_all).collect(),
        tasks: Vec::new(),
        ..declared.clone()
    }
}

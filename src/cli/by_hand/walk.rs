//! One act by hand, from the words to the last line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::who::{self, Host, Meant};
use super::{Act, Deed, Wanted, Words, named, permanent, told};
use crate::cli::carry_out::{
    Again, Question, Writing, clear, ended, interrupted, not_confirmed, print, report,
};
use crate::cli::contact;
use crate::cli::follow;
use crate::cli::introduce::introduce;
use crate::cli::look::ReadingBar;
use crate::cli::start::{Failure, connected, rules};
use crate::cli::whom::Hosts;
use crate::cli::{Exit, Findings};
use crate::declare::Declared;
use crate::execute::{Pace, Patience, Stop};
use crate::model::{Difference, ServerName, Side, Subject, Target, shell_word};
use crate::plan::{Plan, ServerClock, Verdict};
use crate::record::{AnyStore, NewHold, Record};
use crate::resolve::DesiredTask;
use crate::session::{
    Acted, Acts, Connected, Journals, Run, RunFailure, Survey, SurveyOptions, begin_by_hand, chain,
    kept_locally, recorded_by, survey,
};
use crate::terminal::{Interrupts, Ui};

type Holds = BTreeMap<ServerName, Vec<(Subject, NewHold)>>;

pub(super) async fn walk(
    ui: &Ui,
    act: &Act<'_>,
    declared: &Declared,
    wanted: &Wanted,
    record: &Record<AnyStore>,
) -> Result<Exit, Failure> {
    let hand = act.hand;
    let all_of = match act.words {
        Words::All => Some(who::server_of_all(declared, &hand.servers.only)?),
        Words::Hosts(_) | Words::Recorded => None,
    };
    let is_asked = |server: &ServerName| all_of.as_ref().is_none_or(|only| only == server);
    let mut servers =
        connected(ui, declared, &hand.servers.only, hand.servers.allow_commands, is_asked, |_| false)?;
    let hosts = match act.words {
        Words::All | Words::Recorded => Vec::new(),
        Words::Hosts(words) => {
            let lists = Hosts::listed_by(declared, &servers, act.what(), ui.clock()).await;
            match who::meant(ui, (act, words), declared, &lists)? {
                Ok(hosts) => hosts,
                Err(exit) => return Ok(exit),
            }
        }
    };
    let meant = Meant { hosts, all_of };
    let tasks = act.tasks(&meant.hosts);
    servers.retain(|server| meant.is_on(&server.name) || tasks.contains_key(&server.name));
    let named = named(declared, &meant, wanted);
    // Until here Ctrl-C ends the program, as anywhere.
    let interrupts = Interrupts::listen(ui)?;
    let run = introduce(act.command(), &declared.owner, act.allowed(), &hand.files.paths(), ui.clock().now());
    let walk = Walk { ui, act, declared, named: &named, meant: &meant, tasks, servers: &servers, run: &run };
    let mut stop = interrupts.stop();
    tokio::select! {
        exit = walk.walk(record, &interrupts) => exit,
        _ = stop.wait_for(|stop| *stop == Stop::Now) => Ok(Exit::Interrupted),
    }
}

struct Walk<'a> {
    ui: &'a Ui,
    act: &'a Act<'a>,
    /// All that the files say.
    declared: &'a Declared,
    /// With the named hosts, or the rule for all of them, instead of theirs.
    named: &'a Declared,
    meant: &'a Meant,
    /// Programs that are started on them, or tasks that are deleted.
    tasks: BTreeMap<ServerName, Vec<Arc<DesiredTask>>>,
    servers: &'a [Connected],
    run: &'a Run,
}

impl Walk<'_> {
    async fn walk(&self, record: &Record<AnyStore>, interrupts: &Interrupts) -> Result<Exit, Failure> {
        let mut stop = interrupts.stop();
        let (journals, survey) = tokio::select! {
            looked = self.look(record) => looked?,
            // Nothing was written yet: there is nothing to finish.
            _ = stop.wait_for(|stop| *stop != Stop::No) => return Ok(interrupted(self.ui)),
        };
        let findings = Findings::of(&survey.plan);
        let (limits, taken) = (&self.act.hand.limits, self.take_over(&survey));
        let rules = rules(self.declared, &limits.allow, &taken, &survey);
        let Some(cleared) = clear(self.ui, survey.plan.clone(), &rules)? else {
            return Ok(Exit::of([findings.reading_exit(), Exit::Refused]));
        };
        let changes = cleared.plan().changes().count();
        let is_idle = changes == 0 && self.holds(cleared.plan(), survey.plan.now).is_empty();
        if is_idle && findings.reading_exit() == Exit::Done && matches!(self.act.deed, Deed::Delete(_)) {
            self.ui.note("nothing was written: the servers do not have these tasks any more");
            return Ok(Exit::Done);
        }
        if is_idle {
            self.ui.error("nothing was written");
            return Ok(Exit::of([findings.reading_exit(), Exit::Incomplete]));
        }
        self.say_before(&journals, &survey, cleared.plan());
        let question = Question {
            command: self.act.command(),
            act: self.question(changes),
            is_answered: self.act.hand.yes,
        };
        if let Some(exit) = not_confirmed(self.ui, &question, interrupts).await? {
            return Ok(Exit::of([findings.reading_exit(), exit]));
        }
        let writing = Writing::new(self.ui, changes);
        let holds = self.holds(cleared.plan(), self.ui.clock().now());
        let clocks = cleared.plan().clocks();
        let acts = Acts { cleared, journals, holds, what: self.act.what() };
        let patience = (Pace::default(), Some(Patience::default()));
        let acted = acts.execute(self.servers, &self.ui.clock(), &writing, interrupts.stop(), patience).await;
        drop(writing);
        let exit = self.tell(&acted, &clocks, interrupts).await?;
        Ok(Exit::of([findings.reading_exit(), exit]))
    }

    async fn look(&self, record: &Record<AnyStore>) -> Result<(Journals<AnyStore>, Survey), Failure> {
        let what = self.act.what();
        let now = self.ui.clock().now();
        let journals =
            begin_by_hand(record, self.servers, self.run, what, now).await.map_err(Failure::Apply)?;
        let options = SurveyOptions {
            accept_short_list: true,
            by_hand: Some(what),
            tasks: self.tasks.clone(),
            ..SurveyOptions::default()
        };
        let bar = ReadingBar::new(self.ui);
        let recorded = recorded_by(&journals);
        let mut survey =
            survey(self.named, self.servers, recorded, &options, &self.ui.clock(), &|at| bar.take(at))
                .await?;
        for server in &mut survey.plan.servers {
            for change in server.steps.iter_mut().flat_map(|step| &mut step.changes) {
                Arc::make_mut(change).reason = Some(Arc::clone(&self.act.reason));
            }
        }
        Ok((journals, survey))
    }

    fn take_over(&self, survey: &Survey) -> BTreeSet<String> {
        let mut take_over = self.act.take_over.clone();
        if self.act.is_containment() {
            take_over.extend(told::taken_over(&survey.plan, survey));
        }
        take_over
    }

    /// What is to be held: whatever could be judged, also where nothing has to be written for it.
    fn holds(&self, plan: &Plan, now: Timestamp) -> Holds {
        let mut holds = Holds::new();
        if self.act.aspect().is_none() {
            return holds;
        }
        for server in &plan.servers {
            for judged in server.judged.iter() {
                // What could not be judged, or stays as it is since somebody is in its way, is nobody's to hold.
                if matches!(judged.verdict, Verdict::Unknown(_) | Verdict::LeftAlone) {
                    continue;
                }
                let subject = judged.subject();
                let change = server.changes().find(|change| change.subject == subject);
                let timeout = change.and_then(|change| timeout(&change.difference));
                let hold = NewHold {
                    until: self.act.hold_until(now, timeout),
                    command: self.act.command().into(),
                    reason: Some(Arc::clone(&self.act.reason)),
                    host: Some(judged.whom.label().into()),
                };
                holds.entry(server.server.clone()).or_default().push((subject, hold));
            }
        }
        holds
    }

    fn say_before(&self, journals: &Journals<AnyStore>, survey: &Survey, plan: &Plan) {
        for (server, cause) in kept_locally(journals) {
            self.ui.warn(&format!(
                "server `{server}`: {}; what is done is recorded on this machine only: whether the host was isolated \
                 before, by whom and until when is not known, and applies on other machines do not keep off it",
                chain(cause)
            ));
        }
        let holds = self.holds(plan, plan.now);
        let until = holds.values().flatten().map(|(_, hold)| hold.until).max().unwrap_or(plan.now);
        for line in told::before(self.act, self.meant, (self.declared, survey), until) {
            self.ui.warn(&line);
        }
    }

    /// What follows on ``Type `yes` to``. A release names each host, whatever their number.
    fn question(&self, changes: usize) -> String {
        const NAMES: usize = 5;
        let names: Vec<String> = self.meant.hosts.iter().map(|host| host.sensor.label()).collect();
        let whom = if let Some(server) = &self.meant.all_of {
            format!("all hosts of `{server}`")
        } else if names.len() <= NAMES || self.act.is_release() {
            names.join(", ")
        } else {
            format!("these {} hosts", names.len())
        };
        let tasks = |count: usize| if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") };
        let hashes = |count: usize| if count == 1 { "1 hash".to_owned() } else { format!("{count} hashes") };
        match &self.act.deed {
            _ if changes == 0 => format!("keep applies off {whom}: nothing has to be written"),
            Deed::Isolate { until, .. } => format!("isolate {whom} until {until:.0}"),
            Deed::Release => format!("release {whom}"),
            Deed::Block(block) => format!("block {} on {whom}", hashes(block.len())),
            Deed::Unblock(unblock) => format!("unblock {} on {whom}", hashes(unblock.len())),
            Deed::Run { program, .. } => format!("run {program} on {whom}"),
            Deed::Delete(_) => format!("delete {}", tasks(changes)),
        }
    }

    /// What became of it, until when applies keep off, what would make it last, and the run.
    async fn tell(
        &self,
        acted: &Acted,
        clocks: &BTreeMap<ServerName, ServerClock>,
        interrupts: &Interrupts,
    ) -> Result<Exit, Failure> {
        let again = Again { command: self.act.command(), full: true };
        report(self.ui, &acted.outcome, &again, None)?;
        let (local, failed): (Vec<&RunFailure>, Vec<&RunFailure>) =
            acted.failures.iter().partition(|failure| self.act.is_containment() && failure.kept.is_some());
        for RunFailure { server, cause, kept } in local {
            self.ui.warn(&format!(
                "server `{server}`: {}; what was done, and its hold, is kept at {} on this machine; the next run from here \
                 that reaches the record brings it in, and until then applies on other machines do not keep off it",
                chain(cause),
                kept.as_deref().unwrap_or_default()
            ));
        }
        let exit = ended(self.ui, &acted.outcome, failed);
        let lines = self.lasting(acted);
        if !lines.is_empty() {
            print(self.ui, &lines)?;
        }
        let contact = self.act.lasting.contact;
        let waited = contact::wait_for(self.ui, self.servers, &acted.outcome, contact, interrupts).await?;
        let followed = match &self.act.deed {
            Deed::Run { wait: Some(patience), .. } if !acted.outcome.was_interrupted => {
                let tasks = follow::done(&acted.outcome);
                let stop = interrupts.stop();
                follow::follow(self.ui, self.servers, tasks, clocks, *patience, stop).await?
            }
            Deed::Run { .. }
            | Deed::Isolate { .. }
            | Deed::Release
            | Deed::Block(_)
            | Deed::Unblock(_)
            | Deed::Delete(_) => Exit::Done,
        };
        print(self.ui, &[format!("run {}", self.run.id)])?;
        Ok(Exit::of([exit, waited, followed]))
    }

    fn lasting(&self, acted: &Acted) -> Vec<String> {
        let held: BTreeSet<(&ServerName, Target)> = acted
            .held
            .iter()
            .flat_map(|(server, holds)| holds.iter().map(move |(subject, _)| (server, subject.target)))
            .collect();
        let hosts: Vec<&Host> = self
            .meant
            .hosts
            .iter()
            .filter(|host| held.contains(&(&host.server, Target::Sensor(host.sensor.id))))
            .collect();
        let all_of = self.meant.all_of.as_ref().filter(|server| held.contains(&(*server, Target::AllHosts)));
        let until = acted.held.values().flatten().map(|(_, hold)| hold.until).max();
        let words = hosts.iter().map(|host| shell_word(&host.word()));
        let words: Vec<String> =
            words.chain(all_of.map(|server| shell_word(&format!("all@{server}")))).collect();
        let (Some(until), false) = (until, words.is_empty()) else { return Vec::new() };
        let Some(aspect) = self.act.aspect() else { return Vec::new() };
        let mut lines = vec![
            format!(
                "applies keep off their {aspect} until {until:.0}; `kedrctl hold --end --aspect {aspect} {}` ends that",
                words.join(" ")
            ),
            "to make it permanent, let the files say:".to_owned(),
            String::new(),
        ];
        lines.extend(permanent::lines(self.act, self.declared, &hosts, all_of));
        lines.push(String::new());
        lines
    }
}

fn timeout(difference: &Difference) -> Option<SignedDuration> {
    match difference {
        Difference::Isolation(Side { after: Some(after), .. }) => {
            Some(SignedDuration::from_secs(i64::try_from(after.timeout_seconds).unwrap_or(i64::MAX)))
        }
        Difference::Isolation(Side { after: None, .. })
        | Difference::Prevention(_)
        | Difference::Task(..) => None,
    }
}

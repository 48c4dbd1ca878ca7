//! One case, played through the library: the same walk as the commands, on a clock that client and server share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kedrctl::central_node::{Limits, Retry};
use kedrctl::cli::{Exit, Findings};
use kedrctl::declare::{self, Declared, RecordPlace};
use kedrctl::diagnostic::{Look, draw};
use kedrctl::execute::{Pace, Stop};
use kedrctl::guard::{self, Judgement, Rules};
use kedrctl::model::{Clock, ServerName};
use kedrctl::observe;
use kedrctl::plan::{Approved, Plan};
use kedrctl::record::{FolderStore, Holder, Record, Recorded, run_id};
use kedrctl::report::{self, TextOptions, View, outcome_text};
use kedrctl::saved::{self, Flags};
use kedrctl::session::{
    ConnectOptions, Connected, HeldTo, Prepared, Run, Survey, SurveyOptions, connect, left_out, lock_all,
    options_again, saved_plan, seen_by, spare_renewals, survey, take_snapshot,
};
use kedrctl::terminal::Palette;
use tokio::sync::watch;

use super::case::{Case, Happening, Step};
use super::command::{Command, Verb};
use super::{log, server, told};

/// Plays the case in `folder`, a copy that it may write into; what happened, as text.
///
/// # Errors
/// What is wrong with the case itself.
pub(crate) fn play(folder: &Path) -> Result<String, String> {
    let case = Case::read(folder)?;
    let clock = kedrctl_simulator::Clock::manual(case.now);
    let mut lab = Lab {
        clock: SharedClock(clock),
        servers: Vec::new(),
        folder: folder.to_owned(),
        state: "state.yaml".to_owned(),
        record: None,
        printed: String::new(),
    };
    lab.connect()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    for step in &case.steps {
        let (command, meanwhile) = match step {
            Step::Command(command) => (command, None),
            Step::Meanwhile(step) => (&step.run, Some(&step.meanwhile)),
            Step::Happening(happening) => {
                runtime.block_on(lab.happen(happening))?;
                continue;
            }
        };
        lab.print(&format!("$ {command}\n"));
        let exit = runtime.block_on(lab.run(&Command::parse(command)?, meanwhile))?;
        lab.print(&format!("exit {}\n", exit.code()));
        for server in &lab.servers {
            if let Some(simulator) = &server.simulator {
                lab.printed.push_str(&log::requests(simulator, case.requests));
                simulator.clear_requests();
            }
        }
        lab.print("\n");
    }
    Ok(log::normalised(&lab.printed, folder))
}

/// One clock for both sides.
#[derive(Debug, Clone)]
pub(super) struct SharedClock(kedrctl_simulator::Clock);

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

struct Lab {
    clock: SharedClock,
    servers: Vec<Connected>,
    folder: PathBuf,
    state: String,
    /// Instead of the one that the state names.
    record: Option<String>,
    printed: String,
}

impl Lab {
    fn print(&mut self, text: &str) {
        self.printed.push_str(text);
    }

    fn declared(&self) -> Result<Declared, String> {
        let read = declare::read(&[self.folder.join(&self.state)]);
        let problems: Vec<String> =
            read.problems.iter().map(|problem| draw(problem, &read.sources, Look::default())).collect();
        read.declared.ok_or_else(|| problems.join("\n"))
    }

    /// Once: the servers run on while the state changes.
    fn connect(&mut self) -> Result<(), String> {
        let options = ConnectOptions {
            simulator_clock: self.clock.0.clone(),
            limits: Limits {
                retry: Retry {
                    attempts: 2,
                    first_delay: Duration::from_millis(1),
                    longest_delay: Duration::from_millis(2),
                    longest_retry_after: Duration::from_millis(2),
                    ..Retry::default()
                },
                ..Limits::default()
            },
            ..ConnectOptions::default()
        };
        for declared in self.declared()?.servers.values() {
            let mut server = connect(declared, &options).map_err(|error| error.to_string())?;
            // One after the other: then the order of the requests is the same in every run.
            server.concurrency = 1;
            self.servers.push(server);
        }
        Ok(())
    }

    fn record(&self, declared: &Declared) -> Record<FolderStore> {
        Record::new(FolderStore::new(self.record_folder(declared)))
    }

    fn record_folder(&self, declared: &Declared) -> PathBuf {
        match &self.record {
            Some(record) => self.folder.join(record),
            None => match &declared.record.place {
                RecordPlace::Folder(folder) => folder.clone(),
                RecordPlace::Bucket(url) => panic!("a case's record is a folder, not {url}"),
            },
        }
    }

    async fn happen(&mut self, happening: &Happening) -> Result<(), String> {
        if let Some(by) = &happening.advance {
            let by: SignedDuration = by.parse().map_err(|error| format!("advance: {error}"))?;
            self.clock.0.advance(by);
            self.print(&format!("# it is {}\n\n", self.clock.now()));
        }
        if let Some(state) = &happening.state {
            self.state.clone_from(state);
            self.print(&format!("# the state is {state}\n\n"));
        }
        if let Some(folder) = &happening.record {
            self.record = Some(folder.clone());
            self.print(&format!("# the record is {folder}\n\n"));
        }
        if happening.lose_record {
            let folder = self.record_folder(&self.declared()?);
            std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            self.print("# the record is lost\n\n");
        }
        if !happening.hold.is_empty() || happening.end_hold.is_some() {
            let (record, now) = (self.record(&self.declared()?), self.clock.now());
            let server = self.servers.first().ok_or("no server")?;
            let mut printed = String::new();
            for (host, hold) in &happening.hold {
                printed.push_str(&told::hold(&record, server, host, hold, now).await?);
            }
            if let Some(host) = &happening.end_hold {
                printed.push_str(&told::end_hold(&record, server, host, now).await?);
            }
            self.print(&printed);
        }
        let Some(simulator) = self.servers.first().and_then(|server| server.simulator.as_ref()) else {
            return Err("the first server is no simulator".to_owned());
        };
        let printed = server::happen(simulator, happening)?;
        self.print(&printed);
        Ok(())
    }

    /// As the program does: only the servers that `--limit` may mean are locked, read and asked.
    async fn run(&mut self, command: &Command, meanwhile: Option<&Happening>) -> Result<Exit, String> {
        let (declared, held_to) = match self.held_to(command)? {
            HeldTo::Saved(saved) => {
                if let Some(why) = saved.too_old(self.clock.now()) {
                    self.print(&format!("{why}\n"));
                    return Ok(Exit::Refused);
                }
                (saved.declared(), HeldTo::Saved(saved))
            }
            held_to @ (HeldTo::Approved(_) | HeldTo::Nothing) => (self.declared()?, held_to),
        };
        let options = match command.survey_options(&self.folder) {
            Ok(_) if matches!(held_to, HeldTo::Saved(_)) => Ok(again(&held_to)),
            options => options,
        };
        let options = match options {
            Ok(options) => options,
            Err(error) => return Ok(self.failed(&error)),
        };
        let needed = match options.limit.as_ref().map(|pattern| pattern.servers(&declared)).transpose() {
            Ok(needed) => needed,
            Err(error) => return Ok(self.failed(&error)),
        };
        let is_asked =
            |server: &Connected| needed.as_ref().is_none_or(|needed| needed.contains(&server.name));
        let (asked, others) = std::mem::take(&mut self.servers).into_iter().partition(is_asked);
        self.servers = asked;
        let exit = self.walk(command, &declared, options, &held_to, meanwhile).await;
        self.servers.extend::<Vec<Connected>>(others);
        self.servers.sort_by(|a, b| a.name.cmp(&b.name));
        exit
    }

    async fn walk(
        &mut self,
        command: &Command,
        declared: &Declared,
        options: SurveyOptions,
        held_to: &HeldTo,
        meanwhile: Option<&Happening>,
    ) -> Result<Exit, String> {
        let record = self.record(declared);
        match command.verb {
            Verb::History | Verb::Why => {
                let (server, now) = (self.servers.first().ok_or("no server")?, self.clock.now());
                let (text, exit) = match &command.what {
                    None => told::history(&record, server, now).await?,
                    Some(what) => told::why(&record, server, what, now).await?,
                };
                self.print(&text);
                Ok(exit)
            }
            Verb::Snapshot { all_hosts } => {
                let recorded = self.recorded(&record).await?;
                let snapshot =
                    take_snapshot(declared, &self.servers, recorded, all_hosts, &self.clock, &|_| {}).await;
                let bytes = observe::encode(&snapshot).map_err(|error| error.to_string())?;
                std::fs::File::create(self.folder.join(command.file()?))
                    .and_then(|mut file| std::io::Write::write_all(&mut file, &bytes))
                    .map_err(|error| error.to_string())?;
                Ok(if snapshot.is_incomplete() { Exit::Incomplete } else { Exit::Done })
            }
            Verb::Plan { .. } | Verb::Drift { .. } => {
                let walk = match &command.file {
                    None => {
                        let recorded = self.recorded(&record).await?;
                        survey(declared, &self.servers, recorded, &options, &self.clock, &|_| {}).await
                    }
                    Some(file) => {
                        let bytes =
                            std::fs::read(self.folder.join(file)).map_err(|error| error.to_string())?;
                        let snapshot = observe::decode(&bytes).map_err(|error| error.to_string())?;
                        let options =
                            SurveyOptions { observed_at: Some(snapshot.taken_at), ..options.clone() };
                        let (servers, recorded) = seen_by(snapshot, declared);
                        survey(declared, &servers, recorded, &options, &self.clock, &|_| {}).await
                    }
                };
                let mut survey = match walk {
                    Ok(survey) => survey,
                    Err(error) => return Ok(self.failed(&error)),
                };
                survey.plan = spare_renewals(survey.plan.clone(), &rules(declared, command, &survey));
                let mut judgement = guard::judge(&survey.plan, &rules(declared, command, &survey));
                if let Verb::Drift { .. } = command.verb {
                    judgement.refusals.clear();
                }
                self.show(&survey.plan, &judgement, command)?;
                let findings = Findings::of(&survey.plan);
                if let (Some(file), true) = (&command.out, judgement.refusals.is_empty()) {
                    self.save(file, declared, &survey, !findings.is_incomplete, command)?;
                }
                Ok(match command.verb {
                    Verb::Drift { require_contact } => findings.drift_exit(require_contact),
                    Verb::Plan { detailed } => findings.plan_exit(!judgement.refusals.is_empty(), detailed),
                    Verb::Apply | Verb::History | Verb::Why | Verb::Snapshot { .. } => {
                        findings.plan_exit(false, false)
                    }
                })
            }
            Verb::Apply => {
                let holder =
                    Holder { by: "tester@example".into(), pid: std::process::id(), since: self.clock.now() };
                // Another run holds the locks of these servers.
                let other = Holder { by: "another@example".into(), pid: 1, ..holder.clone() };
                let mut others = Vec::new();
                for server in
                    self.servers.iter().filter(|server| command.locked.contains(server.name.as_str()))
                {
                    let locked = record.lock(&server.key, &other, Duration::ZERO).await;
                    others.push(locked.map_err(|error| error.to_string())?);
                }
                let locks = lock_all(&record, &self.servers, &holder, Duration::ZERO).await;
                drop(others);
                let under = locks.recorded();
                let options = SurveyOptions { left_out: left_out(&locks.left_out), ..options };
                let walk = survey(declared, &self.servers, under, &options, &self.clock, &|_| {}).await;
                let mut survey = match walk {
                    Ok(survey) => survey,
                    Err(error) => return Ok(self.failed(&error)),
                };
                survey.plan = spare_renewals(survey.plan.clone(), &rules(declared, command, &survey));
                let (plan, refusals) = held_to.judge(survey.plan.clone());
                let findings = Findings::of(&plan);
                let cleared = guard::clear_unless(plan, &rules(declared, command, &survey), refusals);
                let (cleared, judgement) = match cleared {
                    Ok(cleared) => cleared,
                    Err((plan, judgement)) => {
                        self.show(&plan, &judgement, command)?;
                        return Ok(Exit::of([findings.reading_exit(), Exit::Refused]));
                    }
                };
                self.show(cleared.plan(), &judgement, command)?;
                let changes = cleared.plan().changes().count();
                if let Some(happening) = meanwhile {
                    self.happen(happening).await?;
                }
                let run = Run { plan: held_to.id().map(Into::into), ..self.introduce(declared) };
                let prepared = Prepared { cleared, survey, locks: locks.held };
                let (_stop, stop) = watch::channel(Stop::No);
                let (outcome, failures) = prepared
                    .execute(&self.servers, &run, &self.clock, &(), stop, (pace(), &command.rollout))
                    .await;
                if changes > 0 {
                    let options = outcome_text::OutcomeOptions {
                        full: command.full,
                        palette: Palette::OFF,
                        again: "apply",
                        run_id: Some(&run.id),
                        listed_after: &BTreeMap::new(),
                    };
                    let mut text = Vec::new();
                    outcome_text::write(&outcome, &options, &mut text).map_err(|error| error.to_string())?;
                    self.print("\n");
                    self.print(&String::from_utf8_lossy(&text));
                }
                Ok(Exit::of([
                    findings.reading_exit(),
                    if failures.is_empty() { Exit::Done } else { Exit::Unreachable },
                    Exit::of_outcome(&outcome),
                ]))
            }
        }
    }

    /// What the command is held to.
    fn held_to(&self, command: &Command) -> Result<HeldTo, String> {
        let read = |file: &String| {
            let bytes = std::fs::read(self.folder.join(file)).map_err(|error| error.to_string())?;
            saved::decode(&bytes).map_err(|error| error.to_string())
        };
        Ok(match (command.verb, &command.file, &command.approved) {
            (Verb::Apply, Some(file), _) => HeldTo::Saved(Box::new(read(file)?)),
            (Verb::Apply, None, Some(file)) => HeldTo::Approved(Approved::new(read(file)?.plan.meanings())),
            (_, _, _) => HeldTo::Nothing,
        })
    }

    fn save(
        &self,
        file: &str,
        declared: &Declared,
        survey: &Survey,
        is_complete: bool,
        command: &Command,
    ) -> Result<(), String> {
        let flags = Flags {
            allow: command.allow.clone(),
            take_over: command.take_over.clone(),
            accept_moved: command.accepted_moves.clone(),
            accept_short_list: command.accept_short_list,
        };
        let files = [self.folder.join(&self.state)];
        let saved = saved_plan(&survey.plan, is_complete, (declared, &files), survey, flags);
        let bytes = saved::encode(&saved.map_err(|error| error.to_string())?);
        std::fs::File::create(self.folder.join(file))
            .and_then(|mut file| std::io::Write::write_all(&mut file, &bytes.map_err(std::io::Error::other)?))
            .map_err(|error| error.to_string())
    }

    async fn recorded(&self, record: &Record<FolderStore>) -> Result<BTreeMap<ServerName, Recorded>, String> {
        let mut recorded = BTreeMap::new();
        for server in &self.servers {
            let known = record.read(&server.key).await.map_err(|error| error.to_string())?;
            recorded.insert(server.name.clone(), known);
        }
        Ok(recorded)
    }

    fn failed(&mut self, error: &dyn std::error::Error) -> Exit {
        self.print(&format!("error: {error}\n"));
        Exit::Error
    }

    fn show(&mut self, plan: &Plan, judgement: &Judgement, command: &Command) -> Result<(), String> {
        let view: View = command.view();
        let options = TextOptions { view, full: command.full, summary: false, palette: Palette::OFF };
        let mut text = Vec::new();
        report::text::plan(plan, judgement, &plan.id(), &options, &mut text)
            .map_err(|error| error.to_string())?;
        self.print(&String::from_utf8_lossy(&text));
        Ok(())
    }

    fn introduce(&self, declared: &Declared) -> Run {
        Run {
            id: run_id(self.clock.now(), [0, 0]),
            command: "apply".into(),
            by: "tester@example".into(),
            owner: declared.owner.clone(),
            allow: Vec::new(),
            plan: None,
            ci_job: None,
            ci_commit: None,
        }
    }
}

/// What the walk of a saved plan is about.
fn again(held_to: &HeldTo) -> SurveyOptions {
    match held_to {
        HeldTo::Saved(saved) => options_again(saved),
        HeldTo::Approved(_) | HeldTo::Nothing => SurveyOptions::default(),
    }
}

fn rules<'a>(declared: &'a Declared, command: &'a Command, survey: &'a Survey) -> Rules<'a> {
    Rules {
        policy: &declared.policy,
        never_block: &survey.never_block,
        allowances: &command.allow,
        take_over: &command.take_over,
        owner: &declared.owner,
        listed: &survey.listed,
        recorded: &survey.recorded,
    }
}

/// Patient enough for what the cases do, and no longer.
fn pace() -> Pace {
    Pace { attempts: 3, first_pause: Duration::from_millis(1), verify_for: Duration::from_secs(1) }
}

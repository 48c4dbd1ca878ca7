//! `--wait`: following programs until they are over, by their servers' words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Exit;
use super::carry_out::print;
use super::flags::seconds;
use super::start::Failure;
use crate::central_node::ReadSettings as _;
use crate::declare::TaskPresence;
use crate::execute::{Outcome, Stop};
use crate::model::{Clock, ListedTask, ServerName, TaskState};
use crate::plan::{Contact, Plan, ServerClock, judge_task};
use crate::report::contact_word;
use crate::resolve::DesiredTask;
use crate::session::Connected;
use crate::terminal::Ui;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct FollowFlags {
    /// Then follow the programs until each is over, by its server's words. Exit 4 where one is not in time, or failed;
    /// those that their hosts have not taken yet are told as deferred
    #[arg(long)]
    pub(super) wait: bool,

    /// How long to follow them at most, such as `90s` or `2h` [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = seconds, requires = "wait")]
    timeout: Option<Duration>,
}

impl FollowFlags {
    const DEFAULT: Duration = Duration::from_secs(15 * 60);

    /// `None`: nobody waits.
    pub(super) fn patience(&self) -> Result<Option<Duration>, Failure> {
        match (self.wait, self.timeout) {
            (true, Some(Duration::ZERO)) => {
                Err(Failure::Usage("`--timeout 0` waits for nothing; leave `--wait` out".to_owned()))
            }
            (true, timeout) => Ok(Some(timeout.unwrap_or(Self::DEFAULT))),
            (false, _) => Ok(None),
        }
    }
}

/// A task that is there.
pub(super) struct Followed {
    server: ServerName,
    task: Arc<DesiredTask>,
    /// When it was certainly there, where this run created it.
    written: Option<Timestamp>,
}

/// What a run created, or found created by somebody's equal one.
pub(super) fn done(outcome: &Outcome) -> Vec<Followed> {
    let mut tasks = Vec::new();
    for server in &outcome.servers {
        for ended in server.changes.iter().filter(|ended| ended.result.is_done()) {
            let Some(task) = ended.change.whom.task() else { continue };
            if task.task.presence == TaskPresence::Absent {
                continue;
            }
            let written = ended.result.sent_at();
            tasks.push(Followed { server: server.server.clone(), task: Arc::clone(task), written });
        }
    }
    tasks
}

/// What equal runs before this one created, and that is there.
pub(super) fn there(plan: &Plan) -> Vec<Followed> {
    let mut tasks = Vec::new();
    for server in &plan.servers {
        for judged in server.judged.iter().filter(|judged| judged.verdict.is_in_sync()) {
            if let Some(task) = judged.whom.task().filter(|task| task.task.presence == TaskPresence::Present)
            {
                let (server, task) = (server.server.clone(), Arc::clone(task));
                tasks.push(Followed { server, task, written: None });
            }
        }
    }
    tasks
}

/// How one of them ended, or stands when nobody waits any more.
enum Now {
    Over(TaskState, String),
    Going(String),
    Deferred(Contact),
    Gone,
    NotRead(String),
}

impl Now {
    /// Whether nobody waits for it any more: it is over, or on a host that nobody has seen for hours, or whose agent
    /// cannot.
    fn is_final(&self) -> bool {
        match self {
            Self::Over(..) | Self::Gone | Self::Deferred(Contact::Silent | Contact::Unsupported) => true,
            Self::Going(_) | Self::Deferred(Contact::Seen | Contact::Waiting) | Self::NotRead(_) => false,
        }
    }
}

/// Reads them again and again for at most `patience`, and says how each stands. Deferred ones fail nothing.
pub(super) async fn follow(
    ui: &Ui,
    servers: &[Connected],
    tasks: Vec<Followed>,
    clocks: &BTreeMap<ServerName, ServerClock>,
    patience: Duration,
    mut stop: watch::Receiver<Stop>,
) -> Result<Exit, Failure> {
    if tasks.is_empty() {
        return Ok(Exit::Done);
    }
    let bar = ui.progress("waiting for programs", tasks.len() as u64);
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    let at_once = servers.iter().map(|server| server.concurrency).max().unwrap_or(1).max(1);
    let unread = || Now::NotRead("there was no answer in time".to_owned());
    let mut all: Vec<Now> = tasks.iter().map(|_| unread()).collect();
    loop {
        let waiting = all.iter().enumerate().filter(|(_, now)| !now.is_final()).map(|(place, _)| place);
        let waiting: Vec<usize> = waiting.collect();
        let (all_now, tasks, bar) = (&mut all, &tasks, &bar);
        let round = async move {
            let hosts = lists(servers, ui.clock()).await;
            let looks = waiting.into_iter().map(|place| {
                let (hosts, task) = (&hosts, &tasks[place]);
                async move { (place, look(servers, task, hosts, clocks, ui.clock()).await) }
            });
            let mut looks = std::pin::pin!(stream::iter(looks).buffer_unordered(at_once));
            while let Some((place, now)) = looks.next().await {
                if matches!(now, Now::Over(..) | Now::Gone) {
                    bar.advance();
                }
                all_now[place] = now;
            }
        };
        // The first look is whole, however short the patience. What is not answered in time stands as it was.
        let left = patience.saturating_sub(begun.elapsed()).max(FIRST_PAUSE);
        tokio::select! {
            _ = timeout(left, round) => {}
            _ = stop.wait_for(|stop| *stop != Stop::No) => break,
        }
        let left = patience.saturating_sub(begun.elapsed());
        if all.iter().all(Now::is_final) || left.is_zero() {
            break;
        }
        tokio::select! {
            () = sleep(pause.min(left)) => {}
            _ = stop.wait_for(|stop| *stop != Stop::No) => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    drop(bar);
    let was_interrupted = *stop.borrow() != Stop::No;
    tell(ui, &tasks, &all)?;
    let is_open = |now: &Now| match now {
        Now::Over(state, _) => *state == TaskState::Failed,
        Now::Deferred(_) => false,
        Now::Going(_) | Now::Gone | Now::NotRead(_) => true,
    };
    Ok(match (all.iter().any(is_open), was_interrupted) {
        (_, true) => Exit::Interrupted,
        (true, false) => Exit::Incomplete,
        (false, false) => Exit::Done,
    })
}

type Hosts = BTreeMap<ServerName, crate::model::HostList>;

/// A list that cannot be had tells nothing new of its hosts.
async fn lists(servers: &[Connected], clock: &dyn Clock) -> Hosts {
    let listings = servers.iter().map(async |server| (&server.name, server.client.hosts(clock).await));
    let mut hosts = Hosts::new();
    for (server, listing) in join_all(listings).await {
        if let Ok(listing) = listing {
            hosts.insert(server.clone(), listing.hosts);
        }
    }
    hosts
}

async fn look(
    servers: &[Connected],
    followed: &Followed,
    hosts: &Hosts,
    clocks: &BTreeMap<ServerName, ServerClock>,
    ours: &dyn Clock,
) -> Now {
    let Some(server) = servers.iter().find(|server| server.name == followed.server) else {
        return Now::NotRead("its server is not asked".to_owned());
    };
    let task: ListedTask = match server.client.task(followed.task.id).await {
        Ok(Some(task)) => task,
        Ok(None) => return Now::Gone,
        Err(error) => return Now::NotRead(error.to_string()),
    };
    let word = task.state.printable().to_string();
    if task.is_over() {
        return Now::Over(task.state(), word);
    }
    let listed = hosts.get(&followed.server).and_then(|list| list.sensors.get(&followed.task.sensor.id));
    let clock = clocks.get(&followed.server).copied().unwrap_or(ServerClock::NotGiven);
    let sensor = listed.unwrap_or(&followed.task.sensor);
    match judge_task(sensor, &task, followed.written, clock, ours.now()) {
        Contact::Seen => Now::Going(word),
        deferred @ (Contact::Waiting | Contact::Silent | Contact::Unsupported) => Now::Deferred(deferred),
    }
}

/// `3 of 4 over: …`, then each that is not, or did not go well.
fn tell(ui: &Ui, tasks: &[Followed], all: &[Now]) -> Result<(), Failure> {
    let over = all.iter().filter(|now| matches!(now, Now::Over(..))).count();
    let deferred = all.iter().filter(|now| matches!(now, Now::Deferred(_))).count();
    let mut lines = vec![format!("{over} of {} over by the servers' words, {deferred} deferred", all.len())];
    for (followed, now) in tasks.iter().zip(all) {
        let how = match now {
            Now::Over(TaskState::Failed, word) => format!("failed: the server says `{word}`"),
            Now::Over(TaskState::Done | TaskState::Running | TaskState::Other, _) => continue,
            Now::Going(word) => format!("not over in time: the server says `{word}`"),
            Now::Deferred(contact) => {
                format!("deferred ({}): it starts whenever its host takes it", contact_word(*contact))
            }
            Now::Gone => "the server does not have it any more".to_owned(),
            Now::NotRead(why) => format!("could not be read: {why}"),
        };
        lines.push(format!("  {} {}: {how}", followed.task.sensor.label(), followed.task.label()));
    }
    print(ui, &lines)
}

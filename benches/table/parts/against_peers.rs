//! A whole plan beside what people read the same settings with instead.

use std::process::Command;

use crate::markdown::{Section, count, mebibytes, seconds, times};
use crate::ours;
use crate::peers::{self, Peer, Task, Tools};
use crate::process::{Cost, cost_of};
use crate::scale::Scale;
use crate::server::{Nginx, Server, Simulated};
use crate::workload::{Standing, State};

const COLUMNS: &[&str] =
    &["who reads", "hosts", "time", "times that of kedrctl", "processor time", "peak memory"];

pub(crate) fn measure(scale: &Scale) -> Section {
    let mut section = Section::new("Beside other tools", COLUMNS);
    let tools = Tools::new();
    for (slow, hosts) in [(false, scale.peer_hosts), (true, scale.slow_peer_hosts)] {
        let peers: Vec<&Peer> = peers::ALL.iter().filter(|peer| peer.is_slow == slow).collect();
        against(&peers, hosts, scale, &tools, &mut section);
    }
    section.note(
        "kedrctl reads the files and the host list, reads both settings of every host, compares them, and shows what differs; the \
         others read the same settings and drop them. Peak memory is that of the largest process that stays, so not of those that a loop starts.",
    );
    section
}

fn against(peers: &[&Peer], hosts: usize, scale: &Scale, tools: &Tools, section: &mut Section) {
    let mut server: Box<dyn Server> = match Nginx::start(hosts) {
        Some(nginx) => Box::new(nginx),
        None => Box::new(Simulated::start(hosts)),
    };
    let (credentials, listed) = (server.credentials().clone(), server.hosts().to_vec());
    let state = State::new(&listed, &credentials);
    let url = format!("https://{}", server.address());
    state.point_at(&url, &credentials);
    let base = format!("{url}/kata/response_api/v1/{}/", credentials.external_system_id);
    let task = Task { state: &state, base: &base, hosts: &listed };
    server.reset(Standing::NearlyAll);

    let mut commands: Vec<(&str, Option<Command>)> = Vec::new();
    for peer in peers {
        let ready = tools.have(peer.packages, scale.may_install);
        commands.push((peer.name, ready.then(|| (peer.command)(&task, tools))));
    }
    let mut ours = ours::command(&["plan"], &state.path(""));
    let mut best: Vec<Option<Cost>> = vec![None; commands.len() + 1];
    for round in 0..scale.rounds {
        let all =
            std::iter::once(Some(&mut ours)).chain(commands.iter_mut().map(|(_, command)| command.as_mut()));
        for (command, best) in all.zip(&mut best) {
            // Who takes long is not asked twice.
            if let Some(command) = command
                && (round == 0 || best.is_none_or(|best| best.seconds < 5.0))
            {
                let cost = cost_of(command);
                *best = Some(best.map_or(cost, |before| before.best(cost)));
            }
        }
    }
    let ours = best[0].unwrap();
    let names = std::iter::once("kedrctl plan").chain(commands.iter().map(|(name, _)| *name));
    for (name, cost) in names.zip(best) {
        section.row(match cost {
            Some(cost) => [
                name.to_owned(),
                count(hosts),
                seconds(cost.seconds),
                times(cost.seconds / ours.seconds),
                seconds(cost.cpu_seconds),
                mebibytes(cost.peak_mib),
            ],
            None => [
                name.to_owned(),
                count(hosts),
                "not to be installed here".into(),
                "–".into(),
                "–".into(),
                "–".into(),
            ],
        });
    }
}

//! Plans and applies beside the bare loop of the same HTTP library over the same requests.

use std::net::SocketAddr;
use std::time::Duration;

use crate::bare_loop::{self, Asks};
use crate::markdown::{Section, count, mebibytes, seconds, times};
use crate::ours;
use crate::process::{Cost, cost_of};
use crate::scale::Scale;
use crate::server::{Asked, Delay, Nginx, Server, Simulated};
use crate::workload::{CONCURRENCY, HASHES, Standing, State};

const FAR: Duration = Duration::from_millis(20);

const COLUMNS: &[&str] = &[
    "server, round trip",
    "hosts",
    "kedrctl",
    "bare loop",
    "ratio",
    "ratio of processor time",
    "peak memory",
    "requests",
    "connections",
];

pub(crate) fn plan(scale: &Scale) -> Section {
    let mut section = Section::new("Plan", COLUMNS);
    section.note(format!(
        "Each host declares two aspects, in files of 1,000 hosts: not isolated, and a rule of {HASHES} SHA-256; one host in \
         a hundred lacks one of them. At most {CONCURRENCY} requests at once."
    ));
    measure(scale, Asks::Plan, &mut section);
    section
}

pub(crate) fn apply(scale: &Scale) -> Section {
    let mut section = Section::new("Apply", COLUMNS);
    section.note(
        "The same hosts, none of which has a rule yet: all of them are read, looked at again, written and read back, and the \
         record is kept on disk, which the bare loop does not do.",
    );
    measure(scale, Asks::Apply, &mut section);
    section
}

/// Makes a server of so many hosts, where it is installed.
type Start = fn(usize) -> Option<Box<dyn Server>>;

fn measure(scale: &Scale, asks: Asks, section: &mut Section) {
    let starts: [(Start, &[usize]); 2] = [
        (|hosts| Nginx::start(hosts).map(|nginx| Box::new(nginx) as Box<dyn Server>), scale.far_hosts),
        (|hosts| Some(Box::new(Simulated::start(hosts))), scale.far_simulated_hosts),
    ];
    for (start, far_hosts) in starts {
        for far in [false, true] {
            for hosts in if far { far_hosts } else { scale.hosts } {
                let Some(mut server) = start(*hosts) else {
                    if !far && hosts == &scale.hosts[0] {
                        section.note("nginx is not installed here.");
                    }
                    continue;
                };
                let delay = far.then(|| Delay::before(server.address(), FAR));
                let address = delay.as_ref().map_or(server.address(), Delay::address);
                // What takes minutes is long enough to be measured once.
                let takes_minutes = match (asks, far) {
                    (Asks::Plan, false) => false,
                    (Asks::Apply, false) => *hosts >= 100_000,
                    (Asks::Plan | Asks::Apply, true) => *hosts >= 10_000,
                };
                let rounds = if takes_minutes { 1 } else { scale.rounds };
                let measured = by_turns(server.as_mut(), address, asks, rounds);
                section.row(row(server.as_ref(), far, &measured));
            }
        }
    }
}

struct Measured {
    kedrctl: Cost,
    bare: Cost,
    asked: Asked,
}

fn by_turns(server: &mut dyn Server, address: SocketAddr, asks: Asks, rounds: usize) -> Measured {
    let (credentials, hosts) = (server.credentials().clone(), server.hosts().to_vec());
    let state = State::new(&hosts, &credentials);
    let url = format!("https://{address}");
    state.point_at(&url, &credentials);
    let base = format!("{url}/kata/response_api/v1/{}/", credentials.external_system_id);
    let (standing, arguments): (_, &[&str]) = match asks {
        Asks::Plan => (Standing::NearlyAll, &["plan"]),
        Asks::Apply => (Standing::Nothing, &["apply", "--yes"]),
    };
    let mut bare = bare_loop::command(&state, &base, &hosts, asks);
    let mut measured: Option<Measured> = None;
    for _ in 0..rounds {
        server.reset(standing);
        state.forget();
        let kedrctl = cost_of(&mut ours::command(arguments, state.folder()));
        let asked = server.asked();
        server.reset(standing);
        let bare = cost_of(&mut bare);
        measured = Some(match measured {
            None => Measured { kedrctl, bare, asked },
            Some(before) => {
                Measured { kedrctl: before.kedrctl.best(kedrctl), bare: before.bare.best(bare), asked }
            }
        });
    }
    measured.unwrap()
}

fn row(server: &dyn Server, far: bool, Measured { kedrctl, bare, asked }: &Measured) -> [String; 9] {
    let distance = if far { FAR.as_millis() } else { 0 };
    let counted = |number: Option<usize>| number.map_or("–".to_owned(), count);
    [
        format!("{}, {distance} ms", server.name()),
        count(server.hosts().len()),
        seconds(kedrctl.seconds),
        seconds(bare.seconds),
        times(kedrctl.seconds / bare.seconds),
        times(kedrctl.cpu_seconds / bare.cpu_seconds),
        mebibytes(kedrctl.peak_mib),
        counted(asked.requests),
        counted(asked.connections),
    ]
}

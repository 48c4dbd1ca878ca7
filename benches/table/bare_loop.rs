//! What there is to beat: the HTTP library of the client with the client's settings, sending the same requests, so many
//! at once, and doing nothing with their answers. A process of its own, as the client is.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Client, Identity, Method};

use crate::workload::{CONCURRENCY, Host, State, isolation_path, prevention_path, rule_json, write};

/// The flag by which this program is the loop.
pub(crate) const FLAG: &str = "--bare-loop";

/// The requests of a plan, or of an apply that sets the rule of every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Plan,
    Apply,
}

/// The loop over the hosts of a state; `base` is what all its paths begin with.
pub(crate) fn command(state: &State, base: &str, hosts: &[Host], asks: Asks) -> Command {
    // A line is what has to be sent one after the other.
    let mut lines =
        vec!["GET sensors".to_owned(), "GET settings?sensor_id=all&settings_type=prevention".to_owned()];
    for host in hosts {
        lines.push(format!("GET {}", isolation_path(host)));
        lines.push(format!("GET {}", prevention_path(host)));
    }
    if asks == Asks::Apply {
        // Look, write, read back.
        lines.extend(
            hosts.iter().map(prevention_path).map(|path| format!("GET {path} POST {path} GET {path}")),
        );
    }
    write(&state.path("requests.txt"), &lines.join("\n"));
    write(&state.path("rule.json"), &rule_json(0));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(FLAG).arg(base).arg(state.folder());
    command
}

/// What the process does.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) {
    let (base, folder) = (arguments.next().unwrap(), arguments.next().unwrap());
    let read = |name| std::fs::read_to_string(Path::new(&folder).join(name)).unwrap();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let client = Client::builder()
        .identity(Identity::from_pem((read("client.crt") + &read("client.key")).as_bytes()).unwrap())
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(10))
        .pool_max_idle_per_host(CONCURRENCY)
        .build()
        .unwrap();
    let (requests, rule) = (read("requests.txt"), read("rule.json"));
    let (list, settings) = requests.split_once('\n').unwrap();
    let send_all = async |line: &str| {
        let mut words = line.split(' ');
        while let (Some(method), Some(path)) = (words.next(), words.next()) {
            let mut request = client
                .request(method.parse::<Method>().unwrap(), format!("{base}{path}"))
                .timeout(Duration::from_secs(60))
                .header("accept", "application/json");
            if method == "POST" {
                request = request.header("content-type", "application/json").body(rule.clone());
            }
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success() || answer.status() == 404, "{}", answer.status());
            drop(answer.bytes().await.unwrap());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Nobody knows whom to ask about before the list is here.
        send_all(list).await;
        let sent = futures_util::stream::iter(settings.lines()).map(send_all);
        sent.buffer_unordered(CONCURRENCY).for_each(|()| async {}).await;
    });
}

//! The vendor's own examples are in curl; so are most scripts.

use std::fmt::Write as _;
use std::process::Command;

use super::{Peer, Task, Tools};
use crate::workload::{CONCURRENCY, write};

pub(super) const LOOP: Peer =
    Peer { name: "a shell loop, one `curl` a host", is_slow: false, packages: &[], command: one_a_host };

pub(super) const PARALLEL: Peer =
    Peer { name: "`curl --parallel`, one process", is_slow: false, packages: &[], command: one_for_all };

/// `-k`, as the help's examples have it.
const LOOPING: &str = r#"
cd "$1"
while read -r isolation prevention; do
  curl -sk --cert client.crt --key client.key "$isolation" -o /dev/null "$prevention" -o /dev/null
done < pairs.txt
"#;

fn one_a_host(task: &Task<'_>, _: &Tools) -> Command {
    let urls: Vec<String> = task.urls().collect();
    let pairs: Vec<String> = urls.chunks(2).map(|pair| pair.join(" ")).collect();
    write(&task.state.path("pairs.txt"), &(pairs.join("\n") + "\n"));
    let mut command = Command::new("sh");
    command.args(["-ec", LOOPING, "sh"]).arg(task.state.folder());
    command
}

fn one_for_all(task: &Task<'_>, _: &Tools) -> Command {
    let mut configuration = "insecure\nsilent\ncert = client.crt\nkey = client.key\n".to_owned();
    for url in task.urls() {
        write!(configuration, "url = \"{url}\"\noutput = /dev/null\n").unwrap();
    }
    write(&task.state.path("curl.txt"), &configuration);
    let mut command = Command::new("curl");
    command.current_dir(task.state.folder()).args([
        "--parallel",
        "--parallel-max",
        &CONCURRENCY.to_string(),
        "--config",
        "curl.txt",
    ]);
    command
}

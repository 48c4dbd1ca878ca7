//! Small services around `requests`, and what becomes of them when they get slow.

use std::process::Command;

use super::{Peer, Task, Tools};
use crate::workload::{CONCURRENCY, write};

pub(super) const REQUESTS: Peer = Peer {
    name: "Python, `requests` with a session",
    is_slow: false,
    packages: &["requests"],
    command: |task, tools| script(task, tools, "requests.py", include_str!("one_by_one.py")),
};

pub(super) const AIOHTTP: Peer = Peer {
    name: "Python, asyncio with `aiohttp`",
    is_slow: false,
    packages: &["aiohttp"],
    command: |task, tools| script(task, tools, "aiohttp.py", include_str!("side_by_side.py")),
};

fn script(task: &Task<'_>, tools: &Tools, name: &str, text: &str) -> Command {
    let urls: Vec<String> = task.urls().collect();
    write(&task.state.path("urls.txt"), &urls.join("\n"));
    // A module of the same name would be imported in its place.
    let script = task.state.path(&format!("read_with_{name}"));
    write(&script, text);
    let mut command = Command::new(tools.program("python"));
    command.current_dir(task.state.folder()).arg(script).arg(CONCURRENCY.to_string());
    command
}

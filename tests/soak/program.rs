//! The program by the soak's clock. It has no flag or variable for its clock, which would be a way to let a real fleet's
//! isolations end unseen: this test's binary starts itself again, and is the program then.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;

use kedrctl::model::Clock;

use crate::clock::FastClock;
use crate::lab::{Ended, Lab, Running, alone, ended};
use crate::usage::peak_kib;

const CLOCK: &str = "SOAK_CLOCK";
const ARGUMENTS: &str = "SOAK_ARGUMENTS";
/// Where each program that comes to its end leaves what it took.
pub(crate) const PEAKS: &str = ".peaks";

/// With these arguments, in the folder of `lab`.
pub(crate) fn command(lab: &Lab, clock: &FastClock, arguments: &str) -> Command {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "program::the_program", "--nocapture", "--quiet", "--test-threads=1"]);
    again.env(CLOCK, clock.told()).env(ARGUMENTS, arguments);
    alone(again, &lab.path("."))
}

pub(crate) fn run(lab: &Lab, clock: &FastClock, arguments: &str) -> Ended {
    ended(command(lab, clock, arguments).output().unwrap())
}

pub(crate) fn start(lab: &Lab, clock: &FastClock, arguments: &str) -> Running {
    Running::start(command(lab, clock, arguments))
}

/// No test: it is there to be started by [`command`], and does nothing otherwise.
#[test]
#[expect(clippy::exit, reason = "the exit code is the program's, not that of a test")]
fn the_program() {
    let Ok(told) = std::env::var(CLOCK) else { return };
    let clock = Arc::new(FastClock::heard(&told));
    let typed = std::env::var(ARGUMENTS).unwrap();
    let arguments = ["kedrctl"].into_iter().chain(typed.split_whitespace()).map(Into::into);
    let exit = kedrctl::cli::main_with(arguments, Arc::clone(&clock) as Arc<dyn Clock>);
    let mut peaks = std::fs::File::options().append(true).create(true).open(PEAKS).unwrap();
    // In one write, as others do it at the same time.
    peaks.write_all(format!("{}\n", peak_kib()).as_bytes()).unwrap();
    std::process::exit(exit.code().into());
}

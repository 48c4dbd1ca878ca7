//! The program that is measured.

use std::path::Path;
use std::process::Command;

pub(crate) fn command(arguments: &[&str], state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kedrctl"));
    // What is measured is what the files say, not what this shell happens to have set.
    command.args(arguments).arg("-f").arg(state).env_remove("KEDRCTL_FILES");
    command
}

//! What the user types, and which command that is. Flags are parsed low (what was typed) and turned into the high
//! form that the rooms below take; no rule of the product stands here.

mod account;
mod apply;
mod apply_saved;
mod by_hand;
mod carry_out;
mod chains;
mod contact;
mod drift;
mod exit;
mod explain;
mod flags;
mod follow;
mod held_to;
mod help;
mod history;
mod hold;
mod hosts;
mod import;
mod init;
mod introduce;
mod known;
mod lock;
mod log;
mod look;
mod managed;
mod observed;
mod page;
mod plan;
mod probe;
mod record;
mod register;
mod reports;
mod rollback;
mod save;
mod schema;
mod show;
mod simulate;
mod snapshot;
mod start;
mod tasks;
mod validate;
mod whole_file;
mod whom;
mod why;

pub use exit::{Exit, Findings};

use std::ffi::OsString;
use std::sync::Arc;

use clap::{CommandFactory, Parser};

use flags::{Cli, Command};

use crate::model::{Clock, WallClock};
use crate::terminal::Ui;

/// Parses this process's arguments and runs the command that they name.
pub fn main() -> Exit {
    main_with(std::env::args_os(), Arc::new(WallClock))
}

/// The same with arguments, the program's name first, and a clock of the caller's: for programs that have this one in
/// them, and for tests that let hours pass. Every instant that is judged, sent or recorded is that clock's. How long a
/// server, a lock or a person is waited for stays real, as does a lock in a bucket and the world of a state's own simulator.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>, clock: Arc<dyn Clock>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return clap_exit(&error),
    };
    let ui = Ui::new(cli.voice(), clock);
    let ended = match cli.command {
        Command::Init(flags) => init::run(&ui, &flags),
        Command::Register(flags) => register::run(&ui, &flags),
        Command::Validate(flags) => validate::run(&ui, &flags),
        Command::Plan(flags) => plan::run(&ui, &flags),
        Command::Apply(flags) if flags.check && flags.plan.is_none() => plan::run(&ui, &flags.as_plan()),
        Command::Apply(flags) => apply::run(&ui, &flags),
        Command::Drift(flags) => drift::run(&ui, &flags),
        Command::Snapshot(flags) => snapshot::run(&ui, &flags),
        Command::Hosts(flags) => hosts::run(&ui, &flags),
        Command::Show(flags) => show::run(&ui, &flags),
        Command::Explain(flags) => explain::run(&ui, &flags),
        Command::Schema(flags) => schema::run(&ui, &flags),
        Command::Isolate(flags) => by_hand::isolate(&ui, &flags),
        Command::Release(flags) => by_hand::release(&ui, &flags),
        Command::Block(flags) => by_hand::block(&ui, &flags),
        Command::Unblock(flags) => by_hand::unblock(&ui, &flags),
        Command::Run(flags) => by_hand::run(&ui, &flags),
        Command::Tasks(flags) => tasks::run(&ui, &flags),
        Command::Hold(flags) => hold::run(&ui, &flags),
        Command::Probe(flags) => probe::run(&ui, &flags),
        Command::Rollback(flags) => rollback::run(&ui, &flags),
        Command::History(flags) => history::run(&ui, &flags),
        Command::Why(flags) => why::run(&ui, &flags),
        Command::Import(flags) => import::run(&ui, &flags),
        Command::Record(command) => record::run(&ui, &command),
        Command::Lock(flags) => lock::run(&ui, &flags),
        Command::Unlock(flags) => lock::break_it(&ui, &flags),
        Command::Simulate(flags) => simulate::run(&ui, &flags),
        Command::Completions { shell } => return completions(&ui, shell),
    };
    match ended {
        Ok(exit) => exit,
        Err(failure) => {
            ui.error(&failure.to_string());
            failure.exit()
        }
    }
}

/// `--help` and `--version` are answers; everything else is a usage error, which is 1 here (2 means differences).
fn clap_exit(error: &clap::Error) -> Exit {
    // A closed pipe: nobody reads it any more.
    let _closed = error.print();
    if error.use_stderr() { Exit::Error } else { Exit::Done }
}

fn completions(ui: &Ui, shell: clap_complete::Shell) -> Exit {
    let written = ui.print(|out| {
        clap_complete::generate(shell, &mut Cli::command(), "kedrctl", out);
        Ok(())
    });
    match written {
        Ok(_) => Exit::Done,
        Err(_) => Exit::Error,
    }
}

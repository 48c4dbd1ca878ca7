use super::Exit;
use super::apply::whoami;
use super::flags::RecordCheckFlags;
use super::start::{Failure, declared, record, runtime};
use crate::model::{Clock, WallClock};
use crate::record::Holder;
use crate::report::record_state::write_probe;
use crate::terminal::{Printed, Ui};

/// Tries whether the store of the record does what a record needs.
pub(super) fn check(ui: &Ui, flags: &RecordCheckFlags) -> Result<Exit, Failure> {
    let declared = declared(ui, &flags.files)?;
    let record = record(&declared)?;
    let holder = Holder { by: whoami(), pid: std::process::id(), since: WallClock.now() };
    let report = runtime()?.block_on(record.check(&holder)).map_err(Failure::Record)?;
    match ui.print(|out| write_probe(&record.place(), &report, ui.out_palette(), out))? {
        Printed::Whole | Printed::PipeClosed => {}
    }
    Ok(if report.is_fit() { Exit::Done } else { Exit::Error })
}

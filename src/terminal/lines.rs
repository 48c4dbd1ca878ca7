use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use super::{Printed, Ui};

/// Lines on stdout while something else goes on: they are written by a thread of their own, so that a reader that is
/// slow, or does not read at all, stops nobody's work.
#[derive(Debug)]
pub struct Lines {
    ui: Ui,
    sender: Sender<Vec<u8>>,
    writer: JoinHandle<io::Result<Printed>>,
}

/// Where lines are put down. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LineSender(Sender<Vec<u8>>);

impl Ui {
    /// From now on and until [`Lines::end`], stdout has what is sent here.
    pub fn lines(&self) -> Lines {
        let (sender, lines) = mpsc::channel::<Vec<u8>>();
        let ui = self.clone();
        let writer = std::thread::spawn(move || {
            let mut printed = Printed::Whole;
            for line in lines {
                // Nobody reads any more: what is sent is still taken.
                if printed == Printed::Whole {
                    printed = ui.print_aside(|out| io::Write::write_all(out, &line))?;
                }
            }
            Ok(printed)
        });
        Lines { ui: self.clone(), sender, writer }
    }
}

impl Lines {
    /// Another end by which lines are sent.
    pub fn sender(&self) -> LineSender {
        LineSender(self.sender.clone())
    }

    /// Waits until all lines are written; every [`LineSender`] has to be gone by now.
    ///
    /// # Errors
    /// Those of stdout, but not a closed pipe.
    pub fn end(self) -> io::Result<Printed> {
        drop(self.sender);
        match self.ui.taking().during(|| self.writer.join()) {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl LineSender {
    /// A line with its line break.
    pub fn send(&self, line: Vec<u8>) {
        // The writer is gone only where stdout takes nothing more, which `end` tells.
        if self.0.send(line).is_err() {}
    }
}

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use indicatif::{ProgressBar, WeakProgressBar};
use tokio::sync::watch;

use super::taking::{Taking, Watched};
use super::voice::json_line;
use super::{ColorEnvironment, Detail, LogFormat, Paint, Palette, Voice};
use crate::model::Clock;

/// Owner of both streams: nothing else prints. Results go to stdout, everything that is said about the work
/// (warnings, progress, questions) to stderr. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ui {
    shared: Arc<Shared>,
}

struct Shared {
    out: Stream,
    err: Stream,
    input_is_terminal: bool,
    detail: Detail,
    log: LogFormat,
    /// Whether the terminal knows no escape sequences.
    is_dumb: bool,
    clock: Arc<dyn Clock>,
    /// The bar that is on the screen, if any: a line on stderr must not be written through it.
    bar: Mutex<WeakProgressBar>,
    /// Stdout is for programs: what people are told beside the result goes to stderr.
    is_for_programs: AtomicBool,
    /// Who hears what is said, beside those who read stderr.
    listener: Mutex<Option<Listener>>,
    /// Whether stdout is read.
    taking: Arc<Taking>,
    /// Goes with the command.
    over: watch::Sender<()>,
}

/// An owner of both streams for as long as somebody else is one.
#[derive(Debug, Clone)]
pub(super) struct FaintUi(Weak<Shared>);

impl FaintUi {
    /// Says something on a thread of its own, and waits for it no longer than `patience`: a stderr that is not read
    /// takes nothing either, nor does a bar while something is written through it.
    pub(super) fn say_at_most(&self, patience: Duration, say: impl FnOnce(&Ui) + Send + 'static) {
        let Some(shared) = self.0.upgrade() else { return };
        let (said, is_said) = mpsc::channel();
        let saying = std::thread::Builder::new().spawn(move || {
            say(&Ui { shared });
            // Who waited has given up.
            if said.send(()).is_err() {}
        });
        if saying.is_err() || is_said.recv_timeout(patience).is_err() {}
    }
}

/// What is said to a person, for whoever writes it down too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The text of [`Ui::warn`], without its label.
    Warning(&'a str),
    /// The text of [`Ui::error`], without its label.
    Error(&'a str),
}

type Listener = Box<dyn Fn(Heard<'_>) + Send>;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("out", &self.out).field("err", &self.err).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    is_terminal: bool,
    palette: Palette,
}

/// How writing to stdout ended. A reader that has seen enough (`plan | head`) is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a closed pipe ends `plan` quietly and never stops `apply`"]
pub enum Printed {
    /// All of it was taken.
    Whole,
    /// The reader went away before the end; the rest was dropped.
    PipeClosed,
}

/// Where results are written.
pub type Out<'a> = BufWriter<Watched<'a, StdoutLock<'a>>>;

impl Ui {
    /// Looks at this process's streams and environment, once.
    pub fn new(voice: Voice, clock: Arc<dyn Clock>) -> Self {
        let environment = ColorEnvironment::of_process();
        let stream = |is_terminal| Stream {
            is_terminal,
            palette: Palette::new(voice.color.decide(is_terminal, environment)),
        };
        Self {
            shared: Arc::new(Shared {
                out: stream(io::stdout().is_terminal()),
                err: stream(io::stderr().is_terminal()),
                input_is_terminal: io::stdin().is_terminal(),
                detail: voice.detail,
                log: voice.log,
                is_dumb: environment.is_dumb,
                clock,
                bar: Mutex::new(WeakProgressBar::new()),
                is_for_programs: AtomicBool::new(false),
                listener: Mutex::new(None),
                taking: Arc::default(),
                over: watch::Sender::new(()),
            }),
        }
    }

    /// What the log goes by, and so the command that speaks here.
    pub fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    /// How to paint what goes to stdout.
    pub fn out_palette(&self) -> Palette {
        self.shared.out.palette
    }

    /// How to paint what goes to stderr.
    pub fn err_palette(&self) -> Palette {
        self.shared.err.palette
    }

    /// How much is to be said of the work.
    pub fn detail(&self) -> Detail {
        self.shared.detail
    }

    /// Whether stderr can show a bar that moves.
    pub(super) fn can_show_bar(&self) -> bool {
        self.shared.err.is_terminal && !self.shared.is_dumb && self.shared.log == LogFormat::Text
    }

    /// Whether a person can answer: without one, `apply` needs `--yes`.
    pub fn can_ask(&self) -> bool {
        self.shared.input_is_terminal
    }

    /// Writes a result to stdout.
    ///
    /// # Errors
    /// Those of stdout (a full disk), but not a closed pipe, and those of `write`.
    pub fn print(&self, write: impl FnOnce(&mut Out<'_>) -> io::Result<()>) -> io::Result<Printed> {
        self.shared.taking.during(|| self.print_aside(write))
    }

    /// The same while the command does something else.
    pub(super) fn print_aside(
        &self,
        write: impl FnOnce(&mut Out<'_>) -> io::Result<()>,
    ) -> io::Result<Printed> {
        self.without_bar(|| deliver(Watched::new(io::stdout().lock(), &self.shared.taking), write))
    }

    /// Whether stdout is read.
    pub(super) fn taking(&self) -> Arc<Taking> {
        Arc::clone(&self.shared.taking)
    }

    /// Closed once the command is over.
    pub(super) fn over(&self) -> watch::Receiver<()> {
        self.shared.over.subscribe()
    }

    /// What keeps no command from being over.
    pub(super) fn faint(&self) -> FaintUi {
        FaintUi(Arc::downgrade(&self.shared))
    }

    /// From now on stdout is for one result in a format of its own, and nothing else.
    pub fn keep_stdout_for_programs(&self) {
        self.shared.is_for_programs.store(true, Ordering::Relaxed);
    }

    /// Lines for a person, beside the result; safe to print.
    ///
    /// # Errors
    /// Those of stdout, but not a closed pipe.
    pub fn tell(&self, lines: &[String]) -> io::Result<Printed> {
        if self.shared.is_for_programs.load(Ordering::Relaxed) {
            lines.iter().for_each(|line| self.note(line));
            return Ok(Printed::Whole);
        }
        self.print(|out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))
    }

    /// Something that a person should know although the work goes on; `text` must be safe to print.
    pub fn warn(&self, text: &str) {
        self.heard(Heard::Warning(text));
        self.say("warning", Paint::Doubt, text);
    }

    /// Why the work has ended; `text` must be safe to print.
    pub fn error(&self, text: &str) {
        self.heard(Heard::Error(text));
        self.say("error", Paint::Alarm, text);
    }

    /// Hands every warning and error to `listener` too, until [`Ui::unheard`].
    pub fn listen(&self, listener: impl Fn(Heard<'_>) + Send + 'static) {
        *self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
    }

    /// Nobody listens any more.
    pub fn unheard(&self) {
        *self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn heard(&self, what: Heard<'_>) {
        if let Some(listener) = &*self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner) {
            listener(what);
        }
    }

    /// What is going on; `text` must be safe to print.
    pub fn note(&self, text: &str) {
        self.detailed("info", text, &[]);
    }

    /// A line with what machines want to know of it; `text` must be safe to print, and tells a person all of it.
    pub fn detailed(&self, level: &str, text: &str, more: &[(&str, serde_json::Value)]) {
        match self.shared.log {
            LogFormat::Text => self.to_err(&format!("{text}\n")),
            LogFormat::Json => {
                let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
                self.to_err(&format!("{}\n", json_line(self.clock().now(), level, text, more)));
            }
        }
    }

    fn say(&self, level: &str, paint: Paint, text: &str) {
        match self.shared.log {
            LogFormat::Text => {
                let label = self.shared.err.palette.paint(paint, &format!("{level}: ")).into_owned();
                self.to_err(&format!("{label}{text}\n"));
            }
            LogFormat::Json => self.detailed(level, text, &[]),
        }
    }

    /// Text as it is, to stderr. Where stderr is closed nobody listens, and there is nobody left to tell.
    pub(super) fn to_err(&self, text: &str) {
        self.without_bar(|| {
            let mut err = io::stderr().lock();
            if err.write_all(text.as_bytes()).and_then(|()| err.flush()).is_err() {}
        });
    }

    pub(super) fn show_bar(&self, bar: &ProgressBar) {
        *self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar.downgrade();
    }

    /// Takes the bar off the screen while something is written.
    fn without_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        let bar = self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

fn deliver<W: Write>(out: W, write: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>) -> io::Result<Printed> {
    let mut out = BufWriter::new(out);
    let written = write(&mut out).and_then(|()| out.flush());
    // What was not written by now would be tried again on drop.
    drop(out.into_parts());
    match written {
        Ok(()) => Ok(Printed::Whole),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Printed::PipeClosed),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut whole = Vec::new();
        assert_eq!(deliver(&mut whole, |out| out.write_all(b"plan")).unwrap(), Printed::Whole);
        assert_eq!(whole, b"plan");
        let closed = deliver(Broken(io::ErrorKind::BrokenPipe), |out| out.write_all(b"plan"));
        assert_eq!(closed.unwrap(), Printed::PipeClosed);
        let full = deliver(Broken(io::ErrorKind::StorageFull), |out| out.write_all(b"plan"));
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}

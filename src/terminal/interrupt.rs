use std::future::Future;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use super::Ui;
use super::taking::Taking;
use super::ui::FaintUi;
use crate::execute::Stop;

/// What a process ends with that a signal ended.
pub const INTERRUPTED: u8 = 130;

/// For how long the reader of stdout may take nothing after the first signal, and after the second.
const READER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(1)];
/// As much as an orderly end may take after the second signal, such as for writing reports of a large fleet.
const END: Duration = Duration::from_secs(10);
/// As much as a line on stderr may take; it stands before what the signal leads to, if it can.
const LINE: Duration = Duration::from_millis(500);

/// Turns Ctrl-C and SIGTERM into a value that is passed down: the first one lets what is in flight finish, the
/// second ends at once. Signals are seen on a thread of their own, which ends the process where the one that works
/// is held up: by a reader of stdout that takes nothing, above all. Once this value is dropped, nobody heeds what
/// is passed down, and any signal ends the process.
#[derive(Debug)]
pub struct Interrupts {
    stop: watch::Receiver<Stop>,
    /// Without signals: keeps the channel open.
    _silent: Option<watch::Sender<Stop>>,
    _heeded: Arc<()>,
}

impl Interrupts {
    /// From now on signals do not end the process by themselves, and what they lead to is announced.
    ///
    /// # Errors
    /// Where the operating system does not let us listen.
    pub fn listen(ui: &Ui) -> io::Result<Self> {
        Self::listen_and(ui, true)
    }

    /// The same for what ends without further ado: nothing is announced.
    ///
    /// # Errors
    /// Where the operating system does not let us listen.
    pub fn listen_quietly(ui: &Ui) -> io::Result<Self> {
        Self::listen_and(ui, false)
    }

    fn listen_and(ui: &Ui, is_announced: bool) -> io::Result<Self> {
        let (sender, stop) = watch::channel(Stop::No);
        let heeded = Arc::new(());
        let watcher = Watcher {
            sender,
            heeded: Arc::downgrade(&heeded),
            ui: ui.faint(),
            taking: ui.taking(),
            over: ui.over(),
            is_announced,
        };
        let (began, begun) = mpsc::channel();
        thread::Builder::new().name("signals".to_owned()).spawn(move || watcher.run(&began))?;
        match begun.recv() {
            Ok(began) => began?,
            Err(_the_thread_ended) => return Err(io::Error::other("the thread for signals ended")),
        }
        Ok(Self { stop, _silent: None, _heeded: heeded })
    }

    /// Never interrupted.
    pub fn none() -> Self {
        let (sender, stop) = watch::channel(Stop::No);
        Self { stop, _silent: Some(sender), _heeded: Arc::default() }
    }

    /// What is wanted now, and every change of it.
    pub fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }
}

/// What the thread for signals knows.
struct Watcher {
    sender: watch::Sender<Stop>,
    heeded: Weak<()>,
    ui: FaintUi,
    taking: Arc<Taking>,
    /// Closed once the command has ended: the process is somebody else's then.
    over: watch::Receiver<()>,
    is_announced: bool,
}

impl Watcher {
    fn run(mut self, began: &Sender<io::Result<()>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tell(began, Err(error)),
        };
        runtime.block_on(async {
            let mut signals = match Signals::new() {
                Ok(signals) => signals,
                Err(error) => return tell(began, Err(error)),
            };
            tell(began, Ok(()));
            let announce = |stop| {
                if self.is_announced {
                    self.ui.say_at_most(LINE, move |ui| ui.note(announcement(stop)));
                }
            };
            let is_heeded = || self.heeded.strong_count() > 0;
            tokio::select! {
                end = follow(&mut signals, &self.sender, announce, is_heeded, &self.taking) => {
                    if end == End::NobodyReads {
                        self.ui.say_at_most(LINE, |ui| ui.error("interrupted, and nobody reads stdout: ended at once"));
                    }
                    end_process();
                }
                _over = self.over.changed() => {}
            }
        });
    }
}

/// Who asked is gone only where the process ends.
fn tell(whom: &Sender<io::Result<()>>, what: io::Result<()>) {
    if whom.send(what).is_err() {}
}

#[expect(clippy::exit, reason = "who decides on exit codes is held up")]
fn end_process() {
    std::process::exit(i32::from(INTERRUPTED));
}

fn announcement(stop: Stop) -> &'static str {
    match stop {
        Stop::No => "",
        Stop::FinishInFlight => {
            "interrupted: finishing what is in flight, nothing new is written; a second Ctrl-C ends at once"
        }
        Stop::Now => "interrupted again: ending at once",
    }
}

/// Where signals come from: the operating system, or a test.
trait NextSignal: Send {
    fn next(&mut self) -> impl Future<Output = ()> + Send;
}

/// Why a process has to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nobody heeds signals, or whoever did had its time.
    Signal,
    /// The command waits for the reader of stdout, which takes nothing.
    NobodyReads,
}

/// Two signals, two steps; returns when nothing is left but to end the process.
async fn follow(
    signals: &mut impl NextSignal,
    stop: &watch::Sender<Stop>,
    announce: impl Fn(Stop),
    is_heeded: impl Fn() -> bool,
    taking: &Taking,
) -> End {
    let steps = [Stop::FinishInFlight, Stop::Now];
    signals.next().await;
    for (step, patience) in steps.into_iter().zip(READER) {
        if !is_heeded() {
            return End::Signal;
        }
        announce(step);
        stop.send_replace(step);
        let another = async {
            match step {
                Stop::No | Stop::FinishInFlight => signals.next().await,
                Stop::Now => tokio::time::sleep(END).await,
            }
        };
        tokio::select! {
            () = another => {}
            () = taking.stalled(patience) => return End::NobodyReads,
        }
    }
    End::Signal
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }
}

#[cfg(unix)]
impl NextSignal for Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }
}

#[cfg(windows)]
impl NextSignal for Signals {
    async fn next(&mut self) {
        self.0.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::mpsc;

    use super::*;

    impl NextSignal for mpsc::UnboundedReceiver<()> {
        async fn next(&mut self) {
            if self.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Sends so many signals, of which `heeded` are waited for, and tells what was said and how it ended.
    async fn followed(signals: usize, heeded: bool, taking: &Taking) -> (Vec<Stop>, Stop, Option<End>) {
        let (signal, mut next) = mpsc::unbounded_channel();
        let (sender, stop) = watch::channel(Stop::No);
        let said = Mutex::new(Vec::new());
        for _ in 0..signals {
            signal.send(()).unwrap();
        }
        let following = follow(&mut next, &sender, |stop| said.lock().unwrap().push(stop), || heeded, taking);
        let end = tokio::select! {
            end = following => Some(end),
            () = tokio::time::sleep(Duration::from_secs(3_600)) => None,
        };
        let stop = *stop.borrow();
        (said.into_inner().unwrap(), stop, end)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_finishes_and_the_second_ends() {
        let free = Taking::default();
        assert_eq!(followed(0, true, &free).await, (vec![], Stop::No, None));
        let first = vec![Stop::FinishInFlight];
        assert_eq!(followed(1, true, &free).await, (first, Stop::FinishInFlight, None));
        let both = vec![Stop::FinishInFlight, Stop::Now];
        assert_eq!(followed(2, true, &free).await, (both, Stop::Now, Some(End::Signal)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_heeds_or_reads_ends_by_the_first() {
        assert_eq!(followed(1, false, &Taking::default()).await, (vec![], Stop::No, Some(End::Signal)));
        let taking = Arc::new(Taking::default());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (began, begun) = std::sync::mpsc::channel();
        let stuck = Arc::clone(&taking);
        let writer = thread::spawn(move || {
            stuck.during(|| {
                began.send(()).unwrap();
                wait.recv().is_err()
            })
        });
        begun.recv().unwrap();
        let first = vec![Stop::FinishInFlight];
        let ended = followed(1, true, &taking).await;
        assert_eq!(ended, (first, Stop::FinishInFlight, Some(End::NobodyReads)));
        drop(go);
        assert!(writer.join().unwrap());
    }

    #[tokio::test]
    async fn without_signals_nothing_stops() {
        let interrupts = Interrupts::none();
        let stop = interrupts.stop();
        assert_eq!(*stop.borrow(), Stop::No);
        assert!(!stop.has_changed().unwrap());
    }
}

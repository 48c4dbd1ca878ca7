use std::future::Future;
use std::io;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Ui;
use crate::execute::Stop;

/// Turns Ctrl-C and SIGTERM into a value that is passed down: the first one lets what is in flight finish, the
/// second ends at once. Dropped, it listens no more.
#[derive(Debug)]
pub struct Interrupts {
    stop: watch::Receiver<Stop>,
    /// Without signals: keeps the channel open.
    _silent: Option<watch::Sender<Stop>>,
    _listener: JoinSet<()>,
}

impl Interrupts {
    /// From now on signals do not end the process by themselves, and what they lead to is announced. Within a tokio
    /// runtime only.
    ///
    /// # Errors
    /// Where the operating system does not let us listen.
    pub fn listen(ui: &Ui) -> io::Result<Self> {
        let ui = ui.clone();
        Self::listen_and(move |stop| ui.note(announcement(stop)))
    }

    /// The same for what ends without further ado: nothing is announced.
    ///
    /// # Errors
    /// Where the operating system does not let us listen.
    pub fn listen_quietly() -> io::Result<Self> {
        Self::listen_and(|_stop| {})
    }

    fn listen_and(announce: impl Fn(Stop) + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let (sender, stop) = watch::channel(Stop::No);
        let mut listener = JoinSet::new();
        listener.spawn(async move {
            follow(&mut signals, &sender, announce).await;
            // Who waits for a change of `stop` must not see its sender go.
            sender.closed().await;
        });
        Ok(Self { stop, _silent: None, _listener: listener })
    }

    /// Never interrupted.
    pub fn none() -> Self {
        let (sender, stop) = watch::channel(Stop::No);
        Self { stop, _silent: Some(sender), _listener: JoinSet::new() }
    }

    /// What is wanted now, and every change of it.
    pub fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }
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

/// Two signals, two steps.
async fn follow(signals: &mut impl NextSignal, stop: &watch::Sender<Stop>, announce: impl Fn(Stop)) {
    for step in [Stop::FinishInFlight, Stop::Now] {
        signals.next().await;
        announce(step);
        stop.send_replace(step);
    }
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

    #[tokio::test]
    async fn the_first_signal_finishes_and_the_second_ends() {
        let (signal, mut signals) = mpsc::unbounded_channel();
        let (sender, stop) = watch::channel(Stop::No);
        let said = Mutex::new(Vec::new());
        let following = follow(&mut signals, &sender, |stop| said.lock().unwrap().push(stop));
        let sending = async {
            let mut seen = stop.clone();
            assert_eq!(*seen.borrow(), Stop::No);
            for wanted in [Stop::FinishInFlight, Stop::Now] {
                signal.send(()).unwrap();
                seen.wait_for(|stop| *stop == wanted).await.unwrap();
            }
        };
        tokio::join!(following, sending);
        assert_eq!(*said.lock().unwrap(), [Stop::FinishInFlight, Stop::Now]);
    }

    #[tokio::test]
    async fn without_signals_nothing_stops() {
        let interrupts = Interrupts::none();
        let stop = interrupts.stop();
        assert_eq!(*stop.borrow(), Stop::No);
        assert!(!stop.has_changed().unwrap());
    }
}

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Ui;

/// Work that is done sooner shows no bar: it would only flicker.
const DELAY: Duration = Duration::from_millis(250);
const TICK: Duration = Duration::from_millis(120);

/// A bar on stderr, only where that is a terminal that can move its cursor. It goes when this value is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// The thread that shows the bar when its time has come, and what ends it sooner.
    shower: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Ui {
    /// A bar for `what` (`reading hq`; safe to print), of `total` pieces of work. There is one bar at a time: who
    /// works on several servers at once counts them together ([`Progress::grow`]).
    pub fn progress(&self, what: &str, total: u64) -> Progress {
        self.shown(what, Some(total), "{spinner} {prefix} {bar:30} {human_pos}/{human_len} {msg}")
    }

    /// A line that shows for how long has been waited for `what` (safe to print), of which nobody knows how long it
    /// takes.
    pub fn waiting(&self, what: &str) -> Progress {
        self.shown(what, None, "{spinner} {prefix} ({elapsed})")
    }

    fn shown(&self, what: &str, total: Option<u64>, template: &str) -> Progress {
        if !self.can_show_bar() {
            return Progress::hidden();
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        self.show_bar(&bar);
        let (sooner, wait) = mpsc::channel();
        let shown = bar.clone();
        let shower = std::thread::spawn(move || {
            after(DELAY, &wait, || {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                // Also a single long request shows that something is going on.
                shown.enable_steady_tick(TICK);
            });
        });
        Progress { bar, shower: Some((sooner, shower)) }
    }
}

impl Progress {
    /// For those who show none.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), shower: None }
    }

    /// One piece of work is done.
    pub fn advance(&self) {
        self.bar.inc(1);
    }

    /// There is more to do than was known.
    pub fn grow(&self, pieces: u64) {
        self.bar.inc_length(pieces);
    }

    /// What is going on just now (`retrying: …`; safe to print).
    pub fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sooner, shower)) = self.shower.take() {
            drop(sooner);
            // A thread that panicked has shown no bar; nothing else hangs on it.
            if shower.join().is_err() {}
        }
        self.bar.finish_and_clear();
    }
}

/// Runs `show` when `delay` has passed, unless the sender of `wait` is dropped sooner.
fn after(delay: Duration, wait: &mpsc::Receiver<()>, show: impl FnOnce()) {
    match wait.recv_timeout(delay) {
        Err(RecvTimeoutError::Timeout) => show(),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_shown_only_for_work_that_takes_long() {
        let is_shown = |delay, is_done_sooner: bool| {
            let (sooner, wait) = mpsc::channel();
            let sooner = (!is_done_sooner).then_some(sooner);
            let mut is_shown = false;
            after(delay, &wait, || is_shown = true);
            drop(sooner);
            is_shown
        };
        assert!(is_shown(Duration::ZERO, false));
        assert!(!is_shown(Duration::from_secs(3_600), true));
    }

    #[test]
    fn a_hidden_bar_takes_everything() {
        let progress = Progress::hidden();
        progress.grow(2);
        progress.advance();
        progress.say("retrying");
    }
}

//! The server's clock against ours.

use jiff::{SignedDuration, Timestamp};

use crate::model::display_duration;
use crate::plan::ServerClock;

/// `date` is what an answer said that was asked for at `asked` and had come by `answered`. The server wrote it some
/// time between, and cut the second off: where it may be ahead of ours, the most that it may be counts.
pub(super) fn compare(
    asked: Timestamp,
    answered: Timestamp,
    date: Option<Timestamp>,
    tolerance: SignedDuration,
) -> ServerClock {
    let Some(date) = date else { return ServerClock::NotGiven };
    let most = date.duration_since(asked).saturating_add(SignedDuration::from_secs(1));
    let least = date.duration_since(answered);
    if least > tolerance {
        ServerClock::Apart(least)
    } else if most < -tolerance {
        ServerClock::Apart(most)
    } else {
        ServerClock::Together(most)
    }
}

/// What a person should know of it.
pub(super) fn warning(clock: ServerClock) -> Option<String> {
    match clock {
        ServerClock::NotGiven => Some(
            "its answers carry no `Date`: whether its clock and ours agree is not known; nothing else tells"
                .to_owned(),
        ),
        ServerClock::Together(_) => {
            clock.notable().map(|ahead| format!("its clock is {}; set both by NTP", words(ahead)))
        }
        ServerClock::Apart(ahead) => Some(format!(
            "its clock is {}: hosts without a rule are isolated as declared, and nothing else that hangs on an instant \
             is decided; set both clocks by NTP",
            words(ahead)
        )),
    }
}

fn words(ahead: SignedDuration) -> String {
    let by = display_duration(ahead.abs());
    if ahead.is_negative() { format!("{by} behind ours") } else { format!("{by} ahead of ours") }
}

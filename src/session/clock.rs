//! The server's clock against ours.

use jiff::{SignedDuration, Timestamp};

use crate::model::display_duration;
use crate::plan::ServerClock;

const WORTH_A_WORD: SignedDuration = SignedDuration::from_mins(2);

/// `date` is what an answer said that was asked for at `asked`; its `Date` header cuts the second off, so the
/// server may be ahead by up to one second more than it says.
pub(super) fn compare(asked: Timestamp, date: Option<Timestamp>, tolerance: SignedDuration) -> ServerClock {
    let Some(date) = date else { return ServerClock::NotGiven };
    let ahead = date.duration_since(asked).saturating_add(SignedDuration::from_secs(1));
    if ahead.abs() > tolerance { ServerClock::Apart(ahead) } else { ServerClock::Together(ahead) }
}

/// What a person should know of it.
pub(super) fn warning(clock: ServerClock) -> Option<String> {
    match clock {
        ServerClock::NotGiven => Some(
            "its answers carry no `Date`: whether its clock and ours agree is not known; nothing else tells"
                .to_owned(),
        ),
        ServerClock::Together(ahead) if ahead.abs() > WORTH_A_WORD => {
            Some(format!("its clock is {}; set both by NTP", words(ahead)))
        }
        ServerClock::Together(_) => None,
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

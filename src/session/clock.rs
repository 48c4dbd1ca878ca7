//! The server's clock against ours.

use jiff::SignedDuration;

use crate::central_node::Listing;
use crate::model::display_duration;
use crate::plan::ServerClock;

/// The server wrote its `Date` some time between the request and the head of its answer, and cut the second off:
/// where it may be ahead of ours, the most that it may be counts.
pub(super) fn compare(listing: &Listing, tolerance: SignedDuration) -> ServerClock {
    let Some(date) = listing.date else { return ServerClock::NotGiven };
    let most = date.duration_since(listing.asked).saturating_add(SignedDuration::from_secs(1));
    let least = date.duration_since(listing.answered);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostList;

    #[test]
    fn how_long_the_answer_took_is_no_difference_of_clocks() {
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        let compared = |date, asked, answered| {
            let listing = Listing {
                hosts: HostList::default(),
                date: Some(at(date)),
                asked: at(asked),
                answered: at(answered),
            };
            compare(&listing, SignedDuration::from_mins(10))
        };
        let together = |seconds| ServerClock::Together(SignedDuration::from_secs(seconds));
        let apart = |seconds| ServerClock::Apart(SignedDuration::from_secs(seconds));
        assert_eq!(compared(100, 100, 100), together(1), "the second that `Date` cuts off");
        assert_eq!(compared(1_000, 0, 1_000), together(1_001), "it came late, and may be right");
        assert_eq!(compared(1_000, 0, 399), apart(601));
        assert_eq!(compared(0, 602, 5_000), apart(-601), "behind by the latest request");
    }
}

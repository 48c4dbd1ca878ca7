//! What goes wrong.

use jiff::SignedDuration;
use kedrctl_simulator::{Connections, Drop, Fault, Spoiled};

use crate::calls::Call;

/// One kind of fault.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) name: String,
    what: Fault,
    pub(crate) times: Times,
    /// By how much our own clock moves once the call has been answered.
    pub(crate) our_clock: SignedDuration,
    /// Only the time-out of the client ends it.
    pub(crate) stalls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Times {
    Once,
    /// From then on for as long as the run lasts.
    Always,
}

const STATUSES: [u16; 12] = [400, 401, 403, 404, 405, 409, 413, 429, 500, 502, 503, 504];

/// How long the client waits at most in a cell that stalls.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// All faults of a call.
pub(crate) fn kinds(call: &Call) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut both = |name: &str, what: Fault, stalls: bool| {
        for times in [Times::Once, Times::Always] {
            let (name, what) = (name.to_owned(), what.clone());
            kinds.push(Kind { name, what, times, our_clock: SignedDuration::ZERO, stalls });
        }
    };
    let fault = Fault::default;
    both("closed before the effect", fault().dropping(Drop::Before), false);
    both("reset before the effect", fault().dropping(Drop::ResetBefore), false);
    both("stalled before the effect", Fault { delay: Some(HOUR), ..fault() }, true);
    if call.is_write() {
        both("closed after the effect", fault().dropping(Drop::After), false);
        both("reset after the effect", fault().dropping(Drop::ResetAfter), false);
        both("stalled after the effect", Fault { delay_answer: Some(HOUR), ..fault() }, true);
        both("200 without the effect", Fault { ignore_write: true, ..fault() }, false);
    }
    both("stalled body", fault().spoiling(Spoiled::Stalled), true);
    both("truncated body", fault().spoiling(Spoiled::Truncated), false);
    both("oversized body", fault().spoiling(Spoiled::Oversized(crate::cell::MOST_BYTES + 1)), false);
    both("HTML", fault().spoiling(Spoiled::Html), false);
    both("broken JSON", fault().spoiling(Spoiled::BrokenJson), false);
    both("wrong types in the JSON", fault().spoiling(Spoiled::WrongTypes), false);
    both("UTF-16", fault().spoiling(Spoiled::Utf16), false);
    both("empty body", fault().spoiling(Spoiled::Empty), false);
    for status in STATUSES {
        both(&status.to_string(), fault().status(status), false);
        if call.is_write() && status >= 500 {
            let what = Fault { after_effect: true, ..fault().status(status) };
            both(&format!("{status} after the effect"), what, false);
        }
    }
    let mut from_then_on = |name: &str, what: Fault, our_clock: SignedDuration| {
        kinds.push(Kind { name: name.to_owned(), what, times: Times::Always, our_clock, stalls: false });
    };
    let spreads = || Fault { spreads: true, first: Some(1), ..Fault::default() };
    let none = SignedDuration::ZERO;
    let refused = Fault { connections: Some(Connections::Refused), ..fault() };
    from_then_on("connections refused from then on", refused, none);
    let other = Fault { connections: Some(Connections::OtherCertificate), ..fault() };
    from_then_on("another server certificate from then on", other, none);
    from_then_on("authorisation withdrawn from then on", spreads().status(401), none);
    from_then_on("503 to everything from then on", spreads().status(503), none);
    for (name, minutes) in [("3 min", 3), ("15 min", 15)] {
        for (way, sign) in [("ahead", 1), ("back", -1)] {
            let skew = Fault { clock_skew: Some(SignedDuration::from_mins(sign * minutes)), ..spreads() };
            from_then_on(&format!("the server's clock jumps {name} {way}"), skew, none);
        }
    }
    for (way, sign) in [("ahead", 1), ("back", -1)] {
        let jump = SignedDuration::from_hours(24 * sign);
        from_then_on(&format!("our clock jumps a day {way}"), fault(), jump);
    }
    kinds
}

impl Kind {
    /// As the simulator is told it.
    pub(crate) fn of(&self, call: &Call) -> Vec<Fault> {
        if self.what == Fault::default() {
            return Vec::new();
        }
        let at = call.fault();
        let once = match self.times {
            Times::Once => Some(1),
            Times::Always => self.what.first,
        };
        vec![Fault {
            method: at.method,
            call: at.call,
            sensor: at.sensor,
            skip: at.skip,
            first: once,
            ..self.what.clone()
        }]
    }
}

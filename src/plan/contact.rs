//! Whether an agent can have carried out what is set on the server.

use jiff::{SignedDuration, Timestamp};

use super::{Contact, ServerClock};
use crate::model::{Aspect, LastAccess, ListedTask, Sensor, Target, Untrusted};
use crate::record::Recorded;

/// After so long without contact an isolated host drops its isolation by itself (response-api.md, section 3;
/// by the help up to KATA 5.0, and nothing says that it is otherwise now).
const SILENCE: SignedDuration = SignedDuration::from_hours(5);

/// `wants_isolation`: the host is declared isolated, so silence matters.
pub(super) fn judge(
    sensor: &Sensor,
    server_version: Option<&Untrusted>,
    aspect: Aspect,
    wants_isolation: bool,
    recorded: &Recorded,
    clock: ServerClock,
    now: Timestamp,
) -> Contact {
    let cannot = match aspect {
        Aspect::Prevention => true,
        Aspect::Isolation => wants_isolation && is_before_7(server_version),
        // Agents of every system run programs.
        Aspect::Task(_) => false,
    };
    if cannot && is_linux(sensor) {
        return Contact::Unsupported;
    }
    let seen = last_access_by_our_clock(sensor.last_access, clock);
    if let Some(written) = last_write(sensor, aspect, recorded, now) {
        // The write was certainly there only when it was read back.
        if !was_there_since(sensor.last_access, clock, written) {
            return Contact::Waiting;
        }
    }
    let is_silent = seen.is_none_or(|seen| now.duration_since(seen) > SILENCE);
    if wants_isolation && is_silent { Contact::Silent } else { Contact::Seen }
}

/// How a listed isolation stands on its host, whoever set it; `None`: it is not one of ours, and was in contact.
pub fn judge_isolated(
    sensor: &Sensor,
    server_version: Option<&Untrusted>,
    recorded: &Recorded,
    clock: ServerClock,
    now: Timestamp,
) -> Option<Contact> {
    let contact = judge(sensor, server_version, Aspect::Isolation, true, recorded, clock, now);
    let is_ours = last_write(sensor, Aspect::Isolation, recorded, now).is_some();
    (is_ours || contact != Contact::Seen).then_some(contact)
}

/// How a task stands by what its server says of it, where it is there. One that was created is not yet one that runs.
///
/// `written`: when it was certainly on the server, by our clock; `None`: that is not known.
pub fn judge_task(
    sensor: &Sensor,
    listed: &ListedTask,
    written: Option<Timestamp>,
    clock: ServerClock,
    now: Timestamp,
) -> Contact {
    if listed.has_reached_its_host() {
        return Contact::Seen;
    }
    if cannot_run(sensor) {
        return Contact::Unsupported;
    }
    let seen = last_access_by_our_clock(sensor.last_access, clock);
    if seen.is_none_or(|seen| now.duration_since(seen) > SILENCE) {
        return Contact::Silent;
    }
    // The words of a state are not documented: one that tells nothing counts as started where the host was there since,
    // and where nobody knows since when it could, as not.
    let is_after = written.is_some_and(|written| was_there_since(sensor.last_access, clock, written));
    if is_after || listed.is_over() { Contact::Seen } else { Contact::Waiting }
}

/// Whether a task that is created now will wait, and why; for a person.
pub(super) fn will_wait(sensor: &Sensor, clock: ServerClock, now: Timestamp) -> Option<&'static str> {
    let seen = last_access_by_our_clock(sensor.last_access, clock);
    if cannot_run(sensor) {
        Some("by all signs its agent can not run programs")
    } else if seen.is_none_or(|seen| now.duration_since(seen) > SILENCE) {
        Some("it was not in contact for over 5 hours")
    } else {
        None
    }
}

/// The values of `capabilities` are not documented: only a list that names other things, and nothing that speaks of
/// programs, is a sign.
fn cannot_run(sensor: &Sensor) -> bool {
    let speaks_of_it = |word: &Untrusted| {
        let word = word.raw().to_lowercase();
        ["run", "process", "task", "exec", "app", "program"].iter().any(|part| word.contains(part))
    };
    !sensor.capabilities.is_empty() && !sensor.capabilities.iter().any(speaks_of_it)
}

/// When the last write of ours was certainly on the server; `None`: there was none.
pub(super) fn last_write(
    sensor: &Sensor,
    aspect: Aspect,
    recorded: &Recorded,
    now: Timestamp,
) -> Option<Timestamp> {
    let subject = crate::model::Subject { target: Target::Sensor(sensor.id), aspect };
    if recorded.open.iter().any(|open| open.subject == subject) {
        return Some(now);
    }
    match aspect {
        Aspect::Isolation => recorded.isolations.get(&sensor.id).map(|known| known.verified_at),
        Aspect::Prevention => recorded.preventions.get(&subject.target).map(|known| known.verified_at),
        Aspect::Task(id) => recorded.tasks.get(&id).map(|known| known.verified_at),
    }
}

/// Whether the agent was there since something was certainly on its server, `written` by our clock; an access in the
/// same moment proves nothing.
pub fn was_there_since(last_access: LastAccess, clock: ServerClock, written: Timestamp) -> bool {
    last_access_by_our_clock(last_access, clock).is_some_and(|seen| seen > written)
}

/// The server's clock says when an agent was there, ours when we wrote: brought together by what the server's
/// `Date` told, to the disadvantage of the claim by the second that `Date` cuts off.
fn last_access_by_our_clock(last_access: LastAccess, clock: ServerClock) -> Option<Timestamp> {
    let ahead = match clock {
        ServerClock::NotGiven => SignedDuration::ZERO,
        ServerClock::Together(ahead) | ServerClock::Apart(ahead) => ahead,
    };
    match last_access {
        LastAccess::Unknown => None,
        LastAccess::At(instant) => Some(instant.saturating_sub(ahead).unwrap_or(instant)),
    }
}

/// Prevention rules are for Windows agents, isolation is for Linux agents from KATA 7.0 on (response-api.md, "Which
/// host can do what"); hints only, so the server decides and the plan says what to expect.
fn is_linux(sensor: &Sensor) -> bool {
    sensor.os_family.as_ref().is_some_and(|family| family.raw().to_lowercase().contains("linux"))
}

/// A version that is not given, or not understood, is no sign.
fn is_before_7(server_version: Option<&Untrusted>) -> bool {
    let major = server_version.and_then(|version| version.raw().split('.').next());
    major.is_some_and(|major| major.trim().parse::<u32>().is_ok_and(|major| major < 7))
}

//! What goes wrong on request: which requests it befalls, and how.

use jiff::SignedDuration;
use serde::Deserialize;

use crate::time_span;
use crate::wire::{Call, Method, Setting};
use crate::world::Target;

/// One fault: the requests that it befalls (all that are given must hold), how many of them, and what happens.
/// Several things may happen at once; where two faults befall one request, the first in the list has its way
/// in what both tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// Only requests with this method.
    pub method: Option<Method>,
    /// Only this call.
    pub call: Option<CallKind>,
    /// Only this host, or `all`.
    #[serde(deserialize_with = "target")]
    pub sensor: Option<Target>,
    /// So many of these requests pass first.
    pub skip: u32,
    /// So many after them have the fault; `None`: all.
    pub first: Option<u32>,
    /// From the first request that has the fault on, every request has it, whatever it is about.
    pub spreads: bool,

    /// Waits before the request has its effect. A client that gives up meanwhile has had none.
    #[serde(deserialize_with = "time_span::optional")]
    pub delay: Option<SignedDuration>,
    /// Waits between the effect and the answer.
    #[serde(deserialize_with = "time_span::optional")]
    pub delay_answer: Option<SignedDuration>,
    /// Answers this status instead; without effect, unless `after_effect`.
    pub status: Option<u16>,
    /// The body that goes with `status`; default: `{"error": "…"}`.
    pub body: Option<String>,
    /// `status` is answered after the request had its effect.
    pub after_effect: bool,
    /// A `Retry-After` header, in seconds.
    pub retry_after: Option<u32>,
    /// Breaks the connection off instead of answering.
    pub drop: Option<Drop>,
    /// Breaks all connections off before the request has its effect, and from then on the server is this, until its
    /// faults are replaced.
    pub connections: Option<Connections>,
    /// Spoils the body of the answer; the request has its effect.
    #[serde(deserialize_with = "spoiled")]
    pub answer: Option<Spoiled>,
    /// Answers a write as if it had been carried out.
    pub ignore_write: bool,
    /// Bytes; longer bodies are answered with 413.
    pub body_limit: Option<usize>,
    /// What the `Date` header is ahead of the world's clock.
    #[serde(deserialize_with = "time_span::optional")]
    pub clock_skew: Option<SignedDuration>,
    /// No `Date` header.
    pub no_date: bool,
}

/// The calls by kind; settings by their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// The host list.
    Sensors,
    /// Network isolation.
    Isolation,
    /// Prevention rules.
    Prevention,
    /// Tasks.
    Tasks,
}

/// When the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drop {
    /// The request has no effect.
    Before,
    /// The request has its effect: a lost answer.
    After,
    /// Before the effect, and not closed but reset, as by a firewall.
    ResetBefore,
    /// After the effect, and reset.
    ResetAfter,
}

impl Drop {
    pub(crate) fn is_before_effect(self) -> bool {
        match self {
            Drop::Before | Drop::ResetBefore => true,
            Drop::After | Drop::ResetAfter => false,
        }
    }

    pub(crate) fn is_reset(self) -> bool {
        match self {
            Drop::ResetBefore | Drop::ResetAfter => true,
            Drop::Before | Drop::After => false,
        }
    }
}

/// What becomes of a server's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// Nobody listens there.
    Refused,
    /// Whoever listens there shows another certificate.
    OtherCertificate,
}

/// What is wrong with the answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    /// The connection breaks off in the middle of the body.
    Truncated,
    /// Half of the body comes, and then nothing more.
    Stalled,
    /// The answer is whole, its JSON is not.
    BrokenJson,
    /// 200 with a page, as a captive portal or a web server in front would send.
    Html,
    /// Blanks up to so many bytes stand behind the JSON.
    Oversized(usize),
    /// 200 without a body.
    Empty,
    /// JSON of the documented names, each with a number where something else belongs.
    WrongTypes,
    /// The same in UTF-16.
    Utf16,
}

impl Fault {
    /// A fault of all requests of this call; what happens is still to be said.
    #[must_use]
    pub fn on(call: CallKind) -> Fault {
        Fault { call: Some(call), ..Fault::default() }
    }

    /// Only with this method.
    #[must_use]
    pub fn method(self, method: Method) -> Fault {
        Fault { method: Some(method), ..self }
    }

    /// Only for this host, or the rule for all.
    #[must_use]
    pub fn sensor(self, target: Target) -> Fault {
        Fault { sensor: Some(target), ..self }
    }

    /// So many pass first.
    #[must_use]
    pub fn skip(self, skip: u32) -> Fault {
        Fault { skip, ..self }
    }

    /// So many after them have the fault.
    #[must_use]
    pub fn first(self, first: u32) -> Fault {
        Fault { first: Some(first), ..self }
    }

    /// Answers this status without effect.
    #[must_use]
    pub fn status(self, status: u16) -> Fault {
        Fault { status: Some(status), ..self }
    }

    /// Breaks the connection off.
    #[must_use]
    pub fn dropping(self, drop: Drop) -> Fault {
        Fault { drop: Some(drop), ..self }
    }

    /// Spoils the answer.
    #[must_use]
    pub fn spoiling(self, answer: Spoiled) -> Fault {
        Fault { answer: Some(answer), ..self }
    }

    fn befalls(&self, method: Option<Method>, kind: Option<CallKind>, target: Option<Target>) -> bool {
        self.method.is_none_or(|only| Some(only) == method)
            && self.call.is_none_or(|only| Some(only) == kind)
            && self.sensor.is_none_or(|only| Some(only) == target)
    }

    /// Takes over what this one does not tell.
    fn join(&mut self, other: &Fault) {
        self.delay = self.delay.or(other.delay);
        self.delay_answer = self.delay_answer.or(other.delay_answer);
        if self.status.is_none() {
            self.status = other.status;
            self.body.clone_from(&other.body);
            self.after_effect = other.after_effect;
        }
        self.retry_after = self.retry_after.or(other.retry_after);
        self.drop = self.drop.or(other.drop);
        self.connections = self.connections.or(other.connections);
        self.answer = self.answer.or(other.answer);
        self.ignore_write |= other.ignore_write;
        self.body_limit = self.body_limit.or(other.body_limit);
        self.clock_skew = self.clock_skew.or(other.clock_skew);
        self.no_date |= other.no_date;
    }
}

/// The faults with what has become of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<(Fault, Past)>);

#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// How often it could have come to pass.
    seen: u32,
    /// It spreads, and has come to pass.
    is_everywhere: bool,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Faults {
        Faults(faults.into_iter().map(|fault| (fault, Past::default())).collect())
    }

    /// What befalls this request, all joined; each fault counts it.
    pub(crate) fn befall(&mut self, method: Option<Method>, call: Option<&Call>) -> Fault {
        let (kind, target) = call.map_or((None, None), kind_and_target);
        let mut joined = Fault::default();
        for (fault, past) in &mut self.0 {
            if past.is_everywhere {
                joined.join(fault);
                continue;
            }
            if !fault.befalls(method, kind, target) {
                continue;
            }
            let nth = past.seen;
            past.seen = past.seen.saturating_add(1);
            let end = fault.first.map(|first| fault.skip.saturating_add(first));
            if nth >= fault.skip && end.is_none_or(|end| nth < end) {
                past.is_everywhere = fault.spreads;
                joined.join(fault);
            }
        }
        joined
    }
}

fn kind_and_target(call: &Call) -> (Option<CallKind>, Option<Target>) {
    match call {
        Call::Sensors(filter) => (Some(CallKind::Sensors), filter.sensor_id.map(Target::Sensor)),
        Call::Setting(_, Setting::Isolation(sensor)) => {
            (Some(CallKind::Isolation), Some(Target::Sensor(*sensor)))
        }
        Call::Setting(_, Setting::Prevention(target)) => (Some(CallKind::Prevention), Some(*target)),
        Call::PostTask { sensor, .. } => (Some(CallKind::Tasks), Some(Target::Sensor(*sensor))),
        Call::GetTask { .. } | Call::DeleteTask { .. } => (Some(CallKind::Tasks), None),
    }
}

/// A word, or `{oversized: BYTES}`: a mapping, since YAML's tags are little known.
fn spoiled<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Spoiled>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "truncated, stalled, broken-json, html, empty, wrong-types, utf16 or {oversized: BYTES}"
    )]
    enum Written {
        Word(Word),
        Oversized { oversized: usize },
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Word {
        Truncated,
        Stalled,
        BrokenJson,
        Html,
        Empty,
        WrongTypes,
        Utf16,
    }
    Ok(Some(match Written::deserialize(from)? {
        Written::Word(Word::Truncated) => Spoiled::Truncated,
        Written::Word(Word::Stalled) => Spoiled::Stalled,
        Written::Word(Word::BrokenJson) => Spoiled::BrokenJson,
        Written::Word(Word::Html) => Spoiled::Html,
        Written::Word(Word::Empty) => Spoiled::Empty,
        Written::Word(Word::WrongTypes) => Spoiled::WrongTypes,
        Written::Word(Word::Utf16) => Spoiled::Utf16,
        Written::Oversized { oversized } => Spoiled::Oversized(oversized),
    }))
}

fn target<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Target>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "all" {
        return Ok(Some(Target::All));
    }
    match text.parse() {
        Ok(sensor) => Ok(Some(Target::Sensor(sensor))),
        Err(error) => {
            Err(serde::de::Error::custom(format!("{text:?} is neither a sensor id nor all: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::SensorFilter;

    #[test]
    fn faults_befall_the_requests_that_they_name() {
        let on = Fault::on(CallKind::Sensors).method(Method::Get).skip(1).first(2).status(503);
        let mut faults = Faults::new(vec![on, Fault { no_date: true, ..Fault::default() }]);
        let list = Call::Sensors(SensorFilter::default());
        let statuses: Vec<_> = (0..4).map(|_| faults.befall(Some(Method::Get), Some(&list)).status).collect();
        assert_eq!(statuses, [None, Some(503), Some(503), None]);
        let other = Call::Setting(Method::Get, Setting::Prevention(Target::All));
        let fault = faults.befall(Some(Method::Get), Some(&other));
        assert_eq!((fault.status, fault.no_date), (None, true));
    }

    #[test]
    fn a_fault_that_spreads_befalls_all_that_comes_after_it() {
        let on = Fault::on(CallKind::Prevention).skip(1).first(1).status(401);
        let mut faults = Faults::new(vec![Fault { spreads: true, ..on }]);
        let list = Call::Sensors(SensorFilter::default());
        let rule = Call::Setting(Method::Get, Setting::Prevention(Target::All));
        let asked = [&list, &rule, &list, &rule, &list, &rule];
        let statuses = asked.map(|call| faults.befall(Some(Method::Get), Some(call)).status);
        assert_eq!(statuses, [None, None, None, Some(401), Some(401), Some(401)]);
    }

    #[test]
    fn the_first_fault_has_its_way() {
        let first = Fault { status: Some(500), after_effect: true, ..Fault::default() };
        let mut faults =
            Faults::new(vec![first, Fault { status: Some(503), retry_after: Some(2), ..Fault::default() }]);
        let fault = faults.befall(None, None);
        assert_eq!((fault.status, fault.after_effect, fault.retry_after), (Some(500), true, Some(2)));
    }
}

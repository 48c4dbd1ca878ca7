//! What a person should know before they say yes: what the files declare, who holds it, whose it was.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Act;
use super::who::{Host, Meant};
use crate::declare::{Declared, Term, WantedIsolation};
use crate::model::{Aspect, Subject, Target, Untrusted};
use crate::plan::Plan;
use crate::record::{Attribution, Hold, Recorded};
use crate::session::Survey;

/// Lines for a person, safe to print. `until`: when applies may write again.
pub(super) fn before(
    act: &Act<'_>,
    meant: &Meant,
    (files, survey): (&Declared, &Survey),
    until: Timestamp,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(server) = &meant.all_of {
        let subject = Subject { target: Target::AllHosts, aspect: Aspect::Prevention };
        let what = format!("{server}/all_hosts/{}", subject.aspect);
        if let Some(declared) = files.all_hosts.get(server) {
            let cause = printable(&declared.prevention.cause.to_string());
            lines.push(format!(
                "{what}: the files declare prevention ({cause}); applies keep off until {until:.0}"
            ));
        }
        let recorded = survey.recorded.get(server);
        if let Some(hold) = recorded.and_then(|recorded| recorded.hold_on(subject, survey.plan.now)) {
            lines.push(format!("{what}: {}; this takes its place", held(hold)));
        }
    }
    for host in &meant.hosts {
        let Some(aspect) = act.aspect() else { continue };
        let subject = Subject { target: Target::Sensor(host.sensor.id), aspect };
        let what = format!("{}/{}/{aspect}", host.server, host.sensor.label());
        if let Some(declared) = declared(host, aspect).filter(|_| !says_the_same(act, host)) {
            lines.push(format!("{what}: the files declare {declared}; applies keep off until {until:.0}"));
        }
        let Some(recorded) = survey.recorded.get(&host.server) else { continue };
        if let Some(hold) = recorded.hold_on(subject, survey.plan.now) {
            lines.push(format!("{what}: {}; this takes its place", held(hold)));
        }
        if act.is_containment()
            && let Some(by) = of_another(recorded, subject, &survey.plan.owner)
        {
            lines.push(format!(
                "{what}: owner `{}` wrote it last (run {}, {:.0}); from now on it is `{}`'s, and their applies are \
                 refused until they take it over",
                printable(&by.owner),
                printable(&by.run),
                by.at,
                printable(&survey.plan.owner)
            ));
        }
    }
    lines
}

/// What an act of containment writes although another owner wrote it last: it waits for nobody.
pub(super) fn taken_over(plan: &Plan, survey: &Survey) -> BTreeSet<String> {
    let of_others = plan.changes().filter(|(server, change)| {
        let recorded = survey.recorded.get(&server.server);
        recorded.is_some_and(|recorded| of_another(recorded, change.subject, &plan.owner).is_some())
    });
    of_others.map(|(server, change)| server.subject_text(change)).collect()
}

fn of_another<'a>(recorded: &'a Recorded, subject: Subject, owner: &str) -> Option<&'a Attribution> {
    recorded.last_write_of(subject).filter(|by| *by.owner != *owner)
}

/// Whom the files want free is released: nothing has to be told apart there.
fn says_the_same(act: &Act<'_>, host: &Host) -> bool {
    let isolation = host.declared.as_ref().and_then(|declared| declared.isolation.as_ref());
    act.is_release() && isolation.is_some_and(|isolation| isolation.want == WantedIsolation::Off)
}

/// `an isolation lease of 24 h (state.yaml:12)`.
fn declared(host: &Host, aspect: Aspect) -> Option<String> {
    let declared = host.declared.as_ref()?;
    let cause = printable(&declared.cause(aspect)?.to_string());
    let what = match aspect {
        Aspect::Isolation => match &declared.isolation.as_ref()?.want {
            WantedIsolation::Off => "isolation off".to_owned(),
            WantedIsolation::On { term: Term::Until(until), .. } => format!("isolation until {until:.0}"),
            WantedIsolation::On { term: Term::Lease(lease), .. } => format!("an isolation lease of {lease}"),
        },
        Aspect::Prevention => "prevention".to_owned(),
        Aspect::Task(_) => return None,
    };
    Some(format!("{what} ({cause})"))
}

/// `ana@soc-1 holds it until 2026-11-26T13:00:00Z (by release: INC-417)`.
fn held(hold: &Hold) -> String {
    let reason = hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", printable(reason)));
    format!(
        "{} holds it until {:.0} (by `{}`{reason})",
        printable(&hold.by),
        hold.until,
        printable(&hold.command)
    )
}

fn printable(text: &str) -> String {
    Untrusted::new(text).printable().to_string()
}

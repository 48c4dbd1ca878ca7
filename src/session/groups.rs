//! What is to be said of declared groups, once all servers are looked at: a pattern without hosts is a typing mistake,
//! or a fleet that changed.

use crate::declare::{Declared, DeclaredGroup, Members};
use crate::model::{Cause, ServerName, Untrusted};
use crate::plan::{Finding, FindingKind};
use crate::resolve::{self, Desired, GroupUse};

/// Warnings, each with the server that it is shown at. `desired` is `None` where the hosts of a server are not known:
/// then nobody can say that a group has none.
pub(super) fn findings<'a>(
    declared: &Declared,
    walked: impl Iterator<Item = (&'a ServerName, Option<&'a Desired>)> + Clone,
) -> Vec<(ServerName, Finding)> {
    let mut findings = Vec::new();
    for (number, group) in declared.groups.iter().enumerate() {
        let may_have = |server: &ServerName| group.may_have_hosts_of(server);
        let mut uses: Vec<&GroupUse> = Vec::new();
        let mut is_known = true;
        let mut first = None;
        for server in declared.servers.keys().filter(|server| may_have(server)) {
            match walked.clone().find(|(walked, _)| *walked == server) {
                Some((server, Some(desired))) => {
                    first.get_or_insert(server);
                    uses.extend(desired.groups.get(number));
                }
                Some((_, None)) | None => is_known = false,
            }
        }
        let (Some(server), true) = (first, is_known) else { continue };
        let of_group = |message: String, cause: Cause| {
            let label = format!("group {}", group.name);
            let finding =
                Finding { kind: FindingKind::Notice, label, aspect: None, message, cause: Some(cause) };
            (server.clone(), finding)
        };
        if uses.iter().all(|used| used.hosts == 0) {
            findings.push(of_group(without_hosts(group).to_owned(), group.origin.clone().into()));
            continue;
        }
        for (n, except) in group.except.iter().enumerate() {
            if !uses.iter().any(|used| used.excepts.get(n) == Some(&true)) {
                let written = except.pattern.text();
                let meant = meant(written, group, walked.clone().filter_map(|(_, desired)| desired));
                let message = format!(
                    "`except` leaves out nobody by `{written}`; {meant}names are matched with their case"
                );
                findings.push(of_group(message, except.origin.clone().into()));
            }
        }
    }
    findings
}

/// The host of the group that was probably meant by a name.
fn meant<'d>(written: &str, group: &DeclaredGroup, desired: impl Iterator<Item = &'d Desired>) -> String {
    let hosts = desired.flat_map(|desired| &desired.hosts).filter(|host| host.groups.contains(&group.name));
    let names = hosts.flat_map(|host| {
        let listed = host.sensor.name.as_ref().map(Untrusted::raw);
        [Some(&*host.entry), listed].into_iter().flatten()
    });
    match resolve::alike(written, names) {
        Some(meant) => format!("did you mean `{}`? ", meant.escape_debug()),
        None => String::new(),
    }
}

fn without_hosts(group: &DeclaredGroup) -> &'static str {
    match (&group.members, group.except.is_empty()) {
        (Members::Match { .. }, true) => {
            "has no host: nothing that is listed matches; names are matched with their case"
        }
        (Members::Match { .. } | Members::Named(_), _) => "has no host: `except` leaves out whoever is in it",
    }
}

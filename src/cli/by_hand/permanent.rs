//! The lines that would say in the files what was done by hand.

use super::who::Host;
use super::{Act, Deed};
use crate::declare::Declared;
use crate::model::{FileHash, Origin, ServerName, yaml_scalar};

/// A piece of a state, from its first column on. It is what an entry has to have; what else stands in one stays.
pub(super) fn lines(
    act: &Act<'_>,
    declared: &Declared,
    hosts: &[&Host],
    all_of: Option<&ServerName>,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(server) = all_of {
        let key = yaml_scalar(server.as_str());
        let entry =
            declared.all_hosts.get(server).map(|entry| format!("  # its entry is at {}", entry.origin));
        lines.push("all_hosts:".to_owned());
        lines.push(format!("  {key}:{}", entry.unwrap_or_default()));
        lines.push(format!("    {}", wanted(act)));
    }
    if !hosts.is_empty() {
        lines.push("hosts:".to_owned());
    }
    for host in hosts {
        let entry = own_entry(declared, host);
        let key = yaml_scalar(&host.entry());
        match &entry {
            Some(origin) => lines.push(format!("  {key}:  # its entry is at {origin}")),
            None => lines.push(format!("  {key}:")),
        }
        if entry.is_none() {
            if !host.name_is_its_own {
                lines.push(format!("    identity: {{ sensor_id: {} }}", host.sensor.id));
            }
            if declared.servers.len() > 1 {
                lines.push(format!("    server: {}", yaml_scalar(host.server.as_str())));
            }
        }
        lines.push(format!("    {}", wanted(act)));
    }
    lines
}

/// Where its own entry stands; what only groups name has none.
fn own_entry(declared: &Declared, host: &Host) -> Option<Origin> {
    let key = &host.declared.as_ref()?.entry;
    let entry = declared.hosts.iter().find(|entry| entry.entry == *key && entry.server == host.server)?;
    Some(entry.origin.clone())
}

fn wanted(act: &Act<'_>) -> String {
    let hashes = |hashes: &std::collections::BTreeSet<FileHash>| {
        hashes.iter().map(|hash| yaml_scalar(&hash.to_string())).collect::<Vec<_>>().join(", ")
    };
    match &act.deed {
        Deed::Isolate { until, sets } => {
            let names: Vec<String> = sets.iter().map(|name| yaml_scalar(name)).collect();
            let exclusions = if names.is_empty() {
                String::new()
            } else {
                format!(", exclusions: [{}]", names.join(", "))
            };
            format!("isolation: {{ until: {until:.0}{exclusions}, reason: {} }}", yaml_scalar(&act.reason))
        }
        Deed::Release => "isolation: off".to_owned(),
        Deed::Block(block) => format!("prevention: {{ block: [{}] }}", hashes(block)),
        Deed::Unblock(unblock) => format!("prevention: {{ unblock: [{}] }}", hashes(unblock)),
        // Done once: nothing has to last.
        Deed::Run { .. } | Deed::Delete(_) => "{}".to_owned(),
    }
}

//! `all_hosts`: the rule for all hosts of a server.

use std::collections::BTreeMap;

use super::decode::{Context, Item, Whose};
use super::host::Surroundings;
use super::tree::Entry;
use super::{DeclaredAllHosts, prevention};
use crate::diagnostic::Code;
use crate::model::ServerName;

pub(super) fn all_hosts<'t>(
    cx: &mut Context<'_>,
    written: &[&'t Entry<'_>],
    around: &mut Surroundings<'t, '_>,
) -> BTreeMap<ServerName, DeclaredAllHosts> {
    let mut declared = BTreeMap::new();
    for entry in written {
        let server = around.servers.take_text(cx, &entry.key.text, entry.key.place);
        let rule = rule(cx, entry, around);
        if let (Some(server), Some(rule)) = (server, rule) {
            declared.insert(ServerName::new(server), rule);
        }
    }
    declared
}

/// `{ prevention: { block: […], unblock: […], exact: true } }`; there is no isolation of all hosts.
fn rule<'t>(
    cx: &mut Context<'_>,
    entry: &'t Entry<'_>,
    around: &mut Surroundings<'t, '_>,
) -> Option<DeclaredAllHosts> {
    let whom = format!("the rule for all hosts of `{}`", entry.key.text);
    let mut table = Item::of(entry).table(cx, whom, "a mapping with `prevention`")?;
    if let Some(isolation) = table.refused("isolation") {
        let _reported: Option<()> = isolation.wrong(
            cx,
            Code::BadValue,
            "there is no isolation of all hosts",
            "isolate a group with an `until`: each host of it is then counted and checked",
        );
    }
    let prevention = table.required(cx, "prevention", "prevention: { block: [ransomware] }", |cx, item| {
        prevention::prevention(cx, item, around, Whose::Its)
    });
    table.finish(cx);
    Some(DeclaredAllHosts { origin: cx.origin(entry.key.place), prevention: prevention? })
}

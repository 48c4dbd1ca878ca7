//! One entry of `hosts`: who is meant, and how its isolation and prevention are to be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::declared::{DeclaredHost, DeclaredIsolation, Identity, Term, WantedIsolation};
use super::decode::{Context, Item, listed, refuse_unprintable};
use super::hash_list::List;
use super::names::Names;
use super::table::Table;
use super::tree::{Entry, Value};
use super::{exclusion, policy, prevention, time};
use crate::diagnostic::{Code, Place, Problem};
use crate::model::{ExclusionRule, Exclusions, ServerName};

/// What hosts may name, and what was seen of other hosts.
pub(super) struct Surroundings<'t, 'd> {
    pub(super) servers: &'d mut Names<'t>,
    pub(super) exclusion_sets: &'d mut Names<'t>,
    pub(super) hash_lists: &'d mut Names<'t>,
    pub(super) sets: &'d BTreeMap<&'t str, Option<BTreeSet<ExclusionRule>>>,
    pub(super) lists: &'d BTreeMap<&'t str, Option<List>>,
    pub(super) always_allow: BTreeSet<ExclusionRule>,
    /// Hosts that name the same sets share them.
    shared: BTreeMap<Vec<&'t str>, Exclusions>,
    /// Who was declared where: server, kind of identity, identity.
    identities: BTreeMap<(String, &'static str, String), Place>,
}

impl<'t, 'd> Surroundings<'t, 'd> {
    pub(super) fn new(
        servers: &'d mut Names<'t>,
        exclusion_sets: &'d mut Names<'t>,
        hash_lists: &'d mut Names<'t>,
        sets: &'d BTreeMap<&'t str, Option<BTreeSet<ExclusionRule>>>,
        lists: &'d BTreeMap<&'t str, Option<List>>,
        always_allow: BTreeSet<ExclusionRule>,
    ) -> Self {
        let (shared, identities) = (BTreeMap::new(), BTreeMap::new());
        Self { servers, exclusion_sets, hash_lists, sets, lists, always_allow, shared, identities }
    }
}

pub(super) fn host<'t>(
    cx: &mut Context<'_>,
    entry: &'t Entry<'_>,
    around: &mut Surroundings<'t, '_>,
) -> Option<DeclaredHost> {
    let name = &*entry.key.text;
    if let Some(problem) = refuse_unprintable(name, entry.key.place, "the name of a host") {
        cx.report(problem);
        return None;
    }
    if let Value::Text(text) = &entry.value.value {
        return Item::of(entry).wrong(
            cx,
            Code::WrongType,
            format!("the host `{name}` takes a mapping, not `{text}`"),
            format!("write `{name}: {{ isolation: off }}`, or what else is meant"),
        );
    }
    let mut table = Item::of(entry).table(
        cx,
        format!("the host `{name}`"),
        "a mapping with `isolation` or `prevention`",
    )?;
    let identity_item = table.item("identity");
    let identity = match identity_item {
        None => Some(Identity::Name(name.into())),
        Some(item) => identity(cx, item),
    };
    let server = server(cx, &mut table, entry, around);
    let isolation = table.optional(cx, "isolation", |cx, item| isolation(cx, item, around));
    let prevention = table.optional(cx, "prevention", |cx, item| prevention::prevention(cx, item, around));
    let is_idle = isolation.is_absent() && prevention.is_absent();
    let all_known = table.finish(cx);
    if is_idle && all_known {
        cx.report(
            Problem::new(Code::NothingDeclared, format!("nothing is declared for the host `{name}`"))
                .at(entry.key.place, "")
                .help(
                    "add `isolation` or `prevention`, or take the host out: it is neither read nor touched",
                ),
        );
    }
    let (identity, server) = (identity?, server?);
    let place = identity_item.map_or(entry.key.place, |item| item.key.place);
    refuse_second(cx, &identity, &server, place, around);
    Some(DeclaredHost {
        entry: name.into(),
        origin: cx.origin(entry.key.place),
        server,
        identity,
        isolation: isolation.or_none()?,
        prevention: prevention.or_none()?,
    })
}

/// The server that the host names; where only one is declared, that one.
fn server<'t>(
    cx: &mut Context<'_>,
    table: &mut Table<'t, '_>,
    entry: &Entry<'_>,
    around: &mut Surroundings<'t, '_>,
) -> Option<ServerName> {
    if let Some(item) = table.item("server") {
        return around.servers.take(cx, item).map(ServerName::new);
    }
    if !around.servers.is_whole() {
        return None;
    }
    if let Some(only) = around.servers.only() {
        return Some(ServerName::new(only));
    }
    let servers = around.servers.all();
    // They are declared for hosts such as this one.
    around.servers.excuse_all();
    // Without any server there is one report for all hosts.
    if let Some(first) = servers.first() {
        cx.report(
            Problem::new(Code::NoServer, format!("the host `{}` names no server", entry.key.text))
                .at(entry.key.place, format!("on {}?", super::decode::one_of(&servers)))
                .help(format!("several servers are declared: add `server: {first}` or another")),
        );
    }
    None
}

/// `{ name: … }`, `{ ip: … }` or `{ sensor_id: … }`.
fn identity(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Identity> {
    let mut table = item.table(cx, "`identity`", "`{ name: … }`, `{ ip: … }` or `{ sensor_id: … }`")?;
    let given = table.exactly_one(cx, &["name", "ip", "sensor_id"], "name: WS-017.corp.example");
    table.finish(cx);
    let given = given?;
    match &*given.key.text {
        "name" => Some(Identity::Name(given.plain_text(cx, "the name of a host")?.into())),
        "sensor_id" => policy::sensor_id(cx, given).map(Identity::Sensor),
        _ => address(cx, given),
    }
}

fn address(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Identity> {
    let text = item.text(cx, "an IP address")?;
    match text.parse::<IpAddr>() {
        Ok(address) => {
            cx.report(
                Problem::new(
                    Code::MovingIdentity,
                    "a host is known by its address alone, and addresses move",
                )
                .at(item.place(), "")
                .help("`sensor_id` stays with the host; `kedrctl hosts` lists it"),
            );
            Some(Identity::Address(address.to_canonical()))
        }
        Err(_) => item.wrong(
            cx,
            Code::BadAddress,
            format!("`{text}` is no IP address"),
            "write an IPv4 or IPv6 address; a name stands under `name`",
        ),
    }
}

/// Two entries for one host would fight.
fn refuse_second(
    cx: &mut Context<'_>,
    identity: &Identity,
    server: &ServerName,
    place: Place,
    around: &mut Surroundings<'_, '_>,
) {
    let (kind, text) = match identity {
        Identity::Name(name) => ("name", name.to_string()),
        Identity::Address(address) => ("address", address.to_string()),
        Identity::Sensor(id) => ("sensor id", id.to_string()),
    };
    let message = format!("two entries mean one host: the {kind} `{text}` on the server `{server}`");
    if let Some(first) = around.identities.insert((server.to_string(), kind, text), place) {
        cx.report(
            Problem::new(Code::SameIdentity, message)
                .at(place, "again here")
                .and(first, "first here")
                .help("join them into one entry"),
        );
    }
}

/// `off`, or `{ until | lease, exclusions, reason }`.
fn isolation<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    around: &mut Surroundings<'t, '_>,
) -> Option<DeclaredIsolation> {
    let origin = cx.origin(item.key.place);
    if let Value::Text(text) = &item.node.value {
        return match &**text {
            "off" | "false" | "False" | "FALSE" => {
                Some(DeclaredIsolation { origin, want: WantedIsolation::Off })
            }
            "on" | "true" | "True" | "TRUE" | "yes" => item.wrong(
                cx,
                Code::BadValue,
                "an isolation needs an end",
                "write `isolation: { lease: 24h }`, which is renewed for as long as the file says so, or \
                 `isolation: { until: 2026-12-01T18:00:00+03:00 }`",
            ),
            other => item.wrong(
                cx,
                Code::BadValue,
                format!("`isolation` takes `off` or a mapping, not `{other}`"),
                "write `off`, `{ lease: 24h }` or `{ until: 2026-12-01T18:00:00+03:00 }`",
            ),
        };
    }
    let mut table = item.table(cx, "`isolation`", "`off` or a mapping with `until` or `lease`")?;
    let exclusions = table.optional(cx, "exclusions", |cx, item| exclusions(cx, item, around));
    let reason = table.optional(cx, "reason", |cx, item| item.plain_text(cx, "a text"));
    let term = table.exactly_one(cx, &["until", "lease"], "lease: 24h");
    table.finish(cx);
    let term = term.and_then(|item| match &*item.key.text {
        "until" => time::instant(cx, item).map(Term::Until),
        _ => time::lease(cx, item).map(Term::Lease),
    });
    let exclusions = match exclusions.or_none()? {
        Some(exclusions) => exclusions,
        None => share(Vec::new(), BTreeSet::new(), around),
    };
    let reason = reason.or_none()?.map(Arc::from);
    Some(DeclaredIsolation { origin, want: WantedIsolation::On { term: term?, exclusions, reason } })
}

/// Names of sets and rules that stand right here, together with what every isolation lets through.
fn exclusions<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    around: &mut Surroundings<'t, '_>,
) -> Option<Exclusions> {
    let mut names = Vec::new();
    let mut rules = BTreeSet::new();
    let mut is_right = true;
    for item in item.list(cx, "a list of exclusion sets and rules")? {
        if item.is_map() {
            match exclusion::rules(cx, item) {
                Some(more) => rules.extend(more),
                None => is_right = false,
            }
        } else {
            match around.exclusion_sets.take(cx, item) {
                Some(name) => names.push(name),
                None => is_right = false,
            }
        }
    }
    is_right.then(|| share(names, rules, around))
}

fn share<'t>(
    mut names: Vec<&'t str>,
    rules: BTreeSet<ExclusionRule>,
    around: &mut Surroundings<'t, '_>,
) -> Exclusions {
    names.sort_unstable();
    let of_sets = |names: &[&str]| -> BTreeSet<ExclusionRule> {
        let named = names.iter().filter_map(|name| around.sets.get(name).and_then(Option::as_ref)).flatten();
        around.always_allow.iter().chain(named).cloned().collect()
    };
    if !rules.is_empty() {
        return Arc::new(of_sets(&names).into_iter().chain(rules).collect());
    }
    if let Some(known) = around.shared.get(&names) {
        return Arc::clone(known);
    }
    let exclusions = Arc::new(of_sets(&names));
    around.shared.insert(names, Arc::clone(&exclusions));
    exclusions
}

/// Reports once that hosts have nowhere to be.
pub(super) fn refuse_without_servers(cx: &mut Context<'_>, hosts: &[&Entry<'_>], servers: &Names<'_>) {
    let (Some(first), true, true) = (hosts.first(), servers.all().is_empty(), servers.is_whole()) else {
        return;
    };
    let shown: Vec<&str> = hosts.iter().take(3).map(|entry| &*entry.key.text).collect();
    let more = if hosts.len() > shown.len() { " and others" } else { "" };
    cx.report(
        Problem::new(Code::NoServer, format!("the state declares no server for {}{more}", listed(&shown)))
            .at(first.key.place, "")
            .help("add `servers` with the address of a Central Node, or with `simulator: fleet.yaml`"),
    );
}

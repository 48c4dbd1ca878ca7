//! One entry of `hosts`: who is meant, and what is declared for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::declared::{DeclaredHost, Identity};
use super::decode::{Context, Item, Whose, listed, refuse_unprintable};
use super::hash_list::List;
use super::members::Entries;
use super::names::Names;
use super::table::Table;
use super::tree::{Entry, Value};
use super::{isolation, policy, prevention};
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
    pub(super) shared: BTreeMap<Vec<&'t str>, Exclusions>,
    /// Who was declared where: server, kind of identity, identity.
    identities: BTreeMap<(String, &'static str, String), Place>,
    /// Entries for which nothing is declared: only groups and tasks can have a use for them.
    pub(super) idle: BTreeMap<&'t str, Place>,
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
        let (shared, identities, idle) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { servers, exclusion_sets, hash_lists, sets, lists, always_allow, shared, identities, idle }
    }

    /// Warns of the entries that nothing has a use for.
    pub(super) fn report_idle(&self, cx: &mut Context<'_>, entries: &Entries<'_>) {
        for (name, place) in self.idle.iter().filter(|(name, _)| !entries.is_named(name)) {
            cx.report(
                Problem::new(Code::NothingDeclared, format!("nothing is declared for the host `{name}`"))
                    .at(*place, "")
                    .help("add `isolation` or `prevention`, or take the host out: it is neither read nor touched"),
            );
        }
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
    let isolation =
        table.optional(cx, "isolation", |cx, item| isolation::isolation(cx, item, around, Whose::Its));
    let prevention =
        table.optional(cx, "prevention", |cx, item| prevention::prevention(cx, item, around, Whose::Its));
    let is_idle = isolation.is_absent() && prevention.is_absent();
    let all_known = table.finish(cx);
    if is_idle && all_known {
        around.idle.insert(name, entry.key.place);
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

/// Reports once that hosts have nowhere to be.
pub(super) fn refuse_without_servers(
    cx: &mut Context<'_>,
    what: &str,
    hosts: &[&Entry<'_>],
    servers: &Names<'_>,
) {
    let (Some(first), true, true) = (hosts.first(), servers.all().is_empty(), servers.is_whole()) else {
        return;
    };
    let shown: Vec<&str> = hosts.iter().take(3).map(|entry| &*entry.key.text).collect();
    let more = if hosts.len() > shown.len() { " and others" } else { "" };
    cx.report(
        Problem::new(
            Code::NoServer,
            format!("the state declares no server for {what}{}{more}", listed(&shown)),
        )
        .at(first.key.place, "")
        .help("add `servers` with the address of a Central Node, or with `simulator: fleet.yaml`"),
    );
}

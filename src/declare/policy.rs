//! The policy: what no run may do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::NeverBlock;
use super::declared::{Limit, Limits, Missing, Policy, Protected, ProtectedRule};
use super::decode::{Context, Item};
use super::names::Names;
use super::tree::Value;
use super::{number, prevention};
use crate::diagnostic::{Code, Place};
use crate::model::{ExclusionRule, SensorId};

pub(super) const LIMIT_PATTERN: &str = "^(0|[1-9][0-9]{0,18}|([0-9]|[1-9][0-9]|100)%)$";

/// The policy and the exclusions that every isolation gets.
pub(super) struct Decoded<'t> {
    pub(super) policy: Policy,
    pub(super) always_allow: Vec<&'t str>,
    /// Lists, and where they are named.
    pub(super) never_block: Vec<(&'t str, Place)>,
}

pub(super) fn policy<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    exclusion_sets: &mut Names<'t>,
    hash_lists: &mut Names<'t>,
) -> Option<Decoded<'t>> {
    let mut table = item.table(cx, "`policy`", "a mapping with `protected`, `limits` and others")?;
    let protected = table.optional(cx, "protected", protected);
    let limits = table.optional(cx, "limits", limits);
    let always_allow = table
        .optional(cx, "always_allow", |cx, item| names(cx, item, exclusion_sets, "a list of exclusion sets"));
    let never_block =
        table.optional(cx, "never_block", |cx, item| names(cx, item, hash_lists, "a list of hash lists"));
    let missing = table.optional(cx, "missing", missing);
    let tasks = table.optional(cx, "tasks", prevention::truth);
    table.finish(cx);
    Some(Decoded {
        policy: Policy {
            protected: protected.or(Vec::new())?,
            limits: limits.or(Limits::default())?,
            // Looked through at the end, when it is known for which hashes.
            never_block: NeverBlock::default(),
            missing: missing.or(Missing::default())?,
            tasks: tasks.or(false)?,
        },
        always_allow: always_allow.or(Vec::new())?.into_iter().map(|(name, _)| name).collect(),
        never_block: never_block.or(Vec::new())?,
    })
}

/// The rules of the sets that every isolation gets.
pub(super) fn always_allowed<'t>(
    names: &[&'t str],
    sets: &BTreeMap<&'t str, Option<std::collections::BTreeSet<ExclusionRule>>>,
) -> std::collections::BTreeSet<ExclusionRule> {
    names.iter().filter_map(|name| sets.get(name).and_then(Option::as_ref)).flatten().cloned().collect()
}

fn names<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    known: &mut Names<'t>,
    expected: &str,
) -> Option<Vec<(&'t str, Place)>> {
    let items = item.list(cx, expected)?.into_iter();
    let taken: Vec<Option<_>> =
        items.map(|item| known.take(cx, item).map(|name| (name, item.place()))).collect();
    taken.into_iter().collect()
}

fn protected(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<Protected>> {
    const EXPECTED: &str = "a list of `{ name: … }`, `{ cidr: … }` or `{ sensor_id: … }`";
    if let Value::Text(text) = &item.node.value {
        let message = format!("`protected` takes {EXPECTED}, not a text");
        return item.wrong(
            cx,
            Code::WrongType,
            message,
            format!("write `protected: [{{ name: \"{text}\" }}]`"),
        );
    }
    let items = item.list(cx, EXPECTED)?;
    let rules: Vec<Option<Protected>> = items.into_iter().map(|item| protected_rule(cx, item)).collect();
    rules.into_iter().collect()
}

fn protected_rule(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Protected> {
    if let Value::Text(text) = &item.node.value {
        return item.wrong(
            cx,
            Code::WrongType,
            format!("{} says by what hosts are known, not only `{text}`", item.what()),
            format!("write `{{ name: \"{text}\" }}`, `{{ cidr: … }}` or `{{ sensor_id: … }}`"),
        );
    }
    let mut table =
        item.table(cx, "an item of `protected`", "`{ name: \"dc*\" }`, `{ cidr: … }` or `{ sensor_id: … }`")?;
    let origin = cx.origin(item.place());
    let given = table.exactly_one(cx, &["name", "cidr", "sensor_id"], "name: dc*");
    table.finish(cx);
    let given = given?;
    let rule = match &*given.key.text {
        "name" => name_glob(cx, given)?,
        "cidr" => ProtectedRule::Network(network(cx, given)?),
        _ => ProtectedRule::Sensor(sensor_id(cx, given)?),
    };
    Some(Protected { rule, origin })
}

fn name_glob(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<ProtectedRule> {
    let text = item.plain_text(cx, "a name or a pattern such as `dc*`")?;
    match ProtectedRule::name(text) {
        Ok(rule) => Some(rule),
        Err(why) => item.wrong(
            cx,
            Code::BadValue,
            format!("`{text}` is no pattern: {why}"),
            "`*` stands for any text, `?` for one character, `[ab]` for one of several, `{a,b}` for either",
        ),
    }
}

/// `10.0.0.0/28`, or one address. IPv4 in the clothes of IPv6 is IPv4, as the addresses of hosts are.
pub(super) fn network(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<IpNet> {
    let text = item.text(cx, "a network such as `10.0.0.0/28`")?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    match text.parse::<IpNet>() {
        Ok(network) => {
            let network = canonical(network);
            if network == network.trunc() {
                return Some(network);
            }
            // Another network than was meant, or one address: nobody can tell.
            item.wrong(
                cx,
                Code::BadAddress,
                format!("`{text}` has bits beyond its prefix"),
                format!("write `{}` or `{}`", network.trunc(), network.addr()),
            )
        }
        Err(_) => item.wrong(
            cx,
            Code::BadAddress,
            format!("`{text}` is no network"),
            "write an address and the length of its prefix, such as `10.0.0.0/28` or `2001:db8::/64`",
        ),
    }
}

/// `::ffff:10.0.0.0/104` as `10.0.0.0/8`.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V4(_) => None,
        IpNet::V6(six) => six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96)),
    };
    let Some((address, prefix)) = mapped else { return network };
    // A prefix of at most 32 always makes a network.
    IpNet::new(address.into(), prefix).unwrap_or(network)
}

pub(super) fn sensor_id(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<SensorId> {
    let text = item.text(cx, "the id of a sensor")?;
    match text.parse::<SensorId>() {
        Ok(id) => Some(id),
        Err(error) => item.wrong(
            cx,
            Code::BadValue,
            format!("`{text}` is no sensor id: {error}"),
            "`kedrctl hosts` lists the ids of all hosts",
        ),
    }
}

fn limits(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Limits> {
    let mut table = item.table(cx, "`limits`", "a mapping such as `{ isolations: 5 }`")?;
    let isolations = table.optional(cx, "isolations", limit);
    let releases = table.optional(cx, "releases", limit);
    let hosts_changed = table.optional(cx, "hosts_changed", limit);
    let hashes_removed = table.optional(cx, "hashes_removed", limit);
    table.finish(cx);
    Some(Limits {
        isolations: isolations.or_none()?,
        releases: releases.or_none()?,
        hosts_changed: hosts_changed.or_none()?,
        hashes_removed: hashes_removed.or_none()?,
    })
}

fn limit(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Limit> {
    let text = item.text(cx, "a count or a share such as `10%`")?;
    let limit = match text.strip_suffix('%') {
        Some(share) => number::whole::<u8>(share).filter(|share| *share <= 100).map(Limit::Percent),
        None => number::whole::<u64>(text).map(Limit::Count),
    };
    if limit.is_none() {
        return item.wrong(
            cx,
            Code::BadValue,
            format!("{} takes a count or a share, not `{text}`", item.what()),
            "write a count such as `5`, or a share from `0%` to `100%`",
        );
    }
    limit
}

fn missing(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Missing> {
    match item.text(cx, "`error` or `warn`")? {
        "error" => Some(Missing::Error),
        "warn" => Some(Missing::Warn),
        other => item.wrong(
            cx,
            Code::BadValue,
            format!("`missing` takes `error` or `warn`, not `{other}`"),
            "it says what a declared host that its server does not list is",
        ),
    }
}

//! Rules for the traffic that isolation lets through.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::decode::{Context, Item, listed};
use super::number;
use crate::diagnostic::{Code, Problem, nearest};
use crate::model::{Direction, ExclusionRule, PortRange, Protocol};

/// A number from 1 to 65535.
pub(super) const PORT_PATTERN: &str =
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// A port, or a range; that it does not end before it begins is not said.
pub(super) fn ports_pattern() -> String {
    format!("^{PORT_PATTERN}(-{PORT_PATTERN})?$")
}

/// The most rules that one declared rule may stand for, all its lists multiplied.
const MAX_RULES: usize = 10_000;
/// The most of a whole state: a few lines, which others repeat by an alias, can stand for millions.
const MAX_ALL_RULES: usize = 500_000;

const EXPECTED: &str = "a rule such as `{ direction: outbound, protocol: udp, remote_address: 10.0.0.53 }`";

/// A named set: a list of rules.
pub(super) fn set(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<BTreeSet<ExclusionRule>> {
    if item.is_map() {
        return item.wrong(
            cx,
            Code::WrongType,
            format!("{} takes a list of rules, not a mapping", item.what()),
            "begin each rule with `- `",
        );
    }
    let mut set = BTreeSet::new();
    let mut is_right = true;
    for item in item.list(cx, "a list of rules")? {
        match rules(cx, item) {
            Some(rules) => set.extend(rules),
            None => is_right = false,
        }
    }
    is_right.then_some(set)
}

/// The rules that one declared rule stands for: a list of protocols, addresses or ports is one rule each.
pub(super) fn rules(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<ExclusionRule>> {
    let mut table = item.table(cx, "an exclusion rule", EXPECTED)?;
    let direction_item = table.item("direction");
    let direction = match direction_item {
        None => Some(Direction::Both),
        Some(item) => direction(cx, item),
    };
    let protocols = table.optional(cx, "protocol", |cx, item| each(cx, item, "a protocol", protocol));
    let addresses = table.optional(cx, "remote_address", |cx, item| each(cx, item, "an address", address));
    let remote_item = table.item("remote_ports");
    let remote_ports = match remote_item {
        None => Some(vec![None]),
        Some(item) => each(cx, item, "ports", ports).map(some),
    };
    let local_item = table.item("local_ports");
    let local_ports = match local_item {
        None => Some(vec![None]),
        Some(item) => each(cx, item, "ports", ports).map(some),
    };
    let place = table.place();
    if table.is_empty() {
        cx.report(
            Problem::new(Code::BadValue, "an exclusion rule without keys would let all traffic through")
                .at(place, "")
                .help("say which traffic is meant; `direction: both` alone lets everything through"),
        );
        return None;
    }
    table.finish(cx);
    let direction = direction?;
    if direction == Direction::Both {
        let ports = [remote_item, local_item];
        let ports: Vec<Item<'_, '_>> = ports.into_iter().flatten().collect();
        if !ports.is_empty() {
            let mut problem = Problem::new(
                Code::BadPorts,
                "ports need a direction: with `both`, the default, the server refuses them",
            );
            for item in ports {
                problem = problem.at(item.key.place, "");
            }
            let problem =
                problem.help("write `direction: outbound` or `direction: inbound`; for both write two rules");
            cx.report(match direction_item {
                Some(item) => problem.and(item.place(), "the direction"),
                None => problem,
            });
            return None;
        }
    }
    warn_of_doubtful_ports(cx, direction, remote_item, local_item);
    let (protocols, addresses) = (protocols.or_none()?, addresses.or_none()?);
    let protocols = protocols.map_or_else(|| vec![None], some);
    let addresses = addresses.map_or_else(|| vec![None], some);
    let (remote_ports, local_ports) = (remote_ports?, local_ports?);
    let count = [protocols.len(), addresses.len(), remote_ports.len(), local_ports.len()]
        .into_iter()
        .fold(1, usize::saturating_mul);
    if count > MAX_RULES {
        cx.report(
            Problem::new(Code::BadValue, format!("this rule stands for {count} rules, its lists multiplied"))
                .at(place, "")
                .help(format!("at most {MAX_RULES}: leave a list out, or write a range of ports")),
        );
        return None;
    }
    cx.exclusion_rules = cx.exclusion_rules.saturating_add(count);
    if cx.exclusion_rules > MAX_ALL_RULES {
        cx.report(
            Problem::new(
                Code::TooLarge,
                format!("the rules of this state stand for over {MAX_ALL_RULES} rules"),
            )
            .at(place, "with this one")
            .help("leave lists out, or write ranges of ports"),
        );
        return None;
    }
    let mut rules = Vec::with_capacity(count);
    for protocol in &protocols {
        for address in &addresses {
            for remote in &remote_ports {
                for local in &local_ports {
                    match ExclusionRule::new(direction, *protocol, *address, *remote, *local) {
                        Ok(rule) => rules.push(rule),
                        Err(error) => {
                            cx.report(Problem::new(Code::BadPorts, error.to_string()).at(place, ""));
                            return None;
                        }
                    }
                }
            }
        }
    }
    Some(rules)
}

/// The guide allows ports with either direction, the help only remote ones outbound and local ones inbound
/// (response-api.md, section 3, RULE).
fn warn_of_doubtful_ports(
    cx: &mut Context<'_>,
    direction: Direction,
    remote: Option<Item<'_, '_>>,
    local: Option<Item<'_, '_>>,
) {
    let (ports, what, other) = match direction {
        Direction::Inbound => (remote, "remote ports on inbound traffic", "local_ports"),
        Direction::Outbound => (local, "local ports on outbound traffic", "remote_ports"),
        Direction::Both => return,
    };
    if let Some(item) = ports {
        cx.report(
            Problem::new(Code::DoubtfulPorts, format!("a server may refuse {what}"))
                .at(item.key.place, "")
                .help(format!(
                    "the guide of the Response API allows it and the help does not; is `{other}` meant?"
                )),
        );
    }
}

fn some<T>(values: Vec<T>) -> Vec<Option<T>> {
    values.into_iter().map(Some).collect()
}

/// One value, or each of a list.
fn each<T>(
    cx: &mut Context<'_>,
    item: Item<'_, '_>,
    expected: &str,
    decode: impl Fn(&mut Context<'_>, Item<'_, '_>) -> Option<T>,
) -> Option<Vec<T>> {
    let items = item.one_or_list(cx, expected)?;
    let decoded: Vec<Option<T>> = items.into_iter().map(|item| decode(cx, item)).collect();
    decoded.into_iter().collect()
}

fn direction(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Direction> {
    let names = Direction::ALL.map(Direction::as_str);
    let text = item.text(cx, &format!("one of {}", listed(&names)))?;
    if let Some(direction) = Direction::ALL.into_iter().find(|direction| direction.as_str() == text) {
        return Some(direction);
    }
    let help = match nearest(text, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}, seen from the isolated host", listed(&names)),
    };
    item.wrong(cx, Code::BadValue, format!("`{text}` is no direction"), help)
}

fn protocol(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Protocol> {
    let text = item.text(cx, "the name of a protocol or its number")?;
    if let Some(protocol) = Protocol::from_name(text) {
        return Some(protocol);
    }
    match number::whole::<u8>(text) {
        Some(number) => Some(Protocol(number)),
        None => {
            let names = Protocol::NAMES.map(|(name, _)| name);
            let help = match nearest(text, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!(
                        "write {} or the number that IANA gave it, 0 to 255",
                        super::decode::one_of(&names)
                    )
                }
            };
            item.wrong(cx, Code::BadValue, format!("`{text}` is no protocol"), help)
        }
    }
}

fn address(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<IpAddr> {
    let text = item.text(cx, "an IPv4 or IPv6 address")?;
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address),
        Err(_) if text.parse::<ipnet::IpNet>().is_ok() => item.wrong(
            cx,
            Code::BadAddress,
            format!("`{text}` is a network: a rule takes single addresses"),
            "the Response API knows no networks: list the addresses, or leave `remote_address` out for all",
        ),
        Err(_) => item.wrong(
            cx,
            Code::BadAddress,
            format!("`{text}` is no IP address"),
            as_list(text).unwrap_or_else(|| {
                "write an IPv4 or IPv6 address; names of hosts are not resolved".to_owned()
            }),
        ),
    }
}

/// What to write instead of a text with commas.
fn as_list(text: &str) -> Option<String> {
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    (items.len() > 1).then(|| format!("write a list: `[{}]`", items.join(", ")))
}

/// `53` or `1000-2000`.
fn ports(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<PortRange> {
    let text = item.text(cx, "a port such as `53` or a range such as `1000-2000`")?;
    let help = "write a port from 1 to 65535 such as `53`, or a range such as `1000-2000`";
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| number::whole::<u16>(text).filter(|port| *port > 0);
    match (port(from), port(to)) {
        (Some(from), Some(to)) => match PortRange::new(from, to) {
            Some(range) => Some(range),
            None => item.wrong(
                cx,
                Code::BadPorts,
                format!("the range `{text}` ends before it begins"),
                format!("write `{to}-{from}`"),
            ),
        },
        (Some(_) | None, None) | (None, Some(_)) => {
            let help = as_list(text).unwrap_or_else(|| help.to_owned());
            item.wrong(cx, Code::BadPorts, format!("`{text}` is no port and no range of ports"), help)
        }
    }
}

//! Servers: a Central Node, or a simulator in its place.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::address;
use super::declared::{
    CentralNodeAddress, Connection, DeclaredServer, PassphraseSource, PemSource, ServerUrl, Trust,
};
use super::decode::{Context, Item, listed};
use super::table::Table;
use super::tree::{Entry, Value};
use super::{number, time};
use crate::diagnostic::{Code, Place, Problem};
use crate::model::ServerName;

pub(super) const DEFAULT_CONCURRENCY: usize = 16;
pub(super) const MAX_CONCURRENCY: usize = 512;
/// 1 to [`MAX_CONCURRENCY`].
pub(super) const CONCURRENCY_PATTERN: &str = "^([1-9][0-9]?|[1-4][0-9]{2}|50[0-9]|51[0-2])$";
pub(super) const DEFAULT_CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// What only a Central Node has.
const CENTRAL_NODE_KEYS: [&str; 6] =
    ["url", "external_system_id", "client_certificate", "client_key", "client_key_passphrase", "trust"];

/// Where each address was declared: two servers with one address would fight over one record.
pub(super) type Addresses<'t> = BTreeMap<String, (&'t str, Place)>;

pub(super) fn server<'t>(
    cx: &mut Context<'_>,
    entry: &'t Entry<'_>,
    addresses: &mut Addresses<'t>,
) -> Option<DeclaredServer> {
    let name = &*entry.key.text;
    let mut table =
        Item::of(entry).table(cx, format!("the server `{name}`"), "a mapping with `url` and others")?;
    let connection = match table.item("simulator") {
        Some(simulator) => in_process(cx, &mut table, simulator),
        None => central_node(cx, &mut table, name).map(Connection::CentralNode),
    };
    let concurrency = table.optional(cx, "concurrency", concurrency);
    let clock_tolerance = table.optional(cx, "clock_tolerance", time::tolerance);
    table.finish(cx);
    let connection = connection?;
    for (address, place) in keys_of(&connection, entry) {
        if let Some((other, first)) = addresses.insert(address.clone(), (name, place))
            && other != name
        {
            cx.report(
                Problem::new(
                    Code::SameServer,
                    format!("the servers `{other}` and `{name}` are the same: {address}"),
                )
                .at(place, "again here")
                .and(first, "first here")
                .help("declare it once; a cluster is one server with a list of addresses"),
            );
        }
    }
    Some(DeclaredServer {
        name: ServerName::new(name),
        origin: cx.origin(entry.key.place),
        connection,
        concurrency: concurrency.or(DEFAULT_CONCURRENCY)?,
        clock_tolerance: clock_tolerance.or(DEFAULT_CLOCK_TOLERANCE)?,
    })
}

/// What tells servers apart, with the places where it stands.
fn keys_of(connection: &Connection, entry: &Entry<'_>) -> Vec<(String, Place)> {
    match connection {
        Connection::CentralNode(node) => {
            node.urls.iter().map(|url| (url.to_string(), entry.key.place)).collect()
        }
        Connection::Simulator { fleet } => vec![(fleet.display().to_string(), entry.key.place)],
    }
}

fn in_process<'t, 's>(
    cx: &mut Context<'_>,
    table: &mut Table<'t, 's>,
    simulator: Item<'t, 's>,
) -> Option<Connection> {
    let others = table.present(&CENTRAL_NODE_KEYS);
    let path = match simulator.text(cx, "the path of a fleet file") {
        Some("") => {
            simulator.wrong(cx, Code::BadValue, "`simulator` is empty", "write the path of a fleet file")
        }
        path => path,
    };
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|item| &*item.key.text).collect();
        let message = format!("a simulator takes no {}", listed(&names));
        let problem = others
            .iter()
            .fold(Problem::new(Code::ExactlyOne, message), |problem, other| problem.at(other.key.place, ""));
        cx.report(
            problem
                .and(simulator.key.place, "this makes it a simulator")
                .help("it needs no address and no credentials: take them out, or take `simulator` out"),
        );
        return None;
    }
    Some(Connection::Simulator { fleet: cx.path_within(simulator.node.place, path?)? })
}

fn central_node(cx: &mut Context<'_>, table: &mut Table<'_, '_>, name: &str) -> Option<CentralNodeAddress> {
    let urls = table.required(cx, "url", "url: https://kata.example.org", urls);
    let id = table.required(
        cx,
        "external_system_id",
        // No example that could be copied: it has to be one's own.
        "external_system_id: NEW-UUID",
        external_system_id,
    );
    let certificate =
        table.required(cx, "client_certificate", "client_certificate: secrets/client.crt", pem_source);
    let key = table.required(cx, "client_key", "client_key: { env: KEDRCTL_KEY }", pem_source);
    let passphrase = table.optional(cx, "client_key_passphrase", passphrase_source);
    let trust = table.optional(cx, "trust", trust);
    if trust.is_absent() && !table.is_misspelled("trust") {
        cx.report(
            Problem::new(
                Code::NoTrust,
                format!("the server `{name}` has no `trust`, so nothing is sent to it"),
            )
            .at(table.place(), "")
            .help(format!("`kedrctl register {name}` shows the server's certificate and says what to write")),
        );
    }
    Some(CentralNodeAddress {
        urls: urls?,
        external_system_id: id?.into(),
        client_certificate: certificate?,
        client_key: key?,
        client_key_passphrase: passphrase.or_none()?,
        trust: trust.or_none()?,
    })
}

fn urls(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<ServerUrl>> {
    let items = item.one_or_list(cx, "an address such as `https://kata.example.org`")?;
    let urls: Vec<Option<ServerUrl>> = items
        .into_iter()
        .map(|item| {
            let text = item.text(cx, "an address such as `https://kata.example.org`")?;
            match address::parse(text) {
                Ok(url) => Some(url),
                Err(wrong) => item.wrong(cx, Code::BadAddress, wrong.message, wrong.help),
            }
        })
        .collect();
    urls.into_iter().collect()
}

fn external_system_id<'t>(cx: &mut Context<'_>, item: Item<'t, '_>) -> Option<&'t str> {
    let text = item.text(cx, "the id that the external system was registered with")?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Some(text);
    }
    item.wrong(
        cx,
        Code::BadValue,
        format!("`{text}` cannot be the id of an external system"),
        "it is made of letters, digits and `-`; usually it is a UUID",
    )
}

/// A path, `{ env: NAME }` or `{ command: [program, argument, …] }`.
fn pem_source(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<PemSource> {
    if !item.is_map() {
        let text = item.text(cx, "a path, `{ env: NAME }` or `{ command: [program, …] }`")?;
        if text.contains("-----BEGIN") {
            // What is shown ends up in logs and comments.
            cx.sources.mask(item.node.place);
            return item.wrong(
                cx,
                Code::BadValue,
                format!("{} stands in the state itself", item.what()),
                "state files are shared: write the path of a file, `{ env: NAME }` or `{ command: [program, …] }`; \
                 if this file was ever shared, replace the key",
            );
        }
        if text.is_empty() {
            return item.wrong(
                cx,
                Code::BadValue,
                format!("{} is empty", item.what()),
                "write the path of a PEM file",
            );
        }
        return Some(PemSource::File(cx.path(item.node.place, text)));
    }
    let mut table = item.table(cx, item.what(), "a path")?;
    let given = table.exactly_one(cx, &["env", "command"], "env: KEDRCTL_KEY");
    table.finish(cx);
    let given = given?;
    if given.key.text == "env" {
        env(cx, given).map(PemSource::Env)
    } else {
        command(cx, given).map(PemSource::Command)
    }
}

/// `{ env: NAME }` or `{ command: [program, argument, …] }`.
fn passphrase_source(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<PassphraseSource> {
    const EXPECTED: &str = "`{ env: NAME }` or `{ command: [program, …] }`";
    if let Value::Text(_) = item.node.value {
        return item.wrong(
            cx,
            Code::BadValue,
            format!("{} takes {EXPECTED}, not a text", item.what()),
            "state files are shared, and a file beside the key would protect nothing; if this was the passphrase and \
             the file was ever shared, replace the key",
        );
    }
    let mut table = item.table(cx, item.what(), EXPECTED)?;
    let given = table.exactly_one(cx, &["env", "command"], "env: KEDRCTL_PASSPHRASE");
    table.finish(cx);
    let given = given?;
    if given.key.text == "env" {
        env(cx, given).map(PassphraseSource::Env)
    } else {
        command(cx, given).map(PassphraseSource::Command)
    }
}

fn env(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<String> {
    let name = item.text(cx, "the name of an environment variable")?;
    let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name {
        return Some(name.to_owned());
    }
    item.wrong(
        cx,
        Code::BadName,
        format!("`{name}` is no name of an environment variable"),
        "write the bare name, such as `KEDRCTL_KEY`: letters, digits and `_`",
    )
}

fn command(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<String>> {
    if let Value::Text(text) = &item.node.value {
        let words: Vec<&str> = text.split_whitespace().collect();
        return item.wrong(
            cx,
            Code::WrongType,
            "`command` takes a list, the program and its arguments, not a text",
            format!("no shell reads it: write `command: [{}]`", words.join(", ")),
        );
    }
    let items = item.list(cx, "a list: the program and its arguments")?;
    if items.is_empty() {
        return item.wrong(
            cx,
            Code::BadValue,
            "`command` names no program",
            "write `command: [program, argument, …]`",
        );
    }
    let words: Vec<Option<String>> =
        items.into_iter().map(|item| item.text(cx, "a text").map(str::to_owned)).collect();
    words.into_iter().collect()
}

/// `{ ca: ca.pem }`, `{ sha256: … }` or `system`.
fn trust(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Trust> {
    const EXPECTED: &str = "`{ ca: ca.pem }`, `{ sha256: … }` or `system`";
    if let Value::Text(text) = &item.node.value {
        if text == "system" {
            return Some(Trust::System);
        }
        return item.wrong(
            cx,
            Code::BadValue,
            format!("`trust` takes {EXPECTED}, not `{text}`"),
            "`sha256` is the fingerprint of the server's certificate; `system` believes what this machine believes",
        );
    }
    let mut table = item.table(cx, "`trust`", EXPECTED)?;
    let given = table.exactly_one(cx, &["ca", "sha256"], "sha256: …");
    table.finish(cx);
    let given = given?;
    if given.key.text == "ca" {
        pem_source(cx, given).map(Trust::Ca)
    } else {
        fingerprint(cx, given).map(Trust::Pinned)
    }
}

/// 64 hexadecimal digits, also as openssl prints them: in pairs with colons.
fn fingerprint(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<[u8; 32]> {
    let text = item.text(cx, "the SHA-256 fingerprint of a certificate")?;
    match text.replace(':', "").parse::<crate::model::FileHash>() {
        Ok(crate::model::FileHash::Sha256(digest)) => Some(digest),
        Ok(crate::model::FileHash::Md5(_)) | Err(_) => item.wrong(
            cx,
            Code::BadHash,
            "this is no SHA-256 fingerprint: it has 64 hexadecimal digits",
            "`openssl x509 -in server.crt -noout -fingerprint -sha256` prints it",
        ),
    }
}

fn concurrency(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<usize> {
    let text = item.text(cx, "a number")?;
    match number::whole::<usize>(text) {
        Some(number) if (1..=MAX_CONCURRENCY).contains(&number) => Some(number),
        Some(_) | None => item.wrong(
            cx,
            Code::BadValue,
            format!("`concurrency` takes a number from 1 to {MAX_CONCURRENCY}, not `{text}`"),
            "it is the most requests in flight at once; 16 when no file says",
        ),
    }
}

//! Who is meant by several hosts at once: patterns, lists of names, files of names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::declared::DeclaredHost;
use super::decode::{Context, Item, listed, one_of, refuse_unprintable};
use super::names::Names;
use super::tree::Value;
use super::{Except, HostMatch, NamedHost, files, policy};
use crate::diagnostic::{Code, Place, Problem};
use crate::model::{Case, NamePattern, Origin, ServerName};

/// The most bytes of a file of hosts: over a million names.
const MAX_HOSTS_BYTES: u64 = 64 * 1024 * 1024;

/// Of the wrong lines of one file, so many are shown.
const MAX_SHOWN_LINES: usize = 5;

/// The entries of `hosts` that others may name, with where each is.
pub(super) struct Entries<'t> {
    server_of: BTreeMap<&'t str, Option<ServerName>>,
    named: BTreeSet<String>,
}

impl<'t> Entries<'t> {
    /// `keys` are all that are written, `hosts` those that could be read.
    pub(super) fn new(keys: impl IntoIterator<Item = &'t str>, hosts: &[DeclaredHost]) -> Self {
        let mut server_of: BTreeMap<&str, Option<ServerName>> =
            keys.into_iter().map(|key| (key, None)).collect();
        for host in hosts {
            if let Some(server) = server_of.get_mut(&*host.entry) {
                *server = Some(host.server.clone());
            }
        }
        Self { server_of, named: BTreeSet::new() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.server_of.contains_key(name)
    }

    /// Whether a group or a task names this entry.
    pub(super) fn is_named(&self, entry: &str) -> bool {
        self.named.contains(entry)
    }
}

/// `server`, where a group or a task has one.
pub(super) fn server<'t>(
    cx: &mut Context<'_>,
    item: Option<Item<'t, '_>>,
    servers: &mut Names<'t>,
) -> Option<Option<ServerName>> {
    match item {
        None => Some(None),
        Some(item) => servers.take(cx, item).map(|name| Some(ServerName::new(name))),
    }
}

/// `hosts: [WS-017.corp.example, front-desk]`: never patterns, and never empty.
pub(super) fn hosts(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<(Arc<str>, Place)>> {
    if matches!(&item.node.value, Value::List(items) if items.is_empty()) {
        let help = "name the hosts; a pattern stands under `match` of a group";
        return item.wrong(cx, Code::BadValue, "an empty list of hosts selects nobody", help);
    }
    let items = item.one_or_list(cx, "a list of hosts")?;
    let mut hosts = Vec::with_capacity(items.len());
    let mut is_right = true;
    for item in items {
        match item.plain_text(cx, "the name of a host").and_then(|name| named(cx, name, item.place())) {
            Some(name) => hosts.push((name, item.place())),
            None => is_right = false,
        }
    }
    is_right.then(|| each_once(cx, hosts))
}

/// `hosts_file: lists/pci.txt`: one host a line, comments after `#`.
pub(super) fn hosts_file(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<(Arc<str>, Place)>> {
    let written = item.text(cx, "the path of a text file")?;
    let path = cx.path_within(item.node.place, written)?;
    let text = match files::read_text(&path, MAX_HOSTS_BYTES, cx.sources) {
        Ok(text) => text,
        // Not shown, as lines that are no names are not.
        Err(problem) if problem.code == Code::NotUtf8 => {
            return item.wrong(cx, Code::NotUtf8, problem.message, "save it as UTF-8");
        }
        Err(problem) => {
            cx.report(problem.at(item.place(), ""));
            return None;
        }
    };
    if let Some(line) = first_foreign_line(&text) {
        let message = format!("line {line} of `{written}` is no name of a host");
        let help = "the line is not shown: it may be of a file that was never meant as a list; a file of hosts has one \
                    name a line and comments after `#`";
        return item.wrong(cx, Code::BadValue, message, help);
    }
    let file = cx.sources.add(files::display(&path), text);
    let text = cx.sources.text(file);
    let mut hosts = Vec::new();
    let mut wrong = 0;
    let mut start = 0;
    for line in text.split('\n') {
        // Editors on Windows put a byte order mark before the first line.
        let content = line.strip_prefix('\u{feff}').filter(|_| start == 0).unwrap_or(line);
        let name = content.split('#').next().unwrap_or(content).trim();
        if !name.is_empty() {
            let at = start + (name.as_ptr() as usize - line.as_ptr() as usize);
            let place = Place::new(file, at, at + name.len());
            let reported = cx.problems.len();
            match plain(cx, name, place) {
                Some(name) => hosts.push((name, place)),
                None => {
                    wrong += 1;
                    if wrong > MAX_SHOWN_LINES {
                        cx.problems.truncate(reported);
                    }
                }
            }
        }
        start += line.len() + 1;
    }
    if wrong > MAX_SHOWN_LINES {
        let message = format!("{} more lines of `{written}` are wrong", wrong - MAX_SHOWN_LINES);
        cx.report(Problem::new(Code::BadValue, message).at(item.place(), "").help(ONE_A_LINE));
    }
    if wrong > 0 {
        return None;
    }
    if hosts.is_empty() {
        let message = format!("the file `{written}` names no host");
        return item.wrong(cx, Code::BadValue, message, "was it written whole? it has one host a line");
    }
    Some(each_once(cx, hosts))
}

/// The first line that can be no name, counted from 1. Files of another kind (a key, settings, passwords) have some,
/// and a name that the server does not list is shown in every plan.
fn first_foreign_line(text: &str) -> Option<usize> {
    let is_foreign = |line: &str| {
        let name = line.split('#').next().unwrap_or(line).trim();
        name.contains(['=', ':', '/', '"', '<', ';']) || name.starts_with("-----")
    };
    text.split('\n').position(is_foreign).map(|index| index + 1)
}

const ONE_A_LINE: &str = "a file of hosts has one name a line and comments after `#`";

fn plain(cx: &mut Context<'_>, name: &str, place: Place) -> Option<Arc<str>> {
    if let Some(problem) = refuse_unprintable(name, place, "the name of a host") {
        cx.report(problem.help(ONE_A_LINE));
        return None;
    }
    named(cx, name, place)
}

/// A list names hosts: who reads it must see who is meant.
fn named(cx: &mut Context<'_>, name: &str, place: Place) -> Option<Arc<str>> {
    if !name.contains(['*', '?']) {
        return Some(name.into());
    }
    cx.report(
        Problem::new(Code::BadValue, format!("`{name}` is a pattern, and hosts are named here"))
            .at(place, "")
            .help(format!("a group by pattern is `match: {{ name: \"{name}\" }}`")),
    );
    None
}

/// Warns of what stands twice: one of them may be meant to be another host.
fn each_once(cx: &mut Context<'_>, hosts: Vec<(Arc<str>, Place)>) -> Vec<(Arc<str>, Place)> {
    let mut seen: BTreeMap<Arc<str>, Place> = BTreeMap::new();
    let mut once = Vec::with_capacity(hosts.len());
    for (name, place) in hosts {
        if let Some(first) = seen.get(&name) {
            cx.report(
                Problem::new(Code::NoEffect, format!("the host `{name}` stands twice in one list"))
                    .at(place, "again here")
                    .and(*first, "first here")
                    .help("take one of them out"),
            );
            continue;
        }
        seen.insert(Arc::clone(&name), place);
        once.push((name, place));
    }
    once
}

/// Where each named host is: on the server that is given, where its entry is, or on the only server.
pub(super) fn located(
    cx: &mut Context<'_>,
    whom: &str,
    names: Vec<(Arc<str>, Place)>,
    given: Option<&ServerName>,
    servers: &mut Names<'_>,
    entries: &mut Entries<'_>,
) -> Option<Vec<NamedHost>> {
    let only = servers.only().map(ServerName::new);
    let default = given.or(only.as_ref());
    let mut hosts = Vec::with_capacity(names.len());
    let mut homeless: Option<(Arc<str>, Place)> = None;
    let mut is_right = true;
    for (name, place) in names {
        let entry = entries.server_of.get(&*name);
        let origin = cx.origin(place);
        match (entry, default) {
            (Some(Some(server)), _) if given.is_none_or(|given| given == server) => {
                entries.named.insert(name.to_string());
                hosts.push(NamedHost { name, origin, server: server.clone(), is_entry: true });
            }
            // An entry that could not be read has been reported.
            (Some(None), _) => {
                entries.named.insert(name.to_string());
                is_right = false;
            }
            (Some(_) | None, Some(server)) => {
                hosts.push(NamedHost { name, origin, server: server.clone(), is_entry: false });
            }
            (Some(_) | None, None) => {
                is_right = false;
                homeless.get_or_insert((name, place));
            }
        }
    }
    if let (Some((name, place)), true) = (homeless, servers.is_whole()) {
        let all = servers.all();
        servers.excuse_all();
        // Without any server there is one report for all.
        if let Some(first) = all.first() {
            cx.report(
                Problem::new(
                    Code::NoServer,
                    format!("{whom} names no server, and `{name}` is no entry of `hosts`"),
                )
                .at(place, format!("on {}?", one_of(&all)))
                .help(format!("several servers are declared: add `server: {first}` or another")),
            );
        }
    }
    is_right.then_some(hosts)
}

/// `{ name: …, cidr: …, os: … }`: all that are given must hold.
pub(super) fn what(cx: &mut Context<'_>, item: Item<'_, '_>, whom: &str) -> Option<HostMatch> {
    let mut table = item.table(cx, format!("`match` of {whom}"), "a mapping such as `{ name: \"ws-*\" }`")?;
    if table.is_empty() {
        return item.wrong(
            cx,
            Code::BadValue,
            "`match` says nothing",
            "write `{ name: \"*\" }` for every host, or what else the hosts have in common",
        );
    }
    let names = table.optional(cx, "name", |cx, item| each(cx, item, "a name or a pattern", pattern));
    let networks = table
        .optional(cx, "cidr", |cx, item| each(cx, item, "a network such as `10.0.0.0/28`", policy::network));
    let os =
        table.optional(cx, "os", |cx, item| each(cx, item, "the family of a system, such as `windows`", os));
    table.finish(cx);
    Some(HostMatch {
        names: names.or(Vec::new())?,
        networks: networks.or(Vec::new())?,
        os: os.or(Vec::new())?,
    })
}

fn each<'t, 's, T>(
    cx: &mut Context<'_>,
    item: Item<'t, 's>,
    expected: &str,
    one: impl Fn(&mut Context<'_>, Item<'t, 's>) -> Option<T>,
) -> Option<Vec<T>> {
    let items: Vec<Option<T>> =
        item.one_or_list(cx, expected)?.into_iter().map(|item| one(cx, item)).collect();
    items.into_iter().collect()
}

/// Case-sensitive, as the server matches names.
fn pattern(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<NamePattern> {
    let text = item.plain_text(cx, "a name or a pattern such as `ws-*`")?;
    match NamePattern::new(text, Case::Counts) {
        Ok(pattern) => Some(pattern),
        Err(error) => item.wrong(
            cx,
            Code::BadValue,
            format!("`{text}` is no pattern: {error}"),
            "`*` stands for any text, `?` for one character, `[ab]` for one of several, `{a,b}` for either",
        ),
    }
}

fn os(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<String> {
    let text = item.plain_text(cx, "the family of a system, such as `windows`")?;
    if text.contains(['*', '?']) {
        return item.wrong(
            cx,
            Code::BadValue,
            format!("`os` takes the family of a system, not the pattern `{text}`"),
            "`kedrctl hosts --format json` shows the `os_family` of each host",
        );
    }
    Some(text.to_lowercase())
}

/// `except: [dc01, "srv-*"]`
pub(super) fn except(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<Except>> {
    each(cx, item, "a list of names and patterns", |cx, item| {
        let origin: Origin = cx.origin(item.place());
        pattern(cx, item).map(|pattern| Except { pattern, origin })
    })
}

/// For messages about what is missing: `match`, `hosts` or `hosts_file`.
pub(super) fn ways() -> String {
    listed(&["match", "hosts", "hosts_file"])
}

//! All files together: one state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::declared::{Declared, ExclusionSets, Policy, RecordLocation, RecordPlace};
use super::decode::{Context, Item};
use super::files::Loaded;
use super::host::{self, Surroundings};
use super::members::Entries;
use super::names::{self, Names};
use super::server::Addresses;
use super::table::Table;
use super::tree::{Entry, Map, Node, Value};
use super::{all_hosts, exclusion, group, hash_list, never_block, policy, server, task};
use crate::diagnostic::{Code, Place, Problem};
use crate::model::BucketUrl;

/// The sections that hold what the user names.
const SECTIONS: [&str; 7] = ["servers", "exclusions", "hash_lists", "hosts", "groups", "all_hosts", "tasks"];

/// `is_whole` says whether every file could be read: otherwise nobody can say what is undefined or unused.
/// `default_record` is where the record is when no file says.
pub(super) fn state(
    cx: &mut Context<'_>,
    roots: &[(&Loaded, Node<'_>)],
    is_whole: bool,
    default_record: Option<RecordLocation>,
) -> Option<Declared> {
    let mut joined = Joined { is_whole, ..Joined::default() };
    for (loaded, root) in roots {
        joined.add(cx, loaded, root);
    }
    let is_whole = joined.is_whole;
    let [servers, exclusion_sets, hash_lists, hosts, groups, all_hosts, tasks] = joined.sections;
    let mut server_names = servers.names("server", "servers", is_whole);
    let mut set_names = exclusion_sets.names("exclusion set", "exclusions", is_whole);
    let mut list_names = hash_lists.names("hash list", "hash_lists", is_whole);
    let mut group_names = groups.names("group", "groups", is_whole);
    let mut task_names = tasks.names("task", "tasks", is_whole);

    let mut sets = BTreeMap::new();
    for entry in exclusion_sets.entries {
        let set = set_names.check(cx, entry).then(|| exclusion::set(cx, Item::of(entry)));
        sets.insert(&*entry.key.text, set.flatten());
    }
    let never_blocked = never_block::only(joined.policy, roots);
    let mut lists = BTreeMap::new();
    for entry in hash_lists.entries {
        let is_blocked = !never_blocked.contains(&*entry.key.text);
        let list = list_names.check(cx, entry).then(|| hash_list::list(cx, entry, is_blocked));
        lists.insert(&*entry.key.text, list.flatten());
    }
    let mut addresses = Addresses::new();
    let mut declared_servers = BTreeMap::new();
    for entry in servers.entries {
        if server_names.check(cx, entry)
            && let Some(server) = server::server(cx, entry, &mut addresses)
        {
            declared_servers.insert(server.name.clone(), server);
        }
    }
    let (mut policy, always_allow, never_block) = match joined.policy {
        None => (Some(Policy::default()), Vec::new(), Vec::new()),
        Some(item) => match policy::policy(cx, item, &mut set_names, &mut list_names) {
            Some(decoded) => (Some(decoded.policy), decoded.always_allow, decoded.never_block),
            None => (None, Vec::new(), Vec::new()),
        },
    };
    let owner = joined.owner.map_or_else(|| Some("default".into()), |item| owner(cx, item));
    let record = match joined.record {
        Some(item) => record(cx, item),
        None => default_record.or_else(|| {
            cx.report(
                Problem::new(
                    Code::NoRecord,
                    "several paths make one state, and none of its files says where its record is",
                )
                .help("add `record: .kedrctl` to one of them: the folder that remembers what was done"),
            );
            None
        }),
    };

    host::refuse_without_servers(cx, "", &hosts.entries, &server_names);
    if hosts.entries.is_empty() {
        host::refuse_without_servers(cx, "the group ", &groups.entries, &server_names);
    }
    let always_allow = policy::always_allowed(&always_allow, &sets);
    let named = sets.iter().filter_map(|(name, set)| Some(((*name).into(), set.clone()?)));
    let exclusions = ExclusionSets { named: named.collect(), always: always_allow.clone() };
    let mut around =
        Surroundings::new(&mut server_names, &mut set_names, &mut list_names, &sets, &lists, always_allow);
    let declared_hosts: Vec<_> =
        hosts.entries.iter().filter_map(|entry| host::host(cx, entry, &mut around)).collect();
    let mut entries = Entries::new(hosts.entries.iter().map(|entry| &*entry.key.text), &declared_hosts);
    let declared_groups = group::groups(cx, &groups.entries, &mut group_names, &mut entries, &mut around);
    let declared_all = all_hosts::all_hosts(cx, &all_hosts.entries, &mut around);
    let declared_tasks = task::tasks(
        cx,
        &tasks.entries,
        &mut task_names,
        &mut task::Around {
            groups: &mut group_names,
            entries: &mut entries,
            hosts: &mut around,
            // A policy that is wrong is reported where it stands.
            are_allowed: policy.as_ref().is_none_or(|policy| policy.tasks),
        },
    );
    around.report_idle(cx, &entries);
    declared_groups.report_idle(cx, &group_names);
    // Now all hashes are known that these lists are asked for.
    let never_block = never_block::read(cx, &never_block, &lists, &never_blocked);
    if let Some(policy) = &mut policy {
        policy.never_block = never_block?;
    }
    if [&hosts, &groups, &all_hosts, &tasks].iter().all(|section| section.entries.is_empty()) {
        // A file for commands that are given their hosts: the servers are all that it is for.
        server_names.excuse_all();
    }
    if is_whole {
        let mut mentioned = BTreeSet::new();
        if cx.problems.iter().any(Problem::is_error) {
            // A host that could not be read may be on the only server without naming it.
            server_names.only();
            roots.iter().for_each(|(_, root)| names::mentioned(root, &mut mentioned));
        }
        for names in [&server_names, &set_names, &list_names] {
            names.report_unused(cx, &mentioned);
        }
    }
    Some(Declared {
        record: record?,
        owner: owner?,
        servers: declared_servers,
        policy: policy?,
        hosts: declared_hosts,
        groups: declared_groups.declared,
        all_hosts: declared_all,
        tasks: declared_tasks,
        exclusions,
        shared_names: sets.keys().chain(lists.keys()).map(|name| Arc::from(*name)).collect(),
    })
}

/// The sections of all files, joined.
#[derive(Default)]
struct Joined<'t, 's> {
    /// In the order of [`SECTIONS`].
    sections: [Section<'t, 's>; 7],
    policy: Option<Item<'t, 's>>,
    record: Option<Item<'t, 's>>,
    owner: Option<Item<'t, 's>>,
    is_whole: bool,
}

#[derive(Default)]
struct Section<'t, 's> {
    entries: Vec<&'t Entry<'s>>,
    seen: BTreeMap<&'t str, Place>,
}

impl<'t, 's> Joined<'t, 's> {
    fn add(&mut self, cx: &mut Context<'_>, loaded: &Loaded, root: &'t Node<'s>) {
        let start = Place::new(loaded.file, root.place.span.start as usize, root.place.span.end as usize);
        let name = cx.sources.display(loaded.file);
        let Value::Map(map) = &root.value else {
            self.is_whole = false;
            cx.report(
                Problem::new(Code::WrongType, format!("`{name}` is no state"))
                    .at(start, "")
                    .help("a state is a mapping that begins with `version: 1`"),
            );
            return;
        };
        if let Some(place) = only_of_a_fleet(map) {
            self.is_whole = false;
            let file = name.rsplit('/').next().unwrap_or(&name);
            let help = format!(
                "name it in a state, as `servers: {{ lab: {{ simulator: {file} }} }}`, or run it with `kedrctl simulate`"
            );
            cx.report(
                Problem::new(Code::Fleet, format!("`{name}` is a fleet for the simulator, not a state"))
                    .at(place, "only a fleet has this")
                    .help(help),
            );
            return;
        }
        let is_state = |entry: &Entry<'_>| {
            SECTIONS.contains(&&*entry.key.text)
                || ["version", "policy", "record", "owner"].contains(&&*entry.key.text)
        };
        let mut table = Table::new(map, "a state", start);
        match table.item("version") {
            Some(item) => version(cx, item),
            None => {
                let help = if loaded.is_found {
                    "add `version: 1`; what is no state is kept in another folder, or under a name that begins with a dot"
                } else {
                    "add `version: 1` as its first line"
                };
                let message = format!("`{name}` has no `version`");
                cx.report(Problem::new(Code::Version, message).at(start, "").help(help));
                if !map.entries.iter().any(is_state) {
                    // Something else altogether: each of its keys would be unknown.
                    self.is_whole = false;
                    return;
                }
            }
        }
        self.is_whole &= !map.is_partial;
        for (section, joined) in SECTIONS.into_iter().zip(&mut self.sections) {
            if let Some(item) = table.item(section) {
                match item.map(cx, "a mapping of names") {
                    Some(map) => {
                        self.is_whole &= !map.is_partial;
                        joined.add(cx, &map.entries);
                    }
                    None => self.is_whole = false,
                }
            }
        }
        for (key, slot) in
            [("policy", &mut self.policy), ("record", &mut self.record), ("owner", &mut self.owner)]
        {
            if let Some(item) = table.item(key) {
                only_once(cx, item, slot);
            }
        }
        table.finish(cx);
    }
}

impl<'t, 's> Section<'t, 's> {
    fn names(&self, kind: &'static str, section: &'static str, is_whole: bool) -> Names<'t> {
        let defined = self.entries.iter().map(|entry| (&*entry.key.text, entry.key.place));
        Names::new(kind, section, defined, is_whole)
    }

    fn add(&mut self, cx: &mut Context<'_>, entries: &'t [Entry<'s>]) {
        for entry in entries {
            // Within one file the tree has seen to it.
            if let Some(first) = self.seen.get(&*entry.key.text) {
                cx.report(
                    Problem::new(Code::DuplicateKey, format!("`{}` is declared twice", entry.key.text))
                        .at(entry.key.place, "again here")
                        .and(*first, "first here")
                        .help("all files are one state: keep one of them, or give them different names"),
                );
                continue;
            }
            self.seen.insert(&entry.key.text, entry.key.place);
            self.entries.push(entry);
        }
    }
}

/// What shows that a file describes hosts for the simulator: there they are a list of mappings with names, or
/// generated.
fn only_of_a_fleet(map: &Map<'_>) -> Option<Place> {
    let key = |key: &str| map.entries.iter().find(|entry| entry.key.text == key);
    if ["servers", "policy", "exclusions", "hash_lists"].into_iter().any(|section| key(section).is_some()) {
        return None;
    }
    let is_named = |item: &Node<'_>| match &item.value {
        Value::Map(host) => host.entries.iter().any(|entry| entry.key.text == "name"),
        Value::Null | Value::Text(_) | Value::List(_) | Value::Poisoned => false,
    };
    let found = match key("hosts") {
        None => key("generate"),
        Some(hosts) => match &hosts.value.value {
            Value::List(items) if items.iter().any(is_named) => Some(hosts),
            Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_) | Value::Poisoned => None,
        },
    };
    found.map(|entry| entry.key.place)
}

fn only_once<'t, 's>(cx: &mut Context<'_>, item: Item<'t, 's>, slot: &mut Option<Item<'t, 's>>) {
    match slot {
        None => *slot = Some(item),
        Some(first) => cx.report(
            Problem::new(Code::OnlyOnce, format!("`{}` stands in two files of one state", item.key.text))
                .at(item.key.place, "again here")
                .and(first.key.place, "first here")
                .help("keep it in one of them"),
        ),
    }
}

fn version(cx: &mut Context<'_>, item: Item<'_, '_>) {
    if let Some(text) = item.text(cx, "`1`")
        && text != "1"
    {
        let _reported: Option<()> = item.wrong(
            cx,
            Code::Version,
            format!("this version of kedrctl does not read states of version `{text}`"),
            "write `version: 1`",
        );
    }
}

/// A folder, relative to its file, or a place in an object store.
fn record(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<RecordLocation> {
    let text = item.text(cx, "the path of a folder, or a place in an object store")?;
    if text.contains("://") {
        return match text.parse::<BucketUrl>() {
            Ok(url) => Some(RecordLocation { place: RecordPlace::Bucket(url), is_declared: true }),
            Err(error) => item.wrong(
                cx,
                Code::BadValue,
                format!("`record` is no place for a record: {error}"),
                error.help(),
            ),
        };
    }
    if text.is_empty() {
        return item.wrong(
            cx,
            Code::BadValue,
            "`record` is empty",
            "write the path of a folder, such as `.kedrctl`",
        );
    }
    let folder = cx.path(item.node.place, text);
    Some(RecordLocation { place: RecordPlace::Folder(folder), is_declared: true })
}

fn owner(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Arc<str>> {
    let text = item.text(cx, "a name")?;
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    {
        return Some(text.into());
    }
    item.wrong(
        cx,
        Code::BadName,
        format!("`{text}` cannot be the name of an owner"),
        "a name is made of ASCII letters, digits, `.`, `_` and `-`, such as `soc-gitops`",
    )
}

//! What of a host's files is to be blocked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::declared::DeclaredPrevention;
use super::decode::{Context, Item, Whose};
use super::hash;
use super::host::Surroundings;
use super::tree::Value;
use crate::diagnostic::{Code, Place, Problem};
use crate::model::{BlockEntry, BlockSet, FileHash};

/// `{ block: […], unblock: […], exact: true }`.
pub(super) fn prevention<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    around: &mut Surroundings<'t, '_>,
    whose: Whose<'_>,
) -> Option<Arc<DeclaredPrevention>> {
    let mut table = item.table(cx, "`prevention`", "a mapping such as `{ block: [ransomware] }`")?;
    let block = table.optional(cx, "block", |cx, item| block(cx, item, around));
    let unblock = table.optional(cx, "unblock", unblock);
    let exact_item = table.item("exact");
    let exact = match exact_item {
        None => Some(false),
        Some(item) => truth(cx, item),
    };
    let (has_block, has_unblock) = (!block.is_absent(), !unblock.is_absent());
    if table.is_empty() {
        let message = "`prevention` says nothing";
        return item.wrong(
            cx,
            Code::BadValue,
            message,
            "add `block: [ransomware]`, or take `prevention` out: then the rule is neither read nor touched",
        );
    }
    table.finish(cx);
    if let (Some(item), Some(true)) = (exact_item, exact) {
        if !has_block {
            // Without this a misplaced line would empty a host's rule.
            return item.wrong(
                cx,
                Code::MissingKey,
                "`exact` needs `block`: the rule becomes exactly that",
                "add `block: [ransomware]`, or `block: []` for no rule at all",
            );
        }
        if has_unblock {
            cx.report(
                Problem::new(Code::NoEffect, "`unblock` has no effect beside `exact: true`")
                    .at(item.key.place, "")
                    .help("what `block` does not name is taken out anyway: take `unblock` out"),
            );
        }
    }
    let block = block.or(Blocked::default())?;
    let unblock = unblock.or(Vec::new())?;
    let is_clear = refuse_both(cx, &block, &unblock, around);
    let unblock = unblock.into_iter().map(|(entry, _)| entry).collect();
    if !is_clear {
        return None;
    }
    let cause = whose.cause(cx, item.key.place);
    Some(Arc::new(DeclaredPrevention { cause, block: block.sets, unblock, exact: exact? }))
}

/// What `block` names, and where.
#[derive(Default)]
struct Blocked<'t> {
    sets: Vec<BlockSet>,
    single: BTreeMap<FileHash, Place>,
    lists: Vec<(&'t str, Place)>,
}

fn block<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    around: &mut Surroundings<'t, '_>,
) -> Option<Blocked<'t>> {
    let mut blocked = Blocked::default();
    let mut is_right = true;
    // Single hashes that stand side by side are one set.
    let mut single = Vec::new();
    let mut named = BTreeSet::new();
    for item in item.list(cx, "a list of hash lists and hashes")? {
        let is_hash = match &item.node.value {
            Value::Text(text) => hash::is_meant(text),
            Value::Map(_) => true,
            Value::Null | Value::List(_) | Value::Poisoned => false,
        };
        if is_hash {
            match entry(cx, item) {
                Some(entry) => {
                    blocked.single.entry(entry.hash).or_insert(item.place());
                    single.push(entry);
                }
                None => is_right = false,
            }
            continue;
        }
        match around.hash_lists.take(cx, item) {
            Some(name) if !named.insert(name) => {
                cx.report(
                    Problem::new(Code::NoEffect, format!("the hash list `{name}` stands here twice"))
                        .at(item.place(), "")
                        .help("take it out"),
                );
            }
            Some(name) => {
                if !single.is_empty() {
                    blocked.sets.push(std::mem::take(&mut single).into());
                }
                if let Some(Some(list)) = around.lists.get(name) {
                    blocked.sets.push(BlockSet::clone(&list.entries));
                    blocked.lists.push((name, item.place()));
                }
            }
            None => is_right = false,
        }
    }
    if !single.is_empty() {
        blocked.sets.push(single.into());
    }
    is_right.then_some(blocked)
}

fn unblock(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<Vec<(BlockEntry, Place)>> {
    let entries: Vec<Option<(BlockEntry, Place)>> =
        item.list(cx, "a list of hashes")?.into_iter().map(|item| unblocked(cx, item)).collect();
    entries.into_iter().collect()
}

fn unblocked(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<(BlockEntry, Place)> {
    if let Value::Text(text) = &item.node.value
        && !hash::is_meant(text)
    {
        return item.wrong(
            cx,
            Code::BadHash,
            format!("`unblock` takes hashes, not `{text}`"),
            "write the hashes out: a list that is no longer blocked is taken out of `block`",
        );
    }
    let entry = entry(cx, item)?;
    if entry.until.is_some() {
        return item.wrong(
            cx,
            Code::BadValue,
            "a hash under `unblock` takes no `until`",
            "it is taken out at once; take `until` out",
        );
    }
    Some((entry, item.place()))
}

fn entry(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<BlockEntry> {
    let declared = hash::declared(cx, item)?;
    Some(BlockEntry {
        hash: declared.hash,
        comment: declared.comment,
        from: None,
        until: declared.until,
        list: None,
        origin: cx.origin(item.place()),
    })
}

/// Whether no hash is under `block` and `unblock` at once; each that is, is reported.
fn refuse_both(
    cx: &mut Context<'_>,
    block: &Blocked<'_>,
    unblock: &[(BlockEntry, Place)],
    around: &Surroundings<'_, '_>,
) -> bool {
    let mut is_clear = true;
    for (entry, place) in unblock {
        let blocked = match block.single.get(&entry.hash) {
            Some(first) => Some((*first, "blocked here".to_owned())),
            None => block.lists.iter().find_map(|(name, named_at)| {
                let list = around.lists.get(name)?.as_ref()?;
                let blocked = list.find(&entry.hash)?;
                Some((*named_at, format!("`{name}` blocks it ({})", blocked.origin)))
            }),
        };
        if let Some((first, text)) = blocked {
            is_clear = false;
            cx.report(
                Problem::new(
                    Code::BlockAndUnblock,
                    format!("the hash {}… is to be blocked and unblocked", entry.hash.short()),
                )
                .at(*place, "unblocked here")
                .and(first, text)
                .help("take it out of one of them"),
            );
        }
    }
    is_clear
}

pub(super) fn truth(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<bool> {
    match item.text(cx, "`true` or `false`")? {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        other => item.wrong(
            cx,
            Code::BadValue,
            format!("{} takes `true` or `false`, not `{other}`", item.what()),
            "write `true` or `false`",
        ),
    }
}

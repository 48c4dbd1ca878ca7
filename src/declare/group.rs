//! One entry of `groups`: many hosts by what they are or by their names, and what is declared for each of them.

use std::sync::Arc;

use super::decode::{Context, Item, Whose};
use super::host::Surroundings;
use super::members::{self, Entries};
use super::names::Names;
use super::tree::Entry;
use super::{DeclaredGroup, Members, isolation, prevention};
use crate::diagnostic::{Code, Place, Problem};

/// `all` of `--limit`.
const RESERVED: &str = "all";

/// Groups, with those of them for which nothing is declared.
#[derive(Default)]
pub(super) struct Groups<'t> {
    pub(super) declared: Vec<DeclaredGroup>,
    idle: Vec<(&'t str, Place)>,
}

pub(super) fn groups<'t>(
    cx: &mut Context<'_>,
    written: &[&'t Entry<'_>],
    names: &mut Names<'t>,
    entries: &mut Entries<'t>,
    around: &mut Surroundings<'t, '_>,
) -> Groups<'t> {
    let mut groups = Groups::default();
    for entry in written {
        if names.check(cx, entry) && is_free(cx, entry, entries) {
            groups.declared.extend(group(cx, entry, entries, around, &mut groups.idle));
        }
    }
    // The same state, whatever file each stands in.
    groups.declared.sort_by(|a, b| a.name.cmp(&b.name));
    groups
}

impl Groups<'_> {
    /// Warns of the groups that nothing has a use for.
    pub(super) fn report_idle(&self, cx: &mut Context<'_>, names: &Names<'_>) {
        for (name, place) in self.idle.iter().filter(|(name, _)| !names.is_used(name)) {
            cx.report(
                Problem::new(Code::NothingDeclared, format!("nothing is declared for the group `{name}`"))
                    .at(*place, "")
                    .help("add `isolation` or `prevention`, or take the group out: it serves only `--limit`"),
            );
        }
    }
}

/// Whether `--limit` can tell the group from a host.
fn is_free(cx: &mut Context<'_>, entry: &Entry<'_>, entries: &Entries<'_>) -> bool {
    let name = &*entry.key.text;
    let problem = if name == RESERVED {
        Problem::new(Code::BadName, "`all` cannot be the name of a group")
            .help("`all` stands for every declared host in `--limit`: choose another name")
    } else if entries.has(name) {
        Problem::new(Code::BadName, format!("`{name}` is the name of a group and of a host"))
            .help("`--limit` could not tell them apart: rename one of them")
    } else {
        return true;
    };
    cx.report(problem.at(entry.key.place, ""));
    false
}

fn group<'t>(
    cx: &mut Context<'_>,
    entry: &'t Entry<'_>,
    entries: &mut Entries<'t>,
    around: &mut Surroundings<'t, '_>,
    idle: &mut Vec<(&'t str, Place)>,
) -> Option<DeclaredGroup> {
    let name: Arc<str> = (*entry.key.text).into();
    let whom = format!("the group `{name}`");
    let mut table = Item::of(entry).table(
        cx,
        whom.clone(),
        format!("a mapping with one of {}", members::ways()).as_str(),
    )?;
    let whose = Whose::Group(&name);
    let server = members::server(cx, table.item("server"), around.servers);
    let except = table.optional(cx, "except", members::except);
    let isolation = table.optional(cx, "isolation", |cx, item| isolation::isolation(cx, item, around, whose));
    let prevention =
        table.optional(cx, "prevention", |cx, item| prevention::prevention(cx, item, around, whose));
    let is_idle = isolation.is_absent() && prevention.is_absent();
    let given = table.exactly_one(cx, &["match", "hosts", "hosts_file"], "match: { name: \"ws-*\" }");
    let all_known = table.finish(cx);
    if is_idle && all_known {
        idle.push((&*entry.key.text, entry.key.place));
    }
    let members = given.and_then(|item| {
        let names = match &*item.key.text {
            "match" => {
                let what = members::what(cx, item, &whom)?;
                let server = server.clone()?;
                if server.is_none() {
                    // Each of them may have such hosts.
                    around.servers.excuse_all();
                }
                return Some(Members::Match { server, what });
            }
            "hosts" => members::hosts(cx, item)?,
            _ => members::hosts_file(cx, item)?,
        };
        let server = server.as_ref()?.as_ref();
        members::located(cx, &whom, names, server, around.servers, entries).map(Members::Named)
    });
    Some(DeclaredGroup {
        origin: cx.origin(entry.key.place),
        members: members?,
        except: except.or(Vec::new())?,
        isolation: isolation.or_none()?,
        prevention: prevention.or_none()?,
        name,
    })
}

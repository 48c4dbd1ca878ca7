//! Equal sets of hashes gathered into shared named lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Fleet, counted};
use crate::model::{FileHash, PreventionRule, Reading, Target, yaml_comment, yaml_scalar};

/// A set of one host with no more hashes than this stands in its entry.
const INLINE: usize = 2;

/// A list with more hashes than this is a file of its own.
const IN_THE_STATE: usize = 20;

/// A set of hashes that some rules hold; never empty.
type Set = BTreeSet<FileHash>;

#[derive(Debug)]
pub(super) struct Lists {
    lists: BTreeMap<Set, List>,
}

#[derive(Debug)]
struct List {
    /// `None`: it stands in the entry of the only host that has it.
    name: Option<String>,
    hosts: usize,
    /// Any of the rules with it: where the descriptions of the files come from.
    rule: Arc<PreventionRule>,
}

impl Lists {
    pub(super) fn gather(fleets: &[Fleet<'_>], prefix: &str) -> Self {
        let mut lists: BTreeMap<Set, List> = BTreeMap::new();
        for fleet in fleets {
            let sensors = fleet.selected.iter().filter(|sensor| !fleet.declared.contains(sensor));
            for sensor in sensors {
                let reading = fleet.observed.preventions.get(&Target::Sensor(*sensor));
                let Some(Reading::Present(rule)) = reading else { continue };
                let set = declarable(rule);
                if set.is_empty() {
                    continue;
                }
                let list =
                    lists.entry(set).or_insert_with(|| List { name: None, hosts: 0, rule: Arc::clone(rule) });
                list.hosts += 1;
            }
        }
        // The most shared come first, so that the first names are those that matter most.
        let mut by_weight: Vec<(&Set, &mut List)> = lists.iter_mut().collect();
        by_weight.sort_by_key(|(set, list)| (std::cmp::Reverse(list.hosts), set.len()));
        let mut number = 0;
        for (set, list) in by_weight {
            if list.hosts == 1 && set.len() <= INLINE {
                continue;
            }
            number += 1;
            list.name = Some(format!("{prefix}-{number}"));
        }
        Self { lists }
    }

    /// How many are named.
    pub(super) fn len(&self) -> usize {
        self.named().count()
    }

    /// What stands behind `block:` of a host with this rule; `None`: nothing of it can be declared.
    pub(super) fn block(&self, rule: &PreventionRule) -> Option<String> {
        let set = declarable(rule);
        let list = self.lists.get(&set)?;
        Some(match &list.name {
            Some(name) => format!("[{name}]"),
            None => format!("[{}]", set.iter().map(FileHash::to_string).collect::<Vec<_>>().join(", ")),
        })
    }

    /// `hash_lists:` with all of them.
    pub(super) fn section(&self, out: &mut String) {
        if self.len() == 0 {
            return;
        }
        out.push_str("\nhash_lists:\n");
        for (name, set, list) in self.in_order() {
            let hashes = counted(set.len(), "hash", "hashes");
            let hosts = counted(list.hosts, "host", "hosts");
            let _infallible = writeln!(out, "  {name}:   # {hashes}, on {hosts}");
            if set.len() > IN_THE_STATE {
                let _infallible = writeln!(out, "    file: lists/{name}.txt");
                continue;
            }
            for hash in set {
                let _infallible = match description(&list.rule, hash) {
                    None => writeln!(out, "    - {hash}"),
                    Some(said) => {
                        writeln!(
                            out,
                            "    - {{ {}: {hash}, comment: {} }}",
                            hash.algorithm(),
                            yaml_scalar(said)
                        )
                    }
                };
            }
        }
    }

    /// The long ones, a hash a line.
    pub(super) fn files(&self) -> impl Iterator<Item = (PathBuf, String)> + '_ {
        self.in_order().into_iter().filter(|(_, set, _)| set.len() > IN_THE_STATE).map(|(name, set, list)| {
            let mut text = format!("# {} hashes, imported\n", set.len());
            for hash in set {
                if let Some(said) = description(&list.rule, hash) {
                    let _infallible = writeln!(text, "# {}", yaml_comment(said));
                }
                let _infallible = writeln!(text, "{hash}");
            }
            (PathBuf::from("lists").join(format!("{name}.txt")), text)
        })
    }

    fn named(&self) -> impl Iterator<Item = (&str, &Set, &List)> {
        self.lists.iter().filter_map(|(set, list)| Some((list.name.as_deref()?, set, list)))
    }

    /// By number, not by letters: `imported-2` before `imported-10`.
    fn in_order(&self) -> Vec<(&str, &Set, &List)> {
        let mut named: Vec<_> = self.named().collect();
        named.sort_by_key(|(name, ..)| (name.len(), *name));
        named
    }
}

/// Without the hashes of the empty file, which no state may block; they stay on the server as they are.
fn declarable(rule: &PreventionRule) -> Set {
    rule.objects.keys().filter(|hash| !hash.is_of_empty_file()).copied().collect()
}

fn description<'a>(rule: &'a PreventionRule, hash: &FileHash) -> Option<&'a str> {
    let name = rule.objects.get(hash)?.name.as_ref()?.raw();
    (!name.trim().is_empty()).then_some(name)
}

//! What a pattern may mean, as far as the files tell: before any server is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::likeness::alike;
use super::limit::{HostPattern, Role, Term, What};
use super::{DesiredHost, DesiredTask, Unresolved};
use crate::declare::{Declared, DeclaredGroup, Identity, Members};
use crate::model::ServerName;

/// Not knowing is a value: a server that may have such a host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    No,
    Perhaps,
    Yes,
}

impl Answer {
    pub(super) fn of(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }

    fn opposite(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
            Self::Yes => Self::No,
        }
    }
}

/// A pattern with the names that the files know.
pub(super) struct Meaning<'a> {
    pub(super) declared: &'a Declared,
    pub(super) pattern: &'a HostPattern,
    /// By term: the groups that it names.
    groups: Vec<BTreeSet<&'a str>>,
    /// Keys of entries: an exact name that is one of these means just that host. (A name in a list may be that of
    /// an entry with another key, or of several sensors.)
    keys: BTreeSet<&'a str>,
}

/// A host, as far as it is known.
pub(super) struct Candidate<'h> {
    /// The key of its entry, or its name in a list; unknown where only a pattern can have it.
    entry: Option<&'h str>,
    /// The name that its server lists.
    listed: Listed<'h>,
    /// Whether it is in a group: only then the listed name adds and keeps it.
    in_groups: Answer,
    is_in: Box<dyn Fn(&str) -> Answer + 'h>,
}

#[derive(Clone)]
enum Listed<'h> {
    Known(&'h str),
    Unknown,
    /// Unknown; where it is in a group, it is by one of these.
    OneOf(Rc<BTreeSet<&'h str>>),
    None,
}

impl<'a> Meaning<'a> {
    pub(super) fn new(pattern: &'a HostPattern, declared: &'a Declared) -> Self {
        let names = || declared.groups.iter().map(|group| &*group.name);
        let groups = pattern
            .terms
            .iter()
            .map(|term| match &term.what {
                What::Everyone | What::AllHosts(_) => BTreeSet::new(),
                What::Exact(text) => names().filter(|name| name == text).collect(),
                What::Glob(glob) => names().filter(|name| glob.is_match(name)).collect(),
            })
            .collect();
        let keys = declared.hosts.iter().map(|host| &*host.entry).collect();
        Self { declared, pattern, groups, keys }
    }

    /// What was probably meant by a part that matches nothing: a group, a host of the files, or one of `listed`.
    pub(super) fn alike(&self, term: &Term, listed: &[Arc<str>]) -> Option<String> {
        let What::Exact(text) = &term.what else { return None };
        let groups = self.declared.groups.iter().map(|group| &*group.name);
        let of_tasks = self.declared.tasks.iter().flat_map(|task| &task.hosts);
        let in_lists = self.declared.groups.iter().flat_map(named_by).chain(of_tasks).map(|host| &*host.name);
        let known =
            self.keys.iter().copied().chain(in_lists).chain(groups).chain(listed.iter().map(|name| &**name));
        alike(text, known.chain(["all"])).map(str::to_owned)
    }

    /// Whether one part of the pattern matches a host. What is taken away is matched widely: a host too many that is
    /// spared costs a second run, one too few the host.
    pub(super) fn matches(&self, number: usize, term: &Term, host: &Candidate<'_>) -> Answer {
        let groups = &self.groups[number];
        let by_group = groups.iter().map(|group| (host.is_in)(group)).max().unwrap_or(Answer::No);
        let by_name = match &term.what {
            What::Everyone => Answer::Yes,
            What::AllHosts(_) => Answer::No,
            What::Exact(text) if term.role == Role::TakeAway => host.any_name_matches(|name| name == text),
            What::Glob(glob) if term.role == Role::TakeAway => {
                host.any_name_matches(|name| glob.is_match(name))
            }
            // A name is a group's or a host's, never both.
            What::Exact(_) if !groups.is_empty() => Answer::No,
            What::Exact(text) if self.keys.contains(&**text) => Answer::of(host.entry == Some(text)),
            What::Exact(text) => host.name_matches(|name| name == text),
            What::Glob(glob) => host.name_matches(|name| glob.is_match(name)),
        };
        by_group.max(by_name)
    }

    /// Whether the whole pattern selects a host: first all that is added (without any, everyone), then what is kept,
    /// then what is taken away.
    pub(super) fn selects(&self, host: &Candidate<'_>) -> Answer {
        let of = |role: Role| {
            let terms = self.pattern.terms.iter().enumerate();
            terms.filter(move |(_, term)| term.role == role).map(|(n, term)| self.matches(n, term, host))
        };
        let added = of(Role::Add).max().unwrap_or(Answer::Yes);
        let kept = of(Role::Keep).min().unwrap_or(Answer::Yes);
        let taken = of(Role::TakeAway).map(Answer::opposite).min().unwrap_or(Answer::Yes);
        added.min(kept).min(taken)
    }

    /// The hosts of a server that the files tell of, and the one that no file names where a pattern may have it.
    pub(super) fn on<'m>(&'m self, server: &'m ServerName) -> impl Iterator<Item = Candidate<'m>> {
        let mut lists: BTreeMap<&str, Vec<&DeclaredGroup>> = BTreeMap::new();
        for group in &self.declared.groups {
            for host in named_by(group).filter(|host| host.server == *server) {
                lists.entry(&host.name).or_default().push(group);
            }
        }
        let by_pattern: BTreeSet<&str> = self
            .declared
            .groups
            .iter()
            .filter(|group| matches!(group.members, Members::Match { .. }) && group.may_have_hosts_of(server))
            .map(|group| &*group.name)
            .collect();
        // What lists call hosts otherwise than by the key of an entry: an entry may mean the same host.
        let hosts_here = || self.declared.hosts.iter().filter(|host| host.server == *server);
        let keys_here: BTreeSet<&str> = hosts_here().map(|host| &*host.entry).collect();
        let others: BTreeMap<&str, Vec<&DeclaredGroup>> = lists
            .iter()
            .filter(|(name, _)| !keys_here.contains(*name))
            .map(|(name, lists)| (*name, lists.clone()))
            .collect();
        let other_names = Rc::new(others.keys().copied().collect::<BTreeSet<&str>>());
        let by_other_name: BTreeSet<&str> = others.values().flatten().map(|group| &*group.name).collect();
        let by_other_name = Rc::new(by_other_name);
        let by_pattern = Rc::new(by_pattern);
        let mut candidates = Vec::new();
        for host in hosts_here() {
            let mut lists = lists.remove(&*host.entry).unwrap_or_default();
            let listed = match &host.identity {
                Identity::Name(name) => {
                    lists.extend(others.get(&**name).into_iter().flatten());
                    Listed::Known(name)
                }
                Identity::Address(_) | Identity::Sensor(_) if lists.is_empty() && by_pattern.is_empty() => {
                    Listed::OneOf(Rc::clone(&other_names))
                }
                Identity::Address(_) | Identity::Sensor(_) => Listed::Unknown,
            };
            candidates.push((Some(&*host.entry), listed, lists));
        }
        let of_tasks: BTreeSet<&str> = self
            .declared
            .tasks
            .iter()
            .flat_map(|task| &task.hosts)
            .filter(|host| host.server == *server && !host.is_entry && !lists.contains_key(&*host.name))
            .map(|host| &*host.name)
            .collect();
        candidates.extend(of_tasks.into_iter().map(|name| (Some(name), Listed::Known(name), Vec::new())));
        candidates.extend(lists.into_iter().map(|(name, lists)| (Some(name), Listed::Known(name), lists)));
        if !by_pattern.is_empty() {
            candidates.push((None, Listed::Unknown, Vec::new()));
        }
        candidates.into_iter().map(move |(entry, listed, lists)| {
            let may_have_another_name = entry.is_some() && !matches!(listed, Listed::Known(_));
            let in_groups = match lists.is_empty() {
                false => Answer::Yes,
                true if by_pattern.is_empty() && !may_have_another_name => Answer::No,
                true => Answer::Perhaps,
            };
            let (by_pattern, by_other_name) = (Rc::clone(&by_pattern), Rc::clone(&by_other_name));
            let is_in = move |name: &str| match lists.iter().find(|group| *group.name == *name) {
                Some(group) if group.except.is_empty() => Answer::Yes,
                Some(_) => Answer::Perhaps,
                None if by_pattern.contains(name) => Answer::Perhaps,
                None if may_have_another_name && by_other_name.contains(name) => Answer::Perhaps,
                None => Answer::No,
            };
            Candidate { entry, listed, in_groups, is_in: Box::new(is_in) }
        })
    }
}

fn named_by(group: &DeclaredGroup) -> impl Iterator<Item = &crate::declare::NamedHost> {
    match &group.members {
        Members::Named(hosts) => hosts.iter(),
        Members::Match { .. } => [].iter(),
    }
}

impl<'h> Candidate<'h> {
    pub(super) fn host(host: &'h DesiredHost) -> Self {
        let listed = host.sensor.name.as_ref().map(|name| name.raw());
        Self::known(&host.entry, listed, &host.groups)
    }

    pub(super) fn unresolved(host: &'h Unresolved) -> Self {
        Self::known(&host.entry, host.listed.as_deref(), &host.groups)
    }

    /// A host that only tasks name, or groups that declare nothing but tasks: in all groups that it is in,
    /// whichever of them the task names.
    pub(super) fn task(task: &'h DesiredTask) -> Self {
        let listed = task.sensor.name.as_ref().map(|name| name.raw());
        Self { entry: listed, ..Self::known("", listed, &task.groups) }
    }

    fn known(entry: &'h str, listed: Option<&'h str>, groups: &'h [Arc<str>]) -> Self {
        let is_in = |name: &str| Answer::of(groups.iter().any(|group| **group == *name));
        Self {
            entry: Some(entry),
            listed: listed.map_or(Listed::None, Listed::Known),
            in_groups: Answer::of(!groups.is_empty()),
            is_in: Box::new(is_in),
        }
    }

    fn name_matches(&self, is_match: impl Fn(&str) -> bool) -> Answer {
        let listed = match &self.listed {
            Listed::OneOf(names) if !names.iter().any(|name| is_match(name)) => Answer::No,
            Listed::Known(_) | Listed::Unknown | Listed::OneOf(_) | Listed::None => {
                self.listed_matches(&is_match)
            }
        };
        self.entry_matches(is_match).max(listed.min(self.in_groups))
    }

    fn any_name_matches(&self, is_match: impl Fn(&str) -> bool) -> Answer {
        self.entry_matches(&is_match).max(self.listed_matches(&is_match))
    }

    fn entry_matches(&self, is_match: impl Fn(&str) -> bool) -> Answer {
        self.entry.map_or(Answer::No, |entry| Answer::of(is_match(entry)))
    }

    fn listed_matches(&self, is_match: impl Fn(&str) -> bool) -> Answer {
        match &self.listed {
            Listed::Known(name) => Answer::of(is_match(name)),
            Listed::Unknown | Listed::OneOf(_) => Answer::Perhaps,
            Listed::None => Answer::No,
        }
    }
}

//! What a pattern may mean, as far as the files tell: before any server is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::likeness::alike;
use super::limit::{HostPattern, Role, Term, What};
use super::{DesiredHost, Unresolved};
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
    fn of(is: bool) -> Self {
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
    /// Keys of entries and names in lists: an exact name that is one of these means just that host.
    named: BTreeSet<&'a str>,
}

/// A host, as far as it is known.
pub(super) struct Candidate<'h> {
    /// The key of its entry, or its name in a list; unknown where only a pattern can have it.
    entry: Option<&'h str>,
    /// The name that its server lists; it counts for hosts in groups.
    listed: Listed<'h>,
    is_in: Box<dyn Fn(&str) -> Answer + 'h>,
}

#[derive(Clone, Copy)]
enum Listed<'h> {
    Known(&'h str),
    Unknown,
    DoesNotCount,
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
        let in_lists = declared.groups.iter().flat_map(named_by).map(|host| &*host.name);
        let named = declared.hosts.iter().map(|host| &*host.entry).chain(in_lists).collect();
        Self { declared, pattern, groups, named }
    }

    /// What was probably meant by a part that matches nothing: a group, a host of the files, or one of `listed`.
    pub(super) fn alike(&self, term: &Term, listed: &[Arc<str>]) -> Option<String> {
        let What::Exact(text) = &term.what else { return None };
        let groups = self.declared.groups.iter().map(|group| &*group.name);
        let known = self.named.iter().copied().chain(groups).chain(listed.iter().map(|name| &**name));
        alike(text, known.chain(["all"])).map(str::to_owned)
    }

    /// Whether one part of the pattern matches a host.
    pub(super) fn matches(&self, number: usize, term: &Term, host: &Candidate<'_>) -> Answer {
        let groups = &self.groups[number];
        let by_group = groups.iter().map(|group| (host.is_in)(group)).max().unwrap_or(Answer::No);
        let by_name = match &term.what {
            What::Everyone => Answer::Yes,
            What::AllHosts(_) => Answer::No,
            // A name is a group's or a host's, never both.
            What::Exact(_) if !groups.is_empty() => Answer::No,
            What::Exact(text) if self.named.contains(&**text) => Answer::of(host.entry == Some(text)),
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
        let by_pattern = Rc::new(by_pattern);
        let mut candidates = Vec::new();
        for host in self.declared.hosts.iter().filter(|host| host.server == *server) {
            let lists = lists.remove(&*host.entry).unwrap_or_default();
            let listed = match &host.identity {
                _ if lists.is_empty() && by_pattern.is_empty() => Listed::DoesNotCount,
                Identity::Name(name) => Listed::Known(name),
                Identity::Address(_) | Identity::Sensor(_) => Listed::Unknown,
            };
            candidates.push((Some(&*host.entry), listed, lists));
        }
        candidates.extend(lists.into_iter().map(|(name, lists)| (Some(name), Listed::Known(name), lists)));
        if !by_pattern.is_empty() {
            candidates.push((None, Listed::Unknown, Vec::new()));
        }
        candidates.into_iter().map(move |(entry, listed, lists)| {
            let by_pattern = Rc::clone(&by_pattern);
            let is_in = move |name: &str| match lists.iter().find(|group| *group.name == *name) {
                Some(group) if group.except.is_empty() => Answer::Yes,
                Some(_) => Answer::Perhaps,
                None if by_pattern.contains(name) => Answer::Perhaps,
                None => Answer::No,
            };
            Candidate { entry, listed, is_in: Box::new(is_in) }
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
        let listed = match &host.sensor.name {
            Some(name) if !host.groups.is_empty() => Listed::Known(name.raw()),
            Some(_) | None => Listed::DoesNotCount,
        };
        let is_in = |name: &str| Answer::of(host.groups.iter().any(|group| **group == *name));
        Self { entry: Some(&host.entry), listed, is_in: Box::new(is_in) }
    }

    pub(super) fn unresolved(host: &'h Unresolved) -> Self {
        let is_in = |name: &str| Answer::of(host.groups.iter().any(|group| **group == *name));
        Self { entry: Some(&host.entry), listed: Listed::DoesNotCount, is_in: Box::new(is_in) }
    }

    fn name_matches(&self, is_match: impl Fn(&str) -> bool) -> Answer {
        let entry = match self.entry {
            Some(entry) => Answer::of(is_match(entry)),
            None => Answer::No,
        };
        let listed = match self.listed {
            Listed::Known(name) => Answer::of(is_match(name)),
            Listed::Unknown => Answer::Perhaps,
            Listed::DoesNotCount => Answer::No,
        };
        entry.max(listed)
    }
}

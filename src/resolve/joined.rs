//! What a host gets from the groups that it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::identity::Lost;
use super::{Unresolved, WhyUnresolved};
use crate::declare::{DeclaredGroup, DeclaredIsolation, DeclaredPrevention, WantedIsolation};
use crate::model::{Aspect, BlockSet, Cause, FileHash, Origin, Sensor};

/// Hosts that are in the same groups share one value.
pub(super) struct Joined<'a> {
    groups: &'a [DeclaredGroup],
    known: BTreeMap<Vec<usize>, OfGroups>,
}

/// All that some groups say together.
pub(super) struct OfGroups {
    /// The names of all of them.
    pub(super) names: Arc<[Arc<str>]>,
    /// The first that declares anything.
    pub(super) origin: Option<Origin>,
    cause: Option<Cause>,
    pub(super) isolation: OneOf<DeclaredIsolation>,
    pub(super) prevention: OneOf<Arc<DeclaredPrevention>>,
}

/// One aspect.
pub(super) enum OneOf<T> {
    NotDeclared,
    Declared(T),
    /// Two of the groups differ; nobody can say which one is meant.
    Differ {
        aspect: Aspect,
        cause: Cause,
        message: String,
        /// What each of them says.
        each: Vec<T>,
    },
}

impl<'a> Joined<'a> {
    pub(super) fn new(groups: &'a [DeclaredGroup]) -> Self {
        Self { groups, known: BTreeMap::new() }
    }

    /// `numbers` in their order.
    pub(super) fn of(&mut self, numbers: &[usize]) -> &OfGroups {
        if !self.known.contains_key(numbers) {
            let groups: Vec<&DeclaredGroup> =
                numbers.iter().filter_map(|number| self.groups.get(*number)).collect();
            self.known.insert(numbers.to_vec(), OfGroups::new(&groups));
        }
        // Put there above.
        &self.known[numbers]
    }
}

impl OfGroups {
    fn new(groups: &[&DeclaredGroup]) -> Self {
        let declaring = groups.iter().filter(|group| group.isolation.is_some() || group.prevention.is_some());
        let causes: Vec<Cause> = declaring
            .clone()
            .map(|group| Cause::group(Arc::clone(&group.name), group.origin.clone()))
            .collect();
        Self {
            names: groups.iter().map(|group| Arc::clone(&group.name)).collect(),
            origin: declaring.clone().next().map(|group| group.origin.clone()),
            cause: Cause::joined(&causes),
            isolation: isolation(groups),
            prevention: prevention(groups),
        }
    }

    pub(super) fn declares_anything(&self) -> bool {
        self.cause.is_some()
    }

    /// A host of these groups that gets nothing from them, except for the aspects that it has by itself.
    pub(super) fn unresolved(
        &self,
        entry: Arc<str>,
        sensor: &Sensor,
        lost: Lost,
        own: &[Aspect],
    ) -> Option<Unresolved> {
        let is = |is: bool, aspect| is.then_some(aspect);
        let aspects = is(!self.isolation.is_none(), Aspect::Isolation)
            .into_iter()
            .chain(is(!self.prevention.is_none(), Aspect::Prevention))
            .filter(|aspect| !own.contains(aspect))
            .collect();
        let preventions = if own.contains(&Aspect::Prevention) { Vec::new() } else { self.prevention.each() };
        let of = |cause: &Cause| Unresolved {
            entry,
            cause: cause.clone(),
            why: lost.why,
            message: lost.message,
            listed: listed_name(sensor),
            aspects,
            preventions,
            sensors: lost.sensors,
            groups: self.names.to_vec(),
        };
        self.cause.as_ref().map(of)
    }
}

impl<T: Clone> OneOf<T> {
    pub(super) fn value(&self) -> Option<T> {
        match self {
            Self::Declared(value) => Some(value.clone()),
            Self::NotDeclared | Self::Differ { .. } => None,
        }
    }

    /// All that may be meant.
    fn each(&self) -> Vec<T> {
        match self {
            Self::NotDeclared => Vec::new(),
            Self::Declared(value) => vec![value.clone()],
            Self::Differ { each, .. } => each.clone(),
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::NotDeclared)
    }

    /// Where the groups differ, the host that this concerns.
    pub(super) fn differ(&self, entry: &Arc<str>, sensor: &Sensor, of: &OfGroups) -> Option<Unresolved> {
        match self {
            Self::NotDeclared | Self::Declared(_) => None,
            Self::Differ { aspect, cause, message, each: _ } => Some(Unresolved {
                entry: Arc::clone(entry),
                cause: cause.clone(),
                why: WhyUnresolved::GroupsDiffer,
                message: message.clone(),
                listed: listed_name(sensor),
                aspects: vec![*aspect],
                preventions: match aspect {
                    Aspect::Prevention => of.prevention.each(),
                    Aspect::Isolation | Aspect::Task(_) => Vec::new(),
                },
                sensors: vec![sensor.id],
                groups: of.names.to_vec(),
            }),
        }
    }
}

fn listed_name(sensor: &Sensor) -> Option<Arc<str>> {
    sensor.name.as_ref().map(|name| name.raw().into())
}

fn isolation(groups: &[&DeclaredGroup]) -> OneOf<DeclaredIsolation> {
    let declared: Vec<(&DeclaredGroup, &DeclaredIsolation)> =
        groups.iter().filter_map(|group| Some((*group, group.isolation.as_ref()?))).collect();
    let Some((first, isolation)) = declared.first() else { return OneOf::NotDeclared };
    if let Some((other, differing)) = declared.iter().find(|(_, other)| !same(&isolation.want, &other.want)) {
        let message = format!(
            "{} differ on its isolation; an `isolation` in its own entry under `hosts` settles it",
            two(first, &isolation.cause, other, &differing.cause)
        );
        let each = declared.iter().map(|(_, isolation)| (*isolation).clone()).collect();
        return differ(Aspect::Isolation, [&isolation.cause, &differing.cause], message, each);
    }
    let causes = declared.iter().map(|(_, isolation)| &isolation.cause);
    let cause = Cause::joined(causes).unwrap_or_else(|| isolation.cause.clone());
    let want = match &isolation.want {
        WantedIsolation::Off => WantedIsolation::Off,
        WantedIsolation::On { term, exclusions, reason: _ } => {
            // Reasons are for people: that of one group does for all.
            let reason = declared.iter().find_map(|(_, isolation)| match &isolation.want {
                WantedIsolation::Off => None,
                WantedIsolation::On { reason, .. } => reason.clone(),
            });
            WantedIsolation::On { term: *term, exclusions: Arc::clone(exclusions), reason }
        }
    };
    OneOf::Declared(DeclaredIsolation { cause, want })
}

/// Whether both mean the same, whatever reason they give.
fn same(a: &WantedIsolation, b: &WantedIsolation) -> bool {
    match (a, b) {
        (WantedIsolation::Off, WantedIsolation::Off) => true,
        (
            WantedIsolation::On { term, exclusions, reason: _ },
            WantedIsolation::On { term: other, exclusions: others, reason: _ },
        ) => term == other && exclusions == others,
        (WantedIsolation::Off, WantedIsolation::On { .. })
        | (WantedIsolation::On { .. }, WantedIsolation::Off) => false,
    }
}

/// All lists together; exactly them where one of the groups says so.
fn prevention(groups: &[&DeclaredGroup]) -> OneOf<Arc<DeclaredPrevention>> {
    let declared: Vec<(&DeclaredGroup, &Arc<DeclaredPrevention>)> =
        groups.iter().filter_map(|group| Some((*group, group.prevention.as_ref()?))).collect();
    let (first, rest) = match declared.as_slice() {
        [] => return OneOf::NotDeclared,
        [(_, only)] => return OneOf::Declared(Arc::clone(only)),
        [(_, first), rest @ ..] => (first, rest),
    };
    if let Some(differ) = block_and_unblock(&declared) {
        return differ;
    }
    let mut joined = DeclaredPrevention::clone(first);
    let mut unblocked: BTreeSet<FileHash> = joined.unblock.iter().map(|entry| entry.hash).collect();
    for (_, other) in rest {
        let is_new = |set: &&BlockSet| !joined.block.iter().any(|known| Arc::ptr_eq(known, set));
        let new: Vec<BlockSet> = other.block.iter().filter(is_new).cloned().collect();
        joined.block.extend(new);
        joined.unblock.extend(other.unblock.iter().filter(|entry| unblocked.insert(entry.hash)).cloned());
        joined.exact |= other.exact;
    }
    let causes = declared.iter().map(|(_, prevention)| &prevention.cause);
    joined.cause = Cause::joined(causes).unwrap_or_else(|| first.cause.clone());
    OneOf::Declared(Arc::new(joined))
}

/// A hash that one group blocks and another unblocks. Within one group the files have been checked.
fn block_and_unblock(
    declared: &[(&DeclaredGroup, &Arc<DeclaredPrevention>)],
) -> Option<OneOf<Arc<DeclaredPrevention>>> {
    for (unblocking, prevention) in declared {
        let unblocked: BTreeSet<FileHash> = prevention.unblock.iter().map(|entry| entry.hash).collect();
        if unblocked.is_empty() {
            continue;
        }
        for (blocking, other) in declared {
            let mut blocked = other.block.iter().flat_map(|set| set.iter());
            if let Some(entry) = blocked.find(|entry| unblocked.contains(&entry.hash)) {
                let message = format!(
                    "{} differ on the hash {}…: the first blocks it, the second unblocks it; a `prevention` in its \
                     own entry under `hosts` settles it",
                    two(blocking, &other.cause, unblocking, &prevention.cause),
                    entry.hash.short()
                );
                let each = declared.iter().map(|(_, prevention)| Arc::clone(prevention)).collect();
                return Some(differ(Aspect::Prevention, [&other.cause, &prevention.cause], message, each));
            }
        }
    }
    None
}

fn differ<T>(aspect: Aspect, causes: [&Cause; 2], message: String, each: Vec<T>) -> OneOf<T> {
    let cause = Cause::joined(causes).unwrap_or_else(|| causes[0].clone());
    OneOf::Differ { aspect, cause, message, each }
}

fn two(a: &DeclaredGroup, at: &Cause, b: &DeclaredGroup, other: &Cause) -> String {
    format!("the groups `{}` ({}) and `{}` ({})", a.name, at.origin(), b.name, other.origin())
}

use std::fmt;
use std::sync::Arc;

use super::Origin;

/// Where a value was declared, and through what it came to whom it is for. What a plan, a record and `why` quote.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// By the entry of the host itself (or of whatever else it is about).
    Own(Origin),
    /// By groups that the host is in, in the order of their names.
    Groups {
        /// Its line stands for all of them.
        first: GroupOrigin,
        /// Empty where one group alone says it.
        more: Arc<[GroupOrigin]>,
    },
}

/// A group, and where it declares the value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupOrigin {
    /// The name of the group.
    pub group: Arc<str>,
    /// The line that asks for it: of the group, of its list of hosts, or of a task that names the group.
    pub origin: Origin,
}

/// Names of groups that are shown; a host can be in many.
const SHOWN: usize = 3;

impl Cause {
    /// One group alone, by what it says there.
    pub fn group(group: Arc<str>, origin: Origin) -> Self {
        Self::Groups { first: GroupOrigin { group, origin }, more: Arc::new([]) }
    }

    /// All groups of several causes together, sorted and each once; `None` when there is none among them.
    pub fn joined<'a>(causes: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut groups: Vec<GroupOrigin> = causes.into_iter().flat_map(Self::groups).cloned().collect();
        groups.sort();
        groups.dedup();
        let mut groups = groups.into_iter();
        let first = groups.next()?;
        Some(Self::Groups { first, more: groups.collect() })
    }

    /// The line; of several, that of the first group.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Own(origin) => origin,
            Self::Groups { first, .. } => &first.origin,
        }
    }

    /// The groups that it came through; none for the host's own entry.
    pub fn groups(&self) -> impl Iterator<Item = &GroupOrigin> {
        let (first, more) = match self {
            Self::Own(_) => (None, None),
            Self::Groups { first, more } => (Some(first), Some(&**more)),
        };
        first.into_iter().chain(more.into_iter().flatten())
    }

    /// Whether groups asked for it, and not an entry of the host itself.
    pub fn is_group(&self) -> bool {
        match self {
            Self::Own(_) => false,
            Self::Groups { .. } => true,
        }
    }

    /// Whether this names the host itself, or one of the groups that the other names.
    pub fn shares(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(_), Self::Own(_)) => true,
            (Self::Groups { .. }, Self::Groups { .. }) => {
                self.groups().any(|group| other.groups().any(|other| other.group == group.group))
            }
            (Self::Own(_), Self::Groups { .. }) | (Self::Groups { .. }, Self::Own(_)) => false,
        }
    }
}

impl From<Origin> for Cause {
    fn from(origin: Origin) -> Self {
        Self::Own(origin)
    }
}

impl fmt::Display for Cause {
    /// `state/pci.yaml:40`, `state/pci.yaml:40 (group pci)`, `… (groups desks, pci)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(origin) => origin.fmt(f),
            Self::Groups { first, .. } => write!(f, "{} ({})", first.origin, GroupNames(self)),
        }
    }
}

impl Cause {
    /// `group pci`, `groups desks, pci`, `its own entry`: for a sentence.
    pub fn group_names(&self) -> impl fmt::Display {
        GroupNames(self)
    }
}

struct GroupNames<'a>(&'a Cause);

impl fmt::Display for GroupNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.groups().map(|group| &*group.group).collect();
        if names.is_empty() {
            return f.write_str("its own entry");
        }
        // "and 1 more" would take the place of the name.
        let shown = if names.len() <= SHOWN + 1 { names.len() } else { SHOWN };
        write!(f, "group{} {}", if names.len() == 1 { "" } else { "s" }, names[..shown].join(", "))?;
        if names.len() > shown { write!(f, " and {} more", names.len() - shown) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(line: u32) -> Origin {
        Origin { file: "state.yaml".into(), line }
    }

    #[test]
    fn a_cause_names_its_groups_in_one_order() {
        let group = |name: &str, line| Cause::group(name.into(), origin(line));
        assert_eq!(Cause::from(origin(4)).to_string(), "state.yaml:4");
        assert_eq!(group("pci", 4).to_string(), "state.yaml:4 (group pci)");
        let (pci, desks) = (group("pci", 4), group("desks", 9));
        let joined = Cause::joined([&pci, &desks, &pci]).unwrap();
        assert_eq!(joined.to_string(), "state.yaml:9 (groups desks, pci)");
        assert_eq!(Some(&joined), Cause::joined([&desks, &pci]).as_ref());
        let many: Vec<Cause> = (0..9).map(|n| group(&format!("g{n}"), n + 1)).collect();
        assert_eq!(Cause::joined(&many).unwrap().to_string(), "state.yaml:1 (groups g0, g1, g2 and 6 more)");
        assert_eq!(Cause::joined([&Cause::from(origin(1))]), None);
    }

    #[test]
    fn what_a_group_gave_is_not_what_an_entry_gave() {
        let (own, pci) = (Cause::from(origin(1)), Cause::group("pci".into(), origin(2)));
        let both = Cause::joined([&pci, &Cause::group("desks".into(), origin(3))]).unwrap();
        assert!(own.shares(&Cause::from(origin(9))) && both.shares(&pci) && pci.shares(&both));
        assert!(!own.shares(&pci) && !pci.shares(&own));
        assert!(!pci.shares(&Cause::group("desks".into(), origin(2))));
    }
}

//! Mappings whose keys are known.

use super::decode::{Context, Field, Item, listed, one_of};
use super::tree::Map;
use crate::diagnostic::{Code, Place, Problem, nearest};

/// A mapping with known keys. Ask for each of them, then call [`Table::finish`].
pub(super) struct Table<'t, 's> {
    whom: String,
    place: Place,
    map: &'t Map<'s>,
    asked: Vec<&'static str>,
    /// Keys that are known and refused: they are taken, but nobody is told to write them.
    refused: Vec<&'static str>,
}

impl<'t, 's> Table<'t, 's> {
    /// `whom` names it in messages; `place` is where a missing key is reported.
    pub(super) fn new(map: &'t Map<'s>, whom: impl Into<String>, place: Place) -> Self {
        Self { whom: whom.into(), place, map, asked: Vec::new(), refused: Vec::new() }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.entries.is_empty() && !self.map.is_partial
    }

    /// The entry of a key, which is known from now on.
    pub(super) fn item(&mut self, key: &'static str) -> Option<Item<'t, 's>> {
        self.asked.push(key);
        self.map.entries.iter().find(|entry| entry.key.text == key).map(Item::of)
    }

    pub(super) fn optional<T>(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        decode: impl FnOnce(&mut Context<'_>, Item<'t, 's>) -> Option<T>,
    ) -> Field<T> {
        match self.item(key) {
            None => Field::Absent,
            Some(item) => decode(cx, item).map_or(Field::Wrong, Field::Given),
        }
    }

    /// `example` shows how the key is written: "`url: https://kata.example.org`".
    pub(super) fn required<T>(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        example: &str,
        decode: impl FnOnce(&mut Context<'_>, Item<'t, 's>) -> Option<T>,
    ) -> Option<T> {
        let field = self.optional(cx, key, decode);
        if field.is_absent() && !self.is_misspelled(key) {
            cx.report(
                Problem::new(Code::MissingKey, format!("{} has no `{key}`", self.whom))
                    .at(self.place, "")
                    .help(format!("add `{example}`")),
            );
        }
        field.given()
    }

    /// Of several keys, those that are there.
    pub(super) fn present(&mut self, keys: &[&'static str]) -> Vec<Item<'t, 's>> {
        keys.iter().filter_map(|key| self.item(key)).collect()
    }

    /// The one of several keys that is there; none and several are reported. Called last, so that a key that is
    /// not known is taken for a try at one of these: [`Table::finish`] reports it, and once is enough.
    /// `example` shows how one of them is written.
    pub(super) fn exactly_one(
        &mut self,
        cx: &mut Context<'_>,
        keys: &[&'static str],
        example: &str,
    ) -> Option<Item<'t, 's>> {
        let present = self.present(keys);
        match present.as_slice() {
            [one] => Some(*one),
            [] => {
                if !self.map.is_partial && self.map.entries.iter().all(|entry| self.is_known(&entry.key.text))
                {
                    cx.report(
                        Problem::new(Code::ExactlyOne, format!("{} needs {}", self.whom, one_of(keys)))
                            .at(self.place, "")
                            .help(format!("add `{example}`")),
                    );
                }
                None
            }
            [first, others @ ..] => {
                let message = format!("{} takes only one of {}", self.whom, listed(keys));
                let problem =
                    others.iter().fold(Problem::new(Code::ExactlyOne, message), |problem, other| {
                        problem.at(other.key.place, "this one")
                    });
                cx.report(
                    problem
                        .and(first.key.place, "or this one")
                        .help("keep one of them, and take the rest out"),
                );
                None
            }
        }
    }

    fn is_known(&self, key: &str) -> bool {
        self.asked.contains(&key) || self.refused.contains(&key)
    }

    /// Whether a key is probably there, a typing mistake away: [`Table::finish`] reports that, and a second
    /// report would only confuse.
    pub(super) fn is_misspelled(&self, key: &str) -> bool {
        self.map.is_partial
            || self
                .map
                .entries
                .iter()
                .any(|entry| !self.is_known(&entry.key.text) && nearest(&entry.key.text, [key]).is_some())
    }

    /// A key that is known and cannot stand here: for a report that says why, in the place of an unknown key.
    pub(super) fn refused(&mut self, key: &'static str) -> Option<Item<'t, 's>> {
        self.refused.push(key);
        self.map.entries.iter().find(|entry| entry.key.text == key).map(Item::of)
    }

    /// Refuses a key that a later version will know.
    pub(super) fn not_supported(&mut self, cx: &mut Context<'_>, key: &'static str, instead: &str) {
        self.refused.push(key);
        if let Some(entry) = self.map.entries.iter().find(|entry| entry.key.text == key) {
            cx.report(
                Problem::new(
                    Code::NotSupported,
                    format!("`{key}` is not supported by this version of kedrctl"),
                )
                .at(entry.key.place, "")
                .help(instead),
            );
        }
    }

    /// Reports the keys that nobody asked for. Whether all keys were known.
    pub(super) fn finish(self, cx: &mut Context<'_>) -> bool {
        let mut all_known = !self.map.is_partial;
        let is_given = |known: &str| self.map.entries.iter().any(|entry| entry.key.text == known);
        let missing: Vec<&str> = self.asked.iter().copied().filter(|known| !is_given(known)).collect();
        for entry in &self.map.entries {
            let key = &*entry.key.text;
            if self.is_known(key) {
                continue;
            }
            let label = match (nearest(key, missing.iter().copied()), home_of(key)) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(home)) => format!("it stands under `{home}`"),
                (None, None) => "not a key of it".to_owned(),
            };
            cx.report(
                Problem::new(Code::UnknownKey, format!("{} has no key `{key}`", self.whom))
                    .at(entry.key.place, label)
                    .help(format!("its keys are {}", listed(&self.asked))),
            );
            all_known = false;
        }
        all_known
    }
}

/// Where a key belongs that stands one level too high or too low.
fn home_of(key: &str) -> Option<&'static str> {
    const HOMES: [(&str, &[&str]); 9] = [
        ("policy", &["protected", "limits", "always_allow", "never_block", "missing"]),
        ("limits", &["isolations", "releases", "hosts_changed", "hashes_removed"]),
        ("isolation", &["lease", "until", "reason", "exclusions"]),
        ("prevention", &["block", "unblock", "exact"]),
        (
            "servers.NAME",
            &[
                "url",
                "simulator",
                "external_system_id",
                "client_certificate",
                "client_key",
                "client_key_passphrase",
                "trust",
            ],
        ),
        ("match", &["name", "cidr", "os"]),
        ("groups.NAME", &["match", "hosts_file", "except"]),
        ("tasks.NAME", &["run", "not_after", "generation"]),
        ("hosts.NAME", &["identity", "server", "isolation", "prevention"]),
    ];
    HOMES.iter().find(|(_, keys)| keys.contains(&key)).map(|(home, _)| *home)
}

//! STIX 2.1 bundles (and the envelopes of TAXII 2.1): the indicators whose patterns name files by hashes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::account::{Account, End, Named, Skipped, Spot, Wrong};
use super::json::{self, Position};
use super::pattern::{self, Hashes, Meaning, Part};
use crate::diagnostic::Code;
use crate::model::FileHash;

pub(super) fn read(input: &mut dyn BufRead, offset: u64, account: &mut Account<'_>) -> Result<(), End> {
    let mut versions = BTreeMap::new();
    let at = Position::new(offset);
    let bundle = Bundle { account: &mut *account, at: &at, versions: &mut versions };
    json::read(input, &at, bundle, || None)?;
    // In the order of the file.
    let mut newest: Vec<Indicator> = versions.into_values().filter(|version| !version.is_revoked).collect();
    newest.sort_by_key(|indicator| indicator.spot);
    for indicator in &newest {
        for (md5, sha256) in &indicator.files {
            account.file(&Named {
                md5: *md5,
                sha256: *sha256,
                comment: indicator.name.as_deref(),
                from: indicator.valid_from,
                until: indicator.valid_until,
                line: indicator.spot.line,
            })?;
        }
    }
    Ok(())
}

/// A bundle may hold several versions of an indicator; the newest counts, and it may take the others back.
type Versions = BTreeMap<String, Indicator>;

struct Indicator {
    modified: Timestamp,
    is_revoked: bool,
    name: Option<String>,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    files: Vec<(Option<FileHash>, Option<FileHash>)>,
    spot: Spot,
}

struct Bundle<'a, 's> {
    account: &'a mut Account<'s>,
    at: &'a Position,
    versions: &'a mut Versions,
}

impl<'de> DeserializeSeed<'de> for Bundle<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Bundle<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a STIX bundle")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut has_objects = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "objects" => {
                    has_objects = true;
                    map.next_value_seed(Objects(&mut self))?;
                }
                "type" => {
                    let kind = map.next_value::<String>()?;
                    if kind != "bundle" {
                        return Err(A::Error::custom("this is no STIX bundle: its `type` is not `bundle`"));
                    }
                }
                "Event" | "response" => {
                    return Err(A::Error::custom(
                        "this is no STIX bundle; it looks like a MISP event (`format: misp`)",
                    ));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_objects {
            Ok(())
        } else {
            Err(A::Error::custom("this is no STIX bundle: it has no `objects`"))
        }
    }
}

struct Objects<'a, 'b, 's>(&'a mut Bundle<'b, 's>);

impl<'de> DeserializeSeed<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of STIX objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<(), A::Error> {
        while let Some(object) = objects.next_element_seed(ObjectAt(self.0.at))? {
            self.0.take(object);
        }
        Ok(())
    }
}

/// What is looked at of an object.
#[derive(Default)]
struct Object {
    spot: Spot,
    kind: String,
    id: String,
    modified: Option<String>,
    revoked: bool,
    name: Option<String>,
    pattern_type: Option<String>,
    pattern: Option<(String, Spot)>,
    valid_from: Option<(String, Spot)>,
    valid_until: Option<(String, Spot)>,
}

struct ObjectAt<'a>(&'a Position);

impl<'de> DeserializeSeed<'de> for ObjectAt<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Object, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectAt<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a STIX object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object { spot: self.0.here(), ..Object::default() };
        while let Some(key) = map.next_key::<String>()? {
            let placed = |text: String| {
                let spot = self.0.of_text(text.len());
                (text, spot)
            };
            match key.as_str() {
                "type" => object.kind = map.next_value()?,
                "id" => object.id = map.next_value()?,
                "modified" => object.modified = map.next_value()?,
                "revoked" => object.revoked = map.next_value::<Option<bool>>()?.unwrap_or(false),
                // Of other objects these may be anything.
                "name" if object.is_indicator() => object.name = map.next_value()?,
                "pattern_type" if object.is_indicator() => object.pattern_type = map.next_value()?,
                "pattern" if object.is_indicator() => {
                    object.pattern = map.next_value::<Option<_>>()?.map(placed)
                }
                "valid_from" if object.is_indicator() => {
                    object.valid_from = map.next_value::<Option<_>>()?.map(placed);
                }
                "valid_until" if object.is_indicator() => {
                    object.valid_until = map.next_value::<Option<_>>()?.map(placed);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(object)
    }
}

impl Object {
    /// The type may stand behind what hangs on it.
    fn is_indicator(&self) -> bool {
        matches!(self.kind.as_str(), "" | "indicator")
    }
}

impl Bundle<'_, '_> {
    fn take(&mut self, object: Object) {
        if object.kind != "indicator" {
            return;
        }
        let instant = |account: &mut Account<'_>, text: Option<&(String, Spot)>| -> Option<Timestamp> {
            let (text, spot) = text?;
            match text.parse() {
                Ok(instant) if text.contains('T') => Some(instant),
                Ok(_) | Err(_) => {
                    let message = "this is no instant";
                    account.wrong(|| {
                        Wrong::new(*spot, Code::BadTime, message, "STIX writes `2026-12-01T18:00:00Z`")
                    });
                    None
                }
            }
        };
        // One that does not tell is the oldest.
        let modified =
            object.modified.as_deref().map_or(Timestamp::MIN, |text| text.parse().unwrap_or(Timestamp::MIN));
        let mut indicator = Indicator {
            modified,
            is_revoked: object.revoked,
            name: object.name,
            valid_from: instant(self.account, object.valid_from.as_ref()),
            valid_until: instant(self.account, object.valid_until.as_ref()),
            files: Vec::new(),
            spot: object.spot,
        };
        if !indicator.is_revoked {
            let is_stix = object.pattern_type.as_deref().is_none_or(|kind| kind == "stix");
            match &object.pattern {
                Some((pattern, spot)) if is_stix => self.files(pattern, *spot, &mut indicator.files),
                Some(_) | None => self.account.skip(Skipped::NotAFile, object.spot),
            }
        }
        // Without an id nobody can tell versions: each stands for itself.
        let id = if object.id.is_empty() { format!("{:?}", object.spot) } else { object.id };
        match self.versions.get(&id) {
            Some(known)
                if known.modified > indicator.modified
                    || (known.modified == indicator.modified && known.is_revoked) => {}
            Some(_) | None => {
                self.versions.insert(id, indicator);
            }
        }
    }

    fn files(&mut self, pattern: &str, spot: Spot, files: &mut Vec<(Option<FileHash>, Option<FileHash>)>) {
        let account = &mut *self.account;
        let parts = match pattern::read(pattern) {
            Meaning::AnyOf(parts) => parts,
            Meaning::NotUnderstood => return account.skip(Skipped::Pattern, spot),
        };
        for part in parts {
            match part {
                Part::Other => account.skip(Skipped::NotAFile, spot),
                Part::File(Hashes { md5: None, sha256: None, other: false, .. }) => {
                    account.skip(Skipped::Sha1, spot)
                }
                Part::File(Hashes { md5: None, sha256: None, .. }) => account.skip(Skipped::OtherHash, spot),
                Part::File(Hashes { md5, sha256, .. }) => {
                    let wrong = account.wrong_count;
                    let md5 = md5.and_then(|text| account.hash(text.trim(), Some("md5"), || spot));
                    let sha256 = sha256.and_then(|text| account.hash(text.trim(), Some("sha256"), || spot));
                    if account.wrong_count == wrong {
                        files.push((md5, sha256));
                    }
                }
            }
        }
    }
}

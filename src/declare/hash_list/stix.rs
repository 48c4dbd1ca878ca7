//! STIX 2.1 bundles (and the envelopes of TAXII 2.1): the indicators whose patterns name files by hashes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use jiff::Timestamp;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::account::{Account, End, Named, Skipped, Spot, Wrong};
use super::json::{self, Position};
use super::pattern::{self, Hashes, Meaning, Part};
use crate::diagnostic::Code;
use crate::model::FileHash;

pub(super) fn read(input: &mut dyn BufRead, offset: u64, account: &mut Account<'_>) -> Result<(), End> {
    let mut versions = BTreeMap::new();
    let at = Position::new(offset);
    let bundle = Bundle { at: &at, versions: &mut versions };
    json::read(input, &at, bundle, || None)?;
    // In the order of the file.
    let mut newest: Vec<Indicator> = versions.into_values().filter(|version| !version.is_revoked).collect();
    newest.sort_by_key(|indicator| indicator.spot);
    newest.into_iter().try_for_each(|indicator| take(account, &indicator))
}

/// A bundle may hold several versions of an indicator; the newest counts, and it may take the others back.
type Versions = BTreeMap<String, Indicator>;

/// As it is written: what is wrong with a version that another one replaces is nobody's business.
struct Indicator {
    modified: Timestamp,
    is_revoked: bool,
    is_benign: bool,
    name: Option<String>,
    /// `None`: of another language than STIX, or missing.
    pattern: Option<(String, Spot)>,
    valid_from: Option<(String, Spot)>,
    valid_until: Option<(String, Spot)>,
    spot: Spot,
}

struct Bundle<'a> {
    at: &'a Position,
    versions: &'a mut Versions,
}

impl<'de> DeserializeSeed<'de> for Bundle<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Bundle<'_> {
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
                // Of an answer of TAXII. The rest is elsewhere, and without it what that names would be let go.
                "more" => {
                    if map.next_value::<bool>()? {
                        return Err(A::Error::custom(
                            "this is one page of several (`more` is true): fetch them all, and join their `objects`",
                        ));
                    }
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

struct Objects<'a, 'b>(&'a mut Bundle<'b>);

impl<'de> DeserializeSeed<'de> for Objects<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_, '_> {
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
    is_benign: bool,
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
                // STIX 2.0 says it by labels.
                "indicator_types" | "labels" if object.is_indicator() => {
                    object.is_benign |= map.next_value::<SaysBenign>()?.0;
                }
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

impl Bundle<'_> {
    fn take(&mut self, object: Object) {
        if object.kind != "indicator" {
            return;
        }
        let is_stix = object.pattern_type.as_deref().is_none_or(|kind| kind == "stix");
        let indicator = Indicator {
            // One that does not tell is the oldest.
            modified: object
                .modified
                .as_deref()
                .map_or(Timestamp::MIN, |text| text.parse().unwrap_or(Timestamp::MIN)),
            is_revoked: object.revoked,
            is_benign: object.is_benign,
            name: object.name,
            pattern: object.pattern.filter(|_| is_stix),
            valid_from: object.valid_from,
            valid_until: object.valid_until,
            spot: object.spot,
        };
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
}

/// The files of an indicator that stands.
fn take(account: &mut Account<'_>, indicator: &Indicator) -> Result<(), End> {
    let Some((pattern, spot)) = &indicator.pattern else {
        account.skip(Skipped::NotAFile, indicator.spot);
        return Ok(());
    };
    // Known good files are what a list that allows is about.
    if indicator.is_benign && account.is_to_block() {
        account.skip(Skipped::Benign, *spot);
        return Ok(());
    }
    let from = instant(account, indicator.valid_from.as_ref());
    let until = instant(account, indicator.valid_until.as_ref());
    let parts = match pattern::read(pattern) {
        Meaning::AnyOf(parts) => parts,
        Meaning::NotUnderstood => {
            account.skip(Skipped::Pattern, *spot);
            return Ok(());
        }
    };
    for part in parts {
        let Some((md5, sha256)) = hashes(account, &part, *spot) else { continue };
        account.file(&Named {
            md5,
            sha256,
            comment: indicator.name.as_deref(),
            from,
            until,
            line: indicator.spot.line,
        })?;
    }
    Ok(())
}

fn instant(account: &mut Account<'_>, text: Option<&(String, Spot)>) -> Option<Timestamp> {
    let (text, spot) = text?;
    match text.parse() {
        Ok(instant) if text.contains('T') => Some(instant),
        Ok(_) | Err(_) => {
            let message = "this is no instant";
            account.wrong(|| Wrong::new(*spot, Code::BadTime, message, "STIX writes `2026-12-01T18:00:00Z`"));
            None
        }
    }
}

/// MD5 and SHA-256 of the file that a part means, if any; what is passed over or wrong is noted.
fn hashes(
    account: &mut Account<'_>,
    part: &Part,
    spot: Spot,
) -> Option<(Option<FileHash>, Option<FileHash>)> {
    let hashes = match part {
        Part::File(hashes) => hashes,
        Part::Other => {
            account.skip(Skipped::NotAFile, spot);
            return None;
        }
    };
    match hashes {
        Hashes { md5: None, sha256: None, other, .. } => {
            account.skip(if *other { Skipped::OtherHash } else { Skipped::Sha1 }, spot);
            None
        }
        Hashes { md5, sha256, .. } => {
            let wrong = account.wrong_count;
            let md5 = md5.as_ref().and_then(|text| account.hash(text.trim(), Some("md5"), || spot));
            let sha256 = sha256.as_ref().and_then(|text| account.hash(text.trim(), Some("sha256"), || spot));
            (account.wrong_count == wrong).then_some((md5, sha256))
        }
    }
}

/// Whether the words that say what an indicator is of have `benign` among them.
struct SaysBenign(bool);

impl<'de> Deserialize<'de> for SaysBenign {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Clone, Copy)]
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = SaysBenign;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of words")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<SaysBenign, A::Error> {
                let mut says_it = false;
                while let Some(word) = words.next_element::<String>()? {
                    says_it |= self.visit_str::<A::Error>(&word)?.0;
                }
                Ok(SaysBenign(says_it))
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<SaysBenign, E> {
                Ok(SaysBenign(word.trim().eq_ignore_ascii_case("benign")))
            }

            fn visit_unit<E: Error>(self) -> Result<SaysBenign, E> {
                Ok(SaysBenign(false))
            }
        }
        from.deserialize_any(Words)
    }
}

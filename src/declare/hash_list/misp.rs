//! MISP events as JSON: the attributes that name a file by a hash and are meant for detection (`to_ids`); of what a
//! list allows, all of them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::io::BufRead;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::account::{Account, End, Named, Skipped, Spot, Wrong};
use super::json::{self, Position, stop};
use crate::diagnostic::Code;
use crate::model::FileHash;

/// The most hashes of one object, which is one file; they are looked at together.
const MAX_OF_ONE_OBJECT: usize = 10_000;

/// Objects whose attributes of type `md5` are no hashes of files: of a part of one, or of something else.
const NOT_FILES: [&str; 9] =
    ["ja3", "ja3s", "ja4-plus", "jarm", "hassh", "x509", "pe-section", "elf-section", "macho-section"];

pub(super) fn read(input: &mut dyn BufRead, offset: u64, account: &mut Account<'_>) -> Result<(), End> {
    let ended = Cell::new(None);
    let at = Position::new(offset);
    json::read(input, &at, Whole { account, at: &at, ended: &ended }, || ended.take())
}
struct Whole<'a, 's> {
    account: &'a mut Account<'s>,
    at: &'a Position,
    ended: &'a Cell<Option<End>>,
}

impl<'de> DeserializeSeed<'de> for Whole<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let mut events = Events { account: self.account, at: self.at, has_any: false, ended: None };
        let read = from.deserialize_any(Scope(&mut events));
        self.ended.set(events.ended.take());
        read?;
        if events.has_any {
            Ok(())
        } else {
            Err(D::Error::custom("this is no MISP event: it has no `Event`"))
        }
    }
}

struct Events<'a, 's> {
    account: &'a mut Account<'s>,
    at: &'a Position,
    /// Whether anything in the file is of MISP.
    has_any: bool,
    /// Why the account takes no more.
    ended: Option<End>,
}

/// `{"Event": …}`, a list of those, `{"response": …}` around either, and what stands in an event.
struct Scope<'a, 'b, 's>(&'a mut Events<'b, 's>);

impl<'de> DeserializeSeed<'de> for Scope<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scope<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MISP event")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        loop {
            self.0.has_any = false;
            match events.next_element_seed(Scope(self.0))? {
                None => break,
                Some(()) if self.0.has_any => {}
                // An answer that says an error is no list without hashes: what is blocked would be let go.
                Some(()) => {
                    return Err(A::Error::custom("this is no list of MISP events: here is one that is none"));
                }
            }
        }
        // What was searched for may not have been found.
        self.0.has_any = true;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "Event" | "response" => {
                    self.0.has_any = true;
                    map.next_value_seed(Scope(self.0))?;
                }
                "Attribute" => {
                    self.0.has_any = true;
                    map.next_value_seed(Attributes(self.0))?;
                }
                "Object" => {
                    self.0.has_any = true;
                    map.next_value_seed(Objects(self.0))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Attributes that stand for themselves.
struct Attributes<'a, 'b, 's>(&'a mut Events<'b, 's>);

impl<'de> DeserializeSeed<'de> for Attributes<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Attributes<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of MISP attributes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut attributes: A) -> Result<(), A::Error> {
        while let Some(attribute) = attributes.next_element_seed(AttributeAt(self.0.at))? {
            if let Some(hash) = self.0.hash(&attribute) {
                self.0.file(None, Some((hash, &attribute)))?;
            }
        }
        Ok(())
    }
}

/// Objects: hashes that stand in one are those of one file.
struct Objects<'a, 'b, 's>(&'a mut Events<'b, 's>);

impl<'de> DeserializeSeed<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of MISP objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<(), A::Error> {
        while let Some(object) = objects.next_element_seed(ObjectAt(self.0.at, self.0.use_of()))? {
            if !object.is_deleted {
                self.0.object(&object)?;
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Object {
    name: String,
    is_deleted: bool,
    attributes: Vec<Attribute>,
}

struct ObjectAt<'a>(&'a Position, Use);

impl<'de> DeserializeSeed<'de> for ObjectAt<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Object, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectAt<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MISP object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => object.name = map.next_value()?,
                "deleted" => object.is_deleted = map.next_value::<Flag>()?.0,
                "Attribute" => {
                    map.next_value_seed(OfObject { into: &mut object.attributes, at: self.0, list: self.1 })?
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(object)
    }
}

struct OfObject<'a> {
    into: &'a mut Vec<Attribute>,
    at: &'a Position,
    list: Use,
}

impl<'de> DeserializeSeed<'de> for OfObject<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OfObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of MISP attributes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut attributes: A) -> Result<(), A::Error> {
        while let Some(attribute) = attributes.next_element_seed(AttributeAt(self.at))? {
            if attribute.counts(self.list) {
                self.into.push(attribute);
            }
            if self.into.len() > MAX_OF_ONE_OBJECT {
                let message = format!("an object has over {MAX_OF_ONE_OBJECT} attributes: that is no file");
                return Err(A::Error::custom(message));
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Attribute {
    kind: String,
    value: String,
    /// Of the value.
    spot: Spot,
    to_ids: bool,
    is_deleted: bool,
    comment: String,
}

/// What the list is for.
#[derive(Clone, Copy)]
enum Use {
    Block,
    Allow,
}

impl Attribute {
    /// What is good is nothing to detect: `to_ids` says nothing of what a list allows.
    fn counts(&self, list: Use) -> bool {
        !self.is_deleted && (self.to_ids || matches!(list, Use::Allow))
    }
}

struct AttributeAt<'a>(&'a Position);

impl<'de> DeserializeSeed<'de> for AttributeAt<'_> {
    type Value = Attribute;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Attribute, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AttributeAt<'_> {
    type Value = Attribute;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MISP attribute")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attribute, A::Error> {
        let mut attribute = Attribute { spot: self.0.here(), ..Attribute::default() };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" => attribute.kind = map.next_value()?,
                "value" => {
                    attribute.value = map.next_value::<Value>()?.0;
                    attribute.spot = self.0.of_text(attribute.value.len());
                }
                "to_ids" => attribute.to_ids = map.next_value::<Flag>()?.0,
                "deleted" => attribute.is_deleted = map.next_value::<Flag>()?.0,
                "comment" => {
                    attribute.comment = map.next_value::<Option<String>>()?.unwrap_or_else(String::new)
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(attribute)
    }
}

/// `true`, and as older versions write it: `1`, `"1"`.
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfFlag;
        impl Visitor<'_> for OfFlag {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true` or `false`")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Flag, E> {
                Ok(Flag(value != 0))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Flag, E> {
                match value {
                    "1" | "true" => Ok(Flag(true)),
                    "0" | "false" | "" => Ok(Flag(false)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
                }
            }

            fn visit_unit<E: Error>(self) -> Result<Flag, E> {
                Ok(Flag(false))
            }
        }
        from.deserialize_any(OfFlag)
    }
}

/// A text. Attributes that are not looked at may have numbers there.
struct Value(String);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfValue;
        impl Visitor<'_> for OfValue {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
                Ok(Value(value.to_owned()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<Value, E> {
                Ok(Value(String::new()))
            }
        }
        from.deserialize_any(OfValue)
    }
}

/// What an attribute's type says of a file.
enum Kind {
    Hash { algorithm: &'static str, follows_name: bool },
    Sha1,
    OtherHash,
    Other,
}

fn kind(written: &str) -> Kind {
    let hash = |algorithm, follows_name| Kind::Hash { algorithm, follows_name };
    match written {
        "md5" => hash("md5", false),
        "sha256" => hash("sha256", false),
        "filename|md5" | "malware-sample" => hash("md5", true),
        "filename|sha256" => hash("sha256", true),
        "sha1" | "filename|sha1" => Kind::Sha1,
        other => match other.strip_prefix("filename|").unwrap_or(other) {
            "sha224" | "sha384" | "sha512" | "sha512/224" | "sha512/256" | "sha3-224" | "sha3-256"
            | "sha3-384" | "sha3-512" | "ssdeep" | "imphash" | "tlsh" | "authentihash" | "pehash"
            | "impfuzzy" | "vhash" | "telfhash" | "cdhash" => Kind::OtherHash,
            _ => Kind::Other,
        },
    }
}

impl Events<'_, '_> {
    fn use_of(&self) -> Use {
        if self.account.is_to_block() { Use::Block } else { Use::Allow }
    }

    /// The hash that an attribute means, if any; what is passed over or wrong is noted.
    fn hash(&mut self, attribute: &Attribute) -> Option<FileHash> {
        if !attribute.counts(self.use_of()) {
            return None;
        }
        let spot = attribute.spot;
        match kind(&attribute.kind) {
            Kind::Sha1 => self.account.skip(Skipped::Sha1, spot),
            Kind::OtherHash => self.account.skip(Skipped::OtherHash, spot),
            // One that is not for detection is a remark, a link and the like.
            Kind::Other if !attribute.to_ids => {}
            Kind::Other => self.account.skip(Skipped::NotAFile, spot),
            Kind::Hash { algorithm, follows_name } => {
                let text = match attribute.value.rsplit_once('|') {
                    Some((_, hash)) if follows_name => hash,
                    None if follows_name => {
                        self.account.wrong(|| {
                            let message =
                                format!("`{}` has no `|` between a name and a hash", attribute.kind);
                            Wrong::new(spot, Code::BadHash, message, "was it exported whole?")
                        });
                        return None;
                    }
                    Some(_) | None => &attribute.value,
                };
                return self.account.hash(text.trim(), Some(algorithm), || spot);
            }
        }
        None
    }

    fn object<E: Error>(&mut self, object: &Object) -> Result<(), E> {
        if NOT_FILES.contains(&object.name.as_str()) {
            for attribute in object.attributes.iter().filter(|attribute| attribute.to_ids) {
                self.account.skip(Skipped::NotAFile, attribute.spot);
            }
            return Ok(());
        }
        let (mut md5, mut sha256) = (Vec::new(), Vec::new());
        // A sample often repeats the MD5 that stands beside it: that is still one file.
        let mut seen = BTreeSet::new();
        for attribute in &object.attributes {
            // A file's name and size say more of the same file: nothing is passed over.
            if matches!(kind(&attribute.kind), Kind::Other) && object.name == "file" {
                continue;
            }
            match self.hash(attribute).filter(|hash| seen.insert(*hash)) {
                Some(hash @ FileHash::Md5(_)) => md5.push((hash, attribute)),
                Some(hash @ FileHash::Sha256(_)) => sha256.push((hash, attribute)),
                None => {}
            }
        }
        match (md5.as_slice(), sha256.as_slice()) {
            ([md5], [sha256]) => self.file(Some(*md5), Some(*sha256)),
            // Not one file after all: each hash stands for itself.
            _ => md5.into_iter().chain(sha256).try_for_each(|hash| self.file(None, Some(hash))),
        }
    }

    /// Where a file has both hashes, what is told of it is told of the second.
    fn file<E: Error>(
        &mut self,
        first: Option<(FileHash, &Attribute)>,
        second: Option<(FileHash, &Attribute)>,
    ) -> Result<(), E> {
        let mut named = Named::default();
        for (hash, attribute) in first.into_iter().chain(second) {
            let of = Named::of(hash);
            named.md5 = named.md5.or(of.md5);
            named.sha256 = named.sha256.or(of.sha256);
            named.line = attribute.spot.line;
            let name = attribute.value.rsplit_once('|').map(|(name, _)| name);
            named.comment = Some(attribute.comment.as_str()).filter(|text| !text.is_empty()).or(name);
        }
        self.account.file(&named).map_err(|end| {
            self.ended = Some(end);
            stop()
        })
    }
}

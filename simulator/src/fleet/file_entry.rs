//! One file of a prevention rule in a fleet.

use std::fmt;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::wire::object_of;
use crate::world::{FileHash, FileObject};

/// A hash, or the fields of the API's `file` object, whatever they are: what others put there need not be
/// what the API would take.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetFile(pub FileObject);

impl<'de> Deserialize<'de> for FleetFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<FleetFile, D::Error> {
        from.deserialize_any(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = FleetFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an MD5 or SHA-256 hash in quotes, or a mapping of the fields of `file`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FleetFile, E> {
        let hash = FileHash::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
        Ok(FleetFile(FileObject::new(hash)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FleetFile, A::Error> {
        let mut fields = Map::new();
        while let Some((field, value)) = map.next_entry::<String, Value>()? {
            if matches!(field.as_str(), "sha256" | "md5") && !value.is_string() {
                return Err(A::Error::custom(format!(
                    "the {field} must stand in quotes: YAML reads it as a number"
                )));
            }
            if fields.insert(field.clone(), value).is_some() {
                return Err(A::Error::custom(format!("the field {field} stands there twice")));
            }
        }
        Ok(FleetFile(object_of(fields)))
    }
}

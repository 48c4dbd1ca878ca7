//! Prevention rules: the body of their POST and the answer to their GET.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::dialect::{HashCase, ListOrder, PostedNames};
use super::file::{object_of, settings_of};
use super::{Answer, Dialect};
use crate::world::{FileObject, PreventionRule, Refusal};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsJson {
    objects: Vec<ObjectJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectJson {
    file: Map<String, Value>,
}

/// Reads the files of a POST: each must carry one of `sha256` and `md5`.
pub(crate) fn prevention_request(body: &[u8], dialect: &Dialect) -> Result<Vec<FileObject>, Refusal> {
    let settings: SettingsJson = settings_of(body)?;
    let objects = settings.objects.into_iter().enumerate();
    objects.map(|(index, object)| file(index, object.file, dialect)).collect()
}

fn file(index: usize, fields: Map<String, Value>, dialect: &Dialect) -> Result<FileObject, Refusal> {
    let wrong = |problem: &str| Err(Refusal::Incorrect(format!("objects[{index}].file: {problem}")));
    match (fields.contains_key("sha256"), fields.contains_key("md5")) {
        (true, true) => return wrong("one of sha256 and md5, not both"),
        (false, false) => return wrong("neither sha256 nor md5"),
        (true, false) | (false, true) => {}
    }
    let object = object_of(fields);
    if object.hash.is_none() {
        return wrong("the hash is not 64 (sha256) or 32 (md5) hexadecimal digits");
    }
    if dialect.strict_objects
        && let Some(field) = object.fields.keys().next()
    {
        return wrong(&format!("unknown field {field}"));
    }
    if object.fields.get("name").is_some_and(|name| !name.is_string()) {
        return wrong("name is no text");
    }
    Ok(object)
}

/// The answer for a host, or for all hosts, with a rule.
pub(crate) fn prevention_answer(rule: &PreventionRule, dialect: &Dialect) -> Answer {
    Answer::setting(&Settings { rule, dialect }, dialect)
}

/// Written without a copy of the rule, which may hold very many files.
struct Settings<'a> {
    rule: &'a PreventionRule,
    dialect: &'a Dialect,
}

struct Objects<'a>(&'a Settings<'a>);

struct Object<'a> {
    file: &'a FileObject,
    dialect: &'a Dialect,
}

struct File<'a>(&'a Object<'a>);

impl Serialize for Settings<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("objects", &Objects(self))?;
        if self.dialect.extra_fields {
            map.serialize_entry("modifiedBy", "admin")?;
        }
        map.end()
    }
}

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Settings { rule, dialect } = *self.0;
        let mut list = to.serialize_seq(Some(rule.objects().len()))?;
        match dialect.order {
            ListOrder::AsSent => {
                rule.objects().iter().try_for_each(|file| list.serialize_element(&Object { file, dialect }))
            }
            ListOrder::Reversed => rule
                .objects()
                .iter()
                .rev()
                .try_for_each(|file| list.serialize_element(&Object { file, dialect })),
        }?;
        list.end()
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("file", &File(self))?;
        if self.dialect.extra_fields {
            map.serialize_entry("state", "enabled")?;
        }
        map.end()
    }
}

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Object { file, dialect } = *self.0;
        let hash = file.hash.map(|hash| match dialect.hash_case {
            HashCase::Lower => hash.to_string(),
            HashCase::Upper => hash.to_string().to_uppercase(),
        });
        let mut map = to.serialize_map(None)?;
        if let (Some(known), Some(text)) = (file.hash, &hash) {
            map.serialize_entry(known.field(), text)?;
        }
        for (field, value) in &file.fields {
            if field != "name" || dialect.names != PostedNames::Dropped {
                map.serialize_entry(field, value)?;
            }
        }
        if dialect.names == PostedNames::Always && !file.fields.contains_key("name") {
            map.serialize_entry("name", hash.as_deref().unwrap_or("unknown"))?;
        }
        if dialect.extra_fields {
            map.serialize_entry("type", "FULL")?;
        }
        map.end()
    }
}

//! What the bodies of settings share: what stands under `settings`, and one file of a prevention rule.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::world::{FileHash, FileObject, Refusal};

/// Reads `{"settings": T}` or `{"settings": [T]}` and nothing beside it.
pub(super) fn settings_of<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::Incorrect(format!("the body is no JSON: {error}")))?;
    let Value::Object(mut fields) = body else {
        return Err(Refusal::Incorrect("the body is no object".into()));
    };
    let settings =
        fields.remove("settings").ok_or_else(|| Refusal::Incorrect("the body has no settings".into()))?;
    if let Some(field) = fields.keys().next() {
        return Err(Refusal::Incorrect(format!("unknown field {field} beside settings")));
    }
    let settings = match <[Value; 1]>::try_from(list_or_one(settings)) {
        Ok([settings]) => settings,
        Err(list) => Value::Array(list),
    };
    serde_json::from_value(settings).map_err(|error| Refusal::Incorrect(format!("settings: {error}")))
}

fn list_or_one(value: Value) -> Vec<Value> {
    if let Value::Array(list) = value { list } else { vec![value] }
}

/// A file from the fields of its `file` object, whatever they are: its hash where it has one that we know.
pub(crate) fn object_of(mut fields: Map<String, Value>) -> FileObject {
    let known = ["sha256", "md5"].into_iter().find_map(|field| {
        let hash = FileHash::parse(fields.get(field)?.as_str()?)?;
        (hash.field() == field).then_some(hash)
    });
    if let Some(hash) = known {
        fields.remove(hash.field());
    }
    FileObject { hash: known, fields }
}

/// All fields of a file's `file` object.
pub(crate) fn fields_of(object: &FileObject) -> Map<String, Value> {
    let mut fields = object.fields.clone();
    if let Some(hash) = object.hash {
        fields.insert(hash.field().into(), hash.to_string().into());
    }
    fields
}

//! Values that are one text: names, instants, addresses, hashes.
//!
//! kedrctl takes the text that stands there, and an editor has its own reading of what stands without quotes: a name
//! `2024` is a number to it. Where any text is right, numbers and truth values are therefore right too.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::declare::{exclusion, hash, policy, server, time};

/// Near enough: not every validator knows the classes of Unicode.
pub(super) const NAME: &str = r"^[A-Za-z0-9._\u00aa-\uffff-]+$";
/// Where a name is used, such a text is read as a hash.
pub(super) const LIKE_A_HASH: &str = "^[0-9A-Fa-f]{24,}$";
/// At least one character that is no space, and none that moves a cursor or hides.
pub(super) const VISIBLE: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*",
    r"[^\u0000-\u0020\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb]",
    r"[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*$"
);

/// A type for each kind of text; its doc comment is the description.
macro_rules! words {
    ($($(#[doc = $doc:literal])* $name:ident = $schema:expr;)*) => {$(
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                let mut schema: Schema = $schema;
                let description = concat!($($doc),*).trim();
                if !description.is_empty() {
                    schema.insert("description".to_owned(), description.into());
                    if schema.get("pattern").is_some() {
                        // What editors show instead of the pattern.
                        schema.insert("patternErrorMessage".to_owned(), description.into());
                    }
                }
                schema
            }
        }
    )*};
}

words! {
    Version = json_schema!({ "enum": [1, "1"] });
    /// A folder, or a place in an object store.
    Record = json_schema!({
        "type": ["string", "number", "boolean"],
        "minLength": 1,
        "anyOf": [
            { "type": ["number", "boolean"] },
            { "not": { "pattern": "://" } },
            {
                "pattern": "^(s3|az|gs)://[a-z0-9][a-z0-9._-]{2,221}(/[A-Za-z0-9._=-]+)*/?$",
                "not": { "pattern": "/[.]{1,2}(/|$)" },
            },
        ],
    });
    Owner = any_text("^[A-Za-z0-9._-]+$");
    /// The name of a server, an exclusion set, a hash list or a group.
    Name = {
        let mut schema = any_text(NAME);
        schema.insert("not".to_owned(), serde_json::json!({ "type": "string", "pattern": LIKE_A_HASH }));
        schema
    };
    /// One line of text.
    Line = any_text(VISIBLE);
    /// The name of one host: `*` and `?` stand in no name.
    HostName = named(VISIBLE);
    /// The family of a system, such as windows: no pattern.
    System = named(VISIBLE);
    /// Any text.
    Text = json_schema!({ "type": ["string", "number", "boolean"] });
    /// A path, relative to this file.
    Path = json_schema!({ "type": ["string", "number", "boolean"], "minLength": 1 });
    /// A path, relative to this file; never the PEM text itself.
    PemPath = json_schema!({
        "type": ["string", "number", "boolean"],
        "minLength": 1,
        "not": { "type": "string", "pattern": "-----BEGIN" },
    });
    /// The name of an environment variable that holds the text itself.
    Variable = text("^[A-Za-z_][A-Za-z0-9_]*$");
    Id = any_text("^[A-Za-z0-9-]+$");
    SystemTrust = json_schema!({ "const": "system" });
    Concurrency = json_schema!({ "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": server::MAX_CONCURRENCY },
        { "type": "string", "pattern": server::CONCURRENCY_PATTERN },
    ] });
    /// Whole minutes or hours up to a day, such as 10m or 1h.
    Tolerance = text(time::TOLERANCE_PATTERN);
    /// In force for as long as the file says so, renewed in time: 2h to 9999h, or whole days.
    Lease = text(time::LEASE_PATTERN);
    /// Date, time and offset from UTC: 2026-12-01T18:00:00+03:00.
    Instant = text(time::INSTANT_PATTERN);
    /// https://, host and, where it is not 443, port.
    Url = url();
    /// An IPv4 or IPv6 address.
    Address = json_schema!({ "type": "string", "pattern": format!("^({}|{})$", ipv4(), ipv6()) });
    /// A network such as 10.0.0.0/28, or a single address.
    Network = json_schema!({ "type": "string", "pattern": format!(
        "^({}(/(3[0-2]|[0-2]?[0-9]))?|{}(/(12[0-8]|1[01][0-9]|0?[0-9]{{1,2}}))?)$", ipv4(), ipv6()
    ) });
    SensorId = {
        let uuid = "[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}";
        text(&format!(r"^({uuid}|[0-9A-Fa-f]{{32}}|\{{{uuid}\}}|urn:uuid:{uuid})$"))
    };
    /// A count, or a share such as 10%.
    Limit = json_schema!({ "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": policy::LIMIT_PATTERN },
    ] });
    /// A port, or a range such as 1000-2000.
    Ports = json_schema!({ "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        { "type": "string", "pattern": exclusion::ports_pattern() },
    ] });
    ProtocolNumber = json_schema!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 255 },
        { "type": "string", "pattern": "^([1-9]?[0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])$" },
    ] });
    Truth = json_schema!({ "anyOf": [
        { "type": "boolean" },
        { "type": "string", "pattern": "^([Tt]rue|TRUE|[Ff]alse|FALSE)$" },
    ] });
    /// The host is released.
    Off = json_schema!({ "anyOf": [{ "enum": ["off", false] }, { "type": "string", "pattern": "^([Ff]alse|FALSE)$" }] });
    /// A check that none of them is isolated.
    Checked = json_schema!({ "anyOf": [{ "enum": ["off", false] }, { "type": "string", "pattern": "^([Ff]alse|FALSE)$" }] });
    /// A whole number from 1.
    Generation = json_schema!({ "anyOf": [
        { "type": "integer", "minimum": 1 },
        { "type": "string", "pattern": "^[1-9][0-9]{0,18}$" },
    ] });
    /// 32 digits for MD5, 64 for SHA-256.
    Hash = digits("([0-9A-Fa-f]{32}|[0-9A-Fa-f]{64})");
    /// 64 digits.
    Sha256 = digits("[0-9A-Fa-f]{64}");
    /// 32 digits.
    Md5 = digits("[0-9A-Fa-f]{32}");
    /// The SHA-256 of exactly this certificate: 64 digits, also with colons.
    Fingerprint = json_schema!({ "anyOf": [
        { "type": "string", "pattern": "^:*([0-9A-Fa-f]:*){64}$" },
        { "type": "number" },
    ] });
}

fn text(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern })
}

fn any_text(pattern: &str) -> Schema {
    json_schema!({ "type": ["string", "number", "boolean"], "pattern": pattern })
}

fn named(pattern: &str) -> Schema {
    let mut schema = any_text(pattern);
    schema.insert("not".to_owned(), serde_json::json!({ "type": "string", "pattern": "[*?]" }));
    schema
}

/// Without quotes, editors read an all-digit hash, and one like `1e10…`, as a number; kedrctl takes the text.
fn digits(pattern: &str) -> Schema {
    let pattern = format!("^{pattern}$");
    json_schema!({ "anyOf": [
        { "type": "string", "pattern": pattern, "not": { "pattern": hash::EMPTY_FILE_PATTERN } },
        { "type": "number" },
    ] })
}

/// Near enough: JSON Schema cannot count all the letters of a host's name.
fn url() -> Schema {
    const LABEL: &str = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
    let around = |host: &str| format!("^[Hh][Tt][Tt][Pp][Ss]://{host}(:0*{})?/?$", exclusion::PORT_PATTERN);
    let name = around(&format!(r"{LABEL}(\.{LABEL})*"));
    // What ends in a number is no name.
    let number = around(&format!(r"({LABEL}\.)*[0-9]+"));
    json_schema!({ "type": "string", "anyOf": [
        { "pattern": name, "not": { "pattern": number } },
        { "pattern": around(&ipv4()) },
        { "pattern": around(&format!(r"\[{}\]", ipv6())) },
    ] })
}

fn ipv4() -> String {
    const OCTET: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!(r"({OCTET}\.){{3}}{OCTET}")
}

/// Eight groups, the last two also as an IPv4 address, with `::` for one run of groups.
fn ipv6() -> String {
    const GROUP: &str = "[0-9A-Fa-f]{1,4}";
    let v4 = ipv4();
    let mut forms = vec![format!("({GROUP}:){{7}}{GROUP}"), format!("({GROUP}:){{6}}{v4}")];
    forms.push(format!("({GROUP}:){{1,7}}:"));
    forms.push(format!(":((:{GROUP}){{1,7}}|:)"));
    forms.extend((1..=6).map(|left| format!("({GROUP}:){{{left}}}(:{GROUP}){{1,{}}}", 7 - left)));
    forms.push(format!("::({GROUP}:){{0,5}}{v4}"));
    forms.extend((1..=5).map(|left| format!("({GROUP}:){{{left}}}:({GROUP}:){{0,{}}}{v4}", 5 - left)));
    format!("({})", forms.join("|"))
}

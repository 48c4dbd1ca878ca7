//! How an answer is written where the sources contradict each other or are silent: each its own switch.

use serde::Deserialize;

use crate::world::{PortRules, Resend};

/// The switches; the defaults are the help's for KATA 7.x where it says anything.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dialect {
    /// The field with the host's name in the host list.
    pub host_name_field: HostNameField,
    /// The type of `lastAccessTimestamp`.
    pub last_access: LastAccess,
    /// How UUIDs are printed.
    pub uuid_case: UuidCase,
    /// How hashes are printed.
    pub hash_case: HashCase,
    /// What stands around a setting.
    pub settings: SettingsShape,
    /// The order of exclusion rules and of files in answers.
    pub order: ListOrder,
    /// Numbers are written as text.
    pub numbers_as_text: bool,
    /// A byte order mark stands before every answer.
    pub bom: bool,
    /// The `Content-Type` of answers; an empty text leaves it out.
    pub content_type: String,
    /// `excludedRules` is left out of every answer that has none, even where an empty list was sent.
    pub no_empty_excluded_rules: bool,
    /// Objects carry fields that nobody knows.
    pub extra_fields: bool,
    /// How successful writes are answered.
    pub write_status: WriteStatus,
    /// Whether file objects in answers carry a `name`.
    pub names: PostedNames,
    /// The host list carries a continuation token.
    pub continuation_token: Option<String>,
    /// The host list, however long, has at most so many hosts; 0 is an empty list.
    pub list_at_most: Option<usize>,
    /// What becomes of timeouts that are no whole hours.
    pub timeouts: Rounding,
    /// 400 and 401 mean each other.
    pub swap_400_and_401: bool,
    /// The status of "authorization required".
    pub not_authorized: u16,
    /// What is listed of an isolation rule past its end.
    pub expired: Expired,
    /// The body of a 404.
    pub not_found: NotFoundBody,
    /// The status of a clash.
    pub clash_status: u16,
    /// The body of a clash.
    pub clash: ClashShape,
    /// `file` objects with other fields than one hash are refused, `name` too.
    pub strict_objects: bool,
    /// Which ports may go with which direction.
    #[serde(deserialize_with = "port_rules")]
    pub ports: PortRules,
    /// What reading the rule for all hosts answers when there is none.
    pub all_without_rule: AllWithoutRule,
    /// What deleting a rule that is not there answers.
    pub delete_without_rule: DeleteWithoutRule,
    /// Whether the same isolation rule sent again begins its time anew.
    #[serde(deserialize_with = "resend")]
    pub resend: Resend,
    /// `network_izolation`, as help pages up to 5.1 print it, is accepted too.
    pub izolation: bool,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect {
            host_name_field: HostNameField::default(),
            last_access: LastAccess::default(),
            uuid_case: UuidCase::default(),
            hash_case: HashCase::default(),
            settings: SettingsShape::default(),
            order: ListOrder::default(),
            numbers_as_text: false,
            bom: false,
            content_type: "application/json".into(),
            no_empty_excluded_rules: false,
            extra_fields: false,
            write_status: WriteStatus::default(),
            names: PostedNames::default(),
            continuation_token: None,
            list_at_most: None,
            timeouts: Rounding::default(),
            swap_400_and_401: false,
            not_authorized: 401,
            expired: Expired::default(),
            not_found: NotFoundBody::default(),
            clash_status: 400,
            clash: ClashShape::default(),
            strict_objects: false,
            ports: PortRules::default(),
            all_without_rule: AllWithoutRule::default(),
            delete_without_rule: DeleteWithoutRule::default(),
            resend: Resend::default(),
            izolation: false,
        }
    }
}

/// A choice of the dialect: its values in YAML are its variants in kebab-case unless they say otherwise.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+ }
    };
}

choice! {
    /// The field with the host's name; the help does not tell it.
    HostNameField {
        /// `host`
        #[default]
        Host = "host",
        /// `hostName`
        HostNameCamel = "hostName",
        /// `hostname`
        HostnameLower = "hostname",
        /// `name`
        Name = "name",
    }
}

impl HostNameField {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            HostNameField::Host => "host",
            HostNameField::HostNameCamel => "hostName",
            HostNameField::HostnameLower => "hostname",
            HostNameField::Name => "name",
        }
    }
}

choice! {
    /// The type of `lastAccessTimestamp`; the help does not tell it.
    LastAccess {
        /// `"2026-11-24T09:00:00Z"`
        #[default]
        Rfc3339 = "rfc3339",
        /// Seconds since 1970.
        EpochSeconds = "epoch-seconds",
        /// Milliseconds since 1970.
        EpochMillis = "epoch-millis",
        /// The field is left out.
        Missing = "missing",
    }
}

choice! {
    /// The case of UUIDs.
    UuidCase {
        /// `e6aa2842-…`
        #[default]
        Lower = "lower",
        /// `E6AA2842-…`
        Upper = "upper",
    }
}

choice! {
    /// The case of hashes.
    HashCase {
        /// `9f86d0…`
        #[default]
        Lower = "lower",
        /// `9F86D0…`
        Upper = "upper",
    }
}

choice! {
    /// What stands around a setting.
    SettingsShape {
        /// `{"settings": {…}}`
        #[default]
        Object = "object",
        /// `[{"settings": {…}}]`
        Array = "array",
        /// `[{…}]`, without `settings`
        BareArray = "bare-array",
        /// `{"settings": [{…}]}`, as in 4.0
        ArrayUnderSettings = "array-under-settings",
    }
}

choice! {
    /// The order of lists in answers.
    ListOrder {
        /// As they were sent.
        #[default]
        AsSent = "as-sent",
        /// The other way round.
        Reversed = "reversed",
    }
}

/// The answer to a successful write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub enum WriteStatus {
    /// 200 with `{}`.
    #[default]
    Ok,
    /// 204, as some calls of the older API family.
    NoContent,
}

impl TryFrom<u16> for WriteStatus {
    type Error = String;

    fn try_from(status: u16) -> Result<WriteStatus, String> {
        match status {
            200 => Ok(WriteStatus::Ok),
            204 => Ok(WriteStatus::NoContent),
            other => Err(format!("writes are answered with 200 or 204, not {other}")),
        }
    }
}

choice! {
    /// The `name` of file objects in answers.
    PostedNames {
        /// As it was sent.
        #[default]
        AsSent = "as-sent",
        /// One without a name gets its hash as its name, as in the guide's example.
        Always = "always",
        /// Never.
        Dropped = "dropped",
    }
}

choice! {
    /// What becomes of a timeout that is no whole hours.
    Rounding {
        /// It is kept.
        #[default]
        None = "exact",
        /// Rounded down, to one hour at least.
        Down = "down",
        /// Rounded up, to 9,999 hours at most.
        Up = "up",
        /// Rounded to the nearest hour.
        Nearest = "nearest",
    }
}

impl Rounding {
    /// The timeout that the server keeps, for one that is within its limits.
    pub(crate) fn round(self, seconds: u64) -> u64 {
        const HOUR: u64 = 3_600;
        match self {
            Rounding::None => seconds,
            Rounding::Down => seconds / HOUR * HOUR,
            Rounding::Up => seconds.div_ceil(HOUR) * HOUR,
            Rounding::Nearest => (seconds + HOUR / 2) / HOUR * HOUR,
        }
    }
}

choice! {
    /// What becomes of an isolation rule past its end.
    Expired {
        /// It is still listed.
        #[default]
        Listed = "listed",
        /// It is gone.
        Gone = "gone",
    }
}

choice! {
    /// The body of a 404.
    NotFoundBody {
        /// `{"error": "Not Found"}`
        #[default]
        Documented = "documented",
        /// A page, as a web server in front would send.
        Html = "html",
    }
}

choice! {
    /// The body of a clash; the help says only that it carries the hosts and the first clashing file.
    ClashShape {
        /// `{"error": "…", "file": {…}, "hosts": [{"sensorId": …, "host": …}]}`
        #[default]
        Hosts = "hosts",
        /// `{"error": "…", "sensorIds": […]}`
        SensorIds = "sensor-ids",
        /// `{"error": {"code": …, "message": "…", "details": {"hosts": ["NAME", …]}}}`
        Nested = "nested",
        /// `{"error": "… NAME, NAME"}`
        Text = "text",
    }
}

choice! {
    /// What reading the rule for all hosts answers when there is none.
    AllWithoutRule {
        /// 404 with the documented body.
        #[default]
        NotFound = "not-found",
        /// 200 with an empty `objects`.
        EmptyObjects = "empty-objects",
    }
}

choice! {
    /// What deleting a rule that is not there answers.
    DeleteWithoutRule {
        /// 404 with the documented body.
        #[default]
        NotFound = "not-found",
        /// As if there had been one.
        Done = "done",
    }
}

fn port_rules<'de, D: serde::Deserializer<'de>>(from: D) -> Result<PortRules, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Text {
        Guide,
        Help,
    }
    Ok(match Text::deserialize(from)? {
        Text::Guide => PortRules::Guide,
        Text::Help => PortRules::Help,
    })
}

fn resend<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Resend, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Text {
        Restarts,
        Keeps,
    }
    Ok(match Text::deserialize(from)? {
        Text::Restarts => Resend::Restarts,
        Text::Keeps => Resend::Keeps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_rounded_to_whole_hours() {
        let rounded = |rounding: Rounding| [3_600, 5_400, 5_399].map(|seconds| rounding.round(seconds));
        assert_eq!(rounded(Rounding::None), [3_600, 5_400, 5_399]);
        assert_eq!(rounded(Rounding::Down), [3_600, 3_600, 3_600]);
        assert_eq!(rounded(Rounding::Up), [3_600, 7_200, 7_200]);
        assert_eq!(rounded(Rounding::Nearest), [3_600, 7_200, 3_600]);
    }
}

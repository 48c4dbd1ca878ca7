//! What the host list looks like.

use serde_json::Value;

use super::Patience;
use super::measure::Run;
use crate::central_node::WriteSettings;

/// Names of fields under which integrations look for a host's name.
const NAME_FIELDS: [&str; 4] = ["host", "hostName", "hostname", "name"];

pub(super) fn describe<C: WriteSettings, P: Patience>(run: &mut Run<'_, C, P>) {
    let Some(seen) = run.seen() else { return };
    let date = if seen.has_date { "yes" } else { "no" };
    run.find("whether answers have a `Date` header", date.to_owned(), None);
    let content_type = seen.content_type.clone().unwrap_or_else(|| "none".to_owned());
    run.find("the `Content-Type` of answers", content_type, None);
    let body = seen.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&seen.body);
    let Ok(list) = serde_json::from_slice::<Value>(body) else { return };
    let Some(sensor) = list.get("sensors").and_then(|sensors| sensors.get(0)) else { return };
    let named: Vec<&str> = NAME_FIELDS.into_iter().filter(|field| sensor.get(field).is_some()).collect();
    let named = if named.is_empty() { "none of those that are known".to_owned() } else { named.join(", ") };
    run.find("the field with a host's name", named, None);
    let shape = run.shape();
    run.find("the shape of the host list", "see below".to_owned(), shape);
}

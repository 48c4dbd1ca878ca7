//! Network isolation: the body of its POST and the answer to its GET.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::dialect::ListOrder;
use super::exclusion::ExclusionJson;
use super::file::settings_of;
use super::{Answer, Dialect};
use crate::world::{ExclusionRule, IsolationRule, Refusal};

/// What a POST asks for, its exclusion rules checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IsolationRequest {
    pub(crate) timeout_seconds: u64,
    pub(crate) exclusions: Option<Vec<ExclusionRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SettingsJson {
    auto_turnoff_timeout_in_sec: u64,
    excluded_rules: Option<Vec<ExclusionJson>>,
}

impl IsolationRequest {
    /// Reads a body; `settings` may be the object or, as the guide shows it, an array of one.
    pub(crate) fn read(body: &[u8], dialect: &Dialect) -> Result<IsolationRequest, Refusal> {
        let settings: SettingsJson = settings_of(body)?;
        let exclusions: Option<Vec<ExclusionRule>> =
            settings.excluded_rules.map(|rules| rules.into_iter().map(ExclusionRule::from).collect());
        for (index, rule) in exclusions.iter().flatten().enumerate() {
            let wrong = |problem| Refusal::Incorrect(format!("excludedRules[{index}]: {problem}"));
            rule.check(dialect.ports).map_err(wrong)?;
        }
        Ok(IsolationRequest { timeout_seconds: settings.auto_turnoff_timeout_in_sec, exclusions })
    }
}

/// The answer for an isolated host: the timeout that was set, never what is left.
pub(crate) fn isolation_answer(rule: &IsolationRule, dialect: &Dialect) -> Answer {
    let number =
        |number: u64| if dialect.numbers_as_text { json!(number.to_string()) } else { json!(number) };
    let mut settings = Map::new();
    settings.insert("autoTurnoffTimeoutInSec".into(), number(rule.timeout_seconds));
    let listed =
        rule.exclusions.as_ref().filter(|rules| !(rules.is_empty() && dialect.no_empty_excluded_rules));
    if let Some(rules) = listed {
        let spelled =
            rules.iter().map(|rule| ExclusionJson::from(rule).spelled(number, dialect.extra_fields));
        let mut rules: Vec<Value> = spelled.collect();
        match dialect.order {
            ListOrder::AsSent => {}
            ListOrder::Reversed => rules.reverse(),
        }
        settings.insert("excludedRules".into(), rules.into());
    }
    if dialect.extra_fields {
        settings.insert("modifiedBy".into(), json!("admin"));
    }
    Answer::setting(&settings, dialect)
}

//! How an isolation is declared: by a host's own entry, or by a group.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::declared::{DeclaredIsolation, Term, WantedIsolation};
use super::decode::{Context, Item, Whose};
use super::host::Surroundings;
use super::tree::Value;
use super::{exclusion, time};
use crate::diagnostic::Code;
use crate::model::{ExclusionRule, Exclusions};

/// `off`, or `{ until | lease, exclusions, reason }`; from a group only with `until`.
pub(super) fn isolation<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    around: &mut Surroundings<'t, '_>,
    whose: Whose<'_>,
) -> Option<DeclaredIsolation> {
    let cause = whose.cause(cx, item.key.place);
    if let Value::Text(text) = &item.node.value {
        return match &**text {
            "off" | "false" | "False" | "FALSE" => {
                Some(DeclaredIsolation { cause, want: WantedIsolation::Off })
            }
            "on" | "true" | "True" | "TRUE" | "yes" => {
                item.wrong(cx, Code::BadValue, "an isolation needs an end", whose.needs_an_end())
            }
            other => item.wrong(
                cx,
                Code::BadValue,
                format!("`isolation` takes `off` or a mapping, not `{other}`"),
                whose.ways_to_isolate(),
            ),
        };
    }
    let expected = match whose {
        Whose::Its => "`off` or a mapping with `until` or `lease`",
        Whose::Group(_) => "`off` or a mapping with `until`",
    };
    let mut table = item.table(cx, "`isolation`", expected)?;
    let exclusions = table.optional(cx, "exclusions", |cx, item| exclusions(cx, item, around));
    let reason = table.optional(cx, "reason", |cx, item| item.plain_text(cx, "a text"));
    let term = match whose {
        Whose::Its => table.exactly_one(cx, &["until", "lease"], "lease: 24h"),
        Whose::Group(_) => match table.refused("lease") {
            // What a pattern matches changes by itself: it must not isolate for good who happens to come by.
            Some(lease) => {
                // Known, whether or not it stands beside the lease.
                let _until = table.item("until");
                lease.wrong(
                    cx,
                    Code::BadValue,
                    "an isolation from a group takes no `lease`: it needs an end",
                    "write `until`; a lease stands in the entry of each host that is meant, under `hosts`",
                )
            }
            None => table.required(cx, "until", "until: 2026-12-01T18:00:00+03:00", |_, item| Some(item)),
        },
    };
    table.finish(cx);
    let term = term.and_then(|item| match &*item.key.text {
        "until" => time::instant(cx, item).map(Term::Until),
        _ => time::lease(cx, item).map(Term::Lease),
    });
    let exclusions = match exclusions.or_none()? {
        Some(exclusions) => exclusions,
        None => share(Vec::new(), BTreeSet::new(), around),
    };
    let reason = reason.or_none()?.map(Arc::from);
    Some(DeclaredIsolation { cause, want: WantedIsolation::On { term: term?, exclusions, reason } })
}

impl Whose<'_> {
    fn needs_an_end(self) -> &'static str {
        match self {
            Self::Its => {
                "write `isolation: { lease: 24h }`, which is renewed for as long as the file says so, or \
                 `isolation: { until: 2026-12-01T18:00:00+03:00 }`"
            }
            Self::Group(_) => "write `isolation: { until: 2026-12-01T18:00:00+03:00 }`",
        }
    }

    fn ways_to_isolate(self) -> &'static str {
        match self {
            Self::Its => "write `off`, `{ lease: 24h }` or `{ until: 2026-12-01T18:00:00+03:00 }`",
            Self::Group(_) => "write `off`, which is a check here, or `{ until: 2026-12-01T18:00:00+03:00 }`",
        }
    }
}

/// Names of sets and rules that stand right here, together with what every isolation lets through.
fn exclusions<'t>(
    cx: &mut Context<'_>,
    item: Item<'t, '_>,
    around: &mut Surroundings<'t, '_>,
) -> Option<Exclusions> {
    let mut names = Vec::new();
    let mut rules = BTreeSet::new();
    let mut is_right = true;
    for item in item.list(cx, "a list of exclusion sets and rules")? {
        if item.is_map() {
            match exclusion::rules(cx, item) {
                Some(more) => rules.extend(more),
                None => is_right = false,
            }
        } else {
            match around.exclusion_sets.take(cx, item) {
                Some(name) => names.push(name),
                None => is_right = false,
            }
        }
    }
    is_right.then(|| share(names, rules, around))
}

fn share<'t>(
    mut names: Vec<&'t str>,
    rules: BTreeSet<ExclusionRule>,
    around: &mut Surroundings<'t, '_>,
) -> Exclusions {
    names.sort_unstable();
    let of_sets = |names: &[&str]| -> BTreeSet<ExclusionRule> {
        let named = names.iter().filter_map(|name| around.sets.get(name).and_then(Option::as_ref)).flatten();
        around.always_allow.iter().chain(named).cloned().collect()
    };
    if !rules.is_empty() {
        return Arc::new(of_sets(&names).into_iter().chain(rules).collect());
    }
    if let Some(known) = around.shared.get(&names) {
        return Arc::clone(known);
    }
    let exclusions = Arc::new(of_sets(&names));
    around.shared.insert(names, Arc::clone(&exclusions));
    exclusions
}

//! Reading what a plan is held to: an approved plan, or a saved one.

use std::path::Path;

use super::start::Failure;
use crate::model::{PlanId, Untrusted};
use crate::plan::Approved;
use crate::record::{AnyStore, Record};
use crate::saved::{self, SavedPlan};
use crate::session::HeldTo;

/// `--approved PLAN_ID|FILE`.
pub(super) async fn approved(text: Option<&str>, record: &Record<AnyStore>) -> Result<HeldTo, Failure> {
    let Some(text) = text else { return Ok(HeldTo::Nothing) };
    if let Ok(id) = text.parse::<PlanId>() {
        let kept = record.plan(&id).await.map_err(Failure::Record)?;
        let Some(bytes) = kept else {
            return Err(Failure::Usage(format!(
                "the record at {} has no plan {id}: `kedrctl plan --save` keeps one there",
                record.place()
            )));
        };
        let approved = saved::decode_approved(&bytes, &id);
        return approved
            .map(HeldTo::Approved)
            .map_err(|error| Failure::Record(record.damaged_plan(&id, error.to_string())));
    }
    let is_like_an_id = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_like_an_id && !Path::new(text).exists() {
        return Err(Failure::Usage(format!(
            "`{text}` is not the whole id of a plan, which has 64 digits: `kedrctl plan --save` prints it"
        )));
    }
    Ok(HeldTo::Approved(Approved::new(read(Path::new(text))?.plan.meanings())))
}

/// A plan that `plan -o` saved.
pub(super) fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let shown = Untrusted::new(path.display().to_string());
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", shown.printable())))?;
    saved::decode(&bytes).map_err(|error| {
        let error = Untrusted::new(error.to_string());
        let is_a_state = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        let hint = if is_a_state { "; the files of a state are given with `-f`" } else { "" };
        Failure::Usage(format!("{}: {}{hint}", shown.printable(), error.printable()))
    })
}

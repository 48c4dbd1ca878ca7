//! Plans that wait for approval, each once under its id: `plans/<id>.json`. What stands in them is for others to know.

use super::store::put_in_place;
use super::{Record, RecordError, Store};
use crate::model::PlanId;

impl<S: Store> Record<S> {
    /// Keeps a plan. `Some`: something else is kept under this id already, and stays.
    ///
    /// # Errors
    /// The record can not be written.
    pub async fn keep_plan(&self, id: &PlanId, bytes: &[u8]) -> Result<Option<Vec<u8>>, RecordError> {
        put_in_place(&*self.store, &key(id), bytes).await
    }

    /// What is kept under this id; `None`: nothing is.
    ///
    /// # Errors
    /// The record can not be read.
    pub async fn plan(&self, id: &PlanId) -> Result<Option<Vec<u8>>, RecordError> {
        self.store.get(&key(id)).await
    }

    /// That what is kept under this id is not that plan.
    pub fn damaged_plan(&self, id: &PlanId, why: String) -> RecordError {
        RecordError::Damaged {
            place: self.store.place(&key(id)),
            why,
            remedy: "remove it, and save the plan again with `kedrctl plan --save`".to_owned(),
        }
    }
}

fn key(id: &PlanId) -> String {
    format!("plans/{id}.json")
}

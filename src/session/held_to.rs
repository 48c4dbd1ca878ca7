use crate::guard::{Refusal, RefusalKind};
use crate::plan::{Approved, Plan};
use crate::saved::SavedPlan;

/// What a plan is held to beside the policy.
#[derive(Debug)]
pub enum HeldTo {
    /// To no plan: what the files come to now may be done.
    Nothing,
    /// Nothing but what was approved.
    Approved(Approved),
    /// Exactly this plan.
    Saved(Box<SavedPlan>),
}

impl HeldTo {
    /// What is left of a plan that was made just now, and where it is not what it is held to.
    pub fn judge(&self, plan: Plan) -> (Plan, Vec<Refusal>) {
        let (plan, kind, objections) = match self {
            Self::Nothing => return (plan, Vec::new()),
            Self::Approved(approved) => {
                let objections = plan.not_approved(approved);
                (plan, RefusalKind::NotApproved, objections)
            }
            Self::Saved(saved) => {
                let (plan, objections) = plan.again(&saved.plan);
                (plan, RefusalKind::Stale, objections)
            }
        };
        (plan, objections.into_iter().map(|objection| Refusal::of(kind, objection)).collect())
    }

    /// The id of the plan that is held to.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Approved(approved) => Some(approved.id().to_owned()),
            Self::Saved(saved) => Some(saved.plan.id()),
        }
    }
}

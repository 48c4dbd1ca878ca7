//! Putting back what was there. What somebody else has set meanwhile is not ours to take away.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Patience;
use super::measure::Run;
use crate::central_node::{CallError, WriteSettings};
use crate::model::{PreventionRule, Target};

/// With a pause in between; half a minute in all.
const TRIES: u32 = 15;
const PAUSE: Duration = Duration::from_secs(2);

/// What is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// The host may still be isolated by us, for two hours at most.
    Isolation {
        /// What the last try met: a call that failed, or a rule that is still listed. Safe to print.
        why: String,
    },
    /// Somebody has isolated the host while it was probed: that stands.
    IsolatedByOthers,
    /// The host's rule may still have hashes that we sent.
    Prevention {
        /// What the last try met: a call that failed, or a rule that is not yet as it was. Safe to print.
        why: String,
    },
    /// Somebody has changed the host's rule while it was probed: that stands, without our hashes.
    RuleOfOthers,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isolation { why } => {
                write!(f, "the host may still be isolated, for two hours at most ({why}): release it by hand")
            }
            Self::IsolatedByOthers => {
                f.write_str("somebody else has isolated the host meanwhile; that was left as it is")
            }
            Self::Prevention { why } => write!(
                f,
                "the host's prevention rule may still have hashes of this probe, which are of no file or in the rule \
                 for all hosts too ({why}): look at it in the web interface"
            ),
            Self::RuleOfOthers => f.write_str(
                "somebody else has changed the host's prevention rule meanwhile; this probe's hashes are out of it, \
                 and the rest was left as it is",
            ),
        }
    }
}

/// What is not as it was; empty where reading shows that all is.
pub(super) async fn restore<C: WriteSettings, P: Patience>(run: &Run<'_, C, P>) -> Vec<Left> {
    let mut left = Vec::new();
    left.extend(isolation(run).await);
    left.extend(prevention(run).await);
    left
}

async fn isolation<C: WriteSettings, P: Patience>(run: &Run<'_, C, P>) -> Option<Left> {
    let mut why = String::new();
    for _try in 0..TRIES {
        match run.client.isolation(run.sensor).await {
            Ok(None) => return None,
            Ok(Some(rule)) if !run.may_be_ours(&rule) => return Some(Left::IsolatedByOthers),
            Ok(Some(_)) => {
                why = "it is still listed".to_owned();
                if let Err(error) = run.client.delete_isolation(run.sensor).await {
                    why = error.reason();
                    if error.stops_server() {
                        break;
                    }
                }
            }
            Err(error) => {
                why = error.reason();
                if error.stops_server() {
                    break;
                }
            }
        }
        run.patience.wait_anyway(PAUSE).await;
    }
    // Where nothing was sent, nothing of ours can stand there.
    (!run.sent_timeouts.is_empty()).then_some(Left::Isolation { why })
}

async fn prevention<C: WriteSettings, P: Patience>(run: &Run<'_, C, P>) -> Option<Left> {
    if run.sent_hashes.is_empty() {
        return None;
    }
    let target = Target::Sensor(run.sensor);
    let mut why = String::new();
    for _try in 0..TRIES {
        let sent: Result<(), CallError> = match run.client.prevention(target).await {
            Ok(listed) => {
                let none = PreventionRule::default();
                let listed = listed.as_deref().unwrap_or(&none);
                // Not what was there first: what others took out since must not be blocked again.
                let wanted = run.without_ours(listed);
                if wanted.blocks_the_same(listed) {
                    return (!run.is_untouched(listed)).then_some(Left::RuleOfOthers);
                }
                why = "it is not yet as it was".to_owned();
                if wanted.objects.is_empty() {
                    run.client.delete_prevention(target).await
                } else {
                    run.client.set_prevention(target, &Arc::new(wanted)).await
                }
            }
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            why = error.reason();
            if error.stops_server() {
                break;
            }
        }
        run.patience.wait_anyway(PAUSE).await;
    }
    Some(Left::Prevention { why })
}

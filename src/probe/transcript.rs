use std::sync::{Arc, Mutex, PoisonError};

use crate::central_node::{Exchange, Watch};

/// Keeps the last exchange, which a typed client does not show as it was.
#[derive(Debug, Default)]
pub struct Transcript {
    last: Mutex<Option<Seen>>,
    next: Option<Arc<dyn Watch>>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) has_date: bool,
    pub(super) content_type: Option<String>,
    pub(super) sent_bytes: usize,
    pub(super) body: Vec<u8>,
}

impl Transcript {
    /// `next` sees every exchange too.
    pub fn new(next: Option<Arc<dyn Watch>>) -> Self {
        Self { last: Mutex::new(None), next }
    }

    /// The answer to the last call; `None` where there was none.
    pub(super) fn last(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watch for Transcript {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        // After a refusal the client asks for the host list, to tell what the refusal meant: that answer to another
        // question must not hide the one that is looked for. Only what was read whole is a list.
        let is_second_opinion = exchange.call == crate::central_node::Call::Hosts
            && exchange
                .outcome
                .as_ref()
                .is_ok_and(|answered| answered.status == 200 && answered.body.is_empty());
        if !is_second_opinion {
            let seen = match &exchange.outcome {
                Ok(answered) => {
                    let header = |wanted: &str| {
                        answered
                            .headers
                            .iter()
                            .find(|(name, _)| name == wanted)
                            .map(|(_, value)| value.printable().to_string())
                    };
                    Some(Seen {
                        status: answered.status,
                        has_date: header("date").is_some(),
                        content_type: header("content-type"),
                        sent_bytes: exchange.sent_bytes,
                        body: answered.body.to_vec(),
                    })
                }
                Err(_no_answer) => None,
            };
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        }
        if let Some(next) = &self.next {
            next.exchanged(exchange);
        }
    }
}

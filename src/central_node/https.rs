use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::Answer;
use super::body::{BodyError, Broken, read_body};
use super::call::Call;
use super::classify::{Load, may_be_unauthorised, not_understood, of_answer, refusal, says_no_rule};
use super::endpoint::{Endpoint, EndpointError};
use super::error::{CallError, CallErrorKind};
use super::failure::of_transport;
use super::fingerprint::Fingerprint;
use super::known_rules::KnownRules;
use super::limits::Limits;
use super::retry::retried;
use super::route::{Head, PATH, Request, Routes, failure};
use super::throttle::{Bound, Busy, Slot, Throttle};
use super::watch::{Answered, Exchange, Watch, shortened, shown_headers};
use super::wire::{NotUnderstood, read_hosts, read_isolation, read_task, write_isolation, write_task};
use super::{Listing, ReadSettings, TakeTurns, WriteSettings};
use crate::model::{
    Clock, Exclusions, Isolation, ListedTask, PreventionRule, Program, SensorId, Target, TaskId, Timeout,
    Untrusted,
};

/// How much of the text of a refusal is taken in: a clash may list every host.
const REFUSAL_BYTES: usize = 4 << 20;

/// The Response API of one Central Node over mutual TLS.
///
/// Every call may be dropped at any point: what was not sent is not sent, and nothing is left locked.
///
/// `B` is what its requests wait for: each for itself, or all of them in one turn.
#[derive(Debug)]
pub struct HttpsCentralNode<B = Throttle> {
    node: Arc<Node>,
    bound: B,
    watch: Option<Arc<dyn Watch>>,
}

/// One server, and what its answers have told so far.
#[derive(Debug)]
struct Node {
    routes: Routes,
    limits: Limits,
    external_system_id: String,
    client_certificate: Fingerprint,
    rules: KnownRules,
    /// What `GET /sensors` last said about whether this client is authorised, and when.
    authorised: Mutex<Option<(Instant, Result<(), CallError>)>>,
}

/// How much of an answer's body is wanted.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// All of it, up to so many bytes.
    Whole(usize),
    /// Only whether the call succeeded.
    Status,
}

impl HttpsCentralNode {
    /// Sends nothing: the first call connects.
    ///
    /// # Errors
    /// An address, a certificate, a key or an authority that cannot be used.
    pub fn new(endpoint: &Endpoint, limits: Limits) -> Result<Self, EndpointError> {
        endpoint.check()?;
        let (tls, client_certificate) = super::tls::configuration(endpoint)?;
        let node = Node {
            routes: Routes::new(
                &endpoint.urls,
                &endpoint.external_system_id,
                endpoint.concurrency,
                tls,
                limits,
            )?,
            limits,
            external_system_id: endpoint.external_system_id.clone(),
            client_certificate,
            rules: KnownRules::default(),
            authorised: Mutex::new(None),
        };
        Ok(Self { node: Arc::new(node), bound: Throttle::new(endpoint.concurrency), watch: None })
    }

    /// The same client, with somebody who sees every exchange.
    #[must_use]
    pub fn watched_by(self, watch: Arc<dyn Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// What an administrator compares when accepting this client in the web interface.
    pub fn client_certificate(&self) -> Fingerprint {
        self.node.client_certificate
    }
}

impl<B: Bound> HttpsCentralNode<B> {
    /// One read, repeated while that may help. `absent` is what the documented 404 means.
    async fn read<T>(
        &self,
        call: Call,
        clock: Option<&dyn Clock>,
        present: impl Fn(&[u8]) -> Result<T, NotUnderstood>,
        absent: impl Fn() -> Option<T>,
    ) -> Result<(T, Answer), CallError> {
        let (timeout, bytes) = match call {
            Call::Hosts => (self.node.limits.list_answer, self.node.limits.list_bytes),
            Call::Isolation(_)
            | Call::Prevention(_)
            | Call::Task(_)
            | Call::SetIsolation(_)
            | Call::DeleteIsolation(_)
            | Call::SetPrevention(_)
            | Call::DeletePrevention(_)
            | Call::CreateTask(..)
            | Call::DeleteTask(_) => (self.node.limits.answer, self.node.limits.settings_bytes),
        };
        let request = Request { call, body: None, timeout, clock };
        let request = &request;
        let present = &present;
        let absent = &absent;
        let attempt = |count| async move {
            let answer = self.exchange(request, Wanted::Whole(bytes), count).await?;
            if answer.status == StatusCode::OK {
                return match present(&answer.body) {
                    Ok(value) => Ok((value, answer)),
                    Err(why) => Err(not_understood(call, &answer, &why.0)),
                };
            }
            if says_no_rule(&answer)
                && let Some(value) = absent()
            {
                return Ok((value, answer));
            }
            Err(refusal(call, &answer, Load::default()))
        };
        match retried(&self.node.limits.retry, attempt).await {
            Ok(read) => Ok(read),
            Err(error) => Err(self.judged(error).await),
        }
    }

    /// One write, sent once.
    async fn write(&self, call: Call, body: Option<Bytes>, hashes: usize) -> Result<(), CallError> {
        let load = Load { hashes, bytes: body.as_ref().map_or(0, Bytes::len) };
        let request = Request { call, body, timeout: self.node.limits.answer, clock: None };
        let answer = self.exchange(&request, Wanted::Status, 1).await?;
        // The help says 200, and 204 for some calls of the older family; what was set is read back anyway.
        if answer.status.is_success() {
            return Ok(());
        }
        Err(self.judged(refusal(call, &answer, load)).await)
    }

    /// The same error, or a better one where it may mean that this client is not authorised.
    async fn judged(&self, error: CallError) -> CallError {
        let refused_at = Instant::now();
        if !error.status().is_some_and(may_be_unauthorised) {
            return error;
        }
        let verdict = match error.call() {
            // The very call that decides.
            Call::Hosts => Err(error.clone()),
            Call::Isolation(_)
            | Call::Prevention(_)
            | Call::Task(_)
            | Call::SetIsolation(_)
            | Call::DeleteIsolation(_)
            | Call::SetPrevention(_)
            | Call::DeletePrevention(_)
            | Call::CreateTask(..)
            | Call::DeleteTask(_) => self.is_authorised(refused_at).await,
        };
        match verdict {
            Ok(()) => error,
            Err(decisive) => match decisive.kind() {
                CallErrorKind::NotAuthorised => error.with(|failure| {
                    failure.kind = CallErrorKind::NotAuthorised;
                    failure.detail = self.how_to_register();
                }),
                CallErrorKind::CannotConnect
                | CallErrorKind::UntrustedServer
                | CallErrorKind::ClientCertificateRefused
                | CallErrorKind::Incorrect(_)
                | CallErrorKind::Clash { .. }
                | CallErrorKind::TooLarge { .. }
                | CallErrorKind::NoSuchHost
                | CallErrorKind::AlreadyThere
                | CallErrorKind::Overloaded { .. }
                | CallErrorKind::ServerFailed
                | CallErrorKind::AnswerLost
                | CallErrorKind::NotUnderstood => error.with(|failure| {
                    failure.detail = format!(
                        "or this client is not authorised, which could not be found out: {}",
                        decisive.failure()
                    );
                }),
            },
        }
    }

    /// Asks `GET /sensors` without parameters, once for all calls that were refused before it answered.
    async fn is_authorised(&self, refused_at: Instant) -> Result<(), CallError> {
        let mut known = self.node.authorised.lock().await;
        if let Some((answered_at, verdict)) = &*known
            && *answered_at >= refused_at
        {
            return verdict.clone();
        }
        let request =
            Request { call: Call::Hosts, body: None, timeout: self.node.limits.list_answer, clock: None };
        let request = &request;
        let attempt = |count| async move {
            // Without waiting: whoever has all the places may be waiting for this answer.
            let answer = self.exchange_at_once(request, Wanted::Status, count).await?;
            if answer.status == StatusCode::OK {
                Ok(())
            } else {
                Err(refusal(Call::Hosts, &answer, Load::default()))
            }
        };
        let verdict = retried(&self.node.limits.retry, attempt).await;
        *known = Some((Instant::now(), verdict.clone()));
        verdict
    }

    fn encoded<T: Into<Bytes>>(&self, call: Call, body: serde_json::Result<T>) -> Result<Bytes, CallError> {
        body.map(Into::into).map_err(|error| self.not_sent(call, &error.to_string()))
    }

    fn not_sent(&self, call: Call, why: &str) -> CallError {
        let kind = CallErrorKind::Incorrect(Untrusted::new(why));
        failure(call, self.node.routes.label(), kind, format!("not sent: {why}"))
    }

    fn asked_to_wait(&self, call: Call, wait: Duration) -> CallError {
        let kind = CallErrorKind::Overloaded { retry_after: Some(wait) };
        failure(call, self.node.routes.label(), kind, "not sent: it has asked others to wait".to_owned())
    }

    fn how_to_register(&self) -> String {
        format!(
            "an administrator must accept the external system {} with the client certificate of SHA-256 {} in the web \
             interface of the Central Node, where this request has now put it on the list; a new certificate has to \
             be accepted anew",
            self.node.external_system_id, self.node.client_certificate
        )
    }

    /// `attempt` is for whoever watches.
    async fn exchange(
        &self,
        request: &Request<'_>,
        wanted: Wanted,
        attempt: u32,
    ) -> Result<Answer, CallError> {
        // Given back when the whole answer is here.
        let slot = match self.bound.slot(request.call.is_write()).await {
            Ok(slot) => slot,
            Err(wait) => return Err(self.asked_to_wait(request.call, wait)),
        };
        let answer = self.exchange_at_once(request, wanted, attempt).await;
        slot.told(Busy::of(answer.as_ref(), self.node.limits.retry.longest_retry_after));
        answer
    }

    async fn exchange_at_once(
        &self,
        request: &Request<'_>,
        wanted: Wanted,
        attempt: u32,
    ) -> Result<Answer, CallError> {
        let began = Instant::now();
        let answer = self.answer(request, wanted).await;
        if let Some(watch) = &self.watch {
            watch.exchanged(&Exchange {
                server: match &answer {
                    Ok(answer) => &answer.server,
                    Err(error) => error.server(),
                },
                call: request.call,
                path: format!("{PATH}{}/{}", shortened(&self.node.external_system_id), request.call.path()),
                attempt,
                sent_bytes: request.body.as_ref().map_or(0, Bytes::len),
                took: began.elapsed(),
                outcome: answer.as_ref().map(|answer| Answered {
                    status: answer.status.as_u16(),
                    headers: shown_headers(&answer.headers, &self.node.external_system_id),
                    body: &answer.body,
                }),
            });
        }
        answer
    }

    async fn answer(&self, request: &Request<'_>, wanted: Wanted) -> Result<Answer, CallError> {
        let Head { server, mut response, between } = self.node.routes.send(request).await?;
        let headers = std::mem::take(response.headers_mut());
        let mut answer = Answer::new(server, response.status(), headers);
        answer.between = between;
        let (limit, must_be_whole) = match (wanted, answer.status) {
            // The list that only says whether we may ask for it is not read.
            (Wanted::Status, StatusCode::OK) if !request.call.is_write() => return Ok(answer),
            (Wanted::Whole(limit), StatusCode::OK) => (limit, true),
            (Wanted::Whole(limit), StatusCode::NOT_FOUND) => (limit.min(REFUSAL_BYTES), true),
            (Wanted::Whole(_) | Wanted::Status, _) => (REFUSAL_BYTES, false),
        };
        match read_body(response, limit).await {
            Ok(body) => answer.body = body,
            Err(Broken { beginning, why }) => {
                answer.body = beginning;
                if must_be_whole {
                    return Err(self.broken(request, &answer, why));
                }
            }
        }
        Ok(answer)
    }

    fn broken(&self, request: &Request<'_>, answer: &Answer, why: BodyError) -> CallError {
        match why {
            BodyError::TooLong { limit } => of_answer(
                request.call,
                answer,
                CallErrorKind::NotUnderstood,
                format!("it is longer than {limit} bytes"),
            ),
            BodyError::Transport(error) => {
                let (kind, detail) = of_transport(&error, &self.node.limits, request.timeout);
                failure(request.call, &answer.server, kind, detail)
            }
        }
    }
}

impl<B: Bound> ReadSettings for HttpsCentralNode<B> {
    async fn hosts(&self, clock: &dyn Clock) -> Result<Listing, CallError> {
        let (hosts, answer) = self.read(Call::Hosts, Some(clock), read_hosts, || None).await?;
        // A call that is given a clock notes both.
        let (asked, answered) = answer.between.unwrap_or_else(|| (clock.now(), clock.now()));
        Ok(Listing { hosts, date: answer.date(), asked, answered })
    }

    async fn isolation(&self, sensor: SensorId) -> Result<Option<Isolation>, CallError> {
        let present = |body: &[u8]| read_isolation(body).map(Some);
        Ok(self.read(Call::Isolation(sensor), None, present, || Some(None)).await?.0)
    }

    async fn prevention(&self, target: Target) -> Result<Option<Arc<PreventionRule>>, CallError> {
        let present = |body: &[u8]| self.node.rules.read(body);
        Ok(self.read(Call::Prevention(target), None, present, || Some(None)).await?.0)
    }

    async fn task(&self, id: TaskId) -> Result<Option<ListedTask>, CallError> {
        let present = |body: &[u8]| read_task(body).map(Some);
        Ok(self.read(Call::Task(id), None, present, || Some(None)).await?.0)
    }
}

impl<B: Bound> WriteSettings for HttpsCentralNode<B> {
    async fn set_isolation(
        &self,
        sensor: SensorId,
        timeout: Timeout,
        exclusions: &Exclusions,
    ) -> Result<(), CallError> {
        let call = Call::SetIsolation(sensor);
        let body = self.encoded(call, write_isolation(timeout, exclusions.iter()))?;
        self.write(call, Some(body), 0).await
    }

    async fn delete_isolation(&self, sensor: SensorId) -> Result<(), CallError> {
        self.write(Call::DeleteIsolation(sensor), None, 0).await
    }

    async fn set_prevention(&self, target: Target, rule: &Arc<PreventionRule>) -> Result<(), CallError> {
        let call = Call::SetPrevention(target);
        if rule.objects.is_empty() {
            // To the server this would be a removal, which has a call of its own.
            return Err(self.not_sent(call, "a rule without objects; a rule is removed by deleting it"));
        }
        let body = self.encoded(call, self.node.rules.write(rule))?;
        self.write(call, Some(body), rule.objects.len()).await
    }

    async fn delete_prevention(&self, target: Target) -> Result<(), CallError> {
        self.write(Call::DeletePrevention(target), None, 0).await
    }

    async fn create_task(&self, id: TaskId, sensor: SensorId, program: &Program) -> Result<(), CallError> {
        let call = Call::CreateTask(id, sensor);
        let body = self.encoded(call, write_task(program))?;
        self.write(call, Some(body), 0).await
    }

    async fn delete_task(&self, id: TaskId) -> Result<(), CallError> {
        self.write(Call::DeleteTask(id), None, 0).await
    }
}

/// See [`TakeTurns`].
#[derive(Debug)]
pub struct Turn<'a>(HttpsCentralNode<Slot<'a>>);

impl<'a> Deref for Turn<'a> {
    type Target = HttpsCentralNode<Slot<'a>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl TakeTurns for HttpsCentralNode {
    type Turn<'a> = Turn<'a>;

    async fn turn(&self) -> Turn<'_> {
        let bound = self.bound.free_slot().await;
        Turn(HttpsCentralNode { node: Arc::clone(&self.node), bound, watch: self.watch.clone() })
    }
}

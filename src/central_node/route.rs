//! Which address of a server is used: the first that answers the first request, for the whole run.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{Client, Response, Url};
use rustls::ClientConfig;
use tokio::sync::Mutex;

use super::call::{Base, Call};
use super::endpoint::EndpointError;
use super::error::{CallError, CallErrorKind, Failure};
use super::failure::of_transport;
use super::limits::Limits;
use crate::model::{Clock, Untrusted};

/// Shorter than the time after which web servers close idle connections: a request that meets a closing connection
/// may have been carried out, and has to be settled by reading.
const IDLE: Duration = Duration::from_secs(10);

/// What every call's path begins with; the external system's id follows.
pub(super) const PATH: &str = "/kata/response_api/v1/";

/// One request, ready to be sent to whichever address.
pub(super) struct Request<'a> {
    pub(super) call: Call,
    pub(super) body: Option<Bytes>,
    /// For the whole exchange, from the connection to the last byte of the answer.
    pub(super) timeout: Duration,
    /// Ours, where the answer's `Date` will be compared with it.
    pub(super) clock: Option<&'a dyn Clock>,
}

/// The head of an answer; its body is still to be read.
pub(super) struct Head {
    /// As messages show it.
    pub(super) server: Arc<str>,
    pub(super) response: Response,
    /// The moments before the request and after this head, where they were asked for.
    pub(super) between: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug)]
pub(super) struct Routes {
    addresses: Vec<Address>,
    tls: ClientConfig,
    limits: Limits,
    concurrency: usize,
    chosen: OnceLock<Arc<Route>>,
    choosing: Mutex<()>,
}

/// One declared address.
#[derive(Debug)]
struct Address {
    /// `https://kata.example.org`, as messages show it.
    label: Arc<str>,
    /// As it stands in URLs and is looked up; IPv6 without brackets.
    host: String,
    port: u16,
    base: Base,
}

/// One address that a declared one stands for, and the connections to it.
#[derive(Debug)]
struct Route {
    label: Arc<str>,
    base: Base,
    client: Client,
}

impl Routes {
    pub(super) fn new(
        urls: &[(String, u16)],
        external_system_id: &str,
        concurrency: usize,
        tls: ClientConfig,
        limits: Limits,
    ) -> Result<Self, EndpointError> {
        let addresses = urls
            .iter()
            .map(|(host, port)| Address::new(host, *port, external_system_id))
            .collect::<Result<_, _>>()?;
        let routes = Self {
            addresses,
            tls,
            limits,
            concurrency: concurrency.max(1),
            chosen: OnceLock::new(),
            choosing: Mutex::new(()),
        };
        // Whatever could be wrong with the configuration shows here, before any request.
        routes.client(None).map_err(|error| EndpointError::Client(error.to_string()))?;
        Ok(routes)
    }

    /// Sends the request and waits for the head of its answer.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Head, CallError> {
        if let Some(route) = self.chosen.get() {
            return route.send(request, &self.limits).await;
        }
        let _alone = self.choosing.lock().await;
        if let Some(route) = self.chosen.get() {
            return route.send(request, &self.limits).await;
        }
        let mut failed = Vec::new();
        for address in &self.addresses {
            let places = match self.look_up(address).await {
                Ok(places) => places,
                Err(why) => {
                    failed.push(failure(request.call, &address.label, CallErrorKind::CannotConnect, why));
                    continue;
                }
            };
            for place in places {
                let route = self.route(address, place, request.call)?;
                match route.send(request, &self.limits).await {
                    Ok(answered) => {
                        // Nobody else chooses while we hold the lock.
                        self.chosen.get_or_init(|| Arc::new(route));
                        return Ok(answered);
                    }
                    Err(error) if may_try_next(&error) => failed.push(error),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(together(request.call, self.label(), failed))
    }

    /// What a message calls the server when no address has been asked.
    pub(super) fn label(&self) -> &str {
        match (self.chosen.get(), self.addresses.first()) {
            (Some(route), _) => &route.label,
            (None, Some(address)) => &address.label,
            (None, None) => "",
        }
    }

    /// The addresses that a name has.
    async fn look_up(&self, address: &Address) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, address.port)]);
        }
        let name = (address.host.clone(), address.port);
        let looking =
            tokio::task::spawn_blocking(move || name.to_socket_addrs().map(Iterator::collect::<Vec<_>>));
        let places = match tokio::time::timeout(self.limits.connect, looking).await {
            Ok(Ok(Ok(places))) => places,
            Ok(Ok(Err(error))) => {
                return Err(format!(
                    "the name {} is not found ({}); check `url`",
                    address.host,
                    Untrusted::new(error.to_string()).printable()
                ));
            }
            Ok(Err(stopped)) => {
                return Err(format!("looking up the name {} was stopped ({stopped})", address.host));
            }
            Err(_elapsed) => return Err(format!("looking up the name {} takes too long", address.host)),
        };
        if places.is_empty() { Err(format!("the name {} has no address", address.host)) } else { Ok(places) }
    }

    fn route(&self, address: &Address, place: SocketAddr, call: Call) -> Result<Route, CallError> {
        let client = self.client(Some((&address.host, place))).map_err(|error| {
            failure(call, &address.label, CallErrorKind::CannotConnect, innermost_text(&error))
        })?;
        Ok(Route { label: Arc::clone(&address.label), base: address.base.clone(), client })
    }

    fn client(&self, place: Option<(&str, SocketAddr)>) -> reqwest::Result<Client> {
        let builder = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Also what HTTP/2 allows to repeat: a write is sent once.
            .retry(reqwest::retry::never())
            .connect_timeout(self.limits.connect)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.concurrency)
            .user_agent(concat!("kedrctl/", env!("CARGO_PKG_VERSION")));
        match place {
            Some((host, place)) => builder.resolve(host, place),
            None => builder,
        }
        .build()
    }
}

impl Address {
    fn new(host: &str, port: u16, external_system_id: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError::BadAddress(format!("{host}:{port}"));
        let in_url = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let path = format!("{PATH}{external_system_id}/");
        let url = Url::parse(&format!("https://{in_url}:{port}{path}")).map_err(|_not_a_url| bad())?;
        // A host with `/`, `?` or `@` in it would have become something else.
        if url.path() != path || url.port_or_known_default() != Some(port) || !url.username().is_empty() {
            return Err(bad());
        }
        let host = url.host_str().ok_or_else(bad)?;
        let label = url.origin().ascii_serialization();
        Ok(Self {
            label: label.into(),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            base: Base::new(url),
        })
    }
}

impl Route {
    async fn send(&self, request: &Request<'_>, limits: &Limits) -> Result<Head, CallError> {
        let url = request.call.url(&self.base);
        let mut builder = self
            .client
            .request(request.call.method(), url)
            .timeout(request.timeout)
            .header(http::header::ACCEPT, "application/json");
        if let Some(body) = &request.body {
            builder = builder.header(http::header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let asked = request.clock.map(Clock::now);
        match builder.send().await {
            Ok(response) => {
                let between = asked.zip(request.clock.map(Clock::now));
                Ok(Head { server: Arc::clone(&self.label), response, between })
            }
            Err(error) => {
                let (kind, detail) = of_transport(&error, limits, request.timeout);
                Err(failure(request.call, &self.label, kind, detail))
            }
        }
    }
}

/// Whether another address may be asked the same: nothing was sent, or it was a read.
fn may_try_next(error: &CallError) -> bool {
    match error.kind() {
        CallErrorKind::CannotConnect | CallErrorKind::UntrustedServer => true,
        CallErrorKind::AnswerLost => !error.call().is_write(),
        CallErrorKind::ClientCertificateRefused
        | CallErrorKind::NotAuthorised
        | CallErrorKind::Incorrect(_)
        | CallErrorKind::Clash { .. }
        | CallErrorKind::TooLarge { .. }
        | CallErrorKind::NoSuchHost
        | CallErrorKind::AlreadyThere
        | CallErrorKind::Overloaded { .. }
        | CallErrorKind::ServerFailed
        | CallErrorKind::NotUnderstood => false,
    }
}

/// One error of those of all addresses, none of which answered.
fn together(call: Call, label: &str, failed: Vec<CallError>) -> CallError {
    // What somebody has to change says more than that another address was silent.
    let telling = failed.iter().find(|error| error.stops_server()).or_else(|| failed.first());
    let Some(telling) = telling else {
        return failure(call, label, CallErrorKind::CannotConnect, "no address is known".to_owned());
    };
    if failed.len() == 1 {
        return telling.clone();
    }
    let mut details = Vec::new();
    for error in &failed {
        let detail = format!("{}: {}", error.server(), error.failure().detail);
        if !details.contains(&detail) {
            details.push(detail);
        }
    }
    telling.with(|failure| failure.detail = format!("no address answered; {}", details.join("; ")))
}

pub(super) fn failure(call: Call, server: &str, kind: CallErrorKind, detail: String) -> CallError {
    Failure { call, server: server.into(), kind, detail, status: None, body: None, attempts: 1 }.into()
}

fn innermost_text(error: &reqwest::Error) -> String {
    Untrusted::new(error.to_string()).printable().to_string()
}

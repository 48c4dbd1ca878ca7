//! The host lists of several servers: which could be had, and which sensors more than one of them has.

use std::collections::BTreeMap;

use super::{Connected, clock};
use crate::central_node::{CallError, CallErrorKind, Listing, ReadSettings};
use crate::model::{Clock, SensorId, ServerName};
use crate::plan::{ServerClock, ServerState};

/// A host list with the clock that it was made by; or why nothing is known of the server's hosts.
pub(super) type Listed = Result<(Listing, ServerClock), ServerState>;

pub(super) async fn list<C: ReadSettings, K: Clock>(server: &Connected<C>, clock: &K) -> Listed {
    let listing = server.client.hosts(clock).await.map_err(|error| without_list(&error))?;
    let clock = clock::compare(&listing, server.clock_tolerance);
    Ok((listing, clock))
}

pub(super) type Owners = BTreeMap<SensorId, Vec<ServerName>>;

/// Which servers list each sensor; only worth making where there are several servers.
pub(super) fn listed_by<C>(servers: &[Connected<C>], listings: &[Listed]) -> Owners {
    let mut owners = Owners::new();
    if servers.len() < 2 {
        return owners;
    }
    for (server, listing) in servers.iter().zip(listings) {
        if let Ok((listing, _)) = listing {
            for sensor in listing.hosts.sensors.keys() {
                owners.entry(*sensor).or_default().push(server.name.clone());
            }
        }
    }
    owners
}

pub(super) fn elsewhere(owners: &Owners, server: &ServerName) -> BTreeMap<SensorId, ServerName> {
    owners
        .iter()
        .filter(|(_, servers)| servers.contains(server))
        .filter_map(|(sensor, servers)| {
            Some((*sensor, servers.iter().find(|other| *other != server)?.clone()))
        })
        .collect()
}

/// What a server is whose host list could not be had: not there for us, or there and not to be understood.
fn without_list(error: &CallError) -> ServerState {
    let why = error.to_string();
    let is_lost = matches!(error.kind(), CallErrorKind::CannotConnect | CallErrorKind::AnswerLost);
    if is_lost || error.stops_server() {
        ServerState::Unreachable { why }
    } else {
        ServerState::ListNotBelieved { why }
    }
}

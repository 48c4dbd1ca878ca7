//! Which clients the administrator has accepted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// A client is its certificate **and** its external system id: a new certificate means registering again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientIdentity {
    /// SHA-256 of the certificate's DER, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Usually a UUID.
    pub external_system_id: String,
}

/// A client that has called and is not accepted yet, as the web interface would list it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingClient {
    /// Who asks.
    pub identity: ClientIdentity,
    /// When it called first.
    pub first_seen: Timestamp,
}

/// The clients that have called, accepted or not.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// How long the administrator takes to accept a client; `None`: until told to.
    pub approve_after: Option<SignedDuration>,
    clients: BTreeMap<ClientIdentity, Standing>,
}

/// What is known of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When it called first, or was accepted ahead of that.
    pub first_seen: Timestamp,
    /// Whether its calls are answered.
    pub accepted: bool,
}

impl Registration {
    /// Whether this client's calls are answered; an unknown one is listed as pending from now on.
    pub fn admit(&mut self, identity: &ClientIdentity, now: Timestamp) -> bool {
        let approve_after = self.approve_after;
        let standing =
            self.clients.entry(identity.clone()).or_insert(Standing { first_seen: now, accepted: false });
        standing.accepted |=
            approve_after.is_some_and(|wait| now.duration_since(standing.first_seen) >= wait);
        standing.accepted
    }

    /// Accepts a client, whether it has called already or not.
    pub fn approve(&mut self, identity: &ClientIdentity, now: Timestamp) {
        self.clients
            .entry(identity.clone())
            .or_insert(Standing { first_seen: now, accepted: false })
            .accepted = true;
    }

    /// Forgets a client: its next call is one of an unknown one. False when it was not known.
    pub fn revoke(&mut self, identity: &ClientIdentity) -> bool {
        self.clients.remove(identity).is_some()
    }

    /// Clients that wait for approval.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingClient> {
        let waiting = self.clients.iter().filter(|(_, standing)| !standing.accepted);
        waiting
            .map(|(identity, standing)| PendingClient {
                identity: identity.clone(),
                first_seen: standing.first_seen,
            })
            .collect()
    }

    /// All clients, for the state file.
    pub fn clients(&self) -> impl Iterator<Item = (&ClientIdentity, Standing)> {
        self.clients.iter().map(|(identity, standing)| (identity, *standing))
    }

    /// Puts a client back as the state file had it.
    pub fn restore(&mut self, identity: ClientIdentity, standing: Standing) {
        self.clients.insert(identity, standing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(fingerprint: &str) -> ClientIdentity {
        ClientIdentity { fingerprint: fingerprint.into(), external_system_id: "soc".into() }
    }

    #[test]
    fn an_unknown_client_waits_for_approval() {
        let mut registration = Registration::default();
        let now = Timestamp::UNIX_EPOCH;
        assert!(!registration.admit(&identity("a"), now));
        assert_eq!(registration.pending().len(), 1);
        registration.approve(&identity("a"), now);
        assert!(registration.admit(&identity("a"), now));
        assert!(!registration.admit(&identity("b"), now), "another certificate registers again");
        assert!(registration.revoke(&identity("a")));
        assert!(!registration.admit(&identity("a"), now));
    }

    #[test]
    fn the_administrator_may_take_a_while() {
        let wait = SignedDuration::from_mins(5);
        let mut registration = Registration { approve_after: Some(wait), ..Registration::default() };
        let start = Timestamp::UNIX_EPOCH;
        assert!(!registration.admit(&identity("a"), start));
        assert!(registration.admit(&identity("a"), start + wait));
    }
}

use std::fmt;
use std::sync::Arc;

/// The name by which a state file calls a Central Node. Free to change: nothing is recorded under it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerName(Arc<str>);

impl ServerName {
    /// A name as it is, with no check of its form.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as files write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The identity of a server in the record: `kata.example.org_443`, or `simulator_<world id>`.
///
/// It names the chain and the lock, so that renaming a server in the file changes nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(Arc<str>);

impl ServerKey {
    /// Host and port of a server's first address, in lower case; `:` becomes `_`, so that the key can name a file.
    pub fn of_address(host: &str, port: u16) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Self(format!("{host}:{port}").replace(':', "_").into())
    }

    /// The world of a simulator, which has no lasting address.
    pub fn of_simulator(world_id: &str) -> Self {
        Self(format!("simulator_{world_id}").into())
    }

    /// As it was written down once.
    pub fn as_recorded(key: impl Into<Arc<str>>) -> Self {
        Self(key.into())
    }

    /// The key as the record writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_can_name_a_file() {
        assert_eq!(ServerKey::of_address("KATA.example.org", 443).as_str(), "kata.example.org_443");
        assert_eq!(ServerKey::of_address("[2001:db8::1]", 8443).as_str(), "2001_db8__1_8443");
    }
}

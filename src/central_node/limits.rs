use std::time::Duration;

/// How long the client waits and how much it takes in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For name, connection and TLS handshake of one address.
    pub connect: Duration,
    /// For one whole exchange, except that of the host list.
    pub answer: Duration,
    /// For the whole exchange of the host list, which a server makes of its whole fleet.
    pub list_answer: Duration,
    /// Bytes of any answer but the host list: 32 MiB are about 400,000 hashes.
    pub settings_bytes: usize,
    /// Bytes of the host list: 256 MiB are about 400,000 hosts.
    pub list_bytes: usize,
    /// For each read, also that of the host list.
    pub retry: Retry,
}

/// How reads are repeated. Writes never are.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// With the first; at least 1.
    pub attempts: u32,
    /// Doubled after every attempt, with jitter.
    pub first_delay: Duration,
    /// Where the doubling ends; jitter comes on top.
    pub longest_delay: Duration,
    /// The most that a server's `Retry-After` is waited for.
    pub longest_retry_after: Duration,
    /// No pause before an attempt ends later than this after the first attempt.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            list_answer: Duration::from_secs(300),
            settings_bytes: 32 << 20,
            list_bytes: 256 << 20,
            retry: Retry::default(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(10),
            longest_retry_after: Duration::from_secs(60),
            total: Duration::from_secs(300),
        }
    }
}

/// Whether a lock is ours for certain, by our own clocks alone. Clones speak of the same lock.
#[derive(Debug, Clone)]
pub struct Lease(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// As long as the process lives.
    Lasting,
    #[cfg(test)]
    Watched(std::sync::Arc<std::sync::atomic::AtomicBool>),
}

impl Lease {
    /// A lock that only the end of its process ends (a file lock of the operating system).
    pub fn lasting() -> Self {
        Self(Kind::Lasting)
    }

    /// Ours as long as this says so.
    #[cfg(test)]
    pub(crate) fn watched(is_sure: std::sync::Arc<std::sync::atomic::AtomicBool>) -> Self {
        Self(Kind::Watched(is_sure))
    }

    /// Nothing may be sent once this is false: somebody else may hold the lock by now.
    pub fn is_sure(&self) -> bool {
        match &self.0 {
            Kind::Lasting => true,
            #[cfg(test)]
            Kind::Watched(is_sure) => is_sure.load(std::sync::atomic::Ordering::Relaxed),
        }
    }
}

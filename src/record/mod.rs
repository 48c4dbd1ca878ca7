//! What was done, since when, why and by whom.
//!
//! The journal is one chain of segments per server; everything else (the ledger: what we set last, per subject)
//! is derived from it and can be derived again.

mod recorded;

pub use recorded::*;

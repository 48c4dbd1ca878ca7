//! The judge of a plan: protected hosts, never-blocked files, limits, owners. Shares no code with `plan`.

mod verdict;

pub use verdict::{Judgement, Refusal, RefusalKind};

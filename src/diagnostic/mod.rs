//! Files by id, places in them, problems with code and help, and how they are drawn.

mod code;
mod draw;
mod problem;
mod sources;

pub use code::Code;
pub use draw::{Look, draw};
pub use problem::{Label, Problem, Severity, in_source_order};
pub use sources::{FileId, Place, Sources, Span};

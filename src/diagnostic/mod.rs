//! Files by id, places in them, problems with code and help, how they are drawn, and what each code means.

mod code;
mod draw;
mod explain;
mod nearest;
mod problem;
mod sources;

pub use code::Code;
pub use draw::{Look, draw};
pub use explain::{Example, Explanation, explain};
pub use nearest::nearest;
pub use problem::{Label, Problem, Severity, in_source_order};
pub use sources::{FileId, Place, Position, Sources, Span, masked};

//! The parts of the table, each a file.

mod against_bare_loop;
mod against_peers;
mod hash_lists;
mod long_record;
mod states;

use crate::markdown::Section;
use crate::scale::Scale;

type Part = fn(&Scale) -> Section;

/// In the order of the table.
pub(crate) const ALL: [(&str, Part); 6] = [
    ("plan", against_bare_loop::plan),
    ("apply", against_bare_loop::apply),
    ("peers", against_peers::measure),
    ("states", states::measure),
    ("hash-lists", hash_lists::measure),
    ("record", long_record::measure),
];

//! As many problems, and as much of each, as anybody reads: a file can be wrong in millions of places.

use crate::diagnostic::{Code, Problem};

/// So many problems are kept, and as many errors again, so that warnings do not crowd them out.
const MAX_PROBLEMS: usize = 10_000;

/// Bytes of one text: problems quote what stands in a file.
const MAX_TEXT: usize = 1_000;

pub(super) fn add(problems: &mut Vec<Problem>, mut problem: Problem) {
    let is_kept = problems.len() < MAX_PROBLEMS || (problem.is_error() && problems.len() < 2 * MAX_PROBLEMS);
    if is_kept {
        shorten(&mut problem.message);
        problem.labels.iter_mut().for_each(|label| shorten(&mut label.text));
        problem.help.iter_mut().for_each(shorten);
        problems.push(problem);
    }
}

/// What is said where not all are kept.
pub(super) fn rest(problems: &[Problem]) -> Option<Problem> {
    let is_cut = problems.len() >= MAX_PROBLEMS && problems.iter().any(Problem::is_error);
    is_cut.then(|| {
        Problem::new(
            Code::TooLarge,
            format!("only {} problems are shown, and there may be more", problems.len()),
        )
        .help("mend these first; where one cause has them all, `kedrctl explain` says more about its code")
    })
}

fn shorten(text: &mut String) {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

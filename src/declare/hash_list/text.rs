//! One hash a line, `#` comments.

use std::io::BufRead;

use super::account::{Account, End, Named};
use super::lines::Lines;
use crate::model::FileHash;

pub(super) fn read(input: &mut dyn BufRead, offset: u64, account: &mut Account<'_>) -> Result<(), End> {
    let mut lines = Lines::new(input, offset);
    while lines.advance()? {
        let line = lines.text()?;
        let (before, comment) = match line.split_once('#') {
            Some((before, comment)) => (before, Some(comment.trim())),
            None => (line, None),
        };
        let text = before.trim();
        if text.is_empty() {
            continue;
        }
        let start = text.as_ptr() as usize - line.as_ptr() as usize;
        let spot = || lines.spot(start, start + text.len());
        let wrong_before = account.wrong.len();
        if let Some(hash) = account.hash(text, None, spot) {
            let comment = comment.filter(|text| !text.is_empty());
            account.file(&Named { comment, line: lines.number(), ..Named::of(hash) })?;
        } else if let Some(wrong) = account.wrong.get_mut(wrong_before) {
            // As sha256sum prints it.
            let first = text.split_whitespace().next().unwrap_or(text);
            if first.len() < text.len() && first.parse::<FileHash>().is_ok() {
                wrong.help = Some("put what follows the hash behind a `#`".to_owned());
            }
        }
    }
    Ok(())
}

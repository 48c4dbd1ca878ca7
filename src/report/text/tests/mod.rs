//! Golden texts of plans made by hand.

mod everything;
mod special;

use super::*;
use crate::report::View;
use crate::terminal::Palette;

const PLAN: TextOptions =
    TextOptions { view: View::Plan, full: false, summary: false, palette: Palette::OFF };
const FULL: TextOptions = TextOptions { full: true, ..PLAN };
const DRIFT: TextOptions = TextOptions { view: View::Drift { require_contact: false }, ..PLAN };

fn written(value: &Plan, judgement: &Judgement, options: &TextOptions) -> String {
    let mut out = Vec::new();
    plan(value, judgement, "7c1e44d0", options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

//! Rows of aligned columns: every cell is made safe to print, measured by what a terminal shows, then painted.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::escape;
use crate::terminal::{Paint, Palette};

const GAP: usize = 3;

/// One piece of a row. Its text is safe to print: this is the only way to make one.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(super) fn new(text: impl AsRef<str>, paint: Paint) -> Self {
        Self { text: escape::line(text.as_ref()).into_owned(), paint }
    }

    pub(super) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Paint::Plain)
    }

    /// What stands in it, without its colour; safe to print.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn width(&self) -> usize {
        self.text.width()
    }
}

/// A row, with the lines that stand below it and take no part in the columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) mark: Option<Cell>,
    pub(super) cells: Vec<Cell>,
    pub(super) below: Vec<Vec<Cell>>,
}

/// Rows that share their columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// A cell wider than this does not widen its column for all others; it pushes only what follows it.
    pub(super) widest: Vec<usize>,
    /// Narrowest that a column gets.
    pub(super) narrowest: Vec<usize>,
    pub(super) indent: usize,
}

impl Table {
    pub(super) fn write(&self, palette: Palette, out: &mut impl Write) -> io::Result<()> {
        let starts = self.starts();
        for row in &self.rows {
            write!(out, "{:indent$}", "", indent = self.indent)?;
            if let Some(mark) = &row.mark {
                write!(out, "{} ", palette.paint(mark.paint, &mark.text))?;
            }
            let mut at = 0;
            for (cell, start) in row.cells.iter().zip(&starts) {
                if cell.text.is_empty() {
                    continue;
                }
                // Where a wide cell has passed the column's start, only the gap separates the two.
                let pad = if at == 0 { *start } else { start.saturating_sub(at).max(GAP) };
                write!(out, "{:pad$}{}", "", palette.paint(cell.paint, &cell.text))?;
                at += pad + cell.width();
            }
            writeln!(out)?;
            for line in &row.below {
                write!(out, "{:indent$}", "", indent = self.indent + 4)?;
                write_cells(line, palette, out)?;
            }
        }
        Ok(())
    }

    /// Where each column starts, counted from the first.
    fn starts(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let mut starts = Vec::with_capacity(columns);
        let mut start = 0;
        for column in 0..columns {
            starts.push(start);
            let widest = self.widest.get(column).copied().unwrap_or(usize::MAX);
            let width = self
                .rows
                .iter()
                .filter_map(|row| row.cells.get(column))
                .map(Cell::width)
                .filter(|width| *width <= widest)
                .max()
                .unwrap_or(0)
                .max(self.narrowest.get(column).copied().unwrap_or(0));
            // A column in which nothing stands takes no room.
            start += if width == 0 { 0 } else { width + GAP };
        }
        starts
    }
}

/// Cells one after the other, with nothing between them, and a line break.
pub(super) fn write_cells(cells: &[Cell], palette: Palette, out: &mut impl Write) -> io::Result<()> {
    for cell in cells {
        write!(out, "{}", palette.paint(cell.paint, &cell.text))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table) -> String {
        let mut out = Vec::new();
        table.write(Palette::OFF, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn row(cells: &[&str]) -> Row {
        Row { cells: cells.iter().map(Cell::plain).collect(), ..Row::default() }
    }

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let table = Table {
            rows: vec![row(&["日本", "x"]), row(&["abcdef", "y"]), row(&["", "z"])],
            ..Table::default()
        };
        assert_eq!(written(&table), "日本     x\nabcdef   y\n         z\n");
    }

    #[test]
    fn one_long_cell_does_not_push_all_others() {
        let table = Table {
            rows: vec![row(&["abcdefgh", "x"]), row(&["abc", "y"])],
            widest: vec![5],
            ..Table::default()
        };
        assert_eq!(written(&table), "abcdefgh   x\nabc   y\n");
    }

    #[test]
    fn nothing_is_left_at_the_end_of_a_line() {
        let table = Table { rows: vec![row(&["a", "", ""]), row(&["b", "c", ""])], ..Table::default() };
        assert_eq!(written(&table), "a\nb   c\n");
    }
}

//! The table: what every part measured, as Markdown.

use std::fmt::Write as _;
use std::path::Path;

/// A heading, what is to be known before its figures, and the figures.
#[derive(Debug)]
pub(crate) struct Section {
    title: &'static str,
    notes: Vec<String>,
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Section {
    pub(crate) fn new(title: &'static str, columns: &'static [&'static str]) -> Self {
        Self { title, notes: Vec::new(), columns, rows: Vec::new() }
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// `cells`: one for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "{cells:?}");
        // Whoever waits sees how far it is.
        eprintln!("  {}", cells.join("  "));
        self.rows.push(cells);
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let columns: Vec<String> = self.columns.iter().map(|&column| column.to_owned()).collect();
        // The first column is words, the others are figures.
        let rule: Vec<String> =
            (0..columns.len()).map(|n| if n == 0 { "---" } else { "---:" }.to_owned()).collect();
        for cells in [&columns, &rule].into_iter().chain(&self.rows) {
            text.push_str(&line(cells));
        }
        for note in &self.notes {
            write!(text, "\n{note}\n").unwrap();
        }
        text
    }
}

pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        short if short < 0.1 => format!("{:.0} ms", short * 1e3),
        short if short < 10.0 => format!("{short:.2} s"),
        long => format!("{long:.1} s"),
    }
}

pub(crate) fn times(times: f64) -> String {
    // Of what was too short to be measured.
    if !times.is_finite() {
        return "–".to_owned();
    }
    if times < 10.0 { format!("{times:.2}") } else { format!("{times:.0}") }
}

pub(crate) fn mebibytes(mebibytes: f64) -> String {
    format!("{mebibytes:.0} MiB")
}

/// `10,000`
pub(crate) fn count(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What stood there before, with this section in the place of that of the same heading.
fn joined(before: &str, machine: &str, title: &str, measured: &str) -> String {
    let heading = |section: &str| section.lines().next().unwrap_or_default().to_owned();
    let mut sections: Vec<(String, String)> =
        before.split("### ").skip(1).map(|section| (heading(section), format!("### {section}"))).collect();
    match sections.iter_mut().find(|(before, _)| before == title) {
        Some((_, known)) => measured.clone_into(known),
        None => sections.push((title.to_owned(), measured.to_owned())),
    }
    let mut text = format!("{machine}\n");
    for (_, section) in sections {
        write!(text, "\n{}\n", section.trim_end()).unwrap();
    }
    text
}

const BEGIN: &str = "<!-- measured: `cargo bench -- --write` writes what stands below -->\n";
const END: &str = "<!-- measured: end -->\n";

/// Puts a section between the marks of a page; the others stay.
#[expect(clippy::disallowed_methods, reason = "a page of the working tree, which git has")]
pub(crate) fn write_into(page: &Path, machine: &str, section: &Section) {
    let written = std::fs::read_to_string(page).unwrap();
    let (before, rest) = written.split_once(BEGIN).unwrap();
    let (standing, behind) = rest.split_once(END).unwrap();
    let text = joined(standing, machine, section.title, &section.markdown());
    std::fs::write(page, format!("{before}{BEGIN}\n{text}\n{END}{behind}")).unwrap();
}

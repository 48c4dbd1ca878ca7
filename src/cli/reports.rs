//! Where the answer of plan and drift goes: to stdout in one format, and into files in others.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::Exit;
use super::page::Around;
use super::start::Failure;
use super::whole_file::{Readers, folder_of, write_whole};
use crate::guard::Judgement;
use crate::model::ServerName;
use crate::plan::Plan;
use crate::record::Recorded;
use crate::report::since::Since;
use crate::report::{self, NoPlan, TextOptions, Told, View, sarif};
use crate::terminal::{Palette, Printed, Ui};

/// How the answer of plan and drift is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people
    Text,
    /// One documented document
    Json,
    /// A comment for a merge request, under 65,000 characters
    Markdown,
    /// A test case for each managed aspect of each host
    Junit,
    /// SARIF 2.1.0: each difference at the line that declares it
    Sarif,
    /// Gauges for the textfile collector
    Prometheus,
    /// A row for each managed aspect of each host
    Csv,
    /// One page for a browser, which needs no network
    Html,
}

/// How results are shown.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputFlags {
    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(super) format: PlanFormat,

    /// Write the result into a file too, such as `junit=report.xml`; repeatable, whole or not at all, and also where
    /// there is no result: then it says why
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub(super) reports: Vec<ReportFile<PlanFormat>>,

    #[command(flatten)]
    pub(super) length: LengthFlags,
}

/// How long text is.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct LengthFlags {
    /// Show long lists whole instead of cutting them with a count
    #[arg(long)]
    pub(super) full: bool,

    /// Show only how many of what, and which lines ask for most of it
    #[arg(long, conflicts_with = "full")]
    pub(super) summary: bool,
}

impl LengthFlags {
    pub(super) const FULL: Self = Self { full: true, summary: false };

    pub(super) fn text_options(self, view: View, palette: Palette) -> TextOptions {
        TextOptions { view, full: self.full, summary: self.summary, palette }
    }
}

/// Which program says so, in SARIF.
pub(super) const DRIVER: sarif::Driver<'static> =
    sarif::Driver { version: env!("CARGO_PKG_VERSION"), repository: env!("CARGO_PKG_REPOSITORY") };

/// `FORMAT=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportFile<F> {
    pub(super) format: F,
    pub(super) path: PathBuf,
}

impl<F: ValueEnum> FromStr for ReportFile<F> {
    type Err = NoReport;

    fn from_str(text: &str) -> Result<Self, NoReport> {
        let (format, path) = text.split_once('=').ok_or(NoReport::NoFile)?;
        if path.is_empty() {
            return Err(NoReport::NoFile);
        }
        let format = F::from_str(format, false).map_err(|_unknown| {
            let values = F::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let known = values.map(|value| value.get_name().to_owned()).collect();
            NoReport::NoFormat { format: format.to_owned(), known }
        })?;
        Ok(Self { format, path: PathBuf::from(path) })
    }
}

/// What is wrong with a `--report`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoReport {
    NoFile,
    NoFormat { format: String, known: Vec<String> },
}

impl fmt::Display for NoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("write FORMAT=FILE, such as `json=plan.json`"),
            Self::NoFormat { format, known } => {
                write!(f, "there is no format `{format}`; there are {}", known.join(", "))
            }
        }
    }
}

impl std::error::Error for NoReport {}

/// What a look found, and how the command ends by it.
pub(super) struct Answer {
    pub(super) plan: Plan,
    pub(super) judgement: Judgement,
    pub(super) recorded: BTreeMap<ServerName, Recorded>,
    pub(super) since: Option<Since>,
    /// For pages.
    pub(super) around: Around,
    pub(super) exit: Exit,
}

impl OutputFlags {
    /// Whether anything is written in this format.
    pub(super) fn has(&self, format: PlanFormat) -> bool {
        self.format == format || self.reports.iter().any(|report| report.format == format)
    }

    /// Does the work, and writes what came of it wherever it is wanted. Where there is no plan, stdout (but for text)
    /// and every file say why.
    pub(super) fn answer(
        &self,
        ui: &Ui,
        view: View,
        work: impl FnOnce() -> Result<Answer, Failure>,
    ) -> Result<Exit, Failure> {
        let worked = check(self.reports.iter().map(|report| report.path.as_path())).and_then(|()| work());
        match &worked {
            Ok(answer) => {
                let plan_id = answer.plan.id();
                let told = Told {
                    plan: &answer.plan,
                    judgement: &answer.judgement,
                    plan_id: &plan_id,
                    view,
                    recorded: &answer.recorded,
                    since: answer.since.as_ref(),
                };
                self.write(ui, |format, palette, out| {
                    let options = self.length.text_options(view, palette);
                    format.write(&told, &answer.around, &options, out)
                })?;
                Ok(answer.exit)
            }
            Err(failure) => {
                let (now, exit_code) = (ui.clock().now(), failure.exit().code());
                let written = failure.with_no_plan((view, view.as_str()), now, exit_code, |no_plan| {
                    self.write(ui, |format, _, out| format.write_failed(no_plan, out))
                });
                if let Err(another) = written {
                    ui.error(&another.to_string());
                }
                worked.map(|answer| answer.exit)
            }
        }
    }

    /// A reader that has seen enough changes nothing about the answer. What can not be written takes nothing else
    /// with it, since a report of an earlier run would be left for a good one; the first reason is told.
    fn write(
        &self,
        ui: &Ui,
        write: impl Fn(PlanFormat, Palette, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let printed = ui.print(|out| write(self.format, ui.out_palette(), out)).map_err(on_stdout);
        let mut written = printed.map(|told| match told {
            Printed::Whole | Printed::PipeClosed => {}
        });
        for report in &self.reports {
            let one =
                write_whole(&report.path, Readers::AsUsual, |out| write(report.format, Palette::OFF, out));
            written = written.and(one);
        }
        written
    }
}

impl PlanFormat {
    fn write(
        self,
        told: &Told<'_>,
        around: &Around,
        options: &TextOptions,
        mut out: &mut dyn Write,
    ) -> io::Result<()> {
        let out = &mut out;
        match self {
            Self::Text => {
                report::text::plan(told.plan, told.judgement, told.plan_id, options, out)?;
                match told.since {
                    Some(since) => report::text::since(since, told, options, out),
                    None => Ok(()),
                }
            }
            Self::Json => report::json::write(&report::json::document(told), out),
            Self::Markdown => report::markdown::write(told, out),
            Self::Junit => report::junit::write(told, out),
            Self::Sarif => report::sarif::write(told, DRIVER, out),
            Self::Prometheus => report::prometheus::write(told, out),
            Self::Csv => report::csv::write(told, out),
            Self::Html => report::html::write(&around.page(told, options.full, None), out),
        }
    }

    fn write_failed(self, no_plan: &NoPlan<'_>, mut out: &mut dyn Write) -> io::Result<()> {
        let out = &mut out;
        match self {
            // People read stderr.
            Self::Text => Ok(()),
            Self::Json => report::json::write_failed(no_plan, out),
            Self::Markdown => report::markdown::write_failed(no_plan, out),
            Self::Junit => report::junit::write_failed(no_plan, out),
            Self::Sarif => report::sarif::write_failed(no_plan, DRIVER, out),
            Self::Prometheus => report::prometheus::write_failed(no_plan, out),
            Self::Csv => report::csv::write_failed(no_plan, out),
            Self::Html => report::html::write_failed(no_plan, out),
        }
    }
}

/// Of several outputs, which it was.
pub(super) fn on_stdout(error: io::Error) -> Failure {
    Failure::Output(io::Error::new(error.kind(), format!("stdout: {error}")))
}

/// What can not be written is found out before the work, and not after half an hour of it.
///
/// # Errors
/// Two reports for one file, a folder that is not there.
pub(super) fn check<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    for path in paths {
        if !seen.insert(path) {
            return Err(Failure::Usage(format!("two reports would be written to {}", path.display())));
        }
        if path.is_dir() {
            return Err(Failure::Usage(format!("{} is a folder: a report is a file", path.display())));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(Failure::Usage(format!(
                "the report {} can not be written: there is no folder {}",
                path.display(),
                folder.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_format_and_a_file() {
        let parsed = |text: &str| text.parse::<ReportFile<PlanFormat>>();
        let report = parsed("json=out/a=b.json").unwrap();
        assert_eq!((report.format, report.path), (PlanFormat::Json, PathBuf::from("out/a=b.json")));
        assert_eq!(parsed("json"), Err(NoReport::NoFile));
        assert_eq!(parsed("json="), Err(NoReport::NoFile));
        let wrong = parsed("jsn=a").unwrap_err().to_string();
        assert!(wrong.contains("`jsn`") && wrong.contains("json"), "{wrong}");
    }

    #[test]
    fn what_can_not_be_written_is_known_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xml");
        assert!(check([path.as_path(), path.as_path()].into_iter()).is_err());
        assert!(check([folder.path()].into_iter()).is_err());
        assert!(check([folder.path().join("no/report.xml").as_path()].into_iter()).is_err());
        assert!(check([path.as_path()].into_iter()).is_ok());
    }
}

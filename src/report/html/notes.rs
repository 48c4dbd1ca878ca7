//! What a reader has to know first: refusals, what could not be reached, told or written, then all that was found.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Page;
use super::data::sign;
use super::fleet::Fleet;
use super::markup::{message, text};
use crate::model::Cause;
use crate::plan::{Finding, FindingKind, Mark, ServerState};
use crate::report::text as plain;
use crate::report::words::thousands_of;

/// Of one kind; the script shows the others.
const FINDINGS: usize = 8;

pub(super) fn write(page: &Page<'_>, fleet: &Fleet<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut items = Items { page, out, any: false };
    items.refusals()?;
    items.servers()?;
    items.open_moves()?;
    items.stopped()?;
    items.warnings()?;
    let mut kinds: BTreeMap<FindingKind, Vec<(usize, &Finding)>> = BTreeMap::new();
    for (server, finding) in &fleet.findings {
        kinds.entry(finding.kind).or_default().push((*server, finding));
    }
    for (kind, findings) in &kinds {
        items.findings(*kind, findings)?;
    }
    if items.any { Ok(()) } else { writeln!(items.out, "<p class=\"quiet\">Nothing to report.</p>") }
}

struct Items<'a, W> {
    page: &'a Page<'a>,
    out: &'a mut W,
    any: bool,
}

impl<W: Write> Items<'_, W> {
    fn refusals(&mut self) -> io::Result<()> {
        let refusals = &self.page.judgement.refusals;
        if refusals.is_empty() {
            return Ok(());
        }
        // Where a run goes in turns, others may have been carried out.
        let title = match self.page.outcome {
            Some(_) => "Refused: nothing of these was written",
            None => "Refused: nothing of this plan will be written",
        };
        self.open(title, refusals.len(), "bad")?;
        let shown = self.shown(refusals.len(), FINDINGS);
        for refusal in &refusals[..shown] {
            self.item("!", None, &refusal.subject, &refusal.message, refusal.cause.as_ref())?;
        }
        self.close(refusals.len(), shown)
    }

    fn servers(&mut self) -> io::Result<()> {
        let unread = |state: &ServerState| match state {
            ServerState::Read { .. } => None,
            ServerState::ListNotBelieved { why } => {
                Some(("?", format!("nothing is known of its hosts, nothing is written there: {why}")))
            }
            ServerState::Unrecorded { why } => {
                Some(("!", format!("its record can not be read or locked, nothing is done there: {why}")))
            }
            ServerState::Unreachable { why } => Some(("!", format!("nothing is known of its hosts: {why}"))),
        };
        let servers: Vec<_> = (self.page.plan.servers.iter())
            .filter_map(|server| Some((&server.server, unread(&server.state)?)))
            .collect();
        if servers.is_empty() {
            return Ok(());
        }
        self.open("Servers that could not be read", servers.len(), "bad")?;
        for (server, (mark, why)) in &servers {
            self.item(mark, None, server.as_str(), why, None)?;
        }
        self.close(servers.len(), servers.len())
    }

    /// Changes that were not done stand with the changes; here is why nothing more was.
    fn stopped(&mut self) -> io::Result<()> {
        let Some(executed) = self.page.outcome else { return Ok(()) };
        let stopped: Vec<_> = (executed.outcome.servers.iter())
            .filter_map(|server| Some((&server.server, server.stopped.as_ref()?)))
            .collect();
        let total = stopped.len() + usize::from(executed.outcome.was_interrupted);
        if total == 0 {
            return Ok(());
        }
        self.open("Ended before its plan did", total, "bad")?;
        if executed.outcome.was_interrupted {
            self.item("!", None, "interrupted", "from then on nothing new was written", None)?;
        }
        for (server, stopped) in &stopped {
            let why = format!("nothing more was sent to this server: {}", stopped.why);
            self.item("!", None, server.as_str(), &why, None)?;
        }
        self.close(total, total)
    }

    /// Hashes between two rules, and those that were put back: neither stands with the changes.
    fn open_moves(&mut self) -> io::Result<()> {
        let Some(executed) = self.page.outcome else { return Ok(()) };
        let servers = &executed.outcome.servers;
        let open: Vec<_> =
            servers.iter().filter_map(|server| Some((&server.server, server.open.as_ref()?))).collect();
        if !open.is_empty() {
            self.open("Hashes that left one rule and are not in the other", open.len(), "bad")?;
            for (server, what) in &open {
                self.item("!", None, server.as_str(), what, None)?;
            }
            self.close(open.len(), open.len())?;
        }
        let put_back: Vec<_> = servers
            .iter()
            .flat_map(|server| server.put_back.iter().map(move |one| (&server.server, one)))
            .collect();
        if put_back.is_empty() {
            return Ok(());
        }
        let is_all_done = put_back.iter().all(|(_, one)| one.result.is_done());
        let tone = if is_all_done { "plain" } else { "bad" };
        self.open("Put back, since the rule for all hosts is not written", put_back.len(), tone)?;
        let shown = self.shown(put_back.len(), FINDINGS);
        for (server, one) in &put_back[..shown] {
            let mark = if one.result.is_done() { "~" } else { "!" };
            let (_, said) = super::changes::said(&one.result, self.page.plan.now);
            let (server, who) = (Some(server.as_str()), plain::who(&one.change));
            self.item(mark, server, &who, &said, Some(&one.change.cause))?;
        }
        self.close(put_back.len(), shown)
    }

    fn warnings(&mut self) -> io::Result<()> {
        let warnings = &self.page.judgement.warnings;
        if warnings.is_empty() {
            return Ok(());
        }
        self.open("Warnings", warnings.len(), "doubt")?;
        let shown = self.shown(warnings.len(), FINDINGS);
        for warning in &warnings[..shown] {
            self.item("!", None, "", warning, None)?;
        }
        self.close(warnings.len(), shown)
    }

    fn findings(&mut self, kind: FindingKind, findings: &[(usize, &Finding)]) -> io::Result<()> {
        let tone = match kind.mark() {
            Mark::Attention => "bad",
            Mark::Question => "doubt",
            Mark::Note => "plain",
        };
        self.any = true;
        let is_open = kind.mark() != Mark::Note;
        writeln!(
            self.out,
            "<details class=\"notes {tone}\"{}><summary><h3>{} <span class=\"count\">{}</span></h3></summary>\n<ul data-kind=\"{}\">",
            if is_open { " open" } else { "" },
            title(kind),
            thousands_of(findings.len()),
            kind.as_str()
        )?;
        let shown = self.shown(findings.len(), FINDINGS);
        let names_servers = self.page.plan.servers.len() > 1;
        for (server, finding) in &findings[..shown] {
            let server = self.page.plan.servers.get(*server).map(|server| server.server.as_str());
            let server = server.filter(|_| names_servers);
            self.item(sign(kind.mark()), server, &finding.label, &finding.message, finding.cause.as_ref())?;
        }
        self.close(findings.len(), shown)
    }

    fn shown(&self, total: usize, most: usize) -> usize {
        if self.page.full { total } else { total.min(most) }
    }

    fn open(&mut self, title: &str, count: usize, tone: &str) -> io::Result<()> {
        self.any = true;
        writeln!(
            self.out,
            "<details class=\"notes {tone}\" open><summary><h3>{title} <span class=\"count\">{}</span></h3></summary>\n<ul>",
            thousands_of(count)
        )
    }

    fn item(
        &mut self,
        mark: &str,
        server: Option<&str>,
        label: &str,
        said: &str,
        cause: Option<&Cause>,
    ) -> io::Result<()> {
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        write!(self.out, "<li><span class=\"sign\" aria-hidden=\"true\">{mark}</span>")?;
        if let Some(server) = server {
            write!(self.out, " <span class=\"server\">{}</span>", text(server))?;
        }
        if !label.is_empty() {
            write!(self.out, " <b>{}</b>", text(label))?;
        }
        write!(self.out, " <span>{}</span>", message(said))?;
        if !cause.is_empty() {
            write!(self.out, " <span class=\"cause\">{}</span>", text(&cause))?;
        }
        writeln!(self.out, "</li>")
    }

    fn close(&mut self, total: usize, shown: usize) -> io::Result<()> {
        writeln!(self.out, "</ul>")?;
        if total > shown {
            writeln!(self.out, "<p class=\"cut\">… and {} more</p>", thousands_of(total - shown))?;
        }
        writeln!(self.out, "</details>")
    }
}

fn title(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::HostError => "Not clear who is meant",
        FindingKind::Unknown => "Unknown",
        FindingKind::SpentNotOurs => "Its time has passed, and something else is there or declared",
        FindingKind::GroupCheck => "Isolated, and declared off by a group",
        FindingKind::TaskGone => "Started by us, and no longer there",
        FindingKind::Held => "Differs, and is held by hand",
        FindingKind::LeftBehind => "Left behind: ours, in force and declared no more",
        FindingKind::Undeclared => "Not declared by any file",
        FindingKind::Spent => "Its time has passed: the entry can go",
        FindingKind::NeverBlockPresent => "Blocked, and never to be blocked",
        FindingKind::Hold => "Held by hand, and as declared",
        FindingKind::SilentHost => "Without contact for long",
        FindingKind::Notice => "Worth knowing",
    }
}

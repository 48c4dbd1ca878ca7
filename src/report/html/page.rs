//! The page itself: a frame with places, and what stands in each.

use std::io::{self, Write};

use super::data::Data;
use super::fleet::{ALL_HOSTS, Fleet, Host};
use super::markup::{attribute, policy_hash, text, write_json};
use super::{Page, changes, notes, numbers, runs, times};
use crate::report::View;
use crate::report::words::{instant, thousands_of};

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = concat!(include_str!("picture.js"), include_str!("lists.js"), include_str!("script.js"));

/// Hosts that are written into the page itself, the worst first: all of them are in its data.
const HOSTS: usize = 100;

pub(super) fn write(page: &Page<'_>, fleet: &Fleet<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut pieces = FRAME.split("{{");
    out.write_all(pieces.next().unwrap_or_default().as_bytes())?;
    for piece in pieces {
        let (place, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        write_place(place, page, fleet, out)?;
        out.write_all(rest.as_bytes())?;
    }
    Ok(())
}

fn write_place(place: &str, page: &Page<'_>, fleet: &Fleet<'_>, out: &mut impl Write) -> io::Result<()> {
    match place {
        "policy" => write!(
            out,
            "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
            policy_hash(STYLE),
            policy_hash(SCRIPT)
        ),
        "style" => out.write_all(STYLE.as_bytes()),
        "script" => out.write_all(SCRIPT.as_bytes()),
        "title" => out.write_all(attribute(&title(page)).as_bytes()),
        "heading" => out.write_all(heading(page).as_bytes()),
        "verdict" => {
            let (tone, verdict) = numbers::verdict(page);
            write!(out, "<p class=\"verdict {tone}\">{}</p>", text(&verdict))
        }
        "facts" => numbers::write_facts(page, out),
        "notes" => notes::write(page, fleet, out),
        "numbers" => numbers::write(page, out),
        "servers" => numbers::write_servers(page.plan, out),
        "hosts" => write_hosts(page, fleet, out),
        "changes" => changes::write(page, fleet, out),
        "times" => times::write(page, out),
        "runs" => runs::write(page, out),
        "data" => write_json(&Data::of(page, fleet), out),
        _ => Err(io::Error::other(format!("the page has no place `{place}`"))),
    }
}

fn heading(page: &Page<'_>) -> &'static str {
    match (page.view, page.outcome) {
        (_, Some(_)) => "Apply",
        (View::Plan, None) => "Plan",
        (View::Drift { .. }, None) => "Drift",
    }
}

fn title(page: &Page<'_>) -> String {
    format!("{}: {} – kedrctl", heading(page), numbers::verdict(page).1)
}

/// The table that stands for the picture.
fn write_hosts(page: &Page<'_>, fleet: &Fleet<'_>, out: &mut impl Write) -> io::Result<()> {
    let total = fleet.hosts.len();
    let counts = fleet.counts().into_iter();
    let counts: Vec<String> = counts
        .map(|(state, count)| {
            format!(
                "<li><span class=\"mark {}\" aria-hidden=\"true\">{}</span> {} <span class=\"count\">{}</span></li>",
                state.tone().as_str(),
                state.mark(),
                state.words(),
                thousands_of(count)
            )
        })
        .collect();
    writeln!(out, "<ul class=\"legend\" id=\"legend\">{}</ul>", counts.concat())?;
    if total == 0 {
        return writeln!(out, "<p class=\"quiet\">No host is managed.</p>");
    }
    out.write_all(include_str!("hosts.html").as_bytes())?;
    // The worst first, on whichever server.
    let mut hosts: Vec<&Host> = fleet.hosts.iter().collect();
    hosts.sort_by_key(|host| host.state);
    let show = if page.full { total } else { total.min(HOSTS) };
    for host in &hosts[..show] {
        write_host(page, host, out)?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if total > show {
        let rest = thousands_of(total - show);
        writeln!(out, "<p class=\"cut\">… and {rest} more, which only the script shows.</p>")?;
    }
    Ok(())
}

fn write_host(page: &Page<'_>, host: &Host, out: &mut impl Write) -> io::Result<()> {
    let server = page.plan.servers.get(host.server).map_or("", |server| server.server.as_str());
    let seen = match host.seen {
        Some(at) => instant(at, page.plan.now),
        None if host.name == ALL_HOSTS => String::new(),
        None => "not known".to_owned(),
    };
    writeln!(
        out,
        "<tr><th scope=\"row\">{}</th><td><span class=\"mark {}\" aria-hidden=\"true\">{}</span> {}</td><td>{}</td><td>{}</td><td>{}</td><td>{seen}</td></tr>",
        text(&host.name),
        host.state.tone().as_str(),
        host.state.mark(),
        host.state.words(),
        text(server),
        text(&host.groups.join(", ")),
        text(&host.addresses)
    )
}

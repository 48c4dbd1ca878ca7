//! `--limit`: which declared hosts a run is about, in the words of Ansible's patterns.

use std::net::IpAddr;

use crate::model::{Case, NamePattern};

/// Names, globs and groups, joined by `,` or `:`; `!` takes away, `&` keeps only what is in both.
#[derive(Debug, Clone)]
pub struct HostPattern {
    /// As it was typed, for messages.
    pub(super) text: String,
    pub(super) terms: Vec<Term>,
}

#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) role: Role,
    pub(super) what: What,
    /// As it was written, with its sign.
    pub(super) text: String,
}

/// In this order they are looked at, wherever they stand, as Ansible does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Add,
    /// `&`
    Keep,
    /// `!`
    TakeAway,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// `all`: every declared host, never the rule for all hosts.
    Everyone,
    /// `all@hq`: the rule for all hosts of a server.
    AllHosts(String),
    /// A name without any sign of a pattern.
    Exact(String),
    Glob(NamePattern),
}

/// Why a pattern of `--limit` selects nothing, or can not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PatternError {
    /// There are separators and white space at most.
    #[error("`--limit` with nothing in it selects nothing; leave it out to mean every declared host")]
    Empty,
    /// A part that can not be read: a sign without a name, a wrong glob, a regular expression.
    #[error("`{pattern}` is no pattern for hosts: {why}")]
    Pattern {
        /// The part as it was written, with its sign.
        pattern: String,
        /// What is wrong with it, or what to write instead.
        why: String,
    },
    /// An `@file` that can not be read, names nobody, or names another file.
    #[error("`--limit @{path}`: {why}")]
    File {
        /// As it was typed, without the `@`.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// `all@SERVER` of a server that no file declares.
    #[error("`--limit all@{server}`: no server has this name; the files name {known}")]
    NoServer {
        /// As it was written, without the `all@`.
        server: String,
        /// The names of all declared servers, in their order, with `, ` between them.
        known: String,
    },
    /// `all@` with this server: no file declares its rule for all hosts.
    #[error(
        "`--limit all@{0}` means the rule for all hosts of `{0}`, and no file declares it under `all_hosts`"
    )]
    AllHosts(String),
    /// A part that matches nobody, by the files or by the host lists that were read.
    #[error(
        "`--limit {pattern}` matches no declared host; {}it is matched, with its case, against the keys under `hosts`, \
         groups, and the hosts in groups",
        did_you_mean(meant.as_deref())
    )]
    MatchesNothing {
        /// The part as it was written, with its sign.
        pattern: String,
        /// The group or host that was probably meant, or `all`; `None`: no name is near, or the part is a glob.
        meant: Option<String>,
    },
    /// The whole pattern as it was typed; several are joined by `,`.
    #[error("`--limit {0}` selects nothing: each part of it matches something, and no host remains")]
    SelectsNothing(String),
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("did you mean `{}`? ", meant.escape_debug()))
}

impl HostPattern {
    /// Parts are separated by `,` and `:`, except within brackets and braces; an IPv6 address stays whole. `@file`
    /// has a pattern on each line: `read` gives its text, or why it cannot be had.
    ///
    /// # Errors
    /// An empty pattern, one that is no glob, a file that cannot be read.
    pub fn parse<S: AsRef<str>>(
        patterns: &[S],
        read: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, PatternError> {
        let mut terms = Vec::new();
        for text in patterns {
            for part in parts(text.as_ref()) {
                match part.strip_prefix('@') {
                    Some(path) => of_file(path, read(path), &mut terms)?,
                    None => terms.push(Term::parse(part)?),
                }
            }
        }
        if terms.is_empty() {
            return Err(PatternError::Empty);
        }
        let text = patterns.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",");
        Ok(Self { text, terms })
    }
}

impl Term {
    fn parse(text: &str) -> Result<Self, PatternError> {
        let (role, rest) = match (text.strip_prefix('!'), text.strip_prefix('&')) {
            (Some(rest), _) => (Role::TakeAway, rest.trim_start()),
            (None, Some(rest)) => (Role::Keep, rest.trim_start()),
            (None, None) => (Role::Add, text),
        };
        let wrong = |why: &str| PatternError::Pattern { pattern: text.to_owned(), why: why.to_owned() };
        if rest.is_empty() {
            return Err(wrong("a name is missing after the sign"));
        }
        if rest.starts_with('@') {
            return Err(wrong("a file takes no sign; write the sign on its lines"));
        }
        if rest.starts_with('~') {
            return Err(wrong("regular expressions are not taken; `*` stands for any text"));
        }
        let what = if rest == "all" {
            What::Everyone
        } else if let Some(server) = rest.strip_prefix("all@") {
            if role != Role::Add {
                return Err(wrong(
                    "it names the rule for all hosts, which takes no sign: it is left alone where it is not named",
                ));
            }
            What::AllHosts(server.to_owned())
        } else if rest.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            What::Glob(NamePattern::new(rest, Case::Counts).map_err(|error| wrong(&error.to_string()))?)
        } else {
            What::Exact(rest.to_owned())
        };
        Ok(Self { role, what, text: text.to_owned() })
    }
}

fn of_file(path: &str, text: Result<String, String>, terms: &mut Vec<Term>) -> Result<(), PatternError> {
    let wrong = |why: String| PatternError::File { path: path.to_owned(), why };
    let text = text.map_err(wrong)?;
    let before = terms.len();
    for line in text.strip_prefix('\u{feff}').unwrap_or(&text).lines() {
        for part in parts(line.split('#').next().unwrap_or(line)) {
            if part.starts_with('@') {
                return Err(wrong(format!("a file names hosts, not the file `{part}`")));
            }
            terms.push(Term::parse(part)?);
        }
    }
    if terms.len() == before {
        return Err(wrong("it is empty, and an empty selection is none".to_owned()));
    }
    Ok(())
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    let of_part = |part| if is_address(part) { vec![part] } else { split(part, ':') };
    split(text, ',').into_iter().flat_map(of_part).map(str::trim).filter(|part| !part.is_empty())
}

/// An IPv6 address, perhaps with a sign: what its colons separate is not meant.
fn is_address(part: &str) -> bool {
    part.trim().trim_start_matches(['!', '&']).parse::<IpAddr>().is_ok()
}

/// At a separator that stands neither within brackets or braces nor behind a backslash.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut is_escaped) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => {}
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ if c == separator && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, file: &str) -> Result<HostPattern, PatternError> {
        let read = |path: &str| match path {
            "hosts.txt" => Ok(file.to_owned()),
            _ => Err("it does not exist".to_owned()),
        };
        HostPattern::parse(&[text], read)
    }

    fn shown(text: &str, file: &str) -> Vec<String> {
        let pattern = parse(text, file).unwrap();
        pattern.terms.into_iter().map(|term| format!("{:?} {}", term.role, term.text)).collect()
    }

    #[test]
    fn a_pattern_is_cut_where_it_is_meant() {
        let shown = |text| shown(text, "");
        assert_eq!(shown("pci:!ws-0*"), ["Add pci", "TakeAway !ws-0*"]);
        assert_eq!(shown("a, b ,&c"), ["Add a", "Add b", "Keep &c"]);
        assert_eq!(shown("ws-[a:c],srv-{1,2}"), ["Add ws-[a:c]", "Add srv-{1,2}"]);
        assert_eq!(shown("2001:db8::1"), ["Add 2001:db8::1"]);
        assert_eq!(shown("pci,!2001:db8::1"), ["Add pci", "TakeAway !2001:db8::1"]);
        assert_eq!(shown("all@hq"), ["Add all@hq"]);
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let error = |text: &str| parse(text, "").unwrap_err().to_string();
        assert!(error(" , ").contains("selects nothing"));
        assert!(error("ws-[").contains("is no pattern for hosts"));
        assert!(error("a:!").contains("a name is missing"));
        assert!(error("~ws.*").contains("regular expressions"));
        assert!(error("!@file").contains("a file takes no sign"));
        assert_eq!(error("@none"), "`--limit @none`: it does not exist");
    }

    #[test]
    fn a_file_has_a_pattern_on_each_line() {
        let file = "\u{feff}# failed\nws-1\r\n\n!ws-2 # not this\nws-3:ws-4\n";
        assert_eq!(shown("@hosts.txt", file), ["Add ws-1", "TakeAway !ws-2", "Add ws-3", "Add ws-4"]);
        let error = |file| parse("@hosts.txt", file).unwrap_err().to_string();
        assert!(error("# nobody\n").contains("it is empty"));
        assert!(error("@hosts.txt\n").contains("names hosts, not the file"));
    }
}

//! `--limit` on what was resolved. A part that matches nothing is an error: a typing mistake would do nothing and look
//! like success, or take away nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::limit::{Term, What};
use super::possible::{Answer, Candidate, Meaning};
use super::{Desired, HostPattern, PatternError};
use crate::declare::Declared;
use crate::model::ServerName;

impl HostPattern {
    /// The servers that may have a host that is selected; no other needs to be asked.
    ///
    /// # Errors
    /// Where the files tell that the pattern, or a part of it, selects nothing.
    pub fn servers(&self, declared: &Declared) -> Result<BTreeSet<ServerName>, PatternError> {
        let selection = self.selection(declared)?;
        let servers: BTreeSet<ServerName> =
            declared.servers.keys().filter(|server| selection.may_select_on(server)).cloned().collect();
        if servers.is_empty() && !declared.servers.is_empty() {
            return Err(PatternError::SelectsNothing(self.text.clone()));
        }
        Ok(servers)
    }

    /// # Errors
    /// Where the files tell that a part of the pattern matches nothing.
    pub fn selection<'a>(&'a self, declared: &'a Declared) -> Result<Selection<'a>, PatternError> {
        for term in &self.terms {
            let What::AllHosts(server) = &term.what else { continue };
            let name = ServerName::new(server.as_str());
            if !declared.servers.contains_key(&name) {
                let known: Vec<&str> = declared.servers.keys().map(ServerName::as_str).collect();
                return Err(PatternError::NoServer { server: server.clone(), known: known.join(", ") });
            }
            if !declared.all_hosts.contains_key(&name) {
                return Err(PatternError::AllHosts(server.clone()));
            }
        }
        let meaning = Meaning::new(self, declared);
        let named = |term: &Term| Answer::of(matches!(term.what, What::AllHosts(_)));
        let mut matched: Vec<Answer> = self.terms.iter().map(named).collect();
        for server in hosting(declared) {
            for host in meaning.on(server) {
                for (n, term) in self.terms.iter().enumerate() {
                    matched[n] = matched[n].max(meaning.matches(n, term, &host));
                }
            }
        }
        match self.terms.iter().zip(&matched).find(|(_, matched)| **matched == Answer::No) {
            Some((term, _)) => Err(nothing(&meaning, term, &[])),
            None => Ok(Selection { meaning, matched, selected: 0, listed: Vec::new() }),
        }
    }
}

fn nothing(meaning: &Meaning<'_>, term: &Term, listed: &[Arc<str>]) -> PatternError {
    PatternError::MatchesNothing { pattern: term.text.clone(), meant: meaning.alike(term, listed) }
}

/// The servers that hosts are declared on, or the rule for all of them.
fn hosting(declared: &Declared) -> BTreeSet<&ServerName> {
    let of_hosts = declared.hosts.iter().map(|host| &host.server);
    let of_tasks = declared.tasks.iter().flat_map(|task| &task.hosts).map(|host| &host.server);
    let of_groups = declared
        .servers
        .keys()
        .filter(|server| declared.groups.iter().any(|group| group.may_have_hosts_of(server)));
    of_hosts.chain(of_tasks).chain(of_groups).chain(declared.all_hosts.keys()).collect()
}

/// A pattern at work.
pub struct Selection<'a> {
    meaning: Meaning<'a>,
    /// By term: whether it matched a host.
    matched: Vec<Answer>,
    selected: usize,
    /// The hosts that there were to select from, for saying what was probably meant.
    listed: Vec<Arc<str>>,
}

impl Selection<'_> {
    fn may_select_on(&self, server: &ServerName) -> bool {
        self.names_all_of(server)
            || self.meaning.on(server).any(|host| self.meaning.selects(&host) != Answer::No)
    }

    /// Whether `all@hq` is among the terms: the rule for all hosts is never meant without being named.
    fn names_all_of(&self, server: &ServerName) -> bool {
        let names = |term: &Term| matches!(&term.what, What::AllHosts(name) if *name == *server.as_str());
        self.meaning.pattern.terms.iter().any(names)
    }

    /// Leaves only what is selected of one server.
    pub fn narrow(&mut self, server: &ServerName, desired: &mut Desired) {
        self.listed.extend(desired.hosts.iter().map(|host| Arc::clone(&host.entry)));
        let mut takes = |host: &Candidate<'_>| {
            for (n, term) in self.meaning.pattern.terms.iter().enumerate() {
                self.matched[n] = self.matched[n].max(self.meaning.matches(n, term, host));
            }
            let is_selected = self.meaning.selects(host) == Answer::Yes;
            self.selected += usize::from(is_selected);
            is_selected
        };
        let hosts: BTreeSet<_> = desired.hosts.iter().map(|host| host.sensor.id).collect();
        let (selected, left_out) =
            std::mem::take(&mut desired.hosts).into_iter().partition(|host| takes(&Candidate::host(host)));
        (desired.hosts, desired.left_out) = (selected, left_out);
        (desired.unresolved, desired.unresolved_left_out) = std::mem::take(&mut desired.unresolved)
            .into_iter()
            .partition(|host| takes(&Candidate::unresolved(host)));
        let left: BTreeSet<_> = desired.hosts.iter().map(|host| host.sensor.id).collect();
        desired.tasks.retain(|task| {
            let is_host = hosts.contains(&task.sensor.id);
            if is_host { left.contains(&task.sensor.id) } else { takes(&Candidate::task(task)) }
        });
        if self.names_all_of(server) {
            self.selected += usize::from(desired.all_hosts.is_some());
        } else {
            desired.all_left_out = desired.all_hosts.take();
        }
        // They speak of the whole state.
        desired.groups.clear();
    }

    /// After all servers that could be read (`read`).
    ///
    /// # Errors
    /// A part that matched nothing, or a whole that selected nothing, as far as that can be known.
    pub fn finish(
        self,
        read: &BTreeSet<&ServerName>,
        asked: &BTreeSet<&ServerName>,
    ) -> Result<(), PatternError> {
        let not_read = || hosting(self.meaning.declared).into_iter().filter(|server| !read.contains(server));
        for (n, (term, matched)) in self.meaning.pattern.terms.iter().zip(&self.matched).enumerate() {
            let may_match = |server: &ServerName| {
                self.meaning.on(server).any(|host| self.meaning.matches(n, term, &host) != Answer::No)
            };
            if *matched != Answer::Yes && !not_read().any(may_match) {
                return Err(nothing(&self.meaning, term, &self.listed));
            }
        }
        let may_select = |server: &ServerName| asked.contains(server) && self.may_select_on(server);
        if self.selected == 0 && !not_read().any(may_select) {
            return Err(PatternError::SelectsNothing(self.meaning.pattern.text.clone()));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Selection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let selected = self.selected;
        f.debug_struct("Selection")
            .field("text", &self.meaning.pattern.text)
            .field("selected", &selected)
            .finish()
    }
}

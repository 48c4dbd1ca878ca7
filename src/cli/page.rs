//! What a page tells beside the plan: it is gathered only where a page is written.

use std::collections::BTreeMap;

use super::reports::{OutputFlags, PlanFormat};
use super::start::{Failure, record, runtime};
use crate::declare::Declared;
use crate::model::{HostList, ServerName};
use crate::plan::ServerState;
use crate::record::History;
use crate::report::Told;
use crate::report::html::{Executed, Page, RecentRuns};
use crate::session::{Survey, chain};

/// Runs of each server.
const RUNS: usize = 10;

#[derive(Debug, Default)]
pub(super) struct Around {
    /// Every host, where all of them were asked for.
    listed: Option<BTreeMap<ServerName, HostList>>,
    runs: Vec<RecentRuns>,
}

impl Around {
    pub(super) fn of(survey: &Survey, all_hosts: bool, output: &OutputFlags) -> Self {
        let is_wanted = all_hosts && output.has(PlanFormat::Html);
        Self { listed: is_wanted.then(|| survey.listed.clone()), runs: Vec::new() }
    }

    /// With the last runs of the servers that were read. A record that can be read no more does not take the page away
    /// that the plan is for: it says so.
    pub(super) fn with_runs(
        mut self,
        declared: &Declared,
        survey: &Survey,
        output: &OutputFlags,
    ) -> Result<Self, Failure> {
        if !output.has(PlanFormat::Html) {
            return Ok(self);
        }
        let record = record(declared)?;
        self.runs = runtime()?.block_on(async {
            let mut runs = Vec::new();
            for server in &survey.plan.servers {
                let ServerState::Read { key, .. } = &server.state else { continue };
                let told = record.history(key, Some(RUNS)).await;
                let told = told.map(|History { runs, .. }| runs).map_err(|error| chain(&error));
                runs.push(RecentRuns { server: server.server.clone(), runs: told });
            }
            runs
        });
        Ok(self)
    }

    pub(super) fn page<'a>(&'a self, told: &Told<'a>, full: bool, outcome: Option<Executed<'a>>) -> Page<'a> {
        Page {
            plan: told.plan,
            judgement: told.judgement,
            plan_id: told.plan_id,
            view: told.view,
            listed: self.listed.as_ref(),
            recorded: told.recorded,
            runs: &self.runs,
            outcome,
            full,
        }
    }
}

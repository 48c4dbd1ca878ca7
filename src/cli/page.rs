//! What a page tells beside the plan: it is gathered only where a page is written.

use std::collections::BTreeMap;

use super::flags::{OutputFlags, PlanFormat};
use super::start::{Failure, record, runtime};
use crate::declare::Declared;
use crate::model::{HostList, ServerName};
use crate::plan::ServerState;
use crate::record::{History, Recorded};
use crate::report::html::RecentRuns;
use crate::session::{Survey, chain};

/// Runs of each server.
const RUNS: usize = 10;

#[derive(Debug, Default)]
pub(super) struct Around {
    /// Every host, where all of them were asked for.
    pub(super) listed: Option<BTreeMap<ServerName, HostList>>,
    pub(super) recorded: BTreeMap<ServerName, Recorded>,
    pub(super) runs: Vec<RecentRuns>,
}

impl Around {
    pub(super) fn of(survey: &Survey, all_hosts: bool, output: &OutputFlags) -> Self {
        match output.format {
            PlanFormat::Text | PlanFormat::Json => Self::default(),
            PlanFormat::Html => Self {
                listed: all_hosts.then(|| survey.listed.clone()),
                recorded: survey.recorded.clone(),
                runs: Vec::new(),
            },
        }
    }

    /// With the last runs of the servers that were read. A record that can be read no more does not take the page away
    /// that the plan is for: it says so.
    pub(super) fn with_runs(
        mut self,
        declared: &Declared,
        survey: &Survey,
        output: &OutputFlags,
    ) -> Result<Self, Failure> {
        match output.format {
            PlanFormat::Text | PlanFormat::Json => return Ok(self),
            PlanFormat::Html => {}
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
}

//! A plan with all that it takes to carry it out later, from wherever that is done.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::{Survey, SurveyOptions};
use crate::declare::{
    CentralNodeAddress, Connection, Declared, DeclaredServer, NeverBlock, PemSource, Policy, RecordLocation,
    RecordPlace, Trust,
};
use crate::model::ServerName;
use crate::plan::Plan;
use crate::saved::{Flags, SavedPlan};

/// A path could not be made absolute.
#[derive(Debug, thiserror::Error)]
#[error("{} can not be made absolute: {cause}", .path.display())]
pub struct SaveError {
    path: PathBuf,
    cause: io::Error,
}

/// What `plan` needs, that was made of these files with these flags.
///
/// # Errors
/// A path that can not be made absolute.
pub fn saved_plan(
    plan: &Plan,
    is_complete: bool,
    (declared, files): (&Declared, &[PathBuf]),
    survey: &Survey,
    flags: Flags,
) -> Result<SavedPlan, SaveError> {
    let here: BTreeSet<&ServerName> = plan.servers.iter().map(|server| &server.server).collect();
    let servers = declared.servers.values().filter(|server| here.contains(&server.name));
    let servers = servers.map(|server| Ok((server.name.clone(), with_absolute_paths(server)?)));
    let place = match &declared.record.place {
        RecordPlace::Folder(folder) => RecordPlace::Folder(absolute(folder)?),
        RecordPlace::Bucket(url) => RecordPlace::Bucket(url.clone()),
    };
    Ok(SavedPlan {
        plan: plan.clone(),
        is_complete,
        made_with: env!("CARGO_PKG_VERSION").to_owned(),
        files: files.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?,
        record: RecordLocation { place, is_declared: declared.record.is_declared },
        servers: servers.collect::<Result<BTreeMap<_, _>, SaveError>>()?,
        policy: Policy { never_block: NeverBlock::default(), ..declared.policy.clone() },
        never_block: SavedPlan::judged(&survey.never_block, plan),
        flags,
    })
}

/// What a walk over the servers of a saved plan is about.
pub fn options_again(saved: &SavedPlan) -> SurveyOptions {
    SurveyOptions {
        accepted_moves: saved.flags.accept_moved.clone(),
        accept_short_list: saved.flags.accept_short_list,
        again: Some(saved.known_by_patterns()),
        ..SurveyOptions::default()
    }
}

/// Whoever applies the plan may stand elsewhere.
fn with_absolute_paths(server: &DeclaredServer) -> Result<DeclaredServer, SaveError> {
    let connection = match &server.connection {
        Connection::Simulator { fleet } => Connection::Simulator { fleet: absolute(fleet)? },
        Connection::CentralNode(node) => Connection::CentralNode(CentralNodeAddress {
            client_certificate: absolute_pem(&node.client_certificate)?,
            client_key: absolute_pem(&node.client_key)?,
            trust: match &node.trust {
                Some(Trust::Ca(source)) => Some(Trust::Ca(absolute_pem(source)?)),
                other @ (Some(Trust::Pinned(_) | Trust::System) | None) => other.clone(),
            },
            ..node.clone()
        }),
    };
    Ok(DeclaredServer { connection, ..server.clone() })
}

fn absolute_pem(source: &PemSource) -> Result<PemSource, SaveError> {
    Ok(match source {
        PemSource::File(path) => PemSource::File(absolute(path)?),
        PemSource::Env(_) | PemSource::Command(_) => source.clone(),
    })
}

fn absolute(path: &Path) -> Result<PathBuf, SaveError> {
    std::path::absolute(path).map_err(|cause| SaveError { path: path.to_owned(), cause })
}

//! What is set, and what changes within it, as the document writes it.

use super::build::{instant, line};
use super::{
    AddedHash, Algorithm, Cause, Direction, Exclusion, Hashes, Ports, RemovedBecause, RemovedHash, Setting,
};
use crate::model::{self, FileHash, Isolation, PortRange};
use crate::plan;

pub(in crate::report) fn program(program: &model::Program) -> Setting {
    Setting::Task {
        command: program.command.to_string(),
        arguments: program.arguments.as_deref().map(str::to_owned),
        working_directory: program.working_directory.as_deref().map(str::to_owned),
    }
}

pub(in crate::report) fn isolation(isolation: &Isolation) -> Setting {
    let ports = |range: PortRange| Ports { from: range.from(), to: range.to() };
    Setting::Isolation {
        timeout_seconds: isolation.timeout_seconds,
        exclusions: isolation
            .exclusions
            .iter()
            .map(|rule| Exclusion {
                direction: match rule.direction() {
                    model::Direction::Inbound => Direction::Inbound,
                    model::Direction::Outbound => Direction::Outbound,
                    model::Direction::Both => Direction::Both,
                },
                protocol: rule.protocol().map(|protocol| protocol.0),
                remote_address: rule.remote_address().map(|address| address.to_string()),
                remote_ports: rule.remote_ports().map(ports),
                local_ports: rule.local_ports().map(ports),
            })
            .collect(),
    }
}

pub(super) fn hashes(rule: &plan::RuleChange) -> Hashes {
    Hashes {
        added: rule
            .added
            .iter()
            .map(|added| AddedHash {
                algorithm: algorithm(added.hash),
                hash: added.hash.to_string(),
                comment: added.comment.as_ref().map(|comment| comment.raw().to_owned()),
                cause: Cause { list: added.list.as_deref().map(str::to_owned), ..line(&added.origin) },
            })
            .collect(),
        removed: rule.removed.iter().map(removed).collect(),
        kept: rule.kept,
        kept_foreign: rule.kept_foreign,
        covered_by_all: rule.covered_by_all,
        loses_fields: rule.loses_fields,
    }
}

fn removed(removed: &plan::RemovedHash) -> RemovedHash {
    let (because, expired_at, origin) = match &removed.because {
        plan::RemovedBecause::Unblocked(origin) => (RemovedBecause::Unblocked, None, Some(origin)),
        plan::RemovedBecause::Expired { at, origin } => {
            (RemovedBecause::Expired, Some(instant(*at)), Some(origin))
        }
        plan::RemovedBecause::NoLongerDeclared => (RemovedBecause::NoLongerDeclared, None, None),
        plan::RemovedBecause::MovedToAll { was_ours: _ } => (RemovedBecause::MovedToAll, None, None),
        plan::RemovedBecause::Exact => (RemovedBecause::Exact, None, None),
    };
    RemovedHash {
        algorithm: algorithm(removed.hash),
        hash: removed.hash.to_string(),
        because,
        expired_at,
        cause: origin.map(line),
    }
}

fn algorithm(hash: FileHash) -> Algorithm {
    match hash {
        FileHash::Md5(_) => Algorithm::Md5,
        FileHash::Sha256(_) => Algorithm::Sha256,
    }
}

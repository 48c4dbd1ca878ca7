//! What a saved plan holds to: it comes back as it was, and is carried out exactly, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use kedrctl::declare::{
    CentralNodeAddress, Connection, DeclaredServer, Forbidden, PemSource, Policy, RecordLocation,
    RecordPlace, ServerUrl,
};
use kedrctl::model::{Aspect, Isolation, PreventionRule, Reading, Subject, Target};
use kedrctl::plan::{Approved, Plan};
use kedrctl::resolve::DesiredHost;
use kedrctl::saved::{self, Flags, SavedPlan};
use proptest::prelude::*;

use crate::facts::{Known, known};
use crate::values::{config, exclusions, hash, origin, server};

/// What happens to a host while the plan waits.
#[derive(Debug, Clone)]
enum Meanwhile {
    Isolated(u64, u8),
    Released,
    Blocked(BTreeSet<u8>),
    NotRead,
}

fn meanwhile() -> impl Strategy<Value = Vec<(usize, Meanwhile)>> {
    let happening = prop_oneof![
        (3_600_u64..90_000, 0_u8..2).prop_map(|(timeout, rules)| Meanwhile::Isolated(timeout, rules)),
        Just(Meanwhile::Released),
        proptest::collection::btree_set(0_u8..16, 0..4).prop_map(Meanwhile::Blocked),
        Just(Meanwhile::NotRead),
    ];
    proptest::collection::vec((0_usize..5, happening), 0..3)
}

fn saved(plan: Plan) -> SavedPlan {
    let node = CentralNodeAddress {
        urls: vec![ServerUrl { host: "kata.example.org".to_owned(), port: 443 }],
        external_system_id: "id".into(),
        client_certificate: PemSource::Env("CERTIFICATE".to_owned()),
        client_key: PemSource::Env("KEY".to_owned()),
        client_key_passphrase: None,
        trust: None,
    };
    let declared = DeclaredServer {
        name: server(),
        origin: origin(1),
        connection: Connection::CentralNode(node),
        concurrency: 4,
        clock_tolerance: SignedDuration::from_mins(10),
    };
    SavedPlan {
        is_complete: true,
        made_with: "0.1.0".to_owned(),
        files: Vec::new(),
        record: RecordLocation { place: RecordPlace::Folder("/record".into()), is_declared: true },
        servers: BTreeMap::from([(server(), declared)]),
        policy: Policy::default(),
        never_block: SavedPlan::judged(&Forbidden::of([]), &plan),
        flags: Flags::default(),
        plan,
    }
}

fn kept(plan: Plan) -> SavedPlan {
    saved::decode(&saved::encode(&saved(plan)).unwrap()).unwrap()
}

/// The plan that follows from what a saved plan comes to, by these facts.
fn planned_again(saved: &SavedPlan, known: &Known) -> Plan {
    let listed = known.listed();
    let by_id = known.hosts.iter().map(|host| (host.sensor.id, host)).collect::<BTreeMap<_, _>>();
    let hosts = saved.declared().hosts.into_iter().map(|host| {
        let kedrctl::declare::Identity::Sensor(id) = host.identity else { panic!("{host:?}") };
        Arc::new(DesiredHost {
            entry: host.entry,
            origin: host.origin,
            sensor: Arc::clone(&listed.sensors[&id]),
            groups: Arc::clone(&by_id[&id].groups),
            is_named: true,
            isolation: host.isolation,
            prevention: host.prevention,
        })
    });
    let all_hosts = saved.declared().all_hosts.remove(&server()).map(|declared| declared.prevention);
    Known { hosts: hosts.collect(), all_hosts, ..known.clone() }.plan()
}

fn subjects(plan: &Plan) -> BTreeSet<Subject> {
    plan.changes().map(|(_, change)| change.subject).collect()
}

fn happen(known: &mut Known, n: usize, happening: &Meanwhile) {
    let Some(id) = known.hosts.get(n).map(|host| host.sensor.id) else { return };
    match happening {
        Meanwhile::Isolated(timeout_seconds, rules) => {
            let rule = Isolation { timeout_seconds: *timeout_seconds, exclusions: exclusions(*rules) };
            known.isolations.insert(id, Reading::Present(rule));
        }
        Meanwhile::Released => drop(known.isolations.insert(id, Reading::Absent)),
        Meanwhile::Blocked(hashes) => {
            let for_all = known.hashes(Target::AllHosts);
            let objects = hashes.iter().map(|n| (hash(*n), Default::default()));
            let objects: BTreeMap<_, _> = objects.filter(|(hash, _)| !for_all.contains(hash)).collect();
            let rule = if objects.is_empty() {
                Reading::Absent
            } else {
                Reading::Present(Arc::new(PreventionRule { objects }))
            };
            known.preventions.insert(Target::Sensor(id), rule);
        }
        Meanwhile::NotRead => {
            let why = || kedrctl::model::ReadFailure::new("timed out");
            known.isolations.insert(id, Reading::Unknown(why()));
            known.preventions.insert(Target::Sensor(id), Reading::Unknown(why()));
        }
    }
}

proptest! {
    #![proptest_config(config(250, "saving"))]

    #[test]
    fn a_saved_plan_comes_back_as_it_was(known in known()) {
        let plan = known.plan();
        let bytes = saved::encode(&saved(plan.clone())).unwrap();
        let read = saved::decode(&bytes).unwrap();
        prop_assert_eq!(&saved::encode(&read).unwrap(), &bytes);
        prop_assert_eq!(read.plan.id(), plan.id());
        prop_assert_eq!(subjects(&read.plan), subjects(&plan));
    }

    /// Where nothing has happened, what is left is all of it.
    #[test]
    fn where_nothing_has_changed_the_whole_plan_is_carried_out(known in known()) {
        let plan = known.plan();
        let saved = kept(plan.clone());
        let (left, objections) = planned_again(&saved, &known).again(&saved.plan);
        prop_assert!(objections.is_empty(), "{objections:#?}");
        prop_assert_eq!(left.id(), plan.id());
        prop_assert_eq!(subjects(&left), subjects(&plan));
        for (server, then) in left.servers.iter().zip(&plan.servers) {
            let steps = |steps: &[kedrctl::plan::Step]| -> Vec<_> {
                steps.iter().map(|step| (step.purpose, step.changes.len())).collect()
            };
            prop_assert_eq!(steps(&server.steps), steps(&then.steps));
        }
    }

    /// Whatever has happened: what is sent is what was planned, on what was seen. Nothing is left out in silence.
    #[test]
    fn what_is_not_as_it_was_seen_is_not_written(known in known(), meanwhile in meanwhile()) {
        let saved = kept(known.plan());
        let mut later = known.clone();
        for (n, happening) in &meanwhile {
            happen(&mut later, *n, happening);
        }
        let fresh = planned_again(&saved, &later);
        let (left, objections) = fresh.clone().again(&saved.plan);
        prop_assert!(subjects(&left).is_subset(&subjects(&saved.plan)));
        if !objections.is_empty() {
            return Ok(());
        }
        for (_, change) in left.changes() {
            let is_unknown = match (change.subject.aspect, change.subject.target) {
                (Aspect::Isolation, Target::Sensor(id)) => matches!(later.isolations[&id], Reading::Unknown(_)),
                (Aspect::Isolation, Target::AllHosts) | (Aspect::Task(_), _) => panic!("{change:?}"),
                (Aspect::Prevention, _) => matches!(later.preventions[&change.subject.target], Reading::Unknown(_)),
            };
            prop_assert!(!is_unknown, "{change:?}");
            if !change.action.is_renewal() {
                let approved = Approved::new(saved.plan.meanings());
                prop_assert!(approved.meanings().any(|meant| meant.subject == change.subject.to_string()));
            }
        }
        // What is not written is as it was to be, or is said to be not known or held; or is a part of a move that waits.
        let is_move_waiting = fresh.servers[0].judged.iter().any(|judged| {
            judged.aspect == Aspect::Prevention && matches!(judged.verdict, kedrctl::plan::Verdict::Unknown(_))
        }) && saved.plan.changes().any(|(_, change)| change.subject.target == Target::AllHosts);
        let judged: BTreeMap<Subject, bool> = fresh.servers[0]
            .judged
            .iter()
            .map(|judged| (judged.subject(), judged.verdict.is_in_sync() || matches!(judged.verdict, kedrctl::plan::Verdict::Unknown(_))))
            .collect();
        for subject in subjects(&saved.plan).difference(&subjects(&left)) {
            prop_assert!(judged[subject] || (is_move_waiting && subject.aspect == Aspect::Prevention), "{subject}");
        }
        // Nothing else than what was planned comes of it: the changes that are left are approved by the plan itself.
        let not_approved = left.not_approved(&Approved::new(saved.plan.meanings()));
        prop_assert!(not_approved.iter().all(|objection| objection.subject.ends_with("isolation")), "{not_approved:#?}");
    }

    #[test]
    fn a_plan_is_approved_by_itself_and_by_any_that_has_more(known in known(), taken in 0_usize..8) {
        let plan = known.plan();
        let approved = Approved::new(plan.meanings());
        prop_assert!(plan.not_approved(&approved).is_empty());
        let mut fewer = plan.meanings();
        if fewer.is_empty() {
            return Ok(());
        }
        fewer.remove(taken % fewer.len());
        prop_assert_eq!(plan.not_approved(&Approved::new(fewer)).len(), 1);
    }
}

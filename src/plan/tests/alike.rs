//! Rules that are judged once for many hosts.

use super::*;
use crate::model::{FileHash, Sensor};

/// What of a host's rule may differ from another's.
struct Of {
    declared: Arc<DeclaredPrevention>,
    found: Reading<Arc<PreventionRule>>,
    ours: HashSet,
}

fn plan(hosts: &[(Arc<Sensor>, &Of)]) -> ServerPlan {
    let mut recorded = Recorded::default();
    let mut observed = Observed::default();
    observed.preventions.insert(Target::AllHosts, Reading::Absent);
    let mut desired = Desired::default();
    for (sensor, of) in hosts {
        let target = Target::Sensor(sensor.id);
        observed.preventions.insert(target, of.found.clone());
        if !of.ours.is_empty() {
            let ours = Arc::new(of.ours.clone());
            let known = RecordedPrevention { by: by(at(-9)), ours, verified_at: at(-9) };
            recorded.preventions.insert(target, known);
        }
        desired.hosts.push(Arc::new(DesiredHost {
            entry: sensor.id.to_string().into(),
            origin: sample::origin("state.yaml", 3),
            sensor: Arc::clone(sensor),
            groups: Arc::new([]),
            is_named: true,
            isolation: None,
            prevention: Some(Arc::clone(&of.declared)),
        }));
    }
    let sensors = hosts.iter().map(|(sensor, _)| (sensor.id, Arc::clone(sensor)));
    plan_server(&Facts {
        server: &ServerName::new("hq"),
        address: "https://hq",
        origin: &crate::model::Origin::command_line(),
        key: &ServerKey::of_address("hq", 443),
        listed: &HostList { sensors: sensors.collect(), has_more: false, server_version: None },
        clock: ServerClock::NotGiven,
        desired: &desired,
        observed: &observed,
        recorded: &recorded,
        owner: "default",
        undeclared: &[],
        never_block: &HashSet::new(),
        now: sample::now(),
        by_hand: false,
        observed_at: sample::now(),
    })
}

/// Each way to declare a rule with each rule that may be found and each part of it that may be ours.
fn all() -> Vec<Of> {
    let shared = blocking(&[(1, None), (2, None)], &[], false);
    let declared = |unblock: &[usize], exact| {
        // A list that both name is one list.
        Arc::new(DeclaredPrevention { block: shared.block.clone(), ..blocking(&[], unblock, exact) })
    };
    let mut two_lists = DeclaredPrevention::clone(&declared(&[], false));
    two_lists.block.extend(blocking(&[(4, None)], &[], false).block);
    let ways = [
        declared(&[], false),
        declared(&[], true),
        declared(&[3], false),
        declared(&[5], false),
        two_lists.into(),
    ];
    let found = [Reading::Absent, objects(&[1, 2]), objects(&[1, 2, 3]), objects(&[3, 5])];
    let mut all = Vec::new();
    for declared in &ways {
        for found in &found {
            for ours in [vec![], vec![3], vec![3, 5]] {
                let ours = ours.into_iter().map(sample::hash).collect();
                all.push(Of { declared: Arc::clone(declared), found: found.clone(), ours });
            }
        }
    }
    all
}

fn sensor(n: u8) -> Arc<Sensor> {
    Arc::new(sample::sensor(n, "WS"))
}

#[test]
fn a_host_is_judged_among_others_as_it_is_alone() {
    let all = all();
    // All twice, so that whatever is shared is there before.
    let hosts: Vec<_> = (1..).map(sensor).zip(all.iter().chain(&all)).collect();
    let together = plan(&hosts);
    for host in &hosts {
        let target = Target::Sensor(host.0.id);
        let of_it = |plan: &ServerPlan| {
            let changes = plan.changes().filter(|change| change.subject.target == target);
            changes.map(|change| format!("{:?} {:?}", change.action, change.difference)).collect::<Vec<_>>()
        };
        assert_eq!(of_it(&together), of_it(&plan(std::slice::from_ref(host))), "{target}");
    }
}

#[test]
fn hosts_that_change_alike_share_their_change() {
    let all = all();
    let plan = plan(&[(sensor(1), &all[0]), (sensor(2), &all[0])]);
    let rules: Vec<_> = plan.changes().map(|change| change.difference.clone()).collect();
    let [Difference::Prevention(one), Difference::Prevention(other)] = rules.as_slice() else {
        panic!("{rules:?}");
    };
    let hashes: Vec<FileHash> = one.after.iter().flat_map(|rule| rule.hashes()).collect();
    assert_eq!(hashes.len(), 2);
    assert!(Arc::ptr_eq(one.after.as_ref().unwrap(), other.after.as_ref().unwrap()));
}

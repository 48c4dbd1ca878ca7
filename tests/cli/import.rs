//! `import`: a state that says what the fleet is, so that the next plan has nothing to do.

use std::fmt::Write as _;

use crate::lab::Lab;

/// All that a host can have, several times, and names that want to be something else.
fn fleet(server: &str) -> String {
    let shared: Vec<String> =
        (0..30).map(|n| format!("{{ sha256: {n:064x}, name: 'tool {n}.exe' }}")).collect();
    let shared = shared.join(", ");
    let mut hosts = String::new();
    for n in 0..6 {
        let _infallible = writeln!(hosts, "  - {{ name: ws-{n}, prevention: [{shared}] }}");
    }
    format!(
        "hosts:
{hosts}
  - {{ name: only.corp.example, prevention: [900150983cd24fb0d6963f7d28e17f72] }}
  - {{ name: empty-file, prevention: [d41d8cd98f00b204e9800998ecf8427e, 900150983cd24fb0d6963f7d28e17f72] }}
  - name: cut-off
    isolation:
      timeout: 8h
      exclusions:
        - {{ direction: outbound, protocol: 17, remoteIpv4Address: 10.0.0.53, remotePortRange: {{ fromPort: 53, toPort: 53 }} }}
        - {{ direction: inbound, remoteIpv6Address: 'fe80::1' }}
  - {{ name: both, isolation: {{ timeout: 90m }}, prevention: [00000000000000000000000000000001] }}
  - {{ name: 'off', prevention: [00000000000000000000000000000002] }}
  - {{ name: \"a: 'b' #\\e[2J\", prevention: [00000000000000000000000000000003] }}
  - {{ name: twin, sensor_id: 11111111-0000-4000-8000-000000000001, last_access: 9h ago, contact_every: never, prevention: [00000000000000000000000000000004] }}
  - {{ name: twin, sensor_id: 11111111-0000-4000-8000-000000000002, prevention: [00000000000000000000000000000005] }}
  - {{ name: idle }}
prevention_all: [00000000000000000000000000000009]
server: {server}
"
    )
}

#[test]
fn the_plan_after_an_import_is_empty_in_every_dialect() {
    for server in [
        "{}",
        "{ dialect: { settings: array, host_name_field: hostName, uuid_case: upper, last_access: epoch-millis } }",
        "{ dialect: { settings: bare-array, host_name_field: hostname, hash_case: upper, last_access: epoch-seconds } }",
        "{ dialect: { settings: array-under-settings, host_name_field: name, order: reversed, numbers_as_text: true } }",
        "{ dialect: { bom: true, extra_fields: true, content_type: '', names: always } }",
        "{ dialect: { no_empty_excluded_rules: true, names: dropped, all_without_rule: empty-objects } }",
    ] {
        let lab = Lab::new(&fleet(server), "{ ws-5: { isolation: off } }");
        // The superseded twin is told.
        lab.run("import -f .").expect(
            4,
            &["imported: of 15 hosts", "isolated: 2", "left out", "next: read it, then `kedrctl plan -f .`"],
        );
        lab.run("validate -f . --deny warnings").expect(0, &[]);
        lab.run("plan -f . --detailed-exitcode").expect(0, &["nothing to do"]);
        let writes = lab.simulator.requests().iter().filter(|request| request.method != "GET").count();
        assert_eq!(writes, 0);
    }
}

#[test]
fn equal_sets_are_shared_and_the_choice_is_a_persons() {
    let lab = Lab::new(&fleet("{}"), "{ ws-5: { isolation: off } }");
    lab.run("import -f .").expect(4, &[]);
    let state = std::fs::read_to_string(lab.path("imported/hosts.yaml")).unwrap();
    let without_first_line: Vec<&str> = state.lines().skip(1).collect();
    snapbox::assert_data_eq!(without_first_line.join("\n"), snapbox::file!["import.yaml"]);
    let list = std::fs::read_to_string(lab.path("imported/lists/imported-1.txt")).unwrap();
    assert_eq!(list.lines().filter(|line| !line.starts_with('#')).count(), 30, "{list}");

    // Both choices, once taken, are what they say.
    let stays = state
        .replace("# exclusions:\n", "exclusions:\n")
        .replace("#   imported-1:   # 1 host", "  imported-1:")
        .replace("#     - {", "    - {")
        .replace("  # cut-off:\n  #   isolation: { lease", "  cut-off:\n    isolation: { lease")
        .replace("    # isolation: off", "    isolation: off");
    lab.write("imported/hosts.yaml", &stays);
    lab.run("plan -f .").expect(0, &["- release   both", "↻ renew     1 isolation", "0 to isolate"]);
}

#[test]
fn names_that_are_taken_are_not_taken_again() {
    let fleet =
        fleet("{}").replace("name: both", "name: pci").replace("name: only.corp.example", "name: all");
    let lab = Lab::new(&fleet, "{}");
    let groups = r#"{ version: 1, groups: { pci: { match: { name: "none-*" }, prevention: { block: [00000000000000000000000000000001] } } } }"#;
    lab.write("groups.yaml", groups);
    lab.run("import ws-[0-2] -f .").expect(0, &["of 3 hosts"]);
    std::fs::rename(lab.path("imported"), lab.path("march")).unwrap();
    lab.run("import -f .").expect(4, &["3 were declared already"]);
    let state = std::fs::read_to_string(lab.path("imported/hosts.yaml")).unwrap();
    assert!(state.contains("imported2-1:") && !state.contains("imported-1"), "{state}");
    assert!(state.contains("identity: { name: all }"), "{state}");
    lab.run("validate -f .").expect(0, &[]);
    lab.run("plan -f . --detailed-exitcode").expect(0, &["nothing to do"]);
}

#[test]
fn a_second_path_needs_a_record_that_is_named() {
    let lab = Lab::new("hosts: [{ name: WS-1, prevention: [00000000000000000000000000000004] }]", "{}");
    let said = lab.run("import -f state.yaml -o one");
    assert!(said.stderr.contains("add `record: .kedrctl`"), "{}", said.stderr);
    lab.run("plan -f state.yaml -f one").expect(1, &["E045"]);
    let text = std::fs::read_to_string(lab.path("state.yaml")).unwrap();
    lab.write("state.yaml", &format!("{text}record: .kedrctl\n"));
    let said = lab.run("import -f state.yaml -o two");
    assert!(!said.stderr.contains("record:"), "{}", said.stderr);
    lab.run("plan -f state.yaml -f two --detailed-exitcode").expect(0, &["nothing to do"]);
}

#[test]
fn nothing_of_a_person_is_written_over() {
    let lab = Lab::new("hosts: [{ name: WS-1, prevention: [00000000000000000000000000000004] }]", "{}");
    std::fs::create_dir(lab.path("mine")).unwrap();
    lab.run("import -f . -o mine").expect(1, &["mine exists already", "-o"]);
    lab.run("import ws-* -f .").expect(4, &["no host that it lists has a name that matches"]);
    lab.run("import ws-[ -f .").expect(1, &["`ws-[` is no pattern"]);
    lab.run("import WS-1 -f . -o new/folder").expect(0, &["of 1 host 1 has"]);
    lab.run("import -f . --server lba").expect(1, &["lba"]);
    lab.run("plan -f . --detailed-exitcode").expect(0, &["nothing to do"]);
    assert!(!lab.path("imported").exists());
}

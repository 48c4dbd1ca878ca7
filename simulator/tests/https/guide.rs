use kedrctl_simulator::{Fleet, Options, Simulator};

const GUIDE: &str = include_str!("../../../docs/simulator.md");

#[test]
fn every_example_of_the_guide_is_a_fleet_that_starts() {
    let examples: Vec<&str> =
        GUIDE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        let fleet = Fleet::from_yaml(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        Simulator::start_with(fleet, Options::default()).unwrap().stop().unwrap();
    }
}

/// The field names of a type, as its refusal of an unknown one lists them.
fn keys_of(beginning: &str, end: &str) -> Vec<String> {
    let error = Fleet::from_yaml(&format!("{beginning} nonsense: 1 {end}")).unwrap_err().to_string();
    let listed = error.split("expected one of ").nth(1).unwrap_or_else(|| panic!("{error}"));
    let names = listed.split('`').skip(1).step_by(2);
    names.map(String::from).collect()
}

#[test]
fn the_guide_names_every_key() {
    let places = [
        ("{", "}"),
        ("{ hosts: [{ name: WS-1,", "}] }"),
        ("{ generate: { hosts: 1,", "} }"),
        ("{ server: {", "} }"),
        ("{ server: { dialect: {", "} } }"),
        ("{ server: { faults: [{", "}] } }"),
    ];
    for (beginning, end) in places {
        let keys = keys_of(beginning, end);
        assert!(keys.len() > 4, "{keys:?}");
        for key in keys {
            let named = GUIDE.contains(&format!("`{key}`")) || GUIDE.contains(&format!("{key}:"));
            assert!(named, "docs/simulator.md does not name {key}");
        }
    }
}

use serde_json::{Value, json};
use snapbox::assert_data_eq;

use super::*;
use crate::declare::{
    CentralNodeAddress, Connection, DeclaredPrevention, Limit, Limits, PassphraseSource, PemSource,
    Protected, ProtectedRule, RecordPlace, ServerUrl, Trust,
};
use crate::model::{BlockEntry, Cause, Difference, KeptObject, Untrusted};
use crate::plan::{Action, Approved, Change};
use crate::report::sample;
use crate::resolve::DesiredHost;

/// A rule that loses one hash for each reason, gains one, and keeps one that has a name.
fn block() -> Change {
    let mut change = sample::block(sample::host(17, "WS-017.corp.example"), 1, 4);
    let entry = |n: usize, until: Option<&str>| BlockEntry {
        hash: sample::hash(n),
        comment: None,
        from: None,
        until: until.map(sample::at),
        list: Some("ransomware".into()),
        origin: sample::origin("lists/ransomware.txt", 9),
    };
    let declared = DeclaredPrevention {
        cause: change.cause.clone(),
        block: vec![[entry(500, Some("2026-12-31T00:00:00Z")), entry(600, None)].into()],
        unblock: Vec::new(),
        exact: false,
    };
    let host = DesiredHost {
        entry: "WS-017".into(),
        origin: sample::origin("state/hosts.yaml", 17),
        sensor: Arc::new(sample::sensor(17, "WS-017.corp.example")),
        groups: Arc::new([]),
        is_named: false,
        isolation: None,
        prevention: Some(Arc::new(declared)),
    };
    change.whom = Whom::Host(Arc::new(host));
    change.cause = Cause::joined([
        &Cause::group("pci".into(), sample::origin("state/pci.yaml", 4)),
        &Cause::group("desks".into(), sample::origin("state/desks.yaml", 9)),
    ])
    .unwrap();
    let Difference::Prevention(side) = &mut change.difference else { panic!("{change:?}") };
    for rule in [&mut side.before, &mut side.after].into_iter().flatten() {
        let rule = Arc::make_mut(rule);
        rule.objects.retain(|hash, _| *hash <= sample::hash(1_000));
        let name = Some(Untrusted::new("their\u{1b}s.exe"));
        rule.objects.insert(sample::hash(1_000), KeptObject { name, has_other_fields: false });
    }
    change
}

/// Every way to reach a server.
fn connections() -> Vec<Connection> {
    let node = |trust, key, passphrase| {
        Connection::CentralNode(CentralNodeAddress {
            urls: vec![ServerUrl { host: "kata.example.org".to_owned(), port: 443 }],
            external_system_id: "5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11".into(),
            client_certificate: PemSource::File("/srv/kedr/hq.crt".into()),
            client_key: key,
            client_key_passphrase: passphrase,
            trust,
        })
    };
    vec![
        node(Some(Trust::Pinned([7; 32])), PemSource::Env("THE_KEY".to_owned()), None),
        node(
            Some(Trust::Ca(PemSource::Command(vec!["vault".to_owned(), "read".to_owned()]))),
            PemSource::File("/srv/kedr/hq.key".into()),
            Some(PassphraseSource::Env("THE_PASSPHRASE".to_owned())),
        ),
        node(
            Some(Trust::System),
            PemSource::File("/srv/kedr/hq.key".into()),
            Some(PassphraseSource::Command(vec!["pass".to_owned(), "hq".to_owned()])),
        ),
        node(None, PemSource::File("/srv/kedr/hq.key".into()), None),
        Connection::Simulator { fleet: "/srv/kedr/fleet.yaml".into() },
    ]
}

/// One of everything that a plan can have.
fn saved() -> SavedPlan {
    let mut plan = sample::of_everything();
    let mut renewals = 0;
    for step in plan.servers.iter_mut().flat_map(|server| &mut server.steps) {
        // Two of the four: of a known end, and of an unknown one.
        step.changes.retain(|change| {
            renewals += usize::from(change.action.is_renewal());
            !change.action.is_renewal() || renewals % 2 == 1
        });
    }
    for change in
        plan.servers.iter_mut().flat_map(|server| &mut server.steps).flat_map(|step| &mut step.changes)
    {
        if matches!(change.action, Action::Block(_)) {
            *change = Arc::new(block());
        }
    }
    let servers = plan.servers.iter().zip(connections().into_iter().cycle()).map(|(server, connection)| {
        let declared = DeclaredServer {
            name: server.server.clone(),
            origin: sample::origin("state/servers.yaml", 3),
            connection,
            concurrency: 32,
            clock_tolerance: SignedDuration::from_mins(10),
        };
        (server.server.clone(), declared)
    });
    let protected = |rule| Protected { rule, origin: sample::origin("state/policy.yaml", 4) };
    SavedPlan {
        is_complete: true,
        made_with: "0.1.0".to_owned(),
        files: vec!["/srv/kedr".into()],
        record: RecordLocation {
            place: RecordPlace::Bucket("s3://soc-kedrctl/prod".parse().unwrap()),
            is_declared: true,
        },
        servers: servers.collect(),
        policy: Policy {
            protected: vec![
                protected(ProtectedRule::name("dc*").unwrap()),
                protected(ProtectedRule::Network("10.0.0.0/28".parse().unwrap())),
                protected(ProtectedRule::Sensor("5b0d2c1e-6f2e-4f4c-8a55-0b5b0c8f7a11".parse().unwrap())),
            ],
            limits: Limits {
                isolations: Some(Limit::Count(7)),
                hashes_removed: Some(Limit::Percent(20)),
                ..Limits::default()
            },
            tasks: true,
            ..Policy::default()
        },
        never_block: SavedPlan::judged(&Forbidden::of([]), &plan),
        flags: Flags {
            allow: vec!["isolations=7".parse().unwrap()],
            take_over: ["hq/WS-1/isolation".to_owned()].into(),
            accept_moved: ["WS-1".to_owned()].into(),
            accept_short_list: true,
        },
        plan,
    }
}

fn document() -> Value {
    serde_json::from_slice(&encode(&saved()).unwrap()).unwrap()
}

fn schema() -> String {
    let mut schema = Vec::new();
    write_schema(&mut schema).unwrap();
    String::from_utf8(schema).unwrap()
}

/// With a digest and an id that fit.
fn decode_forged(mut value: Value) -> Result<SavedPlan, SavedPlanError> {
    let is_the_id = |error: &SavedPlanError| error.to_string().contains("`plan_id`");
    for _ in 0..2 {
        value["sha256"] = Value::String(file::digest(&value));
        match decode(value.to_string().as_bytes()) {
            // What was changed is a part of the id: it is forged too.
            Err(error) if is_the_id(&error) => {
                let Ok(file) = serde_json::from_value::<wire::File>(value.clone()) else { return Err(error) };
                value["plan_id"] = file::read(file).unwrap().plan.id().into();
            }
            other => return other,
        }
    }
    panic!("the id is right by now");
}

/// The place of every value in a document.
fn places(value: &Value, at: &str, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                self::places(value, &format!("{at}/{key}"), places);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                self::places(value, &format!("{at}/{n}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The document with something else at one place, in every way that a hand or a disk might do it.
fn altered(document: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    self::places(document, "", &mut places);
    let mut altered = Vec::new();
    let mut kinds = BTreeSet::new();
    for place in places {
        // Of the items of a list that have one field, one: the list of isolations is long.
        let kind: String = place.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        if !kinds.insert(kind) {
            continue;
        }
        let mut add = |value: Value| {
            let mut other = document.clone();
            *other.pointer_mut(&place).unwrap() = value;
            altered.push((place.clone(), other));
        };
        match document.pointer(&place).unwrap() {
            Value::Null => add(json!("x")),
            Value::Bool(is) => add(json!(!is)),
            Value::Number(number) => add(json!(number.as_u64().unwrap() + 1)),
            Value::String(text) => {
                let mut other = text.clone();
                let last = other.pop();
                other.push(if last == Some('0') { '1' } else { '0' });
                add(json!(other));
                add(json!(format!("{text} ")));
            }
            Value::Array(items) => {
                let mut fewer = items.clone();
                fewer.pop();
                let more: Vec<Value> = items.iter().chain(items.first()).cloned().collect();
                let turned: Vec<Value> = items.iter().rev().cloned().collect();
                [fewer, more, turned]
                    .into_iter()
                    .filter(|other| other != items)
                    .for_each(|items| add(json!(items)));
            }
            Value::Object(map) => {
                for key in map.keys() {
                    let mut fewer = map.clone();
                    fewer.remove(key);
                    add(Value::Object(fewer));
                }
                let mut more = map.clone();
                more.insert("more".to_owned(), json!(1));
                add(Value::Object(more));
            }
        }
    }
    altered
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_file() {
    assert_data_eq!(schema(), snapbox::file!["../../schemas/plan-file-v1.schema.json": Text].raw());
}

#[test]
fn the_file_is_as_documented_and_fits_its_schema() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document()).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let text = String::from_utf8(encode(&saved()).unwrap()).unwrap();
    assert_data_eq!(text, snapbox::file!["plan-file.json": Text].raw());
}

#[test]
fn a_server_is_reached_as_it_was_when_the_plan_was_saved() {
    for connection in connections() {
        let mut plan = saved();
        let expected = format!("{connection:?}");
        for server in plan.servers.values_mut() {
            server.connection = connection.clone();
        }
        let read = decode(&encode(&plan).unwrap()).unwrap();
        let reached: Vec<String> =
            read.servers.values().map(|server| format!("{:?}", server.connection)).collect();
        assert!(!reached.is_empty() && reached.iter().all(|one| *one == expected), "{reached:?}");
    }
}

#[test]
fn a_plan_is_read_as_it_was_saved() {
    let bytes = encode(&saved()).unwrap();
    let read = decode(&bytes).unwrap();
    assert_eq!(encode(&read).unwrap(), bytes, "it says the same");
    assert_eq!(read.plan.id(), saved().plan.id());
    assert_eq!(read.flags, saved().flags);
    let added = |saved: &SavedPlan| saved.never_block.clone();
    assert_eq!(added(&read), added(&saved()));
}

#[test]
fn spaces_and_the_order_of_keys_say_nothing() {
    // A map of serde_json sorts its keys.
    let text = document().to_string();
    assert!(!text.starts_with("{\"format\""));
    assert_eq!(encode(&decode(text.as_bytes()).unwrap()).unwrap(), encode(&saved()).unwrap());
}

#[test]
fn an_altered_file_is_refused_whatever_was_altered() {
    let altered = altered(&document());
    assert!(altered.len() > 250, "{} ways", altered.len());
    for (place, altered) in altered {
        assert!(decode(altered.to_string().as_bytes()).is_err(), "{place}: {altered}");
    }
    let bytes = encode(&saved()).unwrap();
    for end in (0..bytes.len()).step_by(499) {
        assert!(decode(&bytes[..end]).is_err(), "the first {end} bytes");
    }
}

/// Nothing, said or not.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// No field is passed over: a file with a digest that fits is refused, or means all that it says.
#[test]
fn whatever_is_read_means_what_it_says() {
    let mut read = 0;
    for (place, altered) in altered(&document()) {
        let Ok(saved) = decode_forged(altered.clone()) else { continue };
        read += 1;
        let mut says: Value = serde_json::from_slice(&encode(&saved).unwrap()).unwrap();
        let mut said = altered;
        for value in [&mut says, &mut said] {
            value["sha256"] = Value::Null;
            value["plan_id"] = Value::Null;
            without_nulls(value);
        }
        if says != said {
            // What may be written in several ways: the same instant, a set in another order, a rule that nothing needs.
            let is_a_spelling = ["/rules", "/flags/allow", "take_over", "accept_moved", "/exclusions"]
                .iter()
                .any(|part| place.contains(part))
                // Without its change nothing needs a rule.
                || place.ends_with("/changes")
                || place.ends_with("/steps");
            assert!(is_a_spelling, "{place}:\n{said}\n{says}");
        }
    }
    assert!(read > 40, "{read}");
}

#[test]
fn what_is_not_all_in_one_piece_is_refused_even_with_its_digest() {
    let change = |at: &str, value: Value| {
        let mut document = document();
        *document.pointer_mut(at).unwrap_or_else(|| panic!("{at}")) = value;
        decode_forged(document).unwrap_err().to_string()
    };
    let steps = document()["servers"][0]["steps"].clone();
    let find = |what: &str| {
        steps.as_array().unwrap().iter().enumerate().find_map(|(n, step)| {
            let changes = step["changes"].as_array().unwrap();
            let place = changes.iter().position(|change| change["what"].get(what).is_some())?;
            Some(format!("/servers/0/steps/{n}/changes/{place}"))
        })
    };
    let (block, release) = (find("block").unwrap(), find("release").unwrap());
    assert!(change(&format!("{block}/what/block/added"), json!([])).contains("is to gain and to lose"));
    assert!(change(&format!("{block}/what/block/after"), json!(99)).contains("there is no rule 99"));
    let group = json!([{ "name": "pci", "origin": { "file": "x", "line": 1 } }]);
    let by_group = json!({ "origin": { "file": "x", "line": 1 }, "groups": group });
    assert!(change(&format!("{release}/cause"), by_group).contains("a release that no entry names"));
    assert!(change(&format!("{release}/target"), json!("all")).contains("for all hosts"));
    assert!(change("/files", json!("x")).contains("expected a sequence"));
    assert!(
        change("/record", json!({ "place": { "folder": "here" }, "declared": true }))
            .contains("is not absolute")
    );
    let text = document().to_string().replace("\"kedrctl-plan\"", "\"kedrctl snapshot\"");
    assert_eq!(decode(text.as_bytes()).unwrap_err(), SavedPlanError::NotASavedPlan);
    let mut newer = document();
    newer["format_version"] = json!(2);
    assert_eq!(decode_forged(newer).unwrap_err(), SavedPlanError::Version { found: 2 });
}

#[test]
fn what_was_approved_is_kept_free_of_times_and_under_its_id() {
    let plan = saved().plan;
    let approved = Approved::new(plan.meanings());
    let (bytes, id) = (encode_approved(&approved).unwrap(), plan.id().parse().unwrap());
    let mut later = plan.clone();
    later.now += SignedDuration::from_hours(5);
    later.servers.reverse();
    for server in &mut later.servers {
        server.address.push_str("elsewhere");
    }
    assert_eq!(encode_approved(&Approved::new(later.meanings())).unwrap(), bytes);
    let read = decode_approved(&bytes, &id).unwrap();
    assert_eq!(read.id(), id.as_str());
    assert!(plan.not_approved(&read).is_empty());
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("\"isolate\"", "\"release\""),
        ("\"format_version\":1", "\"format_version\":2"),
        ("00001f4", "00001f5"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        assert!(decode_approved(text.replacen(from, to, 1).as_bytes(), &id).is_err(), "{from}");
    }
    let other = "0".repeat(64).parse().unwrap();
    assert!(decode_approved(text.as_bytes(), &other).is_err());
}

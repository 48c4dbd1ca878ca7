use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use html5ever::tendril::TendrilSink;
use jiff::SignedDuration;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use snapbox::assert_data_eq;

use super::*;
use crate::declare::{DeclaredIsolation, WantedIsolation};
use crate::execute::{ChangeOutcome, Outcome, WriteResult};
use crate::guard::{Refusal, RefusalKind};
use crate::model::{Aspect, LastAccess, Sensor, SensorId, Untrusted};
use crate::plan::{Contact, FindingKind, Purpose, Verdict};
use crate::record::Recorded;
use crate::report::{sample, sample_history};
use crate::resolve::DesiredHost;

const DRIFT: View = View::Drift { require_contact: false };

/// All that a page is made of.
struct World {
    plan: Plan,
    judgement: Judgement,
    view: View,
    listed: Option<BTreeMap<ServerName, HostList>>,
    recorded: BTreeMap<ServerName, Recorded>,
    runs: Vec<RecentRuns>,
    outcome: Option<Outcome>,
    full: bool,
}

impl World {
    fn of(plan: Plan) -> Self {
        Self {
            plan,
            judgement: Judgement::default(),
            view: View::Plan,
            listed: None,
            recorded: BTreeMap::new(),
            runs: Vec::new(),
            outcome: None,
            full: false,
        }
    }

    fn html(&self) -> String {
        let page = Page {
            plan: &self.plan,
            judgement: &self.judgement,
            plan_id: "7c1e44d0a5",
            view: self.view,
            listed: self.listed.as_ref(),
            recorded: &self.recorded,
            runs: &self.runs,
            outcome: self
                .outcome
                .as_ref()
                .map(|outcome| Executed { outcome, run_id: "20261125-130000-4f2a" }),
            full: self.full,
        };
        let mut out = Vec::new();
        write(&page, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

fn refusal(subject: &str, message: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Limit,
        subject: subject.to_owned(),
        message: message.to_owned(),
        cause: Some(sample::origin("state/policy.yaml", 4).into()),
    }
}

fn sensor(number: u32, name: &str) -> Sensor {
    let [_, _, c, d] = number.to_be_bytes();
    let os = ["Windows 11 Pro 23H2", "Windows Server 2022", "Astra Linux 1.7"];
    Sensor {
        id: SensorId::new(uuid::Uuid::from_u128(u128::from(number) << 64 | 0x4f2a)),
        name: Some(Untrusted::new(name)),
        addresses: vec![[10, 1, c, d].into()],
        last_access: LastAccess::At(sample::now() - SignedDuration::from_mins(i64::from(number % 200))),
        agent_version: None,
        os_family: None,
        os_name: Some(Untrusted::new(os[number as usize % 3])),
        capabilities: Vec::new(),
    }
}

fn host(number: u32, name: &str, groups: &[&str]) -> Arc<DesiredHost> {
    Arc::new(DesiredHost {
        entry: name.into(),
        origin: sample::origin("state/hosts.yaml", number),
        sensor: Arc::new(sensor(number, name)),
        groups: groups.iter().map(|group| Arc::from(*group)).collect(),
        is_named: true,
        isolation: Some(DeclaredIsolation {
            cause: sample::origin("state/hosts.yaml", number).into(),
            want: WantedIsolation::On {
                term: if number.is_multiple_of(3) { sample::until() } else { sample::lease() },
                exclusions: Arc::default(),
                reason: None,
            },
        }),
        prevention: None,
    })
}

fn runs() -> Vec<RecentRuns> {
    vec![RecentRuns { server: ServerName::new("hq"), runs: Ok(sample_history::history().runs) }]
}

/// A plan with everything in it and thirty hosts.
fn small() -> World {
    let mut plan = sample::of_everything();
    let hq = &mut plan.servers[0];
    for number in 40..62 {
        let group: &[&str] = if number % 2 == 0 { &["desks"] } else { &["desks", "pci"] };
        let host = host(number, &format!("WS-{number:03}.corp.example"), group);
        hq.judged_mut().push(sample::judged(host, Aspect::Isolation, Verdict::InSync, Contact::Seen));
    }
    let mut recorded = sample_history::recorded();
    let known = recorded.isolations.values().next().unwrap().clone();
    for (number, judged) in (0_u32..).zip(hq.judged.iter()) {
        let mut known = known.clone();
        if let Some(rule) = &mut known.rule {
            rule.sent_at += SignedDuration::from_hours(i64::from(number % 7) - 12);
        }
        recorded.isolations.insert(judged.whom.sensor().unwrap().id, known);
    }
    World {
        judgement: Judgement { refusals: Vec::new(), warnings: vec!["`dc9*` matches no host".to_owned()] },
        recorded: BTreeMap::from([(ServerName::new("hq"), recorded)]),
        runs: runs(),
        ..World::of(plan)
    }
}

/// A drift check over a fleet: mostly in sync, some of everything else, on three servers.
fn fleet(count: u32) -> World {
    let mut plan = sample::plan(Vec::new());
    let mut listed = BTreeMap::new();
    let mut recorded = BTreeMap::new();
    let names = ["branch", "hq", "lab"];
    let share = count / 3;
    for (which, name) in (0_u32..).zip(names) {
        let mut server = sample::server(name);
        let mut list = HostList::default();
        let mut ledger = Recorded::default();
        let (mut contain, mut prevent, mut release) = (Vec::new(), Vec::new(), Vec::new());
        for number in which * share..(which + 1) * share {
            let group = ["desks", "servers", "pci", "kiosks", "laptops"][number as usize % 5];
            let groups: &[&str] = if number.is_multiple_of(9) { &[group, "watched"] } else { &[group] };
            let host = host(number, &format!("WS-{number:05}.corp.example"), groups);
            let (verdict, contact) = match number % 211 {
                1 => (Verdict::Differs, Contact::Seen),
                2 | 3 => (Verdict::InSync, Contact::Waiting),
                4 => (Verdict::InSync, Contact::Silent),
                5 => (Verdict::Unknown(crate::model::ReadFailure::new("timed out 3 times")), Contact::Seen),
                6 => (Verdict::EndUnknown, Contact::Seen),
                7 => (Verdict::Held, Contact::Seen),
                8 => (Verdict::LeftAlone, Contact::Seen),
                9..=19 => (Verdict::Renew, Contact::Seen),
                20 => (Verdict::InSync, Contact::Unsupported),
                _ => (Verdict::InSync, Contact::Seen),
            };
            list.sensors.insert(host.sensor.id, Arc::clone(&host.sensor));
            let label = host.sensor.label();
            match number % 211 {
                1 if number.is_multiple_of(2) => contain.push(sample::isolate(Arc::clone(&host))),
                1 => prevent.push(sample::block(Arc::clone(&host), 17, 3)),
                5 => server.findings.push(sample::finding(
                    FindingKind::Unknown,
                    &label,
                    "could not be read: timed out 3 times; nothing will be written",
                )),
                8 => server.findings.push(sample::finding(
                    FindingKind::GroupCheck,
                    &label,
                    "is isolated, declared off by group everyone",
                )),
                9..=19 => contain.push(sample::renew(
                    Arc::clone(&host),
                    crate::plan::End::Known(
                        sample::now() + SignedDuration::from_hours(i64::from(number % 12)),
                    ),
                )),
                21 => release.push(sample::release(Arc::clone(&host))),
                30..=59 => {
                    if number.is_multiple_of(3) {
                        server.findings.push(sample::finding(
                            FindingKind::Undeclared,
                            &label,
                            "blocks 3 files, and no file declares that (who put them there the record does not tell)",
                        ));
                    }
                    continue;
                }
                _ => {}
            }
            let known = sample_history::recorded().isolations.values().next().unwrap().clone();
            let mut known = known;
            if let Some(rule) = &mut known.rule {
                rule.sent_at = sample::now() - SignedDuration::from_mins(i64::from(number % 1_400));
            }
            ledger.isolations.insert(host.sensor.id, known);
            let mut judged = sample::judged(host, Aspect::Isolation, verdict, contact);
            if judged.verdict == Verdict::Held {
                judged.hold = Some(Arc::new(sample::hold()));
            }
            server.judged_mut().push(judged);
        }
        server.steps = vec![
            sample::step(Purpose::Contain, contain),
            sample::step(Purpose::Prevent, prevent),
            sample::step(Purpose::Release, release),
        ];
        server.findings.sort_by_key(|finding| finding.kind);
        listed.insert(ServerName::new(name), list);
        recorded.insert(ServerName::new(name), ledger);
        plan.servers.push(server);
    }
    World { view: DRIFT, listed: Some(listed), recorded, runs: runs(), ..World::of(plan) }
}

/// What was done of [`small`], not all of it.
fn executed() -> World {
    let mut world = small();
    let mut results = [
        WriteResult::Done { sent_at: sample::now() },
        WriteResult::AlreadyAsDesired,
        WriteResult::ChangedSincePlan { found: "no rule is set any more".to_owned() },
        WriteResult::Unknown { why: "timed out, and could not be read since".to_owned() },
        WriteResult::Held { hold: sample::hold().into() },
    ]
    .into_iter()
    .cycle();
    let changes = world.plan.changes();
    let changes = changes
        .map(|(_, change)| ChangeOutcome { change: Arc::clone(change), result: results.next().unwrap() })
        .collect();
    let server = sample::ended("hq", changes);
    world.outcome = Some(Outcome { servers: vec![server], was_interrupted: false });
    world
}

/// Hosts gave up a file to the rule for all hosts, which the server refused; it is put back on one host and not on
/// the other.
fn moved() -> World {
    let host = |number| sample::host(number, &format!("WS-{number}"));
    let mut server = sample::server("hq");
    server.steps = vec![
        sample::step(Purpose::GiveUp, vec![sample::block(host(1), 0, 1), sample::block(host(2), 0, 1)]),
        sample::step(Purpose::Prevent, vec![sample::block(host(1), 1, 0), sample::block(host(3), 1, 0)]),
    ];
    let judged =
        |host| sample::judged(host, Aspect::Prevention, Verdict::Differs, crate::plan::Contact::Seen);
    *server.judged_mut() = vec![judged(host(1)), judged(host(2)), judged(host(3))];
    let done = || WriteResult::Done { sent_at: sample::now() };
    let not_tried = || WriteResult::NotTried { why: "the rule for all hosts was not written".to_owned() };
    let results = [done(), done(), not_tried(), done()];
    let changes: Vec<_> = server.changes().map(Arc::clone).zip(results).collect();
    let mut changes: Vec<ChangeOutcome> =
        changes.into_iter().map(|(change, result)| ChangeOutcome { change, result }).collect();
    let back = |number, result| ChangeOutcome { change: Arc::new(sample::block(host(number), 1, 0)), result };
    let mut ended = sample::ended("hq", std::mem::take(&mut changes));
    ended.put_back =
        vec![back(1, WriteResult::Refused { why: "the request is too large".to_owned() }), back(2, done())];
    ended.open = Some("1 host goes without 1 hash (WS-1)".to_owned());
    let outcome = Some(Outcome { servers: vec![ended], was_interrupted: false });
    World { outcome, ..World::of(sample::plan(vec![server])) }
}

#[test]
fn what_is_between_two_rules_and_what_was_put_back_is_told() {
    let html = moved().html();
    for text in [
        "Hashes that left one rule and are not in the other",
        "1 host goes without 1 hash",
        "Put back, since the rule for all hosts is not written",
        "refused by the server, nothing changed: the request is too large",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let page = moved();
    let executed = page.outcome.as_ref().map(|outcome| Executed { outcome, run_id: "41" });
    let fleet = fleet::Fleet::of(&Page { outcome: executed, ..page_of(&page) });
    let said: Vec<(&str, &str)> =
        fleet.hosts.iter().map(|host| (host.name.as_str(), host.state.as_str())).collect();
    assert_eq!(said, [("WS-1", "differs"), ("WS-2", "differs"), ("WS-3", "written")]);
    // Each step of a rule has the result of its own.
    let tones = fleet.changes.iter().map(|change| change.result.as_ref().unwrap().0);
    assert_eq!(tones.collect::<Vec<_>>(), ["fine", "fine", "bad", "fine"]);
}

const HOSTILE: [&str; 6] = [
    "</script><script>throw 'x'</script>",
    "\"><img src=x onerror=alert(1)>",
    "ws\u{1b}[2J\u{202e}\u{2066}1\u{2028}",
    "{{data}}{{script}}",
    "&lt;b&gt;<!--<![CDATA[",
    "javascript:alert(1)' onclick='alert(1)",
];

/// Every text of it is of somebody who means harm.
fn hostile() -> World {
    let long = format!("x<{}", "y>".repeat(5_000));
    let mut texts: Vec<&str> = HOSTILE.to_vec();
    texts.push(&long);
    let mut plan = sample::plan(Vec::new());
    let mut refusals = Vec::new();
    let mut warnings = Vec::new();
    for (number, text) in (1_u32..).zip(&texts) {
        let mut server = sample::server(text);
        server.address = (*text).to_owned();
        let host = host(number, text, &[text]);
        let mut isolate = sample::isolate(Arc::clone(&host));
        isolate.reason = Some((*text).into());
        isolate.cause = sample::origin(text, 1).into();
        isolate.notes = vec![(*text).to_owned()];
        let mut block = sample::block(Arc::clone(&host), 2, 2);
        if let crate::plan::Action::Block(rule) = &mut block.action {
            let rule = Arc::make_mut(rule);
            rule.added[0].list = Some((*text).into());
            rule.added[0].origin = sample::origin(text, 3);
        }
        server.steps =
            vec![sample::step(Purpose::Contain, vec![isolate]), sample::step(Purpose::Prevent, vec![block])];
        let mut judged = sample::judged(host, Aspect::Isolation, Verdict::Held, Contact::Seen);
        let mut hold = sample::hold();
        (hold.by, hold.reason) = ((*text).into(), Some((*text).into()));
        judged.hold = Some(Arc::new(hold));
        *server.judged_mut() = vec![judged];
        let mut finding = sample::finding(FindingKind::HostError, text, text);
        finding.cause = Some(crate::model::Cause::group((*text).into(), sample::origin(text, 2)));
        server.findings = vec![finding];
        plan.servers.push(server);
        refusals.push(refusal(text, text));
        warnings.push((*text).to_owned());
    }
    plan.owner = HOSTILE[0].into();
    let mut lost = sample::server("lost");
    lost.state = crate::plan::ServerState::Unreachable { why: HOSTILE[1].to_owned() };
    plan.servers.push(lost);
    let runs = texts
        .iter()
        .map(|text| RecentRuns { server: ServerName::new(*text), runs: Ok(sample_history::hostile().runs) });
    let unread = RecentRuns { server: ServerName::new("lost"), runs: Err(HOSTILE[0].to_owned()) };
    World {
        judgement: Judgement { refusals, warnings },
        runs: runs.chain([unread]).collect(),
        ..World::of(plan)
    }
}

fn nothing() -> World {
    World { view: DRIFT, ..World::of(sample::plan(vec![sample::server("hq")])) }
}

fn worlds() -> Vec<(&'static str, World)> {
    let mut refused = small();
    refused.judgement.refusals =
        vec![refusal("isolations", "7 on hq, at most 5 are allowed: `--allow isolations=7`")];
    vec![
        ("small", small()),
        ("refused", refused),
        ("executed", executed()),
        ("moved", moved()),
        ("hostile", hostile()),
        ("nothing", nothing()),
        ("fleet", fleet(600)),
    ]
}

/// The elements of a page and the texts in them, by a parser that is not ours; and what is wrong with the page.
struct Parsed {
    elements: Vec<(String, BTreeMap<String, String>)>,
    errors: Vec<String>,
    data: serde_json::Value,
}

fn parsed(html: &str) -> Parsed {
    let dom = html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(html);
    let mut parsed = Parsed {
        elements: Vec::new(),
        errors: dom.errors.borrow().iter().map(ToString::to_string).collect(),
        data: serde_json::Value::Null,
    };
    let mut open: Vec<Handle> = vec![dom.document.clone()];
    while let Some(node) = open.pop() {
        if let NodeData::Element { name, attrs, .. } = &node.data {
            let attributes: BTreeMap<String, String> = (attrs.borrow().iter())
                .map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()))
                .collect();
            if attributes.get("id").is_some_and(|id| id == "data") {
                let children = node.children.borrow();
                let [only] = children.as_slice() else { panic!("one text") };
                let NodeData::Text { contents } = &only.data else { panic!("a text") };
                parsed.data = serde_json::from_str(&contents.borrow()).unwrap();
            }
            parsed.elements.push((name.local.to_string(), attributes));
        }
        open.extend(node.children.borrow().iter().cloned());
    }
    parsed
}

/// `SNAPSHOTS=overwrite cargo test --lib html` writes it.
#[test]
fn the_page_is_as_it_was() {
    let html = small().html();
    // Style and script are files of their own.
    let mut shown = html.clone();
    for (from, to) in [("<style>", "</style>"), ("<script type=\"module\">", "</script>")] {
        let start = shown.rfind(from).unwrap() + from.len();
        let end = start + shown[start..].find(to).unwrap();
        shown.replace_range(start..end, "…");
    }
    let policy = shown.find("style-src").unwrap();
    let end = policy + shown[policy..].find("; base-uri").unwrap();
    shown.replace_range(policy..end, "…");
    assert_data_eq!(shown, snapbox::file!["page.golden.html": Text].raw());
    assert_eq!(html, small().html(), "the same values are the same bytes");
}

#[test]
fn every_page_is_valid_html() {
    for (name, world) in worlds() {
        let html = world.html();
        let page = parsed(&html);
        assert_eq!(page.errors, Vec::<String>::new(), "{name}");
        let mut ids = std::collections::BTreeSet::new();
        for (element, attributes) in &page.elements {
            if let Some(id) = attributes.get("id") {
                assert!(ids.insert(id), "{name}: two elements have the id {id}");
            }
            assert!(!attributes.contains_key("style"), "{name}: the policy lets no style of a {element} be");
        }
        let named = ["aria-labelledby", "aria-describedby"];
        for (_, attributes) in &page.elements {
            for id in named.iter().filter_map(|name| attributes.get(*name)).filter(|id| *id != "host-title") {
                assert!(ids.contains(id), "{name}: nothing has the id {id}");
            }
        }
        let headings = page.elements.iter().filter(|(element, _)| element == "h1").count();
        assert_eq!(headings, 1, "{name}");
    }
}

#[test]
fn nothing_is_loaded_and_only_our_script_runs() {
    for (name, world) in worlds() {
        let html = world.html();
        let page = parsed(&html);
        let is = |wanted: &str| page.elements.iter().filter(|(element, _)| element == wanted).count();
        assert_eq!((is("script"), is("style")), (2, 1), "{name}");
        for loading in
            ["link", "img", "iframe", "object", "embed", "form", "base", "audio", "video", "image", "use"]
        {
            assert_eq!(is(loading), 0, "{name}: {loading}");
        }
        for (element, attributes) in &page.elements {
            for (attribute, value) in attributes {
                assert!(!attribute.starts_with("on"), "{name}: {element} {attribute}");
                let is_address =
                    ["src", "href", "action", "data", "srcset", "xlink:href"].contains(&&**attribute);
                assert!(!is_address || value.starts_with('#'), "{name}: {element} {attribute}={value}");
            }
        }
        let policy = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
        let policy = policy.split('"').next().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    }
    // Texts of others become text: what would make markup, or code, of them is not there.
    let script = concat!(include_str!("picture.js"), include_str!("lists.js"), include_str!("script.js"));
    for forbidden in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "import",
        "Storage",
        "cookie",
        "http",
    ] {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn hostile_texts_are_data() {
    let html = hostile().html();
    let harmless = |c: char| {
        c == '\n'
            || !(c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}'))
    };
    assert!(html.chars().all(harmless), "no character drives or turns anything");
    let page = parsed(&html);
    for element in ["b", "img"] {
        let found = page.elements.iter().filter(|(name, _)| name == element);
        // Ours have no attributes.
        assert!(found.clone().all(|(_, attributes)| attributes.is_empty() && element == "b"), "{element}");
    }
    let names = page.data["hosts"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned());
    let names: Vec<String> = names.collect();
    for text in HOSTILE {
        assert!(names.contains(&markup::shown(text)), "{text} is shown as it is in {names:?}");
    }
    assert!(names.iter().any(|name| name.ends_with("… (10,002 characters)")), "{names:?}");
    assert!(html.len() < 400_000, "{} bytes", html.len());
}

#[test]
fn a_large_fleet_stays_small() {
    let world = fleet(20_000);
    let html = world.html();
    assert!(html.len() < 6_000_000, "{} bytes", html.len());
    let (page, data) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    assert!(page.matches('<').count() < 20_000, "{} tags", page.matches('<').count());
    let data: serde_json::Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["hosts"].as_array().unwrap().len(), 19_998);
    assert_eq!(data["changes"].as_array().unwrap().len(), world.plan.changes().count());
    assert!(html.contains("more, which only the script shows"), "what was cut is counted");
}

#[test]
fn every_host_counts_once_and_by_its_worst() {
    let counts = fleet::Fleet::of(&page_of(&small())).counts();
    let told: BTreeMap<&str, usize> =
        counts.into_iter().map(|(state, count)| (state.as_str(), count)).collect();
    // WS-017, and those whom only findings name.
    assert_eq!(told["differs"], 1);
    assert_eq!(told["error"], 1);
    assert_eq!(told["unknown"], 1);
    assert_eq!(told["left_behind"], 1);
    assert_eq!(told["in_sync"], 22);
    let mut listed = nothing();
    let sensors = [sensor(1, "WS-1"), sensor(2, "WS-2")].map(|sensor| (sensor.id, Arc::new(sensor)));
    let list = HostList { sensors: BTreeMap::from(sensors), ..HostList::default() };
    listed.listed = Some(BTreeMap::from([(ServerName::new("hq"), list)]));
    listed.plan.servers[0].findings.push(sample::finding(FindingKind::Undeclared, "WS-2", "is isolated"));
    let fleet = fleet::Fleet::of(&page_of(&listed));
    let told: Vec<(&str, &str)> = fleet.hosts.iter().map(|host| (&*host.name, host.state.as_str())).collect();
    assert_eq!(told, [("WS-2", "undeclared"), ("WS-1", "listed")]);
}

fn page_of(world: &World) -> Page<'_> {
    Page {
        plan: &world.plan,
        judgement: &world.judgement,
        plan_id: "7c1e44d0a5",
        view: world.view,
        listed: world.listed.as_ref(),
        recorded: &world.recorded,
        runs: &world.runs,
        outcome: None,
        full: false,
    }
}

#[test]
fn the_answer_says_no_more_than_is_known() {
    let verdict = |world: &World| numbers::verdict(&page_of(world)).1;
    let with = |verdict: Verdict, contact: Contact, view: View| {
        let mut world = nothing();
        world.view = view;
        let judged = sample::judged(sample::host(1, "WS-001"), Aspect::Isolation, verdict, contact);
        *world.plan.servers[0].judged_mut() = vec![judged];
        world
    };
    assert_eq!(verdict(&nothing()), "Nothing is declared for any host");
    assert_eq!(verdict(&with(Verdict::InSync, Contact::Seen, DRIFT)), "As declared on the servers");
    assert_eq!(
        verdict(&with(Verdict::InSync, Contact::Waiting, DRIFT)),
        "As declared on the servers; 1 waiting for contact"
    );
    let strict = View::Drift { require_contact: true };
    assert_eq!(
        verdict(&with(Verdict::InSync, Contact::Silent, strict)),
        "No difference as far as could be judged; 1 silent"
    );
    assert_eq!(
        verdict(&with(Verdict::EndUnknown, Contact::Seen, DRIFT)),
        "No difference as far as could be judged; 1 with an unknown end"
    );
    let unknown = Verdict::Unknown(crate::model::ReadFailure::new("timed out"));
    assert_eq!(
        verdict(&with(unknown, Contact::Seen, View::Plan)),
        "Nothing to do as far as could be judged; 1 could not be judged"
    );
    assert_eq!(verdict(&with(Verdict::Held, Contact::Seen, DRIFT)), "1 difference");
    let mut refused = small();
    refused.judgement.refusals = vec![refusal("isolations", "7 on hq")];
    assert_eq!(verdict(&refused), "Refused: nothing of this plan will be written");
    let executed = executed();
    let page = Page {
        outcome: executed.outcome.as_ref().map(|outcome| Executed { outcome, run_id: "41" }),
        ..page_of(&executed)
    };
    let (tone, said) = numbers::verdict(&page);
    assert_eq!((tone, &*said), ("bad", "6 of 12 changes done; 2 could not be judged"));
}

/// What an apply did is in its record, and has ends, though its page does not have them from there.
#[test]
fn the_page_of_an_apply_does_not_say_that_nothing_is_recorded() {
    let mut world = World { outcome: executed().outcome, ..World::of(small().plan) };
    world.plan.servers.iter_mut().for_each(|server| server.judged_mut().clear());
    world.plan.servers.iter_mut().for_each(|server| server.steps.clear());
    let html = world.html();
    assert!(html.contains("kedrctl history") && html.contains("when this was planned"));
    assert!(!html.contains("was not asked") && !html.contains("deadline is known"));
}

/// What `.ci/browser` opens.
#[test]
#[ignore = "writes pages for a browser into the folder that KEDRCTL_PAGES names"]
fn pages_for_a_browser() {
    let folder = std::path::PathBuf::from(std::env::var_os("KEDRCTL_PAGES").expect("a folder"));
    for (name, world) in worlds().into_iter().chain([("large", fleet(20_000))]) {
        let mut file = std::fs::File::create(folder.join(format!("{name}.html"))).unwrap();
        file.write_all(world.html().as_bytes()).unwrap();
    }
}

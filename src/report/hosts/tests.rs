use snapbox::{IntoData, assert_data_eq, str};

use super::*;
use crate::model::ReadFailure;
use crate::report::sample;

fn list() -> Hosts {
    let mut plain = sample::sensor(1, "WS-017.corp.example");
    plain.os_family = Some(Untrusted::new("Windows"));
    plain.os_name = Some(Untrusted::new("Windows 11 Pro"));
    plain.agent_version = Some(Untrusted::new("12.6.0.438"));
    let mut bare = sample::sensor(2, "ws\u{1b}[2J\u{202e}\n");
    bare.addresses.clear();
    bare.last_access = LastAccess::Unknown;
    Hosts::new(vec![row(bare), row(plain)], 2, false)
}

fn row(sensor: Sensor) -> HostRow {
    HostRow { sensor: Arc::new(sensor), isolation: None, blocked: None }
}

#[test]
fn what_stands_on_hosts_is_shown_and_what_is_not_known_too() {
    let mut hosts = list();
    let rule = Isolation { timeout_seconds: 28_800, exclusions: Arc::default() };
    hosts.rows[0].isolation = Some(Reading::Present(rule));
    hosts.rows[0].blocked = Some(Reading::Absent);
    hosts.rows[1].isolation = Some(Reading::Unknown(ReadFailure::new("timed out")));
    hosts.rows[1].blocked = Some(Reading::Present(3));
    hosts.listed = 9;
    assert!(!hosts.is_whole());
    let hq = ServerName::new("hq");
    let servers = [ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(hosts) }];
    let mut out = Vec::new();
    write_text(&servers, sample::now(), Palette::OFF, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("2 of 9 hosts"), "{text}");
    assert!(text.contains("timeout 8 h      —         01010101-"), "{text}");
    assert!(text.contains("unknown          3 files   02020202-"), "{text}");
    assert!(text.contains("  ? ws\\u{1b}[2J\\u{202e}\\u{a}: timed out\n"), "{text}");
    let mut out = Vec::new();
    write_json(&servers, sample::now(), &mut out).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let hosts = &value["servers"][0]["hosts"];
    assert_eq!(hosts[0]["isolation"]["state"], "rule");
    assert_eq!(hosts[0]["isolation"]["timeout_seconds"], 28_800);
    assert_eq!(hosts[0]["prevention"]["state"], "none");
    assert_eq!(hosts[1]["isolation"]["why"], "timed out");
    assert_eq!(hosts[1]["prevention"]["hashes"], 3);
}

#[test]
fn no_cell_of_a_spreadsheet_is_a_formula() {
    let mut evil = sample::sensor(1, "=cmd|' /c calc'!A1");
    evil.os_name = Some(Untrusted::new("Windows, \"11\"\nPro"));
    evil.agent_version = Some(Untrusted::new("-1"));
    let hq = ServerName::new("hq");
    let hosts = Ok(Hosts::new(vec![row(evil)], 1, false));
    let mut out = Vec::new();
    write_csv(&[ServerHosts { server: &hq, address: "", hosts }], &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text.lines().last().unwrap(),
        "hq,01010101-0101-0101-0101-010101010101,'=cmd|' /c calc'!A1,10.1.2.1,,\"Windows, \"\"11\"\"\\u{a}Pro\",'-1,\
         2026-11-25T12:30:00Z,,,"
    );
    assert!(text.ends_with(",,,\r\n"));
}

#[test]
fn a_list_that_cannot_be_meant_is_not_whole() {
    assert!(list().is_whole());
    assert!(!Hosts::new(Vec::new(), 0, false).is_whole());
    assert!(!Hosts { has_more: true, ..list() }.is_whole());
}

#[test]
fn hosts_are_a_table_that_no_name_can_break() {
    let (list, hq, lab) = (list(), ServerName::new("hq"), ServerName::new("lab"));
    let servers = [
        ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(list) },
        ServerHosts { server: &lab, address: "fleet.yaml", hosts: Err("connection refused".to_owned()) },
    ];
    let mut out = Vec::new();
    write_text(&servers, sample::now(), Palette::OFF, &mut out).unwrap();
    assert_data_eq!(String::from_utf8(out).unwrap(), str![[r#"
hq  https://kata.example.org   2 hosts

  name                       address    OS               agent        last access                  sensor id
  WS-017.corp.example        10.1.2.1   Windows 11 Pro   12.6.0.438   25 Nov 12:30Z (30 min ago)   01010101-0101-0101-0101-010101010101
  ws\u{1b}[2J\u{202e}\u{a}   —          —                —            unknown                      02020202-0202-0202-0202-020202020202

lab  fleet.yaml   not read
  ! connection refused

"#]].raw());
}

#[test]
fn json_keeps_the_name_as_it_came() {
    let (list, hq) = (list(), ServerName::new("hq"));
    let servers = [ServerHosts { server: &hq, address: "https://kata.example.org", hosts: Ok(list) }];
    let mut out = Vec::new();
    write_json(&servers, sample::now(), &mut out).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let host = &value["servers"][0]["hosts"][1];
    assert_eq!(host["name"], "ws\u{1b}[2J\u{202e}\n");
    assert_eq!(host["last_access"], serde_json::Value::Null);
    assert_eq!(value["servers"][0]["hosts"][0]["last_access_age_seconds"], 1_800);
    assert!(!out.contains(&0x1b), "nothing raw in it");
}

use serde_json::{Value, json};

use crate::client::{Lab, minutes, sensor};

const FLEET: &str = "hosts: [{ name: WS-1, contact_every: 5m, last_access: 1m ago }]";
const ID: &str = "0d2c1e5b-6f2e-4f4c-8a55-0b5b0c8f7a11";

fn create() -> String {
    format!("tasks/{ID}?sensor_id={}&task_type=run_process", sensor("WS-1"))
}

fn task() -> Value {
    json!({"task": {"schedule": {"startNow": true}, "execCommand": r"C:\Windows\System32\cmd.exe",
        "cmdLineParameters": "/c collect.bat", "workingDirectory": r"C:\Tools"}})
}

#[tokio::test]
async fn a_task_runs_once_the_host_is_in_contact() {
    let lab = Lab::new(FLEET);
    let read = format!("tasks/{ID}");
    assert_eq!(lab.get(&read).await.status, 404);
    assert_eq!(lab.post(&create(), &task()).await.status, 200);
    assert_eq!(lab.post(&create(), &task()).await.status, 409);
    assert_eq!(lab.get(&read).await.json(), json!({"state": "waiting"}));
    lab.clock.advance(minutes(4));
    assert_eq!(
        lab.get(&format!("{read}?settings=true")).await.json(),
        json!({"state": "in_progress", "latestStartDateTime": "2026-11-24T09:04:00Z", "task": task()["task"]})
    );
    lab.clock.advance(minutes(5));
    assert_eq!(lab.get(&read).await.json()["state"], "done");
    assert_eq!(lab.simulator.effective(sensor("WS-1")).started, [ID.parse::<uuid::Uuid>().unwrap()]);
    assert_eq!(lab.delete(&read).await.status, 200);
    assert_eq!(lab.delete(&read).await.status, 404);
}

#[tokio::test]
async fn an_end_that_was_long_ago_is_known_at_once() {
    let lab = Lab::new(FLEET);
    lab.post(&create(), &task()).await;
    lab.clock.advance(minutes(60));
    let read = lab.get(&format!("tasks/{ID}?settings=false")).await.json();
    assert_eq!(read, json!({"state": "done", "latestStartDateTime": "2026-11-24T09:04:00Z"}));
}

#[tokio::test]
async fn wrong_tasks_are_refused() {
    let lab = Lab::new(FLEET);
    let misspelt = json!({"task": {"shedule": {"startNow": true}, "execCommand": "a.exe"}});
    assert_eq!(lab.post(&create(), &misspelt).await.status, 400);
    let no_command = json!({"task": {"schedule": {"startNow": true}, "execCommand": ""}});
    assert_eq!(lab.post(&create(), &no_command).await.status, 400);
    let other_type = create().replace("run_process", "kill_process");
    assert_eq!(lab.post(&other_type, &task()).await.status, 400);
    let nobody = create().replace(&sensor("WS-1").to_string(), ID);
    assert_eq!(lab.post(&nobody, &task()).await.status, 404);
    assert_eq!(lab.get("tasks/no-uuid").await.status, 400);
}

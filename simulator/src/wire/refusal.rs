//! Refusals as answers.

use serde_json::{Value, json};

use super::dialect::{ClashShape, NotFoundBody};
use super::sensors::uuid_text;
use super::{Answer, Dialect};
use crate::world::{Clash, Refusal};

/// A refusal in this dialect.
pub(crate) fn refused(refusal: &Refusal, dialect: &Dialect) -> Answer {
    match refusal {
        Refusal::UnknownHost | Refusal::NoRule | Refusal::NoTask => match dialect.not_found {
            NotFoundBody::Documented => Answer::json(404, &json!({"error": "Not Found"}), dialect),
            NotFoundBody::Html => Answer::html(404, "Not Found"),
        },
        Refusal::TaskExists => Answer::json(409, &json!({"error": "Conflict"}), dialect),
        Refusal::Incorrect(problem) => {
            let body = json!({"error": "Incorrect parameters", "details": problem});
            Answer::json(swapped(400, dialect), &body, dialect)
        }
        Refusal::Clash(clash) => {
            Answer::json(dialect.clash_status, &clash_body(clash, refusal, dialect), dialect)
        }
    }
}

/// The answer to a client that is not accepted (yet).
pub(crate) fn not_authorized(dialect: &Dialect) -> Answer {
    let status = swapped(dialect.not_authorized, dialect);
    Answer::json(status, &json!({"error": "Authorization required"}), dialect)
}

/// The help swaps the two on the topics 227251 and 227597.
fn swapped(status: u16, dialect: &Dialect) -> u16 {
    match status {
        400 if dialect.swap_400_and_401 => 401,
        401 if dialect.swap_400_and_401 => 400,
        other => other,
    }
}

fn clash_body(clash: &Clash, refusal: &Refusal, dialect: &Dialect) -> Value {
    let message = refusal.to_string();
    let file = json!({clash.file.field(): clash.file.to_string()});
    let names = || clash.hosts.iter().map(|(_, name)| name.clone());
    let ids = || clash.hosts.iter().map(|(sensor, _)| uuid_text(*sensor, dialect));
    let all = || clash.of_all.then(|| String::from("all"));
    match dialect.clash {
        ClashShape::Hosts => {
            let hosts: Vec<Value> = if clash.of_all {
                vec![json!({"sensorId": "all"})]
            } else {
                let field = dialect.host_name_field.as_str();
                ids().zip(names()).map(|(id, name)| json!({"sensorId": id, field: name})).collect()
            };
            json!({"error": message, "file": file, "hosts": hosts})
        }
        ClashShape::SensorIds => {
            json!({"error": message, "sensorIds": all().into_iter().chain(ids()).collect::<Vec<_>>()})
        }
        ClashShape::Nested => {
            let hosts: Vec<String> = all().into_iter().chain(names()).collect();
            json!({"error": {"code": 1409, "message": message, "details": {"file": file, "hosts": hosts}}})
        }
        ClashShape::Text => {
            let hosts: Vec<String> = all().into_iter().chain(names()).collect();
            json!({"error": format!("{message}: {}", hosts.join(", "))})
        }
    }
}

//! An answer before faults have their way with it.

use serde::Serialize;

use super::Dialect;
use super::dialect::{SettingsShape, WriteStatus};

/// Status, body and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: Option<String>,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl Answer {
    /// A JSON answer in this dialect.
    pub(crate) fn json(status: u16, body: &impl Serialize, dialect: &Dialect) -> Answer {
        let mut bytes = if dialect.bom { BOM.to_vec() } else { Vec::new() };
        match serde_json::to_writer(&mut bytes, body) {
            Ok(()) => {
                let content_type = (!dialect.content_type.is_empty()).then(|| dialect.content_type.clone());
                Answer { status, body: bytes, content_type }
            }
            // Writing our own values to memory has no way to fail; if it does, it shows.
            Err(error) => {
                Answer::text(500, "text/plain", &format!("the simulator cannot write JSON: {error}"))
            }
        }
    }

    /// The answer to a write that was carried out.
    pub(crate) fn done(dialect: &Dialect) -> Answer {
        match dialect.write_status {
            WriteStatus::Ok => Answer::json(200, &serde_json::json!({}), dialect),
            WriteStatus::NoContent => Answer { status: 204, body: Vec::new(), content_type: None },
        }
    }

    /// A setting within what the dialect puts around it.
    pub(super) fn setting(setting: &impl Serialize, dialect: &Dialect) -> Answer {
        match dialect.settings {
            SettingsShape::Object => Answer::json(200, &Under { settings: setting }, dialect),
            SettingsShape::Array => Answer::json(200, &[Under { settings: setting }], dialect),
            SettingsShape::BareArray => Answer::json(200, &[setting], dialect),
            SettingsShape::ArrayUnderSettings => Answer::json(200, &Under { settings: [setting] }, dialect),
        }
    }

    /// An answer that is no JSON.
    pub(crate) fn text(status: u16, content_type: &str, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec(), content_type: Some(content_type.into()) }
    }

    /// A page such as a web server in front sends.
    pub(crate) fn html(status: u16, title: &str) -> Answer {
        let body = format!(
            "<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}\
             </h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Answer::text(status, "text/html", &body)
    }
}

#[derive(Serialize)]
struct Under<T> {
    settings: T,
}

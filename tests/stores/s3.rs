//! A small server that speaks enough of S3, on loopback, and fails as told. Written from what the protocol says, not
//! from the client.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kedrctl::model::BucketUrl;
use kedrctl::record::{BucketStore, LockTerms};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not carried out; this status and this code.
    Answers(u16, &'static str),
    /// Carried out; the connection breaks before the answer.
    AnswerLost,
    /// Not carried out; the connection breaks.
    Broken,
    /// Neither carried out nor answered.
    Hangs,
    /// Conditions are ignored.
    Unconditional,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    writes: u64,
    /// Method, a part of the path, how many of them (of those that come next), and what becomes of them.
    faults: Vec<(&'static str, &'static str, usize, Fault)>,
    log: Vec<String>,
}

/// The server runs as long as the test process; its clients as long as they like.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (connection, state) = (connection.unwrap(), shared.clone());
                std::thread::spawn(move || serve(connection, &state));
            }
        });
        Self { port, state }
    }

    pub(crate) fn open_with(&self, terms: LockTerms) -> BucketStore {
        self.open_bucket("soc", terms)
    }

    pub(crate) fn open_bucket(&self, bucket: &str, terms: LockTerms) -> BucketStore {
        let url: BucketUrl = format!("s3://{bucket}/prod").parse().unwrap();
        BucketStore::open(&url, self.variables(), terms).unwrap()
    }

    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "not-to-be-shown".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The next `count` requests with this method, whose path contains `part`, go wrong.
    pub(crate) fn fail(&self, method: &'static str, part: &'static str, count: usize, fault: Fault) {
        self.state.lock().unwrap().faults.push((method, part, count, fault));
    }

    pub(crate) fn recover(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn serve(mut connection: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    while let Some(request) = receive(&mut reader) {
        let fault = state.lock().unwrap().fault(&request);
        let answer = match fault {
            Some(Fault::Broken) => return,
            Some(Fault::Hangs) => {
                std::thread::sleep(Duration::from_secs(3600));
                return;
            }
            Some(Fault::Answers(status, code)) => error(status, code),
            Some(Fault::AnswerLost) => {
                drop(state.lock().unwrap().answer(&request, true));
                return;
            }
            Some(Fault::Unconditional) => state.lock().unwrap().answer(&request, false),
            None => state.lock().unwrap().answer(&request, true),
        };
        let (status, headers, body) = answer;
        let length = if status == 204 { 0 } else { body.len() };
        let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n{headers}\r\n");
        if connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body)).is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a client that hangs up has nothing more to say")]
fn receive(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request { method, path: unescape(path), query: query.to_owned(), headers, body })
}

type Answer = (u16, String, Vec<u8>);

fn error(status: u16, code: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>told to</Message></Error>");
    (status, "content-type: application/xml\r\n".to_owned(), body.into_bytes())
}

impl State {
    fn fault(&mut self, request: &Request) -> Option<Fault> {
        self.log.push(format!("{} {}", request.method, request.path));
        let is_meant = |(method, part, count, _): &&mut (&str, &str, usize, Fault)| {
            *count > 0 && *method == request.method && request.path.contains(*part)
        };
        let (_, _, count, fault) = self.faults.iter_mut().find(is_meant)?;
        *count -= 1;
        Some(*fault)
    }

    fn answer(&mut self, request: &Request, obeys: bool) -> Answer {
        let Some(key) = request.path.strip_prefix("/soc") else { return error(404, "NoSuchBucket") };
        let key = key.trim_start_matches('/');
        let found = self.objects.get(key);
        let e_tag = |version: u64| format!("etag: \"{version:032x}\"\r\n");
        match request.method.as_str() {
            "GET" if key.is_empty() => (200, String::new(), self.list(&request.query)),
            "GET" => match found {
                Some((bytes, version)) => {
                    let modified = "last-modified: Wed, 25 Nov 2026 00:00:00 GMT\r\n";
                    (200, format!("{}{modified}", e_tag(*version)), bytes.clone())
                }
                None => error(404, "NoSuchKey"),
            },
            "PUT" => {
                let header = |name: &str| request.headers.get(name).map(String::as_str);
                let is_met = match (header("if-none-match"), header("if-match")) {
                    (Some("*"), _) => found.is_none(),
                    (_, Some(wanted)) => {
                        found.is_some_and(|(_, version)| wanted == format!("\"{version:032x}\""))
                    }
                    (_, None) => true,
                };
                if obeys && !is_met {
                    return error(412, "PreconditionFailed");
                }
                self.writes += 1;
                self.objects.insert(key.to_owned(), (request.body.clone(), self.writes));
                (200, e_tag(self.writes), Vec::new())
            }
            "DELETE" => {
                self.objects.remove(key);
                (204, String::new(), Vec::new())
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn list(&self, query: &str) -> Vec<u8> {
        let value = |name: &str| {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            unescape(&found.unwrap_or("").replace('+', " "))
        };
        let (prefix, delimiter) = (value("prefix"), value("delimiter"));
        let mut contents = String::new();
        let mut folders = BTreeSet::new();
        for (key, (bytes, version)) in &self.objects {
            let Some(rest) = key.strip_prefix(&prefix) else { continue };
            match rest.split_once('/') {
                Some((folder, _)) if delimiter == "/" => drop(folders.insert(format!("{prefix}{folder}/"))),
                Some(_) | None => contents.push_str(&format!(
                    "<Contents><Key>{key}</Key><LastModified>2026-11-25T00:00:00.000Z</LastModified>\
                     <ETag>\"{version:032x}\"</ETag><Size>{}</Size></Contents>",
                    bytes.len()
                )),
            }
        }
        for folder in folders {
            contents.push_str(&format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
        }
        format!(
            "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        )
        .into_bytes()
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&hex, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

//! nginx: HTTP/1.1, one process. It answers from files, with and without what was set there before: what is POSTed it
//! keeps as a file, by way of its own WebDAV, and gives it out again.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kedrctl::model::{Clock as _, WallClock};
use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Asked, Server};
use crate::workload::{Credentials, Host, Standing, rule_json, write};

pub(crate) struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
    credentials: Credentials,
    hosts: Vec<Host>,
    /// Its counts when it was reset; `None`: it will be written to, and counts what it then asks itself.
    before: Option<(usize, usize)>,
}

/// `{folder}`, `{port}` and `{id}` are put in.
const CONFIGURATION: &str = include_str!("nginx.conf");

impl Nginx {
    /// `None`: there is none on this machine.
    pub(crate) fn start(hosts: usize) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())?;
        let folder = tempfile::tempdir().unwrap();
        let hosts: Vec<Host> = (1..=hosts)
            .map(|n| Host {
                name: format!("WS-{n}"),
                sensor: Uuid::new_v5(&Uuid::NAMESPACE_DNS, &n.to_be_bytes()),
            })
            .collect();
        let (server, server_key) = certificate();
        let (client, client_key) = certificate();
        let credentials = Credentials {
            external_system_id: Uuid::from_u128(417).to_string(),
            certificate_pem: client.pem(),
            key_pem: client_key.serialize_pem(),
            server_sha256: Sha256::digest(server.der()).iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        // Somebody else may be given it before nginx takes it, which then says so.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let configuration = CONFIGURATION
            .replace("{folder}", folder.path().to_str().unwrap())
            .replace("{port}", &port.port().to_string())
            .replace("{id}", &credentials.external_system_id);
        for name in ["settings/network_isolation", "settings/prevention", "settings/shared", "temporary"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for (name, text) in [
            ("nginx.conf", &configuration),
            ("server.crt", &server.pem()),
            ("server.key", &server_key.serialize_pem()),
            ("client.crt", &credentials.certificate_pem),
            ("sensors.json", &sensors_json(&hosts)),
        ] {
            write(&folder.path().join(name), text);
        }
        let child = Command::new(program)
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .arg("-p")
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { child, folder, address: port, credentials, hosts, before: None };
        nginx.wait();
        Some(nginx)
    }

    fn wait(&self) {
        for _ in 0..500 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let said = std::fs::read_to_string(self.path("error.log"));
        panic!("nginx does not answer: {said:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connections and requests since it was started, as its status page tells them.
    fn counts(&self) -> (usize, usize) {
        let mut page = UnixStream::connect(self.path("status.sock")).unwrap();
        page.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        page.read_to_string(&mut text).unwrap();
        // `server accepts handled requests\n 3 3 7 \n`
        let numbers = text.split_once("requests\n").unwrap().1;
        let numbers: Vec<usize> =
            numbers.split_whitespace().take(3).map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[2])
    }
}

impl Server for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    fn reset(&mut self, standing: Standing) {
        let rules = self.path("settings/prevention");
        std::fs::remove_dir_all(&rules).unwrap();
        std::fs::create_dir(&rules).unwrap();
        let shared = self.path("settings/shared/prevention");
        match standing {
            Standing::Nothing if shared.exists() => std::fs::remove_file(shared).unwrap(),
            Standing::Nothing => {}
            Standing::NearlyAll => {
                // Most hosts have this one; a host whose rule is another has a file of its own.
                write(&shared, &rule_json(0));
                for (n, host) in self.hosts.iter().enumerate() {
                    if standing.missing(n) > 0 {
                        write(&rules.join(host.sensor.to_string()), &rule_json(standing.missing(n)));
                    }
                }
            }
        }
        self.before = (standing != Standing::Nothing).then(|| self.counts());
    }

    fn asked(&self) -> Asked {
        let Some(before) = self.before else { return Asked { requests: None, connections: None } };
        let now = self.counts();
        // The question itself is counted, too.
        Asked { requests: Some(now.1 - before.1 - 1), connections: Some(now.0 - before.0 - 1) }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn certificate() -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate, key)
}

/// As many fields as the help names.
fn sensors_json(hosts: &[Host]) -> String {
    let now = WallClock.now();
    let mut json = r#"{"sensors":["#.to_owned();
    for (n, Host { name, sensor }) in hosts.iter().enumerate() {
        let [.., a, b, c] = n.to_be_bytes();
        let comma = if n == 0 { "" } else { "," };
        write!(
            json,
            r#"{comma}{{"sensorId":"{sensor}","host":"{name}","hostIp":"10.{a}.{b}.{c}","lastAccessTimestamp":"{now}","version":"12.6.0.438","selfDefenseState":true,"licenseStatus":"Valid","osFamily":"Windows","osName":"Windows 11 Pro","capabilities":["network_isolation","prevention","run_process"]}}"#
        )
        .unwrap();
    }
    json + r#"],"server":{"version":"7.1.0.530"}}"#
}

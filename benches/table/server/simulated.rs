//! The simulator, in this process: HTTP/2, one thread.

use std::net::SocketAddr;

use kedrctl_simulator::world::{FileHash, FileObject, Target};
use kedrctl_simulator::{Fleet, Options, Simulator};

use super::{Asked, Server};
use crate::workload::{Credentials, HASHES, Host, Standing, hash};

pub(crate) struct Simulated {
    simulator: Simulator,
    credentials: Credentials,
    hosts: Vec<Host>,
}

impl Simulated {
    pub(crate) fn start(hosts: usize) -> Self {
        let fleet = Fleet::from_yaml(&format!("generate: {{ hosts: {hosts} }}")).unwrap();
        let simulator = Simulator::start_with(fleet, Options::default()).unwrap();
        let client = simulator.credentials();
        let credentials = Credentials {
            external_system_id: client.external_system_id,
            certificate_pem: client.certificate_pem,
            key_pem: client.key_pem,
            server_sha256: simulator.certificate_sha256(),
        };
        let hosts = simulator.world(|world| {
            world.hosts().map(|host| Host { name: host.name.to_string(), sensor: host.sensor_id }).collect()
        });
        Self { simulator, credentials, hosts }
    }
}

impl Server for Simulated {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn address(&self) -> SocketAddr {
        self.simulator.address()
    }

    fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    fn reset(&mut self, standing: Standing) {
        self.simulator.world(|world| {
            for (n, host) in self.hosts.iter().enumerate() {
                let objects = (standing.missing(n)..HASHES)
                    .map(|n| FileObject::new(FileHash::parse(&hash(n)).unwrap()))
                    .collect();
                world.set_prevention(Target::Sensor(host.sensor), objects).unwrap();
            }
        });
        self.simulator.clear_requests();
    }

    fn asked(&self) -> Asked {
        Asked { requests: Some(self.simulator.requests().len()), connections: None }
    }
}

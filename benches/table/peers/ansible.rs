//! Who has Ansible loops its `uri` module.

use std::process::Command;

use super::{Peer, Task, Tools};
use crate::workload::write;

pub(super) const URI: Peer = Peer {
    name: "Ansible, the `uri` module in a loop",
    is_slow: true,
    packages: &["ansible-core"],
    command: playing,
};

const PLAYBOOK: &str = r#"
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.uri:
        url: "{{ item }}"
        client_cert: client.crt
        client_key: client.key
        validate_certs: false
        status_code: [200, 404]
        return_content: true
      loop: "{{ lookup('ansible.builtin.file', 'urls.txt').split() }}"
"#;

fn playing(task: &Task<'_>, tools: &Tools) -> Command {
    let urls: Vec<String> = task.urls().collect();
    write(&task.state.path("urls.txt"), &urls.join("\n"));
    // No state is read from it: names that begin with a dot are passed over.
    write(&task.state.path(".playbook.yml"), PLAYBOOK);
    let mut command = Command::new(tools.program("ansible-playbook"));
    command
        .current_dir(task.state.folder())
        .args(["-i", "localhost,", ".playbook.yml"])
        // Its own modules run where it does.
        .env("ANSIBLE_PYTHON_INTERPRETER", tools.program("python"))
        .env("ANSIBLE_LOCALHOST_WARNING", "false")
        .env("LC_ALL", "C.UTF-8");
    command
}

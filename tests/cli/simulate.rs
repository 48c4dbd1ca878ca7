//! A simulated Central Node as a program of its own, and inside the command.

use crate::lab::{Ended, Running, command, ended, write};

#[test]
fn a_printed_block_is_all_that_a_state_needs() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("fleet.yaml"), "hosts: [{ name: WS-1 }]");
    let run = |arguments: &str| -> Ended { ended(command(folder.path(), arguments).output().unwrap()) };
    let start = || {
        let mut server =
            Running::start(command(folder.path(), "simulate fleet.yaml --credentials credentials"));
        let block = server.wait_for_stdout("trust: { sha256: \"") + &server.wait_for_stdout("\" }\n");
        let hosts = "hosts: { WS-1: { isolation: { lease: 8h } } }";
        write(&folder.path().join("state.yaml"), &format!("version: 1\n{block}{hosts}\n"));
        server
    };
    let mut first = start();
    run("plan -f state.yaml --detailed-exitcode").expect(2, &["1 to isolate"]);
    run("apply -f state.yaml --yes").expect(0, &["1 change done"]);
    run("hosts -f state.yaml").expect(0, &["WS-1", "Windows"]);
    first.signal("TERM");
    assert_eq!(first.end().code, Some(0));
    // It goes on with the same world: what was set stands. At another port it is another server to the record.
    let mut second = start();
    run("plan -f state.yaml").expect(0, &["0 to isolate", "1 with an unknown end"]);
    second.signal("INT");
    assert_eq!(second.end().code, Some(0));
}

#[test]
fn the_quickstart_works_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    for name in ["state.yaml", "fleet.yaml"] {
        std::fs::copy(quickstart.join(name), folder.path().join(name)).unwrap();
    }
    let run = |arguments: &str| -> Ended { ended(command(folder.path(), arguments).output().unwrap()) };
    run("validate").expect(0, &["the state is valid", "0 warnings"]);
    run("drift").expect(2, &[]);
    run("apply --yes").expect(0, &["all 4 changes done"]);
    run("drift").expect(0, &["no difference"]);
    run("apply --yes").expect(0, &["nothing to do"]);
    // One process at a time runs a world.
    let mut server = Running::start(command(folder.path(), "simulate fleet.yaml"));
    server.wait_for_stdout("trust:");
    run("plan").expect(1, &["the simulator could not be started"]);
}

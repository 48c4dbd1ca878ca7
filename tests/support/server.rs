//! What happens on the server and on its hosts, behind the client's back.

use std::fmt::Write as _;

use kedrctl_simulator::world::{Host, IsolationRule, Target, World, sensor_id_of};
use kedrctl_simulator::{Effective, Simulator};
use uuid::Uuid;

use super::case::{Happening, NewHost};

/// What is to be printed of it.
///
/// # Errors
/// A host that is not there.
pub(super) fn happen(simulator: &Simulator, happening: &Happening) -> Result<String, String> {
    let mut printed = String::new();
    simulator.world(|world| in_world(world, happening, &mut printed).map_err(|error| error.to_string()))?;
    if let Some(faults) = &happening.faults {
        simulator.set_faults(faults.clone());
        printed.push_str(if faults.is_empty() { "# no faults any more\n\n" } else { "# with faults\n\n" });
    }
    if let Some(dialect) = &happening.dialect {
        simulator.set_dialect(dialect.clone());
        printed.push_str("# with another dialect\n\n");
    }
    if let Some(host) = &happening.effective {
        printed.push_str(&effective(host, &simulator.effective(sensor(host))));
    }
    Ok(printed)
}

fn in_world(
    world: &mut World,
    happening: &Happening,
    printed: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    match happening.contact.as_deref() {
        Some("all") => {
            world.contact_all();
            writeln!(printed, "# all hosts are in contact\n")?;
        }
        Some(host) => {
            world.contact(sensor(host))?;
            writeln!(printed, "# {host} is in contact\n")?;
        }
        None => {}
    }
    if let Some(host) = &happening.off {
        world.set_contact_every(sensor(host), None)?;
        writeln!(printed, "# {host} is off\n")?;
    }
    if let Some(host) = &happening.restart {
        world.restart(sensor(host))?;
        writeln!(printed, "# {host} starts again\n")?;
    }
    for (host, rule) in &happening.isolate {
        let rule = IsolationRule {
            timeout_seconds: rule.timeout,
            exclusions: rule.exclusions.clone(),
            set_at: rule.set.seen_from(world.now()),
        };
        writeln!(printed, "# somebody isolates {host} for {} s\n", rule.timeout_seconds)?;
        world.put_isolation(sensor(host), Some(rule))?;
    }
    if let Some(host) = &happening.release {
        world.remove_isolation(sensor(host))?;
        writeln!(printed, "# somebody releases {host}\n")?;
    }
    for (host, files) in &happening.block {
        let target = if host == "all" { Target::All } else { Target::Sensor(sensor(host)) };
        world.set_prevention(target, files.iter().map(|file| file.0.clone()).collect())?;
        writeln!(printed, "# somebody blocks {} files on {host}\n", files.len())?;
    }
    if let Some(host) = &happening.delete_tasks {
        let ids: Vec<Uuid> =
            world.tasks().iter().filter(|task| task.sensor == sensor(host)).map(|task| task.id).collect();
        writeln!(printed, "# somebody deletes {} tasks of {host}\n", ids.len())?;
        for id in ids {
            world.delete_task(id)?;
        }
    }
    if let Some(NewHost { name, sensor_id }) = &happening.add_host {
        let mut host = Host::new(name);
        host.sensor_id = sensor_id.unwrap_or(host.sensor_id);
        writeln!(printed, "# {name} ({}) is listed from now on\n", host.sensor_id)?;
        world.add_host(host);
    }
    if let Some(host) = &happening.remove_host {
        world.remove_host(sensor(host));
        writeln!(printed, "# {host} is listed no more\n")?;
    }
    Ok(())
}

/// Hosts are called by their names, or by their sensor ids where these are not those of the names.
fn sensor(host: &str) -> Uuid {
    host.parse().unwrap_or_else(|_no_uuid: uuid::Error| sensor_id_of(host))
}

fn effective(host: &str, effective: &Effective) -> String {
    let isolation = match (effective.isolated, effective.isolated_until) {
        (false, _) => "not isolated".to_owned(),
        (true, None) => "isolated".to_owned(),
        (true, Some(until)) => {
            format!("isolated until {until} with {} exclusions", effective.exclusions.len())
        }
    };
    let started = match effective.started.len() {
        0 => String::new(),
        started => format!(", {started} programs were started"),
    };
    format!("# really: {host} is {isolation}, and {} files are blocked{started}\n\n", effective.blocked.len())
}

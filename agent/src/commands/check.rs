//! `check`: everything that can be said of a configuration without the network. Every problem is printed with
//! file, line and key; what is fine is summed up so that it can be compared with the paper in the cabinet.

use super::{Exit, Failure};
use crate::configuration::Configuration;
use crate::keys;
use crate::runtime::{Project, ProjectError};
use std::fmt::Write as _;
use std::path::Path;

/// See the module.
pub fn check(path: &Path) -> Result<Exit, Failure> {
    let configuration = super::load(path)?;
    for warning in &configuration.warnings {
        println!("警告 · warning: {warning}");
    }
    print!("{}", summary(&configuration));
    let problems = against_genesis(&configuration);
    for problem in &problems {
        println!("问题 · problem: {problem}");
    }
    if problems.is_empty() {
        println!("配置正确 · the configuration can be run");
        Ok(Exit::Fine)
    } else {
        Ok(Exit::Use)
    }
}

/// What will be read and measured.
fn summary(configuration: &Configuration) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "采集端 · agent {}", configuration.agent.id);
    let _ = writeln!(
        out,
        "时间窗 · window {} s, 每份声明 · per statement {}",
        configuration.window.step_s, configuration.window.per_statement
    );
    for link in &configuration.links {
        let points = link.points.len();
        let _ = writeln!(
            out,
            "链路 · link {}: {} {}, {points} 个测点 · points",
            link.id, link.protocol, link.address
        );
    }
    for machine in &configuration.machines {
        let _ = writeln!(
            out,
            "设备 · machine {} ({}), 项目 · project {}: {} 个测点 · points",
            machine.id,
            machine.name,
            machine.project,
            machine.points.len()
        );
        let _ = writeln!(out, "  映射哈希 · mapping sha256:{}", hex::encode(machine.mapping.hash));
    }
    let _ = writeln!(out, "配置哈希 · configuration sha256:{}", hex::encode(configuration.hash));
    out
}

/// Where a genesis is at hand already, configuration and genesis have to go together. Before enrolment there is
/// none, which is no fault.
fn against_genesis(configuration: &Configuration) -> Vec<String> {
    let key = keys::load(&configuration.agent.data_dir);
    let mut problems = vec![];
    if let Err(error) = &key
        && !matches!(error, keys::KeyFileError::Missing { .. })
    {
        problems.push(error.to_string());
    }
    for uplink in &configuration.uplinks {
        let own = key.as_ref().map_or(&uplink.registrar, |key| key.public());
        match Project::load(configuration, uplink, own) {
            Ok(project) => {
                let machines = project.plan.machines.len();
                println!(
                    "项目 · project {}: 创世声明一致 · genesis fits, {machines} 台设备 · machines",
                    uplink.project
                );
                if key.is_ok() && !project.enrolled {
                    println!("  注意 · note: 本机密钥不在创世声明中 · this box's key is not in the genesis");
                }
            }
            Err(ProjectError::File { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
                println!(
                    "项目 · project {}: 尚无创世声明 · no genesis yet ({})",
                    uplink.project,
                    uplink.genesis.display()
                );
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems
}

//! `check`: everything that can be said of a configuration without the network. Every problem is printed with
//! file, line and key; what is fine is summed up so that it can be compared with the paper in the cabinet.

use super::{Exit, Failure};
use crate::configuration::Configuration;
use crate::keys;
use crate::runtime::{Project, ProjectError};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// See the module.
pub fn check(path: &Path) -> Result<Exit, Failure> {
    let configuration = super::load(path)?;
    for warning in &configuration.warnings {
        println!("警告 · warning: {warning}");
    }
    print!("{}", summary(&configuration));
    let (text, exit) = against_genesis(&configuration).conclude(path);
    print!("{text}");
    Ok(exit)
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
        for advice in link.link.advice(configuration.raw.journal) {
            let _ = writeln!(out, "  对端设置 · set the peer: {advice}");
        }
    }
    for machine in &configuration.machines {
        let _ = writeln!(
            out,
            "设备 · machine {} ({})\n  项目 · project {}: {} 个测点 · points",
            machine.id,
            machine.name,
            machine.project,
            machine.points.len()
        );
        let _ = writeln!(out, "  映射哈希 · mapping\n  sha256:{}", hex::encode(machine.mapping.hash));
        out.push_str(&super::profiles::of_machine(machine));
    }
    let _ = writeln!(out, "配置哈希 · configuration\n  sha256:{}", hex::encode(configuration.hash));
    out
}

/// What comparing with the genesis gave.
#[derive(Default)]
struct Findings {
    /// What is as it should be, and notes.
    lines: Vec<String>,
    /// What keeps the agent from starting and is wrong.
    problems: Vec<String>,
    /// Machines whose mapping the genesis does not approve, in words.
    unapproved: Vec<String>,
    /// Where the genesis of a project is still to be put.
    no_genesis: Vec<PathBuf>,
    /// There is no key yet.
    no_key: bool,
}

/// Where a genesis is at hand already, configuration and genesis have to go together. Before enrolment there is
/// none, which is no fault.
fn against_genesis(configuration: &Configuration) -> Findings {
    let key = keys::load(&configuration.agent.data_dir);
    let mut found = Findings::default();
    match &key {
        Err(keys::KeyFileError::Missing { .. }) => found.no_key = true,
        Err(error) => found.problems.push(error.to_string()),
        Ok(_) => {}
    }
    for uplink in &configuration.uplinks {
        let own = key.as_ref().map_or(&uplink.registrar, |key| key.public());
        match Project::load(configuration, uplink, own) {
            Ok(project) => found.project(configuration, &project, key.is_ok()),
            Err(ProjectError::File { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
                found.lines.push(format!(
                    "项目 · project {}: 尚无创世声明 · no genesis yet\n  {}",
                    uplink.project,
                    uplink.genesis.display()
                ));
                found.no_genesis.push(uplink.genesis.clone());
            }
            Err(error) => found.problems.push(error.to_string()),
        }
    }
    found
}

impl Findings {
    fn project(&mut self, configuration: &Configuration, project: &Project, has_key: bool) {
        let before = self.unapproved.len();
        for machine in configuration.unapproved(&project.genesis) {
            let approved = project.genesis.machines.iter().find(|m| m.id == machine.id);
            self.unapproved.push(format!(
                "设备 · machine {}, 项目 · project {}\n    本配置 · here     sha256:{}\n    创世声明 · genesis sha256:{}",
                machine.id,
                project.id(),
                hex::encode(machine.mapping.hash),
                approved.map(|m| hex::encode(m.mapping)).unwrap_or_default()
            ));
        }
        let verdict = if self.unapproved.len() == before {
            "创世声明一致 · genesis fits"
        } else {
            "口径与创世声明不同 · mappings differ from the genesis"
        };
        let machines = project.plan.machines.len();
        self.lines.push(format!("项目 · project {}: {verdict}, {machines} 台设备 · machines", project.id()));
        if has_key && !project.enrolled {
            self.lines.push(
                "  注意 · note: 本机密钥不在创世声明中 · this box's key is not in the genesis".to_owned(),
            );
        }
    }

    /// What is printed, and how the command ends. Checking before joining is the usual order, so what is only
    /// still to come is said and is no fault.
    fn conclude(&self, path: &Path) -> (String, Exit) {
        let mut lines = self.lines.clone();
        lines.extend(self.problems.iter().map(|problem| format!("问题 · problem: {problem}")));
        for machine in &self.unapproved {
            lines.push(format!("口径未批准 · mapping not approved: {machine}"));
        }
        if !self.unapproved.is_empty() {
            lines.push(UNAPPROVED.to_owned());
        }
        let joined = self.no_genesis.is_empty() && !self.no_key;
        if !joined {
            lines.extend(self.next_steps(path));
        }
        let exit = match (self.problems.is_empty(), self.unapproved.is_empty()) {
            (false, _) => Exit::Use,
            (true, false) => Exit::No,
            (true, true) => Exit::Fine,
        };
        if exit == Exit::Fine {
            lines.push(if joined { RUNNABLE.to_owned() } else { NOT_YET.to_owned() });
        }
        (lines.join("\n") + "\n", exit)
    }

    fn next_steps(&self, path: &Path) -> Vec<String> {
        let config = path.display();
        let mut steps = vec![];
        if self.no_key {
            steps.push(format!(
                "生成密钥与登记申请 · make key and enrolment request:\n     plumbline-agent init --config {config}"
            ));
        }
        if !self.no_genesis.is_empty() {
            let request =
                if self.no_key { "" } else { " (plumbline-agent init 可重写 · writes it again)" };
            steps.push(format!(
                "把 enrol.cbor 交给网关运营方 · give enrol.cbor to the gateway's operator{request}"
            ));
        }
        for genesis in &self.no_genesis {
            steps.push(format!(
                "向登记方索取创世声明，存为 · get the genesis from the registrar, store it as\n     {}",
                genesis.display()
            ));
        }
        let head = "运行前还需要 · `plumbline-agent run` still needs, in this order:".to_owned();
        let steps = steps.into_iter().enumerate().map(|(i, step)| format!("  {}. {step}", i + 1));
        std::iter::once(head).chain(steps).collect()
    }
}

const RUNNABLE: &str = "配置正确 · the configuration can be run";

const NOT_YET: &str =
    "配置正确，加入项目后方可运行\nThe configuration is right; it can be run when the steps above are done";

/// One hash in a window names all mappings of the box, hence every machine. The agent reads no plan of the
/// registrar, so an approval after the genesis is unknown to it.
const UNAPPROVED: &str = "\
  登记方批准前，本机在该项目中签署的全部设备时间计为未知；请改回配置，或请登记方批准上述口径 · \
the time of every machine that this box signs in that project counts as UNKNOWN until the registrar approves\n  \
either undo the change of points or state rules, or ask the registrar to approve the mapping above \
(an approval after the genesis is not seen here; the gateway knows it)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::fixture;

    #[test]
    fn what_a_broker_has_to_be_set_to_is_printed_with_its_link() {
        let text = include_str!("../../../config/examples/many-machines.toml");
        let example = |text: &str| Configuration::parse("many-machines.toml", text, Path::new("/")).unwrap();
        let said = summary(&example(text));
        assert!(said.contains("mosquitto.conf") && said.contains("max_inflight_messages 40"), "{said}");
        let quiet = text.replace("rate = 20", "# rate").replace("in_flight = 40", "# in_flight");
        let said = summary(&example(&quiet.replace("stale_after = \"10s\"", "stale_after = \"1h\"")));
        assert!(!said.contains("对端设置"), "{said}");
    }

    /// On a terminal of 80 columns, where a Chinese character takes two.
    #[test]
    fn a_summary_fits_a_terminal() {
        let text = include_str!("../../../config/examples/agent.toml");
        let said = summary(&Configuration::parse("agent.toml", text, Path::new("/")).unwrap());
        for line in said.lines() {
            let columns: usize = line.chars().map(|c| if c.is_ascii() || c == '·' { 1 } else { 2 }).sum();
            assert!(columns <= 80, "{columns} columns: {line}");
        }
    }

    #[track_caller]
    fn says(dir: &Path, configuration: &Configuration, exit: Exit, wanted: &[&str], unwanted: &[&str]) {
        let (text, ended) = against_genesis(configuration).conclude(&dir.join("agent.toml"));
        assert_eq!(ended, exit, "{text}");
        for want in wanted {
            assert!(text.contains(want), "{want} is missing in\n{text}");
        }
        for not in unwanted {
            assert!(!text.contains(not), "{not} should not be in\n{text}");
        }
    }

    fn joined(dir: &Path) -> Configuration {
        let configuration = fixture::configuration(dir);
        let (key, _) = keys::load_or_make(&configuration.agent.data_dir).unwrap();
        fixture::write_genesis(dir, key.public());
        configuration
    }

    #[test]
    fn a_configuration_that_is_the_one_in_the_genesis_can_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let configuration = joined(dir.path());
        says(
            dir.path(),
            &configuration,
            Exit::Fine,
            &[RUNNABLE, "genesis fits"],
            &["UNKNOWN", "still needs"],
        );
    }

    #[test]
    fn another_register_than_in_the_genesis_is_a_no_with_machine_and_both_hashes() {
        let dir = tempfile::tempdir().unwrap();
        let approved = hex::encode(joined(dir.path()).machines[0].mapping.hash);
        let changed = fixture::configuration_changed(dir.path(), "input:12", "input:14");
        let here = hex::encode(changed.machines[0].mapping.hash);
        assert_ne!(here, approved);
        let wanted =
            ["press-03", &here, &approved, "计为未知", "counts as UNKNOWN until the registrar approves"];
        says(dir.path(), &changed, Exit::No, &wanted, &["can be run", "genesis fits"]);
    }

    #[test]
    fn before_joining_the_way_to_the_genesis_is_said_and_nothing_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let configuration = fixture::configuration(dir.path());
        let wanted = [
            "`plumbline-agent run` still needs",
            "1. 生成密钥与登记申请 · make key and enrolment request:\n     plumbline-agent init --config",
            "2. 把 enrol.cbor 交给网关运营方",
            "3. 向登记方索取创世声明",
            "SY-1.genesis",
            NOT_YET,
        ];
        says(dir.path(), &configuration, Exit::Fine, &wanted, &[RUNNABLE]);
        keys::load_or_make(&configuration.agent.data_dir).unwrap();
        let wanted = ["1. 把 enrol.cbor 交给网关运营方", "2. 向登记方索取创世声明", NOT_YET];
        says(dir.path(), &configuration, Exit::Fine, &wanted, &[RUNNABLE, "make key"]);
    }

    #[test]
    fn a_genesis_without_a_key_is_not_said_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let configuration = fixture::configuration(dir.path());
        fixture::write_genesis(dir.path(), fixture::log_key().public());
        says(
            dir.path(),
            &configuration,
            Exit::Fine,
            &["genesis fits", "make key", NOT_YET],
            &[RUNNABLE, "2."],
        );
    }

    #[test]
    fn a_broken_genesis_is_a_mistake_of_use() {
        let dir = tempfile::tempdir().unwrap();
        let configuration = joined(dir.path());
        std::fs::write(dir.path().join("SY-1.genesis"), b"no").unwrap();
        says(dir.path(), &configuration, Exit::Use, &["问题 · problem"], &["can be run"]);
    }
}

//! Wrong configurations given to the programs as people give them: every mistake in one go, with file, line and the
//! nearest right word, exit code 2, and nothing started.

use crate::programs::PROGRAMS;
use plumbline_tests::harness::chain::Chain;
use plumbline_tests::harness::peers;

/// The larger example with seven mistakes, and what each must be called.
const FAULTS: [(&str, &str, &str); 7] = [
    ("status_listen = \"127", "status_listn = \"127", "status_listen"),
    ("length = \"60s\"", "length = \"7s\"", "window.length"),
    ("poll = \"1s\"", "pol = \"1s\"", "poll"),
    (
        "energy_total = { link = \"hall-a-meters\"",
        "energy_total = { link = \"hall-a-meter\"",
        "hall-a-meters",
    ),
    ("measure = \"kW\" }", "measure = \"kw\" }", "kW"),
    ("'execution == 2'", "'exection == 2'", "execution"),
    ("idle      = { power_below = \"1.5kW\"", "idl       = { power_below = \"1.5kW\"", "idle"),
];

#[test]
fn pain_23_seven_faults_in_an_agents_configuration_are_seven_problems_with_file_and_line() {
    let chain = Chain::without_agent(PROGRAMS);
    let mut text = std::fs::read_to_string(peers::root().join("config/examples/agent.toml")).unwrap();
    for (right, wrong, _) in FAULTS {
        assert!(text.contains(right), "the example holds no {right}");
        text = text.replacen(right, wrong, 1);
    }
    std::fs::write(chain.agent_file(), &text).unwrap();
    for command in ["check", "run", "init"] {
        let ended = chain.agent_command(command);
        let said = format!("{}{}", ended.out, ended.err);
        assert_eq!(ended.code, Some(2), "{command}: {said}");
        let problems: Vec<&str> = said.lines().filter(|l| l.contains("agent.toml:")).collect();
        assert_eq!(problems.len(), FAULTS.len(), "{command}: {said}");
        for (_, wrong, right) in FAULTS {
            let at = text[..text.find(wrong).unwrap()].lines().count().max(1);
            let line = if text[..text.find(wrong).unwrap()].ends_with('\n') { at + 1 } else { at };
            let named = problems.iter().any(|p| p.contains(&format!("agent.toml:{line}:")));
            assert!(named, "{command} does not name line {line} ({wrong}):\n{said}");
            assert!(said.contains(right), "{command} does not lead to {right}:\n{said}");
        }
    }
    assert!(!chain.agent_data().exists(), "nothing was made");
}

#[test]
fn faults_in_a_gateways_configuration_and_a_trust_file_are_named_with_their_lines() {
    let mut chain = Chain::without_agent(PROGRAMS);
    let file = chain.gateway_data().join("gateway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("gather", "gathr").replace("credit = 64", "credit = \"many\""))
        .unwrap();
    chain.launch_gateway(&[]);
    let status = chain.gateway().wait();
    let said = chain.gateway().printed();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(
        said.contains("gateway.toml:") && said.contains("did you mean `gather`") && said.contains("credit"),
        "{said}"
    );

    let trust = chain.path("trust.toml");
    std::fs::write(&trust, "log = \"x\"\nrecipt = \"00\"\nperiod = 5\n").unwrap();
    let bundle = chain.path("none.zip");
    std::fs::write(&bundle, b"x").unwrap();
    let arguments = ["bundle", &bundle.display().to_string(), "--trust", &trust.display().to_string()];
    let ended = chain.run(PROGRAMS.verify, &arguments);
    assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    for part in ["1: log", "2: recipt", "`receipt`", "3: period"] {
        assert!(ended.err.contains(part), "{part} is missing:\n{}", ended.err);
    }
}

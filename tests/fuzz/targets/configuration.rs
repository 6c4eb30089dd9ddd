//! Files that people write: the agent's configuration, the assessor's trust file, the registrar's draft. Promise:
//! every mistake is told with a line that exists, and the same text always means the same.

use std::path::Path;

use agent::Configuration;
use config::{Document, Problem};
use evidence::key::SigningKey;
use evidence::statement::{Payload, Role, open, seal};
use verify::Trust;
use verify::draft::Draft;

use super::Bytes;

/// A configuration may name files of secrets, which are read; a fuzzer is to stay away from endless ones.
fn names_a_device(text: &str) -> bool {
    ["/dev", "/proc", "/sys"].iter().any(|place| text.contains(place))
}

/// `agent.toml`.
pub(super) fn agent(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if names_a_device(text) {
        return;
    }
    let lines = text.matches('\n').count() + 1;
    let said = |problems: &[Problem]| {
        for problem in problems {
            assert!(problem.line <= lines, "{problem} is behind the last line {lines}");
            assert!(!problem.message.is_empty());
        }
    };
    match Document::parse("agent.toml", text) {
        Err(errors) => {
            said(&errors.0);
            assert!(!errors.0.is_empty(), "refused without a reason");
        }
        Ok(document) => {
            let json = document.root.to_json();
            let again: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap_or_default();
            assert_eq!(again, json);
        }
    }
    match Configuration::parse("agent.toml", text, Path::new("/nowhere")) {
        Err(errors) => {
            said(&errors.0);
            assert!(!errors.0.is_empty(), "refused without a reason");
            let unexplained = errors.0.iter().any(|p| p.line == 0 && p.message.contains("does not know why"));
            assert!(!unexplained, "a part is missing and nothing says which");
        }
        Ok(first) => {
            said(&first.warnings);
            let again = Configuration::parse("agent.toml", text, Path::new("/nowhere"));
            let again = again.unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(again.hash, first.hash);
            let mappings =
                |c: &Configuration| c.machines.iter().map(|m| m.mapping.clone()).collect::<Vec<_>>();
            assert_eq!(mappings(&again), mappings(&first));
        }
    }
}

/// 0: the assessor's trust file; else: the registrar's draft.
pub(super) fn trust(data: &[u8]) {
    let mut bytes = Bytes(data);
    let kind = bytes.byte();
    let Ok(text) = std::str::from_utf8(bytes.0) else { return };
    if kind % 2 == 1 {
        return draft(text);
    }
    match text.parse::<Trust>() {
        Err(errors) => {
            let lines = text.matches('\n').count() + 1;
            assert!(!errors.0.is_empty());
            assert!(errors.0.iter().all(|p| p.line <= lines), "{errors} of {lines} lines");
        }
        Ok(trust) => {
            let written = trust.to_string();
            let again: Trust = written.parse().unwrap_or_else(|e| panic!("{written}: {e}"));
            assert_eq!(again.to_string(), written);
        }
    }
}

fn draft(text: &str) {
    let Ok(draft) = toml::from_str::<Draft>(text) else { return };
    let Ok(written) = toml::to_string(&draft) else { panic!("a draft that cannot be written") };
    assert_eq!(toml::from_str::<Draft>(&written).ok().as_ref(), Some(&draft));
    let registrar = SigningKey::from_seed([1; 32]);
    if let Ok(genesis) = draft.to_genesis(registrar.public(), "bureau", [7; 16]) {
        // What the checks let through can be signed or is refused then; it is never signed wrongly.
        let payload = Payload::Genesis(Box::new(genesis));
        let project = draft.project.as_str();
        if let Ok(signed) = seal(&registrar, Role::Registrar, "bureau", project, 0, &payload) {
            assert!(open(&signed).is_ok_and(|opened| opened.payload == payload));
        }
    }
}

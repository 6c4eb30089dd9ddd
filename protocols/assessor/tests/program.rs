//! The program itself, as a registrar and an assessor call it: exit codes, files, messages.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use evidence::key::SigningKey;
use evidence::statement::{self, Payload};
use support::{draft, folder_with};
use verify::Trust;

fn program(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumbline-verify"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, words: &[&str]) {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not said:\n{text}");
    }
}

#[test]
fn a_registrar_makes_a_key_and_signs_a_genesis_that_the_key_verifies() {
    let folder = folder_with(&draft(&["冲床 3 号"]));
    let keygen = program(folder.path(), &["keygen", "--passphrase-file", "pass"]);
    check(&keygen, 0, &["registrar = \"", "kid"]);
    let genesis = ["genesis", "draft.toml", "--passphrase-file", "pass", "--yes"];
    let signed = program(folder.path(), &genesis);
    check(&signed, 0, &["冲床 3 号", "SY-2024-017.genesis", "producing = power > 0500", "演示，不是证据"]);

    let trust: Trust =
        std::fs::read_to_string(folder.path().join("SY-2024-017.trust.toml")).unwrap().parse().unwrap();
    let bytes = std::fs::read(folder.path().join("SY-2024-017.genesis")).unwrap();
    let statement = statement::open(&bytes).unwrap().verify(&trust.registrar).unwrap();
    let Payload::Genesis(payload) = statement.payload() else { panic!("no genesis") };
    assert_eq!((payload.project.as_str(), payload.machines.len()), ("SY-2024-017", 1));
    assert_eq!(trust.max_lag_s, Some(86_400));

    check(&program(folder.path(), &genesis), 2, &["never overwritten"]);
    assert_eq!(std::fs::read(folder.path().join("SY-2024-017.genesis")).unwrap(), bytes);
}

#[test]
fn nothing_is_signed_unless_the_registrar_says_yes() {
    let folder = folder_with(&draft(&["冲床 3 号"]));
    program(folder.path(), &["keygen", "--no-passphrase"]);
    for answer in ["\n", "no\n", ""] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plumbline-verify"))
            .current_dir(folder.path())
            .args(["genesis", "draft.toml"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        check(&child.wait_with_output().unwrap(), 1, &["没有签署"]);
        assert!(!folder.path().join("SY-2024-017.genesis").exists());
    }
}

#[test]
fn an_unencrypted_key_is_made_only_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let made = program(folder.path(), &["keygen", "--no-passphrase", "--sm2", "--out", "k.pem"]);
    check(&made, 0, &["warning", "registrar = \"sm2:"]);
}

#[test]
fn a_wrong_passphrase_is_wrong_use_and_names_the_key() {
    let folder = folder_with(&draft(&["冲床 3 号"]));
    program(folder.path(), &["keygen", "--passphrase-file", "pass"]);
    std::fs::write(folder.path().join("pass"), "another\n").unwrap();
    let output = program(folder.path(), &["genesis", "draft.toml", "--passphrase-file", "pass", "--yes"]);
    check(&output, 2, &["registrar.pem", "passphrase"]);
}

#[test]
fn a_draft_with_a_mistake_names_file_and_line_and_a_tampered_request_is_refused() {
    let good = draft(&["冲床 3 号"]);
    let folder = folder_with(&good);
    program(folder.path(), &["keygen", "--no-passphrase"]);
    let text = toml::to_string(&good).unwrap().replacen("step_s", "steps", 1);
    std::fs::write(folder.path().join("draft.toml"), text).unwrap();
    check(&program(folder.path(), &["genesis", "draft.toml", "--yes"]), 2, &["draft.toml:", "steps"]);

    let mut forged = good;
    forged.agent[0].key = SigningKey::from_seed([9; 32]).public().to_string();
    std::fs::write(folder.path().join("draft.toml"), toml::to_string(&forged).unwrap()).unwrap();
    check(&program(folder.path(), &["genesis", "draft.toml", "--yes"]), 2, &["edge-07"]);
    assert!(!folder.path().join("SY-2024-017.genesis").exists());
}

#[test]
fn a_project_id_cannot_leave_the_folder() {
    for id in ["../evil", "a/b", ".hidden", ""] {
        let text = toml::to_string(&draft(&["m"])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let text = text.replacen("project = \"SY-2024-017\"", &format!("project = \"{id}\""), 1);
        std::fs::write(inner.join("draft.toml"), text).unwrap();
        program(&inner, &["keygen", "--no-passphrase"]);
        check(&program(&inner, &["genesis", "draft.toml", "--yes"]), 2, &[]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_hostile_machine_name_cannot_command_the_terminal() {
    let folder = folder_with(&draft(&["\u{1b}[2Jname\u{202e}"]));
    program(folder.path(), &["keygen", "--no-passphrase"]);
    let output = program(folder.path(), &["genesis", "draft.toml", "--yes"]);
    check(&output, 0, &["⟨U+001B⟩"]);
    assert!(!output.stdout.contains(&0x1b));
}

#[test]
fn a_trust_file_with_mistakes_lists_each_with_file_and_line_and_the_nearest_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bundle.zip"), b"").unwrap();
    std::fs::write(folder.path().join("trust.toml"), "lgo = \"x\"\nregistrar = 5\n").unwrap();
    let output = program(folder.path(), &["bundle", "bundle.zip", "--trust", "trust.toml"]);
    check(&output, 2, &["trust.toml:1: lgo", "`log`", "trust.toml:2: registrar", "receipt: is missing"]);
    assert!(output.stdout.is_empty());
}

#[test]
fn a_file_that_is_not_there_is_wrong_use() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), &["bundle", "b.zip", "--trust", "t.toml", "--json"]);
    check(&output, 2, &["t.toml"]);
    assert!(output.stdout.is_empty());
    check(&program(folder.path(), &["bundle"]), 2, &["--trust"]);
    check(&program(folder.path(), &["bundle", "b", "--trust", "t", "--lang", "fr"]), 2, &["zh"]);
}

#[test]
fn the_schema_is_printed_as_json() {
    let output = program(Path::new("."), &["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["authentic"].is_object());
}

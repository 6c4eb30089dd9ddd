//! The demo as a newcomer runs it.

use plumbline_tests::harness::process::Process;
use std::path::Path;
use std::process::Command;

const FILES: [&str; 4] = ["bundle.zip", "trust.toml", "verify.json", "report.html"];

fn demo(folder: &Path, more: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumbline-demo"));
    command.args(["--out", folder.to_str().unwrap()]).args(more);
    Process::start("plumbline-demo", &mut command)
}

fn verdict(folder: &Path, name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(folder.join("verify.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()[name].clone()
}

#[test]
fn once_survives_a_dead_machine_and_a_broken_link_with_an_authentic_and_complete_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = demo(dir.path(), &["--once", "--seconds", "24"]);
    let status = demo.wait();
    let printed = demo.printed();
    assert_eq!(status.code(), Some(0), "{printed}");
    for happened in ["the MQTT link breaks", "the MQTT link is back", "the machining centre dies"] {
        assert!(printed.contains(happened), "{printed}");
    }
    for file in FILES {
        assert!(dir.path().join(file).metadata().unwrap().len() > 100, "{file}");
    }
    let report = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(report.contains("演示，不是证据"));
    assert!(verdict(dir.path(), "demonstration").as_bool().unwrap());
}

#[test]
fn ctrl_c_ends_the_demo_with_a_verified_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = demo(dir.path(), &[]);
    demo.wait_for_line("producing");
    let asked = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(asked.unwrap().success());
    let status = demo.wait();
    assert_eq!(status.code(), Some(0), "{}", demo.printed());
    for file in FILES {
        assert!(dir.path().join(file).exists(), "{file}");
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "x").unwrap();
    let mut demo = demo(dir.path(), &["--once"]);
    assert_eq!(demo.wait().code(), Some(3));
    assert!(demo.printed().contains("is not empty; choose another --out"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

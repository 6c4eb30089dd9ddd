//! `plumbline-agent probe` against pymodbus: what a person sees who looks for a register.

use plumbline_tests::harness::peers::{python, root};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// pymodbus on a serial line, and the path of our end of it. It ends with its standard input.
pub(crate) struct Line {
    child: Child,
    port: String,
}

impl Line {
    pub(crate) fn start(units: &str) -> Self {
        let mut plan = tempfile::NamedTempFile::new().unwrap();
        write!(plan, r#"{{"end": "serial", "units": {units}}}"#).unwrap();
        let mut child = Command::new(python())
            .arg(root().join("tests/peers/modbus_line_peer.py"))
            .arg(plan.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let port = first.trim().strip_prefix("listening ").expect("the line did not start").to_owned();
        Self { child, port }
    }

    /// The device file of our end.
    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    /// Standard output, and the exit code.
    fn probe(&self, words: &[&str]) -> (String, i32) {
        let address = format!("serial://{}", self.port);
        let out = Command::new(env!("CARGO_BIN_EXE_agent-under-test"))
            .args(["probe", "--address", &address, "--timeout", "5s"])
            .args(words)
            .output()
            .unwrap();
        (String::from_utf8(out.stdout).unwrap(), out.status.code().unwrap())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

#[test]
fn pain_06_the_order_of_a_meter_is_found_from_what_its_display_shows() {
    // 230.1 as a float with its words swapped, then 99 999 999 in hundredths; nothing at 4 to 6.
    let line = Line::start(
        r#"{"7": {"holding": {"0": 6554, "1": 17254, "2": 1525, "3": 57599, "7": 1}, "coil": {"5": 1}}}"#,
    );
    let (text, code) = line.probe(&["--unit", "7", "--register", "holding:0", "--shows", "230.2"]);
    let paste = r#"unit = 7, register = "holding:0", type = "f32", order = "CDAB", scale = "1""#;
    assert!(text.contains(paste) && code == 0, "{code}: {text}");
    assert!(text.contains("HGFEDCBA") && text.contains("1.595e-23"), "every order is shown: {text}");

    // Only two registers can be read here, as the address after them does not exist.
    let (text, code) = line.probe(&["--unit", "7", "--register", "holding:2", "--shows", "999999.99"]);
    assert!(text.contains(r#"type = "u32", order = "ABCD", scale = "0.01""#) && code == 0, "{code}: {text}");
    let (text, code) = line.probe(&["--unit", "7", "--register", "holding:2", "--shows", "17"]);
    assert!(text.contains("off by one") && code == 1, "{code}: {text}");
    let (text, code) = line.probe(&["--unit", "7", "--register", "coil:5"]);
    assert!(
        text.contains(r#"name = { link = "…", unit = 7, register = "coil:5" }"#) && code == 0,
        "{code}: {text}"
    );
}

#[test]
fn units_and_registers_are_found_with_functions_that_read() {
    let line = Line::start(r#"{"3": {"holding": {"0": 17, "2": 65524}}}"#);
    let (text, code) = line.probe(&["--units", "2-4"]);
    assert!(text.contains("3: 应答 answers, holding:0 = 17") && code == 0, "{code}: {text}");
    let (text, code) = line.probe(&["--unit", "3", "--registers", "holding:0-5"]);
    assert!(text.contains("FFF4  u16 65524  i16 -12") && code == 0, "{code}: {text}");
    assert!(text.contains("3-5  拒绝 refused, code 2"), "{text}");
}

#[test]
fn a_power_register_is_read_for_a_time_kept_in_a_file_and_too_short_a_time_is_refused() {
    // 230.1 kW as a float with its words swapped.
    let line = Line::start(r#"{"7": {"holding": {"0": 6554, "1": 17254}}}"#);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("day.csv");
    let register =
        ["--unit", "7", "--register", "holding:0", "--type", "f32", "--order", "CDAB", "--measure", "kW"];
    let time = ["--record", "400ms", "--every", "100ms", "--save", file.to_str().unwrap()];
    let (text, code) = line.probe(&[&register[..], &time].concat());
    assert!(text.contains("不建议阈值") && text.contains("too few") && code == 1, "{code}: {text}");
    let saved = std::fs::read_to_string(&file).unwrap();
    let powers: Vec<&str> = saved.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert!(powers.len() >= 2 && powers.iter().all(|power| *power == "230100.000"), "{saved}");
    // What was kept can be given again; a file that is there is not written over.
    let again = Command::new(env!("CARGO_BIN_EXE_agent-under-test"))
        .args(["probe", "--readings", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("too few"));
    let (_, code) = line.probe(&[&register[..], &time].concat());
    assert_eq!(code, 3);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), saved);
    // Without a type there is nothing to read; a unit of energy is no power.
    let (_, code) = line.probe(&[&register[..4], &time].concat());
    assert_eq!(code, 2);
    let energy = ["--unit", "7", "--type", "u16", "--measure", "kWh", "--record", "1s"];
    let (_, code) = line.probe(&energy);
    assert_eq!(code, 2);
}

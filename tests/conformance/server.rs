//! Foreign programs that serve, and can be made to hang and to die. They end with their value.

use plumbline_tests::harness::peers;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A count this often where the server sends by itself, ms.
const EVERY_MS: u64 = 50;

/// A child that dies with its owner.
pub(crate) struct Owned(pub(crate) Child);

impl Owned {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "a server cannot be signalled");
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What readers are connected to, and what else belongs to it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) main: Owned,
    pub(crate) _others: Vec<Owned>,
}

impl Server {
    /// It stands still, with every connection open.
    pub(crate) fn hang(&self) {
        self.main.signal("STOP");
    }

    /// It goes on.
    pub(crate) fn wake(&self) {
        self.main.signal("CONT");
    }
}

/// The server's own record.
pub(crate) fn record(folder: &Path) -> PathBuf {
    folder.join("offered.jsonl")
}

/// When each count was offered to which point, UTC µs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offered(pub(crate) BTreeMap<u64, (u32, i64)>);

impl Offered {
    /// Reads the record.
    pub(crate) fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(record(folder)).unwrap_or_default();
        let lines = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        let offer = |line: serde_json::Value| {
            let point = u32::try_from(line["point"].as_u64()?).ok()?;
            Some((line["value"].as_u64()?, (point, line["us"].as_i64()?)))
        };
        Self(lines.filter_map(offer).collect())
    }

    /// The count after the last.
    pub(crate) fn next(&self) -> u64 {
        self.0.last_key_value().map_or(1, |(value, _)| value + 1)
    }

    /// The counts of a point.
    pub(crate) fn of(&self, point: u32) -> impl Iterator<Item = u64> {
        self.0.iter().filter(move |(_, (p, _))| *p == point).map(|(value, _)| *value)
    }
}

/// Starts `tests/peers/counting.py`.
pub(crate) fn counting(folder: &Path, over: &str, from: u64, port: u16) -> (Owned, SocketAddr) {
    let plan = json!({
        "over": over, "log": record(folder), "from": from, "every_ms": EVERY_MS, "port": port,
    });
    let file = folder.join(format!("{over}.json"));
    std::fs::write(&file, plan.to_string()).unwrap();
    let mut command = Command::new(peers::python());
    command.arg(peers::root().join("tests/peers/counting.py")).arg(&file);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
    let port: u16 = port.unwrap_or_else(|| panic!("the {over} server said {line:?}"));
    (Owned(child), SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

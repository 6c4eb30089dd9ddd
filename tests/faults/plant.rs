//! One foreign plant that offers the same count over every transport, and keeps the record of its offers.
//!
//! It ends with its value. What lies between it and the agent is not its business.

use plumbline_tests::harness::chain::{free_port, now_ms, wait_until};
use plumbline_tests::harness::peers;
use plumbline_tests::harness::serial::Device;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A new count this often, ms.
const EVERY_MS: i64 = 100;

/// The transports a plant is read over, by the names its record uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Modbus,
    /// RTU on a pair of pseudo-terminals.
    Serial,
    OpcUa,
    Mqtt,
    Sparkplug,
}

impl Transport {
    pub(crate) const ALL: [Self; 5] = [Self::Modbus, Self::Serial, Self::OpcUa, Self::Mqtt, Self::Sparkplug];

    /// As the record writes it.
    pub(crate) fn by(self) -> &'static str {
        match self {
            Self::Modbus => "modbus",
            Self::Serial => "serial",
            Self::OpcUa => "opcua",
            Self::Mqtt => "mqtt",
            Self::Sparkplug => "sparkplug",
        }
    }

    /// As people write it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Modbus => "Modbus TCP",
            Self::Serial => "Modbus RTU",
            Self::OpcUa => "OPC UA",
            Self::Mqtt => "MQTT",
            Self::Sparkplug => "Sparkplug B",
        }
    }
}

/// A child that dies with its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Owned {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "a plant cannot be signalled");
    }
}

/// A pymodbus and asyncua server, a mosquitto, an edge node, and a publisher that nothing ever happens to.
pub(crate) struct Plant {
    folder: PathBuf,
    epoch_ms: i64,
    modbus: u16,
    opcua: u16,
    mqtt: u16,
    /// Serial lines with a device each.
    lines: Vec<Device>,
    /// One for each protocol, so that a busy one leaves the other its time.
    servers: [Owned; 2],
    broker: Owned,
    node: Owned,
    _publisher: Owned,
}

impl Plant {
    /// Starts everything in a folder of its own, with so many serial lines: a line has one master.
    pub(crate) fn start(folder: &Path, name: &str, lines: usize) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (modbus, opcua, mqtt) = (free_port(), free_port(), free_port());
        let epoch_ms = now_ms();
        let lines: Vec<_> = (0..lines).map(|n| Device::start(folder.join(format!("device{n}")))).collect();
        let servers = serve(&folder, epoch_ms, modbus, opcua, &lines);
        let broker = mosquitto(&folder, mqtt);
        let publisher = offering(&folder, "publisher", epoch_ms, json!({"mqtt": mqtt}));
        let node = be_a_node(&folder, epoch_ms, mqtt);
        Self { folder, epoch_ms, modbus, opcua, mqtt, lines, servers, broker, node, _publisher: publisher }
    }

    /// Where a transport is served; of the serial ones, the first line.
    pub(crate) fn address(&self, transport: Transport) -> SocketAddr {
        let port = match transport {
            Transport::Modbus => self.modbus,
            Transport::Serial => return self.line(0),
            Transport::OpcUa => self.opcua,
            Transport::Mqtt | Transport::Sparkplug => self.mqtt,
        };
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    /// Where a serial line begins.
    pub(crate) fn line(&self, number: usize) -> SocketAddr {
        self.lines[number].address()
    }

    /// The record of what was offered.
    pub(crate) fn record(&self) -> PathBuf {
        self.folder.join("offered.jsonl")
    }

    /// Servers and broker stand still, with every connection open.
    pub(crate) fn hang(&self) {
        self.servers.iter().chain([&self.broker]).for_each(|owned| owned.signal("STOP"));
    }

    /// They go on.
    pub(crate) fn wake(&self) {
        self.servers.iter().chain([&self.broker]).for_each(|owned| owned.signal("CONT"));
    }

    /// kill -9 for all of them.
    pub(crate) fn kill(&mut self) {
        self.servers.iter_mut().chain([&mut self.broker]).for_each(Owned::kill);
    }

    /// They start again on their ports.
    pub(crate) fn restart(&mut self) {
        self.broker = mosquitto(&self.folder, self.mqtt);
        self.servers = serve(&self.folder, self.epoch_ms, self.modbus, self.opcua, &self.lines);
    }

    /// kill -9 for the edge node.
    pub(crate) fn kill_node(&mut self) {
        self.node.kill();
    }

    /// It starts again.
    pub(crate) fn restart_node(&mut self) {
        self.node = be_a_node(&self.folder, self.epoch_ms, self.mqtt);
    }
}

fn serve(folder: &Path, epoch_ms: i64, modbus: u16, opcua: u16, lines: &[Device]) -> [Owned; 2] {
    let serial: Vec<&Path> = lines.iter().map(Device::path).collect();
    [
        offering(folder, "modbus", epoch_ms, json!({"modbus": modbus, "serial": serial})),
        offering(folder, "opcua", epoch_ms, json!({"opcua": opcua})),
    ]
}

fn be_a_node(folder: &Path, epoch_ms: i64, broker: u16) -> Owned {
    offering(folder, "node", epoch_ms, json!({"sparkplug": broker}))
}

fn offering(folder: &Path, name: &str, epoch_ms: i64, mut plan: Value) -> Owned {
    plan["log"] = json!(folder.join("offered.jsonl"));
    plan["epoch_ms"] = json!(epoch_ms);
    plan["every_ms"] = json!(EVERY_MS);
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, plan.to_string()).unwrap();
    let mut command = Command::new(peers::python());
    command.arg(peers::root().join("tests/peers/offering.py")).arg(&file);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "{name} of the plant does not start");
    Owned(child)
}

/// A broker that keeps sessions over a restart.
fn mosquitto(folder: &Path, port: u16) -> Owned {
    let file = folder.join("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\nautosave_interval 1\n\
         autosave_on_changes true\npersistence_location {}/\nmax_queued_messages 0\n",
        folder.display()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(peers::program("mosquitto", "mosquitto"));
    command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let owned = Owned(command.spawn().unwrap());
    wait_until("the broker listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    owned
}

//! Fifty devices of one protocol: forty-nine on a server or broker of their own, and one alone behind a relay, to which
//! things happen. What happens, and what must come of it, is not this module's business.

use plumbline_tests::harness::mosquitto::Mosquitto;
use plumbline_tests::harness::peers;
use plumbline_tests::harness::relay::watch::Rule;
use plumbline_tests::harness::relay::{Relay, modbus, mqtt, opcua};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

/// The device with the fault is the last.
pub(super) const VICTIM: &str = "d49";
pub(super) const DEVICES: usize = 50;

/// What the devices speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Modbus,
    OpcUa,
    Mqtt,
}

impl Over {
    fn word(self) -> &'static str {
        match self {
            Self::Modbus => "modbus",
            Self::OpcUa => "opcua",
            Self::Mqtt => "mqtt",
        }
    }

    fn rule(self) -> Rule {
        match self {
            Self::Modbus => modbus::TCP,
            Self::OpcUa => opcua::READING,
            Self::Mqtt => mqtt::SUBSCRIBING,
        }
    }

    /// How long fifty links need until all are up, s. An OPC UA server makes one session after the other.
    pub(super) fn warm_up_s(self) -> i64 {
        match self {
            Self::Modbus => 1,
            Self::Mqtt => 4,
            Self::OpcUa => 12,
        }
    }

    /// A device's link, and where its count is. A value is believed for less than two seconds.
    fn tables(self, id: &str, address: SocketAddr, name: &str) -> (String, String) {
        match self {
            Self::Modbus => (
                format!("address = \"tcp://{address}\"\npoll = \"1s\"\ntimeout = \"900ms\""),
                "unit = 1, register = \"holding:0\", type = \"u32\", order = \"ABCD\"".to_owned(),
            ),
            Self::OpcUa => (
                format!(
                    "address = \"opc.tcp://{address}\"\nsecurity = \"none\"\npublish = \"250ms\"\n\
                     keep_alive = \"600ms\"\ntimeout = \"2s\""
                ),
                format!("node = \"nsu=urn:plumbline:test:hall;s={name}\""),
            ),
            Self::Mqtt => (
                format!(
                    "address = \"mqtt://{address}\"\nversion = 4\nclient_id = \"{id}\"\nkeep_alive = \"1s\"\n\
                     timeout = \"1s\""
                ),
                format!("topic = \"{name}\", path = \"$\", stale_after = \"1900ms\""),
            ),
        }
    }
}

/// Devices in a process that dies with its owner.
struct Hall {
    child: Child,
    addresses: Vec<SocketAddr>,
}

impl Hall {
    fn start(over: Over, devices: usize, broker: Option<u16>) -> Self {
        let mut command = Command::new(peers::python());
        command.arg(peers::root().join("tests/peers/hall.py")).arg(over.word()).arg(devices.to_string());
        command.args(broker.map(|port| port.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports = line.split_whitespace().skip(1).map(|port| port.parse().unwrap());
        let address = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { child, addresses: ports.map(address).collect() }
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Some devices, and the broker behind which they are, if any.
struct Place {
    hall: Hall,
    broker: Option<Mosquitto>,
    _folder: tempfile::TempDir,
}

impl Place {
    fn start(over: Over, devices: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = (over == Over::Mqtt).then(|| Mosquitto::start(folder.path(), "max_queued_messages 0"));
        let hall = Hall::start(over, devices, broker.as_ref().map(|broker| broker.port));
        Self { hall, broker, _folder: folder }
    }

    /// Where a device is: those of one server or broker are in the same place.
    fn address(&self, n: usize) -> SocketAddr {
        self.hall.addresses[n % self.hall.addresses.len()]
    }
}

/// Fifty devices.
pub(super) struct Field {
    over: Over,
    others: Place,
    victim: Place,
    /// Before the victim.
    pub(super) relay: Relay,
}

impl Field {
    pub(super) fn start(over: Over) -> Self {
        let (others, victim) = (Place::start(over, DEVICES - 1), Place::start(over, 1));
        let relay = Relay::watched(victim.address(0), over.rule());
        Self { over, others, victim, relay }
    }

    /// The victim's own address.
    pub(super) fn home(&self) -> SocketAddr {
        self.victim.address(0)
    }

    /// The program that the victim's link talks to gets a signal.
    pub(super) fn signal(&self, name: &str) {
        let id = self.victim.broker.as_ref().map_or_else(|| self.victim.hall.child.id(), Mosquitto::id);
        let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// The agent's configuration from the links on.
    pub(super) fn plant(&self) -> String {
        let device = |n: usize| {
            let is_victim = n == DEVICES - 1;
            let address = if is_victim { self.relay.address() } else { self.others.address(n) };
            let (id, name) = (format!("d{n:02}"), format!("d{:02}", if is_victim { 0 } else { n }));
            let (link, point) = self.over.tables(&id, address, &name);
            format!(
                "[[link]]\nid = \"{id}\"\nprotocol = \"{}\"\n{link}\n\n[[machine]]\nid = \"{id}\"\nname = \"{id}\"\n\
                 line = \"A\"\nkind = \"other\"\nlink = \"{id}\"\n\n[machine.points]\nenergy_total = {{ {point}, \
                 measure = \"Wh\", max_power = \"90kW\" }}\n\n[machine.state]\nidle = 'true'\n\n",
                self.over.word()
            )
        };
        (0..DEVICES).map(device).collect()
    }
}

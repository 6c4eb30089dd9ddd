//! Where the wire of a Modbus link ends: a host that speaks Modbus TCP, a converter that passes RTU frames on
//! over TCP, or a serial port of this machine. Nothing is opened here.

use std::time::Duration;

use crate::fields::{Fields, host_and_port};

/// Keys that only a serial port has.
pub const SERIAL_KEYS: [&str; 4] = ["baud", "parity", "data_bits", "stop_bits"];

/// The port registered for Modbus TCP.
const DEFAULT_PORT: u16 = 502;
/// One of the two rates every device has to know (MODBUS over Serial Line V1.02, 3.2), and the one most
/// meters leave the factory with.
const DEFAULT_BAUD: i64 = 9600;
/// From here on the silence between frames no longer shrinks with the rate (V1.02, 2.5.1.1).
const FAST_BAUD: u32 = 19_200;
const FAST_SILENCE: Duration = Duration::from_micros(1750);

/// Where the wire ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `tcp://host:port`: Modbus TCP.
    Tcp {
        /// Name or IP address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `rtu+tcp://host:port`: RTU frames over a TCP connection, as transparent converters take them.
    RtuOverTcp {
        /// Name or IP address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `serial:///dev/ttyUSB0`.
    Serial(SerialPort),
}

/// A serial port and how its line is set. A character has 8 data bits, as RTU needs (V1.02, 2.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// Path of the device file.
    pub path: String,
    /// Bits a second.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// Two stop bits instead of one.
    pub two_stop_bits: bool,
}

/// The parity bit of each character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// There is none.
    None,
    /// Even number of ones.
    Even,
    /// Odd number of ones.
    Odd,
}

impl Target {
    /// Whether frames carry no transaction id, and several units share one line.
    pub fn is_rtu(&self) -> bool {
        !matches!(self, Self::Tcp { .. })
    }

    /// How long the line has to be silent before a frame: 3.5 characters (V1.02, 2.5.1.1). Behind a
    /// converter the converter sees to it.
    pub fn silence(&self) -> Duration {
        match self {
            Self::Serial(port) if port.baud <= FAST_BAUD => port.characters(7) / 2,
            _ => FAST_SILENCE,
        }
    }

    /// How long so many bytes are on the line, as far as that is known here.
    pub fn line_time(&self, bytes: usize) -> Duration {
        match self {
            Self::Serial(port) => port.characters(u32::try_from(bytes).unwrap_or(u32::MAX)),
            _ => Duration::ZERO,
        }
    }
}

impl SerialPort {
    fn characters(&self, count: u32) -> Duration {
        // Start bit, 8 data bits, then parity and stop bits.
        let bits = 10 + u32::from(self.parity != Parity::None) + u32::from(self.two_stop_bits);
        Duration::from_secs(1) * bits / self.baud * count
    }
}

/// Reads `address` and the keys of a serial port.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Target> {
    let address = fields.required_text("address", "tcp://192.0.2.10:502")?;
    let host = |rest| host_and_port(rest, DEFAULT_PORT);
    let target = match address.split_once("://") {
        Some(("tcp", rest)) => host(rest).map(|(host, port)| Target::Tcp { host, port }),
        Some(("rtu+tcp", rest)) => host(rest).map(|(host, port)| Target::RtuOverTcp { host, port }),
        Some(("serial", path)) if path.starts_with('/') => {
            return Some(Target::Serial(serial(fields, path)?));
        }
        _ => None,
    };
    if target.is_none() {
        let message = format!(
            "{address:?} must be \"tcp://192.0.2.10:502\" for Modbus TCP, \"rtu+tcp://192.0.2.10:4001\" for a \
             serial converter in transparent mode, or \"serial:///dev/ttyUSB0\" for a serial port of this machine"
        );
        fields.refuse("address", &message);
    }
    for key in SERIAL_KEYS.into_iter().filter(|key| fields.has(key)).collect::<Vec<_>>() {
        let message = format!(
            "{address} is no serial port of this machine; leave {key} out, and set it in the converter if there is one"
        );
        fields.refuse(key, &message);
    }
    target
}

fn serial(fields: &mut Fields<'_>, path: &str) -> Option<SerialPort> {
    let baud = fields.integer("baud", 300..=4_000_000).unwrap_or(DEFAULT_BAUD);
    let words = [("even", Parity::Even), ("none", Parity::None), ("odd", Parity::Odd)];
    // Even parity is the default of V1.02, 2.5.1.
    let parity = fields.word("parity", &words).unwrap_or(Parity::Even);
    if fields.value("data_bits").is_some_and(|bits| bits.as_i64() != Some(8)) {
        fields.refuse(
            "data_bits",
            "Modbus RTU always has 8 data bits; a device set to 7 is in ASCII mode: set it to RTU",
        );
    }
    // The same clause fills a missing parity bit up with a second stop bit. A device set to 8N1 takes that
    // for a pause of one bit, so it is right for both.
    let default_stop_bits = if parity == Parity::None { 2 } else { 1 };
    let stop_bits = fields.integer("stop_bits", 1..=2).unwrap_or(default_stop_bits);
    Some(SerialPort {
        path: path.to_owned(),
        baud: u32::try_from(baud).ok()?,
        parity,
        two_stop_bits: stop_bits == 2,
    })
}

#[cfg(test)]
mod tests {
    use super::super::SETTINGS;
    use super::*;
    use serde_json::{Value, json};

    fn target(table: &Value) -> Result<Target, Vec<String>> {
        let mut fields = Fields::new(None, table, SETTINGS);
        let target = read(&mut fields);
        let errors: Vec<String> = fields.into_errors().iter().map(ToString::to_string).collect();
        target.filter(|_| errors.is_empty()).ok_or(errors)
    }

    #[track_caller]
    fn port(table: &Value) -> SerialPort {
        match target(table) {
            Ok(Target::Serial(port)) => port,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn three_kinds_of_address_are_told_apart() {
        let host = || "192.0.2.10".to_owned();
        assert_eq!(
            target(&json!({"address": "tcp://192.0.2.10"})),
            Ok(Target::Tcp { host: host(), port: 502 })
        );
        assert_eq!(
            target(&json!({"address": "rtu+tcp://192.0.2.10:4001"})),
            Ok(Target::RtuOverTcp { host: host(), port: 4001 })
        );
        assert_eq!(port(&json!({"address": "serial:///dev/ttyUSB0"})).path, "/dev/ttyUSB0");
        for bad in [
            "serial://COM1",
            "rtu://192.0.2.10",
            "/dev/ttyUSB0",
            "serial:/dev/ttyUSB0",
            "tcp://",
            "rtu+tcp://",
        ] {
            let errors = target(&json!({ "address": bad })).unwrap_err();
            assert!(errors[0].contains("serial:///dev/ttyUSB0"), "{errors:?}");
        }
    }

    #[test]
    fn a_serial_port_is_set_as_the_specification_says_unless_told_otherwise() {
        let at = |table: &Value| {
            let port = port(table);
            (port.baud, port.parity, port.two_stop_bits)
        };
        let address = "serial:///dev/ttyUSB0";
        assert_eq!(at(&json!({ "address": address })), (9600, Parity::Even, false));
        assert_eq!(at(&json!({ "address": address, "parity": "none" })), (9600, Parity::None, true));
        assert_eq!(
            at(&json!({"address": address, "parity": "none", "stop_bits": 1, "data_bits": 8, "baud": 2400})),
            (2400, Parity::None, false)
        );
    }

    #[test]
    fn pain_23_a_setting_that_the_line_cannot_have_is_refused_with_its_key() {
        let refused = |table: Value, key: &str| {
            let errors = target(&table).unwrap_err();
            assert!(errors.iter().any(|e| e.starts_with(key)), "{errors:?} should name {key}");
        };
        refused(
            json!({"address": "serial:///dev/ttyS1", "parity": "mark"}),
            "parity: \"mark\" is none of even",
        );
        refused(
            json!({"address": "serial:///dev/ttyS1", "data_bits": 7}),
            "data_bits: Modbus RTU always has 8",
        );
        refused(json!({"address": "serial:///dev/ttyS1", "stop_bits": 3}), "stop_bits");
        refused(json!({"address": "serial:///dev/ttyS1", "baud": 96}), "baud");
        refused(
            json!({"address": "tcp://192.0.2.10", "baud": 9600}),
            "baud: tcp://192.0.2.10 is no serial port",
        );
        refused(json!({"address": "rtu+tcp://192.0.2.10", "parity": "none"}), "parity");
    }

    #[test]
    fn the_silence_between_frames_is_three_and_a_half_characters() {
        let silence = |baud| {
            let port = port(&json!({"address": "serial:///dev/ttyS1", "baud": baud}));
            Target::Serial(port).silence().as_micros()
        };
        // 3.5 × 11 bits ÷ 9600 a second = 4.01 ms.
        assert_eq!((silence(9600), silence(19_200), silence(115_200)), (4010, 2005, 1750));
    }
}

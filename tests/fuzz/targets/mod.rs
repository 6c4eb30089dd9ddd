//! One function for each decoder of bytes that come from outside: it takes any bytes, and panics if the decoder
//! does not keep its promise. libFuzzer calls them (`../fuzz.rs`), and so does an ordinary test that replays the
//! kept corpus (`tests/corpus/`).
//!
//! No function here knows what is interesting: that is the corpus and the fuzzer's business.

mod bundle;
mod cbor;
mod configuration;
mod journal;
mod log;
mod modbus;
mod mqtt;
mod opcua;
mod rule;
mod sparkplug;
mod spool;
mod statement;
mod text;
mod uplink;

pub(crate) use journal::memory_seed;
pub(crate) use modbus::panic_is_caught;

/// A target: any bytes in, a panic if a promise is broken.
pub(crate) type Target = fn(&[u8]);

/// Every target by the name of its corpus folder.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("modbus_answer", modbus::answer),
    ("modbus_frame", modbus::frame),
    ("modbus_rtu", modbus::rtu),
    ("opcua_value", opcua::value),
    ("mqtt_payload", mqtt::payload),
    ("mqtt_address", mqtt::address),
    ("sparkplug", sparkplug::sparkplug),
    ("text", text::text),
    ("cbor", cbor::cbor),
    ("payload", statement::payload),
    ("envelope", statement::envelope),
    ("enrolment", statement::enrolment),
    ("note", log::note),
    ("receipt", log::receipt),
    ("tile", log::tile),
    ("zip", bundle::zip),
    ("bundle", bundle::bundle),
    ("trust", configuration::trust),
    ("agent_toml", configuration::agent),
    ("rule", rule::rule),
    ("uplink", uplink::uplink),
    ("journal", journal::journal),
    ("raw_block", journal::raw_block),
    ("memory", journal::memory),
    ("spool", spool::spool),
];

/// The target of a name.
pub(crate) fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// Bytes taken apart from the front; what is not there any more is zero.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Up to the next LF, which is dropped; the rest if there is none.
    fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|b| *b == b'\n').unwrap_or(self.0.len());
        let line = self.take(end);
        self.byte();
        line
    }
}

/// Moments for observations; nothing depends on which.
const AT: observation::Instant =
    observation::Instant { utc: observation::Utc(1_790_000_000_000), mono: observation::Mono(77_000) };

//! Device protocols. Each is a module behind a feature with its settings and addresses, a pure plan, a
//! pure decoder and a [`Source`]; the agent knows only what is public here and no protocol by name.
//!
//! No module writes to a machine, keeps a last value, or computes anything from what it reads.

pub mod backoff;
mod feed;
pub mod fields;
#[cfg(feature = "modbus")]
pub mod modbus;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "opcua")]
pub mod opcua;
#[cfg(feature = "mqtt")]
pub mod pinned;
pub mod source;
#[cfg(feature = "sparkplug")]
pub mod sparkplug;

use observation::PointId;
use serde_json::Value;

pub use fields::LinkConfigError;
pub use source::{Batch, Expectation, Link, LinkError, PutAside, Receipt, Source};

/// What a protocol makes of a link's tables: the link, or every mistake in them.
pub type Configured = Result<Box<dyn Link>, Vec<LinkConfigError>>;

/// One line of the list of protocols.
struct Protocol {
    name: &'static str,
    settings: &'static [&'static str],
    point: &'static [&'static str],
    link: fn(&Value, &[(PointId, Value)]) -> Configured,
}

const PROTOCOLS: &[Protocol] = &[
    #[cfg(feature = "modbus")]
    Protocol { name: "modbus", settings: modbus::SETTINGS, point: modbus::POINT, link: modbus::link },
    #[cfg(feature = "mqtt")]
    Protocol { name: "mqtt", settings: mqtt::SETTINGS, point: mqtt::POINT, link: mqtt::link },
    #[cfg(feature = "opcua")]
    Protocol { name: "opcua", settings: opcua::SETTINGS, point: opcua::POINT, link: opcua::link },
    #[cfg(feature = "sparkplug")]
    Protocol {
        name: "sparkplug",
        settings: sparkplug::SETTINGS,
        point: sparkplug::POINT,
        link: sparkplug::link,
    },
];

/// Names of the protocols this build knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|protocol| protocol.name)
}

/// The keys a protocol has in a link's table, and those it has in a point's.
pub fn keys(protocol: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    PROTOCOLS.iter().find(|p| p.name == protocol).map(|p| (p.settings, p.point))
}

/// Builds a link from its tables, without touching the network. The tables hold the protocol's own keys
/// only: the caller has taken out what belongs to itself (`id`, `protocol`; `link`, `measure`, `width`).
#[expect(clippy::needless_pass_by_value, reason = "the caller has no use for the tables afterwards")]
pub fn link(protocol: &str, settings: Value, points: Vec<(PointId, Value)>) -> Configured {
    match PROTOCOLS.iter().find(|p| p.name == protocol) {
        Some(found) => (found.link)(&settings, &points),
        None => Err(vec![unknown(protocol)]),
    }
}

fn unknown(protocol: &str) -> LinkConfigError {
    let known: Vec<&str> = names().collect();
    LinkConfigError {
        point: None,
        key: "protocol".to_owned(),
        message: format!("{protocol:?} is none of {}", known.join(", ")),
        nearest: fields::nearest(protocol, &known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_protocol_names_the_nearest() {
        let Err(errors) = link("modbuss", Value::Null, Vec::new()) else { panic!("a link of no protocol") };
        assert_eq!(errors[0].key, "protocol");
        assert_eq!(errors[0].nearest.as_deref(), Some("modbus"));
    }

    #[test]
    fn no_key_of_a_protocol_is_one_of_the_agents_own() {
        for name in names() {
            let (settings, point) = keys(name).unwrap();
            assert!(!settings.iter().any(|key| ["id", "protocol"].contains(key)), "{name}");
            assert!(!point.iter().any(|key| ["link", "measure", "width"].contains(key)), "{name}");
        }
    }
}

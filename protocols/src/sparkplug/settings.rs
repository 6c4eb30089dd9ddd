//! The table of a Sparkplug link: the broker as for MQTT, the group of the edge nodes, and whether they may be asked
//! for a birth.

use std::sync::Arc;

use serde_json::Value;

use super::address::element;
use crate::LinkConfigError;
use crate::fields::Fields;
use crate::mqtt::settings as broker;

/// Keys of a link's table. Those of the broker mean what they mean for MQTT.
pub const KEYS: &[&str] = &[
    "address",
    "version",
    "client_id",
    "user",
    "password_file",
    "ca_file",
    "fingerprint",
    "cert_file",
    "key_file",
    "keep_alive",
    "timeout",
    "group",
    "rebirth",
];

/// A link's table, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The connection to the broker. It forgets us when we go: what a node has published meanwhile is of no use
    /// without the messages between.
    pub broker: Arc<broker::Settings>,
    /// The group of points that name none.
    pub group: Option<String>,
    /// Whether a node may be asked to be born anew, which is a write.
    pub rebirth: bool,
}

impl Settings {
    /// Reads a link's table. `None` if it has a mistake; the mistakes are then appended to `errors`. The group is
    /// given back even so, since the points are read by it.
    pub fn read(table: &Value, errors: &mut Vec<LinkConfigError>) -> (Option<Self>, Option<String>) {
        let mut fields = Fields::new(None, table, KEYS);
        let broker = broker::read(&mut fields);
        let group = fields.text("group");
        let group = element(&mut fields, "group", group);
        let rebirth = fields.flag("rebirth", false);
        let failed = fields.failed();
        errors.extend(fields.into_errors());
        let settings = broker.filter(|_| !failed).map(|broker| Self {
            broker: Arc::new(broker::Settings { clean: true, ..broker }),
            group: group.clone(),
            rebirth,
        });
        (settings, group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_link_writes_nothing_unless_it_is_told_to() {
        let mut errors = Vec::new();
        let table =
            json!({"address": "mqtt://192.0.2.30:1883", "client_id": "plumbline-edge-07", "group": "Plant"});
        let settings = Settings::read(&table, &mut errors).0.unwrap();
        assert_eq!((settings.rebirth, settings.broker.clean), (false, true));
        assert_eq!(settings.group.as_deref(), Some("Plant"));
    }

    #[test]
    fn pain_23_every_mistake_of_a_link_is_listed_at_once() {
        let mut errors = Vec::new();
        let table = json!({"address": "mqtt://a", "clean": false, "group": "a/b", "rebirth": "yes"});
        assert_eq!(Settings::read(&table, &mut errors), (None, None));
        let keys: Vec<&str> = errors.iter().map(|e| e.key.as_str()).collect();
        assert_eq!(keys, ["clean", "client_id", "group", "rebirth"]);
    }
}

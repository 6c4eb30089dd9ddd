//! Where a point lives: a metric of an edge node, or of a device behind it.

use std::time::Duration;

use observation::{Decimal, PointId};
use serde_json::{Value, json};

use super::topic::unfit;
use crate::LinkConfigError;
use crate::fields::Fields;

/// Keys of a point's table.
pub const KEYS: &[&str] = &["group", "node", "device", "metric", "scale", "stale_after"];

/// A point behind a broker, by Sparkplug's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The group of the edge node.
    pub group: String,
    /// The edge node.
    pub node: String,
    /// The device behind it; none for a metric of the node itself.
    pub device: Option<String>,
    /// The metric's full name as in the birth, with its folders.
    pub metric: String,
    /// The exact factor of a number, not zero.
    pub scale: Option<Decimal>,
    /// Age at which a value is no longer believed, ms. Without it a value holds, as Sparkplug means it, until
    /// another comes, the node or device dies, or the broker is lost.
    pub stale_after_ms: Option<u64>,
}

impl Address {
    /// Reads a point's table; `group` is the link's. `None` if it has a mistake; the mistakes are then appended to
    /// `errors`.
    pub fn read(
        point: PointId,
        table: &Value,
        group: Option<&str>,
        errors: &mut Vec<LinkConfigError>,
    ) -> Option<Self> {
        let mut fields = Fields::new(Some(point), table, KEYS);
        let address = read(&mut fields, group);
        let failed = fields.failed();
        errors.extend(fields.into_errors());
        address.filter(|_| !failed)
    }

    /// The table that [`Self::read`] makes this address of.
    pub fn to_table(&self) -> Value {
        let mut table = json!({"group": self.group, "node": self.node, "metric": self.metric});
        if let Some(device) = &self.device {
            table["device"] = json!(device);
        }
        if let Some(scale) = self.scale {
            table["scale"] = json!(scale.to_string());
        }
        if let Some(stale_after_ms) = self.stale_after_ms {
            table["stale_after"] = json!(format!("{stale_after_ms}ms"));
        }
        table
    }
}

fn read(fields: &mut Fields<'_>, group: Option<&str>) -> Option<Address> {
    let group = match group {
        Some(group) if !fields.has("group") => Some(group.to_owned()),
        _ => {
            let own = fields.required_text("group", "Plant");
            element(fields, "group", own)
        }
    };
    let node = fields.required_text("node", "Line1");
    let node = element(fields, "node", node);
    let device = fields.text("device");
    let device = element(fields, "device", device);
    let metric = fields.required_text("metric", "Energy/Total");
    if metric == Some("") {
        fields.refuse(
            "metric",
            "must not be empty; write the name as it stands in the birth, with its folders",
        );
    }
    let scale = if fields.has("scale") { Some(fields.scale("scale")?) } else { None };
    let limits = Duration::from_millis(100)..=Duration::from_hours(24);
    let stale_after = fields.duration("stale_after", Duration::from_mins(1), limits);
    let stale_after_ms = u64::try_from(stale_after.as_millis()).ok().filter(|_| fields.has("stale_after"));
    Some(Address { group: group?, node: node?, device, metric: metric?.to_owned(), scale, stale_after_ms })
}

/// A text that can be one element of a topic.
pub(super) fn element(fields: &mut Fields<'_>, key: &str, text: Option<&str>) -> Option<String> {
    let text = text?;
    if let Some(problem) = unfit(text) {
        fields.refuse(key, problem);
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn refused(table: &Value, group: Option<&str>, want: &[(&str, &str)]) {
        let mut errors = Vec::new();
        assert_eq!(Address::read(PointId(3), table, group, &mut errors), None);
        assert_eq!(errors.len(), want.len(), "{errors:?}");
        for (error, (key, words)) in errors.iter().zip(want) {
            assert!(error.key == *key && error.message.contains(words), "{error:?}: {key} {words}");
            assert_eq!(error.point, Some(PointId(3)));
        }
    }

    #[test]
    fn pain_23_every_mistake_of_a_point_is_listed_at_once() {
        refused(
            &json!({}),
            None,
            &[("group", "is missing"), ("node", "is missing"), ("metric", "is missing")],
        );
        refused(
            &json!({"node": "a/b", "device": "+", "metric": "", "stale_after": "0s", "devise": "x"}),
            Some("Plant"),
            &[
                ("devise", "no such key"),
                ("node", "one element"),
                ("device", "one element"),
                ("metric", "must not be empty"),
                ("stale_after", "not within"),
            ],
        );
        refused(&json!({"node": "n", "metric": "m", "scale": "0"}), Some("g"), &[("scale", "every value 0")]);
    }

    #[test]
    fn the_group_of_a_point_goes_before_the_links() {
        let mut errors = Vec::new();
        let mut group = |table: Value| {
            Address::read(PointId(0), &table, Some("Plant"), &mut errors).map(|address| address.group)
        };
        assert_eq!(group(json!({"node": "n", "metric": "m"})).as_deref(), Some("Plant"));
        assert_eq!(group(json!({"group": "Hall", "node": "n", "metric": "m"})).as_deref(), Some("Hall"));
    }

    proptest! {
        #[test]
        fn a_table_is_read_back_as_its_address(
            group in "[a-zA-Z0-9 冲压]{1,12}",
            node in "[a-zA-Z0-9 冲压]{1,12}",
            device in proptest::option::of("[a-zA-Z0-9 冲压]{1,12}"),
            metric in "[a-zA-Z0-9 /冲压]{1,20}",
            scale in proptest::option::of((1i64..1000, -6i32..3)),
            stale_after_ms in proptest::option::of(100u64..86_400_000),
        ) {
            let scale = scale.map(|(m, e)| Decimal::new(m.into(), e).unwrap());
            let address = Address { group, node, device, metric, scale, stale_after_ms };
            let mut errors = Vec::new();
            let back = Address::read(PointId(0), &address.to_table(), None, &mut errors);
            prop_assert_eq!((back, errors), (Some(address), Vec::new()));
        }
    }
}

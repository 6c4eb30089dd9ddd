//! Where a point lives behind a broker: a topic, and a place in its messages.
//!
//! A topic filter with wildcards is refused here: several publishers would feed one point, and nobody could
//! tell which of them a value is from.

use std::time::Duration;

use observation::{Decimal, PointId};
use serde_json::{Value, json};

use super::format::Format;
use crate::LinkConfigError;
use crate::fields::Fields;

/// Keys of a point's table.
pub const KEYS: &[&str] = &[
    "topic",
    "format",
    "path",
    "column",
    "separator",
    "header",
    "lines",
    "time",
    "time_unit",
    "type",
    "scale",
    "stale_after",
];

/// What a message has to hold at the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number, also as text in quotes.
    Number,
    /// `true` or `false`, also as 1 or 0.
    Bool,
    /// A text.
    Text,
}

impl Kind {
    const ALL: [(&str, Self); 3] = [("number", Self::Number), ("bool", Self::Bool), ("string", Self::Text)];
}

/// A point behind a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The topic, without wildcards.
    pub topic: String,
    /// What its payloads look like, and where in them it stands.
    pub format: Format,
    /// What has to be there.
    pub kind: Kind,
    /// The exact factor of a number, not zero.
    pub scale: Decimal,
    /// Age at which the last value is no longer believed, ms.
    pub stale_after_ms: u64,
}

impl Address {
    /// Reads a point's table. `None` if it has a mistake; the mistakes are then appended to `errors`.
    pub fn read(point: PointId, table: &Value, errors: &mut Vec<LinkConfigError>) -> Option<Self> {
        let mut fields = Fields::new(Some(point), table, KEYS);
        let address = read(&mut fields);
        let failed = fields.failed();
        errors.extend(fields.into_errors());
        address.filter(|_| !failed)
    }

    /// The table that [`Self::read`] makes this address of.
    pub fn to_table(&self) -> Value {
        let kind = Kind::ALL.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name);
        let mut table = json!({
            "topic": self.topic,
            "type": kind,
            "stale_after": format!("{}ms", self.stale_after_ms),
        });
        if let Some(table) = table.as_object_mut() {
            self.format.write(table);
        }
        if self.kind == Kind::Number {
            table["scale"] = json!(self.scale.to_string());
        }
        table
    }
}

fn read(fields: &mut Fields<'_>) -> Option<Address> {
    let topic = read_topic(fields);
    let format = Format::read(fields);
    let kind = fields.word("type", &Kind::ALL).unwrap_or(Kind::Number);
    if kind != Kind::Number && fields.has("scale") {
        fields.refuse("scale", "only a number has a scale; leave it out");
    }
    let scale = fields.scale("scale");
    if !fields.has("stale_after") {
        fields.refuse(
            "stale_after",
            "is missing; write how long the last message may be believed, such as \"10s\"",
        );
    }
    let limits = Duration::from_millis(100)..=Duration::from_hours(24);
    let stale_after = fields.duration("stale_after", Duration::from_secs(10), limits);
    let stale_after_ms = u64::try_from(stale_after.as_millis()).ok()?;
    Some(Address { topic: topic?, format: format?, kind, scale: scale?, stale_after_ms })
}

fn read_topic(fields: &mut Fields<'_>) -> Option<String> {
    let topic = fields.required_text("topic", "hall-a/cnc-01/count")?;
    let problem = if topic.is_empty() || topic.len() > usize::from(u16::MAX) {
        "a topic has 1 to 65535 bytes"
    } else if topic.contains(['+', '#']) {
        "a point has exactly one topic, so + and # cannot be used; for many machines write `each` in \
         [[machine]] and {id} in the topic, and `subscribe` in [[link]]"
    } else if topic.contains('\0') {
        "a topic cannot hold the character NUL"
    } else if topic.starts_with('$') {
        "topics that begin with $ belong to the broker"
    } else {
        return Some(topic.to_owned());
    };
    fields.refuse("topic", problem);
    None
}

#[cfg(test)]
mod tests {
    use super::super::format::Csv;
    use super::super::moment::TimeUnit;
    use super::super::path::JsonPath;
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn refused(table: &Value, key: &str, words: &str) {
        let mut errors = Vec::new();
        assert_eq!(Address::read(PointId(3), table, &mut errors), None, "{table}");
        assert!(errors.iter().any(|e| e.key == key && e.message.contains(words)), "{errors:?}");
    }

    #[test]
    fn the_address_of_the_example_is_accepted() {
        let mut errors = Vec::new();
        let table = json!({"topic": "hall-a/cnc-01/count", "path": "$.total", "stale_after": "10s"});
        let address = Address::read(PointId(0), &table, &mut errors).unwrap();
        assert_eq!((address.stale_after_ms, address.kind), (10_000, Kind::Number));
    }

    #[test]
    fn a_topic_that_is_not_exactly_one_is_refused() {
        let topic = |topic: &str| json!({"topic": topic, "stale_after": "10s"});
        refused(&topic("hall-a/+/count"), "topic", "exactly one topic");
        refused(&topic("hall-a/#"), "topic", "exactly one topic");
        refused(&topic(""), "topic", "1 to 65535");
        refused(&topic("$SYS/broker/uptime"), "topic", "belong to the broker");
        refused(&json!({"stale_after": "10s"}), "topic", "is missing");
    }

    #[test]
    fn pain_05_a_meaningless_combination_is_refused_with_its_key() {
        let with = |more: Value| {
            let mut table = json!({"topic": "a", "stale_after": "10s"});
            table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            table
        };
        for (more, key, words) in [
            (json!({"type": "bool", "scale": "2"}), "scale", "only a number"),
            (json!({"scale": 0.5}), "scale", "in quotes"),
            (json!({"path": "total"}), "path", "begin with $"),
            (json!({"type": "f32"}), "type", "none of"),
            (json!({"format": "xml"}), "format", "none of"),
            (json!({"format": "json"}), "path", "is missing"),
            (json!({"format": "csv"}), "column", "is missing"),
            (json!({"column": 2}), "format", "csv"),
            (json!({"format": "plain", "path": "$.a"}), "path", "format = \"json\""),
            (json!({"format": "csv", "column": 1, "path": "$.a"}), "path", "format = \"json\""),
            (json!({"path": "$.a", "header": true}), "header", "format = \"csv\""),
            (json!({"format": "csv", "column": 0}), "column", "from 1 to 1000"),
            (json!({"format": "csv", "column": 1, "separator": "::"}), "separator", "one character"),
            (json!({"format": "csv", "column": 1, "separator": "."}), "separator", "stands in no number"),
            (json!({"format": "csv", "column": 1, "lines": "all"}), "lines", "none of one, each"),
            (json!({"path": "$.a", "time": "$.t"}), "time_unit", "is missing"),
            (json!({"path": "$.a", "time_unit": "s"}), "time", "is missing"),
            (json!({"path": "$.a", "time": "t", "time_unit": "s"}), "time", "begin with $"),
            (json!({"time": "$.t", "time_unit": "s"}), "time", "a bare value carries no time"),
        ] {
            refused(&with(more), key, words);
        }
        refused(&json!({"topic": "a"}), "stale_after", "is missing");
    }

    fn any_format() -> impl Strategy<Value = Format> {
        let unit =
            prop_oneof![Just(TimeUnit::Seconds), Just(TimeUnit::Milliseconds), Just(TimeUnit::Iso8601)];
        let path = |text: &str| text.parse::<JsonPath>().unwrap();
        let csv = (1usize..=1000, prop::sample::select(vec![',', ';', '\t', '|']), any::<(bool, bool)>());
        let time = prop::option::of((1usize..=1000, unit.clone()));
        prop_oneof![
            Just(Format::Plain),
            prop::option::of(unit).prop_map(move |unit| Format::Json {
                path: path("$.a[0]['b c']"),
                time: unit.map(|unit| (path("$.ts"), unit)),
            }),
            (csv, time).prop_map(|((column, separator, (header, each)), time)| {
                Format::Csv(Csv { column, separator, header, each, time })
            }),
        ]
    }

    proptest! {
        #[test]
        fn an_address_comes_back_from_its_table(
            topic in "[a-z/厂]{1,12}",
            format in any_format(),
            kind in 0usize..3,
            (m, e) in (1i64..1000, -6i32..3),
            stale_after_ms in 100u64..86_400_000,
        ) {
            let kind = Kind::ALL[kind].1;
            let scale = if kind == Kind::Number { Decimal::new(m.into(), e).unwrap() } else { Decimal::from(1i64) };
            let address = Address { topic, format, kind, scale, stale_after_ms };
            let mut errors = Vec::new();
            let back = Address::read(PointId(0), &address.to_table(), &mut errors);
            prop_assert_eq!((back, errors), (Some(address), Vec::new()));
        }
    }
}

//! The canonical text of what a machine's numbers mean: its points, where they are read, how they are scaled,
//! and its state rules. Its SHA-256 is the mapping hash that the registrar approves and every window names.
//!
//! Two configurations that mean the same give the same text, whatever their order, spacing or comments. The
//! network address of a link is left out: a renumbered network changes no meaning, and a changed
//! configuration is signed as an event of its own.
//!
//! ```text
//! plumbline-mapping 1
//! machine <id>
//! class <A|B|C>
//! point <name> <protocol> <link> <measure|-> <width|-> <address as JSON, keys sorted>
//! rule <state> <expression>
//! rule <state> power < <W> W [until >= <W> W] for <ms> ms
//! flag <name> <expression>
//! ```
//! Points are sorted by name, rules stand in the order in which they are tried; every line ends in LF.

use super::rules::{Condition, Flag, Rules};
use super::threshold::Side;
use evidence::Hash;
use serde_json::Value;
use std::fmt::Write;

/// How far a machine's states can be trusted, by where they come from (metrics.md 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceClass {
    /// Controller state, mode, part count and an independent power meter.
    A,
    /// Controller state.
    B,
    /// Inferred from power or lights.
    C,
}

impl EvidenceClass {
    /// One letter.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

/// One point as the mapping states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedPoint<'a> {
    /// Role or input name.
    pub name: &'a str,
    /// Protocol of its link.
    pub protocol: &'a str,
    /// Its link.
    pub link: &'a str,
    /// Unit in which it is read, as written.
    pub measure: Option<&'a str>,
    /// Last value before a rollover, as written.
    pub width: Option<&'a str>,
    /// Where it is read and how it is scaled.
    pub address: &'a Value,
}

/// The canonical text and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The text.
    pub text: String,
    /// SHA-256 of its UTF-8.
    pub hash: Hash,
}

impl Mapping {
    /// Writes the text.
    pub fn new(machine: &str, class: EvidenceClass, points: &[MappedPoint<'_>], rules: &Rules) -> Self {
        let mut text = format!("plumbline-mapping 1\nmachine {machine}\nclass {}\n", class.letter());
        let mut points: Vec<_> = points.iter().collect();
        points.sort_by_key(|point| point.name);
        for point in points {
            line(&mut text, &point_line(point));
        }
        for rule in rules.rules() {
            line(&mut text, &format!("rule {} {}", rule.leaf.en(), condition(&rule.condition)));
        }
        for (flag, rule) in Flag::ALL.iter().zip(rules.flags()) {
            if let Some(rule) = rule {
                line(&mut text, &format!("flag {} {rule}", flag.key()));
            }
        }
        let hash = evidence::hash::sha256(text.as_bytes());
        Self { text, hash }
    }
}

fn line(text: &mut String, content: &str) {
    text.push_str(content);
    text.push('\n');
}

fn point_line(point: &MappedPoint<'_>) -> String {
    let mut address = String::new();
    sorted_json(point.address, &mut address);
    format!(
        "point {} {} {} {} {} {address}",
        point.name,
        point.protocol,
        point.link,
        point.measure.unwrap_or("-"),
        point.width.unwrap_or("-"),
    )
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Expression(e) => e.to_string(),
        Condition::Power(t) => {
            let (sign, opposite) = if t.side == Side::Below { ("<", ">=") } else { (">=", "<") };
            // Without a band the text is that of before there were any.
            let until = if t.release == t.watts {
                String::new()
            } else {
                format!(" until {opposite} {} W", t.release)
            };
            format!("power {sign} {} W{until} for {} ms", t.watts, t.dwell_ms)
        }
    }
}

/// JSON without spaces and with sorted keys. The map type of `serde_json` sorts only while no crate of the
/// build asks it to keep the order of insertion, so the sorting is done here.
pub(crate) fn sorted_json(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (i, (key, value)) in entries.into_iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(out, "{}{}:", if i == 0 { '{' } else { ',' }, Value::from(key.as_str()));
                sorted_json(value, out);
            }
            out.push_str(if map.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                sorted_json(item, out);
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::rules::Rule;
    use crate::state::{Threshold, parse};
    use kpi::Leaf;

    fn rules(order: [usize; 3]) -> Rules {
        let names = ["execution", "mode", "power"];
        let all = [
            Rule { leaf: Leaf::Idle, condition: Condition::Expression(parse("true", &names).unwrap()) },
            Rule {
                leaf: Leaf::Producing,
                condition: Condition::Expression(parse("execution==1&&mode==2", &names).unwrap()),
            },
            Rule {
                leaf: Leaf::Off,
                condition: Condition::Power(Threshold::sharp(Side::Below, "50.0".parse().unwrap(), 5000)),
            },
        ];
        let flags = [Some(parse("execution == 1", &names).unwrap()), None, None, None];
        Rules::new(order.map(|i| all[i].clone()).into(), flags, 3, Some(2))
    }

    fn point<'a>(name: &'a str, address: &'a Value) -> MappedPoint<'a> {
        MappedPoint { name, protocol: "modbus", link: "meters", measure: Some("kW"), width: None, address }
    }

    #[test]
    fn the_text_names_points_scales_and_rules_and_does_not_depend_on_their_order() {
        let a = serde_json::json!({"unit": 1, "register": "holding:0", "scale": "0.1"});
        let b = serde_json::json!({"scale": "0.1", "register": "holding:0", "unit": 1});
        let one = Mapping::new(
            "cnc-01",
            EvidenceClass::B,
            &[point("power", &a), point("execution", &b)],
            &rules([0, 1, 2]),
        );
        let two = Mapping::new(
            "cnc-01",
            EvidenceClass::B,
            &[point("execution", &a), point("power", &b)],
            &rules([2, 0, 1]),
        );
        assert_eq!(one, two);
        assert_eq!(
            one.text,
            "plumbline-mapping 1\n\
             machine cnc-01\n\
             class B\n\
             point execution modbus meters kW - {\"register\":\"holding:0\",\"scale\":\"0.1\",\"unit\":1}\n\
             point power modbus meters kW - {\"register\":\"holding:0\",\"scale\":\"0.1\",\"unit\":1}\n\
             rule off power < 50 W for 5000 ms\n\
             rule producing (execution == 1 && mode == 2)\n\
             rule idle true\n\
             flag cutting execution == 1\n"
        );
    }

    #[test]
    fn a_band_is_a_part_of_the_meaning() {
        let [low, high] = [50i64, 80].map(observation::Decimal::from);
        let text = |threshold| condition(&Condition::Power(threshold));
        let off = Threshold { side: Side::Below, watts: low, release: high, dwell_ms: 5000 };
        assert_eq!(text(off), "power < 50 W until >= 80 W for 5000 ms");
        let on = Threshold { side: Side::Above, watts: high, release: low, dwell_ms: 5000 };
        assert_eq!(text(on), "power >= 80 W until < 50 W for 5000 ms");
    }

    #[test]
    fn a_changed_scale_changes_the_hash() {
        let a = serde_json::json!({"scale": "0.1"});
        let b = serde_json::json!({"scale": "0.01"});
        let of = |j| {
            Mapping::new(
                "m",
                EvidenceClass::C,
                &[point("power", j)],
                &Rules::new(vec![], [const { None }; 4], 1, Some(0)),
            )
        };
        assert_ne!(of(&a).hash, of(&b).hash);
    }
}

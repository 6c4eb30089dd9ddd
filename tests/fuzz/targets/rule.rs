//! The state language. Promise: a rule's canonical form is read as the same rule and is its own canonical form; a
//! mistake is shown under a character that is there; the mapping text does not depend on the order of points.

use std::str::FromStr;

use agent::state::{Condition, EvidenceClass, Expression, Inputs, MappedPoint, Mapping, Rule, Rules, parse};
use kpi::Leaf;
use observation::{Decimal, Value};

use super::Bytes;

const NAMES: [&str; 4] = ["execution", "mode", "power", "a"];

/// The values in a machine, chosen by a byte.
struct Known(u8, [Option<Value>; 4]);

impl Inputs for Known {
    fn value(&self, index: usize) -> Option<&Value> {
        self.1.get(index)?.as_ref()
    }

    fn age_ms(&self, index: usize) -> Option<u64> {
        (self.0 >> index & 1 == 0).then_some(u64::from(self.0) * 500)
    }
}

fn known(choice: u8) -> Known {
    let number = |text| Decimal::from_str(text).ok().map(Value::Number);
    let values = [
        number("1"),
        Some(Value::Text("AUTO".to_owned())),
        if choice & 4 == 0 { number("50.5") } else { None },
        Some(Value::Bool(choice & 8 == 0)),
    ];
    Known(choice, values)
}

/// Values by a byte, the rule on the first line, a point's address as JSON behind it.
pub(super) fn rule(data: &[u8]) {
    let mut bytes = Bytes(data);
    let inputs = known(bytes.byte());
    let Ok(text) = std::str::from_utf8(bytes.line()) else { return };
    let expression = match parse(text, &NAMES) {
        Ok(expression) => expression,
        Err(e) => {
            assert!((1..=text.chars().count() + 1).contains(&e.column), "{e}");
            assert!(!e.message.is_empty());
            return;
        }
    };
    let written = expression.to_string();
    let again = parse(&written, &NAMES).unwrap_or_else(|e| panic!("{written:?} of {text:?}: {e}"));
    assert_eq!(again, expression);
    assert_eq!(again.to_string(), written);
    assert_eq!(again.truth(&inputs), expression.truth(&inputs));
    if let Ok(address) = serde_json::from_slice(bytes.0)
        && !has_a_float(&address)
    {
        mapping(expression, &address);
    }
}

/// A configuration hands numbers with a fraction on as texts, so that none ever is a float.
fn has_a_float(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Number(n) => n.is_f64(),
        serde_json::Value::Array(items) => items.iter().any(has_a_float),
        serde_json::Value::Object(map) => map.values().any(has_a_float),
        _ => false,
    }
}

fn mapping(expression: Expression, address: &serde_json::Value) {
    let rule = Rule { leaf: Leaf::Producing, condition: Condition::Expression(expression) };
    let rules = Rules::new(vec![rule], [const { None }; 4], NAMES.len(), None);
    let point =
        |name| MappedPoint { name, protocol: "modbus", link: "l", measure: None, width: None, address };
    let one = Mapping::new("m", EvidenceClass::B, &[point("a"), point("mode")], &rules);
    let two = Mapping::new("m", EvidenceClass::B, &[point("mode"), point("a")], &rules);
    assert_eq!(one, two);
    let line = one.text.lines().find_map(|line| line.strip_prefix("point a modbus l - - "));
    let written = line.unwrap_or_else(|| panic!("no line of the point in {:?}", one.text));
    let again: serde_json::Value = serde_json::from_str(written).unwrap_or_else(|e| panic!("{written}: {e}"));
    let point =
        MappedPoint { name: "a", protocol: "modbus", link: "l", measure: None, width: None, address: &again };
    let third = Mapping::new("m", EvidenceClass::B, &[point], &rules);
    assert!(
        third.text.contains(line.unwrap_or_default()),
        "the address in its canonical form is no fixed point"
    );
}

//! From a payload to a value, without a broker.
//!
//! Numbers are read from their text, digit by digit. What is not what was configured is bad; it is never
//! guessed at.

use observation::{Decimal, Reason, Value};

use super::topic::{Address, Kind};

/// The value of a point in a payload.
pub fn decode(address: &Address, payload: &[u8]) -> Result<Value, Reason> {
    let text = match &address.path {
        Some(path) => path.find(payload).ok_or(Reason::Decode)?,
        None => std::str::from_utf8(payload).map_err(|_| Reason::Decode)?.trim(),
    };
    let text = match &address.path {
        Some(_) => unquoted(text)?,
        None => Leaf::Bare(text.to_owned()),
    };
    match (address.kind, text) {
        (Kind::Number, Leaf::Bare(text) | Leaf::Quoted(text)) => number(&text, address.scale),
        (Kind::Bool, Leaf::Bare(text) | Leaf::Quoted(text)) => boolean(&text),
        (Kind::Text, Leaf::Quoted(text)) => Ok(Value::Text(text)),
        // Without a path the payload is the text; with one, a number is no text.
        (Kind::Text, Leaf::Bare(text)) if address.path.is_none() => Ok(Value::Text(text)),
        (Kind::Text, Leaf::Bare(_)) => Err(Reason::Decode),
    }
}

/// What lies at a place: a JSON literal, or the content of a JSON string.
enum Leaf {
    Bare(String),
    Quoted(String),
}

fn unquoted(json: &str) -> Result<Leaf, Reason> {
    if json.starts_with('"') {
        return serde_json::from_str(json).map(Leaf::Quoted).map_err(|_| Reason::Decode);
    }
    Ok(Leaf::Bare(json.to_owned()))
}

fn number(text: &str, scale: Decimal) -> Result<Value, Reason> {
    let raw: Decimal = text.trim().parse().map_err(|e| match e {
        observation::DecimalError::Range(_) => Reason::Range,
        _ => Reason::Decode,
    })?;
    raw.checked_mul(scale).map(Value::Number).ok_or(Reason::Range)
}

fn boolean(text: &str) -> Result<Value, Reason> {
    match text.trim() {
        "true" | "1" => Ok(Value::Bool(true)),
        "false" | "0" => Ok(Value::Bool(false)),
        _ => Err(Reason::Decode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(path: Option<&str>, kind: Kind, scale: &str) -> Address {
        let path = path.map(|path| path.parse().unwrap());
        Address { topic: "t".into(), path, kind, scale: scale.parse().unwrap(), stale_after_ms: 1000 }
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a table of literals reads better")]
    fn check(path: Option<&str>, kind: Kind, payload: &str, want: Result<Value, Reason>) {
        assert_eq!(decode(&address(path, kind, "1"), payload.as_bytes()), want, "{payload}");
    }

    fn n(text: &str) -> Value {
        Value::Number(text.parse().unwrap())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn pain_07_numbers_keep_every_digit() {
        check(Some("$.e"), Kind::Number, r#"{"e": 18446744073709551615}"#, Ok(n("18446744073709551615")));
        check(Some("$.e"), Kind::Number, r#"{"e": 9007199254740993.25}"#, Ok(n("9007199254740993.25")));
        check(Some("$.e"), Kind::Number, r#"{"e": 1.5E+3}"#, Ok(n("1500")));
        check(None, Kind::Number, " 0.1\n", Ok(n("0.1")));
        let scaled = address(None, Kind::Number, "0.001");
        assert_eq!(decode(&scaled, b"18446744073709551615"), Ok(n("18446744073709551.615")));
    }

    #[test]
    fn a_number_may_come_as_text_and_a_truth_as_digit() {
        check(Some("$.e"), Kind::Number, r#"{"e": "12.50"}"#, Ok(n("12.5")));
        check(Some("$.e"), Kind::Bool, r#"{"e": 1}"#, Ok(Value::Bool(true)));
        check(Some("$.e"), Kind::Bool, r#"{"e": "false"}"#, Ok(Value::Bool(false)));
        check(Some("$.e"), Kind::Text, r#"{"e": "运行\n"}"#, Ok(text("运行\n")));
        check(None, Kind::Text, "RUN", Ok(text("RUN")));
    }

    #[test]
    fn a_garbage_payload_is_bad() {
        for payload in [
            "",
            "{",
            "NaN",
            "nul",
            "12,5",
            "0x10",
            "{\"e\": null}",
            "{\"e\": [1]}",
            "{\"e\": {}}",
            "{\"e\": true}",
        ] {
            check(Some("$.e"), Kind::Number, payload, Err(Reason::Decode));
            check(None, Kind::Number, payload, Err(Reason::Decode));
        }
        check(Some("$.e"), Kind::Text, r#"{"e": 5}"#, Err(Reason::Decode));
        check(Some("$.e"), Kind::Bool, r#"{"e": 2}"#, Err(Reason::Decode));
        check(None, Kind::Number, "1e400", Err(Reason::Range));
        assert_eq!(decode(&address(None, Kind::Text, "1"), &[0xFF, 0xFE]), Err(Reason::Decode));
    }

    proptest! {
        #[test]
        fn any_payload_is_decoded_without_a_panic(payload in prop::collection::vec(any::<u8>(), 0..100)) {
            for path in [None, Some("$.a")] {
                for kind in [Kind::Number, Kind::Bool, Kind::Text] {
                    let _ = decode(&address(path, kind, "0.1"), &payload);
                }
            }
        }
    }
}

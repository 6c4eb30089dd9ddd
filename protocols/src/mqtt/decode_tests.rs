use super::*;
use observation::PointId;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn address(mut table: Json) -> Address {
    table["topic"] = json!("t");
    table["stale_after"] = json!("1s");
    let mut errors = Vec::new();
    Address::read(PointId(0), &table, &mut errors).unwrap_or_else(|| panic!("{errors:?}"))
}

/// The only reading, without its time.
fn one(table: Json, payload: &[u8]) -> Result<Value, Reason> {
    let mut readings = decode(&address(table), payload);
    assert_eq!(readings.len(), 1);
    readings.remove(0).map(|reading| reading.value)
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a table of literals reads better")]
fn check(table: Json, payload: &str, want: Result<Value, Reason>) {
    assert_eq!(one(table.clone(), payload.as_bytes()), want, "{table} {payload}");
}

fn n(text: &str) -> Value {
    Value::Number(text.parse().unwrap())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn pain_07_numbers_keep_every_digit() {
    check(json!({"path": "$.e"}), r#"{"e": 18446744073709551615}"#, Ok(n("18446744073709551615")));
    check(json!({"path": "$.e"}), r#"{"e": 9007199254740993.25}"#, Ok(n("9007199254740993.25")));
    check(json!({"path": "$.e"}), r#"{"e": 1.5E+3}"#, Ok(n("1500")));
    check(json!({}), " 0.1\n", Ok(n("0.1")));
    check(
        json!({"format": "plain", "scale": "0.001"}),
        "18446744073709551615",
        Ok(n("18446744073709551.615")),
    );
    check(json!({"format": "csv", "column": 2}), "a,9007199254740993.25", Ok(n("9007199254740993.25")));
}

#[test]
fn a_number_may_come_as_text_and_a_truth_as_digit() {
    check(json!({"path": "$.e"}), r#"{"e": "12.50"}"#, Ok(n("12.5")));
    check(json!({"path": "$.e", "type": "bool"}), r#"{"e": 1}"#, Ok(Value::Bool(true)));
    check(json!({"path": "$.e", "type": "bool"}), r#"{"e": "false"}"#, Ok(Value::Bool(false)));
    check(json!({"path": "$.e", "type": "string"}), r#"{"e": "运行\n"}"#, Ok(text("运行\n")));
    check(json!({"type": "string"}), "RUN", Ok(text("RUN")));
    check(json!({"type": "bool"}), "1\n", Ok(Value::Bool(true)));
}

#[test]
fn a_garbage_payload_is_bad() {
    let garbage = [
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
    ];
    for payload in garbage {
        check(json!({"path": "$.e"}), payload, Err(Reason::Decode));
        check(json!({}), payload, Err(Reason::Decode));
        check(json!({"format": "csv", "column": 3}), payload, Err(Reason::Decode));
    }
    check(json!({"path": "$.e", "type": "string"}), r#"{"e": 5}"#, Err(Reason::Decode));
    check(json!({"path": "$.e", "type": "bool"}), r#"{"e": 2}"#, Err(Reason::Decode));
    check(json!({}), "1e400", Err(Reason::Range));
    assert_eq!(one(json!({"type": "string"}), &[0xFF, 0xFE]), Err(Reason::Decode));
    assert_eq!(one(json!({"format": "csv", "column": 1}), &[0xFF]), Err(Reason::Decode));
}

#[test]
fn a_field_is_found_between_separators_and_in_quotes() {
    let csv = |column: usize, more: Json| {
        let mut table = json!({"format": "csv", "column": column, "type": "string"});
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        table
    };
    check(csv(1, json!({})), "a, b ,c\r\n", Ok(text("a")));
    check(csv(2, json!({})), "a, b ,c\r\n", Ok(text("b")));
    check(csv(3, json!({})), "a, b ,c\r\n", Ok(text("c")));
    check(csv(4, json!({})), "a, b ,c\r\n", Err(Reason::Decode));
    check(csv(2, json!({"separator": ";"})), "1,5;\"say \"\"x;y\"\"\" ; 3", Ok(text("say \"x;y\"")));
    check(csv(3, json!({"separator": ";"})), "1,5;\"say \"\"x;y\"\"\" ; 3", Ok(text("3")));
    check(csv(2, json!({"separator": "\t"})), "1\t2\t3", Ok(text("2")));
    check(csv(2, json!({})), "a,\"b", Err(Reason::Decode));
    check(csv(2, json!({})), "a,\"b\"c", Err(Reason::Decode));
    check(csv(2, json!({})), "a,", Ok(text("")));
}

#[test]
fn a_header_is_passed_over_only_where_it_is_configured() {
    let message = "name,total\r\nr01,7\r\n";
    check(json!({"format": "csv", "column": 2, "header": true}), message, Ok(n("7")));
    // Two lines where one was said.
    check(json!({"format": "csv", "column": 2}), message, Err(Reason::Decode));
    check(json!({"format": "csv", "column": 2, "header": true}), "name,total\r\n", Err(Reason::Decode));
}

#[test]
fn each_line_is_a_reading_and_a_bad_one_spoils_no_other() {
    let table = json!({"format": "csv", "column": 2, "lines": "each", "time": 1, "time_unit": "s"});
    let got = decode(&address(table.clone()), b"10,1.5\n\n11,x\nlater,3\n13,4\n14\n");
    let reading = |s: i64, value| Ok(Reading { value: n(value), time: Some(Utc(s * 1000)) });
    let bad = Err(Reason::Decode);
    assert_eq!(got, [reading(10, "1.5"), bad.clone(), bad.clone(), reading(13, "4"), bad.clone()]);
    assert_eq!(decode(&address(table.clone()), b"\n"), vec![bad.clone()]);
    let long = "1,2\n".repeat(MOST_LINES + 1);
    assert_eq!(decode(&address(table.clone()), long.as_bytes()), [bad]);
    assert_eq!(decode(&address(table), &long.as_bytes()[4..]).len(), MOST_LINES);
}

#[test]
fn a_value_without_the_time_that_was_configured_is_bad() {
    let table = json!({"path": "$.v", "time": "$.ts", "time_unit": "ms"});
    let got = |payload: &str| decode(&address(table.clone()), payload.as_bytes());
    assert_eq!(got(r#"{"v": 1, "ts": 5}"#), [Ok(Reading { value: n("1"), time: Some(Utc(5)) })]);
    assert_eq!(got(r#"{"v": 1, "ts": "5"}"#), [Ok(Reading { value: n("1"), time: Some(Utc(5)) })]);
    for payload in
        [r#"{"v": 1}"#, r#"{"v": 1, "ts": null}"#, r#"{"v": 1, "ts": "x"}"#, r#"{"v": 1, "ts": [5]}"#]
    {
        assert_eq!(got(payload), [Err(Reason::Decode)], "{payload}");
    }
}

proptest! {
    #[test]
    fn any_payload_is_decoded_without_a_panic(payload in prop::collection::vec(any::<u8>(), 0..100)) {
        for kind in ["number", "bool", "string"] {
            for format in [
                json!({}),
                json!({"path": "$.a", "time": "$.b", "time_unit": "iso8601"}),
                json!({"format": "csv", "column": 2, "lines": "each", "time": 1, "time_unit": "s"}),
                json!({"format": "csv", "column": 1, "header": true, "separator": ";"}),
            ] {
                let mut table = format.clone();
                table["type"] = json!(kind);
                let _ = decode(&address(table), &payload);
            }
        }
    }

    #[test]
    fn a_written_field_is_read_back(fields in prop::collection::vec("[a-z;,\" ]{0,6}", 1..6), column in 0usize..6) {
        let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
        prop_assert_eq!(field(&quoted.join(";"), ';', column + 1), fields.get(column).cloned());
    }
}

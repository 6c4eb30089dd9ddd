//! What is read from a healthy line, and what a line looks like that cannot be opened.

use std::sync::Arc;

use observation::PointId;
use protocols::LinkError;
use serde_json::{Value, json};

use super::line::{BOTH, End, Line, Reader, holding, own_addresses};
use super::peer::{Hand, text, within};

#[tokio::test]
async fn every_table_and_type_is_read_from_a_line_as_pymodbus_holds_it() {
    let units = json!({
        "1": {
            "holding": {"0": 0x05F5, "1": 0xE0FF, "5": 0x199A, "6": 0x4366, "7": 0x8001, "8": 0x5347, "9": 0x2D37},
            "input": {"12": 0xFF9C},
            "coil": {"3": 1, "4": 0, "12": 1},
            "discrete": {"5": 1, "17": 0},
        },
        "247": {"holding": {"0": 0xFFFF, "1": 0xFFFF, "2": 0xFFFF, "3": 0xFFFF}},
    });
    let at = |register: &str, extra: Value| {
        let mut table = json!({"unit": 1, "register": register});
        for (key, value) in extra.as_object().unwrap() {
            table[key] = value.clone();
        }
        table
    };
    let table = [
        (at("holding:0", json!({"type": "u32", "order": "ABCD", "scale": "0.01"})), "good 999999.99"),
        (at("holding:5", json!({"type": "f32", "order": "CDAB"})), "good 230.1"),
        (at("holding:7", json!({"bit": 15})), "good true"),
        (at("holding:8", json!({"type": "string", "length": 4})), "good \"SG-7\""),
        (at("input:12", json!({"type": "i16", "scale": "0.1"})), "good -10"),
        (at("coil:3", json!({})), "good true"),
        (at("coil:4", json!({})), "good false"),
        (at("coil:12", json!({})), "good true"),
        (at("discrete:5", json!({})), "good true"),
        (at("discrete:17", json!({})), "good false"),
        (
            json!({"unit": 247, "register": "holding:0", "type": "u64", "order": "ABCDEFGH"}),
            "good 18446744073709551615",
        ),
        (holding(247, 9), "bad Refused(2)"),
    ];
    for end in BOTH {
        let line = Line::start(end, &units).await;
        let points: Vec<Value> = table.iter().map(|(point, _)| point.clone()).collect();
        let mut reader = Reader::new(line.link(&json!({}), &points));
        let mut got = vec![String::new(); table.len()];
        while got.iter().any(String::is_empty) {
            for observation in reader.next().await {
                got[usize::try_from(observation.point.0).unwrap()] = text(&observation);
            }
        }
        for (got, (point, want)) in got.iter().zip(&table) {
            assert_eq!(got, want, "{point} by {end:?}: {:?}", reader.errors);
        }
    }
}

#[tokio::test]
async fn a_change_in_a_device_is_read_at_the_next_poll() {
    let mut line = Line::start(End::Serial, &own_addresses(&[1], &[0])).await;
    let mut reader = Reader::new(line.link(&json!({}), &[holding(1, 0)]));
    reader.until(0, "good 0").await;
    line.tell("set 1 holding 0 99").await;
    reader.until(0, "good 99").await;
}

#[tokio::test]
async fn the_share_of_time_that_the_line_is_busy_is_known() {
    let mut line = Line::start(End::Serial, &own_addresses(&[1, 2], &[0])).await;
    let mut reader = Reader::new(line.link(&json!({"poll": "1s"}), &[holding(1, 0)]));
    reader.until_busy(1..500).await;
    drop(reader);
    // At first, waiting for a second unit that says nothing takes nearly all the time.
    line.tell("mute 2").await;
    let mut reader = Reader::new(line.link(&json!({"timeout": "300ms"}), &[holding(1, 0), holding(2, 0)]));
    reader.until_busy(800..1001).await;
}

#[tokio::test]
async fn pain_17_the_share_of_time_is_known_also_where_nobody_ever_answers() {
    let mut line = Line::start(End::Serial, &own_addresses(&[1], &[0])).await;
    line.tell("mute 1").await;
    let mut reader = Reader::new(line.link(&json!({"timeout": "200ms"}), &[holding(1, 0)]));
    reader.until_busy(500..1001).await;
}

#[tokio::test]
async fn a_port_has_one_master() {
    let line = Line::start(End::Serial, &own_addresses(&[1], &[0])).await;
    let mut reader = Reader::new(line.link(&json!({}), &[holding(1, 0)]));
    reader.until_all_good().await;
    let second = line.link(&json!({}), &[holding(1, 0)]);
    let error = within(second.connect(Arc::new(Hand::default()))).await.err().unwrap();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[tokio::test]
async fn a_port_that_cannot_be_opened_names_its_path_and_what_to_check() {
    let points = vec![(PointId(0), holding(1, 0))];
    let link =
        protocols::link("modbus", json!({"address": "serial:///dev/plumbline-none"}), points).ok().unwrap();
    let error = within(link.connect(Arc::new(Hand::default()))).await.err().unwrap();
    assert!(matches!(error, LinkError::Connect { .. }), "{error}");
    for words in ["serial:///dev/plumbline-none", "adapter plugged in"] {
        assert!(error.to_string().contains(words), "{error} should say {words}");
    }
}

#[test]
fn a_unit_that_no_line_can_have_is_refused() {
    for unit in [0, 248, 255] {
        let settings = json!({"address": "rtu+tcp://192.0.2.10:4001"});
        let errors = protocols::link("modbus", settings, vec![(PointId(3), holding(unit, 0))]).err().unwrap();
        assert_eq!((errors[0].point, errors[0].key.as_str()), (Some(PointId(3)), "unit"), "{errors:?}");
    }
    assert!(
        protocols::link(
            "modbus",
            json!({"address": "tcp://192.0.2.10"}),
            vec![(PointId(3), holding(255, 0))]
        )
        .is_ok()
    );
}

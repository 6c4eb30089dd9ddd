//! Modbus TCP against pymodbus.

use std::io::Write;

use observation::PointId;
use protocols::Link;
use serde_json::{Value, json};

use super::peer::{Script, connect, next, observed, text, to_the_end};

/// A running server, and the port to reach it.
struct Server {
    script: Script,
    port: u16,
}

/// Starts pymodbus with these units, on a free port or on one that was just given up.
async fn server(units: &Value, port: u16) -> Server {
    // Somebody else may have taken the port in between; then the script ends without a line.
    for _ in 0..20 {
        let mut plan = tempfile::NamedTempFile::new().unwrap();
        plan.write_all(json!({"port": port, "units": units}).to_string().as_bytes()).unwrap();
        let mut script = Script::start("modbus_peer.py", plan.path());
        if let Some(line) = script.line().await {
            let port = line.strip_prefix("listening ").unwrap().parse().unwrap();
            return Server { script, port };
        }
    }
    panic!(
        "pymodbus did not start; install it with: target/peers/bin/pip install -r tests/peers/requirements.txt"
    );
}

fn link(port: u16, points: &[Value]) -> Box<dyn Link> {
    let settings = json!({"address": format!("tcp://127.0.0.1:{port}"), "poll": "20ms", "timeout": "2s"});
    let points = (0..).zip(points).map(|(id, table)| (PointId(id), table.clone())).collect();
    protocols::link("modbus", settings, points).map_err(|e| format!("{e:?}")).unwrap()
}

/// Reads each of these points from these units and compares.
async fn check(units: Value, table: &[(Value, &str)]) {
    let server = server(&units, 0).await;
    let points: Vec<Value> = table.iter().map(|(point, _)| point.clone()).collect();
    let link = link(server.port, &points);
    let mut source = connect(link.as_ref()).await;
    let mut got = vec![String::new(); table.len()];
    while got.iter().any(String::is_empty) {
        for observation in next(source.as_mut()).await.unwrap().observations {
            got[usize::try_from(observation.point.0).unwrap()] = text(&observation);
        }
    }
    for (got, (point, want)) in got.iter().zip(table) {
        assert_eq!(got, want, "{point}");
    }
}

#[tokio::test]
async fn every_table_type_and_order_is_read_as_pymodbus_holds_it() {
    let units = json!({"1": {
        "holding": {
            "0": 0x05F5, "1": 0xE0FF, "2": 0xFFF4, "3": 0xE0FF, "4": 0x05F5, "5": 0x199A, "6": 0x4366,
            "7": 0x8001, "8": 0x5347, "9": 0x2D37, "10": 0,
            "20": 0xFFFF, "21": 0xFFFF, "22": 0xFFFF, "23": 0xFFFF,
            "30": 0x0708, "31": 0x0506, "32": 0x0304, "33": 0x0102,
            "40": 0x7FC0, "41": 0,
            "50": 0x3FB9, "51": 0x9999, "52": 0x9999, "53": 0x999A,
            "65535": 7,
        },
        "input": {"12": 0xFF9C},
        "coil": {"3": 1, "4": 0},
        "discrete": {"5": 1, "17": 0},
    }});
    let holding = |offset: u16, extra: Value| {
        let mut table = json!({"unit": 1, "register": format!("holding:{offset}")});
        for (key, value) in extra.as_object().unwrap() {
            table[key] = value.clone();
        }
        table
    };
    check(
        units,
        &[
            (holding(0, json!({"type": "u32", "order": "ABCD", "scale": "0.01"})), "good 999999.99"),
            (holding(3, json!({"type": "u32", "order": "CDAB"})), "good 99999999"),
            (holding(2, json!({"type": "i16", "scale": "0.1"})), "good -1.2"),
            (holding(2, json!({"type": "u16"})), "good 65524"),
            (holding(5, json!({"type": "f32", "order": "CDAB"})), "good 230.1"),
            (holding(7, json!({"bit": 15})), "good true"),
            (holding(7, json!({"bit": 1, "type": "bool"})), "good false"),
            (holding(8, json!({"type": "string", "length": 6})), "good \"SG-7\""),
            (
                holding(20, json!({"type": "u64", "order": "ABCDEFGH", "scale": "0.001"})),
                "good 18446744073709551.615",
            ),
            (holding(20, json!({"type": "i64", "order": "HGFEDCBA"})), "good -1"),
            (holding(30, json!({"type": "u64", "order": "GHEFCDAB"})), "good 72623859790382856"),
            (holding(40, json!({"type": "f32", "order": "ABCD"})), "bad Range"),
            (holding(50, json!({"type": "f64", "order": "ABCDEFGH"})), "good 0.1"),
            (holding(65535, json!({"type": "u16"})), "good 7"),
            (json!({"unit": 1, "register": "input:12", "type": "i16", "scale": "0.1"}), "good -10"),
            (json!({"unit": 1, "register": "coil:3"}), "good true"),
            (json!({"unit": 1, "register": "coil:4"}), "good false"),
            (json!({"unit": 1, "register": "discrete:5"}), "good true"),
            (json!({"unit": 1, "register": "discrete:17"}), "good false"),
        ],
    )
    .await;
}

#[tokio::test]
async fn pain_17_one_illegal_register_costs_only_itself() {
    let units = json!({"1": {"holding": {"0": 10, "1": 11, "2": 12, "4": 14, "5": 15}}});
    let point = |offset: u16| json!({"unit": 1, "register": format!("holding:{offset}"), "type": "u16"});
    check(
        units,
        &[
            (point(0), "good 10"),
            (point(1), "good 11"),
            (point(2), "good 12"),
            (point(3), "bad Refused(2)"),
            (point(4), "good 14"),
            (point(5), "good 15"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_gap_that_the_device_does_not_have_costs_nothing() {
    let units = json!({"1": {"input": {"0": 10, "6": 16}}});
    let point = |offset: u16| json!({"unit": 1, "register": format!("input:{offset}"), "type": "u16"});
    check(units, &[(point(0), "good 10"), (point(6), "good 16")]).await;
}

#[tokio::test]
async fn a_unit_that_does_not_exist_costs_only_itself() {
    let units = json!({"1": {"holding": {"0": 10}}, "3": {"holding": {"0": 30}}});
    let point = |unit: u8| json!({"unit": unit, "register": "holding:0", "type": "u16"});
    check(units, &[(point(1), "good 10"), (point(2), "bad Refused(4)"), (point(3), "good 30")]).await;
}

#[tokio::test]
async fn a_change_in_the_device_is_read_at_the_next_poll() {
    let units = json!({"1": {"holding": {"0": 10}, "coil": {"3": 0}}});
    let mut server = server(&units, 0).await;
    let link = link(
        server.port,
        &[
            json!({"unit": 1, "register": "holding:0", "type": "u16"}),
            json!({"unit": 1, "register": "coil:3"}),
        ],
    );
    let mut source = connect(link.as_ref()).await;
    assert_eq!(text(&observed(source.as_mut(), 0).await), "good 10");
    assert_eq!(server.script.tell("set 1 holding 0 99").await, "ok");
    assert_eq!(server.script.tell("set 1 coil 3 1").await, "ok");
    while text(&observed(source.as_mut(), 0).await) != "good 99" {}
    while text(&observed(source.as_mut(), 1).await) != "good true" {}
}

#[tokio::test]
async fn trap_a_restarted_server_is_read_again_by_a_new_session() {
    let units = json!({"1": {"holding": {"0": 10}}});
    let first = server(&units, 0).await;
    let link = link(first.port, &[json!({"unit": 1, "register": "holding:0", "type": "u16"})]);
    let mut source = connect(link.as_ref()).await;
    assert_eq!(text(&observed(source.as_mut(), 0).await), "good 10");
    let port = first.port;
    first.script.kill().await;
    let (seen, error) = to_the_end(source.as_mut()).await;
    assert_eq!(text(seen.last().unwrap()), "bad Disconnected", "the loss is an observation: {error}");

    let _second = server(&json!({"1": {"holding": {"0": 20}}}), port).await;
    let mut source = connect(link.as_ref()).await;
    assert_eq!(text(&observed(source.as_mut(), 0).await), "good 20");
}

//! Writes the inputs from which fuzzing starts, one folder a target: golden vectors, honest bundles, the examples
//! of the configuration, frames made here. What the fuzzer finds beyond them is kept beside them by hand.

mod targets;

use std::path::Path;

use evidence::note::{Checkpoint, LineType, VerifierKey};
use observation::{PointId, Value};
use opcua::core::{Message as _, ResponseMessage};
use opcua::types::{
    BinaryEncodable as _, ContextOwned, CreateSessionResponse, DataChangeNotification, DataValue, DateTime,
    EndpointDescription, ExtensionObject, GetEndpointsResponse, MonitoredItemNotification,
    NotificationMessage, PublishResponse, ReadResponse, StatusCode, Variant,
};
use protocols::modbus::address::{Address, Reading, Table};
use protocols::modbus::plan::{Point, Request};
use protocols::modbus::rtu;
use serde_json::{Value as Json, json};
use verify::testing::{ORIGIN, TestProject};

const KINDS: [&str; 10] =
    ["genesis", "window", "event", "key", "plan", "declaration", "annotation", "audit", "report", "close"];

fn main() -> std::io::Result<()> {
    let out = std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned());
    for (target, inputs) in all() {
        assert!(targets::target(target).is_some(), "{target} is no target");
        let dir = Path::new(&out).join(target);
        std::fs::create_dir_all(&dir)?;
        for (at, input) in inputs.into_iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{at:02}")), input)?;
        }
    }
    Ok(())
}

type Inputs = Vec<Vec<u8>>;

fn all() -> Vec<(&'static str, Inputs)> {
    vec![
        ("modbus_answer", modbus_answers()),
        ("modbus_frame", modbus_frames()),
        ("modbus_rtu", modbus_rtu()),
        ("opcua_value", opcua_values()),
        ("mqtt_payload", mqtt_payloads()),
        ("mqtt_address", mqtt_addresses()),
        ("sparkplug", sparkplug_messages()),
        ("text", texts()),
        ("cbor", golden_bytes(&["statements", "columns", "variants"])),
        ("payload", payloads()),
        ("envelope", envelopes()),
        ("enrolment", enrolments()),
        ("note", notes()),
        ("receipt", receipts()),
        ("tile", tiles()),
        ("zip", zips()),
        ("bundle", edits()),
        ("trust", trusts()),
        ("agent_toml", configurations()),
        ("rule", rules()),
        ("uplink", uplinks()),
        ("journal", journal_rows()),
        ("raw_block", vec![b"\x01\x03abc\x00\x05hello".to_vec(), b"\x00".to_vec()]),
        ("memory", vec![targets::memory_seed()]),
        ("spool", spools()),
    ]
}

fn led(first: u8, rest: impl AsRef<[u8]>) -> Vec<u8> {
    [&[first], rest.as_ref()].concat()
}

/// A file of the repository, found from this crate's folder.
fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn golden(name: &str) -> Json {
    serde_json::from_str(&file(&format!("tests/golden/{name}.json")))
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn unhex(text: &Json) -> Vec<u8> {
    text.as_str().and_then(|text| hex::decode(text).ok()).unwrap_or_else(|| panic!("{text} is not hex"))
}

/// Every text of the golden files that is hex.
fn golden_bytes(names: &[&str]) -> Inputs {
    fn walk(value: &Json, out: &mut Inputs) {
        match value {
            Json::String(text) if text.len() > 8 => out.extend(hex::decode(text).ok()),
            Json::Object(map) => map.values().for_each(|value| walk(value, out)),
            Json::Array(list) => list.iter().for_each(|value| walk(value, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    names.iter().for_each(|name| walk(&golden(name), &mut out));
    out
}

fn modbus_answers() -> Inputs {
    let mut out = vec![vec![0, 3, 0, 0, 0, 5, 0, 9, 0, 1, 1, 0, 1, 0, 1, 1, 0]];
    // A number of each kind, unscaled and scaled, then texts and bits.
    for kind in 0..8u8 {
        for scaled in [2, 3] {
            let words = [0u8, 1, 2, 3, 0x43, 0x66, 0x19, 0x9A, 0x7F, 0xC0];
            out.push([&[2, 1, kind << 2 | scaled, 0, kind << 2 | scaled | 0x20, 4, 0][..], &words].concat());
        }
    }
    out.push([&[3, 0, 1 | 3 << 2, 0, 0][..], b"SG-7\0\0\0\0"].concat());
    out.push(vec![2, 0, 0xF0, 0, 0, 0x80, 0]);
    out
}

fn request(table: Table, count: u16) -> Request {
    let address = Address { unit: 1, table, offset: 0, reading: Reading::Bit };
    Request { unit: 1, table, start: 0, count, points: vec![Point { id: PointId(0), address }] }
}

/// Two registers, eight coils, a refusal; as MBAP frames to the first transaction of a connection.
fn modbus_frames() -> Inputs {
    let mbap = |id: u16, pdu: &[u8]| {
        let length = u16::try_from(pdu.len() + 1).unwrap_or(0);
        [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[1], pdu].concat()
    };
    let mut out = Vec::new();
    for id in [0, 1] {
        out.push([&[2, 1][..], &mbap(id, &[3, 4, 0x12, 0x34, 0x56, 0x78])].concat());
        out.push([&[3, 1][..], &mbap(id, &[4, 4, 0x12, 0x34, 0x56, 0x78])].concat());
        out.push([&[0, 7][..], &mbap(id, &[1, 1, 0x5A])].concat());
        out.push([&[1, 7][..], &mbap(id, &[2, 1, 0x5A])].concat());
        out.push([&[2, 1][..], &mbap(id, &[0x83, 2])].concat());
    }
    out
}

fn modbus_rtu() -> Inputs {
    let frame = |form: u8, count: u8, body: &[u8]| [&[form | 0x80, count], body].concat();
    let question = rtu::question(&request(Table::Holding, 2));
    vec![
        frame(2, 1, &[1, 3, 4, 0x12, 0x34, 0x56, 0x78]),
        frame(3, 1, &[1, 4, 4, 0x12, 0x34, 0x56, 0x78]),
        frame(0, 7, &[1, 1, 1, 0x5A]),
        frame(1, 8, &[1, 2, 2, 0x5A, 1]),
        frame(2, 1, &[1, 0x83, 2]),
        frame(2, 1, &[2, 3, 4, 0, 0, 0, 0]),
        [&[2, 1][..], &question].concat(),
        vec![2, 1, 1, 3],
    ]
}

fn opcua_values() -> Inputs {
    let variants = [
        Variant::Boolean(true),
        Variant::SByte(-3),
        Variant::Byte(200),
        Variant::Int16(-300),
        Variant::UInt16(60_000),
        Variant::Int32(-70_000),
        Variant::UInt32(4_000_000_000),
        Variant::Int64(i64::MIN),
        Variant::UInt64(u64::MAX),
        Variant::Float(230.1),
        Variant::Double(0.1),
        Variant::from("运行"),
        Variant::from(vec![1i32, 2, 3]),
        Variant::from(vec![0.5f64, 1.5]),
        Variant::Empty,
    ];
    let statuses = [0u32, 0x480, 0x4000_0000, 0x8000_0000, 0x0096_0000, 0x4000];
    let owned = ContextOwned::default();
    let mut out = Vec::new();
    for (at, variant) in variants.into_iter().enumerate() {
        let value = DataValue {
            value: Some(variant),
            status: Some(StatusCode::from(statuses[at % statuses.len()])),
            source_timestamp: Some(DateTime::ymd_hms(2026, 3, 2, 0, 0, 0)),
            ..DataValue::null()
        };
        let mut bytes = vec![u8::try_from(at % 4).unwrap_or(0)];
        if value.encode(&mut bytes, &owned.context()).is_ok() {
            out.push(bytes);
        }
    }
    out.extend(opcua_answers());
    out
}

/// Answers behind the byte that says so.
fn opcua_answers() -> Inputs {
    let owned = ContextOwned::default();
    let changed =
        MonitoredItemNotification { client_handle: 1, value: DataValue::from(Variant::from(230.1f32)) };
    let changes = DataChangeNotification { monitored_items: Some(vec![changed; 2]), diagnostic_infos: None };
    let message = NotificationMessage {
        notification_data: Some(vec![ExtensionObject::from_message(changes)]),
        ..NotificationMessage::default()
    };
    let endpoints = Some(vec![EndpointDescription::default(); 2]);
    let answers: [ResponseMessage; 4] = [
        PublishResponse { notification_message: message, ..PublishResponse::default() }.into(),
        ReadResponse {
            results: Some(vec![DataValue::from(Variant::from("a")); 2]),
            ..ReadResponse::default()
        }
        .into(),
        GetEndpointsResponse { endpoints, ..GetEndpointsResponse::default() }.into(),
        CreateSessionResponse::default().into(),
    ];
    let mut out = Vec::new();
    for answer in answers {
        let mut bytes = vec![0xFF];
        let context = owned.context();
        let id = answer.type_id().encode(&mut bytes, &context);
        if id.and_then(|()| answer.encode(&mut bytes, &context)).is_ok() {
            out.push(bytes);
        }
    }
    out
}

fn mqtt_payloads() -> Inputs {
    let put = |place: u8, form: u8, payload: &str| [&[place, form], payload.as_bytes()].concat();
    vec![
        put(1, 0, r#"{"a": 18446744073709551615}"#),
        put(1, 0x83, r#"{"x": [1, {"a": 2}], "a": "12.50"}"#),
        put(2, 1, r#"{"a": [{"b": true}, null]}"#),
        put(3, 0, "[1, 2.5E+3, 3]"),
        put(4, 2, r#"{"a b": {"c": "运行\n"}}"#),
        put(5, 0, r#"{"a": {"a": [0, 1, {"厂": -0.0}]}}"#),
        put(1, 0, r#"{"a": 1, "a": 2}"#),
        put(6, 0, " 0.1\n"),
        put(6, 0x80, "-1e-3"),
        put(6, 1, "false"),
        put(6, 2, "RUN"),
        put(0, 0, "12.5"),
        put(0x81, 4, r#"{"a": 1, "t": 1790000000000}"#),
        put(0x81, 8, r#"{"a": 1, "t": "2026-03-02T00:00:00.5+08:00"}"#),
        put(7, 0, "12.5\n"),
        put(0xB7, 0, "a,t\n1,2\n3,4\n"),
        put(0x57, 2, "\"x;\"\"y\"\"\";2\n z ;3"),
    ]
}

fn mqtt_addresses() -> Inputs {
    [
        "hall-a/cnc-01/count\n$.total\n10s",
        "厂/1\n$['a b'][3].c\n5m",
        "a/+/b\n\n1d",
        "$SYS/x\n$..\n1ms",
        "a\n\n500ms",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A birth of the node and its device, data by name and by alias, deaths, a gap. Fields as in the schema
/// `org.eclipse.tahu.protobuf`, written by hand.
fn sparkplug_messages() -> Inputs {
    let varint = |field: u8, n: u8| vec![field << 3, n];
    let nested = |field: u8, body: &[u8]| {
        [&[field << 3 | 2, u8::try_from(body.len()).unwrap_or(0x7F)][..], body].concat()
    };
    let metric = |name: &str, alias: u8, datatype: u8, value: &[u8]| {
        let mut body = Vec::new();
        if !name.is_empty() {
            body.extend(nested(1, name.as_bytes()));
        }
        body.extend([varint(2, alias), varint(3, 9), varint(4, datatype), value.to_vec()].concat());
        nested(2, &body)
    };
    let int = |n: u8| varint(10, n);
    let payload = |seq: u8, metrics: &[Vec<u8>]| [varint(1, 100), metrics.concat(), varint(3, seq)].concat();
    let message = |topic: u8, payload: &[u8]| {
        let n = u16::try_from(payload.len()).unwrap_or(0);
        [&[topic][..], &n.to_be_bytes(), payload].concat()
    };
    let sequence = [(11, 0)].map(|(field, n)| varint(field, n)).concat();
    let birth = payload(0, &[metric("bdSeq", 1, 8, &sequence), metric("power", 2, 3, &int(7))]);
    let device = payload(
        1,
        &[metric("power", 3, 9, &[12 << 3 | 5, 0, 0, 0x80, 0x3F]), metric("运行", 4, 11, &varint(14, 1))],
    );
    let born = [message(0, &birth), message(2, &device)].concat();
    let data = |seq| message(1, &payload(seq, &[metric("", 2, 3, &int(9))]));
    let device_data = message(3, &payload(3, &[metric("", 4, 11, &varint(14, 0))]));
    vec![
        born.clone(),
        [born.clone(), data(2), device_data].concat(),
        [born.clone(), data(5)].concat(),
        [born.clone(), message(4, &payload(2, &[]))].concat(),
        [born, message(5, &payload(0, &[metric("bdSeq", 1, 8, &sequence)]))].concat(),
        data(0),
    ]
}

fn texts() -> Inputs {
    let vkeys = golden("log")["vkeys"].clone();
    let keys = golden("keys");
    let mut out = vec![
        led(0, "-0.1050e-12"),
        led(0, "18446744073709551615.5"),
        led(0, "1e38"),
        led(1, "nsu=urn:宏达;s=主轴.转速"),
        led(1, "nsu=http://a%3Bb%25c;i=7"),
        led(1, "nsu=urn:x;g=72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        led(1, "i=2258"),
        led(1, "nsu=urn:x;b=M/RbKBsRVkePCePcx24oRA=="),
        led(2, "$.line[0]['part total'].x"),
        led(2, "$[\"it's\"]"),
        led(5, "tile/0/x001/x234/067"),
        led(5, "tile/entries/000.p/7"),
        led(6, "500ms"),
        led(6, "2GiB"),
        led(7, "宁波 a/b"),
    ];
    for text in vkeys.as_array().into_iter().flatten().filter_map(Json::as_str) {
        out.push(led(3, text));
    }
    for alg in ["ed25519", "sm2"] {
        let public = keys[alg]["public"].as_str().unwrap_or_default();
        out.push(led(
            4,
            if alg == "sm2" {
                format!("sm2:{}", public.trim_start_matches("sm2:"))
            } else {
                public.to_owned()
            },
        ));
    }
    out
}

fn statement(kind: &str) -> Json {
    golden("statements")[format!("application/vnd.plumbline.{kind}+cbor")].clone()
}

fn payloads() -> Inputs {
    let mut out: Inputs =
        (0..).zip(KINDS).map(|(at, kind)| led(at, unhex(&statement(kind)["payload"]))).collect();
    let variants = golden("variants");
    for (name, payload) in variants.as_object().into_iter().flatten() {
        let kind = name.split(' ').next().unwrap_or_default();
        if let Some(at) = KINDS.iter().position(|known| *known == kind) {
            out.push(led(u8::try_from(at).unwrap_or(0), unhex(payload)));
        }
    }
    let mut project = TestProject::new();
    let batch = evidence::statement::Payload::Window(Box::new(project.batch()));
    out.push(led(1, batch.encode()));
    out
}

fn envelopes() -> Inputs {
    let mut out: Inputs = KINDS.iter().map(|kind| unhex(&statement(kind)["statement"])).collect();
    out.push(TestProject::running(1).entries[1].clone());
    out
}

fn enrolments() -> Inputs {
    let whole = unhex(&golden("log")["enrolment"]);
    let mut reader = evidence::cbor::Reader::new(&whole);
    let mut body = || {
        reader.tag(18, "")?;
        reader.tuple(4, "")?;
        reader.bytes("")?;
        reader.map("")?;
        reader.bytes("").map(<[u8]>::to_vec)
    };
    let mut out = vec![led(0, &whole)];
    if let Ok(mut body) = body() {
        // The same content with the key that signs here in place of the golden one, which follows its head.
        let key = evidence::key::SigningKey::from_seed([2; 32]);
        if let Some(at) = body.windows(3).position(|w| w == [0x82, 0x58, 0x20]) {
            body[at + 3..at + 35].copy_from_slice(key.public().bytes());
        }
        out.push(led(1, body));
    }
    out
}

fn notes() -> Inputs {
    let project = TestProject::running(2);
    let log = VerifierKey::new(ORIGIN, LineType::Text, project.log.public().clone());
    let honest = project.notes.last().cloned().unwrap_or_default();
    if let Ok(log) = log {
        assert!(Checkpoint::open(&honest, &log).is_ok());
    }
    let golden = golden("log")["checkpoint"].as_str().unwrap_or_default().as_bytes().to_vec();
    vec![honest, golden, b"a\n1\nb\n\n\xe2\x80\x94 x AAAAAAAA\n".to_vec()]
}

fn receipts() -> Inputs {
    let mut project = TestProject::running(2);
    project.receipt(1);
    project.receipt(2);
    let mut out: Inputs = project.receipt_files.values().cloned().collect();
    out.extend(golden("log")["receipts"].as_array().into_iter().flatten().take(2).map(unhex));
    out
}

fn tiles() -> Inputs {
    let entries: [&[u8]; 3] = [b"a", b"", b"ccc"];
    let entries = evidence::tile::encode_entries(entries);
    let hashes: Vec<u8> = (0..96).collect();
    vec![[&[0, 3][..], &entries].concat(), [&[0, 3][..], &hashes].concat(), vec![0, 0]]
}

fn zips() -> Inputs {
    let mut small = TestProject::new();
    small.seal();
    vec![small.bundle(), unhex(&golden("log")["bundle"])]
}

/// One edit of each kind for each of the three who change a bundle.
fn edits() -> Inputs {
    let mut out = vec![vec![0], vec![1], vec![2, 0], vec![2, 1]];
    for who in 0..3u8 {
        for what in 0..7u8 {
            out.push(vec![who, 0, what, 1, 0, 40, 1, 0x55]);
        }
    }
    out
}

fn trusts() -> Inputs {
    let key = |seed| evidence::key::SigningKey::from_seed([seed; 32]).public().to_string();
    let vkey = golden("log")["vkeys"][0].as_str().unwrap_or_default().to_owned();
    let draft = format!(
        "project = \"SY-1\"\norigin = \"log\"\nlog_vkey = {vkey:?}\nreceipt_key = {:?}\nstep_s = 60\n\
         windows_per_statement = 5\nmax_lag_s = 3600\nutc_offset_min = 480\nclock_tolerance_s = 60\n\
         raw_retention_days = 400\ndemo = false\n\n[[machine]]\nindex = 0\nid = \"cnc-01\"\nagent = \"\"\n\
         name = \"a\"\nline = \"A\"\ncolumns = []\nkey_operation = true\nnumerically_controlled = true\n\
         digital = true\ndomestic = true\n\n[[period]]\nname = \"baseline\"\nfrom = 0\nto = 600\n",
        key(4)
    );
    vec![led(0, TestProject::running(1).trust().to_string()), led(0, "log = \n"), led(1, draft)]
}

fn configurations() -> Inputs {
    vec![
        file("config/examples/small-hall.toml").into_bytes(),
        file("config/examples/agent.toml").into_bytes(),
        b"[agent]\nid = \"a\"\n".to_vec(),
    ]
}

fn rules() -> Inputs {
    [
        "execution == 1 && mode == 'AUTO'\n{\"unit\":1,\"scale\":\"0.1\",\"register\":\"holding:0\"}",
        "!(power > 50.5 || a) && age(mode) < 30\n[1,{\"b\":null,\"a\":-7}]",
        "true\n\"x\"",
        "a != \"x\" || power <= -0.5e2",
        "((a",
        "execution in (1, 2, -3.5) && !(mode in ('AUTO', \"MDI\"))",
        "a in (true, false",
    ]
    .map(|text| led(0, text))
    .to_vec()
}

fn uplinks() -> Inputs {
    let hash = "ab".repeat(32);
    let entry = json!({"seq": 4, "index": 11, "leaf": hash});
    let stored = json!({"stored": [entry], "credit": 64});
    let gap = json!({"type": "urn:plumbline:problem/gap", "title": "t", "status": 409, "detail": "d",
        "expected_seq": 7, "head": hash, "stored": [entry], "retry_after_s": 5});
    let answer = |status: u8, body: &Json| [&[1, status][..], body.to_string().as_bytes()].concat();
    vec![
        vec![0, 0, 1, 9, 0, 3, 1, 2, 3],
        answer(0, &stored),
        answer(6, &gap),
        answer(4, &json!({})),
        led(2, stored.to_string()),
        led(3, json!({"next_seq": 7, "head": hash, "frozen": false}).to_string()),
        led(4, json!({"from": 1, "to": 2, "hashes": [hash]}).to_string()),
        led(
            5,
            json!({"index": 1, "leaf": hash, "size": 2, "root": hash, "hashes": [], "checkpoint": "c"})
                .to_string(),
        ),
        led(6, json!({"kid": hash, "next": "n"}).to_string()),
        led(7, gap.to_string()),
    ]
}

fn journal_rows() -> Inputs {
    use agent::journal::{Row, encode};
    use agent::window::{Boot, Input, LinkIndex, Record, What};
    use observation::{Instant, Mono, Observation, Reason, Utc};
    let at =
        |ms: u64| Instant { utc: Utc(1_790_000_000_000 + i64::try_from(ms).unwrap_or(0)), mono: Mono(ms) };
    let boot = Boot { at: at(0), version: "0.1.0".to_owned(), binary: [2; 32], configuration: [3; 32] };
    let number = |text: &str| Value::Number(text.parse().unwrap_or_else(|e| panic!("{e}")));
    let inputs = vec![
        Input::Up(LinkIndex(1), at(900)),
        Input::Observed(LinkIndex(1), Observation::good(PointId(0), number("12.5"), at(950))),
        Input::Observed(LinkIndex(1), Observation::good(PointId(1), number("-7"), at(951))),
        Input::Observed(
            LinkIndex(0),
            Observation::good(PointId(9), Value::Text("运行".into()), at(960)).with_source_time(Some(Utc(5))),
        ),
        Input::Observed(LinkIndex(0), Observation::good(PointId(10), Value::Bool(true), at(961))),
        Input::Observed(LinkIndex(0), Observation::bad(PointId(11), Reason::Status(0x8000_0000), at(962))),
        Input::Observed(LinkIndex(0), Observation::bad(PointId(12), Reason::Refused(2), at(963))),
        Input::Alive(LinkIndex(2), at(970)),
        Input::Down(LinkIndex(2), at(980)),
    ];
    let rows = [
        Row::Record(Record::Boot(boot.clone())),
        Row::Resume(boot),
        Row::Record(Record::Step { inputs, until: at(1000) }),
        Row::Said(What::Boot { version: "0.1.0".to_owned(), binary: [2; 32] }),
    ];
    rows.iter()
        .map(|row| {
            let mut bytes = Vec::new();
            encode(row, &mut bytes);
            bytes
        })
        .collect()
}

/// Damage at the places where a file begins, where its pages begin, and anywhere.
fn spools() -> Inputs {
    let mut out = vec![vec![0], vec![1], vec![128], vec![255]];
    for at in [0u16, 8, 50, 2048, 2056, 4096, 6144, 8192, 10_000] {
        out.push([&[0][..], &at.to_be_bytes(), &[7], &[0xFF; 8]].concat());
    }
    out
}

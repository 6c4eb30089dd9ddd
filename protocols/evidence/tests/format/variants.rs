//! Every form that a payload can take within its kind: plan bodies, key actions, event codes, audit steps.

use crate::examples::{self, agent_key, registrar_key};
use evidence::payload::*;
use evidence::statement::{Kind, Payload, Role, open, seal};
use std::collections::BTreeMap;

const T0: i64 = 1_753_929_600;
const PLACE: Place = Place { seq: 9, prev: Some([7; 32]) };

fn plans() -> Vec<(&'static str, PlanBody)> {
    vec![
        ("plan calendar", PlanBody::Calendar(Calendar::default())),
        ("plan mapping", {
            let definition =
                Definition::new("mapping/cnc-01", "plumbline-mapping 1\nmachine cnc-01\nclass B\n");
            PlanBody::Mapping { machine: 0, hash: definition.hash, text: definition.text }
        }),
        (
            "plan correction",
            PlanBody::Correction { machine: 3, column: 10, interval: (T0, T0 + 60), factor: (200, 150) },
        ),
        (
            "plan baseline",
            PlanBody::Baseline {
                interval: (T0 - 86_400 * 365, T0),
                machines: vec![0, 4],
                text: "kWh = a + b · pieces".into(),
            },
        ),
        (
            "plan target",
            PlanBody::Target {
                kpi: "energy_per_part".into(),
                value: (9, 10),
                unit: "1".into(),
                base: Some((T0 - 86_400 * 365, T0)),
                machines: vec![],
            },
        ),
        ("plan change", PlanBody::Change { text: "第三条 设备型号变更".into() }),
    ]
}

fn key_changes() -> Vec<(&'static str, KeyChange)> {
    let subject = Some(agent_key().public().kid());
    let last_accepted = Some(LastAccepted { seq: 5, leaf: [1; 32] });
    let key = |role, id: &str| {
        Some(RosterKey {
            key: evidence::key::SigningKey::from_seed([9; 32]).public().clone(),
            role,
            id: id.into(),
        })
    };
    let change = |action, subject, key, last_accepted, machines| KeyChange {
        place: PLACE,
        action,
        subject,
        key,
        last_accepted,
        machines,
        reason: "r".into(),
    };
    vec![
        ("key enrol", change(KeyAction::Enrol, None, key(Role::Agent, "edge-08"), None, Some(vec![1, 2]))),
        ("key rotate", change(KeyAction::Rotate, subject, key(Role::Agent, "edge-07"), last_accepted, None)),
        (
            "key hand over",
            change(KeyAction::HandOver, subject, key(Role::Agent, "edge-09"), last_accepted, None),
        ),
        ("key revoke", change(KeyAction::Revoke, subject, None, None, None)),
        ("key unfreeze", change(KeyAction::Unfreeze, subject, None, last_accepted, None)),
        (
            "key succession",
            change(
                KeyAction::Succession,
                Some(registrar_key().public().kid()),
                key(Role::Registrar, "registrar-2"),
                last_accepted,
                None,
            ),
        ),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let ms = |s: i64| EventValue::Int((T0 + s) * 1000);
    let text = |s: &str| EventValue::Text(s.into());
    let event = |code, machine, before, after| Event { t_ms: T0 * 1000 + 1, code, machine, before, after };
    let (null, counter) = (EventValue::Null, EventValue::Counter);
    vec![
        (
            "event boot",
            event(EventCode::Boot, None, null.clone(), EventValue::Program("0.1.0".into(), [1; 32])),
        ),
        ("event clock step", event(EventCode::ClockStep, None, ms(0), ms(-5))),
        ("event down", event(EventCode::Down, None, ms(-120), ms(0))),
        (
            "event configuration",
            event(EventCode::Configuration, None, EventValue::Hash([1; 32]), EventValue::Hash([2; 32])),
        ),
        ("event counter", event(EventCode::Counter, Some(1), counter(12, 99_999), counter(12, 0))),
        (
            "event meter exchanged",
            event(EventCode::MeterExchanged, Some(1), counter(10, 48_213), counter(10, 7)),
        ),
        ("event loss", event(EventCode::Loss, None, ms(-60), ms(0))),
        (
            "event tamper",
            event(
                EventCode::Tamper,
                Some(2),
                EventValue::Device(0x0330_0100, 1),
                EventValue::Device(0x0330_0100, 2),
            ),
        ),
        ("event identity", event(EventCode::Identity, Some(0), text("SN 1"), text("SN 2"))),
        ("event note", event(EventCode::Note, None, null, text("meter door opened for service"))),
    ]
}

fn all() -> Vec<(&'static str, Role, Payload)> {
    let mut all = Vec::new();
    for (name, body) in plans() {
        let plan = Plan { place: PLACE, effective_from: T0, body, document: None };
        all.push((name, Role::Registrar, Payload::Plan(Box::new(plan))));
    }
    for (name, change) in key_changes() {
        all.push((name, Role::Registrar, Payload::Key(Box::new(change))));
    }
    for (name, event) in events() {
        let clock = ClockClaim { status: ClockStatus::Restepped, ..ClockClaim::default() };
        let batch = EventBatch { place: PLACE, boot_epoch: 1, clock, events: vec![event] };
        all.push((name, Role::Agent, Payload::Event(batch)));
    }
    for (name, step) in
        [("audit commit", AuditStep::Commit([1; 32])), ("audit open", AuditStep::Open([2; 32]))]
    {
        let audit = Audit { place: PLACE, step, stream: agent_key().public().kid(), blocks: 20 };
        all.push((name, Role::Assessor, Payload::Audit(audit)));
    }
    for (name, stream) in [("close own", None), ("close another", Some(agent_key().public().kid()))] {
        let close = Close { place: PLACE, reason: "the box is broken".into(), stream };
        all.push((name, Role::Registrar, Payload::Close(close)));
    }
    all
}

#[test]
fn every_form_is_read_back_and_its_golden_bytes_have_not_changed() {
    let mut made = BTreeMap::new();
    for (name, role, payload) in all() {
        let bytes = seal(&registrar_key(), role, "r", "p", T0, &payload).unwrap();
        assert_eq!(open(&bytes).unwrap().payload, payload, "{name}");
        made.insert(name, hex::encode(payload.encode()));
    }
    examples::golden("variants.json", &serde_json::json!(made));
}

#[test]
fn the_examples_cover_every_code_and_action() {
    let codes: Vec<EventCode> = events().iter().map(|(_, e)| e.code).collect();
    assert_eq!(codes, EventCode::ALL);
    let actions: Vec<KeyAction> = key_changes().iter().map(|(_, k)| k.action).collect();
    assert_eq!(actions, KeyAction::ALL);
}

/// A payload of a kind, changed on its way; the defect's first words.
#[track_caller]
fn refused(kind: Kind, payload: &Payload, from: &[u8], to: &[u8], what: &str) {
    let bytes = payload.encode();
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    let changed = [&bytes[..at], to, &bytes[at + from.len()..]].concat();
    let error = Payload::decode(kind, &changed).unwrap_err().to_string();
    assert!(error.starts_with(what), "{error}");
}

fn plan(body: PlanBody) -> Payload {
    Payload::Plan(Box::new(Plan { place: PLACE, effective_from: T0, body, document: None }))
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let empty = |n| PlanBody::Correction { machine: 0, column: 10, interval: (T0, T0), factor: (n, 1) };
    let decode = |body| Payload::decode(Kind::Plan, &plan(body).encode()).unwrap_err().to_string();
    assert_eq!(decode(empty(1)), "correction: ends before it begins");
    let zero = PlanBody::Correction { machine: 0, column: 10, interval: (T0, T0 + 1), factor: (1, 0) };
    assert_eq!(decode(zero), "factor: zero");
    let unsorted = PlanBody::Baseline { interval: (T0, T0 + 1), machines: vec![2, 1], text: String::new() };
    assert_eq!(decode(unsorted), "machine indices: not ascending");
    let other = PlanBody::Mapping { machine: 0, hash: [0; 32], text: "x".into() };
    assert_eq!(decode(other), "mapping hash: not that of the text");
    refused(
        Kind::Plan,
        &plan(PlanBody::Change { text: "x".into() }),
        &[0x04, 0x05, 0x05],
        &[0x04, 0x06, 0x05],
        "plan subject: 6",
    );
    let audit = |blocks| {
        Payload::Audit(Audit {
            place: PLACE,
            step: AuditStep::Open([2; 32]),
            stream: agent_key().public().kid(),
            blocks,
        })
    };
    assert!(Payload::decode(Kind::Audit, &audit(0).encode()).is_err());
    assert!(Payload::decode(Kind::Audit, &audit(MAX_AUDITED + 1).encode()).is_err());
    assert!(Payload::decode(Kind::Audit, &audit(MAX_AUDITED).encode()).is_ok());
}

#[test]
fn events_need_the_values_of_their_code() {
    let batch = |event| {
        Payload::Event(EventBatch {
            place: PLACE,
            boot_epoch: 1,
            clock: ClockClaim::default(),
            events: vec![event],
        })
    };
    let event = |code, before, after| Event { t_ms: 0, code, machine: None, before, after };
    let decode = |event| Payload::decode(Kind::Event, &batch(event).encode()).map_err(|e| e.to_string());
    let backwards = event(EventCode::Down, EventValue::Int(2), EventValue::Int(2));
    assert_eq!(decode(backwards).unwrap_err(), "event: ends before it begins");
    let missing = event(EventCode::Loss, EventValue::Null, EventValue::Int(2));
    assert_eq!(decode(missing).unwrap_err(), "event: an interval is missing");
    // A text where a hash belongs.
    assert!(decode(event(EventCode::Configuration, EventValue::Text("a".into()), EventValue::Null)).is_err());
    assert!(decode(event(EventCode::Tamper, EventValue::Int(1), EventValue::Int(2))).is_err());
    let none = Payload::Event(EventBatch {
        place: PLACE,
        boot_epoch: 1,
        clock: ClockClaim::default(),
        events: vec![],
    });
    assert!(Payload::decode(Kind::Event, &none.encode()).is_err());
}

fn genesis(change: impl FnOnce(&mut Genesis)) -> Result<(), String> {
    let Some((key, role, Payload::Genesis(mut genesis))) = examples::all().into_iter().next() else {
        return Err("the first example is a genesis".into());
    };
    change(&mut genesis);
    let bytes = seal(&key, role, "registrar", "SY-2024-017", T0, &Payload::Genesis(genesis));
    let bytes = bytes.map_err(|e| e.to_string())?;
    open(&bytes).map(|_| ()).map_err(|e| e.to_string())
}

#[test]
fn a_genesis_that_contradicts_itself_is_refused_by_name() {
    assert_eq!(genesis(|_| ()), Ok(()));
    for (change, what) in [
        ((|g| g.step_s = 61) as fn(&mut Genesis), "step: 61 s"),
        (|g| g.step_s = 0, "step: 0 s"),
        (|g| g.step_s = 1200, "step: 1200 s"),
        (|g| g.windows_per_statement = 0, "windows per statement"),
        (|g| g.utc_offset_min = 1081, "utc offset"),
        (|g| g.machines.swap(0, 1), "machines: not ascending"),
        (|g| g.machines[1].id = g.machines[0].id.clone(), "machine id: cnc-01 stands there twice"),
        (|g| g.machines[0].columns = vec![5, 0], "machine columns"),
        (|g| g.machines[0].columns = vec![9], "machine columns"),
        (|g| g.keys.push(g.keys[1].clone()), "roster keys"),
        (|g| g.keys.truncate(0), "roster keys: the signer is not among them"),
        (|g| g.keys[0].role = Role::Agent, "roster keys: the signer is not among them"),
        (|g| g.definitions.push(g.definitions[0].clone()), "definition id"),
        (|g| g.definitions[0].text = "another".into(), "definition hash"),
        (|g| g.periods[0].to = g.periods[0].from, "period"),
        (|g| g.project = "another".into(), "project: is not the one in the header"),
        (|g| g.calendar.shifts[0].weekdays = 0, "shift"),
        (|g| g.calendar.shifts[0].from_min = 1440, "shift"),
        (|g| g.calendar.shifts[0].to_min = 3000, "shift"),
    ] {
        let error = genesis(change).unwrap_err();
        assert!(error.contains(what), "{error} should say {what}");
    }
    // A definition may be bound by its hash alone.
    assert_eq!(genesis(|g| g.definitions[0].text.clear()), Ok(()));
    // A machine may be listed without being measured.
    assert_eq!(
        genesis(|g| {
            g.machines[1].agent.clear();
            g.machines[1].columns.clear();
        }),
        Ok(())
    );
}

#[test]
fn ids_are_path_segments() {
    use evidence::statement::is_id;
    for good in ["a", "SY-2024-017", "edge_07.b", "沈阳机床一厂", &"x".repeat(64)] {
        assert!(is_id(good), "{good}");
    }
    for bad in ["", ".", "..", ".a", "a/b", "a b", "a:b", "a\n", "a+b", &"x".repeat(65)] {
        assert!(!is_id(bad), "{bad:?}");
    }
}

//! One example of every kind of statement, with fixed keys and numbers.

use evidence::column::Column;
use evidence::key::SigningKey;
use evidence::payload::*;
use evidence::statement::{Payload, Role, seal};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn registrar_key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

pub(crate) fn agent_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

fn enterprise_key() -> SigningKey {
    SigningKey::sm2_from_secret(&[3; 32]).unwrap()
}

fn assessor_key() -> SigningKey {
    SigningKey::from_seed([4; 32])
}

pub(crate) fn definitions() -> Vec<Definition> {
    vec![Definition::new("mapping/cnc-01", "producing = execution == 1")]
}

const T0: i64 = 1_753_929_600;

fn place(seq: u64) -> Place {
    Place { seq, prev: (seq > 0).then_some([7; 32]) }
}

fn genesis() -> Payload {
    let key = |key: SigningKey, role, id: &str| RosterKey { key: key.public().clone(), role, id: id.into() };
    let machine = |index, id: &str, name: &str| Machine {
        index,
        id: id.into(),
        agent: "edge-07".into(),
        name: name.into(),
        line: "A".into(),
        columns: vec![0, 1, 5, 8, 10, 11, 16, 17, 18],
        mapping: definitions()[0].hash,
        planned_cycle_ms: Some(270_000),
        flags: Flags { key_operation: true, numerically_controlled: true, digital: true, domestic: false },
        identity: Some("SN 4711".into()),
        rated_w: Some(22_000),
        theoretical_cycle_ms: None,
    };
    Payload::Genesis(Box::new(Genesis {
        project: "SY-2024-017".into(),
        origin: "gateway.example/log/SY-2024-017".into(),
        log_vkey: "gateway.example/log/SY-2024-017+00000000+AQ==".into(),
        receipt_key: SigningKey::from_seed([5; 32]).public().clone(),
        witness_policy: None,
        keys: vec![
            key(registrar_key(), Role::Registrar, "registrar"),
            key(agent_key(), Role::Agent, "edge-07"),
            key(enterprise_key(), Role::Enterprise, "enterprise"),
            key(assessor_key(), Role::Assessor, "assessor"),
        ],
        machines: vec![machine(0, "cnc-01", "五轴加工中心 1 号"), machine(1, "press-03", "冲床 3 号")],
        step_s: 60,
        windows_per_statement: 5,
        max_lag_s: 3600,
        utc_offset_min: 480,
        definitions: definitions(),
        periods: vec![Period { name: "acceptance".into(), from: T0, to: T0 + 86_400 }],
        calendar: Calendar {
            name: "two shifts 2025".into(),
            always_order: false,
            shifts: vec![Shift { name: "夜班".into(), weekdays: 0b001_1111, from_min: 1200, to_min: 1920 }],
            days: vec![CalendarDay { day: 20_362, kind: DayKind::Holiday }],
            maintenance: vec![Maintenance { machine: Some(0), interval: (T0, T0 + 3600) }],
            orders: vec![Order {
                machine: 0,
                id: "WO-1".into(),
                interval: (T0, T0 + 7200),
                quantity: Some(110),
                product: None,
                planned_cycle_ms: Some(264_000),
            }],
        },
        raw_retention_days: 400,
        demo: false,
        nonce: [8; 16],
        operator_time_vkey: None,
        clock_tolerance_s: 60,
    }))
}

pub(crate) fn windows() -> Payload {
    let column = |exponent, values: &[i64]| Column { exponent, values: values.to_vec() };
    Payload::Window(Box::new(WindowBatch {
        place: place(3),
        boot_epoch: 2,
        t0: T0,
        step: 60,
        n: 2,
        clock: ClockClaim {
            status: ClockStatus::Synchronised,
            offset_ms: -3,
            source: "ntp".into(),
            mono_ms: 123_456,
        },
        checkpoint: Some(SeenCheckpoint { size: 9, root: [6; 32], time: T0 - 30, note_hash: [5; 32] }),
        machines: vec![0, 1],
        columns: BTreeMap::from([
            (5, column(0, &[60_000, 60_000, 60_000, 0])),
            (8, column(0, &[0, 0, 0, 60_000])),
            (10, column(1, &[48_213_960, 48_213_984, 150_002, 150_003])),
            (11, column(0, &[1, 1, 1, 1])),
            (16, column(0, &[60, 60, 60, 60])),
        ]),
        raw: RawCommitment { root: [4; 32], blocks: 17 },
        definitions: definitions_in_force(&definitions(), &[(0, definitions()[0].hash)]),
        events: vec![
            Event {
                t_ms: T0 * 1000,
                code: EventCode::Down,
                machine: None,
                before: EventValue::Int((T0 - 60) * 1000),
                after: EventValue::Int(T0 * 1000),
            },
            Event {
                t_ms: T0 * 1000 + 5,
                code: EventCode::Counter,
                machine: Some(1),
                before: EventValue::Counter(10, 99_999),
                after: EventValue::Counter(10, 3),
            },
            Event {
                t_ms: T0 * 1000 + 6,
                code: EventCode::Note,
                machine: None,
                before: EventValue::Null,
                after: EventValue::Null,
            },
        ],
    }))
}

#[expect(clippy::too_many_lines, reason = "one list of ten examples")]
/// One of each kind, in the order of `Kind::ALL`, with a signer who may sign it.
pub(crate) fn all() -> Vec<(SigningKey, Role, Payload)> {
    vec![
        (registrar_key(), Role::Registrar, genesis()),
        (agent_key(), Role::Agent, windows()),
        (
            agent_key(),
            Role::Agent,
            Payload::Event(EventBatch {
                place: place(4),
                boot_epoch: 2,
                clock: ClockClaim::default(),
                events: vec![Event {
                    t_ms: T0 * 1000,
                    code: EventCode::Boot,
                    machine: None,
                    before: EventValue::Null,
                    after: EventValue::Program("0.1.0".into(), [1; 32]),
                }],
            }),
        ),
        (
            registrar_key(),
            Role::Registrar,
            Payload::Key(Box::new(KeyChange {
                place: place(1),
                action: KeyAction::Enrol,
                subject: None,
                key: Some(RosterKey {
                    key: SigningKey::from_seed([9; 32]).public().clone(),
                    role: Role::Agent,
                    id: "edge-08".into(),
                }),
                last_accepted: None,
                machines: Some(vec![1]),
                reason: "second box".into(),
            })),
        ),
        (
            registrar_key(),
            Role::Registrar,
            Payload::Plan(Box::new(Plan {
                place: place(2),
                effective_from: T0,
                body: PlanBody::Correction {
                    machine: 0,
                    column: 10,
                    interval: (T0, T0 + 3600),
                    factor: (40, 30),
                },
                document: Some([2; 32]),
            })),
        ),
        (
            enterprise_key(),
            Role::Enterprise,
            Payload::Declaration(Declaration {
                place: place(0),
                indicator: "value_added".into(),
                interval: (T0, T0 + 86_400),
                exponent: 4,
                value: 1_234,
                unit: "CNY".into(),
                document: [3; 32],
            }),
        ),
        (
            assessor_key(),
            Role::Assessor,
            Payload::Annotation(Annotation {
                place: place(0),
                target: [1; 32],
                interval: (T0, T0 + 60),
                machine: None,
                reason: "site-visit".into(),
                text_hash: [2; 32],
            }),
        ),
        (
            assessor_key(),
            Role::Assessor,
            Payload::Audit(Audit {
                place: place(1),
                step: AuditStep::Commit([3; 32]),
                stream: agent_key().public().kid(),
                blocks: 20,
            }),
        ),
        (
            assessor_key(),
            Role::Assessor,
            Payload::Report(ReportNote {
                place: place(2),
                report: [4; 32],
                note: [5; 32],
                definitions: [6; 32],
                verdict: "通过".into(),
            }),
        ),
        (
            agent_key(),
            Role::Agent,
            Payload::Close(Close { place: place(5), reason: "project ended".into(), stream: None }),
        ),
    ]
}

pub(crate) fn sealed(key: &SigningKey, role: Role, payload: &Payload) -> Vec<u8> {
    seal(key, role, "edge-07", "SY-2024-017", T0 + 400, payload).unwrap()
}

/// Compares with a golden file, or writes it when `PLUMBLINE_BLESS` is set.
pub(crate) fn golden(name: &str, made: &serde_json::Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    let text = serde_json::to_string_pretty(made).unwrap() + "\n";
    if std::env::var_os("PLUMBLINE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let frozen = std::fs::read_to_string(&path).unwrap();
    let differs = frozen.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(frozen == text, "{name} differs, first at line {:?}", differs.map(|at| at + 1));
}

//! What the agent reads back from its own disk after who knows what happened to it: journal rows, raw blocks, the
//! engine's memory. Promise: a row is read as what will be written for it, a block gives its rows, and damage is
//! an error, never a crash at the start.

use std::sync::Arc;

use agent::journal::{Row, decode, encode};
use agent::raw::{Unarchived, open};
use agent::state::{Condition, Rule, Rules, Side, Threshold};
use agent::validity::Validity;
use agent::window::{
    Boot, EnergyPlan, Engine, Feeds, Input, LinkIndex, MachinePlan, Plan, PointPlan, Record, Restored,
};
use kpi::Leaf;
use observation::{Decimal, Instant, Mono, Observation, PointId, Utc, Value};

use super::{AT, Bytes};

/// A row.
pub(super) fn journal(data: &[u8]) {
    let Ok(row) = decode(data) else { return };
    if !is_of_this_age(&row) {
        return;
    }
    let mut written = Vec::new();
    encode(&row, &mut written);
    let again = decode(&written).unwrap_or_else(|e| panic!("{row:?}: {e}"));
    assert_eq!(again, row);
    let mut second = Vec::new();
    encode(&again, &mut second);
    assert_eq!(second, written);
}

/// The layout is made for clocks that have run for less than 292 million years, and no damage that reads as more is
/// written again as it was.
fn is_of_this_age(row: &Row) -> bool {
    let fits = |mono: Mono| i64::try_from(mono.0).is_ok();
    match row {
        Row::Record(Record::Boot(boot)) | Row::Resume(boot) | Row::Suspended(boot) => fits(boot.at.mono),
        Row::Record(Record::Step { inputs, until }) => {
            fits(until.mono) && inputs.iter().all(|input| fits(input.mono()))
        }
        Row::Said(_) => true,
    }
}

/// 0: a raw block; else: its content, which is packed first.
pub(super) fn raw_block(data: &[u8]) {
    let mut bytes = Bytes(data);
    if bytes.byte() == 0 {
        if let Ok(rows) = open(bytes.0) {
            same_rows(&rows);
        }
        return;
    }
    let mut rows = Vec::new();
    while !bytes.0.is_empty() {
        let n = usize::from(bytes.byte());
        rows.push(bytes.take(n).to_vec());
    }
    same_rows(&rows);
}

/// Packed and opened, the rows are these.
fn same_rows(rows: &[Vec<u8>]) {
    let mut held = Unarchived::default();
    for row in rows {
        held.push(row, AT.utc.0);
    }
    let block = held.block().unwrap_or_else(|e| panic!("{e}"));
    let again = open(&block.bytes).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(again, rows);
}

/// A snapshot of the engine of one press.
pub(super) fn memory(data: &[u8]) {
    let plan = Arc::new(press());
    let Ok(restored) = Engine::restore(Arc::clone(&plan), data) else { return };
    let (Restored::Whole(engine) | Restored::OtherPlan(engine)) = restored;
    let snapshot = engine.snapshot().unwrap_or_else(|e| panic!("{e}"));
    let Ok(Restored::Whole(again)) = Engine::restore(plan, &snapshot) else {
        panic!("an engine does not fit its own plan");
    };
    assert_eq!(again.snapshot().ok(), Some(snapshot));
}

/// A press with a power meter.
fn press() -> Plan {
    let threshold = |side, watts: i64| Condition::Power(Threshold::sharp(side, Decimal::from(watts), 5000));
    let rules = vec![
        Rule { leaf: Leaf::Off, condition: threshold(Side::Below, 50) },
        Rule { leaf: Leaf::Idle, condition: threshold(Side::Below, 1500) },
        Rule { leaf: Leaf::Producing, condition: threshold(Side::Above, 1500) },
    ];
    let power = PointPlan {
        id: PointId(0),
        name: "power".to_owned(),
        link: LinkIndex(0),
        validity: Validity::Polled { every_ms: 1000 },
        feeds: Feeds::Power,
        factor: None,
    };
    let machine = MachinePlan {
        index: 0,
        id: "press-03".to_owned(),
        rules: Rules::new(rules, [const { None }; 4], 1, Some(0)),
        points: vec![power],
        identity: None,
        energy: EnergyPlan::FromPower,
        parts: None,
        good_parts: None,
        power_is_independent: true,
    };
    Plan {
        step_ms: 60_000,
        not_before: Utc(AT.utc.0 - 600_000),
        links: 1,
        machines: vec![machine],
        fingerprint: [1; 32],
    }
}

/// The memory of that engine after three minutes, for the corpus.
pub(crate) fn memory_seed() -> Vec<u8> {
    let mut engine = Engine::new(Arc::new(press()), None);
    let at = |ms: u64| Instant { utc: Utc(AT.utc.0 + i64::try_from(ms).unwrap_or(0)), mono: Mono(ms) };
    let boot = Boot { at: at(0), version: "0.1.0".to_owned(), binary: [2; 32], configuration: [3; 32] };
    engine.apply(&Record::Boot(boot));
    for second in 1..180u64 {
        let now = at(second * 1000);
        let watts = Decimal::from(second % 90 * 40);
        let read = Observation::good(PointId(0), Value::Number(watts), now);
        engine.apply(&Record::Step { inputs: vec![Input::Observed(LinkIndex(0), read)], until: now });
    }
    engine.snapshot().unwrap_or_default()
}

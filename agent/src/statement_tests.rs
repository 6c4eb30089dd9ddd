//! Outputs in, statements out; and back again through the signed bytes.

use super::*;
use evidence::key::SigningKey;
use evidence::statement::{Role, open, seal};
use kpi::{Amount, AmountQuality, MachineWindow};
use observation::Utc;
use proptest::prelude::*;
use std::path::Path;

const T0: i64 = 1_800_000_000_000;

fn shape(per_statement: u32, energy_exponent: i8) -> Shape {
    Shape { step_s: 60, per_statement, energy_exponent, id_bytes: 20 }
}

fn context() -> Context {
    Context {
        place: Place { seq: 3, prev: Some([7; 32]) },
        boot_epoch: 2,
        clock: ClockClaim::default(),
        checkpoint: None,
        raw: RawCommitment { root: [5; 32], blocks: 9 },
        definitions: [6; 32],
    }
}

fn window(minute: i64, machines: Vec<(u32, MachineWindow)>) -> Output {
    Output::Window(ClosedWindow { start: Utc(T0 + minute * 60_000), machines })
}

fn plain(minute: i64) -> Output {
    let mut w = MachineWindow::unknown(60_000);
    w.energy = Amount { register: 1_230_000 + minute * 10_000, quality: AmountQuality::Register };
    window(minute, vec![(4, w)])
}

fn note(minute: i64, length: usize) -> Output {
    let what = What::Note { text: "x".repeat(length) };
    Output::Event(Event { at: Utc(T0 + minute * 60_000), machine: None, what })
}

/// How the outputs are cut: `W<n>` for n windows, `E<n>` for n events alone, with the outputs taken.
#[track_caller]
fn cut(mut outputs: VecDeque<Output>, shape: &Shape, flush: bool) -> String {
    let mut drafts = vec![];
    while let Some(draft) = next(&outputs, shape, &context(), flush) {
        assert!(draft.outputs > 0 && draft.outputs <= outputs.len());
        outputs.drain(..draft.outputs);
        drafts.push(match &draft.payload {
            Payload::Window(b) => format!("W{}+{}", b.n, b.events.len()),
            Payload::Event(b) => format!("E{}", b.events.len()),
            other => unreachable!("{other:?}"),
        });
        let key = SigningKey::from_seed([1; 32]);
        seal(&key, Role::Agent, "edge-07", "SY-2024-017", 0, &draft.payload).unwrap();
    }
    format!("{} rest {}", drafts.join(" "), outputs.len())
}

#[test]
fn full_batches_are_cut_and_the_rest_waits() {
    let outputs: VecDeque<_> = (0..12).map(plain).collect();
    assert_eq!(cut(outputs.clone(), &shape(5, 1), false), "W5+0 W5+0 rest 2");
    assert_eq!(cut(outputs, &shape(5, 1), true), "W5+0 W5+0 W2+0 rest 0");
}

#[test]
fn a_hole_ends_a_batch_and_its_event_goes_with_the_window_behind_it() {
    let down = Output::Event(Event {
        at: Utc(T0 + 9 * 60_000),
        machine: None,
        what: What::Down { from: Utc(T0 + 2 * 60_000), to: Utc(T0 + 9 * 60_000) },
    });
    let outputs = VecDeque::from([plain(0), plain(1), down, plain(9)]);
    assert_eq!(cut(outputs.clone(), &shape(5, 1), false), "W2+0 rest 2");
    assert_eq!(cut(outputs, &shape(5, 1), true), "W2+0 W1+1 rest 0");
}

#[test]
fn a_batch_that_would_not_fit_carries_fewer_windows() {
    let many = |minute: i64| {
        let machines = (0..100u32)
            .map(|i| {
                let mut w = MachineWindow::default();
                for (k, ms) in (1u32..).zip(&mut w.states_ms) {
                    *ms = 6000 + (i * 7919 + k * 104_729 + u32::try_from(minute).unwrap() * 1_299_709) % 500;
                }
                w.states_ms[0] = 60_000 - w.states_ms.iter().skip(1).sum::<u32>();
                w.energy = Amount { register: i64::from(i) << 40 | minute, quality: AmountQuality::Register };
                (i, w)
            })
            .collect();
        window(minute, machines)
    };
    let got = cut((0..30).map(many).collect(), &shape(30, -3), true);
    assert!(!got.contains("W30") && got.ends_with("rest 0"), "{got}");
    let windows: u32 = got
        .split_whitespace()
        .filter_map(|w| w.strip_prefix('W')?.split('+').next()?.parse::<u32>().ok())
        .sum();
    assert_eq!(windows, 30);
}

#[test]
fn a_batch_has_no_more_cells_than_a_reader_takes() {
    let idle =
        |minute: i64| window(minute, (0..100u32).map(|i| (i, MachineWindow::unknown(60_000))).collect());
    let got = cut((0..3000).map(idle).collect(), &shape(3000, 0), true);
    assert_eq!(got, "W2621+0 W379+0 rest 0");
}

#[test]
fn events_that_do_not_fit_beside_a_window_go_ahead_of_it() {
    let mut outputs: VecDeque<_> = (0..60).map(|_| note(0, 1000)).collect();
    outputs.push_back(plain(0));
    assert_eq!(cut(outputs, &shape(1, 1), false), "E46 W1+14 rest 0");
}

#[test]
fn events_alone_wait_for_a_window_unless_it_cannot_come() {
    let outputs = VecDeque::from([note(0, 3), note(1, 3)]);
    assert_eq!(cut(outputs.clone(), &shape(5, 1), false), " rest 2");
    assert_eq!(cut(outputs, &shape(5, 1), true), "E2 rest 0");
}

#[test]
fn energy_is_signed_at_the_resolution_of_the_meters_in_windows_and_events() {
    let what = What::CounterBreak { column: column::ENERGY, last: 999_999_990_000, first: 10_000 };
    let broken = Output::Event(Event { at: Utc(T0), machine: Some(4), what });
    let Some(Draft { payload: Payload::Window(b), .. }) =
        next(&VecDeque::from([broken, plain(0)]), &shape(1, 1), &context(), false)
    else {
        unreachable!("one window is a full batch");
    };
    assert_eq!(b.columns[&column::ENERGY], Column { exponent: 1, values: vec![123] });
    assert_eq!(b.events[0].before, EventValue::Counter(column::ENERGY, 99_999_999));
    assert_eq!(b.events[0].after, EventValue::Counter(column::ENERGY, 1));
}

#[test]
fn every_event_can_be_signed_and_read_back() {
    let all = [
        What::Boot { version: "0.1.0".to_owned(), binary: [1; 32] },
        What::ClockStep { expected: Utc(1), shown: Utc(-5) },
        What::Down { from: Utc(0), to: Utc(60_000) },
        What::Loss { from: Utc(0), to: Utc(60_000) },
        What::Configuration { before: [1; 32], after: [2; 32] },
        What::CounterBreak { column: 12, last: 5, first: 0 },
        What::MeterExchanged { column: 10, last: 5000, first: 0 },
        What::Identity { before: None, after: "SN".to_owned() },
        What::Note { text: "注".to_owned() },
    ];
    let events: Vec<Event> =
        all.into_iter().map(|what| Event { at: Utc(T0), machine: Some(1), what }).collect();
    let payload = Payload::Event(event_batch(events.iter(), &shape(1, 0), &context()));
    let bytes = seal(&SigningKey::from_seed([1; 32]), Role::Agent, "a", "p", 0, &payload).unwrap();
    assert_eq!(open(&bytes).unwrap().payload, payload);
}

#[test]
fn the_enrolment_proposes_every_machine_with_its_mapping() {
    let text = include_str!("../../config/examples/agent.toml");
    let c = Configuration::parse("agent.toml", text, Path::new("/etc/plumbline")).unwrap();
    let key = SigningKey::from_seed([9; 32]);
    let request = c.enrolment("SY-2024-017", key.public(), "0.1.0");
    let opened = Enrolment::open(&request.seal(&key).unwrap()).unwrap();
    assert_eq!(opened, request);
    assert_eq!(opened.machines[0].mapping, c.machines[0].mapping.text);
    assert_eq!(
        c.shape("SY-2024-017").energy_exponent,
        0,
        "the press reads whole Wh, the machining centre 10 Wh"
    );
}

proptest! {
    /// Whatever a window holds is read back from the signed bytes.
    #[test]
    fn windows_read_back_from_signed_bytes_as_they_were(
        cells in prop::collection::vec(prop::collection::vec(0i64..6, 28), 1..12), machines in 1usize..4,
    ) {
        let windows: Vec<Vec<(u32, MachineWindow)>> = cells
            .chunks_exact(machines)
            .map(|rows| {
                (0u32..).zip(rows).map(|(i, row)| {
                    let mut w = MachineWindow::default();
                    for (id, value) in column::ALL.iter().zip(row) {
                        let value = if *id == column::IDENTITY { value % 3 } else { *value };
                        assert!(w.set(*id, value));
                    }
                    (i, w)
                }).collect()
            })
            .collect();
        prop_assume!(!windows.is_empty());
        let outputs: VecDeque<Output> = (0i64..).zip(&windows).map(|(i, m)| window(i, m.clone())).collect();
        let draft = next(&outputs, &shape(60, -3), &context(), true).unwrap();
        let bytes = seal(&SigningKey::from_seed([1; 32]), Role::Agent, "a", "p", 0, &draft.payload).unwrap();
        let Payload::Window(b) = open(&bytes).unwrap().payload else {
            return Err(TestCaseError::fail("a window statement"));
        };
        for (w, machines) in windows.iter().enumerate() {
            for (m, (_, before)) in machines.iter().enumerate() {
                for id in column::ALL {
                    prop_assert_eq!(b.value(id, m, w), before.get(id));
                }
            }
        }
    }
}

//! Evidence made to hurt the program that reads it, much of it signed by enrolled keys: the verifier answers, does
//! not panic, and takes memory by what is there, never by what is claimed.

use std::path::Path;
use std::process::{Command, Output};

use evidence::bundle::path;
use evidence::column::Column;
use evidence::hash::leaf;
use evidence::note::Checkpoint;
use evidence::payload::{ClockClaim, ClockStatus, Event, EventCode, EventValue, WindowBatch};
use evidence::statement::{Payload, seal};
use kpi::{Figure, KpiId, Unit};
use proptest::prelude::*;
use verify::report::Report;
use verify::testing::{PROJECT, TestProject, pack};

use crate::judge::Bundle;

/// Address space of the program under attack, KiB. What an honest bundle may take is 300 MiB; the rest is
/// programs, stacks and what an allocator reserves for each thread.
const LIMIT_KIB: u32 = 1 << 20;

/// Integers at the edges of what a column can hold, and a few ordinary ones.
fn edgy() -> impl Strategy<Value = i64> {
    let edges = [
        i64::MIN,
        i64::MIN + 1,
        -1,
        0,
        1,
        59_999,
        60_000,
        60_001,
        i64::from(u32::MAX),
        i64::MAX - 1,
        i64::MAX,
    ];
    prop_oneof![prop::sample::select(edges.to_vec()), 0..100_000i64, any::<i64>()]
}

fn event() -> impl Strategy<Value = Event> {
    let code = prop::sample::select(EventCode::ALL.to_vec());
    (code, edgy(), edgy(), edgy(), any::<u8>(), prop::option::of(0..4u32)).prop_map(
        |(code, t_ms, a, b, column, machine)| {
            let value = |n| match code {
                EventCode::ClockStep | EventCode::Down | EventCode::Loss => EventValue::Int(n),
                EventCode::Counter | EventCode::MeterExchanged => EventValue::Counter(column, n),
                EventCode::Tamper => EventValue::Device(0, n),
                EventCode::Identity | EventCode::Note => EventValue::Text(n.to_string()),
                EventCode::Boot | EventCode::Configuration => EventValue::Null,
            };
            Event { t_ms, code, machine, before: value(a), after: value(b) }
        },
    )
}

/// A few columns of a batch with other contents.
fn columns() -> impl Strategy<Value = Vec<(u8, i8, Vec<i64>)>> {
    let ids: Vec<u8> = (0..50).filter(|id| evidence::column::is_known(*id)).collect();
    let values = prop::collection::vec(edgy(), 10);
    prop::collection::vec((prop::sample::select(ids), -18..=18i8, values), 0..4)
}

fn bend(batch: &mut WindowBatch, columns: &[(u8, i8, Vec<i64>)], events: &[Event], clock: (i64, i64)) {
    for (id, exponent, values) in columns {
        batch.columns.insert(*id, Column { exponent: *exponent, values: values.clone() });
    }
    batch.events = events.to_vec();
    batch.clock = ClockClaim {
        status: ClockStatus::Restepped,
        offset_ms: clock.0,
        source: String::new(),
        mono_ms: clock.1.unsigned_abs(),
    };
}

/// Ratios of declared cycles, registers and orders are never clipped: more than 100 % is a finding.
fn may_exceed_one(id: KpiId) -> bool {
    matches!(
        id,
        KpiId::Effectiveness
            | KpiId::Performance
            | KpiId::Oee
            | KpiId::Nee
            | KpiId::Teep
            | KpiId::Quality
            | KpiId::ProductionProcess
            | KpiId::AllocationRatio
    )
}

/// What holds of every report, whatever was signed: time adds up, intervals are in order, shares lie within one.
fn consistent(report: &Report) -> Result<(), TestCaseError> {
    let period = report.complete.period;
    for machine in &report.machines {
        let p = machine.presence;
        let sum = p.present_ms
            + p.late_ms
            + p.unapproved_ms
            + p.premature_ms
            + p.down_ms
            + p.lost_ms
            + p.missing_ms;
        prop_assert_eq!(Some(sum), period.map(kpi::Period::ms), "{}", machine.id);
    }
    let tables = report.figures.iter().flat_map(|f| &f.tables);
    for kpi in tables.flat_map(|t| &t.kpis) {
        let Figure::Interval { lower, upper } = &kpi.value else { continue };
        prop_assert!(upper.as_ref().is_none_or(|upper| lower <= upper), "{kpi:#?}");
        let share = kpi.unit == Unit::Ratio && !may_exceed_one(kpi.id);
        let one = kpi::Rational::integer(1);
        prop_assert!(!share || upper.as_ref().is_some_and(|upper| *upper <= one), "{kpi:#?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// An agent's key may sign anything that has the form of a statement.
    #[test]
    fn whatever_an_agent_signs_is_judged(
        batches in prop::collection::vec(
            (columns(), prop::collection::vec(event(), 0..3), (edgy(), edgy()), any::<bool>()), 1..5),
    ) {
        let mut project = TestProject::running(2);
        for (columns, events, clock, alone) in batches {
            let mut batch = project.batch();
            bend(&mut batch, &columns, &events, clock);
            let payload = if alone && !events.is_empty() {
                let (place, clock) = (batch.place, batch.clock.clone());
                Payload::Event(evidence::payload::EventBatch { place, boot_epoch: u64::MAX, clock, events })
            } else {
                Payload::Window(Box::new(batch))
            };
            let agent = &project.agent;
            // What cannot be sealed has no form: a downtime that ends before it begins.
            let Ok(bytes) = seal(&agent.key, agent.role, &agent.id, PROJECT, i64::MIN, &payload) else { continue };
            project.push(project.agent.kid(), bytes);
        }
        project.seal();
        consistent(&Bundle::from(&project).judged())?;
        let mut bundle = Bundle::from(&project);
        bundle.trust.period = None;
        consistent(&bundle.judged())?;
    }

    /// So may the registrar: a genesis at its edges is an answer, too.
    #[test]
    fn whatever_a_registrar_signs_is_judged(
        lag in any::<u32>(), tolerance in any::<u32>(), most in 1..=u32::MAX, offset in -1080..=1080i32,
        rated in prop::option::of(any::<u64>()), cycle in prop::option::of(any::<u64>()),
        from in edgy(), to in edgy(), retention in any::<u32>(),
    ) {
        let mut project = TestProject::with(|g| {
            (g.max_lag_s, g.clock_tolerance_s, g.windows_per_statement) = (lag, tolerance, most);
            (g.utc_offset_min, g.raw_retention_days) = (offset, retention);
            if from < to {
                g.periods = vec![evidence::payload::Period { name: "edge".into(), from, to }];
            }
            for machine in &mut g.machines {
                (machine.rated_w, machine.planned_cycle_ms) = (rated, cycle);
            }
        });
        (0..3).for_each(|_| project.windows());
        project.seal();
        let bundle = Bundle::from(&project);
        if let Ok(report) = verify::verify_bundle(std::io::Cursor::new(&bundle.bytes), &bundle.trust, &mut |_| ()) {
            consistent(&report)?;
        }
    }

    /// Entries that are no statements, in a log that is in order.
    #[test]
    fn whatever_lies_in_a_log_is_judged(
        junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
        head in any::<bool>(),
    ) {
        let mut project = TestProject::running(1);
        for mut bytes in junk {
            if head {
                // Past the envelope: the random bytes are the payload of a well-formed header.
                let mut longer = project.entries[1][..150].to_vec();
                longer.append(&mut bytes);
                bytes = longer;
            }
            project.entries.push(bytes);
        }
        project.seal();
        let report = Bundle::from(&project).judged();
        prop_assert_eq!(report.exit_code(), 1);
    }

    /// Notes that are no notes.
    #[test]
    fn whatever_stands_in_a_checkpoint_is_judged(text in "\\PC{0,200}(\n\\PC{0,80}){0,6}", size in any::<u64>()) {
        let project = TestProject::running(1);
        for bytes in [
            text.clone().into_bytes(),
            format!("{}\n{text}", project.checkpoint().text()).into_bytes(),
            project.note(&Checkpoint { size, ..project.checkpoint() }, Some(size.cast_signed().max(0))),
        ] {
            let mut files = project.files();
            files.insert(path::CHECKPOINT.to_owned(), bytes);
            let bundle = Bundle { bytes: pack(&files), trust: project.trust() };
            let honest = size == project.checkpoint().size;
            prop_assert!(honest || bundle.judged().exit_code() == 1);
        }
    }
}

/// Runs the assessor's program on a bundle within [`LIMIT_KIB`].
fn run(folder: &Path, bundle: &Bundle, more: &[&str]) -> Output {
    let (file, trust) = (folder.join("bundle.zip"), folder.join("trust.toml"));
    std::fs::write(&file, &bundle.bytes).unwrap();
    std::fs::write(&trust, bundle.trust.to_string()).unwrap();
    Command::new("sh")
        .args(["-c", &format!("ulimit -v {LIMIT_KIB} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_verify-under-test"))
        .args(["bundle", file.to_str().unwrap(), "--trust", trust.to_str().unwrap(), "--lang", "en"])
        .args(more)
        .output()
        .unwrap()
}

/// The program must say no in words.
#[track_caller]
fn refused_within_the_limit(bundle: &Bundle) {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), bundle, &[]);
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("E-"), "{said}");
}

/// The program's words about a bundle are its own: names inside cannot move the cursor, turn the writing round or
/// add to the page.
#[test]
fn names_in_a_bundle_cannot_speak_for_the_program() {
    let name = "/\u{1b}[K\u{202e}<x>";
    let project = TestProject::running(1);
    let mut bytes = project.bundle();
    for at in 0..bytes.len() - name.len() {
        if bytes[at..].starts_with(b"/bagit.txt") {
            bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
    }
    // As a symbolic link the name is quoted as it came, without the rules for names.
    for link in [false, true] {
        let mut bytes = bytes.clone();
        if link {
            let at = bytes.windows(name.len()).rposition(|w| w == name.as_bytes()).unwrap() - PROJECT.len();
            bytes[at - 6..at - 4].copy_from_slice(&0o120_777u16.to_le_bytes());
        }
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("report.html");
        let bundle = Bundle { bytes, trust: project.trust() };
        let ended = run(folder.path(), &bundle, &["--report", page.to_str().unwrap()]);
        let said = [ended.stdout, ended.stderr].concat();
        let page = std::fs::read(page).unwrap_or_default();
        for text in [said, page].map(|bytes| String::from_utf8(bytes).unwrap()) {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
            assert!(!text.contains("<html") || !text.contains("<x>"), "{text}");
        }
    }
}

/// A batch of one machine and as many windows as the format allows, in a few hundred bytes.
fn huge_batch(project: &mut TestProject, columns: &[u8]) {
    const CELLS: u32 = 1 << 17;
    project.windows_with(|b| {
        b.machines.truncate(1);
        b.n = CELLS;
        b.columns = columns
            .iter()
            .map(|&id| (id, Column { exponent: 0, values: vec![60_000; CELLS as usize] }))
            .collect();
    });
    let bomb = project.entries.last().unwrap().clone();
    // Held all at once, their rows alone would take more than the limit.
    assert!(bomb.len() < 1000);
    project.entries.extend(vec![bomb; 80]);
}

#[test]
fn runs_that_claim_millions_of_windows_take_no_memory() {
    for columns in [&[][..], &[5, 18]] {
        let mut project = TestProject::running(1);
        huge_batch(&mut project, columns);
        project.seal();
        refused_within_the_limit(&Bundle::from(&project));
    }
}

#[test]
fn numbers_that_skip_millions_of_statements_take_no_memory() {
    let mut project = TestProject::running(1);
    for i in 1..=600u64 {
        let place = project.place(project.agent.kid());
        project.windows_with(|b| b.place.seq = place.seq + i * (1 << 20) - 1);
    }
    project.seal();
    refused_within_the_limit(&Bundle::from(&project));
}

#[test]
fn down_time_of_a_thousand_lives_takes_no_memory() {
    let mut project = TestProject::running(1);
    for years in [49, 200, 30_000, 280_000] {
        let from = project.now();
        let to = from + years * 366 * 86_400;
        project.events(vec![verify::testing::stretch(EventCode::Down, from, to)]);
    }
    // Nobody attests the time, so nothing but the dates themselves can tell.
    project.notes = vec![project.note(&project.checkpoint(), None)];
    let mut bundle = Bundle::from(&project);
    bundle.trust.period = None;
    refused_within_the_limit(&bundle);
}

#[test]
fn a_checkpoint_that_claims_a_log_of_any_size_takes_no_memory() {
    let project = TestProject::running(1);
    for size in [1 << 20, 1 << 40, u64::MAX] {
        let mut files = project.files();
        let checkpoint = Checkpoint { size, ..project.checkpoint() };
        files.insert(path::CHECKPOINT.to_owned(), project.note(&checkpoint, None));
        refused_within_the_limit(&Bundle { bytes: pack(&files), trust: project.trust() });
    }
}

/// As many notes as a careless operator could give to as many sizes: each is looked up, not searched for.
#[test]
fn thousands_of_notes_are_no_burden() {
    let mut project = TestProject::new();
    let mut tree = evidence::merkle::Frontier::new();
    tree.append(leaf(&project.entries[0]), |_, _, _| ());
    for i in 0..2000u32 {
        let bytes = i.to_be_bytes().to_vec();
        tree.append(leaf(&bytes), |_, _, _| ());
        project.entries.push(bytes);
        let origin = project.genesis.origin.clone();
        project.notes.push(project.note(&Checkpoint { origin, size: tree.size(), root: tree.root() }, None));
    }
    refused_within_the_limit(&Bundle::from(&project));
}

//! Windows, machines and ends of streams that are not there.

use evidence::payload::EventCode;
use verify::DefectCode as D;
use verify::report::Report;
use verify::testing::{START, STEP, TestProject, stretch};

use super::{Attack, Shown, attack, bent, resealed};
use crate::judge::Bundle;

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "window dropped",
        "a statement taken out of the log, the log sealed anew",
        statement_dropped,
        &[D::StreamSeq, D::MissingWindows],
    ),
    attack(
        "window dropped",
        "the agent leaves five minutes out",
        || {
            bent(|p| {
                p.skip(5);
                p.windows();
            })
        },
        &[D::WindowHole, D::MissingWindows],
    ),
    attack(
        "window dropped",
        "the agent leaves the last window of a batch out",
        one_window_short,
        &[D::WindowHole, D::MissingWindows],
    ),
    attack(
        "window dropped",
        "the agent leaves five minutes out and begins a new stream behind them",
        key_rotated_over_a_hole,
        &[D::MissingWindows],
    ),
    Attack {
        name: "window dropped",
        way: "the agent calls five bad minutes down time",
        bundle: called_down,
        shown: Shown::In("down time", |r| r.complete.presence.down_ms == 2 * 300_000 && unknown_ms(r) > 0),
    },
    attack(
        "machine left out",
        "a batch without one machine",
        || bent(|p| p.windows_with(without_the_second_machine)),
        &[D::WindowMachineLeftOut, D::MissingTail],
    ),
    attack(
        "machine left out",
        "every batch without one machine",
        never_measured,
        &[D::WindowMachineLeftOut, D::MissingMachine],
    ),
    attack(
        "machine left out",
        "a machine's columns all zero, as if it were a meter",
        || {
            bent(|p| {
                p.windows_with(|b| b.columns.values_mut().for_each(|c| c.values[5..].fill(0)));
            })
        },
        &[D::WindowStates, D::MissingTail],
    ),
    attack("tail truncated", "the last statements cut off, the log sealed anew", tail_cut, &[D::MissingTail]),
    attack(
        "tail truncated",
        "an older checkpoint that was honestly signed",
        older_checkpoint,
        &[D::SeenNote, D::MissingTail],
    ),
    attack("tail truncated", "the stream closed before the period ends", closed_early, &[D::MissingTail]),
    attack(
        "gateway lost data",
        "an older state of the log, continued by the agents",
        restored_backup,
        &[D::StreamSeq, D::MissingWindows],
    ),
    attack(
        "gateway lost data",
        "the agent signs the loss",
        || {
            bent(|p| {
                let (from, to) = (p.now(), p.now() + 300);
                p.skip(5);
                p.windows_with(|b| b.events = vec![stretch(EventCode::Loss, from, to)]);
            })
        },
        &[D::SignedLoss],
    ),
    attack("gateway lost data", "a tile of entries that no longer exists", tile_lost, &[D::LogTile]),
];

fn unknown_ms(report: &Report) -> u64 {
    let tables = &report.figures.as_ref().unwrap().tables;
    tables.iter().filter(|t| t.machine.is_none()).map(|t| t.times.unknown_ms).sum()
}

fn without_the_second_machine(batch: &mut evidence::payload::WindowBatch) {
    batch.machines.truncate(1);
    batch.columns.values_mut().for_each(|c| c.values.truncate(5));
}

fn statement_dropped() -> Bundle {
    let mut project = TestProject::running(4);
    project.entries.remove(2);
    resealed(project)
}

fn one_window_short() -> Bundle {
    bent(|p| {
        p.windows_with(|b| {
            b.n = 4;
            for column in b.columns.values_mut() {
                column.values.remove(9);
                column.values.remove(4);
            }
        });
        p.windows();
    })
}

/// A new stream has no window before its first, so only the machines' own time can show the hole.
fn key_rotated_over_a_hole() -> Bundle {
    use evidence::payload::KeyAction;
    use evidence::statement::Role;
    use verify::testing::Signer;
    bent(|p| {
        let old = p.agent.kid();
        let new = Signer::new(12, Role::Agent, "edge-1");
        p.key_change(KeyAction::Rotate, Some(old), Some(new.roster_key()), p.last_of(old));
        p.agent = new;
        p.skip(5);
        p.windows();
    })
}

fn called_down() -> Bundle {
    bent(|p| {
        let (from, to) = (p.now(), p.now() + 300);
        p.skip(5);
        p.windows_with(|b| b.events = vec![stretch(EventCode::Down, from, to)]);
    })
}

fn never_measured() -> Bundle {
    let mut project = TestProject::new();
    project.windows_with(without_the_second_machine);
    project.windows_with(without_the_second_machine);
    resealed(project)
}

fn tail_cut() -> Bundle {
    let mut project = TestProject::running(6);
    project.entries.truncate(5);
    resealed(project)
}

/// The agents have seen more: a note of a larger log is in the bundle.
fn older_checkpoint() -> Bundle {
    let mut project = TestProject::running(3);
    let older = project.notes[0].clone();
    project.windows();
    project.seal();
    project.entries.truncate(4);
    project.notes.push(older);
    Bundle::from(&project)
}

fn closed_early() -> Bundle {
    use evidence::payload::Close;
    use evidence::statement::Payload;
    let mut project = TestProject::running(3);
    let place = project.place(project.agent.kid());
    let close = Payload::Close(Close { place, reason: "end".into(), stream: None });
    let bytes = project.sign(&project.agent, project.now(), &close);
    project.push(project.agent.kid(), bytes);
    project.seal();
    let end = START + i64::from(20 * STEP);
    Bundle::from(&project).asked_for(START, end)
}

/// The statements that only the lost log had are not sent again.
fn restored_backup() -> Bundle {
    let mut project = TestProject::new();
    (0..4).for_each(|_| project.windows());
    project.entries.truncate(3);
    project.windows();
    project.windows();
    resealed(project)
}

fn tile_lost() -> Bundle {
    let project = TestProject::running(3);
    let mut files = project.files();
    files.retain(|path, _| !path.contains("tile/entries"));
    Bundle { bytes: verify::testing::pack(&files), trust: project.trust() }
}

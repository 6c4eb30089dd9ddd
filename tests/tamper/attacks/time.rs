//! Data made after or before the time they speak of.

use evidence::payload::{EventCode, SeenCheckpoint};
use verify::DefectCode as D;
use verify::report::TimeGrade;
use verify::testing::{START, TestProject, stretch};

use super::{Attack, Shown, attack, bent};
use crate::judge::Bundle;

pub(super) const ATTACKS: &[Attack] = &[
    attack("back-dated", "windows from before the project", before_the_genesis, &[D::WindowBeforeGenesis]),
    attack(
        "back-dated",
        "down time from before the project",
        down_before_the_genesis,
        &[D::EventContent, D::MissingWindows],
    ),
    Attack {
        name: "back-dated",
        way: "windows made up a day later",
        bundle: a_day_late,
        shown: Shown::In("late windows", |r| {
            r.time.late_windows == 5 && r.complete.presence.late_ms == 2 * 300_000 && nothing_counts(r)
        }),
    },
    attack(
        "back-dated",
        "the time key set back, although the agent had seen a later time",
        clock_set_back,
        &[D::TimeOrder, D::TimePremature],
    ),
    Attack {
        name: "back-dated",
        way: "late windows under a checkpoint whose cosignature is taken off",
        bundle: cosignature_taken_off,
        shown: Shown::In("that nobody attests the time", |r| {
            r.time.grade == TimeGrade::None && r.time.unattested_windows == 5
        }),
    },
    attack(
        "pre-computed",
        "windows of the next hour",
        || {
            let mut project = TestProject::new();
            (0..12).for_each(|_| project.windows());
            project.seal_at(START + 300);
            Bundle::from(&project)
        },
        &[D::TimePremature],
    ),
    attack(
        "pre-computed",
        "down time of the next hour in a statement of its own",
        || {
            bent_early(|p| {
                let (from, to) = (p.now(), p.now() + 3600);
                p.events(vec![stretch(EventCode::Down, from, to)]);
            })
        },
        &[D::TimePremature],
    ),
    attack(
        "pre-computed",
        "down time of the next hour behind the windows of this one",
        || {
            bent_early(|p| {
                let (from, to) = (p.now() + 300, p.now() + 3600);
                p.windows_with(|b| b.events = vec![stretch(EventCode::Down, from, to)]);
            })
        },
        &[D::TimePremature],
    ),
    attack(
        "pre-computed",
        "a checkpoint named that covers the windows themselves",
        || {
            bent(|p| {
                let (size, root) = (p.checkpoint().size + 1, [7; 32]);
                let time = p.now();
                p.windows_with(|b| {
                    b.checkpoint = Some(SeenCheckpoint { size, root, time, note_hash: [7; 32] });
                });
            })
        },
        &[D::SeenSize],
    ),
];

fn nothing_counts(report: &verify::Report) -> bool {
    report.complete.presence.present_ms == 0
}

fn before_the_genesis() -> Bundle {
    let mut project = TestProject::new();
    project.windows_with(|b| b.t0 -= 86_400);
    project.windows();
    project.seal();
    Bundle::from(&project).asked_for(START + 300, START + 600)
}

fn down_before_the_genesis() -> Bundle {
    let mut project = TestProject::new();
    project.windows_with(|b| b.events = vec![stretch(EventCode::Down, START - 86_400, START)]);
    project.seal();
    Bundle::from(&project).asked_for(START - 86_400, START + 300)
}

fn a_day_late() -> Bundle {
    let mut project = TestProject::new();
    project.windows();
    project.seal_at(project.now() + 86_400);
    Bundle::from(&project)
}

/// The agent saw a checkpoint of the true time; the next one claims an earlier.
fn clock_set_back() -> Bundle {
    let mut project = TestProject::running(1);
    let seen = project.now() + 10;
    project.windows();
    project.seal_at(seen - 5);
    // At that time the windows were not over either.
    Bundle::from(&project).asked_for(START, START + 300)
}

fn cosignature_taken_off() -> Bundle {
    let mut project = TestProject::running(1);
    project.windows();
    let note = project.note(&project.checkpoint(), None);
    project.notes.push(note);
    Bundle::from(&project)
}

/// An honest project in which something is signed before it happened: the seal is ten seconds behind the last
/// window, the period goes an hour further.
fn bent_early(bend: impl FnOnce(&mut TestProject)) -> Bundle {
    let mut project = TestProject::running(3);
    bend(&mut project);
    project.seal();
    let to = START + 900 + 3600;
    Bundle::from(&project).asked_for(START, to)
}

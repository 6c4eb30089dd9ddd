//! The log itself: rewritten, shown in two versions, replayed, reordered; receipts that say more than they may.

use evidence::note::Checkpoint;
use evidence::payload::{Plan, PlanBody, SeenCheckpoint};
use evidence::statement::Payload;
use verify::DefectCode as D;
use verify::testing::{ORIGIN, START, TestProject};

use super::{Attack, attack, bent, resealed};
use crate::judge::Bundle;

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "history re-signed",
        "a value changed in a logged statement",
        value_changed,
        &[D::EntrySignature, D::MissingTail],
    ),
    attack(
        "history re-signed",
        "a statement inserted before what an agent had seen",
        inserted,
        &[D::SeenRoot],
    ),
    attack(
        "history re-signed",
        "the agent signs its past anew, another machine had seen it",
        past_anew,
        &[D::SeenRoot],
    ),
    attack("split view", "the agent was shown another root of the same size", two_roots, &[D::SeenRoot]),
    attack("split view", "the agent was shown a note that is kept back", note_kept_back, &[D::SeenNote]),
    attack("split view", "two checkpoints of one size in one bundle", two_notes, &[D::SeenRoot]),
    attack("receipt index games", "filed under another entry", receipt_moved, &[D::Receipt]),
    attack(
        "receipt index games",
        "made for another index",
        || receipt(|c, r| r.index = c.size - 1),
        &[D::Receipt],
    ),
    attack(
        "receipt index games",
        "an index beyond its tree",
        || receipt(|c, r| r.index = c.size + 1),
        &[D::Receipt],
    ),
    attack(
        "receipt index games",
        "another tree size than the proof's",
        || receipt(|_, r| r.size -= 1),
        &[D::Receipt],
    ),
    attack("receipt index games", "a tree larger than the checkpoint's", receipt_of_more, &[D::Receipt]),
    attack(
        "receipt index games",
        "a root of another log",
        || receipt(|_, r| r.root = [7; 32]),
        &[D::Receipt],
    ),
    attack("receipt index games", "for an entry that does not exist", receipt_of_nothing, &[D::Receipt]),
    attack("replay and reorder", "a statement logged twice", replayed, &[D::StreamReplay]),
    attack("replay and reorder", "two statements exchanged", exchanged, &[D::StreamSeq, D::MissingWindows]),
    attack(
        "replay and reorder",
        "good windows signed again over a bad day",
        good_windows_again,
        &[D::WindowOverlap, D::MissingTail],
    ),
    attack("replay and reorder", "a statement of another project", other_project, &[D::EntryProject]),
    attack(
        "replay and reorder",
        "a numbered statement renumbered by the gateway",
        renumbered,
        &[D::EntrySignature, D::MissingTail],
    ),
];

/// Flips the lowest bit of some byte of the payload so that the statement still decodes.
fn changed_value(entry: &[u8]) -> Vec<u8> {
    let decodes = |bytes: &[u8]| evidence::statement::open(bytes).is_ok();
    let changed = (100..entry.len() - 66).rev().map(|at| {
        let mut bytes = entry.to_vec();
        bytes[at] ^= 1;
        bytes
    });
    changed.into_iter().find(|bytes| decodes(bytes)).unwrap()
}

fn value_changed() -> Bundle {
    let mut project = TestProject::new();
    (0..3).for_each(|_| project.windows());
    // The last of the three, so that no successor names its leaf.
    project.entries[3] = changed_value(&project.entries[3]);
    resealed(project)
}

fn a_plan(p: &TestProject) -> Vec<u8> {
    let place = p.place(p.registrar.kid());
    let body = PlanBody::Change { text: "another history".into() };
    let plan = Plan { place, effective_from: START, body, document: None };
    p.sign(&p.registrar, START, &Payload::Plan(Box::new(plan)))
}

fn inserted() -> Bundle {
    let mut project = TestProject::running(1);
    project.windows();
    let plan = a_plan(&project);
    project.entries.insert(1, plan);
    project.seal();
    // The note that the agent saw stays: without it, its absence would tell as much.
    Bundle::from(&project)
}

fn past_anew() -> Bundle {
    // Two histories of the same agent key; the second has seen the first one's checkpoint.
    let first = TestProject::running(2);
    let seen = SeenCheckpoint {
        size: first.checkpoint().size,
        root: first.checkpoint().root,
        time: first.now() + 10,
        note_hash: evidence::hash::sha256(&first.notes[0]),
    };
    let mut second = TestProject::new();
    second.windows_with(|b| b.clock.source = "another past".into());
    second.windows();
    second.windows_with(|b| b.checkpoint = Some(seen));
    second.notes.push(first.notes[0].clone());
    second.seal();
    Bundle::from(&second)
}

fn two_roots() -> Bundle {
    bent(|p| p.windows_with(|b| b.checkpoint.as_mut().unwrap().root = [9; 32]))
}

fn note_kept_back() -> Bundle {
    let mut project = TestProject::running(3);
    project.windows();
    project.seal();
    project.notes.remove(0);
    Bundle::from(&project)
}

fn two_notes() -> Bundle {
    let mut project = TestProject::running(3);
    let other = Checkpoint { root: [9; 32], ..project.checkpoint() };
    let note = project.note(&other, Some(project.now() + 10));
    project.notes.insert(0, note);
    Bundle::from(&project)
}

/// What a receipt claims.
struct Claim {
    index: u64,
    size: u64,
    root: [u8; 32],
}

fn receipt(change: impl FnOnce(&Checkpoint, &mut Claim)) -> Bundle {
    let mut project = TestProject::running(3);
    let honest = project.checkpoint();
    let mut claim = Claim { index: 1, size: honest.size, root: honest.root };
    change(&honest, &mut claim);
    project.receipt(1);
    let opened = evidence::receipt::open(
        &project.receipt_files[&1],
        project.receipts.public(),
        ORIGIN,
        evidence::hash::leaf(&project.entries[1]),
    );
    assert_eq!(opened.unwrap().root, honest.root);
    let proof = proof_of_the_second(&project);
    let bytes =
        evidence::receipt::seal(&project.receipts, ORIGIN, claim.size, claim.index, &proof, &claim.root);
    project.receipt_files.insert(1, bytes);
    Bundle::from(&project)
}

/// The proof of entry 1 in a log of four.
fn proof_of_the_second(project: &TestProject) -> Vec<[u8; 32]> {
    let leaf = |i: usize| evidence::hash::leaf(&project.entries[i]);
    assert_eq!(project.entries.len(), 4);
    vec![leaf(0), evidence::hash::node(&leaf(2), &leaf(3))]
}

fn receipt_moved() -> Bundle {
    let mut project = TestProject::running(3);
    project.receipt(1);
    let moved = project.receipt_files.remove(&1).unwrap();
    project.receipt_files.insert(2, moved);
    Bundle::from(&project)
}

fn receipt_of_more() -> Bundle {
    let mut longer = TestProject::running(4);
    longer.receipt(1);
    let mut project = TestProject::running(3);
    project.receipt_files = longer.receipt_files;
    Bundle::from(&project)
}

fn receipt_of_nothing() -> Bundle {
    let mut project = TestProject::running(3);
    project.receipt(1);
    let again = project.receipt_files[&1].clone();
    project.receipt_files.insert(99, again);
    Bundle::from(&project)
}

fn replayed() -> Bundle {
    bent(|p| {
        let again = p.entries[2].clone();
        p.entries.push(again);
    })
}

fn exchanged() -> Bundle {
    let mut project = TestProject::new();
    (0..3).for_each(|_| project.windows());
    project.entries.swap(2, 3);
    resealed(project)
}

fn good_windows_again() -> Bundle {
    let mut project = TestProject::running(3);
    project.windows_with(|b| b.t0 = START);
    project.seal();
    Bundle::from(&project)
}

fn other_project() -> Bundle {
    let mut project = TestProject::running(3);
    let name = std::mem::replace(&mut project.genesis.project, "SY-OTHER".into());
    let foreign = a_plan(&project);
    project.genesis.project = name;
    project.entries.push(foreign);
    project.seal();
    Bundle::from(&project)
}

fn renumbered() -> Bundle {
    let mut project = TestProject::new();
    (0..3).for_each(|_| project.windows());
    project.entries.remove(2);
    // seq 2 becomes 1: one bit of one byte, the smallest change that closes the gap.
    let at = project.entries[2].windows(2).position(|w| w == [0x02, 0x02]).unwrap();
    project.entries[2][at + 1] = 0x01;
    resealed(project)
}

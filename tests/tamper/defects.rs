//! One bundle for each defect code, by a named attack, which shows that code and no other. Where a code cannot
//! come alone, the row says what comes with it and why.

use std::collections::BTreeSet;

use evidence::bundle::path;
use evidence::note::{Checkpoint, LineType, Note, VerifierKey};
use evidence::payload::{EventCode, KeyAction, Plan, PlanBody};
use evidence::statement::{Payload, Role};
use verify::DefectCode as D;
use verify::testing::{ORIGIN, START, Signer, TestProject, pack, stretch, tampered};

use crate::judge::{Bundle, wrong};

/// The honest time before most attacks: three statements of five minutes.
const HONEST: i64 = 3 * 300;

/// One attack.
struct Row {
    code: D,
    attack: &'static str,
    bundle: fn(D) -> Bundle,
    with: &'static [D],
}

const fn row(code: D, attack: &'static str, bundle: fn(D) -> Bundle) -> Row {
    Row { code, attack, bundle, with: &[] }
}

const TABLE: &[Row] = &[
    row(D::BundleZip, "a byte before the archive", ready),
    row(D::BundleName, "a name that leaves its folder", ready),
    row(D::BundleManifest, "a file changed together with its checksum in the zip", ready),
    row(D::BundleFile, "the checkpoint left out, manifests made anew", ready),
    row(D::CheckpointNote, "a text in place of the checkpoint", ready),
    row(D::CheckpointSignature, "a checkpoint that somebody else signed", signed_by_nobody),
    row(D::CheckpointOrigin, "a checkpoint of another log under the same key", ready),
    row(D::CheckpointCosignature, "a cosignature moved from another checkpoint", ready),
    Row {
        code: D::LogRoot,
        attack: "a root that is not that of the entries",
        bundle: ready,
        // The bundle's own checkpoint is one that somebody has seen: its root is not in the history either.
        with: &[D::SeenRoot],
    },
    row(D::LogTile, "the entries left out", ready),
    row(D::LogHashTile, "a hash changed in a tile", ready),
    row(D::Receipt, "a receipt filed under another entry", ready),
    row(D::GenesisMissing, "a log that begins with a plan", ready),
    row(D::GenesisContent, "a machine of an agent that has no key", ready),
    row(D::GenesisDefinition, "a state mapping whose text nobody wrote down", ready),
    row(D::GenesisSecond, "the project founded a second time", ready),
    row(D::TrustLog, "a genesis that names another log key", another_log_in_the_genesis),
    row(D::TrustReceipt, "a genesis that names another receipt key", ready),
    row(D::TrustRegistrar, "a genesis signed by a stranger", ready),
    row(D::TrustOperatorTime, "a genesis that names another time key", ready),
    row(D::EntryCoding, "a byte behind a statement's end", ready),
    row(D::EntryProject, "windows of another project", in_honest_time),
    row(D::EntrySignature, "a signature with one bit changed", in_honest_time),
    row(D::KeyUnenrolled, "windows signed by a stranger's key", in_honest_time),
    row(D::KeyRevoked, "windows signed after the key was revoked", in_honest_time),
    row(D::KeyIdentity, "an agent that calls itself by another's name", in_honest_time),
    row(D::KeyChange, "a key rotated to another holder", ready),
    row(D::StreamFrozen, "statements while frozen, the fork settled afterwards", settled_too_late),
    row(D::StreamSeq, "a word of the registrar dropped", a_plan_dropped),
    row(D::StreamPrev, "a statement that follows another history", ready),
    row(D::StreamEquivocation, "two statements with one number", in_honest_time),
    row(D::StreamReplay, "a statement logged twice", ready),
    row(D::StreamClosed, "windows after the stream's end", in_honest_time),
    row(D::WindowGrid, "windows of half the length", in_honest_time),
    row(D::WindowHole, "a stream that skips five minutes", in_honest_time),
    row(D::WindowBeforeGenesis, "windows of the day before the project", back_dated),
    row(D::WindowOverlap, "a minute signed twice", in_honest_time),
    row(D::WindowForeign, "a machine that nobody enrolled", one_machine_more),
    row(D::WindowMachineLeftOut, "a machine left out of a batch", in_honest_time),
    row(D::WindowColumn, "more reads answered than were due", in_honest_time),
    row(D::WindowStates, "more time in states than the window has", in_honest_time),
    row(D::EventContent, "a counter event of a column that does not exist", ready),
    row(D::DefinitionsHash, "definitions that nobody approved", ready),
    row(D::SeenRoot, "a checkpoint seen that this log never had", ready),
    row(D::SeenSize, "a checkpoint seen before it could exist", ready),
    row(D::SeenNote, "the note that an agent names left out", ready),
    row(D::TimeOrder, "cosignatures whose times run backwards", ready),
    row(D::TimePremature, "windows logged before they were over", ready),
    row(D::MissingWindows, "an hour before the first window", ready),
    row(D::MissingMachine, "a machine with neither windows nor down time", one_machine_down),
    row(D::MissingAgent, "an agent that never signed", ready),
    row(D::MissingTail, "an hour behind the last window", ready),
    row(D::SignedLoss, "five minutes lost", ready),
];

/// The bundle that is kept for the code.
fn ready(code: D) -> Bundle {
    tampered(code).into()
}

/// The same before an assessor who asks for the time before the attack. What lies outside the period spoils
/// authenticity all the same, and nothing of the period is missing because of it.
fn in_honest_time(code: D) -> Bundle {
    ready(code).asked_for(START, START + HONEST)
}

/// An honest project, bent; the assessor asks for the time before.
fn bent(bend: impl FnOnce(&mut TestProject)) -> Bundle {
    let mut project = TestProject::running(3);
    bend(&mut project);
    project.seal();
    Bundle::from(&project).asked_for(START, START + HONEST)
}

fn signed_by_nobody(_: D) -> Bundle {
    let project = TestProject::running(3);
    let mut note = Note::new(project.checkpoint().text()).unwrap();
    note.sign("somebody", &project.time).unwrap();
    let mut files = project.files();
    files.insert(path::CHECKPOINT.to_owned(), note.encode());
    Bundle { bytes: pack(&files), trust: project.trust() }
}

fn another_log_in_the_genesis(_: D) -> Bundle {
    let other = Signer::new(99, Role::Registrar, "other").key.public().clone();
    let key = VerifierKey::new(ORIGIN, LineType::Text, other).unwrap();
    let mut project = TestProject::with(|g| g.log_vkey = key.to_string());
    project.windows();
    project.seal();
    Bundle::from(&project)
}

fn settled_too_late(_: D) -> Bundle {
    bent(|p| {
        let (kid, last) = (p.agent.kid(), p.last_of(p.agent.kid()));
        let place = p.place(kid);
        p.windows();
        p.windows_with(|b| b.place = place);
        p.windows();
        p.key_change(KeyAction::Unfreeze, Some(kid), None, last);
    })
}

fn a_plan_dropped(_: D) -> Bundle {
    bent(|p| {
        for text in ["first", "second"] {
            p.registrar_says(START, |place| {
                let body = PlanBody::Change { text: text.into() };
                Payload::Plan(Box::new(Plan { place, effective_from: START, body, document: None }))
            });
        }
        let first = p.entries.len() - 2;
        p.entries.remove(first);
    })
}

fn back_dated(code: D) -> Bundle {
    // The windows of the day before, then honest ones: only those are asked for.
    ready(code).asked_for(START + 300, START + 600)
}

fn one_machine_more(_: D) -> Bundle {
    bent(|p| {
        p.windows_with(|b| {
            b.machines.push(5);
            b.columns.values_mut().for_each(|c| c.values.extend_from_within(..5));
        });
    })
}

fn one_machine_down(_: D) -> Bundle {
    let mut project = TestProject::new();
    let from = project.now();
    project.skip(5);
    let to = project.now();
    let down = stretch(EventCode::Down, from, to);
    project.events(vec![evidence::payload::Event { machine: Some(0), ..down }]);
    project.seal();
    Bundle::from(&project)
}

#[test]
fn the_table_holds_every_code_and_each_once() {
    let shown: BTreeSet<D> = TABLE.iter().map(|row| row.code).collect();
    let all: BTreeSet<D> = D::ALL.iter().copied().collect();
    assert_eq!(shown, all);
    assert_eq!(TABLE.len(), D::ALL.len(), "a code has two rows");
}

#[test]
fn every_attack_shows_its_code_and_nothing_that_does_not_follow_from_it() {
    let found: Vec<String> = TABLE
        .iter()
        .filter_map(|row| {
            let want = [&[row.code], row.with].concat();
            let wrong = wrong(&(row.bundle)(row.code).judged(), &want)?;
            Some(format!("{} by {}: {wrong}", row.code, row.attack))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_honest_bundle_shows_no_code_at_all() {
    let mut project = TestProject::running(3);
    project.receipt(2);
    assert_eq!(wrong(&Bundle::from(&project).judged(), &[]), None);
}

#[test]
fn a_checkpoint_of_another_size_than_the_entries_is_refused_whatever_its_root() {
    let project = TestProject::running(3);
    for size in [0, 1, 3, 5, 255, 256, u64::MAX] {
        let checkpoint = Checkpoint { size, ..project.checkpoint() };
        let mut files = project.files();
        files.insert(path::CHECKPOINT.to_owned(), project.note(&checkpoint, Some(project.now() + 10)));
        let bundle = Bundle { bytes: pack(&files), trust: project.trust() };
        assert_eq!(bundle.judged().exit_code(), 1, "size {size}");
    }
}

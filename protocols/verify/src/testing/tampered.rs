//! One bundle for each defect code: the same project bent in exactly the way the code names. Where a defect
//! must entail another (a withheld statement leaves its windows missing), the others follow from it.

#![expect(clippy::unwrap_used, reason = "what is bent here is made of constants; a failure is a failed test")]

use std::collections::BTreeMap;

use evidence::bundle::path;
use evidence::note::{Checkpoint, Note};
use evidence::payload::{Close, Event, EventCode, EventValue, KeyAction, Plan, PlanBody};
use evidence::statement::{Payload, Role};
use kpi::{Period, column};

use super::{ORIGIN, PROJECT, START, STEP, Signer, TIME_NAME, TestProject, pack, stretch};
use crate::code::DefectCode;
use crate::trust::Trust;

/// A bent bundle and what must be found.
pub struct Tampered {
    /// The code it is made for.
    pub code: DefectCode,
    /// The file.
    pub bundle: Vec<u8>,
    /// The assessor's trust.
    pub trust: Trust,
}

type Files = BTreeMap<String, Vec<u8>>;

/// The bundle made for a code.
pub fn tampered(code: DefectCode) -> Tampered {
    let (bundle, trust) = bend(code);
    Tampered { code, bundle, trust }
}

/// One arm a code, so that a new code cannot be forgotten.
#[expect(clippy::too_many_lines, reason = "a table with one arm a code")]
fn bend(code: DefectCode) -> (Vec<u8>, Trust) {
    use DefectCode as D;
    match code {
        D::BundleZip => {
            let (mut bundle, trust) = honest();
            bundle.insert(0, b'P');
            (bundle, trust)
        }
        D::BundleName => raw(|bytes| replace(bytes, b"data/log/checkpoint", b"data/../checkpoints")),
        D::BundleManifest => raw(|bytes| change_file(bytes, b"/data/log/checkpoint")),
        D::BundleFile => files(|files| {
            files.remove(path::CHECKPOINT);
        }),
        D::CheckpointNote => files(|files| {
            files.insert(path::CHECKPOINT.to_owned(), b"no note".to_vec());
        }),
        D::CheckpointSignature => project(|p| {
            let mut note = Note::new(p.checkpoint().text()).unwrap();
            note.sign("somebody", &p.time).unwrap();
            p.notes.push(note.encode());
        }),
        D::CheckpointOrigin => project(|p| {
            let checkpoint = Checkpoint { origin: "log.test/other".to_owned(), ..p.checkpoint() };
            let note = p.note(&checkpoint, Some(p.now() + 10));
            p.notes = vec![note];
        }),
        D::CheckpointCosignature => project(|p| {
            // A line with the name and key hash of the time key over another text.
            let other = Checkpoint { size: 1, ..p.checkpoint() };
            let good = String::from_utf8(p.note(&p.checkpoint(), None)).unwrap();
            let wrong = String::from_utf8(p.note(&other, Some(p.now() + 10))).unwrap();
            let line = wrong.lines().find(|l| l.contains(TIME_NAME)).unwrap();
            p.notes = vec![format!("{good}{line}\n").into_bytes()];
        }),
        D::LogRoot => project(|p| {
            let checkpoint = Checkpoint { root: [7; 32], ..p.checkpoint() };
            p.notes = vec![p.note(&checkpoint, Some(p.now() + 10))];
        }),
        D::LogTile => files(|files| {
            files.retain(|path, _| !path.starts_with("data/log/tile/entries"));
        }),
        D::LogHashTile => files(|files| {
            let tile = files.iter_mut().find(|(path, _)| path.starts_with("data/log/tile/0/")).unwrap().1;
            tile[0] ^= 1;
        }),
        D::Receipt => project(|p| {
            p.receipt(1);
            let moved = p.receipt_files.remove(&1).unwrap();
            p.receipt_files.insert(2, moved);
        }),
        D::GenesisMissing => {
            let mut p = TestProject::new();
            p.entries.clear();
            let place = evidence::payload::Place::default();
            let body = PlanBody::Change { text: "no genesis".into() };
            let plan = Plan { place, effective_from: START, body, document: None };
            let bytes = p.sign(&p.registrar, START, &Payload::Plan(Box::new(plan)));
            p.entries.push(bytes);
            sealed(p)
        }
        D::GenesisContent => {
            let mut p = TestProject::with(|g| g.machines[1].agent = "nobody".into());
            p.windows();
            sealed(p)
        }
        D::GenesisDefinition => {
            let mut p = TestProject::with(|g| g.machines[1].mapping = [9; 32]);
            p.windows();
            sealed(p)
        }
        D::GenesisSecond => project(|p| {
            let genesis = Payload::Genesis(Box::new(p.genesis.clone()));
            let bytes = p.sign(&p.registrar, START, &genesis);
            p.entries.push(bytes);
            p.seal();
        }),
        D::TrustLog => trust(|t, other| {
            let key = other.key.public().clone();
            t.log = evidence::note::VerifierKey::new(ORIGIN, evidence::note::LineType::Text, key).unwrap();
        }),
        D::TrustReceipt => trust(|t, other| t.receipt = other.key.public().clone()),
        D::TrustRegistrar => trust(|t, other| t.registrar = other.key.public().clone()),
        D::TrustOperatorTime => trust(|t, other| t.operator_time = Some(super::time_key(&other.key))),
        D::EntryCoding => project(|p| {
            // A statement with one byte behind its end.
            let mut longer = p.entries[1].clone();
            longer.push(0);
            p.entries.push(longer);
            p.seal();
        }),
        D::EntryProject => project(|p| {
            let name = std::mem::replace(&mut p.genesis.project, "SY-OTHER".into());
            p.windows();
            p.genesis.project = name;
            p.seal();
        }),
        D::EntrySignature => project(|p| {
            let batch = p.batch();
            let mut bytes = p.sign(&p.agent, batch.end(), &Payload::Window(Box::new(batch)));
            *bytes.last_mut().unwrap() ^= 1;
            p.push(p.agent.kid(), bytes);
            p.seal();
        }),
        D::KeyUnenrolled => project(|p| as_somebody(p, &Signer::new(77, Role::Agent, "edge-1"))),
        D::KeyRevoked => project(|p| {
            let last = p.last_of(p.agent.kid());
            p.key_change(KeyAction::Revoke, Some(p.agent.kid()), None, last);
            p.windows();
            p.seal();
        }),
        D::KeyIdentity => project(|p| as_somebody(p, &Signer::new(2, Role::Agent, "edge-2"))),
        D::KeyChange => project(|p| {
            // A first agent's key cannot be replaced by one of another holder.
            let new = Signer::new(78, Role::Agent, "edge-2");
            let last = p.last_of(p.agent.kid());
            p.key_change(KeyAction::Rotate, Some(p.agent.kid()), Some(new.roster_key()), last);
            p.seal();
        }),
        D::StreamFrozen => project(|p| {
            twin(p);
            p.windows();
            p.seal();
        }),
        D::StreamSeq => project(|p| {
            p.entries.remove(2);
            p.notes.clear();
            p.seal();
        }),
        D::StreamPrev => project(|p| {
            p.windows_with(|b| b.place.prev = Some([9; 32]));
            p.seal();
        }),
        D::StreamEquivocation => project(|p| {
            twin(p);
            p.seal();
        }),
        D::StreamReplay => project(|p| {
            let again = p.entries[2].clone();
            p.entries.push(again);
            p.seal();
        }),
        D::StreamClosed => project(|p| {
            let place = p.place(p.agent.kid());
            let close = Payload::Close(Close { place, reason: "end".into(), stream: None });
            let bytes = p.sign(&p.agent, p.now(), &close);
            p.push(p.agent.kid(), bytes);
            p.windows();
            p.seal();
        }),
        D::WindowGrid => project(|p| {
            p.windows_with(|b| {
                b.step = 30;
                for column in b.columns.values_mut() {
                    column.values.iter_mut().for_each(|v| *v /= 2);
                }
            });
            p.seal();
        }),
        D::WindowHole => project(|p| {
            p.skip(5);
            p.windows();
            p.seal();
        }),
        D::WindowBeforeGenesis => {
            let mut p = TestProject::new();
            p.windows_with(|b| b.t0 -= 86_400);
            p.windows();
            sealed(p)
        }
        D::WindowOverlap => project(|p| {
            p.windows_with(|b| b.t0 -= i64::from(STEP));
            p.seal();
        }),
        D::WindowForeign => project(|p| {
            p.windows_with(|b| b.machines[1] = 5);
            p.seal();
        }),
        D::WindowMachineLeftOut => project(|p| {
            p.windows_with(|b| {
                b.machines.truncate(1);
                b.columns.values_mut().for_each(|c| c.values.truncate(5));
            });
            p.seal();
        }),
        D::WindowColumn => project(|p| {
            p.windows_with(|b| b.columns.get_mut(&column::READS_GOOD).unwrap().values[0] = 61);
            p.seal();
        }),
        D::WindowStates => project(|p| {
            p.windows_with(|b| {
                let state = b.columns.range_mut(0..=8).next().unwrap().1;
                state.values.iter_mut().for_each(|v| *v += 1);
            });
            p.seal();
        }),
        D::EventContent => project(|p| {
            p.windows_with(|b| {
                let (before, after) = (EventValue::Counter(99, 1), EventValue::Counter(99, 0));
                let (t_ms, code) = (b.t0 * 1000, EventCode::Counter);
                b.events = vec![Event { t_ms, code, machine: Some(0), before, after }];
            });
            p.seal();
        }),
        D::DefinitionsHash => project(|p| {
            p.windows_with(|b| b.definitions = [9; 32]);
            p.seal();
        }),
        D::SeenRoot => project(|p| {
            p.windows_with(|b| {
                let seen = b.checkpoint.as_mut().unwrap();
                seen.root = [9; 32];
            });
            p.seal();
        }),
        D::SeenSize => project(|p| {
            p.windows_with(|b| b.checkpoint.as_mut().unwrap().size = 1000);
            p.seal();
        }),
        D::SeenNote => project(|p| {
            p.windows();
            p.seal();
            p.notes.remove(0);
        }),
        D::TimeOrder => {
            let mut p = TestProject::new();
            p.windows();
            p.seal_at(p.now() + 600);
            p.windows();
            p.seal_at(p.now() + 10);
            (p.bundle(), p.trust())
        }
        D::TimePremature => {
            let mut p = TestProject::new();
            p.windows();
            p.seal_at(p.now() - 200);
            (p.bundle(), p.trust())
        }
        D::MissingWindows => {
            let (bundle, trust) = honest();
            let period = Some(Period { from: START - 3600, ..trust.period.unwrap() });
            (bundle, Trust { period, ..trust })
        }
        D::MissingMachine => {
            let mut p = TestProject::new();
            p.windows_with(|b| {
                b.machines.truncate(1);
                b.columns.values_mut().for_each(|c| c.values.truncate(5));
            });
            sealed(p)
        }
        D::MissingAgent => {
            let silent = Signer::new(79, Role::Agent, "edge-2");
            let mut p = TestProject::with(|g| {
                g.keys.push(silent.roster_key());
                let mut machine = g.machines[1].clone();
                (machine.index, machine.id, machine.agent) = (2, "press-04".into(), "edge-2".into());
                g.machines.push(machine);
            });
            p.windows();
            sealed(p)
        }
        D::MissingTail => {
            let (bundle, trust) = honest();
            let period = trust.period.map(|period| Period { to: period.to + 3600, ..period });
            (bundle, Trust { period, ..trust })
        }
        D::SignedLoss => project(|p| {
            let (from, to) = (p.now(), p.now() + 300);
            p.skip(5);
            p.windows_with(|b| b.events = vec![stretch(EventCode::Loss, from, to)]);
            p.seal();
        }),
    }
}

fn honest() -> (Vec<u8>, Trust) {
    project(|_| ())
}

/// The honest project of three statements, sealed, then bent.
fn project(bend: impl FnOnce(&mut TestProject)) -> (Vec<u8>, Trust) {
    let mut project = TestProject::running(3);
    bend(&mut project);
    (project.bundle(), project.trust())
}

fn sealed(mut project: TestProject) -> (Vec<u8>, Trust) {
    project.seal();
    (project.bundle(), project.trust())
}

/// The honest bundle with other files.
fn files(bend: impl FnOnce(&mut Files)) -> (Vec<u8>, Trust) {
    let project = TestProject::running(3);
    let mut files = project.files();
    bend(&mut files);
    (pack(&files), project.trust())
}

/// The honest bundle with other bytes.
fn raw(bend: impl FnOnce(&mut Vec<u8>)) -> (Vec<u8>, Trust) {
    let (mut bundle, trust) = honest();
    bend(&mut bundle);
    (bundle, trust)
}

/// The honest bundle before an assessor who trusts somebody else.
fn trust(bend: impl FnOnce(&mut Trust, &Signer)) -> (Vec<u8>, Trust) {
    let (bundle, mut trust) = honest();
    bend(&mut trust, &Signer::new(99, Role::Registrar, "bureau"));
    (bundle, trust)
}

/// The next batch, signed by somebody else.
fn as_somebody(p: &mut TestProject, signer: &Signer) {
    let mut batch = p.batch();
    batch.place = p.place(signer.kid());
    let bytes = p.sign(signer, batch.end(), &Payload::Window(Box::new(batch)));
    p.entries.push(bytes);
    p.seal();
}

/// A second, different statement with the number of the last one.
fn twin(p: &mut TestProject) {
    let place = p.place(p.agent.kid());
    p.windows();
    let mut twin = p.batch();
    (twin.place, twin.t0) = (place, twin.t0 - 300);
    let bytes = p.sign(&p.agent, twin.end(), &Payload::Window(Box::new(twin)));
    p.entries.push(bytes);
}

/// Changes a file's first byte and its checksums in the zip, but not its line in the manifest. The header before
/// the data has the CRC-32 16 bytes before the name, the directory 30 bytes before it (APPNOTE 4.3.7, 4.3.12).
fn change_file(bytes: &mut [u8], name: &[u8]) {
    let name = [PROJECT.as_bytes(), name].concat();
    let local = find(bytes, &name);
    let directory = local + 1 + find(&bytes[local + 1..], &name);
    let data = local + name.len();
    let mut size = [0; 4];
    size.copy_from_slice(&bytes[local - 8..local - 4]);
    let end = data + u32::from_le_bytes(size) as usize;
    bytes[data] ^= 1;
    let crc = crc32(&bytes[data..end]).to_le_bytes();
    bytes[local - 16..][..4].copy_from_slice(&crc);
    bytes[directory - 30..][..4].copy_from_slice(&crc);
}

/// CRC-32 of zip (APPNOTE 4.4.7), bit by bit: it is needed once.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|w| w == what).unwrap()
}

fn replace(bytes: &mut [u8], what: &[u8], with: &[u8]) {
    assert_eq!(what.len(), with.len());
    for at in 0..bytes.len() - what.len() {
        if bytes[at..].starts_with(what) {
            bytes[at..at + with.len()].copy_from_slice(with);
        }
    }
}

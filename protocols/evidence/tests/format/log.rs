//! Log, notes, receipts, enrolment and a whole bundle: golden bytes and properties.

use crate::examples::{self, agent_key, registrar_key, sealed};
use evidence::bundle::{BagInfo, BundleReader, BundleWriter, path};
use evidence::enrol::{EnrolError, Enrolment, ProposedMachine};
use evidence::hash::{Hash, leaf, sha256};
use evidence::key::SigningKey;
use evidence::merkle::{self, Frontier, ProofError};
use evidence::note::{Checkpoint, LineType, Note, NoteError, VerifierKey};
use evidence::payload::Flags;
use evidence::receipt::{self, ReceiptError};
use evidence::tile::{self, Tile};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io::Cursor;

const ORIGIN: &str = "gateway.example/SY-2024-017";
const TIME: u64 = 1_753_930_060;

struct Log {
    entries: Vec<Vec<u8>>,
    nodes: HashMap<(u32, u64), Hash>,
    roots: Vec<Hash>,
}

impl Log {
    fn new(entries: Vec<Vec<u8>>) -> Self {
        let (mut frontier, mut nodes) = (Frontier::new(), HashMap::new());
        let mut roots = vec![merkle::empty_root()];
        for entry in &entries {
            frontier.append(leaf(entry), |level, index, hash| {
                nodes.insert((level, index), hash);
            });
            roots.push(frontier.root());
        }
        Self { entries, nodes, roots }
    }

    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn root(&self) -> Hash {
        self.roots[self.entries.len()]
    }

    fn node(&self) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> {
        |level, index| Ok(self.nodes[&(level, index)])
    }

    fn inclusion(&self, index: u64) -> Vec<Hash> {
        let Ok(proof) = merkle::inclusion_proof(index, self.size(), self.node());
        proof
    }

    fn hash_tile(&self, tile: &Tile) -> Vec<u8> {
        let level = 8 * u32::from(tile.level.unwrap_or(0));
        let first = tile.index * tile::WIDTH;
        (first..first + u64::from(tile.width)).flat_map(|at| self.nodes[&(level, at)]).collect()
    }
}

fn log() -> Log {
    Log::new(examples::all().iter().map(|(key, role, payload)| sealed(key, *role, payload)).collect())
}

fn log_key() -> SigningKey {
    SigningKey::from_seed([21; 32])
}

fn time_key() -> SigningKey {
    SigningKey::from_seed([22; 32])
}

fn receipt_key() -> SigningKey {
    SigningKey::from_seed([23; 32])
}

fn checkpoint(log: &Log) -> Vec<u8> {
    let text = Checkpoint { origin: ORIGIN.into(), size: log.size(), root: log.root() }.text();
    let mut note = Note::new(text).unwrap();
    note.sign(ORIGIN, &log_key()).unwrap();
    note.cosign("gateway.example/operator-time", &time_key(), TIME).unwrap();
    note.sign("gateway.example/sm2", &SigningKey::sm2_from_secret(&[24; 32]).unwrap()).unwrap();
    note.encode()
}

fn vkeys() -> [VerifierKey; 3] {
    let sm2 = SigningKey::sm2_from_secret(&[24; 32]).unwrap();
    [
        VerifierKey::new(ORIGIN, LineType::Text, log_key().public().clone()).unwrap(),
        VerifierKey::new("gateway.example/operator-time", LineType::Cosignature, time_key().public().clone())
            .unwrap(),
        VerifierKey::new("gateway.example/sm2", LineType::Text, sm2.public().clone()).unwrap(),
    ]
}

fn receipts(log: &Log) -> Vec<Vec<u8>> {
    let seal = |i| receipt::seal(&receipt_key(), ORIGIN, log.size(), i, &log.inclusion(i), &log.root());
    (0..log.size()).map(seal).collect()
}

fn enrolment() -> Enrolment {
    Enrolment {
        agent: "edge-07".into(),
        project: "SY-2024-017".into(),
        key: agent_key().public().clone(),
        machines: vec![ProposedMachine {
            id: "cnc-01".into(),
            name: "五轴加工中心 1 号".into(),
            line: "A".into(),
            kind: "cnc".into(),
            columns: vec![0, 5, 8, 10, 11],
            mapping: "plumbline-mapping 1\nmachine cnc-01\nclass B\n".into(),
            planned_cycle_ms: Some(270_000),
            flags: Flags { digital: true, ..Flags::default() },
            identity: None,
            rated_w: Some(22_000),
            theoretical_cycle_ms: Some(240_000),
        }],
        step_s: 60,
        windows_per_statement: 5,
        program: "plumbline-agent 0.1.0".into(),
    }
}

fn bundle(log: &Log) -> Vec<u8> {
    let note = checkpoint(log);
    let mut files =
        BTreeMap::from([(path::CHECKPOINT.to_owned(), note.clone()), (path::note(&sha256(&note)), note)]);
    for tile in tile::hash_tiles(log.size()) {
        files.insert(path::tile(&tile), log.hash_tile(&tile));
    }
    for tile in tile::tiles_of(None, log.size()) {
        files.insert(path::tile(&tile), tile::encode_entries(log.entries.iter().map(Vec::as_slice)));
    }
    for (index, receipt) in receipts(log).into_iter().enumerate() {
        files.insert(path::receipt(index as u64), receipt);
    }
    let info = BagInfo { origin: ORIGIN.into(), partial: false };
    let mut writer = BundleWriter::new(Vec::new(), "SY-2024-017", &info).unwrap();
    for (path, bytes) in &files {
        writer.add(path, bytes).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn the_golden_log_has_not_changed() {
    let log = log();
    let bundle = bundle(&log);
    let vkeys: Vec<String> = vkeys().iter().map(ToString::to_string).collect();
    let made = serde_json::json!({
        "origin": ORIGIN,
        "entries": "the ten statements of statements.json in the order genesis, window, event, key, plan, declaration, annotation, audit, report, close",
        "leaves": log.entries.iter().map(|e| hex::encode(leaf(e))).collect::<Vec<_>>(),
        "roots": log.roots.iter().map(hex::encode).collect::<Vec<_>>(),
        "inclusion of 6 in 10": log.inclusion(6).iter().map(hex::encode).collect::<Vec<_>>(),
        "consistency of 6 with 10":
            merkle::consistency_proof(6, 10, log.node()).unwrap().iter().map(hex::encode).collect::<Vec<_>>(),
        "vkeys": vkeys,
        "checkpoint": String::from_utf8(checkpoint(&log)).unwrap(),
        "receipt key": receipt_key().public().to_string(),
        "receipts": receipts(&log).iter().map(hex::encode).collect::<Vec<_>>(),
        "enrolment": hex::encode(enrolment().seal(&agent_key()).unwrap()),
        "bundle": hex::encode(&bundle),
    });
    examples::golden("log.json", &made);
}

#[test]
fn the_bundle_holds_what_an_assessor_needs() {
    let made = log();
    let mut reader = BundleReader::open(Cursor::new(bundle(&made))).unwrap();
    let [log_vkey, operator, sm2] = vkeys();
    let (checkpoint, note) = Checkpoint::open(&reader.read(path::CHECKPOINT).unwrap(), &log_vkey).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (made.size(), made.root()));
    assert_eq!(note.verify(&operator), Ok(Some(TIME)));
    assert_eq!(note.verify(&sm2), Ok(None));
    let tile = Tile { level: None, index: 0, width: 10 };
    let bytes = reader.read(&path::tile(&tile)).unwrap();
    let entries = tile::decode_entries(&bytes, 10).unwrap();
    assert_eq!(entries, made.entries);
    for (index, entry) in (0u64..).zip(&entries) {
        let receipt = reader.read(&path::receipt(index)).unwrap();
        let opened = receipt::open(&receipt, receipt_key().public(), ORIGIN, leaf(entry)).unwrap();
        assert_eq!((opened.index, opened.root), (index, made.root()));
    }
    reader.check_rest().unwrap();
}

#[test]
fn a_note_with_a_line_of_another_key_under_the_same_name_is_not_signed_by_the_first() {
    let log = log();
    let [log_vkey, ..] = vkeys();
    let other = VerifierKey::new(ORIGIN, LineType::Text, time_key().public().clone()).unwrap();
    let note = Note::parse(&checkpoint(&log)).unwrap();
    assert_eq!(note.verify(&log_vkey), Ok(None));
    assert_eq!(note.verify(&other), Err(NoteError::Unsigned(ORIGIN.into())));
}

#[test]
fn a_cosignature_is_bound_to_its_time() {
    let bytes = checkpoint(&log());
    let text = String::from_utf8(bytes).unwrap();
    let [_, time, _] = vkeys();
    let line = text.lines().find(|l| l.contains("operator-time")).unwrap();
    let blob = line.rsplit(' ').next().unwrap();
    let mut changed = base64_of(blob);
    changed[11] ^= 1;
    let note = Note::parse(text.replace(blob, &to_base64(&changed)).as_bytes()).unwrap();
    assert_eq!(note.verify(&time), Err(NoteError::Signature("gateway.example/operator-time".into())));
}

fn base64_of(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn to_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn an_enrolment_survives_and_a_stranger_cannot_make_one() {
    let bytes = enrolment().seal(&agent_key()).unwrap();
    assert_eq!(Enrolment::open(&bytes).unwrap(), enrolment());
    assert!(enrolment().seal(&registrar_key()).is_err());
    let mut cut = bytes.clone();
    cut.pop();
    assert!(matches!(Enrolment::open(&cut), Err(EnrolError::Decode(_))));
    assert!(matches!(Enrolment::open(&vec![0; 800_000]), Err(EnrolError::Decode(_))));
}

fn leaves(n: u16) -> Log {
    Log::new((0..n).map(|i| i.to_be_bytes().to_vec()).collect())
}

proptest! {
    #[test]
    fn proofs_hold_for_their_leaf_and_tree_and_for_nothing_else(
        size in 1..600u16, at in any::<prop::sample::Index>(), old in any::<prop::sample::Index>(),
        wrong in any::<prop::sample::Index>(), bit in 0..8u8,
    ) {
        let log = leaves(size);
        let index = at.index(usize::from(size)) as u64;
        let hash = leaf(&log.entries[at.index(usize::from(size))]);
        let proof = log.inclusion(index);
        prop_assert_eq!(merkle::verify_inclusion(hash, index, log.size(), &proof, &log.root()), Ok(()));
        for other in [index + 1, index ^ 1] {
            if other != index && other < log.size() {
                prop_assert!(merkle::verify_inclusion(hash, other, log.size(), &proof, &log.root()).is_err());
            }
        }
        if !proof.is_empty() {
            let mut changed = proof.clone();
            let place = wrong.index(changed.len());
            changed[place][0] ^= 1 << bit;
            prop_assert_eq!(
                merkle::verify_inclusion(hash, index, log.size(), &changed, &log.root()), Err(ProofError::Root)
            );
            prop_assert_eq!(
                merkle::verify_inclusion(hash, index, log.size(), &proof[1..], &log.root()), Err(ProofError::Length)
            );
        }
        let old = old.index(usize::from(size)) + 1;
        let Ok(proof) = merkle::consistency_proof(old as u64, log.size(), log.node());
        let (before, after) = ((old as u64, &log.roots[old]), (log.size(), &log.root()));
        prop_assert_eq!(merkle::verify_consistency(before, after, &proof), Ok(()));
        if !proof.is_empty() {
            let mut changed = proof.clone();
            let place = wrong.index(changed.len());
            changed[place][31] ^= 1 << bit;
            prop_assert!(merkle::verify_consistency(before, after, &changed).is_err());
            prop_assert!(merkle::verify_consistency(before, after, &proof[1..]).is_err());
        }
    }

    #[test]
    fn receipts_hold_for_their_entry_only(size in 1..80u16, at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), value in any::<u8>()) {
        let log = leaves(size);
        let index = at.index(usize::from(size)) as u64;
        let hash = leaf(&log.entries[at.index(usize::from(size))]);
        let bytes = receipt::seal(&receipt_key(), ORIGIN, log.size(), index, &log.inclusion(index), &log.root());
        let opened = receipt::open(&bytes, receipt_key().public(), ORIGIN, hash).unwrap();
        prop_assert_eq!((opened.size, opened.index, opened.root), (log.size(), index, log.root()));
        prop_assert!(receipt::open(&bytes, receipt_key().public(), ORIGIN, leaf(b"another")).is_err());
        let mut changed = bytes.clone();
        let place = cut.index(bytes.len());
        changed[place] = value;
        prop_assert_eq!(
            receipt::open(&changed, receipt_key().public(), ORIGIN, hash).is_ok(), changed == bytes
        );
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), width in 0..300u16) {
        let _ = Note::parse(&bytes);
        let _ = Enrolment::open(&bytes);
        let _ = tile::decode_entries(&bytes, width);
        let _ = tile::decode_hashes(&bytes, width);
        prop_assert!(matches!(
            receipt::open(&bytes, receipt_key().public(), ORIGIN, [0; 32]), Err(ReceiptError::Decode(_))
        ));
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,80}", lines in "[a-z +\u{2014}\n]{0,60}") {
        let _ = text.parse::<VerifierKey>();
        let _ = Tile::from_path(&text);
        let _ = Checkpoint::parse(&text);
        let _ = Note::parse(lines.as_bytes());
        let _ = text.parse::<evidence::key::PublicKey>();
        let _ = SigningKey::from_pem(&text, None);
    }

    #[test]
    fn a_damaged_note_or_enrolment_is_refused(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let log = leaves(3);
        let bytes = checkpoint(&log);
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = value;
        let [log_vkey, time, sm2] = vkeys();
        let verified = Checkpoint::open(&changed, &log_vkey)
            .is_ok_and(|(_, note)| note.verify(&time).is_ok() && note.verify(&sm2).is_ok());
        prop_assert_eq!(verified, changed == bytes);
        let bytes = enrolment().seal(&agent_key()).unwrap();
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = value;
        prop_assert_eq!(Enrolment::open(&changed).is_ok(), changed == bytes);
    }

    #[test]
    fn tile_paths_and_numbers_are_one_to_one(level in prop::option::of(0..8u8), index in 0..1u64 << 40, width in 1..=256u16) {
        let tile = Tile { level, index, width };
        prop_assert_eq!(Tile::from_path(&tile.path()), Some(tile));
    }
}

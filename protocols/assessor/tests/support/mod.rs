//! A whole small project made in memory: a draft with a request, a signed genesis, an hour of windows and the
//! bundle that a gateway would export. Keys are fixed, so that the same call gives the same bytes.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use evidence::bundle::{BagInfo, BundleWriter, path};
use evidence::column::Column;
use evidence::enrol::{Enrolment, ProposedMachine};
use evidence::key::SigningKey;
use evidence::merkle::Frontier;
use evidence::note::{Checkpoint, LineType, Note, VerifierKey};
use evidence::payload::{
    ClockClaim, ClockStatus, Flags, Genesis, Place, RawCommitment, WindowBatch, definitions_in_force,
};
use evidence::statement::{self, Payload, Role};
use evidence::{hash, tile};
use verify::Draft;

/// The log's name.
pub(crate) const LOG: &str = "plumbline.example/SY-2024-017";
/// The project.
pub(crate) const PROJECT: &str = "SY-2024-017";
/// First second of the windows, UTC.
pub(crate) const START: i64 = 1_770_001_200;
/// Windows of a minute, five a statement, twelve statements.
pub(crate) const STATEMENTS: i64 = 12;

const LOG_KEY: u8 = 1;
const RECEIPT_KEY: u8 = 2;
const TIME_KEY: u8 = 3;
const AGENT_KEY: u8 = 7;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

fn vkey(seed: u8, line: LineType) -> String {
    VerifierKey::new(LOG, line, key(seed).public().clone()).unwrap().to_string()
}

/// A draft of one agent with machines of the names given.
pub(crate) fn draft(names: &[&str]) -> Draft {
    let machine = |(i, name): (usize, &&str)| ProposedMachine {
        id: format!("press-0{i}"),
        name: (*name).to_owned(),
        line: "A".into(),
        kind: "press".into(),
        columns: (0..=20).filter(|c| ![9, 14, 15].contains(c)).collect(),
        flags: Flags { digital: true, ..Flags::default() },
        mapping: format!("producing = power > {i}500\noff = power < 20\n"),
        ..ProposedMachine::default()
    };
    let request = Enrolment {
        agent: "edge-07".into(),
        project: PROJECT.into(),
        key: key(AGENT_KEY).public().clone(),
        machines: names.iter().enumerate().map(machine).collect(),
        step_s: 60,
        windows_per_statement: 5,
        program: "test".into(),
    };
    let mut draft = Draft {
        project: PROJECT.into(),
        origin: LOG.into(),
        log_vkey: vkey(LOG_KEY, LineType::Text),
        receipt_key: key(RECEIPT_KEY).public().to_string(),
        operator_time_vkey: Some(vkey(TIME_KEY, LineType::Cosignature)),
        witness_policy: None,
        step_s: 60,
        windows_per_statement: 5,
        max_lag_s: 86_400,
        utc_offset_min: 480,
        clock_tolerance_s: 60,
        raw_retention_days: 400,
        demo: true,
        agent: vec![],
        key: vec![],
        machine: vec![],
        period: vec![],
        definition: vec![],
    };
    draft.collect(&request.seal(&key(AGENT_KEY)).unwrap()).unwrap();
    draft
}

/// Writes the draft and a passphrase file.
pub(crate) fn folder_with(draft: &Draft) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("draft.toml"), toml::to_string(draft).unwrap()).unwrap();
    std::fs::write(folder.path().join("pass"), "a passphrase\n").unwrap();
    folder
}

/// The genesis statement's bytes to the bundle's: the genesis, `statements` window statements, one checkpoint.
pub(crate) fn bundle(genesis: &[u8], statements: i64) -> Vec<u8> {
    let opened = statement::open(genesis).unwrap();
    let Payload::Genesis(roster) = &opened.payload else { panic!("no genesis") };
    let mut entries = vec![genesis.to_vec()];
    let mut place = Place::default();
    for batch in 0..statements {
        let payload = Payload::Window(Box::new(windows(roster, place, batch)));
        let at = START + batch * 300 + 301;
        let bytes = statement::seal(&key(AGENT_KEY), Role::Agent, "edge-07", PROJECT, at, &payload).unwrap();
        place = Place { seq: place.seq + 1, prev: Some(hash::leaf(&bytes)) };
        entries.push(bytes);
    }
    packed(&entries, START + statements * 300 + 5)
}

/// Five minutes of every machine: mostly producing, idle in each third minute; 100 Wh and one piece a minute.
fn windows(roster: &Genesis, place: Place, batch: i64) -> WindowBatch {
    let machines = roster.machines.len();
    let minutes: Vec<i64> = (batch * 5..batch * 5 + 5).collect();
    let column = |exponent: i8, value: &dyn Fn(i64, i64) -> i64| Column {
        exponent,
        values: (0..machines)
            .flat_map(|m| minutes.iter().map(move |minute| (m, *minute)))
            .map(|(m, minute)| value(i64::try_from(m).unwrap(), minute))
            .collect(),
    };
    let mappings: Vec<_> = roster.machines.iter().map(|m| (m.index, m.mapping)).collect();
    // Differences that vary, as a real meter's do: neither constant nor a repeated run.
    let energy = |m: i64, minute: i64| 100 * minute + (minute * minute * 37 + m * 11) % 89;
    let columns = BTreeMap::from([
        (5, column(0, &|_, minute| if minute % 3 == 0 { 30_000 } else { 60_000 })),
        (8, column(0, &|_, minute| if minute % 3 == 0 { 30_000 } else { 0 })),
        (10, column(0, &energy)),
        (11, column(0, &|_, _| 1)),
        (12, column(0, &|_, minute| minute)),
        (13, column(0, &|_, _| 1)),
        (16, column(0, &|_, _| 60)),
        (17, column(0, &|_, _| 60)),
        (18, column(0, &|_, _| 60_000)),
        (19, column(0, &|_, _| 12)),
        (20, column(0, &|_, _| 1)),
    ]);
    WindowBatch {
        place,
        boot_epoch: 1,
        t0: START + batch * 300,
        step: 60,
        n: 5,
        clock: ClockClaim {
            status: ClockStatus::Synchronised,
            offset_ms: 3,
            source: "ntp".into(),
            mono_ms: u64::try_from((batch + 1) * 300_000).unwrap(),
        },
        checkpoint: None,
        machines: roster.machines.iter().map(|m| m.index).collect(),
        columns,
        raw: RawCommitment::default(),
        definitions: definitions_in_force(&roster.definitions, &mappings),
        events: vec![],
    }
}

fn packed(entries: &[Vec<u8>], time: i64) -> Vec<u8> {
    let mut frontier = Frontier::new();
    let mut leaves = Vec::new();
    for entry in entries {
        let leaf = hash::leaf(entry);
        leaves.extend_from_slice(&leaf);
        frontier.append(leaf, |_, _, _| ());
    }
    let size = u64::try_from(entries.len()).unwrap();
    let checkpoint = Checkpoint { origin: LOG.into(), size, root: frontier.root() };
    let mut note = Note::new(checkpoint.text()).unwrap();
    note.sign(LOG, &key(LOG_KEY)).unwrap();
    note.cosign(LOG, &key(TIME_KEY), u64::try_from(time).unwrap()).unwrap();

    let mut files = BTreeMap::from([(path::CHECKPOINT.to_owned(), note.encode())]);
    let hashes = tile::hash_tiles(size).next().unwrap();
    files.insert(path::tile(&hashes), leaves);
    let held = tile::tiles_of(None, size).next().unwrap();
    files.insert(path::tile(&held), tile::encode_entries(entries.iter().map(Vec::as_slice)));
    let info = BagInfo { origin: LOG.into(), partial: false };
    let mut writer = BundleWriter::new(Cursor::new(Vec::new()), PROJECT, &info).unwrap();
    for (path, bytes) in files {
        writer.add(&path, &bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A signed project in a folder: `bundle.zip`, and `trust.toml` with the period of all twelve statements.
pub(crate) fn project(names: &[&str], statements: i64) -> tempfile::TempDir {
    let folder = folder_with(&draft(names));
    let at = |name: &str| folder.path().join(name);
    assessor::keygen(&at("registrar.pem"), evidence::key::Alg::Ed25519, None).unwrap();
    let files = sign(folder.path());
    let genesis = std::fs::read(&files.genesis).unwrap();
    std::fs::write(at("bundle.zip"), bundle(&genesis, statements)).unwrap();
    let anchors = std::fs::read_to_string(&files.trust).unwrap();
    let period = format!("{anchors}period = [{START}, {}]\n", START + STATEMENTS * 300);
    std::fs::write(at("trust.toml"), period).unwrap();
    folder
}

fn sign(folder: &Path) -> assessor::GenesisFiles {
    assessor::genesis(assessor::GenesisRequest {
        draft: &folder.join("draft.toml"),
        key: &folder.join("registrar.pem"),
        passphrase: None,
        registrar_id: "registrar",
        out: folder,
        now: START - 600,
    })
    .unwrap()
}

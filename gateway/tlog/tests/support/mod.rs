//! A small project to try logs with: a registrar, two agents, and statements they sign.

#![allow(
    clippy::unnecessary_wraps,
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part of this module"
)]

pub mod faulty;

use evidence::Hash;
use evidence::key::{Kid, SigningKey};
use evidence::payload::{
    Calendar, ClockClaim, ClockStatus, Definition, Flags, Genesis, KeyAction, KeyChange, LastAccepted,
    Machine, Place, RawCommitment, RosterKey, SeenCheckpoint, WindowBatch, definitions_in_force,
};
use evidence::statement::{self, Payload, Role};
use std::collections::BTreeMap;
use tlog::{Answer, Arrival, Ingested, Log, Read, SqliteLog, Store};

pub const PROJECT: &str = "ningbo-2026";
pub const STEP: u32 = 60;

/// Who signs, with their stream as they see it.
pub struct Signer {
    pub key: SigningKey,
    pub role: Role,
    pub id: String,
    pub seq: u64,
    pub prev: Option<Hash>,
}

impl Signer {
    pub fn new(seed: u8, role: Role, id: &str) -> Self {
        Self { key: SigningKey::from_seed([seed; 32]), role, id: id.into(), seq: 0, prev: None }
    }

    pub fn kid(&self) -> Kid {
        self.key.public().kid()
    }

    fn place(&self) -> Place {
        Place { seq: self.seq, prev: self.prev }
    }

    pub fn seal(&self, project: &str, payload: &Payload) -> Vec<u8> {
        statement::seal(&self.key, self.role, &self.id, project, 1_790_000_000, payload).unwrap()
    }

    /// Goes on after a statement of this stream.
    pub fn advance(&mut self, bytes: &[u8]) {
        self.seq += 1;
        self.prev = Some(evidence::hash::leaf(bytes));
    }

    /// The next window statement; `salt` makes statements with one number differ.
    pub fn window(&self, machine: u32, salt: u64, seen: Option<SeenCheckpoint>) -> Vec<u8> {
        let mut batch = batch(machine, self.seq, salt);
        batch.place = self.place();
        batch.checkpoint = seen;
        self.seal(PROJECT, &Payload::Window(Box::new(batch)))
    }

    /// The next window statement, taken for sent.
    pub fn next(&mut self, machine: u32) -> Vec<u8> {
        let bytes = self.window(machine, 0, None);
        self.advance(&bytes);
        bytes
    }

    /// The next key statement, taken for sent.
    pub fn key_change(&mut self, action: KeyAction, change: Change) -> Vec<u8> {
        let payload = Payload::Key(Box::new(KeyChange {
            place: self.place(),
            action,
            subject: change.subject,
            key: change.key,
            last_accepted: change.last.map(|(seq, leaf)| LastAccepted { seq, leaf }),
            machines: None,
            reason: "a test".into(),
        }));
        let bytes = self.seal(PROJECT, &payload);
        self.advance(&bytes);
        bytes
    }
}

#[derive(Default)]
pub struct Change {
    pub subject: Option<Kid>,
    pub key: Option<RosterKey>,
    pub last: Option<(u64, Hash)>,
}

pub fn roster_key(signer: &Signer) -> RosterKey {
    RosterKey { key: signer.key.public().clone(), role: signer.role, id: signer.id.clone() }
}

fn machine(index: u32, agent: &str) -> Machine {
    let mapping = Definition::new(format!("mapping/m{index}"), format!("mapping of m{index}"));
    Machine {
        index,
        id: format!("m{index}"),
        agent: agent.into(),
        name: format!("设备 {index}"),
        line: "L1".into(),
        columns: vec![1, 5, 10, 11, 16, 17],
        mapping: mapping.hash,
        planned_cycle_ms: None,
        flags: Flags::default(),
        identity: None,
        rated_w: None,
        theoretical_cycle_ms: None,
    }
}

fn batch(machine: u32, seq: u64, salt: u64) -> WindowBatch {
    let machine_mapping = self::machine(machine, "").mapping;
    let column = |values| evidence::column::Column { exponent: 0, values };
    WindowBatch {
        place: Place::default(),
        boot_epoch: 1,
        t0: 1_790_000_040 + i64::try_from(seq).unwrap() * 300,
        step: STEP,
        n: 5,
        clock: ClockClaim {
            status: ClockStatus::Synchronised,
            offset_ms: 3,
            source: "ntp".into(),
            mono_ms: 1000 + salt,
        },
        checkpoint: None,
        machines: vec![machine],
        columns: BTreeMap::from([
            (1, column(vec![60_000; 5])),
            (16, column(vec![60; 5])),
            (17, column(vec![60; 5])),
        ]),
        raw: RawCommitment { root: [9; 32], blocks: 1 },
        definitions: definitions_in_force(&[], &[(machine, machine_mapping)]),
        events: vec![],
    }
}

/// A project: its signers and genesis.
pub struct Plant {
    pub registrar: Signer,
    pub a: Signer,
    pub b: Signer,
    pub genesis: Vec<u8>,
}

impl Plant {
    pub fn new() -> Self {
        let mut registrar = Signer::new(1, Role::Registrar, "registrar");
        let (a, b) = (Signer::new(2, Role::Agent, "box-a"), Signer::new(3, Role::Agent, "box-b"));
        let genesis = Genesis {
            project: PROJECT.into(),
            origin: "gateway.example/ningbo-2026".into(),
            log_vkey: "gateway.example/ningbo-2026+00000000+AQ==".into(),
            receipt_key: SigningKey::from_seed([9; 32]).public().clone(),
            witness_policy: None,
            keys: [&registrar, &a, &b].map(roster_key).into(),
            machines: vec![machine(0, "box-a"), machine(1, "box-b")],
            step_s: STEP,
            windows_per_statement: 5,
            max_lag_s: 3600,
            utc_offset_min: 480,
            definitions: vec![],
            periods: vec![],
            calendar: Calendar::default(),
            raw_retention_days: 400,
            demo: false,
            nonce: [7; 16],
            operator_time_vkey: None,
            clock_tolerance_s: 60,
        };
        let bytes = registrar.seal(PROJECT, &Payload::Genesis(Box::new(genesis)));
        registrar.advance(&bytes);
        Self { registrar, a, b, genesis: bytes }
    }
}

pub struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn create(&self) -> SqliteLog {
        SqliteLog::create(&self.dir.path().join("log.sqlite")).unwrap()
    }

    pub fn open(&self) -> SqliteLog {
        SqliteLog::open(&self.dir.path().join("log.sqlite")).unwrap()
    }
}

/// One request with these statements.
pub fn push<S: Store>(log: &mut Log<S>, statements: &[&[u8]]) -> Ingested {
    try_push(log, statements).unwrap()
}

pub fn try_push<S: Store>(log: &mut Log<S>, statements: &[&[u8]]) -> Result<Ingested, tlog::IngestError> {
    let arrivals = statements.iter().map(|s| Arrival::check(s.to_vec(), log.keys())).collect();
    log.ingest(vec![arrivals])
}

/// The answers in short words: `stored 3`, `again 3`, `gap 4`, `frozen`, `second 7`, `never signature`.
pub fn words(ingested: &Ingested) -> Vec<String> {
    let word = |answer: &Answer| match answer {
        Answer::Stored { index, again: false, .. } => format!("stored {index}"),
        Answer::Stored { index, again: true, .. } => format!("again {index}"),
        Answer::Gap { expected, .. } => format!("gap {expected}"),
        Answer::Frozen { .. } => "frozen".into(),
        Answer::Equivocation { index, .. } => format!("second {index}"),
        Answer::Never { defect, .. } => format!("never {}", defect.word()),
    };
    ingested.answers.iter().flatten().map(word).collect()
}

/// A checkpoint in a form of our own: what it says matters to the log, not how it is signed.
pub fn sign(head: &tlog::Head, time_s: i64) -> Result<Vec<u8>, String> {
    Ok(format!("{} {} {time_s}", head.size, hex(&head.root)).into_bytes())
}

pub fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Every entry's (kid, seq, leaf) in order.
pub fn contents<R: Read>(store: &mut R) -> Vec<(Hash, u64, Hash)> {
    store.entries(0, u64::MAX).unwrap().into_iter().map(|e| (e.kid, e.seq, e.leaf)).collect()
}

//! Bundles made in memory: an honest project whose every byte can be bent before it is packed. For tests of
//! this crate and of others (feature `test-bundles`); no product contains it.
//!
//! The honest project: agent `edge-1` measures machine 0 (`cnc-01`: energy, parts, power) and machine 1
//! (`press-03`: energy, no controller interface) in windows of a minute, five a statement.

#![expect(clippy::unwrap_used, reason = "what is made here is made of constants; a failure is a failed test")]

mod tampered;

pub use tampered::{Tampered, tampered};

use std::collections::BTreeMap;

use evidence::bundle::{BagInfo, BundleWriter, path};
use evidence::hash::{leaf, sha256};
use evidence::key::{Kid, SigningKey};
use evidence::merkle::{Frontier, inclusion_proof};
use evidence::note::{Checkpoint, LineType, Note, VerifierKey};
use evidence::payload::{
    Calendar, ClockClaim, ClockStatus, Definition, Event, EventBatch, EventCode, EventValue, Flags, Genesis,
    KeyAction, KeyChange, LastAccepted, Machine, Place, RawCommitment, RosterKey, SeenCheckpoint,
    WindowBatch, definitions_in_force,
};
use evidence::statement::{Payload, Role, seal};
use evidence::tile::{encode_entries, tiles_of};
use evidence::{Hash, column::Column};
use kpi::{Amount, AmountQuality, MachineWindow, Period, column};

use crate::tree::Tree;
use crate::trust::Trust;

/// First window's start: 2026-03-02T00:00:00+08:00.
pub const START: i64 = 1_772_380_800;
/// Window length, s.
pub const STEP: u32 = 60;
/// Windows in one statement.
pub const PER_STATEMENT: u32 = 5;
/// Project id.
pub const PROJECT: &str = "SY-TEST";
/// Name of the log.
pub const ORIGIN: &str = "log.test/SY-TEST";
/// Name of the operator's time key.
pub const TIME_NAME: &str = "time.test";

/// Who signs.
pub struct Signer {
    /// Key.
    pub key: SigningKey,
    /// Role.
    pub role: Role,
    /// Id.
    pub id: String,
}

impl Signer {
    /// A signer whose key follows from `seed`.
    pub fn new(seed: u8, role: Role, id: &str) -> Self {
        Self { key: SigningKey::from_seed([seed; 32]), role, id: id.to_owned() }
    }

    /// Its key's thumbprint.
    pub fn kid(&self) -> Kid {
        self.key.public().kid()
    }

    /// As a line of the genesis.
    pub fn roster_key(&self) -> RosterKey {
        RosterKey { key: self.key.public().clone(), role: self.role, id: self.id.clone() }
    }
}

/// A project being made.
pub struct TestProject {
    /// Signs genesis, keys and plans.
    pub registrar: Signer,
    /// Signs windows.
    pub agent: Signer,
    /// Signs checkpoints.
    pub log: SigningKey,
    /// Signs receipts.
    pub receipts: SigningKey,
    /// Cosigns checkpoints.
    pub time: SigningKey,
    /// The genesis as it was signed.
    pub genesis: Genesis,
    /// Entries of the log.
    pub entries: Vec<Vec<u8>>,
    /// Checkpoint notes in order of their sizes.
    pub notes: Vec<Vec<u8>>,
    /// Receipts by index.
    pub receipt_files: BTreeMap<u64, Vec<u8>>,
    streams: BTreeMap<Kid, Place>,
    seen: Option<SeenCheckpoint>,
    registers: BTreeMap<u32, (i64, i64)>,
}

impl Default for TestProject {
    fn default() -> Self {
        Self::new()
    }
}

impl TestProject {
    /// The honest project with its genesis as entry 0.
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same with a changed genesis.
    pub fn with(change: impl FnOnce(&mut Genesis)) -> Self {
        let registrar = Signer::new(1, Role::Registrar, "bureau");
        let agent = Signer::new(2, Role::Agent, "edge-1");
        let (log, receipts, time) =
            (SigningKey::from_seed([3; 32]), SigningKey::from_seed([4; 32]), SigningKey::from_seed([5; 32]));
        let mut genesis = genesis(&registrar, &agent, &log, &receipts, &time);
        change(&mut genesis);
        let mut project = Self {
            registrar,
            agent,
            log,
            receipts,
            time,
            genesis,
            entries: Vec::new(),
            notes: Vec::new(),
            receipt_files: BTreeMap::new(),
            streams: BTreeMap::new(),
            seen: None,
            registers: BTreeMap::new(),
        };
        let payload = Payload::Genesis(Box::new(project.genesis.clone()));
        let (role, id) = (project.registrar.role, project.registrar.id.clone());
        let bytes = seal(&project.registrar.key, role, &id, &project.genesis.project, START - 60, &payload);
        project.push(project.registrar.kid(), bytes.unwrap());
        project
    }

    /// An honest project of `statements` window statements, sealed at its end.
    pub fn running(statements: u32) -> Self {
        let mut project = Self::new();
        for _ in 0..statements {
            project.windows();
        }
        project.seal();
        project
    }

    /// Appends an entry and moves a stream on.
    pub fn push(&mut self, kid: Kid, bytes: Vec<u8>) {
        let seq = self.streams.get(&kid).map_or(0, |p| p.seq + u64::from(p.prev.is_some()));
        self.streams.insert(kid, Place { seq, prev: Some(leaf(&bytes)) });
        self.entries.push(bytes);
    }

    /// The next place in a stream.
    pub fn place(&self, kid: Kid) -> Place {
        match self.streams.get(&kid) {
            Some(Place { seq, prev: Some(prev) }) => Place { seq: seq + 1, prev: Some(*prev) },
            _ => Place::default(),
        }
    }

    /// Signs a payload as somebody, without logging it.
    pub fn sign(&self, signer: &Signer, iat: i64, payload: &Payload) -> Vec<u8> {
        seal(&signer.key, signer.role, &signer.id, &self.genesis.project, iat, payload).unwrap()
    }

    /// Signs and logs a payload of the registrar.
    pub fn registrar_says(&mut self, iat: i64, payload: impl FnOnce(Place) -> Payload) {
        let payload = payload(self.place(self.registrar.kid()));
        let bytes = self.sign(&self.registrar, iat, &payload);
        self.push(self.registrar.kid(), bytes);
    }

    /// Signs and logs a key change of the registrar.
    pub fn key_change(
        &mut self,
        action: KeyAction,
        subject: Option<Kid>,
        key: Option<RosterKey>,
        last_accepted: Option<LastAccepted>,
    ) {
        let iat = self.now();
        self.registrar_says(iat, |place| {
            Payload::Key(Box::new(KeyChange {
                place,
                action,
                subject,
                key,
                last_accepted,
                machines: None,
                reason: "test".into(),
            }))
        });
    }

    /// The last statement of a stream, as a key change names it.
    pub fn last_of(&self, kid: Kid) -> Option<LastAccepted> {
        let place = self.streams.get(&kid)?;
        Some(LastAccepted { seq: place.seq, leaf: place.prev? })
    }

    /// End of the last window that the agent has signed, or the start.
    pub fn now(&self) -> i64 {
        self.registers.get(&u32::MAX).map_or(START, |(t, _)| *t)
    }

    /// Lets time pass without windows.
    pub fn skip(&mut self, windows: u32) {
        let t = self.now() + i64::from(windows * STEP);
        self.registers.insert(u32::MAX, (t, 0));
    }

    /// The next honest batch of the agent, not yet signed. The machines have gone on.
    pub fn batch(&mut self) -> WindowBatch {
        let t0 = self.now();
        self.skip(PER_STATEMENT);
        let own: Vec<_> = self.genesis.machines.iter().filter(|m| m.agent == self.agent.id).collect();
        let mappings: Vec<(u32, Hash)> = own.iter().map(|m| (m.index, m.mapping)).collect();
        let machines: Vec<u32> = own.iter().map(|m| m.index).collect();
        let mut windows = Vec::new();
        for &machine in &machines {
            for w in 0..i64::from(PER_STATEMENT) {
                windows.push(self.window(machine, t0 + w * i64::from(STEP)));
            }
        }
        WindowBatch {
            place: self.place(self.agent.kid()),
            boot_epoch: 1,
            t0,
            step: STEP,
            n: PER_STATEMENT,
            clock: ClockClaim {
                status: ClockStatus::Synchronised,
                offset_ms: 0,
                source: "ntp.test".into(),
                mono_ms: u64::try_from((t0 - START + 300) * 1000).unwrap(),
            },
            checkpoint: self.seen,
            machines,
            columns: columns(&windows),
            raw: RawCommitment::default(),
            definitions: definitions_in_force(&self.genesis.definitions, &mappings),
            events: Vec::new(),
        }
    }

    /// What a machine honestly does in the window from `t`: five minutes of work, five of idling.
    fn window(&mut self, machine: u32, t: i64) -> MachineWindow {
        let turn = (t - START).div_euclid(300) % 2 == 0;
        let wobble = wobble(machine, t);
        let (energy, parts) = self.registers.entry(machine).or_insert((1_000_000, 500));
        *energy += if turn { 60_000 + wobble * 100 } else { 8_000 + wobble };
        *parts += i64::from(turn);
        let mut window = MachineWindow::default();
        window.states_ms[if turn { 5 } else { 8 }] = STEP * 1000;
        window.energy = Amount { register: *energy, quality: AmountQuality::Register };
        (window.reads_expected, window.reads_good) = (60, 60);
        (window.connected_ms, window.changed, window.sessions, window.identity) = (STEP * 1000, 30, 1, 1);
        if machine == 0 {
            window.parts = Amount { register: *parts, quality: AmountQuality::Register };
            // mWh in a minute, as watts.
            let watts = if turn { 60_000 + wobble * 100 } else { 8_000 + wobble } * 60 / 1000;
            window.power_mean_w = Some(watts);
            window.power_peak_w = Some(watts + 100);
        }
        window
    }

    /// Signs and logs the agent's next batch.
    pub fn windows(&mut self) {
        self.windows_with(|_| ());
    }

    /// The same, changed before it is signed.
    pub fn windows_with(&mut self, change: impl FnOnce(&mut WindowBatch)) {
        let mut batch = self.batch();
        change(&mut batch);
        self.log_batch(batch);
    }

    /// Signs and logs a batch as the agent.
    pub fn log_batch(&mut self, batch: WindowBatch) {
        let iat = batch.end();
        let bytes = self.sign(&self.agent, iat, &Payload::Window(Box::new(batch)));
        self.push(self.agent.kid(), bytes);
    }

    /// Signs and logs events of the agent in a statement of their own.
    pub fn events(&mut self, events: Vec<Event>) {
        let place = self.place(self.agent.kid());
        let batch = EventBatch { place, boot_epoch: 1, clock: ClockClaim::default(), events };
        let bytes = self.sign(&self.agent, self.now(), &Payload::Event(batch));
        self.push(self.agent.kid(), bytes);
    }

    /// Root and size of the log as it is.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut tree = Frontier::new();
        self.entries.iter().for_each(|entry| tree.append(leaf(entry), |_, _, _| ()));
        Checkpoint { origin: self.genesis.origin.clone(), size: tree.size(), root: tree.root() }
    }

    /// Seals the log ten seconds behind the last window: a checkpoint, cosigned, seen by the agent.
    pub fn seal(&mut self) {
        self.seal_at(self.now() + 10);
    }

    /// The same at another time.
    pub fn seal_at(&mut self, time: i64) {
        let checkpoint = self.checkpoint();
        let bytes = self.note(&checkpoint, Some(time));
        self.seen = Some(SeenCheckpoint {
            size: checkpoint.size,
            root: checkpoint.root,
            time,
            note_hash: sha256(&bytes),
        });
        self.notes.push(bytes);
    }

    /// A signed note of a checkpoint.
    pub fn note(&self, checkpoint: &Checkpoint, time: Option<i64>) -> Vec<u8> {
        let mut note = Note::new(checkpoint.text()).unwrap();
        note.sign(&self.genesis.origin, &self.log).unwrap();
        if let Some(time) = time {
            note.cosign(TIME_NAME, &self.time, u64::try_from(time).unwrap()).unwrap();
        }
        note.encode()
    }

    /// Adds the receipt of an entry, for the tree as it is.
    pub fn receipt(&mut self, index: u64) {
        let Checkpoint { origin, size, root } = self.checkpoint();
        let proof = self.proof(index, size);
        let bytes = evidence::receipt::seal(&self.receipts, &origin, size, index, &proof, &root);
        self.receipt_files.insert(index, bytes);
    }

    fn proof(&self, index: u64, size: u64) -> Vec<Hash> {
        let mut nodes = BTreeMap::new();
        let mut tree = Frontier::new();
        for entry in &self.entries {
            tree.append(leaf(entry), |level, at, hash| {
                nodes.insert((level, at), hash);
            });
        }
        let node = |level, at| nodes.get(&(level, at)).copied().ok_or(());
        inclusion_proof(index, size, node).unwrap()
    }

    /// The trust file that fits, over the time from the first window to the last.
    pub fn trust(&self) -> Trust {
        Trust {
            log: VerifierKey::new(ORIGIN, LineType::Text, self.log.public().clone()).unwrap(),
            receipt: self.receipts.public().clone(),
            registrar: self.registrar.key.public().clone(),
            operator_time: Some(time_key(&self.time)),
            witness_policy: None,
            tsa_roots: None,
            period: Some(Period { from: START, to: self.now().max(START + 60) }),
            max_lag_s: None,
        }
    }

    /// The bundle's files by path, the last note as its checkpoint. Whoever bends them packs them afterwards.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut tree = Tree::default();
        let mut tiles = Vec::new();
        for entry in &self.entries {
            tree.append(leaf(entry));
            tiles.extend(tree.completed());
        }
        tiles.extend(tree.partial());
        for (tile, hashes) in tiles {
            files.insert(path::tile(&tile), hashes.concat());
        }
        for tile in tiles_of(None, tree.size()) {
            let from = usize::try_from(tile.index * 256).unwrap();
            let entries = self.entries[from..from + usize::from(tile.width)].iter().map(Vec::as_slice);
            files.insert(path::tile(&tile), encode_entries(entries));
        }
        for note in &self.notes {
            files.insert(path::note(&sha256(note)), note.clone());
        }
        for (&index, receipt) in &self.receipt_files {
            files.insert(path::receipt(index), receipt.clone());
        }
        if let Some(last) = self.notes.last() {
            files.insert(path::CHECKPOINT.to_owned(), last.clone());
        }
        files
    }

    /// The bundle.
    pub fn bundle(&self) -> Vec<u8> {
        pack(&self.files())
    }
}

/// What makes one window's energy differ from the next, and one machine's from the other's.
pub fn wobble(machine: u32, t: i64) -> i64 {
    (t - START).div_euclid(60) * (7919 + 60 * i64::from(machine)) % 97
}

/// Packs files into a bundle in canonical form.
pub fn pack(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let info = BagInfo { origin: ORIGIN.to_owned(), partial: false };
    let mut writer = BundleWriter::new(Vec::new(), PROJECT, &info).unwrap();
    for (path, bytes) in files {
        writer.add(path, bytes).unwrap();
    }
    writer.finish().unwrap()
}

/// Columns of rows in machine-major order. Energy is in Wh × 10⁻³; what is all zero is left out.
pub fn columns(windows: &[MachineWindow]) -> BTreeMap<u8, Column> {
    let mut columns = BTreeMap::new();
    for id in column::ALL {
        let exponent = if id == column::ENERGY { -3 } else { 0 };
        let column = Column { exponent, values: windows.iter().map(|w| w.get(id)).collect() };
        if !column.is_zero() {
            columns.insert(id, column);
        }
    }
    columns
}

/// A signed stretch without windows: down time or a loss, in UTC s.
pub fn stretch(code: EventCode, from: i64, to: i64) -> Event {
    let (before, after) = (EventValue::Int(from * 1000), EventValue::Int(to * 1000));
    Event { t_ms: to * 1000, code, machine: None, before, after }
}

fn time_key(key: &SigningKey) -> VerifierKey {
    VerifierKey::new(TIME_NAME, LineType::Cosignature, key.public().clone()).unwrap()
}

fn genesis(
    registrar: &Signer,
    agent: &Signer,
    log: &SigningKey,
    receipts: &SigningKey,
    time: &SigningKey,
) -> Genesis {
    let definitions =
        vec![Definition::new("mapping/cnc-01", "producing"), Definition::new("mapping/press-03", "power")];
    let states = 0..=8;
    let counts = [16, 17, 18, 19, 20, 21];
    let columns = |own: &[u8]| {
        let mut columns: Vec<u8> = states.clone().chain(own.iter().copied()).chain(counts).collect();
        columns.sort_unstable();
        columns
    };
    let machine = |index: u32, id: &str, own: &[u8], digital| Machine {
        index,
        id: id.to_owned(),
        agent: agent.id.clone(),
        name: format!("{id} 号机"),
        line: "A".to_owned(),
        columns: columns(own),
        mapping: definitions[index as usize].hash,
        planned_cycle_ms: None,
        flags: Flags { key_operation: digital, numerically_controlled: digital, digital, domestic: true },
        identity: None,
        rated_w: Some(10_000),
        theoretical_cycle_ms: None,
    };
    Genesis {
        project: PROJECT.to_owned(),
        origin: ORIGIN.to_owned(),
        log_vkey: VerifierKey::new(ORIGIN, LineType::Text, log.public().clone()).unwrap().to_string(),
        receipt_key: receipts.public().clone(),
        witness_policy: None,
        keys: vec![registrar.roster_key(), agent.roster_key()],
        machines: vec![
            machine(0, "cnc-01", &[10, 11, 12, 13, 25, 26], true),
            machine(1, "press-03", &[10, 11], false),
        ],
        step_s: STEP,
        windows_per_statement: PER_STATEMENT,
        max_lag_s: 3600,
        utc_offset_min: 480,
        definitions,
        periods: vec![],
        calendar: Calendar::default(),
        raw_retention_days: 400,
        demo: false,
        nonce: [7; 16],
        operator_time_vkey: Some(time_key(time).to_string()),
        clock_tolerance_s: 60,
    }
}

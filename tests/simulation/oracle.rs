//! What must hold at the end of a life.

use super::setting::{PROJECT, STEP_S};
use super::world::World;
use evidence::Hash;
use evidence::merkle::verify_consistency;
use evidence::payload::{Event, EventCode};
use evidence::statement::{Payload, open};
use std::collections::BTreeMap;
use tlog::{Entry, Read as _};

/// So much at the end of a life may still be in the open window and the batch that is not full.
const OPEN_MS: i64 = 5 * 3_600_000;

impl World {
    pub(crate) fn judge(&mut self) {
        self.derive_all();
        let entries = self.entries();
        self.once_and_known(&entries);
        self.said_by_agents(&entries);
        self.acknowledged_is_there(&entries);
        for i in 0..self.boxes.len() {
            self.receipts(i, &entries);
            self.time_is_tiled(i, &entries);
        }
        self.derived_count(&entries);
        self.everything_is_sealed();
        self.checkpoints_agree();
        self.bury_gateway();
        let rebuilt = gateway::rebuild::rebuild(&self.gateway_data(), PROJECT)
            .unwrap_or_else(|e| panic!("rebuild: {e}"));
        assert!(rebuilt.is_same(), "derived tables differ: {:?}", rebuilt.tables);
        assert_eq!(rebuilt.before, rebuilt.entries, "derived tables are behind");
        self.note(&format!("{} entries", rebuilt.entries));
    }

    fn derive_all(&mut self) {
        self.gateway.as_mut().unwrap().derive().unwrap();
    }

    fn entries(&mut self) -> Vec<Entry> {
        self.gateway.as_mut().unwrap().reader().entries(0, u64::MAX).unwrap()
    }

    fn once_and_known(&self, entries: &[Entry]) {
        let mut places: BTreeMap<Hash, u64> = BTreeMap::new();
        for entry in entries {
            assert!(self.sent.contains(&entry.leaf), "entry {} was never sent by anybody", entry.index);
            if let Some(first) = places.insert(entry.leaf, entry.index) {
                panic!("entries {first} and {} are the same statement", entry.index);
            }
        }
    }

    /// What boxes have signed about a log that is another than they were told.
    fn said_by_agents(&mut self, entries: &[Entry]) {
        for entry in entries {
            let events = match open(&entry.bytes).unwrap().payload {
                Payload::Window(batch) => batch.events,
                Payload::Event(batch) => batch.events,
                _ => continue,
            };
            let said = events.iter().filter(|e| e.code == EventCode::Note).map(|e| format!("{:?}", e.after));
            let moved: Vec<_> = said.filter(|text| text.contains("its log is another than before")).collect();
            assert!(self.history > 0 || moved.is_empty(), "a log that was never put back: {moved:?}");
            self.detected.extend(moved);
        }
    }

    fn acknowledged_is_there(&self, entries: &[Entry]) {
        let places: BTreeMap<Hash, u64> = entries.iter().map(|e| (e.leaf, e.index)).collect();
        for stored in &self.acknowledged {
            let Some(index) = places.get(&stored.leaf) else {
                panic!(
                    "statement {} was acknowledged as entry {} and is not in the log",
                    stored.seq, stored.index
                )
            };
            if stored.history == self.history {
                assert_eq!(*index, stored.index, "statement {} is not where it was acknowledged", stored.seq);
            }
        }
    }

    /// Every receipt a box holds is of its statement, and of the place where the log has it.
    fn receipts(&mut self, i: usize, entries: &[Entry]) {
        assert!(self.boxes[i].boot());
        let genesis = open(&entries[0].bytes).unwrap();
        let Payload::Genesis(genesis) = genesis.payload else { panic!("entry 0 is no genesis") };
        let held: Vec<_> = self.boxes[i]
            .work(|agent| {
                let statements = agent.statements(0).unwrap();
                statements.into_iter().map(|s| (s.leaf, agent.receipt(s.seq).unwrap())).collect()
            })
            .unwrap();
        let alarm = self.boxes[i].work(|agent| agent.alarm()).unwrap();
        self.boxes[i].off();
        match alarm {
            Some(alarm) if self.history > 0 => self.detected.push(alarm),
            Some(alarm) => panic!("box {i} does not believe the log: {alarm}"),
            None => {}
        }
        let mut count = 0;
        for (leaf, receipt) in held.into_iter().filter_map(|(leaf, receipt)| Some((leaf, receipt?))) {
            let receipt = evidence::receipt::open(&receipt, &genesis.receipt_key, &genesis.origin, leaf);
            let receipt = receipt.unwrap_or_else(|e| panic!("box {i}: a receipt: {e}"));
            if self.history == 0 {
                let there = &entries[usize::try_from(receipt.index).unwrap()];
                assert_eq!(there.leaf, leaf, "box {i}: the receipt's place holds another statement");
            }
            count += 1;
        }
        assert!(self.history > 0 || count > 0, "box {i} holds no receipt");
    }

    /// Windows, downs and losses of the statements that count cover the time once and without a hole.
    fn time_is_tiled(&mut self, i: usize, entries: &[Entry]) {
        let kid = self.boxes[i].key.public().kid();
        let stream = self.gateway.as_mut().unwrap().reader().stream(&kid.0).unwrap();
        let stream = stream.unwrap_or_else(|| panic!("box {i} has no stream in the log"));
        let by_leaf: BTreeMap<Hash, &Entry> = entries.iter().map(|e| (e.leaf, e)).collect();
        let (mut spans, mut next) = (vec![], stream.head);
        while let Some(leaf) = next {
            let entry = by_leaf.get(&leaf).unwrap_or_else(|| panic!("box {i}: the chain breaks"));
            let payload = open(&entry.bytes).unwrap().payload;
            next = payload.prev();
            let seq = payload.seq();
            spans.extend(covered(&payload).into_iter().map(|(from, to)| (from, to, seq)));
        }
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert_eq!(
                pair[0].1, pair[1].0,
                "box {i}: time is covered twice or not at all: {pair:?} (from, to, statement)"
            );
        }
        let (first, end) = (spans.first().unwrap().0, spans.last().unwrap().1);
        let begins = self.boxes[i].begins.filter(|_| !self.plan.snapshots);
        assert!(
            begins.is_none_or(|begins| begins == first),
            "box {i} began at {begins:?}, its evidence at {first}"
        );
        let last_on = self.boxes[i].off_at;
        assert!(
            end + OPEN_MS + 86_400_000 > last_on,
            "box {i} was on until {last_on}, its evidence ends {end}"
        );
    }

    /// The derived tables hold every statement and every window once, counted here from the log's bytes: a
    /// rebuild by the same code would leave out the same ones.
    fn derived_count(&mut self, entries: &[Entry]) {
        let file = self.gateway_data().join("projects").join(PROJECT).join("derived.sqlite");
        let tables = rusqlite::Connection::open(file).unwrap();
        let count = |sql: &str| -> i64 { tables.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(
            count("SELECT sum(statements) FROM stream"),
            i64::try_from(entries.len()).unwrap(),
            "statements in derived tables"
        );
        // Where disks are put back, a window may be signed twice, and only one of the two is shown.
        if self.plan.snapshots {
            return;
        }
        let windows = |entry: &Entry| match open(&entry.bytes).unwrap().payload {
            Payload::Window(batch) => i64::from(batch.n),
            _ => 0,
        };
        let signed: i64 = entries.iter().map(windows).sum();
        assert_eq!(count("SELECT count(*) FROM window"), signed, "windows in derived tables");
    }

    /// The timer of checkpoints comes once more: afterwards everything is under a checkpoint, or the log says
    /// why it signs none, which only a gateway that was put back may.
    fn everything_is_sealed(&mut self) {
        let now_s = self.now / 1000;
        let history = self.history;
        let gateway = self.gateway.as_mut().unwrap();
        gateway.seal(now_s).unwrap();
        if let Some(fault) = &gateway.seal_fault {
            assert!(history > 0, "no checkpoint is signed: {fault}");
            return;
        }
        let newest = gateway.reader().sealed().unwrap().map(|sealed| sealed.size);
        assert_eq!(newest, Some(gateway.head().size), "size of the newest checkpoint");
    }

    /// All checkpoints of one history are beginnings of one log; where a backup forked it, somebody noticed.
    fn checkpoints_agree(&mut self) {
        let seen: Vec<_> = self.seen.iter().cloned().collect();
        let gateway = self.gateway.as_mut().unwrap();
        let head = gateway.head();
        let mut forked = None;
        for checkpoint in &seen {
            let consistent = checkpoint.size <= head.size && {
                let proof = tlog::proof::consistency(gateway.reader(), checkpoint.size, head.size).unwrap();
                verify_consistency((checkpoint.size, &checkpoint.root), (head.size, &head.root), &proof)
                    .is_ok()
            };
            if !consistent {
                assert!(
                    checkpoint.history < self.history,
                    "checkpoint of {} is no beginning of the log",
                    checkpoint.size
                );
                forked = Some(checkpoint.size);
            }
        }
        self.bury_gateway();
        if let Some(size) = forked {
            self.note(&format!("forked before {size}"));
            // Who was never told otherwise cannot notice; whoever was told two places of one statement must.
            let moved = self.told.values().any(|places| places.len() > 1);
            assert!(
                !moved || !self.detected.is_empty(),
                "the log forked before {size}, and a box that was told so has not said it"
            );
        }
        self.gateway = None;
    }
}

/// What a statement covers, UTC ms.
pub(crate) fn covered(payload: &Payload) -> Vec<(i64, i64)> {
    let gaps = |events: &[Event]| -> Vec<(i64, i64)> {
        let gap = |e: &&Event| matches!(e.code, EventCode::Down | EventCode::Loss);
        events.iter().filter(gap).filter_map(Event::interval).collect()
    };
    match payload {
        Payload::Window(batch) => {
            let mut spans: Vec<_> = (0..i64::from(batch.n))
                .map(|w| ((batch.t0 + w * STEP_S) * 1000, (batch.t0 + (w + 1) * STEP_S) * 1000))
                .collect();
            spans.extend(gaps(&batch.events));
            spans
        }
        Payload::Event(batch) => gaps(&batch.events),
        other => panic!("an agent has signed {other:?}"),
    }
}

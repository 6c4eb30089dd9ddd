//! Decides on a batch in memory, on a copy of the state, and collects what the commit has to write.
//!
//! Reads the store only to look up what is logged under a number; writes nothing.

use crate::answer::{Alarm, Answer, Aside, Ingested};
use crate::arrival::{Arrival, Checked};
use crate::keys::Defect;
use crate::log::{State, apply_control, is_control, outweighs};
use crate::rules::{Ruling, rule};
use crate::store::{Batch, Entry, Head, Newer, Part, Read, StoreError, StreamHead};
use crate::tree::HashTile;
use evidence::Hash;
use evidence::key::Kid;
use evidence::statement::{Payload, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// A batch being decided.
pub(crate) struct Draft<'a, R> {
    store: &'a mut R,
    from: Head,
    newer_before: Option<Newer>,
    next: State,
    entries: Vec<Entry>,
    changed: BTreeSet<Kid>,
    full_tiles: Vec<HashTile>,
    /// What this batch itself logs, so that a number that comes twice in one batch is seen.
    pending: BTreeMap<(Kid, u64), Vec<(u64, Hash)>>,
    out: Ingested,
}

impl<'a, R: Read> Draft<'a, R> {
    pub(crate) fn new(state: &State, store: &'a mut R) -> Self {
        Self {
            store,
            from: state.head(),
            newer_before: state.newer,
            next: state.clone(),
            entries: vec![],
            changed: BTreeSet::new(),
            full_tiles: vec![],
            pending: BTreeMap::new(),
            out: Ingested::default(),
        }
    }

    /// Decides on one request: its statements in order, up to the first that is not stored.
    pub(crate) fn request(&mut self, arrivals: Vec<Arrival>) -> Result<(), StoreError> {
        let mut answers = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let answer = self.arrival(arrival)?;
            let stored = matches!(answer, Answer::Stored { .. });
            answers.push(answer);
            if !stored {
                break;
            }
        }
        self.out.answers.push(answers);
        Ok(())
    }

    /// The new state, what to commit (nothing when nothing changes) and what to answer afterwards.
    pub(crate) fn finish(mut self) -> (State, Option<Batch>, Ingested) {
        if self.entries.is_empty() && self.next.newer == self.newer_before {
            return (self.next, None, self.out);
        }
        self.next.root = self.next.tree.root();
        let mut tiles = self.full_tiles;
        tiles.extend(self.next.tree.unfinished(self.from.size));
        let batch = Batch {
            from: self.from,
            to: self.next.head(),
            entries: self.entries,
            streams: self.changed.iter().map(|kid| self.next.stream(kid)).collect(),
            tiles,
            newer: self.next.newer,
        };
        (self.next, Some(batch), self.out)
    }

    fn arrival(&mut self, arrival: Arrival) -> Result<Answer, StoreError> {
        let statement = match arrival.checked.again(&self.next.keys) {
            Checked::Verified(statement) => statement,
            Checked::UnknownKey(unverified) => {
                let kid = unverified.header.kid;
                let claim = Some((kid, unverified.payload.seq()));
                return Ok(self.never(arrival.bytes, Defect::UnknownKey(kid), claim));
            }
            Checked::Never { defect, claim } => return Ok(self.never(arrival.bytes, defect, claim)),
        };
        self.verified(arrival.bytes, &statement)
    }

    fn verified(&mut self, bytes: Vec<u8>, statement: &Statement) -> Result<Answer, StoreError> {
        let (kid, seq, leaf) = (statement.header().kid, statement.payload().seq(), statement.leaf());
        let logged = self.logged(&kid, seq)?;
        let stream = self.next.stream(&kid);
        let ruling = rule(&stream, &logged, seq, statement.payload().prev(), &leaf);
        if let Ruling::Again { index } = ruling {
            // Acknowledged whatever became of the key since: it is stored.
            return Ok(Answer::Stored { seq, index, leaf, again: true });
        }
        let claim = Some((kid, seq));
        if let Err(defect) = self.next.keys.admit(statement.header(), self.next.tree.size()) {
            return Ok(self.never(bytes, defect, claim));
        }
        match ruling {
            Ruling::Append => self.append(bytes, statement, stream),
            Ruling::Equivocation => Ok(self.equivocation(bytes, statement, stream)),
            Ruling::Frozen => Ok(Answer::Frozen { kid, seq }),
            Ruling::BrokenChain => Ok(self.never(bytes, Defect::BrokenChain { seq }, claim)),
            Ruling::Gap | Ruling::Again { .. } => {
                Ok(Answer::Gap { seq, expected: stream.next_seq, head: stream.head })
            }
        }
    }

    fn append(
        &mut self,
        bytes: Vec<u8>,
        statement: &Statement,
        mut stream: StreamHead,
    ) -> Result<Answer, StoreError> {
        let (kid, seq, leaf) = (statement.header().kid, statement.payload().seq(), statement.leaf());
        let index = self.next.tree.size();
        if let Err(defect) = self.control(index, statement)? {
            return Ok(self.never(bytes, defect, Some((kid, seq))));
        }
        self.compare_seen(statement)?;
        let part = if is_control(statement.payload()) { Part::Control } else { Part::Plain };
        stream.next_seq = seq + 1;
        stream.head = Some(leaf);
        self.set_stream(kid, stream);
        self.push(bytes, statement, part);
        Ok(Answer::Stored { seq, index, leaf, again: false })
    }

    /// Applies a key or close statement to the roster and to the stream it unfreezes.
    fn control(&mut self, index: u64, statement: &Statement) -> Result<Result<(), Defect>, StoreError> {
        if !is_control(statement.payload()) {
            return Ok(Ok(()));
        }
        let mut named = vec![];
        if let Payload::Key(change) = statement.payload()
            && let (Some(subject), Some(last)) = (change.subject, &change.last_accepted)
        {
            named = self.logged(&subject, last.seq)?;
        }
        let holds = |_: &Kid, _: u64, leaf: &Hash| named.iter().any(|(_, known)| known == leaf);
        let signer = statement.header().kid;
        let effect = apply_control(&mut self.next.keys, index, statement.payload(), &signer, holds);
        Ok(effect.map(|unfrozen| {
            if let Some(unfrozen) = unfrozen {
                let stream = StreamHead {
                    kid: unfrozen.kid.0,
                    next_seq: unfrozen.last.map_or(0, |(seq, _)| seq + 1),
                    head: unfrozen.last.map(|(_, leaf)| leaf),
                    frozen: false,
                };
                self.set_stream(unfrozen.kid, stream);
            }
        }))
    }

    fn equivocation(&mut self, bytes: Vec<u8>, statement: &Statement, mut stream: StreamHead) -> Answer {
        let (kid, seq) = (statement.header().kid, statement.payload().seq());
        let index = self.next.tree.size();
        stream.frozen = true;
        self.set_stream(kid, stream);
        self.push(bytes, statement, Part::Second);
        self.out.alarms.push(Alarm::Equivocation { kid, seq, index });
        Answer::Equivocation { kid, seq, index }
    }

    fn push(&mut self, bytes: Vec<u8>, statement: &Statement, part: Part) {
        let (kid, seq, leaf) = (statement.header().kid, statement.payload().seq(), statement.leaf());
        let index = self.next.tree.size();
        self.next.tree.append(leaf, &mut self.full_tiles);
        self.pending.entry((kid, seq)).or_default().push((index, leaf));
        self.entries.push(Entry { index, kid: kid.0, seq, part, leaf, bytes });
    }

    fn never(&mut self, bytes: Vec<u8>, defect: Defect, claim: Option<(Kid, u64)>) -> Answer {
        self.out.aside.push(Aside { bytes, defect: defect.clone(), claim });
        Answer::Never { defect, claim }
    }

    fn set_stream(&mut self, kid: Kid, stream: StreamHead) {
        self.next.streams.insert(kid, stream);
        self.changed.insert(kid);
    }

    fn logged(&mut self, kid: &Kid, seq: u64) -> Result<Vec<(u64, Hash)>, StoreError> {
        // Numbers not reached yet are not in the store, save those of a branch that an unfreeze discarded;
        // looking those up keeps their acknowledgement as good as any other.
        let mut logged = self.store.logged(&kid.0, seq)?;
        logged.extend(self.pending.get(&(*kid, seq)).into_iter().flatten().copied());
        Ok(logged)
    }

    /// Compares the checkpoint that a window statement names with our own.
    fn compare_seen(&mut self, statement: &Statement) -> Result<(), StoreError> {
        let Payload::Window(window) = statement.payload() else { return Ok(()) };
        let Some(seen) = &window.checkpoint else { return Ok(()) };
        let kid = statement.header().kid;
        if self.next.seen.get(&kid) == Some(&seen.note_hash) {
            return Ok(());
        }
        let ours = self.store.sealed_by_hash(&seen.note_hash)?;
        if ours.is_some_and(|sealed| sealed.size == seen.size && sealed.root == seen.root) {
            self.next.seen.insert(kid, seen.note_hash);
            return Ok(());
        }
        // What this batch itself brings is not in the store yet; whether it fits is seen before the next checkpoint.
        if seen.size > self.from.size {
            self.out.alarms.push(Alarm::Behind { kid, size: seen.size });
        } else if crate::proof::root_at(self.store, seen.size)? == seen.root {
            // The log was put back and filled again to the same: the note is lost, what it says holds.
            self.next.seen.insert(kid, seen.note_hash);
            return Ok(());
        } else {
            self.out.alarms.push(Alarm::ForeignCheckpoint { kid, size: seen.size });
        }
        if !outweighs(self.store, self.from.size, self.next.newer, seen.size)? {
            self.next.newer = Some(Newer { size: seen.size, root: seen.root });
        }
        Ok(())
    }
}

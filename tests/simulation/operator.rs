//! What people do at the end of a life: wait until everything has arrived, unfreeze a stream whose box has signed
//! twice, and give a box whose disk tells another history than the log a new spool.

use super::plan::DAY;
use super::setting::{self, PROJECT};
use super::world::{World, remove_spool};
use evidence::Hash;
use evidence::payload::{KeyAction, KeyChange, LastAccepted, Place};
use evidence::statement::{Payload, Role, seal};
use tlog::Read as _;

/// Calm days within which everything must have arrived.
const DAYS: usize = 16;

impl World {
    /// Runs calm days until every box has signed something new and everything it signed is in the log.
    pub(crate) fn settle(&mut self) {
        let mut fresh: Vec<Option<u64>> = vec![None; self.boxes.len()];
        let mut wiped = vec![false; self.boxes.len()];
        let mut last = vec![];
        for day in 0..DAYS {
            self.run_until(self.now + DAY);
            last = (0..self.boxes.len()).filter_map(|i| self.waits(i, &mut fresh[i])).collect();
            if last.is_empty() && day > 1 {
                return;
            }
            for (i, _) in last.clone().into_iter().filter(|_| day > 2) {
                if self.is_frozen(i) {
                    self.unfreeze(i);
                } else if day > 5 && !wiped[i] && self.plan.snapshots {
                    wiped[i] = true;
                    self.boxes[i].off();
                    remove_spool(&self.boxes[i].data());
                    self.note(&format!("box {i} gets a new spool"));
                }
            }
        }
        panic!("after {DAYS} calm days boxes still wait: {last:?}");
    }

    /// Why a box is not done yet.
    fn waits(&mut self, i: usize, fresh: &mut Option<u64>) -> Option<(usize, String)> {
        if self.boxes[i].agent.is_none() && !self.boxes[i].boot() {
            return Some((i, "does not start".to_owned()));
        }
        let sealing = self.history == 0;
        let status =
            self.boxes[i].work(|agent| (agent.place().unwrap(), agent.status(), agent.unsealed().unwrap()));
        self.boxes[i].off();
        let (place, status, unsealed) = status.unwrap();
        let words = format!("{}: {} {place:?}, {unsealed} unsealed", status.standing, status.detail);
        match fresh {
            None => {
                *fresh = Some(place.next_seq);
                Some((i, words))
            }
            Some(before) if place.next_seq <= *before => Some((i, format!("signs nothing new; {words}"))),
            // What was signed when it was switched off just now is sent tomorrow.
            Some(before) if place.send_from <= *before => Some((i, words)),
            Some(_) if sealing && unsealed > 8 => Some((i, words)),
            Some(_) => None,
        }
    }

    fn is_frozen(&mut self, i: usize) -> bool {
        let kid = self.boxes[i].key.public().kid();
        let gateway = self.gateway.as_mut().unwrap();
        gateway.reader().stream(&kid.0).unwrap().is_some_and(|stream| stream.frozen)
    }

    /// The registrar lets a stream go on behind the last statement of the box that is in the log.
    fn unfreeze(&mut self, i: usize) {
        assert!(self.boxes[i].boot());
        let held = self.boxes[i].work(|agent| agent.statements(0).unwrap()).unwrap();
        self.boxes[i].off();
        let kid = self.boxes[i].key.public().kid();
        let gateway = self.gateway.as_mut().unwrap();
        let logged = |seq: u64, leaf: &Hash, gateway: &mut gateway::simulated::Gateway| {
            gateway.reader().logged(&kid.0, seq).unwrap().iter().any(|(_, known)| known == leaf)
        };
        let last = held.iter().rev().find(|s| logged(s.seq, &s.leaf, gateway));
        let last_accepted = last.map(|s| LastAccepted { seq: s.seq, leaf: s.leaf });
        let change = KeyChange {
            place: Place { seq: self.registrar.0 + 1, prev: Some(self.registrar.1) },
            action: KeyAction::Unfreeze,
            subject: Some(kid),
            key: None,
            last_accepted,
            machines: None,
            reason: "its disk was put back".into(),
        };
        let payload = Payload::Key(Box::new(change));
        let at = self.now / 1000;
        let bytes = seal(&setting::registrar(), Role::Registrar, "registrar", PROJECT, at, &payload).unwrap();
        let leaf = evidence::hash::leaf(&bytes);
        let mut body = uplink::BodyWriter::new();
        body.push(&bytes).unwrap();
        let path = uplink::path::statements(PROJECT);
        let answer = gateway.handle(&path, Some(&body.finish())).unwrap();
        assert_eq!(answer.0, 200, "unfreeze: {}", String::from_utf8_lossy(&answer.2));
        self.registrar = (self.registrar.0 + 1, leaf);
        self.sent.insert(leaf);
        self.note(&format!("stream of box {i} unfrozen"));
    }
}

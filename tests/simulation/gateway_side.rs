//! The gateway's side of a life: requests and answers, checkpoints, its start, its end and its disk. It also
//! remembers what the gateway has promised, for the oracle.

use super::disk;
use super::network::Request;
use super::plan::{HOUR, MINUTE};
use super::setting::PROJECT;
use super::world::{Acknowledged, Event, Seen, World};
use gateway::simulated::Gateway;
use tlog::Read as _;

/// Pages a full disk of the gateway still has; SQLite takes the present size if that is more.
const FULL: u32 = 1;

/// What the gateway's disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GatewayDisk {
    /// It takes what comes.
    Well,
    /// The log's file may not grow: a commit may still find room in it.
    Full,
    /// No commit to the log succeeds.
    Refusing,
}

impl World {
    pub(crate) fn turn_gateway_disk(&mut self, disk: GatewayDisk) {
        if self.gateway_disk != disk {
            self.note(&format!("gateway disk {disk:?}"));
        }
        self.gateway_disk = disk;
        if let Some(gateway) = &mut self.gateway {
            gateway.limit_pages(if disk == GatewayDisk::Full { FULL } else { u32::MAX - 1 }).unwrap();
            gateway.refuse_writes(disk == GatewayDisk::Refusing).unwrap();
        }
    }

    pub(crate) fn request(&mut self, from: usize, life: u32, request: Request, reply: bool) {
        let Some(gateway) = &mut self.gateway else { return };
        let handled =
            disk::alive(&mut self.gateway_armed, || gateway.handle(&request.path, request.body.as_deref()));
        let Some(Ok(answer)) = handled else { return self.gateway_died(handled.is_none()) };
        // Before the answer leaves: what it promises is on the disk, for another connection to see.
        if request.body.is_some() {
            for stored in uplink::Outcome::of(answer.0, answer.1, &answer.2).stored() {
                let there = gateway.reader().entries(stored.index, stored.index + 1).unwrap();
                let leaf = there.first().map(|entry| entry.leaf);
                assert_eq!(leaf, Some(stored.leaf), "acknowledged as entry {} and not there", stored.index);
            }
        }
        self.note(&format!("box {from} {} -> {}", request.path, answer.0));
        self.witness(&request, &answer);
        if self.random.permille(300) {
            self.derive();
        }
        let lost = !self.calm && self.random.permille(self.plan.faults / 4);
        if reply && !lost {
            let back = self.now + self.random.between(5, 5000);
            self.at(back, Event::Reply { from, life, request, carried: Ok(answer) });
        }
    }

    /// Remembers what the gateway has promised.
    fn witness(&mut self, request: &Request, answer: &gateway::simulated::Answer) {
        let history = self.history;
        if request.body.is_some() {
            for stored in uplink::Outcome::of(answer.0, answer.1, &answer.2).stored() {
                let (leaf, seq, index) = (stored.leaf, stored.seq, stored.index);
                self.acknowledged.insert(Acknowledged { leaf, seq, index, history });
            }
        }
    }

    pub(crate) fn derive(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        match disk::alive(&mut self.gateway_armed, || gateway.derive()) {
            Some(done) => done.unwrap(),
            None => self.gateway_died(true),
        }
    }

    pub(crate) fn seal(&mut self) {
        // Once an hour while statements come, so that a checkpoint covers several.
        self.within(30 * MINUTE, 2 * HOUR, Event::Seal);
        let now_s = (self.now + self.gateway_offset) / 1000;
        let Some(gateway) = &mut self.gateway else { return };
        match disk::alive(&mut self.gateway_armed, || gateway.seal(now_s)) {
            Some(Ok(Some(sealed))) => {
                self.note(&format!("checkpoint of {}", sealed.size));
                let (history, size) = (self.history, sealed.size);
                self.seen.insert(Seen { history, size, root: sealed.root, note: sealed.note });
            }
            Some(Ok(None)) => {}
            Some(Err(_)) => self.gateway_died(false),
            None => self.gateway_died(true),
        }
    }

    pub(crate) fn gateway_on(&mut self) {
        if self.gateway.is_some() {
            return;
        }
        let data = self.gateway_data();
        self.gateway = Some(Gateway::open(&data, &self.identity, PROJECT).unwrap());
        // A process that starts anew finds the disk as it was.
        self.turn_gateway_disk(self.gateway_disk);
        self.note("gateway on");
        if self.history > 0 && self.detected.is_empty() && self.random.permille(500) {
            self.show();
        }
    }

    /// The operator shows what a witness kept, until the gateway has taken it.
    pub(crate) fn show(&mut self) {
        let newest = self.seen.iter().max_by_key(|seen| seen.size).map(|seen| seen.note.clone());
        let Some(note) = newest else { return };
        let shown = self.gateway.as_mut().is_some_and(|gateway| gateway.show(&note).is_ok());
        self.note(&format!("a checkpoint is shown: {shown}"));
        if !shown {
            self.within(MINUTE, HOUR, Event::Show);
        }
    }

    pub(crate) fn gateway_died(&mut self, by_plan: bool) {
        self.note("gateway died");
        self.bury_gateway();
        if by_plan {
            disk::put_back(&self.root.path().join("gateway-image"), &self.gateway_data());
        }
        self.within(1000, 2 * HOUR, Event::GatewayOn);
    }

    /// Keeps what the gateway's operator was told.
    pub(crate) fn bury_gateway(&mut self) {
        let Some(gateway) = self.gateway.take() else { return };
        self.detected.extend(gateway.alarms.iter().filter_map(|alarm| match alarm {
            tlog::Alarm::Equivocation { .. } => None,
            other => Some(format!("{other:?}")),
        }));
        self.detected.extend(gateway.seal_fault.iter().filter_map(|fault| match fault {
            tlog::SealError::Behind { .. } | tlog::SealError::Forked { .. } => Some(fault.to_string()),
            _ => None,
        }));
        assert!(
            gateway.aside.iter().all(|words| words.contains("predecessor") || self.plan.snapshots),
            "put aside: {:?}",
            gateway.aside
        );
    }
}

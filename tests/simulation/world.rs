//! The simulated world: an agenda in virtual time, and whom each entry of it concerns. What then happens stands
//! with those concerned: a box's day in `day.rs`, the gateway in `gateway_side.rs`, mishaps in `faults.rs`.

use super::box_of::PlantBox;
use super::disk::{self, Armed};
use super::gateway_side::GatewayDisk;
use super::network::Request;
use super::plan::{DAY, MINUTE, Plan, Scale};
use super::random::Random;
use super::setting::{self, T0};
use agent::uplink_client::carried::Carried;
use evidence::Hash;
use gateway::identity::Identity;
use gateway::simulated::Gateway;
use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::PathBuf;

/// Something that comes to pass. Numbers are boxes, then their lives.
#[derive(Debug)]
pub(crate) enum Event {
    Morning,
    On(usize),
    Step(usize, u32),
    Push(usize, u32),
    Request { from: usize, life: u32, request: Request, reply: bool },
    Reply { from: usize, life: u32, request: Request, carried: Carried },
    Seal,
    GatewayOn,
    Show,
    GatewayDisk(GatewayDisk),
    BoxDisk(usize, bool),
    Clock(usize, i64, i64),
}

/// A statement the gateway has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Acknowledged {
    pub(crate) leaf: Hash,
    pub(crate) seq: u64,
    pub(crate) index: u64,
    /// How often the gateway had been put back by then.
    pub(crate) history: usize,
}

/// A checkpoint somebody has seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) history: usize,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) note: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) now: i64,
    agenda: BinaryHeap<Reverse<(i64, u64)>>,
    pub(crate) events: BTreeMap<u64, Event>,
    counter: u64,
    pub(crate) boxes: Vec<PlantBox>,
    pub(crate) identity: Identity,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) gateway_armed: Option<Armed>,
    pub(crate) gateway_disk: GatewayDisk,
    pub(crate) gateway_offset: i64,
    /// How often the gateway was put back to a backup.
    pub(crate) history: usize,
    pub(crate) backed_up: bool,
    /// No new faults: the end is near.
    pub(crate) calm: bool,
    /// Leaves of everything that was ever put on the wire.
    pub(crate) sent: BTreeSet<Hash>,
    pub(crate) acknowledged: BTreeSet<Acknowledged>,
    pub(crate) seen: BTreeSet<Seen>,
    /// Where boxes were told that their statements are, and could write it down.
    pub(crate) told: BTreeMap<Hash, BTreeSet<u64>>,
    /// What told that the gateway's history had forked.
    pub(crate) detected: Vec<String>,
    /// Number and leaf of the registrar's last statement.
    pub(crate) registrar: (u64, Hash),
    digest: Sha256,
    loud: bool,
    pub(crate) root: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(seed: u64, scale: Scale) -> Self {
        disk::listen();
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random, scale);
        // In memory where the system offers it: a process dies here, not a disk.
        let memory = std::path::Path::new("/dev/shm");
        let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let boxes: Vec<_> = (0..plan.agents).map(|i| PlantBox::new(i, root.path())).collect();
        let configurations: Vec<_> = boxes.iter().map(|b| setting::configuration(b.number, &b.dir)).collect();
        let identity = Identity::simulated("gw");
        let genesis = setting::genesis(&identity, &configurations);
        std::fs::write(root.path().join("SY-1.genesis"), &genesis).unwrap();
        let registrar = (0, evidence::hash::leaf(&genesis));
        let data = root.path().join("gateway");
        std::fs::create_dir_all(&data).unwrap();
        Gateway::create(&data, &identity, genesis).unwrap();
        let mut world = Self {
            plan,
            random,
            now: T0,
            agenda: BinaryHeap::new(),
            events: BTreeMap::new(),
            counter: 0,
            boxes,
            identity,
            gateway: None,
            gateway_armed: None,
            gateway_disk: GatewayDisk::Well,
            gateway_offset: 0,
            history: 0,
            backed_up: false,
            calm: false,
            sent: BTreeSet::from([registrar.1]),
            acknowledged: BTreeSet::new(),
            seen: BTreeSet::new(),
            told: BTreeMap::new(),
            detected: vec![],
            registrar,
            digest: Sha256::new(),
            loud: std::env::var_os("PLUMBLINE_TRACE").is_some(),
            root,
        };
        world.note(&format!("{:?}", world.plan.clone()));
        world.at(T0, Event::GatewayOn);
        world.at(T0, Event::Morning);
        world.at(T0 + MINUTE, Event::Seal);
        world
    }

    /// Hash of everything that came to pass.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    pub(crate) fn note(&mut self, what: &str) {
        let line = format!("{:>9} min  {what}\n", (self.now - T0) / MINUTE);
        if self.loud {
            eprint!("{line}");
        }
        self.digest.update(line);
    }

    pub(crate) fn at(&mut self, time: i64, event: Event) {
        self.counter += 1;
        self.agenda.push(Reverse((time, self.counter)));
        self.events.insert(self.counter, event);
    }

    /// Lets something come to pass so much later, ms.
    pub(crate) fn within(&mut self, least: i64, most: i64, event: Event) {
        let then = self.now + self.random.between(least, most);
        self.at(then, event);
    }

    pub(crate) fn gateway_data(&self) -> PathBuf {
        self.root.path().join("gateway")
    }

    /// The days of the plan, then calm days until everything has arrived.
    pub(crate) fn live(&mut self) {
        self.run_until(T0 + self.plan.days * DAY);
        self.calm_down();
        self.settle();
    }

    pub(crate) fn run_until(&mut self, end: i64) {
        while let Some(Reverse((time, id))) = self.agenda.peek().copied() {
            if time > end {
                break;
            }
            self.agenda.pop();
            self.now = self.now.max(time);
            for plant_box in &self.boxes {
                plant_box.clock.advance(self.now);
            }
            let event = self.events.remove(&id).unwrap();
            self.happen(event);
        }
        self.now = self.now.max(end);
    }

    fn remember_told(&mut self, stored: Vec<uplink::StoredEntry>) {
        for entry in stored {
            self.told.entry(entry.leaf).or_default().insert(entry.index);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Morning => self.morning(),
            Event::On(i) => self.on(i),
            Event::Step(i, life) if self.boxes[i].life == life => self.step(i),
            Event::Push(i, life) if self.boxes[i].life == life => self.push(i),
            Event::Step(..) | Event::Push(..) => {}
            Event::Request { from, life, request, reply } => self.request(from, life, request, reply),
            Event::Reply { from, life, request, carried } => {
                if self.boxes[from].life == life {
                    let stored = acknowledged(&request, &carried);
                    request.slot.lock().unwrap().get_or_insert(carried);
                    self.go_on(from);
                    if self.boxes[from].life == life && !self.boxes[from].disk_full {
                        self.remember_told(stored);
                    }
                }
            }
            Event::Seal => self.seal(),
            Event::GatewayOn => self.gateway_on(),
            Event::Show => self.show(),
            Event::GatewayDisk(disk) => self.turn_gateway_disk(disk),
            Event::BoxDisk(i, full) => {
                self.note(&format!("box {i} disk full: {full}"));
                self.boxes[i].fill_disk(full && !self.calm);
            }
            Event::Clock(i, offset, drift) => {
                self.note(&format!("box {i} clock {offset} ms, {drift} ppm"));
                self.boxes[i].clock.bend(offset, drift);
            }
        }
    }
}

/// What an answer acknowledges.
fn acknowledged(request: &Request, carried: &Carried) -> Vec<uplink::StoredEntry> {
    match carried {
        Ok((status, retry, body)) if request.body.is_some() => {
            uplink::Outcome::of(*status, *retry, body).stored().to_vec()
        }
        _ => vec![],
    }
}

/// Removes the spool of a box and nothing beside it.
pub(crate) fn remove_spool(data: &std::path::Path) {
    for name in ["spool.db", "spool.db-wal", "spool.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
}

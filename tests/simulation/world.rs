//! The simulated world: an agenda in virtual time, and what happens at each entry of it.

use super::box_of::PlantBox;
use super::disk::{self, Armed};
use super::network::Request;
use super::oracle::covered;
use super::plan::{DAY, HOUR, MINUTE, Plan, Scale};
use super::random::Random;
use super::setting::{self, PROJECT, T0};
use agent::runtime::simulated::Round;
use agent::uplink_client::carried::Carried;
use evidence::Hash;
use evidence::statement::open;
use gateway::identity::Identity;
use gateway::simulated::Gateway;
use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::PathBuf;
use std::time::Duration;
use tlog::Read as _;

/// A client gives up after so long, ms.
const PATIENCE: i64 = 30_000;
/// Pages a full disk of the gateway still has; SQLite takes the present size if that is more.
const FULL: u32 = 1;

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
    GatewayDisk(bool),
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
    events: BTreeMap<u64, Event>,
    counter: u64,
    pub(crate) boxes: Vec<PlantBox>,
    pub(crate) identity: Identity,
    pub(crate) gateway: Option<Gateway>,
    gateway_armed: Option<Armed>,
    gateway_offset: i64,
    /// How often the gateway was put back to a backup.
    pub(crate) history: usize,
    backed_up: bool,
    /// No new faults: the end is near.
    pub(crate) calm: bool,
    /// Leaves of everything that was ever put on the wire.
    pub(crate) sent: BTreeSet<Hash>,
    pub(crate) acknowledged: BTreeSet<Acknowledged>,
    pub(crate) seen: BTreeSet<Seen>,
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
            gateway_offset: 0,
            history: 0,
            backed_up: false,
            calm: false,
            sent: BTreeSet::from([registrar.1]),
            acknowledged: BTreeSet::new(),
            seen: BTreeSet::new(),
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
    fn within(&mut self, least: i64, most: i64, event: Event) {
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
                    request.slot.lock().unwrap().get_or_insert(carried);
                    self.go_on(from);
                }
            }
            Event::Seal => self.seal(),
            Event::GatewayOn => self.gateway_on(),
            Event::GatewayDisk(full) => {
                self.note(&format!("gateway disk full: {full}"));
                if let Some(gateway) = &mut self.gateway {
                    gateway.limit_pages(if full { FULL } else { u32::MAX - 1 }).unwrap();
                }
            }
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

    /// Draws the day: when boxes are on, and what goes wrong.
    fn morning(&mut self) {
        self.at(self.now + DAY, Event::Morning);
        for i in 0..self.boxes.len() {
            let start = self.now + self.random.between(0, HOUR);
            self.at(start, Event::On(i));
            if !self.calm {
                self.box_faults(i, start);
            }
        }
        if !self.calm {
            self.gateway_faults();
        }
    }

    fn box_faults(&mut self, i: usize, start: i64) {
        let chance = self.plan.faults;
        let random = &mut self.random;
        let soon = start + random.between(0, 3 * HOUR);
        let mut due = vec![];
        if random.permille(chance) {
            let left = u32::try_from(random.between(1, 25)).unwrap();
            self.boxes[i].arm(left);
        }
        if random.permille(chance) {
            self.boxes[i].cut_until = soon + random.between(MINUTE, 7 * DAY);
        }
        if random.permille(chance / 2) {
            due.push((soon, Event::BoxDisk(i, true)));
            due.push((soon + random.between(MINUTE, 2 * DAY), Event::BoxDisk(i, false)));
        }
        if random.permille(chance) {
            let to_1970 = -self.now;
            let to_2036 = 2_085_978_496_000 - self.now;
            let offset = [-HOUR, HOUR, -3 * MINUTE, 3 * MINUTE, to_1970, to_2036, 0][random.pick(7)];
            // A box whose clock is years ahead must be put right before it starts again.
            let lasts = if offset == to_2036 {
                random.between(MINUTE, HOUR)
            } else {
                random.between(MINUTE, 2 * DAY)
            };
            let begins = start + random.between(5 * MINUTE, HOUR);
            due.push((begins, Event::Clock(i, offset, random.between(-200, 200))));
            due.push((begins + lasts, Event::Clock(i, 0, random.between(-50, 50))));
        }
        for (time, event) in due {
            self.at(time, event);
        }
    }

    fn gateway_faults(&mut self) {
        let chance = self.plan.faults;
        let random = &mut self.random;
        if random.permille(chance) {
            let left = u32::try_from(random.between(1, 40)).unwrap();
            let data = self.root.path().join("gateway");
            let image = self.root.path().join("gateway-image");
            self.gateway_armed = Some(Armed { left, files: data, image });
        }
        if random.permille(chance / 2) {
            let full = self.now + random.between(0, 5 * HOUR);
            let free = full + random.between(MINUTE, DAY);
            self.at(full, Event::GatewayDisk(true));
            self.at(free, Event::GatewayDisk(false));
        } else if random.permille(chance) {
            self.gateway_offset = [0, HOUR, -HOUR][random.pick(3)];
        }
        if self.plan.backups {
            self.backups();
        }
    }

    fn backups(&mut self) {
        let (data, backup) = (self.gateway_data(), self.root.path().join("backup"));
        if !self.backed_up && self.random.permille(300) {
            self.note("gateway backed up");
            disk::copy(&data, &backup);
            self.backed_up = true;
        } else if self.backed_up && self.history == 0 && self.random.permille(250) {
            self.note("gateway put back to its backup");
            self.bury_gateway();
            disk::put_back(&backup, &data);
            self.history += 1;
            self.within(0, HOUR, Event::GatewayOn);
        }
    }

    fn on(&mut self, i: usize) {
        if self.boxes[i].agent.is_some() {
            return;
        }
        if self.plan.snapshots && !self.calm {
            self.snapshots(i);
        }
        let b = &mut self.boxes[i];
        b.off_at = self.now + self.random.between(2 * HOUR, 4 * HOUR);
        let alive = b.boot();
        let life = b.life;
        if alive {
            self.note(&format!("box {i} on, life {life}"));
            self.at(self.now + 1000, Event::Push(i, life));
            self.within(MINUTE, HOUR, Event::Step(i, life));
        } else {
            self.died(i);
        }
    }

    /// Before a start the disk may be copied, or put back to the copy.
    fn snapshots(&mut self, i: usize) {
        let b = &self.boxes[i];
        if self.random.permille(150) {
            disk::copy(&b.data(), &b.snapshot());
            self.note(&format!("box {i} disk copied"));
        } else if b.snapshot().is_dir() && self.random.permille(100) {
            if self.random.permille(500) {
                disk::put_back(&b.snapshot(), &b.data());
                self.note(&format!("box {i} disk put back"));
            } else if b.snapshot().join("spool.db").exists() {
                // Only the spool; what stands beside it knows better.
                remove_spool(&b.data());
                for name in ["spool.db", "spool.db-wal"] {
                    let _ = std::fs::copy(b.snapshot().join(name), b.data().join(name));
                }
                self.note(&format!("box {i} spool put back"));
            }
        }
    }

    fn died(&mut self, i: usize) {
        self.note(&format!("box {i} died"));
        let again = self.now + self.random.between(10_000, 5 * HOUR);
        self.at(again, Event::On(i));
    }

    fn step(&mut self, i: usize) {
        self.boxes[i].step(&mut self.random);
        if self.boxes[i].agent.is_none() {
            return self.died(i);
        }
        let life = self.boxes[i].life;
        self.push(i);
        if self.boxes[i].life != life {
            return;
        }
        self.remember_beginning(i);
        if self.random.permille(20) {
            let done = self.boxes[i].work(|agent| agent.maintain().unwrap());
            if done.is_none() {
                return self.died(i);
            }
        }
        if self.now < self.boxes[i].off_at {
            let next = self.now + self.random.between(20 * MINUTE, HOUR);
            return self.at(next, Event::Step(i, life));
        }
        match self.random.between(0, 9) {
            0 if !self.calm => {
                self.note(&format!("box {i} plug pulled"));
                self.boxes[i].pull_plug();
            }
            // Left on over night, sometimes.
            1 => self.at(self.now + HOUR, Event::Step(i, life)),
            _ => {
                self.boxes[i].off();
                self.note(&format!("box {i} off"));
            }
        }
    }

    /// The first statement fixes where the evidence of a box begins: nothing before it was promised to anybody.
    fn remember_beginning(&mut self, i: usize) {
        if self.boxes[i].begins.is_some() {
            return;
        }
        let first = self.boxes[i].work(|agent| agent.statements(0).unwrap().into_iter().next());
        let spans = first.flatten().map(|first| covered(&open(&first.bytes).unwrap().payload));
        self.boxes[i].begins = spans.and_then(|spans| spans.iter().map(|span| span.0).min());
    }

    fn push(&mut self, i: usize) {
        let begun = self.boxes[i].work(|agent| {
            if !agent.is_busy() {
                agent.begin_push();
            }
        });
        match begun {
            Some(()) => self.go_on(i),
            None if self.boxes[i].agent.is_none() => {}
            None => self.died(i),
        }
    }

    /// Lets the uplink go on until it waits for the network or has nothing to do.
    fn go_on(&mut self, i: usize) {
        loop {
            let had = self.boxes[i].agent.is_some();
            let round = self.boxes[i].poll();
            if had && self.boxes[i].agent.is_none() {
                return self.died(i);
            }
            for request in self.boxes[i].wire.take() {
                self.send(i, request);
            }
            let life = self.boxes[i].life;
            match round {
                Some(Round::Pushed(Some(pause))) if pause > Duration::ZERO => {
                    let pause = i64::try_from(pause.as_millis()).unwrap().max(10 * MINUTE);
                    return self.at(self.now + pause, Event::Push(i, life));
                }
                Some(Round::Pushed(Some(_))) => {
                    self.boxes[i].work(agent::runtime::simulated::Agent::begin_push);
                }
                Some(Round::Pushed(None)) => {
                    if self.now - self.boxes[i].looked_at_log < HOUR {
                        return;
                    }
                    self.boxes[i].looked_at_log = self.now;
                    if self.boxes[i].work(agent::runtime::simulated::Agent::begin_seal) != Some(true) {
                        return;
                    }
                }
                Some(Round::Sealed(_) | Round::Ending) | None => return,
            }
        }
    }

    /// Chooses the fate of a request.
    fn send(&mut self, i: usize, request: Request) {
        let life = self.boxes[i].life;
        if let Some(body) = &request.body {
            for statement in uplink::split(body).unwrap() {
                self.sent.insert(evidence::hash::leaf(statement));
            }
        }
        let none: Carried = Err("no answer".to_owned());
        let give_up = Event::Reply { from: i, life, request: request.clone(), carried: none };
        self.at(self.now + PATIENCE, give_up);
        let cut = self.now < self.boxes[i].cut_until;
        let bad = if self.calm { 0 } else { self.plan.faults / 4 };
        let there = self.now + self.random.between(5, 2000);
        if request.body.is_some() && self.random.permille(bad) {
            // Comes late, perhaps days after its sender gave up, and perhaps besides the one in time.
            let late = self.now + self.random.between(MINUTE, 3 * DAY);
            self.at(late, Event::Request { from: i, life, request: request.clone(), reply: false });
        }
        if !cut && !self.random.permille(bad) {
            self.at(there, Event::Request { from: i, life, request, reply: true });
        }
    }

    fn request(&mut self, from: usize, life: u32, request: Request, reply: bool) {
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

    fn derive(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        match disk::alive(&mut self.gateway_armed, || gateway.derive()) {
            Some(done) => done.unwrap(),
            None => self.gateway_died(true),
        }
    }

    fn seal(&mut self) {
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

    fn gateway_on(&mut self) {
        if self.gateway.is_some() {
            return;
        }
        let data = self.gateway_data();
        self.gateway = Some(Gateway::open(&data, &self.identity, PROJECT).unwrap());
        self.note("gateway on");
        if self.history > 0 && self.detected.is_empty() && self.random.permille(500) {
            // The operator shows what a witness kept.
            let newest = self.seen.iter().max_by_key(|seen| seen.size).map(|seen| seen.note.clone());
            if let (Some(gateway), Some(note)) = (&mut self.gateway, newest) {
                gateway.show(&note).unwrap();
            }
        }
    }

    fn gateway_died(&mut self, by_plan: bool) {
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

    /// No more faults: everything is repaired.
    fn calm_down(&mut self) {
        self.note("calm");
        self.calm = true;
        self.gateway_armed = None;
        self.gateway_offset = 0;
        for b in &mut self.boxes {
            b.armed = None;
            b.cut_until = 0;
            b.fill_disk(false);
            b.clock.bend(0, 0);
        }
        // What is still under way of clocks and disks ends now; what is on the wire still arrives.
        self.events.values_mut().for_each(|event| match event {
            Event::Clock(_, offset, drift) => (*offset, *drift) = (0, 0),
            Event::GatewayDisk(full) | Event::BoxDisk(_, full) => *full = false,
            _ => {}
        });
        if let Some(gateway) = &mut self.gateway {
            gateway.limit_pages(u32::MAX - 1).unwrap();
        }
        self.at(self.now, Event::GatewayOn);
    }
}

/// Removes the spool of a box and nothing beside it.
pub(crate) fn remove_spool(data: &std::path::Path) {
    for name in ["spool.db", "spool.db-wal", "spool.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
}

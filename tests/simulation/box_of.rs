//! One box of the plant: its files, its clocks, its disk, and the agent on it while it is switched on.

use super::disk::{self, Armed};
use super::network::Wire;
use super::random::Random;
use super::setting;
use agent::runtime::simulated::{Agent, Parts, Round, SimulatedClock};
use agent::uplink_client::Client;
use evidence::key::SigningKey;
use observation::{Clock, Decimal, Instant, Mono, Observation, PointId, Utc, Value};
use spool::faulty::{Fault, Faults};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The box's clocks: true time, bent.
#[derive(Debug, Default)]
pub(crate) struct BoxClock(Mutex<Bent>);

#[derive(Debug, Default)]
struct Bent {
    now: i64,
    /// What the wall clock shows beyond the truth, ms.
    offset: i64,
    /// Parts in a million that it runs fast.
    drift: i64,
    since: i64,
    booted: i64,
}

impl BoxClock {
    pub(crate) fn advance(&self, now: i64) {
        self.0.lock().unwrap().now = now;
    }

    pub(crate) fn bend(&self, offset: i64, drift: i64) {
        let mut bent = self.0.lock().unwrap();
        (bent.offset, bent.drift, bent.since) = (offset, drift, bent.now);
    }

    fn boot(&self) {
        let mut bent = self.0.lock().unwrap();
        bent.booted = bent.now;
    }
}

impl Clock for BoxClock {
    fn now(&self) -> Instant {
        let bent = self.0.lock().unwrap();
        let drifted = (bent.now - bent.since) * bent.drift / 1_000_000;
        let mono = u64::try_from(bent.now - bent.booted).unwrap() + 86_400_000;
        Instant { utc: Utc(bent.now + bent.offset + drifted), mono: Mono(mono) }
    }
}

impl SimulatedClock for BoxClock {}

pub(crate) struct PlantBox {
    pub(crate) number: usize,
    pub(crate) dir: PathBuf,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) clock: Arc<BoxClock>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) agent: Option<Agent>,
    /// Starts so far; an event of an earlier life is void.
    pub(crate) life: u32,
    pub(crate) armed: Option<Armed>,
    pub(crate) faults: Faults,
    pub(crate) disk_full: bool,
    /// Cut off from the gateway until then.
    pub(crate) cut_until: i64,
    /// When it is switched off today.
    pub(crate) off_at: i64,
    /// Where its first signed window begins, UTC ms.
    pub(crate) begins: Option<i64>,
    pub(crate) looked_at_log: i64,
    energy: i64,
    client: Client,
}

impl PlantBox {
    pub(crate) fn new(number: usize, root: &Path) -> Self {
        let dir = root.join(format!("box-{number}"));
        std::fs::create_dir_all(dir.join("data")).unwrap();
        Self {
            number,
            dir,
            key: Arc::new(setting::key(number)),
            clock: Arc::default(),
            wire: Arc::default(),
            agent: None,
            life: 0,
            armed: None,
            faults: Faults::default(),
            disk_full: false,
            cut_until: 0,
            off_at: 0,
            begins: None,
            looked_at_log: 0,
            energy: 1000,
            client: Client::new("http://127.0.0.1:1", None, None).unwrap(),
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.dir.join("snapshot")
    }

    /// It will die at the n-th kill point from now.
    pub(crate) fn arm(&mut self, left: u32) {
        self.armed = Some(Armed { left, files: self.data(), image: self.image() });
    }

    /// Switches it on. Says whether the agent lived through its start; nothing but its death keeps it from that.
    pub(crate) fn boot(&mut self) -> bool {
        self.clock.boot();
        self.life += 1;
        let parts = Parts {
            configuration: setting::configuration(self.number, &self.dir),
            key: Arc::clone(&self.key),
            clock: Arc::clone(&self.clock) as Arc<dyn SimulatedClock>,
            carrier: Arc::clone(&self.wire) as _,
            faults: self.faults.clone(),
            client: self.client.clone(),
        };
        match disk::alive(&mut self.armed, || Agent::start(parts)) {
            Some(Ok(agent)) => {
                self.agent = Some(agent);
                true
            }
            Some(Err(error)) => panic!("box {} does not start: {error}", self.number),
            None => self.died(),
        }
    }

    /// Lets the agent work; nothing when it is off or died on the way.
    pub(crate) fn work<T>(&mut self, work: impl FnOnce(&mut Agent) -> T) -> Option<T> {
        let agent = self.agent.as_mut()?;
        let done = disk::alive(&mut self.armed, || work(agent));
        if done.is_none() {
            self.died();
        }
        done
    }

    fn died(&mut self) -> bool {
        self.agent = None;
        self.life += 1;
        self.wire.take();
        disk::put_back(&self.image(), &self.data());
        false
    }

    /// The plug is pulled.
    pub(crate) fn pull_plug(&mut self) {
        disk::copy(&self.data(), &self.image());
        self.died();
    }

    /// Switched off in order.
    pub(crate) fn off(&mut self) {
        let Some(agent) = self.agent.take() else { return };
        let number = self.number;
        self.wire.take();
        self.life += 1;
        match disk::alive(&mut self.armed, || agent.finish()) {
            Some(done) => done.unwrap_or_else(|e| panic!("box {number} does not end: {e}")),
            None => disk::put_back(&self.image(), &self.data()),
        }
    }

    /// Reads the press and makes a step.
    pub(crate) fn step(&mut self, random: &mut Random) {
        let number = self.number;
        let now = self.clock.now();
        self.energy += random.between(0, 500);
        let read = |point, value| Observation::good(PointId(point), Value::Number(value), now);
        let power = Decimal::new(if random.permille(700) { 35 } else { 5 }, -1).unwrap();
        let silent = random.permille(30);
        let energy = Decimal::from(self.energy);
        self.work(|agent| {
            if !silent {
                agent.observe(vec![read(0, power), read(1, energy)]);
            }
            agent.step().unwrap_or_else(|e| panic!("box {number}: {e}"));
        });
    }

    /// Goes on with a round that is under way.
    pub(crate) fn poll(&mut self) -> Option<Round> {
        let number = self.number;
        self.work(|agent| agent.poll().unwrap_or_else(|e| panic!("box {number}: {e}"))).flatten()
    }

    pub(crate) fn fill_disk(&mut self, full: bool) {
        self.disk_full = full;
        self.faults.last(full.then_some(Fault::Full));
    }
}

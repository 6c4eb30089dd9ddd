//! A gateway with one project in a temporary directory, an agent that signs, and a client over a real socket.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use evidence::Hash;
use evidence::enrol::{Enrolment, ProposedMachine};
use evidence::key::{Kid, SigningKey};
use evidence::payload::{
    ClockClaim, Definition, Event, EventCode, EventValue, Genesis, Place, RawCommitment, SeenCheckpoint,
    WindowBatch, definitions_in_force,
};
use evidence::statement::{self, Payload, Role};
use gateway::{GatewayHandle, GatewayOptions, commands};
use observation::{Clock, Instant, Mono, Utc};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use uplink::{BodyWriter, Outcome};

pub const PROJECT: &str = "宁波-2026";
pub const T0: i64 = 1_790_000_000 - 1_790_000_000 % 300;

/// A clock that shows what it is set to, UTC seconds.
pub struct SetClock(pub AtomicI64);

impl SetClock {
    pub fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(seconds)))
    }

    pub fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Instant {
        Instant { utc: Utc::from_secs(self.0.load(Ordering::SeqCst)), mono: Mono(0) }
    }
}

/// A data directory with an imported project.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub genesis: Vec<u8>,
    pub registrar: SigningKey,
}

impl Site {
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("gateway")
    }

    pub fn new(agents: &[&Agent]) -> Self {
        Self::edited(agents, |_| {})
    }

    /// With a draft that the registrar edits before signing.
    pub fn edited(agents: &[&Agent], edit: fn(&mut verify::Draft)) -> Self {
        let site = Self::signed(agents, edit);
        let file = site.dir.path().join("project.genesis");
        std::fs::write(&file, &site.genesis).unwrap();
        assert_eq!(commands::import(&site.data(), &file).unwrap(), PROJECT);
        site
    }

    /// Everything up to the signed genesis, which is not imported.
    pub fn draft_only(agents: &[&Agent]) -> Self {
        Self::signed(agents, |_| {})
    }

    fn signed(agents: &[&Agent], edit: fn(&mut verify::Draft)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("gateway");
        commands::init(&data, Some("gateway.example"), "127.0.0.1:0".parse().unwrap()).unwrap();
        for agent in agents {
            let request = dir.path().join(format!("{}.cbor", agent.id));
            std::fs::write(&request, agent.enrolment()).unwrap();
            commands::enrol(&data, &request, 1).unwrap();
        }
        let draft = commands::create(&data, PROJECT, &[] as &[&Path]).unwrap();
        let mut draft: verify::Draft = toml::from_str(&draft).unwrap();
        edit(&mut draft);
        let registrar = SigningKey::from_seed([1; 32]);
        let genesis = draft.to_genesis(registrar.public(), "registrar", [7; 16]).unwrap();
        let payload = Payload::Genesis(Box::new(genesis));
        let genesis =
            statement::seal(&registrar, Role::Registrar, "registrar", PROJECT, T0 - 60, &payload).unwrap();
        Self { dir, genesis, registrar }
    }

    /// The genesis that was signed.
    pub fn genesis(&self) -> Genesis {
        match statement::open(&self.genesis).unwrap().payload {
            Payload::Genesis(genesis) => *genesis,
            _ => unreachable!("the site's genesis is one"),
        }
    }

    /// Runs with a clock that the test sets.
    pub async fn run_at(&self, clock: &Arc<SetClock>) -> Running {
        let mut options = GatewayOptions::new(self.data());
        options.seal_every = Some(Duration::from_millis(50));
        options.clock = Arc::clone(clock) as Arc<dyn Clock>;
        Running::new(gateway::run(options).await.unwrap())
    }

    pub async fn run(&self) -> Running {
        let mut options = GatewayOptions::new(self.data());
        options.seal_every = Some(Duration::from_millis(50));
        Running::new(gateway::run(options).await.unwrap())
    }
}

/// One machine's agent.
pub struct Agent {
    pub key: SigningKey,
    pub id: String,
    pub machine: u32,
    pub seq: u64,
    pub prev: Option<Hash>,
    pub t: i64,
    /// Events of the next window statement.
    pub events: Vec<Event>,
    /// Text of its state mapping.
    pub mapping: String,
    /// What its energy register shows at `t`, Wh.
    pub register: i64,
}

impl Agent {
    /// The agent of machine number `machine` (0 for the first enrolled by name).
    pub fn new(machine: u32) -> Self {
        let seed = u8::try_from(machine + 10).unwrap();
        Self {
            key: SigningKey::from_seed([seed; 32]),
            id: format!("box-{machine}"),
            machine,
            seq: 0,
            prev: None,
            t: T0,
            events: vec![],
            mapping: format!("state rules of m{machine}"),
            register: 0,
        }
    }

    pub fn kid(&self) -> Kid {
        self.key.public().kid()
    }

    fn mapping(&self) -> Definition {
        Definition::new(format!("mapping/m{}", self.machine), self.mapping.clone())
    }

    pub fn enrolment(&self) -> Vec<u8> {
        let machine = ProposedMachine {
            id: format!("m{}", self.machine),
            name: format!("加工中心 {}", self.machine),
            line: "L1".into(),
            kind: "cnc".into(),
            columns: vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 16, 17, 18],
            mapping: self.mapping().text,
            ..ProposedMachine::default()
        };
        let enrolment = Enrolment {
            agent: self.id.clone(),
            project: PROJECT.into(),
            key: self.key.public().clone(),
            machines: vec![machine],
            step_s: 60,
            windows_per_statement: 5,
            program: "test".into(),
        };
        enrolment.seal(&self.key).unwrap()
    }

    /// Five windows of 60 s: PRODUCING for `producing_ms` of each, the rest OFF; 10 Wh a window.
    pub fn window(
        &self,
        producing_ms: i64,
        seen: Option<SeenCheckpoint>,
        definitions: &[Definition],
    ) -> Vec<u8> {
        let column = |exponent, values| evidence::column::Column { exponent, values };
        let batch = WindowBatch {
            place: Place { seq: self.seq, prev: self.prev },
            boot_epoch: 1,
            t0: self.t,
            step: 60,
            n: 5,
            clock: ClockClaim::default(),
            checkpoint: seen,
            machines: vec![self.machine],
            columns: BTreeMap::from([
                (1, column(0, vec![60_000 - producing_ms; 5])),
                (5, column(0, vec![producing_ms; 5])),
                (10, column(0, (1..=5).map(|w| self.register + w * 10).collect())),
                (11, column(0, vec![1; 5])),
                (16, column(0, vec![60; 5])),
                (17, column(0, vec![60; 5])),
                (18, column(0, vec![60_000; 5])),
            ]),
            raw: RawCommitment::default(),
            definitions: definitions_in_force(definitions, &[(self.machine, self.mapping().hash)]),
            events: self.events.clone(),
        };
        self.seal(&Payload::Window(Box::new(batch)))
    }

    fn seal(&self, payload: &Payload) -> Vec<u8> {
        statement::seal(&self.key, Role::Agent, &self.id, PROJECT, self.t, payload).unwrap()
    }

    /// A signed outage of five windows.
    pub fn down(&mut self) -> Vec<u8> {
        let event = Event {
            t_ms: self.t * 1000,
            code: EventCode::Down,
            machine: None,
            before: EventValue::Int(self.t * 1000),
            after: EventValue::Int((self.t + 300) * 1000),
        };
        let bytes = self.seal(&Payload::Event(evidence::payload::EventBatch {
            place: Place { seq: self.seq, prev: self.prev },
            boot_epoch: 1,
            clock: ClockClaim::default(),
            events: vec![event],
        }));
        self.advance(&bytes);
        self.register -= 50;
        bytes
    }

    pub fn advance(&mut self, bytes: &[u8]) {
        self.seq += 1;
        self.prev = Some(evidence::hash::leaf(bytes));
        self.t += 300;
        self.register += 50;
        self.events.clear();
    }

    pub fn next(&mut self, definitions: &[Definition]) -> Vec<u8> {
        let bytes = self.window(45_000, None, definitions);
        self.advance(&bytes);
        bytes
    }
}

/// The definitions of a genesis.
pub fn definitions(genesis: &[u8]) -> Vec<Definition> {
    match statement::open(genesis).unwrap().payload {
        Payload::Genesis(genesis) => genesis.definitions,
        _ => vec![],
    }
}

/// A client for a gateway on this machine.
pub fn client() -> reqwest::Client {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Pushes to an address; nothing when the gateway is gone.
pub async fn push_to(client: &reqwest::Client, address: &str, statements: &[&[u8]]) -> Option<Outcome> {
    let mut body = BodyWriter::new();
    for statement in statements {
        body.push(statement).unwrap();
    }
    let url = format!("{address}{}", uplink::path::statements(PROJECT));
    let request = client.post(url).header("content-type", uplink::STATEMENTS_TYPE).body(body.finish());
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    Some(Outcome::of(status, None, &response.bytes().await.ok()?))
}

/// A running gateway and a client.
pub struct Running {
    pub handle: GatewayHandle,
    pub client: reqwest::Client,
}

impl Running {
    fn new(handle: GatewayHandle) -> Self {
        Self { handle, client: client() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.handle.addr)
    }

    pub async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    pub async fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    pub async fn post(&self, path: &str, media: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = self.client.post(self.url(path)).header("content-type", media).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    pub async fn push(&self, statements: &[&[u8]]) -> Outcome {
        push_to(&self.client, &self.url(""), statements).await.unwrap()
    }

    /// Asks until the answer satisfies; the test runner's own limit ends a wait that never does.
    pub async fn until(&self, path: &str, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        loop {
            let (status, body) = self.get(path).await;
            if status == 200 {
                let value = serde_json::from_slice(&body).unwrap();
                if fits(&value) {
                    return value;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// The project's page once everything is sealed and derived.
    pub async fn settled(&self, size: u64) -> serde_json::Value {
        let path = format!("/v1/projects/{}", uplink::path::segment(PROJECT));
        self.until(&path, |p| p["sealed"] == size && p["through"] == size).await
    }
}

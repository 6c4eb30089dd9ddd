//! Durable statements a second through the gateway's interface, from 64 agents at once, against the aim, and against
//! the bare commit rate of SQLite (WAL, FULL) for the same bytes in batches of the same size on the same disk.
//!
//! Gateway and senders share the machine's cores. Each agent sends as a real one does: up to 64 statements in a
//! body, the next body after the acknowledgement. Statements are sealed before.

mod process;
mod shop;
mod table;

use evidence::enrol::{Enrolment, ProposedMachine};
use evidence::hash::sha256;
use evidence::key::SigningKey;
use evidence::payload::{ClockClaim, Genesis, Place, RawCommitment, WindowBatch, definitions_in_force};
use evidence::statement::{self, Payload, Role};
use evidence::{Hash, hash};
use plumbline_tests::harness::chain::{Chain, Programs};
use shop::Shop;
use std::path::Path;
use std::time::{Duration, Instant};
use table::Aim;
use uplink::{BodyWriter, STATEMENTS_TYPE};

const PROJECT: &str = "INGEST-1";
const AGENTS: u32 = 64;
/// Machines of one agent.
const MACHINES: u32 = 3;
/// What a gateway allows in flight.
const CREDIT: usize = 64;
/// Bodies of each agent in one repetition.
const BODIES: usize = 8;
const REPETITIONS: usize = 4;
/// Statements of one commit of the peer: everything that is in flight at once.
const COMMIT: usize = CREDIT * 64;
const AIM: f64 = 5_000.0;
const STEP: u32 = 60;
const PER_STATEMENT: u32 = 5;

fn main() {
    let programs = Programs {
        agent: env!("CARGO_BIN_EXE_agent-under-test"),
        gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
        verify: env!("CARGO_BIN_EXE_verify-under-test"),
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut chain = Chain::without_agent(programs);
    let mut agents: Vec<Agent> = (0..AGENTS).map(Agent::new).collect();
    let genesis = found(&chain, &programs, &agents);
    for agent in &mut agents {
        agent.read(&genesis);
    }
    chain.start_gateway(&[("RUST_LOG", "warn")]);
    let url = format!("http://{}{}", chain.gateway_address(), uplink::path::statements(PROJECT));
    let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|e| panic!("no runtime: {e}"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap_or_else(|e| panic!("no client: {e}"));
    let (mut to_aim, mut to_bare, mut to_both) = (vec![], vec![], vec![]);
    let (mut to_check, mut of_core) = (vec![], vec![]);
    let gateway = chain.gateway().id();
    for repetition in 0..REPETITIONS {
        let bodies: Vec<Vec<Vec<Vec<u8>>>> = agents.iter_mut().map(Agent::bodies).collect();
        let all: Vec<&[u8]> = bodies.iter().flatten().flatten().map(Vec::as_slice).collect();
        let count = f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX));
        let bare = bare(&chain.path(&format!("bare-{repetition}.sqlite")), &all);
        let signatures = signatures(&all);
        let check = check(&all[..COMMIT]);
        let (began, before) = (Instant::now(), process::cpu(gateway));
        runtime.block_on(push(&client, &url, &bodies));
        let took = began.elapsed().as_secs_f64();
        let spent = process::cpu(gateway).saturating_sub(before).as_secs_f64() / count;
        to_check.push(spent / check);
        of_core.push(spent * AIM);
        to_aim.push(count / took / AIM);
        to_bare.push(bare.as_secs_f64() / took);
        to_both.push((bare + signatures).as_secs_f64() / took);
    }
    let bytes = agents[0].bodies()[0][0].len();
    table::head(&format!(
        "ingest: {AGENTS} agents, bodies of {CREDIT} statements of some {bytes} bytes, {} statements a repetition, {REPETITIONS} repetitions",
        AGENTS * u32::try_from(CREDIT * BODIES).unwrap_or(0)
    ));
    table::row("durable statements/s ÷ 5 000/s", &to_aim, Aim::AtLeast(1.0));
    table::row("durable statements/s ÷ bare SQLite commits of the same bytes", &to_bare, Aim::Shown);
    table::row("durable statements/s ÷ bare commits after bare Ed25519 on all cores", &to_both, Aim::Shown);
    table::row("gateway's processor time a statement ÷ one bare Ed25519 check", &to_check, Aim::Shown);
    table::row("gateway's processor time of 5 000 statements ÷ a second of one core", &of_core, Aim::Shown);
}

/// One sender.
struct Agent {
    id: String,
    key: SigningKey,
    shop: Shop,
    machines: Vec<u32>,
    definitions: Hash,
    place: Place,
    t: i64,
}

impl Agent {
    fn new(index: u32) -> Self {
        let mut seed = [0x5a; 32];
        seed[..4].copy_from_slice(&index.to_be_bytes());
        Self {
            id: format!("edge-{index:02}"),
            key: SigningKey::from_seed(seed),
            shop: Shop::new(index * MACHINES..(index + 1) * MACHINES),
            machines: vec![],
            definitions: [0; 32],
            place: Place::default(),
            t: 0,
        }
    }

    fn machine(&self, index: u32) -> ProposedMachine {
        ProposedMachine {
            id: format!("{}-m{index}", self.id),
            name: format!("{index}"),
            line: "A".into(),
            kind: "press".into(),
            columns: kpi::column::ALL.iter().copied().filter(|id| *id < 30).collect(),
            mapping: "producing = 'true'".into(),
            ..ProposedMachine::default()
        }
    }

    fn enrolment(&self) -> Vec<u8> {
        let enrolment = Enrolment {
            agent: self.id.clone(),
            project: PROJECT.into(),
            key: self.key.public().clone(),
            machines: (0..MACHINES).map(|m| self.machine(m)).collect(),
            step_s: STEP,
            windows_per_statement: PER_STATEMENT,
            program: "bench".into(),
        };
        enrolment.seal(&self.key).unwrap_or_else(|e| panic!("enrolment: {e}"))
    }

    fn read(&mut self, (genesis, iat): &(Genesis, i64)) {
        let own: Vec<_> = genesis.machines.iter().filter(|m| m.agent == self.id).collect();
        self.machines = own.iter().map(|m| m.index).collect();
        let mappings: Vec<_> = own.iter().map(|m| (m.index, m.mapping)).collect();
        self.definitions = definitions_in_force(&genesis.definitions, &mappings);
        self.t = (iat / 60 + 1) * 60;
    }

    fn bodies(&mut self) -> Vec<Vec<Vec<u8>>> {
        (0..BODIES).map(|_| (0..CREDIT).map(|_| self.statement()).collect()).collect()
    }

    fn statement(&mut self) -> Vec<u8> {
        let (_, columns) = self.shop.columns(PER_STATEMENT);
        let batch = WindowBatch {
            place: self.place,
            boot_epoch: 1,
            t0: self.t,
            step: STEP,
            n: PER_STATEMENT,
            clock: ClockClaim::default(),
            checkpoint: None,
            machines: self.machines.clone(),
            columns,
            raw: RawCommitment { root: sha256(&self.t.to_be_bytes()), blocks: 1 },
            definitions: self.definitions,
            events: vec![],
        };
        self.t += i64::from(STEP * PER_STATEMENT);
        let payload = Payload::Window(Box::new(batch));
        let bytes = statement::seal(&self.key, Role::Agent, &self.id, PROJECT, self.t, &payload)
            .unwrap_or_else(|e| panic!("statement: {e}"));
        self.place = Place { seq: self.place.seq + 1, prev: Some(hash::leaf(&bytes)) };
        bytes
    }
}

/// Makes the project of all agents.
fn found(chain: &Chain, programs: &Programs, agents: &[Agent]) -> (Genesis, i64) {
    let text = |name: &str| chain.path(name).display().to_string();
    let mut create: Vec<String> = ["project", "create", PROJECT].map(str::to_owned).to_vec();
    for agent in agents {
        let file = text(&format!("{}.cbor", agent.id));
        std::fs::write(&file, agent.enrolment()).unwrap_or_else(|e| panic!("{file}: {e}"));
        create.extend(["--enrolment".to_owned(), file]);
    }
    let (data, draft) = (chain.gateway_data().display().to_string(), text("draft.toml"));
    create.extend(["--out".to_owned(), draft.clone(), "--data".to_owned(), data.clone()]);
    chain.must(programs.gateway, &create.iter().map(String::as_str).collect::<Vec<_>>());
    let (key, out) = (text("registrar/registrar.pem"), text("registrar"));
    let sign = [
        "genesis",
        &draft,
        "--key",
        &key,
        "--no-passphrase",
        "--id",
        "registrar.test",
        "--out",
        &out,
        "--yes",
    ];
    chain.must(programs.verify, &sign);
    let genesis = chain.genesis(PROJECT);
    chain.must(programs.gateway, &["project", "import", &genesis.display().to_string(), "--data", &data]);
    // The harness seals every 300 ms for its tests; here the gateway works as installed.
    let settings = chain.gateway_data().join("gateway.toml");
    let as_installed = |text: String| text.replace("seal_every = \"300ms\"", "seal_every = \"60s\"");
    let changed = std::fs::read_to_string(&settings).map(as_installed);
    let written = changed.and_then(|text| std::fs::write(&settings, text));
    written.unwrap_or_else(|e| panic!("{}: {e}", settings.display()));
    let bytes = std::fs::read(&genesis).unwrap_or_else(|e| panic!("{}: {e}", genesis.display()));
    let open = statement::open(&bytes).unwrap_or_else(|e| panic!("genesis: {e}"));
    match open.payload {
        Payload::Genesis(genesis) => (*genesis, open.header.iat),
        other => panic!("{:?} instead of a genesis", other.kind()),
    }
}

/// All agents at once; each body after the acknowledgement of the one before.
async fn push(client: &reqwest::Client, url: &str, bodies: &[Vec<Vec<Vec<u8>>>]) {
    let agent = |bodies: Vec<Vec<u8>>| {
        let (client, url) = (client.clone(), url.to_owned());
        async move {
            for body in bodies {
                let request = client.post(&url).header("content-type", STATEMENTS_TYPE).body(body);
                let answer = request.send().await.unwrap_or_else(|e| panic!("push: {e}"));
                let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
                assert!(status.is_success(), "{status}: {text}");
            }
        }
    };
    let tasks: Vec<_> =
        bodies.iter().map(|own| tokio::spawn(agent(own.iter().map(|b| framed(b)).collect()))).collect();
    for task in tasks {
        task.await.unwrap_or_else(|e| panic!("a sender failed: {e}"));
    }
}

fn framed(statements: &[Vec<u8>]) -> Vec<u8> {
    let mut body = BodyWriter::new();
    for statement in statements {
        body.push(statement).unwrap_or_else(|e| panic!("body: {e}"));
    }
    body.finish()
}

/// The store alone: one table, one transaction for as many statements as are in flight at once.
fn bare(path: &Path, statements: &[&[u8]]) -> Duration {
    let run = || -> rusqlite::Result<Duration> {
        let mut connection = rusqlite::Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE entry(idx INTEGER PRIMARY KEY, bytes BLOB)",
        )?;
        let began = Instant::now();
        for batch in statements.chunks(COMMIT) {
            let transaction = connection.transaction()?;
            for statement in batch {
                transaction.prepare_cached("INSERT INTO entry(bytes) VALUES(?)")?.execute([statement])?;
            }
            transaction.commit()?;
        }
        Ok(began.elapsed())
    };
    run().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Processor time of one strict Ed25519 check, s; over these statements, on one core.
fn check(statements: &[&[u8]]) -> f64 {
    let key = SigningKey::from_seed([9; 32]);
    let signed: Vec<_> = statements.iter().map(|s| (*s, key.sign(s))).collect();
    let before = process::cpu(std::process::id());
    for (statement, signature) in &signed {
        key.public().verify(statement, signature).unwrap_or_else(|e| panic!("{e}"));
    }
    let spent = process::cpu(std::process::id()).saturating_sub(before).as_secs_f64();
    spent / f64::from(u32::try_from(signed.len()).unwrap_or(u32::MAX))
}

/// One strict Ed25519 check for each statement, on all cores.
fn signatures(statements: &[&[u8]]) -> Duration {
    let key = SigningKey::from_seed([9; 32]);
    let signed: Vec<_> = statements.iter().map(|s| (*s, key.sign(s))).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for part in signed.chunks(signed.len().div_ceil(threads)) {
            let key = key.public();
            scope.spawn(move || {
                for (statement, signature) in part {
                    key.verify(statement, signature).unwrap_or_else(|e| panic!("{e}"));
                }
            });
        }
    });
    began.elapsed()
}

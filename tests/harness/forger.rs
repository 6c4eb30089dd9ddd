//! A signer under the test's control: an agent's key without an agent, and an HTTP client that pushes whatever
//! the test makes with it, right or wrong, and keeps what the gateway acknowledged.

use evidence::Hash;
use evidence::column::Column;
use evidence::enrol::{Enrolment, ProposedMachine};
use evidence::key::SigningKey;
use evidence::payload::{ClockClaim, Definition, Place, RawCommitment, WindowBatch, definitions_in_force};
use evidence::statement::{self, Payload, Role};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use uplink::{BodyWriter, Outcome, STATEMENTS_TYPE};

/// Window length, s; one window a statement, so that many fit before the windows lie in the future.
const STEP: u32 = 1;
const STEP_MS: i64 = 1000;

/// One signer of one project with one machine.
pub struct Forger {
    /// Its key.
    pub key: SigningKey,
    /// The project it signs for.
    pub project: String,
    /// Number of the next statement.
    pub seq: u64,
    /// Leaf of the one before.
    pub prev: Option<Hash>,
    /// Start of its next window, UTC s.
    pub t: i64,
    definitions: Hash,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Forger {
    /// A signer whose key comes from `seed`. Its windows follow the genesis, see [`Self::read_genesis`].
    ///
    /// # Panics
    /// Without a runtime or a client.
    pub fn new(project: &str, seed: u8) -> Self {
        // Another user in this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            key: SigningKey::from_seed([seed; 32]),
            project: project.to_owned(),
            seq: 0,
            prev: None,
            t: 0,
            definitions: [0; 32],
            client: client.unwrap_or_else(|e| panic!("no client: {e}")),
            runtime: runtime.unwrap_or_else(|e| panic!("no runtime: {e}")),
        }
    }

    fn mapping() -> Definition {
        Definition::new("mapping/press", "producing = 'true'")
    }

    /// Its request to be enrolled, as a file.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn write_enrolment(&self, file: &Path) {
        let machine = ProposedMachine {
            id: "press".into(),
            name: "冲床".into(),
            line: "A".into(),
            kind: "press".into(),
            columns: vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 16, 17, 18],
            mapping: Self::mapping().text,
            ..ProposedMachine::default()
        };
        let enrolment = Enrolment {
            agent: "forger".into(),
            project: self.project.clone(),
            key: self.key.public().clone(),
            machines: vec![machine],
            step_s: STEP,
            windows_per_statement: 1,
            program: "test".into(),
        };
        let bytes = enrolment.seal(&self.key).unwrap_or_else(|e| panic!("enrolment: {e}"));
        std::fs::write(file, bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }

    /// Reads the genesis: statements name the definitions in force, and windows begin after it.
    ///
    /// # Panics
    /// When it is none.
    pub fn read_genesis(&mut self, file: &Path) {
        let bytes = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let open = statement::open(&bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.t = open.header.iat + 1;
        let Payload::Genesis(genesis) = open.payload else { panic!("{}: no genesis", file.display()) };
        self.definitions = definitions_in_force(&genesis.definitions, &[(0, Self::mapping().hash)]);
    }

    /// The statement that would be next, PRODUCING for `producing_ms` of each window; another figure makes
    /// another statement with the same number.
    ///
    /// # Panics
    /// When it cannot be sealed.
    pub fn window(&self, producing_ms: i64) -> Vec<u8> {
        self.window_for(&self.project, producing_ms)
    }

    /// The same for any project.
    ///
    /// # Panics
    /// When it cannot be sealed.
    pub fn window_for(&self, project: &str, producing_ms: i64) -> Vec<u8> {
        let column = |values| Column { exponent: 0, values };
        let register = i64::try_from(self.seq).unwrap_or(0) * 3;
        let batch = WindowBatch {
            place: Place { seq: self.seq, prev: self.prev },
            boot_epoch: 1,
            t0: self.t,
            step: STEP,
            n: 1,
            clock: ClockClaim::default(),
            checkpoint: None,
            machines: vec![0],
            columns: BTreeMap::from([
                (1, column(vec![STEP_MS - producing_ms])),
                (5, column(vec![producing_ms])),
                (10, column(vec![register])),
                (11, column(vec![1])),
                (16, column(vec![5])),
                (17, column(vec![5])),
                (18, column(vec![STEP_MS])),
            ]),
            raw: RawCommitment::default(),
            definitions: self.definitions,
            events: vec![],
        };
        let payload = Payload::Window(Box::new(batch));
        statement::seal(&self.key, Role::Agent, "forger", project, self.t, &payload)
            .unwrap_or_else(|e| panic!("statement {}: {e}", self.seq))
    }

    /// Goes on after a statement.
    pub fn advance(&mut self, bytes: &[u8]) {
        self.seq += 1;
        self.prev = Some(evidence::hash::leaf(bytes));
        self.t += i64::from(STEP);
    }

    /// The next statement, taken for sent.
    pub fn following(&mut self) -> Vec<u8> {
        let bytes = self.window(750);
        self.advance(&bytes);
        bytes
    }

    /// Pushes statements; `None` when no answer came.
    ///
    /// # Panics
    /// When they do not fit into a body.
    pub fn push<S: AsRef<[u8]>>(&self, gateway: SocketAddr, statements: &[S]) -> Option<Outcome> {
        let mut body = BodyWriter::new();
        for statement in statements {
            body.push(statement.as_ref()).unwrap_or_else(|e| panic!("body: {e}"));
        }
        let (status, answer) = self.post(gateway, &self.project, STATEMENTS_TYPE, body.finish())?;
        Some(Outcome::of(status, None, &answer))
    }

    /// Posts any body to a project's statements; status and answer, or `None` when none came.
    pub fn post(
        &self,
        gateway: SocketAddr,
        project: &str,
        media: &str,
        body: Vec<u8>,
    ) -> Option<(u16, Vec<u8>)> {
        let url = format!("http://{gateway}{}", uplink::path::statements(project));
        self.runtime.block_on(async {
            let request = self.client.post(url).header("content-type", media).body(body);
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some((status, response.bytes().await.ok()?.to_vec()))
        })
    }
}

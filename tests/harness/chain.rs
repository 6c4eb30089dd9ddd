//! A whole chain of real processes in one folder: gateway, registrar, agent, bundle, assessor. Every step goes
//! through a command line, as people take them; nothing is called in-process.
//!
//! What the processes read (plants, peers) is the test's own business, and so is what a bundle must say; see
//! [`super::logged`] for reading it.

use super::process::{PATIENCE, Process};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The project of the chain's agent.
pub const PROJECT: &str = "CHAIN-1";
/// The agent's id.
pub const AGENT: &str = "edge-test";

/// Where the programs are; only an integration test knows (`CARGO_BIN_EXE_…`).
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The agent.
    pub agent: &'static str,
    /// The gateway.
    pub gateway: &'static str,
    /// The assessor's and registrar's program.
    pub verify: &'static str,
}

/// What a program that ran to its end left.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Environment of a started program.
pub type Env<'a> = &'a [(&'a str, &'a str)];

/// The chain. Dropping it kills the processes and removes the folder, unless the test has failed.
pub struct Chain {
    programs: Programs,
    folder: Option<tempfile::TempDir>,
    port: u16,
    agent_data: PathBuf,
    gateway_data: PathBuf,
    agent: Option<Process>,
    gateway: Option<Process>,
    bundles: usize,
    /// UTC s after which every window of the agent must be there; set by the first start of the agent.
    pub from: i64,
}

/// A port that nobody listens on, at the time of asking. It lies below those that a system gives to connections and
/// to whoever asks for any (32768 and up on Linux), so that nobody gets it before it is used, or while its owner is
/// started again.
///
/// # Panics
/// Without a loopback interface.
pub fn free_port() -> u16 {
    let chosen = (0..1000).map(|_| {
        let mut dice = [0; 2];
        getrandom::fill(&mut dice).unwrap_or_else(|e| panic!("no randomness: {e}"));
        12_000 + u16::from_le_bytes(dice) % 20_000
    });
    let mut free = chosen.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.next().unwrap_or_else(|| panic!("no loopback port is free"))
}

/// UTC seconds.
pub fn now_s() -> i64 {
    now_ms().div_euclid(1000)
}

/// UTC milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Waits until `holds` does, asking again and again.
///
/// # Panics
/// When it never does, with `what`.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

impl Chain {
    /// Everything up to the imported genesis. `plant` is the part of the agent's configuration from the links
    /// on; `per_statement` windows of one second make a statement.
    ///
    /// # Panics
    /// When a step fails, with what it printed.
    #[track_caller]
    pub fn new(programs: Programs, per_statement: u32, plant: &str) -> Self {
        let chain = Self::without_agent(programs);
        let configuration = chain.configuration(per_statement, plant);
        chain.enrol(&configuration);
        chain
    }

    /// A gateway and a registrar; no project yet.
    ///
    /// # Panics
    /// When a step fails, with what it printed.
    #[track_caller]
    pub fn without_agent(programs: Programs) -> Self {
        let chain = Self::without_gateway(programs);
        chain.init_gateway();
        chain
    }

    /// A registrar, and a folder for the rest.
    ///
    /// # Panics
    /// When a step fails, with what it printed.
    #[track_caller]
    pub fn without_gateway(programs: Programs) -> Self {
        let folder = tempfile::Builder::new().prefix("plumbline-chain-").tempdir();
        let folder = folder.unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        let (agent_data, gateway_data) = (folder.path().join("agent-data"), folder.path().join("gateway"));
        let chain = Self {
            programs,
            folder: Some(folder),
            port: free_port(),
            agent_data,
            gateway_data,
            agent: None,
            gateway: None,
            bundles: 0,
            from: 0,
        };
        fs::create_dir(chain.path("registrar")).unwrap_or_else(|e| panic!("registrar: {e}"));
        let key = chain.text("registrar/registrar.pem");
        let made = chain.must(programs.verify, &["keygen", "--out", &key, "--no-passphrase"]);
        fs::write(chain.path("registrar/keygen.txt"), made.out).unwrap_or_else(|e| panic!("keygen.txt: {e}"));
        chain
    }

    /// `gateway init`.
    ///
    /// # Panics
    /// When it fails, with what it printed.
    #[track_caller]
    pub fn init_gateway(&self) {
        let listen = self.gateway_address().to_string();
        let data = self.gateway_data.display().to_string();
        self.must(
            self.programs.gateway,
            &["init", "--data", &data, "--name", "gateway.test", "--listen", &listen],
        );
        // A test wants its statements sealed at once.
        let file = self.gateway_data.join("gateway.toml");
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("gateway.toml: {e}"));
        assert!(text.contains("seal_every = \"60s\""), "gateway.toml has another shape:\n{text}");
        let text = text.replace("seal_every = \"60s\"", "seal_every = \"300ms\"");
        fs::write(&file, text).unwrap_or_else(|e| panic!("gateway.toml: {e}"));
    }

    /// The folder everything is in.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), tempfile::TempDir::path)
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Where the agent keeps its key and spool.
    pub fn agent_data(&self) -> &Path {
        &self.agent_data
    }

    /// Where the gateway keeps keys and logs.
    pub fn gateway_data(&self) -> &Path {
        &self.gateway_data
    }

    /// Where the gateway listens whenever it runs.
    pub fn gateway_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The registrar's public key as trust files and agents write it.
    ///
    /// # Panics
    /// When `keygen` printed something else.
    pub fn registrar(&self) -> String {
        let printed = fs::read_to_string(self.path("registrar/keygen.txt")).unwrap_or_default();
        let quoted = printed.lines().find(|l| l.starts_with("registrar = "));
        let quoted = quoted.unwrap_or_else(|| panic!("keygen printed no trust-file line:\n{printed}"));
        quoted.trim_start_matches("registrar = ").trim().trim_matches('"').to_owned()
    }

    /// The agent's whole configuration.
    pub fn configuration(&self, per_statement: u32, plant: &str) -> String {
        format!(
            "[agent]\nid = \"{AGENT}\"\ndata_dir = \"{}\"\n\n\
             [[uplink]]\nproject = \"{PROJECT}\"\ngateway = \"http://{}\"\ngenesis = \"{}\"\nregistrar = \"{}\"\n\n\
             [window]\nlength = \"1s\"\nper_statement = {per_statement}\n\n[raw]\njournal = \"200ms\"\n\n{plant}",
            self.agent_data.display(),
            self.gateway_address(),
            self.genesis(PROJECT).display(),
            self.registrar(),
        )
    }

    /// Where a project's signed genesis is.
    pub fn genesis(&self, project: &str) -> PathBuf {
        self.path(&format!("registrar/{project}.genesis"))
    }

    /// The agent's configuration file.
    pub fn agent_file(&self) -> PathBuf {
        self.path("agent.toml")
    }

    /// Takes an agent with this configuration from `init` to the imported genesis.
    ///
    /// # Panics
    /// When a step fails, with what it printed.
    #[track_caller]
    pub fn enrol(&self, configuration: &str) {
        self.enrol_in(PROJECT, configuration);
    }

    /// The same for a configuration that names another project.
    ///
    /// # Panics
    /// When a step fails, with what it printed.
    #[track_caller]
    pub fn enrol_in(&self, project: &str, configuration: &str) {
        fs::write(self.agent_file(), configuration).unwrap_or_else(|e| panic!("agent.toml: {e}"));
        let file = self.text("agent.toml");
        self.must(self.programs.agent, &["init", "--config", &file]);
        self.found(project, &self.path("enrol.cbor"));
    }

    /// Makes a project of one enrolment request: draft, genesis, import.
    ///
    /// # Panics
    /// When a step fails, with what it printed.
    #[track_caller]
    pub fn found(&self, project: &str, request: &Path) {
        let draft = self.text(&format!("{project}.draft.toml"));
        let (data, request) = (self.gateway_data.display().to_string(), request.display().to_string());
        self.must(
            self.programs.gateway,
            &["project", "create", project, "--enrolment", &request, "--out", &draft, "--data", &data],
        );
        let (key, out) = (self.text("registrar/registrar.pem"), self.text("registrar"));
        self.must(
            self.programs.verify,
            &[
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
            ],
        );
        let genesis = self.genesis(project).display().to_string();
        self.must(self.programs.gateway, &["project", "import", &genesis, "--data", &data]);
    }

    /// Runs a program to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Ended {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.folder())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{program} does not start: {e}"));
        Ended {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a program that has to succeed.
    ///
    /// # Panics
    /// When it does not, with what it printed.
    #[track_caller]
    pub fn must(&self, program: &str, arguments: &[&str]) -> Ended {
        let ended = self.run(program, arguments);
        let Ended { code, out, err } = &ended;
        assert_eq!(*code, Some(0), "{program} {}\n{out}\n{err}", arguments.join(" "));
        ended
    }

    /// The agent's command, its configuration file given.
    #[track_caller]
    pub fn agent_command(&self, command: &str) -> Ended {
        self.run(self.programs.agent, &[command, "--config", &self.text("agent.toml")])
    }

    /// Starts the gateway and waits until it listens.
    ///
    /// # Panics
    /// When it never does.
    #[track_caller]
    pub fn start_gateway(&mut self, env: Env<'_>) {
        self.launch_gateway(env);
        if let Some(gateway) = &self.gateway {
            gateway.wait_for_line("listening on");
        }
    }

    /// Starts the gateway without waiting: it may be about to die.
    pub fn launch_gateway(&mut self, env: Env<'_>) {
        let mut command = Command::new(self.programs.gateway);
        command.args(["run", "--data"]).arg(&self.gateway_data);
        self.gateway = Some(Process::start("gateway", prepared(&mut command, env)));
    }

    /// Starts the agent without waiting for anything.
    pub fn start_agent(&mut self, env: Env<'_>) {
        if self.from == 0 {
            // The second that is running has begun before the agent, the next one may have too by the time
            // that the agent reads.
            self.from = now_s() + 2;
        }
        let mut command = Command::new(self.programs.agent);
        command.args(["run", "--config"]).arg(self.agent_file());
        self.agent = Some(Process::start("agent", prepared(&mut command, env)));
    }

    /// The running agent.
    ///
    /// # Panics
    /// When none was started.
    pub fn agent(&mut self) -> &mut Process {
        self.agent.as_mut().unwrap_or_else(|| panic!("no agent was started"))
    }

    /// The running gateway.
    ///
    /// # Panics
    /// When none was started.
    pub fn gateway(&mut self) -> &mut Process {
        self.gateway.as_mut().unwrap_or_else(|| panic!("no gateway was started"))
    }

    /// Asks the agent to end, and waits.
    ///
    /// # Panics
    /// When it ends otherwise than with 0.
    #[track_caller]
    pub fn stop_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let status = agent.terminate();
            assert!(status.success(), "the agent ended with {status}:\n{}", agent.printed());
        }
    }

    /// Asks the gateway to end, and waits; it seals what is left.
    ///
    /// # Panics
    /// When it ends otherwise than with 0.
    #[track_caller]
    pub fn stop_gateway(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            let status = gateway.terminate();
            assert!(status.success(), "the gateway ended with {status}:\n{}", gateway.printed());
        }
    }

    /// End of the newest window of the machine that is furthest behind, as the running gateway knows it, UTC s;
    /// 0 when it cannot be asked.
    pub fn logged_until(&self, project: &str) -> i64 {
        let page = self.page(project);
        let ends =
            page["machines"].as_array().map(|m| m.iter().map(|m| m["last_end"].as_i64().unwrap_or(0)).min());
        ends.flatten().unwrap_or(0)
    }

    /// The gateway's own page of a project; `Null` when it cannot be asked.
    pub fn page(&self, project: &str) -> serde_json::Value {
        let target = format!("/v1/projects/{project}");
        get(self.gateway_address(), &target)
            .and_then(|body| serde_json::from_str(&body).ok())
            .unwrap_or_default()
    }

    /// Exports the bundle of a project.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn export(&mut self, project: &str) -> PathBuf {
        self.bundles += 1;
        let out = self.path(&format!("bundle-{}.zip", self.bundles));
        let (file, data) = (out.display().to_string(), self.gateway_data.display().to_string());
        self.must(self.programs.gateway, &["export", project, "--out", &file, "--data", &data]);
        out
    }

    /// Makes the derived tables anew and compares; the gateway must have ended.
    #[track_caller]
    pub fn rebuild(&self, project: &str) -> Ended {
        self.run(
            self.programs.gateway,
            &["rebuild", project, "--data", &self.gateway_data.display().to_string()],
        )
    }

    /// The registrar's trust file for a project with the period the test asks about.
    ///
    /// # Panics
    /// When there is none.
    pub fn trust(&self, project: &str, period: Option<(i64, i64)>) -> PathBuf {
        let anchors = fs::read_to_string(self.path(&format!("registrar/{project}.trust.toml")));
        let anchors = anchors.unwrap_or_else(|e| panic!("the trust file: {e}"));
        let period = period.map_or_else(String::new, |(from, to)| format!("period = [{from}, {to}]\n"));
        let file = self.path(&format!("{project}.trust.toml"));
        fs::write(&file, format!("{anchors}{period}")).unwrap_or_else(|e| panic!("the trust file: {e}"));
        file
    }

    /// What the assessor's program says, as JSON; its exit code beside it.
    ///
    /// # Panics
    /// When it prints no JSON.
    #[track_caller]
    pub fn verify(&self, bundle: &Path, trust: &Path) -> (Option<i32>, serde_json::Value) {
        let (bundle, trust) = (bundle.display().to_string(), trust.display().to_string());
        let Ended { code, out, err } =
            self.run(self.programs.verify, &["bundle", &bundle, "--trust", &trust, "--json"]);
        let json = serde_json::from_str(&out)
            .unwrap_or_else(|e| panic!("no JSON ({e}), exit {code:?}:\n{out}\n{err}"));
        (code, json)
    }

    /// The bundle must be authentic and complete over `[self.from, to)`. Gives bundle, trust file and verdict.
    ///
    /// # Panics
    /// When it is not, with the defects.
    #[track_caller]
    pub fn must_hold(&mut self, to: i64) -> (PathBuf, PathBuf, serde_json::Value) {
        let bundle = self.export(PROJECT);
        let trust = self.trust(PROJECT, Some((self.from, to)));
        let (code, json) = self.verify(&bundle, &trust);
        assert_eq!(
            (code, json["authentic"]["verdict"].as_str(), json["complete"]["verdict"].as_str()),
            (Some(0), Some("yes"), Some("yes")),
            "defects {:#}\nmachines {:#}",
            json["defects"],
            json["machines"]
        );
        (bundle, trust, json)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (name, process) in [("agent", &self.agent), ("gateway", &self.gateway)] {
            if let Some(process) = process {
                eprintln!("--- the {name} printed:\n{}", process.printed());
            }
        }
        // What is left is the best description of what went wrong.
        if let Some(folder) = self.folder.take() {
            eprintln!("--- everything is kept in {}", folder.keep().display());
        }
    }
}

/// The body of a small answer, by the plainest HTTP there is.
fn get(address: SocketAddr, target: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

fn prepared<'a>(command: &'a mut Command, env: Env<'_>) -> &'a mut Command {
    command.env("NO_COLOR", "1").env("RUST_LOG", "info").envs(env.iter().copied())
}

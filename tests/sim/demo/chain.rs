//! The chain of the demo: plant, gateway, registrar, agent, and at the end the bundle with its check.

use anyhow::{Context as _, bail};
use assessor::{Paint, Prepared};
use gateway::{GatewayHandle, GatewayOptions, commands};
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::cell::{Broker, Cell};
use plumbline_tests::sim::cnc::Cnc;
use plumbline_tests::sim::meters::Meters;
use report::Lang;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The demo's project.
pub(crate) const PROJECT: &str = "DEMO-1";
/// How often the demo's gateway seals.
const SEAL_EVERY: Duration = Duration::from_secs(2);

/// Everything that runs.
pub(crate) struct Chain {
    folder: PathBuf,
    floor: Floor,
    _meters: Meters,
    cnc: Option<Cnc>,
    broker: Option<Broker>,
    broker_address: SocketAddr,
    broker_was_cut: bool,
    _cell: Cell,
    gateway: GatewayHandle,
    agent: agent::AgentHandle,
    trust: PathBuf,
    from: i64,
}

/// What the run ended with.
pub(crate) struct Outcome {
    pub(crate) summary: String,
    pub(crate) files: String,
    pub(crate) code: u8,
}

fn step(text: &str) {
    println!("· {text}");
}

impl Chain {
    /// Starts everything in the order in which a real project does.
    pub(crate) async fn start(folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let folder = folder.canonicalize()?;
        if fs::read_dir(&folder)?.next().is_some() {
            bail!("{} is not empty; choose another --out", folder.display());
        }
        step(
            "车间：Modbus 电表、OPC UA 加工中心、MQTT 机器人工作站 / plant: Modbus meters, OPC UA machining centre, MQTT cell",
        );
        let floor = Floor::default();
        let meters = Meters::start(floor.clone(), 0).await?;
        let cnc =
            Cnc::start(floor.clone(), 0, &folder.join("plant/cnc-pki")).await.map_err(anyhow::Error::msg)?;
        let broker = Broker::start(0).await.map_err(anyhow::Error::msg)?;
        let broker_address = broker.address;
        let cell = Cell::start(floor.clone(), broker_address);

        step("网关：密钥、日志、接口 / gateway: keys, log, interface");
        let data = folder.join("gateway");
        commands::init(&data, Some("gateway.demo"), SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let mut options = GatewayOptions::new(&data);
        options.seal_every = Some(SEAL_EVERY);
        let gateway = gateway::run(options).await?;

        step("登记方：密钥 / registrar: key");
        let registrar = folder.join("registrar");
        fs::create_dir_all(&registrar)?;
        let key = registrar.join("registrar.pem");
        let public = assessor::keygen(&key, assessor::Alg::Ed25519, None)?;

        step("采集端：配置、密钥、登记请求 / agent: configuration, key, enrolment request");
        let genesis = registrar.join(format!("{PROJECT}.genesis"));
        let wires =
            Wires { meters: meters.address, cnc: cnc.address, broker: broker_address, gateway: gateway.addr };
        let config = folder.join("agent.toml");
        fs::write(&config, configuration(&wires, &genesis, &public.public().to_string()))?;
        let configuration = agent::Configuration::load(&config)?;
        let enrolment = folder.join("enrol.cbor");
        let (agent_key, _) = agent::keys::load_or_make(&configuration.agent.data_dir)?;
        let request = configuration.enrolment(PROJECT, agent_key.public(), env!("CARGO_PKG_VERSION"));
        fs::write(&enrolment, request.seal(&agent_key)?)?;

        step("登记方：审阅名册并签署创世声明 / registrar: reads the roster and signs the genesis");
        let draft = folder.join("gateway/draft.toml");
        let text = commands::create(&data, PROJECT, &[enrolment])?;
        let mut made: verify::draft::Draft = toml::from_str(&text)?;
        made.demo = true;
        fs::write(&draft, toml::to_string(&made)?)?;
        let prepared: Prepared = assessor::prepare(assessor::GenesisRequest {
            draft: &draft,
            key: &key,
            passphrase: None,
            registrar_id: "registrar.demo",
            out: &registrar,
            now: now(),
        })?;
        let signed = prepared.sign()?;
        commands::import(&data, &signed.genesis)?;

        step("采集端：开始采集 / agent: starts reading");
        let agent = agent::run(agent::AgentOptions::new(configuration)).await?;
        Ok(Self {
            folder,
            floor,
            _meters: meters,
            cnc: Some(cnc),
            broker: Some(broker),
            broker_address,
            broker_was_cut: false,
            _cell: cell,
            gateway,
            agent,
            trust: signed.trust,
            from: now() + 1,
        })
    }

    pub(crate) fn gateway_address(&self) -> SocketAddr {
        self.gateway.addr
    }

    pub(crate) fn broker_is_up(&self) -> bool {
        self.broker.is_some()
    }

    pub(crate) fn broker_was_cut(&self) -> bool {
        self.broker_was_cut
    }

    pub(crate) async fn cut_broker(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop().await;
        }
        self.broker_was_cut = true;
    }

    pub(crate) async fn restore_broker(&mut self) -> anyhow::Result<()> {
        let port = self.broker_address.port();
        self.broker = Some(Broker::start(port).await.map_err(anyhow::Error::msg)?);
        Ok(())
    }

    pub(crate) fn cnc_is_up(&self) -> bool {
        self.cnc.is_some()
    }

    pub(crate) fn kill_cnc(&mut self) {
        self.cnc = None;
    }

    /// Stops the agent, seals the log, exports the bundle and checks it as an assessor would.
    pub(crate) async fn finish(self, to: i64, lang: Lang) -> anyhow::Result<Outcome> {
        let ended = self.agent.shutdown().await;
        if let Some(failure) = ended.failure {
            bail!("the agent ended early: {failure}");
        }
        self.gateway.shutdown().await?;
        let energy = self.floor.look().cnc.energy_wh();
        tracing::info!("the machining centre's meter ended at {energy} Wh");
        let bundle = self.folder.join("bundle.zip");
        commands::export(&self.folder.join("gateway"), PROJECT, &bundle)?;
        let trust = self.folder.join("trust.toml");
        let anchors = fs::read_to_string(&self.trust)?;
        fs::write(
            &trust,
            format!("{anchors}\n# The run of the demo, UTC seconds.\nperiod = [{}, {to}]\n", self.from),
        )?;
        let checked = assessor::check_bundle(&bundle, &trust)?;
        fs::write(self.folder.join("verify.json"), checked.json()?)?;
        fs::write(self.folder.join("report.html"), checked.html(lang)?)?;
        Ok(Outcome {
            summary: checked.summary(lang, Paint::for_stdout()),
            files: files(&self.folder),
            code: checked.exit().code(),
        })
    }
}

fn files(folder: &Path) -> String {
    let shown = |name: &str, what: &str| format!("  {name:<12} {what}\n");
    format!(
        "{}/\n{}{}{}{}\n自己核验 / check it yourself:\n  cargo run --release --bin plumbline-verify -- bundle {0}/bundle.zip --trust {0}/trust.toml",
        folder.display(),
        shown("bundle.zip", "证据包 / the evidence"),
        shown("trust.toml", "信任文件 / whom the check trusts"),
        shown("verify.json", "结论与指标 / verdicts and KPIs"),
        shown("report.html", "给人看的报告 / a report for people"),
    )
}

/// UTC seconds.
pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

struct Wires {
    meters: SocketAddr,
    cnc: SocketAddr,
    broker: SocketAddr,
    gateway: SocketAddr,
}

fn configuration(wires: &Wires, genesis: &Path, registrar: &str) -> String {
    let Wires { meters, cnc, broker, gateway } = wires;
    let genesis = genesis.display();
    include_str!("agent.toml")
        .replace("{METERS}", &meters.to_string())
        .replace("{CNC}", &cnc.to_string())
        .replace("{BROKER}", &broker.to_string())
        .replace("{GATEWAY}", &gateway.to_string())
        .replace("{GENESIS}", &genesis.to_string())
        .replace("{REGISTRAR}", registrar)
}

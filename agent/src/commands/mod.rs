//! The command line: what can be asked of the program, and what each answer's exit code is.

pub mod browse;
pub mod check;
pub mod init;
pub mod probe;
mod profiles;
pub mod run;
pub mod status;
pub mod trust;

use crate::configuration::Configuration;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// 准绳采集端：读取设备，签署时间窗，上传网关。 / Reads machines, signs windows, pushes them to the gateway.
#[derive(Debug, Parser)]
#[command(name = "plumbline-agent", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 生成密钥与登记申请（不会覆盖已有密钥） / Make key, data folder and enrolment request; never overwrites a key
    Init {
        /// 配置文件 / the configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 登记申请写到哪里 / where to write the request; with several projects their ids are put into the name
        #[arg(long, value_name = "FILE", default_value = "enrol.cbor")]
        out: PathBuf,
    },
    /// 检查配置（不连网）；列出设备类型 / Check the configuration, without using the network; list the profiles
    #[command(group = clap::ArgGroup::new("what").required(true).args(["config", "profiles", "profile"]))]
    Check {
        /// 配置文件 / the configuration
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// 列出可用的设备类型（profile） / list the device profiles there are
        #[arg(long)]
        profiles: bool,
        /// 一个设备类型的测点和状态规则 / the points and state rules of one profile
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
    },
    /// 运行；SIGHUP 重新读取配置 / Run until SIGTERM or Ctrl-C; SIGHUP reads the configuration again
    Run {
        /// 配置文件 / the configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// 试读 Modbus 设备，找出从站、寄存器、类型与字节序（只读） / Look into a Modbus device: units, registers, types, orders; only reads
    Probe(Box<probe::Probe>),
    /// 浏览 OPC UA 服务器，找出变量并显示当前值（只读） / Look through an OPC UA server: variables with a live value; only reads
    Browse(browse::Browse),
    /// 核对指纹后信任 OPC UA 服务器的证书 / Trust an OPC UA server's certificate after comparing its fingerprint
    Trust(trust::Trust),
    /// 查看运行状态 / Show how the running agent fares
    Status {
        /// 配置文件 / the configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 输出 JSON / print JSON
        #[arg(long)]
        json: bool,
    },
}

/// How a command ended; the same numbers for every program of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and the answer is yes.
    Fine,
    /// Done, and the answer is no.
    No,
    /// Wrong use or configuration.
    Use,
    /// The environment failed: disk, network, rights.
    Environment,
}

impl Exit {
    /// The code of the process.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::No => 1,
            Self::Use => 2,
            Self::Environment => 3,
        }
    }
}

/// A command that failed, and how the process ends.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// Why, for people.
    pub error: anyhow::Error,
}

impl Failure {
    fn of(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }
}

/// Does what was asked.
pub fn execute(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Init { config, out } => init::init(&load(&config)?, &out),
        Command::Check { config: Some(config), .. } => check::check(&config),
        Command::Check { profile: Some(name), .. } => profiles::one(&name),
        Command::Check { .. } => Ok(profiles::all()),
        Command::Run { config } => run::run(load(&config)?, &config),
        Command::Probe(wanted) => probe::probe(&wanted),
        Command::Browse(wanted) => browse::browse(&wanted),
        Command::Trust(wanted) => trust::trust(&wanted),
        Command::Status { config, json } => status::status(&load(&config)?, json),
    }
}

/// Every problem of the configuration is in the error, one a line.
fn load(path: &Path) -> Result<Configuration, Failure> {
    Configuration::load(path).map_err(|errors| {
        let count = errors.0.len();
        let head = format!("配置有 {count} 处问题 · the configuration has {count} problem(s)");
        Failure::of(Exit::Use, anyhow::anyhow!("{head}\n{errors}"))
    })
}

/// A runtime for commands and for the agent itself. Few threads are enough for any box, and each takes memory.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::of(Exit::Environment, e))
}

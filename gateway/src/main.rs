//! `plumbline-gateway`: the operator's program.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use gateway::GatewayOptions;
use gateway::commands::{self, CommandError};
use observation::Clock as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Takes signed statements from agents, logs them, answers and exports. 准绳网关。
#[derive(Parser)]
#[command(name = "plumbline-gateway", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the gateway keeps everything.
#[derive(Args)]
struct Data {
    /// The data directory. 数据目录。
    #[arg(long = "data", value_name = "DIR", env = "PLUMBLINE_GATEWAY_DATA", default_value = ".")]
    dir: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a data directory with configuration and keys. 初始化。
    Init {
        #[command(flatten)]
        data: Data,
        /// This gateway's own name; it becomes part of every log's origin and never changes.
        #[arg(long)]
        name: Option<String>,
        /// Where to listen; loopback only.
        #[arg(long, default_value_t = gateway::init::DEFAULT_LISTEN)]
        listen: SocketAddr,
    },
    /// Runs the gateway until Ctrl-C. 运行。
    Run {
        #[command(flatten)]
        data: Data,
        /// The configuration; its directory is the data directory.
        #[arg(long, value_name = "FILE", conflicts_with = "dir")]
        config: Option<PathBuf>,
    },
    /// Projects. 项目。
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Agents. 采集端。
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Writes the whole bundle of a project's newest checkpoint. 导出证据包。
    Export {
        /// Project id.
        project: String,
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        data: Data,
    },
    /// Makes a project's derived tables again from its log and compares. 重建派生表并比较。
    Rebuild {
        /// Project id.
        project: String,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Subcommand)]
enum ProjectCommand {
    /// Writes a draft for the registrar to complete and sign. 生成草稿。
    Create {
        /// Project id.
        id: String,
        /// Enrolment requests beside those that wait already.
        #[arg(long = "enrolment", value_name = "FILE")]
        enrolments: Vec<PathBuf>,
        /// The draft to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        data: Data,
    },
    /// Begins a project's log with the registrar's signed genesis. 导入创世声明。
    Import {
        /// The genesis statement.
        file: PathBuf,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Subcommand)]
enum AgentCommand {
    /// Queues an enrolment request; the registrar decides. 提交登记请求。
    Enrol {
        /// `enrol.cbor` made by `plumbline-agent init`.
        file: PathBuf,
        #[command(flatten)]
        data: Data,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    match command(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("plumbline-gateway: {error:#}");
            let code = error.downcast_ref::<CommandError>().map_or(3, CommandError::exit_code);
            ExitCode::from(code)
        }
    }
}

fn command(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Init { data, name, listen } => init(&data.dir, name.as_deref(), listen),
        Command::Run { data, config } => run(config.as_deref(), &data.dir),
        Command::Project(ProjectCommand::Create { id, enrolments, out, data }) => {
            let draft = commands::create(&data.dir, &id, &enrolments)?;
            write_new(&out, draft.as_bytes())?;
            println!("{}: draft of {id}. Take it to the registrar:", out.display());
            println!("  plumbline-verify genesis {}", out.display());
            Ok(0)
        }
        Command::Project(ProjectCommand::Import { file, data }) => {
            let id = commands::import(&data.dir, &file)?;
            println!("project {id} begins; its log holds the genesis. Agents may push now.");
            Ok(0)
        }
        Command::Agent(AgentCommand::Enrol { file, data }) => {
            let now = gateway::SystemClock::new().now().utc.0;
            let (agent, project) = commands::enrol(&data.dir, &file, now)?;
            println!("agent {agent} waits for {project}. Next: plumbline-gateway project create {project}");
            Ok(0)
        }
        Command::Export { project, out, data } => export(&data.dir, &project, &out),
        Command::Rebuild { project, data } => rebuild(&data.dir, &project),
    }
}

fn init(data: &Path, name: Option<&str>, listen: SocketAddr) -> anyhow::Result<u8> {
    let name = commands::init(data, name, listen)?;
    println!("{}: gateway `{name}` is ready.", data.display());
    println!(
        "  keys   {} (back them up: without them no checkpoint can be continued)",
        data.join("keys").display()
    );
    println!("  next   plumbline-gateway run --data {}", data.display());
    Ok(0)
}

fn run(config: Option<&Path>, data: &Path) -> anyhow::Result<u8> {
    let data = match config.map(Path::parent) {
        Some(Some(parent)) if parent.as_os_str().is_empty() => Path::new("."),
        Some(Some(parent)) => parent,
        _ => data,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let gateway = gateway::run(GatewayOptions::new(data)).await.map_err(CommandError::from)?;
        println!("listening on http://{}", gateway.addr);
        let stop = gateway.stopper();
        tokio::spawn(async move {
            // Without signals the gateway can only be ended from outside; that is safe too.
            if ended().await.is_ok() {
                stop.cancel();
            }
        });
        gateway.ended().await.map_err(CommandError::from)?;
        Ok(0)
    })
}

/// Ctrl-C or, where there is one, the service manager's request to end.
async fn ended() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn export(data: &Path, project: &str, out: &Path) -> anyhow::Result<u8> {
    let exported = commands::export(data, project, out)?;
    println!(
        "{}: {} entries, {} checkpoints, {} files, {} bytes",
        out.display(),
        exported.entries,
        exported.checkpoints,
        exported.files,
        exported.bytes
    );
    println!("  check  plumbline-verify bundle {} --trust TRUST.toml", out.display());
    Ok(0)
}

fn rebuild(data: &Path, project: &str) -> anyhow::Result<u8> {
    let rebuilt = commands::rebuild(data, project)?;
    println!("log of {project}: {} entries, all verified", rebuilt.entries);
    for table in &rebuilt.tables {
        println!("  {:<14} {:>9} rows, {} differ", table.table, table.rows, table.differing);
        for example in &table.examples {
            println!("      {example}");
        }
    }
    match &rebuilt.kept {
        None => println!("the derived tables were right; they are made anew"),
        Some(kept) => {
            println!("the derived tables were wrong and are replaced; the old ones: {}", kept.display());
        }
    }
    Ok(u8::from(!rebuilt.is_same()))
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        std::io::Write::write_all(&mut file, bytes)
    };
    write().with_context(|| format!("{} cannot be written (it must not exist)", path.display()))
}

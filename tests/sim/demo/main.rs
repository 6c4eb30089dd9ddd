//! `plumbline-demo`: the whole chain on one machine. A simulated plant on real wires, an agent, a gateway and a
//! registrar; a live table; then a bundle, checked by the assessor's program.
//!
//! Everything it writes is below one folder. Nothing of it is evidence: the genesis says so.

mod chain;
mod table;
mod trouble;

use anyhow::Context as _;
use chain::Chain;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// 准绳演示：模拟车间 → 签名时间窗 → 防篡改日志 → 证据包 → 离线核验
///
/// The whole chain on this machine: simulated plant, signed windows, log, bundle, offline verdict.
#[derive(Debug, Parser)]
#[command(name = "plumbline-demo", version)]
struct Options {
    /// Run by itself: one machine dies and one link breaks on the way. 自动运行
    #[arg(long)]
    once: bool,
    /// How long to run with --once. 运行秒数
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(20..))]
    seconds: u64,
    /// Folder for everything, new or empty. 输出文件夹
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Language of the report: zh or en. 报告语言
    #[arg(long, default_value = "zh")]
    lang: report::Lang,
}

fn main() -> ExitCode {
    // One provider for the whole process, before anything can speak TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = Options::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "off".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\n错误 / error: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("the system gives no threads")?;
    let folder = match &options.out {
        Some(folder) => folder.clone(),
        None => fresh_folder(),
    };
    let code = runtime.block_on(demonstrate(options, folder));
    runtime.shutdown_timeout(Duration::from_secs(2));
    code
}

/// `target/demo/<UTC seconds>` below the current folder.
fn fresh_folder() -> PathBuf {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    PathBuf::from("target/demo").join(now.map_or(0, |d| d.as_secs()).to_string())
}

async fn demonstrate(options: &Options, folder: PathBuf) -> anyhow::Result<ExitCode> {
    let mut chain = Chain::start(folder).await?;
    let length = options.once.then(|| Duration::from_secs(options.seconds));
    match length {
        Some(length) => println!("\n运行 {} 秒 / running for {} s", length.as_secs(), length.as_secs()),
        None => println!("\n按 Ctrl-C 结束并得到证据包 / Ctrl-C ends the run with a verified bundle"),
    }
    let mut table = table::Table::new(chain.gateway_address());
    let started = tokio::time::Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let ended = tokio::signal::ctrl_c();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                table.show().await;
                if let Some(length) = length {
                    trouble::at(&mut chain, started.elapsed(), length).await?;
                    if started.elapsed() >= length {
                        break;
                    }
                }
            }
            interrupted = &mut ended => {
                interrupted.context("Ctrl-C cannot be heard")?;
                break;
            }
        }
    }
    println!("\n正在结束，封存日志，导出证据包 / stopping, sealing the log, exporting the bundle");
    // The period ends now; the agent goes on until the last window of it is in the log.
    let to = chain::now();
    table.wait_until(to).await;
    let outcome = chain.finish(to, options.lang).await?;
    println!("{}", outcome.summary);
    println!("{}", outcome.files);
    Ok(ExitCode::from(outcome.code))
}

//! `run`: the agent until SIGTERM or Ctrl-C. SIGHUP reads the configuration again. Log lines go to standard error; `RUST_LOG` chooses how many.

use super::{Exit, Failure};
use crate::configuration::Configuration;
use crate::runtime::{self, AgentHandle, AgentOptions, RunError};
use std::io::IsTerminal as _;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// See the module.
pub fn run(configuration: Configuration, path: &Path) -> Result<Exit, Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber is refused, as when the program is run inside another.
    let _ = lines.with_ansi(std::io::stderr().is_terminal()).try_init();
    super::runtime()?.block_on(serve(configuration, path))
}

async fn serve(configuration: Configuration, path: &Path) -> Result<Exit, Failure> {
    let environment = |e: std::io::Error| Failure::of(Exit::Environment, e);
    let mut terminate = signal(SignalKind::terminate()).map_err(environment)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(environment)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(environment)?;
    let agent = configuration.agent.id.clone();
    let handle = runtime::run(AgentOptions::new(configuration)).await.map_err(failure)?;
    match handle.status_address() {
        Some(address) => println!("采集端已运行 · agent {agent} is running, status: http://{address}/"),
        None => println!("采集端已运行 · agent {agent} is running"),
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = handle.failed() => break,
            Some(()) = hangup.recv() => reload(&handle, path).await,
        }
    }
    let ended = handle.shutdown().await;
    if let Some(reason) = ended.failure {
        return Err(Failure::of(Exit::Environment, anyhow::anyhow!("the agent could not go on: {reason}")));
    }
    println!(
        "采集端已停止 · agent {agent} has ended; 待传声明 · statements still to be sent: {}",
        ended.waiting
    );
    Ok(Exit::Fine)
}

/// Reads the configuration again. Whatever is wrong with it, the agent goes on under the old one.
async fn reload(handle: &AgentHandle, path: &Path) {
    let read = match Configuration::load(path) {
        Ok(next) => handle.reload(next).await,
        Err(errors) => {
            let errors = errors.to_string();
            handle.refused(&errors);
            Err(errors)
        }
    };
    match read {
        Ok(taken) => {
            let list = |ids: &[String]| if ids.is_empty() { "–".to_owned() } else { ids.join(", ") };
            println!(
                "配置已生效 · the configuration is in force; 链路保持 kept: {}; 启动 started: {}; 停止 ended: {}",
                list(&taken.kept),
                list(&taken.started),
                list(&taken.ended)
            );
        }
        Err(why) => {
            for reason in why.lines() {
                tracing::error!(reason, "the configuration is refused; the old one goes on");
            }
        }
    }
}

fn failure(error: RunError) -> Failure {
    let exit = if error.is_configuration() { Exit::Use } else { Exit::Environment };
    Failure::of(exit, error)
}

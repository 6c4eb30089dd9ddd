//! `run`: the agent until SIGTERM or Ctrl-C. Log lines go to standard error; `RUST_LOG` chooses how many.

use super::{Exit, Failure};
use crate::configuration::Configuration;
use crate::runtime::{self, AgentOptions, RunError};
use std::io::IsTerminal as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// See the module.
pub fn run(configuration: Configuration) -> Result<Exit, Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber is refused, as when the program is run inside another.
    let _ = lines.with_ansi(std::io::stderr().is_terminal()).try_init();
    super::runtime()?.block_on(serve(configuration))
}

async fn serve(configuration: Configuration) -> Result<Exit, Failure> {
    let environment = |e: std::io::Error| Failure::of(Exit::Environment, e);
    let mut terminate = signal(SignalKind::terminate()).map_err(environment)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(environment)?;
    let agent = configuration.agent.id.clone();
    let handle = runtime::run(AgentOptions::new(configuration)).await.map_err(failure)?;
    match handle.status_address() {
        Some(address) => println!("采集端已运行 · agent {agent} is running, status: http://{address}/"),
        None => println!("采集端已运行 · agent {agent} is running"),
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = handle.failed() => {}
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

fn failure(error: RunError) -> Failure {
    let exit = if error.is_configuration() { Exit::Use } else { Exit::Environment };
    Failure::of(exit, error)
}

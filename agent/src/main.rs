//! `plumbline-agent`: see `plumbline-agent --help`. All behaviour is in the library.

use agent::commands::{Cli, execute};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // One provider for the whole process, before anything can speak TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match execute(Cli::parse()) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            eprintln!("错误 · error: {:#}", failure.error);
            ExitCode::from(failure.exit.code())
        }
    }
}

//! `plumbline-verify`: see `plumbline-verify --help`. All behaviour is in the library.

use std::process::ExitCode;

use assessor::cli::{Cli, run};
use clap::Parser;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            eprintln!("错误 / error: {}", chain(&failure.error));
            ExitCode::from(failure.exit.code())
        }
    }
}

/// The error and its causes. A cause that an outer message already quotes is not said twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{cause}");
        }
    }
    text
}

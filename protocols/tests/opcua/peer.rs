//! The foreign server as a child process, steered by lines of JSON.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A Python server answers well within this, also on a machine busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// The namespace of its variables.
pub(crate) const URI: &str = "urn:plumbline:test:cnc";

/// A running server.
pub(crate) struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn python() -> PathBuf {
    let named = std::env::var_os("PLUMBLINE_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| repository().join("target/peers/bin/python"));
    assert!(
        python.exists(),
        "there is no {}; in the repository run: python3 -m venv target/peers && \
         target/peers/bin/pip install -r tests/peers/requirements.txt",
        python.display()
    );
    python
}

/// Where `tests/run` has npm put node-opcua.
fn node_modules() -> PathBuf {
    let folder = repository().join("target/peers/node");
    assert!(
        folder.join("node_modules/node-opcua-server").exists(),
        "there is no node-opcua in {}; run tests/run once, which says what it needs",
        folder.display()
    );
    folder
}

impl Peer {
    /// Starts a server with these arguments and waits until it listens.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(python());
        command.arg(repository().join("tests/peers/opcua_peer.py")).args(arguments);
        Self::launch(command).await
    }

    /// Starts node-opcua; it keeps its certificates in this folder.
    pub(crate) async fn node(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("node");
        command.arg(repository().join("tests/peers/node_opcua_peer.js"));
        // The library makes a folder in its user's home as well.
        command.arg(node_modules()).arg(folder).args(arguments).env("HOME", folder);
        Self::launch(command).await
    }

    async fn launch(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the peer starts");
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let first =
            tokio::time::timeout(DEADLINE, answers.next_line()).await.expect("the peer is ready in time");
        let first = first.unwrap().expect("the peer says ready; its error is above");
        let port = first.strip_prefix("ready ").unwrap().parse().unwrap();
        Self { child, orders, answers, port }
    }

    /// Gives an order and waits until it is done.
    pub(crate) async fn tell(&mut self, order: Value) -> String {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let answer =
            tokio::time::timeout(DEADLINE, self.answers.next_line()).await.expect("an answer in time");
        let answer = answer.unwrap().expect("the peer lives");
        answer.strip_prefix("ok").unwrap_or_else(|| panic!("{answer}")).trim().to_owned()
    }

    pub(crate) async fn set(&mut self, name: &str, value: Value) {
        self.tell(json!({"set": name, "value": value})).await;
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn address(&self) -> String {
        format!("opc.tcp://127.0.0.1:{}/plumbline/", self.port)
    }
}

//! A mosquitto of a test's own, and somebody who publishes to it through paho.

use super::chain::free_port;
use super::peers;
use super::process::Process;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running broker. It ends with this value.
pub struct Mosquitto {
    process: Process,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Mosquitto {
    /// Starts on a free port in a folder of its own, with these further lines of configuration.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(folder: &Path, options: &str) -> Self {
        // Another process may take the port between its release and its use here.
        for _ in 0..20 {
            let port = free_port();
            let file = folder.join("mosquitto.conf");
            let text = format!("listener {port} 127.0.0.1\nuser root\nallow_anonymous true\n{options}\n");
            std::fs::write(&file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let mut command = Command::new(peers::program("mosquitto", "mosquitto"));
            let mut process = Process::start("mosquitto", command.arg("-c").arg(&file).current_dir(folder));
            super::chain::wait_until("mosquitto runs or has ended", || {
                process.ended().is_some() || process.printed().contains("running")
            });
            if process.ended().is_none() {
                return Self { process, port };
            }
        }
        panic!("mosquitto does not start; is it complete? apt-get install --reinstall mosquitto");
    }

    /// Waits for a line of its log.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_line(&self, text: &str) {
        self.process.wait_for_line(text);
    }

    /// Lines of its log that contain a text.
    pub fn lines_with(&self, text: &str) -> usize {
        self.process.printed().lines().filter(|line| line.contains(text)).count()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Publishes with quality of service 1 through paho (`tests/peers/mqtt_peer.py`).
pub struct Publisher {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Publisher {
    /// Connects. `plan` is a file of its own for the script.
    ///
    /// # Panics
    /// When it cannot.
    pub fn to(port: u16, plan: &Path) -> Self {
        std::fs::write(plan, format!("{{\"port\": {port}}}")).unwrap_or_else(|e| panic!("plan: {e}"));
        let mut child = Command::new(peers::python())
            .arg(peers::root().join("tests/peers/mqtt_peer.py"))
            .arg(plan)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("paho: {e}"));
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for")
        };
        let mut publisher = Self { child, input, output: BufReader::new(output) };
        assert_eq!(publisher.line(), "connected");
        publisher
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap_or_else(|e| panic!("paho: {e}"));
        line.trim().to_owned()
    }

    /// Publishes, and waits until the broker has it.
    ///
    /// # Panics
    /// When the broker never has.
    pub fn send(&mut self, topic: &str, payload: &str) {
        let command = serde_json::json!({"topic": topic, "payload": payload});
        writeln!(self.input, "{command}").unwrap_or_else(|e| panic!("paho: {e}"));
        assert_eq!(self.line(), "ok");
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

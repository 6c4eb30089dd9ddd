//! MQTT brokers: mosquitto as it is, and one written here that answers as a test tells it to.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::peer::{Script, program, within};

/// A running mosquitto with its files. It ends with this value.
pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
    folder: TempDir,
    options: String,
}

impl Mosquitto {
    /// Starts on a free port, with these further lines of configuration.
    pub(crate) async fn start(options: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), options).await
    }

    /// The same, in a folder that already holds certificates or passwords.
    pub(crate) async fn start_in(folder: TempDir, options: &str) -> Self {
        let (child, port) = run(folder.path(), options, None).await;
        Self { child, port, folder, options: options.to_owned() }
    }

    /// Ends it, in an orderly way so that it saves what it keeps, and starts it again on the same port.
    pub(crate) async fn restart(mut self) -> Self {
        self.signal("TERM").await;
        within(self.child.wait()).await.unwrap();
        let (child, port) = run(self.folder.path(), &self.options, Some(self.port)).await;
        Self { child, port, ..self }
    }

    /// Sends it a signal by name.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap();
        assert!(status.success());
    }
}

async fn run(folder: &Path, options: &str, port: Option<u16>) -> (Child, u16) {
    let mosquitto = program("mosquitto", "mosquitto");
    // Another process may take the port between its release here and its use there.
    for _ in 0..20 {
        let port = port.unwrap_or_else(free_port);
        let config = folder.join("mosquitto.conf");
        std::fs::write(&config, format!("listener {port} 127.0.0.1\nuser root\n{options}\n")).unwrap();
        let mut child = Command::new(&mosquitto)
            .arg("-v")
            .arg("-c")
            .arg(&config)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        while let Some(line) = within(lines.next_line()).await.unwrap() {
            if line.contains("running") {
                // Its further lines are of no use, but the pipe must not fill up.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return (child, port);
            }
        }
    }
    panic!("mosquitto does not start; see whether it is complete: apt-get install --reinstall mosquitto");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Somebody else who publishes.
pub(crate) struct Publisher(
    Script,
    #[expect(dead_code, reason = "the script reads it")] tempfile::NamedTempFile,
);

impl Publisher {
    pub(crate) async fn connect(plan: &Value) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), plan.to_string()).unwrap();
        let mut script = Script::start("mqtt_peer.py", file.path());
        assert_eq!(
            script.line().await.as_deref(),
            Some("connected"),
            "paho did not connect; install it with: target/peers/bin/pip install -r tests/peers/requirements.txt"
        );
        Self(script, file)
    }

    pub(crate) async fn to(port: u16) -> Self {
        Self::connect(&json!({"port": port})).await
    }

    /// Publishes and waits until the broker has it.
    pub(crate) async fn send(&mut self, topic: &str, payload: &str) {
        self.send_with(topic, payload, &json!({})).await;
    }

    pub(crate) async fn send_with(&mut self, topic: &str, payload: &str, options: &Value) {
        let mut command = options.clone();
        command["topic"] = json!(topic);
        command["payload"] = json!(payload);
        assert_eq!(self.0.tell(&command.to_string()).await, "ok");
    }
}

/// A certificate authority, and certificates for brokers and clients, made by openssl.
///
/// | file | issued for |
/// |---|---|
/// | `ca` | the authority itself |
/// | `server`, `client` | 127.0.0.1 |
/// | `elsewhere` | broker.example |
/// | `expired`, `expired-client` | 127.0.0.1, until yesterday |
/// | `v1` | nobody: X.509 version 1 |
pub(crate) struct Certificates {
    pub(crate) folder: TempDir,
}

impl Certificates {
    pub(crate) async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Self { folder };
        let authority = "-new -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem";
        made.openssl(&format!("req {authority} {NEW_KEY}")).await;
        std::fs::write(made.path("here.txt"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        std::fs::write(made.path("elsewhere.txt"), "subjectAltName=DNS:broker.example\n").unwrap();
        made.issue("server", "-days 2 -extfile here.txt").await;
        made.issue("client", "-days 2 -extfile here.txt").await;
        made.issue("elsewhere", "-days 2 -extfile elsewhere.txt").await;
        made.issue("expired", "-days -1 -extfile here.txt").await;
        made.issue("expired-client", "-days -1 -extfile here.txt").await;
        // Without extensions openssl issues version 1.
        made.issue("v1", "-days 2").await;
        made
    }

    async fn issue(&self, name: &str, options: &str) {
        self.openssl(&format!("req -new {NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"))
            .await;
        self.openssl(&format!(
            "x509 -req {options} -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem"
        ))
        .await;
    }

    /// `sha256:` and the digits of a certificate's fingerprint, as openssl says it.
    pub(crate) async fn fingerprint(&self, name: &str) -> String {
        let said = self.openssl(&format!("x509 -in {name}.pem -noout -fingerprint -sha256")).await;
        format!("sha256:{}", said.trim().split_once('=').unwrap().1)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn openssl(&self, arguments: &str) -> String {
        let output = Command::new(program("openssl", "openssl"))
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Options of openssl for a key that is made quickly.
const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// What the broker written here does.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Whether it accepts the session.
    pub(crate) accepts: bool,
    /// The answer to each topic of a subscription, or none at all.
    pub(crate) subscription: Option<fn(&str) -> u8>,
}

/// A broker of MQTT 3.1.1 that knows only connecting and subscribing. It ends with the test's runtime.
pub(crate) struct Stub {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, manner));
            }
        });
        Self { port, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The length of a packet in its one to four bytes (MQTT 3.1.1, 2.2.3).
async fn length(stream: &mut TcpStream) -> std::io::Result<usize> {
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Ok(length)
}

/// Speaks just enough.
async fn serve(mut stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    loop {
        let kind = stream.read_u8().await?;
        let mut body = vec![0; length(&mut stream).await?];
        stream.read_exact(&mut body).await?;
        match (kind >> 4, manner.subscription) {
            (1, _) if manner.accepts => stream.write_all(&[0x20, 2, 0, 0]).await?,
            (8, Some(answer)) => {
                let mut codes = Vec::new();
                let mut rest = &body[2..];
                while let [high, low, after @ ..] = rest {
                    let (topic, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
                    codes.push(answer(std::str::from_utf8(topic).unwrap()));
                    rest = &after[1..];
                }
                let mut packet = vec![0x90, u8::try_from(2 + codes.len()).unwrap(), body[0], body[1]];
                packet.extend(codes);
                stream.write_all(&packet).await?;
            }
            _ => {}
        }
    }
}

//! Foreign programs as peers, a clock, and waiting for what a source yields.
//!
//! A peer that is not installed fails the test with the command that installs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use observation::{Clock, Instant, Mono, Observation, PointId, Quality, Utc, Value};
use protocols::{Batch, Link, LinkError, Source};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longer than anything a healthy test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The Python that has the packages of `tests/peers/requirements.txt`.
pub(crate) fn python() -> PathBuf {
    let here = root().join("target/peers/bin/python");
    let python = std::env::var_os("PLUMBLINE_PYTHON").map_or(here, PathBuf::from);
    assert!(
        python.exists(),
        "{} is missing; install it with: python3 -m venv target/peers && target/peers/bin/pip install -r tests/peers/requirements.txt",
        python.display()
    );
    python
}

/// A program of a Debian package.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing; install it with: apt-get install {package}"))
}

/// A script of `tests/peers` that talks in lines. It ends with this value.
pub(crate) struct Script {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Script {
    pub(crate) fn start(name: &str, argument: &Path) -> Self {
        let mut child = Command::new(python())
            .arg(root().join("tests/peers").join(name))
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    /// The next line, or nothing if the script has ended.
    pub(crate) async fn line(&mut self) -> Option<String> {
        within(self.output.next_line()).await.unwrap()
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn tell(&mut self, command: &str) -> String {
        self.input.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        self.line().await.expect("the peer has ended")
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Fails the test instead of letting it hang.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing happened for a long time")
}

/// The machine's own clocks.
pub(crate) struct Wall(std::time::Instant);

impl Wall {
    pub(crate) fn clock() -> Arc<dyn Clock> {
        Arc::new(Self(std::time::Instant::now()))
    }
}

impl Clock for Wall {
    fn now(&self) -> Instant {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Instant {
            utc: Utc(i64::try_from(utc).unwrap()),
            mono: Mono(u64::try_from(self.0.elapsed().as_millis()).unwrap()),
        }
    }
}

/// A clock that shows what it was set to.
#[derive(Clone, Default)]
pub(crate) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(crate) fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Instant {
        let ms = self.0.load(Ordering::SeqCst);
        Instant { utc: Utc(ms), mono: Mono(u64::try_from(ms).unwrap()) }
    }
}

/// Connects, or fails the test.
pub(crate) async fn connect(link: &dyn Link) -> Box<dyn Source> {
    within(link.connect(Wall::clock())).await.unwrap()
}

/// The next batch, or the error.
pub(crate) async fn next(source: &mut dyn Source) -> Result<Batch, LinkError> {
    within(source.next()).await
}

/// Reads on until a point is observed, which other points may be before it.
pub(crate) async fn observed(source: &mut dyn Source, point: u32) -> Observation {
    loop {
        let batch = next(source).await.unwrap();
        if let Some(found) = batch.observations.into_iter().find(|o| o.point == PointId(point)) {
            return found;
        }
    }
}

/// Reads on until the session ends; everything observed before, and the error.
pub(crate) async fn to_the_end(source: &mut dyn Source) -> (Vec<Observation>, LinkError) {
    let mut seen = Vec::new();
    loop {
        match next(source).await {
            Ok(batch) => seen.extend(batch.observations),
            Err(error) => return (seen, error),
        }
    }
}

/// `good 12.5`, `bad Timeout`, … for expectations in tables.
pub(crate) fn text(observation: &Observation) -> String {
    let value = match &observation.value {
        None => String::new(),
        Some(Value::Bool(b)) => b.to_string(),
        Some(Value::Number(n)) => n.to_string(),
        Some(Value::Text(t)) => format!("{t:?}"),
    };
    match observation.quality {
        Quality::Good => format!("good {value}"),
        Quality::Uncertain(reason) => format!("uncertain {reason:?} {value}"),
        Quality::Bad(reason) => {
            assert_eq!(observation.value, None, "a bad observation has no value");
            format!("bad {reason:?}")
        }
    }
}

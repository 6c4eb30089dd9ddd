//! A child process whose output is collected and waited for, and which dies with its owner.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for anything in a test; only failures ever wait that long.
pub const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    collectors: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program; standard output and standard error are collected line by line, together.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        let output = Arc::new(Output::default());
        let out = child.stdout.take().map(|pipe| collect(Arc::clone(&output), pipe));
        let err = child.stderr.take().map(|pipe| collect(Arc::clone(&output), pipe));
        let collectors = out.into_iter().chain(err).collect();
        Self { name: name.to_owned(), child, output, collectors }
    }

    /// Waits for a line that contains `text` and gives it.
    ///
    /// # Panics
    /// When it does not come in time, with everything that was printed.
    pub fn wait_for_line(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.output.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.iter().find(|l| l.contains(text)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} never printed {text:?}; it printed:\n{}",
                self.name,
                lines.join("\n")
            );
            lines = self.output.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Everything printed so far.
    pub fn printed(&self) -> String {
        self.output.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Kills it as `kill -9` does and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(asked.is_ok_and(|s| s.success()), "{} could not be asked to end", self.name);
        self.wait()
    }

    /// Waits for its end and for everything it printed.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                for collector in self.collectors.drain(..) {
                    let _ = collector.join();
                }
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end; it printed:\n{}", self.name, self.printed());
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(output: Arc<Output>, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            output.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            output.more.notify_all();
        }
    })
}

//! A serial line between a reader and a foreign device, made of two pairs of pseudo-terminals with a TCP connection
//! between them, so that a relay can lie on it:
//!
//! ```text
//!  reader ── pty of a Port ── TCP ── (relay) ── TCP ── pty of a Device ── foreign program
//! ```
//!
//! A connection is an adapter that is plugged in: while it stands there is a device file, when its far end ends it is
//! pulled out, and when nobody listens there is none. It knows no protocol. What is said while nobody hears it is lost,
//! as it is on a line.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch as cell;
use tokio::time::sleep;
use tokio_serial::{SerialPort as _, SerialStream};

/// How often it is looked for what cannot be waited for: a far end that comes back, a reader that opens its port.
const LOOK: Duration = Duration::from_millis(5);
/// Read at once, bytes; an RTU frame has 256 at most.
const PIECE: usize = 512;

/// A reader's serial port, whose line leads to a TCP address.
pub struct Port {
    path: PathBuf,
    _thread: Thread,
}

impl Port {
    /// A port of this path, which is there as soon as somebody listens at `far`, and for as long.
    ///
    /// # Panics
    /// Without pseudo-terminals.
    pub fn start(path: PathBuf, far: SocketAddr) -> Self {
        let theirs = path.clone();
        let thread = Thread::start(move |ready| async move {
            // A reader finds the port at its time, as it finds a network address.
            let _ = ready.send(());
            lead(&theirs, far).await;
        });
        Self { path, _thread: thread }
    }

    /// The device file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A foreign program's serial port, whose line leads to whoever connects.
pub struct Device {
    path: PathBuf,
    address: SocketAddr,
    _thread: Thread,
}

impl Device {
    /// A port of this path. It outlives the program that opens it.
    ///
    /// # Panics
    /// Without pseudo-terminals, or a loopback interface.
    pub fn start(path: PathBuf) -> Self {
        let (said, address) = mpsc::channel();
        let theirs = path.clone();
        let thread = Thread::start(move |ready| async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
            let listener = listener.unwrap_or_else(|e| panic!("the line cannot listen: {e}"));
            let _ = said.send(listener.local_addr());
            let mut pty = Pty::plug(&theirs);
            let _ = ready.send(());
            pty.serve(&listener).await;
        });
        let address = address.recv().unwrap_or_else(|e| panic!("the line has not started: {e}"));
        let address = address.unwrap_or_else(|e| panic!("the line has no address: {e}"));
        Self { path, address, _thread: thread }
    }

    /// The device file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the line begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Runs until it is dropped.
struct Thread {
    stop: cell::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    fn start<F: Future<Output = ()>>(work: impl FnOnce(mpsc::Sender<()>) -> F + Send + 'static) -> Self {
        let (stop, mut stopped) = cell::channel(());
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap_or_else(|e| panic!("the line cannot run: {e}"));
            runtime.block_on(async {
                tokio::select! {
                    () = work(ready) => {}
                    _ = stopped.changed() => {}
                }
            });
        });
        is_ready.recv().unwrap_or_else(|e| panic!("the line has not started: {e}"));
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.send_replace(());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || !matches!(ended, Some(Err(_))), "the line itself has failed");
    }
}

/// A pseudo-terminal under a name of its own.
struct Pty {
    path: PathBuf,
    /// Our side.
    own: SerialStream,
    /// The other side, held open so that programs may come and go.
    other: Option<SerialStream>,
}

/// Who ended.
enum Ended {
    /// The program that had opened the device file.
    Reader,
    /// The connection.
    Far,
}

impl Pty {
    fn plug(path: &Path) -> Self {
        let (own, other) = SerialStream::pair().unwrap_or_else(|e| panic!("no pseudo-terminal: {e}"));
        let name = other.name().unwrap_or_else(|| panic!("a pseudo-terminal without a name"));
        // What one before has left under this name is of no use any more.
        let _ = std::fs::remove_file(path);
        let linked = std::os::unix::fs::symlink(&name, path);
        linked.unwrap_or_else(|e| panic!("{} cannot be made: {e}", path.display()));
        Self { path: path.to_owned(), own, other: Some(other) }
    }

    /// Carries bytes until one side ends.
    async fn carry(&mut self, far: &mut TcpStream) -> Ended {
        let (mut said, mut heard) = ([0; PIECE], [0; PIECE]);
        loop {
            tokio::select! {
                n = self.own.read(&mut said) => match n {
                    Ok(n) if n > 0 => if far.write_all(&said[..n]).await.is_err() { return Ended::Far },
                    // Linux has an error (EIO) for a pseudo-terminal that nobody has open.
                    _ => return Ended::Reader,
                },
                n = far.read(&mut heard) => match n {
                    Ok(n) if n > 0 => if self.own.write_all(&heard[..n]).await.is_err() { return Ended::Reader },
                    _ => return Ended::Far,
                },
            }
        }
    }

    /// Waits until a program has opened the device file and says something.
    async fn first_words(&mut self) -> Vec<u8> {
        let mut said = [0; PIECE];
        loop {
            match self.own.read(&mut said).await {
                Ok(n) if n > 0 => return said[..n].to_vec(),
                _ => sleep(LOOK).await,
            }
        }
    }

    /// Leads to whoever has connected last.
    async fn serve(&mut self, listener: &TcpListener) {
        let mut far = None;
        loop {
            tokio::select! {
                Ok((next, _)) = listener.accept() => far = Some(prompt(next)),
                () = self.carry_or_lose(far.as_mut()) => far = None,
            }
        }
    }

    /// Carries until the connection ends; without one, what is said is lost.
    async fn carry_or_lose(&mut self, far: Option<&mut TcpStream>) {
        if let Some(far) = far {
            self.carry(far).await;
            return;
        }
        let mut lost = [0; PIECE];
        while self.own.read(&mut lost).await.is_ok() {}
        pending::<()>().await;
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Every byte goes at once.
fn prompt(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap_or_else(|e| panic!("the line's connection: {e}"));
    stream
}

/// A port as long as there is somebody at its far end.
async fn lead(path: &Path, address: SocketAddr) {
    loop {
        let Ok(far) = TcpStream::connect(address).await else {
            sleep(LOOK).await;
            continue;
        };
        let (mut far, mut pty) = (prompt(far), Pty::plug(path));
        // The end of its user is to be seen.
        pty.other = None;
        while let Ended::Reader = pty.carry(&mut far).await {
            drop(far);
            let words = pty.first_words().await;
            let Ok(next) = TcpStream::connect(address).await else { break };
            far = prompt(next);
            if far.write_all(&words).await.is_err() {
                break;
            }
        }
        drop(pty);
        sleep(LOOK).await;
    }
}

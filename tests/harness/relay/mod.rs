//! A TCP relay between whoever reads and a foreign server, on real sockets, with faults that are switched while it
//! runs. What passes is counted, and every byte a reader sends can be shown to a [`watch::Frames`] on its way.
//!
//! It knows no protocol: an answer is what one read from the server's socket gave, which on the loopback is what the
//! server wrote at once. Bytes that a fault has swallowed never come later, as they would not from a dead device; a
//! connection that has lost some is never used again.

pub mod fault;
pub mod modbus;
pub mod mqtt;
pub mod opcua;
mod pipe;
pub mod tls;
pub mod watch;

pub use fault::{Cut, Fault, Way};

use fault::Ordered;
use pipe::Wire;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch as cell;
use watch::{Rule, Seen};

/// What has passed since the relay was started.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Connections that were taken.
    pub connections: u64,
    /// Bytes that came from readers.
    pub asked: u64,
    /// Bytes that came from the server.
    pub answered: u64,
    /// Answers that the present fault, or the last one, has done something to.
    pub touched: u64,
    /// The longest that a late answer was really held.
    pub held: Duration,
    /// Frames of readers, by name; empty where nothing watches.
    pub frames: BTreeMap<String, u64>,
}

/// What the relay's thread and its owner share.
struct Shared {
    server: Mutex<SocketAddr>,
    traffic: Mutex<Traffic>,
    seen: Mutex<Seen>,
    fault: cell::Sender<Ordered>,
    cut: cell::Sender<Option<Cut>>,
    /// Connections taken before it changes are black holes from then on.
    vanished: cell::Sender<()>,
    stop: cell::Sender<bool>,
    rule: Option<Rule>,
}

impl Shared {
    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running relay. Dropping it closes everything, and fails the test if a reader has sent what it must not.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on a port of the system's choice and passes everything on to `server`.
    ///
    /// # Panics
    /// Without a loopback interface.
    pub fn start(server: SocketAddr) -> Self {
        Self::with(server, None)
    }

    /// The same, and every byte a reader sends is held against `rule`.
    ///
    /// # Panics
    /// Without a loopback interface.
    pub fn watched(server: SocketAddr, rule: Rule) -> Self {
        Self::with(server, Some(rule))
    }

    fn with(server: SocketAddr, rule: Option<Rule>) -> Self {
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            traffic: Mutex::default(),
            seen: Mutex::default(),
            fault: cell::Sender::new(Ordered::default()),
            cut: cell::Sender::new(None),
            vanished: cell::Sender::new(()),
            stop: cell::Sender::new(false),
            rule,
        });
        let (ready, address) = std::sync::mpsc::channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap_or_else(|e| panic!("the relay cannot run: {e}"));
            runtime.block_on(async {
                let door = Door::open().unwrap_or_else(|e| panic!("the relay cannot listen: {e}"));
                // Its owner waits for this, and is gone only if the test has failed.
                let _ = ready.send(door.address);
                let mut stop = theirs.stop.subscribe();
                tokio::select! {
                    () = serve(door, &theirs) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            });
        });
        let address = address.recv().unwrap_or_else(|e| panic!("the relay has not started: {e}"));
        Self { address, shared, thread: Some(thread) }
    }

    /// Where readers connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections go to this server: the old one has come back somewhere else.
    pub fn point_at(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// From now on this happens to whatever passes, on all connections, until another call.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(Ordered::new(fault));
    }

    /// Everything passes again.
    pub fn clear(&self) {
        let over = self.shared.fault.borrow().over();
        self.shared.fault.send_replace(over);
    }

    /// Ends the present connections on both sides.
    pub fn cut(&self, how: Cut) {
        self.shared.cut.send_replace(Some(how));
    }

    /// The server of the present connections is gone without a word: they stay open, and nothing passes any more.
    pub fn vanish(&self) {
        self.shared.vanished.send_replace(());
    }

    /// What has passed so far.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = self.shared.traffic().clone();
        traffic.touched = self.shared.fault.borrow().touched();
        traffic.frames.clone_from(&self.seen().frames);
        traffic
    }

    /// What readers have sent that they must not, in words; empty where all was well or nothing watches.
    pub fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
        let ended = self.thread.take().map(JoinHandle::join);
        if std::thread::panicking() {
            return;
        }
        assert!(!matches!(ended, Some(Err(_))), "the relay itself has failed, see above");
        let violations = self.violations();
        assert!(violations.is_empty(), "sent to a machine:\n{}", violations.join("\n"));
    }
}

/// A port that can be closed and opened again without anybody else getting it in between: a second socket holds it
/// without listening, and to that the system refuses connections.
struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    spare: TcpSocket,
}

impl Door {
    fn open() -> io::Result<Self> {
        let first = holder(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = first.local_addr()?;
        Ok(Self { address, listener: Some(first.listen(BACKLOG)?), spare: holder(address)? })
    }

    fn close(&mut self) {
        self.listener = None;
    }

    fn reopen(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            let spare = std::mem::replace(&mut self.spare, holder(self.address)?);
            self.listener = Some(spare.listen(BACKLOG)?);
        }
        Ok(())
    }

    async fn accept(&self) -> io::Result<tokio::net::TcpStream> {
        match &self.listener {
            Some(listener) => listener.accept().await.map(|(stream, _)| stream),
            None => std::future::pending().await,
        }
    }
}

/// Connections that may wait to be taken.
const BACKLOG: u32 = 256;

fn holder(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve(mut door: Door, shared: &Arc<Shared>) {
    let mut fault = shared.fault.subscribe();
    let mut open = tokio::task::JoinSet::new();
    loop {
        let now = fault.borrow_and_update().fault.clone();
        if matches!(now, Fault::Refuse) {
            door.close();
        } else {
            door.reopen().unwrap_or_else(|e| panic!("the relay cannot listen again: {e}"));
        }
        tokio::select! {
            Ok(client) = door.accept() => {
                shared.traffic().connections += 1;
                if !matches!(now, Fault::HangUp) {
                    open.spawn(Wire::new(Arc::clone(shared)).carry(client));
                }
            }
            Some(_) = open.join_next() => {}
            _ = fault.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests;

//! One relayed connection: both directions, with the fault of the moment applied to each piece that passes.

use super::Shared;
use super::fault::{Cut, Fault, Ordered, Way};
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch as cell;
use tokio::time::sleep;

/// Pieces of an answer that comes slowly.
const PIECES: usize = 10;
/// Read at once, bytes. An answer that is longer counts as several.
const PIECE: usize = 1 << 16;

pub(super) struct Wire {
    shared: Arc<Shared>,
    holes: Holes,
    fault: cell::Receiver<Ordered>,
    cut: cell::Receiver<Option<Cut>>,
    vanished: cell::Receiver<()>,
}

/// Directions in which something was swallowed: nothing passes there any more, not even the connection's end.
#[derive(Default)]
struct Holes {
    questions: AtomicBool,
    answers: AtomicBool,
}

impl Holes {
    fn open(&self, way: Way) {
        self.questions.fetch_or(way.questions(), Relaxed);
        self.answers.fetch_or(way.answers(), Relaxed);
    }

    fn dig(&self, fault: &Fault) {
        if let Fault::BlackHole(way) = fault {
            self.open(*way);
        }
    }

    fn questions(&self) -> bool {
        self.questions.load(Relaxed)
    }

    fn answers(&self) -> bool {
        self.answers.load(Relaxed)
    }
}

impl Wire {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (fault, cut, vanished) =
            (shared.fault.subscribe(), shared.cut.subscribe(), shared.vanished.subscribe());
        Self { shared, holes: Holes::default(), fault, cut, vanished }
    }

    /// Carries bytes until one side ends or is cut.
    pub(super) async fn carry(mut self, mut client: TcpStream) {
        let server = *self.shared.server.lock().unwrap_or_else(PoisonError::into_inner);
        // A server that is not there is a connection that ends at once.
        let Ok(mut server) = TcpStream::connect(server).await else { return };
        let nodelay = client.set_nodelay(true).and(server.set_nodelay(true));
        nodelay.unwrap_or_else(|e| panic!("the relay's sockets: {e}"));
        let how = {
            let (mut cut, mut vanished) = (self.cut.clone(), self.vanished.clone());
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            tokio::select! {
                how = self.questions(&mut from_client, &mut to_server) => how,
                how = self.answers(&mut from_server, &mut to_client) => how,
                how = ordered(&mut cut) => how,
                () = self.vanish(&mut vanished) => Cut::Close,
            }
        };
        if how == Cut::Reset {
            // An error means that the socket is gone already.
            let _ = client.set_zero_linger();
            let _ = server.set_zero_linger();
        }
        drop(client);
        if self.holes.questions() {
            // The server does not hear that its reader has gone.
            tokio::select! {
                _ = self.fault.changed() => {}
                _ = ordered(&mut self.cut) => {}
                () = drained(&mut server) => {}
            }
        }
    }

    async fn questions(&self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Cut {
        let mut frames = self.shared.rule.map(|rule| rule());
        let mut piece = vec![0; PIECE];
        loop {
            let n = match from.read(&mut piece).await {
                Ok(0) => return Cut::Close,
                Err(_) => return Cut::Reset,
                Ok(n) => n,
            };
            self.shared.traffic().asked += n as u64;
            if let Some(frames) = &mut frames {
                let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.look(&mut **frames, &piece[..n]);
            }
            self.holes.dig(&self.shared.fault.borrow().fault);
            // A server that takes nothing has ended, and its end is found where answers are read.
            if !self.holes.questions() && to.write_all(&piece[..n]).await.is_err() {
                return pending().await;
            }
        }
    }

    async fn answers(&self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Cut {
        let mut piece = vec![0; PIECE];
        loop {
            let got = from.read(&mut piece).await;
            let ordered = self.shared.fault.borrow().clone();
            self.holes.dig(&ordered.fault);
            let n = match got {
                Ok(0) | Err(_) if self.holes.answers() => return pending().await,
                Ok(0) => return Cut::Close,
                Err(_) => return Cut::Reset,
                Ok(n) => n,
            };
            self.shared.traffic().answered += n as u64;
            if self.holes.answers() {
                ordered.touch();
                continue;
            }
            let (came, passed) = (Instant::now(), pass(&ordered, &piece[..n], to).await);
            if matches!(ordered.fault, Fault::Late(_)) {
                let mut traffic = self.shared.traffic();
                traffic.held = traffic.held.max(came.elapsed());
            }
            match passed {
                Ok(None) => {}
                Ok(Some(how)) => return how,
                // The reader has gone, which is found where questions are read.
                Err(_) => return pending().await,
            }
        }
    }

    /// Never ends: what has vanished says nothing.
    async fn vanish(&self, vanished: &mut cell::Receiver<()>) {
        if vanished.changed().await.is_ok() {
            self.holes.open(Way::Both);
        }
        pending::<()>().await;
    }
}

/// Passes an answer on as the fault has it; some faults end the connection.
async fn pass(ordered: &Ordered, answer: &[u8], to: &mut WriteHalf<'_>) -> io::Result<Option<Cut>> {
    match &ordered.fault {
        Fault::Late(held) => {
            ordered.touch();
            sleep(*held).await;
            to.write_all(answer).await?;
        }
        Fault::Slow(pause) => {
            ordered.touch();
            slowly(*pause, answer, to).await?;
        }
        Fault::Change(times, change) => {
            let changed = (ordered.touched() < *times).then(|| change(answer)).flatten();
            if changed.is_some() {
                ordered.touch();
            }
            to.write_all(changed.as_deref().unwrap_or(answer)).await?;
        }
        Fault::CutAnswer(how) => {
            ordered.touch();
            to.write_all(&answer[..answer.len() / 2]).await?;
            return Ok(Some(*how));
        }
        Fault::None | Fault::Refuse | Fault::HangUp | Fault::BlackHole(_) => to.write_all(answer).await?,
    }
    Ok(None)
}

async fn slowly(pause: Duration, answer: &[u8], to: &mut WriteHalf<'_>) -> io::Result<()> {
    for part in answer.chunks(answer.len().div_ceil(PIECES).max(1)) {
        sleep(pause).await;
        to.write_all(part).await?;
    }
    Ok(())
}

/// Waits for an order to end.
async fn ordered(cut: &mut cell::Receiver<Option<Cut>>) -> Cut {
    loop {
        if cut.changed().await.is_err() {
            return pending().await;
        }
        if let Some(how) = *cut.borrow_and_update() {
            return how;
        }
    }
}

/// Reads what nobody wants until the other side ends.
async fn drained(from: &mut TcpStream) {
    let mut piece = vec![0; PIECE];
    while from.read(&mut piece).await.is_ok_and(|n| n > 0) {}
}

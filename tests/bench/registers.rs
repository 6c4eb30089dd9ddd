//! A Modbus server in a process of its own, for benches that read it: holding registers that a function of register
//! and time gives, and a count of what was given out.

use plumbline_tests::harness::process::Process;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_modbus::prelude::*;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};

/// The value of a register so many milliseconds after the start.
pub(crate) type Word = fn(register: u16, ms: u32) -> u16;

/// The server as the bench sees it.
pub(crate) struct Peer {
    process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// Of a process that runs [`serve`].
    pub(crate) fn of(process: Process) -> Self {
        let line = process.wait_for_line("address ");
        let address = line.trim_start_matches("address ").parse();
        Self { process, address: address.unwrap_or_else(|e| panic!("{line}: {e}")) }
    }

    /// Registers that it has given out so far.
    pub(crate) fn words(&self) -> f64 {
        let printed = self.process.printed();
        let last = printed.lines().rev().find_map(|line| line.strip_prefix("words ")?.parse().ok());
        last.unwrap_or_else(|| panic!("the server said:\n{printed}"))
    }
}

/// The server's process: prints its address, then every tenth of a second what it has given out.
pub(crate) async fn serve(word: Word) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|e| panic!("no port: {e}"));
    let address = listener.local_addr().unwrap_or_else(|e| panic!("no address: {e}"));
    println!("address {address}");
    let registers = Registers { word, began: Instant::now(), words: Arc::default() };
    let words = Arc::clone(&registers.words);
    tokio::spawn(async move {
        let new_service = |_| Ok(Some(registers.clone()));
        let connected = |stream, peer| async move { accept_tcp_connection(stream, peer, new_service) };
        // A broken client connection is the client's affair.
        let _ = Server::new(listener).serve(&connected, |_| ()).await;
    });
    loop {
        println!("words {}", words.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same behind every unit.
#[derive(Clone)]
struct Registers {
    word: Word,
    began: Instant,
    words: Arc<AtomicU64>,
}

impl Service for Registers {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, adu: Self::Request) -> Self::Future {
        let Request::ReadHoldingRegisters(at, n) = adu.request else {
            return ready(Err(ExceptionCode::IllegalFunction));
        };
        self.words.fetch_add(n.into(), Ordering::Relaxed);
        let ms = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
        let values = (at..at + n).map(|register| (self.word)(register, ms));
        ready(Ok(Response::ReadHoldingRegisters(values.collect())))
    }
}

/// One of the two registers of a 32-bit value, high word first.
pub(crate) fn half(value: u32, low: bool) -> u16 {
    let [a, b, c, d] = value.to_be_bytes();
    if low { u16::from_be_bytes([c, d]) } else { u16::from_be_bytes([a, b]) }
}

//! How punctually an agent polls: a hundred Modbus links, each with a connection and a task of its own, polled on
//! the multiples of their interval in UTC. Late is by how much a request reaches the server after its multiple, by
//! the server's clock, which is the same machine's.
//!
//! Beside it, in the same seconds and half an interval apart so that neither waits for the other, a bare
//! `tokio::time::interval` and bare tokio-modbus make the same hundred requests; agent, bare loop and both servers are
//! processes of their own. OPC UA has no row: there the server samples, at intervals of its own.

mod process;
mod table;

use plumbline_tests::harness::chain::{Chain, Programs};
use plumbline_tests::harness::process::Process;
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use table::Aim;
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_modbus::prelude::*;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};

const LINKS: u32 = 100;
const WARM_UP: Duration = Duration::from_secs(5);
const SLICE: Duration = Duration::from_secs(6);
const SLICES: usize = 5;
const ROLE: &str = "PLUMBLINE_BENCH_JITTER";

fn main() {
    let role = std::env::var(ROLE).unwrap_or_default();
    match role.split(' ').collect::<Vec<_>>()[..] {
        ["serve", poll, offset] => block_on(serve(ms(poll), ms(offset))),
        ["read", address, poll, offset] => block_on(read(address, ms(poll), ms(offset))),
        _ => {
            table::head(&format!("jitter: {LINKS} links, {SLICES} slices of {} s", SLICE.as_secs()));
            measure(1000);
            measure(200);
        }
    }
}

fn ms(text: &str) -> Duration {
    Duration::from_millis(text.parse().unwrap_or_else(|e| panic!("{text}: {e}")))
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap_or_else(|e| panic!("no runtime: {e}")).block_on(work);
}

fn measure(poll_ms: u32) {
    let (for_agent, for_bare) = (Peer::start(poll_ms, 0), Peer::start(poll_ms, poll_ms / 2));
    let programs = Programs {
        agent: env!("CARGO_BIN_EXE_agent-under-test"),
        gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
        verify: env!("CARGO_BIN_EXE_verify-under-test"),
    };
    let mut chain = Chain::without_agent(programs);
    // As installed.
    let text = chain.configuration(5, &plant(for_agent.address, poll_ms));
    let text = text
        .replace("length = \"1s\"", "length = \"60s\"")
        .replace("journal = \"200ms\"", "journal = \"1s\"");
    chain.enrol(&text);
    chain.start_gateway(&[("RUST_LOG", "warn")]);
    chain.start_agent(process::AS_INSTALLED);
    chain.agent().wait_for_line("is running");
    let _bare = child("bare loop", &format!("read {} {poll_ms} {}", for_bare.address, poll_ms / 2));
    std::thread::sleep(WARM_UP);
    let mut rows = [const { vec![] }; 6];
    let asked = f64::from(LINKS) * SLICE.as_secs_f64() * 1000.0 / f64::from(poll_ms);
    for _ in 0..SLICES {
        let (agent_from, bare_from) = (for_agent.late_us().len(), for_bare.late_us().len());
        std::thread::sleep(SLICE);
        let agent = sorted(&for_agent.late_us()[agent_from..]);
        let bare = sorted(&for_bare.late_us()[bare_from..]);
        let of_poll = |late_us: f64| late_us / 1000.0 / f64::from(poll_ms);
        rows[0].push(count(&agent) / asked);
        rows[1].push(of_poll(part(&agent, 50)));
        rows[2].push(of_poll(part(&agent, 99)));
        rows[3].push(of_poll(part(&bare, 50)));
        rows[4].push(of_poll(part(&bare, 99)));
        rows[5].push(part(&agent, 99) / part(&bare, 99));
    }
    chain.stop_agent();
    let names = [
        ("polls made ÷ asked", Aim::AtLeast(0.999)),
        ("P50 of lateness ÷ interval", Aim::Shown),
        ("P99 of lateness ÷ interval", Aim::Shown),
        ("bare tokio, P50 ÷ interval", Aim::Shown),
        ("bare tokio, P99 ÷ interval", Aim::Shown),
        ("P99 ÷ P99 of bare tokio", Aim::Shown),
    ];
    for ((name, aim), measured) in names.into_iter().zip(rows) {
        table::row(&format!("every {poll_ms} ms: {name}"), &measured, aim);
    }
}

fn sorted(late_us: &[i64]) -> Vec<i64> {
    let mut sorted: Vec<i64> = late_us.iter().map(|us| us.abs()).collect();
    sorted.sort_unstable();
    sorted
}

fn count(sorted: &[i64]) -> f64 {
    u32::try_from(sorted.len()).map_or(f64::NAN, f64::from)
}

/// A percentile, µs: the least that so many per cent do not exceed.
fn part(sorted: &[i64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    let us = sorted.get(rank).and_then(|us| u32::try_from(*us).ok());
    us.map_or_else(|| panic!("nothing was polled"), f64::from)
}

/// A machine on each link.
fn plant(server: SocketAddr, poll_ms: u32) -> String {
    let mut text = String::new();
    for link in 0..LINKS {
        let _ = write!(
            text,
            "[[link]]\nid = \"link-{link}\"\nprotocol = \"modbus\"\naddress = \"tcp://{server}\"\n\
             poll = \"{poll_ms}ms\"\ntimeout = \"150ms\"\n\n\
             [[machine]]\nid = \"m-{link}\"\nname = \"{link}\"\nline = \"A\"\nkind = \"cnc\"\nlink = \"link-{link}\"\n\
             [machine.points]\nexecution = {{ unit = 1, register = \"holding:0\", type = \"u16\" }}\n\
             mode = {{ unit = 1, register = \"holding:1\", type = \"u16\" }}\n\
             [machine.state]\nproducing = 'execution == 1 && mode == 2'\nidle = 'execution == 0'\n\n",
        );
    }
    text
}

/// A Modbus server in another process.
struct Peer {
    process: Process,
    address: SocketAddr,
}

impl Peer {
    fn start(poll_ms: u32, offset_ms: u32) -> Self {
        let process = child("server", &format!("serve {poll_ms} {offset_ms}"));
        let line = process.wait_for_line("address ");
        let address = line.trim_start_matches("address ").parse();
        Self { process, address: address.unwrap_or_else(|e| panic!("{line}: {e}")) }
    }

    /// How late each request so far has been, in the order of their arrival.
    fn late_us(&self) -> Vec<i64> {
        let printed = self.process.printed();
        let lines = printed.lines().filter_map(|line| line.strip_prefix("late "));
        lines.flat_map(str::split_whitespace).filter_map(|us| us.parse().ok()).collect()
    }
}

fn child(name: &str, role: &str) -> Process {
    let own = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    Process::start(name, Command::new(own).env(ROLE, role))
}

fn utc_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The server's process: prints its address, then every tenth of a second how late requests have been.
async fn serve(poll: Duration, offset: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|e| panic!("no port: {e}"));
    let address = listener.local_addr().unwrap_or_else(|e| panic!("no address: {e}"));
    println!("address {address}");
    let watch = Watch { poll_us: micros(poll), offset_us: micros(offset), late_us: Arc::default() };
    let late_us = Arc::clone(&watch.late_us);
    tokio::spawn(async move {
        let new_service = |_| Ok(Some(watch.clone()));
        let connected = |stream, peer| async move { accept_tcp_connection(stream, peer, new_service) };
        // A broken client connection is the client's affair.
        let _ = Server::new(listener).serve(&connected, |_| ()).await;
    });
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let late = std::mem::take(&mut *late_us.lock().unwrap_or_else(PoisonError::into_inner));
        let late: Vec<String> = late.iter().map(i64::to_string).collect();
        println!("late {}", late.join(" "));
    }
}

/// Answers with zeros and writes down when it was asked.
#[derive(Clone)]
#[expect(clippy::struct_field_names, reason = "each is microseconds")]
struct Watch {
    poll_us: i64,
    offset_us: i64,
    late_us: Arc<Mutex<Vec<i64>>>,
}

impl Service for Watch {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, adu: Self::Request) -> Self::Future {
        let late = (utc_us() - self.offset_us).rem_euclid(self.poll_us);
        // More than half an interval late is early for the next.
        let late = if late > self.poll_us / 2 { late - self.poll_us } else { late };
        self.late_us.lock().unwrap_or_else(PoisonError::into_inner).push(late);
        let Request::ReadHoldingRegisters(_, n) = adu.request else {
            return ready(Err(ExceptionCode::IllegalFunction));
        };
        ready(Ok(Response::ReadHoldingRegisters(vec![0; n.into()])))
    }
}

/// The bare loop's process.
async fn read(address: &str, poll: Duration, offset: Duration) {
    let address: SocketAddr = address.parse().unwrap_or_else(|e| panic!("{address}: {e}"));
    let links = (0..LINKS).map(|_| tokio::spawn(read_link(address, poll, offset)));
    for link in links.collect::<Vec<_>>() {
        link.await.unwrap_or_else(|e| panic!("a link failed: {e}"));
    }
}

async fn read_link(address: SocketAddr, poll: Duration, offset: Duration) {
    let context = client::tcp::connect_slave(address, Slave(1)).await;
    let mut context = context.unwrap_or_else(|e| panic!("{address}: {e}"));
    let until = micros(poll) - (utc_us() - micros(offset)).rem_euclid(micros(poll));
    let first = Instant::now() + Duration::from_micros(u64::try_from(until).unwrap_or(0));
    let mut tick = interval_at(first, poll);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let words = context.read_holding_registers(0, 2).await.unwrap_or_else(|e| panic!("{e}"));
        std::hint::black_box(words.unwrap_or_else(|e| panic!("{e}")));
    }
}

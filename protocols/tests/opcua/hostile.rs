//! A server that means harm: what it sends is short, and would take the memory or the stack of the whole agent.
//!
//! The victim is a process of its own, so that it can die and its peak of memory be read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use protocols::Link as _;
use serde_json::json;

use crate::watch::{clock, link};

/// What all messages of one server together may cost a link, KiB.
const STATED_KIB: u64 = 64 << 10;
/// Tells a process of this test that it is the victim, and of whom.
const SERVER: &str = "PLUMBLINE_TEST_HOSTILE_SERVER";

/// Types of answers, as a node id of four bytes: `01 00` and the number.
const READ_RESPONSE: [u8; 4] = [1, 0, 0x7A, 0x02];
const ENDPOINTS_RESPONSE: [u8; 4] = [1, 0, 0xAF, 0x01];
const OPEN_RESPONSE: [u8; 4] = [1, 0, 0xC1, 0x01];
/// Time, handle and status: all well.
const GOOD: [u8; 16] = [0; 16];
/// No diagnostics, no strings, no additional header.
const HEADER_END: [u8; 8] = [0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0];

/// What comes when the client has asked its first question.
enum Harm {
    /// One message, in as many frames as it takes.
    Message(Vec<u8>),
    /// The same in one frame that is called the end of the channel.
    Close(Vec<u8>),
    /// A frame that says it is this long, and then bytes for as long as somebody reads.
    Frame(u32),
    /// Parts of a message that never has a last one.
    Parts,
}

fn length(n: usize) -> [u8; 4] {
    i32::try_from(n).unwrap().to_le_bytes()
}

fn values(count: usize, values: &[u8]) -> Vec<u8> {
    [&READ_RESPONSE[..], &GOOD, &HEADER_END, &length(count), values, &[0xFF; 4]].concat()
}

/// A data value that is an array of empty data values, of one byte each.
fn many(count: usize) -> Vec<u8> {
    [&[0x01, 0x80 + 23][..], &length(count), &vec![0; count]].concat()
}

/// Each with the words that the operator reads. What is let through is no answer to the question, which the stack says.
fn harms() -> Vec<(&'static str, Harm, &'static str)> {
    let nested_header = [&ENDPOINTS_RESPONSE[..], &GOOD, &vec![0x40; 60_000]].concat();
    let structure = [&[0x01, 22, 0, 1, 1][..], &i32::MAX.to_le_bytes()].concat();
    let deep_arrays = [&[0x01][..], &[0x80 + 24, 0xE8, 0x03, 0, 0].repeat(12_000)].concat();
    vec![
        ("diagnostics in diagnostics", Harm::Message(nested_header.clone()), "nested more than"),
        ("the same as a farewell", Harm::Close(nested_header), "nested more than"),
        (
            "data values in data values",
            Harm::Message(values(1, &[0x01, 23].repeat(30_000))),
            "nested more than",
        ),
        ("arrays in arrays", Harm::Message(values(1, &deep_arrays)), "nested more than"),
        ("a structure of 2 GiB", Harm::Message(values(1, &structure)), "ends before what it announces"),
        ("as many endpoints as may be", Harm::Message(endpoints(60_000)), "ends before what it announces"),
        (
            "a hundred bytes of memory for each",
            Harm::Message(values(60, &many(65_000).repeat(60))),
            "bytes of memory",
        ),
        (
            "as much as is let through",
            Harm::Message(values(2, &many(65_000).repeat(2))),
            "BadUnknownResponse",
        ),
        ("a frame of 3 GiB", Harm::Frame(3 << 30), "a frame is longer"),
        ("a message without end", Harm::Parts, "it is longer than"),
    ]
}

/// An answer that begins like a list of endpoints and ends there.
fn endpoints(count: usize) -> Vec<u8> {
    [&ENDPOINTS_RESPONSE[..], &GOOD, &HEADER_END, &length(count), &[0; 8]].concat()
}

fn frame(kind: &[u8], rest: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + rest.len()).unwrap().to_le_bytes();
    [kind, &size, rest].concat()
}

/// The next frame of the client.
fn asked(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut header = [0; 8];
    stream.read_exact(&mut header)?;
    let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let mut rest = vec![0; usize::try_from(size).unwrap() - 8];
    stream.read_exact(&mut rest)?;
    Ok([&header[..], &rest].concat())
}

/// Talks to one client as far as its first question, without security.
fn serve(stream: &mut TcpStream, harm: &Harm) -> std::io::Result<()> {
    asked(stream)?;
    let limits = [0_u32, 65_535, 65_535, 0, 0].map(u32::to_le_bytes).concat();
    stream.write_all(&frame(b"ACKF", &limits))?;
    let opening = asked(stream)?;
    let policy = b"http://opcfoundation.org/UA/SecurityPolicy#None";
    let request = &opening[opening.len() - asked_body(&opening) - 4..][..4];
    // Made in the year 9999, so that it is not renewed before the first question.
    let made = 2_650_467_743_990_000_000_i64.to_le_bytes();
    let channel =
        [&1_u32.to_le_bytes()[..], &1_u32.to_le_bytes(), &made, &600_000_u32.to_le_bytes()].concat();
    let body = [&OPEN_RESPONSE[..], &GOOD, &HEADER_END, &[0; 4], &channel, &[0xFF; 4]].concat();
    let security = [&length(policy.len())[..], policy, &[0xFF; 8]].concat();
    let opened = [&1_u32.to_le_bytes()[..], &security, &1_u32.to_le_bytes(), request, &body].concat();
    stream.write_all(&frame(b"OPNF", &opened))?;
    let question = asked(stream)?;
    do_harm(stream, harm, &question[20..24])
}

/// How long the body of the client's opening is: what follows the three texts of its security header and two numbers.
fn asked_body(opening: &[u8]) -> usize {
    let mut rest = &opening[12..];
    for _ in 0..3 {
        let (length, after) = rest.split_first_chunk::<4>().unwrap();
        rest = &after[usize::try_from(i32::from_le_bytes(*length)).unwrap_or(0)..];
    }
    rest.len() - 8
}

fn do_harm(stream: &mut TcpStream, harm: &Harm, request: &[u8]) -> std::io::Result<()> {
    let mut sequence = 1_u32;
    let mut part = |last: bool, body: &[u8]| {
        sequence += 1;
        let numbers = [1_u32, 1, sequence].map(u32::to_le_bytes).concat();
        frame(if last { b"MSGF" } else { b"MSGC" }, &[&numbers, request, body].concat())
    };
    match harm {
        Harm::Message(body) => {
            let parts: Vec<&[u8]> = body.chunks(60_000).collect();
            for (n, body) in parts.iter().enumerate() {
                stream.write_all(&part(n + 1 == parts.len(), body))?;
            }
        }
        Harm::Close(body) => {
            let mut farewell = part(true, body);
            farewell[..3].copy_from_slice(b"CLO");
            stream.write_all(&farewell)?;
        }
        Harm::Frame(size) => {
            stream.write_all(&[&b"MSGF"[..], &size.to_le_bytes()].concat())?;
            for _ in 0..32_000 {
                stream.write_all(&[0; 8 << 10])?;
            }
        }
        Harm::Parts => {
            for _ in 0..4_000 {
                stream.write_all(&part(false, &vec![0; 60_000]))?;
            }
        }
    }
    // Until the client hangs up.
    while stream.read(&mut [0; 1024])? > 0 {}
    Ok(())
}

/// The peak of this process's memory so far, KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

/// Connects to the server, and prints what it cost and what came of it.
fn suffer(server: &str) {
    let link = link(&format!("opc.tcp://{server}"), &json!({"timeout": "20s"}), &["Status"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let before = peak_kib();
    let error = runtime.block_on(link.connect(clock())).err().expect("there is no session to be had");
    println!("\nsuffered {} {error}", peak_kib() - before);
}

/// Lets a process suffer; its peak, and what it says.
fn victim_of(name: &str, server: SocketAddr) -> (u64, String) {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "hostile::no_server_takes_more_memory_than_is_stated"])
        .env(SERVER, server.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{name}: {}, {}", done.status, String::from_utf8_lossy(&done.stderr));
    let (peak, words) = said
        .lines()
        .find_map(|line| line.strip_prefix("suffered ")?.split_once(' '))
        .unwrap_or_else(|| panic!("{name}: {said}"));
    (peak.parse().unwrap(), words.to_owned())
}

#[test]
fn no_server_takes_more_memory_than_is_stated() {
    if let Ok(server) = std::env::var(SERVER) {
        return suffer(&server);
    }
    for (name, harm, words) in harms() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        // It ends with its client, which may hang up in the middle of anything.
        std::thread::spawn(move || listener.accept().and_then(|(mut stream, _)| serve(&mut stream, &harm)));
        let (peak, said) = victim_of(name, server);
        println!("{name}: {peak} KiB; {said}");
        assert!(peak < STATED_KIB, "{name}: {peak} KiB");
        assert!(said.contains(words), "{name}: {said}");
    }
}

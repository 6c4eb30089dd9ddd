//! The relay before a server that gives back what it is sent.

use super::*;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);
/// Silence that counts as such.
const SILENCE: Duration = Duration::from_millis(150);

/// An echo that lives as long as the test's process.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut piece = [0; 1024];
                let (mut from, mut to) = (stream.try_clone().unwrap(), stream);
                while let Ok(n @ 1..) = from.read(&mut piece) {
                    if to.write_all(&piece[..n]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn connect(relay: &Relay) -> TcpStream {
    let stream = TcpStream::connect(relay.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Says something and reads as many bytes as should come back.
fn answer(stream: &mut TcpStream, said: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    stream.write_all(said)?;
    let mut heard = vec![0; length];
    stream.read_exact(&mut heard)?;
    Ok(heard)
}

#[track_caller]
fn silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let heard = stream.read(&mut [0; 16]).unwrap_err().kind();
    assert!(matches!(heard, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{heard}");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

#[test]
fn what_passes_is_what_was_sent_and_is_counted() {
    let relay = Relay::start(echo());
    let mut stream = connect(&relay);
    assert_eq!(answer(&mut stream, b"hello", 5).unwrap(), b"hello");
    let traffic = relay.traffic();
    assert_eq!((traffic.connections, traffic.asked, traffic.answered, traffic.touched), (1, 5, 5, 0));
}

#[test]
fn a_closed_port_refuses_and_is_the_same_when_it_opens_again() {
    let relay = Relay::start(echo());
    let mut standing = connect(&relay);
    assert_eq!(answer(&mut standing, b"a", 1).unwrap(), b"a");
    relay.set(Fault::Refuse);
    crate::harness::chain::wait_until("connections are refused", || {
        TcpStream::connect(relay.address()).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
    });
    assert_eq!(answer(&mut standing, b"b", 1).unwrap(), b"b", "what stands is left alone");
    relay.clear();
    crate::harness::chain::wait_until("connections are taken", || {
        TcpStream::connect(relay.address()).is_ok_and(|mut s| answer(&mut s, b"c", 1).is_ok())
    });
}

#[test]
fn a_cut_is_an_end_or_a_reset_as_ordered() {
    let relay = Relay::start(echo());
    let mut stream = connect(&relay);
    answer(&mut stream, b"a", 1).unwrap();
    relay.cut(Cut::Close);
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    let mut stream = connect(&relay);
    answer(&mut stream, b"a", 1).unwrap();
    relay.cut(Cut::Reset);
    assert_eq!(stream.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_fell_into_a_black_hole_never_comes_and_its_connection_stays_dead() {
    for way in [Way::Questions, Way::Answers, Way::Both] {
        let relay = Relay::start(echo());
        let mut stream = connect(&relay);
        answer(&mut stream, b"a", 1).unwrap();
        relay.set(Fault::BlackHole(way));
        stream.write_all(b"b").unwrap();
        silent(&mut stream);
        relay.clear();
        stream.write_all(b"c").unwrap();
        silent(&mut stream);
        assert_eq!(answer(&mut connect(&relay), b"d", 1).unwrap(), b"d");
    }
}

#[test]
fn who_vanishes_says_nothing_and_the_next_connection_is_as_any() {
    let relay = Relay::start(echo());
    let mut stream = connect(&relay);
    answer(&mut stream, b"a", 1).unwrap();
    relay.vanish();
    let mut next = connect(&relay);
    assert_eq!(answer(&mut next, b"b", 1).unwrap(), b"b");
    stream.write_all(b"c").unwrap();
    silent(&mut stream);
}

#[test]
fn answers_are_held_broken_up_and_changed_as_often_as_ordered() {
    let relay = Relay::start(echo());
    let mut stream = connect(&relay);
    relay.set(Fault::Late(SILENCE));
    let asked = std::time::Instant::now();
    assert_eq!(answer(&mut stream, b"hello", 5).unwrap(), b"hello");
    assert!(asked.elapsed() >= SILENCE);
    relay.set(Fault::Slow(Duration::from_millis(1)));
    assert_eq!(answer(&mut stream, b"hello, world", 12).unwrap(), b"hello, world");
    relay.set(Fault::flip(1, 0, 0x20));
    assert_eq!(answer(&mut stream, b"hello", 5).unwrap(), b"Hello");
    assert_eq!(answer(&mut stream, b"hello", 5).unwrap(), b"hello", "once only");
    assert_eq!(relay.traffic().touched, 1);
    relay.set(Fault::twice(1));
    assert_eq!(answer(&mut stream, b"ab", 4).unwrap(), b"abab");
    relay.set(Fault::short(1, 3));
    assert_eq!(answer(&mut stream, b"hello", 2).unwrap(), b"he");
    relay.set(Fault::garbage(1));
    assert_ne!(answer(&mut stream, b"hello", 5).unwrap(), b"hello");
    relay.set(Fault::CutAnswer(Cut::Close));
    assert_eq!(answer(&mut stream, b"hello!", 3).unwrap(), b"hel");
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
}

#[test]
fn sending_what_must_not_be_sent_fails_the_test_that_uses_the_relay() {
    let relay = Relay::watched(echo(), modbus::TCP);
    let mut stream = connect(&relay);
    let read = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
    let write = [0, 2, 0, 0, 0, 6, 1, 6, 0, 0, 0, 1];
    assert_eq!(answer(&mut stream, &read, 12).unwrap(), read);
    assert_eq!(relay.violations(), Vec::<String>::new());
    assert_eq!(relay.traffic().frames["function 3"], 1);
    assert_eq!(answer(&mut stream, &write, 12).unwrap(), write);
    let failed = catch_unwind(AssertUnwindSafe(|| drop(relay))).unwrap_err();
    let why = failed.downcast_ref::<String>().unwrap();
    assert!(why.contains("function 6 does not read: 000200000006010600000001"), "{why}");
}

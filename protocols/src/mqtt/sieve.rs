//! Keeps messages that are too large out of the MQTT client, without giving up the connection.
//!
//! In MQTT 3.1.1 a client cannot tell a broker how much it takes, and a client that drops the connection is
//! sent the same message again for ever; in MQTT 5 the broker would drop such a message without a word.
//! So the bytes of a message that is too large are read and forgotten here, and the client is given the same
//! message without its content, which can be acknowledged like any other:
//!
//! ```text
//! fixed header · topic · packet id · [properties] · 3 MiB   →   fixed header · topic · packet id · [00]
//! ```
//!
//! Which messages were emptied is noted by their number on this connection. All other packets pass untouched.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::settings::Version;

/// Numbers, from 1, of the messages of one connection that were emptied. Guarded by a mutex that is held for
/// moments: the connection writes, the session reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Emptied(Arc<Mutex<VecDeque<u64>>>);

impl Emptied {
    fn note(&self, number: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(number);
    }

    /// Whether the message with this number was emptied. Asked once for each message, in order.
    pub(super) fn take(&self, number: u64) -> bool {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let emptied = numbers.front() == Some(&number);
        if emptied {
            numbers.pop_front();
        }
        emptied
    }
}

/// Control packet type of a message (MQTT 3.1.1 and 5.0, 2.2.1 and 2.1.2).
const PUBLISH: u8 = 3;

/// Where in the stream of packets the next byte is.
#[derive(Debug)]
enum State {
    /// In a fixed header, whose bytes are kept back until it is whole.
    Header(Vec<u8>),
    /// In what passes, this many bytes from its end.
    Passing(usize),
    /// In the beginning of a message that is too large: its first byte, what is left of it, and its topic and
    /// packet identifier so far.
    Emptying { first: u8, left: usize, kept: Vec<u8> },
    /// In what is forgotten, this many bytes from its end.
    Forgetting(usize),
    /// What came is no packet; the client shall see for itself.
    Lost,
}

/// The stream's state, without the stream.
#[derive(Debug)]
pub(super) struct Sieve {
    state: State,
    limit: usize,
    version: Version,
    messages: u64,
    emptied: Emptied,
}

impl Sieve {
    /// Messages whose remaining length is greater than `limit` are emptied.
    pub(super) fn new(limit: usize, version: Version, emptied: Emptied) -> Self {
        Self { state: State::Header(Vec::new()), limit, version, messages: 0, emptied }
    }

    /// Takes bytes of the broker and appends what passes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Header(_) => self.header(bytes, out),
                State::Emptying { .. } => self.emptying(bytes, out),
                State::Passing(left) => {
                    let (part, rest) = bytes.split_at(bytes.len().min(*left));
                    out.extend_from_slice(part);
                    *left -= part.len();
                    self.at_end(rest)
                }
                State::Forgetting(left) => {
                    let (part, rest) = bytes.split_at(bytes.len().min(*left));
                    *left -= part.len();
                    self.at_end(rest)
                }
                State::Lost => {
                    out.extend_from_slice(bytes);
                    &[]
                }
            };
        }
    }

    fn at_end<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        if matches!(self.state, State::Passing(0) | State::Forgetting(0)) {
            self.state = State::Header(Vec::new());
        }
        rest
    }

    /// Takes one byte of a fixed header.
    fn header<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let State::Header(header) = &mut self.state else { return bytes };
        let Some((byte, rest)) = bytes.split_first() else { return bytes };
        header.push(*byte);
        let length_goes_on = header.len() == 1 || byte & 0x80 != 0;
        if length_goes_on && header.len() < 5 {
            return rest;
        }
        let lengths = header.get(1..).unwrap_or_default();
        let remaining = lengths.iter().rev().fold(0, |n, byte| n << 7 | usize::from(byte & 0x7f));
        let first = header.first().copied().unwrap_or_default();
        let message = first >> 4 == PUBLISH;
        self.messages += u64::from(message);
        if length_goes_on {
            out.append(header);
            self.state = State::Lost;
        } else if message && remaining > self.limit {
            self.state = State::Emptying { first, left: remaining, kept: Vec::new() };
        } else {
            out.append(header);
            self.state = State::Passing(remaining);
        }
        self.at_end(rest)
    }

    /// Takes one byte of the topic or packet identifier; after the last, hands out the emptied message.
    fn emptying<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let State::Emptying { first, left, kept } = &mut self.state else { return bytes };
        let Some((byte, rest)) = bytes.split_first() else { return bytes };
        kept.push(*byte);
        *left -= 1;
        // Both qualities of service that are acknowledged have an identifier.
        let identifier = if *first & 0b110 == 0 { 0 } else { 2 };
        let wanted = match kept.as_slice() {
            [high, low, ..] => 2 + usize::from(u16::from_be_bytes([*high, *low])) + identifier,
            _ => 2,
        };
        if *left == 0 && kept.len() < wanted {
            // Its topic is longer than itself.
            out.append(kept);
            self.state = State::Lost;
            return rest;
        }
        if kept.len() < wanted || kept.len() < 2 {
            return rest;
        }
        if self.version == Version::V5 {
            kept.push(0);
        }
        out.push(*first);
        remaining_length(kept.len(), out);
        out.append(kept);
        self.emptied.note(self.messages);
        self.state = State::Forgetting(*left);
        self.at_end(rest)
    }
}

/// Seven bits a byte, the lowest first.
fn remaining_length(mut n: usize, out: &mut Vec<u8>) {
    while n > 0x7f {
        out.push(u8::try_from(n & 0x7f).unwrap_or_default() | 0x80);
        n >>= 7;
    }
    out.push(u8::try_from(n).unwrap_or_default());
}

/// A connection behind a [`Sieve`].
pub(super) struct Sieved<S> {
    stream: S,
    sieve: Sieve,
    /// What has passed and is not read yet, and how far it is read.
    passed: Vec<u8>,
    read: usize,
    buffer: Box<[u8]>,
}

/// Bytes taken from the connection at a time.
const BUFFER: usize = 16 * 1024;

impl<S> Sieved<S> {
    pub(super) fn new(stream: S, sieve: Sieve) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { stream, sieve, passed: Vec::with_capacity(BUFFER), read: 0, buffer }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sieved<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        while this.read == this.passed.len() {
            (this.read, this.passed) = (0, std::mem::take(&mut this.passed));
            this.passed.clear();
            let mut buffer = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.sieve.feed(buffer.filled(), &mut this.passed);
        }
        let waiting = this.passed.get(this.read..).unwrap_or_default();
        let part = waiting.get(..waiting.len().min(out.remaining())).unwrap_or_default();
        out.put_slice(part);
        this.read += part.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieved<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with the given first byte.
    fn packet(first: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        remaining_length(body.len(), &mut bytes);
        bytes.extend_from_slice(body);
        bytes
    }

    /// A message to `t/1`, with packet identifier 7 unless its quality of service is 0.
    fn message(first: u8, version: Version, content: usize) -> Vec<u8> {
        let mut body = vec![0, 3, b't', b'/', b'1'];
        if first & 0b110 != 0 {
            body.extend_from_slice(&[0, 7]);
        }
        if version == Version::V5 {
            // One property: content type `x` (MQTT 5.0, 3.3.2.3.9).
            body.extend_from_slice(&[4, 3, 0, 1, b'x']);
        }
        body.extend(std::iter::repeat_n(b'9', content));
        packet(first, &body)
    }

    /// Feeds the stream in pieces of `size`; what passes, and the numbers of the emptied.
    fn sieved(stream: &[u8], version: Version, size: usize) -> (Vec<u8>, Vec<u64>) {
        let emptied = Emptied::default();
        let mut sieve = Sieve::new(100, version, emptied.clone());
        let mut out = Vec::new();
        stream.chunks(size).for_each(|piece| sieve.feed(piece, &mut out));
        let numbers = emptied.0.lock().unwrap().iter().copied().collect();
        (out, numbers)
    }

    #[test]
    fn a_message_that_is_too_large_is_emptied_and_its_neighbours_pass() {
        for (version, empty) in [(Version::V4, &[][..]), (Version::V5, &[0][..])] {
            let small = message(0x32, version, 20);
            let large = message(0x3B, version, 70_000);
            let answer = packet(0xD0, &[]);
            let stream = [&small[..], &large, &answer, &small, &message(0x30, version, 200), &small].concat();
            let with_id = packet(0x3B, &[&[0, 3, b't', b'/', b'1', 0, 7], empty].concat());
            let without = packet(0x30, &[&[0, 3, b't', b'/', b'1'], empty].concat());
            let want = [&small[..], &with_id, &answer, &small, &without, &small].concat();
            for size in [1, 2, 3, 7, 1000, stream.len()] {
                assert_eq!(sieved(&stream, version, size), (want.clone(), vec![2, 4]), "{version:?} {size}");
            }
        }
    }

    #[test]
    fn a_message_at_the_limit_passes() {
        let at = message(0x32, Version::V4, 93);
        assert_eq!(at.get(1), Some(&100));
        assert_eq!(sieved(&at, Version::V4, 9), (at.clone(), vec![]));
        assert_eq!(sieved(&message(0x32, Version::V4, 94), Version::V4, 9).1, [1]);
    }

    #[test]
    fn what_is_no_packet_passes_to_whoever_can_say_so() {
        for stream in [
            vec![0x32, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1, 2, 3],
            // A topic that is longer than its packet.
            [&[0x32, 0xC8, 0x01, 0xFF, 0xFF][..], &[0; 198]].concat(),
        ] {
            let (out, emptied) = sieved(&stream, Version::V4, 2);
            assert!(emptied.is_empty() && stream.ends_with(&out[out.len() - 3..]), "{out:?}");
        }
    }

    #[test]
    fn the_emptied_are_told_by_their_numbers() {
        let emptied = Emptied::default();
        emptied.note(2);
        emptied.note(3);
        let told: Vec<bool> = (1..=4).map(|n| emptied.take(n)).collect();
        assert_eq!(told, [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_sieved_without_a_panic(
            stream in prop::collection::vec(any::<u8>(), 0..600), size in 1usize..50,
        ) {
            sieved(&stream, Version::V4, size);
            sieved(&stream, Version::V5, size);
        }

        #[test]
        fn packets_within_the_limit_pass_untouched(
            packets in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..=100)), 0..20),
            size in 1usize..50,
        ) {
            let stream: Vec<u8> = packets.iter().flat_map(|(first, body)| packet(*first, body)).collect();
            prop_assert_eq!(sieved(&stream, Version::V5, size), (stream, vec![]));
        }
    }
}

//! Between the socket and the stack: no frame passes that is too long, no message that would take too much memory.
//!
//! ```text
//! socket ── whole frames, at most MAX_FRAME ── message of an answer, at most MAX_MESSAGE ── weigh ── stack
//! ```
//! The stack waits for as many bytes as a frame's header claims, up to 4 GiB, and decodes whatever comes; see
//! [`super::weigh`]. Frames are handed on unchanged, one at a time, each opened here first with the keys of the channel: it
//! costs every message a second decryption. What the stack itself would refuse is left to it, with its own words.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use opcua::client::ConnectionSource;
use opcua::client::transport::{
    Connector, RequestRecv, SecureChannelState, StreamConnection, StreamConnector, StreamTransport,
    TransportConfiguration,
};
use opcua::core::comms::tcp_codec::TcpCodec;
use opcua::types::{DecodingOptions, EndpointDescription, Error, StatusCode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::FramedRead;

use super::settings::ServerAddress;
use super::{chain, opaque, weigh};
use crate::LinkError;

/// The longest message, and all that is kept of messages that are not complete, bytes.
pub(super) const MAX_MESSAGE: usize = 4 << 20;
/// The longest frame, bytes. Servers are asked for a sixteenth of it; some do not listen.
const MAX_FRAME: usize = 1 << 20;

/// `type:3 final:1 size:4`, in every frame (OPC 10000-6 7.1.2.2).
const FRAME_HEADER: usize = 8;
/// `type:3 final:1 size:4 channel:4`, before the security header (OPC 10000-6 6.7.2.2).
const CHUNK_HEADER: usize = 12;
/// `token:4`, the security header of all but the opening of a channel.
const TOKEN: usize = 4;

/// Why a connection was ended here; the first reason stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding(Arc<OnceLock<LinkError>>);

impl Finding {
    pub(super) fn get(&self) -> Option<LinkError> {
        self.0.get().cloned()
    }
}

/// Connects to the address of the link, whatever the server calls itself.
#[derive(Clone)]
pub(super) struct Guard {
    pub address: ServerAddress,
    pub finding: Finding,
}

impl ConnectionSource for Guard {
    type Builder = Self;

    fn get_connector(&self, _endpoint: &EndpointDescription) -> Result<Self, Error> {
        Ok(self.clone())
    }
}

impl Guard {
    async fn dial(
        self,
        channel: Arc<SecureChannelState>,
        options: DecodingOptions,
        url: String,
    ) -> Result<StreamConnection<Guarded<OwnedReadHalf>, OwnedWriteHalf>, Error> {
        let to = format!("{}:{}", self.address.host, self.address.port);
        let stream = TcpStream::connect(&to)
            .await
            .map_err(|error| Error::new(StatusCode::BadCommunicationError, format!("{to}: {error}")))?;
        let (socket, write) = stream.into_split();
        let guarded = Guarded {
            socket,
            channel,
            guard: self,
            incoming: Vec::new(),
            passed: Bytes::new(),
            messages: Messages::default(),
        };
        Ok(StreamConnection::new(FramedRead::new(guarded, TcpCodec::new(options)), write, url))
    }
}

impl Connector for Guard {
    type Transport = StreamTransport<Guarded<OwnedReadHalf>, OwnedWriteHalf>;

    async fn connect(
        &self,
        channel: Arc<SecureChannelState>,
        outgoing: RequestRecv,
        config: TransportConfiguration,
    ) -> Result<Self::Transport, Error> {
        let dial =
            |url: String, options: DecodingOptions| self.clone().dial(Arc::clone(&channel), options, url);
        *channel.secure_channel().read().context_arc().write().loaders_mut() = opaque::loaders();
        let connector = StreamConnector::new(dial, self.address.url.clone());
        connector.connect(Arc::clone(&channel), outgoing, config).await
    }

    fn default_endpoint(&self) -> EndpointDescription {
        EndpointDescription::from(self.address.url.as_str())
    }
}

/// The reading half of a connection.
pub(super) struct Guarded<R> {
    socket: R,
    channel: Arc<SecureChannelState>,
    guard: Guard,
    /// The frame that is coming.
    incoming: Vec<u8>,
    /// The frame that was let through, as far as the stack has not taken it.
    passed: Bytes,
    messages: Messages,
}

impl<R: AsyncRead + Unpin> AsyncRead for Guarded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.passed.is_empty() {
            let missing = match missing(&self.incoming) {
                Ok(0) => {
                    self.pass()?;
                    continue;
                }
                Ok(missing) => missing,
                Err(why) => return Poll::Ready(Err(self.refuse(why))),
            };
            let mut some = [0; 8192];
            let room = missing.min(some.len());
            let mut some = ReadBuf::new(some.get_mut(..room).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut some))?;
            if some.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.incoming.extend_from_slice(some.filled());
        }
        let now = self.passed.len().min(into.remaining());
        into.put_slice(&self.passed.split_to(now));
        Poll::Ready(Ok(()))
    }
}

/// How many bytes of the frame, or of its header, have not come yet.
fn missing(frame: &[u8]) -> Result<usize, &'static str> {
    let Some(size) = frame.get(4..FRAME_HEADER) else { return Ok(FRAME_HEADER - frame.len()) };
    let size = size.try_into().map_or(0, u32::from_le_bytes);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size <= FRAME_HEADER {
        return Err("a frame is shorter than its header");
    }
    if size > MAX_FRAME {
        return Err("a frame is longer than this program takes");
    }
    Ok(size.saturating_sub(frame.len()))
}

impl<R> Guarded<R> {
    /// Lets the frame through, or ends the connection.
    fn pass(&mut self) -> io::Result<()> {
        let frame = Bytes::from(std::mem::take(&mut self.incoming));
        if let Some(count) = opening_chain(&frame) {
            let error = chain::refused(&self.guard.address.url, count);
            return Err(self.end(error));
        }
        // Whatever the stack will take for a part of a message, also one that is called the end of the channel.
        let opened = self.channel.secure_channel().read().verify_and_remove_security(frame.clone());
        if let Ok(chunk) = opened
            && let Err(why) = self.messages.take(&chunk.data)
        {
            return Err(self.refuse(&why));
        }
        self.passed = frame;
        Ok(())
    }

    fn refuse(&self, why: &str) -> io::Error {
        let detail = format!("a message of the server is not decoded: {why}");
        self.end(LinkError::Protocol { address: self.guard.address.url.clone(), detail })
    }

    fn end(&self, error: LinkError) -> io::Error {
        let words = error.to_string();
        // An earlier reason stays.
        let _ = self.guard.finding.0.set(error);
        io::Error::new(io::ErrorKind::InvalidData, words)
    }
}

/// How many certificates stand in the opening of a channel, if it is more than the one that the stack can read.
fn opening_chain(frame: &[u8]) -> Option<usize> {
    let certificate = frame.strip_prefix(b"OPN")?.get(CHUNK_HEADER - 3..)?;
    let (_, rest) = text(certificate)?;
    let (certificate, _) = text(rest)?;
    Some(chain::count(certificate)).filter(|count| *count > 1)
}

/// A length and as many bytes; and what follows. -1 is a length of nothing.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    match i32::from_le_bytes(*length) {
        -1 => Some((&[], rest)),
        length => rest.split_at_checked(usize::try_from(length).ok()?),
    }
}

/// The parts of messages that are not complete, by request.
#[derive(Debug, Default)]
struct Messages {
    parts: HashMap<u32, Parts>,
    kept: usize,
}

#[derive(Debug, Default)]
struct Parts {
    body: Vec<u8>,
    /// The number that the next part bears, if one may follow. The stack sorts parts by their numbers and leaves out
    /// what does not follow, so that others than those weighed here could come together.
    next: Option<u32>,
}

impl Parts {
    /// What it takes, with its place among the others, bytes.
    fn bytes(&self) -> usize {
        self.body.len() + 128
    }
}

impl Messages {
    /// Takes an opened frame; says why its message must not be decoded.
    fn take(&mut self, chunk: &[u8]) -> Result<(), String> {
        // What is cut short here is refused by the stack.
        let Some((last, sequence, request, body)) = taken_apart(chunk) else { return Ok(()) };
        let before = self.parts.remove(&request);
        self.kept -= before.as_ref().map_or(0, Parts::bytes);
        if last == b'A' {
            return Ok(());
        }
        if before.as_ref().is_some_and(|parts| parts.next != Some(sequence)) {
            return Err("its parts do not follow each other".to_owned());
        }
        let mut whole = before.unwrap_or_default().body;
        if self.kept + whole.len() + body.len() > MAX_MESSAGE {
            return Err(format!("it is longer than {MAX_MESSAGE} bytes"));
        }
        if last == b'F' {
            let body = if whole.is_empty() {
                body
            } else {
                whole.extend_from_slice(body);
                &whole
            };
            return weigh::message(body).map(drop).map_err(|unfit| unfit.to_string());
        }
        whole.extend_from_slice(body);
        let parts = Parts { body: whole, next: sequence.checked_add(1) };
        self.kept += parts.bytes();
        self.parts.insert(request, parts);
        Ok(())
    }
}

/// Whether it is the last part, then `sequence:4 request:4`, and the part itself.
fn taken_apart(chunk: &[u8]) -> Option<(u8, u32, u32, &[u8])> {
    let last = *chunk.get(3)?;
    let rest = chunk.get(CHUNK_HEADER..)?;
    let rest = if chunk.starts_with(b"OPN") {
        let (_, rest) = text(rest)?;
        let (_, rest) = text(rest)?;
        text(rest)?.1
    } else {
        rest.get(TOKEN..)?
    };
    let (sequence, rest) = rest.split_first_chunk()?;
    let (request, body) = rest.split_first_chunk()?;
    Some((last, u32::from_le_bytes(*sequence), u32::from_le_bytes(*request), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(last: u8, sequence: u32, request: u32, body: &[u8]) -> Vec<u8> {
        let numbers = [0, 1, 1, sequence, request].map(u32::to_le_bytes).concat();
        [&[b'M', b'S', b'G', last][..], &numbers, body].concat()
    }

    /// A fault of a service: type, time, handle, status, diagnostics, strings and header.
    const FAULT: [u8; 28] = {
        let mut fault = [0; 28];
        (fault[0], fault[2], fault[3]) = (1, 0x8D, 0x01);
        let mut n = 21;
        while n < 25 {
            fault[n] = 0xFF;
            n += 1;
        }
        fault
    };

    #[track_caller]
    fn takes(parts: &[Vec<u8>], refused: &str) {
        let mut messages = Messages::default();
        let first = parts.iter().find_map(|part| messages.take(part).err());
        assert_eq!(first.as_deref().unwrap_or_default(), refused);
    }

    #[test]
    fn parts_are_weighed_together_and_only_in_their_order() {
        let (a, b) = FAULT.split_at(13);
        takes(&[part(b'F', 1, 5, &FAULT)], "");
        takes(&[part(b'C', 1, 5, a), part(b'F', 2, 5, b)], "");
        takes(&[part(b'C', 1, 5, a), part(b'C', 2, 6, a), part(b'F', 3, 6, b)], "");
        takes(&[part(b'C', 1, 5, a), part(b'A', 2, 5, b), part(b'F', 3, 5, &FAULT)], "");
        takes(&[part(b'C', 1, 5, b), part(b'F', 2, 5, a)], "it answers something that was never asked");
        takes(&[part(b'C', 1, 5, a), part(b'F', 3, 5, b)], "its parts do not follow each other");
        takes(&[part(b'C', u32::MAX, 5, a), part(b'F', 0, 5, b)], "its parts do not follow each other");
        takes(&[part(b'F', 1, 5, a)], "it ends before what it announces");
    }

    #[test]
    fn what_is_not_complete_is_bounded_over_all_requests() {
        let long = vec![0; MAX_MESSAGE / 2];
        let heavy = |request| part(b'C', request, request, &long);
        takes(&[heavy(1), part(b'A', 2, 1, &[]), heavy(3)], "");
        takes(&[heavy(1), heavy(2)], "it is longer than 4194304 bytes");
        let empty: Vec<Vec<u8>> = (0..40_000).map(|n| part(b'C', n, n, &[])).collect();
        takes(&empty, "it is longer than 4194304 bytes");
    }

    #[test]
    fn the_length_of_a_frame_is_known_from_its_header_and_bounded() {
        let header = |size: u32| [&b"MSGF"[..], &size.to_le_bytes()].concat();
        assert_eq!(missing(b"MSG"), Ok(5));
        assert_eq!(missing(&header(30)), Ok(22));
        assert_eq!(missing(&[header(10), vec![0; 2]].concat()), Ok(0));
        assert!(missing(&header(8)).is_err() && missing(&header((1 << 20) + 1)).is_err());
    }
}

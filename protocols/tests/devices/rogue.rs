//! A Modbus TCP server that answers as a test tells it to, rightly or wrongly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A read request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    /// Number of the request among all, from 0.
    pub(crate) number: usize,
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) function: u8,
    pub(crate) start: u16,
    pub(crate) count: u16,
}

/// What the server does about a request.
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes and closes.
    SendAndClose(Vec<u8>),
    /// Says nothing, now and to whatever else comes on this connection.
    Hang,
}

impl Asked {
    /// The right answer, with these registers.
    pub(crate) fn registers(&self, words: &[u16]) -> Vec<u8> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut pdu = vec![self.function, u8::try_from(bytes.len()).unwrap()];
        pdu.extend(bytes);
        self.reply(&pdu)
    }

    /// The right answer when each register holds its own address.
    pub(crate) fn addresses(&self) -> Vec<u8> {
        let words: Vec<u16> = (self.start..self.start + self.count).collect();
        self.registers(&words)
    }

    pub(crate) fn exception(&self, code: u8) -> Vec<u8> {
        self.reply(&[self.function | 0x80, code])
    }

    /// A frame with this request's transaction and unit.
    pub(crate) fn reply(&self, pdu: &[u8]) -> Vec<u8> {
        let mut frame = self.transaction.to_be_bytes().to_vec();
        frame.extend([0, 0]);
        frame.extend(u16::try_from(pdu.len() + 1).unwrap().to_be_bytes());
        frame.push(self.unit);
        frame.extend(pdu);
        frame
    }
}

/// The running server. It ends with the test's runtime.
pub(crate) struct Rogue {
    pub(crate) port: u16,
    requests: watch::Receiver<usize>,
    connections: Arc<AtomicUsize>,
}

impl Rogue {
    /// Answers each request with what `act` says.
    pub(crate) async fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, requests) = watch::channel(0);
        let connections = Arc::new(AtomicUsize::new(0));
        let (act, count) = (Arc::new(act), Arc::new(count));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, connection, Arc::clone(&act), Arc::clone(&count)));
            }
        });
        Self { port, requests, connections }
    }

    pub(crate) fn address(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come.
    pub(crate) async fn requests(&mut self, at_least: usize) {
        super::peer::within(self.requests.wait_for(|n| *n >= at_least)).await.unwrap();
    }
}

async fn serve<A>(mut stream: TcpStream, connection: usize, act: Arc<A>, count: Arc<watch::Sender<usize>>)
where
    A: Fn(&Asked) -> Act + Send + Sync + 'static,
{
    let mut frame = [0; 12];
    while stream.read_exact(&mut frame).await.is_ok() {
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let mut number = 0;
        count.send_modify(|n| {
            number = *n;
            *n += 1;
        });
        let asked = Asked {
            connection,
            number,
            transaction: word(0),
            unit: frame[6],
            function: frame[7],
            start: word(8),
            count: word(10),
        };
        match act(&asked) {
            Act::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::SendAndClose(bytes) => {
                drop(stream.write_all(&bytes).await);
                return;
            }
            Act::Hang => {}
        }
    }
}

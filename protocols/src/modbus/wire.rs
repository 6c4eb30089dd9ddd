//! One question and its answer, whatever the wire: Modbus TCP by tokio-modbus, RTU by [`Line`].
//!
//! It knows nothing about units or polls. Whatever is in doubt afterwards is dropped or waited out here, so
//! that the next question can be asked at once.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use observation::Reason;
use tokio::net::TcpStream;
use tokio::time::{Instant as Moment, timeout};
use tokio_modbus::client::{Client, Context};
use tokio_modbus::prelude::{ExceptionCode, Request as Call, Response, Slave, SlaveContext};

use super::Settings;
use super::address::Table;
use super::decode::Answer;
use super::line::Line;
use super::occupancy::Occupancy;
use super::owed::Owed;
use super::plan::Request;
use super::target::Target;
use crate::LinkError;

/// What became of a question.
pub(super) enum Outcome {
    /// The answer fits the question.
    Answered(Answer),
    /// The device said no, with this exception code.
    Refused(u8),
    /// This unit failed; another may be asked.
    Failed(Reason, LinkError),
    /// There is no connection any more.
    Lost(LinkError),
}

/// The wire of one session.
pub(super) struct Wire {
    settings: Arc<Settings>,
    end: End,
    occupancy: Arc<Occupancy>,
}

enum End {
    Tcp(ModbusTcp),
    Rtu(Box<Line>),
}

impl End {
    async fn open(settings: &Arc<Settings>, owed: Arc<Mutex<Owed>>) -> Result<Self, LinkError> {
        Ok(match &settings.target {
            Target::Tcp { host, port } => {
                let mut server = ModbusTcp { host: host.clone(), port: *port, connection: None };
                server.connection = Some(server.connect(settings).await?);
                Self::Tcp(server)
            }
            _ => Self::Rtu(Box::new(Line::open(Arc::clone(settings), owed).await?)),
        })
    }
}

/// A Modbus TCP server, and the connection unless it had to be dropped.
struct ModbusTcp {
    host: String,
    port: u16,
    connection: Option<Context>,
}

impl Wire {
    /// Opens it, within the link's time-outs.
    pub(super) async fn open(
        settings: Arc<Settings>,
        owed: Arc<Mutex<Owed>>,
        occupancy: Arc<Occupancy>,
    ) -> Result<Self, LinkError> {
        let began = Moment::now();
        let end = End::open(&settings, owed).await;
        occupancy.took(began, Moment::now());
        Ok(Self { settings, end: end?, occupancy })
    }

    /// Asks, after opening the connection anew if it had to be dropped.
    pub(super) async fn call(&mut self, request: &Request) -> Outcome {
        let began = Moment::now();
        let outcome = match &mut self.end {
            End::Rtu(line) => line.call(request).await,
            End::Tcp(server) => server.call(&self.settings, request).await,
        };
        self.occupancy.took(began, Moment::now());
        outcome
    }
}

/// Connects within the link's time-out.
pub(super) async fn connect_tcp(settings: &Settings, host: &str, port: u16) -> Result<TcpStream, LinkError> {
    let failed = |detail| LinkError::Connect { address: settings.address.clone(), detail };
    let stream = match timeout(settings.timeout, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return Err(failed(e.to_string())),
        Err(_) => return Err(failed(format!("no connection within {} ms", settings.timeout.as_millis()))),
    };
    // Requests are small and wait for their answer; without this each could wait for a delayed ACK.
    stream.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
    Ok(stream)
}

impl ModbusTcp {
    async fn connect(&mut self, settings: &Settings) -> Result<Context, LinkError> {
        connect_tcp(settings, &self.host, self.port).await.map(tokio_modbus::client::tcp::attach)
    }

    async fn call(&mut self, settings: &Settings, request: &Request) -> Outcome {
        let connected = match self.connection.take() {
            Some(open) => Ok(open),
            None => self.connect(settings).await,
        };
        let mut open = match connected {
            Ok(open) => open,
            Err(error) => return Outcome::Lost(error),
        };
        let outcome = call(&mut open, settings, request).await;
        // After anything else the next bytes may be the answer to an earlier question.
        if matches!(outcome, Outcome::Answered(_) | Outcome::Refused(_)) {
            self.connection = Some(open);
        }
        outcome
    }
}

/// One question and its answer. On [`Outcome::Failed`] the connection must not be used again.
async fn call(connection: &mut Context, settings: &Settings, request: &Request) -> Outcome {
    let (start, count) = (request.start, request.count);
    let question = match request.table {
        Table::Coil => Call::ReadCoils(start, count),
        Table::Discrete => Call::ReadDiscreteInputs(start, count),
        Table::Holding => Call::ReadHoldingRegisters(start, count),
        Table::Input => Call::ReadInputRegisters(start, count),
    };
    connection.set_slave(Slave(request.unit));
    // The crate asserts some properties of answers instead of reporting them; a panic is caught here, so
    // that it costs this connection only and the points concerned are still reported.
    let guarded = AssertUnwindSafe(timeout(settings.timeout, connection.call(question))).catch_unwind();
    let address = || settings.address.clone();
    let protocol = |detail: String| {
        let detail = format!("{request}: {detail}");
        Outcome::Failed(Reason::Decode, LinkError::Protocol { address: address(), detail })
    };
    match guarded.await {
        Ok(Ok(Ok(Ok(response)))) => match answer(response) {
            Some(answer) if answer.fits(request) => Outcome::Answered(answer),
            _ => protocol("the answer has another length than was asked for".to_owned()),
        },
        Ok(Ok(Ok(Err(exception)))) => Outcome::Refused(exception_code(exception)),
        Ok(Ok(Err(tokio_modbus::Error::Protocol(e)))) => protocol(e.to_string()),
        // These two kinds come from taking the answer apart, not from the socket.
        Ok(Ok(Err(tokio_modbus::Error::Transport(e))))
            if matches!(e.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof) =>
        {
            protocol(e.to_string())
        }
        Ok(Ok(Err(tokio_modbus::Error::Transport(_)))) => {
            // The crate reports a closed connection with whatever errno the thread saw last, so its text
            // would mislead.
            let detail = format!("{request}: closed before the answer was complete");
            Outcome::Failed(Reason::Disconnected, LinkError::Broken { address: address(), detail })
        }
        Ok(Err(_elapsed)) => {
            let waited_ms = u64::try_from(settings.timeout.as_millis()).unwrap_or(u64::MAX);
            let error = LinkError::Timeout { address: address(), request: request.to_string(), waited_ms };
            Outcome::Failed(Reason::Timeout, error)
        }
        Err(_panic) => protocol("the answer could not be taken apart".to_owned()),
    }
}

fn answer(response: Response) -> Option<Answer> {
    match response {
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => Some(Answer::Bits(bits)),
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => {
            Some(Answer::Words(words))
        }
        _ => None,
    }
}

fn exception_code(exception: ExceptionCode) -> u8 {
    exception.into()
}

//! One RTU line: a serial port, or a converter behind TCP. One question at a time, and its answer.
//!
//! What keeps its numbers true, since no RTU frame says which question it answers:
//!
//! 1. A frame is taken only if unit, function, byte count and CRC are those of the question, and only if
//!    nothing was heard before the question.
//! 2. After a time-out or anything else that does not fit, the line is listened to, and what comes is
//!    thrown away, until it has been silent for as long as the slowest answer seen, the configured `settle`
//!    or the time-out, whichever is longest. A converter's connection is dropped besides, but what was asked
//!    of the devices behind it may be answered into the next one, so that one is listened to as well.
//! 3. A device that is slower than even that is held off by [`Owed`].
//!
//! It decides nothing about units: who is asked, and when, is the session's business.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use observation::Reason;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant as Moment, sleep, timeout_at};
use tokio_serial::SerialStream;

use super::Settings;
use super::owed::Owed;
use super::plan::Request;
use super::rtu::{self, Heard};
use super::target::{Parity, SerialPort, Target};
use super::wire::{Outcome, connect_tcp};
use crate::LinkError;

/// However slow an answer was, the line is not listened to for longer.
const MOST_SILENCE: Duration = Duration::from_mins(1);
/// Converters that close unused connections mostly do so after half a minute or more.
const UNUSED: Duration = Duration::from_secs(20);
/// How long to wait before a locked port is tried again.
const LOCKED: Duration = Duration::from_millis(20);
/// A line that is not silent after so many times the wanted silence belongs to somebody else.
const PATIENCE: u32 = 10;

trait Port: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Port for T {}

/// The line. It has one master: a port that is open here is locked, and opening it once more fails.
pub(super) struct Line {
    settings: Arc<Settings>,
    port: Option<Box<dyn Port>>,
    /// Outlives the connection, since the devices do.
    owed: Arc<Mutex<Owed>>,
    /// Since when the line has been silent, if something may still come.
    doubt: Option<Moment>,
    /// The slowest answer seen, late ones included.
    longest: Duration,
    asked: Moment,
}

impl Line {
    /// Opens the port and waits until the line is silent.
    pub(super) async fn open(settings: Arc<Settings>, owed: Arc<Mutex<Owed>>) -> Result<Self, LinkError> {
        let (longest, asked) = (Duration::ZERO, Moment::now());
        let mut line = Self { settings, port: None, owed, doubt: None, longest, asked };
        line.ready().await?;
        Ok(line)
    }

    /// One question and its answer.
    pub(super) async fn call(&mut self, request: &Request) -> Outcome {
        if let Err(error) = self.ready().await {
            return Outcome::Lost(error);
        }
        let now = Moment::now();
        let fence = self.owed(|owed| owed.may_come(request, now).then(|| owed.fence(request, now)).flatten());
        if let Some(fence) = fence {
            match self.exchange(&fence).await {
                Outcome::Answered(_) => {}
                Outcome::Refused(_) => {
                    // The unit is there but does not have these addresses alone; then silence has to do.
                    self.doubt = Some(Moment::now());
                    if let Err(error) = self.ready().await {
                        return Outcome::Lost(error);
                    }
                    self.owed(|owed| owed.forget(request.unit));
                }
                failed => return failed,
            }
            if let Err(error) = self.ready().await {
                return Outcome::Lost(error);
            }
        }
        self.exchange(request).await
    }

    /// An open port and a line that is silent.
    async fn ready(&mut self) -> Result<(), LinkError> {
        if self.port.is_some() && self.doubt.is_none() {
            let silent_until = Moment::now() + self.settings.target.silence();
            match self.discard(silent_until).await {
                Ok(false) => {}
                Ok(true) => self.doubt = Some(Moment::now()),
                // A converter may close a connection that nobody uses; it is opened again below.
                Err(_) if self.asked.elapsed() >= UNUSED => {}
                Err(error) => return Err(error),
            }
        }
        if self.port.is_none() {
            self.port = Some(open(&self.settings).await?);
            self.doubt = Some(Moment::now());
        }
        self.settle().await
    }

    /// Listens until nothing can come any more.
    async fn settle(&mut self) -> Result<(), LinkError> {
        let began = Moment::now();
        while let Some(since) = self.doubt {
            let wanted = self.settings.settle.max(self.settings.timeout).max(self.longest).min(MOST_SILENCE);
            // What came meanwhile lies in the port's buffer; a moment is needed to see it.
            let until = (since + wanted).max(Moment::now() + self.settings.target.silence());
            self.doubt = if self.discard(until).await? { Some(Moment::now()) } else { None };
            if self.doubt.is_some() && began.elapsed() > wanted * PATIENCE {
                self.port = None;
                let detail =
                    "the line does not fall silent; is there a second master, or no termination?".to_owned();
                return Err(LinkError::Protocol { address: self.settings.address.clone(), detail });
            }
        }
        Ok(())
    }

    /// Whether something came until then; it is thrown away.
    async fn discard(&mut self, until: Moment) -> Result<bool, LinkError> {
        let mut nobody_wants = [0; 512];
        let Some(port) = &mut self.port else { return Ok(false) };
        match timeout_at(until, port.read(&mut nobody_wants)).await {
            Err(_elapsed) => Ok(false),
            Ok(Ok(n)) if n > 0 => {
                self.longest = self.longest.max(self.asked.elapsed()).min(MOST_SILENCE);
                Ok(true)
            }
            Ok(end) => {
                let detail = closed(&end);
                self.port = None;
                Err(LinkError::Broken { address: self.settings.address.clone(), detail })
            }
        }
    }

    async fn exchange(&mut self, request: &Request) -> Outcome {
        self.asked = Moment::now();
        self.owed(|owed| owed.asked(request, Moment::now()));
        let settings = Arc::clone(&self.settings);
        let on_the_line =
            settings.target.line_time(rtu::question(request).len() + rtu::answer_bytes(request));
        let until = self.asked + settings.timeout + on_the_line;
        let address = || settings.address.clone();
        let failure = match self.hear(request, until).await {
            Ok(Heard::Answer(answer)) => {
                self.longest = self.longest.max(self.asked.elapsed());
                self.owed(|owed| owed.answered(request));
                return Outcome::Answered(answer);
            }
            Ok(Heard::Refused(code)) => {
                self.owed(|owed| owed.refused(request));
                return Outcome::Refused(code);
            }
            Ok(Heard::Wrong(detail)) => {
                let detail = format!("{request}: {detail}");
                Outcome::Failed(Reason::Decode, LinkError::Protocol { address: address(), detail })
            }
            Ok(Heard::Part) => {
                let waited_ms = u64::try_from((until - self.asked).as_millis()).unwrap_or(u64::MAX);
                let error =
                    LinkError::Timeout { address: address(), request: request.to_string(), waited_ms };
                Outcome::Failed(Reason::Timeout, error)
            }
            Err(detail) => {
                self.port = None;
                let detail = format!("{request}: {detail}");
                Outcome::Failed(Reason::Disconnected, LinkError::Broken { address: address(), detail })
            }
        };
        self.doubt = Some(Moment::now());
        if !matches!(settings.target, Target::Serial(_)) {
            self.port = None;
        }
        failure
    }

    /// Asks, and listens until the answer is whole or wrong or the time is up.
    async fn hear(&mut self, request: &Request, until: Moment) -> Result<Heard, String> {
        let Some(port) = &mut self.port else { return Err("the port is closed".to_owned()) };
        let mut bytes = Vec::with_capacity(rtu::answer_bytes(request));
        let asking = async {
            port.write_all(&rtu::question(request)).await.map_err(|e| closed(&Err(e)))?;
            loop {
                match rtu::hear(&bytes, request) {
                    Heard::Part => {}
                    heard => return Ok(heard),
                }
                match port.read_buf(&mut bytes).await {
                    Ok(n) if n > 0 => {}
                    end => return Err(closed(&end)),
                }
            }
        };
        timeout_at(until, asking).await.unwrap_or(Ok(Heard::Part))
    }

    fn owed<T>(&self, change: impl FnOnce(&mut Owed) -> T) -> T {
        // A list of plain values; a panic elsewhere cannot leave it half changed.
        change(&mut self.owed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn closed(end: &io::Result<usize>) -> String {
    match end {
        Ok(_) => "closed before the answer was complete".to_owned(),
        Err(e) => e.to_string(),
    }
}

async fn open(settings: &Settings) -> Result<Box<dyn Port>, LinkError> {
    match &settings.target {
        Target::Tcp { host, port } | Target::RtuOverTcp { host, port } => {
            Ok(Box::new(connect_tcp(settings, host, *port).await?))
        }
        Target::Serial(port) => {
            // An earlier session may not have closed it yet.
            let give_up = Moment::now() + settings.timeout;
            loop {
                match serial(port) {
                    Ok(stream) => return Ok(Box::new(stream)),
                    Err(e) if in_use(&e) && Moment::now() < give_up => sleep(LOCKED).await,
                    Err(e) => {
                        let detail = advice(&e, port);
                        return Err(LinkError::Connect { address: settings.address.clone(), detail });
                    }
                }
            }
        }
    }
}

fn serial(port: &SerialPort) -> tokio_serial::Result<SerialStream> {
    let parity = match port.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits =
        if port.two_stop_bits { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One };
    let settings = tokio_serial::new(&port.path, port.baud)
        .data_bits(tokio_serial::DataBits::Eight)
        .parity(parity)
        .stop_bits(stop_bits)
        .flow_control(tokio_serial::FlowControl::None);
    SerialStream::open(&settings)
}

/// The crate has no kind of its own for a port that is locked.
fn in_use(error: &tokio_serial::Error) -> bool {
    error.kind == tokio_serial::ErrorKind::NoDevice
}

fn advice(error: &tokio_serial::Error, port: &SerialPort) -> String {
    let path = &port.path;
    match error.kind {
        tokio_serial::ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            format!("{error}; add the agent's user to the group of {path} (ls -l shows it, mostly dialout)")
        }
        tokio_serial::ErrorKind::NoDevice | tokio_serial::ErrorKind::Io(io::ErrorKind::NotFound) => {
            format!("{error}; is the adapter plugged in, or another program using {path}?")
        }
        _ => error.to_string(),
    }
}

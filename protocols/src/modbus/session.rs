//! One live Modbus connection and its poll loop.
//!
//! The rule that makes its numbers true: after a time-out, a broken connection or an answer that does not
//! fit, the connection is dropped, since the next thing read from it may be the answer to an earlier
//! question. An exception is an answer: the connection stays, the points are bad.
//!
//! The units behind one connection share its fate as little as possible: when one fails, the connection
//! is opened anew and the others are asked. The session ends when that is impossible or nobody answers.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use observation::{Clock, Observation, Reason};
use tokio::net::TcpStream;
use tokio::time::{Instant as Deadline, sleep_until, timeout};
use tokio_modbus::client::{Client, Context};
use tokio_modbus::prelude::{ExceptionCode, Request as Call, Response, Slave, SlaveContext};

use super::Settings;
use super::address::Table;
use super::decode::{Answer, decode};
use super::plan::Request;
use super::schedule::{Schedule, may_ask_silent, turn};
use crate::feed::Outlet;
use crate::{Batch, LinkError};

/// Refused requests taken apart in one poll of one unit, so that a unit that refuses everything costs the
/// others little.
const SPLITS_A_POLL: usize = 16;

/// Polls after which requests that were taken apart are tried whole again: the refusal may have been that
/// of a device still starting.
const WHOLE_AGAIN_AFTER: u64 = 600;

/// The session's own state; nothing else touches it.
pub(super) struct Session {
    settings: Arc<Settings>,
    reporter: Reporter,
    connection: Option<Context>,
    units: Vec<Unit>,
    polls: u64,
}

/// Stamps what has been learnt and hands it over.
struct Reporter {
    clock: Arc<dyn Clock>,
    outlet: Outlet,
}

/// The requests of one unit id.
struct Unit {
    planned: Vec<Request>,
    /// As planned, but refused ones taken apart.
    current: Vec<Request>,
    /// Why it did not answer the last time.
    silent: Option<Reason>,
}

/// What became of a call on the wire.
enum Outcome {
    Answered(Answer),
    Refused(u8),
    /// The connection was dropped.
    Failed(Reason, LinkError),
}

/// Why the poll of a unit stopped early.
enum Stop {
    /// It failed; the others may still answer.
    Unit(LinkError),
    /// There is no connection any more.
    Link(LinkError),
}

/// Opens the connection, within the link's time-out.
pub(super) async fn open(settings: &Settings) -> Result<Context, LinkError> {
    let failed = |detail| LinkError::Connect { address: settings.address.clone(), detail };
    let target = (settings.host.as_str(), settings.port);
    let stream = match timeout(settings.timeout, TcpStream::connect(target)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return Err(failed(e.to_string())),
        Err(_) => return Err(failed(format!("no connection within {} ms", settings.timeout.as_millis()))),
    };
    // Requests are small and wait for their answer; without this each could wait for a delayed ACK.
    stream.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
    Ok(tokio_modbus::client::tcp::attach(stream))
}

impl Session {
    pub(super) fn new(
        settings: Arc<Settings>,
        requests: &[Request],
        connection: Context,
        clock: Arc<dyn Clock>,
        outlet: Outlet,
    ) -> Self {
        let units = requests.chunk_by(|a, b| a.unit == b.unit).map(|requests| Unit {
            planned: requests.to_vec(),
            current: requests.to_vec(),
            silent: None,
        });
        let reporter = Reporter { clock, outlet };
        Self { settings, reporter, connection: Some(connection), units: units.collect(), polls: 0 }
    }

    /// Polls until the session has to end.
    pub(super) async fn run(mut self) {
        let mut schedule = Schedule::new(self.settings.poll_ms);
        loop {
            let start = Deadline::now() + schedule.next(self.reporter.clock.now().utc);
            sleep_until(start).await;
            let end = start + Duration::from_millis(u64::from(self.settings.poll_ms));
            if let Err(error) = self.poll(end).await {
                // As in `Reporter::hand_over`, a failure means that nobody is left to tell.
                drop(self.reporter.outlet.send(Err(error)).await);
                return;
            }
            self.polls += 1;
        }
    }

    /// Asks every unit once. Fails when the connection cannot be had or no unit has answered.
    async fn poll(&mut self, end: Deadline) -> Result<(), LinkError> {
        let silent: Vec<bool> = self.units.iter().map(|unit| unit.silent.is_some()).collect();
        let order = turn(&silent, self.polls);
        let (mut answered, mut failure, mut first_silent) = (false, None, true);
        for (position, &unit) in order.iter().enumerate() {
            if let Some(reason) = self.units[unit].silent {
                let left = end.saturating_duration_since(Deadline::now());
                let may = may_ask_silent(left, self.settings.timeout, first_silent, self.polls);
                first_silent = false;
                if !may {
                    self.reporter.failed(&self.units[unit].current, reason).await;
                    continue;
                }
            }
            match self.poll_unit(unit).await {
                Ok(()) => answered = true,
                Err(Stop::Unit(error)) => failure = Some(error),
                Err(Stop::Link(error)) => {
                    for &unit in &order[position + 1..] {
                        self.reporter.failed(&self.units[unit].current, Reason::Disconnected).await;
                    }
                    return Err(error);
                }
            }
        }
        failure.filter(|_| !answered).map_or(Ok(()), Err)
    }

    /// Asks one unit everything it is configured for, and takes refused requests apart until only the
    /// refused addresses are left out.
    async fn poll_unit(&mut self, unit: usize) -> Result<(), Stop> {
        let whole_again = self.polls.is_multiple_of(WHOLE_AGAIN_AFTER);
        let state = &mut self.units[unit];
        let requests = if whole_again { state.planned.clone() } else { std::mem::take(&mut state.current) };
        let mut waiting = VecDeque::from(requests);
        let mut asked = Vec::with_capacity(waiting.len());
        let mut splits = 0;
        let mut silent = None;
        let mut stopped = Ok(());
        while let Some(request) = waiting.pop_front() {
            let outcome = match connected(&mut self.connection, &self.settings).await {
                Ok(connection) => call(connection, &self.settings, &request).await,
                Err(error) => {
                    silent = Some(Reason::Disconnected);
                    stopped = Err(Stop::Link(error));
                    asked.push(request);
                    break;
                }
            };
            match outcome {
                Outcome::Answered(answer) => {
                    self.reporter.answered(&request, &answer).await;
                }
                Outcome::Refused(code) if points_at_an_address(code) && splits < SPLITS_A_POLL => {
                    if let Some((low, high)) = request.split() {
                        splits += 1;
                        waiting.push_front(high);
                        waiting.push_front(low);
                        continue;
                    }
                    self.reporter.failed(std::slice::from_ref(&request), Reason::Refused(code)).await;
                }
                Outcome::Refused(code) if unit_is_unreachable(code) => {
                    silent = Some(Reason::Refused(code));
                    asked.push(request);
                    break;
                }
                Outcome::Refused(code) => {
                    self.reporter.failed(std::slice::from_ref(&request), Reason::Refused(code)).await;
                }
                Outcome::Failed(reason, error) => {
                    self.connection = None;
                    silent = Some(reason);
                    stopped = Err(Stop::Unit(error));
                    asked.push(request);
                    break;
                }
            }
            asked.push(request);
        }
        if let Some(reason) = silent {
            // The last one asked has failed, and the rest would only cost the other units more time.
            let failed = asked.last().into_iter().chain(&waiting).cloned().collect::<Vec<_>>();
            self.reporter.failed(&failed, reason).await;
        }
        asked.extend(waiting);
        let state = &mut self.units[unit];
        state.current = asked;
        state.silent = silent;
        stopped
    }
}

impl Reporter {
    /// The answer has just arrived.
    async fn answered(&self, request: &Request, answer: &Answer) {
        self.hand_over(decode(request, answer, self.clock.now())).await;
    }

    /// Every point of these requests is bad now.
    async fn failed(&self, requests: &[Request], reason: Reason) {
        let at = self.clock.now();
        let points = requests.iter().flat_map(|request| &request.points);
        self.hand_over(points.map(|point| Observation::bad(point.id, reason, at)).collect()).await;
    }

    async fn hand_over(&self, observations: Vec<Observation>) {
        // A send fails only when the source was dropped, and then the session's task is about to be.
        drop(self.outlet.send(Ok(Batch::of(observations))).await);
    }
}

/// The connection, opened anew if it had to be dropped.
async fn connected<'a>(
    connection: &'a mut Option<Context>,
    settings: &Settings,
) -> Result<&'a mut Context, LinkError> {
    let open = match connection.take() {
        Some(open) => open,
        None => open(settings).await?,
    };
    Ok(connection.insert(open))
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

/// Illegal data address and illegal data value: another choice of addresses may be answered. Codes as in
/// the MODBUS Application Protocol Specification V1.1b3, chapter 7.
fn points_at_an_address(code: u8) -> bool {
    matches!(code, 2 | 3)
}

/// Gateway path unavailable and gateway target device failed to respond (same chapter): the answer comes
/// from a gateway, the unit itself is silent.
fn unit_is_unreachable(code: u8) -> bool {
    matches!(code, 10 | 11)
}

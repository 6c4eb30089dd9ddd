//! Sources as widely used collectors have them, which this suite has to find out: it can fail.

use crate::cases::{Case, run};
use crate::modbus::ModbusTcp;
use crate::server::Server;
use crate::transport::{Age, POINTS, Reason, Transport, Ways};
use async_trait::async_trait;
use observation::{Clock, Decimal, Observation, PointId, Quality, Value};
use plumbline_tests::harness::relay::watch::Rule;
use protocols::{Batch, Expectation, Link, LinkError, Receipt, Source};
use std::net::SocketAddr;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Everything of Modbus TCP but the link.
macro_rules! instead_of_modbus {
    ($name:ident) => {
        impl Transport for $name {
            const NAME: &'static str = stringify!($name);
            const RULE: Rule = ModbusTcp::RULE;
            const AGE: Age = ModbusTcp::AGE;
            const ONCE: Result<(), Reason> = ModbusTcp::ONCE;

            fn serve(folder: &Path, from: u64) -> Server {
                ModbusTcp::serve(folder, from)
            }
            fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
                Box::new(Self::new(at, patience))
            }
            fn short() -> Ways {
                ModbusTcp::short()
            }
            fn wrong_unit() -> Ways {
                ModbusTcp::wrong_unit()
            }
            fn wrong_id() -> Ways {
                ModbusTcp::wrong_id()
            }
            fn corrupted() -> Ways {
                ModbusTcp::corrupted()
            }
        }
    };
}

const BOTH: [PointId; POINTS as usize] = [PointId(0), PointId(1)];

/// Keeps its connection after a time-out, and takes whatever comes next for the answer.
struct Careless {
    at: SocketAddr,
    patience: Duration,
}

impl Careless {
    fn new(at: SocketAddr, patience: Duration) -> Self {
        Self { at, patience }
    }
}

instead_of_modbus!(Careless);

struct CarelessSession {
    stream: TcpStream,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

#[async_trait]
impl Link for Careless {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        let stream = TcpStream::connect(self.at).await.map_err(|e| broken(&e))?;
        Ok(Box::new(CarelessSession { stream, clock, patience: self.patience }))
    }
    fn points(&self) -> &[PointId] {
        &BOTH
    }
    fn expectation(&self, _point: PointId) -> Expectation {
        Expectation::Polled { every_ms: 100 }
    }
}

fn broken(error: &std::io::Error) -> LinkError {
    LinkError::Broken { address: "careless".to_owned(), detail: error.to_string() }
}

impl CarelessSession {
    async fn ask(&mut self, point: PointId) -> Result<Observation, LinkError> {
        let unit = u8::try_from(point.0 + 1).unwrap();
        let question = [0, 1, 0, 0, 0, 6, unit, 3, 0, 0, 0, 2];
        self.stream.write_all(&question).await.map_err(|e| broken(&e))?;
        let mut answer = [0; 13];
        let read = tokio::time::timeout(self.patience, self.stream.read_exact(&mut answer)).await;
        let at = self.clock.now();
        match read {
            Err(_) => Ok(Observation::bad(point, observation::Reason::Timeout, at)),
            Ok(Err(e)) => Err(broken(&e)),
            Ok(Ok(_)) => {
                let count = u32::from_be_bytes([answer[9], answer[10], answer[11], answer[12]]);
                Ok(Observation::good(point, Value::Number(Decimal::from(i64::from(count))), at))
            }
        }
    }
}

#[async_trait]
impl Source for CarelessSession {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Batch::of(vec![self.ask(BOTH[0]).await?, self.ask(BOTH[1]).await?]))
    }
    async fn acknowledge(&mut self, _receipt: Receipt) -> Result<(), LinkError> {
        Ok(())
    }
}

/// Ours, but where a value is missing it says the last one once more.
struct Repeating {
    inner: Box<dyn Link>,
    last: Arc<Mutex<[Option<Value>; POINTS as usize]>>,
}

impl Repeating {
    fn new(at: SocketAddr, patience: Duration) -> Self {
        Self { inner: ModbusTcp::link(at, patience), last: Arc::default() }
    }
}

instead_of_modbus!(Repeating);

struct RepeatingSession {
    inner: Box<dyn Source>,
    last: Arc<Mutex<[Option<Value>; POINTS as usize]>>,
}

#[async_trait]
impl Link for Repeating {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        let inner = self.inner.connect(clock).await?;
        Ok(Box::new(RepeatingSession { inner, last: Arc::clone(&self.last) }))
    }
    fn points(&self) -> &[PointId] {
        self.inner.points()
    }
    fn expectation(&self, point: PointId) -> Expectation {
        self.inner.expectation(point)
    }
}

#[async_trait]
impl Source for RepeatingSession {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        let mut batch = self.inner.next().await?;
        let mut last = self.last.lock().unwrap();
        for observation in &mut batch.observations {
            let last = &mut last[usize::try_from(observation.point.0).unwrap()];
            if observation.quality.is_good() {
                last.clone_from(&observation.value);
            } else if last.is_some() {
                observation.quality = Quality::Good;
                observation.value.clone_from(last);
            }
        }
        Ok(batch)
    }
    async fn acknowledge(&mut self, receipt: Receipt) -> Result<(), LinkError> {
        self.inner.acknowledge(receipt).await
    }
}

/// The case must fail, and say this.
#[track_caller]
fn found_out<T: Transport>(case: Case, why: &str) {
    let failed = catch_unwind(|| run::<T>(case)).unwrap_err();
    let said = failed.downcast_ref::<String>().unwrap();
    assert!(said.contains(why), "{said}");
}

#[test]
fn who_takes_the_next_answer_for_its_own_is_found_out() {
    found_out::<Careless>(Case::Duplicated, "was offered by point");
}

#[test]
fn pain_04_who_keeps_a_connection_after_a_time_out_is_found_out() {
    found_out::<Careless>(Case::Late, "ms old");
}

#[test]
fn pain_01_who_repeats_the_last_value_is_found_out() {
    found_out::<Repeating>(Case::LostAnswers, "was there before");
}

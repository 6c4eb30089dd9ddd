//! Modbus over TCP, serial lines, and serial lines behind a converter: coils, discrete inputs, holding and
//! input registers (functions 1 to 4).
//!
//! No function that writes is called anywhere here. Requests are planned once, at configuration; what is
//! learnt from answers lives in the session only.

pub mod address;
pub mod decode;
pub mod inquiry;
mod line;
mod occupancy;
pub mod owed;
pub mod plan;
pub mod rtu;
pub mod schedule;
mod session;
pub mod target;
pub mod ways;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use observation::{Clock, PointId};
use serde_json::Value;

use crate::feed::Feed;
use crate::fields::Fields;
use crate::{Batch, Configured, Expectation, Link, LinkConfigError, LinkError, Receipt, Source};
use address::Address;
use occupancy::Occupancy;
use owed::Owed;
use plan::{Limits, MAX_BITS, MAX_REGISTERS, Point, Request};
use session::{Reporter, Session};
use target::Target;
use wire::Wire;

/// Keys of a link's table.
pub const SETTINGS: &[&str] = &[
    "address",
    "baud",
    "parity",
    "data_bits",
    "stop_bits",
    "poll",
    "timeout",
    "settle",
    "gap",
    "max_registers",
    "max_bits",
];
/// Keys of a point's table.
pub const POINT: &[&str] = address::KEYS;

/// Addresses read along between two points unless `gap` says otherwise: reading sixteen more bytes is
/// cheaper than another request, and a device that refuses them gets the request taken apart.
const DEFAULT_GAP: i64 = 8;

/// A link's table, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// As configured, for messages.
    pub address: String,
    /// The same, taken apart.
    pub target: Target,
    /// Time between two polls, ms.
    pub poll_ms: u32,
    /// How long to wait for a connection, and for each answer.
    pub timeout: Duration,
    /// On a serial line: how long it has to be silent after a time-out before anybody is asked again.
    pub settle: Duration,
    /// How points are put together into requests.
    pub limits: Limits,
}

impl Settings {
    /// Reads a link's table. `None` if it has a mistake; the mistakes are then appended to `errors`.
    pub fn read(table: &Value, errors: &mut Vec<LinkConfigError>) -> Option<Self> {
        let mut fields = Fields::new(None, table, SETTINGS);
        let settings = read(&mut fields);
        let failed = fields.failed();
        errors.extend(fields.into_errors());
        settings.filter(|_| !failed)
    }

    /// What a unit that does not answer costs the others.
    pub fn cost_of_silence(&self) -> Duration {
        // On a serial line its late answer is waited out too.
        if self.target.is_rtu() { self.timeout + self.settle } else { self.timeout }
    }
}

fn read(fields: &mut Fields<'_>) -> Option<Settings> {
    let second = Duration::from_secs(1);
    let target = target::read(fields);
    let poll = fields.duration("poll", second, Duration::from_millis(10)..=Duration::from_hours(1));
    let timeout = fields.duration("timeout", second, Duration::from_millis(10)..=Duration::from_mins(1));
    let settle = read_settle(fields, target.as_ref(), timeout);
    let mut number = |key, default, limits| {
        u16::try_from(fields.integer(key, limits).unwrap_or(default)).unwrap_or(u16::MAX)
    };
    let limits = Limits {
        // Four registers at least, or a 64-bit number would not fit.
        registers: number("max_registers", MAX_REGISTERS.into(), 4..=MAX_REGISTERS.into()),
        bits: number("max_bits", MAX_BITS.into(), 1..=MAX_BITS.into()),
        gap: number("gap", DEFAULT_GAP, 0..=i64::from(MAX_BITS)),
    };
    let poll_ms = u32::try_from(poll.as_millis()).ok()?;
    let address = fields.text("address")?.to_owned();
    Some(Settings { address, target: target?, poll_ms, timeout, settle, limits })
}

/// Never shorter than the time-out: a device that just missed it would answer into the next question.
fn read_settle(fields: &mut Fields<'_>, target: Option<&Target>, timeout: Duration) -> Duration {
    if fields.has("settle") && target.is_some_and(|target| !target.is_rtu()) {
        fields.refuse("settle", "is for serial lines; Modbus TCP drops its connection instead: leave it out");
    }
    let settle = fields.duration("settle", timeout, Duration::from_millis(10)..=Duration::from_mins(1));
    if settle < timeout {
        fields.refuse("settle", &format!("must not be shorter than timeout, which is {timeout:?}"));
    }
    settle
}

/// Builds a link from its tables.
pub fn link(settings: &Value, points: &[(PointId, Value)]) -> Configured {
    let mut errors = Vec::new();
    let settings = Settings::read(settings, &mut errors);
    let points: Vec<Point> = points
        .iter()
        .filter_map(|(id, table)| {
            let address = Address::read(*id, table, &mut errors)?;
            Some(Point { id: *id, address })
        })
        .collect();
    if let Some(settings) = &settings {
        errors.extend(points.iter().filter_map(|point| too_long(point, settings.limits)));
        errors.extend(points.iter().filter_map(|point| no_such_unit(point, &settings.target)));
    }
    match settings {
        Some(settings) if errors.is_empty() => Ok(Box::new(ModbusLink::new(settings, &points))),
        _ => Err(errors),
    }
}

/// A text that no request may hold. Numbers always fit, see `max_registers`.
fn too_long(point: &Point, limits: Limits) -> Option<LinkConfigError> {
    let span = point.address.span();
    (!point.address.table.holds_bits() && span > limits.registers).then(|| LinkConfigError {
        point: Some(point.id),
        key: "length".to_owned(),
        message: format!("needs {span} registers in one request, but max_registers is {}", limits.registers),
        nearest: None,
    })
}

/// A unit that no device on a serial line can have: 0 is for everybody, who then do not answer, and those above
/// 247 are reserved (MODBUS over Serial Line V1.02, 2.2).
fn no_such_unit(point: &Point, target: &Target) -> Option<LinkConfigError> {
    let unit = point.address.unit;
    (target.is_rtu() && !(1..=247).contains(&unit)).then(|| LinkConfigError {
        point: Some(point.id),
        key: "unit".to_owned(),
        message: format!("{unit} is no device on a serial line; its address is 1 to 247"),
        nearest: None,
    })
}

/// A Modbus connection as configured.
#[derive(Clone, Debug)]
pub struct ModbusLink {
    settings: Arc<Settings>,
    requests: Vec<Request>,
    points: Vec<PointId>,
    /// Devices on a line do not know when a session ends, so this goes from one to the next.
    owed: Arc<Mutex<Owed>>,
    occupancy: Arc<Occupancy>,
}

impl ModbusLink {
    /// Plans the requests.
    pub fn new(settings: Settings, points: &[Point]) -> Self {
        let requests = plan::plan(points, settings.limits);
        let points = points.iter().map(|point| point.id).collect();
        Self {
            settings: Arc::new(settings),
            requests,
            points,
            owed: Arc::default(),
            occupancy: Arc::default(),
        }
    }

    /// The requests of one poll.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }
}

#[async_trait]
impl Link for ModbusLink {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        let (owed, occupancy) = (Arc::clone(&self.owed), Arc::clone(&self.occupancy));
        let wire = Wire::open(Arc::clone(&self.settings), owed, occupancy).await?;
        let (settings, session_clock) = (Arc::clone(&self.settings), Arc::clone(&clock));
        let feed = Feed::start(&self.settings.address, &self.points, clock, |outlet| {
            let reporter = Reporter { clock: session_clock, outlet };
            Session::new(settings, &self.requests, wire, reporter).run()
        });
        Ok(Box::new(ModbusSource { feed }))
    }

    fn points(&self) -> &[PointId] {
        &self.points
    }

    fn expectation(&self, _point: PointId) -> Expectation {
        Expectation::Polled { every_ms: u64::from(self.settings.poll_ms) }
    }

    fn busy_permille(&self) -> Option<u16> {
        self.occupancy.permille(tokio::time::Instant::now())
    }
}

struct ModbusSource {
    feed: Feed,
}

#[async_trait]
impl Source for ModbusSource {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        self.feed.next().await
    }

    async fn acknowledge(&mut self, _receipt: Receipt) -> Result<(), LinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pain_23_every_mistake_of_a_link_and_its_points_is_listed_at_once() {
        let settings =
            json!({"address": "tcp:/x", "pol": "1s", "timeout": "1ms", "gap": -1, "max_registers": 126});
        let points = vec![
            (PointId(0), json!({"unit": 1, "register": "holding:0", "type": "u32"})),
            (PointId(1), json!({"unit": 1, "register": "coil:0"})),
            (PointId(2), json!({"unit": 1, "register": "coil:0", "scale": "1"})),
        ];
        let Err(errors) = link(&settings, &points) else { panic!("accepted") };
        let got: Vec<(Option<u32>, &str)> =
            errors.iter().map(|e| (e.point.map(|p| p.0), e.key.as_str())).collect();
        let own = ["pol", "address", "timeout", "max_registers", "gap"].map(|key| (None, key));
        assert_eq!(got, own.into_iter().chain([(Some(0), "order"), (Some(2), "scale")]).collect::<Vec<_>>());
    }

    #[test]
    fn a_text_longer_than_a_request_is_refused() {
        let settings = json!({"address": "tcp://192.0.2.10:502", "max_registers": 8});
        let points =
            [(PointId(5), json!({"unit": 1, "register": "holding:0", "type": "string", "length": 18}))];
        let Err(errors) = link(&settings, &points) else { panic!("accepted") };
        assert_eq!((errors[0].point, errors[0].key.as_str()), (Some(PointId(5)), "length"));
    }

    #[test]
    fn every_register_feature_of_the_example_makes_one_request_a_unit_and_table() {
        let settings =
            json!({"address": "tcp://192.0.2.10:502", "poll": "1s", "timeout": "500ms", "gap": 40});
        let points = vec![
            (
                PointId(0),
                json!({"unit": 1, "register": "holding:0", "type": "u32", "order": "ABCD", "scale": "0.01"}),
            ),
            (PointId(1), json!({"unit": 1, "register": "holding:40", "type": "f32", "order": "CDAB"})),
            (PointId(2), json!({"unit": 3, "register": "input:12", "type": "i16", "scale": "0.1"})),
            (
                PointId(3),
                json!({"unit": 3, "register": "input:0", "type": "u64", "order": "ABCDEFGH", "scale": "1"}),
            ),
        ];
        let link = link(&settings, &points).map_err(|e| format!("{e:?}")).unwrap();
        assert_eq!(link.points(), [PointId(0), PointId(1), PointId(2), PointId(3)]);
        assert_eq!(link.expectation(PointId(2)), Expectation::Polled { every_ms: 1000 });
    }
}

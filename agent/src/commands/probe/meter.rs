//! Reads one power register for a stated time. A failed read is kept as one; a broken connection is opened again.

use super::super::{Exit, Failure};
use super::readings::milliwatts;
use super::{Probe, environment};
use crate::configuration::power_unit;
use crate::runtime::SystemClock;
use crate::window::Factor;
use kpi::threshold::PowerReading;
use observation::{Clock as _, Instant, Mono, PointId, Utc, Value};
use protocols::modbus::Settings;
use protocols::modbus::address::Address;
use protocols::modbus::decode::decode;
use protocols::modbus::inquiry::{Inquiry, Reply};
use protocols::modbus::plan::{Point, Request, plan};
use serde_json::json;
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;
use tokio::time::{Instant as Ticks, MissedTickBehavior, interval};

/// Between two readings where nothing else is said.
const EVERY: Duration = Duration::from_secs(5);
/// A line for the waiting person.
const PROGRESS: Duration = Duration::from_mins(10);

/// See the module.
pub(super) fn record(wanted: &Probe, long: Duration) -> Result<Vec<PowerReading>, Failure> {
    let settings = super::settings(wanted)?;
    let register = Register::of(wanted, &settings)?;
    let save = match &wanted.power.save {
        Some(path) => {
            let file = File::options().write(true).create_new(true).open(path);
            let mut file =
                file.map_err(|e| Failure::of(Exit::Environment, anyhow::anyhow!("{}: {e}", path.display())))?;
            writeln!(file, "time_ms,power_w").map_err(|e| Failure::of(Exit::Environment, e))?;
            Some(file)
        }
        None => None,
    };
    let every = wanted.power.every.unwrap_or(EVERY);
    eprintln!(
        "{} {}, 每 one in {every:?}, 共 for {long:?}; Ctrl-C 提前结束 ends it",
        settings.address, register.address
    );
    super::super::runtime()?.block_on(read(settings, &register, long, every, save))
}

async fn read(
    settings: Settings,
    register: &Register,
    long: Duration,
    every: Duration,
    mut save: Option<File>,
) -> Result<Vec<PowerReading>, Failure> {
    // The first connection has to stand: a wrong address must not be waited out for a day.
    let mut wire = Some(Inquiry::open(settings.clone()).await.map_err(environment)?);
    let clock = SystemClock::new();
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (end, mut said) = (Ticks::now() + long, Ticks::now());
    let mut readings: Vec<PowerReading> = vec![];
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut stop => break,
        }
        let power = register.read(&mut wire, &settings).await;
        let at_ms = i64::try_from(clock.now().mono.0).unwrap_or(i64::MAX);
        // Two readings may fall into one millisecond after a stall.
        if readings.last().is_none_or(|last| last.at_ms < at_ms) {
            readings.push(PowerReading { at_ms, milliwatts: power });
            if let Some(file) = &mut save {
                let watts = power.map(|mw| format!("{}.{:03}", mw.div_euclid(1000), mw.rem_euclid(1000)));
                writeln!(file, "{at_ms},{}", watts.unwrap_or_default())
                    .map_err(|e| Failure::of(Exit::Environment, e))?;
            }
        }
        if said.elapsed() >= PROGRESS {
            said = Ticks::now();
            let shown = power.map_or("–".to_owned(), super::drawn::power);
            eprintln!("  {} 个读数 readings, {shown}", readings.len());
        }
        if Ticks::now() >= end {
            break;
        }
    }
    Ok(readings)
}

/// What is read.
#[derive(Debug)]
struct Register {
    request: Request,
    factor: Factor,
    address: Address,
}

impl Register {
    fn of(wanted: &Probe, settings: &Settings) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::of(Exit::Use, anyhow::anyhow!(message));
        let power = &wanted.power;
        let unit = power.measure.as_deref().unwrap_or_default();
        let measure = power_unit(unit)
            .ok_or_else(|| wrong(format!("--measure {unit:?}: 应为 must be W, kW 或 or MW")))?;
        let (table, start) = wanted.register;
        let mut keys = json!({ "unit": wanted.unit, "register": format!("{table}:{start}") });
        for (key, value) in [("type", &power.kind), ("order", &power.order), ("scale", &power.scale)] {
            if let Some(value) = value {
                keys[key] = json!(value);
            }
        }
        let mut errors = vec![];
        let Some(address) = Address::read(PointId(0), &keys, &mut errors) else {
            let all: Vec<String> = errors.iter().map(|e| format!("--{e}")).collect();
            return Err(wrong(all.join("\n")));
        };
        let point = Point { id: PointId(0), address: address.clone() };
        let request = plan(&[point], settings.limits).pop();
        let request = request.ok_or_else(|| wrong(format!("{address}: 无法读取 cannot be read")))?;
        Ok(Self { request, factor: measure.factor, address })
    }

    /// One reading, mW; nothing when it failed, and the next one opens the connection again if it broke.
    async fn read(&self, wire: &mut Option<Inquiry>, settings: &Settings) -> Option<i64> {
        if wire.is_none() {
            *wire = Inquiry::open(settings.clone()).await.ok();
        }
        match wire.as_mut()?.ask(&self.request).await {
            Ok(Reply::Answer(answer)) => {
                let at = Instant { utc: Utc(0), mono: Mono(0) };
                let observation = decode(&self.request, &answer, at).pop()?;
                let number = observation.value.as_ref().and_then(Value::number)?;
                milliwatts(self.factor.apply(number))
            }
            Ok(Reply::Refused(_) | Reply::Silent(_)) => None,
            Err(_) => {
                *wire = None;
                None
            }
        }
    }
}

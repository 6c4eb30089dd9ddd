//! A machine's power from the observations that a stopped agent has kept: raw blocks first, then the journal. Reads
//! only; the store is locked by an agent that runs.

use super::super::{Exit, Failure};
use super::readings::milliwatts;
use crate::configuration::{Configuration, Role};
use crate::journal::{Row, decode};
use crate::raw;
use crate::runtime::SPOOL_FILE;
use crate::window::{Factor, Input, Record};
use evidence::Hash;
use kpi::threshold::PowerReading;
use observation::PointId;
use spool::{Limit, SqliteStore, Store};
use std::path::Path;

/// Days looked at: the last ones.
const LONGEST_MS: i64 = 7 * 86_400_000;

/// Rows taken from the journal at a time.
const ROWS: Limit = Limit { items: 1000, bytes: 4 << 20 };

/// The power readings of a machine in the last days.
pub(super) fn readings(config: &Path, machine: &str) -> Result<Vec<PowerReading>, Failure> {
    kept(&super::super::load(config)?, machine)
}

fn kept(configuration: &Configuration, machine: &str) -> Result<Vec<PowerReading>, Failure> {
    let (wanted, project) = wanted(configuration, machine)?;
    let file = configuration.agent.data_dir.join(SPOOL_FILE);
    if !file.exists() {
        let message = format!(
            "{}: 没有采集日志，采集端还没有运行过 · there is no journal: the agent has not run yet",
            file.display()
        );
        return Err(Failure::of(Exit::Environment, anyhow::anyhow!(message)));
    }
    let environment = |e: spool::StoreError| Failure::of(Exit::Environment, e);
    let mut store = SqliteStore::open(&file, configuration.spool.max_bytes).map_err(environment)?;
    let mut found = Found { wanted, in_force: false, readings: vec![] };
    let stream = store.stream(&project).map_err(environment)?;
    for number in blocks(&mut store, &project, stream.raw_next).map_err(environment)? {
        let Some(block) = store.raw(&project, number).map_err(environment)? else { continue };
        for row in raw::open(&block.bytes).map_err(|e| Failure::of(Exit::Environment, e))? {
            found.take(&row);
        }
    }
    let mut from = 0;
    loop {
        let rows = store.journal(&project, from, ROWS).map_err(environment)?;
        let Some(last) = rows.last() else { break };
        from = last.position + 1;
        for row in rows {
            found.take(&row.row);
        }
    }
    Ok(found.finish())
}

/// The newest blocks that span no more than the time looked at, oldest first. Older ones may be pruned.
fn blocks(store: &mut SqliteStore, project: &str, next: u64) -> Result<Vec<u64>, spool::StoreError> {
    let mut numbers = vec![];
    let mut newest = None;
    for number in (0..next).rev() {
        let Some(block) = store.raw(project, number)? else { break };
        let newest = *newest.get_or_insert(block.to_ms);
        if newest.saturating_sub(block.to_ms) > LONGEST_MS {
            break;
        }
        numbers.push(number);
    }
    numbers.reverse();
    Ok(numbers)
}

/// Which observations are asked for.
struct Wanted {
    point: PointId,
    factor: Factor,
    /// Ids of points hold in one configuration only.
    configuration: Hash,
}

fn wanted(configuration: &Configuration, machine: &str) -> Result<(Wanted, String), Failure> {
    let no = |message: String| Failure::of(Exit::Use, anyhow::anyhow!(message));
    let Some(found) = configuration.machines.iter().find(|m| m.id == machine) else {
        let known: Vec<&str> = configuration.machines.iter().map(|m| m.id.as_str()).collect();
        return Err(no(format!(
            "没有设备 there is no machine {machine:?}; 有 there are: {}",
            known.join(", ")
        )));
    };
    let power = found.points.iter().find(|point| point.role == Some(Role::Power));
    let Some((point, measure)) = power.and_then(|point| Some((point.id, point.measure?))) else {
        return Err(no(format!("设备 {machine} 没有测点 power · machine {machine} has no point `power`")));
    };
    let wanted = Wanted { point, factor: measure.factor, configuration: configuration.hash };
    Ok((wanted, found.project.clone()))
}

struct Found {
    wanted: Wanted,
    /// The rows now read were written under the configuration at hand.
    in_force: bool,
    readings: Vec<PowerReading>,
}

impl Found {
    /// A row that cannot be read holds nothing that is known.
    fn take(&mut self, row: &[u8]) {
        match decode(row) {
            Ok(Row::Record(Record::Boot(boot)) | Row::Resume(boot) | Row::Suspended(boot)) => {
                self.in_force = boot.configuration == self.wanted.configuration;
            }
            Ok(Row::Record(Record::Step { inputs, .. })) if self.in_force => {
                for input in &inputs {
                    self.observed(input);
                }
            }
            _ => {}
        }
    }

    fn observed(&mut self, input: &Input) {
        if let Input::Observed(_, observation) = input
            && observation.point == self.wanted.point
        {
            let number = observation.value.as_ref().and_then(observation::Value::number);
            let watts = number.and_then(|number| self.wanted.factor.apply(number));
            let at_ms = observation.agent_time.0;
            self.readings.push(PowerReading { at_ms, milliwatts: milliwatts(watts) });
        }
    }

    /// In the order of time, each once: rows stay in the journal for a while after they went into a block.
    fn finish(mut self) -> Vec<PowerReading> {
        self.readings.sort_by_key(|reading| (reading.at_ms, reading.milliwatts.is_none()));
        self.readings.dedup_by_key(|reading| reading.at_ms);
        let newest = self.readings.last().map_or(0, |reading| reading.at_ms);
        self.readings.retain(|reading| newest.saturating_sub(reading.at_ms) <= LONGEST_MS);
        self.readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::encode;
    use crate::raw::Unarchived;
    use crate::runtime::fixture::{P, T0, configuration, configuration_changed};
    use crate::window::{Boot, LinkIndex};
    use observation::{Instant, Mono, Observation, Reason, Utc, Value};
    use spool::{Change, Spool};

    fn at(ms: i64) -> Instant {
        Instant { utc: Utc(T0 + ms), mono: Mono(ms.unsigned_abs()) }
    }

    fn boot(ms: i64, configuration: Hash) -> Row {
        Row::Record(Record::Boot(Boot {
            at: at(ms),
            version: "1".to_owned(),
            binary: [0; 32],
            configuration,
        }))
    }

    /// A reading of each point of the press in tenths of a kW; `None` failed.
    fn step(ms: i64, power: Option<i64>) -> Row {
        let observed = |point, value: Option<i64>| {
            let observation = match value {
                Some(n) => Observation::good(PointId(point), Value::Number(n.into()), at(ms)),
                None => Observation::bad(PointId(point), Reason::Timeout, at(ms)),
            };
            Input::Observed(LinkIndex(0), observation)
        };
        Row::Record(Record::Step { inputs: vec![observed(0, power), observed(1, Some(77))], until: at(ms) })
    }

    #[test]
    fn power_is_found_in_blocks_and_journal_once_and_only_under_the_configuration_at_hand() {
        let dir = tempfile::tempdir().unwrap();
        let configuration = configuration(dir.path());
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let file = configuration.agent.data_dir.join(SPOOL_FILE);
        let mut spool = Spool::new(Box::new(SqliteStore::open(&file, u64::MAX).unwrap())).unwrap();
        let encoded = |row: &Row| {
            let mut bytes = vec![];
            encode(row, &mut bytes);
            bytes
        };
        let own = configuration.hash;
        let archived =
            [boot(0, [9; 32]), step(1000, Some(1)), boot(2000, own), step(3000, Some(2)), step(4000, None)];
        let mut rows = Unarchived::default();
        for (row, s) in archived.iter().zip(0..) {
            rows.push(&encoded(row), T0 + s * 1000);
        }
        let block = rows.block().unwrap();
        let raw = Change::Raw {
            stream: P,
            number: 0,
            leaf: block.leaf,
            from_ms: block.from_ms,
            to_ms: block.to_ms,
            bytes: &block.bytes,
        };
        // The last row of the block is in the journal still.
        let journal = [step(4000, None), step(5000, Some(3))].map(|row| encoded(&row));
        let journalled =
            (0..).zip(&journal).map(|(position, row)| Change::Journal { stream: P, position, row });
        spool.commit(&std::iter::once(raw).chain(journalled).collect::<Vec<_>>()).unwrap();
        let busy = kept(&configuration, "press-03").unwrap_err();
        assert!(busy.error.to_string().contains("stop it first"), "{}", busy.error);
        drop(spool);

        let found = kept(&configuration, "press-03").unwrap();
        let found: Vec<_> = found.iter().map(|r| (r.at_ms - T0, r.milliwatts)).collect();
        assert_eq!(found, [(3000, Some(2_000_000)), (4000, None), (5000, Some(3_000_000))]);
        let none = kept(&configuration, "press-3").unwrap_err();
        assert!(none.error.to_string().contains("there are: press-03"), "{}", none.error);
        let other = configuration_changed(dir.path(), "input:12", "input:14");
        assert_eq!(kept(&other, "press-03").unwrap(), []);
    }

    #[test]
    fn a_box_that_never_ran_has_no_journal_and_none_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let error = kept(&configuration(dir.path()), "press-03").unwrap_err();
        assert_eq!(error.exit, Exit::Environment);
        assert!(!dir.path().join("data").exists());
    }
}

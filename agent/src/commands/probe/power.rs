//! The power of one machine over a day, from wherever it is: what was drawn for how long, and the thresholds that
//! follow. Reads and prints; what follows from the readings is `kpi::threshold`.

use super::super::{Exit, Failure};
use super::{Probe, drawn, journal, meter, proposed, readings};
use clap::Args;
use config::units::duration;
use kpi::threshold::{Declared, PowerReading, look, propose};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is asked of a power meter.
#[derive(Debug, Default, Args)]
pub(super) struct PowerArguments {
    /// 读这么久的功率并建议阈值 / read the power for so long and propose thresholds, such as 24h; Ctrl-C ends it earlier
    #[arg(long, value_name = "TIME", value_parser = time, requires_all = ["kind", "measure"],
        conflicts_with_all = ["shows", "units", "registers"])]
    pub(super) record: Option<Duration>,
    /// 每隔多久读一次 / with --record: one reading in so long (5s)
    #[arg(long, value_name = "TIME", value_parser = time, requires = "record")]
    pub(super) every: Option<Duration>,
    /// 读数存入 CSV 文件，中断也不丢 / with --record: keep the readings in a CSV file, as they come
    #[arg(long, value_name = "FILE", requires = "record")]
    pub(super) save: Option<PathBuf>,
    /// 功率寄存器的类型 / with --record: type of the power register, such as f32
    #[arg(long = "type", value_name = "TYPE", requires = "record")]
    pub(super) kind: Option<String>,
    /// 字节序 / with --record: order of its bytes, such as CDAB
    #[arg(long, value_name = "ORDER", requires = "record")]
    pub(super) order: Option<String>,
    /// 倍率 / with --record: scale of the register (1)
    #[arg(long, value_name = "NUMBER", requires = "record")]
    pub(super) scale: Option<String>,
    /// 功率单位 / unit of the power: W, kW or MW
    #[arg(long, value_name = "UNIT")]
    pub(super) measure: Option<String>,
    /// 已有的功率读数（CSV） / or readings that are there already: a CSV file of time and power
    #[arg(long, value_name = "FILE")]
    pub(super) readings: Option<PathBuf>,
    /// 用采集日志中该设备的功率（先停采集端，需 --config） / or a machine's power in the journal of a stopped agent, with --config
    #[arg(long, value_name = "MACHINE", requires = "config")]
    pub(super) journal: Option<String>,
    /// 从第几级起为开机 / from which level on it is switched on; 1: never off
    #[arg(long, value_name = "LEVEL", requires = "producing")]
    idle: Option<usize>,
    /// 从第几级起为加工 / from which level on it is producing
    #[arg(long, value_name = "LEVEL", requires = "idle")]
    producing: Option<usize>,
}

/// Where the readings come from.
pub(super) enum Source<'a> {
    Csv(&'a Path),
    Journal(&'a Path, &'a str),
    Meter(&'a Probe, Duration),
}

impl<'a> Source<'a> {
    /// The source that was asked for, if any was.
    pub(super) fn of(wanted: &'a Probe) -> Option<Self> {
        let power = &wanted.power;
        match (&power.readings, &power.journal, &wanted.config, power.record) {
            (Some(file), ..) => Some(Self::Csv(file)),
            (_, Some(machine), Some(config), _) => Some(Self::Journal(config, machine)),
            (.., Some(long)) => Some(Self::Meter(wanted, long)),
            _ => None,
        }
    }
}

/// See the module.
pub(super) fn calibrate(wanted: &PowerArguments, source: &Source<'_>) -> Result<Exit, Failure> {
    let readings = match source {
        Source::Csv(file) => readings::load(file, wanted.measure.as_deref())?,
        Source::Journal(config, machine) => journal::readings(config, machine)?,
        Source::Meter(probe, long) => meter::record(probe, *long)?,
    };
    let declared = wanted.idle.zip(wanted.producing).map(|(idle, producing)| Declared { idle, producing });
    let (text, exit) = answer(&readings, declared);
    print!("{text}");
    Ok(exit)
}

/// What is printed, and how the command ends.
pub(super) fn answer(readings: &[PowerReading], declared: Option<Declared>) -> (String, Exit) {
    let seen = match look(readings) {
        Ok(seen) => seen,
        Err(refusal) => return (proposed::refused(&refusal), Exit::No),
    };
    let proposal = propose(&seen, declared);
    let mut text = drawn::histogram(&seen, proposal.as_ref().ok());
    text.push_str(&proposed::levels(&seen, proposal.as_ref().ok()));
    match &proposal {
        Ok(proposal) => {
            text.push_str(&proposed::shown(&seen, proposal, readings));
            (text, Exit::Fine)
        }
        Err(refusal) => {
            text.push_str(&proposed::refused(refusal));
            (text, Exit::No)
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = duration(text).map_err(|e| e.to_string())?;
    if time.is_zero() { Err("0".to_owned()) } else { Ok(time) }
}

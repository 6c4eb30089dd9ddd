//! `probe`: looks into a Modbus device before it is configured. Shows one live read in every type and order side
//! by side, finds which units and which registers there are, and prints the line of configuration to paste. Of a power
//! meter it draws what the machine drew over a day, and proposes thresholds for its states.
//!
//! It only reads, one question at a time, with pauses, and no more than a bounded number of them. It is not the
//! agent: nothing is recorded. While the agent runs, a serial port is its own and cannot be probed.

mod drawn;
mod journal;
mod meter;
mod power;
mod proposed;
mod readings;
mod scan;
mod show;

use super::{Exit, Failure};
use crate::configuration::one_link;
use clap::Args;
use observation::Decimal;
use protocols::modbus::Settings;
use protocols::modbus::address::Table;
use protocols::modbus::inquiry::{Inquiry, Reply};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// What to look at.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["link", "address", "readings", "journal"]))]
pub struct Probe {
    /// 配置文件中的链路（需 --config） / a link of the configuration, with --config
    #[arg(long, value_name = "ID", requires = "config")]
    link: Option<String>,
    /// 配置文件（其余部分可以未完成） / the configuration; the rest of it may be unfinished
    #[arg(long, value_name = "FILE", conflicts_with_all = ["address", "readings"])]
    config: Option<PathBuf>,
    /// 直接给地址 / or an address: `tcp://192.0.2.10:502`, `rtu+tcp://192.0.2.10:4001`, `serial:///dev/ttyUSB0`
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// 串口波特率 / serial port: baud rate (9600)
    #[arg(long, requires = "address")]
    baud: Option<u32>,
    /// 串口校验 / serial port: even, none, odd (even)
    #[arg(long, requires = "address")]
    parity: Option<String>,
    /// 串口停止位 / serial port: stop bits, 1 or 2
    #[arg(long, value_name = "BITS", requires = "address")]
    stop_bits: Option<u8>,
    /// 等待应答的时间 / how long to wait for an answer, such as 500ms
    #[arg(long, value_name = "TIME", requires = "address")]
    timeout: Option<String>,
    /// 从站号 / unit id of the device
    #[arg(long, default_value_t = 1)]
    unit: u8,
    /// 寄存器 / where to read: holding, input, coil or discrete, and the address from 0
    #[arg(long, value_name = "TABLE:ADDRESS", default_value = "holding:0", value_parser = place)]
    register: (Table, u16),
    /// 表盘上显示的数，用来找出类型、字节序和倍率 / what the device's own display shows; finds type, order and scale
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, conflicts_with_all = ["units", "registers"])]
    shows: Option<Decimal>,
    /// 搜索从站 / look for units, such as 1-247
    #[arg(long, value_name = "FROM-TO", value_parser = units, conflicts_with = "registers")]
    units: Option<(u8, u8)>,
    /// 搜索寄存器 / look through registers, such as holding:0-199
    #[arg(long, value_name = "TABLE:FROM-TO", value_parser = registers)]
    registers: Option<(Table, u16, u16)>,
    #[command(flatten)]
    power: power::PowerArguments,
}

/// See the module.
pub fn probe(wanted: &Probe) -> Result<Exit, Failure> {
    if let Some(source) = power::Source::of(wanted) {
        return power::calibrate(&wanted.power, &source);
    }
    let settings = settings(wanted)?;
    super::runtime()?.block_on(run(wanted, settings))
}

async fn run(wanted: &Probe, settings: Settings) -> Result<Exit, Failure> {
    let units = wanted.units.unwrap_or((wanted.unit, wanted.unit));
    if settings.target.is_rtu() && (units.0 == 0 || units.1 > 247) {
        let hint = "串口总线上的从站号是 1 到 247 · a unit id on a serial line is 1 to 247";
        return Err(Failure::of(Exit::Use, anyhow::anyhow!(hint)));
    }
    let link = wanted.link.clone().unwrap_or_else(|| "…".to_owned());
    let silence = settings.cost_of_silence();
    println!("{} …", settings.address);
    let mut wire = Inquiry::open(settings).await.map_err(environment)?;
    let (table, start) = wanted.register;
    match (wanted.units, wanted.registers) {
        (Some(range), _) => scan::units(&mut wire, range, wanted.register, silence).await,
        (_, Some(range)) => scan::registers(&mut wire, wanted.unit, range).await,
        _ => {
            let place = show::Place { link: &link, unit: wanted.unit, table, start };
            if !table.holds_bits() {
                return one(&mut wire, &place, wanted.shows).await;
            }
            let exit = scan::registers(&mut wire, wanted.unit, (table, start, start)).await?;
            if exit == Exit::Fine {
                print!("{}", show::bit(&place));
            }
            Ok(exit)
        }
    }
}

/// One read of as many registers as the longest number has, or of fewer where there are no more.
async fn one(wire: &mut Inquiry, place: &show::Place<'_>, shows: Option<Decimal>) -> Result<Exit, Failure> {
    for count in [4, 2, 1] {
        let Some(reply) = scan::ask(wire, place.unit, place.table, place.start, count).await? else {
            continue;
        };
        match reply {
            Reply::Answer(answer) => {
                let (text, found) = show::registers(place, &scan::words(&answer), shows);
                print!("{text}");
                return Ok(if found { Exit::Fine } else { Exit::No });
            }
            // There may be fewer registers than were asked for.
            Reply::Refused(2 | 3) if count > 1 => {}
            Reply::Refused(code) => {
                println!("从站 unit {}: {}", place.unit, scan::meaning(code));
                return Ok(Exit::No);
            }
            Reply::Silent(error) => {
                println!(
                    "从站 unit {}: 没有可信的应答 · no answer that can be believed: {error}",
                    place.unit
                );
                println!("{}", scan::WHAT_TO_CHECK);
                return Ok(Exit::No);
            }
        }
    }
    Ok(Exit::No)
}

fn environment(error: protocols::LinkError) -> Failure {
    Failure::of(Exit::Environment, error)
}

/// The settings of the link, from the configuration or from the command line.
fn settings(wanted: &Probe) -> Result<Settings, Failure> {
    let table = match (&wanted.link, &wanted.config) {
        (Some(link), Some(config)) => {
            one_link(config, link, "modbus").map_err(|e| Failure::of(Exit::Use, e))?
        }
        _ => given(wanted),
    };
    let mut errors = vec![];
    Settings::read(&table, &mut errors).ok_or_else(|| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::of(Exit::Use, anyhow::anyhow!(all.join("\n")))
    })
}

fn given(wanted: &Probe) -> Value {
    // A person waits, and most units of a scan do not exist.
    let short = if wanted.units.is_some() { "300ms" } else { "1s" };
    let mut table = json!({
        "address": wanted.address.clone().unwrap_or_default(),
        "timeout": wanted.timeout.as_deref().unwrap_or(short),
    });
    if let Some(baud) = wanted.baud {
        table["baud"] = json!(baud);
    }
    if let Some(parity) = &wanted.parity {
        table["parity"] = json!(parity);
    }
    if let Some(bits) = wanted.stop_bits {
        table["stop_bits"] = json!(bits);
    }
    table
}

fn place(text: &str) -> Result<(Table, u16), String> {
    let like = || format!("{text:?} 应为 must be like holding:40, input:12, coil:3, discrete:5");
    let (table, address) = text.split_once(':').ok_or_else(like)?;
    Ok((table.parse().map_err(|()| like())?, address.parse().map_err(|_| like())?))
}

fn units(text: &str) -> Result<(u8, u8), String> {
    let like = || format!("{text:?} 应为 must be like 1-247");
    let (from, to) = text.split_once('-').ok_or_else(like)?;
    let (from, to) = (from.parse().map_err(|_| like())?, to.parse().map_err(|_| like())?);
    if from <= to { Ok((from, to)) } else { Err(like()) }
}

fn registers(text: &str) -> Result<(Table, u16, u16), String> {
    let like = || format!("{text:?} 应为 must be like holding:0-199");
    let (start, to) = text.rsplit_once('-').ok_or_else(like)?;
    let ((table, from), to): (_, u16) = (place(start).map_err(|_| like())?, to.parse().map_err(|_| like())?);
    let most = scan::MOST_ADDRESSES;
    match to.checked_sub(from) {
        None => Err(like()),
        Some(more) if more >= most => {
            Err(format!("一次最多 {most} 个地址 · at most {most} addresses at a time"))
        }
        Some(_) => Ok((table, from, to)),
    }
}

/// Between two questions of a scan, so that whoever else uses the line or the device is not crowded out.
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        probe: Probe,
    }

    fn parsed(words: &[&str]) -> Result<Probe, clap::Error> {
        Line::try_parse_from([&["probe"], words].concat()).map(|line| line.probe)
    }

    #[test]
    fn a_link_of_an_unfinished_configuration_can_be_probed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "[[link]]\nid = \"m\"\nprotocol = \"modbus\"\naddress = \"serial:///dev/ttyUSB0\"\nparity = \"none\"\n\
                    [[link]]\nid = \"o\"\nprotocol = \"opcua\"\n";
        std::fs::write(file.path(), text).unwrap();
        let config = file.path().to_str().unwrap();
        let settings_of = |link| settings(&parsed(&["--config", config, "--link", link]).unwrap());
        assert_eq!(settings_of("m").unwrap().address, "serial:///dev/ttyUSB0");
        let words = |link| format!("{:#}", settings_of(link).err().unwrap().error);
        assert!(words("x").contains("there are: m, o"), "{}", words("x"));
        assert!(words("o").contains("opcua"), "{}", words("o"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
        for wrong in [
            &["--address", "tcp://192.0.2.1", "--register", "40001"][..],
            &["--address", "tcp://192.0.2.1", "--registers", "holding:0-9999"],
            &["--address", "tcp://192.0.2.1", "--registers", "holding:9-0"],
            &["--address", "tcp://192.0.2.1", "--units", "0-256"],
            &["--link", "m"],
            &[],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
        let mixed = parsed(&["--address", "tcp://192.0.2.1", "--baud", "9600"]).unwrap();
        let error = format!("{:#}", settings(&mixed).err().unwrap().error);
        assert!(error.contains("no serial port"), "{error}");
        let all = parsed(&["--address", "rtu+tcp://192.0.2.1:4001", "--units", "0-247"]).unwrap();
        assert_eq!(probe(&all).err().unwrap().exit, Exit::Use);
    }
}

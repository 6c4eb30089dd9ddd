//! The line with its devices, and links to it.

use std::io::Write;
use std::ops::Range;

use observation::{Observation, PointId, Quality};
use protocols::{Link, LinkError, Source};
use serde_json::{Value, json};

use super::peer::{Script, connect, next, text, within};

/// How the agent reaches the line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Serial,
    Converter,
}

pub(crate) const BOTH: [End; 2] = [End::Serial, End::Converter];

/// The running line.
pub(crate) struct Line {
    script: Script,
    address: String,
}

impl Line {
    pub(crate) async fn start(end: End, units: &Value) -> Self {
        let name = match end {
            End::Serial => "serial",
            End::Converter => "converter",
        };
        let mut plan = tempfile::NamedTempFile::new().unwrap();
        plan.write_all(json!({"end": name, "units": units}).to_string().as_bytes()).unwrap();
        let mut script = Script::start("modbus_line_peer.py", plan.path());
        let first =
            script.line().await.expect("the line did not start; is tests/peers/requirements.txt installed?");
        let place = first.strip_prefix("listening ").unwrap();
        let address = match end {
            End::Serial => format!("serial://{place}"),
            End::Converter => format!("rtu+tcp://127.0.0.1:{place}"),
        };
        Self { script, address }
    }

    pub(crate) async fn tell(&mut self, command: &str) {
        assert_eq!(self.script.tell(command).await, "ok", "{command}");
    }

    /// How many questions there were on the line so far.
    pub(crate) async fn questions(&mut self) -> usize {
        self.counted("requests").await
    }

    /// How many of them to this unit.
    pub(crate) async fn questions_to(&mut self, unit: u8) -> usize {
        self.counted(&format!("requests {unit}")).await
    }

    async fn counted(&mut self, command: &str) -> usize {
        self.script.tell(command).await.strip_prefix("requests ").unwrap().parse().unwrap()
    }

    pub(crate) fn link(&self, settings: &Value, points: &[Value]) -> Box<dyn Link> {
        let mut table = json!({"address": self.address, "poll": "20ms", "timeout": "1s"});
        for (key, value) in settings.as_object().unwrap() {
            table[key] = value.clone();
        }
        let points = (0..).zip(points).map(|(id, table)| (PointId(id), table.clone())).collect();
        protocols::link("modbus", table, points).map_err(|e| format!("{e:?}")).unwrap()
    }
}

pub(crate) fn holding(unit: u8, offset: u16) -> Value {
    json!({"unit": unit, "register": format!("holding:{offset}"), "type": "u16"})
}

/// Holding registers from each of these addresses on, three each, that hold their own address.
pub(crate) fn own_addresses(units: &[u8], starts: &[u16]) -> Value {
    let cells: serde_json::Map<String, Value> =
        starts.iter().flat_map(|start| *start..start + 3).map(|at| (at.to_string(), json!(at))).collect();
    units
        .iter()
        .map(|unit| (unit.to_string(), json!({"holding": cells})))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A link that is opened again whenever its session ends, as its owner in the agent does.
pub(crate) struct Reader {
    link: Box<dyn Link>,
    source: Option<Box<dyn Source>>,
    pub(crate) errors: Vec<LinkError>,
}

impl Reader {
    pub(crate) fn new(link: Box<dyn Link>) -> Self {
        Self { link, source: None, errors: Vec::new() }
    }

    /// What is read next.
    pub(crate) async fn next(&mut self) -> Vec<Observation> {
        loop {
            let mut source = match self.source.take() {
                Some(source) => source,
                None => connect(self.link.as_ref()).await,
            };
            match next(source.as_mut()).await {
                Ok(batch) => {
                    self.source = Some(source);
                    return batch.observations;
                }
                Err(error) => self.errors.push(error),
            }
        }
    }

    /// Reads on until each point has been good once more.
    pub(crate) async fn until_all_good(&mut self) {
        let mut missing = self.link.points().to_vec();
        let all_good = async {
            while !missing.is_empty() {
                for observation in self.next().await {
                    if observation.quality == Quality::Good {
                        missing.retain(|point| *point != observation.point);
                    }
                }
            }
        };
        within(all_good).await;
    }

    /// Reads on until a point's observation reads so.
    pub(crate) async fn until(&mut self, point: u32, want: &str) {
        let wanted = |o: &Observation| o.point == PointId(point) && text(o) == want;
        within(async { while !self.next().await.iter().any(wanted) {} }).await;
    }

    /// Reads on until the line is busy for such a share of the time, in thousandths.
    pub(crate) async fn until_busy(&mut self, share: Range<u16>) {
        let wait = async {
            while !self.link.busy_permille().is_some_and(|now| share.contains(&now)) {
                self.next().await;
            }
        };
        within(wait).await;
    }
}

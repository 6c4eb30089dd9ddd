//! The live table: what the gateway has verified and logged of each machine.

use kpi::{Leaf, column};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

/// Machine id and the name shown.
const MACHINES: [(&str, &str); 3] = [
    ("cnc-01", "五轴加工中心 machining centre"),
    ("cell-02", "机器人工作站 robot cell"),
    ("press-03", "冲床 press (哑设备)"),
];

/// Tables are printed this many seconds apart where they cannot be redrawn.
const EVERY: u64 = 5;

#[derive(Debug, Deserialize)]
struct Page {
    windows: Vec<Window>,
}

#[derive(Debug, Deserialize)]
struct Window {
    t: i64,
    columns: BTreeMap<u8, i64>,
}

/// Fetches and prints.
#[derive(Debug)]
pub(crate) struct Table {
    gateway: SocketAddr,
    client: reqwest::Client,
    last: BTreeMap<&'static str, Window>,
    lines: usize,
    shown: u64,
}

impl Table {
    pub(crate) fn new(gateway: SocketAddr) -> Self {
        Self { gateway, client: reqwest::Client::new(), last: BTreeMap::new(), lines: 0, shown: 0 }
    }

    /// Asks for windows that are new since the last time and prints the table over the old one. On a terminal it is
    /// redrawn in place; elsewhere only one in [`EVERY`] is printed.
    pub(crate) async fn show(&mut self) {
        for (machine, _) in MACHINES {
            if let Ok(window) = self.newest(machine).await {
                self.last.extend(window.map(|w| (machine, w)));
            }
        }
        let mut out = std::io::stdout().lock();
        self.shown += 1;
        if !out.is_terminal() && self.shown % EVERY != 1 {
            return;
        }
        if out.is_terminal() && self.lines > 0 {
            let _ = write!(out, "\x1b[{}A\x1b[J", self.lines);
        }
        let text = self.text();
        self.lines = text.lines().count();
        let _ = write!(out, "{text}");
        let _ = out.flush();
    }

    /// Waits until the windows of every machine up to `to` (UTC s) are in the log, a quarter of a minute at most: what
    /// is missing then is missing in the bundle too, and the check says so.
    pub(crate) async fn wait_until(&mut self, to: i64) {
        let mut tick = tokio::time::interval(Duration::from_millis(300));
        for _ in 0..50 {
            tick.tick().await;
            for (machine, _) in MACHINES {
                if let Ok(window) = self.newest(machine).await {
                    self.last.extend(window.map(|w| (machine, w)));
                }
            }
            if self.last.len() == MACHINES.len() && self.last.values().all(|w| w.t + 1 >= to) {
                return;
            }
        }
    }

    async fn newest(&self, machine: &'static str) -> Result<Option<Window>, reqwest::Error> {
        let mut after = self.last.get(machine).map_or(0, |w| w.t);
        let mut newest = None;
        loop {
            let url = format!(
                "http://{}/v1/projects/{}/windows?machine={machine}&after={after}",
                self.gateway,
                crate::chain::PROJECT
            );
            let page: Page = self.client.get(url).send().await?.error_for_status()?.json().await?;
            let Some(last) = page.windows.into_iter().next_back() else { return Ok(newest) };
            after = last.t;
            newest = Some(last);
        }
    }

    fn text(&self) -> String {
        let mut text = columns("状态 state", "电量 energy", "产量 parts", "读数 reads", "设备 machine");
        for (machine, name) in MACHINES {
            text += &match self.last.get(machine) {
                Some(window) => row(window, name),
                None => columns("…", "", "", "", name),
            };
        }
        text
    }
}

fn row(window: &Window, name: &str) -> String {
    let get = |id: u8| window.columns.get(&id).copied().unwrap_or(0);
    let longest = (0..9u8).max_by_key(|leaf| (get(*leaf), *leaf)).unwrap_or(0);
    let leaf = Leaf::ALL[usize::from(longest)];
    // Energy is in mWh.
    let known = |quality: u8, shown: String| if get(quality) == 0 { "–".to_owned() } else { shown };
    columns(
        &format!("{} {}", leaf.zh(), leaf.en()),
        &known(column::ENERGY_Q, format!("{:.2} kWh", kilowatt_hours(get(column::ENERGY)))),
        &known(column::PARTS_Q, get(column::PARTS).to_string()),
        &format!("{}/{}", get(column::READS_GOOD), get(column::READS_EXPECTED)),
        name,
    )
}

fn columns(state: &str, energy: &str, parts: &str, reads: &str, machine: &str) -> String {
    let left = |text: &str, cells: usize| format!("{text}{}", " ".repeat(cells.saturating_sub(width(text))));
    let right = |text: &str, cells: usize| format!("{}{text}", " ".repeat(cells.saturating_sub(width(text))));
    format!(
        "  {}{}{}{}   {machine}\n",
        left(state, 22),
        right(energy, 14),
        right(parts, 12),
        right(reads, 12)
    )
}

/// Terminal cells of a text: characters of the CJK blocks from U+2E80 on take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum()
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn kilowatt_hours(mwh: i64) -> f64 {
    mwh as f64 / 1e6
}

//! What an agent says about itself: for people on the spot, for `plumbline-agent status`, for monitoring.
//!
//! Nothing here is evidence. The page has no write function and is meant for the local network at most.

use serde::{Deserialize, Serialize};
use std::fmt::{Display, Write as _};

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Agent id.
    pub agent: String,
    /// Program version.
    pub version: String,
    /// When this was said, UTC ms.
    pub at_ms: i64,
    /// When the program started, UTC ms.
    pub started_ms: i64,
    /// The configuration in force.
    #[serde(default)]
    pub configuration: ConfigurationStatus,
    /// The wall clock jumped implausibly; window time runs by the monotonic clock.
    pub clock_disbelieved: bool,
    /// Why nothing can be kept at the moment, if so.
    pub trouble: Option<String>,
    /// Observations lost since the start because they could not be kept.
    pub lost_observations: u64,
    /// Connections.
    pub links: Vec<LinkStatus>,
    /// Machines.
    pub machines: Vec<MachineStatus>,
    /// Projects.
    pub projects: Vec<ProjectStatus>,
    /// The store.
    pub store: StoreStatus,
}

/// The configuration in force, and what became of the last attempt to change it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationStatus {
    /// Its hash, as events name it.
    pub hash: String,
    /// Since when, UTC ms.
    pub since_ms: i64,
    /// Why the file was refused when it was last read again; none when it is the one in force.
    pub refused: Option<String>,
    /// When that was, UTC ms.
    pub refused_ms: i64,
}

/// One connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Its id.
    pub id: String,
    /// Protocol.
    pub protocol: String,
    /// Address.
    pub address: String,
    /// A session stands.
    pub up: bool,
    /// Since when it is so, UTC ms; 0 before the first attempt has ended.
    pub since_ms: i64,
    /// The last failure, in words.
    pub error: Option<String>,
    /// Observations since the start.
    pub observations: u64,
    /// Of these, without a good value.
    pub bad: u64,
    /// Messages under its subscriptions that no point wants.
    #[serde(default)]
    pub unwanted: u64,
    /// Messages that were larger than this program takes.
    #[serde(default)]
    pub too_large: u64,
    /// When something was last read, UTC ms.
    pub last_ms: i64,
    /// How much of the last minute or so the wire was busy, in thousandths, where the protocol knows it.
    #[serde(default)]
    pub busy_permille: Option<u16>,
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: String,
    /// The leaf state it seems to be in; not final.
    pub state: String,
    /// The same in Chinese.
    pub state_zh: String,
    /// Its mapping is not the one in the genesis.
    #[serde(default)]
    pub unapproved: bool,
    /// Its time counts as UNKNOWN, because its mapping or that of a machine signed with it is not approved.
    #[serde(default)]
    pub uncounted: bool,
    /// Its points.
    pub points: Vec<PointStatus>,
}

/// One point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointStatus {
    /// Its name on the machine.
    pub name: String,
    /// Its link's id.
    pub link: String,
    /// The last value as read, without unit.
    pub value: Option<String>,
    /// Why there is no good value.
    pub problem: Option<String>,
    /// When it was last read, well or not, UTC ms; 0 if never.
    pub at_ms: i64,
}

/// One project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectStatus {
    /// Its id.
    pub project: String,
    /// Address of the gateway.
    pub gateway: String,
    /// One word: unknown, fine, waiting, refused, frozen, quarantined, forked.
    pub standing: String,
    /// More about it.
    pub detail: String,
    /// Number of the next statement.
    pub next_seq: u64,
    /// Statements that the gateway has not acknowledged.
    pub waiting: u64,
    /// Statements that the gateway has acknowledged and no verified receipt covers yet; not counted beyond 1000.
    pub unsealed: u64,
    /// End of the last window that was signed, UTC s; 0 before the first.
    pub signed_until: i64,
    /// When the gateway last acknowledged something, UTC ms; 0 if never.
    pub acknowledged_ms: i64,
    /// Size of the newest checkpoint that was verified.
    pub checkpoint_size: u64,
    /// Its cosigned time, UTC s.
    pub checkpoint_time: i64,
    /// How far the gateway's clock is ahead of this box's, ms, as the last push found it; none before.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// The true difference lies at most this far from it, ms.
    #[serde(default)]
    pub clock_error_ms: u64,
    /// Something the log said that cannot be true.
    pub alarm: Option<String>,
}

/// One family of the Prometheus text format: labels and values under one name.
fn write_family<V: Display>(out: &mut String, name: &str, kind: &str, help: &str, values: &[(String, V)]) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP plumbline_agent_{name} {help}\n# TYPE plumbline_agent_{name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(out, "plumbline_agent_{name}{labels} {value}");
    }
}

impl ProjectStatus {
    /// The clocks of box and gateway certainly differ by more than a person should accept.
    fn clock_differs(&self) -> bool {
        self.clock_offset_ms
            .is_some_and(|ms| ms.unsigned_abs().saturating_sub(self.clock_error_ms) > CLOCKS_APART_MS)
    }
}

/// The store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Statements, bytes.
    pub statement_bytes: u64,
    /// Their limit.
    pub statement_max: u64,
    /// Raw blocks, bytes.
    pub raw_bytes: u64,
    /// Their limit.
    pub raw_max: u64,
    /// Journal, bytes.
    pub journal_bytes: u64,
}

/// Beyond this the clocks of box and gateway want looking at, ms: any time service does better.
const CLOCKS_APART_MS: u64 = 2_000;
/// From this share on, in thousandths, one silent unit makes a bus late for all.
const CROWDED: u16 = 800;
const CROWDED_ADVICE: &str = "总线几乎占满：请延长 poll、减少测点、提高波特率或分成两条链路；有不应答的从站也会如此 · the bus is \
     nearly always busy: lengthen `poll`, read fewer points, raise the baud rate or split the link; units that do not \
     answer do this too";

impl Status {
    /// Whether a person should look.
    pub fn is_well(&self) -> bool {
        self.trouble.is_none()
            && self.configuration.refused.is_none()
            && !self.clock_disbelieved
            && self.links.iter().all(|l| l.up)
            && !self.machines.iter().any(|m| m.unapproved || m.uncounted)
            && self.projects.iter().all(|p| p.standing == "fine" && p.alarm.is_none() && !p.clock_differs())
    }

    /// The tables that `plumbline-agent status` prints, Chinese first.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        let word = if self.is_well() { "正常 · well" } else { "请检查 · look below" };
        line(format!("采集端 · agent {} {}: {word}", self.agent, self.version));
        let c = &self.configuration;
        let hash = c.hash.get(..12).unwrap_or_default();
        line(format!("配置 · configuration {hash}…, 自 since {}", ago(self.at_ms - c.since_ms)));
        if let Some(why) = &c.refused {
            line(format!(
                "  ! 新配置未采用，原配置继续运行 · refused {} ago, the old one goes on:",
                ago(self.at_ms - c.refused_ms)
            ));
            why.lines().for_each(|reason| line(format!("    {}", printable(reason))));
        }
        if let Some(trouble) = &self.trouble {
            line(format!("  ! 无法存储 · cannot keep observations: {trouble}"));
        }
        if self.lost_observations > 0 {
            line(format!("  ! 已丢失观测值 · observations lost since the start: {}", self.lost_observations));
        }
        if self.clock_disbelieved {
            line(
                "  ! 时钟跳变，暂按单调时钟计时 · the clock jumped; check the time service of this box"
                    .to_owned(),
            );
        }
        line("\n链路 · links".to_owned());
        let rows: Vec<[String; 5]> = self.links.iter().map(|l| self.link_row(l)).collect();
        line(table(["", "id", "地址 address", "自 since", "观测 read / 坏 bad / 占用 busy"], &rows));
        for link in &self.links {
            if let (false, Some(error)) = (link.up, &link.error) {
                line(format!("  ! {}: {error}", link.id));
            }
            if let (true, Some(CROWDED..)) = (link.up, link.busy_permille) {
                line(format!("  ! {}: {CROWDED_ADVICE}", link.id));
            }
            if link.unwanted > 0 {
                line(format!(
                    "  {}: 订阅范围内无测点对应的消息 · messages under `subscribe` that no point wants: {}",
                    link.id, link.unwanted
                ));
            }
            if link.too_large > 0 {
                line(format!(
                    "  ! {}: 过大而拒收的消息 · messages refused as too large: {}",
                    link.id, link.too_large
                ));
            }
        }
        line("设备 · machines".to_owned());
        let rows: Vec<[String; 5]> = self.machines.iter().map(machine_row).collect();
        line(table(["状态 state", "id", "名称 name", "项目 project", "坏测点 bad points"], &rows));
        for machine in self.machines.iter().filter(|m| m.unapproved) {
            line(unapproved_line(machine));
        }
        line("项目 · projects".to_owned());
        let rows: Vec<[String; 5]> = self.projects.iter().map(project_row).collect();
        line(table(
            ["上传 uplink", "id", "网关 gateway", "待传 waiting / 待封 unsealed", "检查点 checkpoint"],
            &rows,
        ));
        for project in &self.projects {
            if !project.detail.is_empty() {
                line(format!("  ! {}: {}", project.project, project.detail));
            }
            if let Some(offset) = project.clock_offset_ms {
                let (sign, advice) = if project.clock_differs() {
                    ("! ", "；请核对两边的时间服务 · check the time services of both")
                } else {
                    ("", "")
                };
                line(format!(
                    "  {sign}{}: 网关时钟 · the gateway's clock {offset:+} ms, ±{} ms{advice}",
                    project.project, project.clock_error_ms
                ));
            }
            if let Some(alarm) = &project.alarm {
                line(format!("  !! {}: {alarm}", project.project));
            }
        }
        let s = &self.store;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        line(format!(
            "存储 · store: 声明 statements {} / {} MiB, 原始 raw {} / {} MiB, 日志 journal {} MiB",
            mib(s.statement_bytes),
            mib(s.statement_max),
            mib(s.raw_bytes),
            mib(s.raw_max),
            mib(s.journal_bytes)
        ));
        out
    }

    fn link_row(&self, link: &LinkStatus) -> [String; 5] {
        let state = match (link.up, link.since_ms) {
            (true, _) => "通 up",
            (false, 0) => "连接中 connecting",
            (false, _) => "断 down",
        };
        let since = if link.since_ms == 0 { "–".to_owned() } else { ago(self.at_ms - link.since_ms) };
        let address = format!("{} {}", link.protocol, link.address);
        let busy = link.busy_permille.map_or("–".to_owned(), |share| format!("{} %", share.div_ceil(10)));
        let read = format!("{} / {} / {busy}", link.observations, link.bad);
        [state.to_owned(), link.id.clone(), address, since, read]
    }

    /// Prometheus text format, version 0.0.4.
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, values: Vec<(String, u64)>| {
            write_family(&mut out, name, kind, help, &values);
        };
        let link = |l: &LinkStatus| format!("{{link=\"{}\"}}", escaped(&l.id));
        let project = |p: &ProjectStatus| format!("{{project=\"{}\"}}", escaped(&p.project));
        let links = |value: fn(&LinkStatus) -> u64| self.links.iter().map(|l| (link(l), value(l))).collect();
        let projects =
            |value: fn(&ProjectStatus) -> u64| self.projects.iter().map(|p| (project(p), value(p))).collect();
        family("link_up", "gauge", "1 while a session stands", links(|l| u64::from(l.up)));
        let busy = self.links.iter().filter_map(|l| Some((link(l), u64::from(l.busy_permille?)))).collect();
        family("link_busy_permille", "gauge", "Thousandths of the time the wire is busy", busy);
        family("observations_total", "counter", "Observations since the start", links(|l| l.observations));
        family("bad_observations_total", "counter", "Observations without a good value", links(|l| l.bad));
        family("unwanted_messages_total", "counter", "Messages that no point wants", links(|l| l.unwanted));
        family(
            "too_large_messages_total",
            "counter",
            "Messages refused as too large",
            links(|l| l.too_large),
        );
        family(
            "lost_observations_total",
            "counter",
            "Observations that could not be kept",
            vec![(String::new(), self.lost_observations)],
        );
        family(
            "statements_waiting",
            "gauge",
            "Statements the gateway has not acknowledged",
            projects(|p| p.waiting),
        );
        family(
            "statements_unsealed",
            "gauge",
            "Statements without a verified receipt",
            projects(|p| p.unsealed),
        );
        family(
            "uplink_fine",
            "gauge",
            "1 while the gateway takes statements",
            projects(|p| u64::from(p.standing == "fine")),
        );
        family(
            "alarm",
            "gauge",
            "1 when the log said something that cannot be true",
            projects(|p| u64::from(p.alarm.is_some())),
        );
        let bytes = vec![
            ("{what=\"statements\"}".to_owned(), self.store.statement_bytes),
            ("{what=\"raw\"}".to_owned(), self.store.raw_bytes),
            ("{what=\"journal\"}".to_owned(), self.store.journal_bytes),
        ];
        family("store_bytes", "gauge", "Bytes held on this box", bytes);
        let offsets: Vec<(String, i64)> =
            self.projects.iter().filter_map(|p| Some((project(p), p.clock_offset_ms?))).collect();
        let help = "Gateway's clock minus this box's clock at the last push, ms";
        write_family(&mut out, "gateway_clock_offset_ms", "gauge", help, &offsets);
        out
    }
}

fn machine_row(machine: &MachineStatus) -> [String; 5] {
    let bad: Vec<String> = machine
        .points
        .iter()
        .filter_map(|p| p.problem.as_ref().map(|problem| format!("{}: {problem}", p.name)))
        .collect();
    let mark = match (machine.unapproved, machine.uncounted) {
        (true, _) => " ! 口径未批准 mapping not approved: 计为未知 counts as UNKNOWN",
        (false, true) => " ! 计为未知 counts as UNKNOWN",
        (false, false) => "",
    };
    let state = format!("{} {}{mark}", machine.state_zh, machine.state);
    [state, machine.id.clone(), machine.name.clone(), machine.project.clone(), bad.join("; ")]
}

/// The agent reads the genesis and no later plan, so it can only say against what it compared.
fn unapproved_line(machine: &MachineStatus) -> String {
    format!(
        "  ! {}: 口径与创世声明不同，登记方批准前，本机在项目 {} 中签署的全部设备时间计为未知；请运行 plumbline-agent check · \
         the mapping is not the one in the genesis; the time of every machine that this box signs in {} counts as \
         UNKNOWN until the registrar approves; run plumbline-agent check (an approval after the genesis is not \
         seen here, the gateway knows it)",
        machine.id, machine.project, machine.project
    )
}

fn project_row(project: &ProjectStatus) -> [String; 5] {
    let standing = match project.standing.as_str() {
        "fine" => "正常 fine",
        "waiting" => "等待 waiting",
        "refused" => "被拒 refused",
        "frozen" => "冻结 frozen",
        "quarantined" => "隔离 quarantined",
        "forked" => "分叉 forked",
        _ => "未知 unknown",
    };
    [
        standing.to_owned(),
        project.project.clone(),
        project.gateway.clone(),
        format!("{} / {}", project.waiting, project.unsealed),
        project.checkpoint_size.to_string(),
    ]
}

fn ago(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        _ => format!("{} h", s / 3600),
    }
}

/// Label values escape backslash, quote and line feed.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Left-aligned columns; a Chinese character takes two places of a terminal.
fn table(head: [&str; 5], rows: &[[String; 5]]) -> String {
    let mut widths = head.map(width);
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let mut out = String::new();
    let head = head.map(str::to_owned);
    for row in std::iter::once(&head).chain(rows) {
        out.push(' ');
        for (column, cell) in widths.iter().zip(row) {
            out.push(' ');
            out.push_str(&printable(cell));
            out.extend(std::iter::repeat_n(' ', column - width(cell) + 1));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// Text from devices must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if ('\u{1100}'..'\u{ffef}').contains(&c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let link = LinkStatus {
            id: "hall-a".into(),
            protocol: "modbus".into(),
            address: "tcp://192.0.2.10:502".into(),
            since_ms: 1_000,
            error: Some("no answer".into()),
            observations: 7,
            bad: 2,
            unwanted: 12345,
            too_large: 67,
            ..LinkStatus::default()
        };
        let point = PointStatus {
            name: "power".into(),
            problem: Some("no connection".into()),
            ..PointStatus::default()
        };
        let machine = MachineStatus {
            id: "press-03".into(),
            name: "冲床 3 号".into(),
            state: "UNKNOWN".into(),
            state_zh: "未知".into(),
            points: vec![point],
            ..MachineStatus::default()
        };
        let project = ProjectStatus {
            project: "SY\"1".into(),
            standing: "fine".into(),
            waiting: 3,
            ..ProjectStatus::default()
        };
        Status {
            agent: "edge-07".into(),
            at_ms: 61_000,
            links: vec![link],
            machines: vec![machine],
            projects: vec![project],
            ..Status::default()
        }
    }

    #[test]
    fn the_table_names_what_is_wrong_and_where() {
        let text = status().text();
        for want in [
            "look below",
            "hall-a: no answer",
            "60 s",
            "冲床 3 号",
            "power: no connection",
            "no point wants: 12345",
            "too large: 67",
            "3 / 0",
        ] {
            assert!(text.contains(want), "{want} is missing in\n{text}");
        }
    }

    fn well() -> Status {
        let mut status = status();
        status.links[0].up = true;
        status.machines[0].state = "producing".into();
        let other = MachineStatus { id: "press-04".into(), ..status.machines[0].clone() };
        status.machines.push(other);
        assert!(status.is_well() && status.text().contains("正常"), "{}", status.text());
        status
    }

    #[test]
    fn what_counts_as_unknown_is_not_shown_as_well_nor_producing_without_a_mark() {
        let mut status = well();
        status.machines[0].unapproved = true;
        status.machines.iter_mut().for_each(|m| m.uncounted = true);
        let text = status.text();
        assert!(!status.is_well() && !text.contains("正常 · well") && text.contains("look below"), "{text}");
        for machine in ["press-03", "press-04"] {
            let row = text.lines().find(|l| l.contains("producing") && l.contains(machine)).unwrap();
            assert!(row.contains("计为未知 counts as UNKNOWN"), "{row}");
            assert_eq!(row.contains("口径未批准 mapping not approved"), machine == "press-03", "{row}");
        }
        assert_eq!(text.matches("until the registrar approves").count(), 1, "{text}");
    }

    #[test]
    fn pain_17_a_bus_without_room_is_shown() {
        let mut status = well();
        status.links[0].busy_permille = Some(123);
        let text = status.text();
        assert!(text.contains("7 / 2 / 13 %") && !text.contains("the bus is nearly always busy"), "{text}");
        status.links[0].busy_permille = Some(960);
        let text = status.text();
        assert!(text.contains("96 %") && text.contains("hall-a: 总线几乎占满"), "{text}");
        assert!(status.metrics().contains("plumbline_agent_link_busy_permille{link=\"hall-a\"} 960\n"));
    }

    #[test]
    fn metrics_escape_their_labels() {
        let metrics = status().metrics();
        assert!(metrics.contains("plumbline_agent_statements_waiting{project=\"SY\\\"1\"} 3\n"), "{metrics}");
        assert!(metrics.contains("plumbline_agent_link_up{link=\"hall-a\"} 0\n"));
    }

    #[test]
    fn the_json_is_read_back() {
        let status = status();
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
    }

    #[test]
    fn control_characters_of_a_device_do_not_reach_the_terminal() {
        let mut status = status();
        status.machines[0].name = "x\u{1b}[2J".into();
        assert!(!status.text().contains('\u{1b}'));
    }
}

//! `browse`: looks through an OPC UA server before its points are written. Shows variables with a live value, and
//! the `node` line of configuration to paste.
//!
//! It only reads, a bounded number of nodes for a bounded time. It is not the agent: nothing is recorded.

use super::{Exit, Failure};
use crate::configuration::one_link;
use crate::runtime::SystemClock;
use clap::Args;
use protocols::opcua::{self, Browsed, Limits, Node, NodeAddress, Reading, Search, Settings};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Levels without `--find`: machine, component, variable; and with it, all that a server has.
const LEVELS: usize = 4;
const LEVELS_TO_FIND: usize = 20;

/// Where to look and for what.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["link", "address"]))]
pub struct Browse {
    /// 配置文件中的 OPC UA 链路（需 --config） / an OPC UA link of the configuration, with --config
    #[arg(long, value_name = "ID", requires = "config")]
    link: Option<String>,
    /// 配置文件（其余部分可以未完成） / the configuration; the rest of it may be unfinished
    #[arg(long, value_name = "FILE", requires = "link")]
    config: Option<PathBuf>,
    /// 或直接给地址，不加密、匿名 / or an address, without security and user: `opc.tcp://192.0.2.21:4840`
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// 从哪个节点开始 / where to begin, such as "nsu=urn:example:cnc;s=Channel1"
    #[arg(long, value_name = "NODE")]
    under: Option<NodeAddress>,
    /// 名称或节点号中的文字 / text in a name or a node, in any case
    #[arg(long, value_name = "TEXT")]
    find: Option<String>,
    /// 向下几层 / how many levels down (4; with --find 20)
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,
    /// 最多看多少个节点 / how many nodes to look at, at most
    #[arg(long, value_name = "NODES", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    most: u32,
    /// 最长时间，秒 / how long to look, at most, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

/// See the module.
pub fn browse(wanted: &Browse) -> Result<Exit, Failure> {
    let settings = match (&wanted.link, &wanted.config, &wanted.address) {
        (Some(link), Some(config), _) => settings_of(config, link)?,
        (_, _, address) => {
            read(&json!({"address": address.clone().unwrap_or_default(), "security": "none"}))?
        }
    };
    let depth = wanted.depth.unwrap_or(if wanted.find.is_some() { LEVELS_TO_FIND } else { LEVELS });
    let search = Search {
        under: wanted.under.clone(),
        find: wanted.find.clone(),
        limits: Limits {
            depth,
            nodes: usize::try_from(wanted.most).unwrap_or(usize::MAX),
            time: Duration::from_secs(u64::from(wanted.seconds)),
        },
    };
    println!("{} …", settings.address.url);
    let asked = super::runtime()?.block_on(opcua::browse(settings, &search, Arc::new(SystemClock::new())));
    let browsed = asked.map_err(|e| Failure::of(Exit::Environment, e))?;
    print!("{}", shown(&browsed, &search));
    Ok(if browsed.nodes.is_empty() { Exit::No } else { Exit::Fine })
}

/// The settings of an OPC UA link of a configuration, which may be unfinished otherwise.
pub(super) fn settings_of(config: &Path, link: &str) -> Result<Settings, Failure> {
    read(&one_link(config, link, "opcua").map_err(|e| Failure::of(Exit::Use, e))?)
}

fn read(table: &Value) -> Result<Settings, Failure> {
    Settings::read(table).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::of(Exit::Use, anyhow::anyhow!(all.join("\n")))
    })
}

fn shown(browsed: &Browsed, search: &Search) -> String {
    let mut out = String::new();
    let mut above: &[String] = &[];
    for node in &browsed.nodes {
        if search.find.is_some() && node.path != above {
            above = &node.path;
            line(&mut out, 0, &format!("[{}]", node.path.join(" / ")));
        }
        let indent = if search.find.is_some() { 1 } else { node.path.len() };
        one(&mut out, indent, node);
    }
    if browsed.nodes.is_empty() {
        line(&mut out, 0, NOTHING);
    }
    let (count, looked_at) = (browsed.nodes.len(), browsed.looked_at);
    line(
        &mut out,
        0,
        &format!("显示 {count} 个，共看 {looked_at} 个节点 · {count} shown of {looked_at} nodes looked at"),
    );
    if browsed.cut {
        line(&mut out, 0, CUT);
    }
    out
}

const NOTHING: &str = "没有找到；换个文字、加大 --depth，或从别处 --under 开始 · nothing found: try another text, more --depth, or \
    another --under";

const CUT: &str = "到达上限，未看完；用 --under 缩小范围，或加大 --most、--seconds · a limit was reached before the end: begin \
    deeper with --under, or raise --most or --seconds";

/// An object is a line; a variable is its value and the line to paste.
fn one(out: &mut String, indent: usize, node: &Node) {
    let Some(reading) = &node.reading else {
        let address = node.address.as_ref().map_or_else(String::new, |address| format!("   {address}"));
        return line(out, indent, &format!("{}{address}", node.name));
    };
    line(out, indent, &format!("{} = {}", node.name, value(reading)));
    match &node.address {
        Some(address) => {
            // A JSON string is a basic string of TOML.
            let mut paste = format!("node = {}", json!(address.to_string()));
            if reading.array {
                paste.push_str(", index = 0");
            }
            line(out, indent + 2, &paste);
        }
        None => line(
            out,
            indent + 2,
            "该节点的命名空间没有 URI，无法配置 · its namespace has no URI: it cannot be configured",
        ),
    }
}

fn value(reading: &Reading) -> String {
    let mut text = if reading.shows.is_empty() { "–".to_owned() } else { reading.shows.clone() };
    if !reading.kind.is_empty() {
        let _ = write!(text, "   {}", reading.kind);
    }
    if let Some(status) = &reading.status {
        let _ = write!(text, "   状态 status {status}");
    }
    if !reading.scalar && !reading.array && reading.status.is_none() {
        let why = if reading.kind.is_empty() {
            "此刻无值 · no value now"
        } else {
            "不能作测点 · no point can hold it"
        };
        text.push_str("   ");
        text.push_str(why);
    }
    text
}

fn line(out: &mut String, indent: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = indent * 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, kind: &str, shows: &str, status: Option<&str>) -> Node {
        Node {
            path: vec!["CNC".to_owned()],
            name: name.to_owned(),
            address: format!("nsu=urn:cnc;s={name}").parse().ok(),
            reading: Some(Reading {
                kind: kind.to_owned(),
                shows: shows.to_owned(),
                status: status.map(str::to_owned),
                scalar: status.is_none() && !kind.ends_with(']'),
                array: kind.ends_with(']'),
            }),
        }
    }

    fn search(find: Option<&str>) -> Search {
        let limits = Limits { depth: 4, nodes: 10, time: Duration::from_secs(1) };
        Search { under: None, find: find.map(str::to_owned), limits }
    }

    #[test]
    fn a_variable_is_its_value_and_a_line_to_paste() {
        let cnc = Node { path: vec![], name: "CNC".to_owned(), address: "i=1".parse().ok(), reading: None };
        let nodes = vec![
            cnc,
            variable("主轴.\"转速\"", "Int32", "8400", None),
            variable("Axes", "Int32[3]", "[1, 2, 3]", None),
            variable("Door", "Boolean", "", Some("BadNotConnected (0x808A0000)")),
        ];
        let text = shown(&Browsed { nodes, looked_at: 4, cut: false }, &search(None));
        let want = "CNC   i=1\n  主轴.\"转速\" = 8400   Int32\n      node = \"nsu=urn:cnc;s=主轴.\\\"转速\\\"\"\n  \
                    Axes = [1, 2, 3]   Int32[3]\n      node = \"nsu=urn:cnc;s=Axes\", index = 0\n  \
                    Door = –   Boolean   状态 status BadNotConnected (0x808A0000)\n      node = \"nsu=urn:cnc;s=Door\"\n\
                    显示 4 个，共看 4 个节点 · 4 shown of 4 nodes looked at\n";
        assert_eq!(text, want);
    }

    #[test]
    fn what_was_searched_for_is_shown_with_the_place_it_lies_in() {
        let nodes = vec![variable("A", "Int32", "1", None), variable("B", "Int32", "2", None)];
        let text = shown(&Browsed { nodes, looked_at: 900, cut: true }, &search(Some("a")));
        assert_eq!(text.matches("[CNC]").count(), 1, "{text}");
        assert!(text.contains("2 shown of 900") && text.contains(CUT), "{text}");
        let none = shown(&Browsed { nodes: vec![], looked_at: 900, cut: false }, &search(Some("a")));
        assert!(none.contains(NOTHING), "{none}");
    }
}

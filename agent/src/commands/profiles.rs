//! Device profiles in words: the list of them, one of them whole, and what a machine's states rest on. Alignment rests
//! on ASCII only, lines stay within 80 columns.

use super::{Exit, Failure};
use crate::configuration::{Confidence, Machine, Profile, ProfileHeader, profile_names, unknown_profile};
use crate::state::EvidenceClass;
use observation::Value;
use std::fmt::Write as _;

/// Prints the list.
pub(super) fn all() -> Exit {
    print!("{}", list());
    Exit::Fine
}

/// Prints one profile.
pub(super) fn one(name: &str) -> Result<Exit, Failure> {
    let Some(profile) = Profile::named(name) else {
        let (message, near) = unknown_profile(name);
        let near = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
        return Err(Failure::of(Exit::Use, anyhow::anyhow!("{message}{near}")));
    };
    print!("{}", whole(&profile));
    Ok(Exit::Fine)
}

fn list() -> String {
    let mut out = String::new();
    line(&mut out, "在 [[machine]] 中写 profile = \"名称\"；规则随程序，无需拷贝文件。");
    line(&mut out, "Write profile = \"name\" in [[machine]]; the rules are part of the program.");
    for profile in profile_names().filter_map(Profile::named) {
        let header = profile.header();
        line(&mut out, "");
        let (class, letter) = (&header.class, header.confidence.letter());
        line(&mut out, &format!("{}   证据等级至多 · class at best {class}   [{letter}]", header.name));
        paragraph(&mut out, "  ", &header.zh);
        paragraph(&mut out, "  ", &header.en);
        let names = |required: bool| {
            let points = profile.points().into_iter().filter(|point| point.required == required);
            points.map(|point| point.name).collect::<Vec<_>>().join(", ")
        };
        paragraph(&mut out, "  ", &format!("必需 needs: {}", names(true)));
        paragraph(&mut out, "  ", &format!("可选 may have: {}", names(false)));
    }
    line(&mut out, "");
    for confidence in [Confidence::Primary, Confidence::Knowledge, Confidence::Decided] {
        let (zh, en) = confidence.meaning();
        paragraph(&mut out, "", &format!("[{}] {zh}", confidence.letter()));
        paragraph(&mut out, "    ", en);
    }
    line(&mut out, "");
    line(&mut out, "一个类型的测点与规则 · points and rules of one: check --profile NAME");
    out
}

fn whole(profile: &Profile) -> String {
    let mut out = String::new();
    let header = profile.header();
    line(&mut out, &format!("{}   证据等级至多 · class at best {}", header.name, header.class));
    paragraph(&mut out, "  ", &header.zh);
    paragraph(&mut out, "  ", &header.en);
    out.push_str(&said_of(header, "  "));
    for (title, is_input) in [("[machine.points]", false), ("[machine.inputs]", true)] {
        let points: Vec<_> = profile.points().into_iter().filter(|p| p.is_input == is_input).collect();
        if !points.is_empty() {
            line(&mut out, "");
            line(&mut out, title);
        }
        for point in points {
            let need = match (&point.absent, point.required) {
                (_, true) => "必需 needed".to_owned(),
                (Some(value), _) => format!("缺省当作 without it {}", text(value)),
                _ => "可选 optional".to_owned(),
            };
            line(&mut out, &format!("  {:<16} {need}", point.name));
            paragraph(&mut out, "                   ", &point.about);
        }
    }
    let rules = profile.rules_as_written();
    if !rules.is_empty() {
        line(&mut out, "");
        line(&mut out, "规则（自己写 [machine.state] 时整表替换；按状态次序判断）");
        line(&mut out, "Rules (a [machine.state] replaces them all; tried in the order of the states)");
    }
    for table in ["state", "flags"] {
        let own: Vec<_> = rules.iter().filter(|(of, ..)| *of == table).collect();
        if !own.is_empty() {
            line(&mut out, "");
            line(&mut out, &format!("[machine.{table}]"));
        }
        for (_, key, rule) in own {
            // Lines to paste are not broken.
            line(&mut out, &format!("{key} = {rule}"));
        }
    }
    out
}

/// Source, confidence and limits.
fn said_of(header: &ProfileHeader, indent: &str) -> String {
    let mut out = String::new();
    let (zh, en) = header.confidence.meaning();
    paragraph(&mut out, indent, &format!("来源 source: {}", header.source));
    paragraph(&mut out, indent, &format!("可信度 confidence [{}]: {zh}", header.confidence.letter()));
    paragraph(&mut out, indent, en);
    paragraph(&mut out, indent, &format!("看不出 it cannot tell: {}", header.cannot_zh));
    paragraph(&mut out, indent, &header.cannot_en);
    out
}

/// What the states of a machine rest on: class, profile, and what was taken for granted.
pub(super) fn of_machine(machine: &Machine) -> String {
    let mut out = String::new();
    line(&mut out, &format!("  证据等级 · evidence class {}", machine.class.letter()));
    if machine.class == EvidenceClass::C {
        paragraph(&mut out, "    ", "运行模式未测量，按声明算作加工模式");
        paragraph(&mut out, "    ", "its mode is not measured: it is declared to be processing");
    }
    let Some(used) = &machine.profile else { return out };
    let header = &used.header;
    if used.own_states {
        line(&mut out, &format!("  设备类型 · profile {}", header.name));
        paragraph(&mut out, "    ", "状态规则为本配置自写 · with a state table of its own");
        return out;
    }
    line(&mut out, &format!("  设备类型 · profile {} [{}]", header.name, header.confidence.letter()));
    if header.confidence == Confidence::Knowledge {
        let (zh, en) = header.confidence.meaning();
        paragraph(&mut out, "    ", &format!("注意 {zh}"));
        paragraph(&mut out, "    ", &format!("note: {en}"));
    }
    for (name, value) in &used.granted {
        let value = text(value);
        paragraph(
            &mut out,
            "    ",
            &format!("没有测点 {name}，一律当作 {value} · no {name}: taken as {value}"),
        );
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Text(s) => format!("{s:?}"),
    }
}

const COLUMNS: usize = 80;

/// How wide a character is on a terminal: what is not ASCII is taken to be as wide as a Chinese one.
fn width(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

/// Broken between words, and between Chinese characters; continued lines are indented further.
fn paragraph(out: &mut String, indent: &str, text: &str) {
    let mut row = indent.to_owned();
    let mut used = indent.len();
    for piece in pieces(text) {
        let wide: usize = piece.trim_end().chars().map(width).sum();
        if used + wide > COLUMNS && used > indent.len() + 2 {
            line(out, &row);
            row = format!("{indent}  ");
            used = row.len();
        }
        row.push_str(piece);
        used += piece.chars().map(width).sum::<usize>();
    }
    line(out, &row);
}

/// Words with the blanks behind them, and single Chinese characters with the punctuation behind them.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = vec![];
    let mut from = 0;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let breaks = before.is_some_and(|b| {
            (b == ' ' && c != ' ')
                || (!b.is_ascii() && c != ' ' && !"，。；：、）！？".contains(c) && !"（“".contains(b))
                || (b.is_ascii() && b != '(' && b != '"' && !c.is_ascii() && !"，。；：、）！？”".contains(c))
        });
        if breaks {
            pieces.push(&text[from..at]);
            from = at;
        }
        before = Some(c);
    }
    pieces.push(&text[from..]);
    pieces
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Configuration;
    use std::path::Path;

    #[track_caller]
    fn fits(text: &str) {
        for line in text.lines().filter(|line| !line.contains(" = ")) {
            let columns: usize = line.chars().map(width).sum();
            assert!(columns <= COLUMNS, "{columns} columns: {line}");
        }
    }

    #[test]
    fn every_profile_is_listed_with_source_confidence_and_what_it_cannot_tell() {
        let list = list();
        fits(&list);
        for profile in profile_names().filter_map(Profile::named) {
            let header = profile.header();
            assert!(list.contains(&format!("\n{}   ", header.name)), "{}", header.name);
            let whole = whole(&profile);
            fits(&whole);
            for want in ["来源 source:", "可信度 confidence [", "看不出 it cannot tell:", "必需 needed"]
            {
                assert!(whole.contains(want), "{}: {want} is missing in\n{whole}", header.name);
            }
        }
        assert!(list.contains("[K]") && list.contains("not compared with the maker's document"), "{list}");
    }

    #[test]
    fn a_profile_that_does_not_exist_is_a_mistake_of_use_with_the_nearest_name() {
        let failure = one("opcua-4050").unwrap_err();
        assert_eq!(failure.exit, Exit::Use);
        assert!(failure.error.to_string().contains("did you mean `opcua-4050"), "{}", failure.error);
    }

    /// The rules as printed can be pasted: they are the profile's own.
    #[test]
    fn the_rules_that_are_shown_are_read_as_those_of_the_profile() {
        let example = include_str!("../../../config/examples/agent.toml");
        let (before, rest) = example.split_once("\n[machine.state]").unwrap();
        let (_, behind) = rest.split_once("\n[machine.flags]").unwrap();
        let read = |state: &str| {
            let text = format!("{before}\n{state}\n[machine.flags]{behind}");
            let mut read = Configuration::parse("agent.toml", &text, Path::new("/")).unwrap();
            read.machines.remove(0)
        };
        let whole = whole(&Profile::named("opcua-40502").unwrap());
        let (_, printed) = whole.split_once("[machine.state]\n").unwrap();
        let alarm = "alarm = { link = \"cnc-01\", node = \"nsu=urn:example:cnc;s=Alarm\" }";
        let over = "override = { link = \"cnc-01\", node = \"nsu=urn:example:cnc;s=Override\" }";
        let inputs =
            |text: &str| text.replace("[machine.inputs]", &format!("{alarm}\n{over}\n[machine.inputs]"));
        let text = format!("{before}\n\n[machine.flags]{behind}");
        let profile =
            Configuration::parse("agent.toml", &inputs(&text), Path::new("/")).unwrap().machines.remove(0);
        let text = format!("{before}\n[machine.state]\n{printed}\n[machine.flags]{behind}");
        let pasted =
            Configuration::parse("agent.toml", &inputs(&text), Path::new("/")).unwrap().machines.remove(0);
        assert_eq!(pasted.mapping, profile.mapping);
        assert!(of_machine(&pasted).contains("with a state table of its own"));
        let lacking = of_machine(&read(""));
        fits(&lacking);
        assert!(lacking.contains("profile opcua-40502 [F]"), "{lacking}");
        assert!(
            lacking.contains("no alarm: taken as false") && lacking.contains("no override: taken as 100"),
            "{lacking}"
        );
    }

    #[test]
    fn a_profile_from_general_knowledge_says_so_and_class_c_says_that_its_mode_is_declared() {
        let example = include_str!("../../../config/examples/agent.toml");
        let (before, rest) = example.split_once("\n[machine.state]").unwrap();
        let (_, behind) = rest.split_once("\n[machine.flags]").unwrap();
        let text = format!("{before}\n[machine.flags]{behind}").replace("opcua-40502", "siemens-840d");
        let machines = Configuration::parse("agent.toml", &text, Path::new("/")).unwrap().machines;
        let cnc = of_machine(&machines[0]);
        fits(&cnc);
        assert!(cnc.contains("[K]") && cnc.contains("注意 凭一般知识"), "{cnc}");
        assert!(cnc.contains("not compared with the maker's document"), "{cnc}");
        let press = of_machine(&machines[1]);
        assert!(press.contains("evidence class C") && press.contains("declared to be processing"), "{press}");
    }
}

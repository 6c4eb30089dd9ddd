//! A genesis as a table for the person who signs it. Every foreign text is made harmless for a terminal.

use std::fmt::Write as _;

use evidence::payload::{Flags, Genesis, Machine};
use report::text::{clip, columns, visible};
use report::{Lang, moment};

/// The whole genesis: the project, the keys, the machines.
pub fn text(genesis: &Genesis, lang: Lang) -> String {
    let mut out = String::new();
    facts(&mut out, genesis, lang);
    let _ = writeln!(out, "\n{}", lang.t("密钥", "Keys"));
    let keys = genesis
        .keys
        .iter()
        .map(|k| [k.id.clone(), k.role.text().to_owned(), k.key.kid().to_string()])
        .collect();
    let heads = [lang.t("标识", "id"), lang.t("角色", "role"), lang.t("公钥指纹", "key id")];
    table(&mut out, &heads, keys);
    out.push_str(lang.t(
        "公钥指纹须与采集端 init 时显示的一致，请当面或电话核对。\n",
        "Each key id must be the one that `plumbline-agent init` showed on that box: compare by voice.\n",
    ));
    let _ = writeln!(out, "\n{}（{}）", lang.t("设备", "Machines"), genesis.machines.len());
    let heads = [
        "#",
        lang.t("标识", "id"),
        lang.t("名称", "name"),
        lang.t("产线", "line"),
        lang.t("采集端", "agent"),
        lang.t("标志", "flags"),
        lang.t("额定 W", "rated W"),
        lang.t("节拍 ms", "cycle ms"),
        lang.t("状态映射", "mapping"),
    ];
    table(&mut out, &heads, genesis.machines.iter().map(|m| machine(m, lang)).collect());
    out.push_str(lang.t(
        "标志：关 关键工序 · 数 数控 · 字 数字化 · 国 国产。计划节拍/理论节拍用“/”分开。\n",
        "Flags: K key operation · N numerically controlled · D digital · C domestic. Planned/theoretical cycle.\n",
    ));
    definitions(&mut out, genesis, lang);
    out
}

fn facts(out: &mut String, g: &Genesis, lang: Lang) {
    let mut fact = |label: &str, value: String| {
        let pad = " ".repeat(usize::try_from(22u32.saturating_sub(columns(label))).unwrap_or(0));
        let _ = writeln!(out, "{label}{pad}{}", visible(&value));
    };
    fact(lang.t("项目", "project"), g.project.clone());
    if g.demo {
        fact(lang.t("性质", "nature"), lang.t("演示，不是证据", "demonstration, not evidence").to_owned());
    }
    fact(lang.t("日志名", "log origin"), g.origin.clone());
    fact(lang.t("日志公钥", "log key"), g.log_vkey.clone());
    fact(lang.t("回执公钥", "receipt key"), g.receipt_key.to_string());
    let none = lang.t("无", "none");
    fact(
        lang.t("运营方时间公钥", "operator time key"),
        g.operator_time_vkey.clone().unwrap_or(none.to_owned()),
    );
    fact(lang.t("见证方规则", "witness policy"), g.witness_policy.clone().unwrap_or(none.to_owned()));
    fact(
        lang.t("时间窗", "window"),
        format!(
            "{} s × {} {}",
            g.step_s,
            g.windows_per_statement,
            lang.t("个时间窗一份声明", "windows a statement")
        ),
    );
    fact(lang.t("允许迟到", "allowed lag"), moment::length(u64::from(g.max_lag_s) * 1000, lang));
    fact(lang.t("时钟容差", "clock tolerance"), moment::length(u64::from(g.clock_tolerance_s) * 1000, lang));
    fact(lang.t("时区", "zone"), moment::zone(g.utc_offset_min));
    let shifts = match g.calendar.shifts.len() {
        0 => lang.t("全天候 24/7", "around the clock, 24/7").to_owned(),
        n => format!("{n} {}", lang.t("个班次", "shifts")),
    };
    let orders = match (g.calendar.always_order, g.calendar.orders.len()) {
        (true, _) => lang.t("视为一直有订单", "always with an order").to_owned(),
        (false, n) => format!("{n} {}", lang.t("个订单", "orders")),
    };
    fact(lang.t("日历", "calendar"), format!("{} · {shifts} · {orders}", g.calendar.name));
    fact(
        lang.t("原始数据保留", "raw data kept"),
        format!("{} {}", g.raw_retention_days, lang.t("天", "days")),
    );
    for period in &g.periods {
        fact(
            lang.t("期间", "period"),
            format!("{}  {}", period.name, moment::range(period.from, period.to, g.utc_offset_min)),
        );
    }
}

fn machine(m: &Machine, lang: Lang) -> [String; 9] {
    let number = |n: Option<u64>| n.map_or("–".to_owned(), |n| n.to_string());
    [
        m.index.to_string(),
        m.id.clone(),
        m.name.clone(),
        m.line.clone(),
        m.agent.clone(),
        flags(m.flags, lang),
        number(m.rated_w),
        format!("{}/{}", number(m.planned_cycle_ms), number(m.theoretical_cycle_ms)),
        hex::encode(&m.mapping[..6]),
    ]
}

fn flags(f: Flags, lang: Lang) -> String {
    let words = [
        (f.key_operation, lang.t("关", "K")),
        (f.numerically_controlled, lang.t("数", "N")),
        (f.digital, lang.t("字", "D")),
        (f.domestic, lang.t("国", "C")),
    ];
    let set: String = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
    if set.is_empty() { "–".to_owned() } else { set }
}

/// The definitions' texts are what the hashes stand for, so they are shown in full, indented.
fn definitions(out: &mut String, g: &Genesis, lang: Lang) {
    let _ = writeln!(out, "\n{}", lang.t("状态映射与定义", "Mappings and definitions"));
    for definition in &g.definitions {
        let _ = writeln!(out, "  {}  sha256 {}", visible(&definition.id), hex::encode(definition.hash));
        for line in definition.text.lines() {
            let _ = writeln!(out, "      {}", visible(line));
        }
    }
}

/// Columns as wide as their widest cell, names cut at 32 columns.
fn table<const N: usize>(out: &mut String, heads: &[&str; N], rows: Vec<[String; N]>) {
    let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| shown(&cell))).collect();
    let widths: Vec<u32> = (0..N)
        .map(|i| rows.iter().map(|r| columns(&r[i])).max().unwrap_or(0).max(columns(heads[i])))
        .collect();
    line(out, &heads.map(str::to_owned), &widths);
    for row in &rows {
        line(out, row, &widths);
    }
}

fn shown(cell: &str) -> String {
    let cell = visible(cell);
    let is_key =
        cell.starts_with("sm2:") || (cell.len() == 64 && cell.chars().all(|c| c.is_ascii_hexdigit()));
    if is_key { cell } else { clip(&cell, 32) }
}

fn line(out: &mut String, cells: &[String], widths: &[u32]) {
    out.push(' ');
    for (cell, width) in cells.iter().zip(widths) {
        let pad = usize::try_from(width.saturating_sub(columns(cell))).unwrap_or(0);
        let _ = write!(out, " {cell}{:pad$} ", "");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

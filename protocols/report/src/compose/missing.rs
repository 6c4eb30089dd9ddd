//! What is not there, said so that it can be asked about. The same stretch missing for several machines is
//! one row, because it is one question.

use std::collections::BTreeMap;

use kpi::Period;
use verify::report::{MachineReport, Presence, RangeList};

use super::Context;
use crate::model::Missing;
use crate::{Lang, number};

/// Rows that are listed; the rest is counted.
const ROWS: usize = 60;
/// Machines named in one row.
const NAMED: usize = 4;

/// Ways of not being there, the gravest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Missing,
    Lost,
    Premature,
    Unapproved,
    Late,
    Down,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Missing, Self::Lost, Self::Premature, Self::Unapproved, Self::Late, Self::Down];

    fn ranges(self, machine: &MachineReport) -> &RangeList {
        let r = &machine.ranges;
        match self {
            Self::Missing => &r.missing,
            Self::Lost => &r.lost,
            Self::Premature => &r.premature,
            Self::Unapproved => &r.unapproved,
            Self::Late => &r.late,
            Self::Down => &r.down,
        }
    }

    fn ms(self, p: &Presence) -> u64 {
        match self {
            Self::Missing => p.missing_ms,
            Self::Lost => p.lost_ms,
            Self::Premature => p.premature_ms,
            Self::Unapproved => p.unapproved_ms,
            Self::Late => p.late_ms,
            Self::Down => p.down_ms,
        }
    }

    fn words(self, lang: Lang) -> &'static str {
        let (zh, en) = match self {
            Self::Missing => ("没有任何签名记录", "no signed record"),
            Self::Lost => ("采集端声明记录已丢失", "the agent signed that records were lost"),
            Self::Premature => ("记录在发生之前就已生成", "records made before they happened"),
            Self::Unapproved => ("状态映射未经登记方批准", "state mapping not approved by the registrar"),
            Self::Late => ("上传过迟，不计入", "sent too late, not counted"),
            Self::Down => ("采集端停机（已签名声明）", "the agent was off (signed)"),
        };
        lang.t(zh, en)
    }

    fn ask(self, lang: Lang) -> &'static str {
        let (zh, en) = match self {
            Self::Missing => (
                "该时段为何没有记录；采集端留存的原件，或停电、检修单据",
                "why there is no record; the agent's stored originals, or papers on power cut or repair",
            ),
            Self::Lost => (
                "存储为何损坏；保留下来的损坏文件",
                "how the store was damaged; the damaged file that was kept aside",
            ),
            Self::Premature => ("这些数据从何而来", "where these data come from"),
            Self::Unapproved => (
                "谁、何时、为何改动映射；登记方的批准",
                "who changed the mapping, when and why; the registrar's approval",
            ),
            Self::Late => ("上传为何延迟；断网记录", "why it was sent late; records of the network failure"),
            Self::Down => {
                ("停机原因；停电、检修或停产单据", "why it was off; papers on power cut, repair or stoppage")
            }
        };
        lang.t(zh, en)
    }
}

/// The shares of all machine time by what is there, one line each.
pub(crate) fn shares(c: Context<'_>) -> Vec<String> {
    let p = &c.report.complete.presence;
    let total: u64 = Kind::ALL.iter().map(|k| k.ms(p)).sum::<u64>() + p.present_ms;
    if total == 0 {
        return Vec::new();
    }
    let line = |words: &str, ms: u64| match c.lang {
        Lang::Zh => format!("{words}：{}（{}）", c.length(ms), percent(ms, total)),
        Lang::En => format!("{words}: {} ({})", c.length(ms), percent(ms, total)),
    };
    let mut lines = vec![line(c.t("有效记录", "records that count"), p.present_ms)];
    lines.extend(Kind::ALL.into_iter().filter(|k| k.ms(p) > 0).map(|k| line(k.words(c.lang), k.ms(p))));
    lines
}

/// The rows, gravest kind first and the longest first within it, and how many ranges are not listed.
pub(crate) fn rows(c: Context<'_>) -> (Vec<Missing>, u64) {
    let mut ranges: BTreeMap<(Kind, Period), Vec<&MachineReport>> = BTreeMap::new();
    let mut unlisted = 0;
    for machine in &c.report.machines {
        for kind in Kind::ALL {
            let list = kind.ranges(machine);
            unlisted += list.omitted;
            for range in &list.first {
                ranges.entry((kind, *range)).or_default().push(machine);
            }
        }
    }
    let mut ranges: Vec<_> = ranges.into_iter().collect();
    ranges.sort_by_key(|((kind, range), _)| (*kind, std::cmp::Reverse(range.ms()), range.from));
    unlisted += u64::try_from(ranges.len().saturating_sub(ROWS)).unwrap_or(u64::MAX);
    let rows = ranges.into_iter().take(ROWS).map(|((kind, range), machines)| Missing {
        who: who(c, &machines),
        range: c.range(range),
        length: c.length(range.ms()),
        kind: kind.words(c.lang).to_owned(),
        ask: kind.ask(c.lang).to_owned(),
    });
    (rows.collect(), unlisted)
}

fn who(c: Context<'_>, machines: &[&MachineReport]) -> String {
    let n = machines.len();
    if n > 1 && n == c.report.machines.len() {
        return match c.lang {
            Lang::Zh => format!("全部 {n} 台设备"),
            Lang::En => format!("all {n} machines"),
        };
    }
    let names: Vec<&str> = machines
        .iter()
        .take(NAMED)
        .map(|m| if m.name.is_empty() { &m.id } else { &m.name }.as_str())
        .collect();
    let listed = names.join(c.t("、", ", "));
    match (n > NAMED, c.lang) {
        (false, _) => listed,
        (true, Lang::Zh) => format!("{listed} 等 {n} 台"),
        (true, Lang::En) => format!("{listed} and {} more", n - NAMED),
    }
}

fn percent(part: u64, whole: u64) -> String {
    let share =
        kpi::Rational::ratio(u128::from(part) * 100, u128::from(whole)).unwrap_or_else(kpi::Rational::zero);
    format!("{} %", number::decimal(&share, 2, kpi::round::Rounding::Down))
}

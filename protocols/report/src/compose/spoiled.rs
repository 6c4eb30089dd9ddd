//! Why “complete” is no, in words. Time without a record is one reason among several: windows that are there
//! and do not count are another, and must never be worded as nothing missing.

use kpi::Period;
use verify::code::Spoils;
use verify::report::{DefectGroup, Presence, RangeList, Ranges};

use super::{Context, Lang};

/// Reasons that are worded when only codes tell them; the defects list all.
const WORDED: usize = 2;

/// Time of which there is no record at all.
pub(crate) fn gone_ms(p: &Presence) -> u64 {
    p.missing_ms + p.lost_ms
}

/// A defect of time that nobody asked about, which spoils nothing.
pub(crate) fn lies_outside(group: &DefectGroup) -> bool {
    group.outside > 0 && group.outside == group.count
}

/// Half a sentence with every reason and its amount.
pub(crate) fn reasons(c: Context<'_>) -> String {
    let p = &c.report.complete.presence;
    let mut all = Vec::new();
    if gone_ms(p) > 0 {
        let gone = c.length(gone_ms(p));
        all.push(match c.lang {
            Lang::Zh => format!("各台设备合计缺 {gone}"),
            Lang::En => format!("{gone} of machine time are missing"),
        });
    }
    if p.premature_ms > 0 {
        let (ms, within) = (c.length(p.premature_ms), within(c, |r| &r.premature));
        all.push(match c.lang {
            Lang::Zh => format!("各台设备合计 {ms}{within}的数据在发生之前就已生成"),
            Lang::En => format!("{ms} of machine time{within} were recorded before they happened"),
        });
    }
    if p.unapproved_ms > 0 {
        let (ms, within) = (c.length(p.unapproved_ms), within(c, |r| &r.unapproved));
        all.push(match c.lang {
            Lang::Zh => format!("各台设备合计 {ms}{within}所用的状态映射未经登记方批准"),
            Lang::En => {
                format!("{ms} of machine time{within} were measured by a mapping nobody approved")
            }
        });
    }
    if all.is_empty() {
        all = groups(c).take(WORDED).map(|group| by_code(c, group)).collect();
    }
    if all.is_empty() {
        all.push(c.t("没有任何时间窗", "there is no window at all").to_owned());
    }
    all.join(c.t("；", ", and "))
}

/// What to ask when nothing is missing and yet something spoils “complete”.
pub(crate) fn ask(c: Context<'_>) -> Option<&'static str> {
    groups(c).next().map(|group| c.lang.t(group.ask_zh, group.ask_en))
}

fn groups(c: Context<'_>) -> impl Iterator<Item = &DefectGroup> {
    let report = c.report;
    report.defects.iter().filter(|group| group.spoils == Spoils::Complete && !lies_outside(group))
}

fn by_code(c: Context<'_>, group: &DefectGroup) -> String {
    let listed = u64::try_from(group.first.len()).is_ok_and(|n| n == group.count);
    let periods: Option<Vec<Period>> = group.first.iter().map(|d| d.period).collect();
    let range = periods.filter(|_| listed).and_then(|all| extent(all.into_iter()));
    let text = c.t(group.zh, group.en);
    format!("{text}{}", range.map_or_else(String::new, |range| bracketed(c, range)))
}

/// From the first to the last of the ranges of all machines, unless some were left out of the lists.
fn within(c: Context<'_>, list: impl Fn(&Ranges) -> &RangeList) -> String {
    let lists = || c.report.machines.iter().map(|machine| list(&machine.ranges));
    if lists().any(|list| list.omitted > 0) {
        return String::new();
    }
    let range = extent(lists().flat_map(|list| list.first.iter().copied()));
    range.map_or_else(String::new, |range| bracketed(c, range))
}

fn extent(all: impl Iterator<Item = Period>) -> Option<Period> {
    all.reduce(|a, b| Period { from: a.from.min(b.from), to: a.to.max(b.to) })
}

fn bracketed(c: Context<'_>, range: Period) -> String {
    match c.lang {
        Lang::Zh => format!("（{}）", c.range(range)),
        Lang::En => format!(" ({})", c.range(range)),
    }
}

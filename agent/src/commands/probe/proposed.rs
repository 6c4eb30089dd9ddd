//! What follows from a histogram, in words: the levels, the thresholds to paste, how the readings would have counted
//! with them, and what speaks against it. Or why nothing follows.

use super::drawn::{figures, line, power, share};
use crate::state::{Condition, Inputs, Rule, Rules, Side, StateTracker, Threshold};
use kpi::Leaf;
use kpi::threshold::{Doubt, PowerReading, Proposal, Refusal, Seen, Step};
use observation::{Decimal, Mono, Value};

/// The proposal in words, and the lines to paste.
pub(super) fn shown(seen: &Seen, proposal: &Proposal, readings: &[PowerReading]) -> String {
    let mut out = String::new();
    let span = hours(seen.span_ms);
    line(
        &mut out,
        &format!("{} 个读数 readings, {span}, 每 one in {} s", seen.readings, seconds(seen.interval_ms)),
    );
    line(&mut out, "");
    declared(&mut out, proposal);
    doubts(&mut out, &proposal.doubts);
    let thresholds = thresholds(proposal);
    line(&mut out, "");
    line(&mut out, "按此阈值，以上读数计为 · with these thresholds the readings count as:");
    for (leaf, ms) in counted(&thresholds, readings, seen) {
        let (time, part) = (hours(ms), share(ms, seen.span_ms));
        line(&mut out, &format!("  {time:>11}  {part:>7}  {} {}", leaf.en(), leaf.zh()));
    }
    line(&mut out, "请与当班记录核对 · compare with what the shift wrote down");
    line(&mut out, "");
    line(&mut out, "到第一个值开始，过了 release 才结束，其间保持原状；变化须持续 dwell 才算。");
    line(&mut out, "A state begins at the first value and ends beyond release; between the two it");
    line(&mut out, "stays as it was. A change counts once it has lasted for dwell.");
    line(&mut out, "");
    line(&mut out, "粘贴到该设备的 [[machine]] 下 · paste under its [[machine]]:");
    line(&mut out, "");
    line(&mut out, "[machine.state]");
    for (leaf, threshold) in &thresholds {
        line(&mut out, &paste(*leaf, threshold));
    }
    out
}

/// The levels that were seen; what each counts as, once that is said.
pub(super) fn levels(seen: &Seen, proposal: Option<&Proposal>) -> String {
    let mut out = String::new();
    for (place, mode) in seen.modes.iter().enumerate() {
        let number = place + 1;
        let state = proposal.map(|p| match number {
            n if n >= p.declared.producing => "producing 加工",
            n if n >= p.declared.idle => "idle 空闲",
            _ => "off 关机",
        });
        let range = format!("{} - {}", power(mode.low_mw), power(mode.high_mw));
        let (time, part) = (hours(mode.ms), share(mode.ms, seen.known_ms));
        line(
            &mut out,
            &format!("  [{number}] {range:>20}  {time:>11}  {part:>7}  {}", state.unwrap_or_default()),
        );
    }
    out
}

fn declared(out: &mut String, proposal: &Proposal) {
    let gap = |step: &Step| format!("{} - {}", power(step.from_mw), power(step.to_mw));
    line(out, &format!("各级之间的空档 · empty ground: {}", gap(&proposal.producing)));
    if let Some(on) = proposal.on.filter(|on| *on != proposal.producing) {
        line(out, &format!("                              {}", gap(&on)));
    }
    line(out, "功率看不出运行模式：哪一级算加工由您声明，证据等级 C。");
    line(out, "Power does not show the mode: which level is producing is what you declare;");
    line(out, "evidence class C.");
    if proposal.doubts.is_empty() {
        line(out, "结论清楚：满一天，各级分明。 · Clear: a whole day, levels well apart.");
    }
}

fn doubts(out: &mut String, doubts: &[Doubt]) {
    for doubt in doubts {
        let (zh, en) = match doubt {
            Doubt::ShortOfADay { span_ms } => (
                format!("只有 {}，不足一天：可能有状态没有出现", hours(*span_ms)),
                "less than a day: some state may not have occurred".to_owned(),
            ),
            Doubt::Unknown { known_ms, span_ms } => {
                let missing = span_ms.saturating_sub(*known_ms);
                (format!("缺 {} 的读数", hours(missing)), format!("{} are not known", hours(missing)))
            }
            Doubt::Close { from_mw, to_mw } => (
                format!("两级相近：{} 与 {}", power(*from_mw), power(*to_mw)),
                "two levels are near each other: check at the machine".to_owned(),
            ),
            Doubt::Between { ms } => {
                (format!("有 {} 落在两级之间", hours(*ms)), format!("{} lie between two levels", hours(*ms)))
            }
        };
        line(out, &format!("注意：{zh}"));
        line(out, &format!("  note: {en}"));
    }
}

/// A refusal in words, with what to do.
pub(super) fn refused(refusal: &Refusal) -> String {
    let zh = match refusal {
        Refusal::Order { number } => format!("第 {number} 个读数不晚于前一个：请按时间排序"),
        Refusal::TooFew { readings } => {
            format!("只有 {readings} 个读数，至少要 {}：读得更密或更久", kpi::threshold::FEWEST_READINGS)
        }
        Refusal::TooShort { span_ms } => format!("只有 {}，至少一小时，最好一整天", hours(*span_ms)),
        Refusal::Gaps { known_ms, span_ms } => {
            format!("{} 中只有 {} 有读数，缺的不得超过十分之一", hours(*span_ms), hours(*known_ms))
        }
        Refusal::TooSeldom { interval_ms } => {
            format!("每 {} s 一个读数太稀，看不出变化", seconds(*interval_ms))
        }
        Refusal::NoPower => "功率始终为零：检查互感器和寄存器".to_owned(),
        Refusal::OneMode => "功率只有一级：须在关机、空闲、加工都出现的一天里读".to_owned(),
        Refusal::Overlap => "各级混在一起：单凭功率分不出这台设备的状态".to_owned(),
        Refusal::Undeclared { modes } => {
            format!("有 {modes} 级，功率本身说不出哪级是空闲、哪级是加工，请声明")
        }
        Refusal::Declaration { modes } => format!("声明的级数不成立：共 {modes} 级"),
    };
    let mut out = String::new();
    line(&mut out, &format!("不建议阈值：{zh}"));
    line(&mut out, "No thresholds are proposed:");
    wrapped(&mut out, &refusal.to_string());
    if let Refusal::Undeclared { modes } | Refusal::Declaration { modes } = refusal {
        line(&mut out, "");
        line(&mut out, "看着设备核对上图各级后再运行一次 · compare the levels with the machine and say:");
        for (say, zh, en) in said(*modes) {
            line(&mut out, &format!("  {say:<24} {zh}"));
            line(&mut out, &format!("  {:24} {en}", ""));
        }
    }
    out
}

/// What can be said of so many levels.
fn said(modes: usize) -> Vec<(String, &'static str, &'static str)> {
    let of = |idle: usize, producing: usize| format!("--idle {idle} --producing {producing}");
    match modes {
        2 => vec![
            (of(1, 2), "[1] 空闲，[2] 加工，从未关机", "[1] idle, [2] producing, never off"),
            (of(2, 2), "[1] 关机，[2] 加工，从不空闲", "[1] off, [2] producing, never idle"),
        ],
        _ => vec![
            (of(2, modes), "[1] 关机，只有最高一级是加工", "[1] off, only the highest producing"),
            (of(2, 3), "[1] 关机，[2] 空闲，[3] 起加工", "[1] off, [2] idle, producing from [3]"),
        ],
    }
}

fn wrapped(out: &mut String, text: &str) {
    let mut row = String::from(" ");
    for word in text.split_whitespace() {
        if row.chars().count() + word.chars().count() + 1 > 78 {
            line(out, &row);
            row = String::from(" ");
        }
        row.push(' ');
        row.push_str(word);
    }
    line(out, &row);
}

/// The rules as they are pasted: levels to three digits.
pub(super) fn thresholds(proposal: &Proposal) -> Vec<(Leaf, Threshold)> {
    let threshold = |side, [watts, release]: [i64; 2]| Threshold {
        side,
        watts: watts_of(watts),
        release: watts_of(release),
        dwell_ms: proposal.dwell_ms,
    };
    let above = |step: &Step| [step.upper_mw, step.lower_mw];
    let below = |step: &Step| [step.lower_mw, step.upper_mw];
    let mut rules = vec![];
    let producing = &proposal.producing;
    match &proposal.on {
        Some(on) if on == producing => rules.push((Leaf::Off, threshold(Side::Below, below(on)))),
        Some(on) => {
            rules.push((Leaf::Off, threshold(Side::Below, below(on))));
            rules.push((Leaf::Idle, threshold(Side::Below, below(producing))));
        }
        None => rules.push((Leaf::Idle, threshold(Side::Below, below(producing)))),
    }
    rules.push((Leaf::Producing, threshold(Side::Above, above(producing))));
    rules
}

/// In W, as [`figures`] writes it.
fn watts_of(milliwatts: i64) -> Decimal {
    let (digits, unit) = figures(milliwatts);
    let exponent = match unit {
        "W" => 0,
        "kW" => 3,
        _ => 6,
    };
    let scale = Decimal::new(1, exponent).unwrap_or(Decimal::ZERO);
    digits.parse::<Decimal>().ok().and_then(|n| n.checked_mul(scale)).unwrap_or(Decimal::ZERO)
}

fn paste(leaf: Leaf, threshold: &Threshold) -> String {
    let side = if threshold.side == Side::Below { "power_below" } else { "power_above" };
    let text = |watts: Decimal| {
        let milliwatts = watts.at_exponent(-3).and_then(|mw| i64::try_from(mw).ok()).unwrap_or(0);
        let (digits, unit) = figures(milliwatts);
        format!("{digits}{unit}")
    };
    let (level, release) = (text(threshold.watts), text(threshold.release));
    let dwell = threshold.dwell_ms / 1000;
    format!("{:<9} = {{ {side} = \"{level}\", release = \"{release}\", dwell = \"{dwell}s\" }}", leaf.en())
}

struct Watts(Option<Value>);

impl Inputs for Watts {
    fn value(&self, _index: usize) -> Option<&Value> {
        self.0.as_ref()
    }

    fn age_ms(&self, _index: usize) -> Option<u64> {
        None
    }
}

/// How long the readings would have been in each state, by the agent's own rules; a reading holds for less than two
/// intervals.
pub(super) fn counted(
    thresholds: &[(Leaf, Threshold)],
    readings: &[PowerReading],
    seen: &Seen,
) -> Vec<(Leaf, u64)> {
    let rule =
        |(leaf, threshold): &(Leaf, Threshold)| Rule { leaf: *leaf, condition: Condition::Power(*threshold) };
    let rules = Rules::new(thresholds.iter().map(rule).collect(), [const { None }; 4], 1, Some(0));
    let first = readings.first().map_or(0, |reading| reading.at_ms);
    let at = |ms: i64| Mono(ms.abs_diff(first));
    let mut tracker = StateTracker::new(&rules, Mono(0));
    let mut last = Mono(0);
    for reading in readings {
        let now = at(reading.at_ms);
        let end = Mono(last.0.saturating_add(seen.interval_ms.saturating_mul(2)));
        if end < now {
            tracker.observe(end, &rules, &Watts(None));
        }
        let watts = reading.milliwatts.and_then(|mw| Decimal::new(i128::from(mw), -3));
        tracker.observe(now, &rules, &Watts(watts.map(Value::Number)));
        last = now;
    }
    let mut times = Leaf::ORDER_OF_RULES.map(|leaf| (leaf, 0u64));
    for segment in tracker.settle(last, &rules) {
        if let Some((_, ms)) = times.iter_mut().find(|(leaf, _)| *leaf == segment.leaf) {
            *ms += segment.to.0 - segment.from.0;
        }
    }
    let mut times: Vec<(Leaf, u64)> = times.into_iter().filter(|(_, ms)| *ms > 0).collect();
    // As the lines to paste, and what is not known last.
    let place = |leaf: Leaf| thresholds.iter().position(|(own, _)| *own == leaf).unwrap_or(usize::MAX);
    times.sort_by_key(|(leaf, _)| place(*leaf));
    times
}

fn hours(ms: u64) -> String {
    let minutes = ms / 60_000;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

fn seconds(ms: u64) -> String {
    match ms % 1000 {
        0 => (ms / 1000).to_string(),
        rest => format!("{}.{}", ms / 1000, rest / 100),
    }
}

#[cfg(test)]
#[path = "power_tests.rs"]
mod tests;

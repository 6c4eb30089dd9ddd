//! From what verification says to a worded document. Nothing is decided here and nothing computed beyond
//! sums of what is shown: verdicts, bounds and ranges are verification's, the words are ours.

mod facts;
mod figures;
mod missing;
mod names;
mod pictures;
mod spoiled;
#[cfg(test)]
mod tests;
mod verdicts;

use verify::Report;
use verify::code::Spoils;
use verify::report::{Answer, CompleteAnswer, Defect, DefectGroup, TimeGrade};

use crate::appendix::{self, Subject};
use crate::model::{Document, Finding, Level};
use crate::{Lang, moment, number};

/// Occurrences of one defect that are worded; the JSON has more.
const OCCURRENCES: usize = 3;

/// Language, zone and names: what every part below needs.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) report: &'a Report,
    pub(crate) lang: Lang,
    pub(crate) offset_min: i32,
}

impl<'a> Context<'a> {
    fn new(report: &'a Report, lang: Lang) -> Self {
        // Before a genesis is trusted there is no project zone; +08:00 is the format's default.
        let offset_min = report.project.as_ref().map_or(480, |p| p.utc_offset_min);
        Self { report, lang, offset_min }
    }

    fn t(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.t(zh, en)
    }

    fn range(&self, period: kpi::Period) -> String {
        moment::range(period.from, period.to, self.offset_min)
    }

    /// `UTC+08:00` in brackets, set as the language sets brackets.
    fn zone(&self) -> String {
        let zone = moment::zone(self.offset_min);
        match self.lang {
            Lang::Zh => format!("（{zone}）"),
            Lang::En => format!(" ({zone})"),
        }
    }

    fn length(&self, ms: u64) -> String {
        moment::length(ms, self.lang)
    }
}

/// The document of a report.
pub(crate) fn document(report: &Report, lang: Lang) -> Document {
    let c = Context::new(report, lang);
    let (level, summary) = summary(c);
    let mut document = Document {
        lang,
        demo: report.demonstration,
        project: report
            .project
            .as_ref()
            .map_or_else(|| c.t("（未知）", "(unknown)").to_owned(), |p| p.id.clone()),
        period: period(c),
        summary,
        level,
        identity: facts::identity(c),
        verdicts: verdicts::all(c),
        nothing_missing: nothing_missing(c),
        nothing_found: nothing_found(c).to_owned(),
        defects: report.defects.iter().map(|group| defect(c, group)).collect(),
        findings: report.plausible.findings.iter().map(|f| finding(c, f)).collect(),
        findings_unlisted: report.plausible.omitted.values().sum(),
        time: facts::time(c),
        method: facts::method(c),
        steps: appendix::steps(&subject(report), lang),
        ..Document::default()
    };
    (document.missing, document.missing_unlisted) = missing::rows(c);
    if let Some(figures) = &report.figures {
        figures::put(&mut document, c, figures);
        pictures::put(&mut document, c, figures);
    }
    document
}

fn subject(report: &Report) -> Subject {
    Subject {
        folder: report.log.as_ref().map(|l| l.folder.clone()),
        note_hash: report.log.as_ref().map_or_else(String::new, |l| l.note.clone()),
        log_vkey: report.trust.log.clone(),
        registrar: report.trust.registrar.clone(),
    }
}

/// What an empty table of missing time means: nothing is missing, or nobody could tell.
fn nothing_missing(c: Context<'_>) -> String {
    let words = match c.report.complete.verdict {
        CompleteAnswer::Undecided => c.lang.t(
            "未能判定：证据包读不到能够回答这个问题的程度。",
            "Not decided: the bundle could not be read far enough to answer this.",
        ),
        CompleteAnswer::TailUnseen => c.lang.t(
            "到最后一条记录为止没有缺失；末尾是否被截去无从得知。",
            "Nothing is missing up to the last record; whether the tail was cut off could not be seen.",
        ),
        CompleteAnswer::No => {
            let why = spoiled::reasons(c);
            return match c.lang {
                Lang::Zh => format!("没有可以逐段列出的缺失；使“完整”为否的是：{why}。"),
                Lang::En => format!("There are no ranges to list; “complete” is spoiled because {why}."),
            };
        }
        CompleteAnswer::Yes => c.lang.t(
            "没有缺失：名册中每台设备在本期的每个窗口都有签名记录。",
            "Nothing is missing: every window of every machine in the roster has a signed record \
             for this period.",
        ),
    };
    words.to_owned()
}

/// What an empty list of findings means.
fn nothing_found(c: Context<'_>) -> &'static str {
    if c.report.authentic.verdict == Answer::No {
        return c.lang.t(
            "没有检查：证据不成立，故不评判数据。",
            "Not checked: the evidence does not hold, so its data are not judged.",
        );
    }
    c.lang.t(
        "所查规则没有发现可疑之处。签名证明记录未被改动，不能证明传感器装对了：仍需现场核查。",
        "The rules that were applied found nothing conspicuous. A signature proves that records were not \
         altered; it cannot prove that a sensor was mounted right: a site visit is still needed.",
    )
}

fn period(c: Context<'_>) -> String {
    match c.report.complete.period {
        Some(period) => format!("{}{}", c.range(period), c.zone()),
        None => c.t("期间未知", "period unknown").to_owned(),
    }
}

/// The sentence an assessor takes away. The level follows the exit code; what only calls for questions
/// lowers it by one step and never to "no".
fn summary(c: Context<'_>) -> (Level, String) {
    let r = c.report;
    if r.authentic.verdict == Answer::No {
        let text = c.t(
            "证据不成立：内容与签署、入库时不一致，或不能证明一致。不得据此计算任何指标。",
            "The evidence does not hold: it is not what was signed and logged, or cannot be \
             shown to be. No figure may rest on it.",
        );
        return (Level::Bad, text.to_owned());
    }
    let (level, mut text) = match r.complete.verdict {
        CompleteAnswer::No => (
            Level::Bad,
            match c.lang {
                Lang::Zh => {
                    format!("证据真实，但不完整：{}。补齐或说明之前，不宜据此核定。", spoiled::reasons(c))
                }
                Lang::En => format!(
                    "The evidence is authentic but not complete: {}. Do not settle on it before \
                     that is made good or explained.",
                    spoiled::reasons(c)
                ),
            },
        ),
        CompleteAnswer::TailUnseen => (
            Level::Caution,
            c.t(
                "证据真实，到最后一条记录为止没有缺失；信任文件没有写明评估期，末尾是否被截去无从得知。",
                "The evidence is authentic and nothing is missing up to its last record; the \
                 trust file names no period, so a cut tail could not be seen.",
            )
            .to_owned(),
        ),
        CompleteAnswer::Undecided => (
            Level::Caution,
            c.t(
                "证据真实；是否完整未能判定。",
                "The evidence is authentic; whether it is complete could not be decided.",
            )
            .to_owned(),
        ),
        CompleteAnswer::Yes => {
            (Level::Good, c.t("证据真实且完整。", "The evidence is authentic and complete.").to_owned())
        }
    };
    match r.time.grade {
        TimeGrade::Witnessed { .. } => {}
        TimeGrade::OperatorOnly => {
            text.push_str(c.t("时间仅由运营方证明。", " Its times are attested by the operator only."));
        }
        TimeGrade::None => text.push_str(c.t("时间没有任何证明。", " Nobody attests its times.")),
    }
    if r.complete.verdict != CompleteAnswer::No && r.defects.iter().any(spoiled::lies_outside) {
        text.push_str(c.t(
            "评估期之外另有缺陷（见下），不影响本期。",
            " There are defects outside the period (see below); they do not touch it.",
        ));
    }
    if r.plausible.verdict == Answer::Yes {
        return (level, text);
    }
    text.push_str(
        c.t("另有可疑之处，须先问清。", " Some of it is conspicuous and should be asked about first."),
    );
    (level.max(Level::Caution), text)
}

fn defect(c: Context<'_>, group: &DefectGroup) -> Finding {
    let outside = spoiled::lies_outside(group);
    let spoils = match group.spoils {
        _ if outside => {
            c.t("在评估期之外，不影响本期是否完整", "outside the period; does not spoil “complete” for it")
        }
        Spoils::Authentic => c.t("使“真实”为否", "spoils “authentic”"),
        Spoils::Complete => c.t("使“完整”为否", "spoils “complete”"),
    };
    let mut places: Vec<String> = group.first.iter().take(OCCURRENCES).map(|d| place(c, d)).collect();
    places.dedup();
    let more = group.count.saturating_sub(u64::try_from(places.len()).unwrap_or(u64::MAX));
    if more > 0 {
        places.push(format!("{}{}", c.t("另有处数：", "further places: "), number::count(more)));
    }
    places.insert(0, spoils.to_owned());
    Finding {
        code: group.code.text().to_owned(),
        level: if outside { Level::Note } else { Level::Bad },
        text: names::capital(c.t(group.zh, group.en)),
        places,
        ask: names::capital(c.t(group.ask_zh, group.ask_en)),
    }
}

fn place(c: Context<'_>, d: &Defect) -> String {
    let mut parts = Vec::new();
    if let Some(entry) = d.entry {
        parts.push(format!("{} {entry}", c.t("日志条目", "entry")));
    }
    if let Some(file) = &d.file {
        parts.push(file.clone());
    }
    if let (Some(kid), Some(seq)) = (&d.kid, d.seq) {
        let short: String = kid.chars().take(12).collect();
        parts.push(format!("{} {short}… #{seq}", c.t("数据流", "stream")));
    }
    if let Some(subject) = &d.subject {
        parts.push(names::of(c.report, subject));
    }
    if let Some(period) = d.period {
        parts.push(c.range(period));
    }
    if !d.detail.is_empty() {
        parts.push(d.detail.clone());
    }
    parts.join(" · ")
}

fn finding(c: Context<'_>, f: &verify::Finding) -> Finding {
    let mut first = format!("{} · {}", names::of(c.report, &f.subject), c.range(f.period));
    if let Some(other) = &f.other {
        first = format!("{first} · {} {}", c.t("对照", "compare"), names::of(c.report, other));
    }
    if let Some(period) = f.other_period {
        first = format!("{first} · {} {}", c.t("首见于", "first seen"), c.range(period));
    }
    let measured =
        format!("{} {} · {} {}", c.t("实测", "measured"), f.measured, c.t("界限", "threshold"), f.threshold);
    Finding {
        code: f.code.text().to_owned(),
        level: Level::Caution,
        text: names::capital(c.t(f.zh, f.en)),
        places: vec![first, measured],
        ask: c
            .t(
                "请企业解释，必要时到现场对照。",
                "Ask the enterprise to explain, and compare on site where needed.",
            )
            .to_owned(),
    }
}

//! The report's document as text for a terminal: the verdicts, what is missing, what to ask, the figures.
//! The words are those of the HTML page, so that the two can never disagree. Control characters in foreign
//! names were made visible before they reach the terminal.

use std::fmt::Write as _;
use std::io::IsTerminal;

use report::Lang;
use report::model::{Document, Finding, KpiBlock, Level, Missing, Verdict};
use report::text::{columns, visible, wrap};

const WIDTH: u32 = 78;
/// Ranges and findings beyond these are counted, not listed: the page and the JSON have more.
const LISTED: usize = 12;

/// Facts that identify a bundle: checkpoint hash, tree size, root. Keys and origin are on the page.
const IDENTIFYING: usize = 3;

/// How the text may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Characters alone.
    #[default]
    Plain,
    /// ANSI colours beside the signs.
    Colour,
}

impl Paint {
    /// Colours for a person at a terminal who did not ask for none (`NO_COLOR`), else characters alone.
    pub fn for_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        if wanted && std::io::stdout().is_terminal() { Self::Colour } else { Self::Plain }
    }
}

/// The summary, ending in a line end.
pub fn text(document: &Document, paint: Paint) -> String {
    let mut out = Out { text: String::new(), paint, lang: document.lang };
    out.head(document);
    for verdict in &document.verdicts {
        out.verdict(verdict);
    }
    out.findings(document.lang.t("缺陷", "Defects"), &document.defects, 0);
    out.missing(&document.missing, document.missing_unlisted);
    out.kpis(&document.kpis);
    out.findings(document.lang.t("可疑之处", "Findings"), &document.findings, document.findings_unlisted);
    out.heading(document.lang.t("证据包", "Bundle"));
    for fact in document.identity.iter().take(IDENTIFYING) {
        out.line(2, &format!("{}  {}", fact.label, visible(&fact.value)));
    }
    out.text
}

struct Out {
    text: String,
    paint: Paint,
    lang: Lang,
}

impl Out {
    fn head(&mut self, d: &Document) {
        let title = self.lang.t("准绳核验", "Plumbline verification");
        self.line(0, &format!("{title} · {} · {}", visible(&d.project), d.period));
        if d.demo {
            let banner =
                self.coloured(Level::Caution, "*** 演示，不是证据 · DEMONSTRATION, NOT EVIDENCE ***");
            let _ = writeln!(self.text, "{banner}");
        }
        self.text.push('\n');
        self.signed(d.level, 0, &d.summary);
    }

    fn verdict(&mut self, v: &Verdict) {
        let title = format!("{}{}{}", v.name, self.lang.t("：", ": "), v.answer);
        self.text.push('\n');
        self.signed(v.level, 0, &title);
        self.line(2, &v.sentence);
        for detail in &v.details {
            self.line(4, &visible(detail));
        }
        if !v.ask.is_empty() {
            self.line(2, &format!("→ {}{}", self.lang.t("下一步：", "next: "), visible(&v.ask)));
        }
    }

    fn missing(&mut self, rows: &[Missing], unlisted: u64) {
        if rows.is_empty() {
            return;
        }
        self.heading(self.lang.t("缺什么、缺在何时、该问什么", "What is missing, when, and what to ask"));
        for row in rows.iter().take(LISTED) {
            self.line(2, &format!("{} · {} · {} · {}", visible(&row.who), row.range, row.length, row.kind));
            self.line(4, &format!("→ {}", row.ask));
        }
        self.more(beyond(rows.len()) + unlisted);
    }

    fn kpis(&mut self, kpis: &[KpiBlock]) {
        if kpis.is_empty() {
            return;
        }
        self.heading(self.lang.t(
            "指标（区间：未知时间按最不利与最有利计算）",
            "Figures (intervals: unknown time at its worst and best)",
        ));
        let widest = kpis.iter().map(|k| columns(&k.name)).max().unwrap_or(0);
        for kpi in kpis {
            let pad = " ".repeat(usize::try_from(widest - columns(&kpi.name)).unwrap_or(0));
            let value = if kpi.undefined.is_empty() {
                let mark = if kpi.provisional { self.lang.t(" · 暂定", " · provisional") } else { "" };
                format!("{} {}{mark}", kpi.value, kpi.unit)
            } else {
                format!("— {}", kpi.undefined)
            };
            let _ = writeln!(self.text, "  {}{pad}  {value}", kpi.name);
        }
    }

    fn findings(&mut self, heading: &str, findings: &[Finding], unlisted: u64) {
        if findings.is_empty() {
            return;
        }
        self.heading(heading);
        for finding in findings.iter().take(LISTED) {
            self.signed(finding.level, 2, &format!("{} [{}]", visible(&finding.text), finding.code));
            for place in &finding.places {
                self.line(4, &visible(place));
            }
            if !finding.ask.is_empty() {
                self.line(4, &format!("→ {}", visible(&finding.ask)));
            }
        }
        self.more(beyond(findings.len()) + unlisted);
    }

    fn more(&mut self, n: u64) {
        if n > 0 {
            let words = self.lang.t("另有未列出的：", "further, not listed: ");
            self.line(2, &format!("… {words}{n}"));
        }
    }

    fn heading(&mut self, words: &str) {
        let _ = writeln!(self.text, "\n{words}");
    }

    fn signed(&mut self, level: Level, indent: usize, words: &str) {
        let sign = self.coloured(level, level.sign());
        let room = WIDTH.saturating_sub(u32::try_from(indent).unwrap_or(0) + 2);
        for (i, line) in wrap(words, room).into_iter().enumerate() {
            let lead = if i == 0 { sign.as_str() } else { " " };
            let _ = writeln!(self.text, "{:indent$}{lead} {line}", "");
        }
    }

    fn line(&mut self, indent: usize, words: &str) {
        for line in wrap(words, WIDTH.saturating_sub(u32::try_from(indent).unwrap_or(0))) {
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    fn coloured(&self, level: Level, words: &str) -> String {
        let code = match level {
            Level::Good => 32,
            Level::Note => 36,
            Level::Caution => 33,
            Level::Bad => 31,
        };
        match self.paint {
            Paint::Plain => words.to_owned(),
            Paint::Colour => format!("\u{1b}[1;{code}m{words}\u{1b}[0m"),
        }
    }
}

fn beyond(listed: usize) -> u64 {
    u64::try_from(listed.saturating_sub(LISTED)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        Document {
            demo: true,
            project: "SY-\u{1b}[2J017".into(),
            period: "2026-02-02".into(),
            summary:
                "证据真实，但不完整：缺 2 小时 30 分。补齐说明之前，不宜据此核定补助金额，也不宜用于验收。"
                    .into(),
            level: Level::Bad,
            verdicts: vec![Verdict {
                name: "完整".into(),
                level: Level::Bad,
                answer: "否".into(),
                sentence: "缺 2 小时 30 分。".into(),
                ask: "请企业说明采集端为何停机。".into(),
                ..Verdict::default()
            }],
            missing: vec![Missing { who: "冲床 3 号".into(), ..Missing::default() }; 14],
            missing_unlisted: 3,
            kpis: vec![
                KpiBlock {
                    name: "开机率".into(),
                    value: "60.12 – 71.34".into(),
                    unit: "%".into(),
                    provisional: true,
                    ..KpiBlock::default()
                },
                KpiBlock {
                    name: "单件电耗".into(), undefined: "没有件数。".into(), ..KpiBlock::default()
                },
            ],
            ..Document::default()
        }
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        let text = text(&document(), Paint::Plain);
        assert!(!text.contains('\u{1b}') && text.contains("SY-⟨U+001B⟩[2J017"), "{text}");
    }

    #[test]
    fn the_summary_says_what_is_missing_and_what_to_ask_and_counts_the_rest() {
        let text = text(&document(), Paint::Plain);
        assert!(text.contains("不是证据") && text.contains("✕ 完整：否"));
        assert!(text.contains("→ 下一步：请企业说明采集端为何停机。"));
        assert!(text.contains("… 另有未列出的：5"), "{text}");
        assert!(
            text.contains("  开机率    60.12 – 71.34 % · 暂定\n")
                && text.contains("  单件电耗  — 没有件数。"),
            "{text}"
        );
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        for line in text(&document(), Paint::Plain).lines() {
            assert!(columns(line) <= WIDTH, "{line}");
        }
    }

    #[test]
    fn colours_are_used_only_where_they_are_wanted() {
        assert!(text(&document(), Paint::Colour).contains("\u{1b}[1;31m✕"));
    }
}

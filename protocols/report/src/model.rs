//! The document model: what a report says, worded in one language, before it has a shape. HTML is one shape
//! of it; a terminal, a spreadsheet and paper are others. Texts here are plain: no markup, not yet escaped.

use crate::Lang;
use crate::chart::axis;

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Language all texts below are in.
    pub lang: Lang,
    /// Set when the genesis says that the project is a demonstration.
    pub demo: bool,
    /// Project id.
    pub project: String,
    /// The period the figures are for, as a person reads it, with the zone.
    pub period: String,
    /// The one sentence that an assessor takes away.
    pub summary: String,
    /// Level of the whole: the worst of the verdicts that decide.
    pub level: Level,
    /// Which bundle this is about.
    pub identity: Vec<Fact>,
    /// Authentic, time, complete, plausible.
    pub verdicts: Vec<Verdict>,
    /// Defects that make the bundle invalid, by code.
    pub defects: Vec<Finding>,
    /// What it means that nothing is listed as missing; nothing to say when something is.
    pub nothing_missing: String,
    /// Missing time, longest first.
    pub missing: Vec<Missing>,
    /// How many further ranges there are beyond those listed.
    pub missing_unlisted: u64,
    /// Figures over all machines.
    pub kpis: Vec<KpiBlock>,
    /// The same figures for the other periods, one column a period.
    pub periods: Table,
    /// One row a machine: where it stands and its figures.
    pub machines: Table,
    /// One row a machine: time in each leaf state, one column an entry of the legend, which stands for heads.
    pub states: Table,
    /// What the colours of the timeline mean.
    pub legend: Vec<LegendEntry>,
    /// State timeline, SVG of [`crate::chart`]; empty without data.
    pub timeline: String,
    /// Energy chart, SVG of [`crate::chart`]; empty without data.
    pub energy: String,
    /// What it means that nothing is listed as conspicuous; nothing to say when something is.
    pub nothing_found: String,
    /// What is conspicuous in the data.
    pub findings: Vec<Finding>,
    /// How many further findings there are beyond those listed.
    pub findings_unlisted: u64,
    /// Clocks, time evidence, lag.
    pub time: Vec<Fact>,
    /// Calendar, mappings, methods, thresholds.
    pub method: Vec<Fact>,
    /// How to check this bundle with tools that others wrote.
    pub steps: Vec<Step>,
}

/// How good an answer is; drawn as a sign and a word, never as a colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Yes.
    Good,
    /// For information.
    #[default]
    Note,
    /// Yes under conditions, or worth asking about.
    Caution,
    /// No.
    Bad,
}

impl Level {
    /// CSS class and stable name.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Caution => "caution",
            Self::Bad => "bad",
        }
    }

    /// A sign that reads without colour.
    pub fn sign(&self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Note => "i",
            Self::Caution => "!",
            Self::Bad => "✕",
        }
    }
}

/// One of the headline verdicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// `真实` / `Authentic`.
    pub name: String,
    /// The question it answers.
    pub question: String,
    /// How good the answer is.
    pub level: Level,
    /// One or two words.
    pub answer: String,
    /// What the answer means, for somebody who knows no cryptography.
    pub sentence: String,
    /// Facts behind it, one a line.
    pub details: Vec<String>,
    /// What the assessor does next, usually a question to the enterprise; empty when there is nothing to do.
    pub ask: String,
}

/// A labelled value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// The value.
    pub value: String,
    /// The value is a hash, key or identifier, set in a fixed-width face.
    pub code: bool,
}

impl Fact {
    /// Prose or a figure.
    pub fn new(label: &str, value: impl Into<String>) -> Self {
        Self { label: label.to_owned(), value: value.into(), code: false }
    }

    /// A hash, key or identifier.
    pub fn code(label: &str, value: impl Into<String>) -> Self {
        Self { label: label.to_owned(), value: value.into(), code: true }
    }
}

/// Time for which evidence is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Machine or agent.
    pub who: String,
    /// From – to in the zone of the project.
    pub range: String,
    /// How long.
    pub length: String,
    /// What kind of absence it is.
    pub kind: String,
    /// What to ask the enterprise for.
    pub ask: String,
}

/// A figure with everything it carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KpiBlock {
    /// Name in the report's language.
    pub name: String,
    /// Name in the other language.
    pub other_name: String,
    /// Stable id.
    pub id: String,
    /// `60.0 – 70.0` or a point; empty when undefined.
    pub value: String,
    /// Its unit.
    pub unit: String,
    /// Why there is no value, when there is none.
    pub undefined: String,
    /// Too much of its time is unknown for the value to be final.
    pub provisional: bool,
    /// The interval as a picture, for shares of a whole.
    pub bar: Option<Bar>,
    /// Formula, numerator, denominator, boundary, period, coverage, class, calendar, mapping, method …
    pub facts: Vec<Fact>,
}

/// An interval within 0–100 %, in 1/10 000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// Lower bound, at most 10 000.
    pub lower: u32,
    /// Upper bound, at least the lower one, at most 10 000.
    pub upper: u32,
}

impl Bar {
    /// What is certain, in per cent of the bar.
    pub fn sure(&self) -> String {
        axis::percent(i64::from(self.lower), 10_000)
    }

    /// What is open above it, in per cent of the bar.
    pub fn open(&self) -> String {
        axis::percent(i64::from(self.upper.saturating_sub(self.lower)), 10_000)
    }
}

/// A table whose first column names its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Heads of all columns, the first one included.
    pub heads: Vec<Head>,
    /// The rows.
    pub rows: Vec<TableRow>,
}

/// A row of a [`Table`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRow {
    /// What the row is about: a name that may be foreign.
    pub name: String,
    /// A second line under the name, such as an id.
    pub id: String,
    /// The cells beside it, one a head after the first.
    pub cells: Vec<String>,
}

/// The head of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its words.
    pub text: String,
    /// The column holds figures: set flush right and unbroken.
    pub number: bool,
}

/// A colour and its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegendEntry {
    /// SVG swatch of [`crate::chart`].
    pub swatch: String,
    /// Its name in the report's language.
    pub name: String,
}

/// A finding or defect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Stable code.
    pub code: String,
    /// How serious.
    pub level: Level,
    /// What was seen.
    pub text: String,
    /// Where: file, statement, machine, windows; one a line.
    pub places: Vec<String>,
    /// What to ask or do.
    pub ask: String,
}

/// A step of the appendix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What the step shows.
    pub title: String,
    /// Explanation.
    pub text: String,
    /// Commands or a script, to be typed as they stand.
    pub code: String,
}

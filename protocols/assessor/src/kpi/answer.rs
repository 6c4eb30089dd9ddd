//! The answer: tables of figures with where they come from. These types are the documented JSON of
//! `plumbline-verify kpi --json`; the text for a terminal is made from them too.

use kpi::Period;
use kpi::compare::{Comparison, Verdict};
use serde::Serialize;
use verify::report::{CompleteAnswer, KpiTable};

use super::books::MachineName;

/// Version of this JSON. Fields are added without raising it; a field that changes meaning or goes raises it.
pub const SCHEMA: u32 = 1;

/// Everything that `kpi` answers.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Answer {
    /// Version of this JSON.
    pub schema: u32,
    /// Program and version.
    pub program: String,
    /// Where the figures come from, and whether anything vouches for it.
    pub source: SourceReport,
    /// Offset of local time, minutes east of UTC; days are cut in it.
    pub utc_offset_min: i32,
    /// The machines the figures are about.
    pub machines: Vec<MachineName>,
    /// The whole period first, then its parts where they were asked for, in order of time.
    pub tables: Vec<PartTable>,
    /// 综合能耗 and CO2 of electricity over the whole period, where factors were given.
    pub energy: Vec<kpi::energy::EnergyFigure>,
    /// Two periods by one definition, where they were asked for.
    pub comparison: Option<Periods>,
    /// Figures against targets, in the order in which they were asked for.
    pub targets: Vec<TargetReport>,
    /// What the reader must know beside the figures.
    pub notes: Vec<Note>,
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Note {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Where the figures come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SourceReport {
    /// A file of states and registers. Nothing vouches for it.
    File {
        /// Its name as it was given.
        name: String,
        /// SHA-256 of its bytes, hex.
        sha256: String,
        /// Always `false`: nothing was verified.
        verified: bool,
    },
    /// A bundle that was verified with the assessor's own trust file.
    Bundle {
        /// Its name as it was given.
        name: String,
        /// SHA-256 of its checkpoint note, hex: the bundle's identity.
        note: String,
        /// Whether it is authentic. Without that there are no figures.
        verified: bool,
        /// Whether the evidence of the period is all there.
        complete: CompleteAnswer,
        /// The genesis says that this is a demonstration and no evidence.
        demonstration: bool,
    },
}

/// A table with the name of its part of the period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PartTable {
    /// `period`, a day, a month, or a shift's name.
    pub part: String,
    /// The figures.
    #[serde(flatten)]
    pub table: KpiTable,
}

/// Two periods by one definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Periods {
    /// The period before.
    pub before: Period,
    /// The period after.
    pub after: Period,
    /// One row a figure, in the order of the definitions.
    pub rows: Vec<ComparedReport>,
}

/// One figure in two periods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ComparedReport {
    /// The figure before.
    pub before: kpi::Kpi,
    /// The figure after.
    pub after: kpi::Kpi,
    /// Difference, improvement, and what differs besides time.
    pub comparison: Comparison,
}

/// A figure against a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TargetReport {
    /// The target as it was asked for.
    pub target: String,
    /// Which figure.
    pub id: kpi::KpiId,
    /// Its value in the period that counts.
    pub value: kpi::Figure,
    /// The verdict, and what would decide it.
    pub verdict: Verdict,
}

impl Answer {
    /// Whether the answer is yes: a bundle is authentic and complete, and every target is reached.
    pub fn is_yes(&self) -> bool {
        let sound = match &self.source {
            SourceReport::File { .. } => true,
            SourceReport::Bundle { verified, complete, .. } => *verified && *complete != CompleteAnswer::No,
        };
        sound && self.targets.iter().all(|t| t.verdict.answer == kpi::compare::Answer::Reached)
    }

    /// Indented JSON, ending in a line end.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// The JSON Schema of [`Answer::json`].
pub fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(Answer).to_value())
}

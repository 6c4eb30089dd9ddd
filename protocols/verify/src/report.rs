//! What verification says: three verdicts, a time grade, what is there and what is not, findings and figures.
//! These types are the documented JSON of `plumbline-verify bundle --json`.
//!
//! All moments are UTC seconds, all durations milliseconds unless a name says otherwise. Lists that evidence
//! could make long are capped and say how many they left out.

use std::collections::BTreeMap;

use kpi::{EvidenceClass, Kpi, Period, Times};
use serde::Serialize;

use crate::code::DefectCode;
use crate::finding::Finding;
use crate::timeline::Timeline;
use crate::verified::Verified;

/// Version of this JSON. Fields are added without raising it; a field that changes meaning or goes raises it.
pub const SCHEMA: u32 = 1;

/// How many occurrences of one defect, and how many ranges of one kind, are listed.
pub const LISTED: usize = 100;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Report {
    /// Version of this JSON.
    pub schema: u32,
    /// Program and version that verified.
    pub program: String,
    /// The genesis says that this is a demonstration and no evidence.
    pub demonstration: bool,
    /// Whether the evidence is what was signed and logged.
    pub authentic: Authentic,
    /// Whether the evidence is all there.
    pub complete: Complete,
    /// Whether the evidence is free of what looks false.
    pub plausible: Plausible,
    /// What attests the time. Never part of `authentic`.
    pub time: TimeReport,
    /// Every defect, grouped by code, in the order of the codes.
    pub defects: Vec<DefectGroup>,
    /// The log behind the bundle; `null` when the bundle could not be read so far.
    pub log: Option<LogSummary>,
    /// The project as its genesis states it; `null` when there is no trusted genesis.
    pub project: Option<ProjectSummary>,
    /// What the assessor's trust file says.
    pub trust: TrustSummary,
    /// Every machine of the roster.
    pub machines: Vec<MachineReport>,
    /// The registrar's plans, in order of the log.
    pub plans: Vec<PlanReport>,
    /// Every key that was ever enrolled.
    pub keys: Vec<KeyReport>,
    /// Figures recomputed from the statements. `null` unless the bundle is authentic: figures of altered
    /// evidence would only mislead.
    pub figures: Option<Verified<Figures>>,
}

impl Report {
    /// 0 when authentic and complete hold, else 1. Plausibility alone never decides.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.authentic.verdict == Answer::No || self.complete.verdict == CompleteAnswer::No)
    }

    /// The group of a defect, if it occurred.
    pub fn defect(&self, code: DefectCode) -> Option<&DefectGroup> {
        self.defects.iter().find(|group| group.code == code)
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
}

/// The first verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Authentic {
    /// The verdict.
    pub verdict: Answer,
    /// Entries whose signature, key, stream and content were checked.
    pub entries_checked: u64,
}

/// The second verdict's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompleteAnswer {
    /// Every agent, machine and window of the period is there.
    Yes,
    /// Nothing is missing up to the last statement; without a period in the trust file nobody can see whether
    /// the tail was cut off.
    TailUnseen,
    /// Something is missing.
    No,
    /// It was not decided, because the bundle could not be read so far.
    Undecided,
}

/// The second verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Complete {
    /// The verdict.
    pub verdict: CompleteAnswer,
    /// The period it was decided for: the trust file's, else the extent of the streams.
    pub period: Option<Period>,
    /// The period came from the trust file.
    pub period_is_from_trust: bool,
    /// Time of all machines in the period by what is there.
    pub presence: Presence,
}

/// The third verdict.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Plausible {
    /// `yes` when nothing was found. Findings never prove anything by themselves.
    pub verdict: Answer,
    /// Version of the thresholds.
    pub thresholds: String,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Findings left out of the list, by code.
    pub omitted: BTreeMap<String, u64>,
}

/// All occurrences of one defect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DefectGroup {
    /// Stable code.
    pub code: DefectCode,
    /// The verdict it spoils.
    pub spoils: crate::code::Spoils,
    /// What it means, in Chinese.
    pub zh: &'static str,
    /// What it means, in English.
    pub en: &'static str,
    /// What to ask the enterprise, in Chinese.
    pub ask_zh: &'static str,
    /// What to ask the enterprise, in English.
    pub ask_en: &'static str,
    /// How often it occurred.
    pub count: u64,
    /// How many of these are windows wholly outside the period that the trust file asks for, which are there but
    /// do not count (`E-DEFINITIONS-HASH`, `E-TIME-PREMATURE`). They do not spoil `complete`; every other defect
    /// spoils its verdict wherever it lies, and is not counted here.
    pub outside: u64,
    /// The first occurrences, in order of the log.
    pub first: Vec<Defect>,
}

/// One occurrence of a defect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Defect {
    /// Index of the entry in the log.
    pub entry: Option<u64>,
    /// File of the bundle.
    pub file: Option<String>,
    /// Thumbprint of the stream's key, hex.
    pub kid: Option<String>,
    /// Sequence number in that stream.
    pub seq: Option<u64>,
    /// Machine or agent id.
    pub subject: Option<String>,
    /// The time concerned.
    pub period: Option<Period>,
    /// What exactly was expected and what was there, in English.
    pub detail: String,
}

/// What attests the time, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TimeGrade {
    /// Independent witnesses cosigned.
    Witnessed {
        /// Witnesses that cosigned.
        signed: u32,
        /// Witnesses the policy names.
        of: u32,
    },
    /// The gateway's operator alone attests the time.
    OperatorOnly,
    /// Nobody attests the time.
    None,
}

/// What attests the time, and how late statements were logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TimeReport {
    /// The grade.
    pub grade: TimeGrade,
    /// Time of the newest cosigned checkpoint.
    pub newest: Option<i64>,
    /// Limit beyond which windows are late, s.
    pub max_lag_s: u32,
    /// Longest lag between the end of a window and the first cosigned checkpoint that covers it, s.
    pub longest_lag_s: Option<i64>,
    /// Windows that came too late; they are not counted in figures.
    pub late_windows: u64,
    /// Windows that no cosigned checkpoint covers yet.
    pub unattested_windows: u64,
    /// Statements that prove not to be older than a checkpoint they saw.
    pub statements_with_lower_bound: u64,
}

/// The log behind a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct LogSummary {
    /// The one folder inside the archive.
    pub folder: String,
    /// Name of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Merkle root, hex.
    pub root: String,
    /// SHA-256 of the checkpoint note, hex: the bundle's identity.
    pub note: String,
    /// Statements by kind.
    pub kinds: BTreeMap<String, u64>,
}

/// The project as its genesis states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ProjectSummary {
    /// Project id.
    pub id: String,
    /// Registrar's id.
    pub registrar: String,
    /// When the registrar says it signed the genesis.
    pub signed_at: i64,
    /// Window length, s.
    pub step_s: u32,
    /// Offset of local time, minutes east of UTC; days are cut in it.
    pub utc_offset_min: i32,
    /// Limit of lag in the genesis, s.
    pub max_lag_s: u32,
    /// Raw data are kept for so many days.
    pub raw_retention_days: u32,
    /// Named periods.
    pub periods: Vec<NamedPeriod>,
    /// Calendar in force.
    pub calendar: String,
    /// Definitions: id and SHA-256 of the text, hex.
    pub definitions: BTreeMap<String, String>,
}

/// A period with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NamedPeriod {
    /// Its name.
    pub name: String,
    /// The period.
    pub period: Period,
}

/// What the assessor trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TrustSummary {
    /// Log key, as a verifier key line.
    pub log: String,
    /// Receipt key.
    pub receipt: String,
    /// Registrar key.
    pub registrar: String,
    /// Operator time key, as a verifier key line.
    pub operator_time: Option<String>,
    /// Period asked for.
    pub period: Option<Period>,
}

/// A machine of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the roster's four independent flags")]
pub struct MachineReport {
    /// Its index in statements.
    pub index: u32,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its line.
    pub line: String,
    /// The agent that measures it.
    pub agent: String,
    /// What it tells of itself.
    pub kind: Kind,
    /// Digital machine.
    pub digital: bool,
    /// Numerically controlled.
    pub numerically_controlled: bool,
    /// Counts towards 关键工序数控化率.
    pub key_operation: bool,
    /// 国产工业母机.
    pub domestic: bool,
    /// How directly its state is measured.
    pub class: EvidenceClass,
    /// Hash of the approved state mapping that its last windows rest on, hex.
    pub mapping: String,
    /// Rated power, W.
    pub rated_w: Option<u64>,
    /// What is there in the period.
    pub presence: Presence,
    /// Ranges of the period that are not simply present.
    pub ranges: Ranges,
}

/// What a machine of the roster tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// States, and whatever quantities it measures.
    Machine,
    /// Quantities only.
    Meter,
    /// Nothing; it is listed and counts in denominators.
    Listed,
}

impl From<kpi::MachineKind> for Kind {
    fn from(kind: kpi::MachineKind) -> Self {
        match kind {
            kpi::MachineKind::Machine => Self::Machine,
            kpi::MachineKind::Meter => Self::Meter,
            kpi::MachineKind::Listed => Self::Listed,
        }
    }
}

/// Time by what is there, ms. The parts sum to the time asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Presence {
    /// Windows that are there and count.
    pub present_ms: u64,
    /// Windows that came too late to count.
    pub late_ms: u64,
    /// Windows whose state mapping was not approved.
    pub unapproved_ms: u64,
    /// Windows that were made before they happened.
    pub premature_ms: u64,
    /// Signed down time.
    pub down_ms: u64,
    /// Signed losses.
    pub lost_ms: u64,
    /// Time nobody signed.
    pub missing_ms: u64,
}

/// Ranges that are not simply present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Ranges {
    /// Late windows.
    pub late: RangeList,
    /// Windows without an approved mapping.
    pub unapproved: RangeList,
    /// Windows made before they happened.
    pub premature: RangeList,
    /// Signed down time.
    pub down: RangeList,
    /// Signed losses.
    pub lost: RangeList,
    /// Time nobody signed.
    pub missing: RangeList,
}

/// Ranges of time, merged where they touch, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RangeList {
    /// The first ranges.
    pub first: Vec<Period>,
    /// How many further ranges there are.
    pub omitted: u64,
}

impl RangeList {
    /// Adds a range that does not begin before the last one.
    pub fn push(&mut self, range: Period) {
        if range.from >= range.to {
            return;
        }
        if self.omitted == 0
            && let Some(last) = self.first.last_mut().filter(|last| last.to >= range.from)
        {
            last.to = last.to.max(range.to);
        } else if self.first.len() < LISTED {
            self.first.push(range);
        } else {
            self.omitted += 1;
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// A plan that the registrar signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PlanReport {
    /// Index of the entry in the log.
    pub entry: u64,
    /// `calendar`, `mapping`, `correction`, `baseline`, `target` or `change`.
    pub subject: String,
    /// When it takes effect.
    pub effective_from: i64,
    /// Whether the figures of this report rest on it. A plan that is not applied must be considered by hand.
    pub applied: bool,
    /// Why a plan that is meant for figures cannot be used.
    pub refused: Option<String>,
}

/// A key that was enrolled at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct KeyReport {
    /// Thumbprint, hex.
    pub kid: String,
    /// Role.
    pub role: String,
    /// The signer's id.
    pub id: String,
    /// First entry from which it was valid.
    pub from_entry: u64,
    /// Entry from which it was no longer valid.
    pub until_entry: Option<u64>,
    /// Statements of its stream.
    pub statements: u64,
}

/// Figures recomputed from the statements.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Figures {
    /// Tables of figures: for each period the project first, then every machine in the order of the roster.
    pub tables: Vec<KpiTable>,
    /// States and energy over time, for drawing.
    pub timeline: Timeline,
}

/// The figures of one boundary over one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct KpiTable {
    /// Name of the period: from the genesis, or `period` (trust file), or `extent` (all there is).
    pub name: String,
    /// The period.
    pub period: Period,
    /// Machine id; `null` for the whole project.
    pub machine: Option<String>,
    /// Times over its machines that have states.
    pub times: Times,
    /// The figures.
    pub kpis: Vec<Kpi>,
}

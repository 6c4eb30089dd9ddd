//! Checks that look across the whole configuration: whether a window fits into a statement, and whether the raw
//! store can hold what it promises.

use super::points::Role;
use super::{LinkConfiguration, Machine, RawSettings};
use crate::validity::Validity;
use config::{Document, Kind, Problem, Section};
use evidence::statement::MAX_STATEMENT;
use kpi::column;

/// Columns that every machine has: nine states, reads, connection, changes, sessions.
const COMMON_COLUMNS: usize = 14;

/// Envelope, clock, checkpoint, commitment, hashes: everything of a statement that is not columns or events.
const ENVELOPE_BYTES: usize = 700;

/// Room that events of one window may take; more than that splits over several statements.
const EVENT_BYTES: usize = 4096;

impl Machine {
    /// The columns this machine reports, ascending.
    pub fn columns(&self) -> Vec<u8> {
        let has = |role: Role| self.points.iter().any(|p| p.role == Some(role));
        let mut columns: Vec<u8> = (column::STATE_0..9).collect();
        if has(Role::EnergyTotal) || has(Role::Power) {
            columns.extend([column::ENERGY, column::ENERGY_Q]);
        }
        if has(Role::PartTotal) {
            columns.extend([column::PARTS, column::PARTS_Q]);
        }
        if has(Role::GoodTotal) {
            columns.extend([column::GOOD, column::GOOD_Q]);
        }
        columns.extend([column::READS_EXPECTED, column::READS_GOOD, column::CONNECTED_MS]);
        columns.extend([column::CHANGED, column::SESSIONS]);
        if has(Role::Identity) {
            columns.push(column::IDENTITY);
        }
        let flags = [column::CUTTING_MS, column::DRY_RUN_MS, column::WARMUP_MS, column::SPINDLE_MS];
        columns
            .extend(self.rules.flags().iter().zip(flags).filter(|(rule, _)| rule.is_some()).map(|(_, c)| c));
        if self.power_is_independent() {
            columns.extend([column::POWER_MEAN, column::POWER_PEAK]);
        }
        columns.push(column::FAULT_COUNT);
        columns.sort_unstable();
        columns
    }

    /// Power of ten, in Wh, at which this machine's energy loses no digit.
    pub fn energy_exponent(&self) -> Option<i8> {
        let point = |role: Role| self.points.iter().find(|p| p.role == Some(role));
        match (point(Role::EnergyTotal), point(Role::Power)) {
            (Some(register), _) => Some(register.energy_exponent),
            (None, Some(_)) => Some(-3),
            (None, None) => None,
        }
    }

    /// The most bytes one window of this machine takes: five for a duration or count, nine for a register, and
    /// its index.
    fn window_bytes(&self) -> usize {
        let registers = [column::ENERGY, column::PARTS, column::GOOD, column::POWER_MEAN, column::POWER_PEAK];
        self.columns().iter().map(|c| if registers.contains(c) { 9 } else { 5 }).sum::<usize>() + 5
    }

    /// Whether power is measured by something other than the machine's controller.
    pub fn power_is_independent(&self) -> bool {
        let link = |role: Role| self.points.iter().find(|p| p.role == Some(role)).map(|p| p.link);
        link(Role::Power).is_some_and(|power| link(Role::Execution) != Some(power))
    }
}

/// A window of all machines of a project is signed as one: it has to fit.
pub(super) fn statement_fits(root: &Section<'_>, projects: &[String], machines: &[Machine]) {
    for project in projects {
        let own: Vec<&Machine> = machines.iter().filter(|m| m.project == *project).collect();
        let columns = COMMON_COLUMNS + 14;
        let bytes =
            ENVELOPE_BYTES + EVENT_BYTES + columns * 6 + own.iter().map(|m| m.window_bytes()).sum::<usize>();
        if bytes > MAX_STATEMENT {
            let message = format!(
                "one window of the {} machines of {project} may take {bytes} bytes, and a statement holds \
                 {MAX_STATEMENT}; give some of them to another agent",
                own.len()
            );
            root.problem("machine", message);
        }
    }
}

/// What the raw store has to take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawBudget {
    /// Observations in a day, at the configured rates.
    pub per_day: u64,
    /// Bytes in a day.
    pub bytes_per_day: u64,
    /// Whole days that the cap holds.
    pub days: u64,
    /// Bytes that the retention needs.
    pub needed: u64,
}

/// One observation in a compressed block, bytes, with its share of the block's salt and index. A planning
/// figure, on the safe side of what blocks of slowly changing registers take.
const BYTES_PER_OBSERVATION: u64 = 8;

const DAY_MS: u64 = 86_400_000;

/// Reckons with every point at its configured pace; one that is sent on change, with one change a second at
/// most.
pub(super) fn raw_budget(raw: RawSettings, links: &[LinkConfiguration]) -> RawBudget {
    let a_day = |link: &LinkConfiguration| -> u64 {
        let points = link.points.iter();
        points.map(|p| DAY_MS / pace_ms(Validity::from(link.link.expectation(*p)))).sum()
    };
    let per_day: u64 = links.iter().map(a_day).sum();
    let bytes_per_day = (per_day * BYTES_PER_OBSERVATION).max(1);
    let retention_days = raw.retention.as_secs().div_ceil(86_400);
    RawBudget {
        per_day,
        bytes_per_day,
        days: raw.max_bytes / bytes_per_day,
        needed: bytes_per_day * retention_days,
    }
}

fn pace_ms(validity: Validity) -> u64 {
    match validity {
        Validity::Polled { every_ms } => every_ms.max(1),
        Validity::Subscribed { .. } | Validity::Published { .. } => 1000,
    }
}

impl RawBudget {
    /// A warning at `raw.max_bytes` if the cap is reached before the retention.
    pub(super) fn warnings(self, document: &Document, raw: RawSettings) -> Vec<Problem> {
        if self.needed <= raw.max_bytes {
            return vec![];
        }
        let message = format!(
            "holds {} days at the configured {} readings a day, and raw.retention asks for {}; write at least \
             {}MiB, or poll less often",
            self.days,
            self.per_day,
            raw.retention.as_secs().div_ceil(86_400),
            self.needed.div_ceil(1 << 20)
        );
        vec![Problem {
            file: document.file.clone(),
            line: line_of(document, "raw", "max_bytes"),
            key: "raw.max_bytes".to_owned(),
            message,
            nearest: None,
        }]
    }
}

fn line_of(document: &Document, table: &str, key: &str) -> usize {
    let entry = |kind: &Kind, key: &str| match kind {
        Kind::Table(entries) => entries.iter().find(|(k, _, _)| k == key).cloned(),
        _ => None,
    };
    let Some((_, line, node)) = entry(&document.root.kind, table) else { return 0 };
    entry(&node.kind, key).map_or(line, |(_, line, _)| line)
}

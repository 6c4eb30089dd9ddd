//! From a finished walk to the report: completeness over the period, verdicts, figures.

use std::collections::BTreeSet;

use evidence::statement::Role;
use kpi::cycle::Cycles;
use kpi::{Cuts, MachineKind, Period, Scope, Subject, Times, kpis};

use crate::bundle::Walked;
use crate::code::{DefectCode, Spoils};
use crate::defects::Defects;
use crate::ledger::Ledger;
use crate::plausible::{Thresholds, Watch};
use crate::presence::Tracked;
use crate::project::{Behind, Project};
use crate::report::{
    Answer, Authentic, Complete, CompleteAnswer, Defect, Figures, KpiTable, LogSummary, MachineReport,
    NamedPeriod, Plausible, Presence, ProjectSummary, Report, SCHEMA, TimeGrade, TimeReport,
};
use crate::roster::{Rostered, feeds};
use crate::timeline::Timeline;
use crate::trust::Trust;
use crate::verified::Verified;

/// Makes the report, and hands on the totals of an authentic bundle for further questions.
pub(crate) fn assemble(walked: Walked, trust: &Trust) -> (Report, Option<Ledger>) {
    let Walked { mut defects, attest, checkpoint, folder, project, changed, kinds, entries, whole, .. } =
        walked;
    let log = checkpoint.map(|(c, note)| LogSummary {
        folder,
        origin: c.origin,
        size: c.size,
        root: hex::encode(c.root),
        note: hex::encode(note),
        kinds,
    });
    let mut report = blank(trust, log, entries);
    report.time.grade = attest.grade();
    report.time.newest = attest.newest();
    let mut project = project;
    if let Some(project) = &mut project {
        fill(&mut report, (project, changed.as_ref()), whole, trust, &mut defects);
    }
    if defects.spoil(Spoils::Authentic) || !whole {
        report.authentic.verdict = Answer::No;
        report.figures = None;
    }
    if defects.spoil(Spoils::Complete) {
        report.complete.verdict = CompleteAnswer::No;
    }
    report.defects = defects.finish();
    let extent = report.complete.period.filter(|_| report.figures.is_some());
    let retroactive = changed.is_some();
    let ledger = project.zip(extent).map(|(project, extent)| Ledger::new(project, extent, retroactive));
    (report, ledger)
}

fn blank(trust: &Trust, log: Option<LogSummary>, entries: u64) -> Report {
    Report {
        schema: SCHEMA,
        program: format!("plumbline-verify {}", env!("CARGO_PKG_VERSION")),
        demonstration: false,
        authentic: Authentic { verdict: Answer::Yes, entries_checked: entries },
        complete: Complete {
            verdict: CompleteAnswer::Undecided,
            period: trust.period,
            period_is_from_trust: trust.period.is_some(),
            presence: Presence::default(),
        },
        plausible: Plausible {
            verdict: Answer::Yes,
            thresholds: Thresholds::current().version,
            findings: Vec::new(),
            omitted: std::collections::BTreeMap::new(),
        },
        time: TimeReport {
            grade: TimeGrade::None,
            newest: None,
            max_lag_s: trust.max_lag_s.unwrap_or(0),
            longest_lag_s: None,
            late_windows: 0,
            unattested_windows: 0,
            statements_with_lower_bound: 0,
        },
        defects: Vec::new(),
        log,
        project: None,
        trust: trust.summary(),
        machines: Vec::new(),
        plans: Vec::new(),
        keys: Vec::new(),
        figures: None,
    }
}

fn fill(
    report: &mut Report,
    (project, changed): (&mut Project, Option<&Project>),
    whole: bool,
    trust: &Trust,
    defects: &mut Defects,
) {
    report.demonstration = project.genesis.demo;
    report.project = Some(summary(project));
    report.keys = project.ring.report();
    report.plans = std::mem::take(&mut project.plans);
    report.time.max_lag_s = project.limits.max_lag_s;
    report.time.longest_lag_s = project.lags.longest_s;
    report.time.late_windows = project.lags.late;
    report.time.unattested_windows = project.lags.unattested;
    report.time.statements_with_lower_bound = project.lags.lower_bounds;
    let period = trust.period.or_else(|| extent(project));
    report.complete.period = period;
    let Some(period) = period else {
        // No window at all: every agent is missing.
        missing_agents(project, defects);
        report.complete.verdict = CompleteAnswer::No;
        return;
    };
    if project.lags.unattested > 0 {
        // What attests earlier statements does not attest these: a cosignature can be taken off the last checkpoint.
        report.time.grade = TimeGrade::None;
    }
    complete(report, project, period, trust.period.is_some(), defects);
    if !whole {
        report.complete.verdict = CompleteAnswer::Undecided;
    }
    let mut figures = figures(project, period);
    if let Some(changed) = changed {
        second_row(&mut figures, changed, period);
    }
    report.figures = Some(Verified::new(figures));
    let ids = ids(project);
    report.plausible = std::mem::replace(&mut project.watch, Watch::new(std::iter::empty())).finish(&ids);
}

fn ids(project: &Project) -> Vec<String> {
    project.roster.machines().iter().map(|m| m.entry.id.clone()).collect()
}

/// From the first to the last signed second of all machines.
fn extent(project: &Project) -> Option<Period> {
    project
        .machines
        .iter()
        .filter_map(|m| m.tracker.extent())
        .reduce(|a, b| Period { from: a.from.min(b.from), to: a.to.max(b.to) })
}

fn complete(report: &mut Report, project: &mut Project, period: Period, asked: bool, defects: &mut Defects) {
    let silent = missing_agents(project, defects);
    for place in 0..project.machines.len() {
        let tracked = std::mem::take(&mut project.machines[place].tracker).finish(period);
        let own = &project.roster.machines()[place];
        let listed = own.kind == MachineKind::Listed;
        let tracked = if listed { Tracked::default() } else { tracked };
        if !listed && !silent.contains(&own.entry.agent) {
            missing(&own.entry.id, &tracked, period, asked, defects);
        }
        report.complete.presence += tracked.presence;
        let mapping = mapping(project, own, period);
        report.machines.push(MachineReport {
            index: own.entry.index,
            id: own.entry.id.clone(),
            name: own.entry.name.clone(),
            line: own.entry.line.clone(),
            agent: own.entry.agent.clone(),
            digital: own.entry.flags.digital,
            numerically_controlled: own.entry.flags.numerically_controlled,
            key_operation: own.entry.flags.key_operation,
            domestic: own.entry.flags.domestic,
            kind: own.kind.into(),
            class: own.class,
            mapping,
            rated_w: own.entry.rated_w,
            presence: tracked.presence,
            ranges: tracked.ranges,
        });
    }
    report.complete.verdict = if asked { CompleteAnswer::Yes } else { CompleteAnswer::TailUnseen };
}

/// The state mapping that a machine's figures rest on, hex.
fn mapping(project: &Project, own: &Rostered, period: Period) -> String {
    let entry = &own.entry;
    let hash = project.approvals.in_force(&entry.agent, entry.index, period.to - 1);
    hex::encode(hash.unwrap_or(entry.mapping))
}

/// Agents that measure machines and never signed anything.
fn missing_agents(project: &Project, defects: &mut Defects) -> BTreeSet<String> {
    let mut silent = BTreeSet::new();
    for own in project.roster.machines().iter().filter(|m| m.kind != MachineKind::Listed) {
        silent.insert(own.entry.agent.clone());
    }
    silent.retain(|agent| !project.ring.held_by(Role::Agent, agent).any(|kid| project.has_signed(&kid)));
    for agent in &silent {
        let detail = "has no statement in the log".to_owned();
        let defect = Defect { subject: Some(agent.clone()), detail, ..Defect::default() };
        defects.add(DefectCode::MissingAgent, defect);
    }
    silent
}

fn missing(machine: &str, tracked: &Tracked, period: Period, asked: bool, defects: &mut Defects) {
    let mut add = |code, over, detail: &str| {
        let subject = Some(machine.to_owned());
        let defect = Defect { subject, period: Some(over), detail: detail.to_owned(), ..Defect::default() };
        defects.add(code, defect);
    };
    if tracked.windows == 0 && tracked.presence.down_ms + tracked.presence.lost_ms == 0 {
        add(DefectCode::MissingMachine, period, "has no window in the period");
        return;
    }
    for &over in &tracked.ranges.missing.first {
        if asked && tracked.tail == Some(over) {
            add(DefectCode::MissingTail, over, "nothing is signed from here to the end of the period");
        } else {
            add(DefectCode::MissingWindows, over, "neither windows nor down time are signed here");
        }
    }
    for &over in &tracked.ranges.lost.first {
        add(DefectCode::SignedLoss, over, "the agent signed that it lost these windows");
    }
}

fn figures(project: &mut Project, main: Period) -> Figures {
    let mut tables = Vec::new();
    for behind in &project.behind {
        let period = behind.period.unwrap_or(main);
        // A named period that the evidence does not reach says nothing.
        if main.overlap(period).is_some() {
            tables.extend(tables_of(project, behind, period));
        }
    }
    let ids = ids(project);
    let empty = crate::timeline::Gatherer::new(1, 0);
    let timeline: Timeline = std::mem::replace(&mut project.timeline, empty).finish(&ids, Some(main));
    Figures { tables, timeline }
}

/// Figures by the calendars as a retroactive plan changed them, behind those by the calendars as first planned.
fn second_row(figures: &mut Figures, changed: &Project, main: Period) {
    for behind in &changed.behind {
        let period = behind.period.unwrap_or(main);
        if main.overlap(period).is_some() {
            let tables = tables_of(changed, behind, period).into_iter();
            figures.tables.extend(tables.map(|t| KpiTable { name: format!("{}{AS_CHANGED}", t.name), ..t }));
        }
    }
}

/// The project's table, then every machine's.
fn tables_of(project: &Project, behind: &Behind, period: Period) -> Vec<KpiTable> {
    let statements = hex::encode(behind.hash);
    let named = |machine: Option<&str>| KpiTable {
        name: behind.name.clone(),
        machine: machine.map(str::to_owned),
        ..table(project, period, &statements, &|id| machine.is_none_or(|one| one == id))
    };
    let mut tables = vec![named(None)];
    tables.extend(project.roster.machines().iter().map(|own| named(Some(&own.entry.id))));
    tables
}

/// The figures of the machines that `inside` lets in, together.
pub(crate) fn table(
    project: &Project,
    period: Period,
    statements: &str,
    inside: &dyn Fn(&str) -> bool,
) -> KpiTable {
    let mappings: Vec<String> =
        project.roster.machines().iter().map(|own| mapping(project, own, period)).collect();
    let cycles: Vec<Cycles> = project
        .roster
        .machines()
        .iter()
        .map(|own| Cycles::always(own.entry.planned_cycle_ms, own.entry.theoretical_cycle_ms))
        .collect();
    let subjects: Vec<Subject<'_>> = project
        .roster
        .machines()
        .iter()
        .zip(&project.machines)
        .zip(&mappings)
        .zip(&cycles)
        .map(|(((own, state), mapping), cycles)| Subject {
            id: &own.entry.id,
            totals: &state.totals,
            digital: own.entry.flags.digital,
            feeds: feeds(&own.entry),
            mapping,
            calendar: &state.calendar,
            cycles: Some(cycles),
        })
        .filter(|subject| inside(subject.id))
        .collect();
    let cuts: &Cuts = &project.cuts;
    let scope = Scope { period, cuts, statements: Some(statements), good_condition: None };
    let mut times = Times::default();
    for subject in subjects.iter().filter(|s| s.totals.kind() == MachineKind::Machine) {
        times += subject.totals.times(cuts, subject.calendar, period);
    }
    KpiTable { name: String::new(), period, machine: None, times, kpis: kpis(scope, &subjects) }
}

/// What is put behind a period's name where its figures are by the calendars as changed.
const AS_CHANGED: &str = " · 追溯日历 calendar as changed";

/// Names of the calendars of all machines, without repeats.
fn calendars(project: &Project) -> String {
    let mut versions: Vec<String> = project.machines.iter().map(|m| m.calendar.version()).collect();
    versions.sort_unstable();
    versions.dedup();
    versions.join(", ")
}

fn summary(project: &Project) -> ProjectSummary {
    let genesis = &project.genesis;
    let periods = genesis.periods.iter();
    ProjectSummary {
        id: genesis.project.clone(),
        registrar: project.registrar.clone(),
        signed_at: project.signed_at,
        step_s: genesis.step_s,
        utc_offset_min: genesis.utc_offset_min,
        max_lag_s: genesis.max_lag_s,
        raw_retention_days: genesis.raw_retention_days,
        periods: periods
            .map(|p| NamedPeriod { name: p.name.clone(), period: Period { from: p.from, to: p.to } })
            .collect(),
        calendar: calendars(project),
        definitions: genesis.definitions.iter().map(|d| (d.id.clone(), hex::encode(d.hash))).collect(),
    }
}

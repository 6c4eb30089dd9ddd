//! What an agent's key could sign to look better without any defect, and why it gains nothing: what is hidden is
//! an interval, not a better figure, and what is chosen is shown.

use evidence::column::{ENERGY, ENERGY_Q};
use evidence::payload::{
    Definition, Event, EventCode, EventValue, KeyAction, Plan, PlanBody, definitions_in_force,
};
use evidence::statement::{Payload, Role};
use kpi::{AmountQuality, Figure, KpiId, Rational};
use verify::report::Report;
use verify::testing::{START, Signer, TestProject, stretch};

use crate::judge::{Bundle, details, holds};

fn figure(report: &Report, machine: Option<&str>, id: KpiId) -> (Rational, Option<Rational>) {
    let tables = &report.figures.as_ref().unwrap().tables;
    let table = tables.iter().find(|t| t.machine.as_deref() == machine).unwrap();
    match &table.kpis.iter().find(|k| k.id == id).unwrap().value {
        Figure::Interval { lower, upper } => (lower.clone(), upper.clone()),
        Figure::Undefined { reason } => panic!("{id:?} is undefined: {reason:?}"),
    }
}

/// A project that holds.
#[track_caller]
fn held(project: &TestProject) -> verify::Verified<Report> {
    let report = Bundle::from(project).judged();
    assert!(holds(&report), "{}", details(&report));
    report
}

fn honest(statements: u32) -> verify::Verified<Report> {
    held(&TestProject::running(statements))
}

#[test]
fn energy_drawn_in_down_time_stays_in_the_sum_and_working_time_in_the_interval() {
    let mut project = TestProject::running(2);
    // The machines go on while the box is called off: their registers and states are those of the honest project.
    let hidden = project.batch();
    let down = stretch(EventCode::Down, hidden.t0, hidden.end());
    project.windows_with(|b| b.events = vec![down]);
    project.seal();
    let (hidden, honest) = (held(&project), honest(4));
    let energy = |r: &Report| figure(r, None, KpiId::Energy);
    assert_eq!(energy(&hidden), energy(&honest));
    let (truth, _) = figure(&honest, None, KpiId::Availability);
    let (least, most) = figure(&hidden, None, KpiId::Availability);
    assert!(least <= truth && Some(truth) <= most && Some(least) < most);
}

#[test]
fn down_time_at_the_periods_end_leaves_energy_open() {
    let mut project = TestProject::running(2);
    let (from, to) = (project.now(), project.now() + 300);
    project.skip(5);
    project.events(vec![stretch(EventCode::Down, from, to)]);
    project.seal();
    let (_, most) = figure(&held(&project), None, KpiId::Energy);
    assert_eq!(most, None);
}

#[test]
fn windows_held_back_until_they_are_late_are_an_interval() {
    let mut project = TestProject::running(1);
    project.windows();
    project.seal_at(project.now() + 2 * 3600);
    let report = held(&project);
    assert_eq!(report.time.late_windows, 5);
    let half = Rational::ratio(1, 2);
    assert_eq!(figure(&report, None, KpiId::Availability), (half.unwrap(), Some(Rational::integer(1))));
}

#[test]
fn a_new_key_opens_no_new_account() {
    let mut project = TestProject::running(2);
    let old = project.agent.kid();
    let new = Signer::new(12, Role::Agent, "edge-1");
    project.key_change(KeyAction::Rotate, Some(old), Some(new.roster_key()), project.last_of(old));
    project.agent = new;
    project.windows();
    project.windows();
    project.seal();
    for id in [KpiId::Energy, KpiId::EnergyPerPart, KpiId::Availability] {
        assert_eq!(figure(&held(&project), None, id), figure(&honest(4), None, id));
    }
}

#[test]
fn a_second_key_of_the_same_agent_covers_no_minute_twice_and_hides_no_hole() {
    use verify::DefectCode as D;
    let cases = [(0, 900, None), (5, 1200, Some(D::MissingWindows)), (-5, 600, Some(D::WindowOverlap))];
    for (late, to, want) in cases {
        let mut project = TestProject::running(2);
        let second = Signer::new(12, Role::Agent, "edge-1");
        project.key_change(KeyAction::Enrol, None, Some(second.roster_key()), None);
        project.agent = second;
        project.skip(u32::try_from(late).unwrap_or(0));
        project.windows_with(|b| b.t0 += i64::from(late.min(0)) * 60);
        project.seal();
        let report = Bundle::from(&project).asked_for(START, START + to).judged();
        let found: Vec<_> = report.defects.iter().map(|d| d.code).collect();
        assert_eq!(found, Vec::from_iter(want), "{late}: {}", details(&report));
    }
}

#[test]
fn a_register_that_falls_bounds_nothing() {
    let mut project = TestProject::running(1);
    project.windows_with(|b| {
        b.columns.get_mut(&ENERGY).unwrap().values[..5].iter_mut().for_each(|v| *v -= 500_000);
    });
    project.seal();
    let report = held(&project);
    assert_eq!(figure(&report, Some("cnc-01"), KpiId::Energy).1, None);
    assert!(!report.plausible.findings.is_empty());
}

/// A meter is exchanged in a batch that carries no energy: the next difference would be between two meters.
#[test]
fn a_meter_exchanged_where_no_energy_is_signed_is_not_forgotten() {
    let mut project = TestProject::running(1);
    project.windows_with(|b| {
        b.columns.remove(&ENERGY);
        b.columns.get_mut(&ENERGY_Q).unwrap().values.fill(AmountQuality::Missing.number().into());
        b.events = vec![Event {
            t_ms: (b.t0 + 30) * 1000,
            code: EventCode::MeterExchanged,
            machine: Some(0),
            before: EventValue::Counter(ENERGY, 9_000_000),
            after: EventValue::Counter(ENERGY, 0),
        }];
    });
    project.windows();
    project.seal();
    assert_eq!(figure(&held(&project), Some("cnc-01"), KpiId::Energy).1, None);
}

/// The registrar approves a stricter mapping and the agent stays with the old one: that is allowed, because an
/// agent changes over at a moment of its own, and the report names the mapping that was used.
#[test]
fn figures_name_the_mapping_that_was_used_and_not_the_newest() {
    let stricter = Definition::new("mapping/cnc-01", "producing and cutting");
    let plan = |effective_from, stricter: &Definition| {
        let (hash, text) = (stricter.hash, stricter.text.clone());
        let body = PlanBody::Mapping { machine: 0, hash, text };
        move |place| Payload::Plan(Box::new(Plan { place, effective_from, body, document: None }))
    };
    let used = |project: &TestProject| held(project).machines[0].mapping.clone();

    let mut project = TestProject::running(1);
    project.registrar_says(START, plan(project.now(), &stricter));
    project.windows();
    project.seal();
    assert_eq!(used(&project), hex::encode(project.genesis.machines[0].mapping));

    let mappings = [(0, stricter.hash), (1, project.genesis.machines[1].mapping)];
    let definitions = definitions_in_force(&project.genesis.definitions, &mappings);
    project.windows_with(|b| b.definitions = definitions);
    project.seal();
    assert_eq!(used(&project), hex::encode(stricter.hash));

    // A mapping of next year is not this year's, although it is approved.
    let mut project = TestProject::running(1);
    project.registrar_says(START, plan(project.now() + 366 * 86_400, &stricter));
    project.windows();
    project.seal();
    assert_eq!(used(&project), hex::encode(project.genesis.machines[0].mapping));
}

/// An approval dated back lets no approval be forgotten: whoever changed over in time stays in the right.
#[test]
fn an_approval_dated_back_takes_nothing_away() {
    let (first, second) =
        (Definition::new("mapping/cnc-01", "another"), Definition::new("mapping/press-03", "another"));
    let mut project = TestProject::running(1);
    let approve = |p: &mut TestProject, machine, what: &Definition, effective_from| {
        let body = PlanBody::Mapping { machine, hash: what.hash, text: what.text.clone() };
        p.registrar_says(START, |place| {
            Payload::Plan(Box::new(Plan { place, effective_from, body, document: None }))
        });
    };
    let now = project.now();
    approve(&mut project, 0, &first, now);
    let press = project.genesis.machines[1].mapping;
    let changed = definitions_in_force(&project.genesis.definitions, &[(0, first.hash), (1, press)]);
    project.windows_with(|b| b.definitions = changed);
    approve(&mut project, 1, &second, now - 300);
    project.windows_with(|b| b.definitions = changed);
    let both = definitions_in_force(&project.genesis.definitions, &[(0, first.hash), (1, second.hash)]);
    project.windows_with(|b| b.definitions = both);
    project.seal();
    held(&project);
}

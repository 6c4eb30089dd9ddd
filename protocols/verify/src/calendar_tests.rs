//! Signed calendars in whole bundles: which figures they change, and when.

use std::io::Cursor;

use evidence::payload::{Calendar, CalendarDay, DayKind, Maintenance, Plan, PlanBody, Shift};
use evidence::statement::Payload;
use kpi::{Figure, KpiId, Rational, Undefined};

use crate::report::Report;
use crate::testing::{START, TestProject};
use crate::{DefectCode, Verified, verify_bundle};

/// 2026-01-01 in days since 1970.
const NEW_YEAR: i64 = 20_454;

/// One shift on Mondays from midnight, so many minutes long; of 2026 only the first day is exceptional.
fn monday(minutes: u16) -> Calendar {
    Calendar {
        name: "周一班".into(),
        always_order: true,
        shifts: vec![Shift { name: "夜班".into(), weekdays: 1, from_min: 0, to_min: minutes }],
        days: vec![CalendarDay { day: NEW_YEAR, kind: DayKind::Holiday }],
        maintenance: vec![],
        orders: vec![],
    }
}

fn report(mut project: TestProject, statements: u32, want: &[DefectCode]) -> Verified<Report> {
    for _ in 0..statements {
        project.windows();
    }
    project.seal();
    let report = verify_bundle(Cursor::new(project.bundle()), &project.trust(), &mut |_| ()).unwrap();
    let codes: Vec<DefectCode> = report.defects.iter().map(|d| d.code).collect();
    assert_eq!(codes, want, "{:#?}", report.defects);
    report
}

/// The figures of the project, by table.
fn values(report: &Report, id: KpiId) -> Vec<(String, Figure)> {
    let tables = report.figures.as_ref().unwrap().tables.iter().filter(|t| t.machine.is_none());
    let value = |t: &crate::report::KpiTable| t.kpis.iter().find(|k| k.id == id).unwrap().value.clone();
    tables.map(|t| (t.name.clone(), value(t))).collect()
}

fn point(n: i64, d: i64) -> Figure {
    let value = Rational::ratio(n, d).unwrap();
    Figure::Interval { lower: value.clone(), upper: Some(value) }
}

fn says(project: &mut TestProject, iat: i64, effective_from: i64, calendar: Calendar) {
    project.registrar_says(iat, |place| {
        let body = PlanBody::Calendar(calendar);
        Payload::Plan(Box::new(Plan { place, effective_from, body, document: None }))
    });
}

/// Five minutes of work, five of idling, from midnight: of 25 minutes 15 are work.
#[test]
fn the_calendar_of_the_genesis_decides_what_time_counts() {
    let project = TestProject::with(|g| g.calendar = monday(25));
    let report = report(project, 12, &[]);
    let name = values(&report, KpiId::Availability)[0].0.clone();
    assert_eq!(values(&report, KpiId::Availability), [(name.clone(), point(3, 5))]);
    assert_eq!(values(&report, KpiId::PowerOnRate), [(name, point(1, 1))]);
    let figures = report.figures.as_ref().unwrap();
    let minutes = |ms: u64| ms / 60_000;
    let times = figures.tables[0].times;
    assert_eq!((minutes(times.pbt_ms), minutes(times.calendar_ms)), (2 * 25, 2 * 60));
    assert_eq!(minutes(times.producing_unplanned_ms), 2 * 15);
    assert_eq!(report.project.as_ref().unwrap().calendar, "周一班");
}

#[test]
fn a_year_without_exceptional_days_has_no_figures_of_planned_time() {
    let project = TestProject::with(|g| {
        g.calendar = monday(25);
        g.calendar.days.clear();
    });
    let report = report(project, 12, &[]);
    let no_calendar = Figure::Undefined { reason: Undefined::NoCalendar };
    assert_eq!(values(&report, KpiId::Availability)[0].1, no_calendar);
    assert_eq!(values(&report, KpiId::PowerOnRate)[0].1, point(1, 1));
}

#[test]
fn a_plan_ahead_of_time_changes_figures_from_its_date_on() {
    let mut project = TestProject::new();
    project.windows();
    says(&mut project, START + 300, START + 1800, monday(40));
    let report = report(project, 11, &[]);
    // 30 minutes around the clock, then 10 of the shift.
    assert_eq!(values(&report, KpiId::Availability).len(), 1);
    assert_eq!(report.figures.as_ref().unwrap().tables[0].times.pbt_ms, 2 * 40 * 60_000);
    assert_eq!(values(&report, KpiId::Availability)[0].1, point(1, 2));
    assert!(report.plans[0].applied && report.plans[0].refused.is_none());
    assert_eq!(report.project.as_ref().unwrap().calendar, "default-24/7-with-order/1 → 周一班 #2");
}

#[test]
fn a_retroactive_plan_is_a_second_row_whatever_its_own_date_says() {
    // Signed for the start, and dated back to it; the log knows that half an hour of windows was there before.
    for iat in [START, START + 1800] {
        let mut project = TestProject::new();
        for _ in 0..6 {
            project.windows();
        }
        says(&mut project, iat, START, monday(25));
        let report = report(project, 6, &[]);
        let rows = values(&report, KpiId::Availability);
        assert_eq!(rows[0].1, point(1, 2), "first planned: half an hour around the clock, then nothing");
        assert_eq!(rows[1], (format!("{} · 追溯日历 calendar as changed", rows[0].0), point(3, 5)));
        assert_eq!(rows.len(), 2);
        let of_a_machine = report.figures.as_ref().unwrap().tables.iter().filter(|t| t.machine.is_some());
        assert_eq!(of_a_machine.count() % 2, 0, "every machine has both rows");
    }
}

#[test]
fn a_plan_that_cannot_be_is_not_applied_and_says_why() {
    let mut project = TestProject::new();
    project.windows();
    let mut bad = monday(25);
    bad.maintenance = vec![Maintenance { machine: Some(9), interval: (START, START + 600) }];
    says(&mut project, START + 300, START + 600, bad);
    let report = report(project, 11, &[]);
    assert!(!report.plans[0].applied);
    let refused = report.plans[0].refused.clone().unwrap();
    assert!(refused.contains("\"#9\"") && refused.contains("roster"), "{refused}");
    assert_eq!(report.project.as_ref().unwrap().calendar, "default-24/7-with-order/1");
    assert_eq!(values(&report, KpiId::Availability)[0].1, point(1, 2));
}

#[test]
fn a_genesis_whose_calendar_contradicts_itself_is_not_used() {
    let project = TestProject::with(|g| {
        g.calendar = monday(25);
        g.calendar.shifts.push(Shift { name: "早班".into(), weekdays: 1, from_min: 20, to_min: 60 });
    });
    let report = report(project, 0, &[DefectCode::GenesisContent]);
    assert!(report.defects[0].first[0].detail.contains("overlap on Mon"), "{:#?}", report.defects[0]);
}

//! Calendars against worked days, and the errors that name what a plan lacks.

use proptest::prelude::*;

use super::holidays::HolidayError;
use super::plan::{LocalTime, Maintenance, Moment, Order, Pattern, PlanDay, Shift, Statutory};
use super::*;
use crate::period::{Cuts, DAY_S, Grid};

const EXAMPLE: &str = include_str!("../../../../config/examples/plan.toml");
const NOTICES: [&str; 3] = [
    include_str!("../../../../config/calendars/cn-2024.toml"),
    include_str!("../../../../config/calendars/cn-2025.toml"),
    include_str!("../../../../config/calendars/cn-2026.toml"),
];
const MACHINES: [&str; 3] = ["cnc-01", "cnc-02", "furnace-01"];
const HOUR_S: i64 = 3600;
const WEEK: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];

fn grid() -> Grid {
    Grid::new(60, 480).unwrap()
}

fn notices() -> Vec<HolidayYear> {
    NOTICES.iter().map(|text| toml::from_str(text).unwrap()).collect()
}

fn example() -> Version {
    toml::from_str(EXAMPLE).unwrap()
}

/// UTC seconds of a local moment, `2026-03-02 08:00`.
#[track_caller]
fn at(local: &str) -> i64 {
    let (day, time) = local.split_once(' ').unwrap();
    let time: LocalTime = time.parse().unwrap();
    day.parse::<Day>().unwrap().start(grid()) + i64::from(time.minutes()) * 60
}

#[track_caller]
fn period(from: &str, to: &str) -> Period {
    Period { from: at(from), to: at(to) }
}

fn planned(versions: &[Version]) -> Result<PlannedCalendars, PlanError> {
    Planning { grid: grid(), machines: &MACHINES, versions, holidays: &notices() }.build()
}

#[track_caller]
fn calendar(version: &Version, machine: &str) -> Calendar {
    let planned = planned(std::slice::from_ref(version)).unwrap();
    assert_eq!(planned.as_changed, None);
    planned.first_planned.of(machine).unwrap().clone()
}

/// A plan of one pattern for all machines, in force since ever.
fn version(name: &str, shifts: &[(&str, &[Weekday], &str, &str)]) -> Version {
    let shift = |&(name, weekdays, from, to): &(&str, &[Weekday], &str, &str)| Shift {
        name: name.into(),
        weekdays: weekdays.to_vec(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    };
    Version {
        effective_from: None,
        signed_at: Moment(0),
        plan: Plan {
            name: name.into(),
            patterns: vec![Pattern {
                name: "全厂".into(),
                machines: vec![],
                statutory: Statutory::Observed,
                shifts: shifts.iter().map(shift).collect(),
            }],
            days: vec![],
            complete_years: vec![],
            maintenance: vec![],
            always_order: true,
            orders: vec![],
        },
    }
}

fn two_shifts(name: &str) -> Version {
    version(name, &[("早班", &WEEK, "08:00", "16:00"), ("夜班", &WEEK, "22:00", "06:00")])
}

#[track_caller]
fn check(calendar: &Calendar, want: &[(&str, Slot)]) {
    for &(local, slot) in want {
        assert_eq!(calendar.slot(at(local)), slot, "{local}");
    }
}

use Slot::{NotScheduled, Ordered, PlannedMaintenance, Undated, Unordered};

#[test]
fn the_example_plan_is_what_its_comments_say() {
    let cnc = calendar(&example(), "cnc-01");
    check(
        &cnc,
        &[
            ("2026-03-02 07:59", NotScheduled),
            ("2026-03-02 08:00", PlannedMaintenance),
            ("2026-03-02 09:59", PlannedMaintenance),
            ("2026-03-02 10:00", Ordered),
            ("2026-03-02 15:59", Ordered),
            ("2026-03-02 16:00", NotScheduled),
            ("2026-03-02 22:00", Ordered),
            ("2026-03-03 05:59", Ordered),
            ("2026-03-03 06:00", NotScheduled),
            ("2026-03-06 15:59", Ordered),
            ("2026-03-06 22:00", Unordered),
            ("2026-03-07 05:59", Unordered),
            ("2026-03-07 06:00", NotScheduled),
            ("2026-08-15 08:00", Unordered),
        ],
    );
    let week = period("2026-03-02 00:00", "2026-03-09 00:00");
    let hours = cnc.slots_ms(week).map(|ms| ms / 3_600_000);
    assert_eq!(hours, [70, 8, 2, 88, 0]);
    assert_eq!(cnc.orders_ms(week), Some((4 * 24 + 8) * 3_600_000));
    check(&calendar(&example(), "cnc-02"), &[("2026-03-02 08:00", Unordered)]);
    check(
        &calendar(&example(), "furnace-01"),
        &[("2026-10-01 03:00", Unordered), ("2031-01-01 03:00", Unordered)],
    );
}

#[test]
fn holidays_have_no_shifts_and_make_up_workdays_are_mondays() {
    let calendar = calendar(&two_shifts("a"), "cnc-01");
    check(
        &calendar,
        &[
            // 元旦, and the Sunday that pays for it.
            ("2026-01-02 08:00", NotScheduled),
            ("2026-01-04 08:00", Ordered),
            // 春节: the Saturday before works, its night shift ends on the first day off.
            ("2026-02-14 08:00", Ordered),
            ("2026-02-15 05:59", Ordered),
            ("2026-02-15 08:00", NotScheduled),
            ("2026-02-16 08:00", NotScheduled),
            ("2026-02-23 22:00", NotScheduled),
            ("2026-02-24 05:59", NotScheduled),
            ("2026-02-24 08:00", Ordered),
            ("2026-02-28 08:00", Ordered),
            ("2026-03-01 05:59", Ordered),
            ("2026-03-01 08:00", NotScheduled),
            ("2025-09-28 08:00", Ordered),
            ("2025-10-08 08:00", NotScheduled),
        ],
    );
}

/// 《全国年节及纪念日放假办法》 gives 11 days until 2024 and 13 from 2025; a notice moves workdays, it makes no others.
#[test]
fn each_years_notice_gives_the_days_of_the_law() {
    for (notice, days_off, make_up, by_law) in
        notices().iter().zip([(30, 8, 11), (28, 5, 13), (33, 6, 13)]).map(|(n, (a, b, c))| (n, a, b, c))
    {
        let days = StatutoryDaysOf::new(notice);
        assert_eq!((days.off.len(), days.make_up), (days_off, make_up), "{}", notice.year);
        let on_weekdays = days.off.iter().filter(|day| !day.weekday().is_weekend()).count();
        assert_eq!(on_weekdays - make_up, by_law, "{}", notice.year);
        assert!(!notice.notice.is_empty() && !notice.source.is_empty() && !notice.checked.is_empty());
    }
}

struct StatutoryDaysOf {
    off: Vec<Day>,
    make_up: usize,
}

impl StatutoryDaysOf {
    fn new(notice: &HolidayYear) -> Self {
        let off =
            notice.holidays.iter().flat_map(|h| (h.from.number()..=h.to.number()).map(Day::from_number));
        Self { off: off.collect(), make_up: notice.holidays.iter().map(|h| h.workdays.len()).sum() }
    }
}

#[test]
fn a_shift_across_midnight_belongs_to_the_day_on_which_it_begins() {
    let calendar = calendar(&two_shifts("a"), "cnc-01");
    let leap = calendar.shifts(period("2024-02-29 00:00", "2024-03-02 00:00"));
    let told: Vec<_> = leap.iter().map(|r| (r.name.as_str(), r.day.to_string(), r.over)).collect();
    let run = |name, day: &str, from, to| (name, day.to_owned(), period(from, to));
    assert_eq!(
        told,
        [
            run("夜班", "2024-02-28", "2024-02-29 00:00", "2024-02-29 06:00"),
            run("早班", "2024-02-29", "2024-02-29 08:00", "2024-02-29 16:00"),
            // Over the end of the month.
            run("夜班", "2024-02-29", "2024-02-29 22:00", "2024-03-01 06:00"),
            run("早班", "2024-03-01", "2024-03-01 08:00", "2024-03-01 16:00"),
            run("夜班", "2024-03-01", "2024-03-01 22:00", "2024-03-02 00:00"),
        ]
    );
    // 29 February has 24 h, of which 6 + 8 + 2 are shifts.
    let hours = calendar.slots_ms(period("2024-02-29 00:00", "2024-03-01 00:00")).map(|ms| ms / 3_600_000);
    assert_eq!(hours, [16, 0, 0, 8, 0]);
}

#[test]
fn days_of_a_year_without_data_are_undated_and_refused() {
    let calendars = planned(&[two_shifts("a")]).unwrap().first_planned;
    let calendar = calendars.of("cnc-01").unwrap();
    check(
        calendar,
        &[
            ("2026-12-31 22:00", Ordered),
            ("2027-01-01 00:00", Undated),
            ("2027-01-04 08:00", Undated),
            // The night shift of a day that nobody knows.
            ("2024-01-01 05:59", Undated),
            ("2024-01-01 06:00", NotScheduled),
            ("2023-12-29 08:00", Undated),
        ],
    );
    let refused = |from, to| match calendars.require(period(from, to)) {
        Err(PlanError::UnknownHolidayYear { machine, day }) => Some((machine, day.to_string())),
        other => other.map(|()| None).unwrap(),
    };
    assert_eq!(refused("2024-01-02 00:00", "2027-01-01 00:00"), None);
    assert_eq!(refused("2026-12-01 00:00", "2027-02-01 00:00"), Some(("cnc-01".into(), "2027-01-01".into())));
    assert_eq!(refused("2024-01-01 00:00", "2024-02-01 00:00"), Some(("cnc-01".into(), "2023-12-31".into())));
    // A plan that works through holidays needs no data, and one that states a day knows that day.
    let mut worked = two_shifts("b");
    worked.plan.patterns[0].statutory = Statutory::Worked;
    check(
        &self::calendar(&worked, "cnc-01"),
        &[("2027-01-01 08:00", Ordered), ("2026-10-01 08:00", Ordered)],
    );
    let mut stated = two_shifts("c");
    stated.plan.days = vec![PlanDay { date: "2027-01-04".parse().unwrap(), kind: DayKind::Workday }];
    check(
        &self::calendar(&stated, "cnc-01"),
        &[("2027-01-04 08:00", Ordered), ("2027-01-05 08:00", Undated)],
    );
}

#[test]
fn maintenance_outside_the_shifts_is_planned_operating_time() {
    let mut sunday = two_shifts("a");
    let over = period("2026-03-08 08:00", "2026-03-08 12:00");
    sunday.plan.maintenance =
        vec![Maintenance { machine: None, from: Moment(over.from), to: Moment(over.to) }];
    let calendar = calendar(&sunday, "cnc-01");
    check(&calendar, &[("2026-03-08 08:00", PlannedMaintenance), ("2026-03-08 12:00", NotScheduled)]);
}

#[test]
fn until_a_plan_takes_effect_machines_run_around_the_clock_with_an_order() {
    let mut later = two_shifts("两班 2026-03");
    later.effective_from = Some(Moment(at("2026-03-03 12:00")));
    let calendar = calendar(&later, "cnc-02");
    check(
        &calendar,
        &[("2026-03-01 03:00", Ordered), ("2026-03-03 12:00", Ordered), ("2026-03-03 16:00", NotScheduled)],
    );
    let notices = "国办发明电〔2023〕7号、国办发明电〔2024〕12号、国办发明电〔2025〕7号";
    assert_eq!(calendar.version(), format!("default-24/7-with-order/1 → 两班 2026-03 [{notices}]"));
    let before = period("2026-03-01 00:00", "2026-03-02 00:00");
    assert_eq!(calendar.version_in(before), "default-24/7-with-order/1");
    assert_eq!(Calendars::always().of("anything"), Some(&Calendar::Always));
    assert_eq!(planned(&[]).unwrap().first_planned, Calendars::always());
    // The shift that is on when the plan takes effect is cut there.
    let first = calendar.shifts(period("2026-03-03 00:00", "2026-03-04 00:00"));
    assert_eq!(first[0].over, period("2026-03-03 12:00", "2026-03-03 16:00"));
    // No orders are stated before, so their time is not known over the whole.
    assert_eq!(calendar.orders_ms(before), None);
}

#[test]
fn a_shift_that_goes_on_under_the_next_version_is_one_shift() {
    let mut second = two_shifts("b");
    second.effective_from = Some(Moment(at("2026-03-03 00:00")));
    let planned = planned(&[two_shifts("a"), second]).unwrap();
    let shifts =
        planned.first_planned.of("cnc-01").unwrap().shifts(period("2026-03-02 20:00", "2026-03-03 08:00"));
    assert_eq!(shifts.len(), 1);
    assert_eq!(shifts[0].over, period("2026-03-02 22:00", "2026-03-03 06:00"));
}

#[test]
fn a_retroactive_version_is_a_second_row_and_replaces_none() {
    let mut retroactive = version("一班", &[("早班", &WEEK, "08:00", "16:00")]);
    retroactive.effective_from = Some(Moment(at("2026-03-02 00:00")));
    // Signed within a window; it is known from the next window on.
    retroactive.signed_at = Moment(at("2026-03-04 23:00") + 1);
    let planned = planned(&[two_shifts("两班"), retroactive]).unwrap();
    let first = planned.first_planned.of("cnc-01").unwrap();
    let changed = planned.as_changed.as_ref().unwrap().of("cnc-01").unwrap();
    check(
        first,
        &[("2026-03-02 22:00", Ordered), ("2026-03-04 23:00", Ordered), ("2026-03-04 23:01", NotScheduled)],
    );
    check(
        changed,
        &[
            ("2026-02-27 22:00", Ordered),
            ("2026-03-02 00:00", NotScheduled),
            ("2026-03-02 22:00", NotScheduled),
        ],
    );
}

#[test]
fn of_versions_in_effect_the_latest_effective_date_holds_and_of_the_same_the_later_signed() {
    let shift = |name: &'static str, from: &str, signed: &str| {
        let mut v = version(name, &[("早班", &WEEK, "08:00", "16:00")]);
        v.effective_from = Some(Moment(at(from)));
        v.signed_at = Moment(at(signed));
        v
    };
    // December is planned ahead; what is signed later for March does not undo it, and its correction does.
    let versions = [
        shift("一", "2026-01-01 00:00", "2025-12-01 00:00"),
        shift("十二月", "2026-12-01 00:00", "2026-02-01 00:00"),
        shift("三月", "2026-03-01 00:00", "2026-02-20 00:00"),
        shift("十二月改", "2026-12-01 00:00", "2026-02-21 00:00"),
    ];
    let name = |versions: &[Version], day: &str| {
        let planned = planned(versions).unwrap();
        assert_eq!(planned.as_changed, None, "all were signed before they took effect");
        let from = at(day);
        let calendar = planned.first_planned.of("cnc-01").unwrap();
        let name = calendar.version_in(Period { from, to: from + 60 });
        name.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(name(&versions, "2026-02-28 00:00"), "一");
    assert_eq!(name(&versions, "2026-11-30 00:00"), "三月");
    assert_eq!(name(&versions[..3], "2026-12-01 00:00"), "十二月");
    assert_eq!(name(&versions, "2026-12-01 00:00"), "十二月改");
}

/// What is wrong with a version, in text.
#[track_caller]
fn refused(change: impl FnOnce(&mut Version), want: &[&str]) {
    let mut version = example();
    change(&mut version);
    let error = planned(&[version]).unwrap_err().to_string();
    for part in want {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn each_mistake_in_a_plan_has_its_own_error_that_says_what_to_supply() {
    let order = |v: &Version| v.plan.orders[0].clone();
    refused(
        |v| v.plan.patterns[0].machines.push("cnc-1".into()),
        &["pattern \"机加\"", "\"cnc-1\"", "roster"],
    );
    refused(|v| v.plan.orders[0].machine = "x".into(), &["order \"WO-2603-001\"", "\"x\"", "roster"]);
    refused(|v| v.plan.maintenance[0].machine = Some("y".into()), &["maintenance from", "\"y\"", "roster"]);
    refused(
        |v| v.plan.patterns[1].machines = vec!["cnc-01".into()],
        &["cnc-01", "机加", "热处理", "leave it in one"],
    );
    refused(|v| v.plan.patterns[0].machines = vec!["cnc-01".into()], &["no pattern", "cnc-02"]);
    refused(
        |v| {
            for p in &mut v.plan.patterns {
                p.machines.clear();
            }
        },
        &["has the patterns"],
    );
    refused(|v| v.plan.patterns[0].shifts[0].weekdays.clear(), &["早班", "weekdays"]);
    refused(|v| v.plan.patterns[0].shifts[0].weekdays.push(Weekday::Mon), &["早班", "each once"]);
    refused(|v| v.plan.patterns[0].shifts[0].from = "24:00".parse().unwrap(), &["早班", "24:00"]);
    refused(
        |v| v.plan.patterns[0].shifts[0].to = "22:01".parse().unwrap(),
        &["早班", "夜班", "overlap on Mon"],
    );
    refused(|v| v.plan.patterns[0].shifts[1].to = "08:01".parse().unwrap(), &["夜班", "早班", "overlap"]);
    refused(|v| v.plan.maintenance[0].to = v.plan.maintenance[0].from, &["maintenance", "is empty"]);
    refused(|v| v.plan.orders[0].to = Moment(0), &["order \"WO-2603-001\"", "is empty"]);
    refused(
        |v| {
            let mut all = v.plan.maintenance[0].clone();
            (all.machine, all.from) = (None, Moment(all.from.0 + HOUR_S));
            v.plan.maintenance.push(all);
        },
        &["cnc-01", "overlap", "state it once"],
    );
    refused(
        |v| {
            let again = order(v);
            v.plan.orders.push(Order { from: Moment(again.from.0 + HOUR_S), ..again });
        },
        &["WO-2603-001", "overlaps itself"],
    );
    refused(|v| v.plan.days.push(v.plan.days[0].clone()), &["2026-08-15", "twice"]);
}

#[test]
fn a_boundary_inside_a_window_is_refused_and_named() {
    refused(|v| v.effective_from = Some(Moment(1)), &["effective_from", "60 s"]);
    refused(|v| v.plan.maintenance[0].from.0 += 1, &["begin of maintenance", "60 s"]);
    refused(|v| v.plan.maintenance[0].to.0 += 1, &["end of maintenance"]);
    refused(|v| v.plan.orders[0].to.0 -= 1, &["end of order \"WO-2603-001\""]);
    let coarse =
        Planning { grid: Grid::new(900, 480).unwrap(), machines: &["m"], versions: &[], holidays: &[] };
    for (from, to, want) in
        [("08:05", "16:00", "begin of shift \"早班\""), ("08:00", "16:10", "end of shift")]
    {
        let version = [version("a", &[("早班", &WEEK, from, to)])];
        let error = Planning { versions: &version, ..coarse }.build().unwrap_err().to_string();
        assert!(error.contains(want) && error.contains("900 s"), "{error}");
    }
}

#[test]
fn versions_out_of_order_and_names_used_twice_are_refused() {
    let mut late = two_shifts("b");
    late.signed_at = Moment(-60);
    let unsorted = planned(&[two_shifts("a"), late.clone()]).unwrap_err();
    assert_eq!(unsorted, PlanError::UnsortedVersions { plan: "b".into(), before: "a".into() });
    late.plan.name = "a".into();
    let same = planned(&[late, two_shifts("a")]).unwrap_err();
    assert_eq!(same, PlanError::SameName { plan: "a".into() });
}

#[test]
fn shifts_that_meet_only_behind_a_make_up_workday_are_refused_too() {
    // Saturday's night ends at 10:00 on Sunday; a Sunday that works begins at 08:00 like a Monday.
    let version =
        version("a", &[("早班", &WEEK, "08:00", "16:00"), ("周六夜", &[Weekday::Sat], "22:00", "10:00")]);
    let refused = planned(&[version]).unwrap_err();
    assert!(matches!(&refused, PlanError::OverlappingShifts { first, .. } if first == "周六夜"), "{refused}");
}

#[test]
fn holiday_data_that_cannot_be_is_refused() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Vec<HolidayYear>), want: impl Fn(&HolidayError) -> bool) {
        let mut notices = notices();
        change(&mut notices);
        let refused = holidays::StatutoryDays::new(&notices).unwrap_err();
        assert!(want(&refused), "{refused}");
    }
    let day = |text: &str| text.parse::<Day>().unwrap();
    check(|n| n.push(n[0].clone()), |e| *e == HolidayError::YearTwice(2024));
    check(
        |n| n[2].holidays[1].to = day("2026-02-14"),
        |e| matches!(e, HolidayError::Length { year: 2026, .. }),
    );
    check(|n| n[2].holidays[1].to = day("2026-03-15"), |e| matches!(e, HolidayError::Length { .. }));
    check(|n| n[2].year = 2027, |e| matches!(e, HolidayError::OtherYear { year: 2027, .. }));
    check(|n| n[2].year = 2028, |e| matches!(e, HolidayError::OtherYear { year: 2028, .. }));
    check(
        |n| n[2].holidays[0].workdays = vec![day("2026-01-05")],
        |e| matches!(e, HolidayError::NotAWeekend { .. }),
    );
    check(
        |n| n[2].holidays[0].workdays = vec![day("2026-01-03")],
        |e| matches!(e, HolidayError::DayTwice { .. }),
    );
}

#[test]
fn a_plan_in_json_is_the_plan_in_toml() {
    let json = serde_json::to_string(&example()).unwrap();
    assert_eq!(serde_json::from_str::<Version>(&json).unwrap(), example());
    for (wrong, said) in [
        (EXAMPLE.replace("statutory = \"observed\"", ""), "statutory"),
        (EXAMPLE.replace("always_order = false", ""), "always_order"),
        (EXAMPLE.replace("\"08:00\"", "\"8:00\""), "08:00"),
        (EXAMPLE.replace("\"mon\"", "\"monday\""), "monday"),
        (EXAMPLE.replace("10:00:00+08:00", "10:00:00"), "with its offset"),
        (EXAMPLE.replace("2026-08-15", "2026-02-29"), "2026-02-29"),
        (EXAMPLE.replace("machine = ", "machin = "), "machin"),
    ] {
        let error = toml::from_str::<Version>(&wrong).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Shifts of a week that never overlap: the day in quarters of an hour, each shift within it or over midnight.
fn any_plan() -> impl Strategy<Value = Version> {
    let quarter = |q: u16| LocalTime::from_minutes(q * 15).unwrap();
    let days = prop::collection::vec(any::<bool>(), 7).prop_map(|on| {
        Weekday::ALL.into_iter().zip(on).filter_map(|(day, on)| on.then_some(day)).collect::<Vec<_>>()
    });
    let cuts = prop::collection::btree_set(0u16..96, 2..=6);
    let start = at("2026-02-09 00:00");
    let stretch = (0i64..21 * 96, 1i64..80)
        .prop_map(move |(q, n)| Period { from: start + q * 900, to: start + (q + n) * 900 });
    let ids = prop::sample::select(MACHINES.to_vec());
    (
        days,
        cuts,
        prop::option::of(stretch.clone()),
        prop::collection::vec((ids, stretch), 0..4),
        any::<[bool; 2]>(),
    )
        .prop_map(move |(weekdays, cuts, maintenance, orders, [always_order, observed])| {
            let mut version = version("p", &[]);
            let cuts: Vec<u16> = cuts.into_iter().collect();
            if !weekdays.is_empty() {
                version.plan.patterns[0].shifts = (0..cuts.len() / 2)
                    .map(|i| {
                        // The last cut and the first make a shift over midnight.
                        let i = 2 * i + 1;
                        let (from, to) = (cuts[i], cuts[(i + 1) % cuts.len()]);
                        Shift {
                            name: format!("班{i}"),
                            weekdays: weekdays.clone(),
                            from: quarter(from),
                            to: quarter(to),
                        }
                    })
                    .collect();
            }
            version.plan.patterns[0].statutory =
                if observed { Statutory::Observed } else { Statutory::Worked };
            let maintenance = maintenance.into_iter();
            version.plan.maintenance = maintenance
                .map(|p| Maintenance { machine: None, from: Moment(p.from), to: Moment(p.to) })
                .collect();
            version.plan.always_order = always_order;
            version.plan.orders = orders
                .into_iter()
                .enumerate()
                .map(|(i, (machine, p))| Order {
                    machine: machine.to_owned(),
                    id: format!("WO-{i}"),
                    from: Moment(p.from),
                    to: Moment(p.to),
                })
                .collect();
            version
        })
}

/// The slot of a moment by asking each rule in turn, with nothing cached, sorted or cut.
fn by_hand(version: &Version, machine: &str, t: i64) -> Slot {
    let plan = &version.plan;
    let inside = |from: Moment, to: Moment| from.0 <= t && t < to.0;
    if plan.maintenance.iter().any(|m| inside(m.from, m.to)) {
        return PlannedMaintenance;
    }
    let off = [
        "2026-02-15",
        "2026-02-16",
        "2026-02-17",
        "2026-02-18",
        "2026-02-19",
        "2026-02-20",
        "2026-02-21",
        "2026-02-22",
        "2026-02-23",
    ];
    let make_up = ["2026-02-14", "2026-02-28"];
    let minute = (t + 8 * HOUR_S).rem_euclid(DAY_S) / 60;
    let on = |day: Day, minute: i64| {
        let text = day.to_string();
        let observed = plan.patterns[0].statutory == Statutory::Observed;
        let weekday = if observed && make_up.contains(&text.as_str()) { Weekday::Mon } else { day.weekday() };
        let works = !(observed && off.contains(&text.as_str()));
        plan.patterns[0].shifts.iter().any(|s| {
            let (from, to) = (i64::from(s.from.minutes()), i64::from(s.to.minutes()));
            let to = if to > from { to } else { to + 1440 };
            works && s.weekdays.contains(&weekday) && (from..to).contains(&minute)
        })
    };
    let today = Day::of(t, grid());
    let scheduled =
        plan.patterns[0].shifts.is_empty() || on(today, minute) || on(today.previous(), minute + 1440);
    let ordered =
        plan.always_order || plan.orders.iter().any(|o| o.machine == machine && inside(o.from, o.to));
    match (scheduled, ordered) {
        (false, _) => NotScheduled,
        (true, true) => Ordered,
        (true, false) => Unordered,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_window_has_the_slot_that_the_rules_give_by_hand(version in any_plan(), quarters in prop::collection::vec(0i64..21 * 96, 60)) {
        for machine in MACHINES {
            let calendar = calendar(&version, machine);
            for q in &quarters {
                let t = at("2026-02-09 00:00") + q * 900;
                prop_assert_eq!(calendar.slot(t), by_hand(&version, machine, t), "{} {}", machine, q);
            }
        }
    }

    #[test]
    fn stretches_fill_a_period_without_overlap_and_add_up_however_it_is_split(version in any_plan(), from in 0i64..1000, cut in 1i64..500, rest in 1i64..500) {
        let calendar = calendar(&version, "cnc-01");
        let start = at("2026-02-09 00:00") + from * 900;
        let (middle, end) = (start + cut * 900, start + (cut + rest) * 900);
        let whole = Period { from: start, to: end };
        let mut reached = start;
        for stretch in calendar.stretches(whole) {
            prop_assert_eq!(stretch.over.from, reached);
            for t in [stretch.over.from, stretch.over.to - 60] {
                prop_assert_eq!(calendar.slot(t), stretch.slot);
            }
            reached = stretch.over.to;
        }
        prop_assert_eq!(reached, end);
        let (a, b) = (Period { from: start, to: middle }, Period { from: middle, to: end });
        let sum: Vec<u64> = calendar.slots_ms(a).iter().zip(calendar.slots_ms(b)).map(|(a, b)| a + b).collect();
        prop_assert_eq!(sum, calendar.slots_ms(whole).to_vec());
        prop_assert_eq!(
            calendar.orders_ms(whole),
            calendar.orders_ms(a).zip(calendar.orders_ms(b)).map(|(a, b)| a + b)
        );
    }

    #[test]
    fn shifts_are_the_scheduled_time(version in any_plan(), from in 0i64..1000, length in 1i64..600) {
        let mut version = version;
        version.plan.maintenance.clear();
        prop_assume!(!version.plan.patterns[0].shifts.is_empty());
        let calendar = calendar(&version, "cnc-01");
        let start = at("2026-02-09 00:00") + from * 900;
        let over = Period { from: start, to: start + length * 900 };
        let shifts: u64 = calendar.shifts(over).iter().map(|run| run.over.ms()).sum();
        let [ordered, unordered, maintenance, _, undated] = calendar.slots_ms(over);
        prop_assert_eq!((shifts, maintenance, undated), (ordered + unordered, 0, 0));
        // They can be cut at, so that figures by shift are made of whole cells.
        let periods: Vec<Period> = calendar.shifts(over).iter().map(|run| run.over).collect();
        let cuts = Cuts::new(60, 480, &periods).unwrap();
        prop_assert!(periods.iter().all(|&p| cuts.can_answer(p)));
    }

    #[test]
    fn the_order_of_machines_maintenance_and_orders_changes_nothing(version in any_plan()) {
        let mut turned = version.clone();
        turned.plan.orders.reverse();
        turned.plan.maintenance.reverse();
        turned.plan.patterns[0].shifts.reverse();
        let week = period("2026-02-09 00:00", "2026-03-02 00:00");
        for machine in MACHINES {
            prop_assert_eq!(calendar(&version, machine).slots_ms(week), calendar(&turned, machine).slots_ms(week));
        }
    }
}

//! Load curve, energy by leaf and time-of-use cost from the windows of a small honest agent that knows the truth:
//! the truth lies inside every interval, parts sum to the whole, and leaving windows out helps nobody.

use proptest::prelude::*;

use super::leaf_energy::EnergyByLeaf;
use super::tariff::{PricedPeriod, Tariff, TariffError};
use super::walk::EnergyWalk;
use super::*;
use crate::calendar::Calendar;
use crate::chain::{Booking, CounterBreak};
use crate::leaf::{LEAVES, Leaf};
use crate::period::{DAY_S, Grid};
use crate::round::{Rounding, decimal};
use crate::totals::{AmountBounds, Hole, Standing};
use crate::{Amount, AmountQuality, MachineWindow};

const STEP: i64 = 900;
/// 2025-01-15 16:15 at +08:00, so that flat, peak and sharp bands and midnight lie within forty windows.
const START: i64 = 1_736_928_900;

fn grid() -> Grid {
    Grid::new(900, 480).unwrap()
}

fn liaoning() -> Tariff {
    toml::from_str(include_str!("../../../../config/tariffs/liaoning.toml")).unwrap()
}

fn period(steps: usize) -> Period {
    Period { from: START, to: START + STEP * i64::try_from(steps).unwrap() }
}

/// What truly happens in one step, and what the agent makes of it.
#[derive(Clone, Debug)]
struct Step {
    leaf: usize,
    leaf_ms: u32,
    other: usize,
    energy: u32,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Read,
    NotRead,
    BoxOff,
    Reset,
    Exchanged,
    Late,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        14 => Just(Fate::Read),
        2 => Just(Fate::NotRead),
        1 => Just(Fate::BoxOff),
        1 => Just(Fate::Reset),
        1 => Just(Fate::Exchanged),
        1 => Just(Fate::Late),
    ];
    let leaf_ms = prop_oneof![3 => Just(900_000u32), 1 => 0..=900_000u32];
    (0usize..LEAVES, leaf_ms, 0usize..LEAVES, 0u32..5_000_000, fate)
        .prop_map(|(leaf, leaf_ms, other, energy, fate)| Step { leaf, leaf_ms, other, energy, fate })
}

/// A stream opens with a window: before its first one a box has signed nothing, and numbered statements show
/// whether one was left out before it.
fn story() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 2..40).prop_map(|mut story| {
        if story[0].fate == Fate::BoxOff {
            story[0].fate = Fate::NotRead;
        }
        story
    })
}

/// A signed tile as it lies in the log.
#[derive(Clone, Debug)]
struct Tile {
    from: i64,
    window: Option<(MachineWindow, Vec<CounterBreak>)>,
    counted: bool,
    opening: bool,
}

fn sign(story: &[Step]) -> Vec<Tile> {
    let (mut register, mut known, mut gap) = (5_000i64, 0i64, false);
    let mut tiles: Vec<Tile> = Vec::new();
    for (from, step) in (START..).step_by(900).zip(story) {
        register += i64::from(step.energy);
        let first = match step.fate {
            Fate::Reset => Some(0),
            Fate::Exchanged => Some(1_000_000),
            _ => None,
        };
        let mut breaks = Vec::new();
        if let Some(first) = first {
            breaks.push(CounterBreak { quantity: Quantity::Energy, last: register, first });
            register = first;
        }
        let read = !matches!(step.fate, Fate::NotRead | Fate::BoxOff);
        let quality = match (read, first, gap) {
            (false, ..) => AmountQuality::Missing,
            (true, Some(_), _) => AmountQuality::CounterEvent,
            (true, None, true) => AmountQuality::Bridged,
            (true, None, false) => AmountQuality::Register,
        };
        known = if read { register } else { known };
        gap = !read;
        let mut window = MachineWindow::default();
        window.states_ms[step.leaf] += step.leaf_ms;
        window.states_ms[step.other] += 900_000 - step.leaf_ms;
        window.energy = Amount { register: known, quality };
        let off = step.fate == Fate::BoxOff;
        let opening = !off && !tiles.iter().any(|tile| tile.window.is_some());
        let counted = step.fate != Fate::Late;
        tiles.push(Tile { from, window: (!off).then_some((window, breaks)), counted, opening });
    }
    tiles
}

struct Told {
    total: AmountBounds,
    curve: LoadCurve,
    leaves: EnergyByLeaf,
    cost: Cost,
}

fn tell<'a>(priced: &PricedPeriod, over: Period, tiles: impl IntoIterator<Item = &'a Tile>) -> Told {
    let cuts = Cuts::new(900, 480, &[over]).unwrap();
    let mut totals = MachineTotals::new([true, false, false]);
    let mut walk = EnergyWalk::new(over, grid(), Some(priced)).unwrap();
    for tile in tiles {
        match &tile.window {
            Some((window, breaks)) => {
                let standing = Standing { counted: tile.counted, opening: tile.opening };
                let booked =
                    totals.window(&cuts, &Calendar::Always, tile.from, window, breaks, standing).unwrap();
                walk.window(tile.from, tile.from + STEP, window, tile.counted, &booked);
            }
            None => totals.hole(&cuts, Hole::Down, tile.from, tile.from + STEP).unwrap(),
        }
    }
    let total = totals.amount(&cuts, Quantity::Energy, over);
    let (leaves, cost) = walk.finish(&total);
    Told { total, curve: walk.curve, leaves, cost: cost.unwrap() }
}

fn priced(over: Period) -> PricedPeriod {
    liaoning().over(over, grid()).unwrap()
}

fn read(leaf: Leaf, energy: u32) -> Step {
    Step { leaf: leaf.index(), leaf_ms: 900_000, other: leaf.index(), energy, fate: Fate::Read }
}

fn not_read(leaf: Leaf, energy: u32) -> Step {
    Step { fate: Fate::NotRead, ..read(leaf, energy) }
}

fn mixed(energy: u32) -> Step {
    Step { leaf_ms: 899_999, other: Leaf::Idle.index(), ..read(Leaf::Producing, energy) }
}

fn of(told: &Told, leaf: Leaf) -> (String, Option<String>) {
    let range = told.leaves.of(leaf);
    (range.lower.to_string(), range.upper.as_ref().map(ToString::to_string))
}

fn bounds(lower: u32, upper: u32) -> (String, Option<String>) {
    (lower.to_string(), Some(upper.to_string()))
}

fn tell_story(story: &[Step]) -> Told {
    let over = period(story.len());
    tell(&priced(over), over, &sign(story))
}

#[test]
fn pure_windows_belong_to_their_leaf_and_mixed_ones_to_nobody_for_sure() {
    use Leaf::{Idle, Producing, Unknown, Waiting};
    let told =
        tell_story(&[read(Idle, 9), read(Idle, 100), read(Producing, 5_000), mixed(40), read(Idle, 7)]);
    assert_eq!(of(&told, Idle), bounds(107, 147));
    assert_eq!(of(&told, Producing), bounds(5_000, 5_040));
    assert_eq!(of(&told, Waiting), bounds(0, 0));
    assert_eq!(of(&told, Unknown), bounds(0, 0));
    let share = told.leaves.share(Idle, &told.total).unwrap();
    let ratio = |n| Rational::ratio(n, 5_147).unwrap();
    assert_eq!((share.lower, share.upper), (ratio(107), Some(ratio(147))));
}

#[test]
fn a_bridged_gap_in_one_state_is_that_states_and_over_two_is_an_interval() {
    use Leaf::{Idle, Producing};
    let one = tell_story(&[read(Idle, 1), not_read(Idle, 30), read(Idle, 12)]);
    assert_eq!(of(&one, Idle), bounds(42, 42));
    let two = tell_story(&[read(Idle, 1), not_read(Producing, 30), read(Idle, 12)]);
    assert_eq!((of(&two, Idle), of(&two, Producing)), (bounds(0, 42), bounds(0, 42)));
}

#[test]
fn energy_in_unknown_time_may_be_any_leafs() {
    use Leaf::{Fault, Idle, Unknown};
    let told = tell_story(&[read(Idle, 1), read(Unknown, 50), read(Idle, 3)]);
    assert_eq!(of(&told, Unknown), bounds(50, 50));
    assert_eq!((of(&told, Idle), of(&told, Fault)), (bounds(3, 53), bounds(0, 50)));
    // A window that may not be counted, and a box that was off, are UNKNOWN too.
    for fate in [Fate::Late, Fate::BoxOff] {
        let told = tell_story(&[read(Idle, 1), Step { fate, ..read(Idle, 50) }, read(Idle, 3)]);
        assert_eq!((of(&told, Idle), of(&told, Fault)), (bounds(0, 53), bounds(0, 53)), "{fate:?}");
    }
}

#[test]
fn a_gap_across_the_end_of_the_period_may_belong_to_either_side() {
    use Leaf::{Idle, Producing};
    let story = [read(Idle, 1), read(Idle, 10), not_read(Producing, 30), read(Idle, 12), read(Idle, 5)];
    let tiles = sign(&story);
    let early = Period { to: START + 3 * STEP, ..period(5) };
    let late = Period { from: START + 3 * STEP, ..period(5) };
    let told = tell(&priced(early), early, &tiles);
    assert_eq!((of(&told, Idle), of(&told, Producing)), (bounds(10, 10), bounds(0, 42)));
    let told = tell(&priced(late), late, &tiles);
    assert_eq!((of(&told, Idle), of(&told, Producing)), (bounds(5, 47), bounds(0, 0)));
}

#[test]
fn a_peak_is_the_greatest_mean_power_over_the_demand_interval() {
    // 15 min windows; 2.5 kWh in a quarter of an hour are 10 kW.
    let told =
        tell_story(&[read(Leaf::Idle, 0), read(Leaf::Producing, 2_500_000), read(Leaf::Idle, 500_000)]);
    let peak = told.curve.peak(900, 900).unwrap();
    // The opening window has no reading before it: nothing bounds it.
    assert_eq!((peak.kw.lower.to_string(), &peak.kw.upper, peak.open), ("10".to_owned(), &None, 1));
    let after = Period { from: START + STEP, to: START + 3 * STEP };
    let tiles = sign(&[read(Leaf::Idle, 0), read(Leaf::Producing, 2_500_000), read(Leaf::Idle, 500_000)]);
    let peak = tell(&priced(after), after, &tiles).curve.peak(900, 900).unwrap();
    assert_eq!(peak.kw, Range::point(Rational::integer(10)));
    assert_eq!((peak.at, peak.open), (Period { from: START + STEP, to: START + 2 * STEP }, 0));
    let half_hour = tell(&priced(after), after, &tiles).curve.demands(1800, 900).unwrap();
    assert_eq!(half_hour.len(), 1);
    assert_eq!(half_hour[0].kw(), Range::point(Rational::integer(6)));
}

#[test]
fn a_bridged_gap_widens_the_peak_by_all_of_its_energy() {
    let story = [
        read(Leaf::Idle, 0),
        read(Leaf::Idle, 1_000_000),
        not_read(Leaf::Idle, 250_000),
        read(Leaf::Idle, 1_750_000),
        read(Leaf::Idle, 500_000),
    ];
    let over = Period { from: START + STEP, to: START + 5 * STEP };
    let curve = tell(&priced(over), over, &sign(&story)).curve;
    let peak = curve.peak(900, 900).unwrap();
    // 2 kWh over two quarters: all of it may have flowed in one.
    assert_eq!(
        (peak.kw.lower.to_string(), peak.kw.upper.unwrap().to_string()),
        ("4".to_owned(), "8".to_owned())
    );
    // An interval that holds the whole gap knows its energy exactly.
    let half_hours = curve.demands(1800, 900).unwrap();
    let kw: Vec<String> =
        half_hours.iter().map(|d| d.kw().exact().map_or("?".to_owned(), ToString::to_string)).collect();
    assert_eq!(kw, ["?", "4", "?"]);
}

#[test]
fn curves_of_machines_add_and_a_machine_that_is_silent_leaves_the_sum_open() {
    let over = Period { from: START + STEP, to: START + 3 * STEP };
    let story = [read(Leaf::Idle, 0), read(Leaf::Idle, 1_000_000), read(Leaf::Idle, 250_000)];
    let one = tell(&priced(over), over, &sign(&story)).curve;
    let mut both = one.clone();
    both.add(&one).unwrap();
    assert_eq!(both.peak(900, 900).unwrap().kw, Range::point(Rational::integer(8)));
    both.add(&LoadCurve::new(over, grid()).unwrap()).unwrap();
    let peak = both.peak(900, 900).unwrap();
    assert_eq!((peak.kw.lower, peak.kw.upper, peak.open), (Rational::integer(8), None, 2));
    let other = LoadCurve::new(Period { from: START, ..over }, grid()).unwrap();
    assert!(both.add(&other).is_err());
}

#[test]
fn intervals_off_the_grid_are_refused_by_name() {
    let curve = LoadCurve::new(period(5), grid()).unwrap();
    for (interval, slide) in
        [(0, 900), (600, 900), (900, 450), (-900, 900), (1_000_800, 900), (5_400, 7_200 - 900)]
    {
        let refused = curve.demands(interval, slide);
        assert!(refused.is_err(), "{interval} {slide}");
    }
    let text = curve.demands(600, 900).unwrap_err().to_string();
    assert!(text.starts_with("a demand interval of 600 s does not fit windows of 900 s"), "{text}");
    // 16:15 is no full hour.
    let text = curve.demands(3_600, 3_600).unwrap_err().to_string();
    assert!(text.contains("whole intervals of 3600 s; move it"), "{text}");
    assert!(LoadCurve::new(Period { from: START + 1, to: START + STEP }, grid()).is_err());
    assert!(LoadCurve::new(Period { from: START, to: START }, grid()).is_err());
}

/// Local times of 2025 at +08:00.
fn at(text: &str, minute_of_day: i64) -> i64 {
    text.parse::<crate::calendar::Day>().unwrap().start(grid()) + minute_of_day * 60
}

fn cost_of(priced: &PricedPeriod, bookings: &[(i64, i64, u64)]) -> Cost {
    let mut cost = CostOfUse::new(priced);
    let mut sum = 0;
    for &(from, to, amount) in bookings {
        cost.book(Booking::Known { from, to, amount });
        sum += u128::from(amount);
    }
    cost.finish(&AmountBounds { upper: Some(sum), ..AmountBounds::default() })
}

const KWH: u64 = 1_000_000;

#[test]
fn each_hour_of_the_liaoning_day_costs_its_band() {
    let days = Period { from: at("2025-06-01", 0), to: at("2025-08-01", 0) };
    let priced = liaoning().over(days, grid()).unwrap();
    // Month, hour and minute → fen of one kWh.
    let cases = [
        ("2025-06-10", "00:00", 40),
        ("2025-06-10", "04:45", 40),
        ("2025-06-10", "05:00", 70),
        ("2025-06-10", "07:15", 70),
        ("2025-06-10", "07:30", 100),
        ("2025-06-10", "10:15", 100),
        ("2025-06-10", "10:30", 70),
        ("2025-06-10", "11:30", 40),
        ("2025-06-10", "12:30", 70),
        ("2025-06-10", "16:00", 100),
        ("2025-06-10", "17:00", 100),
        ("2025-06-10", "20:45", 100),
        ("2025-06-10", "21:00", 70),
        ("2025-06-10", "22:00", 40),
        ("2025-07-10", "16:45", 100),
        ("2025-07-10", "17:00", 125),
        ("2025-07-10", "18:45", 125),
        ("2025-07-10", "19:00", 100),
    ];
    for (day, clock, fen) in cases {
        let (hour, minute) = clock.split_once(':').unwrap();
        let from = at(day, hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap());
        let whole = cost_of(&priced, &[(from, from + STEP, KWH)]).whole_fen();
        assert_eq!((whole.lower, whole.upper), (fen, Some(fen)), "{day} {clock}");
    }
}

#[test]
fn a_difference_over_a_band_boundary_costs_anything_between_its_cheapest_and_dearest_band() {
    let days = Period { from: at("2025-07-01", 0), to: at("2025-07-08", 0) };
    let priced = liaoning().over(days, grid()).unwrap();
    // 04:45 to 07:45: valley, flat and peak. 3 kWh cost 120 to 300 fen.
    let cost = cost_of(&priced, &[(at("2025-07-02", 285), at("2025-07-02", 465), 3 * KWH)]);
    assert_eq!((cost.whole_fen().lower, cost.whole_fen().upper), (120, Some(300)));
    let band = |band: Band| cost.by_band_mwh[band.index()].clone();
    assert_eq!(band(Band::Valley), Range::up_to(Some(Rational::integer(3 * KWH))));
    assert_eq!(band(Band::Sharp), Range::zero());
    // Over the end of the period: nothing to all of it, at the dearest price inside.
    let cost = cost_of(&priced, &[(days.to - STEP, days.to + STEP, KWH)]);
    assert_eq!((cost.whole_fen().lower, cost.whole_fen().upper), (0, Some(40)));
    // Less than a fen goes outwards.
    let whole = cost_of(&priced, &[(days.from, days.from + STEP, 1)]).whole_fen();
    assert_eq!((whole.lower, whole.upper), (0, Some(1)));
}

#[test]
fn an_amount_that_nothing_bounds_has_a_cost_that_nothing_bounds() {
    let days = Period { from: at("2025-07-01", 0), to: at("2025-07-02", 0) };
    let priced = liaoning().over(days, grid()).unwrap();
    let mut cost = CostOfUse::new(&priced);
    cost.book(Booking::Known { from: days.from, to: days.from + STEP, amount: KWH });
    let open = cost.finish(&AmountBounds { upper: None, ..AmountBounds::default() });
    assert_eq!((open.whole_fen().lower, open.whole_fen().upper), (40, None));
    assert!(open.by_band_mwh.iter().all(|range| range.upper.is_none()));
}

#[test]
fn prices_change_with_their_lists() {
    let mut tariff = liaoning();
    tariff.prices[0].valid_to = Some("2025-01-31".parse().unwrap());
    let mut next = tariff.prices[0].clone();
    (next.valid_from, next.valid_to) = ("2025-02-01".parse().unwrap(), None);
    next.yuan_per_kwh.insert(Band::Valley, "0.30".parse().unwrap());
    next.status = Confidence::Read;
    tariff.prices.push(next);
    let both = Period { from: at("2025-01-01", 0), to: at("2025-03-01", 0) };
    let priced = tariff.over(both, grid()).unwrap();
    assert_eq!((priced.confidence, priced.sources.len()), (Confidence::Example, 2));
    let midnight = at("2025-02-01", 0);
    let fen = |from, to| {
        let whole = cost_of(&priced, &[(from, to, KWH)]).whole_fen();
        (whole.lower, whole.upper)
    };
    assert_eq!(fen(midnight - STEP, midnight), (40, Some(40)));
    assert_eq!(fen(midnight, midnight + STEP), (30, Some(30)));
    assert_eq!(fen(midnight - STEP, midnight + STEP), (30, Some(40)));
    let later = tariff.over(Period { from: midnight, to: both.to }, grid()).unwrap();
    assert_eq!(later.confidence, Confidence::Copy);
}

#[test]
fn bands_change_with_their_schedules() {
    let mut tariff = liaoning();
    tariff.prices[0].status = Confidence::Read;
    tariff.schedules[0].valid_to = Some("2025-06-09".parse().unwrap());
    let mut next = tariff.schedules[0].clone();
    (next.valid_from, next.valid_to) = ("2025-06-10".parse().unwrap(), None);
    next.rules.drain(..5);
    next.status = Confidence::Unchecked;
    tariff.schedules.push(next);
    let both = Period { from: at("2025-06-09", 0), to: at("2025-06-11", 0) };
    let priced = tariff.over(both, grid()).unwrap();
    assert_eq!(priced.confidence, Confidence::Unchecked);
    let fen = |day| cost_of(&priced, &[(at(day, 0), at(day, 15), KWH)]).whole_fen().lower;
    assert_eq!((fen("2025-06-09"), fen("2025-06-10")), (40, 70));
}

#[test]
fn tariffs_that_do_not_tell_every_minutes_price_are_refused_by_name() {
    let days = Period { from: at("2025-01-01", 0), to: at("2025-01-03", 0) };
    let refuse = |change: &dyn Fn(&mut Tariff)| {
        let mut tariff = liaoning();
        change(&mut tariff);
        tariff.over(days, grid()).unwrap_err().to_string()
    };
    let late = "2025-01-02".parse().unwrap();
    assert!(refuse(&|t| t.schedules[0].valid_from = late).contains("no schedule for 2025-01-01"));
    assert!(
        refuse(&|t| t.prices[0].valid_to = Some("2025-01-01".parse().unwrap()))
            .contains("no price list for 2025-01-02")
    );
    assert!(refuse(&|t| t.prices.push(t.prices[0].clone())).contains("two price lists for 2025-01-01"));
    assert!(
        refuse(&|t| {
            t.schedules[0].rules.pop();
        })
        .contains("in month 1 the minute 05:00 is in no band")
    );
    assert!(
        refuse(&|t| {
            t.prices[0].yuan_per_kwh.remove(&Band::Sharp);
        })
        .contains("no price for 尖峰 (Sharp)")
    );
    assert!(refuse(&|t| t.schedules[0].rules[0].months.push(13)).contains("13 is no month"));
    assert!(
        refuse(&|t| t.schedules[0].rules[0].to = t.schedules[0].rules[0].from).contains("covers no time")
    );
    assert!(
        refuse(&|t| {
            t.prices[0].yuan_per_kwh.insert(Band::Flat, "-0.1".parse().unwrap());
        })
        .contains("not negative")
    );
    // A band that does not occur in the months asked for needs no price.
    let mut june = liaoning();
    june.prices[0].yuan_per_kwh.remove(&Band::Sharp);
    assert!(june.over(Period { from: at("2025-06-01", 0), to: at("2025-06-30", 0) }, grid()).is_ok());
    for bad in ["\"7:30\"", "\"24:01\"", "\"07:60\"", "\"07-30\"", "\"+7:30\""] {
        let text = include_str!("../../../../config/tariffs/liaoning.toml").replacen("\"07:30\"", bad, 1);
        assert!(toml::from_str::<Tariff>(&text).is_err(), "{bad}");
    }
    assert!(matches!(
        liaoning().over(Period { from: 0, to: DAY_S }, grid()),
        Err(TariffError::NotInForce { .. })
    ));
}

#[test]
fn handed_in_readings_feed_curve_and_cost_as_windows_do() {
    let from = at("2025-06-10", 0);
    let readings = MeterReadings {
        meter: "E".to_owned(),
        carrier: Carrier::Electricity,
        unit: EnergyUnit::KilowattHour,
        multiplier: "100".parse().unwrap(),
        readings: [("10.00", 0), ("10.01", 1), ("10.05", 2)]
            .map(|(register, step)| Reading { at: from + step * STEP, register: register.parse().unwrap() })
            .to_vec(),
        changes: Vec::new(),
        document: DocumentHash::parse(&"ab".repeat(32)).unwrap(),
    };
    let over = Period { from, to: from + 2 * STEP };
    let priced = liaoning().over(over, grid()).unwrap();
    let mut walk = EnergyWalk::new(over, grid(), Some(&priced)).unwrap();
    readings.bookings_mwh().unwrap().into_iter().for_each(|booking| walk.reading(booking));
    let (leaves, cost) = walk.finish(&AmountBounds { upper: Some(5_000_000), ..AmountBounds::default() });
    assert_eq!(walk.curve.peak(900, 900).unwrap().kw, Range::point(Rational::integer(16)));
    assert_eq!(cost.unwrap().whole_fen().upper, Some(200));
    assert_eq!(leaves.of(Leaf::Unknown), &Range::point(Rational::integer(5_000_000)));
}

fn narrower(all: Option<&Rational>, less: Option<&Rational>) -> bool {
    match (all, less) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(all), Some(less)) => less < all,
    }
}

/// Whether either bound of `less` is better for anybody than that of `all`.
fn improved(all: &Range, less: &Range) -> bool {
    less.lower > all.lower || narrower(all.upper.as_ref(), less.upper.as_ref())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn leaving_windows_out_never_improves_any_bound(
        story in story(), dropped in prop::collection::vec(prop::bool::weighted(0.2), 40),
        cut in 0usize..40, whole in prop::bool::ANY,
    ) {
        let tiles = sign(&story);
        let from = if whole { 0 } else { i64::try_from(cut % story.len()).unwrap() };
        let over = Period { from: START + from * STEP, ..period(story.len()) };
        let priced = priced(over);
        let all = tell(&priced, over, &tiles);
        let less = tell(&priced, over, tiles.iter().zip(&dropped).filter(|(_, d)| !**d).map(|(t, _)| t));
        for leaf in Leaf::ALL {
            // The row of UNKNOWN tells how much fell into such time, and grows with it.
            if leaf != Leaf::Unknown {
                prop_assert!(!improved(all.leaves.of(leaf), less.leaves.of(leaf)), "{:?}", leaf);
            }
            if let (Some(a), Some(b)) = (all.leaves.share(leaf, &all.total), less.leaves.share(leaf, &less.total)) {
                prop_assert!(leaf == Leaf::Unknown || !improved(&a, &b), "{:?} {:?} {:?}", leaf, a, b);
            }
        }
        prop_assert!(!improved(&all.cost.fen, &less.cost.fen));
        for (a, b) in all.cost.by_band_mwh.iter().zip(&less.cost.by_band_mwh) {
            prop_assert!(!improved(a, b));
        }
        let (a, b) = (all.curve.peak(900, 900).unwrap(), less.curve.peak(900, 900).unwrap());
        prop_assert!(!improved(&a.kw, &b.kw));
        for (a, b) in all.curve.demands(900, 900).unwrap().iter().zip(&less.curve.demands(900, 900).unwrap()) {
            prop_assert!(!improved(&a.kw(), &b.kw()));
        }
    }

    #[test]
    fn the_truth_lies_inside_every_interval(story in story()) {
        // After the opening window, whose energy nobody can know.
        let over = Period { from: START + STEP, ..period(story.len()) };
        let priced = priced(over);
        let tiles = sign(&story);
        let told = tell(&priced, over, &tiles);
        let inside = |range: &Range, truth: &Rational| {
            range.lower <= *truth && range.upper.as_ref().is_none_or(|upper| truth <= upper)
        };
        let mut by_leaf = [0u64; LEAVES];
        let mut true_cost = Rational::zero();
        for (tile, step) in tiles.iter().zip(&story).skip(1) {
            // Any split of a mixed window is possible; all of it in the first leaf is one.
            by_leaf[step.leaf] += u64::from(step.energy);
            let band = cost_of(&priced, &[(tile.from, tile.from + STEP, u64::from(step.energy))]);
            true_cost = true_cost + band.fen.lower;
        }
        for leaf in Leaf::ALL.into_iter().filter(|leaf| *leaf != Leaf::Unknown) {
            // A window without a millisecond in its first leaf cannot have spent its energy there.
            let possible = story.iter().skip(1).all(|s| s.leaf_ms > 0 || s.leaf != leaf.index());
            let truth = Rational::integer(by_leaf[leaf.index()]);
            prop_assert!(!possible || inside(told.leaves.of(leaf), &truth), "{:?}", leaf);
        }
        prop_assert!(inside(&told.cost.fen, &true_cost));
        for (demand, step) in told.curve.demands(900, 900).unwrap().iter().zip(story.iter().skip(1)) {
            prop_assert!(demand.lower_mwh <= u128::from(step.energy));
            prop_assert!(demand.upper_mwh.is_none_or(|upper| u128::from(step.energy) <= upper));
        }
    }

    #[test]
    fn parts_of_the_period_enclose_the_whole(story in story(), cut in 1usize..40) {
        let over = period(story.len());
        let at = START + STEP * i64::try_from(1 + cut % (story.len() - 1)).unwrap();
        prop_assume!(at < over.to);
        let tiles = sign(&story);
        let whole_priced = priced(over);
        let whole = tell(&whole_priced, over, &tiles);
        let parts = [Period { to: at, ..over }, Period { from: at, ..over }];
        let told = parts.map(|part| tell(&priced(part), part, &tiles));
        let encloses = |sum: &Range, whole: &Range| {
            sum.lower <= whole.lower && !narrower(whole.upper.as_ref(), sum.upper.as_ref())
        };
        prop_assert!(encloses(&told[0].cost.fen.plus(&told[1].cost.fen), &whole.cost.fen));
        let sum = told[0].leaves.plus(&told[1].leaves);
        for leaf in Leaf::ALL.into_iter().filter(|leaf| *leaf != Leaf::Unknown) {
            prop_assert!(encloses(sum.of(leaf), whole.leaves.of(leaf)), "{:?}", leaf);
        }
    }

    #[test]
    fn machines_sum_in_any_order(a in story(), b in story()) {
        let over = period(a.len().max(b.len()));
        let priced = priced(over);
        let (a, b) = (tell(&priced, over, &sign(&a)), tell(&priced, over, &sign(&b)));
        prop_assert_eq!(a.cost.plus(&b.cost), b.cost.plus(&a.cost));
        prop_assert_eq!(a.leaves.plus(&b.leaves), b.leaves.plus(&a.leaves));
        let (mut ab, mut ba) = (a.curve.clone(), b.curve.clone());
        ab.add(&b.curve).unwrap();
        ba.add(&a.curve).unwrap();
        prop_assert_eq!(ab.demands(1_800, 900), ba.demands(1_800, 900));
        prop_assert_eq!(ab, ba);
    }
}

#[test]
fn printed_costs_go_outwards() {
    let days = Period { from: at("2025-06-10", 0), to: at("2025-06-11", 0) };
    let priced = liaoning().over(days, grid()).unwrap();
    let cost = cost_of(&priced, &[(days.from, days.from + STEP, 12_345_678)]);
    // 12.345678 kWh × 0.40 元 = 493.82712 fen.
    assert_eq!(decimal(cost.fen.exact().unwrap(), 5, Rounding::HalfEven), "493.82712");
    assert_eq!((cost.whole_fen().lower, cost.whole_fen().upper), (493, Some(494)));
}

//! How many requests a poll takes: never more than the fewest possible for the gap and the limits that are set,
//! found by other means than the planner's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to fail")]

use std::collections::BTreeMap;

use observation::PointId;
use proptest::prelude::*;
use protocols::modbus::address::{Address, Reading, Table};
use protocols::modbus::plan::{Limits, MAX_BITS, MAX_REGISTERS, Point, plan};

const WIDE: Limits = Limits { registers: MAX_REGISTERS, bits: MAX_BITS, gap: 8 };

/// Register maps of the kinds that stand in halls, made up here. A line is: units, table, first address, then
/// what lies there: `w2*10` ten points of two addresses, `+6` six addresses that nobody wants.
const MAPS: [(&str, Limits, &[&str]); 20] = [
    ("three-phase meter, all values", WIDE, &["1 holding 0 w2*34", "1 holding 256 w2*10 +4 w2*6"]),
    ("three-phase meter, five values", WIDE, &["1 holding 0 w2 +10 w2 +4 w2", "1 holding 72 w2 +2 w2"]),
    ("energy meter of 64-bit counters", WIDE, &["1 input 0 w4*32", "1 input 500 w4*8 +12 w4*8"]),
    ("ten meters on one line", WIDE, &["1-10 holding 0 w2*3 +18 w2 +6 w2", "1-10 holding 100 w4"]),
    ("sixty meters, one counter each", WIDE, &["1-60 holding 40 w2"]),
    ("meter that allows 32 registers", Limits { registers: 32, ..WIDE }, &["3 holding 0 w2*60 +3 w2*7"]),
    ("meter that allows no gap", Limits { gap: 0, ..WIDE }, &["3 holding 0 w2 +1 w2 +1 w2*5 +2 w1*3"]),
    ("gateway with names and values", WIDE, &["1 holding 0 w8 w8 w16 +4 w2*20", "2 holding 0 w8 +40 w2*9"]),
    ("PLC, states in coils", WIDE, &["1 coil 0 w1*64 +7 w1*8", "1 coil 2048 w1*90", "1 discrete 0 w1*40"]),
    ("PLC, every third coil of 3000", WIDE, &["1 coil 0 w1 +2 w1 +2 w1 +2 w1 +100 w1 +2000 w1 +30 w1*90"]),
    ("PLC, words scattered", WIDE, &["1 holding 0 w1 +9 w1 +8 w1 +1 w2 +30 w1*4 +7 w1 +9 w2*3 +200 w1"]),
    ("PLC, a block longer than a request", WIDE, &["1 holding 1000 w1*260"]),
    ("PLC, doubles across the limit", WIDE, &["1 holding 0 w1 w4*100"]),
    ("CNC by a converter", Limits { gap: 16, ..WIDE }, &["1 holding 4000 w1*10 +14 w2*8 +17 w2*2 +16 w8"]),
    ("inverter, SunSpec-like blocks", WIDE, &["1 holding 40000 w2 +66 w1*50 +2 w1*26 +60 w2*12"]),
    ("inverters, string currents", WIDE, &["1-4 input 5000 w1*38 +20 w1*24", "1-4 input 5100 w2*6"]),
    (
        "drive, few parameters",
        Limits { gap: 2, registers: 16, bits: 16 },
        &["9 holding 0 w1*5 +3 w1*2 +2 w1*14"],
    ),
    (
        "compressor, four tables",
        WIDE,
        &["2 holding 0 w1*9", "2 input 0 w1*30", "2 coil 0 w1*9", "2 discrete 3 w1"],
    ),
    ("the end of the table", WIDE, &["1 holding 65400 w2*10 +9 w2*10 +8 w1*20", "1 holding 65535 w1"]),
    (
        "points that overlap",
        WIDE,
        &["1 holding 0 w16 w16*7", "1 holding 4 w2*60", "1 holding 100 w1*40", "1 holding 0 w1*9"],
    ),
];

fn point(unit: u8, table: Table, offset: u16, span: u16) -> Point {
    let reading = if table.holds_bits() { Reading::Bit } else { Reading::Text { words: span } };
    Point { id: PointId(0), address: Address { unit, table, offset, reading } }
}

/// The points of one line of a map.
fn points(line: &str) -> Vec<Point> {
    let words: Vec<&str> = line.split(' ').collect();
    let (first, last) = words[0].split_once('-').unwrap_or((words[0], words[0]));
    let (table, start): (Table, u16) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    let mut found = Vec::new();
    for unit in first.parse().unwrap()..=last.parse().unwrap() {
        let mut at = u32::from(start);
        for item in &words[3..] {
            if let Some(unwanted) = item.strip_prefix('+') {
                at += unwanted.parse::<u32>().unwrap();
                continue;
            }
            let (span, times) = item[1..].split_once('*').unwrap_or((&item[1..], "1"));
            let span: u16 = span.parse().unwrap();
            for _ in 0..times.parse::<u32>().unwrap() {
                found.push(point(unit, table, u16::try_from(at).unwrap(), span));
                at += u32::from(span);
            }
        }
    }
    found
}

/// First address of a point, and how many it takes.
type Place = (u16, u16);

/// Whether these points may share a request: no run of unwanted addresses longer than the gap, and no more
/// addresses than the limit. By marking every single address.
fn may_share(points: &[Place], gap: u16, most: u16) -> bool {
    let first = points.iter().map(|p| usize::from(p.0)).min().unwrap();
    let end = points.iter().map(|p| usize::from(p.0) + usize::from(p.1)).max().unwrap();
    if end - first > usize::from(most) {
        return false;
    }
    let mut wanted = vec![false; end - first];
    for &(offset, span) in points {
        wanted[usize::from(offset) - first..][..usize::from(span)].fill(true);
    }
    wanted.split(|wanted| *wanted).all(|unwanted| unwanted.len() <= usize::from(gap))
}

/// The fewest requests for one table of one unit, over all ways to cut its points, in the order of their
/// addresses, into requests.
fn fewest(mut points: Vec<Place>, gap: u16, most: u16) -> usize {
    points.sort_unstable();
    // best[n]: of the first n points.
    let mut best = vec![0; points.len() + 1];
    for n in 1..=points.len() {
        let near = |from: &usize| points[n - 1].0 - points[*from].0 < most;
        let fits = (0..n).rev().take_while(near).filter(|from| may_share(&points[*from..n], gap, most));
        best[n] = fits.map(|from| best[from] + 1).min().unwrap();
    }
    best[points.len()]
}

/// The same over all ways to put the points into groups, neighbours or not. For a few points.
fn fewest_of_all(points: &[Place], gap: u16, most: u16) -> usize {
    fn place(rest: &[Place], groups: &mut Vec<Vec<Place>>, fits: &dyn Fn(&[Place]) -> bool) -> usize {
        let Some((next, rest)) = rest.split_first() else {
            return if groups.iter().all(|group| fits(group)) { groups.len() } else { usize::MAX };
        };
        let mut best = usize::MAX;
        for group in 0..groups.len() {
            groups[group].push(*next);
            best = best.min(place(rest, groups, fits));
            groups[group].pop();
        }
        groups.push(vec![*next]);
        best = best.min(place(rest, groups, fits));
        groups.pop();
        best
    }
    place(points, &mut Vec::new(), &|group| may_share(group, gap, most))
}

#[test]
fn a_poll_of_twenty_register_maps_takes_the_fewest_requests() {
    for (name, limits, lines) in MAPS {
        let points: Vec<Point> = lines.iter().flat_map(|line| points(line)).collect();
        let mut tables: BTreeMap<(u8, Table), Vec<Place>> = BTreeMap::new();
        for Point { address, .. } in &points {
            tables.entry((address.unit, address.table)).or_default().push((address.offset, address.span()));
        }
        let most = |table: Table| if table.holds_bits() { limits.bits } else { limits.registers };
        let least: usize =
            tables.into_iter().map(|((_, table), points)| fewest(points, limits.gap, most(table))).sum();
        let requests = plan(&points, limits);
        assert_eq!(requests.len(), least, "{name}: {}", points.len());
        assert!(requests.len() * 2 <= points.len() || points.len() <= 60, "{name}: the map has neighbours");
    }
}

proptest! {
    #[test]
    fn no_other_choice_of_groups_takes_fewer_requests(
        places in prop::collection::vec((0u16..60, 1u16..24), 1..7), gap in 0u16..6, most in 24u16..40,
    ) {
        let points: Vec<Point> = places.iter().map(|(at, span)| point(1, Table::Holding, *at, *span)).collect();
        let limits = Limits { registers: most, gap, bits: MAX_BITS };
        prop_assert_eq!(plan(&points, limits).len(), fewest_of_all(&places, gap, most));
    }
}

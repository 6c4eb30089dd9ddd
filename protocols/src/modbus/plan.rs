//! Which requests read all points of a link: neighbours of one unit and table share a request.
//!
//! Made once, at configuration. A point is never split between two requests, because a counter whose
//! halves are read at different moments shows a number that never was.

use observation::PointId;

use super::address::{Address, Table};

/// The most registers one answer holds (MODBUS Application Protocol Specification V1.1b3, 6.3 and 6.4).
pub const MAX_REGISTERS: u16 = 125;
/// The most bits one answer holds (6.1 and 6.2 of the same).
pub const MAX_BITS: u16 = 2000;

/// One configured point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The agent's index of it.
    pub id: PointId,
    /// Where it lives.
    pub address: Address,
}

/// How far neighbours may be apart and requests may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most registers in a request, up to [`MAX_REGISTERS`].
    pub registers: u16,
    /// Most coils or discrete inputs in a request, up to [`MAX_BITS`].
    pub bits: u16,
    /// Most unused addresses read along between two points.
    pub gap: u16,
}

/// One read and the points its answer holds, in the order of their addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Unit id.
    pub unit: u8,
    /// Table, and so the function code.
    pub table: Table,
    /// First address.
    pub start: u16,
    /// How many addresses.
    pub count: u16,
    /// At least one.
    pub points: Vec<Point>,
}

impl Request {
    /// A read without points; `None` if no answer can hold it or it reaches beyond the table.
    pub fn bare(unit: u8, table: Table, start: u16, count: u16) -> Option<Self> {
        let most = if table.holds_bits() { MAX_BITS } else { MAX_REGISTERS };
        let inside = u32::from(start) + u32::from(count) <= 0x1_0000;
        (inside && (1..=most).contains(&count)).then(|| Self {
            unit,
            table,
            start,
            count,
            points: Vec::new(),
        })
    }

    /// The request that reads just these points; `None` without any, or when they span the whole table.
    fn of(points: Vec<Point>) -> Option<Self> {
        let Address { unit, table, offset: start, .. } = points.first()?.address;
        let end = points.iter().map(|point| end(&point.address)).max()?;
        let count = u16::try_from(end - u32::from(start)).ok()?;
        Some(Self { unit, table, start, count, points })
    }

    /// Two requests for the lower and the higher half of the points, so that a refused address is found.
    /// `None` when all points start at one address: reading it again would be refused again.
    pub fn split(&self) -> Option<(Self, Self)> {
        let middle = self.points[self.points.len() / 2].address.offset;
        let first = self.points.first()?.address.offset;
        // Below the middle if that leaves something there, else above the first address.
        let is_low =
            |p: &Point| if middle > first { p.address.offset < middle } else { p.address.offset == first };
        let (low, high) = self.points.iter().cloned().partition(is_low);
        Some((Self::of(low)?, Self::of(high)?))
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unit {} {}:{} (count {})", self.unit, self.table, self.start, self.count)
    }
}

/// The first address after a point. It may be 65536.
fn end(address: &Address) -> u32 {
    u32::from(address.offset) + u32::from(address.span())
}

/// The fewest requests within the limits that greedily taking neighbours gives, ordered by unit, table
/// and address.
pub fn plan(points: &[Point], limits: Limits) -> Vec<Request> {
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|p| (p.address.unit, p.address.table, p.address.offset, p.address.span(), p.id));
    let mut groups: Vec<Vec<Point>> = Vec::new();
    for point in sorted {
        match groups.last_mut().filter(|group| fits(group, &point.address, limits)) {
            Some(group) => group.push(point),
            None => groups.push(vec![point]),
        }
    }
    groups.into_iter().filter_map(Request::of).collect()
}

/// Whether the next point can be read along with a group.
fn fits(group: &[Point], next: &Address, limits: Limits) -> bool {
    let first = &group[0].address;
    let group_end = group.iter().map(|point| end(&point.address)).max().unwrap_or(0);
    let most = if next.table.holds_bits() { limits.bits } else { limits.registers };
    (first.unit, first.table) == (next.unit, next.table)
        && u32::from(next.offset) <= group_end + u32::from(limits.gap)
        && group_end.max(end(next)) - u32::from(first.offset) <= u32::from(most)
}

#[cfg(test)]
mod tests {
    use super::super::address::Reading;
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { registers: MAX_REGISTERS, bits: MAX_BITS, gap: 8 };

    fn point(id: u32, unit: u8, table: Table, offset: u16, words: u16) -> Point {
        let reading = if table.holds_bits() { Reading::Bit } else { Reading::Text { words } };
        Point { id: PointId(id), address: Address { unit, table, offset, reading } }
    }

    fn holding(places: &[(u16, u16)]) -> Vec<Point> {
        let points = places.iter().zip(0..);
        points.map(|(&(offset, words), id)| point(id, 1, Table::Holding, offset, words)).collect()
    }

    #[track_caller]
    fn check(points: &[Point], limits: Limits, want: &str) {
        let requests = plan(points, limits);
        let got: Vec<String> = requests.iter().map(ToString::to_string).collect();
        assert_eq!(got.join("; "), want);
    }

    #[test]
    fn neighbours_share_a_request_up_to_the_gap() {
        check(&holding(&[(0, 2), (2, 4), (14, 1)]), LIMITS, "unit 1 holding:0 (count 15)");
        check(
            &holding(&[(0, 2), (11, 1)]),
            LIMITS,
            "unit 1 holding:0 (count 2); unit 1 holding:11 (count 1)",
        );
        let no_gap = Limits { gap: 0, ..LIMITS };
        check(
            &holding(&[(0, 2), (2, 1), (4, 1)]),
            no_gap,
            "unit 1 holding:0 (count 3); unit 1 holding:4 (count 1)",
        );
    }

    #[test]
    fn trap_a_request_holds_at_most_125_registers_or_2000_bits() {
        let all: Vec<(u16, u16)> = (0..126).map(|offset| (offset, 1)).collect();
        check(&holding(&all), LIMITS, "unit 1 holding:0 (count 125); unit 1 holding:125 (count 1)");
        check(
            &holding(&[(0, 122), (122, 4)]),
            LIMITS,
            "unit 1 holding:0 (count 122); unit 1 holding:122 (count 4)",
        );
        let bits: Vec<Point> =
            (0..2001).map(|n| point(n, 1, Table::Coil, u16::try_from(n).unwrap(), 1)).collect();
        check(&bits, LIMITS, "unit 1 coil:0 (count 2000); unit 1 coil:2000 (count 1)");
    }

    #[test]
    fn units_and_tables_are_asked_apart() {
        let points = [
            point(0, 2, Table::Input, 0, 1),
            point(1, 1, Table::Input, 1, 1),
            point(2, 1, Table::Holding, 0, 1),
            point(3, 1, Table::Input, 0, 1),
        ];
        check(
            &points,
            LIMITS,
            "unit 1 holding:0 (count 1); unit 1 input:0 (count 2); unit 2 input:0 (count 1)",
        );
    }

    #[test]
    fn the_last_address_of_a_table_can_be_read() {
        check(&holding(&[(65_535, 1), (65_530, 1)]), LIMITS, "unit 1 holding:65530 (count 6)");
    }

    #[test]
    fn a_request_splits_at_an_address_and_ends_at_a_single_one() {
        let request = plan(&holding(&[(0, 1), (1, 1), (1, 1), (4, 2)]), LIMITS).remove(0);
        let (low, high) = request.split().unwrap();
        assert_eq!(
            (low.to_string(), high.to_string()),
            ("unit 1 holding:0 (count 1)".into(), "unit 1 holding:1 (count 5)".into())
        );
        assert_eq!(low.split(), None);
        let (low, high) = high.split().unwrap();
        assert_eq!((low.points.len(), high.points.len()), (2, 1));
        assert_eq!(low.split(), None);
    }

    proptest! {
        #[test]
        fn every_point_is_read_once_and_whole_and_no_request_breaks_a_limit(
            places in prop::collection::vec((0u8..3, 0u16..500, 1u16..=4), 0..80),
            registers in 4u16..=MAX_REGISTERS,
            gap in 0u16..20,
        ) {
            let points: Vec<Point> = places.iter().zip(0..)
                .map(|(&(unit, offset, words), id)| point(id, unit, Table::Input, offset, words)).collect();
            let requests = plan(&points, Limits { registers, gap, ..LIMITS });
            let mut read: Vec<PointId> = requests.iter().flat_map(|r| r.points.iter().map(|p| p.id)).collect();
            read.sort_unstable();
            prop_assert_eq!(read, points.iter().map(|p| p.id).collect::<Vec<_>>());
            for request in &requests {
                prop_assert!(request.count <= registers);
                for point in &request.points {
                    prop_assert!(point.address.offset >= request.start);
                    prop_assert!(end(&point.address) <= u32::from(request.start) + u32::from(request.count));
                }
            }
        }
    }
}

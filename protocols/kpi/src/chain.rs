//! Amounts as differences of one cumulative register of one machine. The chain walks the signed tiles of time
//! (windows and signed holes) and says what each reading adds and over which stretch; it knows no cells.
//!
//! A difference counts only when the evidence covers the whole stretch between the two readings: an unsigned
//! hole may hide a reset or an exchanged meter, so that the amount over it is anywhere between nothing and
//! without bound. That is what makes leaving windows out useless in both directions.

use crate::amount::{Amount, AmountQuality};

/// A cumulative quantity of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Electrical energy, mWh.
    Energy = 0,
    /// Parts, pieces.
    Parts = 1,
    /// Good parts, pieces.
    GoodParts = 2,
}

/// Number of quantities.
pub const QUANTITIES: usize = 3;

impl Quantity {
    /// All, in the order of their places in arrays.
    pub const ALL: [Self; QUANTITIES] = [Self::Energy, Self::Parts, Self::GoodParts];

    /// Its place in arrays by quantity.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The column of its register.
    pub const fn column(self) -> u8 {
        match self {
            Self::Energy => crate::column::ENERGY,
            Self::Parts => crate::column::PARTS,
            Self::GoodParts => crate::column::GOOD,
        }
    }
}

/// A counter that was reset, rolled over or exchanged: the last value before and the first after, in the
/// quantity's unit (mWh or pieces). Several of one window stand in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterBreak {
    /// Which counter.
    pub quantity: Quantity,
    /// Last value before the break.
    pub last: i64,
    /// First value after it.
    pub first: i64,
}

/// What a tile of time adds to an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booking {
    /// Nothing yet.
    Nothing,
    /// Exactly `amount` between the two moments (UTC s, window ends).
    Known {
        /// End of the window of the previous reading.
        from: i64,
        /// End of this window.
        to: i64,
        /// The difference.
        amount: u64,
    },
    /// Anything from nothing upwards between the two moments.
    Unknown {
        /// End of the window of the previous reading.
        from: i64,
        /// End of this window.
        to: i64,
        /// Why.
        doubt: Doubt,
    },
}

/// Why an amount cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Time between the readings is not signed by anybody, or power was not known and nothing but an integral of
    /// power measures the machine.
    Hole,
    /// The register fell, or the pieces around a counter event do not fit together.
    Fell,
    /// The window says that the counter broke, and no event says how.
    NoEvent,
}

/// The running difference of one register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    start: Option<i64>,
    first: Option<First>,
    last: Option<(i64, i64)>,
    reach: Option<i64>,
    hole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct First {
    reading: Reading,
    opening: bool,
    hole_before: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    from: i64,
    to: i64,
    register: i64,
    path: Path,
}

/// How the register came from the previous reading to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Plain,
    /// An integral of power stands still while power is not known: unlike a register it bridges no gap.
    Integral,
    Broken {
        opens: i64,
        rest: Option<u64>,
    },
    Lost,
}

impl Chain {
    /// A window `[from, to)`. `opening`: the first window its stream ever signed, which by design has no
    /// reading before it. `counted` is false for windows that are signed but may not be used (late, mapping not
    /// approved): their time is covered, their register is not believed.
    pub fn window(
        &mut self,
        from: i64,
        to: i64,
        amount: Amount,
        breaks: &[CounterBreak],
        quantity: Quantity,
        (counted, opening): (bool, bool),
    ) -> Booking {
        self.tile(from, to);
        let mut own = breaks.iter().filter(|b| b.quantity == quantity);
        if !(counted && amount.quality.is_reading()) {
            // A break that nobody can account for makes the next difference worthless.
            self.hole |= own.next().is_some() || amount.quality == AmountQuality::CounterEvent;
            return Booking::Nothing;
        }
        let path = match own.next() {
            Some(first) => Path::broken(first, own, amount.register),
            None if amount.quality == AmountQuality::CounterEvent => Path::Lost,
            None if amount.quality == AmountQuality::Integrated => Path::Integral,
            None => Path::Plain,
        };
        let opening = opening && self.start == Some(from);
        self.reading(Reading { from, to, register: amount.register, path }, opening)
    }

    /// Whether the last reading was taken in the last window, with nothing in doubt since.
    pub(crate) fn is_read_up_to(&self, reach: Option<i64>) -> bool {
        !self.hole && reach.is_some() && self.reach == reach && self.last.map(|(to, _)| to) == reach
    }

    /// Windows up to `to` that follow at once, were all read and never fell; the register at their end.
    pub(crate) fn run(&mut self, to: i64, register: i64) {
        self.reach = Some(to);
        self.last = Some((to, register));
    }

    /// A signed stretch without windows: the box was off, or signed that it lost them.
    pub fn signed_hole(&mut self, from: i64, to: i64) {
        self.tile(from, to);
    }

    /// Makes the next difference worthless.
    pub fn spoil(&mut self) {
        self.hole = true;
    }

    fn tile(&mut self, from: i64, to: i64) {
        match self.reach {
            None => self.start = Some(from),
            Some(reach) => self.hole |= from > reach,
        }
        self.reach = Some(to);
    }

    fn reading(&mut self, reading: Reading, opening: bool) -> Booking {
        let Reading { to, register, .. } = reading;
        let hole = std::mem::take(&mut self.hole);
        let Some((from, before)) = self.last.replace((to, register)) else {
            self.first = Some(First { reading, opening, hole_before: hole });
            return Booking::Nothing;
        };
        let unknown = |doubt| Booking::Unknown { from, to, doubt };
        if hole || (reading.path == Path::Integral && from < reading.from) {
            return unknown(Doubt::Hole);
        }
        match reading.amount_since(before) {
            Ok(amount) => Booking::Known { from, to, amount },
            Err(doubt) => unknown(doubt),
        }
    }

    /// Appends a chain of the same register over later time. What comes out is what one walk over both would
    /// have given, the booking at the seam included.
    pub fn append(&mut self, later: &Self) -> Booking {
        let (Some(start), Some(reach)) = (later.start, later.reach) else { return Booking::Nothing };
        self.tile(start, reach);
        let Some(first) = later.first else {
            self.hole |= later.hole;
            return Booking::Nothing;
        };
        self.hole |= first.hole_before;
        let opening = first.opening && self.start == Some(first.reading.from);
        let booking = self.reading(first.reading, opening);
        self.last = later.last;
        self.hole = later.hole;
        booking
    }

    /// From when to when (UTC s) the readings say anything. The opening window of a stream is inside, although
    /// its own amount cannot be known: sums start at its end.
    pub fn covers(&self) -> Option<(i64, i64)> {
        let first = self.first?;
        let (last, _) = self.last?;
        Some((if first.opening { first.reading.from } else { first.reading.to }, last))
    }

    /// The end of the first reading's window: where sums start.
    pub fn sums_start(&self) -> Option<i64> {
        self.first.map(|f| f.reading.to)
    }
}

impl Path {
    fn broken<'a>(
        first: &CounterBreak,
        others: impl Iterator<Item = &'a CounterBreak>,
        register: i64,
    ) -> Self {
        let mut at = first.first;
        let mut rest = Some(0u64);
        for next in others {
            rest = add(rest, rise(at, next.last));
            at = next.first;
        }
        Self::Broken { opens: first.last, rest: add(rest, rise(at, register)) }
    }
}

impl Reading {
    fn amount_since(&self, before: i64) -> Result<u64, Doubt> {
        match self.path {
            Path::Plain | Path::Integral => rise(before, self.register).ok_or(Doubt::Fell),
            Path::Broken { opens, rest } => add(rise(before, opens), rest).ok_or(Doubt::Fell),
            Path::Lost => Err(Doubt::NoEvent),
        }
    }
}

fn rise(from: i64, to: i64) -> Option<u64> {
    (to >= from).then(|| to.abs_diff(from))
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a?.checked_add(b?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use AmountQuality::{Bridged, CounterEvent, Missing, Register};

    const Q: Quantity = Quantity::Energy;

    fn feed(
        chain: &mut Chain,
        from: i64,
        register: i64,
        quality: AmountQuality,
        breaks: &[(i64, i64)],
    ) -> Booking {
        let breaks: Vec<_> =
            breaks.iter().map(|&(last, first)| CounterBreak { quantity: Q, last, first }).collect();
        chain.window(from, from + 60, Amount { register, quality }, &breaks, Q, (true, from == 0))
    }

    fn known(from: i64, to: i64, amount: u64) -> Booking {
        Booking::Known { from, to, amount }
    }

    #[test]
    fn the_first_window_has_no_opening_register_and_the_next_are_differences() {
        let mut chain = Chain::default();
        assert_eq!(feed(&mut chain, 0, 1000, Register, &[]), Booking::Nothing);
        assert_eq!(feed(&mut chain, 60, 1007, Register, &[]), known(60, 120, 7));
        assert_eq!(chain.covers(), Some((0, 120)));
        assert_eq!(chain.sums_start(), Some(60));
    }

    #[test]
    fn a_gap_in_reading_is_bridged_by_the_register() {
        let mut chain = Chain::default();
        feed(&mut chain, 0, 1000, Register, &[]);
        assert_eq!(feed(&mut chain, 60, 1000, Missing, &[]), Booking::Nothing);
        chain.signed_hole(120, 600);
        assert_eq!(feed(&mut chain, 600, 1030, Bridged, &[]), known(60, 660, 30));
    }

    #[test]
    fn an_integral_of_power_bridges_no_gap() {
        let mut chain = Chain::default();
        feed(&mut chain, 0, 1000, AmountQuality::Integrated, &[]);
        assert_eq!(feed(&mut chain, 60, 1010, AmountQuality::Integrated, &[]), known(60, 120, 10));
        feed(&mut chain, 120, 1013, Missing, &[]);
        let got = feed(&mut chain, 180, 1020, AmountQuality::Integrated, &[]);
        assert_eq!(got, Booking::Unknown { from: 120, to: 240, doubt: Doubt::Hole });
    }

    #[test]
    fn an_unsigned_hole_makes_the_amount_unknown_whatever_the_quality_claims() {
        for quality in [Register, Bridged] {
            let mut chain = Chain::default();
            feed(&mut chain, 0, 1000, Register, &[]);
            let got = feed(&mut chain, 120, 1030, quality, &[]);
            assert_eq!(got, Booking::Unknown { from: 60, to: 180, doubt: Doubt::Hole });
        }
    }

    #[test]
    fn counter_events_split_the_difference() {
        let mut chain = Chain::default();
        feed(&mut chain, 0, 1000, Register, &[]);
        assert_eq!(feed(&mut chain, 60, 5, CounterEvent, &[(1010, 0)]), known(60, 120, 15));
        let twice = feed(&mut chain, 120, 2, CounterEvent, &[(9, 100), (103, 0)]);
        assert_eq!(twice, known(120, 180, 4 + 3 + 2));
    }

    #[test]
    fn a_counter_that_moved_without_an_event_is_never_repaired() {
        let mut chain = Chain::default();
        feed(&mut chain, 0, 1000, Register, &[]);
        let fell = Booking::Unknown { from: 60, to: 120, doubt: Doubt::Fell };
        assert_eq!(feed(&mut chain, 60, 3, Register, &[]), fell);
        let silent = Booking::Unknown { from: 120, to: 180, doubt: Doubt::NoEvent };
        assert_eq!(feed(&mut chain, 120, 1, CounterEvent, &[]), silent);
        assert_eq!(feed(&mut chain, 180, 4, Register, &[]), known(180, 240, 3));
    }

    #[test]
    fn a_break_in_a_window_that_may_not_be_used_spoils_the_next_difference() {
        let mut chain = Chain::default();
        feed(&mut chain, 0, 1000, Register, &[]);
        let amount = Amount { register: 5, quality: CounterEvent };
        chain.window(
            60,
            120,
            amount,
            &[CounterBreak { quantity: Q, last: 1010, first: 0 }],
            Q,
            (false, false),
        );
        let got = feed(&mut chain, 120, 1020, Register, &[]);
        assert_eq!(got, Booking::Unknown { from: 60, to: 180, doubt: Doubt::Hole });
    }

    #[test]
    fn a_stream_that_opens_without_a_reading_covers_nothing_before_its_first() {
        let mut chain = Chain::default();
        feed(&mut chain, 0, 0, Missing, &[]);
        feed(&mut chain, 60, 10, Bridged, &[]);
        assert_eq!(chain.covers(), Some((120, 120)));
    }
}

//! Every way to read the same registers as a number, for whoever has to find out which one the maker meant.
//!
//! It proposes, a person decides: nothing here is used when machines are read.

use observation::Decimal;

use super::address::{Kind, Order};
use super::decode::number;

/// The orders of four words that devices use; the other two only complete the combinations.
const SANE_ORDERS: usize = 6;
/// Powers of ten tried as a scale.
const SCALES: std::ops::RangeInclusive<i32> = -6..=3;
/// A live value may have moved by so many percent since a person read it from a display.
const MOVED_PERCENT: i64 = 1;

/// One way.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// The meaning of the bits.
    pub kind: Kind,
    /// The order of the bytes.
    pub order: Order,
    /// What comes out, unscaled; `None` for a float that is no number.
    pub value: Option<Decimal>,
}

/// All ways to read a number that begins with the first of `words`, the shortest first.
pub fn ways(words: &[u16]) -> Vec<Way> {
    let kinds = [Kind::U16, Kind::I16, Kind::U32, Kind::I32, Kind::F32, Kind::U64, Kind::I64, Kind::F64];
    let mut ways = Vec::new();
    for kind in kinds {
        let Some(own) = words.get(..usize::from(kind.words())) else { continue };
        for order in Order::all(kind.words()).take(SANE_ORDERS) {
            ways.push(Way { kind, order, value: number(own, kind, order) });
        }
    }
    ways
}

impl Way {
    /// Whether a machine could mean it: neither so large nor so small as the bytes of another order mostly
    /// come out, and not zero, which every order shows. Nothing that counts far is ever negative.
    fn is_plausible(&self) -> bool {
        let Some((value, size)) = self.value.and_then(|value| Some((value, size(value)?))) else {
            return false;
        };
        let most = Decimal::from(if value < Decimal::ZERO { 1_000_000i64 } else { 1_000_000_000 });
        let least = match self.kind {
            Kind::F32 | Kind::F64 => Decimal::new(1, -4),
            _ => Decimal::new(1, 0),
        };
        least.is_some_and(|least| size >= least) && size <= most
    }

    /// The power of ten that makes it what a person has read elsewhere, and how far it is from that.
    pub fn scale_for(&self, shown: Decimal) -> Option<(Decimal, Decimal)> {
        let value = self.value?;
        let off = |scale: Decimal| {
            let off = size(value.checked_mul(scale)?.checked_sub(shown)?)?;
            let allowed = size(shown)?.checked_mul(Decimal::from(MOVED_PERCENT))?;
            (off.checked_mul(Decimal::from(100i64))? <= allowed).then_some((scale, off))
        };
        let close = SCALES.filter_map(|exponent| off(Decimal::new(1, exponent)?));
        // With 0 every scale fits; the one that changes nothing is the first to be offered.
        close.min_by(|a, b| {
            a.1.cmp(&b.1).then((a.0 != Decimal::from(1i64)).cmp(&(b.0 != Decimal::from(1i64))))
        })
    }
}

/// The ways that could be meant, the shortest first.
pub fn plausible(ways: &[Way]) -> Vec<&Way> {
    ways.iter().filter(|way| way.is_plausible() && !repeats(way, ways)).collect()
}

/// The ways that give what a person has read elsewhere, the nearest first, each with its scale.
pub fn matching(ways: &[Way], shown: Decimal) -> Vec<(&Way, Decimal)> {
    let mut found: Vec<(&Way, Decimal, Decimal)> =
        ways.iter().filter_map(|way| way.scale_for(shown).map(|(scale, off)| (way, scale, off))).collect();
    found.sort_by_key(|(_, _, off)| *off);
    found.into_iter().filter(|(way, ..)| !repeats(way, ways)).map(|(way, scale, _)| (way, scale)).collect()
}

/// A signed number that comes out like the unsigned one says nothing more.
fn repeats(way: &Way, ways: &[Way]) -> bool {
    let unsigned = match way.kind {
        Kind::I16 => Kind::U16,
        Kind::I32 => Kind::U32,
        Kind::I64 => Kind::U64,
        _ => return false,
    };
    ways.iter().any(|other| other.kind == unsigned && other.order == way.order && other.value == way.value)
}

fn size(value: Decimal) -> Option<Decimal> {
    if value < Decimal::ZERO { Decimal::ZERO.checked_sub(value) } else { Some(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(bytes: &[u8]) -> Vec<u16> {
        bytes.chunks(2).map(|word| u16::from_be_bytes([word[0], word[1]])).collect()
    }

    #[track_caller]
    fn best(bytes: &[u8], shown: &str, want: &str) {
        let ways = ways(&words(bytes));
        let found = matching(&ways, shown.parse().unwrap());
        let (way, scale) = found.first().expect("nothing fits");
        assert_eq!(format!("{} {} {scale}", way.kind, way.order.name()), want);
    }

    #[test]
    fn pain_06_one_read_shows_every_width_and_order_six_for_64_bits() {
        let ways = ways(&[0x0102, 0x0304, 0x0506, 0x0708]);
        let count = |kind| ways.iter().filter(|way| way.kind == kind).count();
        assert_eq!([Kind::U16, Kind::U32, Kind::F32, Kind::U64, Kind::F64].map(count), [1, 4, 4, 6, 6]);
        assert_eq!(ways.len(), 2 + 3 * 4 + 3 * 6);
        assert_eq!(super::ways(&[7]).len(), 2, "no number that needs more registers than were read");
    }

    #[test]
    fn pain_06_the_display_of_the_meter_finds_type_order_and_scale() {
        best(&230.1f32.to_be_bytes(), "230.1", "f32 ABCD 1");
        let [a, b, c, d] = 230.1f32.to_be_bytes();
        best(&[c, d, a, b], "230.3", "f32 CDAB 1");
        best(&99_999_999u32.to_be_bytes(), "999999.9", "u32 ABCD 0.01");
        best(&[0x09, 0x00], "230.4", "u16 AB 0.1");
        best(&(-125i16).to_be_bytes(), "-12.5", "i16 AB 0.1");
        let mut swapped = 1_234_567_890_123u64.to_be_bytes();
        swapped.reverse();
        best(&swapped, "1234567890.12", "u64 HGFEDCBA 0.001");
        best(&0.5f64.to_be_bytes(), "0.5", "f64 ABCDEFGH 1");
    }

    #[test]
    fn what_a_wrong_order_makes_of_a_number_mostly_looks_wrong() {
        let ways = ways(&words(&230.1f32.to_be_bytes()));
        let floats = plausible(&ways).into_iter().filter(|way| way.kind == Kind::F32);
        assert_eq!(floats.map(|way| way.order.name()).collect::<Vec<_>>(), ["ABCD"]);
        assert!(plausible(&super::ways(&[0, 0, 0, 0])).is_empty(), "0 proves no order");
        let counter = super::ways(&words(&99_999_999u32.to_be_bytes()));
        let wide = plausible(&counter).into_iter().filter(|way| way.kind.words() == 2);
        assert_eq!(
            wide.map(|way| way.order.name()).collect::<Vec<_>>(),
            ["ABCD"],
            "and once, not signed too"
        );
    }

    #[test]
    fn zero_on_the_display_fits_only_zero() {
        best(&[0, 0], "0", "u16 AB 1");
        assert!(matching(&ways(&[1]), Decimal::ZERO).is_empty());
    }
}

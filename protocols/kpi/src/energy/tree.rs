//! The meter tree: main = Σ sub ± stated loss. It says which meters may be added without counting an amount
//! twice, and whether what the sub-meters leave over fits the stated loss.
//!
//! It repairs nothing: a residual outside the stated loss is a finding with its interval, and no amount is ever
//! moved from one meter to another.

use std::collections::{BTreeMap, BTreeSet};

use observation::Decimal;
use serde::{Deserialize, Serialize};

use super::CarrierAmount;
use super::carrier::Carrier;
use super::range::Range;
use super::unit::exact;
use crate::rational::Rational;

/// A meter as the network drawing (计量网络图) lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// Its id; also that of its amount.
    pub id: String,
    /// What flows through it.
    pub carrier: Carrier,
    /// The meter it hangs under; none for a main.
    #[serde(default)]
    pub under: Option<String>,
    /// Serial number of the device, where it is known: one device under two ids is counted twice.
    #[serde(default)]
    pub serial: Option<String>,
    /// For a meter with others under it: what they may leave over.
    #[serde(default)]
    pub loss: Option<StatedLoss>,
}

/// What sub-meters may leave over, as shares of the main: line and transformer loss, and loads too small for a
/// meter of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedLoss {
    /// Least share, `"0"` to `"1"`; below zero only to allow for meter error (the sub-meters may show more).
    pub least: Decimal,
    /// Greatest share.
    pub most: Decimal,
}

/// Why the list of meters is no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// An id stands twice.
    #[error("meter {0:?} stands twice in the meter list and would be counted twice; leave one line out")]
    Twice(String),
    /// One device has two ids.
    #[error(
        "meters {one:?} and {other:?} are one device (serial {serial:?}) and would be counted twice; leave one out"
    )]
    OneDevice {
        /// One id.
        one: String,
        /// The other.
        other: String,
        /// Serial number.
        serial: String,
    },
    /// The meter it hangs under is not listed.
    #[error(
        "meter {meter:?} hangs under {under:?}, which is not listed; list that meter, or make this one a main"
    )]
    Orphan {
        /// Meter id.
        meter: String,
        /// What it hangs under.
        under: String,
    },
    /// Meters hang under each other.
    #[error(
        "meters hang under each other in a circle: {0}; one of them hangs under another meter or is a main"
    )]
    Cycle(String),
    /// A sub-meter measures something else than its main.
    #[error("meter {meter:?} measures {}, its main {main:?} {}; they cannot be one line", carrier.zh(), of_main.zh())]
    OtherCarrier {
        /// Meter id.
        meter: String,
        /// Its carrier.
        carrier: Carrier,
        /// Its main.
        main: String,
        /// The main's carrier.
        of_main: Carrier,
    },
    /// No loss was stated where one is needed.
    #[error(
        "meter {0:?} has meters under it and no stated loss; state the least and greatest share they may leave over"
    )]
    NoLoss(String),
    /// The stated loss is no range of shares.
    #[error(
        "meter {meter:?}: a loss from {least} to {most} is no range of shares; write shares between -1 and 1, the least first"
    )]
    BadLoss {
        /// Meter id.
        meter: String,
        /// Least share.
        least: Decimal,
        /// Greatest share.
        most: Decimal,
    },
    /// A meter and one above it are both to be added.
    #[error("meter {meter:?} hangs under {above:?}; adding both counts its amount twice")]
    CountedTwice {
        /// Meter id.
        meter: String,
        /// The meter above that is added as well.
        above: String,
    },
    /// A meter that is asked for is not listed.
    #[error("meter {0:?} is not in the meter list; add it with what it hangs under")]
    NotListed(String),
    /// A main or sub-meter has no amount.
    #[error("meter {0:?} has no amount for the period; supply its readings or bills")]
    NoAmount(String),
    /// Main and sub-meter count in different kinds of unit.
    #[error("meter {0:?} counts in another kind of unit than its main; hand both in in one")]
    OtherUnit(String),
}

/// A checked list of meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterTree {
    meters: BTreeMap<String, Meter>,
}

/// How a main and what hangs under it agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Balance {
    /// The main.
    pub main: String,
    /// The meters directly under it.
    pub subs: Vec<String>,
    /// Main − Σ sub in the base unit of the carrier; the lower end may be negative or open.
    pub residual: Residual,
    /// What it means.
    pub verdict: BalanceVerdict,
}

/// Main − Σ sub. Unlike an amount it may be negative, and each end may be open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Residual {
    /// Least residual; `null` when the sub-meters are not bounded.
    pub lower: Option<Rational>,
    /// Greatest residual; `null` when the main is not bounded.
    pub upper: Option<Rational>,
}

/// Whether the residual fits the stated loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalanceVerdict {
    /// It does, whatever the truth within the intervals.
    Fits,
    /// Finding: more is left over than stated. Something draws on the main that no sub-meter shows.
    MoreThanStated,
    /// Finding: less is left over than stated. A sub-meter shows too much, or the main too little.
    LessThanStated,
    /// The intervals allow both: readings at the boundaries of the period would decide.
    CannotBeDecided,
}

impl MeterTree {
    /// Checks a list of meters.
    pub fn new(list: &[Meter]) -> Result<Self, TreeError> {
        let mut meters = BTreeMap::new();
        let mut serials: BTreeMap<&str, &str> = BTreeMap::new();
        for meter in list {
            if meters.insert(meter.id.clone(), meter.clone()).is_some() {
                return Err(TreeError::Twice(meter.id.clone()));
            }
            let serial = meter.serial.as_deref().map(str::trim).filter(|serial| !serial.is_empty());
            if let Some(serial) = serial
                && let Some(one) = serials.insert(serial, &meter.id)
            {
                let (one, other) = (one.to_owned(), meter.id.clone());
                return Err(TreeError::OneDevice { one, other, serial: serial.to_owned() });
            }
        }
        let tree = Self { meters };
        for meter in list {
            tree.check(meter)?;
        }
        Ok(tree)
    }

    fn check(&self, meter: &Meter) -> Result<(), TreeError> {
        self.check_no_cycle(meter)?;
        if let Some(under) = &meter.under {
            let main = self
                .meters
                .get(under)
                .ok_or_else(|| TreeError::Orphan { meter: meter.id.clone(), under: under.clone() })?;
            if main.carrier != meter.carrier {
                return Err(TreeError::OtherCarrier {
                    meter: meter.id.clone(),
                    carrier: meter.carrier,
                    main: main.id.clone(),
                    of_main: main.carrier,
                });
            }
        }
        match meter.loss {
            None if self.subs(&meter.id).next().is_some() => Err(TreeError::NoLoss(meter.id.clone())),
            Some(loss) if !loss.is_range() => {
                let StatedLoss { least, most } = loss;
                Err(TreeError::BadLoss { meter: meter.id.clone(), least, most })
            }
            _ => Ok(()),
        }
    }

    fn check_no_cycle(&self, meter: &Meter) -> Result<(), TreeError> {
        let mut path = vec![meter.id.as_str()];
        for above in self.above(&meter.id) {
            path.push(above);
            if above == meter.id {
                return Err(TreeError::Cycle(path.join(" → ")));
            }
            // A circle further up is named by its own members.
            if path.len() > self.meters.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The meters above one, from the nearest.
    fn above<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a str> {
        let under = |id: &str| self.meters.get(id).and_then(|meter| meter.under.as_deref());
        std::iter::successors(under(id), move |id| under(id))
    }

    /// The meters directly under one.
    pub fn subs(&self, id: &str) -> impl Iterator<Item = &Meter> {
        self.meters.values().filter(move |meter| meter.under.as_deref() == Some(id))
    }

    /// Whether a meter is one of `counted` or hangs anywhere under one of them.
    pub fn is_within(&self, id: &str, counted: &BTreeSet<&str>) -> bool {
        counted.contains(id) || self.above(id).any(|above| counted.contains(above))
    }

    /// Refuses a choice of meters that would count an amount twice.
    pub fn check_boundary(&self, counted: &BTreeSet<&str>) -> Result<(), TreeError> {
        for &id in counted {
            if !self.meters.contains_key(id) {
                return Err(TreeError::NotListed(id.to_owned()));
            }
            if let Some(above) = self.above(id).find(|above| counted.contains(above)) {
                return Err(TreeError::CountedTwice { meter: id.to_owned(), above: above.to_owned() });
            }
        }
        Ok(())
    }

    /// Compares every main with what hangs directly under it, in the order of ids.
    pub fn balances(&self, amounts: &[CarrierAmount]) -> Result<Vec<Balance>, TreeError> {
        let mut by_id = BTreeMap::new();
        for amount in amounts {
            if by_id.insert(amount.meter.as_str(), amount).is_some() {
                return Err(TreeError::Twice(amount.meter.clone()));
            }
        }
        let mains = self.meters.values().filter_map(|meter| Some((meter, meter.loss?)));
        let mains = mains.filter(|(meter, _)| self.subs(&meter.id).next().is_some());
        mains.map(|(main, loss)| self.balance(&by_id, main, loss)).collect()
    }

    fn balance(
        &self,
        amounts: &BTreeMap<&str, &CarrierAmount>,
        main: &Meter,
        loss: StatedLoss,
    ) -> Result<Balance, TreeError> {
        let amount = |id: &str| amounts.get(id).copied().ok_or_else(|| TreeError::NoAmount(id.to_owned()));
        let of_main = amount(&main.id)?;
        let (mut sum, mut subs) = (Range::zero(), Vec::new());
        for sub in self.subs(&main.id) {
            let of_sub = amount(&sub.id)?;
            if (of_sub.dimension, of_sub.carrier) != (of_main.dimension, of_main.carrier) {
                return Err(TreeError::OtherUnit(sub.id.clone()));
            }
            sum = sum.plus(&of_sub.amount);
            subs.push(sub.id.clone());
        }
        Ok(Balance {
            main: main.id.clone(),
            subs,
            residual: Residual::of(&of_main.amount, &sum),
            verdict: loss.judge(&of_main.amount, &sum),
        })
    }
}

impl Residual {
    fn of(main: &Range, subs: &Range) -> Self {
        let minus = |a: &Rational, b: &Rational| Rational(&a.0 - &b.0);
        Self {
            lower: subs.upper.as_ref().map(|most| minus(&main.lower, most)),
            upper: main.upper.as_ref().map(|most| minus(most, &subs.lower)),
        }
    }
}

impl StatedLoss {
    fn is_range(self) -> bool {
        let one = Decimal::from(1i64);
        let minus_one = Decimal::from(-1i64);
        minus_one < self.least && self.least <= self.most && self.most <= one
    }

    /// `least · main ≤ main − Σ sub ≤ most · main`, with main and Σ sub anywhere in their intervals. The share
    /// belongs to the main itself, so that it moves with it: Σ sub lies between main · (1 − most) and
    /// main · (1 − least), and both factors are not negative.
    fn judge(self, main: &Range, subs: &Range) -> BalanceVerdict {
        let rest = |share: Decimal| Rational(Rational::integer(1).0 - exact(share).0);
        let needed_least = main.times(&rest(self.most));
        let needed_most = main.times(&rest(self.least));
        let surely_below = |a: &Range, b: &Range| a.upper.as_ref().is_some_and(|upper| *upper < b.lower);
        let surely_not_below = |a: &Range, b: &Range| b.upper.as_ref().is_some_and(|upper| *upper <= a.lower);
        if surely_below(subs, &needed_least) {
            BalanceVerdict::MoreThanStated
        } else if surely_below(&needed_most, subs) {
            BalanceVerdict::LessThanStated
        } else if surely_not_below(subs, &needed_least) && surely_not_below(&needed_most, subs) {
            BalanceVerdict::Fits
        } else {
            BalanceVerdict::CannotBeDecided
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{Dimension, EvidenceClass};

    fn meter(id: &str, under: &str) -> Meter {
        let loss = StatedLoss { least: "0".parse().unwrap(), most: "0.05".parse().unwrap() };
        Meter {
            id: id.to_owned(),
            carrier: Carrier::Electricity,
            under: (!under.is_empty()).then(|| under.to_owned()),
            serial: None,
            loss: Some(loss),
        }
    }

    fn amount(id: &str, lower: i64, upper: Option<i64>) -> CarrierAmount {
        CarrierAmount {
            meter: id.to_owned(),
            carrier: Carrier::Electricity,
            dimension: Dimension::Energy,
            amount: Range { lower: Rational::integer(lower), upper: upper.map(Rational::integer) },
            class: EvidenceClass::B,
            covered_s: 0,
            documents: Vec::new(),
        }
    }

    #[track_caller]
    fn balance(main: (i64, Option<i64>), sub: (i64, Option<i64>)) -> Balance {
        let tree = MeterTree::new(&[meter("main", ""), meter("a", "main"), meter("b", "main")]).unwrap();
        let amounts =
            [amount("main", main.0, main.1), amount("a", sub.0, sub.1), amount("b", 400, Some(400))];
        tree.balances(&amounts).unwrap().remove(0)
    }

    #[test]
    fn a_residual_within_the_stated_loss_fits_and_outside_is_a_finding_with_its_interval() {
        let cases = [
            // main 1 000, b 400: a from 550 to 600 fits a loss of 0 to 5 %.
            ((1_000, Some(1_000)), (550, Some(550)), BalanceVerdict::Fits),
            ((1_000, Some(1_000)), (600, Some(600)), BalanceVerdict::Fits),
            ((1_000, Some(1_000)), (550, Some(600)), BalanceVerdict::Fits),
            ((1_000, Some(1_000)), (549, Some(549)), BalanceVerdict::MoreThanStated),
            ((1_000, Some(1_000)), (601, Some(601)), BalanceVerdict::LessThanStated),
            ((1_000, Some(1_000)), (549, Some(551)), BalanceVerdict::CannotBeDecided),
            ((1_000, Some(1_000)), (599, Some(601)), BalanceVerdict::CannotBeDecided),
            ((1_000, Some(1_000)), (0, None), BalanceVerdict::CannotBeDecided),
            ((1_000, Some(1_000)), (601, None), BalanceVerdict::LessThanStated),
            ((1_000, None), (549, Some(549)), BalanceVerdict::MoreThanStated),
            ((1_000, None), (600, Some(600)), BalanceVerdict::CannotBeDecided),
        ];
        for (main, sub, want) in cases {
            assert_eq!(balance(main, sub).verdict, want, "{main:?} {sub:?}");
        }
        let found = balance((1_000, Some(1_100)), (300, Some(320)));
        assert_eq!(found.subs, ["a", "b"]);
        let residual = Residual { lower: Some(Rational::integer(280)), upper: Some(Rational::integer(400)) };
        assert_eq!((found.residual, found.verdict), (residual, BalanceVerdict::MoreThanStated));
        assert_eq!(balance((1, None), (1, None)).residual, Residual { lower: None, upper: None });
    }

    #[test]
    fn the_loss_is_a_share_of_the_main_itself() {
        // Main 1 000 to 2 000 with a at 550 and b at 400: fits at 1 000 only, so that nothing is decided.
        assert_eq!(balance((1_000, Some(2_000)), (550, Some(550))).verdict, BalanceVerdict::CannotBeDecided);
        assert_eq!(balance((1_001, Some(2_000)), (550, Some(550))).verdict, BalanceVerdict::MoreThanStated);
    }

    #[test]
    fn a_list_that_is_no_tree_is_refused_by_name() {
        let error = |list: &[Meter]| MeterTree::new(list).unwrap_err();
        assert_eq!(error(&[meter("a", ""), meter("a", "")]), TreeError::Twice("a".to_owned()));
        let mut twins = [meter("a", ""), meter("b", "")];
        for meter in &mut twins {
            meter.serial = Some(" 00123 ".to_owned());
        }
        let text = error(&twins).to_string();
        assert!(text.starts_with("meters \"a\" and \"b\" are one device (serial \"00123\")"), "{text}");
        let orphan = TreeError::Orphan { meter: "a".to_owned(), under: "m".to_owned() };
        assert_eq!(error(&[meter("a", "m")]), orphan);
        assert_eq!(error(&[meter("a", "a")]), TreeError::Cycle("a → a".to_owned()));
        let circle = [meter("x", "a"), meter("a", "b"), meter("b", "c"), meter("c", "a")];
        assert_eq!(error(&circle), TreeError::Cycle("a → b → c → a".to_owned()));
        let mut gas = [meter("m", ""), meter("a", "m")];
        gas[1].carrier = Carrier::NaturalGas;
        assert_eq!(
            error(&gas).to_string(),
            "meter \"a\" measures 天然气, its main \"m\" 电力; they cannot be one line"
        );
        let mut silent = [meter("m", ""), meter("a", "m")];
        (silent[0].loss, silent[1].loss) = (None, None);
        assert_eq!(error(&silent), TreeError::NoLoss("m".to_owned()));
        for (least, most) in [("0.1", "0.05"), ("0", "1.01"), ("-1", "0")] {
            let mut bad = meter("m", "");
            bad.loss = Some(StatedLoss { least: least.parse().unwrap(), most: most.parse().unwrap() });
            assert!(matches!(error(&[bad]), TreeError::BadLoss { .. }), "{least} {most}");
        }
    }

    #[test]
    fn a_meter_and_one_above_it_are_never_added_together() {
        let tree = MeterTree::new(&[meter("main", ""), meter("hall", "main"), meter("m1", "hall")]).unwrap();
        let twice = TreeError::CountedTwice { meter: "m1".to_owned(), above: "main".to_owned() };
        assert_eq!(tree.check_boundary(&["main", "m1"].into()), Err(twice));
        assert_eq!(tree.check_boundary(&["m1"].into()), Ok(()));
        assert_eq!(tree.check_boundary(&["m2"].into()), Err(TreeError::NotListed("m2".to_owned())));
        assert!(tree.is_within("m1", &["main"].into()) && !tree.is_within("main", &["m1"].into()));
    }

    #[test]
    fn a_balance_without_all_its_amounts_is_refused() {
        let tree = MeterTree::new(&[meter("main", ""), meter("a", "main")]).unwrap();
        let main = amount("main", 1, None);
        assert_eq!(tree.balances(std::slice::from_ref(&main)), Err(TreeError::NoAmount("a".to_owned())));
        assert_eq!(
            tree.balances(&[main.clone(), amount("a", 1, None), main.clone()]),
            Err(TreeError::Twice("main".to_owned()))
        );
        let mut kilograms = amount("a", 1, None);
        kilograms.dimension = Dimension::Mass;
        assert_eq!(tree.balances(&[main, kilograms]), Err(TreeError::OtherUnit("a".to_owned())));
    }
}

//! Windows and KPI arithmetic: rows of integers in, totals and key figures out.
//!
//! Everything here is exact (integers and rationals), pure and versioned: no IO, no clock, no randomness, no
//! floats. It knows no signature and no log; `verify` decides which windows may be counted and feeds them in.
//! Regression (M&V) and the subsidy rules are not here yet: they become modules `mv` and `policy` beside
//! `compute`, take the same [`totals::MachineTotals`] and change nothing below them.
//!
//! The one rule above all others: **a gap never helps the applicant**. Unknown time stays in the denominator,
//! figures are intervals, and no windows that are left out ever improve the worse bound.

pub mod amount;
pub mod calendar;
pub mod chain;
pub mod column;
pub mod compare;
pub mod compute;
pub mod connect;
pub mod cycle;
pub mod definition;
pub mod digital;
pub mod energy;
pub mod faults;
pub mod figure;
pub mod iso;
pub mod leaf;
pub mod period;
#[cfg(test)]
mod properties;
pub mod rational;
pub mod rollup;
pub mod roster;
pub mod round;
pub mod threshold;
mod threshold_histogram;
pub mod times;
pub mod totals;
pub mod window;

pub use amount::{Amount, AmountQuality};
pub use calendar::{Calendar, Calendars, Day, ShiftRun, Slot, Stretch};
pub use chain::{Booking, CounterBreak, Quantity};
pub use compute::{Scope, Subject, kpis};
pub use definition::{Better, KpiId, Unit};
pub use figure::{EvidenceClass, Excluded, Figure, Kpi, Term, Undefined};
pub use leaf::Leaf;
pub use period::{Cuts, Grid, Period};
pub use rational::Rational;
pub use times::Times;
pub use totals::{MachineKind, MachineTotals};
pub use window::{MachineWindow, WindowDefect};

/// Version of every method in this crate, printed beside each figure. It changes when any figure computed
/// from the same statements could come out differently.
pub const METHOD_VERSION: &str = "2";

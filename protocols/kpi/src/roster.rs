//! What the registrar's roster says about a machine beside its windows. The genesis decides it; nothing here is
//! measured.

use crate::compute::Subject;

/// A machine with its facts of the roster.
#[derive(Clone, Copy, Debug)]
pub struct Rostered<'a> {
    /// The machine and its totals; whether it is digital stands there.
    pub subject: Subject<'a>,
    /// It belongs to a key operation.
    pub key_operation: bool,
    /// It is numerically controlled.
    pub numerically_controlled: bool,
}

//! The expressions of state rules: what they mean and how they are written canonically.
//!
//! Reading them from text is `parse.rs`; which rule wins is `rules.rs`. An expression never fails while it
//! runs: whatever cannot be compared is unknown.

use super::truth::Truth;
use observation::{Decimal, Value};
use std::cmp::Ordering;
use std::fmt;

/// What an expression may ask about its machine. Indices are positions in the machine's list of points.
pub trait Inputs {
    /// The value, only while it may be believed.
    fn value(&self, index: usize) -> Option<&Value>;
    /// Milliseconds since the point was last read well; `None` when it never was.
    fn age_ms(&self, index: usize) -> Option<u64>;
}

/// A point as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As written.
    pub name: String,
    /// Its position in the machine's list of points.
    pub index: usize,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `true` or `false`.
    Constant(bool),
    /// A point read as a condition: a boolean, or the number 0 or 1.
    Point(Name),
    /// A comparison.
    Compare(Operand, Comparison, Operand),
    /// `!x`.
    Not(Box<Expression>),
    /// `x && y`.
    And(Box<Expression>, Box<Expression>),
    /// `x || y`.
    Or(Box<Expression>, Box<Expression>),
}

/// What can stand beside a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A point's value.
    Point(Name),
    /// Seconds since the point was last read well.
    Age(Name),
    /// An exact decimal.
    Number(Decimal),
    /// A text.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
}

/// The six comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Different => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether the comparison asks only for sameness, which texts have; order of texts means nothing here.
    pub fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::Different)
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Different => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl Expression {
    /// The truth of the condition, given what is known now.
    pub fn truth(&self, inputs: &impl Inputs) -> Truth {
        match self {
            Self::Constant(b) => Truth::from(*b),
            Self::Point(name) => Truth::from(inputs.value(name.index).and_then(condition)),
            Self::Compare(left, comparison, right) => Truth::from(compare(left, *comparison, right, inputs)),
            Self::Not(inner) => !inner.truth(inputs),
            Self::And(a, b) => a.truth(inputs).and(b.truth(inputs)),
            Self::Or(a, b) => a.truth(inputs).or(b.truth(inputs)),
        }
    }

    /// The expression with the values of some points taken for granted and whatever they decide reduced, so that
    /// its text names only what is asked. `None` where a granted value cannot be compared as written.
    #[must_use]
    pub fn granting<'v>(&self, granted: &impl Fn(usize) -> Option<&'v Value>) -> Option<Self> {
        Some(match self {
            Self::Constant(b) => Self::Constant(*b),
            Self::Point(name) => match granted(name.index) {
                Some(value) => Self::Constant(condition(value)?),
                None => self.clone(),
            },
            Self::Compare(left, comparison, right) => {
                let [left, right] = [left.granting(granted)?, right.granting(granted)?];
                if left.is_constant() && right.is_constant() {
                    Self::Constant(compare(&left, *comparison, &right, &Nothing)?)
                } else {
                    Self::Compare(left, *comparison, right)
                }
            }
            Self::Not(inner) => match inner.granting(granted)? {
                Self::Constant(b) => Self::Constant(!b),
                other => Self::Not(Box::new(other)),
            },
            Self::And(a, b) => match (a.granting(granted)?, b.granting(granted)?) {
                (Self::Constant(true), other) | (other, Self::Constant(true)) => other,
                (Self::Constant(false), _) | (_, Self::Constant(false)) => Self::Constant(false),
                (a, b) => Self::And(Box::new(a), Box::new(b)),
            },
            Self::Or(a, b) => match (a.granting(granted)?, b.granting(granted)?) {
                (Self::Constant(false), other) | (other, Self::Constant(false)) => other,
                (Self::Constant(true), _) | (_, Self::Constant(true)) => Self::Constant(true),
                (a, b) => Self::Or(Box::new(a), Box::new(b)),
            },
        })
    }

    /// Calls `see` with every point whose value is asked for.
    pub fn points(&self, see: &mut impl FnMut(&Name)) {
        match self {
            Self::Constant(_) => {}
            Self::Point(name) => see(name),
            Self::Compare(left, _, right) => {
                for operand in [left, right] {
                    if let Operand::Point(name) = operand {
                        see(name);
                    }
                }
            }
            Self::Not(inner) => inner.points(see),
            Self::And(a, b) | Self::Or(a, b) => {
                a.points(see);
                b.points(see);
            }
        }
    }

    /// Calls `see` with every point whose age is compared and the age in milliseconds, rounded down, at
    /// which the comparison may turn.
    pub fn ages(&self, see: &mut impl FnMut(usize, u64)) {
        match self {
            Self::Compare(Operand::Age(name), _, Operand::Number(limit))
            | Self::Compare(Operand::Number(limit), _, Operand::Age(name)) => {
                let ms = limit.floor_at_exponent(-3).and_then(|ms| u64::try_from(ms).ok());
                see(name.index, ms.unwrap_or(0));
            }
            Self::Constant(_) | Self::Point(_) | Self::Compare(..) => {}
            Self::Not(inner) => inner.ages(see),
            Self::And(a, b) | Self::Or(a, b) => {
                a.ages(see);
                b.ages(see);
            }
        }
    }
}

/// Nothing is known.
struct Nothing;

impl Inputs for Nothing {
    fn value(&self, _index: usize) -> Option<&Value> {
        None
    }

    fn age_ms(&self, _index: usize) -> Option<u64> {
        None
    }
}

/// A value as a condition. A number other than 0 and 1 is no condition: guessing "nonzero is true" would turn
/// an unexpected code into a state.
fn condition(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Number(n) if *n == Decimal::ZERO => Some(false),
        Value::Number(n) if *n == Decimal::from(1i64) => Some(true),
        Value::Number(_) | Value::Text(_) => None,
    }
}

fn compare(left: &Operand, comparison: Comparison, right: &Operand, inputs: &impl Inputs) -> Option<bool> {
    let (left, right) = (left.value(inputs)?, right.value(inputs)?);
    match (&left, &right) {
        (Value::Text(a), Value::Text(b)) => comparison.is_equality().then(|| comparison.holds(a.cmp(b))),
        // `number()` is `None` for a text, so that a text against a number stays unknown, never false.
        _ => Some(comparison.holds(left.number()?.cmp(&right.number()?))),
    }
}

impl Operand {
    fn is_constant(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Text(_) | Self::Bool(_))
    }

    /// A granted point has no age: it is never read.
    fn granting<'v>(&self, granted: &impl Fn(usize) -> Option<&'v Value>) -> Option<Self> {
        match self {
            Self::Point(name) => Some(match granted(name.index) {
                Some(Value::Number(n)) => Self::Number(*n),
                Some(Value::Text(s)) => Self::Text(s.clone()),
                Some(Value::Bool(b)) => Self::Bool(*b),
                None => self.clone(),
            }),
            Self::Age(name) if granted(name.index).is_some() => None,
            other => Some(other.clone()),
        }
    }

    fn value(&self, inputs: &impl Inputs) -> Option<Value> {
        match self {
            Self::Point(name) => inputs.value(name.index).cloned(),
            Self::Age(name) => Decimal::new(i128::from(inputs.age_ms(name.index)?), -3).map(Value::Number),
            Self::Number(n) => Some(Value::Number(*n)),
            Self::Text(s) => Some(Value::Text(s.clone())),
            Self::Bool(b) => Some(Value::Bool(*b)),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point(name) => f.write_str(&name.name),
            Self::Age(name) => write!(f, "age({})", name.name),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(s) if s.contains('\'') => write!(f, "\"{s}\""),
            Self::Text(s) => write!(f, "'{s}'"),
            Self::Bool(b) => write!(f, "{b}"),
        }
    }
}

/// The canonical form: one space round operators, brackets round every `&&` and `||`.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(b) => write!(f, "{b}"),
            Self::Point(name) => f.write_str(&name.name),
            Self::Compare(left, comparison, right) => write!(f, "{left} {} {right}", comparison.symbol()),
            Self::Not(inner) if matches!(**inner, Self::Compare(..)) => write!(f, "!({inner})"),
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::And(a, b) => write!(f, "({a} && {b})"),
            Self::Or(a, b) => write!(f, "({a} || {b})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::parse;

    /// A rule where `override` is granted as 100 and `alarm` as false.
    #[track_caller]
    fn check(rule: &str, want: &str) {
        let (hundred, no) = (Value::Number(Decimal::from(100i64)), Value::Bool(false));
        let granted = |index| match index {
            1 => Some(&hundred),
            2 => Some(&no),
            _ => None,
        };
        let reduced = parse(rule, &["execution", "override", "alarm"]).unwrap().granting(&granted);
        assert_eq!(reduced.map_or("–".to_owned(), |e| e.to_string()), want, "{rule}");
    }

    #[test]
    fn what_is_granted_leaves_the_text_and_decides_as_if_it_had_been_read() {
        check("execution == 1 && override > 0", "execution == 1");
        check("execution == 1 && override == 0", "false");
        check("alarm && execution != 1", "false");
        check("execution == 3 || (execution == 1 && override == 0)", "execution == 3");
        check("!alarm || execution == 2", "true");
        check("!(alarm || execution == 2)", "!(execution == 2)");
        check("override in (0, 100) && !execution", "!execution");
        check("execution == 1", "execution == 1");
    }

    #[test]
    fn a_granted_value_that_cannot_be_compared_is_no_rule() {
        check("override == 'x'", "–");
        check("age(alarm) > 3", "–");
        check("override", "–");
    }
}

//! The calendar of a project: shifts, exceptional days, planned maintenance and orders. It stands in the
//! genesis and may be replaced by a `plan` from a date on.

use super::{interval, owned};
use crate::cbor::{Reader, Writer};
use crate::defect::DecodeError;

/// A shift that recurs every week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Name, such as 早班.
    pub name: String,
    /// Bit 0 is Monday, bit 6 Sunday: the days on which the shift begins.
    pub weekdays: u8,
    /// Minutes after midnight of the project's offset.
    pub from_min: u16,
    /// Minutes after that midnight; over 1440 when the shift ends on the next day.
    pub to_min: u16,
}

/// What an exceptional day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayKind {
    /// No shifts begin (法定节假日).
    Holiday,
    /// The shifts of a Monday begin (调休上班).
    Workday,
}

/// A day that is not like its weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarDay {
    /// Days since 1970-01-01 in the project's offset.
    pub day: i64,
    /// What it is.
    pub kind: DayKind,
}

/// Planned maintenance: time outside PBT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Machine index, or all.
    pub machine: Option<u32>,
    /// UTC seconds, half-open, on the window grid.
    pub interval: (i64, i64),
}

/// An order: the time in which a machine has work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Machine index.
    pub machine: u32,
    /// The order's name.
    pub id: String,
    /// UTC seconds, half-open, on the window grid.
    pub interval: (i64, i64),
    /// Planned pieces.
    pub quantity: Option<u64>,
    /// What is made.
    pub product: Option<String>,
    /// Planned time of one piece (PRI) of this order, ms; none for the machine's own.
    pub planned_cycle_ms: Option<u64>,
}

/// When a plant is planned to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Name and edition, printed with every KPI.
    pub name: String,
    /// Without orders: machines count as having one all the time.
    pub always_order: bool,
    /// None means round the clock, every day.
    pub shifts: Vec<Shift>,
    /// Exceptional days, ascending.
    pub days: Vec<CalendarDay>,
    /// Planned maintenance.
    pub maintenance: Vec<Maintenance>,
    /// Orders.
    pub orders: Vec<Order>,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            name: "24/7".to_owned(),
            always_order: true,
            shifts: vec![],
            days: vec![],
            maintenance: vec![],
            orders: vec![],
        }
    }
}

impl Calendar {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.array(6).text(&self.name).boolean(self.always_order);
        w.array(self.shifts.len());
        for s in &self.shifts {
            w.array(4).text(&s.name).uint(s.weekdays.into()).uint(s.from_min.into()).uint(s.to_min.into());
        }
        w.array(self.days.len());
        for d in &self.days {
            w.array(2).int(d.day).uint(d.kind as u64);
        }
        w.array(self.maintenance.len());
        for m in &self.maintenance {
            w.array(2);
            w.optional(m.machine, |w, m| {
                w.uint(m.into());
            });
            w.array(2).int(m.interval.0).int(m.interval.1);
        }
        w.array(self.orders.len());
        for o in &self.orders {
            w.array(6).uint(o.machine.into()).text(&o.id).array(2).int(o.interval.0).int(o.interval.1);
            w.optional(o.quantity, |w, q| {
                w.uint(q);
            });
            w.optional(o.product.as_deref(), |w, p| {
                w.text(p);
            });
            w.optional(o.planned_cycle_ms, |w, ms| {
                w.uint(ms);
            });
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.tuple(6, "calendar")?;
        Ok(Self {
            name: owned(r, "calendar name")?,
            always_order: r.boolean("calendar without orders")?,
            shifts: r.list("shifts", read_shift)?,
            days: r.list("exceptional days", read_day)?,
            maintenance: r.list("planned maintenance", |r| {
                r.tuple(2, "planned maintenance")?;
                let machine = r.optional(|r| r.small("machine index"))?;
                Ok(Maintenance { machine, interval: interval(r, "planned maintenance")? })
            })?,
            orders: r.list("orders", |r| {
                r.tuple(6, "order")?;
                Ok(Order {
                    machine: r.small("machine index")?,
                    id: owned(r, "order id")?,
                    interval: interval(r, "order")?,
                    quantity: r.optional(|r| r.uint("order quantity"))?,
                    product: r.optional(|r| owned(r, "order product"))?,
                    planned_cycle_ms: r.optional(|r| r.uint("planned cycle"))?,
                })
            })?,
        })
    }
}

fn read_shift(r: &mut Reader<'_>) -> Result<Shift, DecodeError> {
    r.tuple(4, "shift")?;
    let shift = Shift {
        name: owned(r, "shift name")?,
        weekdays: r.small("shift weekdays")?,
        from_min: r.small("shift begin")?,
        to_min: r.small("shift end")?,
    };
    let length = shift.to_min.saturating_sub(shift.from_min);
    if shift.weekdays == 0 || shift.weekdays > 127 || shift.from_min >= 1440 || length == 0 || length > 1440 {
        return Err(DecodeError::value("shift", format!("{} is no shift of a week", shift.name)));
    }
    Ok(shift)
}

fn read_day(r: &mut Reader<'_>) -> Result<CalendarDay, DecodeError> {
    r.tuple(2, "exceptional day")?;
    let day = r.int("day")?;
    match r.uint("kind of day")? {
        0 => Ok(CalendarDay { day, kind: DayKind::Holiday }),
        1 => Ok(CalendarDay { day, kind: DayKind::Workday }),
        other => Err(DecodeError::value("kind of day", format!("{other} is neither 0 nor 1"))),
    }
}

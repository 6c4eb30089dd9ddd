//! Rows as records of machines: who, from when to when, in which states, with which registers. Every row is read before
//! anything is said, and whatever is wrong is said at once.

use std::collections::BTreeMap;

use kpi::chain::QUANTITIES;
use kpi::leaf::LEAVES;
use kpi::{Leaf, Quantity};

use super::columns::{Column, Columns, Field};
use super::problem::{Place, Problem, Words};
use super::sheet::{Row, Sheet};
use super::value::{self, Moment, OwnWords};

/// The states of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum States {
    /// Nothing is said about states.
    Silent,
    /// One state from beginning to end.
    One(Leaf),
    /// So long in each state (ms), in no known order.
    Sums([u64; LEAVES]),
}

/// What a record says of a cumulative quantity, in mWh or pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Register at the start.
    pub opening: Option<u64>,
    /// Register at the end.
    pub register: Option<u64>,
    /// Amount of the record itself.
    pub amount: Option<u64>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// First millisecond, UTC.
    pub from_ms: i64,
    /// The millisecond after the last, UTC.
    pub to_ms: i64,
    /// States.
    pub states: States,
    /// Readings by quantity.
    pub readings: [Reading; QUANTITIES],
    /// Where it stands.
    pub place: Place,
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Id.
    pub id: String,
    /// Name; the id where none is given.
    pub name: String,
    /// Line; empty where none is given.
    pub line: String,
    /// Planned time for one part, ms.
    pub planned_cycle_ms: Option<u64>,
    /// Theoretical time for one part, ms.
    pub theoretical_cycle_ms: Option<u64>,
    /// In order of time, none overlapping another.
    pub records: Vec<Record>,
}

/// The whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Minutes east of UTC.
    pub offset_min: i32,
    /// The table speaks of states.
    pub has_states: bool,
    /// The table states sums of times instead of intervals.
    pub has_sums: bool,
    /// Which quantities it has columns for.
    pub measured: [bool; QUANTITIES],
    /// In order of their first row.
    pub machines: Vec<Recorded>,
    /// What the reader must know.
    pub notes: Vec<Words>,
}

/// Reads a sheet. `offset_min` is what the user gave; moments may carry their own, which must then be the same.
pub fn read(sheet: &Sheet, offset_min: Option<i32>, own: &OwnWords) -> Result<Records, Vec<Problem>> {
    let columns = Columns::of(sheet)?;
    let mut reader =
        Reader { sheet, columns: &columns, own, offset_min, problems: Vec::new(), zone_told: false };
    let mut machines: BTreeMap<String, Recorded> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for row in sheet.rows.iter().skip(columns.body) {
        let Some((head, record)) = reader.row(row) else { continue };
        let machine = machines.entry(head.id.clone()).or_insert_with(|| {
            order.push(head.id.clone());
            Recorded { records: Vec::new(), ..head.clone() }
        });
        reader.same(row, machine, &head);
        machine.records.push(record);
    }
    if order.is_empty() && reader.problems.is_empty() {
        let words = Words::new("列名之下没有数据行", "there is no row below the headings");
        reader.problems.push(Problem { place: Place::File, words });
    }
    for machine in machines.values_mut() {
        machine.records.sort_by_key(|r| (r.from_ms, r.to_ms));
        reader.apart(&machine.records);
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let mut notes = sheet.notes.clone();
    if !columns.unread.is_empty() {
        let list = columns.unread.join("、");
        notes.push(Words::new(
            format!("未读取的列：{list}"),
            format!("columns that were not read: {}", columns.unread.join(", ")),
        ));
    }
    let machines: Vec<Recorded> = order.iter().filter_map(|id| machines.remove(id)).collect();
    notes.extend(machines.iter().flat_map(falls));
    Ok(Records {
        offset_min: reader.offset_min.unwrap_or(0),
        has_states: columns.has(Field::State) || columns.times().next().is_some(),
        has_sums: columns.times().next().is_some(),
        measured: Quantity::ALL.map(|q| columns.has(Field::Register(q)) || columns.has(Field::Amount(q))),
        machines,
        notes,
    })
}

/// Registers that fall, and exchanged ones: the amount is then unknown or rests on the file's word.
fn falls(machine: &Recorded) -> Vec<Words> {
    let mut notes = Vec::new();
    for quantity in Quantity::ALL {
        let mut last: Option<u64> = None;
        for record in &machine.records {
            let reading = record.readings[quantity.index()];
            for register in [reading.opening, reading.register].into_iter().flatten() {
                if last.is_some_and(|last| register < last) {
                    notes.push(Words::new(
                        format!("{}：读数在 {} 处下降", machine.id, record.place.text(report::Lang::Zh)),
                        format!(
                            "{}: the register falls at {}",
                            machine.id,
                            record.place.text(report::Lang::En)
                        ),
                    ));
                }
                last = Some(register);
            }
        }
    }
    notes
}

struct Reader<'a> {
    sheet: &'a Sheet,
    columns: &'a Columns,
    own: &'a OwnWords,
    offset_min: Option<i32>,
    problems: Vec<Problem>,
    /// The missing zone was told once, which is enough.
    zone_told: bool,
}

impl Reader<'_> {
    fn say(&mut self, row: &Row, column: Option<&Column>, words: Words) {
        let (at, heading) = column.map_or((0, ""), |c| (c.at, c.heading.as_str()));
        self.problems.push(Problem { place: self.sheet.place(row, at, heading), words });
    }

    /// A row, or nothing where it has a mistake.
    fn row(&mut self, row: &Row) -> Option<(Recorded, Record)> {
        let before = self.problems.len();
        if row.cells.iter().skip(self.columns.width).any(|cell| !cell.is_empty()) {
            let words = Words::new(
                "单元格比列名多；是否有未加引号的逗号？",
                "there are more cells than headings; is there a comma without quotes?",
            );
            self.say(row, None, words);
        }
        let id = self.text(row, Field::Machine).unwrap_or_default();
        let from_ms = self.moment(row, Field::Start);
        let to_ms = self.end(row, from_ms);
        let head = Recorded {
            name: self.text(row, Field::Name).unwrap_or_else(|| id.clone()),
            line: self.text(row, Field::Line).unwrap_or_default(),
            planned_cycle_ms: self.amount(row, Field::PlannedCycle),
            theoretical_cycle_ms: self.amount(row, Field::TheoreticalCycle),
            id,
            records: Vec::new(),
        };
        let readings = Quantity::ALL.map(|q| Reading {
            opening: self.amount(row, Field::Opening(q)),
            register: self.amount(row, Field::Register(q)),
            amount: self.amount(row, Field::Amount(q)),
        });
        let length_ms = from_ms.zip(to_ms).map_or(0, |(from, to)| from.abs_diff(to));
        let states = self.states(row, length_ms);
        let (from_ms, to_ms) = from_ms.zip(to_ms)?;
        let place = self.sheet.place(row, 0, "");
        (self.problems.len() == before).then_some((head, Record { from_ms, to_ms, states, readings, place }))
    }

    /// A cell's text. Only what a row cannot do without must not be empty.
    fn text(&mut self, row: &Row, field: Field) -> Option<String> {
        let column = self.columns.get(field)?;
        let text = row.cells.get(column.at).map_or("", String::as_str);
        if !text.is_empty() {
            return Some(text.to_owned());
        }
        if matches!(field, Field::Machine | Field::Start | Field::State) {
            let words =
                Words::new("为空；若是合计行，请删去", "is empty; if this row is a total, take it out");
            self.say(row, Some(column), words);
        }
        None
    }

    fn moment(&mut self, row: &Row, field: Field) -> Option<i64> {
        let column = self.columns.get(field)?;
        let text = self.text(row, field)?;
        let moment = value::moment(&text);
        if let (Ok(Moment { offset_min: None, .. }), None) = (&moment, self.offset_min)
            && std::mem::replace(&mut self.zone_told, true)
        {
            return None;
        }
        let got = moment.and_then(|m| self.placed(m, &text));
        got.map_err(|words| self.say(row, Some(column), words)).ok()
    }

    /// A moment in UTC; all moments of a file share one offset.
    fn placed(&mut self, moment: Moment, text: &str) -> Result<i64, Words> {
        let offset = match (moment.offset_min, self.offset_min) {
            (Some(own), Some(all)) if own != all => {
                let all = report::moment::zone(all);
                return Err(Words::new(
                    format!("“{text}”的时区与别处的 {all} 不同"),
                    format!("{text:?} has another zone than {all}, which holds elsewhere"),
                ));
            }
            (Some(own), _) => own,
            (None, Some(all)) => all,
            (None, None) => {
                return Err(Words::new(
                    format!("“{text}”没有时区；请写 +08:00，或用 --offset +08:00 统一给出"),
                    format!("{text:?} has no zone; write +08:00 behind it, or give --offset +08:00 for all"),
                ));
            }
        };
        self.offset_min = Some(offset);
        Ok(moment.utc_ms(offset))
    }

    fn end(&mut self, row: &Row, from_ms: Option<i64>) -> Option<i64> {
        let end = self.moment(row, Field::End);
        let length = self.columns.get(Field::Duration).and_then(|column| {
            let text = self.text(row, Field::Duration)?;
            let got = value::length(&text, column.scale);
            got.map_err(|words| self.say(row, Some(column), words)).ok()
        });
        let from = from_ms?;
        let by_length = length.and_then(|ms| from.checked_add(i64::try_from(ms).ok()?));
        let to = match (end, by_length) {
            (Some(end), Some(other)) if end != other => {
                let words =
                    Words::new("“结束”与“开始”加“时长”不一致", "\"end\" is not \"start\" plus \"duration\"");
                self.say(row, self.columns.get(Field::End), words);
                return None;
            }
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => {
                let given = [Field::End, Field::Duration].iter().any(|f| {
                    self.columns.get(*f).is_some_and(|c| row.cells.get(c.at).is_some_and(|t| !t.is_empty()))
                });
                if !given {
                    let words = Words::new("没有“结束”也没有“时长”", "has neither \"end\" nor \"duration\"");
                    self.say(row, None, words);
                }
                return None;
            }
        };
        if to <= from {
            let words = Words::new(
                "结束不晚于开始；跨午夜的行要写第二天的日期",
                "ends no later than it starts; a row across midnight ends on the next day's date",
            );
            self.say(row, self.columns.get(Field::End), words);
            return None;
        }
        Some(to)
    }

    fn amount(&mut self, row: &Row, field: Field) -> Option<u64> {
        let column = self.columns.get(field)?;
        let text = self.text(row, field)?;
        let got = value::amount(&text, column.scale.unwrap_or(1), &column.unit);
        got.map_err(|words| self.say(row, Some(column), words)).ok()
    }

    fn states(&mut self, row: &Row, length_ms: u64) -> States {
        if let Some(column) = self.columns.get(Field::State) {
            let Some(text) = self.text(row, Field::State) else { return States::Silent };
            return match value::state(&text, self.own) {
                Ok(leaf) => States::One(leaf),
                Err(words) => {
                    self.say(row, Some(column), words);
                    States::Silent
                }
            };
        }
        let columns = self.columns;
        let mut sums = [0; LEAVES];
        let mut any = false;
        for (leaf, column) in columns.times() {
            let Some(text) = self.text(row, column.field) else { continue };
            any = true;
            match value::length(&text, column.scale) {
                Ok(ms) => sums[leaf.index()] = ms,
                Err(words) => self.say(row, Some(column), words),
            }
        }
        let sum: u64 = sums.iter().sum();
        if length_ms > 0 && sum > length_ms {
            let (sum, length) = (sum / 1000, length_ms / 1000);
            let words = Words::new(
                format!("各状态时间合计 {sum} 秒，超过本行时长 {length} 秒"),
                format!("the times in states sum to {sum} s, the row is {length} s long"),
            );
            self.say(row, columns.times().next().map(|(_, c)| c), words);
        }
        if any { States::Sums(sums) } else { States::Silent }
    }

    /// A machine has one name, one line and one cycle.
    fn same(&mut self, row: &Row, machine: &Recorded, head: &Recorded) {
        let columns = self.columns;
        let pairs = [
            (Field::Name, machine.name == head.name),
            (Field::Line, machine.line == head.line),
            (Field::PlannedCycle, machine.planned_cycle_ms == head.planned_cycle_ms),
            (Field::TheoreticalCycle, machine.theoretical_cycle_ms == head.theoretical_cycle_ms),
        ];
        for (field, same) in pairs {
            if !same {
                let words = Words::new(
                    format!("与设备 {} 前面各行不同", machine.id),
                    format!("differs from earlier rows of machine {}", machine.id),
                );
                self.say(row, columns.get(field), words);
            }
        }
    }

    /// No two records of a machine share time.
    fn apart(&mut self, records: &[Record]) {
        for pair in records.windows(2) {
            let [a, b] = pair else { continue };
            if b.from_ms >= a.to_ms {
                continue;
            }
            let (zh, en) = (a.place.text(report::Lang::Zh), a.place.text(report::Lang::En));
            let same =
                (a.from_ms, a.to_ms, a.states, a.readings) == (b.from_ms, b.to_ms, b.states, b.readings);
            let words = if same {
                Words::new(format!("与{zh}重复"), format!("repeats {en}"))
            } else {
                Words::new(format!("与{zh}时间重叠"), format!("overlaps {en} in time"))
            };
            self.problems.push(Problem { place: b.place.clone(), words });
        }
    }
}

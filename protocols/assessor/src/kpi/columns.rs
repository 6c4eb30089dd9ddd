//! Headings of the table, in Chinese and English, and what each column holds. The pages `docs/kpi/input*.md` list
//! them for people; a test compares the two.

use kpi::{Leaf, Quantity};

use super::problem::{Problem, Words};
use super::sheet::{Row, Sheet};
use super::value::Scale;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Machine id.
    Machine,
    /// Name of the machine.
    Name,
    /// Its line.
    Line,
    /// First moment of the row.
    Start,
    /// The moment after its last.
    End,
    /// Its length.
    Duration,
    /// The one state the machine was in.
    State,
    /// How long it was in this state during the row.
    Time(Leaf),
    /// Cumulative register at the row's start.
    Opening(Quantity),
    /// Cumulative register at the row's end.
    Register(Quantity),
    /// Amount of the row itself.
    Amount(Quantity),
    /// Planned time for one part (PRI).
    PlannedCycle,
    /// Theoretical time for one part.
    TheoreticalCycle,
}

/// One row of the list of headings: what it holds, the Chinese names, the English names.
pub type Heading = (Field, &'static [&'static str], &'static [&'static str]);

/// Every heading but those of times in a state, which are the states' own names.
pub const HEADINGS: &[Heading] = &[
    (Field::Machine, &["设备", "设备编号", "机床"], &["machine", "machine id"]),
    (Field::Name, &["设备名称"], &["machine name"]),
    (Field::Line, &["产线", "生产线", "车间"], &["line", "workshop"]),
    (Field::Start, &["开始", "开始时间", "起始时间"], &["start", "from"]),
    (Field::End, &["结束", "结束时间", "终止时间"], &["end", "to"]),
    (Field::Duration, &["时长", "持续时间"], &["duration"]),
    (Field::State, &["状态", "设备状态"], &["state"]),
    (Field::Opening(Quantity::Energy), &["期初电表读数"], &["energy register at start"]),
    (Field::Register(Quantity::Energy), &["电表读数", "期末电表读数"], &["energy register"]),
    (Field::Amount(Quantity::Energy), &["用电量", "电量"], &["energy"]),
    (Field::Opening(Quantity::Parts), &["期初计件读数"], &["part register at start"]),
    (Field::Register(Quantity::Parts), &["计件读数", "期末计件读数"], &["part register"]),
    (Field::Amount(Quantity::Parts), &["件数", "产量", "加工数量"], &["parts"]),
    (Field::Opening(Quantity::GoodParts), &["期初合格计件读数"], &["good-part register at start"]),
    (Field::Register(Quantity::GoodParts), &["合格计件读数", "期末合格计件读数"], &["good-part register"]),
    (Field::Amount(Quantity::GoodParts), &["合格件数", "合格数", "合格品数"], &["good parts"]),
    (Field::PlannedCycle, &["计划节拍"], &["planned cycle"]),
    (Field::TheoreticalCycle, &["理论节拍"], &["theoretical cycle"]),
];

const ENERGY_UNITS: &[(&str, Scale)] =
    &[("wh", 1_000), ("kwh", 1_000_000), ("度", 1_000_000), ("千瓦时", 1_000_000), ("mwh", 1_000_000_000)];
const TIME_UNITS: &[(&str, Scale)] = &[
    ("ms", 1),
    ("毫秒", 1),
    ("s", 1_000),
    ("秒", 1_000),
    ("min", 60_000),
    ("分", 60_000),
    ("分钟", 60_000),
    ("h", 3_600_000),
    ("小时", 3_600_000),
];
const PART_UNITS: &[(&str, Scale)] = &[("件", 1), ("个", 1), ("pcs", 1)];

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it holds.
    pub field: Field,
    /// Its place among the row's cells.
    pub at: usize,
    /// The heading as it stands in the file.
    pub heading: String,
    /// How many of the smallest unit (mWh, pieces, ms) its unit is; none where no unit is given.
    pub scale: Option<Scale>,
    /// Its unit as written.
    pub unit: String,
}

/// The columns of a table and where its rows begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// In order of the file.
    pub all: Vec<Column>,
    /// Headings that mean nothing here and whose cells are not read.
    pub unread: Vec<String>,
    /// How many cells the row of headings has.
    pub width: usize,
    /// Index of the first row behind the headings.
    pub body: usize,
}

/// Rows in which headings are looked for: people put titles above them.
const HEAD_WITHIN: usize = 10;

impl Columns {
    /// The column of a field.
    pub fn get(&self, field: Field) -> Option<&Column> {
        self.all.iter().find(|c| c.field == field)
    }

    /// Whether the table has a column.
    pub fn has(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    /// Columns that hold times in states.
    pub fn times(&self) -> impl Iterator<Item = (Leaf, &Column)> {
        self.all.iter().filter_map(|c| match c.field {
            Field::Time(leaf) => Some((leaf, c)),
            _ => None,
        })
    }

    /// Finds the headings of a sheet and checks that they make a table.
    pub fn of(sheet: &Sheet) -> Result<Self, Vec<Problem>> {
        let is_head = |row: &&Row| {
            let fields: Vec<Field> = row.cells.iter().filter_map(|cell| field(&parted(cell).0)).collect();
            fields.contains(&Field::Machine) && fields.contains(&Field::Start)
        };
        let Some(head) = sheet.rows.iter().take(HEAD_WITHIN).find(is_head) else {
            return Err(vec![no_head()]);
        };
        let mut columns = Self {
            body: sheet.rows.iter().take_while(|r| r.line <= head.line).count(),
            width: head.cells.len(),
            ..Self::default()
        };
        let mut problems = Vec::new();
        for (at, heading) in head.cells.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            if let Err(words) = columns.add(at, heading) {
                problems.push(Problem { place: sheet.place(head, at, heading), words });
            }
        }
        for words in columns.contradictions() {
            problems.push(Problem { place: sheet.place(head, 0, ""), words });
        }
        if problems.is_empty() { Ok(columns) } else { Err(problems) }
    }

    fn add(&mut self, at: usize, heading: &str) -> Result<(), Words> {
        let (name, unit) = parted(heading);
        let Some(field) = field(&name) else {
            return self.unknown(&name, heading);
        };
        if let Some(twin) = self.get(field) {
            return Err(Words::new(
                format!("与列“{}”含义相同；请只保留一列", twin.heading),
                format!("means the same as column {:?}; keep one of them", twin.heading),
            ));
        }
        let scale = scale(field, &unit)?;
        self.all.push(Column { field, at, heading: heading.to_owned(), scale, unit });
        Ok(())
    }

    /// A heading that nobody knows is left out and said; one that is nearly a known one is a slip of the pen.
    fn unknown(&mut self, name: &str, heading: &str) -> Result<(), Words> {
        let near = names().find(|known| {
            let most = if known.chars().count() < 4 { 0 } else { 2 };
            known.is_ascii() && strsim::damerau_levenshtein(known, name) <= most
        });
        if let Some(known) = near {
            return Err(Words::new(
                format!("不认识的列名；是否应为“{known}”？"),
                format!("is no known heading; did you mean {known:?}?"),
            ));
        }
        self.unread.push(heading.to_owned());
        Ok(())
    }

    fn contradictions(&self) -> Vec<Words> {
        let mut found = Vec::new();
        let mut say = |zh: &str, en: &str| found.push(Words::new(zh, en));
        if !self.has(Field::End) && !self.has(Field::Duration) {
            say("缺少“结束”或“时长”列", "there is no \"end\" and no \"duration\" column");
        }
        if self.has(Field::State) && self.times().next().is_some() {
            say(
                "“状态”列与各状态时长列不能并存",
                "a \"state\" column and columns of time in each state cannot stand together",
            );
        }
        let mut quantities = 0;
        for quantity in Quantity::ALL {
            let (register, amount) = (self.has(Field::Register(quantity)), self.has(Field::Amount(quantity)));
            quantities += usize::from(register || amount);
            let name = heading(Field::Register(quantity));
            if register && amount {
                say(
                    &format!("“{}”与“{}”只能取其一", name.0, heading(Field::Amount(quantity)).0),
                    &format!("keep either {:?} or {:?}", name.1, heading(Field::Amount(quantity)).1),
                );
            }
            if self.has(Field::Opening(quantity)) && !register {
                say(
                    &format!("有期初读数而没有“{}”列", name.0),
                    &format!("there is a register at start and no {:?} column", name.1),
                );
            }
        }
        if !self.has(Field::State) && self.times().next().is_none() && quantities == 0 {
            say(
                "既没有状态，也没有电量或件数：无可计算",
                "there is neither a state nor energy nor parts: nothing can be computed",
            );
        }
        found
    }
}

/// First Chinese and English name of a field.
fn heading(field: Field) -> (&'static str, &'static str) {
    let row = HEADINGS.iter().find(|(f, _, _)| *f == field);
    row.map_or(("", ""), |(_, zh, en)| (zh[0], en[0]))
}

fn no_head() -> Problem {
    Problem {
        place: super::problem::Place::File,
        words: Words::new(
            format!("前 {HEAD_WITHIN} 行中没有列名行；至少要有“设备”“开始”和“结束”（或“时长”）"),
            format!(
                "no headings in the first {HEAD_WITHIN} rows; there must be \"machine\", \"start\" and \"end\" (or \"duration\")"
            ),
        ),
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    HEADINGS.iter().flat_map(|(_, zh, en)| zh.iter().chain(en.iter()).copied()).chain(Leaf::ALL.map(Leaf::en))
}

/// `加工时间（min）` as `加工时间`, in lower case, and `min` as it is written: `mWh` is not `MWh`.
fn parted(heading: &str) -> (String, String) {
    let plain = heading.replace('（', "(").replace('）', ")").replace(['\n', '\r'], " ");
    let plain = plain.trim();
    if let Some((name, unit)) = plain.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')) {
        return (name.trim().to_lowercase(), unit.trim().to_owned());
    }
    match plain.split_once('/') {
        Some((name, unit)) => (name.trim().to_lowercase(), unit.trim().to_owned()),
        None => (plain.to_lowercase(), String::new()),
    }
}

fn field(name: &str) -> Option<Field> {
    let named = HEADINGS.iter().find(|(_, zh, en)| zh.contains(&name) || en.contains(&name));
    if let Some((field, _, _)) = named {
        return Some(*field);
    }
    let state = name.strip_suffix("时间").or_else(|| name.strip_suffix(" time")).unwrap_or(name);
    super::value::named_leaf(state).map(Field::Time)
}

/// How many of the smallest unit a column's unit is.
fn scale(field: Field, unit: &str) -> Result<Option<Scale>, Words> {
    let (units, needed) = match field {
        Field::Machine | Field::Name | Field::Line | Field::Start | Field::End | Field::State => {
            return Ok(None);
        }
        // A clock such as 7:30 needs no unit.
        Field::Duration | Field::Time(_) => (TIME_UNITS, false),
        Field::PlannedCycle | Field::TheoreticalCycle => (TIME_UNITS, true),
        Field::Opening(q) | Field::Register(q) | Field::Amount(q) => match q {
            Quantity::Energy => (ENERGY_UNITS, true),
            Quantity::Parts | Quantity::GoodParts => (PART_UNITS, false),
        },
    };
    if units == ENERGY_UNITS && unit.starts_with('m') && unit.eq_ignore_ascii_case("mwh") {
        return Err(Words::new(
            "mWh 是毫瓦时，易与 MWh（兆瓦时）混淆；请写 MWh，或换算成 Wh、kWh",
            "mWh are milliwatt-hours and easily taken for megawatt-hours; write MWh, or give Wh or kWh",
        ));
    }
    let lower = unit.to_lowercase();
    let unit = lower.as_str();
    let per_part = unit.strip_suffix("/件").or_else(|| unit.strip_suffix("/pc")).unwrap_or(unit);
    if let Some((_, scale)) = units.iter().find(|(name, _)| *name == per_part) {
        return Ok(Some(*scale));
    }
    if unit.is_empty() && !needed {
        return Ok(if units == PART_UNITS { Some(1) } else { None });
    }
    let list = units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    Err(Words::new(
        format!("列名须带单位，写在括号中；可用 {list}"),
        format!("the heading must name a unit in brackets, one of {list}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(heads: &[&str]) -> Result<Vec<Field>, Vec<String>> {
        let row = Row { line: 1, first: 0, cells: heads.iter().map(|h| (*h).to_owned()).collect() };
        let sheet = Sheet { rows: vec![row], ..Sheet::default() };
        match Columns::of(&sheet) {
            Ok(columns) => Ok(columns.all.iter().map(|c| c.field).collect()),
            Err(problems) => Err(problems.into_iter().map(|p| p.words.en).collect()),
        }
    }

    #[test]
    fn chinese_and_english_headings_mean_the_same() {
        let want = Ok(vec![
            Field::Machine,
            Field::Start,
            Field::End,
            Field::State,
            Field::Register(Quantity::Energy),
            Field::Amount(Quantity::GoodParts),
        ]);
        assert_eq!(columns(&["设备", "开始时间", "结束", "状态", "电表读数（kWh）", "合格件数"]), want);
        assert_eq!(
            columns(&["Machine", "START", "End", "state", "Energy register (MWh)", "good parts (pcs)"]),
            want
        );
    }

    #[test]
    fn every_state_can_be_a_column_of_times() {
        for leaf in Leaf::ALL {
            for head in [format!("{}时间(min)", leaf.zh()), format!("{} (h)", leaf.en())] {
                let got = columns(&["设备", "开始", "结束", &head]).unwrap();
                assert_eq!(got[3], Field::Time(leaf), "{head}");
            }
        }
    }

    #[test]
    fn headings_that_contradict_themselves_are_named_together() {
        let got =
            columns(&["设备", "开始", "状态", "加工(min)", "电表读数(kWh)", "用电量(kWh)", "期初计件读数"]);
        let problems = got.unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        for heads in [
            ["设备", "开始", "结束", "电表读数"],
            ["设备", "开始", "结束", "用电量(kW)"],
            ["设备", "开始", "结束", "设备编号"],
            ["设备", "开始", "结束", "energy regster (kWh)"],
            ["设备", "开始", "结束", "备注"],
        ] {
            assert!(columns(&heads).is_err(), "{heads:?}");
        }
    }

    #[test]
    fn no_two_fields_share_a_heading() {
        let mut all: Vec<&str> = names().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

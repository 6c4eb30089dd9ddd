//! The derived tables and how two copies of them are compared.
//!
//! Everything in this file's tables follows from the log's entries alone: no time of arrival, no counter of
//! this process. That is what makes `rebuild` able to compare them row by row.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Changes with every change of the tables below: a file of another format is dropped and rebuilt.
pub(crate) const FORMAT: i64 = 1;

/// Tables that are compared, with the columns that name a row.
pub(crate) const TABLES: [(&str, &str); 11] = [
    ("progress", "one"),
    ("machine", "machine"),
    ("stream", "kid"),
    ("window", "machine, t"),
    ("counter_break", "machine, t, n"),
    ("hole", "entry, n"),
    ("spoil", "entry, n"),
    ("seen", "note"),
    ("roster_entry", "entry"),
    ("event", "entry, n"),
    ("finding", "entry, n"),
];

const SCHEMA: &str = "
CREATE TABLE progress(one INTEGER PRIMARY KEY CHECK(one = 1), size INTEGER NOT NULL);
INSERT INTO progress VALUES(1, 0);
CREATE TABLE machine(
    machine INTEGER PRIMARY KEY, id TEXT NOT NULL, agent TEXT NOT NULL, name TEXT NOT NULL,
    line TEXT NOT NULL, mapping BLOB, last_end INTEGER, last_entry INTEGER, reach INTEGER);
CREATE TABLE stream(
    kid BLOB PRIMARY KEY, role TEXT NOT NULL, id TEXT NOT NULL, statements INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, last_entry INTEGER NOT NULL, frozen INTEGER NOT NULL,
    windows_end INTEGER, clock_status INTEGER, clock_offset_ms INTEGER,
    energy_unit_mwh INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE counter_break(
    machine INTEGER NOT NULL, t INTEGER NOT NULL, n INTEGER NOT NULL, quantity INTEGER NOT NULL,
    last INTEGER NOT NULL, first INTEGER NOT NULL, PRIMARY KEY(machine, t, n)) WITHOUT ROWID;
CREATE TABLE hole(
    entry INTEGER NOT NULL, n INTEGER NOT NULL, machine INTEGER NOT NULL, from_s INTEGER NOT NULL,
    to_s INTEGER NOT NULL, loss INTEGER NOT NULL, PRIMARY KEY(entry, n)) WITHOUT ROWID;
CREATE INDEX hole_of ON hole(machine, from_s);
CREATE TABLE spoil(
    entry INTEGER NOT NULL, n INTEGER NOT NULL, machine INTEGER NOT NULL, quantity INTEGER NOT NULL,
    PRIMARY KEY(entry, n)) WITHOUT ROWID;
CREATE TABLE seen(note BLOB PRIMARY KEY, entry INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE roster_entry(entry INTEGER PRIMARY KEY);
CREATE TABLE event(
    entry INTEGER NOT NULL, n INTEGER NOT NULL, kid BLOB NOT NULL, t_ms INTEGER NOT NULL,
    code INTEGER NOT NULL, machine INTEGER, before TEXT NOT NULL, after TEXT NOT NULL,
    PRIMARY KEY(entry, n)) WITHOUT ROWID;
CREATE INDEX event_code ON event(code, t_ms);
CREATE TABLE finding(
    entry INTEGER NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY(entry, n)) WITHOUT ROWID;
";

/// Position of the first window column in a row of `window`.
pub(crate) const FIRST_COLUMN: usize = 5;

/// Inserts a row of `window`: machine, t, entry, opening, counted, then every column id in order.
pub(crate) static INSERT_WINDOW: LazyLock<String> = LazyLock::new(|| {
    let places = vec!["?"; FIRST_COLUMN + kpi::column::ALL.len()].join(", ");
    format!("INSERT OR IGNORE INTO window VALUES({places})")
});

/// Makes the tables. A window's row has one column per column id of the evidence format, `c<id>`.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let columns: String = kpi::column::ALL.iter().fold(String::new(), |mut sql, id| {
        // Writing to a String cannot fail. Powers are absent rather than zero where nothing measures them.
        let _ = write!(sql, ", c{id} INTEGER{}", if is_power(*id) { "" } else { " NOT NULL" });
        sql
    });
    connection.execute_batch(&format!(
        "BEGIN; {SCHEMA}
         CREATE TABLE window(
             machine INTEGER NOT NULL, t INTEGER NOT NULL, entry INTEGER NOT NULL,
             opening INTEGER NOT NULL, counted INTEGER NOT NULL{columns}, PRIMARY KEY(machine, t)) WITHOUT ROWID;
         PRAGMA user_version={FORMAT}; COMMIT;"
    ))
}

pub(crate) fn is_power(column: u8) -> bool {
    [kpi::column::POWER_MEAN, kpi::column::POWER_PEAK].contains(&column)
}

/// What differs between two copies of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDifference {
    /// The table.
    pub table: String,
    /// Rows compared.
    pub rows: u64,
    /// Rows that only one side has or that differ.
    pub differing: u64,
    /// The first few, in words.
    pub examples: Vec<String>,
}

const EXAMPLES: usize = 10;

/// Compares one table of two files, row by row in key order, without holding either in memory.
pub(crate) fn compare(
    before: &Connection,
    after: &Connection,
    (table, key): (&str, &str),
) -> rusqlite::Result<TableDifference> {
    let sql = format!("SELECT * FROM {table} ORDER BY {key}");
    let keys = key.split(", ").count();
    let (mut left, mut right) = (before.prepare(&sql)?, after.prepare(&sql)?);
    let (mut left, mut right) = (left.query([])?, right.query([])?);
    let mut out = TableDifference { table: table.to_owned(), ..TableDifference::default() };
    let (mut a, mut b) = (text(left.next()?, keys)?, text(right.next()?, keys)?);
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(out),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.key.cmp(&b.key),
        };
        out.rows += 1;
        let (was, is) = match order {
            std::cmp::Ordering::Less => (a.take(), None),
            std::cmp::Ordering::Greater => (None, b.take()),
            std::cmp::Ordering::Equal => (a.take(), b.take()),
        };
        if was != is {
            out.differing += 1;
            if out.examples.len() < EXAMPLES {
                let word = |row: Option<Printed>| row.map_or("nothing".to_owned(), |row| row.text);
                out.examples.push(format!("was {}, is {}", word(was.clone()), word(is.clone())));
            }
        }
        if order.is_le() {
            a = text(left.next()?, keys)?;
        }
        if order.is_ge() {
            b = text(right.next()?, keys)?;
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Printed {
    key: Vec<Part>,
    text: String,
}

/// Keys of these tables are integers or blobs; SQLite sorts integers before blobs and blobs by bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Integer(i64),
    Bytes(Vec<u8>),
}

fn text(row: Option<&Row<'_>>, keys: usize) -> rusqlite::Result<Option<Printed>> {
    let Some(row) = row else { return Ok(None) };
    let count = row.as_ref().column_count();
    let mut printed = Printed { key: vec![], text: String::new() };
    for i in 0..count {
        let value = row.get_ref(i)?;
        if i < keys {
            printed.key.push(match value {
                ValueRef::Integer(n) => Part::Integer(n),
                ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Part::Bytes(bytes.to_vec()),
                ValueRef::Null | ValueRef::Real(_) => Part::Integer(i64::MIN),
            });
        }
        // Writing to a String cannot fail.
        let _ = match value {
            ValueRef::Null => write!(printed.text, "-|"),
            ValueRef::Integer(n) => write!(printed.text, "{n}|"),
            ValueRef::Real(x) => write!(printed.text, "{x}|"),
            ValueRef::Text(text) => write!(printed.text, "{}|", String::from_utf8_lossy(text)),
            ValueRef::Blob(bytes) => write!(printed.text, "{}|", hex::encode(bytes)),
        };
    }
    Ok(Some(printed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(rows: &[(i64, &str)]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        for (entry, detail) in rows {
            connection.execute("INSERT INTO finding VALUES(?, 0, 'x', ?)", (entry, detail)).unwrap();
        }
        connection
    }

    #[track_caller]
    fn check(before: &[(i64, &str)], after: &[(i64, &str)], rows: u64, differing: u64) {
        let found = compare(&filled(before), &filled(after), ("finding", "entry, n")).unwrap();
        assert_eq!((found.rows, found.differing), (rows, differing), "{found:?}");
        assert_eq!(found.examples.len() as u64, differing);
    }

    #[test]
    fn missing_added_and_changed_rows_are_each_found() {
        check(&[], &[], 0, 0);
        check(&[(1, "a"), (2, "b")], &[(1, "a"), (2, "b")], 2, 0);
        check(&[(1, "a"), (2, "b")], &[(2, "b")], 2, 1);
        check(&[(2, "b")], &[(1, "a"), (2, "b"), (3, "c")], 3, 2);
        check(&[(1, "a"), (2, "b")], &[(1, "a"), (2, "B")], 2, 1);
        check(&[(1, "a")], &[(2, "a")], 2, 2);
    }

    #[test]
    fn every_table_of_the_file_is_compared() {
        let connection = filled(&[]);
        let mut named: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        named.sort();
        let mut compared: Vec<_> = TABLES.iter().map(|(table, _)| (*table).to_owned()).collect();
        compared.sort();
        assert_eq!(named, compared);
    }
}

//! The tables. A change of them is a new number and a step that upgrades; nothing is ever read by guess.

/// "PLsp": marks the file as ours.
pub(crate) const APPLICATION: i64 = 0x504c_7370;
/// The format this version writes and the newest it reads.
pub(crate) const FORMAT: i64 = 1;

/// Numbers of a stream never restart, so a row's place is (stream, number) for ever. Totals are kept beside
/// the cursor and change in the same transaction as what they count.
///
/// `statement.log_index` is where the gateway has stored a statement; below 0 it is -1 - that place, and the gateway
/// has lost the statement since.
pub(crate) const TABLES: &str = "
CREATE TABLE commits(one INTEGER PRIMARY KEY CHECK(one = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO commits VALUES(1, 0);
CREATE TABLE stream(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    next_seq INTEGER NOT NULL DEFAULT 0, head BLOB, send_from INTEGER NOT NULL DEFAULT 0,
    journal_next INTEGER NOT NULL DEFAULT 0, raw_next INTEGER NOT NULL DEFAULT 0,
    statement_bytes INTEGER NOT NULL DEFAULT 0, unsealed_bytes INTEGER NOT NULL DEFAULT 0,
    raw_bytes INTEGER NOT NULL DEFAULT 0, journal_bytes INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE statement(
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL, leaf BLOB NOT NULL,
    at_ms INTEGER NOT NULL, given_up INTEGER NOT NULL DEFAULT 0, log_index INTEGER,
    size INTEGER NOT NULL, receipt BLOB, bytes BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX statement_place ON statement(stream, seq);
CREATE INDEX statement_unsealed ON statement(stream, seq) WHERE receipt IS NULL AND given_up = 0;
CREATE TABLE journal(
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, position INTEGER NOT NULL, row BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX journal_place ON journal(stream, position);
CREATE TABLE raw(
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, number INTEGER NOT NULL, leaf BLOB NOT NULL,
    from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, size INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX raw_place ON raw(stream, number);
CREATE TABLE fact(
    stream TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(stream, key)) STRICT, WITHOUT ROWID;
";

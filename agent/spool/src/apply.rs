//! Changes as SQL: what is refused, and what each change writes. All of it runs inside one transaction of
//! `sqlite.rs`.

use crate::change::Change;
use crate::error::StoreError;
use crate::sqlite::{SqliteStore, expect, int, size, uint};
use crate::store::{Hash, Stream};
use rusqlite::{OptionalExtension as _, params};

impl SqliteStore {
    /// Id of a stream, made if it is new.
    fn id(&self, name: &str) -> rusqlite::Result<i64> {
        let find = "SELECT id FROM stream WHERE name = ?1";
        let found = self.connection().prepare_cached(find)?.query_row([name], |row| row.get(0)).optional()?;
        if let Some(id) = found {
            return Ok(id);
        }
        self.connection().execute("INSERT INTO stream(name) VALUES(?1)", [name])?;
        Ok(self.connection().last_insert_rowid())
    }

    pub(crate) fn apply(&self, change: &Change<'_>) -> Result<(), StoreError> {
        if let Change::Fact { stream, key, value } = change {
            return self.fact_changes(stream, key, *value).map_err(|e| self.error(&e));
        }
        let id = self.id(change.stream()).map_err(|e| self.error(&e))?;
        let stream = self.stream_by_id(id).map_err(|e| self.error(&e))?;
        self.check(id, &stream, change)?;
        self.write(id, change).map_err(|e| self.error(&e))
    }

    /// Refuses what contradicts the stream; a second application of the same change is such a contradiction.
    fn check(&self, id: i64, stream: &Stream, change: &Change<'_>) -> Result<(), StoreError> {
        match change {
            Change::Journal { position, .. } => expect("a journal row", stream.journal_next, *position),
            Change::Raw { number, .. } => expect("a raw block", stream.raw_next, *number),
            Change::Statement { seq, prev, bytes, .. } => {
                expect("a statement's number", stream.next_seq, *seq)?;
                expect("a statement's predecessor", stream.head, *prev)?;
                self.check_room(bytes.len())
            }
            Change::Stored { seq, leaf, .. } => {
                if *seq > stream.send_from || *seq >= stream.next_seq {
                    return Err(StoreError::conflict("an acknowledgement", stream.send_from, seq));
                }
                let held = self.leaf(id, *seq).map_err(|e| self.error(&e))?;
                // A statement that was pruned long ago may be acknowledged again.
                held.map_or(Ok(()), |held| expect("an acknowledged leaf", held, *leaf))
            }
            Change::Continue { seq, send_from, .. } => {
                let stored = self.stored_from(id, *seq).map_err(|e| self.error(&e))?;
                match stored {
                    Some(stored) => {
                        Err(StoreError::conflict("a continuation before a stored statement", stored, seq))
                    }
                    None if send_from > seq => Err(StoreError::conflict("a continuation", seq, send_from)),
                    None => Ok(()),
                }
            }
            Change::Sealed { seq, .. } if *seq >= stream.send_from => {
                Err(StoreError::conflict("a receipt", stream.send_from, seq))
            }
            Change::DropStatements { through, .. } => {
                let first = self.first_unsealed(id).map_err(|e| self.error(&e))?.unwrap_or(stream.next_seq);
                if *through < first {
                    return Ok(());
                }
                Err(StoreError::conflict("to drop an unsealed statement", first, through))
            }
            _ => Ok(()),
        }
    }

    fn check_room(&self, more: usize) -> Result<(), StoreError> {
        let held_bytes = self.usage_now().map_err(|e| self.error(&e))?.unsealed_bytes;
        let max_bytes = self.statement_max();
        if held_bytes.saturating_add(size(more)) > max_bytes {
            return Err(StoreError::Cap { held_bytes, max_bytes });
        }
        Ok(())
    }

    fn leaf(&self, id: i64, seq: u64) -> rusqlite::Result<Option<Hash>> {
        let sql = "SELECT leaf FROM statement WHERE stream = ?1 AND seq = ?2";
        self.connection().prepare_cached(sql)?.query_row(params![id, int(seq)], |row| row.get(0)).optional()
    }

    fn first_unsealed(&self, id: i64) -> rusqlite::Result<Option<u64>> {
        let sql = "SELECT min(seq) FROM statement WHERE stream = ?1 AND receipt IS NULL AND given_up = 0";
        let found: Option<i64> = self.connection().prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
        Ok(found.map(uint))
    }

    fn run(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<()> {
        self.connection().prepare_cached(sql)?.execute(values).map(|_| ())
    }

    /// Runs a deletion that returns the sizes of what went, and gives their sum.
    fn delete(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<i64> {
        let mut statement = self.connection().prepare_cached(sql)?;
        let sizes = statement.query_map(values, |row| row.get::<_, i64>(0))?;
        sizes.sum()
    }

    fn write(&self, id: i64, change: &Change<'_>) -> rusqlite::Result<()> {
        match change {
            Change::Journal { position, row, .. } => {
                self.run(
                    "INSERT INTO journal(stream, position, row) VALUES(?1, ?2, ?3)",
                    params![id, int(*position), row],
                )?;
                self.run(
                    "UPDATE stream SET journal_next = journal_next + 1, journal_bytes = journal_bytes + ?2 WHERE id = ?1",
                    params![id, int(size(row.len()))],
                )
            }
            Change::Trim { through, .. } => {
                let gone = self.delete(
                    "DELETE FROM journal WHERE stream = ?1 AND position <= ?2 RETURNING length(row)",
                    params![id, int(*through)],
                )?;
                self.run(
                    "UPDATE stream SET journal_bytes = journal_bytes - ?2 WHERE id = ?1",
                    params![id, gone],
                )
            }
            Change::Statement { seq, leaf, at_ms, bytes, .. } => {
                let size = int(size(bytes.len()));
                self.run(
                    "INSERT INTO statement(stream, seq, leaf, at_ms, size, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                    params![id, int(*seq), leaf, at_ms, size, bytes],
                )?;
                self.run(
                    "UPDATE stream SET next_seq = ?2 + 1, head = ?3, statement_bytes = statement_bytes + ?4,
                     unsealed_bytes = unsealed_bytes + ?4 WHERE id = ?1",
                    params![id, int(*seq), leaf, size],
                )
            }
            Change::Stored { seq, index, .. } => {
                self.run(
                    "UPDATE statement SET log_index = ?3 WHERE stream = ?1 AND seq = ?2",
                    params![id, int(*seq), int(*index)],
                )?;
                self.run(
                    "UPDATE stream SET send_from = max(send_from, ?2 + 1) WHERE id = ?1",
                    params![id, int(*seq)],
                )
            }
            Change::Rewind { seq, .. } => self.rewind(id, int(*seq)),
            Change::Sealed { seq, receipt, .. } => {
                let sealed = self.delete(
                    "UPDATE statement SET receipt = ?3 WHERE stream = ?1 AND seq = ?2 AND receipt IS NULL
                     AND given_up = 0 RETURNING size",
                    params![id, int(*seq), receipt],
                )?;
                self.run(
                    "UPDATE stream SET unsealed_bytes = unsealed_bytes - ?2 WHERE id = ?1",
                    params![id, sealed],
                )
            }
            Change::Continue { seq, prev, send_from, .. } => {
                self.go_on(id, int(*seq), *prev, int(*send_from))
            }
            Change::Raw { number, leaf, from_ms, to_ms, bytes, .. } => {
                let size = int(size(bytes.len()));
                self.run(
                    "INSERT INTO raw(stream, number, leaf, from_ms, to_ms, size, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![id, int(*number), leaf, from_ms, to_ms, size, bytes],
                )?;
                self.run(
                    "UPDATE stream SET raw_next = ?2 + 1, raw_bytes = raw_bytes + ?3 WHERE id = ?1",
                    params![id, int(*number), size],
                )
            }
            Change::DropStatements { through, .. } => {
                let gone = self.delete(
                    "DELETE FROM statement WHERE stream = ?1 AND seq <= ?2 RETURNING size",
                    params![id, int(*through)],
                )?;
                self.run(
                    "UPDATE stream SET statement_bytes = statement_bytes - ?2 WHERE id = ?1",
                    params![id, gone],
                )
            }
            Change::DropRaw { through, .. } => {
                let gone = self.delete(
                    "DELETE FROM raw WHERE stream = ?1 AND number <= ?2 RETURNING size",
                    params![id, int(*through)],
                )?;
                self.run("UPDATE stream SET raw_bytes = raw_bytes - ?2 WHERE id = ?1", params![id, gone])
            }
            Change::Fact { .. } => Ok(()),
        }
    }

    fn rewind(&self, id: i64, seq: i64) -> rusqlite::Result<()> {
        let unsealed = self.delete(
            "UPDATE statement SET receipt = NULL WHERE stream = ?1 AND seq >= ?2 AND receipt IS NOT NULL RETURNING size",
            params![id, seq],
        )?;
        // What the gateway told before is kept, as -1 - index.
        self.run(
            "UPDATE statement SET log_index = -1 - log_index WHERE stream = ?1 AND seq >= ?2 AND log_index >= 0",
            params![id, seq],
        )?;
        self.run(
            "UPDATE stream SET send_from = min(send_from, ?2), unsealed_bytes = unsealed_bytes + ?3 WHERE id = ?1",
            params![id, seq, unsealed],
        )
    }

    fn go_on(&self, id: i64, seq: i64, prev: Option<Hash>, send_from: i64) -> rusqlite::Result<()> {
        let gone = self.delete(
            "DELETE FROM statement WHERE stream = ?1 AND seq >= ?2 RETURNING size",
            params![id, seq],
        )?;
        self.run(
            "UPDATE statement SET given_up = 1
             WHERE stream = ?1 AND seq < ?2 AND receipt IS NULL AND coalesce(log_index, -1) < 0",
            params![id, send_from],
        )?;
        self.run(
            "UPDATE stream SET next_seq = ?2, send_from = ?3, head = ?4, statement_bytes = statement_bytes - ?5,
             unsealed_bytes = (SELECT coalesce(sum(size), 0) FROM statement
                 WHERE stream = ?1 AND receipt IS NULL AND given_up = 0) WHERE id = ?1",
            params![id, seq, send_from, prev, gone],
        )
    }

    fn stored_from(&self, id: i64, seq: u64) -> rusqlite::Result<Option<u64>> {
        let sql = "SELECT min(seq) FROM statement WHERE stream = ?1 AND seq >= ?2 AND log_index >= 0";
        let found: Option<i64> =
            self.connection().prepare_cached(sql)?.query_row(params![id, int(seq)], |r| r.get(0))?;
        Ok(found.map(uint))
    }

    fn fact_changes(&self, stream: &str, key: &str, value: Option<&[u8]>) -> rusqlite::Result<()> {
        match value {
            Some(value) => {
                self.run("INSERT OR REPLACE INTO fact VALUES(?1, ?2, ?3)", params![stream, key, value])
            }
            None => self.run("DELETE FROM fact WHERE stream = ?1 AND key = ?2", params![stream, key]),
        }
    }
}

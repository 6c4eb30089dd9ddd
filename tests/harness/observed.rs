//! What an agent that has ended made durable: every observation in its journal and its raw blocks, once each.

use agent::journal::{self, Row};
use agent::window::{Input, Record};
use observation::Observation;
use spool::{Limit, SqliteStore, Store as _};
use std::collections::HashSet;
use std::path::Path;

/// Everything a project's stream holds, in the order in which it was journalled. A row stays in the journal for a
/// while after it is in a block; it is told by its bytes, which hold its times.
///
/// # Panics
/// When the spool cannot be read.
#[track_caller]
pub fn durable(agent_data: &Path, project: &str) -> Vec<Observation> {
    let file = agent_data.join("spool.db");
    let mut store = SqliteStore::open(&file, 2 << 30).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut seen = HashSet::new();
    let mut observations = vec![];
    let mut take = |row: Vec<u8>| {
        let decoded = journal::decode(&row).unwrap_or_else(|e| panic!("a row of the journal: {e}"));
        if !seen.insert(row) {
            return;
        }
        let Row::Record(Record::Step { inputs, .. }) = decoded else { return };
        observations.extend(inputs.into_iter().filter_map(|input| match input {
            Input::Observed(_, observation) => Some(observation),
            _ => None,
        }));
    };
    for number in 0.. {
        let block = store.raw(project, number).unwrap_or_else(|e| panic!("raw block {number}: {e}"));
        let Some(block) = block else { break };
        let rows = agent::raw::open(&block.bytes).unwrap_or_else(|e| panic!("raw block {number}: {e}"));
        rows.into_iter().for_each(&mut take);
    }
    let mut from = 0;
    loop {
        let rows = store.journal(project, from, Limit { items: 1000, bytes: 64 << 20 });
        let rows = rows.unwrap_or_else(|e| panic!("journal: {e}"));
        let Some(last) = rows.last() else { return observations };
        from = last.position + 1;
        for row in rows {
            take(row.row);
        }
    }
}

//! Bytes a machine-window, signed and stored, against gzipped line protocol of the same windows: the day of a
//! workshop of fifty machines, windows of a minute, five a statement.
//!
//! Raw is the whole statement with its envelope and signature. Stored is the file of the gateway's log after the
//! day, everything in it: entries, keys, numbers, leaf hashes, indices, tiles, checkpoints. Beside it, what zstd
//! makes of the same entries, one by one and by tiles of 256. The peer is what a time-series writer would send:
//! a line for each machine and minute, fields that are zero left out, gzipped by statement and by the day.

mod logged;
mod shop;
mod table;

use evidence::tile::encode_entries;
use flate2::Compression;
use flate2::write::GzEncoder;
use kpi::{MachineWindow, column};
use logged::Logged;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use table::Aim;
use tlog::{Arrival, Log, SqliteLog};
use verify::testing::{PER_STATEMENT, START, STEP};

/// Statements in a day.
const DAY: u32 = 86_400 / (STEP * PER_STATEMENT);
/// Days; each is another draw of the same workshop.
const DAYS: usize = 3;
/// zstd's usual level, the one of the agent's raw blocks.
const LEVEL: i32 = 3;
const AIM_RAW: f64 = 15.0;
const AIM_STORED: f64 = 8.0;

/// Bytes of one day.
#[derive(Default)]
struct Day {
    raw: usize,
    stored: u64,
    each: usize,
    tiles: usize,
    lines_each: usize,
    lines: usize,
}

fn main() {
    let mut logged = Logged::new();
    let days: Vec<Day> = (0..DAYS).map(|_| day(&mut logged)).collect();
    let ratio = |part: &dyn Fn(&Day) -> f64| -> Vec<f64> { days.iter().map(part).collect() };
    let windows = f64::from(logged::MACHINES * DAY * PER_STATEMENT);
    let each = |bytes: usize| float(bytes) / windows;
    table::head(&format!(
        "bytes a machine-window: {} machines, {DAYS} days of {DAY} statements",
        logged::MACHINES
    ));
    table::row("signed ÷ 15 bytes", &ratio(&|d| each(d.raw) / AIM_RAW), Aim::AtMost(1.0));
    let stored = ratio(&|d| each(usize::try_from(d.stored).unwrap_or(usize::MAX)) / AIM_STORED);
    table::row("stored, the log's whole file ÷ 8 bytes", &stored, Aim::AtMost(1.0));
    table::row("entries zstd by one ÷ 8 bytes", &ratio(&|d| each(d.each) / AIM_STORED), Aim::Shown);
    table::row("entries zstd by tile ÷ 8 bytes", &ratio(&|d| each(d.tiles) / AIM_STORED), Aim::Shown);
    table::row(
        "signed ÷ gzipped lines of a statement",
        &ratio(&|d| float(d.raw) / float(d.lines_each)),
        Aim::Shown,
    );
    table::row(
        "zstd by one ÷ gzipped lines of a statement",
        &ratio(&|d| float(d.each) / float(d.lines_each)),
        Aim::Shown,
    );
    table::row(
        "zstd by tile ÷ gzipped lines of the day",
        &ratio(&|d| float(d.tiles) / float(d.lines)),
        Aim::Shown,
    );
    spent(&logged);
}

/// Where the bytes of a statement go, as shares of it.
fn spent(logged: &Logged) {
    let Some(entry) = logged.project.entries.last() else { return };
    let open = evidence::statement::open(entry).unwrap_or_else(|e| panic!("{e}"));
    let evidence::statement::Payload::Window(batch) = open.payload else { return };
    let without = |id: Option<u8>| {
        let mut less = batch.clone();
        match id {
            Some(id) => drop(less.columns.remove(&id)),
            None => less.columns.clear(),
        }
        batch_len(&batch) - batch_len(&less)
    };
    let mut shares: Vec<(u8, f64)> =
        batch.columns.keys().map(|id| (*id, float(without(Some(*id))) / float(entry.len()))).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown: Vec<String> =
        shares.iter().take(8).map(|(id, x)| format!("{id}: {:.0} %", x * 100.0)).collect();
    let around = 1.0 - float(without(None)) / float(entry.len());
    println!(
        "largest columns of the last statement: {}; all but columns: {:.0} %",
        shown.join(", "),
        around * 100.0
    );
}

fn batch_len(batch: &evidence::payload::WindowBatch) -> usize {
    evidence::statement::Payload::Window(Box::new(batch.clone())).encode().len()
}

fn day(logged: &mut Logged) -> Day {
    let mut day = Day::default();
    let mut lines_of_day = gzip();
    let first = logged.project.entries.len();
    for _ in 0..DAY {
        let t = logged.project.now();
        let rows = logged.statement();
        let lines = lines(&rows, t);
        let mut one = gzip();
        for gz in [&mut one, &mut lines_of_day] {
            gz.write_all(lines.as_bytes()).unwrap_or_else(|e| panic!("gzip: {e}"));
        }
        day.lines_each += size(one);
    }
    day.lines = size(lines_of_day);
    let entries = &logged.project.entries[first..];
    day.raw = entries.iter().map(Vec::len).sum();
    day.each = entries.iter().map(|entry| zstd(entry)).sum();
    day.tiles = entries.chunks(256).map(|tile| zstd(&encode_entries(tile.iter().map(Vec::as_slice)))).sum();
    day.stored = stored(logged, first);
    day
}

/// What the gateway's log grows by when it takes the day, in commits of one statement.
fn stored(logged: &Logged, first: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
    let path = folder.path().join("log.sqlite");
    let store = SqliteLog::create(&path).unwrap_or_else(|e| panic!("{e}"));
    let genesis = logged.project.entries[0].clone();
    let mut log = Log::create(store, genesis).unwrap_or_else(|e| panic!("{e}"));
    let mut take = |entries: &[Vec<u8>]| {
        for entry in entries {
            let arrival = Arrival::check(entry.clone(), log.keys());
            let taken = log.ingest(vec![vec![arrival]]).unwrap_or_else(|e| panic!("{e}"));
            assert!(matches!(taken.answers[0][0], tlog::Answer::Stored { .. }), "{:?}", taken.answers);
        }
    };
    take(&logged.project.entries[1..first]);
    let before = file(&path);
    take(&logged.project.entries[first..]);
    drop(log);
    file(&path) - before
}

/// Size of a database with its write-ahead log folded in.
fn file(path: &Path) -> u64 {
    let fold = || -> rusqlite::Result<()> {
        let connection = rusqlite::Connection::open(path)?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    };
    fold().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// Line protocol: `window,machine=m-07 energy=48213960i,… <ns>`.
fn lines(rows: &[Vec<MachineWindow>], t: i64) -> String {
    let mut text = String::new();
    for (row, t) in rows.iter().zip((t..).step_by(60)) {
        for (machine, window) in row.iter().enumerate() {
            let _ = write!(text, "window,project=SY-TEST,machine=m-{machine:02} ");
            let fields = column::ALL.iter().filter(|id| window.get(**id) != 0);
            let fields: Vec<String> =
                fields.map(|id| format!("{}={}i", name(*id), window.get(*id))).collect();
            let _ = writeln!(text, "{} {t}000000000", fields.join(","));
        }
    }
    assert!(t >= START, "no time before the project");
    text
}

/// A field's name, as people would choose it.
fn name(id: u8) -> &'static str {
    const NAMES: [&str; 29] = [
        "unknown_ms",
        "off_ms",
        "fault_ms",
        "maintenance_ms",
        "setup_ms",
        "producing_ms",
        "held_ms",
        "waiting_ms",
        "idle_ms",
        "",
        "energy",
        "energy_q",
        "parts",
        "parts_q",
        "good",
        "good_q",
        "expected",
        "reads",
        "connected_ms",
        "changed",
        "sessions",
        "identity",
        "cutting_ms",
        "dry_run_ms",
        "warmup_ms",
        "power_mean",
        "power_peak",
        "spindle_ms",
        "faults",
    ];
    NAMES.get(usize::from(id)).copied().unwrap_or("carrier")
}

fn gzip() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(vec![], Compression::default())
}

fn size(gz: GzEncoder<Vec<u8>>) -> usize {
    gz.finish().unwrap_or_else(|e| panic!("gzip: {e}")).len()
}

fn zstd(bytes: &[u8]) -> usize {
    zstd::bulk::compress(bytes, LEVEL).unwrap_or_else(|e| panic!("zstd: {e}")).len()
}

#[expect(clippy::cast_precision_loss, reason = "counts of bytes far below 2⁵³")]
fn float(n: usize) -> f64 {
    n as f64
}

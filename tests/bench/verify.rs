//! Verification of a bundle against the bare cost of its signatures and hashes, both on all cores; peak memory.
//!
//! The peer: one strict Ed25519 check and one SHA-256 pass over each entry, nothing else. The verification runs in
//! a process of its own, so that its memory is its own. "Without KPIs" is the part that ends with "authentic": the
//! bundle's form and digests, coding, signatures, leaf hashes, tree and checkpoint of the same file.

mod logged;
mod process;
mod shop;
mod table;

use evidence::bundle::{BundleReader, path};
use evidence::hash::sha256;
use evidence::key::{PublicKey, SigningKey};
use evidence::merkle::Frontier;
use evidence::note::{Checkpoint, Note};
use evidence::statement;
use evidence::tile::{decode_entries, tiles_of};
use logged::Logged;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use table::Aim;

const STATEMENTS: u32 = 20_000;
const REPETITIONS: usize = 5;
/// What a year of 100 machines may take on two cores, s, and hold, bytes.
const YEAR_S: f64 = 8.0;
const YEAR_BYTES: f64 = 300.0 * 1024.0 * 1024.0;
const CHILD: &str = "PLUMBLINE_BENCH_VERIFY";

fn main() {
    if let Some(bundle) = std::env::var_os(CHILD) {
        return verify(Path::new(&bundle));
    }
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
    let whole = make(STATEMENTS, folder.path());
    let (mut authentic, mut full, mut year) = (vec![], vec![], vec![]);
    let (mut authentic_cpu, mut full_cpu) = (vec![], vec![]);
    let mut peaks = vec![];
    for _ in 0..REPETITIONS {
        let bare = timed(|| whole.bare());
        let alone = timed(|| whole.authentic());
        authentic.push(ratio(bare.wall, alone.wall));
        authentic_cpu.push(ratio(bare.cpu, alone.cpu));
        let (child, peak) = whole.child();
        full.push(ratio(bare.wall, child.wall));
        full_cpu.push(ratio(bare.cpu, child.cpu));
        let scale = f64::from(100 * 365) / whole.machine_days();
        year.push(child.wall.as_secs_f64() * scale / YEAR_S);
        peaks.push(peak / YEAR_BYTES);
    }
    table::head(&format!(
        "verify: {STATEMENTS} statements of 50 machines × 5 windows, {REPETITIONS} repetitions, {} threads",
        threads()
    ));
    table::row("bare Ed25519 + SHA-256 ÷ verification without KPIs", &authentic, Aim::AtLeast(0.8));
    table::row("bare Ed25519 + SHA-256 ÷ verification with KPIs", &full, Aim::AtLeast(0.6));
    table::row("processor time: bare ÷ verification without KPIs", &authentic_cpu, Aim::Shown);
    table::row("processor time: bare ÷ verification with KPIs", &full_cpu, Aim::Shown);
    table::row("a year of 100 machines, extrapolated ÷ 8 s", &year, Aim::AtMost(1.0));
    table::row("peak memory ÷ the 300 MiB of a year of 100 machines", &peaks, Aim::AtMost(1.0));
}

/// What a piece of work took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    /// Of all threads.
    cpu: Duration,
}

fn timed(work: impl FnOnce()) -> Took {
    let (began, before) = (Instant::now(), process::spent(std::process::id()));
    work();
    let cpu = process::spent(std::process::id()).saturating_sub(before);
    Took { wall: began.elapsed(), cpu }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A bundle on disk and what the peer needs.
struct Made {
    file: std::path::PathBuf,
    statements: u32,
    key: PublicKey,
    /// Entries, each with a signature over its bytes.
    entries: Vec<(Vec<u8>, [u8; 64])>,
}

fn make(statements: u32, folder: &Path) -> Made {
    let mut logged = Logged::new();
    for _ in 0..statements {
        let _ = logged.statement();
    }
    logged.seal(false);
    let file = folder.join(format!("{statements}.zip"));
    std::fs::write(&file, logged.project.bundle()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let trust = toml_of(&logged);
    std::fs::write(file.with_extension("toml"), trust).unwrap_or_else(|e| panic!("trust: {e}"));
    let key = SigningKey::from_seed([9; 32]);
    let sign = |entry: Vec<u8>| {
        let signature = key.sign(&entry);
        (entry, signature)
    };
    let entries = std::mem::take(&mut logged.project.entries).into_iter().map(sign).collect();
    Made { file, statements, key: key.public().clone(), entries }
}

/// The trust file that fits the project.
fn toml_of(logged: &Logged) -> String {
    let trust = logged.project.trust();
    let period = trust.period.map_or_else(String::new, |p| format!("period = [{}, {}]\n", p.from, p.to));
    let time = trust.operator_time.map_or_else(String::new, |key| format!("operator_time = \"{key}\"\n"));
    format!(
        "log = \"{}\"\nreceipt = \"{}\"\nregistrar = \"{}\"\n{time}{period}",
        trust.log, trust.receipt, trust.registrar
    )
}

impl Made {
    fn machine_days(&self) -> f64 {
        f64::from(logged::MACHINES) * f64::from(self.statements) / 288.0
    }

    /// The peer.
    fn bare(&self) {
        let chunk = self.entries.len().div_ceil(threads());
        std::thread::scope(|scope| {
            for part in self.entries.chunks(chunk) {
                scope.spawn(move || {
                    for (entry, signature) in part {
                        self.key.verify(entry, signature).unwrap_or_else(|e| panic!("{e}"));
                        std::hint::black_box(sha256(entry));
                    }
                });
            }
        });
    }

    /// Everything up to "the log is authentic", from the same file.
    fn authentic(&self) {
        let open = || File::open(&self.file).unwrap_or_else(|e| panic!("{}: {e}", self.file.display()));
        let mut reader = BundleReader::open(BufReader::new(open())).unwrap_or_else(|e| panic!("bundle: {e}"));
        let mut read = |file: &str| reader.read(file).unwrap_or_else(|e| panic!("{file}: {e}"));
        let note = Note::parse(&read(path::CHECKPOINT)).unwrap_or_else(|e| panic!("checkpoint: {e}"));
        let checkpoint = Checkpoint::parse(note.text()).unwrap_or_else(|e| panic!("checkpoint: {e}"));
        let agent = SigningKey::from_seed([2; 32]).public().clone();
        let registrar = SigningKey::from_seed([1; 32]).public().clone();
        let mut tree = Frontier::new();
        for tile in tiles_of(None, checkpoint.size) {
            let bytes = read(&path::tile(&tile));
            let entries = decode_entries(&bytes, tile.width).unwrap_or_else(|e| panic!("{tile:?}: {e}"));
            let chunk = entries.len().div_ceil(threads());
            let check = |entry: &&[u8]| {
                let open = statement::open(entry).unwrap_or_else(|e| panic!("{e}"));
                let key = if open.header.kid == agent.kid() { &agent } else { &registrar };
                open.verify(key).unwrap_or_else(|e| panic!("{e}")).leaf()
            };
            let leaves: Vec<_> = std::thread::scope(|scope| {
                let check = &check;
                let workers: Vec<_> = entries
                    .chunks(chunk)
                    .map(|part| scope.spawn(move || part.iter().map(check).collect::<Vec<_>>()))
                    .collect();
                workers.into_iter().flat_map(|w| w.join().unwrap_or_default()).collect()
            });
            for leaf in leaves {
                tree.append(leaf, |_, _, _| ());
            }
        }
        assert_eq!(tree.root(), checkpoint.root, "the log has another root");
    }

    /// The whole verification in another process: time and peak memory.
    fn child(&self) -> (Took, f64) {
        let own = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
        let output = Command::new(own).env(CHILD, &self.file).output();
        let output = output.unwrap_or_else(|e| panic!("the verifying process: {e}"));
        let text = String::from_utf8_lossy(&output.stdout);
        let mut words = text.split_whitespace();
        let mut number = || words.next().and_then(|w| w.parse::<f64>().ok());
        match (number(), number(), number()) {
            (Some(wall), Some(cpu), Some(bytes)) => {
                (Took { wall: Duration::from_secs_f64(wall), cpu: Duration::from_secs_f64(cpu) }, bytes)
            }
            _ => panic!("the verifying process said:\n{text}\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
}

/// The other process: verifies and prints seconds, seconds of processors, and bytes.
fn verify(bundle: &Path) {
    let trust =
        std::fs::read_to_string(bundle.with_extension("toml")).unwrap_or_else(|e| panic!("trust: {e}"));
    let trust = trust.parse::<verify::Trust>().unwrap_or_else(|e| panic!("trust: {e}"));
    let mut report = None;
    let took = timed(|| {
        let file = File::open(bundle).unwrap_or_else(|e| panic!("{}: {e}", bundle.display()));
        let checked = verify::verify_bundle(BufReader::new(file), &trust, &mut |_| ());
        report = Some(checked.unwrap_or_else(|e| panic!("{e}")));
    });
    let report = report.unwrap_or_else(|| panic!("no report"));
    let (authentic, complete) = (report.authentic.verdict, report.complete.verdict);
    assert!(report.defects.is_empty(), "{authentic:?}, {complete:?}: {:#?}", report.defects);
    let (wall, cpu) = (took.wall.as_secs_f64(), took.cpu.as_secs_f64());
    println!("{wall} {cpu} {}", process::peak(std::process::id()));
}

//! kill -9 of agent and gateway under load, at every named commit point and at random moments. Afterwards every
//! acknowledged statement is in the log exactly once, streams are contiguous, time is tiled, the open window was
//! rebuilt from the journal, the bundle verifies and the derived tables can be made again without a difference.
//!
//! Each program dies [`KILLS`] times at named points, all of them in turn, and as often again at random moments;
//! `PLUMBLINE_KILLS` takes another number.

use crate::programs::PROGRAMS;
use agent::journal::Row;
use agent::window::{Input, Record};
use evidence::column;
use plumbline_tests::harness::chain::{Chain, PROJECT, now_ms, now_s, wait_until};
use plumbline_tests::harness::forger::Forger;
use plumbline_tests::harness::logged::{
    self, Entry, acknowledged, entries, must_be_contiguous, must_hold_once, must_tile,
};
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::meters::Meters;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use uplink::Outcome;

/// How often each program is killed at named points, and again at random moments.
const KILLS: usize = 20;
/// Longest life of a program that is killed at random, ms.
const LIFE_MS: u64 = 1500;
/// Column of the time in the state UNKNOWN.
const UNKNOWN_MS: u8 = 0;
/// The project that is pushed to under the test's own key.
const LOAD: &str = "LOAD-1";

/// Where the agent can be made to die: every `failpoint::hit` of its source.
const AGENT: [&str; 8] = [
    "journal.before_commit",
    "journal.after_commit",
    "statement.before_spool",
    "statement.after_spool",
    "push.before_send",
    "push.after_send",
    "push.after_ack",
    "receipt.after_fetch",
];
/// Where the gateway can be made to die: every `kill::hit` of its source.
const GATEWAY: [&str; 6] = [
    "ingest.before_commit",
    "ingest.after_commit",
    "ingest.before_ack",
    "checkpoint.before_write",
    "checkpoint.after_write",
    "derived.after_write",
];

/// A press behind the simulated meters, read ten times a second.
pub(crate) const PLANT: &str = r#"
[[link]]
id = "meters"
protocol = "modbus"
address = "tcp://{METERS}"
poll = "100ms"
timeout = "90ms"

[[machine]]
id = "press"
name = "冲床"
line = "A"
kind = "press"
link = "meters"

[machine.points]
power        = { unit = 3, register = "input:12", type = "i16", scale = "0.1", measure = "kW" }
energy_total = { unit = 3, register = "input:0", type = "u64", order = "ABCDEFGH", scale = "1", measure = "Wh" }

[machine.state]
producing = 'power > 1500'
idle      = 'true'
"#;

/// The chain, what it measures, and a second project under load.
struct Site {
    chain: Chain,
    forger: Forger,
    /// What the gateway acknowledged to the forger: index and leaf by number.
    acknowledged: BTreeMap<u64, (u64, evidence::Hash)>,
    /// The runtime of the plant and the plant.
    _plant: (tokio::runtime::Runtime, Meters),
}

/// A point with the pass at which to die: rarely the first, so that the program is in the middle of its work.
/// Commits at the gateway come with every push, checkpoints three times a second, statements every second, and
/// a receipt may be the only one of its look.
fn chosen(point: &str, round: usize) -> String {
    let pass = match point.split_once('.').map_or("", |(part, _)| part) {
        "ingest" => 8 + 9 * (round % 3),
        "journal" => 3 + 4 * (round % 3),
        "checkpoint" | "derived" => 2 + round % 3,
        "receipt" => 1,
        _ => 1 + round % 2,
    };
    format!("{point}:{pass}")
}

fn kills() -> usize {
    std::env::var("PLUMBLINE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS)
}

impl Site {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
        let plant = PLANT.replace("{METERS}", &meters.address.to_string());
        let chain = Chain::new(PROGRAMS, 1, &plant);
        let mut forger = Forger::new(LOAD, 31);
        let request = chain.path("load.cbor");
        forger.write_enrolment(&request);
        chain.found(LOAD, &request);
        forger.read_genesis(&chain.genesis(LOAD));
        Self { chain, forger, acknowledged: BTreeMap::new(), _plant: (runtime, meters) }
    }

    /// Pushes the forger's next statements, as an agent that has lost its answer does: again from the first that
    /// was not acknowledged. `made` holds what is not.
    fn load(&mut self, made: &mut Vec<Vec<u8>>) {
        while made.len() < 8 {
            made.push(self.forger.following());
        }
        let Some(outcome) = self.forger.push(self.chain.gateway_address(), made) else { return };
        assert!(
            !matches!(outcome, Outcome::Gap { .. } | Outcome::Frozen { .. } | Outcome::Quarantined { .. }),
            "{outcome:?}"
        );
        for stored in outcome.stored() {
            let before = self.acknowledged.insert(stored.seq, (stored.index, stored.leaf));
            assert_eq!(before, None, "statement {} was acknowledged and sent again", stored.seq);
            assert_eq!(stored.leaf, evidence::hash::leaf(&made.remove(0)), "statement {}", stored.seq);
        }
    }

    /// Lets everything come to rest, then holds all of it against what was promised.
    fn judge(mut self, made: &mut Vec<Vec<u8>>, open_windows: &[Open]) {
        // A point on a gateway that has just come back, and an agent that goes on: both must recover by themselves.
        let end = self.chain.from.max(now_s()) + 4;
        wait_until("the agent's last windows are logged", || self.chain.logged_until(PROJECT) >= end);
        let to = self.chain.logged_until(PROJECT);
        let before = self.acknowledged.len();
        self.load(made);
        assert!(self.acknowledged.len() > before, "the load is taken again");
        self.chain.stop_agent();
        let twin = self.offend();
        wait_until("everything is sealed and derived", || {
            [PROJECT, LOAD].into_iter().map(|project| self.chain.page(project)).all(|page| {
                page["size"].is_u64() && page["size"] == page["sealed"] && page["size"] == page["through"]
            })
        });
        self.chain.stop_gateway();

        let (bundle, _, _) = self.chain.must_hold(to);
        let log = entries(&bundle);
        let streams = logged::streams(&log);
        assert_eq!(streams.len(), 1);
        let stream = streams.values().next().unwrap();
        must_be_contiguous(stream);
        let kept = acknowledged(self.chain.agent_data(), PROJECT);
        assert!(kept.len() > 3, "only {} statements were acknowledged", kept.len());
        must_hold_once(stream, &kept);
        let tiling = must_tile(stream);
        assert_eq!(tiling.losses, [], "a kill loses no window");
        for open in open_windows {
            must_be_rebuilt(&log, *open);
        }
        self.judge_load(twin);
        for project in [PROJECT, LOAD] {
            let again = self.chain.rebuild(project);
            assert_eq!(again.code, Some(0), "{project}: {}{}", again.out, again.err);
        }
    }

    /// A forged statement and one with a number that is taken, so that the tables have both to show. Gives the leaf
    /// of the second, which is logged as proof.
    fn offend(&self) -> evidence::Hash {
        let mut twin = Forger::new(LOAD, 31);
        twin.read_genesis(&self.chain.genesis(LOAD));
        let mut forged = twin.window(1);
        *forged.last_mut().unwrap() ^= 1;
        let outcome = self.forger.push(self.chain.gateway_address(), &[forged]);
        assert!(matches!(outcome, Some(Outcome::Quarantined { .. })), "{outcome:?}");
        let second = twin.window(2);
        let outcome = self.forger.push(self.chain.gateway_address(), &[&second]);
        assert!(matches!(outcome, Some(Outcome::Frozen { .. })), "{outcome:?}");
        evidence::hash::leaf(&second)
    }

    fn judge_load(&mut self, twin: evidence::Hash) {
        let bundle = self.chain.export(LOAD);
        let log = entries(&bundle);
        let streams = logged::streams(&log);
        let (seconds, stream): (Vec<&Entry>, Vec<&Entry>) =
            streams[&self.forger.key.public().kid()].iter().partition(|entry| entry.leaf == twin);
        assert_eq!(seconds.len(), 1, "the proof of the equivocation");
        must_be_contiguous(&stream);
        let held: Vec<(u64, evidence::Hash)> =
            self.acknowledged.iter().map(|(seq, (_, leaf))| (*seq, *leaf)).collect();
        assert!(!held.is_empty(), "nothing was acknowledged under load");
        must_hold_once(&stream, &held);
        for (seq, (index, leaf)) in &self.acknowledged {
            let logged = usize::try_from(*index).ok().and_then(|i| log.get(i)).map(|e| e.leaf);
            assert_eq!(logged, Some(*leaf), "statement {seq} was acknowledged as entry {index}");
        }
    }
}

/// A window that was open when the agent was killed.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Its start, UTC s.
    start: i64,
    /// Good reads of it that the journal held.
    good: i64,
}

/// A window that was open at a kill must hold everything that the journal held, since nobody can read the past again.
#[track_caller]
fn must_be_rebuilt(log: &[Entry], open: Open) {
    let batch = logged::windows(log).find(|b| (b.t0..b.end()).contains(&open.start));
    let batch = batch.unwrap_or_else(|| panic!("the window at {} is not in the log", open.start));
    let window = usize::try_from((open.start - batch.t0) / i64::from(batch.step)).unwrap();
    let good = batch.value(column::READS_GOOD, 0, window);
    assert!(
        good >= open.good,
        "the window at {} has {good} good reads, its journal had {}",
        open.start,
        open.good
    );
    let unknown = batch.value(UNKNOWN_MS, 0, window);
    assert!(unknown < 1000, "nothing is known of the window at {}", open.start);
}

fn log_of(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn the_lists_of_kill_points_are_those_of_the_sources() {
    for (sources, known) in
        [(vec!["agent/src"], &AGENT[..]), (vec!["gateway/src", "gateway/tlog/src"], &GATEWAY[..])]
    {
        let mut found = BTreeSet::new();
        for folder in sources {
            for file in crate::tidy::rust_files(&plumbline_tests::harness::peers::root().join(folder)) {
                let text = std::fs::read_to_string(&file).unwrap();
                found.extend(
                    text.split("hit(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()),
                );
            }
        }
        assert_eq!(found, known.iter().map(|&s| s.to_owned()).collect());
    }
}

#[test]
fn an_agent_killed_at_every_commit_point_loses_nothing_that_was_acknowledged() {
    let mut site = Site::new();
    let log = site.chain.path("agent.kills");
    let log_name = log.display().to_string();
    let mut made = vec![];
    site.chain.start_gateway(&[]);
    let named = kills().max(AGENT.len());
    for n in 0..named {
        let at = chosen(AGENT[n % AGENT.len()], n / AGENT.len());
        site.chain.start_agent(&[("PLUMBLINE_KILL_AT", &at), ("PLUMBLINE_KILL_LOG", &log_name)]);
        let status = site.chain.agent().wait();
        assert!(!status.success(), "{at}: ended by itself");
        site.load(&mut made);
    }
    let hit = log_of(&log);
    assert_eq!(hit.len(), named, "{hit:?}");
    assert_eq!(hit.iter().map(String::as_str).collect::<BTreeSet<_>>(), AGENT.into_iter().collect());
    site.chain.start_agent(&[]);
    site.judge(&mut made, &[]);
}

#[test]
fn a_gateway_killed_at_every_commit_point_loses_nothing_that_was_acknowledged() {
    let mut site = Site::new();
    let log = site.chain.path("gateway.kills");
    let log_name = log.display().to_string();
    let mut made = vec![];
    site.chain.start_agent(&[]);
    let named = kills().max(GATEWAY.len());
    for n in 0..named {
        let at = chosen(GATEWAY[n % GATEWAY.len()], n / GATEWAY.len());
        site.chain.launch_gateway(&[("PLUMBLINE_KILL_AT", &at), ("PLUMBLINE_KILL_LOG", &log_name)]);
        wait_until(&format!("the gateway dies at {at}"), || {
            site.load(&mut made);
            site.chain.gateway().ended().is_some()
        });
    }
    let hit = log_of(&log);
    assert_eq!(hit.len(), named, "{hit:?}");
    assert_eq!(hit.iter().map(String::as_str).collect::<BTreeSet<_>>(), GATEWAY.into_iter().collect());
    site.chain.start_gateway(&[]);
    site.judge(&mut made, &[]);
}

#[test]
fn both_killed_at_random_moments_lose_nothing_that_was_acknowledged() {
    let mut site = Site::new();
    let (mut made, mut open) = (vec![], vec![]);
    // The seed is printed, so that a failure can be tried again with the same lives; what runs in between is real.
    let mut dice = Dice(
        std::env::var("PLUMBLINE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(now_ms().unsigned_abs()),
    );
    println!("PLUMBLINE_SEED={}", dice.0);
    site.chain.start_gateway(&[]);
    site.chain.start_agent(&[]);
    wait_until("the first windows are logged", || site.chain.logged_until(PROJECT) > 0);
    for _ in 0..kills() {
        live(&mut site, &mut made, dice.below(LIFE_MS));
        site.chain.gateway().kill();
        live(&mut site, &mut made, dice.below(LIFE_MS / 4));
        site.chain.start_gateway(&[]);
        live(&mut site, &mut made, dice.below(LIFE_MS));
        site.chain.agent().kill();
        let at = journalled(&site.chain);
        // Started again within the same window, so that nothing but the journal can fill it.
        site.chain.start_agent(&[]);
        open.extend(at);
    }
    assert!(open.iter().any(|o| o.good > 0), "no window was open at any kill: {open:?}");
    site.judge(&mut made, &open);
}

/// Load for a while.
fn live(site: &mut Site, made: &mut Vec<Vec<u8>>, ms: u64) {
    let end = std::time::Instant::now() + Duration::from_millis(ms);
    while std::time::Instant::now() < end {
        site.load(made);
    }
}

/// The window that is open in the journal of a killed agent, and how many good reads of it are there. Statements
/// take rows out of the journal, so this is a lower bound of what the window held at the time.
fn journalled(chain: &Chain) -> Option<Open> {
    let rows = logged::journal(chain.agent_data());
    let mut reads: BTreeMap<i64, i64> = BTreeMap::new();
    for row in rows {
        let Ok(Row::Record(Record::Step { inputs, .. })) = agent::journal::decode(&row) else { continue };
        for input in inputs {
            if let Input::Observed(_, observation) = input
                && observation.quality.is_good()
            {
                *reads.entry(observation.agent_time.0.div_euclid(1000)).or_default() += 1;
            }
        }
    }
    reads.pop_last().map(|(start, good)| Open { start, good })
}

/// A small generator of its own (xorshift64), since only the order of kills hangs on it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

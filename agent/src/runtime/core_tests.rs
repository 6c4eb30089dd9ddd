//! The core against its spool: each commit fails twice, the disk is full for long, the spool is lost, the
//! program dies at any commit. What is signed must always tile the time.

use super::*;
use crate::configuration::Configuration;
use crate::runtime::board::Next;
use crate::runtime::fixture::{self, P, T0};
use crate::runtime::links::Message;
use crate::runtime::order::{Command, GoOn, Order};
use crate::runtime::project::Project;
use crate::runtime::start::{places, rebuild};
use crate::runtime::switch::Switch;
use crate::window::Replan;
use evidence::payload::{Event, EventCode};
use evidence::statement::Payload;
use observation::{Decimal, Mono, Observation, PointId, Value};
use protocols::Batch;
use spool::faulty::{Fault, Faults, Faulty};
use spool::{Limit, Spool};
use std::path::Path;
use std::sync::Mutex;
use tokio::sync::{Semaphore, oneshot};

const ALL: Limit = Limit { items: 10_000, bytes: usize::MAX };

/// Both clocks, moved by the test.
struct HandClock(Mutex<Instant>);

impl Clock for HandClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

impl HandClock {
    fn advance(&self, ms: u64) {
        let mut now = self.0.lock().unwrap();
        now.mono.0 += ms;
        now.utc.0 += i64::try_from(ms).unwrap();
    }
}

/// A box with one press, whose program can be ended and started again.
struct Rig {
    dir: tempfile::TempDir,
    clock: Arc<HandClock>,
    key: Arc<SigningKey>,
    faults: Faults,
    statement_max: u64,
    energy: i64,
    /// Starts under the configuration with another hall.
    changed: bool,
    /// Number of the meters' task, and the ids of power and energy there.
    meters: (usize, [u32; 2]),
}

impl Rig {
    fn new() -> Self {
        // In memory where the system offers it: what the disk does is planned here, not waited for.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let rig = Self {
            dir,
            clock: Arc::new(HandClock(Mutex::new(Instant { utc: Utc(T0), mono: Mono(5000) }))),
            key: Arc::new(SigningKey::from_seed([7; 32])),
            faults: Faults::default(),
            statement_max: u64::MAX,
            energy: 1000,
            changed: false,
            meters: (0, [0, 1]),
        };
        fixture::write_genesis(rig.dir.path(), rig.key.public());
        rig
    }

    fn configuration(&self) -> Configuration {
        if self.changed {
            return fixture::with_another_hall(self.dir.path());
        }
        fixture::configuration(self.dir.path())
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("spool.db")
    }

    fn start(&self) -> Core {
        let intact = |bytes: &[u8], leaf: &spool::Hash| evidence::hash::leaf(bytes) == *leaf;
        let opened = spool::open(&self.path(), self.statement_max, &intact).unwrap();
        let damage = opened.damage;
        let spool = Spool::new(Box::new(Faulty::new(opened.store, self.faults.clone()))).unwrap();
        let configuration = self.configuration();
        let project = Project::load(&configuration, &configuration.uplinks[0], self.key.public()).unwrap();
        let projects = vec![Arc::new(project)];
        let boot = Boot {
            at: self.clock.now(),
            version: "test".into(),
            binary: [3; 32],
            configuration: configuration.hash,
        };
        let progress = Progress::open(self.dir.path());
        let opened = rebuild(spool, damage.as_ref(), progress, &projects, &boot).unwrap();
        let (on_link, of_point) = places(&configuration, &projects);
        let (_, incoming) = mpsc::channel();
        let (receipts, kept) = tokio::sync::mpsc::unbounded_channel();
        std::mem::forget(kept);
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let mut core = Core {
            streams: opened.streams,
            store: Arc::new(Mutex::new(opened.spool)),
            clock,
            board: Arc::new(Board::new(&configuration, Utc(T0))),
            incoming,
            tasks: Tasks::new(configuration.links.len()),
            receipts: vec![receipts; configuration.links.len()],
            on_link,
            of_point,
            key: Arc::clone(&self.key),
            agent: "edge-1".into(),
            every: Duration::from_millis(200),
            keep: Keep { statement_bytes: u64::MAX, raw_bytes: u64::MAX, retention_ms: i64::MAX },
            progress: opened.progress,
            generation: watch::channel(0).0,
            signed: vec![Arc::new(Notify::new())],
            boot,
            trusted: watch::channel(0).1,
            work: Work::default(),
        };
        core.begin(opened.first).unwrap();
        self.tell(&mut core, News::Up(self.clock.now()));
        core
    }

    /// Lets `ms` pass with a poll and a step every 200 ms.
    fn run(&mut self, core: &mut Core, ms: u64) -> Result<(), CoreError> {
        for _ in 0..ms / 200 {
            self.clock.advance(200);
            self.energy += 1;
            let now = self.clock.now();
            let read = |point, value: Option<Decimal>| {
                Observation::good(PointId(point), Value::Number(value.unwrap()), now)
            };
            // Machines count power first, as in the configuration: point 0 is power, point 1 energy.
            let (power, energy) = (Decimal::new(35, -1), Some(Decimal::from(self.energy)));
            let power = if self.energy % 60 < 30 { power } else { Decimal::new(5, -1) };
            let [p, e] = self.meters.1;
            let batch = Batch { receipt: None, ..Batch::of(vec![read(p, power), read(e, energy)]) };
            self.tell(core, News::Batch(batch));
            core.step()?;
        }
        Ok(())
    }

    fn tell(&self, core: &mut Core, news: News) {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        core.take(Message::new(self.meters.0, news, permit));
    }

    fn changed_hash(&self) -> evidence::Hash {
        fixture::with_another_hall(self.dir.path()).hash
    }

    /// Puts the configuration with another hall in force; the meters' session goes on.
    fn switch(&self, core: &mut Core) -> Result<(), String> {
        let next = fixture::with_another_hall(self.dir.path());
        let project = Project::load(&next, &next.uplinks[0], self.key.public()).unwrap();
        let moved = [(PointId(0), PointId(1)), (PointId(1), PointId(2))];
        let mut tasks = Tasks::none(1);
        tasks.goes_on(0, 1, moved.into_iter());
        assert_eq!(tasks.start(0), 1);
        let (on_link, of_point) = places(&next, std::slice::from_ref(&Arc::new(project)));
        let project = Project::load(&next, &next.uplinks[0], self.key.public()).unwrap();
        let (done, mut answer) = oneshot::channel();
        let switch = Switch {
            projects: vec![Arc::new(project)],
            replan: Replan {
                links: vec![None, Some(LinkIndex(0))],
                points: moved.into_iter().collect(),
                remapped: vec![],
                configuration: next.hash,
            },
            board: Next::new(&next, self.clock.now().utc, &tasks),
            tasks,
            receipts: vec![tokio::sync::mpsc::unbounded_channel().0],
            on_link,
            of_point,
            every: next.raw.journal,
            keep: core.keep,
            done,
        };
        core.switch(switch).unwrap();
        answer.try_recv().unwrap()
    }

    /// Every statement in the spool, checked for number, predecessor, signature and tiling.
    fn signed(&self, core: &Core) -> Signed {
        let statements = lock(&core.store).statements(P, 0, ALL).unwrap();
        let mut signed = Signed::default();
        let mut prev = None;
        for (i, statement) in statements.iter().enumerate() {
            let opened = evidence::statement::open(&statement.bytes).unwrap();
            assert_eq!(opened.leaf(), statement.leaf);
            assert_eq!((opened.payload.seq(), opened.payload.prev()), (i as u64, prev));
            prev = Some(statement.leaf);
            signed.take(opened.verify(self.key.public()).unwrap().payload());
        }
        signed
    }
}

fn tell(core: &mut Core, news: News) {
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    core.take(Message::new(0, news, permit));
}

/// A window's start, UTC ms, and its figures that are not zero.
type Figures = (i64, Vec<(u8, i64)>);

#[derive(Debug, Default, PartialEq)]
struct Signed {
    windows: Vec<Figures>,
    events: Vec<Event>,
    blocks: u64,
}

impl Signed {
    fn take(&mut self, payload: &Payload) {
        match payload {
            Payload::Window(batch) => {
                for w in 0..batch.n {
                    let start = (batch.t0 + i64::from(w)) * 1000;
                    let figures = batch.columns.keys().map(|c| (*c, batch.value(*c, 0, w as usize)));
                    self.windows.push((start, figures.filter(|(_, v)| *v != 0).collect()));
                }
                self.blocks += batch.raw.blocks;
                self.events.extend(batch.events.iter().cloned());
            }
            Payload::Event(batch) => self.events.extend(batch.events.iter().cloned()),
            other => panic!("{other:?}"),
        }
    }

    /// Down and lost time, UTC ms.
    fn gaps(&self, code: EventCode) -> Vec<(i64, i64)> {
        self.events.iter().filter(|e| e.code == code).filter_map(Event::interval).collect()
    }

    /// Windows, downs and losses cover the time once and without a hole.
    #[track_caller]
    fn assert_tiles(&self, context: &str) {
        let mut spans: Vec<(i64, i64)> =
            self.windows.iter().map(|(start, _)| (*start, start + 1000)).collect();
        spans.extend(self.gaps(EventCode::Down));
        spans.extend(self.gaps(EventCode::Loss));
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "{context}: {pair:?} of {spans:?}");
        }
        for (start, figures) in &self.windows {
            let states: i64 = figures.iter().filter(|(c, _)| *c < 9).map(|(_, ms)| ms).sum();
            assert_eq!(states, 1000, "{context}: states of {start}");
        }
    }
}

/// What an undisturbed run of this length signs.
fn reference(ms: u64) -> (Signed, u64) {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, ms).unwrap();
    (rig.signed(&core), rig.faults.commits())
}

const LENGTH: u64 = 8_000;

#[test]
fn an_undisturbed_run_signs_every_window_once_and_commits_to_its_blocks() {
    let (signed, _) = reference(LENGTH);
    signed.assert_tiles("reference");
    assert_eq!(signed.windows.len(), 6, "{signed:?}");
    assert_eq!(signed.windows[0].0, T0);
    assert!(signed.gaps(EventCode::Down).is_empty() && signed.gaps(EventCode::Loss).is_empty());
    assert_eq!(signed.blocks, 2, "one block a statement");
}

#[test]
fn a_commit_that_fails_either_way_changes_nothing_that_is_signed() {
    let (want, commits) = reference(LENGTH);
    for fault in [Fault::NotWritten, Fault::WrittenAnyway] {
        for k in 0..commits {
            let mut rig = Rig::new();
            rig.faults.plan(k, fault);
            let mut core = rig.start();
            rig.run(&mut core, LENGTH).unwrap();
            // A statement that had to wait may still be outstanding; a retry comes within seconds.
            rig.run(&mut core, 6_000).unwrap();
            let got = rig.signed(&core);
            got.assert_tiles(&format!("{fault:?} at {k}"));
            assert_eq!(got.windows[..want.windows.len()], want.windows, "{fault:?} at {k}");
        }
    }
}

#[test]
fn a_crash_at_any_commit_leaves_time_tiled_and_no_window_signed_twice() {
    let (_, commits) = reference(LENGTH);
    for fault in [Fault::NotWritten, Fault::WrittenAnyway] {
        for k in 0..commits {
            let mut rig = Rig::new();
            rig.faults.plan(k, fault);
            let mut core = rig.start();
            while rig.faults.commits() <= k {
                rig.run(&mut core, 200).unwrap();
            }
            // As by a power cut: nothing more is written.
            drop(core);
            rig.clock.advance(2_700);
            let mut core = rig.start();
            rig.run(&mut core, LENGTH).unwrap();
            let got = rig.signed(&core);
            got.assert_tiles(&format!("crash, {fault:?} at {k}"));
            // What came before the very first commit is unknown to anybody, and a stream begins with a whole window.
            let begin = if (fault, k) == (Fault::NotWritten, 0) { T0 + 3_000 } else { T0 };
            assert_eq!(got.windows[0].0, begin, "crash, {fault:?} at {k}");
            assert!(got.gaps(EventCode::Loss).is_empty(), "crash, {fault:?} at {k}: nothing was lost");
            let down: i64 = got.gaps(EventCode::Down).iter().map(|(a, b)| b - a).sum();
            assert!(down <= 2_000, "crash, {fault:?} at {k}: down {down} ms");
        }
    }
}

#[test]
fn the_open_window_of_a_killed_agent_is_rebuilt_from_the_journal() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 10_600).unwrap();
    drop(core);
    rig.clock.advance(100);
    let mut core = rig.start();
    rig.run(&mut core, 8_000).unwrap();
    let signed = rig.signed(&core);
    signed.assert_tiles("restart");
    let (_, open) = signed.windows.iter().find(|(start, _)| *start == T0 + 10_000).unwrap();
    let read = |column: u8| open.iter().find(|(c, _)| *c == column).map_or(0, |(_, v)| *v);
    assert!(read(kpi::column::READS_GOOD) >= 6, "what was read before the kill counts: {open:?}");
    assert!(read(0) < 500, "only the pause is unknown: {open:?}");
}

#[test]
fn a_full_disk_costs_what_does_not_fit_into_memory_and_says_so() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 5_000).unwrap();
    rig.faults.last(Some(Fault::Full));
    rig.run(&mut core, 3_000).unwrap();
    assert!(core.board.status(Utc(0)).trouble.is_some_and(|t| t.contains("the disk is full")));
    // As if the backlog had reached its limit.
    core.work.row_bytes = BACKLOG_BYTES + 1;
    rig.run(&mut core, 5_000).unwrap();
    assert!(core.work.losing.is_some());
    rig.faults.last(None);
    rig.run(&mut core, 400).unwrap();
    assert!(core.work.losing.is_none());
    assert_eq!(*core.generation.borrow(), 1, "every session begins anew");
    tell(&mut core, News::Up(rig.clock.now()));
    rig.run(&mut core, 12_000).unwrap();
    let signed = rig.signed(&core);
    signed.assert_tiles("full disk");
    let lost: i64 = signed.gaps(EventCode::Loss).iter().map(|(a, b)| b - a).sum();
    assert!((6_000..=9_000).contains(&lost), "{lost} ms lost: {:?}", signed.events);
    assert!(signed.gaps(EventCode::Down).is_empty());
    let noted = |e: &Event| format!("{:?}", e.after).contains("could not be kept");
    assert!(signed.events.iter().any(noted), "{:?}", signed.events);
    assert!(core.board.status(Utc(0)).lost_observations > 0);
}

#[test]
fn a_short_full_disk_costs_nothing() {
    let (want, _) = reference(LENGTH);
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 4_000).unwrap();
    rig.faults.last(Some(Fault::Full));
    rig.run(&mut core, 5_000).unwrap();
    rig.faults.last(None);
    rig.run(&mut core, LENGTH).unwrap();
    let got = rig.signed(&core);
    got.assert_tiles("short full disk");
    assert_eq!(got.windows[..want.windows.len()], want.windows);
}

#[test]
fn windows_that_cannot_be_stored_are_given_up_oldest_first_and_signed_as_lost() {
    let mut rig = Rig::new();
    rig.statement_max = 2_000;
    let mut core = rig.start();
    rig.run(&mut core, 30_000).unwrap();
    let before = rig.signed(&core).windows.len();
    assert!(core.board.status(Utc(0)).trouble.is_some_and(|t| t.contains("spool.max_bytes")));
    core.streams[0].lose_oldest(5);
    core.remember(0).unwrap();
    drop(core);
    rig.statement_max = u64::MAX;
    rig.clock.advance(1_000);
    let mut core = rig.start();
    rig.run(&mut core, 5_000).unwrap();
    let signed = rig.signed(&core);
    signed.assert_tiles("spool limit");
    let end = T0 + i64::try_from(before).unwrap() * 1000;
    assert_eq!(signed.gaps(EventCode::Loss), [(end, end + 5_000)]);
}

fn remove_spool(path: &Path) {
    for end in ["", "-wal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
}

#[track_caller]
fn obeyed(core: &mut Core, order: Order) -> bool {
    let (done, mut answer) = oneshot::channel();
    core.obey(Command { project: 0, order, done }).unwrap();
    answer.try_recv().unwrap()
}

#[track_caller]
fn check_lost_spool(full_disk: bool) {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 10_000).unwrap();
    let (signed, head) = (rig.signed(&core), lock(&core.store).stream(P).unwrap());
    drop(core);
    remove_spool(&rig.path());
    rig.clock.advance(3_000);
    rig.faults.last(full_disk.then_some(Fault::Full));
    let mut core = rig.start();
    assert_eq!(obeyed(&mut core, Order::Begun), !full_disk, "what cannot be read yet is not asked for");
    rig.run(&mut core, 3_000).unwrap();
    core.sign(0, true).unwrap();
    rig.faults.last(None);
    assert!(obeyed(&mut core, Order::Begun));
    assert!(lock(&core.store).fact(P, facts::UNANCHORED).unwrap().is_some());
    rig.run(&mut core, 3_000).unwrap();
    assert!(rig.signed(&core).windows.is_empty(), "no number is known yet");
    let (seq, end) = (head.next_seq, signed.windows.last().unwrap().0 + 1000);
    let go_on = GoOn { seq, prev: head.head, send_from: seq, lost_from: Some(end), ..GoOn::default() };
    assert!(obeyed(&mut core, Order::GoOn(go_on)));
    rig.run(&mut core, 2_000).unwrap();
    let statements = lock(&core.store).statements(P, 0, ALL).unwrap();
    assert_eq!(statements[0].seq, head.next_seq);
    let first = evidence::statement::open(&statements[0].bytes).unwrap();
    assert_eq!(first.payload.prev(), head.head);
    let Payload::Window(batch) = first.payload else { panic!("{first:?}") };
    let losses = batch.events.iter().filter(|e| e.code == EventCode::Loss).filter_map(Event::interval);
    assert_eq!(losses.collect::<Vec<_>>(), [(end, batch.t0 * 1000)]);
}

#[test]
fn after_a_lost_spool_nothing_is_signed_before_the_gateways_head_is_known_and_the_loss_is_exact() {
    check_lost_spool(false);
}

#[test]
fn a_lost_spool_on_a_full_disk_keeps_no_agent_from_starting() {
    check_lost_spool(true);
}

#[test]
fn what_the_gateways_head_has_decided_is_not_lost_twice_by_a_crash() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 10_000).unwrap();
    let seq = lock(&core.store).stream(P).unwrap().next_seq - 2;
    drop(core);
    remove_spool(&rig.path());
    rig.clock.advance(3_000);
    let mut core = rig.start();
    rig.run(&mut core, 200).unwrap();
    let lost_from = Some(T0 + 3_000);
    let go_on = GoOn { seq, prev: Some([9; 32]), send_from: seq, lost_from, ..GoOn::default() };
    assert!(obeyed(&mut core, Order::GoOn(go_on)));
    drop(core);
    let mut core = rig.start();
    assert_eq!(lock(&core.store).fact(P, facts::UNANCHORED).unwrap(), None, "the gateway has been asked");
    rig.run(&mut core, 6_000).unwrap();
    let mut all = Signed::default();
    for statement in &lock(&core.store).statements(P, 0, ALL).unwrap() {
        all.take(&evidence::statement::open(&statement.bytes).unwrap().payload);
    }
    let mut losses = all.gaps(EventCode::Loss);
    losses.sort_unstable();
    assert_eq!(losses.first().map(|(from, _)| *from), lost_from, "{losses:?}");
    assert!(losses.windows(2).all(|pair| pair[0].1 == pair[1].0), "lost twice or not at all: {losses:?}");
}

#[test]
fn what_is_to_be_said_is_journalled_or_refused() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.faults.last(Some(Fault::NotWritten));
    assert!(!obeyed(&mut core, Order::Say("the log is another".to_owned())));
    rig.faults.last(None);
    assert!(obeyed(&mut core, Order::Say("the log is another".to_owned())));
    rig.run(&mut core, 6_000).unwrap();
    let said = |e: &&Event| format!("{:?}", e.after).contains("the log is another");
    assert!(rig.signed(&core).events.iter().any(|e| said(&e)), "nothing was signed of it");
}

/// A spool and a progress file lost, a start, and after `ms` the gateway's head; then perhaps a crash.
#[track_caller]
fn check_without_memory(ms: u64, crash: bool) {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 10_000).unwrap();
    let (signed, head) = (rig.signed(&core), lock(&core.store).stream(P).unwrap());
    let end = signed.windows.last().unwrap().0 + 1000;
    drop(core);
    remove_spool(&rig.path());
    std::fs::remove_file(rig.dir.path().join("progress.json")).unwrap();
    rig.clock.advance(3_300);
    let mut core = rig.start();
    rig.run(&mut core, ms).unwrap();
    let seq = head.next_seq;
    let go_on = GoOn { seq, prev: head.head, send_from: seq, lost_from: Some(end), ..GoOn::default() };
    let (done, mut answer) = oneshot::channel();
    core.obey(Command { project: 0, order: Order::GoOn(go_on), done }).unwrap();
    assert!(answer.try_recv().unwrap());
    if crash {
        rig.run(&mut core, 400).unwrap();
        drop(core);
        rig.clock.advance(400);
        core = rig.start();
    }
    tell(&mut core, News::Up(rig.clock.now()));
    rig.run(&mut core, 7_000).unwrap();
    let statements = lock(&core.store).statements(P, 0, ALL).unwrap();
    let mut all = Signed::default();
    for statement in &statements {
        all.take(&evidence::statement::open(&statement.bytes).unwrap().payload);
    }
    let context = format!("head after {ms} ms, crash {crash}");
    all.assert_tiles(&context);
    assert_eq!(
        all.gaps(EventCode::Loss).first().map(|(from, _)| *from),
        Some(end),
        "{context}: {:?}",
        all.events
    );
}

#[test]
fn without_any_memory_the_loss_begins_where_the_gateways_windows_end() {
    for ms in [0, 200, 400, 800, 1_200, 2_400] {
        for crash in [false, true] {
            check_without_memory(ms, crash);
        }
    }
}

#[test]
fn an_ordered_end_signs_everything_and_the_next_start_goes_on_with_the_open_window() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 7_400).unwrap();
    core.finish().unwrap();
    rig.clock.advance(200);
    let mut core = rig.start();
    let signed = rig.signed(&core);
    assert_eq!(signed.windows.last().unwrap().0, T0 + 6_000, "a shorter batch at the end");
    assert!(signed.events.iter().any(|e| e.code == EventCode::Boot));
    assert_eq!(lock(&core.store).journal(P, 0, ALL).unwrap().len(), 1, "only the new start is journalled");
    rig.run(&mut core, 8_000).unwrap();
    let signed = rig.signed(&core);
    signed.assert_tiles("ordered end");
    assert!(signed.gaps(EventCode::Down).is_empty(), "a restart within a window is no down");
}

#[test]
fn receipts_go_back_only_after_the_commit() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    let (sender, mut given_back) = tokio::sync::mpsc::unbounded_channel();
    core.receipts = vec![sender];
    rig.faults.last(Some(Fault::NotWritten));
    let batch = Batch { receipt: Some(Receipt::new(9)), ..Batch::default() };
    tell(&mut core, News::Batch(batch));
    rig.run(&mut core, 400).unwrap();
    assert!(given_back.try_recv().is_err());
    rig.faults.last(None);
    rig.run(&mut core, 200).unwrap();
    assert_eq!(given_back.try_recv().unwrap(), Receipt::new(9));
}

#[test]
fn a_receipt_that_is_waited_for_commits_before_the_journal_is_due() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    let (sender, _given_back) = tokio::sync::mpsc::unbounded_channel();
    core.receipts = vec![sender];
    let batch = |receipt| News::Batch(Batch { receipt: Some(receipt), ..Batch::default() });
    tell(&mut core, batch(Receipt::new(1)));
    assert!(!core.work.pressing);
    tell(&mut core, batch(Receipt::new(2).at_once()));
    tell(&mut core, batch(Receipt::new(3)));
    assert!(core.work.pressing, "a later one takes nothing back");
    rig.run(&mut core, 200).unwrap();
    assert!(!core.work.pressing && core.work.owed.is_empty());
}

#[test]
fn a_damaged_store_ends_the_agent_and_the_next_start_says_what_was_saved() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 8_000).unwrap();
    let before = rig.signed(&core);
    drop(core);
    spool::condemn(&rig.path(), "a page does not fit").unwrap();
    rig.clock.advance(1_000);
    let mut core = rig.start();
    rig.run(&mut core, 6_000).unwrap();
    let after = rig.signed(&core);
    after.assert_tiles("condemned");
    assert_eq!(after.windows[..before.windows.len()], before.windows);
    assert!(after.gaps(EventCode::Loss).is_empty(), "everything could be read");
    let noted = |e: &Event| format!("{:?}", e.after).contains("a page does not fit");
    assert!(after.events.iter().any(noted), "{:?}", after.events);
}

#[test]
fn a_change_of_the_configuration_loses_no_window_and_is_signed_once() {
    let (want, _) = reference(LENGTH);
    for before in [200, 2_600, 4_000, 4_200] {
        let mut rig = Rig::new();
        let mut core = rig.start();
        rig.run(&mut core, before).unwrap();
        let old = core.boot.configuration;
        rig.switch(&mut core).unwrap();
        rig.run(&mut core, LENGTH - before).unwrap();
        rig.run(&mut core, 6_000).unwrap();
        let signed = rig.signed(&core);
        signed.assert_tiles(&format!("changed after {before} ms"));
        assert_eq!(signed.windows[..want.windows.len()], want.windows, "changed after {before} ms");
        let changes: Vec<_> = signed.events.iter().filter(|e| e.code == EventCode::Configuration).collect();
        let new = rig.changed_hash();
        let hash = evidence::payload::EventValue::Hash;
        assert_eq!(changes.len(), 1, "{:?}", signed.events);
        assert_eq!((&changes[0].before, &changes[0].after), (&hash(old), &hash(new)));
    }
}

#[test]
fn a_change_whose_commit_fails_is_refused_whole_and_one_that_was_written_is_in_force() {
    let (want, _) = reference(LENGTH);
    for fault in [Fault::NotWritten, Fault::WrittenAnyway] {
        let mut taken = [false; 2];
        for k in 0..3 {
            let mut rig = Rig::new();
            let mut core = rig.start();
            rig.run(&mut core, 4_200).unwrap();
            rig.faults.plan(k, fault);
            let made = rig.switch(&mut core).is_ok();
            taken[usize::from(made)] = true;
            rig.run(&mut core, LENGTH - 4_200).unwrap();
            rig.run(&mut core, 6_000).unwrap();
            let signed = rig.signed(&core);
            signed.assert_tiles(&format!("{fault:?} at {k}"));
            assert_eq!(signed.windows[..want.windows.len()], want.windows, "{fault:?} at {k}");
            let changes = signed.events.iter().filter(|e| e.code == EventCode::Configuration).count();
            assert_eq!(changes, usize::from(made), "{fault:?} at {k}");
        }
        assert!(taken[1] && taken[0] == (fault == Fault::NotWritten), "{fault:?}: {taken:?}");
    }
}

#[test]
fn an_agent_killed_after_a_change_goes_on_with_the_open_window_under_the_new_configuration() {
    let mut rig = Rig::new();
    let mut core = rig.start();
    rig.run(&mut core, 10_600).unwrap();
    rig.switch(&mut core).unwrap();
    drop(core);
    (rig.changed, rig.meters) = (true, (1, [1, 2]));
    rig.clock.advance(100);
    let mut core = rig.start();
    rig.run(&mut core, 8_000).unwrap();
    let signed = rig.signed(&core);
    signed.assert_tiles("killed after a change");
    assert!(signed.gaps(EventCode::Down).is_empty() && signed.gaps(EventCode::Loss).is_empty());
    let (_, open) = signed.windows.iter().find(|(start, _)| *start == T0 + 10_000).unwrap();
    let read = |column: u8| open.iter().find(|(c, _)| *c == column).map_or(0, |(_, v)| *v);
    assert!(read(kpi::column::READS_GOOD) >= 6, "what was read before counts: {open:?}");
    let changes = signed.events.iter().filter(|e| e.code == EventCode::Configuration).count();
    assert_eq!(changes, 1, "{:?}", signed.events);
}

#[test]
fn pain_10_a_suspension_is_down_time_of_its_length_and_no_step_of_the_clock() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static AWAKE: AtomicU64 = AtomicU64::new(0);
    let mut rig = Rig::new();
    let mut core = rig.start();
    core.work.awake = Some(|| AWAKE.load(Ordering::SeqCst));
    let awake = |rig: &mut Rig, core: &mut Core, ms: u64| {
        for _ in 0..ms / 200 {
            AWAKE.fetch_add(200, Ordering::SeqCst);
            rig.run(core, 200).unwrap();
        }
    };
    awake(&mut rig, &mut core, 5_600);
    let sessions = core.generation.subscribe();
    rig.clock.advance(3_600_000);
    awake(&mut rig, &mut core, 200);
    assert!(sessions.has_changed().unwrap(), "sessions begin anew");
    rig.tell(&mut core, News::Up(rig.clock.now()));
    awake(&mut rig, &mut core, 9_000);
    let signed = rig.signed(&core);
    signed.assert_tiles("suspended");
    assert_eq!(signed.gaps(EventCode::Down), [(T0 + 6_000, T0 + 3_605_000)]);
    let notes: Vec<_> = signed.events.iter().filter(|e| e.code == EventCode::Note).collect();
    assert!(notes.iter().any(|n| format!("{n:?}").contains("suspended for 3600 s")), "{notes:?}");
    let steps = signed.events.iter().filter(|e| e.code == EventCode::ClockStep).count();
    let boots = signed.events.iter().filter(|e| e.code == EventCode::Boot).count();
    assert_eq!((steps, boots), (0, 1));
}

#[test]
fn pain_10_a_clock_far_ahead_at_a_start_is_signed_and_not_called_synchronised() {
    const DAY: u64 = 86_400_000;
    for (off, said) in [(DAY - 10_000, false), (3 * DAY, true)] {
        let mut rig = Rig::new();
        let mut core = rig.start();
        rig.run(&mut core, 8_000).unwrap();
        let before = lock(&core.store).stream(P).unwrap().next_seq;
        drop(core);
        rig.clock.advance(off);
        let mut core = rig.start();
        rig.run(&mut core, 8_000).unwrap();
        let signed = rig.signed(&core);
        signed.assert_tiles("started late");
        let notes =
            signed.events.iter().filter(|e| format!("{e:?}").contains("at this start the clock showed"));
        assert_eq!(notes.count(), usize::from(said), "{:?}", signed.events);
        let statements = lock(&core.store).statements(P, before, ALL).unwrap();
        let restepped = statements.iter().filter(|s| {
            let Payload::Window(batch) = evidence::statement::open(&s.bytes).unwrap().payload else {
                return false;
            };
            batch.clock.status == evidence::payload::ClockStatus::Restepped
        });
        assert_eq!(restepped.count(), usize::from(said));
    }
}

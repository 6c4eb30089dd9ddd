//! What became of everything a plant offered: compares the plant's own record with the windows of a bundle.
//!
//! A plant counts up and offers each count once, so a count names its moment. The agent reads it as a part counter;
//! the register at a window's end is then the name of the moment the agent held for the present, and the windows'
//! numbers of reads and changes say how much of what was offered reached the evidence.
//!
//! Nothing is judged by the agent's own words but what is signed, and nothing by its word alone: offers, and what
//! was offered when, come from the plant's record.

use evidence::column::{CHANGED, PARTS, PARTS_Q, READS_EXPECTED, READS_GOOD};
use evidence::payload::{Event, EventCode, EventValue};
use evidence::statement::Payload;
use plumbline_tests::harness::logged::{self, Entry};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Column of the time in the state UNKNOWN, ms.
const UNKNOWN: u8 = 0;
/// Qualities of a register that was read: in an unbroken row, and after a gap.
const READ: [i64; 2] = [1, 2];
/// Two clocks are read one after the other, by processes that wait for their turn, ms.
const CLOCK_MS: i64 = 60;

/// How a transport brings what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Asked for again and again: an offer is a poll that is due.
    Polled {
        /// At multiples of this interval, ms.
        every_ms: i64,
        /// For how long an answer may be under way, ms: it is stamped when it arrives.
        answer_ms: i64,
    },
    /// Sent by itself: an offer is a count that the plant had taken from it.
    Sent {
        /// For how long a value may stand without another sign of life, ms.
        believed_ms: i64,
    },
}

/// A row of the table, without its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// What there was to observe.
    pub(crate) offered: i64,
    /// Of it, what is in the evidence as a good reading.
    pub(crate) in_evidence: i64,
    /// Of it, what is missing where the evidence says that something is missing.
    pub(crate) recorded: i64,
    /// Of it, what is missing where the evidence says that all is well.
    pub(crate) silent: i64,
    /// What stands in the evidence more than once.
    pub(crate) doubled: i64,
    /// Windows that hold a value from another time, a value nobody offered, or a state that nobody read.
    pub(crate) mis_stamped: i64,
}

impl Tally {
    /// Adds another.
    pub(crate) fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.in_evidence += other.in_evidence;
        self.recorded += other.recorded;
        self.silent += other.silent;
        self.doubled += other.doubled;
        self.mis_stamped += other.mis_stamped;
    }

    /// Everything offered is accounted for, and nothing else is there.
    pub(crate) fn holds(&self) -> bool {
        (self.silent, self.doubled, self.mis_stamped) == (0, 0, 0)
            && self.offered == self.in_evidence + self.recorded
    }
}

/// When an offer was made, UTC ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Nobody could have it before.
    from: i64,
    /// It was there for all.
    there: i64,
}

/// Every count that was offered, and when.
pub(crate) type Offered = BTreeMap<i64, Moment>;

/// Reads a plant's record.
pub(crate) fn offered(record: &Path, by: &str) -> Offered {
    let text = std::fs::read_to_string(record).unwrap_or_default();
    let mut offered = Offered::new();
    for line in text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
        if line["by"] == by {
            let ms = |key: &str| line[key].as_i64().unwrap() / 1000;
            let moment = Moment { from: ms("from_us"), there: ms("us") };
            offered.entry(line["value"].as_i64().unwrap()).or_insert(moment);
        }
    }
    offered
}

/// What was done to the wall clock of an agent's box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Nothing.
    Right,
    /// It was stepped by so many seconds while the agent ran.
    Stepped(i64),
    /// It was so many seconds ahead when the agent started, and was put right while it ran.
    BootedAhead(i64),
}

/// A step of more than this is signed and not followed while the agent runs, s.
const FOLLOWED_S: i64 = 86_400;

impl Clock {
    /// The steps that windows were signed under, in order. Whatever was done must be signed.
    pub(crate) fn steps(self, log: &[Entry]) -> Vec<Step> {
        match self {
            Self::Right => vec![],
            Self::Stepped(by_s) => {
                let step = Step::of(log, by_s);
                if by_s.abs() < FOLLOWED_S { vec![step] } else { vec![] }
            }
            Self::BootedAhead(by_s) => {
                let (start, correction) = (Step::at_start(log, by_s), Step::of(log, -by_s));
                if by_s < FOLLOWED_S {
                    return vec![start, correction];
                }
                let events = logged::events(log);
                let said = |e: &&Event| format!("{e:?}").contains("at this start the clock showed");
                assert!(events.iter().any(said), "a start far ahead is not signed as such");
                vec![start]
            }
        }
    }
}

/// A step of the wall clock, as the agent signed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The second in which it happened, UTC s.
    at_s: i64,
    /// How far the clock went, s.
    by_s: i64,
}

impl Step {
    /// Finds the step in the log, or fails the test.
    pub(crate) fn of(log: &[Entry], by_s: i64) -> Self {
        let steps = logged::events(log).into_iter().filter_map(|e| match (e.code, &e.before, &e.after) {
            (EventCode::ClockStep, EventValue::Int(expected), EventValue::Int(shown)) => {
                Some((*expected, shown - expected))
            }
            _ => None,
        });
        let found: Vec<(i64, i64)> = steps.collect();
        let is_it = |step: &&(i64, i64)| (step.1 - by_s * 1000).abs() < 500;
        let step =
            found.iter().find(is_it).unwrap_or_else(|| panic!("no step by {by_s} s is signed: {found:?}"));
        Self { at_s: step.0.div_euclid(1000), by_s }
    }

    /// The last start, at which the clock was ahead. That it was, only its correction shows.
    fn at_start(log: &[Entry], by_s: i64) -> Self {
        let events = logged::events(log);
        let boot = events.iter().rfind(|e| e.code == EventCode::Boot).unwrap();
        Self { at_s: boot.t_ms.div_euclid(1000) - by_s, by_s }
    }

    /// The second in which it happened may be split in two, before and after.
    fn is_later(self, t: i64) -> bool {
        if self.by_s > 0 { t >= self.at_s + self.by_s } else { t > self.at_s }
    }

    /// What a clock that was not stepped would have shown, UTC s.
    fn real(self, t: i64) -> i64 {
        if self.is_later(t) { t - self.by_s } else { t }
    }
}

/// What a clock without these steps would have shown, UTC s.
pub(crate) fn real(steps: &[Step], t: i64) -> i64 {
    steps.iter().rev().fold(t, |t, step| step.real(t))
}

/// What is signed of a machine for one second of the wall clock.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: i64,
    /// How long that second was, s: a clock that is put back is waited for.
    took: i64,
    expected: i64,
    good: i64,
    changed: i64,
    unknown_ms: i64,
    register: Option<i64>,
}

impl Window {
    fn end_ms(&self) -> i64 {
        (self.start + self.took) * 1000
    }

    /// Takes in the rest of the same second.
    fn join(&mut self, rest: Self) {
        self.expected += rest.expected;
        self.good += rest.good;
        self.changed += rest.changed;
        self.unknown_ms = (self.unknown_ms + rest.unknown_ms).min(1000);
        self.register = rest.register;
    }

    /// It says of itself that something is missing in it.
    fn troubled(&self) -> bool {
        self.unknown_ms > 0 || self.good < self.expected || self.register.is_none()
    }
}

/// Everything the log says of one machine from a second on.
#[derive(Debug)]
pub(crate) struct Machine {
    windows: Vec<Window>,
    /// Signed outages and losses, UTC s.
    absences: Vec<(i64, i64)>,
}

impl Machine {
    /// Reads it from the log of one agent, windows from `from` to `to` UTC s; `steps` are those of the wall clock of its
    /// box, in order.
    pub(crate) fn of(log: &[Entry], id: &str, (from, to): (i64, i64), steps: &[Step]) -> Self {
        let Payload::Genesis(genesis) = &log[0].payload else { panic!("entry 0 is no genesis") };
        let index = genesis.machines.iter().find(|m| m.id == id).unwrap().index;
        let mut windows = vec![];
        for batch in logged::windows(log) {
            let Some(m) = batch.machines.iter().position(|i| *i == index) else { continue };
            for w in 0..usize::try_from(batch.n).unwrap() {
                let value = |column| batch.value(column, m, w);
                windows.push(Window {
                    start: batch.t0 + i64::try_from(w).unwrap() * i64::from(batch.step),
                    took: 1,
                    expected: value(READS_EXPECTED),
                    good: value(READS_GOOD),
                    changed: value(CHANGED),
                    unknown_ms: value(UNKNOWN),
                    register: READ.contains(&value(PARTS_Q)).then(|| value(PARTS)),
                });
            }
        }
        let mut absences = vec![];
        for event in logged::events(log) {
            if let (EventCode::Down | EventCode::Loss, EventValue::Int(a), EventValue::Int(b)) =
                (event.code, &event.before, &event.after)
            {
                absences.push((a.div_euclid(1000), b.div_euclid(1000)));
            }
        }
        let mut machine = Self { windows, absences };
        steps.iter().rev().for_each(|step| machine.undo(*step));
        machine.windows.retain(|w| (from..to).contains(&w.start));
        machine.absences.iter_mut().for_each(|(a, b)| (*a, *b) = ((*a).max(from), (*b).min(to)));
        machine.absences.retain(|(a, b)| a < b);
        machine
    }

    /// Puts what is signed under a wall clock that was stepped to where it belongs. Time that such a clock skips is
    /// signed as an absence, which vanishes here; while it repeats itself the open window waits.
    fn undo(&mut self, step: Step) {
        let Step { at_s, by_s } = step;
        let real = |t: i64| step.real(t);
        for window in std::mem::take(&mut self.windows) {
            let waited = if window.start == at_s { (-by_s).max(0) } else { 0 };
            let window = Window { start: real(window.start), took: window.took + waited, ..window };
            match self.windows.last_mut().filter(|last| last.start == window.start) {
                Some(last) => last.join(window),
                None => self.windows.push(window),
            }
        }
        self.absences.iter_mut().for_each(|(a, b)| (*a, *b) = (real(*a), real(*b)));
    }

    /// Judges what is signed against what was offered.
    pub(crate) fn tally(&self, offer: Offer, offered: &Offered, (from, to): (i64, i64)) -> Tally {
        let mut tally = match offer {
            Offer::Polled { every_ms, .. } => self.polled(every_ms, to - from),
            Offer::Sent { .. } => self.sent(offered, to),
        };
        tally.mis_stamped = self.mis_stamped(offer, offered) + self.invented();
        tally
    }

    /// Every poll of the span was due, whether the agent knew of it or not. What is missing of a window's polls is
    /// recorded if the window, or a signed absence in its place, says so, or if a window of the same disturbance says that
    /// more is missing than is missing in itself: when a poll was due and nobody asked shows when the next one is answered,
    /// and an answer may come in the next window. A disturbance ends with a window that is whole and says so.
    fn polled(&self, every_ms: i64, span_s: i64) -> Tally {
        let a_second = 1000 / every_ms;
        let mut tally = Tally { offered: span_s * a_second, ..Tally::default() };
        let is_whole = |w: &Window| {
            let due = w.took * a_second;
            (w.expected, w.good) == (due, due) && !w.troubled()
        };
        for disturbance in self.windows.chunk_by(|a, b| is_whole(a) == is_whole(b)) {
            let (mut missing, mut late, mut said) = (0, 0, 0);
            for window in disturbance {
                let due = window.took * a_second;
                *(if window.troubled() { &mut tally.recorded } else { &mut missing }) +=
                    (due - window.good).max(0);
                tally.in_evidence += window.good.min(due);
                late += (window.good - due).max(0);
                said += (window.expected - window.good.max(due)).max(0);
            }
            let (answered, told) = (missing.min(late), (missing - missing.min(late)).min(said));
            tally.in_evidence += answered;
            tally.doubled += late - answered;
            tally.recorded += told;
            tally.silent += missing - answered - told;
        }
        tally.recorded += self.absences.iter().map(|(a, b)| (b - a) * a_second).sum::<i64>();
        let unaccounted = tally.offered - tally.in_evidence - tally.recorded - tally.silent;
        tally.silent += unaccounted.max(0);
        tally.doubled += (-unaccounted).max(0);
        tally
    }

    /// From register to register: as many changes as counts were offered between the two, or a window in between
    /// that says that something is missing. What was offered after the last register is accounted for by windows
    /// that all say so.
    fn sent(&self, offered: &Offered, end_s: i64) -> Tally {
        let mut tally = Tally::default();
        let mut last: Option<(i64, i64)> = None;
        let (mut changed, mut troubled) = (0, false);
        for window in &self.windows {
            changed += window.changed;
            troubled |= window.troubled();
            let Some(register) = window.register else { continue };
            if let Some((start, before)) = last {
                let there = offered.range(before.min(register)..=before.max(register)).count();
                let there = i64::try_from(there).unwrap() - 1;
                let missing = (there - changed).max(0);
                let recorded =
                    troubled || self.absences.iter().any(|(a, b)| *a <= window.start && start < *b);
                tally.offered += there;
                tally.in_evidence += changed.min(there);
                tally.doubled += (changed - there).max(0) + i64::from(register < before);
                *(if recorded { &mut tally.recorded } else { &mut tally.silent }) += missing;
            }
            last = Some((window.start, register));
            (changed, troubled) = (0, false);
        }
        let Some((start, _)) = last else { return tally };
        let since = self.windows.iter().filter(|w| w.start > start);
        let left =
            offered.values().filter(|at| ((start + 1) * 1000..end_s * 1000).contains(&at.there)).count();
        let left = i64::try_from(left).unwrap();
        tally.offered += left;
        *(if since.clone().all(Window::troubled) { &mut tally.recorded } else { &mut tally.silent }) += left;
        tally
    }

    /// Windows whose register is no count of that moment: not offered yet, offered no more and past being believed,
    /// or never offered.
    fn mis_stamped(&self, offer: Offer, offered: &Offered) -> i64 {
        // A poll's answer is valid for less than two polls.
        let believed_ms = match offer {
            Offer::Polled { every_ms, answer_ms } => 2 * every_ms + answer_ms,
            Offer::Sent { believed_ms } => believed_ms,
        };
        let wrong = self.windows.iter().filter(|window| {
            let Some(register) = window.register else { return false };
            let Some(&Moment { from, .. }) = offered.get(&register) else { return true };
            let until = offered.range(register + 1..).next().map_or(i64::MAX, |(_, next)| next.there);
            from > window.end_ms() + CLOCK_MS || until < window.end_ms() - believed_ms - CLOCK_MS
        });
        i64::try_from(wrong.count()).unwrap()
    }

    /// Windows of a machine that nobody has heard of since before the window ahead of them, and which say a state.
    fn invented(&self) -> i64 {
        let silent = |w: &Window| w.good == 0 && w.changed == 0 && w.register.is_none();
        let pairs = self.windows.windows(2).filter(|p| p[0].start + p[0].took == p[1].start);
        let wrong = pairs.filter(|p| p.iter().all(silent) && p[1].unknown_ms < 1000);
        i64::try_from(wrong.count()).unwrap()
    }

    /// It delivers at the end.
    pub(crate) fn delivers(&self) -> bool {
        self.windows.iter().rev().take(3).any(|w| w.good > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: i64, expected: i64, good: i64, changed: i64, register: Option<i64>) -> Window {
        let unknown_ms = if register.is_none() { 1000 } else { 0 };
        Window { start, took: 1, expected, good, changed, unknown_ms, register }
    }

    /// Ten counts a second from second 0 on, each offered at its tenth.
    fn tenths(seconds: i64) -> Offered {
        (0..seconds * 10).map(|n| (n, Moment { from: n * 100, there: n * 100 })).collect()
    }

    const SENT: Offer = Offer::Sent { believed_ms: 500 };

    /// Judged to the end of its last window.
    fn sent(windows: Vec<Window>) -> Tally {
        let end = windows.last().unwrap().start + 1;
        Machine { windows, absences: vec![] }.tally(SENT, &tenths(10), (0, end))
    }

    #[test]
    fn what_is_whole_is_counted_whole() {
        let windows = (0..3).map(|s| window(s, 4, 4, 10, Some(s * 10 + 9))).collect();
        let tally = sent(windows);
        assert_eq!(tally, Tally { offered: 20, in_evidence: 20, ..Tally::default() });
        assert!(tally.holds());
    }

    #[test]
    fn a_change_that_is_missing_in_a_window_that_says_nothing_is_lost_silently() {
        let tally = sent(vec![window(0, 4, 4, 10, Some(9)), window(1, 4, 4, 8, Some(19))]);
        assert_eq!((tally.silent, tally.recorded), (2, 0));
        let tally = sent(vec![window(0, 4, 4, 10, Some(9)), window(1, 4, 3, 8, Some(19))]);
        assert_eq!((tally.silent, tally.recorded), (0, 2));
    }

    #[test]
    fn a_change_too_many_is_doubled_and_so_is_a_register_that_falls() {
        assert_eq!(sent(vec![window(0, 4, 4, 10, Some(9)), window(1, 4, 4, 11, Some(19))]).doubled, 1);
        let tally = sent(vec![window(0, 4, 4, 10, Some(9)), window(1, 4, 4, 2, Some(7))]);
        assert!(!tally.holds());
    }

    #[test]
    fn a_value_of_another_time_is_mis_stamped() {
        // Early, late, and never offered.
        for register in [35, 2, 1_000] {
            let tally = sent(vec![window(2, 4, 4, 10, Some(register))]);
            assert_eq!(tally.mis_stamped, 1, "{register}");
        }
    }

    #[test]
    fn a_state_of_a_machine_that_is_not_heard_is_invented() {
        let mut dead = vec![window(0, 4, 0, 0, None), window(1, 4, 0, 0, None)];
        assert_eq!(sent(dead.clone()).mis_stamped, 0);
        dead[1].unknown_ms = 900;
        assert_eq!(sent(dead).mis_stamped, 1);
    }

    #[test]
    fn a_poll_that_nobody_counted_is_lost_silently_and_one_counted_twice_is_doubled() {
        let polled = |windows| Machine { windows, absences: vec![] }.polled(250, 2);
        assert!(polled(vec![window(0, 4, 4, 4, Some(9)), window(1, 4, 2, 2, Some(19))]).holds());
        assert_eq!(polled(vec![window(0, 4, 4, 4, Some(9))]).silent, 4);
        assert_eq!(polled(vec![window(0, 3, 3, 3, Some(9)), window(1, 4, 4, 4, Some(19))]).silent, 1);
        assert_eq!(polled(vec![window(0, 3, 3, 3, Some(9)), window(1, 5, 4, 4, Some(19))]).recorded, 1);
        assert_eq!(polled(vec![window(0, 4, 4, 4, Some(9)), window(1, 5, 5, 5, Some(19))]).doubled, 1);
        assert_eq!(polled([0, 1, 1].map(|s| window(s, 4, 4, 4, Some(9))).to_vec()).doubled, 4);
    }

    #[test]
    fn a_poll_that_was_not_made_shows_in_its_disturbance_and_not_beyond_a_whole_window() {
        let polled = |rows: &[(i64, i64)]| {
            let rows =
                (0..).zip(rows).map(|(s, (expected, good))| window(s, *expected, *good, *good, Some(9)));
            let windows: Vec<_> = rows.collect();
            let span = i64::try_from(windows.len()).unwrap();
            Machine { windows, absences: vec![] }.polled(500, span)
        };
        let tally = polled(&[(2, 2), (1, 1), (2, 1), (2, 1), (3, 2), (2, 2)]);
        assert_eq!((tally.recorded, tally.silent), (3, 0));
        assert!(tally.holds());
        let tally = polled(&[(1, 1), (3, 3), (3, 3), (2, 2)]);
        assert_eq!(
            (tally.in_evidence, tally.silent, tally.doubled),
            (8, 0, 1),
            "one was answered late, one twice"
        );
        assert_eq!(polled(&[(3, 2), (1, 1), (2, 2)]).silent, 0, "a late answer is counted too strictly");
        assert_eq!(polled(&[(1, 1), (2, 2), (3, 2)]).silent, 1);
        assert_eq!(polled(&[(3, 2), (2, 2), (1, 1)]).silent, 1);
        assert_eq!(polled(&[(1, 1), (2, 1), (2, 1)]).silent, 1);
        assert_eq!(polled(&[(1, 1), (1, 1), (3, 2), (2, 2)]).silent, 1);
    }

    #[test]
    fn a_signed_outage_records_what_was_due_in_it() {
        let windows = vec![window(0, 4, 4, 4, Some(9)), window(3, 4, 4, 4, Some(39))];
        let machine = Machine { windows, absences: vec![(1, 3)] };
        let tally = machine.polled(250, 4);
        assert_eq!((tally.in_evidence, tally.recorded, tally.silent), (8, 8, 0));
        assert_eq!(machine.sent(&tenths(4), 4).recorded, 26);
    }
}

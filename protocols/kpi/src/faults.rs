//! Faults as the windows tell them. A window signs how long it was in FAULT and how often it was entered, not in
//! which order; what follows from consecutive windows is certain, the rest is an interval.
//!
//! Certain: the number of faults (entries), all fault time, all run time (APT + AUST), and that a window with
//! fault time but no entry goes on with the fault of the window before. Not certain: how run time of the very
//! window in which the first fault ended or the last one began lies around it, and how much of an entered
//! window's fault time belongs to a fault from before the period.
//!
//! Only planned busy time is looked at, end to end: a machine that is in FAULT when a shift ends and when the next
//! begins has one fault, and one that broke down in between is entered when busy time begins. Where the last window
//! before such a break does not tell whether it ended in FAULT, there may be one fault or two. Windows in which
//! nothing is known are not here; whoever reads a run knows the unknown time beside it.

use crate::period::Period;

/// What consecutive busy windows of one machine tell of faults. Times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRun {
    /// Entries into FAULT.
    pub entries: u64,
    /// Time in FAULT.
    pub fault_ms: u64,
    /// APT + AUST.
    pub run_ms: u64,
    first: Option<First>,
    last: Option<Last>,
    /// Fault time of the windows at the start that carry a fault in.
    lead: Edge,
    /// Fault time of the windows at the end that may belong to a fault still open.
    tail: Edge,
    /// Whether the last window ended in FAULT.
    open: Open,
    /// Breaks over which a fault may have gone on or a second one begun.
    unsure: u64,
    /// From the first window's start to the last one's end; none while there is no window.
    over: Option<Period>,
}

/// Whether a window ended in FAULT, as far as it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    /// No fault time; or the fault of the window before ended in it and none was entered.
    #[default]
    No,
    /// FAULT was entered and left, in an order it does not tell.
    Perhaps,
    /// It was in FAULT all the time.
    Yes,
}

/// The first window with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct First {
    /// Run time of the windows before.
    before_ms: u64,
    /// Run time of the window itself, where it may lie on either side of the fault's end.
    at_ms: u64,
    /// The fault came from before.
    carried: bool,
}

/// The last window in which FAULT was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    /// Run time of the window itself, which may lie on either side of the entry.
    at_ms: u64,
    /// Run time of the windows after.
    after_ms: u64,
}

/// Fault time at an edge of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Edge {
    /// Of windows without an entry.
    sure_ms: u64,
    /// Of the window with an entry that follows them.
    perhaps_ms: u64,
    /// Every window of the run is one without an entry.
    all: bool,
}

/// A least and a greatest integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// Least.
    pub least: u64,
    /// Greatest.
    pub most: u64,
}

impl FaultRun {
    /// One window, or a stretch of windows that all are or all are not in FAULT.
    pub fn window(over: Period, entries: u64, fault_ms: u64, run_ms: u64) -> Self {
        let carried = entries == 0 && fault_ms > 0;
        let entered = entries > 0;
        let edge = Edge {
            sure_ms: if carried { fault_ms } else { 0 },
            perhaps_ms: if entered { fault_ms } else { 0 },
            all: carried,
        };
        let open = match (fault_ms, entered) {
            (0, _) => Open::No,
            (ms, _) if ms == over.ms() => Open::Yes,
            (_, entered) => {
                if entered {
                    Open::Perhaps
                } else {
                    Open::No
                }
            }
        };
        Self {
            entries,
            fault_ms,
            run_ms,
            first: (carried || entered).then_some(First { before_ms: 0, at_ms: run_ms, carried }),
            last: entered.then_some(Last { at_ms: run_ms, after_ms: 0 }),
            lead: edge,
            tail: edge,
            open,
            unsure: 0,
            over: Some(over),
        }
    }

    /// Appends what later windows tell.
    pub fn append(&mut self, mut later: Self) {
        let Some(of_later) = later.over else { return };
        let Some(own) = self.over else {
            *self = later;
            return;
        };
        let adjacent = own.to == of_later.from;
        match self.open {
            _ if later.lead.sure_ms == 0 => {}
            Open::Perhaps if !adjacent => self.unsure += 1,
            Open::No => later.enter_at_start(),
            Open::Perhaps | Open::Yes => {}
        }
        self.first = self.first.or(later.first.map(|f| First { before_ms: f.before_ms + self.run_ms, ..f }));
        let before = self.last.map(|l| Last { after_ms: l.after_ms + later.run_ms, ..l });
        self.last = later.last.or(before);
        self.lead = self.lead.then(later.lead);
        self.tail = later.tail.then(self.tail);
        self.open = later.open;
        self.unsure += later.unsure;
        self.over = Some(Period { from: own.from, to: of_later.to });
        self.entries += later.entries;
        self.fault_ms += later.fault_ms;
        self.run_ms += later.run_ms;
    }

    /// The run begins in FAULT after a window that had none: the machine broke down outside busy time.
    fn enter_at_start(&mut self) {
        self.entries += 1;
        self.first = Some(First { before_ms: 0, at_ms: 0, carried: false });
        self.last = self.last.or(Some(Last { at_ms: 0, after_ms: self.run_ms }));
        self.lead = Edge::default();
        self.tail.all = false;
    }

    /// Faults that show: those entered, and one carried in. Whether a first window that was entered also began in
    /// FAULT, it cannot tell.
    pub fn faults(&self) -> Between {
        let carried = self.lead.sure_ms > 0;
        let perhaps = carried || self.lead.perhaps_ms > 0;
        let (carried, perhaps) = (u64::from(carried), u64::from(perhaps));
        Between { least: self.entries + carried, most: self.entries + perhaps + self.unsure }
    }

    /// Stretches between the end of one fault and the start of the next.
    pub fn gaps(&self) -> Between {
        let Between { least, most } = self.faults();
        Between { least: least.saturating_sub(1), most: most.saturating_sub(1) }
    }

    /// Run time between the end of the first fault and the start of the last, ms.
    pub fn between_faults_ms(&self) -> Between {
        let (Some(first), Some(last)) = (self.first, self.last) else { return Between::default() };
        let sure = self.run_ms.saturating_sub(first.before_ms + last.after_ms);
        let at = last.at_ms + if first.carried { 0 } else { first.at_ms };
        // A fault that may have begun at a break may be the last.
        let after_ms = if self.unsure > 0 { last.after_ms } else { 0 };
        let gaps = self.gaps();
        Between {
            least: if gaps.least == 0 { 0 } else { sure.saturating_sub(at) },
            most: if gaps.most == 0 { 0 } else { sure + after_ms },
        }
    }

    /// Faults that lie wholly inside: entered, and ended before the run does.
    pub fn inside(&self) -> Between {
        let open = self.open != Open::No && self.entries > 0;
        Between { least: self.entries - u64::from(open), most: self.entries + self.unsure }
    }

    /// Time of the faults that lie wholly inside, ms.
    pub fn inside_ms(&self) -> Between {
        let most = self.fault_ms - self.lead.sure_ms;
        let open = if self.open == Open::No { 0 } else { self.tail.sure_ms + self.tail.perhaps_ms };
        Between { least: most.saturating_sub(self.lead.perhaps_ms + open), most }
    }
}

impl Edge {
    /// This edge, seen from outside, and what follows it further in.
    fn then(self, inner: Self) -> Self {
        if !self.all {
            return self;
        }
        Self { sure_ms: self.sure_ms + inner.sure_ms, ..inner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Windows of a minute as (entries, fault s, run s).
    fn run(windows: &[(u64, u64, u64)]) -> FaultRun {
        run_of(windows, |i| i * 60, 60)
    }

    /// The same, of windows that start where `from` says and are `step` long; times in seconds.
    fn run_of(windows: &[(u64, u64, u64)], from: impl Fn(i64) -> i64, step: i64) -> FaultRun {
        let mut run = FaultRun::default();
        for (i, &(entries, fault, work)) in (0..).zip(windows) {
            let over = Period { from: from(i), to: from(i) + step };
            run.append(FaultRun::window(over, entries, fault * 1000, work * 1000));
        }
        run
    }

    fn between(least: u64, most: u64) -> Between {
        Between { least, most }
    }

    fn seconds(of: Between) -> Between {
        assert_eq!((of.least % 1000, of.most % 1000), (0, 0));
        between(of.least / 1000, of.most / 1000)
    }

    #[test]
    fn two_short_faults_leave_their_own_windows_open_and_the_rest_certain() {
        let r = run(&[(0, 0, 60), (1, 10, 50), (0, 0, 60), (0, 0, 60), (1, 20, 40), (0, 0, 60)]);
        assert_eq!((r.faults(), r.gaps(), r.run_ms), (between(2, 2), between(1, 1), 330_000));
        assert_eq!(seconds(r.between_faults_ms()), between(120, 210));
        assert_eq!((r.inside(), seconds(r.inside_ms())), (between(2, 2), between(30, 30)));
    }

    #[test]
    fn a_fault_over_many_windows_is_one_and_its_end_is_certain() {
        let r = run(&[(0, 0, 60), (1, 30, 30), (0, 60, 0), (0, 15, 45), (0, 0, 60), (1, 5, 55)]);
        assert_eq!((r.faults(), r.gaps()), (between(2, 2), between(1, 1)));
        // 45 s after the end and a whole minute are certain; 30 s of the first and 55 s of the last window are not.
        assert_eq!(seconds(r.between_faults_ms()), between(105, 190));
        assert_eq!(r.inside(), between(1, 2), "the last fault may still be open");
        assert_eq!(seconds(r.inside_ms()), between(105, 110));
    }

    #[test]
    fn a_fault_carried_in_is_no_fault_inside_and_opens_a_gap() {
        let r = run(&[(0, 60, 0), (0, 20, 40), (1, 10, 50), (0, 0, 60)]);
        assert_eq!((r.faults(), r.gaps(), r.entries), (between(2, 2), between(1, 1), 1));
        assert_eq!(seconds(r.between_faults_ms()), between(40, 90));
        assert_eq!((r.inside(), seconds(r.inside_ms())), (between(1, 1), between(0, 10)));
    }

    #[test]
    fn two_faults_in_one_window_may_touch_or_share_all_its_run_time() {
        let r = run(&[(0, 0, 60), (2, 20, 40), (0, 0, 60)]);
        assert_eq!((r.gaps(), seconds(r.between_faults_ms())), (between(1, 1), between(0, 40)));
    }

    #[test]
    fn a_fault_that_began_outside_busy_time_is_entered_when_busy_time_begins() {
        let r = run(&[(0, 0, 60), (0, 60, 0), (0, 10, 50), (1, 5, 55)]);
        assert_eq!((r.faults(), r.entries), (between(2, 2), 2));
        assert_eq!(seconds(r.between_faults_ms()), between(50, 105));
        let on = run(&[(0, 0, 60), (1, 60, 0), (0, 60, 0), (0, 0, 60)]);
        assert_eq!(
            (on.faults().most, seconds(on.inside_ms())),
            (1, between(120, 120)),
            "one fault over a shift's end"
        );
    }

    #[test]
    fn over_a_break_one_fault_or_two_are_told_apart_as_far_as_the_window_before_tells() {
        let broken =
            |before| run_of(&[(0, 0, 60), before, (0, 10, 50)], |i| if i == 2 { 3600 } else { i * 60 }, 60);
        assert_eq!(broken((1, 60, 0)).faults(), between(1, 1), "it was in FAULT to the end: one");
        assert_eq!(broken((0, 0, 60)).faults(), between(1, 1), "it was not: entered in between");
        let r = broken((1, 20, 40));
        assert_eq!((r.faults(), r.gaps(), r.inside()), (between(1, 2), between(0, 1), between(1, 2)));
        assert_eq!(seconds(r.between_faults_ms()), between(0, 90));
        let r = run_of(&[(1, 60, 0), (0, 20, 40), (0, 10, 50)], |i| if i == 2 { 3600 } else { i * 60 }, 60);
        assert_eq!(r.faults().least, 2, "the first ended in its second window");
    }

    #[test]
    fn no_fault_and_one_fault_have_no_gap() {
        for windows in [&[][..], &[(0, 0, 60)], &[(0, 0, 60), (1, 9, 51)]] {
            assert_eq!(run(windows).gaps(), between(0, 0));
        }
        // It may have begun in FAULT and come back to it.
        let r = run(&[(1, 9, 51)]);
        assert_eq!((r.gaps(), seconds(r.between_faults_ms())), (between(0, 1), between(0, 51)));
        assert_eq!(seconds(run(&[(0, 0, 60)]).between_faults_ms()), between(0, 0));
    }

    /// A true history, second by second, cut into windows: what is said must enclose it.
    fn windows(history: &[bool], step: usize) -> Vec<(u64, u64, u64)> {
        let mut before = false;
        history
            .chunks(step)
            .map(|chunk| {
                let mut entries = 0;
                for &fault in chunk {
                    entries += u64::from(fault && !before);
                    before = fault;
                }
                let faulty = chunk.iter().filter(|f| **f).count() as u64;
                (entries, faulty, chunk.len() as u64 - faulty)
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_said_encloses_the_true_history(
            history in prop::collection::vec(prop::bool::weighted(0.3), 1..60), step in 1usize..8, from in 0usize..20,
        ) {
            // Whole windows only, and the period begins at one of them.
            let history = &history[..history.len() / step * step];
            let all = windows(history, step);
            let Some(first) = from.checked_rem(all.len()) else { return Ok(()) };
            let step_s = i64::try_from(step).unwrap();
            let r = run_of(&all[first..], |i| i * step_s, step_s);
            let from = first * step;
            let inside = &history[from..];
            let carried = from > 0 && history[from - 1] && inside[0];
            let entered = |i: usize| inside[i] && !(if i == 0 { carried } else { inside[i - 1] });
            let starts: Vec<usize> = (0..inside.len()).filter(|&i| entered(i)).collect();
            let end = |i: usize| (i..inside.len()).find(|&j| !inside[j]);
            let ended: Vec<u64> = starts.iter().filter_map(|&i| end(i).map(|e| (e - i) as u64)).collect();
            let faults = starts.len() + usize::from(carried);
            let said = r.faults();
            prop_assert!(said.least <= faults as u64 && faults as u64 <= said.most);
            prop_assert!(r.inside().least <= ended.len() as u64 && ended.len() as u64 <= r.inside().most);
            let inside_ms = ended.iter().sum::<u64>() * 1000;
            prop_assert!(r.inside_ms().least <= inside_ms && inside_ms <= r.inside_ms().most);
            if faults >= 2 {
                let first_end = end(if carried { 0 } else { starts[0] }).unwrap();
                let last = *starts.last().unwrap();
                let truth = (first_end..last).filter(|&i| !inside[i]).count() as u64 * 1000;
                let said = r.between_faults_ms();
                prop_assert!(said.least <= truth && truth <= said.most, "{said:?} {truth}");
            }
        }

        #[test]
        fn halves_append_to_the_whole(
            windows in prop::collection::vec((0u64..3, 0u64..4, 0u64..4), 0..12), cut in 0usize..12,
            breaks in prop::collection::vec(prop::bool::weighted(0.3), 12),
        ) {
            let cut = cut.min(windows.len());
            let (head, tail) = windows.split_at(cut);
            let from = |i: i64| i * 3 + breaks.iter().zip(0..i).map(|(b, _)| i64::from(*b) * 60).sum::<i64>();
            let cut_at = i64::try_from(cut).unwrap();
            let mut both = run_of(head, from, 3);
            both.append(run_of(tail, |i| from(i + cut_at), 3));
            prop_assert_eq!(both, run_of(&windows, from, 3));
        }
    }
}

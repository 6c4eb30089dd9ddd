//! Each check fires where it must and stays silent just below its threshold.

use kpi::chain::Booking;
use kpi::{Amount, AmountQuality, MachineWindow, Period};

use super::{Clock, ClockReading, Seen, Watch};
use crate::finding::{Finding, FindingCode};

const STEP: i64 = 60;

/// One machine's windows: leaf, energy in mWh, power in W.
struct Story {
    watch: Watch,
}

impl Story {
    fn new(rated_w: Option<u64>) -> Self {
        Self { watch: Watch::new([rated_w, rated_w]) }
    }

    fn window(&mut self, machine: usize, i: i64, leaf: usize, mwh: u64, power_w: Option<i64>) {
        let over = Period { from: i * STEP, to: (i + 1) * STEP };
        let mut window = MachineWindow::default();
        window.states_ms[leaf] = 60_000;
        window.energy = Amount { register: 0, quality: AmountQuality::Register };
        let known = Booking::Known { from: over.from, to: over.to, amount: mwh };
        let booked = [known, Booking::Nothing, Booking::Nothing];
        let seen = Seen { over, window: &window, booked: &booked, power_w, resolution_mwh: 1 };
        self.watch.window(machine, over.from / 86_400, &seen);
    }

    fn findings(self) -> Vec<Finding> {
        self.watch.finish(&["a".to_owned(), "b".to_owned()]).findings
    }
}

#[track_caller]
fn found(findings: &[Finding], code: FindingCode) -> &Finding {
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), [code]);
    &findings[0]
}

fn varied(i: i64) -> u64 {
    u64::try_from(i * i * 7919 % 5003).unwrap()
}

#[test]
fn a_day_pasted_elsewhere_is_found_wherever_it_was_pasted() {
    let mut story = Story::new(None);
    for i in 0..200 {
        story.window(0, i, 5, varied(i), None);
    }
    // Three days later and shifted by an hour and a bit, between other windows.
    let paste = 3 * 1440 + 77;
    for i in 0..50 {
        story.window(0, paste - 50 + i, 5, varied(i + 1_000), None);
    }
    for i in 0..200 {
        story.window(0, paste + i, 5, varied(i), None);
    }
    let findings = story.findings();
    let one = found(&findings, FindingCode::RepeatedRun);
    let shift = one.period.from - one.other_period.unwrap().from;
    assert_eq!(shift, paste * STEP);
}

#[test]
fn an_idle_machine_may_repeat_itself() {
    let mut story = Story::new(None);
    for i in 0..4_000 {
        story.window(0, i, 8, [3, 3, 4][usize::try_from(i % 3).unwrap()], None);
    }
    assert_eq!(story.findings(), []);
}

#[test]
fn differences_that_never_vary_are_made_up_unless_the_meter_is_coarse() {
    for (mwh, windows, want) in [(500, 240, 1), (500, 239, 0), (49, 1_000, 0)] {
        let mut story = Story::new(None);
        for i in 0..windows {
            story.window(0, i, 5, mwh, None);
        }
        assert_eq!(story.findings().len(), want, "{mwh} mWh, {windows} windows");
    }
}

#[test]
fn producing_at_idle_power_is_found_once_idling_is_known() {
    for (producing_w, windows, want) in [(105, 10, 1), (106, 10, 0), (105, 9, 0)] {
        let mut story = Story::new(None);
        for i in 0..30 {
            story.window(0, i, 8, varied(i), Some(100));
        }
        for i in 30..30 + windows {
            story.window(0, i, 5, varied(i), Some(producing_w));
        }
        let got = story.findings();
        let count = got.iter().filter(|f| f.code == FindingCode::ProducingAtIdlePower).count();
        assert_eq!(count, want, "{producing_w} W, {windows} windows");
    }
}

#[test]
fn more_energy_than_the_machine_can_draw_is_found() {
    // 1 kW for a minute is 16 666.6 mWh; 120 % of it is 20 000.
    for (mwh, want) in [(20_001, 0), (20_002, 1)] {
        let mut story = Story::new(Some(1_000));
        story.window(0, 1, 5, mwh, None);
        assert_eq!(story.findings().len(), want, "{mwh}");
    }
}

#[test]
fn power_and_register_may_differ_by_their_classes() {
    // 3600 W for a minute is 60 000 mWh.
    for (watts, want) in [(3_600, 0), (3_740, 0), (3_760, 1), (3_460, 0), (3_440, 1)] {
        let mut story = Story::new(None);
        for i in 0..60 {
            let wobble = varied(i) % 100;
            story.window(0, i, 5, 59_950 + wobble, Some(watts));
        }
        let got = story.findings();
        let count = got.iter().filter(|f| f.code == FindingCode::PowerAgainstRegister).count();
        assert_eq!(count, want, "{watts} W");
    }
}

#[test]
fn clocks_that_ran_differently_are_found_unless_an_event_says_so() {
    let reading = |end, mono_ms, explained| ClockReading { boot: 1, end, mono_ms, explained, step_s: 60 };
    for (mono_ms, explained, want) in
        [(300_000, false, 0), (425_000, false, 0), (425_001, false, 1), (425_001, true, 0), (0, false, 1)]
    {
        let (mut watch, mut clock) = (Watch::new([]), Clock::default());
        watch.clock("edge", &mut clock, reading(0, 0, false));
        watch.clock("edge", &mut clock, reading(300, mono_ms, explained));
        let got = watch.finish(&[]).findings;
        assert_eq!(got.len(), want, "{mono_ms} {explained}");
        assert!(got.iter().all(|f| f.subject == "edge" && f.code == FindingCode::ClockDrift));
    }
}

#[test]
fn findings_beyond_the_cap_are_counted_by_code() {
    let mut story = Story::new(Some(1));
    for i in 0..150 {
        story.window(0, i, 5, varied(i) + 1_000, None);
    }
    let plausible = story.watch.finish(&["a".to_owned()]);
    assert_eq!(plausible.findings.len(), crate::report::LISTED);
    assert_eq!(plausible.omitted.get("F-ABOVE-RATED-POWER"), Some(&50));
}

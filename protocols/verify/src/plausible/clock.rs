//! Wall clock against monotonic clock: between two statements of one boot both must have run alike, unless a
//! clock-step event says otherwise.

use kpi::Period;

use super::Found;
use super::thresholds::Thresholds;
use crate::finding::FindingCode;

/// What one window statement says of its clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    pub(crate) boot: u64,
    /// End of the statement's last window, UTC s.
    pub(crate) end: i64,
    pub(crate) mono_ms: u64,
    /// An event of this statement reports a clock step, a start or a down time.
    pub(crate) explained: bool,
    pub(crate) step_s: i64,
}

/// The clocks of a stream's previous statement.
#[derive(Default)]
pub(crate) struct Clock {
    last: Option<(u64, i64, u64)>,
}

impl Clock {
    pub(super) fn statement(&mut self, r: ClockReading, limits: &Thresholds) -> Option<Found> {
        let (boot, end, mono) = self.last.replace((r.boot, r.end, r.mono_ms))?;
        if boot != r.boot || r.explained {
            return None;
        }
        let wall = i128::from(r.end - end) * 1000;
        let ran = i128::from(r.mono_ms) - i128::from(mono);
        let allowed = i128::from(limits.clock.tolerance_ms) + 2000 * i128::from(r.step_s);
        ((wall - ran).abs() > allowed).then(|| Found {
            code: FindingCode::ClockDrift,
            other: None,
            period: Period { from: end, to: r.end },
            measured: format!("wall clock ran {wall} ms, monotonic clock {ran} ms"),
            threshold: format!("{allowed} ms"),
        })
    }
}

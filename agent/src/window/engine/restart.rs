//! How an engine goes on after time in which nobody measured: a start, a loss, a suspension.
//!
//! What came before is settled first, nothing heard before is believed any more, and the windows in between are put
//! out as what they were: down or lost.

use super::super::input::Boot;
use super::super::link::LinkState;
use super::super::output::What;
use super::Engine;

impl Engine {
    /// Goes on after observations could not be kept, by a program that was running all the time: as after a
    /// start nothing heard before is believed, and windows that are missing are signed as lost, not as down.
    pub fn resume_after_loss(&mut self, now: &Boot) {
        // What is known up to the loss is settled first; only the gap behind it is lost.
        self.finish();
        self.state.losing = true;
        self.restart(now);
    }

    /// Goes on after the box was suspended: as after a start nothing heard before is believed, and windows that are
    /// missing are signed as down. Unlike at a start, the monotonic clock went on, so that a step of the wall clock
    /// meanwhile shows.
    pub fn resume_after_suspension(&mut self, now: &Boot) {
        let step = self.state.timeline.clone().extend(now.at);
        self.restart(now);
        if let Some(step) = step {
            self.say(What::ClockStep { expected: step.expected, shown: step.shown });
        }
        self.put_out(now.at.mono);
    }

    pub(super) fn boot(&mut self, boot: &Boot) {
        self.restart(boot);
        let what = What::Boot { version: boot.version.clone(), binary: boot.binary };
        self.say(what);
        if let Some(before) = self.state.configuration.replace(boot.configuration)
            && before != boot.configuration
        {
            self.say(What::Configuration { before, after: boot.configuration });
        }
        self.put_out(boot.at.mono);
    }

    fn restart(&mut self, boot: &Boot) {
        self.finish();
        let from = boot.at.mono;
        let state = &mut self.state;
        (state.processed, state.until) = (from, from);
        state.due.clear();
        state.links = vec![LinkState::default(); self.plan.links];
        for (machine, plan) in state.machines.iter_mut().zip(&self.plan.machines) {
            machine.reboot(plan, from);
        }
        let stopped = state.timeline.reached();
        state.timeline.boot(boot.at);
        let back = self.state.timeline.reached();
        self.miss(stopped, back);
        let open = self.open_window();
        self.roll(from);
        if self.open_window() != open {
            self.miss(stopped, back);
        }
        self.put_out(from);
    }

    /// Nothing was asked from `stopped` to `back`: the reads that were due in the open window are missing.
    fn miss(&mut self, stopped: i64, back: i64) {
        let step = i64::from(self.plan.step_ms);
        let Some(start) = self.state.windows.back().map(|w| w.start) else { return };
        let ms = back.min(start + step) - stopped.max(start);
        if let Ok(ms) = u64::try_from(ms) {
            for (machine, plan) in self.state.machines.iter_mut().zip(&self.plan.machines) {
                machine.miss(plan, ms);
            }
        }
    }
}

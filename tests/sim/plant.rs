//! The physics of the simulated plant: what each machine does at each moment and the energy it has drawn.
//!
//! Pure: the same plant asked for the same moments in the same order gives the same answers. Machines run a
//! fixed programme of phases over and over; energy is the integral of the phase's power, parts are finished
//! programmes. No clock is read here.

/// What a machine does in one phase of its programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Switched off at its main switch.
    Off,
    /// Ready, waiting for an operator.
    Idle,
    /// Changing over to the next part.
    Setup,
    /// Cutting, forming, handling: adding value.
    Producing,
    /// Interrupted by feed hold.
    Held,
    /// Waiting for material; goes on by itself.
    Waiting,
    /// Stopped by an alarm.
    Fault,
}

/// One phase: what, how long, at which power, and whether a part is finished at its end.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// What the machine does.
    pub activity: Activity,
    /// How long, ms (> 0).
    pub length_ms: u64,
    /// Electrical power drawn, W.
    pub power_w: u64,
    /// Parts finished when the phase ends.
    pub parts: u64,
}

/// A machine with its programme and its counters.
#[derive(Clone, Debug)]
pub struct Machine {
    programme: Vec<Phase>,
    phase: usize,
    in_phase_ms: u64,
    /// Energy drawn since the meter was made, in watt-milliseconds.
    energy_wms: u64,
    parts: u64,
    good_parts: u64,
}

/// One watt-hour in watt-milliseconds.
const WMS_PER_WH: u64 = 3_600_000;

impl Machine {
    /// A machine at the start of its programme, with a meter that already shows `energy_wh`.
    pub fn new(programme: Vec<Phase>, energy_wh: u64, parts: u64) -> Self {
        Self {
            programme,
            phase: 0,
            in_phase_ms: 0,
            energy_wms: energy_wh * WMS_PER_WH,
            parts,
            good_parts: parts,
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, mut ms: u64) {
        while ms > 0 {
            let phase = self.programme[self.phase];
            let spent = ms.min(phase.length_ms - self.in_phase_ms);
            self.energy_wms += spent * phase.power_w;
            self.in_phase_ms += spent;
            ms -= spent;
            if self.in_phase_ms == phase.length_ms {
                self.finish(phase);
            }
        }
    }

    /// Books the parts of a finished phase; every twelfth part is scrap.
    fn finish(&mut self, phase: Phase) {
        for _ in 0..phase.parts {
            self.parts += 1;
            self.good_parts += u64::from(!self.parts.is_multiple_of(12));
        }
        self.phase = (self.phase + 1) % self.programme.len();
        self.in_phase_ms = 0;
    }

    /// What it does now.
    pub fn activity(&self) -> Activity {
        self.programme[self.phase].activity
    }

    /// Power drawn now, W.
    pub fn power_w(&self) -> u64 {
        self.programme[self.phase].power_w
    }

    /// The meter's energy register, whole Wh.
    pub fn energy_wh(&self) -> u64 {
        self.energy_wms / WMS_PER_WH
    }

    /// Parts finished since the counter was made.
    pub fn parts(&self) -> u64 {
        self.parts
    }

    /// Parts that passed inspection.
    pub fn good_parts(&self) -> u64 {
        self.good_parts
    }
}

/// The three machines of the plant.
#[derive(Clone, Debug)]
pub struct Plant {
    /// A five-axis machining centre with an OPC UA controller.
    pub cnc: Machine,
    /// A robot cell that reports by MQTT.
    pub cell: Machine,
    /// A press without any controller interface (哑设备), known by its power meter only.
    pub press: Machine,
}

fn phase(activity: Activity, length_ms: u64, power_w: u64, parts: u64) -> Phase {
    Phase { activity, length_ms, power_w, parts }
}

impl Default for Plant {
    /// Programmes short enough that a minute shows every state; powers of real machines of this kind.
    fn default() -> Self {
        use Activity::{Fault, Held, Idle, Off, Producing, Setup, Waiting};
        Self {
            cnc: Machine::new(
                vec![
                    phase(Producing, 5_200, 14_200, 1),
                    phase(Idle, 900, 2_100, 0),
                    phase(Producing, 5_200, 13_800, 1),
                    phase(Held, 1_600, 2_600, 0),
                    phase(Producing, 5_200, 14_100, 1),
                    phase(Setup, 3_100, 3_000, 0),
                ],
                48_213_960,
                18_204,
            ),
            cell: Machine::new(
                vec![
                    phase(Producing, 3_400, 6_300, 1),
                    phase(Waiting, 1_300, 1_200, 0),
                    phase(Producing, 3_400, 6_100, 1),
                    phase(Waiting, 700, 1_200, 0),
                    phase(Producing, 3_400, 6_400, 1),
                    phase(Fault, 2_200, 900, 0),
                ],
                9_120_440,
                77_310,
            ),
            press: Machine::new(
                vec![
                    phase(Producing, 7_000, 7_400, 0),
                    phase(Idle, 4_000, 600, 0),
                    phase(Producing, 7_000, 7_300, 0),
                    phase(Off, 6_000, 0, 0),
                ],
                1_500_020,
                0,
            ),
        }
    }
}

impl Plant {
    /// Lets time pass for every machine.
    pub fn advance(&mut self, ms: u64) {
        for machine in [&mut self.cnc, &mut self.cell, &mut self.press] {
            machine.advance(ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_power_times_time_and_parts_come_at_the_end_of_a_phase() {
        let mut m = Machine::new(
            vec![phase(Activity::Producing, 3_600, 1_000, 1), phase(Activity::Idle, 400, 0, 0)],
            0,
            0,
        );
        m.advance(3_599);
        assert_eq!((m.parts(), m.activity()), (0, Activity::Producing));
        m.advance(1);
        assert_eq!((m.parts(), m.activity(), m.energy_wh()), (1, Activity::Idle, 1));
        m.advance(4_000 * 9 + 400);
        assert_eq!((m.parts(), m.energy_wh()), (10, 10));
    }

    #[test]
    fn steps_of_any_size_lead_to_the_same_state() {
        let (mut fine, mut coarse) = (Plant::default(), Plant::default());
        for _ in 0..6_000 {
            fine.advance(10);
        }
        coarse.advance(60_000);
        assert_eq!(format!("{fine:?}"), format!("{coarse:?}"));
    }
}

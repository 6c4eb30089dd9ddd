//! What the window engine puts out: closed windows and what happened, in the order in which they are signed.

use evidence::Hash;
use kpi::MachineWindow;
use observation::Utc;
use serde::{Deserialize, Serialize};

/// One item of a project's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// A window that will not change any more. Every event of its time stands before it.
    Window(ClosedWindow),
    /// Something that happened.
    Event(Event),
}

/// A window of all machines of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedWindow {
    /// Its first moment.
    pub start: Utc,
    /// Roster index and figures of each machine, in the order of the plan.
    pub machines: Vec<(u32, MachineWindow)>,
}

/// Something that happened, to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in window time.
    pub at: Utc,
    /// Roster index, if it concerns one machine.
    pub machine: Option<u32>,
    /// What.
    pub what: What,
}

/// The kinds of events the engine knows; numbers are given by the evidence format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The program started.
    Boot {
        /// Its version.
        version: String,
        /// SHA-256 of its file.
        binary: Hash,
    },
    /// The wall clock stepped.
    ClockStep {
        /// What it should have shown.
        expected: Utc,
        /// What it showed.
        shown: Utc,
    },
    /// No windows were made between these moments, both on the window grid.
    Down {
        /// First moment without a window.
        from: Utc,
        /// First moment with one again.
        to: Utc,
    },
    /// Windows of this time were lost, both ends on the window grid.
    Loss {
        /// First moment without a window.
        from: Utc,
        /// First moment with one again.
        to: Utc,
    },
    /// Anything else worth a line.
    Note {
        /// The line.
        text: String,
    },
    /// Another configuration is in force.
    Configuration {
        /// Hash of the one before.
        before: Hash,
        /// Hash of the one in force.
        after: Hash,
    },
    /// A register took a step that is not booked.
    CounterBreak {
        /// Column of the register.
        column: u8,
        /// Last value before, mWh or pieces.
        last: i64,
        /// First value after.
        first: i64,
    },
    /// The configuration names another meter.
    MeterExchanged {
        /// Column of the register.
        column: u8,
        /// Last value of the old meter, mWh.
        last: i64,
        /// First value of the new meter.
        first: i64,
    },
    /// The machine says that it is another one.
    Identity {
        /// What it said before, if anything.
        before: Option<String>,
        /// What it says.
        after: String,
    },
}

/// Windows are serialised as the integers by column that they are signed as.
impl Serialize for ClosedWindow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let machines: Vec<_> = self.machines.iter().map(|(i, window)| (*i, Row::of(window))).collect();
        (self.start, machines).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ClosedWindow {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (start, machines) = <(Utc, Vec<(u32, Row)>)>::deserialize(deserializer)?;
        let machines = machines.into_iter().map(|(i, row)| (i, row.window())).collect();
        Ok(Self { start, machines })
    }
}

/// The integers of one machine's window that are not zero, by column. Power columns are kept even at zero,
/// because an unknown power is not a power of zero.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row(Vec<(u8, i64)>);

impl Row {
    pub(super) fn of(window: &MachineWindow) -> Self {
        let known = |column: u8| match column {
            kpi::column::POWER_MEAN => window.power_mean_w.is_some(),
            kpi::column::POWER_PEAK => window.power_peak_w.is_some(),
            _ => window.get(column) != 0,
        };
        Self(kpi::column::ALL.iter().filter(|c| known(**c)).map(|c| (*c, window.get(*c))).collect())
    }

    pub(super) fn window(&self) -> MachineWindow {
        let mut window = MachineWindow::default();
        for (column, value) in &self.0 {
            // What `of` wrote can be set; anything else in a damaged memory is left at zero.
            let _ = window.set(*column, *value);
        }
        window
    }
}

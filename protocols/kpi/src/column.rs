//! Column ids of a window, as the evidence format numbers them. Shared by who encodes and who decodes, so that
//! no side keeps a list of its own; `verify` compares them with the format's own constants.

/// Milliseconds in leaf state 0; the other leaves follow up to 8.
pub const STATE_0: u8 = 0;
/// Energy register at the window's end.
pub const ENERGY: u8 = 10;
/// Quality of the energy register.
pub const ENERGY_Q: u8 = 11;
/// Part register at the window's end.
pub const PARTS: u8 = 12;
/// Quality of the part register.
pub const PARTS_Q: u8 = 13;
/// Good-part register at the window's end.
pub const GOOD: u8 = 14;
/// Quality of the good-part register.
pub const GOOD_Q: u8 = 15;
/// Reads that were due.
pub const READS_EXPECTED: u8 = 16;
/// Reads that were answered well.
pub const READS_GOOD: u8 = 17;
/// Milliseconds connected.
pub const CONNECTED_MS: u8 = 18;
/// Values that changed.
pub const CHANGED: u8 = 19;
/// Sessions alive or established.
pub const SESSIONS: u8 = 20;
/// Identity: 0 not read, 1 as in the roster, 2 different.
pub const IDENTITY: u8 = 21;
/// Milliseconds cutting.
pub const CUTTING_MS: u8 = 22;
/// Milliseconds of dry run.
pub const DRY_RUN_MS: u8 = 23;
/// Milliseconds of warm-up.
pub const WARMUP_MS: u8 = 24;
/// Mean power, W.
pub const POWER_MEAN: u8 = 25;
/// Peak power, W.
pub const POWER_PEAK: u8 = 26;
/// Milliseconds with the spindle turning.
pub const SPINDLE_MS: u8 = 27;
/// Entries into FAULT.
pub const FAULT_COUNT: u8 = 28;

/// Every column this version knows, ascending.
pub const ALL: [u8; 28] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    ENERGY,
    ENERGY_Q,
    PARTS,
    PARTS_Q,
    GOOD,
    GOOD_Q,
    READS_EXPECTED,
    READS_GOOD,
    CONNECTED_MS,
    CHANGED,
    SESSIONS,
    IDENTITY,
    CUTTING_MS,
    DRY_RUN_MS,
    WARMUP_MS,
    POWER_MEAN,
    POWER_PEAK,
    SPINDLE_MS,
    FAULT_COUNT,
];

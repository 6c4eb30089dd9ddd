//! Texts that several rows say alike.

use super::{Text, t};

pub(super) const SHARE_INTERVAL: Text = t(
    "未知时间 U 留在分母里：下界把它全算作分母中的其他时间，上界全算作分子。",
    "Unknown time U stays in the denominator: the lower bound takes it for anything else, the upper bound for the numerator.",
);
pub(super) const CYCLE_MOVES: Text =
    t("速度损失、微停、节拍申报值。", "Speed losses, minor stops, and the declared cycle time.");
pub(super) const STATE_GAMING: Text = t(
    "手动空转冒充加工、拔线隐瞒停机。加工与件数、功率的交叉核对，以及未知时间留在分母里，使二者都不划算。",
    "Running in automatic without work, or unplugging during stops. Parts and power beside PRODUCING answer the first; unknown time in the denominator makes the second useless.",
);
pub(super) const PLAN_GAMING: Text = t(
    "事后把停机补成计划停机以缩小分母。日历与计划有日期和版本，追溯修改另列一行。",
    "Calling stops planned afterwards to shrink the denominator. Calendars and plans are dated and versioned, retroactive ones show as a second row.",
);
pub(super) const CYCLE_GAMING: Text = t(
    "把节拍申报得过长。下界 PRI·PQ/(APT+U) 超过 100 % 时出现发现项，数值从不截断。",
    "Declaring too long a cycle. A finding appears when the lower bound PRI·PQ/(APT+U) exceeds 100 %, and no value is ever clipped.",
);

//! Rows of the connection rates.

use super::{Basis, Better, Definition, KpiId, Source, Text, Unit, t};

const SOURCE: Source = Source {
    document: t(
        "两化融合评估规范 GB/T 23020-2013 的指标名称；判定条件由本方法固定",
        "indicator named as in GB/T 23020-2013; the daily test is this method's",
    ),
    clause: t("数字化设备联网率", "connection rate of digital equipment"),
};

const INTERVAL: Text = t(
    "逐日判定：有会话、应答读数不少于应读数的 95 %、有数值变化、身份与名册不相违。无人签名的时间使当天只可能算联网，下界不算。",
    "Judged day by day: a session stood, at least 95 % of due reads were answered, a value changed, the identity \
     was not seen to differ. A day with unsigned time may be connected in the upper bound only.",
);

const MOVES: Text =
    t("采集器停机、网络中断、设备断电。", "Stopped collectors, broken networks, machines without power.");

const GAMING: Text = t(
    "用一个模拟器冒充多台设备，或停掉采集以减少应读数。前者由身份核对与重复数据检查发现；停机时间按未应答计，没有应读数的一天不算联网。",
    "One simulator answers for many machines, or polling is stopped so that fewer reads are due. The identity and \
     repetition checks answer the first; signed down time counts as unanswered, and a day without due reads is not \
     connected.",
);

pub(super) const ROWS: &[Definition] = &[
    Definition {
        id: KpiId::ConnectionRate,
        text: "cn.connection_rate",
        zh: "数字化设备联网率",
        en: "connection rate of digital machines",
        formula: "mean over days of connected / digital machines",
        formula_zh: "逐日（已联网台数 ÷ 数字化设备台数）的平均",
        unit: Unit::Ratio,
        better: Better::Higher,
        basis: Basis::Measured,
        source: SOURCE,
        interval: INTERVAL,
        moves: MOVES,
        gaming: GAMING,
    },
    Definition {
        id: KpiId::ConnectionRateAll,
        text: "cn.connection_rate_all",
        zh: "设备联网率（全部设备）",
        en: "connection rate of all machines",
        formula: "mean over days of connected / all machines",
        formula_zh: "逐日（已联网台数 ÷ 全部设备台数）的平均",
        unit: Unit::Ratio,
        better: Better::Higher,
        basis: Basis::Measured,
        source: SOURCE,
        interval: INTERVAL,
        moves: MOVES,
        gaming: GAMING,
    },
];

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
    Definition {
        id: KpiId::ConnectionRateDue,
        text: "cn.connection_rate_due",
        zh: "应联网设备联网率",
        en: "connection rate of machines that are to be connected",
        formula: "mean over days of connected / machines with points in the roster",
        formula_zh: "逐日（已联网台数 ÷ 名册列有测点的设备台数）的平均",
        unit: Unit::Ratio,
        better: Better::Higher,
        basis: Basis::Measured,
        source: SOURCE,
        interval: INTERVAL,
        moves: MOVES,
        gaming: t(
            "把难联网的设备从名册的测点中去掉以缩小分母。名册由登记方签名并有日期，全部设备的联网率并列。",
            "Taking the points of machines that are hard to connect out of the roster, to shrink the denominator. The \
             registrar signs and dates the roster, and the rate of all machines stands beside.",
        ),
    },
    Definition {
        id: KpiId::ConnectionRateCalendar,
        text: "cn.connection_rate_calendar",
        zh: "数字化设备联网率（日历日）",
        en: "connection rate of digital machines, all calendar days",
        formula: "mean over calendar days of connected / digital machines",
        formula_zh: "逐日历日（已联网台数 ÷ 数字化设备台数）的平均",
        unit: Unit::Ratio,
        better: Better::Higher,
        basis: Basis::Measured,
        source: SOURCE,
        interval: INTERVAL,
        moves: MOVES,
        gaming: t(
            "把联网差的日子事后改成休息日。本指标不问日历，与按计划日的联网率相差大时即可看出。",
            "Calling badly connected days free days afterwards. This rate asks no calendar, so that a large difference \
             from the rate of planned days shows it.",
        ),
    },
    Definition {
        id: KpiId::EverConnected,
        text: "cn.ever_connected",
        zh: "曾联网设备占比",
        en: "machines ever connected",
        formula: "digital machines connected on at least one day / digital machines",
        formula_zh: "期间内至少一日联网的数字化设备台数 ÷ 数字化设备台数",
        unit: Unit::Ratio,
        better: Better::Higher,
        basis: Basis::Measured,
        source: SOURCE,
        interval: INTERVAL,
        moves: t("首次接入的设备台数。", "How many machines were brought online at all."),
        gaming: t(
            "以一日之联网代替全期联网。本指标只用于与申报值对照，不代替逐日平均。",
            "One connected day in place of a connected period. It is for comparison with declarations only and never \
             replaces the mean over days.",
        ),
    },
    Definition {
        id: KpiId::Acquisition,
        text: "cn.acquisition_rate",
        zh: "数据自动采集率",
        en: "automatic acquisition rate",
        formula: "time with a known state or a read register / (required quantities × period)",
        formula_zh: "状态已知或寄存器读到的时间 ÷（名册要求的量 × 期间）",
        unit: Unit::Ratio,
        better: Better::Higher,
        basis: Basis::Measured,
        source: Source {
            document: t(
                "通行指标名称；分母由本方法固定为名册要求的量",
                "name in common use; this method fixes the denominator as the quantities that the roster requires",
            ),
            clause: t("数据自动采集率", "automatic acquisition rate"),
        },
        interval: t(
            "要求的量：有状态的设备的状态，以及名册列出的各寄存器。补读的寄存器覆盖缺口，状态不覆盖。无人签名的时间只在上界中算已采集。",
            "Required are the state of a machine that has one, and each register of the roster. A register read after a \
             gap covers it, a state does not. Unsigned time is acquired in the upper bound only.",
        ),
        moves: MOVES,
        gaming: t(
            "从名册中去掉采集不到的量。名册有签名和日期；与申报的应采集清单逐项对照。",
            "Taking quantities that are not acquired out of the roster. The roster is signed and dated, and is compared \
             item by item with the declared list.",
        ),
    },
];

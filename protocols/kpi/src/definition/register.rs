//! Rows of the amounts: differences of registers.

use super::{Basis, Better, Definition, KpiId, Source, Unit, iso_22400, t};

const OWN: Source = Source {
    document: t("本方法", "this method"),
    clause: t("累计寄存器之差", "differences of cumulative registers"),
};

pub(super) const ROWS: &[Definition] = &[
    Definition {
        id: KpiId::Energy,
        text: "energy.electricity",
        zh: "用电量",
        en: "electricity",
        formula: "Σ differences of the energy register",
        formula_zh: "电能表读数之差的总和",
        unit: Unit::KilowattHours,
        better: Better::Lower,
        basis: Basis::Measured,
        source: OWN,
        interval: t(
            "有签名的断档由前后读数之差补足；无签名的时间、回退或无说明的计数断裂使上界不存在。跨越时段边界的差额两边各计 [0, 差额]。",
            "A signed gap is bridged by the readings around it; unsigned time, a fall or an unexplained break leaves no \
             upper bound. A difference across a boundary gives each side [0, difference].",
        ),
        moves: t(
            "产量、待机时间、负载与设备效率。",
            "Output, standby time, load and the machine's efficiency.",
        ),
        gaming: t(
            "在基期多耗、在报告期绕过电表。表计变比与检定、总表与分表核对、功率与电量核对能发现。",
            "Wasting before, bypassing the meter after. Transformer ratios and certificates, main against sub-meters, \
             and power against energy answer that.",
        ),
    },
    Definition {
        id: KpiId::EnergyPerPart,
        text: "energy.per_part",
        zh: "单位产品电耗",
        en: "electricity per part",
        formula: "E / GQ, or E / PQ where a machine counts no good parts",
        formula_zh: "电量 E ÷ 合格件数 GQ；有设备不计合格件数时 ÷ 件数 PQ",
        unit: Unit::KilowattHoursPerPart,
        better: Better::Lower,
        basis: Basis::Measured,
        source: Source {
            document: t("GB/T 2589-2020 的单位产品能耗", "consumption per product of GB/T 2589-2020"),
            clause: t("单位产品综合能耗（只计电）", "energy per unit product, electricity only"),
        },
        interval: t(
            "下界为最小电量除以最大件数，上界为最大电量除以最小件数；件数可能为零时没有上界，产量为零时没有数值。",
            "From least energy over most parts to most energy over fewest parts; no upper bound where there may be no \
             part at all, no value where there was none.",
        ),
        moves: t(
            "待机电耗、节拍、废品、产品换型。",
            "Standby consumption, cycle time, scrap, other products.",
        ),
        gaming: t(
            "报告期改做小件，或空转刷件数。按产品申报并核对件数与加工时间能发现。",
            "Smaller parts in the second period, or counts without parts. Declaring products and comparing parts with \
             production time answers that.",
        ),
    },
    Definition {
        id: KpiId::ComprehensiveEnergy,
        text: "iso.comprehensive_energy",
        zh: "单件综合能耗（电）",
        en: "comprehensive energy consumption per piece, electricity",
        formula: "E / PQ",
        formula_zh: "电量 E ÷ 件数 PQ（含废品）",
        unit: Unit::KilowattHoursPerPart,
        better: Better::Lower,
        basis: Basis::Measured,
        source: iso_22400("综合能耗", "Comprehensive energy consumption"),
        interval: t(
            "分母是全部件数，废品在内，因此与单位产品电耗（合格件数）不是同一口径。区间取法相同。",
            "Its denominator is all parts, scrap included, so that it is not the electricity per (good) part. Bounds \
             are formed the same way.",
        ),
        moves: t("待机电耗、节拍、产品换型。", "Standby consumption, cycle time, other products."),
        gaming: t(
            "多出废品可以压低它。与合格品率一起看。",
            "More scrap lowers it. Read it beside the quality ratio.",
        ),
    },
];

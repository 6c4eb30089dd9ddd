//! What each figure of energy is called, how it is formed, where that stands and which way is better. One row a
//! figure, beside those of [`crate::definition`]; these need factors, tariffs or declarations that windows do not
//! hold, so that they are computed only when those are handed in.

use serde::Serialize;

use crate::definition::{Basis, Better, Source, Text};

/// Names of energy figures; they never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub enum EnergyKpi {
    /// 综合能耗.
    #[serde(rename = "energy.comprehensive")]
    Comprehensive,
    /// 单位产品综合能耗（按件）.
    #[serde(rename = "energy.comprehensive_per_part")]
    PerPart,
    /// 单位产品综合能耗（按质量）.
    #[serde(rename = "energy.comprehensive_per_kg")]
    PerKilogram,
    /// 单位产值综合能耗.
    #[serde(rename = "energy.comprehensive_per_output_value")]
    PerOutputValue,
    /// 单位增加值能耗.
    #[serde(rename = "energy.comprehensive_per_value_added")]
    PerValueAdded,
    /// 外购电力二氧化碳排放.
    #[serde(rename = "energy.co2_electricity")]
    Co2Electricity,
    /// 最大需量.
    #[serde(rename = "energy.peak_demand")]
    PeakDemand,
    /// 空闲待机电量.
    #[serde(rename = "energy.idle")]
    Idle,
    /// 空闲待机电量占比.
    #[serde(rename = "energy.idle_share")]
    IdleShare,
    /// 分时电费.
    #[serde(rename = "energy.time_of_use_cost")]
    TimeOfUseCost,
}

/// One figure's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnergyDefinition {
    /// Which figure.
    pub id: EnergyKpi,
    /// Its id as text, the same as in JSON.
    pub text: &'static str,
    /// Name.
    pub name: Text,
    /// Formula.
    pub formula: Text,
    /// Unit, in Chinese and English.
    pub unit: Text,
    /// Which way is better.
    pub better: Better,
    /// What it rests on.
    pub basis: Basis,
    /// Where the formula stands.
    pub source: Source,
    /// What unknown amounts do to its interval, and what else its reader must know.
    pub interval: Text,
    /// What moves it.
    pub moves: Text,
    /// How it can be gamed, and which check answers.
    pub gaming: Text,
    /// A worked example.
    pub example: Text,
}

const fn t(zh: &'static str, en: &'static str) -> Text {
    Text { zh, en }
}

const fn gb_2589(zh: &'static str, en: &'static str) -> Source {
    Source {
        document: t(
            "GB/T 2589-2020《综合能耗计算通则》（据转载，原文未核对）",
            "GB/T 2589-2020 (from copies; the text itself was not read)",
        ),
        clause: t(zh, en),
    }
}

const fn own(zh: &'static str, en: &'static str) -> Source {
    Source { document: t("本方法", "this method"), clause: t(zh, en) }
}

const SUM_INTERVAL: Text = t(
    "各品种实物量的上下界分别折算后相加；任一品种无上界则总量无上界。跨越时段边界的读数差或账单两侧各计 [0, 差额]。\
     电力须写明当量值或等价值，系数的来源、有效期与核对状态随数值列出。",
    "Bounds of each carrier are converted and added; one carrier without an upper bound leaves the sum without one. A \
     difference or bill across a boundary gives each side [0, difference]. Calorific or equivalent value of \
     electricity is stated; source, validity and status of each factor stand beside the figure.",
);
const SUM_GAMING: Text = t(
    "漏报某一品种、把边界内自产的压缩空气或蒸汽重复计入基期、两期换用不同系数。总表与分表平衡、来源声明和系数编号能发现。",
    "Leaving a carrier out, adding air or steam made inside twice in the baseline, other factors for each period. The \
     balance of main and sub-meters, stated origins and set ids answer that.",
);
const QUOTIENT_INTERVAL: Text = t(
    "下界为最小能耗除以最大产量，上界为最大能耗除以最小产量；产量可能为零时没有上界。申报的分母须与能耗同一时段，附文件摘要值，证据等级 D。",
    "From least energy over most output to most energy over least output; no upper bound where there may be no output \
     at all. A declared denominator covers the same period, names its document's hash and makes the figure class D.",
);
const QUOTIENT_GAMING: Text = t(
    "虚报产量或产值、改变产品结构、用现价代替可比价。产量与件数、入库、发票核对，价格年份必填。",
    "Output or value overstated, other products, current prices for constant ones. Parts, warehouse receipts and \
     invoices are compared; the year of the prices is a required field.",
);

/// Every energy figure this version computes, in the order in which they are shown.
pub const ALL: &[EnergyDefinition] = &[
    EnergyDefinition {
        id: EnergyKpi::Comprehensive,
        text: "energy.comprehensive",
        name: t("综合能耗", "comprehensive energy consumption"),
        formula: t("E = Σ（实物量 e × 折标准煤系数 p）", "E = Σ (amount e × coefficient p)"),
        unit: t("吨标准煤", "tce"),
        better: Better::Lower,
        basis: Basis::MeasuredWithDeclared,
        source: gb_2589("综合能耗", "comprehensive energy consumption"),
        interval: SUM_INTERVAL,
        moves: t("各品种用量、系数的版本。", "Amounts of each carrier, editions of the factors."),
        gaming: SUM_GAMING,
        example: t(
            "1 250 000 kWh × 0.1229 + 86 000 m³ × 1.2143 + 1 200 GJ × 34.12 = 298 998.8 kgce = 298.999 tce。",
            "1 250 000 kWh × 0.1229 + 86 000 m³ × 1.2143 + 1 200 GJ × 34.12 = 298 998.8 kgce = 298.999 tce.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::PerPart,
        text: "energy.comprehensive_per_part",
        name: t("单位产品综合能耗（按件）", "comprehensive energy per good part"),
        formula: t("e = E ÷ 合格品件数", "e = E / good parts"),
        unit: t("千克标准煤/件", "kgce/pc"),
        better: Better::Lower,
        basis: Basis::MeasuredWithDeclared,
        source: gb_2589("单位产品综合能耗", "energy per unit product"),
        interval: QUOTIENT_INTERVAL,
        moves: t("待机能耗、节拍、废品、产品结构。", "Standby energy, cycle time, scrap, product mix."),
        gaming: QUOTIENT_GAMING,
        example: t(
            "298 998.8 kgce ÷ 100 000 件 = 2.989988 kgce/件。",
            "298 998.8 kgce / 100 000 pcs = 2.989988 kgce/pc.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::PerKilogram,
        text: "energy.comprehensive_per_kg",
        name: t("单位产品综合能耗（按质量）", "comprehensive energy per kilogram"),
        formula: t("e = E ÷ 合格品质量", "e = E / mass of good output"),
        unit: t("千克标准煤/千克", "kgce/kg"),
        better: Better::Lower,
        basis: Basis::MeasuredWithDeclared,
        source: gb_2589("单位产品综合能耗", "energy per unit product"),
        interval: QUOTIENT_INTERVAL,
        moves: t("待机能耗、炉次安排、废品、产品结构。", "Standby energy, batches, scrap, product mix."),
        gaming: QUOTIENT_GAMING,
        example: t(
            "298 998.8 kgce ÷ 1 000 000 kg = 0.2989988 kgce/kg。",
            "298 998.8 kgce / 1 000 000 kg = 0.2989988 kgce/kg.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::PerOutputValue,
        text: "energy.comprehensive_per_output_value",
        name: t("单位产值综合能耗", "comprehensive energy per output value"),
        formula: t(
            "e = E ÷ 产值（申报，注明价格年份）",
            "e = E / output value (declared, in prices of a stated year)",
        ),
        unit: t("吨标准煤/万元", "tce/10^4 CNY"),
        better: Better::Lower,
        basis: Basis::MeasuredWithDeclared,
        source: gb_2589("单位产值综合能耗", "energy per output value"),
        interval: QUOTIENT_INTERVAL,
        moves: t("价格、产品结构、能耗。", "Prices, product mix, energy."),
        gaming: QUOTIENT_GAMING,
        example: t(
            "298.9988 tce ÷ 5 000 万元 = 0.05979976 tce/万元。",
            "298.9988 tce / 5 000 × 10^4 CNY = 0.05979976 tce/10^4 CNY.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::PerValueAdded,
        text: "energy.comprehensive_per_value_added",
        name: t("单位增加值能耗", "comprehensive energy per value added"),
        formula: t(
            "e = E ÷ 工业增加值（申报，注明价格年份）",
            "e = E / value added (declared, in prices of a stated year)",
        ),
        unit: t("吨标准煤/万元", "tce/10^4 CNY"),
        better: Better::Lower,
        basis: Basis::MeasuredWithDeclared,
        source: gb_2589("单位增加值能耗", "energy per value added"),
        interval: QUOTIENT_INTERVAL,
        moves: t(
            "价格、产品结构、能耗。增加值是统计数，从不实测。",
            "Prices, product mix, energy. Value added is a figure of statistics and never measured.",
        ),
        gaming: QUOTIENT_GAMING,
        example: t(
            "298.9988 tce ÷ 1 500 万元 = 0.1993325… tce/万元。",
            "298.9988 tce / 1 500 × 10^4 CNY = 0.1993325… tce/10^4 CNY.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::Co2Electricity,
        text: "energy.co2_electricity",
        name: t("外购电力二氧化碳排放", "CO2 of purchased electricity"),
        formula: t("外购电量 × 电力二氧化碳排放因子", "electricity supplied × grid CO2 factor"),
        unit: t("千克二氧化碳", "kgCO2"),
        better: Better::Lower,
        basis: Basis::MeasuredWithDeclared,
        source: Source {
            document: t(
                "生态环境部、国家统计局电力二氧化碳排放因子公告（据转载）",
                "announcements of MEE and NBS (from copies)",
            ),
            clause: t("电力二氧化碳排放因子", "CO2 factor of electricity"),
        },
        interval: t(
            "电量的上下界乘以因子。减排量两期均用报告日已公布的最新因子，清单用当年因子；所用规则随数值列出。燃料排放不在内。",
            "Bounds of the electricity times the factor. A reduction claim takes the newest factor published on the \
             reporting day for both periods, an inventory each year's own; the rule is stated. CO2 of fuels is not in it.",
        ),
        moves: t("用电量、电网因子的年份与范围。", "Electricity; year and scope of the grid factor."),
        gaming: t(
            "两期各用当年因子，把电网变清洁算作项目减排。规则写入数值，减排量只认同一因子。",
            "Each period's own factor, so that a cleaner grid looks like the project's work. The rule is part of the \
             figure; a reduction takes one factor for both.",
        ),
        example: t(
            "10 000 kWh × 0.4878 kgCO2/kWh = 4 878 kgCO2。",
            "10 000 kWh × 0.4878 kgCO2/kWh = 4 878 kgCO2.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::PeakDemand,
        text: "energy.peak_demand",
        name: t("最大需量", "peak demand"),
        formula: t(
            "需量周期内读数差 ÷ 周期，取最大值",
            "max over demand intervals of register difference / interval",
        ),
        unit: t("千瓦", "kW"),
        better: Better::Lower,
        basis: Basis::Measured,
        source: own("累计寄存器之差的区间平均功率", "mean power from differences of cumulative registers"),
        interval: t(
            "不用瞬时功率。跨越周期边界的差额可能落在任一侧；有任何时段无界则最大需量没有上界。电力公司表计按滑差取值，可能高于固定周期。",
            "No power reading is used. A difference across an interval's boundary may lie on either side; time that \
             nothing bounds leaves the peak without an upper bound. A utility's meter slides and may find more than blocks do.",
        ),
        moves: t("同时启动、批次安排。", "Simultaneous starts, batches."),
        gaming: t(
            "峰值时段停采。无签名或未读时段使上界不存在。",
            "Stopping collection at the peak. Unsigned or unread time leaves no upper bound.",
        ),
        example: t("15 min 内 2.5 kWh：10 kW。", "2.5 kWh in 15 min: 10 kW."),
    },
    EnergyDefinition {
        id: EnergyKpi::Idle,
        text: "energy.idle",
        name: t("空闲待机电量", "energy while idle"),
        formula: t("空闲待机时间内的读数差之和", "Σ register differences over idle time"),
        unit: t("千瓦时", "kWh"),
        better: Better::Lower,
        basis: Basis::Measured,
        source: own("读数差归属叶状态", "register differences by leaf state"),
        interval: t(
            "两次读数之间只有一种状态时，差额归该状态；有多种状态时每种各计 [0, 差额]，不按时间分摊；含未知时间时每种状态都可能。",
            "Between two readings with one state the difference is that state's; with several each has [0, difference], \
             never split by time; with unknown time in it any state may have had it.",
        ),
        moves: t(
            "待机功率、待料、换型、无人关机。",
            "Standby power, waiting for material, changeovers, machines left on.",
        ),
        gaming: t(
            "把待机报为准备或未知。未知时间的电量计入上界，准备电量单列。",
            "Calling idle time set-up or unknown. Energy of unknown time is in the upper bound; set-up stands apart.",
        ),
        example: t(
            "空闲窗 0.107 kWh，另一窗含加工与空闲共 0.040 kWh：[0.107, 0.147] kWh。",
            "Idle windows 0.107 kWh, one window of production and idling 0.040 kWh: [0.107, 0.147] kWh.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::IdleShare,
        text: "energy.idle_share",
        name: t("空闲待机电量占比", "share of energy while idle"),
        formula: t("空闲待机电量 ÷ 用电量", "energy while idle / electricity"),
        unit: t("%", "%"),
        better: Better::Lower,
        basis: Basis::Measured,
        source: own("读数差归属叶状态", "register differences by leaf state"),
        interval: t(
            "最小待机电量除以最大用电量，至最大待机电量除以最小用电量，不超过 100 %。",
            "From least idle energy over most electricity to most idle energy over least electricity, at most 100 %.",
        ),
        moves: t("同空闲待机电量。", "As energy while idle."),
        gaming: t("同空闲待机电量。", "As energy while idle."),
        example: t(
            "0.107 ÷ 5.147 至 0.147 ÷ 5.147：2.07 % 至 2.86 %。",
            "0.107 / 5.147 to 0.147 / 5.147: 2.07 % to 2.86 %.",
        ),
    },
    EnergyDefinition {
        id: EnergyKpi::TimeOfUseCost,
        text: "energy.time_of_use_cost",
        name: t("分时电费", "time-of-use cost"),
        formula: t("Σ（各时段电量 × 该时段电价）", "Σ (electricity of a band × its price)"),
        unit: t("元", "CNY"),
        better: Better::Lower,
        basis: Basis::MeasuredWithDeclared,
        source: Source {
            document: t(
                "所在地分时电价通知与电价表（数据文件）",
                "the local tariff notice and price table (data files)",
            ),
            clause: t("峰谷时段划分与电价", "bands of the day and their prices"),
        },
        interval: t(
            "跨越时段边界的差额按最低价至最高价计；内部精确，最后下界舍、上界入到分。基本电费与力调电费不在内。",
            "A difference over a boundary of bands costs its cheapest to its dearest price; exact inside, at the end the \
             lower bound down and the upper bound up to whole fen. Demand and power-factor charges are not in it.",
        ),
        moves: t("用电时段、电价。", "When electricity is used; prices."),
        gaming: t(
            "两期用不同电价。电价表是带日期、带来源的数据，随数值列出。",
            "Other prices for each period. Prices are dated data with their source and stand beside the figure.",
        ),
        example: t(
            "3 kWh 跨谷、平、峰三段（0.40、0.70、1.00 元）：1.20 至 3.00 元。",
            "3 kWh over valley, flat and peak (0.40, 0.70, 1.00 CNY): 1.20 to 3.00 CNY.",
        ),
    },
];

impl EnergyKpi {
    /// Its row.
    pub fn definition(self) -> &'static EnergyDefinition {
        // Each id has a row, which a test checks; the first row only satisfies the compiler.
        ALL.iter().find(|d| d.id == self).unwrap_or(&ALL[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_energy_figure_has_one_row_and_its_text_is_its_name_in_json() {
        for d in ALL {
            assert_eq!(ALL.iter().filter(|o| o.id == d.id || o.text == d.text).count(), 1, "{}", d.text);
            assert_eq!(serde_json::to_value(d.id).unwrap(), d.text);
            assert_eq!(d.id.definition(), d);
            let other = crate::KpiId::from_text(d.text);
            assert_eq!(other, None, "{} is another figure's name", d.text);
        }
        let schema = serde_json::to_value(schemars::schema_for!(EnergyKpi)).unwrap();
        assert_eq!(schema["oneOf"].as_array().unwrap().len(), ALL.len());
    }
}

//! What each figure is called, how it is formed, where that stands and which way is better. One row a figure;
//! pages, tables and reports are made from these rows and hold no formula of their own.
//!
//! The rows stand in files by family: [`iso`] (ISO 22400-2), [`shop`] (Chinese shop terms), [`register`]
//! (amounts), [`connection`]; [`texts`] are what several of them say alike. Nothing here computes.

mod connection;
mod iso;
mod register;
mod shop;
mod texts;

use serde::Serialize;

/// Names of figures; they never change meaning, a changed method raises the method version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub enum KpiId {
    /// 开机率.
    #[serde(rename = "cn.power_on_rate")]
    PowerOnRate,
    /// 可用率 / 时间稼动率.
    #[serde(rename = "iso.availability")]
    Availability,
    /// 利用效率.
    #[serde(rename = "iso.utilization_efficiency")]
    Utilization,
    /// 技术效率.
    #[serde(rename = "iso.technical_efficiency")]
    Technical,
    /// 用电量.
    #[serde(rename = "energy.electricity")]
    Energy,
    /// 单位产品电耗.
    #[serde(rename = "energy.per_part")]
    EnergyPerPart,
    /// 数字化设备联网率.
    #[serde(rename = "cn.connection_rate")]
    ConnectionRate,
    /// 设备联网率（全部设备）.
    #[serde(rename = "cn.connection_rate_all")]
    ConnectionRateAll,
    /// 计划外完工件数.
    #[serde(rename = "cn.parts_outside_plan")]
    PartsOutsidePlan,
    /// 应联网设备联网率.
    #[serde(rename = "cn.connection_rate_due")]
    ConnectionRateDue,
    /// 数字化设备联网率（日历日）.
    #[serde(rename = "cn.connection_rate_calendar")]
    ConnectionRateCalendar,
    /// 曾联网设备占比.
    #[serde(rename = "cn.ever_connected")]
    EverConnected,
    /// 数据自动采集率.
    #[serde(rename = "cn.acquisition_rate")]
    Acquisition,
    /// 占用率.
    #[serde(rename = "iso.allocation_efficiency")]
    Allocation,
    /// 换型率.
    #[serde(rename = "iso.setup_rate")]
    SetupRate,
    /// 性能率（计划节拍）.
    #[serde(rename = "iso.effectiveness")]
    Effectiveness,
    /// 合格品率.
    #[serde(rename = "iso.quality_ratio")]
    Quality,
    /// 设备综合效率.
    #[serde(rename = "iso.oee")]
    Oee,
    /// 净设备效率.
    #[serde(rename = "iso.nee")]
    Nee,
    /// 生产过程率.
    #[serde(rename = "iso.production_process_ratio")]
    ProductionProcess,
    /// 分配比.
    #[serde(rename = "iso.allocation_ratio")]
    AllocationRatio,
    /// 产出率.
    #[serde(rename = "iso.throughput_rate")]
    Throughput,
    /// 单件综合电耗.
    #[serde(rename = "iso.comprehensive_energy")]
    ComprehensiveEnergy,
    /// 平均故障间隔.
    #[serde(rename = "iso.mtbf")]
    Mtbf,
    /// 平均故障时长.
    #[serde(rename = "iso.mttr")]
    Mttr,
    /// 事后维修率.
    #[serde(rename = "iso.corrective_maintenance_ratio")]
    CorrectiveMaintenance,
    /// 设备利用率（日历）.
    #[serde(rename = "cn.util_calendar")]
    UtilCalendar,
    /// 设备利用率（制度台时）.
    #[serde(rename = "cn.util_shift")]
    UtilShift,
    /// 设备开动率 / 时间稼动率.
    #[serde(rename = "cn.availability")]
    ShopAvailability,
    /// 运行率.
    #[serde(rename = "cn.run_rate")]
    RunRate,
    /// 主轴运转率.
    #[serde(rename = "cn.spindle_rate")]
    SpindleRate,
    /// 切削率（开机时间）.
    #[serde(rename = "cn.cutting_rate")]
    CuttingRate,
    /// 切削率（加工时间）.
    #[serde(rename = "cn.cutting_rate_apt")]
    CuttingRateApt,
    /// 性能稼动率（理论节拍）.
    #[serde(rename = "cn.performance")]
    Performance,
    /// 完全有效生产率.
    #[serde(rename = "cn.teep")]
    Teep,
    /// 设备完好率.
    #[serde(rename = "cn.good_condition")]
    GoodCondition,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The lower bound decides.
    Higher,
    /// The upper bound decides.
    Lower,
}

/// Unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
pub enum Unit {
    /// A ratio, 0 to 1 unless its row says more; printed times 100 with %.
    #[serde(rename = "ratio")]
    Ratio,
    /// Kilowatt-hours.
    #[serde(rename = "kWh")]
    KilowattHours,
    /// Kilowatt-hours a part.
    #[serde(rename = "kWh/pc")]
    KilowattHoursPerPart,
    /// Parts an hour.
    #[serde(rename = "pcs/h")]
    PartsPerHour,
    /// Hours.
    #[serde(rename = "h")]
    Hours,
    /// Pieces.
    #[serde(rename = "pcs")]
    Pieces,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 6] = [
        Self::Ratio,
        Self::KilowattHours,
        Self::KilowattHoursPerPart,
        Self::PartsPerHour,
        Self::Hours,
        Self::Pieces,
    ];

    /// As it is printed in Chinese; a ratio is printed times 100.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Ratio => "%",
            Self::KilowattHours => "kWh",
            Self::KilowattHoursPerPart => "kWh/件",
            Self::PartsPerHour => "件/h",
            Self::Hours => "h",
            Self::Pieces => "件",
        }
    }

    /// As it is printed in English; a ratio is printed times 100.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Ratio => "%",
            Self::KilowattHours => "kWh",
            Self::KilowattHoursPerPart => "kWh/pc",
            Self::PartsPerHour => "pcs/h",
            Self::Hours => "h",
            Self::Pieces => "pcs",
        }
    }
}

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

/// Where a formula stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Standard or document.
    pub document: Text,
    /// The name it has there; a clause number only where the document itself was read.
    pub clause: Text,
}

/// Whether a figure rests on machines or on somebody's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Windows and registers only.
    Measured,
    /// Windows and registers together with a declared quantity, such as a cycle time.
    MeasuredWithDeclared,
    /// Declared by hand, with a document behind it.
    Declared,
}

/// One figure's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Which figure.
    pub id: KpiId,
    /// Its id as text, the same as in JSON.
    pub text: &'static str,
    /// Chinese name.
    pub zh: &'static str,
    /// English name.
    pub en: &'static str,
    /// Formula, in the symbols of ISO 22400-2.
    pub formula: &'static str,
    /// Formula in Chinese words.
    pub formula_zh: &'static str,
    /// Unit.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// What it rests on.
    pub basis: Basis,
    /// Where the formula stands.
    pub source: Source,
    /// What unknown time and unknown amounts do to its interval, and what else its reader must know.
    pub interval: Text,
    /// What moves it.
    pub moves: Text,
    /// How it can be gamed, and which check answers.
    pub gaming: Text,
}

/// ISO 22400-2, as read in the ontology of the standard; clause numbers were not read.
const fn iso_22400(zh: &'static str, en: &'static str) -> Source {
    Source {
        document: t(
            "ISO 22400-2:2014（据 hsu-aut ISO22400-2.owl，提交 54c749b）",
            "ISO 22400-2:2014 (as in hsu-aut ISO22400-2.owl, commit 54c749b)",
        ),
        clause: t(zh, en),
    }
}

/// Shop usage: no standard fixes the denominator, so that this method does.
const fn shop_usage(zh: &'static str, en: &'static str) -> Source {
    Source {
        document: t("车间通行叫法；分母由本方法固定", "shop usage; this method fixes the denominator"),
        clause: t(zh, en),
    }
}

const fn t(zh: &'static str, en: &'static str) -> Text {
    Text { zh, en }
}

/// Rows by family, in the order in which they are shown.
const FAMILIES: [&[Definition]; 4] = [shop::ROWS, iso::ROWS, register::ROWS, connection::ROWS];

/// Every figure this version computes, in the order in which they are shown.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    FAMILIES.into_iter().flatten()
}

impl KpiId {
    /// Its row.
    pub fn definition(self) -> &'static Definition {
        // Each id has a row, which a test checks; the first row only satisfies the compiler.
        all().find(|d| d.id == self).unwrap_or(&shop::ROWS[0])
    }

    /// The figure of an id as text.
    pub fn from_text(text: &str) -> Option<Self> {
        all().find(|d| d.text == text).map(|d| d.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_one_row_and_its_text_is_its_name_in_json() {
        for d in all() {
            assert_eq!(all().filter(|o| o.id == d.id || o.text == d.text).count(), 1, "{}", d.text);
            assert_eq!(serde_json::to_value(d.id).unwrap(), d.text);
            assert_eq!(d.id.definition(), d);
            assert_eq!(KpiId::from_text(d.text), Some(d.id));
        }
        assert_eq!(KpiId::from_text("iso.availabilty"), None);
        // The schema lists every id, so that a new one cannot be forgotten above.
        let schema = serde_json::to_value(schemars::schema_for!(KpiId)).unwrap();
        let ids = schema["oneOf"].as_array().unwrap().len();
        assert_eq!(all().count(), ids);
    }

    #[test]
    fn no_row_leaves_a_text_empty_and_chinese_is_chinese() {
        for d in all() {
            let texts = [d.source.document, d.source.clause, d.interval, d.moves, d.gaming];
            for text in texts.into_iter().chain([t(d.zh, d.en)]) {
                assert!(!text.zh.is_empty() && !text.en.is_empty(), "{}: {text:?}", d.text);
                assert!(
                    text.en.is_ascii() || text.en.contains(['Σ', '·', '÷', '≤', '≥', '×']),
                    "{}",
                    text.en
                );
                assert!(!text.zh.is_ascii(), "{}: {}", d.text, text.zh);
            }
            assert!(!d.formula.is_empty() && !d.formula_zh.is_ascii(), "{}", d.text);
        }
    }
}

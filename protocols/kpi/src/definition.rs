//! What each figure is called, how it is formed and which way is better. One row a figure; pages and reports
//! are made from these rows.

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
    /// A ratio, 0 to 1; printed times 100 with %.
    #[serde(rename = "ratio")]
    Ratio,
    /// Kilowatt-hours.
    #[serde(rename = "kWh")]
    KilowattHours,
    /// Kilowatt-hours a part.
    #[serde(rename = "kWh/pc")]
    KilowattHoursPerPart,
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
    /// Formula.
    pub formula: &'static str,
    /// Unit.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
}

const fn row(
    id: KpiId,
    text: &'static str,
    (zh, en): (&'static str, &'static str),
    formula: &'static str,
    unit: Unit,
    better: Better,
) -> Definition {
    Definition { id, text, zh, en, formula, unit, better }
}

/// Every figure this version computes, in the order in which they are shown.
pub const ALL: &[Definition] = &[
    row(
        KpiId::PowerOnRate,
        "cn.power_on_rate",
        ("开机率", "power-on rate"),
        "time not OFF / calendar time",
        Unit::Ratio,
        Better::Higher,
    ),
    row(
        KpiId::Availability,
        "iso.availability",
        ("可用率（时间稼动率）", "availability"),
        "APT / PBT",
        Unit::Ratio,
        Better::Higher,
    ),
    row(
        KpiId::Utilization,
        "iso.utilization_efficiency",
        ("利用效率", "utilization efficiency"),
        "APT / AUBT",
        Unit::Ratio,
        Better::Higher,
    ),
    row(
        KpiId::Technical,
        "iso.technical_efficiency",
        ("技术效率", "technical efficiency"),
        "APT / (APT + ADET)",
        Unit::Ratio,
        Better::Higher,
    ),
    row(
        KpiId::Energy,
        "energy.electricity",
        ("用电量", "electricity"),
        "Σ differences of the energy register",
        Unit::KilowattHours,
        Better::Lower,
    ),
    row(
        KpiId::EnergyPerPart,
        "energy.per_part",
        ("单位产品电耗", "electricity per part"),
        "E / GQ, or E / PQ where a machine counts no good parts",
        Unit::KilowattHoursPerPart,
        Better::Lower,
    ),
    row(
        KpiId::ConnectionRate,
        "cn.connection_rate",
        ("数字化设备联网率", "connection rate of digital machines"),
        "mean over days of connected / digital machines",
        Unit::Ratio,
        Better::Higher,
    ),
    row(
        KpiId::ConnectionRateAll,
        "cn.connection_rate_all",
        ("设备联网率（全部设备）", "connection rate of all machines"),
        "mean over days of connected / all machines",
        Unit::Ratio,
        Better::Higher,
    ),
];

impl KpiId {
    /// Its row.
    pub fn definition(self) -> &'static Definition {
        // `ALL` has a row for each id, which a test checks; the first row only satisfies the compiler.
        ALL.iter().find(|d| d.id == self).unwrap_or(&ALL[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_one_row_and_its_text_is_its_name_in_json() {
        for d in ALL {
            assert_eq!(ALL.iter().filter(|o| o.id == d.id).count(), 1);
            assert_eq!(serde_json::to_value(d.id).unwrap(), d.text);
            assert_eq!(d.id.definition(), d);
        }
        // One arm an id, so that a new id cannot be forgotten above.
        let count = |id: KpiId| match id {
            KpiId::PowerOnRate
            | KpiId::Availability
            | KpiId::Utilization
            | KpiId::Technical
            | KpiId::Energy
            | KpiId::EnergyPerPart
            | KpiId::ConnectionRate
            | KpiId::ConnectionRateAll => 8,
        };
        assert_eq!(ALL.len(), count(KpiId::Energy));
    }
}

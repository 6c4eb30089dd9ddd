//! What looks false without being provably so. A finding names machine and windows, what was measured and the
//! threshold it crossed; it never decides an exit code.

use kpi::Period;
use serde::{Serialize, Serializer};

macro_rules! findings {
    ($($(#[doc = $doc:literal])* $name:ident, $code:literal, $zh:literal, $en:literal;)*) => {
        /// One kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingCode {
            $($(#[doc = $doc])* $name,)*
        }

        impl FindingCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means, in Chinese.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)* }
            }

            /// What it means, in English.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }
        }
    };
}

findings! {
    /// The same run of differences occurs twice.
    RepeatedRun, "F-REPEATED-RUN",
        "同一串能耗增量在不同日期或设备上重复出现，疑似复制数据",
        "the same run of energy differences occurs twice, on other days or machines: copied data";
    /// A measured value never changes.
    Constant, "F-CONSTANT",
        "能耗增量长时间完全相同，疑似人为生成",
        "energy differences stay exactly equal for a long time: made up";
    /// Producing without the power for it.
    ProducingAtIdlePower, "F-PRODUCING-AT-IDLE-POWER",
        "状态为加工，而功率不高于该设备的待机水平",
        "PRODUCING while the power does not exceed the machine's idle level";
    /// Power and register disagree.
    PowerAgainstRegister, "F-POWER-AGAINST-REGISTER",
        "功率积分与电能表读数之差超出允许值",
        "the integral of power and the energy register disagree beyond the tolerance";
    /// A counter fell or jumped without an event.
    CounterWithoutEvent, "F-COUNTER-WITHOUT-EVENT",
        "计数器读数下降而没有相应事件",
        "a counter fell and no event says why";
    /// More energy than the machine can draw.
    AboveRatedPower, "F-ABOVE-RATED-POWER",
        "电能增量超过额定功率所能消耗的数量",
        "an energy difference exceeds what the rated power can draw in that time";
    /// Wall clock and monotonic clock disagree.
    ClockDrift, "F-CLOCK",
        "墙上时钟与单调时钟的走时不一致，且没有时钟跳变事件",
        "wall clock and monotonic clock ran differently, and no clock-step event says so";
    /// Another identity than the roster's was seen.
    IdentityDiffers, "F-IDENTITY",
        "读到的设备身份与清单不符",
        "the machine's identity differs from the roster";
    /// A stream contradicted itself and the registrar settled it.
    SettledEquivocation, "F-SETTLED-EQUIVOCATION",
        "数据流曾自相矛盾，登记方已裁定以哪一份为准",
        "a stream contradicted itself; the registrar decided which statement counts";
}

impl std::fmt::Display for FindingCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl schemars::JsonSchema for FindingCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FindingCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<&str> = Self::ALL.iter().map(|c| c.text()).collect();
        schemars::json_schema!({ "type": "string", "enum": codes })
    }
}

/// One thing that looks false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// Stable code.
    pub code: FindingCode,
    /// What it means, in Chinese.
    pub zh: &'static str,
    /// What it means, in English.
    pub en: &'static str,
    /// Machine id, or agent id for clocks.
    pub subject: String,
    /// Another machine it concerns.
    pub other: Option<String>,
    /// The windows.
    pub period: Period,
    /// The other stretch it concerns: where a run was first seen.
    pub other_period: Option<Period>,
    /// What was measured, with its unit, in words of English.
    pub measured: String,
    /// The threshold it crossed, with its unit.
    pub threshold: String,
}

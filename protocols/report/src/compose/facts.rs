//! The labelled facts: which bundle this is, what is known about time, by which methods figures were made.

use super::Context;
use crate::model::Fact;
use crate::{Lang, moment, number};
use kpi::EvidenceClass;
use verify::report::{PlanReport, TimeGrade};

/// Identity of the bundle, of the project and of the keys that were trusted.
pub(crate) fn identity(c: Context<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(log) = &c.report.log {
        facts.push(Fact::code(c.t("检查点哈希", "Checkpoint hash"), log.note.clone()));
        facts.push(Fact::new(c.t("日志规模", "Tree size"), number::count(log.size)));
        facts.push(Fact::code(c.t("默克尔根", "Merkle root"), log.root.clone()));
        facts.push(Fact::new(c.t("日志名", "Log origin"), log.origin.clone()));
        let kinds: Vec<String> =
            log.kinds.iter().map(|(k, n)| format!("{k} {}", number::count(*n))).collect();
        facts.push(Fact::new(c.t("记录种类", "Records by kind"), kinds.join(" · ")));
    }
    if let Some(p) = &c.report.project {
        facts.push(Fact::new(c.t("项目", "Project"), p.id.clone()));
        let signed = format!("{} · {}{}", p.registrar, moment::at(p.signed_at, c.offset_min), c.zone());
        facts.push(Fact::new(c.t("登记方签署", "Signed by registrar"), signed));
    }
    let trust = &c.report.trust;
    facts.push(Fact::code(c.t("所信日志公钥", "Trusted log key"), trust.log.clone()));
    facts.push(Fact::code(c.t("所信登记方公钥", "Trusted registrar"), trust.registrar.clone()));
    facts.push(Fact::code(c.t("所信回执公钥", "Trusted receipt key"), trust.receipt.clone()));
    if let Some(key) = &trust.operator_time {
        facts.push(Fact::code(c.t("所信运营方时间公钥", "Trusted operator time key"), key.clone()));
    }
    for key in &c.report.keys {
        let until = key.until_entry.map_or_else(String::new, |i| format!("–{i}"));
        let span = format!("{} {}{until}", c.t("自条目", "from entry"), key.from_entry);
        let text = format!(
            "{} · {} · {span} · {} {}",
            key.id,
            key.kid,
            number::count(key.statements),
            c.t("条", "records")
        );
        facts.push(Fact::code(&format!("{} {}", c.t("密钥", "Key"), role(c, &key.role)), text));
    }
    facts
}

fn role<'a>(c: Context<'a>, role: &'a str) -> &'a str {
    match role {
        "registrar" => c.t("登记方", "registrar"),
        "agent" => c.t("采集端", "agent"),
        "enterprise" => c.t("企业", "enterprise"),
        "assessor" => c.t("验收方", "assessor"),
        other => other,
    }
}

/// What is known about time.
pub(crate) fn time(c: Context<'_>) -> Vec<Fact> {
    let t = &c.report.time;
    let grade = match t.grade {
        TimeGrade::Witnessed { signed, of } => match c.lang {
            Lang::Zh => format!("{of} 个独立见证方中有 {signed} 个联署"),
            Lang::En => format!("{signed} of {of} independent witnesses cosigned"),
        },
        TimeGrade::OperatorOnly => c.t("时间仅由运营方证明", "time attested by the operator only").to_owned(),
        TimeGrade::None => c.t("没有时间证明", "time attested by nobody").to_owned(),
    };
    let seconds = |s: i64| c.length(u64::try_from(s).unwrap_or(0).saturating_mul(1000));
    let mut facts = vec![
        Fact::new(c.t("时间等级", "Time grade"), grade),
        Fact::new(
            c.t("时区", "Zone"),
            format!(
                "{} · {}",
                moment::zone(c.offset_min),
                c.t("固定偏移，日与月按此切分", "fixed offset; days and months are cut in it")
            ),
        ),
    ];
    if let Some(newest) = t.newest {
        facts.push(Fact::new(c.t("最近联署时间", "Newest cosignature"), moment::at(newest, c.offset_min)));
    }
    facts.push(Fact::new(c.t("迟到界限", "Limit of lag"), seconds(t.max_lag_s.into())));
    if let Some(lag) = t.longest_lag_s {
        let text = if lag < 0 { format!("−{}", seconds(-lag)) } else { seconds(lag) };
        facts.push(Fact::new(c.t("最长迟到", "Longest lag"), text));
    }
    facts.push(Fact::new(c.t("迟到窗口", "Late windows"), number::count(t.late_windows)));
    facts.push(Fact::new(
        c.t("尚无联署的窗口", "Windows not yet attested"),
        number::count(t.unattested_windows),
    ));
    facts.push(Fact::new(
        c.t("有时间下界的记录", "Records with a lower bound"),
        format!(
            "{} · {}",
            number::count(t.statements_with_lower_bound),
            c.t(
                "引用了此前的检查点，故不可能更早产生",
                "they name an earlier checkpoint and so cannot be older"
            )
        ),
    ));
    facts
}

/// A plan, and whether figures rest on it: one that does not must be weighed by hand.
fn planned(c: Context<'_>, plan: &PlanReport) -> Fact {
    let subject = match plan.subject.as_str() {
        "calendar" => c.t("日历", "calendar"),
        "mapping" => c.t("状态映射", "mapping"),
        "correction" => c.t("修正系数", "correction factor"),
        "baseline" => c.t("基准期", "baseline"),
        "target" => c.t("目标值", "target"),
        "change" => c.t("变更", "change"),
        other => other,
    };
    let applied = if plan.applied {
        c.t("已用于本报告指标", "figures here rest on it")
    } else {
        c.t("本报告指标未采用，须人工考虑", "not applied in figures here; weigh it by hand")
    };
    let since = moment::at(plan.effective_from, c.offset_min);
    let mut text = format!(
        "{subject} · {} {since} · {applied} · {} {}",
        c.t("生效", "from"),
        c.t("条目", "entry"),
        plan.entry
    );
    if let Some(refused) = &plan.refused {
        text.push_str(" · ");
        text.push_str(refused);
    }
    Fact::new(c.t("登记方计划", "Registrar's plan"), text)
}

/// Definitions and methods.
pub(crate) fn method(c: Context<'_>) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new(c.t("指标方法版本", "Method version"), kpi::METHOD_VERSION),
        Fact::new(c.t("可疑规则阈值", "Thresholds"), c.report.plausible.thresholds.clone()),
        Fact::new(c.t("核验程序", "Verified by"), c.report.program.clone()),
    ];
    if let Some(p) = &c.report.project {
        facts.push(Fact::new(c.t("窗口长度", "Window"), c.length(u64::from(p.step_s) * 1000)));
        facts.push(Fact::new(c.t("时区", "Zone"), moment::zone(p.utc_offset_min)));
        facts.push(Fact::new(c.t("日历", "Calendar"), crate::figure::calendar(c.lang, &p.calendar)));
        let kept = format!("{} {}", p.raw_retention_days, c.t("天", "days"));
        facts.push(Fact::new(c.t("原始数据保留", "Raw data kept"), kept));
        for (id, hash) in &p.definitions {
            facts.push(Fact::code(&format!("{} {id}", c.t("定义", "Definition")), hash.clone()));
        }
    }
    facts.extend(c.report.plans.iter().map(|plan| planned(c, plan)));
    facts.push(Fact::new(
        c.t("修约", "Rounding"),
        c.t(
            "下界向下、上界向上、点值四舍六入五成双；结论按精确分数判定",
            "lower bounds down, upper bounds up, points half-even; verdicts are taken on exact fractions",
        ),
    ));
    facts.push(Fact::new(
        c.t("符号", "Symbols"),
        c.t(
            "PBT 负荷时间 · APT 实际加工 · AUBT 实际忙碌 · ADET 实际延误 · ADOT 无订单停机 · U 未\
             知 · E 电量 · PQ 件数 · GQ 合格件数（ISO 22400-2 用语）",
            "PBT planned busy time · APT production · AUBT busy · ADET delay · ADOT down without \
             order · U unknown · E electricity · PQ parts · GQ good parts (ISO 22400-2)",
        ),
    ));
    for class in [EvidenceClass::A, EvidenceClass::B, EvidenceClass::C, EvidenceClass::D] {
        facts.push(Fact::new(c.t("证据等级", "Evidence class"), crate::figure::class(c.lang, class)));
    }
    facts
}

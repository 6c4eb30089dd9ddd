//! The four headline verdicts, each with the question it answers and a sentence that needs no cryptography.

use verify::report::{Answer, CompleteAnswer, TimeGrade};

use super::{Context, missing, spoiled};
use crate::model::{Level, Verdict};
use crate::{Lang, moment, number};

/// Authentic, time, complete, plausible: in the order in which one rests on the other.
pub(crate) fn all(c: Context<'_>) -> Vec<Verdict> {
    vec![authentic(c), time(c), complete(c), plausible(c)]
}

fn verdict(name: &str, question: &str) -> Verdict {
    Verdict { name: name.to_owned(), question: question.to_owned(), ..Verdict::default() }
}

fn say(v: &mut Verdict, level: Level, answer: &str, sentence: &str) {
    (v.level, v.answer, v.sentence) = (level, answer.to_owned(), sentence.to_owned());
}

fn authentic(c: Context<'_>) -> Verdict {
    let r = c.report;
    let mut v = verdict(
        c.t("真实", "Authentic"),
        c.t(
            "记录是否由登记过的采集端签署，此后没有被改过？",
            "Were the records signed by enrolled agents and not altered since?",
        ),
    );
    if r.authentic.verdict == Answer::Yes {
        say(
            &mut v,
            Level::Good,
            c.t("是", "yes"),
            c.t(
                "每条记录都由登记方名册中的密钥签署，先后次序和内容与日志一致。改动、删去或插入任\
                 何一条，核验都会失败。",
                "Every record bears a key of the registrar's roster and stands in the log in its \
                 order and unchanged. Altering, dropping or inserting any of them would make \
                 this check fail.",
            ),
        );
    } else {
        say(
            &mut v,
            Level::Bad,
            c.t("否", "no"),
            c.t(
                "证据包与当初签署、入库的内容不一致，或不能证明一致。缺陷逐条列在下面；指标因此不予计算。",
                "The bundle is not what was signed and logged, or cannot be shown to be. The \
                 defects are listed below; figures are therefore withheld.",
            ),
        );
        v.ask = r.defects.first().map_or_else(String::new, |d| c.t(d.ask_zh, d.ask_en).to_owned());
    }
    let checked = number::count(r.authentic.entries_checked);
    v.details.push(match c.lang {
        Lang::Zh => format!("逐条核对 {checked} 条记录的签名、密钥、次序与内容"),
        Lang::En => format!("{checked} records checked for signature, key, order and content"),
    });
    v
}

fn time(c: Context<'_>) -> Verdict {
    let t = &c.report.time;
    let mut v = verdict(
        c.t("时间依据", "Time evidence"),
        c.t("谁能证明记录是在那个时间产生的？", "Who can attest when the records were made?"),
    );
    match t.grade {
        TimeGrade::Witnessed { signed, of } => {
            say(
                &mut v,
                Level::Good,
                &format!("{} {signed}/{of}", c.t("独立见证", "witnesses")),
                c.t(
                    "与运营方无关的见证方在当时联署了日志，事后补造或倒填日期会与他们的签名矛盾。",
                    "Witnesses independent of the operator cosigned the log at the time; records \
                     made or back-dated later would contradict their signatures.",
                ),
            );
        }
        TimeGrade::OperatorOnly => {
            say(
                &mut v,
                Level::Caution,
                c.t("仅运营方", "operator only"),
                c.t(
                    "入库时间只由网关运营方自己证明，没有独立见证方。若运营方参与作假，时间可能不实。",
                    "The gateway's operator alone attests the time, without independent \
                     witnesses. If the operator took part in a fraud, times could be false.",
                ),
            );
        }
        TimeGrade::None => {
            say(
                &mut v,
                Level::Bad,
                c.t("无", "none"),
                c.t(
                    "没有任何一方证明时间；记录中的时间只是采集端自己的说法。",
                    "Nobody attests the time; the times in the records are the agents' own claims.",
                ),
            );
            c.t(
                "请运营方导出带时间联署的检查点。",
                "ask the operator for a checkpoint that somebody cosigned with a time.",
            )
            .clone_into(&mut v.ask);
        }
    }
    time_details(c, &mut v);
    v
}

fn time_details(c: Context<'_>, v: &mut Verdict) {
    let t = &c.report.time;
    if let Some(newest) = t.newest {
        let at = moment::at(newest, c.offset_min);
        v.details.push(format!("{} {at}", c.t("最近一次联署", "newest cosignature")));
    }
    if t.late_windows > 0 {
        let n = number::count(t.late_windows);
        v.level = v.level.max(Level::Caution);
        v.details.push(match c.lang {
            Lang::Zh => format!("{n} 个窗口上传过迟，不计入指标"),
            Lang::En => format!("{n} windows came too late and do not count"),
        });
    }
    if t.unattested_windows > 0 {
        let n = number::count(t.unattested_windows);
        v.details.push(match c.lang {
            Lang::Zh => format!("{n} 个窗口尚无联署覆盖"),
            Lang::En => format!("{n} windows are not yet covered by a cosignature"),
        });
    }
}

fn complete(c: Context<'_>) -> Verdict {
    let complete = &c.report.complete;
    let mut v = verdict(
        c.t("完整", "Complete"),
        c.t(
            "名册中每台设备、评估期内每个时段是否都有记录？",
            "Is there a record for every machine of the roster and every moment of the period?",
        ),
    );
    let (level, answer, sentence) = match complete.verdict {
        CompleteAnswer::Yes => (
            Level::Good,
            c.t("是", "yes"),
            c.t(
                "没有缺失：每个时段要么有签名的测量，要么有签名的停机声明。",
                "Nothing is missing: every moment has either a signed measurement or a signed \
                 statement that the agent was off.",
            ),
        ),
        CompleteAnswer::TailUnseen => (
            Level::Caution,
            c.t("末尾不明", "tail unseen"),
            c.t(
                "到最后一条记录为止没有缺失。信任文件没有写明评估期，因此看不出末尾是否被截去。",
                "Nothing is missing up to the last record. The trust file names no period, so \
                 that a cut tail cannot be seen.",
            ),
        ),
        CompleteAnswer::No => (
            Level::Bad,
            c.t("否", "no"),
            c.t(
                "有设备或时段缺少应有的记录，逐条列在下面。缺失的时间在指标中一律按最不利计算，不\
                 会使指标变好。",
                "Machines or times that should have records lack them; they are listed below. \
                 Missing time counts at its worst in every figure and never improves one.",
            ),
        ),
        CompleteAnswer::Undecided => (
            Level::Note,
            c.t("未判定", "undecided"),
            c.t("证据包不成立，无法判定是否完整。", "The bundle could not be read far enough to decide."),
        ),
    };
    let gone = spoiled::gone_ms(&complete.presence) > 0;
    if complete.verdict == CompleteAnswer::No && !gone {
        let why = spoiled::reasons(c);
        let sentence = match c.lang {
            Lang::Zh => format!("使“完整”为否的是：{why}。不能计入的时间在指标中一律按最不利计算。"),
            Lang::En => {
                format!(
                    "It is spoiled because {why}. Time that does not count is taken at its worst in every figure."
                )
            }
        };
        say(&mut v, level, answer, &sentence);
    } else {
        say(&mut v, level, answer, sentence);
    }
    let ask = match complete.verdict {
        CompleteAnswer::No if !gone => spoiled::ask(c).unwrap_or_default(),
        CompleteAnswer::TailUnseen => c.t(
            "验收方在信任文件中写入 period 后重新核验。",
            "put the period into your trust file and check again.",
        ),
        CompleteAnswer::No => c.t(
            "请企业逐条说明下表所列缺失，并提供采集端留存的原始记录或停电、检修单据。",
            "ask the enterprise to explain each range in the table below, with the agent's stored records or papers \
             on power cuts and repairs.",
        ),
        _ => "",
    };
    ask.clone_into(&mut v.ask);
    v.details = missing::shares(c);
    v
}

fn plausible(c: Context<'_>) -> Verdict {
    let p = &c.report.plausible;
    let mut v = verdict(
        c.t("合理", "Plausible"),
        c.t("数据本身看上去是否像真实生产？", "Do the data look like real production?"),
    );
    let n = u64::try_from(p.findings.len()).unwrap_or(u64::MAX) + p.omitted.values().sum::<u64>();
    if c.report.authentic.verdict == Answer::No {
        say(
            &mut v,
            Level::Note,
            c.t("未检查", "not checked"),
            c.t("证据不成立，故不评判数据。", "The evidence does not hold, so its data are not judged."),
        );
    } else if n == 0 {
        say(
            &mut v,
            Level::Good,
            c.t("未见异常", "nothing found"),
            c.t(
                "所查规则没有发现异常。签名不能证明传感器装得对，现场核查仍不可少。",
                "The rules that were applied found nothing. No signature proves that a sensor is \
                 mounted right: a site visit is still needed.",
            ),
        );
    } else {
        say(
            &mut v,
            Level::Caution,
            &match c.lang {
                Lang::Zh => format!("{} 处可疑", number::count(n)),
                Lang::En => format!("{} findings", number::count(n)),
            },
            c.t(
                "有些数据不像正常生产。可疑不等于作假，但核定之前应当问清。",
                "Some data do not look like ordinary production. That is not proof of fraud, but \
                 should be cleared up first.",
            ),
        );
        c.t("请企业解释“可疑之处”所列各项。", "ask the enterprise to explain each item under “Findings”.")
            .clone_into(&mut v.ask);
    }
    v.details.push(format!("{} {}", c.t("阈值版本", "thresholds"), p.thresholds));
    v
}

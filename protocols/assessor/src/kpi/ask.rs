//! From what is asked to the answer: which machines, which periods, cut how, out of which source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use evidence::hash::sha256;
use kpi::calendar::{HolidayYear, Planning, Version};
use kpi::compare::{Aim, compare, judge};
use kpi::{Calendar, Cuts, Leaf, Period};
use report::Lang;
use verify::{Asking, Verified};

use super::answer::{Answer, ComparedReport, Note, PartTable, Periods, SCHEMA, SourceReport, TargetReport};
use super::book::{self, STEP_S};
use super::books::{self, Books, BundleBooks, MachineName};
use super::factors;
use super::problem::{Place, Problem, Problems, Words};
use super::record::{self, Records};
use super::sheet;
use super::target::{self, Asked};
use super::value::{self, OwnWords};
use crate::bundle::{CheckError, read_trust};
use crate::exit::Exit;

/// How a period is cut into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Local days.
    Day,
    /// Planned shifts.
    Shift,
    /// Local months.
    Month,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A bundle, or a table of states and registers.
    pub file: PathBuf,
    /// The assessor's trust file; it makes the file a bundle.
    pub trust: Option<PathBuf>,
    /// Sheet of a workbook.
    pub sheet: Option<String>,
    /// Offset of moments that carry none, minutes east of UTC.
    pub offset_min: Option<i32>,
    /// Words of a machine's own for states.
    pub states: OwnWords,
    /// First moment, as written.
    pub from: Option<String>,
    /// The moment after the last, as written.
    pub to: Option<String>,
    /// Machine ids; all when empty.
    pub machines: Vec<String>,
    /// Lines; all when empty.
    pub lines: Vec<String>,
    /// Parts.
    pub by: Option<By>,
    /// Versions of the plan of shifts, maintenance and orders, for a file.
    pub calendar: Vec<PathBuf>,
    /// Dated holiday data, for the calendar.
    pub holidays: Vec<PathBuf>,
    /// The period before a change, as written.
    pub before: Option<String>,
    /// The period after it, as written.
    pub after: Option<String>,
    /// Factor files.
    pub factors: Vec<PathBuf>,
    /// Which value of electricity 综合能耗 is computed with.
    pub coal: Option<kpi::energy::CoalBasis>,
    /// Scope of the grid whose CO2 is counted.
    pub grid: Option<String>,
    /// Targets, as written.
    pub targets: Vec<String>,
    /// Language of mistakes.
    pub lang: Lang,
}

/// The question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// A file cannot be read.
    #[error("cannot read {}: check its name and rights", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A table has mistakes.
    #[error("{0}")]
    Table(Problems),
    /// A bundle could not be verified.
    #[error(transparent)]
    Bundle(#[from] CheckError),
    /// The bundle is not authentic, so that there are no figures.
    #[error("{}", lang.t(
        "证据包不真实，没有指标；原因见 plumbline-verify bundle",
        "the bundle is not authentic, so that there are no figures; `plumbline-verify bundle` says why",
    ))]
    NotAuthentic {
        /// Language of the answer.
        lang: Lang,
    },
    /// What was asked makes no sense.
    #[error("{0}")]
    Question(String),
}

impl AskError {
    /// Who is to blame.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Read { source, .. } => Exit::of_io(source),
            Self::Table(_) | Self::Question(_) => Exit::Use,
            Self::Bundle(e) => e.exit(),
            Self::NotAuthentic { .. } => Exit::No,
        }
    }
}

/// The answer, and the books it was made from, for pictures.
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// Where it came from.
    pub books: Box<dyn Books>,
}

/// Answers.
pub fn ask(request: &Request) -> Result<Answered, AskError> {
    match &request.trust {
        Some(trust) => of_bundle(request, trust),
        None => of_file(request),
    }
}

impl Request {
    fn question(&self, zh: impl AsRef<str>, en: impl AsRef<str>) -> AskError {
        AskError::Question(self.lang.t(zh.as_ref(), en.as_ref()).to_owned())
    }

    /// `A..B`, or both ends given apart.
    fn period(&self, from: &str, to: &str, offset_min: i32) -> Result<Period, AskError> {
        let at = |text: &str| {
            let moment = value::moment(text.trim())
                .map_err(|w| AskError::Question(w.in_lang(self.lang).to_owned()))?;
            let ms = moment.utc_ms(moment.offset_min.unwrap_or(offset_min));
            if ms % 1000 == 0 {
                return Ok(ms / 1000);
            }
            Err(self.question(format!("“{text}”不是整秒"), format!("{text:?} is no whole second")))
        };
        let period = Period { from: at(from)?, to: at(to)? };
        if period.from < period.to {
            return Ok(period);
        }
        Err(self.question(format!("{from} 到 {to} 不是时段"), format!("{from} to {to} is no period")))
    }

    fn range(&self, text: &str, offset_min: i32) -> Result<Period, AskError> {
        let (from, to) = text.split_once("..").ok_or_else(|| {
            self.question(
                format!("“{text}”应写作 2026-03-01..2026-04-01（止于其前一刻）"),
                format!("write {text:?} as 2026-03-01..2026-04-01; the end is not included"),
            )
        })?;
        self.period(from, to, offset_min)
    }

    /// The period asked for inside what there is.
    fn main(&self, extent: Period, offset_min: i32) -> Result<Period, AskError> {
        let text = |t: i64| report::moment::at(t, offset_min);
        let from = self.from.clone().unwrap_or_else(|| text(extent.from));
        let to = self.to.clone().unwrap_or_else(|| text(extent.to));
        self.period(&from, &to, offset_min)
    }

    /// The two periods of a comparison.
    fn pair(&self, offset_min: i32) -> Result<Option<(Period, Period)>, AskError> {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                Ok(Some((self.range(before, offset_min)?, self.range(after, offset_min)?)))
            }
            _ => Ok(None),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AskError> {
    std::fs::read(path).map_err(|source| AskError::Read { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, AskError> {
    std::fs::read_to_string(path).map_err(|source| AskError::Read { path: path.to_owned(), source })
}

fn of_bundle(request: &Request, trust: &Path) -> Result<Answered, AskError> {
    if !request.calendar.is_empty() || !request.holidays.is_empty() {
        return Err(request.question(
            "证据包的日历以签名的计划为准，不接受 --calendar 与 --holidays",
            "a bundle's calendar is the signed one; --calendar and --holidays are for files",
        ));
    }
    let anchors = read_trust(trust)?;
    let walk = |asking: &Asking| {
        let file = std::fs::File::open(&request.file)
            .map_err(|source| AskError::Read { path: request.file.clone(), source })?;
        verify::verify_bundle_asking(std::io::BufReader::new(file), &anchors, asking, &mut |_| ())
            .map_err(|source| AskError::Bundle(CheckError::Verify { path: request.file.clone(), source }))
    };
    // The project's zone and plan are known only behind the first walk; the periods they cut are asked in a second.
    let (_, first) = walk(&Asking::default())?;
    let refused = || AskError::NotAuthentic { lang: request.lang };
    let first = first.ok_or_else(refused)?;
    let offset_min = first.utc_offset_min();
    let main = request.main(first.extent(), offset_min)?;
    let pair = request.pair(offset_min)?;
    let periods = boundaries(request, &first, main, pair)?;
    drop(first);
    let (report, ledger) = walk(&Asking { periods })?;
    let ledger = ledger.ok_or_else(refused)?;
    let source = SourceReport::Bundle {
        name: request.file.display().to_string(),
        note: report.log.as_ref().map_or_else(String::new, |l| l.note.clone()),
        verified: report.authentic.verdict == verify::report::Answer::Yes,
        complete: report.complete.verdict,
        demonstration: report.demonstration,
    };
    let mut notes = Vec::new();
    if ledger.is_retroactive() {
        notes.push(note(&changed_later()));
    }
    let timeline = report.figures.as_ref().map(|f| f.timeline.clone()).unwrap_or_default();
    let books: Box<dyn Books> = Box::new(BundleBooks { ledger, timeline });
    finish(request, source, books, main, pair, notes)
}

/// Every period that will be asked, so that its ends are cuts.
fn boundaries(
    request: &Request,
    ledger: &Verified<verify::Ledger>,
    main: Period,
    pair: Option<(Period, Period)>,
) -> Result<Vec<Period>, AskError> {
    let mut periods = vec![main];
    periods.extend(pair.into_iter().flat_map(|(a, b)| [a, b]));
    if request.by == Some(By::Shift) {
        let shifts = ledger.machines().filter_map(|m| ledger.calendar(m.id)).flat_map(|c| c.shifts(main));
        periods.extend(shifts.map(|run| run.over));
        if periods.len() == 1 {
            return Err(no_shifts(request));
        }
    }
    Ok(periods)
}

fn no_shifts(request: &Request) -> AskError {
    request.question(
        "日历中没有班次；文件可用 --calendar 给出计划，证据包须有签名的计划",
        "the calendar has no shifts; give a plan with --calendar for a file; a bundle needs a signed plan",
    )
}

fn of_file(request: &Request) -> Result<Answered, AskError> {
    let bytes = read(&request.file)?;
    let wrong = |all: Vec<Problem>| {
        AskError::Table(Problems { file: request.file.display().to_string(), lang: request.lang, all })
    };
    let one = |words: Words| wrong(vec![Problem { place: Place::File, words }]);
    let sheet = sheet::read(&bytes, &request.file, request.sheet.as_deref()).map_err(|p| wrong(vec![p]))?;
    let records = record::read(&sheet, request.offset_min, &request.states).map_err(wrong)?;
    let offset_min = records.offset_min;
    let extent =
        book::extent(&records).ok_or_else(|| one(Words::new("没有可计的行", "there is no row to count")))?;
    let main = request.main(extent, offset_min)?;
    let pair = request.pair(offset_min)?;
    let (calendars, retroactive) = calendars(request, &records)?;
    let calendar = |id: &str| calendars.get(id).cloned().unwrap_or(Calendar::Always);
    let mut periods = vec![main];
    periods.extend(pair.into_iter().flat_map(|(a, b)| [a, b]));
    if request.by == Some(By::Shift) {
        periods.extend(calendars.values().flat_map(|c| c.shifts(main)).map(|run| run.over));
        if periods.len() == 1 {
            return Err(no_shifts(request));
        }
    }
    let cuts = Cuts::new(STEP_S, offset_min, &periods).map_err(|e| AskError::Question(e.to_string()))?;
    let mut ends: Vec<i64> = periods.iter().flat_map(|p| [p.from, p.to]).collect();
    ends.extend(parts_of(request.by, main, offset_min).iter().flat_map(|(_, p)| [p.from, p.to]));
    let book = book::book(&records, cuts, extent, &calendar, &ends).map_err(wrong)?;
    let source = SourceReport::File {
        name: request.file.display().to_string(),
        sha256: hex::encode(sha256(&bytes)),
        verified: false,
    };
    let mut notes: Vec<Note> = records.notes.iter().map(note).collect();
    notes.push(note(&Words::new(
        "联网率与采集率需要采集端签名的会话与读数记录，文件不能证明，故不列出",
        "connection and acquisition rates need the agent's signed record of sessions and reads, which no file proves; they are left out",
    )));
    if retroactive {
        notes.push(note(&changed_later()));
    }
    if book.has_sums {
        notes.push(note(&Words::new(
            "各行只有状态时长的合计，看不出故障的先后，故不列出 MTBF 与 MTTR",
            "rows with sums of times do not show the order of faults, so that MTBF and MTTR are left out",
        )));
    }
    finish(request, source, Box::new(book), main, pair, notes)
}

fn changed_later() -> Words {
    Words::new(
        "计划在事后修改过；指标按当时有效的计划计算",
        "the plan was changed after the fact; the figures rest on what was planned at the time",
    )
}

fn note(words: &Words) -> Note {
    Note { zh: words.zh.clone(), en: words.en.clone() }
}

/// The calendar of every machine, from the plan if one is given, and whether a version reaches back before it was
/// made: figures then rest on what was planned at the time.
fn calendars(request: &Request, records: &Records) -> Result<(BTreeMap<String, Calendar>, bool), AskError> {
    let ids: Vec<&str> = records.machines.iter().map(|m| m.id.as_str()).collect();
    let Some(path) = request.calendar.first() else {
        return if request.holidays.is_empty() {
            Ok((BTreeMap::new(), false))
        } else {
            Err(request.question("--holidays 须与 --calendar 同用", "--holidays needs --calendar"))
        };
    };
    let versions: Vec<Version> = request.calendar.iter().map(|p| toml_file(p)).collect::<Result<_, _>>()?;
    let holidays: Vec<HolidayYear> =
        request.holidays.iter().map(|p| toml_file(p)).collect::<Result<_, _>>()?;
    let grid = kpi::period::Grid::new(STEP_S, records.offset_min).map_err(|e| in_file(path, &e))?;
    let planning = Planning { grid, machines: &ids, versions: &versions, holidays: &holidays };
    let planned = planning.build().map_err(|e| in_file(path, &e))?;
    let of = |id: &&str| Some(((*id).to_owned(), planned.first_planned.of(id)?.clone()));
    Ok((ids.iter().filter_map(of).collect(), planned.as_changed.is_some()))
}

fn in_file(path: &Path, e: &dyn std::fmt::Display) -> AskError {
    AskError::Question(format!("{}: {}", path.display(), e.to_string().trim_end()))
}

fn toml_file<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, AskError> {
    toml::from_str(&read_text(path)?).map_err(|e| in_file(path, &e))
}

/// The parts of a period that follow from the clock alone: days and months.
fn parts_of(by: Option<By>, main: Period, offset_min: i32) -> Vec<(String, Period)> {
    let name = |t: i64| report::moment::date(t, offset_min);
    let key = |t: i64| match by {
        Some(By::Month) => name(t).chars().take(7).collect(),
        _ => name(t),
    };
    if !matches!(by, Some(By::Day | By::Month)) {
        return Vec::new();
    }
    let offset = i64::from(offset_min) * 60;
    let mut parts: Vec<(String, Period)> = Vec::new();
    let mut from = main.from;
    while from < main.to {
        let midnight = ((from + offset).div_euclid(kpi::period::DAY_S) + 1) * kpi::period::DAY_S - offset;
        let day = Period { from, to: midnight.min(main.to) };
        match parts.last_mut() {
            Some((last, over)) if *last == key(from) => over.to = day.to,
            _ => parts.push((key(from), day)),
        }
        from = day.to;
    }
    parts
}

fn finish(
    request: &Request,
    source: SourceReport,
    books: Box<dyn Books>,
    main: Period,
    pair: Option<(Period, Period)>,
    mut notes: Vec<Note>,
) -> Result<Answered, AskError> {
    let machines = chosen(request, books.as_ref())?;
    let inside = |id: &str| machines.iter().any(|m| m.id == id);
    let table =
        |part: &str, over: Period| PartTable { part: part.to_owned(), table: books.table(over, &inside) };
    let mut tables = vec![table("period", main)];
    let parts = match request.by {
        Some(By::Shift) => books::shifts(books.as_ref(), main, &inside),
        by => parts_of(by, main, books.offset_min()),
    };
    tables.extend(parts.iter().map(|(name, over)| table(name, *over)));
    let comparison = pair.map(|pair| compared(request, books.as_ref(), pair, &inside)).transpose()?;
    let targets = asked_targets(request)?;
    let reached = |asked: &Asked| judged(request, asked, &tables[0], comparison.as_ref());
    let targets = targets.iter().map(reached).collect::<Result<_, _>>()?;
    let energy = energy(request, books.as_ref(), &tables[0], &inside)?;
    if !energy.is_empty() {
        notes.push(note(&factors::caveat()));
    }
    let answer = Answer {
        schema: SCHEMA,
        program: format!("plumbline-verify {}", env!("CARGO_PKG_VERSION")),
        source,
        utc_offset_min: books.offset_min(),
        machines,
        tables,
        energy,
        comparison,
        targets,
        notes,
    };
    Ok(Answered { answer, books })
}

/// 综合能耗 and CO2 by the factors that were given.
fn energy(
    request: &Request,
    books: &dyn Books,
    main: &PartTable,
    inside: &dyn Fn(&str) -> bool,
) -> Result<Vec<kpi::energy::EnergyFigure>, AskError> {
    let mut files = Vec::new();
    for path in &request.factors {
        files.push(factors::file(path, &read_text(path)?).map_err(AskError::Question)?);
    }
    let choice = factors::Choice { files, basis: request.coal, grid_scope: request.grid.clone() };
    let period = main.table.period;
    let amounts = factors::Amounts {
        carriers: books.electricity(period, inside),
        parts: factors::good_parts(&main.table.kpis),
    };
    let grid =
        kpi::period::Grid::new(STEP_S, books.offset_min()).map_err(|e| AskError::Question(e.to_string()))?;
    let mut figures = factors::figures(&choice, &amounts, period, grid).map_err(AskError::Question)?;
    let statements = main.table.kpis.iter().find_map(|k| k.statements.clone());
    for figure in &mut figures {
        figure.statements.clone_from(&statements);
    }
    Ok(figures)
}

/// Every figure in both periods.
fn compared(
    request: &Request,
    books: &dyn Books,
    (before, after): (Period, Period),
    inside: &dyn Fn(&str) -> bool,
) -> Result<Periods, AskError> {
    let (first, second) = (books.table(before, inside), books.table(after, inside));
    let mut rows = Vec::new();
    for (before, after) in first.kpis.into_iter().zip(second.kpis) {
        let comparison =
            compare(&before, &after, None).map_err(|e| request.question(e.to_string(), e.to_string()))?;
        rows.push(ComparedReport { before, after, comparison });
    }
    Ok(Periods { before, after, rows })
}

fn asked_targets(request: &Request) -> Result<Vec<Asked>, AskError> {
    let one = |text: &String| {
        target::parse(text).map_err(|words| AskError::Question(words.in_lang(request.lang).to_owned()))
    };
    request.targets.iter().map(one).collect()
}

/// The verdict on a target: in the period after, where two are compared, else in the period asked for.
fn judged(
    request: &Request,
    asked: &Asked,
    main: &PartTable,
    periods: Option<&Periods>,
) -> Result<TargetReport, AskError> {
    let question = |e: kpi::compare::CompareError| request.question(e.to_string(), e.to_string());
    let missing = || {
        let id = asked.id.definition().text;
        request.question(
            format!("这份资料不能给出指标 {id}，见须知"),
            format!("this source cannot tell the figure {id}"),
        )
    };
    let (value, verdict) = match periods {
        Some(periods) => {
            let row = periods.rows.iter().find(|r| r.after.id == asked.id).ok_or_else(missing)?;
            let comparison = compare(&row.before, &row.after, Some(&asked.target)).map_err(question)?;
            (row.after.value.clone(), comparison.verdict)
        }
        None if asked.target.aim != Aim::Value => {
            return Err(request.question(
                format!("目标“{}”须有 --before 与 --after", asked.text),
                format!("the target {:?} needs --before and --after", asked.text),
            ));
        }
        None => {
            let kpi = main.table.kpis.iter().find(|k| k.id == asked.id).ok_or_else(missing)?;
            (kpi.value.clone(), Some(judge(kpi, &asked.target).map_err(question)?))
        }
    };
    let verdict = verdict.ok_or_else(missing)?;
    Ok(TargetReport { target: asked.text.clone(), id: asked.id, value, verdict })
}

/// The machines asked for. A name that is not there is refused with what is.
fn chosen(request: &Request, books: &dyn Books) -> Result<Vec<MachineName>, AskError> {
    let all = books.machines();
    let list = |f: fn(&MachineName) -> &str| {
        let mut names: Vec<&str> = all.iter().map(f).filter(|n| !n.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let missing = |what: (&str, &str), name: &str, there: String| {
        request.question(
            format!("没有{}“{name}”；有：{there}", what.0),
            format!("there is no {} {name:?}; there are: {there}", what.1),
        )
    };
    if let Some(id) = request.machines.iter().find(|id| !all.iter().any(|m| m.id == **id)) {
        return Err(missing(("设备", "machine"), id, list(|m| &m.id)));
    }
    if let Some(line) = request.lines.iter().find(|line| !all.iter().any(|m| m.line == **line)) {
        return Err(missing(("产线", "line"), line, list(|m| &m.line)));
    }
    let wanted = |m: &MachineName| {
        (request.machines.is_empty() || request.machines.contains(&m.id))
            && (request.lines.is_empty() || request.lines.contains(&m.line))
    };
    let chosen: Vec<MachineName> = all.iter().filter(|m| wanted(m)).cloned().collect();
    if chosen.is_empty() {
        return Err(request.question(
            "没有设备同时符合 --machine 与 --line",
            "no machine is both of --machine and of --line",
        ));
    }
    Ok(chosen)
}

/// `WORD=STATE`.
pub fn own_word(text: &str) -> Result<(String, Leaf), String> {
    let names = || Leaf::ALL.map(|leaf| format!("{} {}", leaf.zh(), leaf.en())).join(", ");
    let wrong = || format!("write it as WORD=STATE, such as 运行=加工; the states are {}", names());
    let (word, state) = text.rsplit_once('=').ok_or_else(wrong)?;
    let leaf = value::named_leaf(state.trim()).ok_or_else(wrong)?;
    if let Some(own) = value::named_leaf(word.trim()).filter(|own| *own != leaf) {
        return Err(format!(
            "{:?} is the name of a state ({}) and cannot stand for another; only words that are no state can be explained",
            word.trim(),
            own.en()
        ));
    }
    Ok((word.trim().to_owned(), leaf))
}

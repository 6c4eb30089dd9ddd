//! The statements of a project in the order of the log: who may say it, whether it follows, what it adds.
//!
//! Long on purpose: it is one walk whose order of checks is its content. A statement that fails a check is told
//! once and, where its content cannot be relied on, adds nothing; what it would have added is then missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidence::Hash;
use evidence::hash::sha256;
use evidence::key::{Kid, PublicKey};
use evidence::payload::{
    Calendar, Close, Event, EventCode, Genesis, KeyAction, KeyChange, Plan, PlanBody, WindowBatch,
};
use evidence::statement::{Header, Payload, Statement};
use kpi::chain::CounterBreak;
use kpi::leaf::LEAVES;
use kpi::period::LONGEST_PERIOD_S;
use kpi::totals::Hole;
use kpi::{Calendars, Cuts, MachineKind, MachineWindow, Period};

use crate::approval::Approvals;
use crate::attest::Attest;
use crate::calendar::Versions;
use crate::checked::Outcome;
use crate::code::DefectCode;
use crate::defects::Defects;
use crate::finding::FindingCode;
use crate::keys::KeyRing;
use crate::ledger::{AskError, Asking, Counted};
use crate::machine::{Given, MachineState, Shared};
use crate::plausible::{ClockReading, Found, Watch};
use crate::presence::How;
use crate::report::{Defect, PlanReport};
use crate::roster::{Roster, cuts};
use crate::rows::{RowDefect, Rows, counter_break, is_sound};
use crate::stream::{Placed, Stream};
use crate::timeline::Gatherer;
use crate::trust::Trust;

/// Statements of a stream that the registrar later disowned: those behind the last accepted one and before the
/// statement that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cutoff {
    pub(crate) kid: Kid,
    /// The last accepted statement; `None` when none was.
    pub(crate) last: Option<(u64, Hash)>,
    /// Index of the statement that disowns.
    pub(crate) at: u64,
}

impl Cutoff {
    fn disowns(&self, kid: &Kid, seq: u64, leaf: &Hash, index: u64) -> bool {
        let behind = self.last.is_none_or(|(last, own)| seq > last || (seq == last && *leaf != own));
        self.kid == *kid && index < self.at && behind
    }
}

/// A named period with the running hash of the statements behind it.
#[derive(Clone, Debug)]
pub(crate) struct Behind {
    pub(crate) name: String,
    pub(crate) period: Option<Period>,
    pub(crate) hash: Hash,
}

/// Limits of time that statements are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_lag_s: u32,
    pub(crate) tolerance_s: u32,
}

/// How statements stand in time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lags {
    pub(crate) longest_s: Option<i64>,
    pub(crate) late: u64,
    pub(crate) unattested: u64,
    pub(crate) lower_bounds: u64,
}

/// The walk.
pub(crate) struct Project {
    pub(crate) genesis: Box<Genesis>,
    pub(crate) signed_at: i64,
    pub(crate) registrar: String,
    pub(crate) roster: Roster,
    pub(crate) ring: KeyRing,
    pub(crate) approvals: Approvals,
    pub(crate) cuts: Cuts,
    pub(crate) machines: Vec<MachineState>,
    pub(crate) timeline: Gatherer,
    pub(crate) watch: Watch,
    pub(crate) behind: Vec<Behind>,
    pub(crate) lags: Lags,
    pub(crate) plans: Vec<PlanReport>,
    pub(crate) limits: Limits,
    pub(crate) asked: Option<Period>,
    pub(crate) counted: Counted,
    keeps_counted: bool,
    versions: Versions,
    /// The calendars as changed, if a retroactive plan made others than those first planned.
    pub(crate) as_changed: Option<Calendars>,
    /// The calendars were given, and plans leave them as they are.
    calendars_given: bool,
    /// End of the latest window that was logged so far, UTC s.
    reached: i64,
    streams: BTreeMap<Kid, Stream>,
    cutoffs: BTreeSet<Cutoff>,
    disowned: Option<Cutoff>,
}

/// What a statement carries besides itself while it is judged.
struct At<'a> {
    index: u64,
    leaf: Hash,
    header: &'a Header,
    seq: u64,
}

impl At<'_> {
    fn defect(&self, detail: impl Into<String>) -> Defect {
        Defect {
            entry: Some(self.index),
            kid: Some(self.header.kid.to_string()),
            seq: Some(self.seq),
            subject: Some(self.header.id.clone()),
            detail: detail.into(),
            ..Defect::default()
        }
    }

    fn over(&self, period: Period, detail: impl Into<String>) -> Defect {
        Defect { period: Some(period), ..self.defect(detail) }
    }
}

impl Project {
    /// From a genesis whose signature and content were checked.
    pub(crate) fn new(
        genesis: Box<Genesis>,
        header: &Header,
        leaf: Hash,
        trust: &Trust,
        cutoffs: BTreeSet<Cutoff>,
    ) -> Result<Self, kpi::period::CutError> {
        let asked = trust.period;
        let cuts = cuts(&genesis, asked.as_slice())?;
        let roster = Roster::new(&genesis);
        let machines = roster.machines().iter().map(|m| MachineState::new(m, asked)).collect::<Vec<_>>();
        let rated = roster.machines().iter().map(|m| m.entry.rated_w);
        let (watch, mut streams) = (Watch::new(rated), BTreeMap::<Kid, Stream>::new());
        streams.entry(header.kid).or_default().place(evidence::payload::Place::default(), &leaf);
        let mut ring = KeyRing::new(&genesis);
        ring.count(&header.kid);
        let limits = Limits {
            max_lag_s: trust.max_lag_s.unwrap_or(genesis.max_lag_s),
            tolerance_s: genesis.clock_tolerance_s,
        };
        Ok(Self {
            signed_at: header.iat,
            registrar: header.id.clone(),
            approvals: Approvals::new(genesis.definitions.clone(), &roster),
            timeline: Gatherer::new(cuts.step_s(), machines.len()),
            behind: behind(&genesis, asked),
            versions: Versions::new(&genesis, cuts.grid()),
            lags: Lags::default(),
            plans: Vec::new(),
            ring,
            roster,
            cuts,
            machines,
            watch,
            limits,
            asked,
            counted: Counted::default(),
            keeps_counted: false,
            as_changed: None,
            calendars_given: false,
            reached: i64::MIN,
            streams,
            cutoffs,
            disowned: None,
            genesis,
        })
    }

    /// The same by the calendars of its genesis until a plan changes them, or by other calendars from first to last.
    pub(crate) fn planned(mut self, given: Option<&Calendars>) -> Self {
        self.calendars_given = given.is_some();
        match (given, self.versions.calendars()) {
            (Some(given), _) => self.follow(given),
            (None, Ok(planned)) => self.follow(&planned.first_planned),
            // The genesis was checked; without calendars its machines keep the one that asks for nothing.
            (None, Err(_)) => {}
        }
        self
    }

    fn follow(&mut self, calendars: &Calendars) {
        for (own, state) in self.roster.machines().iter().zip(&mut self.machines) {
            if let Some(calendar) = calendars.of(&own.entry.id) {
                state.calendar = calendar.clone();
            }
        }
    }

    /// Puts a planned calendar in force. What was logged before the plan keeps the slots it had: a plan counts from
    /// the end of the latest window that was there before it. Why it cannot be used, if so.
    fn calendar(&mut self, at: &At<'_>, calendar: &Calendar, effective_from: i64) -> Option<String> {
        let known_s = at.header.iat.max(self.reached);
        match self.versions.add(calendar, effective_from, known_s, at.index) {
            Ok(_) if self.calendars_given => None,
            Ok(planned) => {
                self.follow(&planned.first_planned);
                self.as_changed = planned.as_changed;
                None
            }
            Err(e) => Some(e.to_string()),
        }
    }

    /// The same, ready to answer for further periods. Asked before the first entry behind the genesis.
    pub(crate) fn asked(mut self, asking: &Asking) -> Result<Self, AskError> {
        let mut periods = asking.periods.clone();
        periods.extend(self.asked);
        self.cuts = cuts(&self.genesis, &periods).map_err(AskError)?;
        self.keeps_counted = true;
        Ok(self)
    }

    /// The next entry behind the genesis. A cutoff is given back when the entry disowns statements that were
    /// already counted: the walk must then be repeated with it.
    pub(crate) fn entry(
        &mut self,
        index: u64,
        leaf: Hash,
        outcome: Outcome,
        attest: &Attest,
        defects: &mut Defects,
    ) -> Option<Cutoff> {
        let outcome = match outcome {
            // Enrolled since the entry was checked by itself?
            Outcome::Unknown(unverified) => match self.ring.find(&unverified.header.kid) {
                Some(enrolled) => Outcome::of(*unverified, &enrolled.key),
                None => Outcome::Unknown(unverified),
            },
            other => other,
        };
        match outcome {
            Outcome::Coding(e) => defects.entry(DefectCode::EntryCoding, index, e.to_string()),
            Outcome::Unknown(unverified) => {
                let at = At { index, leaf, header: &unverified.header, seq: unverified.payload.seq() };
                let defect = at.defect(format!("no enrolled key has the thumbprint {}", at.header.kid));
                defects.add(DefectCode::KeyUnenrolled, defect);
            }
            Outcome::Forged(header, place) => {
                let at = At { index, leaf, header: &header, seq: place.seq };
                defects.add(DefectCode::EntrySignature, at.defect("the signature does not verify"));
                // Its place is taken, so that its successors are judged by themselves.
                self.streams.entry(header.kid).or_default().place(place, &leaf);
            }
            Outcome::Signed(statement, rows) => {
                self.statement(index, leaf, &statement, rows, attest, defects);
            }
        }
        self.disowned.take()
    }

    fn statement(
        &mut self,
        index: u64,
        leaf: Hash,
        statement: &Statement,
        rows: Option<Result<Rows, RowDefect>>,
        attest: &Attest,
        defects: &mut Defects,
    ) {
        let place = statement.payload().place();
        let at = At { index, leaf, header: statement.header(), seq: place.seq };
        if at.header.project != self.genesis.project {
            let detail = format!("belongs to project {:?}", at.header.project);
            defects.add(DefectCode::EntryProject, at.defect(detail));
            return;
        }
        if let Payload::Genesis(_) = statement.payload() {
            defects.add(DefectCode::GenesisSecond, at.defect("a genesis behind entry 0"));
            return;
        }
        if let Err((code, detail)) = self.ring.check(at.header, index) {
            defects.add(code, at.defect(detail));
            return;
        }
        self.ring.count(&at.header.kid);
        let stream = self.streams.entry(at.header.kid).or_default();
        if stream.frozen {
            defects.add(DefectCode::StreamFrozen, at.defect("the stream was frozen"));
            return;
        }
        match stream.place(place, &leaf) {
            Placed::Next => {}
            Placed::Wrong(code, detail) => defects.add(code, at.defect(detail)),
            Placed::Again(code, detail) => {
                defects.add(code, at.defect(detail));
                return;
            }
        }
        if stream.closed {
            defects.add(DefectCode::StreamClosed, at.defect("the stream was closed"));
            return;
        }
        if self.cutoffs.iter().any(|c| c.disowns(&at.header.kid, at.seq, &leaf, index)) {
            return;
        }
        match statement.payload() {
            Payload::Window(batch) => self.windows(&at, batch, rows, attest, defects),
            Payload::Event(batch) => self.events(&at, &batch.events, attest, defects),
            Payload::Key(change) => self.key(&at, change, defects),
            Payload::Plan(plan) => self.plan(&at, plan),
            Payload::Close(close) => self.close(&at, close, defects),
            // These change no figure yet; what they say is in the log for whoever asks.
            Payload::Declaration(_)
            | Payload::Annotation(_)
            | Payload::Audit(_)
            | Payload::Report(_)
            | Payload::Genesis(_) => {}
        }
    }

    fn windows(
        &mut self,
        at: &At<'_>,
        batch: &WindowBatch,
        rows: Option<Result<Rows, RowDefect>>,
        attest: &Attest,
        defects: &mut Defects,
    ) {
        let over = Period { from: batch.t0, to: batch.end() };
        if batch.step != self.genesis.step_s || batch.n > self.genesis.windows_per_statement {
            let (step, most) = (self.genesis.step_s, self.genesis.windows_per_statement);
            let detail = format!("{} windows of {} s, allowed are {most} of {step} s", batch.n, batch.step);
            defects.add(DefectCode::WindowGrid, at.over(over, detail));
            return;
        }
        if !self.plausible_dates(over) {
            let early = over.from < self.signed_at;
            let code = if early { DefectCode::WindowBeforeGenesis } else { DefectCode::WindowGrid };
            defects.add(code, at.over(over, format!("the genesis was signed at {}", self.signed_at)));
            return;
        }
        self.reached = self.reached.max(over.to);
        self.holes(at, &batch.events, (over.from, true), attest, defects);
        self.tile(at, over, defects);
        self.seen(at, batch, attest, defects);
        self.clock(at, batch);
        match rows {
            Some(Ok(rows)) => self.rows(at, batch, &rows, attest, defects),
            Some(Err(defect @ RowDefect::Window { defect: kpi::WindowDefect::StateSum { .. }, .. })) => {
                defects.add(DefectCode::WindowStates, at.over(over, defect.to_string()));
            }
            Some(Err(defect)) => {
                defects.add(DefectCode::WindowColumn, at.over(over, defect.to_string()));
            }
            None => {}
        }
        self.holes(at, &batch.events, (over.from, false), attest, defects);
    }

    /// Whether a stretch lies between the genesis and the end of any project. What does not is not added, so that
    /// a forged date cannot make totals of a million days.
    fn plausible_dates(&self, over: Period) -> bool {
        let earliest = self.signed_at.saturating_sub(self.limits.tolerance_s.into());
        let latest = self.signed_at.saturating_add(LONGEST_PERIOD_S / 2);
        over.from.saturating_add(self.cuts.step_s()) > earliest && over.to <= latest && over.from < over.to
    }

    /// The signed stretches without windows, those that begin before `t` or those that do not.
    fn holes(
        &mut self,
        at: &At<'_>,
        events: &[Event],
        (t, before): (i64, bool),
        attest: &Attest,
        defects: &mut Defects,
    ) {
        for event in events {
            let Some((from_ms, to_ms)) = event.interval() else { continue };
            let over = Period { from: from_ms.div_euclid(1000), to: to_ms.div_euclid(1000) };
            if (over.from < t) != before {
                continue;
            }
            let step_ms = self.cuts.step_s() * 1000;
            let on_grid = from_ms.rem_euclid(step_ms) == 0 && to_ms.rem_euclid(step_ms) == 0;
            if !on_grid || !self.plausible_dates(over) {
                let detail =
                    format!("{:?} from {from_ms} to {to_ms} ms: no windows can lie there", event.code);
                defects.add(DefectCode::EventContent, at.over(over, detail));
                continue;
            }
            if let Some(logged) = attest.upper(at.index).filter(|logged| self.is_premature(*logged, over.to))
            {
                let detail = format!("{:?} was logged at {logged} already", event.code);
                defects.add(DefectCode::TimePremature, at.over(over, detail));
            }
            self.tile(at, over, defects);
            let hole = if event.code == EventCode::Loss { Hole::Loss } else { Hole::Down };
            let concerned = match event.machine {
                Some(machine) => vec![machine],
                None => self.roster.of_agent(&at.header.id).to_vec(),
            };
            for machine in concerned {
                let Some(place) = self.own(at, machine) else {
                    let detail = format!("{:?} of machine {machine}, which is not this agent's", event.code);
                    defects.add(DefectCode::EventContent, at.over(over, detail));
                    continue;
                };
                let (state, mut shared) = self.parts(place);
                if let Err(reach) = state.hole(place, hole, over, &mut shared) {
                    let detail = format!("machine {machine} is signed up to {reach} already");
                    defects.add(DefectCode::WindowOverlap, at.over(over, detail));
                }
            }
        }
    }

    fn tile(&mut self, at: &At<'_>, over: Period, defects: &mut Defects) {
        let stream = self.streams.entry(at.header.kid).or_default();
        if let Err((code, period)) = stream.tile(over) {
            let detail = match code {
                DefectCode::WindowHole => "neither windows nor down time are signed here",
                _ => "this time was signed before",
            };
            defects.add(code, at.over(period, detail));
        }
    }

    fn seen(&mut self, at: &At<'_>, batch: &WindowBatch, attest: &Attest, defects: &mut Defects) {
        let Some(checkpoint) = &batch.checkpoint else { return };
        match attest.seen(at.index, checkpoint) {
            Ok(bounded) => self.lags.lower_bounds += u64::from(bounded),
            Err((code, detail)) => defects.add(code, at.defect(detail)),
        }
    }

    fn clock(&mut self, at: &At<'_>, batch: &WindowBatch) {
        let explained = batch
            .events
            .iter()
            .any(|e| matches!(e.code, EventCode::Boot | EventCode::ClockStep | EventCode::Down));
        let reading = ClockReading {
            boot: batch.boot_epoch,
            end: batch.end(),
            mono_ms: batch.clock.mono_ms,
            explained,
            step_s: batch.step.into(),
        };
        let stream = self.streams.entry(at.header.kid).or_default();
        self.watch.clock(&at.header.id, &mut stream.clock, reading);
    }

    fn rows(
        &mut self,
        at: &At<'_>,
        batch: &WindowBatch,
        rows: &Rows,
        attest: &Attest,
        defects: &mut Defects,
    ) {
        let over = Period { from: batch.t0, to: batch.end() };
        self.machines_listed(at, batch, defects);
        let agent = &at.header.id;
        let approved = self.approvals.holds(agent, &self.roster, &batch.definitions, batch.t0);
        if !approved {
            let detail = "the definitions hash is none that the registrar approved for this agent";
            defects.add(DefectCode::DefinitionsHash, at.over(over, detail));
        }
        let opening = self.open(at, rows.energy_unit_mwh);
        // A batch without an energy column can still say that a meter was exchanged, in the stream's unit.
        let unit_mwh = self.streams.get(&at.header.kid).map_or(0, |s| s.energy_unit_mwh);
        let unit_mwh = if rows.energy_unit_mwh == 0 { unit_mwh } else { rows.energy_unit_mwh };
        let breaks = self.breaks(at, batch, unit_mwh, defects);
        let hows = self.judge(at, batch, approved, attest, defects);
        if self.keeps_counted && hows.contains(&How::Present) {
            self.counted.push(over, at.leaf);
        }
        for behind in &mut self.behind {
            let inside = behind.period.is_none_or(|period| period.overlap(over).is_some());
            if inside && hows.contains(&How::Present) {
                behind.hash = sha256(&[behind.hash, at.leaf].concat());
            }
        }
        for (position, &machine) in batch.machines.iter().enumerate() {
            let Some(place) = self.own(at, machine) else { continue };
            let windows = rows.windows.chunks_exact(hows.len()).nth(position).unwrap_or(&[]);
            if !self.states_fit(place, windows) {
                let detail = format!("machine {machine}: the roster says otherwise of whether it has states");
                defects.add(DefectCode::WindowStates, at.over(over, detail));
                continue;
            }
            for (w, ((window, &how), t)) in
                windows.iter().zip(&hows).zip((batch.t0..).step_by(batch.step as usize)).enumerate()
            {
                let breaks = breaks.get(&(machine, t)).map_or(&[][..], Vec::as_slice);
                let resolution_mwh = rows.energy_unit_mwh;
                let given = Given { t, window, breaks, how, opening: opening && w == 0, resolution_mwh };
                let (state, mut shared) = self.parts(place);
                if let Err(reach) = state.window(place, &given, &mut shared) {
                    let detail = format!("machine {machine} is signed up to {reach} already");
                    defects.add(DefectCode::WindowOverlap, at.over(over, detail));
                    break;
                }
            }
        }
    }

    /// A machine has states in every window and a meter in none.
    fn states_fit(&self, place: usize, windows: &[MachineWindow]) -> bool {
        let meter = self.roster.machines()[place].kind == MachineKind::Meter;
        windows.iter().all(|w| (w.states_ms == [0; LEAVES]) == meter)
    }

    /// The batch lists exactly the machines that the roster gives to its agent.
    fn machines_listed(&self, at: &At<'_>, batch: &WindowBatch, defects: &mut Defects) {
        let over = Period { from: batch.t0, to: batch.end() };
        let own = self.roster.of_agent(&at.header.id);
        for machine in batch.machines.iter().filter(|m| !own.contains(m)) {
            let detail = format!("machine {machine} is not this agent's");
            defects.add(DefectCode::WindowForeign, at.over(over, detail));
        }
        for machine in own.iter().filter(|m| !batch.machines.contains(m)) {
            let detail = format!("machine {machine} is not in the batch");
            defects.add(DefectCode::WindowMachineLeftOut, at.over(over, detail));
        }
    }

    /// Whether this is the first window statement of its stream.
    fn open(&mut self, at: &At<'_>, energy_unit_mwh: u64) -> bool {
        let stream = self.streams.entry(at.header.kid).or_default();
        stream.energy_unit_mwh = energy_unit_mwh.max(stream.energy_unit_mwh);
        !std::mem::replace(&mut stream.opened, true)
    }

    /// Counter events by machine and window. Those that fall into no window of the batch spoil the machine's
    /// next difference, because nothing else can account for them.
    fn breaks(
        &mut self,
        at: &At<'_>,
        batch: &WindowBatch,
        energy_unit_mwh: u64,
        defects: &mut Defects,
    ) -> BTreeMap<(u32, i64), Vec<CounterBreak>> {
        let mut breaks = BTreeMap::<(u32, i64), Vec<CounterBreak>>::new();
        let step_ms = i64::from(batch.step) * 1000;
        for event in &batch.events {
            if !sound(at, event, defects) {
                continue;
            }
            let Some((machine, t_ms, own)) = counter_break(event, energy_unit_mwh) else { continue };
            let t = t_ms.div_euclid(step_ms) * i64::from(batch.step);
            if (batch.t0..batch.end()).contains(&t) {
                breaks.entry((machine, t)).or_default().push(own);
            } else if let Some(place) = self.own(at, machine) {
                self.machines[place].totals.spoil(own.quantity);
            }
        }
        breaks
    }

    /// Whether what ends at `end` was logged before it was over.
    fn is_premature(&self, logged: i64, end: i64) -> bool {
        end.saturating_sub(logged) > i64::from(self.limits.tolerance_s)
    }

    /// How each window of a batch stands: present, late, premature or without an approved mapping.
    fn judge(
        &mut self,
        at: &At<'_>,
        batch: &WindowBatch,
        approved: bool,
        attest: &Attest,
        defects: &mut Defects,
    ) -> Vec<How> {
        let logged = attest.upper(at.index);
        let ends = (1..=i64::from(batch.n)).map(|w| batch.t0 + w * i64::from(batch.step));
        let mut premature: Option<Period> = None;
        let hows = ends.map(|end| {
            let lag = logged.map(|logged| logged - end);
            match lag {
                None => self.lags.unattested += 1,
                Some(lag) => self.lags.longest_s = self.lags.longest_s.max(Some(lag)),
            }
            if logged.is_some_and(|logged| self.is_premature(logged, end)) {
                premature.get_or_insert(Period { from: end - i64::from(batch.step), to: end }).to = end;
                How::Premature
            } else if lag.is_some_and(|lag| lag > i64::from(self.limits.max_lag_s)) {
                self.lags.late += 1;
                How::Late
            } else if approved {
                How::Present
            } else {
                How::Unapproved
            }
        });
        let hows = hows.collect();
        if let (Some(over), Some(logged)) = (premature, logged) {
            let detail = format!("was logged at {logged} already");
            defects.add(DefectCode::TimePremature, at.over(over, detail));
        }
        hows
    }

    /// Events that no window statement carries.
    fn events(&mut self, at: &At<'_>, events: &[Event], attest: &Attest, defects: &mut Defects) {
        self.holes(at, events, (i64::MAX, true), attest, defects);
        let unit = self.streams.get(&at.header.kid).map_or(0, |s| s.energy_unit_mwh);
        for event in events {
            if sound(at, event, defects)
                && let Some((machine, _, own)) = counter_break(event, unit)
                && let Some(place) = self.own(at, machine)
            {
                self.machines[place].totals.spoil(own.quantity);
            }
        }
    }

    fn key(&mut self, at: &At<'_>, change: &KeyChange, defects: &mut Defects) {
        if let Some((kid, last)) = change.subject.zip(change.last_accepted) {
            let known = self.streams.get(&kid).is_some_and(|s| s.is(last.seq, &last.leaf));
            if !known {
                let detail = format!("the last accepted statement {} of {kid} is not in the log", last.seq);
                defects.add(DefectCode::KeyChange, at.defect(detail));
            }
        }
        if let Err(detail) = self.ring.change(change, at.index) {
            defects.add(DefectCode::KeyChange, at.defect(detail));
            return;
        }
        self.disown(at, change);
        if let (KeyAction::HandOver, Some(key)) = (change.action, &change.key) {
            self.hand_over(at, change, &key.id.clone(), defects);
        }
        if let (KeyAction::Unfreeze, Some(kid)) = (change.action, change.subject) {
            let last = change.last_accepted.map(|last| (last.seq, last.leaf));
            self.streams.entry(kid).or_default().unfreeze(last);
            if defects.settle(DefectCode::StreamEquivocation, &kid.to_string()) {
                let id = self.ring.find(&kid).map(|e| e.id.clone()).unwrap_or_default();
                self.watch.note(&id, settled(at.header.iat, at.index));
            }
        }
    }

    /// Statements of the subject behind its last accepted one are not counted, although they were logged before.
    fn disown(&mut self, at: &At<'_>, change: &KeyChange) {
        let Some(kid) = change.subject.filter(|_| change.action != KeyAction::Succession) else { return };
        let last = change.last_accepted.map(|last| (last.seq, last.leaf));
        let stream = self.streams.get(&kid);
        let (next, frozen) = stream.map_or((0, false), |s| (s.next(), s.frozen));
        if next > last.map_or(0, |(seq, _)| seq + 1) || frozen {
            self.disowned = Some(Cutoff { kid, last, at: at.index });
        }
    }

    fn hand_over(&mut self, at: &At<'_>, change: &KeyChange, to: &str, defects: &mut Defects) {
        let from = change.subject.and_then(|kid| self.ring.find(&kid)).map(|e| e.id.clone());
        let machines = match (&change.machines, from) {
            (Some(machines), _) => machines.clone(),
            (None, Some(from)) => self.roster.of_agent(&from).to_vec(),
            (None, None) => Vec::new(),
        };
        if !self.roster.hand_over(&machines, to) {
            defects.add(DefectCode::KeyChange, at.defect("hands over a machine that does not exist"));
        }
        self.approvals.roster_changed();
    }

    fn plan(&mut self, at: &At<'_>, plan: &Plan) {
        let mut refused = None;
        let (subject, applied) = match &plan.body {
            PlanBody::Mapping { machine, hash, .. } => {
                self.approvals.approve(*machine, *hash, plan.effective_from);
                ("mapping", true)
            }
            // These have their place in the log; this version computes no figure from them.
            PlanBody::Calendar(calendar) => {
                refused = self.calendar(at, calendar, plan.effective_from);
                ("calendar", refused.is_none())
            }
            PlanBody::Correction { .. } => ("correction", false),
            PlanBody::Baseline { .. } => ("baseline", false),
            PlanBody::Target { .. } => ("target", false),
            PlanBody::Change { .. } => ("change", false),
        };
        let effective_from = plan.effective_from;
        let (entry, subject) = (at.index, subject.to_owned());
        self.plans.push(PlanReport { entry, subject, effective_from, applied, refused });
    }

    fn close(&mut self, at: &At<'_>, close: &Close, defects: &mut Defects) {
        let kid = close.stream.unwrap_or(at.header.kid);
        let by_registrar = at.header.role == evidence::statement::Role::Registrar;
        if kid != at.header.kid && !by_registrar {
            defects.add(DefectCode::KeyChange, at.defect("closes a stream that is not its own"));
            return;
        }
        self.streams.entry(kid).or_default().closed = true;
    }

    /// Place of a machine, if it is this agent's.
    fn own(&self, at: &At<'_>, machine: u32) -> Option<usize> {
        self.roster.place(machine).filter(|&place| self.roster.machines()[place].entry.agent == at.header.id)
    }

    fn parts(&mut self, place: usize) -> (&mut MachineState, Shared<'_>) {
        let shared = Shared {
            cuts: &self.cuts,
            timeline: &mut self.timeline,
            watch: &mut self.watch,
            asked: self.asked,
            offset_s: i64::from(self.genesis.utc_offset_min) * 60,
        };
        (&mut self.machines[place], shared)
    }

    /// Public keys of everybody, as before unless somebody joined.
    pub(crate) fn public_keys(
        &self,
        before: &Arc<BTreeMap<Kid, PublicKey>>,
    ) -> Arc<BTreeMap<Kid, PublicKey>> {
        if self.ring.len() == before.len() { Arc::clone(before) } else { Arc::new(self.ring.public()) }
    }

    /// Whether a holder ever signed anything.
    pub(crate) fn has_signed(&self, kid: &Kid) -> bool {
        self.streams.get(kid).is_some_and(|s| s.next() > 0)
    }
}

fn behind(genesis: &Genesis, asked: Option<Period>) -> Vec<Behind> {
    let one = |name: &str, period| Behind { name: name.to_owned(), period, hash: [0; 32] };
    let mut all = vec![match asked {
        Some(_) => one("period", asked),
        None => one("extent", None),
    }];
    for named in &genesis.periods {
        let period = Some(Period { from: named.from, to: named.to });
        if period == asked {
            named.name.clone_into(&mut all[0].name);
        } else {
            all.push(one(&named.name, period));
        }
    }
    all
}

/// Whether an event says something that can be; what does not is told.
fn sound(at: &At<'_>, event: &Event, defects: &mut Defects) -> bool {
    let sound = is_sound(event);
    if !sound {
        let detail = format!("{:?} does not name a machine and one counter", event.code);
        defects.add(DefectCode::EventContent, at.defect(detail));
    }
    sound
}

fn settled(iat: i64, index: u64) -> Found {
    Found {
        code: FindingCode::SettledEquivocation,
        other: None,
        period: Period { from: iat, to: iat },
        measured: format!("settled by the registrar at entry {index}"),
        threshold: "none".into(),
    }
}

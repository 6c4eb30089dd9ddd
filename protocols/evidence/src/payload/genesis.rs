//! The first statement of a log: keys, roster, rules. The registrar signs it; entry 0.

use super::{Calendar, Fields, owned, version};
use crate::cbor::{Reader, Writer};
use crate::column::is_known;
use crate::defect::DecodeError;
use crate::hash::{Hash, sha256};
use crate::key::{Alg, PublicKey};
use crate::statement::Role;

/// A key with its holder: `[key, alg, role, id]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterKey {
    /// The key.
    pub key: PublicKey,
    /// What it may sign.
    pub role: Role,
    /// The holder's name in the project.
    pub id: String,
}

impl RosterKey {
    pub(super) fn write(&self, w: &mut Writer) {
        w.array(4).bytes(self.key.bytes()).int(self.key.alg().cose()).text(self.role.text()).text(&self.id);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.tuple(4, "roster key")?;
        let bytes = r.bytes("public key")?;
        let key = read_key(bytes, r.int("key algorithm")?)?;
        let role = r.text("role")?;
        let role = Role::from_text(role)
            .ok_or_else(|| DecodeError::value("role", format!("{role:?} is no role")))?;
        Ok(Self { key, role, id: owned(r, "key holder")? })
    }
}

fn read_key(bytes: &[u8], alg: i64) -> Result<PublicKey, DecodeError> {
    let alg = Alg::from_cose(alg).filter(|a| a.cose() == alg);
    let alg = alg.ok_or_else(|| DecodeError::value("key algorithm", "neither -8 nor -70001"))?;
    PublicKey::new(alg, bytes).map_err(|e| DecodeError::value("public key", e.to_string()))
}

/// What the roster says of a machine besides its name: an array of four booleans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the format's array of four independent booleans")]
pub struct Flags {
    /// Counts towards 关键工序数控化率.
    pub key_operation: bool,
    /// Numerically controlled.
    pub numerically_controlled: bool,
    /// Digital equipment: NC machine, robot, or with a data interface.
    pub digital: bool,
    /// 国产工业母机.
    pub domestic: bool,
}

/// A machine of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Index in windows.
    pub index: u32,
    /// Id.
    pub id: String,
    /// The agent that measures it.
    pub agent: String,
    /// Name.
    pub name: String,
    /// Production line.
    pub line: String,
    /// Columns it reports, ascending.
    pub columns: Vec<u8>,
    /// SHA-256 of its state mapping's text.
    pub mapping: Hash,
    /// Planned time of one piece (PRI), ms.
    pub planned_cycle_ms: Option<u64>,
    /// Flags.
    pub flags: Flags,
    /// Identity text that the controller must show.
    pub identity: Option<String>,
    /// Rated power, W.
    pub rated_w: Option<u64>,
    /// Theoretical time of one piece (理论节拍), ms.
    pub theoretical_cycle_ms: Option<u64>,
}

/// A rule in words or code, by hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Id, such as `mapping/cnc-01`.
    pub id: String,
    /// SHA-256 of the UTF-8 text.
    pub hash: Hash,
    /// The text; empty when it is too long for the genesis and stands in a `plan` statement instead.
    pub text: String,
}

impl Definition {
    /// A definition with the hash of its text.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { id: id.into(), hash: sha256(text.as_bytes()), text }
    }
}

/// A named period, such as baseline or acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Name.
    pub name: String,
    /// UTC seconds.
    pub from: i64,
    /// UTC seconds, not included.
    pub to: i64,
}

/// Payload of the genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Project id.
    pub project: String,
    /// Origin line of the log's checkpoints.
    pub origin: String,
    /// C2SP verifier key of the log.
    pub log_vkey: String,
    /// Key of the receipts.
    pub receipt_key: PublicKey,
    /// Text of the witness policy.
    pub witness_policy: Option<String>,
    /// Enrolled keys, the registrar's among them.
    pub keys: Vec<RosterKey>,
    /// Roster, by index ascending.
    pub machines: Vec<Machine>,
    /// Window length, s.
    pub step_s: u32,
    /// Windows in one statement.
    pub windows_per_statement: u32,
    /// Longest lag that is not late, s.
    pub max_lag_s: u32,
    /// Offset of the project's days from UTC, minutes.
    pub utc_offset_min: i32,
    /// Definitions.
    pub definitions: Vec<Definition>,
    /// Named periods.
    pub periods: Vec<Period>,
    /// Calendar until a plan says otherwise.
    pub calendar: Calendar,
    /// How long raw blocks are kept, days.
    pub raw_retention_days: u32,
    /// A demonstration, not evidence.
    pub demo: bool,
    /// Makes every genesis unique.
    pub nonce: [u8; 16],
    /// C2SP verifier key of the operator's time line.
    pub operator_time_vkey: Option<String>,
    /// How far a window's end may lie behind its own cosignature, s.
    pub clock_tolerance_s: u32,
}

impl Genesis {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(20).uint(1).uint(super::VERSION).uint(2).text(&self.project).uint(3).text(&self.origin);
        w.uint(4).text(&self.log_vkey).uint(5).array(2).bytes(self.receipt_key.bytes());
        w.int(self.receipt_key.alg().cose()).uint(6);
        w.optional(self.witness_policy.as_deref(), |w, s| {
            w.text(s);
        });
        w.uint(7).array(self.keys.len());
        self.keys.iter().for_each(|key| key.write(w));
        w.uint(8).array(self.machines.len());
        self.machines.iter().for_each(|machine| write_machine(w, machine));
        w.uint(9).uint(self.step_s.into()).uint(10).uint(self.windows_per_statement.into());
        w.uint(11).uint(self.max_lag_s.into()).uint(12).int(self.utc_offset_min.into());
        w.uint(13).array(self.definitions.len());
        for d in &self.definitions {
            w.array(3).text(&d.id).bytes(&d.hash).text(&d.text);
        }
        w.uint(14).array(self.periods.len());
        for p in &self.periods {
            w.array(3).text(&p.name).int(p.from).int(p.to);
        }
        w.uint(15);
        self.calendar.write(w);
        w.uint(16)
            .uint(self.raw_retention_days.into())
            .uint(17)
            .boolean(self.demo)
            .uint(18)
            .bytes(&self.nonce);
        w.uint(19);
        w.optional(self.operator_time_vkey.as_deref(), |w, s| {
            w.text(s);
        });
        w.uint(20).uint(self.clock_tolerance_s.into());
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // Twenty required fields in ascending order: read one by one, so that nothing needs a default.
        let at = r.at();
        if r.map("genesis")? != 20 {
            return Err(DecodeError::Unexpected { expected: "a genesis of 20 fields", at });
        }
        let mut next = 0;
        let mut key = |r: &mut Reader<'_>| -> Result<(), DecodeError> {
            next += 1;
            let at = r.at();
            match r.uint("genesis field")? {
                k if k == next => Ok(()),
                k if k + 1 == next => Err(DecodeError::DuplicateKey(at)),
                k if k < next => Err(DecodeError::KeyOrder(at)),
                _ => Err(DecodeError::value("genesis", format!("field {next} is missing"))),
            }
        };
        key(r)?;
        version(r)?;
        key(r)?;
        let project = owned(r, "project")?;
        key(r)?;
        let origin = owned(r, "origin")?;
        key(r)?;
        let log_vkey = owned(r, "log key")?;
        key(r)?;
        r.tuple(2, "receipt key")?;
        let receipt_key = r.bytes("receipt key")?;
        let receipt_key = read_key(receipt_key, r.int("receipt key algorithm")?)?;
        key(r)?;
        let witness_policy = r.optional(|r| owned(r, "witness policy"))?;
        key(r)?;
        let keys = r.list("roster keys", RosterKey::read)?;
        key(r)?;
        let machines = r.list("machines", read_machine)?;
        key(r)?;
        let step_s = r.small::<u32>("step")?;
        if step_s == 0 || step_s > 900 || 3600 % step_s != 0 {
            return Err(DecodeError::value(
                "step",
                format!("{step_s} s does not divide an hour within 1 s to 15 min"),
            ));
        }
        key(r)?;
        let windows_per_statement = r.small("windows per statement")?;
        key(r)?;
        let max_lag_s = r.small("max lag")?;
        key(r)?;
        let offset = r.int("utc offset")?;
        let utc_offset_min = i32::try_from(offset).ok().filter(|o| o.abs() <= 1080);
        let utc_offset_min =
            utc_offset_min.ok_or_else(|| DecodeError::value("utc offset", format!("{offset} minutes")))?;
        key(r)?;
        let definitions = r.list("definitions", read_definition)?;
        key(r)?;
        let periods = r.list("periods", read_period)?;
        key(r)?;
        let calendar = Calendar::read(r)?;
        key(r)?;
        let raw_retention_days = r.small("raw retention")?;
        key(r)?;
        let demo = r.boolean("demo")?;
        key(r)?;
        let nonce = r.fixed("nonce")?;
        key(r)?;
        let operator_time_vkey = r.optional(|r| owned(r, "operator time key"))?;
        key(r)?;
        let clock_tolerance_s = r.small("clock tolerance")?;
        let genesis = Self {
            project,
            origin,
            log_vkey,
            receipt_key,
            witness_policy,
            keys,
            machines,
            step_s,
            windows_per_statement,
            max_lag_s,
            utc_offset_min,
            definitions,
            periods,
            calendar,
            raw_retention_days,
            demo,
            nonce,
            operator_time_vkey,
            clock_tolerance_s,
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// What must not stand in a genesis twice, or be nothing.
    fn check(&self) -> Result<(), DecodeError> {
        if self.machines.windows(2).any(|pair| pair[0].index >= pair[1].index) {
            return Err(DecodeError::value("machines", "not ascending by index"));
        }
        if self.windows_per_statement == 0 {
            return Err(DecodeError::value("windows per statement", "zero"));
        }
        once("roster keys", self.keys.iter().map(|k| k.key.kid()))?;
        once("machine id", self.machines.iter().map(|m| m.id.as_str()))?;
        once("definition id", self.definitions.iter().map(|d| d.id.as_str()))?;
        once("period", self.periods.iter().map(|p| p.name.as_str()))
    }
}

/// Nothing twice.
fn once<T: std::hash::Hash + Eq + std::fmt::Display>(
    field: &'static str,
    all: impl Iterator<Item = T>,
) -> Result<(), DecodeError> {
    let mut seen = std::collections::HashSet::new();
    for item in all {
        if seen.contains(&item) {
            return Err(DecodeError::value(field, format!("{item} stands there twice")));
        }
        seen.insert(item);
    }
    Ok(())
}

fn write_machine(w: &mut Writer, m: &Machine) {
    w.map(12).uint(1).uint(m.index.into()).uint(2).text(&m.id).uint(3).text(&m.agent).uint(4).text(&m.name);
    w.uint(5).text(&m.line).uint(6).array(m.columns.len());
    for column in &m.columns {
        w.uint((*column).into());
    }
    w.uint(7).bytes(&m.mapping).uint(8);
    let number = |w: &mut Writer, n: u64| {
        w.uint(n);
    };
    w.optional(m.planned_cycle_ms, number);
    w.uint(9).array(4).boolean(m.flags.key_operation).boolean(m.flags.numerically_controlled);
    w.boolean(m.flags.digital).boolean(m.flags.domestic).uint(10);
    w.optional(m.identity.as_deref(), |w, s| {
        w.text(s);
    });
    w.uint(11);
    w.optional(m.rated_w, number);
    w.uint(12);
    w.optional(m.theoretical_cycle_ms, number);
}

fn read_machine(r: &mut Reader<'_>) -> Result<Machine, DecodeError> {
    let mut m = Machine {
        index: 0,
        id: String::new(),
        agent: String::new(),
        name: String::new(),
        line: String::new(),
        columns: vec![],
        mapping: [0; 32],
        planned_cycle_ms: None,
        flags: Flags::default(),
        identity: None,
        rated_w: None,
        theoretical_cycle_ms: None,
    };
    let seen = Fields::read(r, "machine", |key, r| {
        match key {
            1 => m.index = r.small("machine index")?,
            2 => m.id = owned(r, "machine id")?,
            3 => m.agent = owned(r, "machine agent")?,
            4 => m.name = owned(r, "machine name")?,
            5 => m.line = owned(r, "machine line")?,
            6 => m.columns = r.list("machine columns", |r| r.small("column id"))?,
            7 => m.mapping = r.fixed("mapping hash")?,
            8 => m.planned_cycle_ms = r.optional(|r| r.uint("planned cycle"))?,
            9 => m.flags = read_flags(r)?,
            10 => m.identity = r.optional(|r| owned(r, "machine identity"))?,
            11 => m.rated_w = r.optional(|r| r.uint("rated power"))?,
            12 => m.theoretical_cycle_ms = r.optional(|r| r.uint("theoretical cycle"))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    seen.require(1..=12)?;
    if m.columns.windows(2).any(|pair| pair[0] >= pair[1]) || !m.columns.iter().all(|id| is_known(*id)) {
        return Err(DecodeError::value("machine columns", "not ascending or not known"));
    }
    Ok(m)
}

fn read_flags(r: &mut Reader<'_>) -> Result<Flags, DecodeError> {
    r.tuple(4, "machine flags")?;
    Ok(Flags {
        key_operation: r.boolean("key operation")?,
        numerically_controlled: r.boolean("numerically controlled")?,
        digital: r.boolean("digital")?,
        domestic: r.boolean("domestic")?,
    })
}

fn read_definition(r: &mut Reader<'_>) -> Result<Definition, DecodeError> {
    r.tuple(3, "definition")?;
    let d = Definition {
        id: owned(r, "definition id")?,
        hash: r.fixed("definition hash")?,
        text: owned(r, "definition text")?,
    };
    if d.text.is_empty() || sha256(d.text.as_bytes()) == d.hash {
        Ok(d)
    } else {
        Err(DecodeError::value("definition hash", format!("{} has another text", d.id)))
    }
}

fn read_period(r: &mut Reader<'_>) -> Result<Period, DecodeError> {
    r.tuple(3, "period")?;
    let p = Period { name: owned(r, "period name")?, from: r.int("period")?, to: r.int("period")? };
    if p.from < p.to {
        Ok(p)
    } else {
        Err(DecodeError::value("period", format!("{} ends before it begins", p.name)))
    }
}

/// Field 10 of a window statement: SHA-256 of the canonical CBOR of
/// `[genesis field 13, mapping hashes in force as [machine, hash], by machine]`.
/// A changed mapping therefore shows in every window it touches.
pub fn definitions_in_force(definitions: &[Definition], mappings: &[(u32, Hash)]) -> Hash {
    let mut mappings = mappings.to_vec();
    mappings.sort_unstable();
    let mut w = Writer::new();
    w.array(2).array(definitions.len());
    for d in definitions {
        w.array(3).text(&d.id).bytes(&d.hash).text(&d.text);
    }
    w.array(mappings.len());
    for (machine, hash) in mappings {
        w.array(2).uint(machine.into()).bytes(&hash);
    }
    sha256(&w.finish())
}

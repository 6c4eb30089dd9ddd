//! The draft of a project: what the gateway's operator collected and the registrar edits before signing. It is
//! a TOML file that people read; nothing in it is trusted until the registrar has signed the genesis.

use std::collections::BTreeMap;

use evidence::Hash;
use evidence::enrol::{EnrolError, Enrolment, ProposedMachine};
use evidence::key::{KeyError, PublicKey};
use evidence::payload::{Calendar, Definition, Flags, Genesis, Machine, Period, RosterKey};
use evidence::statement::Role;
use serde::{Deserialize, Serialize};

use crate::roster;

/// The draft file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Project id.
    pub project: String,
    /// Name of the log.
    pub origin: String,
    /// Log key, as a verifier key line.
    pub log_vkey: String,
    /// Receipt key.
    pub receipt_key: String,
    /// Operator time key, as a verifier key line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_time_vkey: Option<String>,
    /// Text of a witness policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness_policy: Option<String>,
    /// Window length, s.
    pub step_s: u32,
    /// Windows in one statement.
    pub windows_per_statement: u32,
    /// Longest lag that is not late, s.
    pub max_lag_s: u32,
    /// Offset of local time, minutes east of UTC.
    pub utc_offset_min: i32,
    /// How far a window's end may lie behind its own cosignature, s.
    pub clock_tolerance_s: u32,
    /// How long raw blocks are kept, days.
    pub raw_retention_days: u32,
    /// A demonstration, not evidence.
    pub demo: bool,
    /// Agents that asked to join.
    #[serde(default)]
    pub agent: Vec<DraftAgent>,
    /// Further keys: of the enterprise and of assessors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<DraftKey>,
    /// The roster, for the registrar to correct.
    #[serde(default)]
    pub machine: Vec<DraftMachine>,
    /// Named periods, for the registrar to fill in.
    #[serde(default)]
    pub period: Vec<DraftPeriod>,
    /// Further definitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definition: Vec<DraftDefinition>,
}

/// An agent's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftAgent {
    /// Agent id.
    pub id: String,
    /// Its key.
    pub key: String,
    /// The bytes of its `enrol.cbor`, hex.
    pub enrolment: String,
}

/// A key of the enterprise or of an assessor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftKey {
    /// Holder's id.
    pub id: String,
    /// `enterprise` or `assessor`.
    pub role: String,
    /// The key.
    pub key: String,
}

/// A machine of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the roster's four independent flags")]
pub struct DraftMachine {
    /// Index in statements.
    pub index: u32,
    /// Id, as in its agent's request.
    pub id: String,
    /// Its agent; empty for a machine that is listed and not measured, which then has no columns either.
    pub agent: String,
    /// Name.
    pub name: String,
    /// Production line.
    pub line: String,
    /// Columns it reports.
    pub columns: Vec<u8>,
    /// SHA-256 of its state mapping's text, hex; the text is in the request. Left out where nothing is measured.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mapping: String,
    /// Planned time of one piece, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_cycle_ms: Option<u64>,
    /// Theoretical time of one piece, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theoretical_cycle_ms: Option<u64>,
    /// Rated power, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rated_w: Option<u64>,
    /// Identity text that the controller must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Counts towards 关键工序数控化率.
    pub key_operation: bool,
    /// Numerically controlled.
    pub numerically_controlled: bool,
    /// NC machine, robot, or with a data interface.
    pub digital: bool,
    /// 国产工业母机.
    pub domestic: bool,
}

/// A named period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftPeriod {
    /// Name, such as `baseline` or `acceptance`.
    pub name: String,
    /// First second, UTC.
    pub from: i64,
    /// The second after the last, UTC.
    pub to: i64,
}

/// A definition with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftDefinition {
    /// Id.
    pub id: String,
    /// Text.
    pub text: String,
}

/// Why a draft cannot become a genesis.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A key is no key.
    #[error("the key of {holder:?}: {source}")]
    Key {
        /// Whose.
        holder: String,
        /// Why.
        source: KeyError,
    },
    /// A role that cannot be enrolled so.
    #[error("the key of {id:?} has the role {role:?}; write enterprise or assessor")]
    Role {
        /// Whose.
        id: String,
        /// The role.
        role: String,
    },
    /// An agent's request is not what it must be.
    #[error("the request of agent {agent:?}: {reason}; run `plumbline-agent init` again and replace it")]
    Request {
        /// Agent id.
        agent: String,
        /// What is wrong.
        reason: String,
    },
    /// A machine does not fit its agent's request.
    #[error("machine {machine:?}: {reason}")]
    Machine {
        /// Machine id.
        machine: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The whole contradicts itself.
    #[error("the draft contradicts itself: {0}")]
    Contradiction(String),
}

impl Draft {
    /// Adds an agent's request: its key and, as a proposal, its machines.
    pub fn collect(&mut self, request: &[u8]) -> Result<(), DraftError> {
        let enrolment = Enrolment::open(request).map_err(|e| refused("?", &e))?;
        self.fits(&enrolment)?;
        let first = self.machine.iter().map(|m| m.index + 1).max().unwrap_or(0);
        for (index, proposed) in (first..).zip(&enrolment.machines) {
            self.machine.push(DraftMachine::proposed(index, &enrolment.agent, proposed));
        }
        self.agent.push(DraftAgent {
            id: enrolment.agent.clone(),
            key: enrolment.key.to_string(),
            enrolment: hex::encode(request),
        });
        Ok(())
    }

    /// The genesis that the registrar signs. Every agent's proof of possession is checked again.
    pub fn to_genesis(
        &self,
        registrar: &PublicKey,
        registrar_id: &str,
        nonce: [u8; 16],
    ) -> Result<Genesis, DraftError> {
        let requests = self.requests()?;
        let mut keys =
            vec![RosterKey { key: registrar.clone(), role: Role::Registrar, id: registrar_id.to_owned() }];
        keys.extend(requests.values().map(|e| RosterKey {
            key: e.key.clone(),
            role: Role::Agent,
            id: e.agent.clone(),
        }));
        for own in &self.key {
            keys.push(own.enrolled()?);
        }
        let mut definitions: Vec<Definition> =
            self.definition.iter().map(|d| Definition::new(d.id.clone(), d.text.clone())).collect();
        let mut machines = Vec::new();
        for machine in &self.machine {
            let mapping = machine.mapping(&requests)?;
            machines.push(machine.entry(mapping.as_ref().map_or([0; 32], |d| d.hash)));
            definitions.extend(mapping);
        }
        machines.sort_by_key(|m| m.index);
        let periods = self.period.iter();
        let genesis = Genesis {
            project: self.project.clone(),
            origin: self.origin.clone(),
            log_vkey: self.log_vkey.clone(),
            receipt_key: key("receipts", &self.receipt_key)?,
            witness_policy: self.witness_policy.clone(),
            keys,
            machines,
            step_s: self.step_s,
            windows_per_statement: self.windows_per_statement,
            max_lag_s: self.max_lag_s,
            utc_offset_min: self.utc_offset_min,
            definitions,
            periods: periods.map(|p| Period { name: p.name.clone(), from: p.from, to: p.to }).collect(),
            calendar: Calendar::default(),
            raw_retention_days: self.raw_retention_days,
            demo: self.demo,
            nonce,
            operator_time_vkey: self.operator_time_vkey.clone(),
            clock_tolerance_s: self.clock_tolerance_s,
        };
        match roster::contradictions(&genesis, None).into_iter().next() {
            Some((_, detail)) => Err(DraftError::Contradiction(detail)),
            None => Ok(genesis),
        }
    }

    fn requests(&self) -> Result<BTreeMap<String, Enrolment>, DraftError> {
        let mut requests = BTreeMap::new();
        for agent in &self.agent {
            let bytes = hex::decode(&agent.enrolment).map_err(|e| refused(&agent.id, &e))?;
            let enrolment = Enrolment::open(&bytes).map_err(|e: EnrolError| refused(&agent.id, &e))?;
            self.fits(&enrolment)?;
            if enrolment.agent != agent.id || enrolment.key.to_string() != agent.key {
                return Err(refused(&agent.id, &"its id or key is not the one it signed"));
            }
            requests.insert(agent.id.clone(), enrolment);
        }
        Ok(requests)
    }

    fn fits(&self, enrolment: &Enrolment) -> Result<(), DraftError> {
        let wrong = |reason: String| Err(refused(&enrolment.agent, &reason));
        if enrolment.project != self.project {
            return wrong(format!("it asks to join project {:?}", enrolment.project));
        }
        if (enrolment.step_s, enrolment.windows_per_statement) != (self.step_s, self.windows_per_statement) {
            let (step, n) = (enrolment.step_s, enrolment.windows_per_statement);
            return wrong(format!("its windows are {step} s long, {n} a statement, the draft's are not"));
        }
        Ok(())
    }
}

impl DraftMachine {
    fn proposed(index: u32, agent: &str, p: &ProposedMachine) -> Self {
        Self {
            index,
            id: p.id.clone(),
            agent: agent.to_owned(),
            name: p.name.clone(),
            line: p.line.clone(),
            columns: p.columns.clone(),
            mapping: hex::encode(mapping(p).hash),
            planned_cycle_ms: p.planned_cycle_ms,
            theoretical_cycle_ms: p.theoretical_cycle_ms,
            rated_w: p.rated_w,
            identity: p.identity.clone(),
            key_operation: p.flags.key_operation,
            numerically_controlled: p.flags.numerically_controlled,
            digital: p.flags.digital,
            domestic: p.flags.domestic,
        }
    }

    /// The definition of its mapping; none for a machine that is only listed.
    fn mapping(&self, requests: &BTreeMap<String, Enrolment>) -> Result<Option<Definition>, DraftError> {
        let wrong =
            |reason: &str| DraftError::Machine { machine: self.id.clone(), reason: reason.to_owned() };
        if self.agent.is_empty() {
            return Ok(None);
        }
        let request = requests.get(&self.agent).ok_or_else(|| {
            wrong("its agent is not in the draft; add the agent's request or correct `agent`")
        })?;
        let proposed = request.machines.iter().find(|p| p.id == self.id).ok_or_else(|| {
            wrong("its agent's request does not name it; ids are those of the agent's configuration")
        })?;
        let definition = mapping(proposed);
        if hex::encode(definition.hash) != self.mapping {
            return Err(wrong(
                "`mapping` is not the hash of the text in the agent's request; do not edit it",
            ));
        }
        Ok(Some(definition))
    }

    fn entry(&self, mapping: Hash) -> Machine {
        Machine {
            index: self.index,
            id: self.id.clone(),
            agent: self.agent.clone(),
            name: self.name.clone(),
            line: self.line.clone(),
            columns: self.columns.clone(),
            mapping,
            planned_cycle_ms: self.planned_cycle_ms,
            flags: Flags {
                key_operation: self.key_operation,
                numerically_controlled: self.numerically_controlled,
                digital: self.digital,
                domestic: self.domestic,
            },
            identity: self.identity.clone(),
            rated_w: self.rated_w,
            theoretical_cycle_ms: self.theoretical_cycle_ms,
        }
    }
}

impl DraftKey {
    fn enrolled(&self) -> Result<RosterKey, DraftError> {
        let role = Role::from_text(&self.role).filter(|r| matches!(r, Role::Enterprise | Role::Assessor));
        let role = role.ok_or_else(|| DraftError::Role { id: self.id.clone(), role: self.role.clone() })?;
        Ok(RosterKey { key: key(&self.id, &self.key)?, role, id: self.id.clone() })
    }
}

fn mapping(proposed: &ProposedMachine) -> Definition {
    Definition::new(format!("mapping/{}", proposed.id), proposed.mapping.clone())
}

fn key(holder: &str, text: &str) -> Result<PublicKey, DraftError> {
    text.parse().map_err(|source| DraftError::Key { holder: holder.to_owned(), source })
}

fn refused(agent: &str, reason: &dyn std::fmt::Display) -> DraftError {
    DraftError::Request { agent: agent.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ORIGIN, PROJECT, TestProject};
    use evidence::key::SigningKey;

    fn empty() -> Draft {
        let genesis = TestProject::new().genesis;
        Draft {
            project: PROJECT.into(),
            origin: ORIGIN.into(),
            log_vkey: genesis.log_vkey,
            receipt_key: genesis.receipt_key.to_string(),
            operator_time_vkey: genesis.operator_time_vkey,
            witness_policy: None,
            step_s: 60,
            windows_per_statement: 5,
            max_lag_s: 3600,
            utc_offset_min: 480,
            clock_tolerance_s: 60,
            raw_retention_days: 400,
            demo: true,
            agent: vec![],
            key: vec![],
            machine: vec![],
            period: vec![],
            definition: vec![],
        }
    }

    fn request(seed: u8, change: impl FnOnce(&mut Enrolment)) -> Vec<u8> {
        let key = SigningKey::from_seed([seed; 32]);
        let machine = ProposedMachine {
            id: format!("cnc-{seed}"),
            columns: (0..=8).chain([10, 11]).collect(),
            mapping: "producing = 'true'".into(),
            ..ProposedMachine::default()
        };
        let mut enrolment = Enrolment {
            agent: format!("edge-{seed}"),
            project: PROJECT.into(),
            key: key.public().clone(),
            machines: vec![machine],
            step_s: 60,
            windows_per_statement: 5,
            program: "test".into(),
        };
        change(&mut enrolment);
        enrolment.seal(&key).unwrap()
    }

    fn genesis(draft: &Draft) -> Result<Genesis, DraftError> {
        let registrar = SigningKey::from_seed([1; 32]);
        draft.to_genesis(registrar.public(), "bureau", [7; 16])
    }

    #[test]
    fn requests_become_a_draft_and_the_draft_a_genesis() {
        let mut draft = empty();
        draft.collect(&request(2, |_| ())).unwrap();
        draft.collect(&request(3, |_| ())).unwrap();
        let text = toml::to_string(&draft).unwrap();
        let read: Draft = toml::from_str(&text).unwrap();
        assert_eq!(read, draft);
        let genesis = genesis(&read).unwrap();
        assert_eq!(genesis.keys.len(), 3);
        assert_eq!(genesis.machines.iter().map(|m| m.index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(genesis.definitions[1].id, "mapping/cnc-3");
        assert_eq!(genesis.machines[1].mapping, genesis.definitions[1].hash);
    }

    #[test]
    fn a_machine_that_nothing_measures_may_be_listed() {
        let mut draft = empty();
        draft.collect(&request(2, |_| ())).unwrap();
        let mut old = draft.machine[0].clone();
        (old.index, old.id, old.agent) = (9, "old".into(), String::new());
        (old.columns, old.mapping) = (vec![], String::new());
        draft.machine.push(old);
        assert_eq!(genesis(&draft).unwrap().machines[1].agent, "");
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Draft), want: &str) {
        let mut draft = empty();
        draft.collect(&request(2, |_| ())).unwrap();
        change(&mut draft);
        let told = genesis(&draft).unwrap_err().to_string();
        assert!(told.contains(want), "{told}");
    }

    #[test]
    fn what_the_registrar_may_not_edit_is_refused_by_name() {
        refused(|d| d.machine[0].mapping = "00".into(), "do not edit it");
        refused(|d| d.machine[0].id = "other".into(), "does not name it");
        refused(|d| d.machine[0].agent = "edge-9".into(), "its agent is not in the draft");
        refused(|d| d.agent[0].id = "edge-9".into(), "its id or key is not the one it signed");
        refused(|d| d.agent[0].enrolment.replace_range(200..202, "00"), "edge-2");
        refused(|d| d.step_s = 30, "60 s long");
        refused(|d| d.receipt_key = "00".into(), "receipts");
        refused(
            |d| d.key.push(DraftKey { id: "x".into(), role: "agent".into(), key: String::new() }),
            "enterprise or assessor",
        );
        refused(|d| d.machine.push(d.machine[0].clone()), "occurs twice");
        refused(
            |d| d.period.push(DraftPeriod { name: "p".into(), from: 0, to: 61 }),
            "move the period to a whole window",
        );
    }

    #[test]
    fn a_request_for_another_project_or_grid_is_not_collected() {
        for bytes in [request(2, |e| e.project = "SY-OTHER".into()), request(2, |e| e.step_s = 1)] {
            assert!(matches!(empty().collect(&bytes), Err(DraftError::Request { .. })));
        }
    }
}

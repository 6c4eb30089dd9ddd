//! What an enterprise declares about its equipment, its key operations and the points that it is to collect. Plain
//! data, the same in TOML and JSON; [`super::digitalisation`] checks it against the roster.

use serde::{Deserialize, Serialize};

use super::word::DocumentHash;
use crate::chain::Quantity;

/// Everything that is declared. What is left out has no figure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declarations {
    /// 生产设备数字化率.
    #[serde(default)]
    pub equipment: Option<Equipment>,
    /// 关键工序数控化率.
    #[serde(default)]
    pub key_operations: Option<KeyOperations>,
    /// 数据自动采集率.
    #[serde(default)]
    pub acquisition: Option<RequiredPoints>,
}

/// The equipment ledger (生产设备台账) in two numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equipment {
    /// SHA-256 of the ledger.
    pub document: DocumentHash,
    /// Machines in production.
    pub machines: u32,
    /// Of which digital: NC machines, robots, equipment with a data interface.
    pub digital: u32,
}

/// The signed list of key operations (关键工序清单).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOperations {
    /// SHA-256 of the list.
    pub document: DocumentHash,
    /// Every key operation, controlled or not.
    #[serde(rename = "operation")]
    pub operations: Vec<KeyOperation>,
}

/// A key operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOperation {
    /// Its name, such as 镗孔.
    pub name: String,
    /// It is done under numerical control (discrete: NC, DNC, CNC, FMC) or process control (PLC, DCS, PCS).
    pub controlled: bool,
    /// Machines that do it, by id. None: data cannot confirm it.
    #[serde(default)]
    pub machines: Vec<String>,
}

/// The list of points that are to be collected (应采集点清单).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredPoints {
    /// SHA-256 of the list.
    pub document: DocumentHash,
    /// Every point, collected by itself or not.
    #[serde(rename = "point")]
    pub points: Vec<RequiredPoint>,
}

/// A point that is to be collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredPoint {
    /// Machine id; it need not stand in the roster.
    pub machine: String,
    /// What is collected.
    pub what: Collected,
    /// It is collected without anybody's hand.
    pub automatic: bool,
}

/// What a point is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collected {
    /// The machine's state.
    State,
    /// Its energy register.
    Energy,
    /// Its part register.
    Parts,
    /// Its good-part register.
    GoodParts,
    /// Anything else, by name. Windows do not hold it, so that data cannot confirm it.
    Other(String),
}

impl Collected {
    /// The register it is, if it is one.
    pub const fn quantity(&self) -> Option<Quantity> {
        match self {
            Self::Energy => Some(Quantity::Energy),
            Self::Parts => Some(Quantity::Parts),
            Self::GoodParts => Some(Quantity::GoodParts),
            Self::State | Self::Other(_) => None,
        }
    }
}

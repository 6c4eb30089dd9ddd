//! Being written.

use observation::PointId;
use serde_json::Value;

use crate::{Configured, LinkConfigError};

/// Keys of a link's table.
pub const SETTINGS: &[&str] = &[];
/// Keys of a point's table.
pub const POINT: &[&str] = &[];

/// Builds a link from its tables.
pub fn link(_settings: &Value, _points: &[(PointId, Value)]) -> Configured {
    Err(vec![LinkConfigError {
        point: None,
        key: "protocol".to_owned(),
        message: "this build cannot speak it yet".to_owned(),
        nearest: None,
    }])
}

//! Refusals as RFC 9457 problem details, with the few members an agent acts on.

use crate::{Hash, StoredEntry, hex32};
use serde::{Deserialize, Serialize};

/// Media type of a problem (RFC 9457 section 3).
pub const PROBLEM_TYPE: &str = "application/problem+json";
const PREFIX: &str = "urn:plumbline:problem/";

/// What was refused; each kind has its `type` and its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The request itself cannot be read.
    Malformed,
    /// Project, entry or page that is not there.
    NotFound,
    /// The path takes other methods.
    Method,
    /// A statement skips numbers of its stream: send from `expected_seq`.
    Gap,
    /// The request conflicts with the state of the log (an unsealed entry, a size not reached yet).
    NotYet,
    /// The body or a statement is over its limit.
    TooLarge,
    /// The media type is not the one this path takes.
    MediaType,
    /// A statement that can never become valid; it was put aside and an alarm raised.
    Quarantined,
    /// The stream is frozen until the registrar unfreezes it.
    Frozen,
    /// More requests than the gateway takes at the moment.
    Busy,
    /// A fault of the gateway.
    Internal,
    /// The store is full.
    Full,
    /// The store or the log cannot take statements now.
    Unavailable,
    /// The request took too long.
    Slow,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::NotFound,
        Self::Method,
        Self::Gap,
        Self::NotYet,
        Self::TooLarge,
        Self::MediaType,
        Self::Quarantined,
        Self::Frozen,
        Self::Busy,
        Self::Internal,
        Self::Full,
        Self::Unavailable,
        Self::Slow,
    ];

    /// Last part of the `type` URI.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// HTTP status code.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// Short text that does not change from case to case.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Malformed => ("malformed", 400, "请求无法读取 · the request cannot be read"),
            Self::NotFound => ("not-found", 404, "不存在 · there is no such thing here"),
            Self::Method => ("method", 405, "方法不符 · the path takes other methods"),
            Self::Gap => ("gap", 409, "序号不连续 · numbers of the stream are missing"),
            Self::NotYet => ("not-yet", 409, "尚未封存 · the log has not come this far yet"),
            Self::TooLarge => ("too-large", 413, "内容过大 · over the limit"),
            Self::MediaType => ("media-type", 415, "类型不符 · another media type is expected"),
            Self::Quarantined => ("quarantined", 422, "声明无效 · the statement can never be valid"),
            Self::Frozen => ("frozen", 423, "流已冻结 · the stream is frozen"),
            Self::Busy => ("busy", 429, "繁忙 · too many requests at the moment"),
            Self::Internal => ("internal", 500, "网关故障 · a fault of the gateway"),
            Self::Full => ("full", 503, "存储已满 · the store is full"),
            Self::Unavailable => ("unavailable", 503, "暂不可用 · statements cannot be taken now"),
            Self::Slow => ("slow", 408, "超时 · the request took too long"),
        }
    }

    /// From a `type` URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(PREFIX)?;
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A refusal. Members that do not apply are left out of the JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which problem, as a URI.
    #[serde(rename = "type")]
    pub uri: String,
    /// The kind in words.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What, where, and what to do next.
    pub detail: String,
    /// The number the stream goes on with (gap, frozen).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_seq: Option<u64>,
    /// Leaf hash the next statement must name as its predecessor (gap).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex32::option")]
    pub head: Option<Hash>,
    /// The statement at fault, by its number in the stream where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Why it was put aside, as a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Statements of the same body that stand before the refused one: they are stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<StoredEntry>,
    /// After how many seconds to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of a kind, with its own sentence.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            uri: format!("{PREFIX}{}", kind.name()),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            expected_seq: None,
            head: None,
            seq: None,
            reason: None,
            stored: vec![],
            retry_after_s: None,
        }
    }

    /// Its kind, if this version knows it.
    pub fn kind(&self) -> Option<ProblemKind> {
        ProblemKind::from_uri(&self.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_by_its_uri() {
        for kind in ProblemKind::ALL {
            let problem = Problem::new(kind, "x");
            let text = serde_json::to_string(&problem).unwrap();
            let back: Problem = serde_json::from_str(&text).unwrap();
            assert_eq!(back.kind(), Some(kind));
            assert!((400..600).contains(&back.status));
        }
    }

    #[test]
    fn a_gap_is_written_as_the_agent_reads_it() {
        let gap = Problem { expected_seq: Some(7), ..Problem::new(ProblemKind::Gap, "send from 7") };
        let json = serde_json::to_value(&gap).unwrap();
        assert_eq!(json["type"], "urn:plumbline:problem/gap");
        assert_eq!(json["expected_seq"], 7);
        assert_eq!(json["status"], 409);
        assert!(json.get("stored").is_none());
    }
}

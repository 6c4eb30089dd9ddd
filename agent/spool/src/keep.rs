//! How long things are kept and what goes first when there is too much of them. Pure: it chooses, it deletes
//! nothing.
//!
//! The policy, in this order:
//!
//! 1. A statement without a verified receipt is never deleted, whatever the limit. When such statements
//!    reach the limit, new ones are refused and the caller records the loss.
//! 2. A sealed statement is kept as long as raw data, so that it can refill a restored gateway. Over the
//!    limit the oldest sealed ones go earlier; the log has them.
//! 3. A raw block is kept for the retention. Over the limit the oldest go earlier, which is a loss that the
//!    caller records.

use crate::change::Change;
use crate::store::Usage;

/// The configured limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Most bytes of statements.
    pub statement_bytes: u64,
    /// Most bytes of raw blocks.
    pub raw_bytes: u64,
    /// How long sealed statements and raw blocks are kept, ms.
    pub retention_ms: i64,
}

/// Candidates, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oldest {
    /// Sealed or given-up statements; those after a stream's first statement that is neither are not listed.
    pub statements: Vec<Aged>,
    /// Raw blocks.
    pub raw: Vec<Aged>,
}

/// One candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aged {
    /// Its stream.
    pub stream: String,
    /// Its number there.
    pub number: u64,
    /// Its content, bytes.
    pub bytes: u64,
    /// First moment, UTC ms.
    pub from_ms: i64,
    /// Last moment, UTC ms; decides its age.
    pub to_ms: i64,
}

/// What may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prunable {
    /// Sealed statements: stream and last number.
    pub statements: Vec<(String, u64)>,
    /// Raw blocks past their retention: stream and last number.
    pub expired_raw: Vec<(String, u64)>,
    /// Raw blocks that go before their time because of the limit.
    pub lost_raw: Vec<LostRaw>,
}

/// Raw blocks of a stream that go before their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRaw {
    /// The stream.
    pub stream: String,
    /// First number to go.
    pub first: u64,
    /// Last number to go.
    pub last: u64,
    /// First moment in them, UTC ms.
    pub from_ms: i64,
    /// Last moment in them, UTC ms.
    pub to_ms: i64,
}

impl Prunable {
    /// Whether nothing may go.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty() && self.expired_raw.is_empty() && self.lost_raw.is_empty()
    }

    /// The changes that delete it.
    pub fn changes(&self) -> Vec<Change<'_>> {
        let statements = self
            .statements
            .iter()
            .map(|(stream, through)| Change::DropStatements { stream, through: *through });
        let expired =
            self.expired_raw.iter().map(|(stream, through)| Change::DropRaw { stream, through: *through });
        let lost = self.lost_raw.iter().map(|l| Change::DropRaw { stream: &l.stream, through: l.last });
        statements.chain(expired).chain(lost).collect()
    }
}

impl Keep {
    /// Chooses what may go at `now_ms`.
    pub fn choose(&self, now_ms: i64, usage: &Usage, oldest: &Oldest) -> Prunable {
        let mut picked = Prunable::default();
        let mut excess = usage.statement_bytes.saturating_sub(self.statement_bytes);
        for statement in &oldest.statements {
            if !self.is_past(statement, now_ms) && excess == 0 {
                break;
            }
            excess = excess.saturating_sub(statement.bytes);
            through(&mut picked.statements, statement);
        }
        let mut excess = usage.raw_bytes.saturating_sub(self.raw_bytes);
        for block in &oldest.raw {
            if self.is_past(block, now_ms) {
                through(&mut picked.expired_raw, block);
            } else if excess > 0 {
                lose(&mut picked.lost_raw, block);
            } else {
                break;
            }
            excess = excess.saturating_sub(block.bytes);
        }
        picked
    }

    fn is_past(&self, aged: &Aged, now_ms: i64) -> bool {
        now_ms.saturating_sub(aged.to_ms) > self.retention_ms
    }
}

fn through(list: &mut Vec<(String, u64)>, oldest: &Aged) {
    match list.iter_mut().find(|(stream, _)| *stream == oldest.stream) {
        Some((_, upto)) => *upto = (*upto).max(oldest.number),
        None => list.push((oldest.stream.clone(), oldest.number)),
    }
}

fn lose(list: &mut Vec<LostRaw>, block: &Aged) {
    match list.iter_mut().find(|l| l.stream == block.stream) {
        Some(known) => {
            known.last = known.last.max(block.number);
            known.to_ms = known.to_ms.max(block.to_ms);
        }
        None => list.push(LostRaw {
            stream: block.stream.clone(),
            first: block.number,
            last: block.number,
            from_ms: block.from_ms,
            to_ms: block.to_ms,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep { statement_bytes: 100, raw_bytes: 100, retention_ms: 1000 };

    fn aged(number: u64, to_ms: i64) -> Aged {
        Aged { stream: "p".into(), number, bytes: 40, from_ms: to_ms - 10, to_ms }
    }

    fn choose(now_ms: i64, statement_bytes: u64, raw_bytes: u64) -> Prunable {
        let usage = Usage { statement_bytes, raw_bytes, ..Usage::default() };
        let three = vec![aged(0, 100), aged(1, 200), aged(2, 300)];
        KEEP.choose(now_ms, &usage, &Oldest { statements: three.clone(), raw: three })
    }

    #[test]
    fn nothing_goes_before_its_time_while_there_is_room() {
        assert!(choose(1100, 100, 100).is_empty());
    }

    #[test]
    fn what_is_past_its_retention_goes_and_is_no_loss() {
        let chosen = choose(1201, 100, 100);
        assert_eq!(chosen.statements, [("p".to_owned(), 1)]);
        assert_eq!(chosen.expired_raw, [("p".to_owned(), 1)]);
        assert!(chosen.lost_raw.is_empty());
    }

    #[test]
    fn over_the_limit_the_oldest_raw_blocks_go_as_a_loss_with_their_range() {
        let chosen = choose(500, 120, 180);
        assert_eq!(chosen.statements, [("p".to_owned(), 0)]);
        let lost = LostRaw { stream: "p".into(), first: 0, last: 1, from_ms: 90, to_ms: 200 };
        assert_eq!(chosen.lost_raw, [lost]);
        assert_eq!(chosen.changes().len(), 2);
    }
}

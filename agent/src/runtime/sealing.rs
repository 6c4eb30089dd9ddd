//! Looks at the log now and then: verifies the newest checkpoint and fetches the receipts it covers.
//!
//! *Commit point 4* is the stored receipt: a crash before it fetches the receipt again. What is believed of the
//! log is decided in `seal.rs`.

use super::facts;
use super::seal::{self, Verified};
use super::uplink::{RoundError, UplinkTask};
use super::with_spool;
use crate::failpoint;
use evidence::Hash;
use spool::Change;
use std::collections::HashMap;
use std::time::Duration;

/// Receipts fetched in one round; the rest follows at the next.
const RECEIPTS: usize = 64;
/// How often the log is looked at when nothing waits for a receipt.
const CALM: Duration = Duration::from_mins(1);

impl UplinkTask {
    /// One look at the log. Gives the time until the next.
    pub(super) async fn seal_and_report(&self) -> Duration {
        let per_statement =
            u64::from(self.project.shape.step_s) * u64::from(self.project.shape.per_statement);
        let busy = Duration::from_secs(per_statement.clamp(1, 15));
        match self.seal().await {
            Ok(true) => busy,
            Ok(false) => CALM.min(busy * 60),
            Err(RoundError::Seal(error)) => {
                tracing::error!(project = self.project.id(), %error, "the log cannot be believed");
                self.board.project(self.project.id(), |p| p.alarm = Some(error.to_string()));
                CALM
            }
            Err(error) => {
                tracing::debug!(project = self.project.id(), %error, "sealing");
                busy
            }
        }
    }

    /// Verifies the newest checkpoint and the receipts it covers. Says whether more are waited for.
    async fn seal(&self) -> Result<bool, RoundError> {
        let project = self.project.id();
        let Some(verified) = self.checkpoint().await? else { return Ok(true) };
        let id = project.to_owned();
        let unsealed = with_spool(&self.store, move |spool| spool.unsealed(&id, RECEIPTS)).await?;
        let mut trees: HashMap<u64, Hash> = HashMap::from([(verified.size, verified.root)]);
        let mut fetched: Vec<(u64, Vec<u8>)> = vec![];
        for stored in unsealed.iter().filter(|s| s.index < verified.size) {
            let Some(bytes) = self.client.receipt(project, stored.index).await? else { continue };
            failpoint::hit("receipt.after_fetch");
            let (size, root) = seal::receipt(&self.project, stored, &bytes)?;
            // A newer tree than the one verified: the next look will know it.
            if size > verified.size {
                continue;
            }
            if trees.get(&size) != Some(&root) {
                let proof = self.client.consistency(project, size, verified.size).await?;
                seal::consistent((size, &root), (verified.size, &verified.root), &proof)?;
                trees.insert(size, root);
            }
            fetched.push((stored.seq, bytes));
        }
        let more = fetched.len() < unsealed.len() || unsealed.len() == RECEIPTS;
        let id = project.to_owned();
        with_spool(&self.store, move |spool| {
            let changes: Vec<Change<'_>> = fetched
                .iter()
                .map(|(seq, receipt)| Change::Sealed { stream: &id, seq: *seq, receipt })
                .collect();
            if changes.is_empty() { Ok(()) } else { spool.commit(&changes) }
        })
        .await?;
        self.report_unsealed().await?;
        Ok(more)
    }

    /// The newest checkpoint, shown to continue the one verified before.
    async fn checkpoint(&self) -> Result<Option<Verified>, RoundError> {
        let project = self.project.id();
        let Some(note) = self.client.checkpoint(project).await? else { return Ok(None) };
        let verified = seal::checkpoint(&self.project, &note)?;
        let id = project.to_owned();
        let (old, seen) = with_spool(&self.store, move |spool| {
            Ok((spool.fact(&id, facts::NOTE)?, spool.fact(&id, facts::SEEN)?))
        })
        .await?;
        let old = old.map(|note| seal::checkpoint(&self.project, &note)).transpose()?;
        if let Some(old) = &old {
            if verified.size < old.size {
                let detail = format!("the log has {} entries, {} were seen", verified.size, old.size);
                self.board.project(project, |p| p.detail = detail);
                return Ok(None);
            }
            let proof = if old.size < verified.size {
                self.client.consistency(project, old.size, verified.size).await?
            } else {
                vec![]
            };
            seal::consistent((old.size, &old.root), (verified.size, &verified.root), &proof)?;
        }
        self.remember(&verified, seen.as_deref()).await?;
        Ok(Some(verified))
    }

    async fn remember(&self, verified: &Verified, seen: Option<&[u8]>) -> Result<(), RoundError> {
        let newer = verified.seen();
        let seen = seen.and_then(facts::read_seen);
        let named = newer.filter(|newer| seal::refreshes(seen.as_ref(), newer)).map(|n| facts::seen(&n));
        let (id, note) = (self.project.id().to_owned(), verified.note.clone());
        with_spool(&self.store, move |spool| {
            if spool.fact(&id, facts::NOTE)?.as_deref() == Some(&note[..]) && named.is_none() {
                return Ok(());
            }
            let mut changes = vec![facts::set(&id, facts::NOTE, &note)];
            changes.extend(named.as_ref().map(|named| facts::set(&id, facts::SEEN, named)));
            spool.commit(&changes)
        })
        .await?;
        if let Some(time) = verified.time {
            self.trusted.send_if_modified(|trusted| {
                let newer = time > *trusted;
                *trusted = time.max(*trusted);
                newer
            });
        }
        self.board.project(self.project.id(), |p| {
            p.checkpoint_size = verified.size;
            p.checkpoint_time = verified.time.unwrap_or(p.checkpoint_time);
            p.alarm = None;
        });
        Ok(())
    }
}

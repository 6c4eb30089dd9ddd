//! Questions by hand, for a person who looks for a register: asked once, nothing planned, nothing kept.
//!
//! They go the same way as the agent's own, so what is seen here is what will be read.

use std::sync::Arc;

use super::Settings;
use super::decode::Answer;
use super::plan::Request;
use super::wire::{Outcome, Wire};
use crate::LinkError;

/// An open wire.
pub struct Inquiry(Wire);

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer fits.
    Answer(Answer),
    /// The device said no, with this exception code.
    Refused(u8),
    /// Nothing came, or nothing that can be believed.
    Silent(LinkError),
}

impl Inquiry {
    /// Opens the wire.
    pub async fn open(settings: Settings) -> Result<Self, LinkError> {
        Wire::open(Arc::new(settings), Arc::default(), Arc::default()).await.map(Self)
    }

    /// Asks. An error means that there is no connection any more.
    pub async fn ask(&mut self, request: &Request) -> Result<Reply, LinkError> {
        match self.0.call(request).await {
            Outcome::Answered(answer) => Ok(Reply::Answer(answer)),
            Outcome::Refused(code) => Ok(Reply::Refused(code)),
            Outcome::Failed(_, error) => Ok(Reply::Silent(error)),
            Outcome::Lost(error) => Err(error),
        }
    }
}

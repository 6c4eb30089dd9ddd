//! What can be changed. A commit is a list of these: all of them happen, or none.

use crate::store::Hash;

/// One change of one stream. A stream begins to exist with its first change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Appends a row to the journal.
    Journal {
        /// The stream.
        stream: &'a str,
        /// Must be the stream's next position.
        position: u64,
        /// Opaque.
        row: &'a [u8],
    },
    /// Deletes journal rows up to and with this position. Belongs into the commit that keeps what they built.
    Trim {
        /// The stream.
        stream: &'a str,
        /// The last position to go.
        through: u64,
    },
    /// Appends a signed statement. From this commit on its number is taken for ever.
    Statement {
        /// The stream.
        stream: &'a str,
        /// Must be the stream's next number.
        seq: u64,
        /// Must be the leaf of the statement before it, as the statement itself says.
        prev: Option<Hash>,
        /// Its own leaf hash.
        leaf: Hash,
        /// When it was made, UTC ms; its age decides when it may be pruned.
        at_ms: i64,
        /// The statement.
        bytes: &'a [u8],
    },
    /// The gateway holds a statement durably. Moves the cursor; statements before it must be stored already.
    Stored {
        /// The stream.
        stream: &'a str,
        /// The statement's number.
        seq: u64,
        /// Its leaf as the gateway says.
        leaf: Hash,
        /// Its index in the log.
        index: u64,
    },
    /// The gateway no longer holds this statement and those after it (a restored backup): they are sent again,
    /// their receipts are void.
    Rewind {
        /// The stream.
        stream: &'a str,
        /// The first to send again.
        seq: u64,
    },
    /// A verified receipt: the only licence to prune a statement.
    Sealed {
        /// The stream.
        stream: &'a str,
        /// The statement's number; must be stored.
        seq: u64,
        /// The receipt.
        receipt: &'a [u8],
    },
    /// Goes on at a number that the gateway's head allows, because the store does not know the stream's end.
    /// Waiting statements below `send_from` are given up: they stay and are not sent. Waiting statements with
    /// this number or a later one are deleted: they were saved from a damaged file, which still has them.
    Continue {
        /// The stream.
        stream: &'a str,
        /// The next number.
        seq: u64,
        /// Leaf of the statement before it.
        prev: Option<Hash>,
        /// The first number to send, at most `seq`.
        send_from: u64,
    },
    /// Keeps a raw block.
    Raw {
        /// The stream.
        stream: &'a str,
        /// Must be the stream's next block number.
        number: u64,
        /// Its leaf hash.
        leaf: Hash,
        /// First moment in it, UTC ms.
        from_ms: i64,
        /// Last moment in it, UTC ms.
        to_ms: i64,
        /// Salt and content.
        bytes: &'a [u8],
    },
    /// Deletes sealed statements up to and with this number.
    DropStatements {
        /// The stream.
        stream: &'a str,
        /// The last to go.
        through: u64,
    },
    /// Deletes raw blocks up to and with this number.
    DropRaw {
        /// The stream.
        stream: &'a str,
        /// The last to go.
        through: u64,
    },
    /// Remembers a fact, or forgets it.
    Fact {
        /// The stream; `""` for facts of the whole box.
        stream: &'a str,
        /// Its name.
        key: &'a str,
        /// Its value, `None` to forget it.
        value: Option<&'a [u8]>,
    },
}

impl Change<'_> {
    /// The stream it changes.
    pub fn stream(&self) -> &str {
        match self {
            Self::Journal { stream, .. }
            | Self::Trim { stream, .. }
            | Self::Statement { stream, .. }
            | Self::Stored { stream, .. }
            | Self::Rewind { stream, .. }
            | Self::Sealed { stream, .. }
            | Self::Continue { stream, .. }
            | Self::Raw { stream, .. }
            | Self::DropStatements { stream, .. }
            | Self::DropRaw { stream, .. }
            | Self::Fact { stream, .. } => stream,
        }
    }
}

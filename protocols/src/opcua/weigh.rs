//! What decoding a message would take, found by walking over its bytes and keeping none of them.
//!
//! The stack's decoder believes the lengths it reads, follows nested values without end (its limit of depth knows
//! neither `DataValue` nor `DiagnosticInfo`) and makes a hundred bytes of one. A few thousand hostile bytes end the
//! program, a few million take a gigabyte. So nothing is decoded that has not been weighed here.
//!
//! The walk goes byte by byte as the decoder does (OPC 10000-6 5.2), also where the decoder is lenient. It knows no
//! meaning of any value.

use std::mem::size_of;

use opcua::types::{
    DataValue, DiagnosticInfo, ExpandedNodeId, Guid, LocalizedText, NodeId, QualifiedName, Variant,
};

use super::shapes::{self, Shape};

/// What one message may take when it is decoded, bytes.
pub(super) const BUDGET_BYTES: usize = 16 << 20;
/// How deep values may be nested in each other. Real ones need four; the decoder itself gives up at ten.
const DEPTH: usize = 16;
/// What the allocator adds to a piece of memory, bytes.
const PIECE: usize = 16;

/// Bits of a variant's first byte (OPC 10000-6 5.2.2.16).
const VALUES: u8 = 0x80;
const DIMENSIONS: u8 = 0x40;

/// Why a message is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// A length in it reaches behind its end.
    #[error("it ends before what it announces")]
    Short,
    /// It cannot be read any further.
    #[error("it has an encoding that OPC UA does not know")]
    Encoding,
    /// Values in values in values.
    #[error("its values are nested more than {DEPTH} deep")]
    Deep,
    /// More than this program gives it.
    #[error("it would take more than {BUDGET_BYTES} bytes of memory")]
    Heavy,
    /// None of the answers to what is asked here.
    #[error("it answers something that was never asked")]
    Unasked,
}

/// Weighs the body of a whole message; gives back how many bytes of it the decoder will read.
pub(super) fn message(body: &[u8]) -> Result<usize, Unfit> {
    let mut walk = Walk::over(body);
    let kind = walk.node_id()?.ok_or(Unfit::Unasked)?;
    walk.shape(shapes::message(kind).ok_or(Unfit::Unasked)?)?;
    Ok(body.len() - walk.rest.len())
}

/// Weighs one data value; gives back how many bytes it is long.
pub(super) fn data_value(bytes: &[u8]) -> Result<usize, Unfit> {
    let mut walk = Walk::over(bytes);
    walk.data_value()?;
    Ok(bytes.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    /// Bytes of memory that are left.
    left: usize,
    depth: usize,
}

impl<'a> Walk<'a> {
    fn over(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, left: BUDGET_BYTES, depth: 0 }
    }

    fn shape(&mut self, shape: &Shape) -> Result<(), Unfit> {
        match shape {
            Shape::Plain(length) => self.take(*length).map(drop),
            Shape::Text => self.text(),
            Shape::NodeId => self.node_id().map(drop),
            Shape::ExpandedNodeId => self.expanded_node_id(),
            Shape::LocalizedText => self.localized_text(),
            Shape::Diagnostics => self.diagnostics(),
            Shape::Extension => self.extension(),
            Shape::DataValue => self.data_value(),
            Shape::All(parts) => parts.iter().try_for_each(|part| self.shape(part)),
            Shape::Array(element, size) => self.array(element, *size),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unfit> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Unfit::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Unfit> {
        self.take(1)?.first().copied().ok_or(Unfit::Short)
    }

    /// A length of something, -1 being none. Every element is a byte at least, so more cannot follow than there is.
    fn length(&mut self) -> Result<usize, Unfit> {
        let length = self.take(4)?.try_into().map_or(0, i32::from_le_bytes);
        match usize::try_from(length) {
            Ok(length) if length <= self.rest.len() => Ok(length),
            Ok(_) => Err(Unfit::Short),
            Err(_) if length == -1 => Ok(0),
            Err(_) => Err(Unfit::Encoding),
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Unfit> {
        self.left = self.left.checked_sub(bytes).ok_or(Unfit::Heavy)?;
        Ok(())
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<(), Unfit>) -> Result<(), Unfit> {
        if self.depth == DEPTH {
            return Err(Unfit::Deep);
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn text(&mut self) -> Result<(), Unfit> {
        let length = self.length()?;
        self.charge(length + PIECE)?;
        self.take(length).map(drop)
    }

    fn array(&mut self, element: &Shape, size: usize) -> Result<(), Unfit> {
        let count = self.length()?;
        self.charge(count.saturating_mul(size) + PIECE)?;
        self.elements(count, element)
    }

    fn elements(&mut self, count: usize, element: &Shape) -> Result<(), Unfit> {
        match element {
            Shape::Plain(length) => self.take(count.saturating_mul(*length)).map(drop),
            _ => (0..count).try_for_each(|_| self.shape(element)),
        }
    }

    /// The number of a node of namespace 0, or none of another kind.
    fn node_id(&mut self) -> Result<Option<u32>, Unfit> {
        let kind = self.byte()?;
        self.identifier(kind)
    }

    fn identifier(&mut self, kind: u8) -> Result<Option<u32>, Unfit> {
        Ok(match kind {
            0 => Some(u32::from(self.byte()?)),
            1 => match *self.take(3)? {
                [0, low, high] => Some(u32::from(u16::from_le_bytes([low, high]))),
                _ => None,
            },
            2 => match *self.take(6)? {
                [0, 0, a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d])),
                _ => None,
            },
            3 | 5 => {
                self.take(2)?;
                self.text()?;
                None
            }
            4 => {
                self.take(2 + 16)?;
                None
            }
            _ => return Err(Unfit::Encoding),
        })
    }

    fn expanded_node_id(&mut self) -> Result<(), Unfit> {
        let flags = self.byte()?;
        self.identifier(flags & 0x0F)?;
        if flags & 0x80 != 0 {
            self.text()?;
        }
        if flags & 0x40 != 0 {
            self.take(4)?;
        }
        Ok(())
    }

    fn localized_text(&mut self) -> Result<(), Unfit> {
        let flags = self.byte()?;
        for bit in [0x01, 0x02] {
            if flags & bit != 0 {
                self.text()?;
            }
        }
        Ok(())
    }

    fn diagnostics(&mut self) -> Result<(), Unfit> {
        let flags = self.byte()?;
        for bit in [0x01, 0x02, 0x04, 0x08] {
            if flags & bit != 0 {
                self.take(4)?;
            }
        }
        if flags & 0x10 != 0 {
            self.text()?;
        }
        if flags & 0x20 != 0 {
            self.take(4)?;
        }
        if flags & 0x40 != 0 {
            self.charge(size_of::<DiagnosticInfo>() + PIECE)?;
            self.nested(Self::diagnostics)?;
        }
        Ok(())
    }

    /// A structure. Only what [`shapes::body`] knows is taken apart; the decoder keeps all others as bytes.
    fn extension(&mut self) -> Result<(), Unfit> {
        let kind = self.node_id()?;
        let encoding = self.byte()?;
        if encoding == 0 {
            return Ok(());
        }
        if encoding > 2 {
            return Err(Unfit::Encoding);
        }
        let size = self.take(4)?.try_into().map_or(0, i32::from_le_bytes);
        let body = self.take(usize::try_from(size).unwrap_or(0))?;
        self.charge(body.len() + size_of::<NodeId>() + 2 * PIECE)?;
        match kind.filter(|_| encoding == 1 && !body.is_empty()).and_then(shapes::body) {
            Some(shape) => self.nested(|walk| walk.whole(body, shape)),
            None => Ok(()),
        }
    }

    /// A part that must be exactly what it is said to be: the decoder reads on where the shape ends.
    fn whole(&mut self, part: &'a [u8], shape: &Shape) -> Result<(), Unfit> {
        let behind = std::mem::replace(&mut self.rest, part);
        self.shape(shape)?;
        if !self.rest.is_empty() {
            return Err(Unfit::Encoding);
        }
        self.rest = behind;
        Ok(())
    }

    fn data_value(&mut self) -> Result<(), Unfit> {
        let flags = self.byte()?;
        if flags & 0x01 != 0 {
            self.nested(Self::variant)?;
        }
        let lengths = [(0x02, 4), (0x04, 8), (0x08, 8), (0x10, 2), (0x20, 2)];
        let length = lengths.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, length)| length).sum();
        self.take(length).map(drop)
    }

    fn variant(&mut self) -> Result<(), Unfit> {
        let flags = self.byte()?;
        let kind = flags & !(VALUES | DIMENSIONS);
        if flags & VALUES == 0 {
            return if flags & DIMENSIONS == 0 { self.scalar(kind) } else { Err(Unfit::Encoding) };
        }
        if !KINDS.contains(&kind) {
            return Err(Unfit::Encoding);
        }
        let count = self.length()?;
        if count == 0 {
            return Ok(());
        }
        self.charge(count.saturating_mul(size_of::<Variant>()) + PIECE)?;
        match scalar(kind) {
            Some(shape) => self.elements(count, &shape)?,
            None => (0..count).try_for_each(|_| self.scalar(kind))?,
        }
        if flags & DIMENSIONS != 0 { self.array(&Shape::Plain(4), 4) } else { Ok(()) }
    }

    /// One value of a built-in type. What is no type has no bytes and is no value.
    fn scalar(&mut self, kind: u8) -> Result<(), Unfit> {
        if let Some(shape) = scalar(kind) {
            return self.shape(&shape);
        }
        let boxed = match kind {
            14 => size_of::<Guid>(),
            17 => size_of::<NodeId>(),
            18 => size_of::<ExpandedNodeId>(),
            20 => size_of::<QualifiedName>(),
            21 => size_of::<LocalizedText>(),
            23 => size_of::<DataValue>(),
            24 => size_of::<Variant>(),
            25 => size_of::<DiagnosticInfo>(),
            _ => return Ok(()),
        };
        self.charge(boxed + PIECE)?;
        match kind {
            14 => self.take(16).map(drop),
            17 => self.node_id().map(drop),
            18 => self.expanded_node_id(),
            20 => self.take(2).and_then(|_| self.text()),
            21 => self.localized_text(),
            23 => self.nested(Self::data_value),
            24 => self.nested(Self::variant),
            _ => self.nested(Self::diagnostics),
        }
    }
}

/// Numbers of the built-in types (OPC 10000-6 5.1.2).
const KINDS: std::ops::RangeInclusive<u8> = 1..=25;

/// Types that lie in a variant itself.
fn scalar(kind: u8) -> Option<Shape> {
    Some(match kind {
        1..=3 => Shape::Plain(1),
        4 | 5 => Shape::Plain(2),
        6 | 7 | 10 | 19 => Shape::Plain(4),
        8 | 9 | 11 | 13 => Shape::Plain(8),
        12 | 15 | 16 => Shape::Text,
        22 => Shape::Extension,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;

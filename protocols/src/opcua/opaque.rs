//! How the stack is set to decode: within bounds, only what was weighed, and structures of foreign types stay bytes.
//!
//! The stack knows some hundred standard structures and would take each apart wherever it stands in a message,
//! which nobody here needs and [`super::weigh`] does not follow. Only the notifications of a subscription are left
//! to it.

use std::io::{Cursor, Read};

use opcua::core::{Message, ResponseMessage};
use opcua::types::{
    BinaryDecodable, Context, ContextOwned, DataValue, DecodingOptions, DynEncodable, EncodingResult,
    FallbackTypeLoader, GeneratedTypeLoader, NamespaceMap, NodeId, TypeLoader, TypeLoaderCollection,
    TypeLoaderPriority,
};

use super::guard::MAX_MESSAGE;
use super::{shapes, weigh};

/// Bounds of single parts of a message: generous for real arrays, small for an edge box.
pub(super) const MAX_CHUNKS: usize = 256;
pub(super) const MAX_TEXT: usize = 1 << 20;
pub(super) const MAX_ARRAY: usize = 1 << 16;

/// Keeps a structure as bytes, unless it is a notification.
struct Opaque;

impl TypeLoader for Opaque {
    fn load_from_binary(
        &self,
        node_id: &NodeId,
        stream: &mut dyn Read,
        ctx: &Context<'_>,
        length: Option<usize>,
    ) -> Option<EncodingResult<Box<dyn DynEncodable>>> {
        let standard = if node_id.namespace == 0 { node_id.as_u32() } else { None };
        match standard.and_then(shapes::body) {
            Some(_) => None,
            // The length has been weighed: so many bytes are there.
            None => FallbackTypeLoader.load_from_binary(node_id, stream, ctx, length),
        }
    }

    fn priority(&self) -> TypeLoaderPriority {
        TypeLoaderPriority::Core
    }
}

/// All that a session decodes structures with. Nothing comes before the stack's own loader once it is in a
/// collection, so it is put in second.
pub(super) fn loaders() -> TypeLoaderCollection {
    let mut loaders = TypeLoaderCollection::new_empty();
    loaders.add_type_loader(Opaque);
    loaders.add_type_loader(GeneratedTypeLoader);
    loaders
}

/// A data value as it is read in a session: weighed, then decoded. None if it is refused by either.
pub fn data_value(bytes: &[u8]) -> Option<DataValue> {
    let length = weigh::data_value(bytes).ok()?;
    let mut stream = Cursor::new(bytes);
    let value = DataValue::decode(&mut stream, &context().context()).ok()?;
    as_long_as_weighed(&stream, length);
    Some(value)
}

/// An answer as it is read in a session, from the number of its encoding on.
pub fn answer(bytes: &[u8]) -> Option<ResponseMessage> {
    let length = weigh::message(bytes).ok()?;
    let mut stream = Cursor::new(bytes);
    let context = context();
    let id = NodeId::decode(&mut stream, &context.context()).ok()?.as_object_id().ok()?;
    let answer = ResponseMessage::decode_by_object_id(&mut stream, id, &context.context()).ok()?;
    as_long_as_weighed(&stream, length);
    Some(answer)
}

/// A part that the two read differently could hide anything behind it.
fn as_long_as_weighed(stream: &Cursor<&[u8]>, length: usize) {
    debug_assert_eq!(usize::try_from(stream.position()), Ok(length), "weighed and decoded are not the same");
}

fn context() -> ContextOwned {
    let options = DecodingOptions {
        max_message_size: MAX_MESSAGE,
        max_chunk_count: MAX_CHUNKS,
        max_string_length: MAX_TEXT,
        max_byte_string_length: MAX_MESSAGE,
        max_array_length: MAX_ARRAY,
        ..DecodingOptions::default()
    };
    ContextOwned::new(NamespaceMap::new(), loaders(), options)
}

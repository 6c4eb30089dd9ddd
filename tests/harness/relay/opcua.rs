//! OPC UA requests that change nothing on a server, over `opc.tcp` with the binary encoding.
//!
//! ```text
//! chunk     type:3 final:1 size:4                                     OPC 10000-6 7.1.2.2
//! HEL       chunk version:4 …
//! OPN       chunk channel:4 policy:text sender:text receiver:text sequence:4 request:4 body
//! MSG, CLO  chunk channel:4 token:4 sequence:4 request:4 body          OPC 10000-6 6.7.2
//! body      NodeId of the request's binary encoding, then the request; over the chunks of one request together
//! ```
//! Creating sessions and subscriptions is allowed: it is how a server is read. What a secured channel carries is
//! encrypted or may be; there only chunks are checked, and the name says so.

use super::watch::{Frames, Rule};
use opcua::types::ObjectId;

/// Every service the agent may ask for, by the numeric id of its request's binary encoding.
pub const READING: Rule = || Box::new(Chunks::default());

/// Services that read, and those needed to be able to.
const ALLOWED: &[(ObjectId, &str)] = &[
    (ObjectId::FindServersRequest_Encoding_DefaultBinary, "FindServers"),
    (ObjectId::GetEndpointsRequest_Encoding_DefaultBinary, "GetEndpoints"),
    (ObjectId::CreateSessionRequest_Encoding_DefaultBinary, "CreateSession"),
    (ObjectId::ActivateSessionRequest_Encoding_DefaultBinary, "ActivateSession"),
    (ObjectId::CloseSessionRequest_Encoding_DefaultBinary, "CloseSession"),
    (ObjectId::ReadRequest_Encoding_DefaultBinary, "Read"),
    (ObjectId::BrowseRequest_Encoding_DefaultBinary, "Browse"),
    (ObjectId::BrowseNextRequest_Encoding_DefaultBinary, "BrowseNext"),
    (ObjectId::TranslateBrowsePathsToNodeIdsRequest_Encoding_DefaultBinary, "TranslateBrowsePathsToNodeIds"),
    (ObjectId::CreateSubscriptionRequest_Encoding_DefaultBinary, "CreateSubscription"),
    (ObjectId::ModifySubscriptionRequest_Encoding_DefaultBinary, "ModifySubscription"),
    (ObjectId::SetPublishingModeRequest_Encoding_DefaultBinary, "SetPublishingMode"),
    (ObjectId::DeleteSubscriptionsRequest_Encoding_DefaultBinary, "DeleteSubscriptions"),
    (ObjectId::CreateMonitoredItemsRequest_Encoding_DefaultBinary, "CreateMonitoredItems"),
    (ObjectId::ModifyMonitoredItemsRequest_Encoding_DefaultBinary, "ModifyMonitoredItems"),
    (ObjectId::SetMonitoringModeRequest_Encoding_DefaultBinary, "SetMonitoringMode"),
    (ObjectId::DeleteMonitoredItemsRequest_Encoding_DefaultBinary, "DeleteMonitoredItems"),
    (ObjectId::PublishRequest_Encoding_DefaultBinary, "Publish"),
    (ObjectId::RepublishRequest_Encoding_DefaultBinary, "Republish"),
    (ObjectId::TransferSubscriptionsRequest_Encoding_DefaultBinary, "TransferSubscriptions"),
];

const POLICY_NONE: &[u8] = b"http://opcfoundation.org/UA/SecurityPolicy#None";
/// Type, final and size.
const HEADER: usize = 8;
/// Channel and token of a chunk on an open channel, sequence and request number.
const SYMMETRIC: usize = 16;
/// No program of ours sends a chunk beyond this, bytes (OPC 10000-6 7.1.2.3 leaves the limit to both sides).
const LARGEST: usize = 1 << 20;

#[derive(Default)]
struct Chunks {
    rest: Vec<u8>,
    secured: bool,
    /// The first chunk of a request that is not complete yet has been named.
    within: Option<u32>,
}

impl Frames for Chunks {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, String)>, String> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [t0, t1, t2, last, size @ ..] = *header;
        let kind = [t0, t1, t2];
        let size = usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX);
        if !matches!(&kind, b"HEL" | b"OPN" | b"MSG" | b"CLO") || !b"FCA".contains(&last) {
            return Err(format!("no OPC UA chunk: {:?}", String::from_utf8_lossy(&bytes[..4])));
        }
        if !(HEADER..=LARGEST).contains(&size) {
            return Err(format!("an OPC UA chunk of {size} bytes"));
        }
        let Some(chunk) = bytes.get(HEADER..size) else { return Ok(None) };
        let name = match &kind {
            b"HEL" => "Hello".to_owned(),
            b"OPN" => self.opens(chunk)?,
            _ => self.asks(chunk, last, kind == *b"CLO")?,
        };
        Ok(Some((size, name)))
    }

    fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.rest
    }
}

impl Chunks {
    /// The policy of the channel says whether what follows can be seen.
    fn opens(&mut self, chunk: &[u8]) -> Result<String, String> {
        let broken = || "an OpenSecureChannel that is broken".to_owned();
        let (policy, _) = chunk.get(4..).and_then(text).ok_or_else(broken)?;
        self.secured = policy != POLICY_NONE;
        let name = String::from_utf8_lossy(policy);
        Ok(format!("OpenSecureChannel {}", name.rsplit('#').next().unwrap_or_default()))
    }

    fn asks(&mut self, chunk: &[u8], last: u8, closes: bool) -> Result<String, String> {
        if self.secured {
            return Ok(format!("{} (not to be seen)", if closes { "close" } else { "message" }));
        }
        let request =
            chunk.get(SYMMETRIC - 4..SYMMETRIC).and_then(|r| r.try_into().ok()).map(u32::from_le_bytes);
        let request = request.ok_or("an OPC UA message without its headers")?;
        let continues = self.within == Some(request);
        self.within = (last == b'C').then_some(request);
        if continues {
            return Ok("(continued)".to_owned());
        }
        let id = numeric_id(&chunk[SYMMETRIC..]).ok_or("a request without a numeric id in namespace 0")?;
        if closes {
            let close = ObjectId::CloseSecureChannelRequest_Encoding_DefaultBinary as u32;
            return if id == close { Ok("CloseSecureChannel".to_owned()) } else { Err(refusal(id)) };
        }
        let allowed = ALLOWED.iter().find(|(service, _)| *service as u32 == id);
        allowed.map(|(_, name)| (*name).to_owned()).ok_or_else(|| refusal(id))
    }
}

fn refusal(id: u32) -> String {
    let name =
        ObjectId::try_from(id).map_or_else(|()| "unknown".to_owned(), |service| format!("{service:?}"));
    format!("OPC UA service {id} ({name}) is none of those that read")
}

/// A text at the start of `bytes`, and what follows it (OPC 10000-6 5.2.2.4).
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    // -1 is no text.
    let length = usize::try_from(i32::from_le_bytes(*length)).unwrap_or(0);
    rest.split_at_checked(length)
}

/// The id of a `NodeId` in namespace 0 in one of its three numeric forms (OPC 10000-6 5.2.2.9).
fn numeric_id(body: &[u8]) -> Option<u32> {
    match *body {
        [0x00, id, ..] => Some(u32::from(id)),
        [0x01, 0, low, high, ..] => Some(u32::from(u16::from_le_bytes([low, high]))),
        [0x02, 0, 0, a, b, c, d, ..] => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::relay::watch::look_at;

    fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let mut chunk = kind.to_vec();
        chunk.extend(u32::try_from(HEADER + content.len()).unwrap().to_le_bytes());
        chunk.extend(content);
        chunk
    }

    fn open(policy: &[u8]) -> Vec<u8> {
        let mut content = vec![0; 4];
        content.extend(u32::try_from(policy.len()).unwrap().to_le_bytes());
        content.extend(policy);
        content.extend([0xFF; 8]);
        chunk(*b"OPNF", &content)
    }

    fn message(kind: [u8; 4], request: u8, body: &[u8]) -> Vec<u8> {
        let mut content = vec![1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, request, 0, 0, 0];
        content.extend(body);
        chunk(kind, &content)
    }

    /// A request by the numeric id of its encoding, as stacks write it.
    fn asks(id: u16) -> Vec<u8> {
        let [low, high] = id.to_le_bytes();
        message(*b"MSGF", 9, &[1, 0, low, high, 7, 7])
    }

    #[test]
    fn reading_passes_and_is_named() {
        // Numeric ids as in the NodeIds.csv of the OPC Foundation.
        let stream = [
            chunk(*b"HELF", &[0; 20]),
            open(POLICY_NONE),
            asks(428),
            asks(461),
            asks(467),
            asks(631),
            asks(787),
            asks(751),
            asks(826),
            message(*b"CLOF", 10, &[1, 0, 0xC4, 1]),
        ]
        .concat();
        let pieces: Vec<&[u8]> = stream.chunks(5).collect();
        let names = look_at(READING, &pieces).unwrap().join(" ");
        assert_eq!(
            names,
            "ActivateSession×1 CloseSecureChannel×1 CreateMonitoredItems×1 CreateSession×1 CreateSubscription×1 \
             GetEndpoints×1 Hello×1 OpenSecureChannel None×1 Publish×1 Read×1"
        );
    }

    #[test]
    fn every_service_that_changes_something_is_told_with_its_bytes() {
        // AddNodes, AddReferences, DeleteNodes, DeleteReferences, Write, HistoryUpdate, Call.
        for (id, name) in [
            (488, "AddNodes"),
            (494, "AddReferences"),
            (500, "DeleteNodes"),
            (506, "DeleteReferences"),
            (673, "Write"),
            (700, "HistoryUpdate"),
            (712, "Call"),
        ] {
            let why = look_at(READING, &[&open(POLICY_NONE), &asks(id)]).unwrap_err();
            assert!(why.contains(&format!("service {id} ({name}Request")), "{why}");
            assert!(why.contains(&hex::encode(asks(id))), "{why}");
        }
        // The same in another form of the id, behind a request of two chunks, and inside a close.
        let write = [2, 0, 0, 0xA1, 2, 0, 0];
        assert!(look_at(READING, &[&message(*b"MSGF", 1, &write)]).is_err());
        let read = [1, 0, 0x77, 2];
        let long = [message(*b"MSGC", 1, &read), message(*b"MSGF", 1, &write), message(*b"MSGF", 2, &write)];
        assert!(look_at(READING, &[&long[..2].concat()]).is_ok(), "the second chunk is no request");
        assert!(look_at(READING, &[&long.concat()]).is_err());
        assert!(look_at(READING, &[&message(*b"CLOF", 1, &write)]).is_err());
        // An id in another namespace, or as a text, is not one of the services of the standard.
        assert!(look_at(READING, &[&message(*b"MSGF", 1, &[1, 1, 0x77, 2])]).is_err());
        assert!(look_at(READING, &[b"GET / HTTP/1.1\r\n"]).is_err());
    }

    #[test]
    fn what_a_secured_channel_carries_is_said_to_be_unseen() {
        let policy = b"http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256";
        let stream = [open(policy), message(*b"MSGF", 1, &[0x5A; 40])].concat();
        let names = look_at(READING, &[&stream]).unwrap();
        assert_eq!(names, ["OpenSecureChannel Basic256Sha256×1", "message (not to be seen)×1"]);
    }
}

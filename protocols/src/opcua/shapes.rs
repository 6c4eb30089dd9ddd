//! How the answers to what this program asks are built, as far as it takes to walk over them.
//!
//! A table of OPC 10000-4 5 and 7 in the order of OPC 10000-6 5.2; it names no field and knows no other message.

use std::mem::size_of;

use opcua::types::{
    DiagnosticInfo, EndpointDescription, ExtensionObject, MonitoredItemCreateResult,
    MonitoredItemNotification, ObjectId, ReferenceDescription, SignedSoftwareCertificate, UAString,
    UserTokenPolicy,
};

/// A piece of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// So many bytes with nothing inside.
    Plain(usize),
    /// String or `ByteString`.
    Text,
    NodeId,
    ExpandedNodeId,
    LocalizedText,
    Diagnostics,
    /// A structure with its type and length before it.
    Extension,
    DataValue,
    /// One after the other.
    All(&'static [Shape]),
    /// Any number of one; and what one takes in memory, bytes.
    Array(&'static Shape, usize),
}

use Shape::{
    All, Array, DataValue, Diagnostics, ExpandedNodeId, Extension, LocalizedText, NodeId, Plain, Text,
};

const STATUS: Shape = Plain(4);
const UINT32: Shape = Plain(4);
const ENUM: Shape = Plain(4);
const DOUBLE: Shape = Plain(8);
const TIME: Shape = Plain(8);
const BYTE: Shape = Plain(1);
const TEXTS: Shape = Array(&Text, size_of::<UAString>());
const STATUSES: Shape = Array(&STATUS, 4);
const ALL_DIAGNOSTICS: Shape = Array(&Diagnostics, size_of::<DiagnosticInfo>());

/// 7.33
const HEADER: Shape = All(&[TIME, UINT32, STATUS, Diagnostics, TEXTS, Extension]);
/// 7.2
const APPLICATION: Shape = All(&[Text, Text, LocalizedText, ENUM, Text, Text, TEXTS]);
/// 7.42
const USER_TOKEN: Shape = All(&[Text, ENUM, Text, Text, Text]);
/// 7.14
const ENDPOINT: Shape =
    All(&[Text, APPLICATION, Text, ENUM, Text, Array(&USER_TOKEN, size_of::<UserTokenPolicy>()), Text, BYTE]);
const ENDPOINTS: Shape = Array(&ENDPOINT, size_of::<EndpointDescription>());
/// 7.37 and 7.38: two texts each.
const SIGNATURE: Shape = All(&[Text, Text]);
/// 7.29
const REFERENCE: Shape =
    All(&[NodeId, BYTE, ExpandedNodeId, Plain(2), Text, LocalizedText, ENUM, ExpandedNodeId]);
/// 7.6
const BROWSED: Shape = All(&[STATUS, Text, Array(&REFERENCE, size_of::<ReferenceDescription>())]);
/// 5.13.2
const CREATED_ITEM: Shape = All(&[STATUS, UINT32, DOUBLE, UINT32, Extension]);
/// 7.25.2
const CHANGED_ITEM: Shape = All(&[UINT32, DataValue]);

const ONLY_HEADER: Shape = HEADER;
const ENDPOINTS_TOLD: Shape = All(&[HEADER, ENDPOINTS]);
const CHANNEL: Shape = All(&[HEADER, UINT32, Plain(4 + 4 + 8 + 4), Text]);
const SESSION: Shape = All(&[
    HEADER,
    NodeId,
    NodeId,
    DOUBLE,
    Text,
    Text,
    ENDPOINTS,
    Array(&SIGNATURE, size_of::<SignedSoftwareCertificate>()),
    SIGNATURE,
    UINT32,
]);
const ACTIVATED: Shape = All(&[HEADER, Text, STATUSES, ALL_DIAGNOSTICS]);
const RESULTS: Shape = All(&[HEADER, STATUSES, ALL_DIAGNOSTICS]);
const VALUES: Shape =
    All(&[HEADER, Array(&DataValue, size_of::<opcua::types::DataValue>()), ALL_DIAGNOSTICS]);
const REFERENCES: Shape =
    All(&[HEADER, Array(&BROWSED, size_of::<opcua::types::BrowseResult>()), ALL_DIAGNOSTICS]);
const SUBSCRIPTION: Shape = All(&[HEADER, UINT32, DOUBLE, UINT32, UINT32]);
const ITEMS: Shape =
    All(&[HEADER, Array(&CREATED_ITEM, size_of::<MonitoredItemCreateResult>()), ALL_DIAGNOSTICS]);
const PUBLISHED: Shape = All(&[
    HEADER,
    UINT32,
    Array(&UINT32, 4),
    BYTE,
    UINT32,
    TIME,
    Array(&Extension, size_of::<ExtensionObject>()),
    STATUSES,
    ALL_DIAGNOSTICS,
]);
const CHANGES: Shape = All(&[Array(&CHANGED_ITEM, size_of::<MonitoredItemNotification>()), ALL_DIAGNOSTICS]);
const STATUS_CHANGE: Shape = All(&[STATUS, Diagnostics]);

/// The answers that may come, by the number of their binary encoding.
const MESSAGES: &[(ObjectId, &Shape)] = &[
    (ObjectId::ServiceFault_Encoding_DefaultBinary, &ONLY_HEADER),
    (ObjectId::GetEndpointsResponse_Encoding_DefaultBinary, &ENDPOINTS_TOLD),
    (ObjectId::OpenSecureChannelResponse_Encoding_DefaultBinary, &CHANNEL),
    (ObjectId::CloseSecureChannelResponse_Encoding_DefaultBinary, &ONLY_HEADER),
    (ObjectId::CreateSessionResponse_Encoding_DefaultBinary, &SESSION),
    (ObjectId::ActivateSessionResponse_Encoding_DefaultBinary, &ACTIVATED),
    (ObjectId::CloseSessionResponse_Encoding_DefaultBinary, &ONLY_HEADER),
    (ObjectId::ReadResponse_Encoding_DefaultBinary, &VALUES),
    (ObjectId::BrowseResponse_Encoding_DefaultBinary, &REFERENCES),
    (ObjectId::BrowseNextResponse_Encoding_DefaultBinary, &REFERENCES),
    (ObjectId::CreateSubscriptionResponse_Encoding_DefaultBinary, &SUBSCRIPTION),
    (ObjectId::DeleteSubscriptionsResponse_Encoding_DefaultBinary, &RESULTS),
    (ObjectId::CreateMonitoredItemsResponse_Encoding_DefaultBinary, &ITEMS),
    (ObjectId::PublishResponse_Encoding_DefaultBinary, &PUBLISHED),
];

/// Structures that are taken apart inside a message.
const BODIES: &[(ObjectId, &Shape)] = &[
    (ObjectId::DataChangeNotification_Encoding_DefaultBinary, &CHANGES),
    (ObjectId::StatusChangeNotification_Encoding_DefaultBinary, &STATUS_CHANGE),
];

pub(super) fn message(kind: u32) -> Option<&'static Shape> {
    find(MESSAGES, kind)
}

pub(super) fn body(kind: u32) -> Option<&'static Shape> {
    find(BODIES, kind)
}

fn find(table: &'static [(ObjectId, &'static Shape)], kind: u32) -> Option<&'static Shape> {
    table.iter().find(|(id, _)| *id as u32 == kind).map(|(_, shape)| *shape)
}

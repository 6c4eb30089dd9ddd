use opcua::core::{Message as _, ResponseMessage};
use opcua::types::{
    ApplicationDescription, Array, BinaryEncodable, BrowseResponse, BrowseResult, ByteString, ContextOwned,
    CreateMonitoredItemsResponse, CreateSessionResponse, CreateSubscriptionResponse, DataChangeNotification,
    DateTime, EUInformation, EndpointDescription, ExtensionObject, GetEndpointsResponse,
    MonitoredItemCreateResult, NotificationMessage, OpenSecureChannelResponse, PublishResponse, ReadResponse,
    ReferenceDescription, ResponseHeader, SignedSoftwareCertificate, StatusCode, UAString, UserTokenPolicy,
    VariantScalarTypeId, WriteResponse,
};

use super::*;

fn encoded(value: &impl BinaryEncodable) -> Vec<u8> {
    let owned = ContextOwned::default();
    let mut bytes = Vec::new();
    value.encode(&mut bytes, &owned.context()).unwrap();
    bytes
}

fn message_of(answer: impl Into<ResponseMessage>) -> Vec<u8> {
    let answer = answer.into();
    [encoded(&answer.type_id()), encoded(&answer)].concat()
}

/// An answer is let through whole, and nothing that misses a byte of it.
#[track_caller]
fn passes(answer: impl Into<ResponseMessage>) {
    let bytes = message_of(answer);
    assert_eq!(message(&bytes), Ok(bytes.len()));
    assert!(crate::opcua::answer(&bytes).is_some(), "the stack reads it");
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(message(cut), Err(Unfit::Short), "a byte less");
}

fn wide_diagnostics() -> DiagnosticInfo {
    DiagnosticInfo {
        symbolic_id: Some(1),
        namespace_uri: Some(2),
        locale: Some(3),
        localized_text: Some(4),
        additional_info: Some(UAString::from("more")),
        inner_status_code: Some(StatusCode::Bad),
        inner_diagnostic_info: Some(Box::new(DiagnosticInfo::default())),
    }
}

fn header() -> ResponseHeader {
    ResponseHeader {
        timestamp: DateTime::now(),
        service_diagnostics: wide_diagnostics(),
        string_table: Some(vec![UAString::from("a"), UAString::null()]),
        ..ResponseHeader::null()
    }
}

fn every_variant() -> Vec<Variant> {
    let unit = ExtensionObject::from_message(EUInformation::default());
    let scalars = vec![
        Variant::Boolean(true),
        Variant::SByte(-1),
        Variant::Byte(1),
        Variant::Int16(-1),
        Variant::UInt16(1),
        Variant::Int32(-1),
        Variant::UInt32(1),
        Variant::Int64(-1),
        Variant::UInt64(1),
        Variant::Float(1.5),
        Variant::Double(1.5),
        Variant::from("五轴"),
        Variant::from(DateTime::now()),
        Variant::from(Guid::new()),
        Variant::from(ByteString::from(vec![1, 2, 3])),
        Variant::XmlElement(UAString::from("<a/>").into()),
        Variant::from(NodeId::new(3, "text")),
        Variant::from(ExpandedNodeId {
            node_id: NodeId::new(0, ByteString::from(vec![1])),
            namespace_uri: UAString::from("urn:x"),
            server_index: 7,
        }),
        Variant::StatusCode(StatusCode::Bad),
        Variant::from(QualifiedName::new(1, "name")),
        Variant::from(LocalizedText::new("zh", "名")),
        Variant::from(unit),
        Variant::from(DataValue::new_now(1i32)),
        Variant::Variant(Box::new(Variant::Int32(3))),
        Variant::DiagnosticInfo(Box::new(wide_diagnostics())),
    ];
    let arrays: Vec<Variant> = scalars
        .iter()
        .map(|scalar| {
            let kind = scalar.scalar_type_id().unwrap();
            Variant::from(Array::new(kind, vec![scalar.clone(); 3]).unwrap())
        })
        .collect();
    let square =
        Array::new_multi(VariantScalarTypeId::Int32, vec![Variant::Int32(1); 4], vec![2, 2]).unwrap();
    let none = Array::new(VariantScalarTypeId::Int32, Vec::new()).unwrap();
    [scalars, arrays, vec![Variant::from(square), Variant::from(none), Variant::Empty]].concat()
}

fn every_data_value() -> Vec<DataValue> {
    let whole = |value: Variant| DataValue {
        value: Some(value),
        status: Some(StatusCode::Bad),
        source_timestamp: Some(DateTime::now()),
        source_picoseconds: Some(1),
        server_timestamp: Some(DateTime::now()),
        server_picoseconds: Some(2),
    };
    let mut values: Vec<DataValue> = every_variant().into_iter().map(whole).collect();
    values.push(DataValue::null());
    values.push(DataValue { value: Some(Variant::Int32(1)), ..DataValue::null() });
    values
}

#[test]
fn a_data_value_of_every_kind_weighs_as_long_as_it_is() {
    for value in every_data_value() {
        let bytes = encoded(&value);
        let with_more = [&bytes[..], &[0xFF; 3]].concat();
        assert_eq!(data_value(&with_more), Ok(bytes.len()), "{value:?}");
        assert_eq!(data_value(&bytes[..bytes.len() - 1]), Err(Unfit::Short), "{value:?}");
        assert!(crate::opcua::data_value(&with_more).is_some(), "{value:?}");
    }
}

fn endpoints() -> Vec<EndpointDescription> {
    let endpoint = EndpointDescription {
        server: ApplicationDescription {
            application_name: LocalizedText::new("en", "PLC"),
            discovery_urls: Some(vec![UAString::from("opc.tcp://plc")]),
            ..Default::default()
        },
        user_identity_tokens: Some(vec![UserTokenPolicy::default(); 2]),
        ..Default::default()
    };
    vec![endpoint; 3]
}

#[test]
fn every_answer_to_what_is_asked_passes() {
    passes(opcua::types::ServiceFault { response_header: header() });
    passes(GetEndpointsResponse { response_header: header(), endpoints: Some(endpoints()) });
    passes(OpenSecureChannelResponse { response_header: header(), ..Default::default() });
    passes(CreateSessionResponse {
        response_header: header(),
        server_endpoints: Some(endpoints()),
        server_software_certificates: Some(vec![SignedSoftwareCertificate::default(); 2]),
        ..Default::default()
    });
    passes(opcua::types::ActivateSessionResponse {
        response_header: header(),
        results: Some(vec![StatusCode::Good]),
        diagnostic_infos: Some(vec![wide_diagnostics()]),
        ..Default::default()
    });
    passes(opcua::types::CloseSessionResponse { response_header: header() });
    passes(ReadResponse {
        response_header: header(),
        results: Some(every_data_value()),
        diagnostic_infos: Some(vec![wide_diagnostics(), DiagnosticInfo::default()]),
    });
    passes(CreateSubscriptionResponse { response_header: header(), ..Default::default() });
    passes(CreateMonitoredItemsResponse {
        response_header: header(),
        results: Some(vec![MonitoredItemCreateResult::default(); 3]),
        diagnostic_infos: None,
    });
    let browsed =
        BrowseResult { references: Some(vec![ReferenceDescription::default(); 2]), ..Default::default() };
    passes(BrowseResponse {
        response_header: header(),
        results: Some(vec![browsed]),
        diagnostic_infos: None,
    });
}

fn published(notification: ExtensionObject) -> PublishResponse {
    PublishResponse {
        response_header: header(),
        available_sequence_numbers: Some(vec![1, 2]),
        notification_message: NotificationMessage {
            sequence_number: 1,
            publish_time: DateTime::now(),
            notification_data: Some(vec![notification]),
        },
        results: Some(vec![StatusCode::Good]),
        ..Default::default()
    }
}

fn changes(values: Vec<DataValue>) -> ExtensionObject {
    let items =
        values.into_iter().map(|value| opcua::types::MonitoredItemNotification { client_handle: 1, value });
    ExtensionObject::from_message(DataChangeNotification {
        monitored_items: Some(items.collect()),
        diagnostic_infos: Some(vec![wide_diagnostics()]),
    })
}

#[test]
fn notifications_pass_and_keep_their_values() {
    passes(published(changes(every_data_value())));
    passes(published(ExtensionObject::from_message(opcua::types::StatusChangeNotification {
        status: StatusCode::BadTimeout,
        diagnostic_info: wide_diagnostics(),
    })));
    let many = vec![DataValue::new_now(1.5f64); 20_000];
    passes(published(changes(many)));
}

#[test]
fn a_foreign_structure_stays_bytes_even_if_the_stack_knows_it() {
    let bytes =
        encoded(&DataValue::from(Variant::from(ExtensionObject::from_message(EUInformation::default()))));
    let Some(Variant::ExtensionObject(structure)) = crate::opcua::data_value(&bytes).unwrap().value else {
        panic!("a structure")
    };
    assert!(structure.inner_is::<opcua::types::ByteStringBody>(), "{structure:?}");
}

#[track_caller]
fn refused(value: &[u8], why: Unfit) {
    assert_eq!(data_value(value), Err(why));
    assert!(crate::opcua::data_value(value).is_none());
}

#[test]
fn nesting_without_end_is_refused_before_it_is_followed() {
    // A data value with a variant that is a data value with …
    refused(&[0x01, 23].repeat(100_000), Unfit::Deep);
    refused(&[&[0x01][..], &vec![24; 100_000]].concat(), Unfit::Deep);
    // Arrays of arrays of arrays, each of one element.
    let arrays = [0x80 + 24, 1, 0, 0, 0].repeat(100_000);
    refused(&[&[0x01][..], &arrays].concat(), Unfit::Deep);
    // Diagnostics within diagnostics.
    refused(&[&[0x01, 25][..], &vec![0x40; 100_000]].concat(), Unfit::Deep);
}

#[test]
fn lengths_that_reach_behind_the_message_are_refused() {
    let length = |n: i32| n.to_le_bytes();
    // 65 000 numbers, and 2 GiB of a structure, of which nothing follows.
    refused(&[&[0x01, 0x80 + 11][..], &length(65_000), &[0; 8]].concat(), Unfit::Short);
    refused(&[&[0x01, 22, 0, 1, 1][..], &length(i32::MAX), &[0; 8]].concat(), Unfit::Short);
    refused(&[&[0x01, 12][..], &length(i32::MAX)].concat(), Unfit::Short);
    refused(&[&[0x01, 12][..], &length(-2)].concat(), Unfit::Encoding);
    // Elements of a type that is none take no bytes, so their number says nothing.
    refused(&[&[0x01, 0x80 + 40][..], &length(65_000), &vec![0; 65_000]].concat(), Unfit::Encoding);
}

#[test]
fn what_grows_a_hundredfold_in_memory_is_refused_by_its_weight() {
    // Data values of one byte each: an array of as many as one array may have, and two more.
    let array = [&[0x80 + 23][..], &65_000_i32.to_le_bytes(), &vec![0; 65_000]].concat();
    let three = [&[0x80 + 24][..], &3_i32.to_le_bytes(), &array, &array, &array].concat();
    assert!(data_value(&[&[0x01][..], &array].concat()).is_ok());
    refused(&[&[0x01][..], &three].concat(), Unfit::Heavy);
}

#[test]
fn answers_to_what_was_never_asked_are_refused() {
    let unasked = message_of(WriteResponse { response_header: header(), ..Default::default() });
    assert_eq!(message(&unasked), Err(Unfit::Unasked));
    assert_eq!(message(&[3, 0, 0, 1, 0, 0, 0, b'x']), Err(Unfit::Unasked));
    assert_eq!(message(&[]), Err(Unfit::Short));
}

#[test]
fn a_notification_is_exactly_as_long_as_it_says() {
    let mut bytes = message_of(published(changes(vec![DataValue::new_now(1i32)])));
    let at = bytes.windows(4).position(|four| four == [0x01, 0x00, 0x2B, 0x03]).unwrap() + 5;
    bytes[at] += 1;
    assert_eq!(message(&bytes), Err(Unfit::Encoding));
}

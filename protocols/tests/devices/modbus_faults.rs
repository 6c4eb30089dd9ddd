//! Modbus TCP against servers that misbehave. Each test is named after the trap or complaint it answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use observation::{PointId, Quality, Reason, Utc};
use protocols::{Link, LinkError};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use super::peer::{Hand, connect, next, observed, text, to_the_end, within};
use super::rogue::{Act, Asked, Rogue};

fn link_of(address: &str, settings: &Value, points: &[Value]) -> Box<dyn Link> {
    let mut table = json!({"address": address, "poll": "20ms", "timeout": "5s"});
    for (key, value) in settings.as_object().unwrap() {
        table[key] = value.clone();
    }
    let points = (0..).zip(points).map(|(id, table)| (PointId(id), table.clone())).collect();
    protocols::link("modbus", table, points).map_err(|e| format!("{e:?}")).unwrap()
}

/// Five registers of unit 1, read with one request; each holds its own address.
fn five(address: &str) -> Box<dyn Link> {
    five_with(address, &json!({}))
}

fn five_with(address: &str, settings: &Value) -> Box<dyn Link> {
    let point = |offset: u16| json!({"unit": 1, "register": format!("holding:{offset}"), "type": "u16"});
    link_of(address, settings, &[100, 101, 102, 103, 104].map(point))
}

/// For servers that leave a question without an answer. Long enough for an answer on a busy machine.
fn impatient() -> Value {
    json!({"timeout": "700ms"})
}

/// The first answer is wrong in this way, every later one right. All five points must be bad for this
/// reason, the session must end, and the next one must read what the device holds.
async fn check(wrong: impl Fn(&Asked) -> Act + Send + Sync + 'static, reason: Reason) -> LinkError {
    check_with(&json!({}), wrong, reason).await
}

async fn check_with(
    settings: &Value,
    wrong: impl Fn(&Asked) -> Act + Send + Sync + 'static,
    reason: Reason,
) -> LinkError {
    let act =
        move |asked: &Asked| if asked.number == 0 { wrong(asked) } else { Act::Send(asked.addresses()) };
    let server = Rogue::start(act).await;
    let link = five_with(&server.address(), settings);
    let mut source = connect(link.as_ref()).await;
    let (seen, error) = to_the_end(source.as_mut()).await;
    assert_eq!(seen.len(), 5, "each point once: {seen:?}");
    assert!(seen.iter().all(|o| o.quality == Quality::Bad(reason) && o.value.is_none()), "{seen:?}");
    drop(source);

    let mut source = connect(link.as_ref()).await;
    for point in 0..5 {
        assert_eq!(text(&observed(source.as_mut(), point).await), format!("good {}", 100 + point));
    }
    assert_eq!(server.connections(), 2, "the connection that failed is not used again");
    error
}

#[tokio::test]
async fn trap_a_short_answer_is_no_answer() {
    let error = check(|asked| Act::Send(asked.registers(&[1, 2])), Reason::Decode).await;
    assert!(matches!(error, LinkError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn trap_a_long_answer_is_no_answer() {
    let error = check(|asked| Act::Send(asked.registers(&[1, 2, 3, 4, 5, 6])), Reason::Decode).await;
    assert!(matches!(error, LinkError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn pain_24_an_answer_with_another_transaction_id_is_refused() {
    let other = |asked: &Asked| Asked { transaction: asked.transaction.wrapping_sub(1), ..asked.clone() };
    let error = check(move |asked| Act::Send(other(asked).addresses()), Reason::Decode).await;
    assert!(matches!(error, LinkError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_of_another_unit_is_refused() {
    let other = |asked: &Asked| Asked { unit: 9, ..asked.clone() };
    let error = check(move |asked| Act::Send(other(asked).addresses()), Reason::Decode).await;
    assert!(matches!(error, LinkError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_to_another_function_is_refused() {
    let other = |asked: &Asked| Asked { function: 4, ..asked.clone() };
    let error = check(move |asked| Act::Send(other(asked).addresses()), Reason::Decode).await;
    assert!(matches!(error, LinkError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn garbage_bytes_are_refused() {
    let error = check(|_| Act::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(1000)), Reason::Decode).await;
    assert!(matches!(error, LinkError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_with_no_data_at_all_is_refused() {
    let error = check(|asked| Act::Send(asked.reply(&[asked.function])), Reason::Decode).await;
    assert!(matches!(error, LinkError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn trap_a_connection_closed_before_the_answer_says_so() {
    let error = check(|_| Act::SendAndClose(Vec::new()), Reason::Disconnected).await;
    assert!(!error.to_string().contains("progress"), "no errno of something else: {error}");
    assert!(matches!(error, LinkError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_closed_in_the_middle_of_an_answer_breaks() {
    let half = |asked: &Asked| asked.addresses()[..9].to_vec();
    let error = check(move |asked| Act::SendAndClose(half(asked)), Reason::Disconnected).await;
    assert!(matches!(error, LinkError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn trap_a_server_that_hangs_is_given_up_after_the_timeout() {
    let error = check_with(&impatient(), |_| Act::Hang, Reason::Timeout).await;
    assert!(matches!(error, LinkError::Timeout { waited_ms: 700, .. }), "{error}");
}

#[tokio::test]
async fn pain_04_a_late_answer_never_becomes_the_answer_to_the_next_question() {
    // The answer to each question is held back until the next one comes on the same connection.
    let held: Mutex<Option<Vec<u8>>> = Mutex::new(None);
    let late = move |asked: &Asked| {
        if asked.connection > 0 {
            return Act::Send(asked.addresses());
        }
        match held.lock().unwrap().replace(asked.addresses()) {
            Some(earlier) => Act::Send(earlier),
            None => Act::Hang,
        }
    };
    let server = Rogue::start(late).await;
    let point = |offset: u16| json!({"unit": 1, "register": format!("holding:{offset}"), "type": "u16"});
    let link = link_of(&server.address(), &json!({"gap": 0, "timeout": "700ms"}), &[point(100), point(200)]);
    let mut source = connect(link.as_ref()).await;
    let (seen, _) = to_the_end(source.as_mut()).await;
    assert!(seen.iter().all(|o| o.quality == Quality::Bad(Reason::Timeout)), "{seen:?}");
    let mut source = connect(link.as_ref()).await;
    assert_eq!(text(&observed(source.as_mut(), 0).await), "good 100");
    assert_eq!(text(&observed(source.as_mut(), 1).await), "good 200");
}

#[tokio::test]
async fn trap_an_exception_keeps_the_connection() {
    let busy_once =
        |asked: &Asked| Act::Send(if asked.number == 0 { asked.exception(6) } else { asked.addresses() });
    let server = Rogue::start(busy_once).await;
    let link = five(&server.address());
    let mut source = connect(link.as_ref()).await;
    assert_eq!(text(&observed(source.as_mut(), 4).await), "bad Refused(6)");
    assert_eq!(text(&observed(source.as_mut(), 4).await), "good 104");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn trap_no_request_asks_for_more_than_125_registers() {
    let asked_counts = Arc::new(Mutex::new(Vec::new()));
    let counts = Arc::clone(&asked_counts);
    let server = Rogue::start(move |asked| {
        counts.lock().unwrap().push(asked.count);
        Act::Send(asked.addresses())
    })
    .await;
    let points: Vec<Value> =
        (0..130).map(|n| json!({"unit": 1, "register": format!("input:{n}"), "type": "u16"})).collect();
    let link = link_of(&server.address(), &json!({}), &points);
    let mut source = connect(link.as_ref()).await;
    assert_eq!(text(&observed(source.as_mut(), 129).await), "good 129");
    assert_eq!(asked_counts.lock().unwrap()[..2], [125, 5]);
}

#[tokio::test]
async fn pain_17_a_silent_unit_costs_the_others_nothing_but_its_timeout() {
    let silent = |asked: &Asked| if asked.unit == 2 { Act::Hang } else { Act::Send(asked.addresses()) };
    let server = Rogue::start(silent).await;
    let point = |unit: u8| json!({"unit": unit, "register": format!("holding:{unit}"), "type": "u16"});
    let link = link_of(&server.address(), &impatient(), &[point(1), point(2), point(3)]);
    let mut source = connect(link.as_ref()).await;
    let (mut good, mut silent) = ([0; 4], 0);
    while silent < 30 {
        for observation in next(source.as_mut()).await.unwrap().observations {
            match text(&observation).as_str() {
                "good 1" => good[1] += 1,
                "good 3" => good[3] += 1,
                "bad Timeout" => silent += 1,
                other => panic!("{other}"),
            }
        }
    }
    // In thirty polls the silent unit may have been waited for a few times only.
    assert!(good[1] >= 29 && good[3] >= 29, "{good:?}");
    assert!(server.connections() <= 6, "{} connections", server.connections());
}

#[tokio::test]
async fn a_unit_that_its_gateway_cannot_reach_is_asked_one_question_a_poll() {
    let server = Rogue::start(|asked| {
        Act::Send(if asked.unit == 2 { asked.exception(11) } else { asked.addresses() })
    })
    .await;
    let point =
        |unit: u8, offset: u16| json!({"unit": unit, "register": format!("holding:{offset}"), "type": "u16"});
    let link = link_of(&server.address(), &json!({"gap": 0}), &[point(2, 10), point(2, 20), point(3, 30)]);
    let mut source = connect(link.as_ref()).await;
    for _ in 0..3 {
        let seen: Vec<String> = [observed(source.as_mut(), 2).await, observed(source.as_mut(), 2).await]
            .iter()
            .map(text)
            .collect();
        assert_eq!(seen, ["good 30", "good 30"]);
    }
    assert_eq!(text(&observed(source.as_mut(), 0).await), "bad Refused(11)");
    assert_eq!(text(&observed(source.as_mut(), 1).await), "bad Refused(11)");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_unit_that_answers_again_is_noticed() {
    let mute = Arc::new(AtomicBool::new(true));
    let is_mute = Arc::clone(&mute);
    let server = Rogue::start(move |asked| {
        if asked.unit == 2 && is_mute.load(Ordering::SeqCst) {
            Act::Hang
        } else {
            Act::Send(asked.addresses())
        }
    })
    .await;
    let point = |unit: u8| json!({"unit": unit, "register": format!("holding:{unit}"), "type": "u16"});
    let link = link_of(&server.address(), &impatient(), &[point(1), point(2)]);
    let mut source = connect(link.as_ref()).await;
    assert_eq!(text(&observed(source.as_mut(), 1).await), "bad Timeout");
    mute.store(false, Ordering::SeqCst);
    while text(&observed(source.as_mut(), 1).await) != "good 2" {}
}

#[tokio::test]
async fn pain_17_a_unit_that_refuses_an_address_while_starting_is_read_whole_again_in_parts() {
    let starting =
        |asked: &Asked| Act::Send(if asked.number == 0 { asked.exception(2) } else { asked.addresses() });
    let server = Rogue::start(starting).await;
    let link = five(&server.address());
    let mut source = connect(link.as_ref()).await;
    for point in 0..5 {
        assert_eq!(text(&observed(source.as_mut(), point).await), format!("good {}", 100 + point));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn pain_01_a_lost_link_yields_no_old_value() {
    let once = |asked: &Asked| {
        if asked.number == 0 { Act::Send(asked.addresses()) } else { Act::SendAndClose(Vec::new()) }
    };
    let server = Rogue::start(once).await;
    let link = five(&server.address());
    let mut source = connect(link.as_ref()).await;
    let (seen, _) = to_the_end(source.as_mut()).await;
    let texts: Vec<String> = seen.iter().map(text).collect();
    assert_eq!(texts[..5], ["good 100", "good 101", "good 102", "good 103", "good 104"]);
    assert_eq!(texts[5..], ["bad Disconnected"; 5]);
    assert!(matches!(next(source.as_mut()).await, Err(LinkError::Broken { .. })), "it stays ended");
}

#[tokio::test]
async fn pain_02_an_observation_is_stamped_when_its_answer_arrives() {
    let clock = Hand::default();
    clock.set(1_000);
    let device_clock = clock.clone();
    let mut server = Rogue::start(move |asked| {
        // Time passes while the device thinks; a second answer never comes.
        if asked.number > 0 {
            return Act::Hang;
        }
        device_clock.set(9_000);
        Act::Send(asked.addresses())
    })
    .await;
    let link = five(&server.address());
    let mut source = within(link.connect(Arc::new(clock.clone()))).await.unwrap();
    // The second request shows that the first answer has been taken in, although nobody has fetched it.
    server.requests(2).await;
    clock.set(60_000);
    let first = observed(source.as_mut(), 0).await;
    assert_eq!((first.agent_time, text(&first).as_str()), (Utc(9_000), "good 100"));
}

#[tokio::test]
async fn a_refused_connection_names_the_address_and_what_to_check() {
    let address = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("tcp://{}", listener.local_addr().unwrap())
    };
    let link = five(&address);
    let error = within(link.connect(Arc::new(Hand::default()))).await.err().unwrap();
    assert!(matches!(error, LinkError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&address) && error.to_string().contains("check cable"), "{error}");
}

#[tokio::test]
async fn trap_connecting_is_given_up_after_the_timeout_too() {
    // A listener that accepts nobody and whose queue is full: further connections get no answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let target = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(target)).await
    {
        waiting.push(stream.unwrap());
    }
    let link = five_with(&format!("tcp://{target}"), &impatient());
    let error = within(link.connect(Arc::new(Hand::default()))).await.err().unwrap();
    assert!(error.to_string().contains("no connection within 700 ms"), "{error}");
}

/// Numbers without a pattern, the same in each run (the constants are those of MMIX).
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let next = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(next(&seed), next).map(|state| state.to_be_bytes()[0])
}

#[tokio::test]
async fn whatever_bytes_come_as_an_answer_no_value_is_made_of_them() {
    let server = Rogue::start(|asked| {
        let mut noise = noise(asked.number as u64);
        let length = usize::from(noise.next().unwrap() % 24);
        // Half of them begin like the right answer.
        let mut pdu = if asked.number % 2 == 0 { vec![asked.function, 10] } else { Vec::new() };
        pdu.extend(noise.take(length));
        let mut frame = asked.reply(&pdu);
        // Twelve bytes would be a right answer, so those are cut short.
        if pdu.len() >= 12 && asked.number % 2 == 0 {
            frame.truncate(frame.len() - 6);
        }
        Act::SendAndClose(frame)
    })
    .await;
    let link = five(&server.address());
    for _ in 0..200 {
        let mut source = connect(link.as_ref()).await;
        let (seen, _) = to_the_end(source.as_mut()).await;
        assert_eq!(seen.len(), 5);
        assert!(seen.iter().all(|o| o.value.is_none()), "{seen:?}");
    }
}

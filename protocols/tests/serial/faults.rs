//! Noise, silent units and broken connections on a line cost what they touch and nothing else.

use observation::{PointId, Quality, Reason};
use protocols::LinkError;
use serde_json::{Value, json};

use super::line::{BOTH, End, Line, Reader, holding, own_addresses};
use super::peer::text;

fn impatient() -> Value {
    json!({"timeout": "300ms"})
}

#[tokio::test]
async fn pain_24_an_answer_with_a_wrong_bit_is_no_value_wherever_the_bit_is() {
    let mut line = Line::start(End::Serial, &own_addresses(&[1], &[100])).await;
    let points = [100, 101, 102].map(|offset| holding(1, offset));
    let mut reader = Reader::new(line.link(&json!({"timeout": "150ms"}), &points));
    reader.until_all_good().await;
    // Three registers make an answer of 11 bytes; every fourth bit of it, each in an answer of its own.
    let bits: Vec<usize> = (0..88).step_by(4).collect();
    for bit in &bits {
        line.tell(&format!("flip {bit}")).await;
        let mut wrong = false;
        while !wrong {
            for observation in reader.next().await {
                let at = 100 + observation.point.0;
                wrong |= observation.quality != Quality::Good;
                assert!(
                    observation.quality != Quality::Good || text(&observation) == format!("good {at}"),
                    "bit {bit}"
                );
            }
        }
        reader.until_all_good().await;
    }
    let crc = |e: &&LinkError| matches!(e, LinkError::Protocol { .. }) && e.to_string().contains("CRC");
    assert!(reader.errors.iter().filter(crc).count() > bits.len() / 2, "{:?}", reader.errors);
}

#[tokio::test]
async fn a_short_answer_and_bytes_that_nobody_asked_for_are_no_values() {
    for end in BOTH {
        let mut line = Line::start(end, &own_addresses(&[1], &[100])).await;
        let mut reader = Reader::new(line.link(&json!({"timeout": "200ms"}), &[holding(1, 100)]));
        reader.until_all_good().await;
        for fault in ["cut 0", "cut 1", "cut 3", "cut 6", "say 00", "say 010302000a"] {
            line.tell(fault).await;
            for _ in 0..10 {
                for observation in reader.next().await {
                    let ok = observation.quality != Quality::Good || text(&observation) == "good 100";
                    assert!(ok, "{fault}: {observation:?}");
                }
            }
            reader.until_all_good().await;
        }
    }
}

#[tokio::test]
async fn a_right_answer_that_nobody_asked_for_is_no_value() {
    // Unit 1 says 0x1234 in register 100, with the right CRC, before it is asked.
    let mut line = Line::start(End::Serial, &own_addresses(&[1], &[100])).await;
    let mut reader = Reader::new(line.link(&json!({"poll": "500ms"}), &[holding(1, 100)]));
    reader.until_all_good().await;
    for _ in 0..4 {
        line.tell("say 0103021234b533").await;
        let seen = reader.next().await;
        assert!(seen.iter().all(|o| text(o) == "good 100"), "{seen:?}");
    }
}

#[tokio::test]
async fn pain_17_a_silent_unit_on_a_line_costs_the_others_a_poll_now_and_then() {
    let units: Vec<u8> = (1..=20).collect();
    let mut line = Line::start(End::Serial, &own_addresses(&units, &[100])).await;
    line.tell("mute 7").await;
    let points: Vec<Value> = units.iter().map(|unit| holding(*unit, 100)).collect();
    let mut reader = Reader::new(line.link(&impatient(), &points));
    let mut seen = vec![(0, 0); 20];
    while seen[6].1 < 30 {
        for observation in reader.next().await {
            let (good, bad) = &mut seen[usize::try_from(observation.point.0).unwrap()];
            match observation.quality {
                Quality::Good => *good += 1,
                _ => *bad += 1,
            }
            assert!(observation.quality != Quality::Good || text(&observation) == "good 100");
            if observation.point == PointId(6) {
                assert_eq!(observation.quality, Quality::Bad(Reason::Timeout), "never 0, never an old value");
            }
        }
    }
    for (unit, (good, _)) in units.iter().zip(&seen).filter(|(unit, _)| **unit != 7) {
        assert!(*good >= 25, "unit {unit} was read {good} times in 30 polls: {:?}", reader.errors);
    }
    let asked = line.questions_to(7).await;
    assert!(asked <= 8, "in thirty polls the silent unit was asked {asked} times");
    line.tell("unmute 7").await;
    reader.until(6, "good 100").await;
}

#[tokio::test]
async fn a_converter_that_closes_the_connection_is_connected_again() {
    let mut line = Line::start(End::Converter, &own_addresses(&[1], &[100])).await;
    let mut reader = Reader::new(line.link(&impatient(), &[holding(1, 100)]));
    for _ in 0..3 {
        reader.until_all_good().await;
        line.tell("hang up").await;
    }
    reader.until_all_good().await;
}

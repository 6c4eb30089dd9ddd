//! A late answer on a line never becomes another question's value, however late it is.

use observation::Quality;
use serde_json::json;

use super::line::{End, Line, Reader, holding, own_addresses};
use super::peer::text;

const TIMEOUT_MS: usize = 150;

/// Delays before, at and after the time-out and the end of the silence that is waited for, mixed with prompt
/// answers, which are what a late one could be taken for.
fn delays(longest: usize) -> impl Iterator<Item = usize> {
    let around = (0..longest).step_by(61).chain([TIMEOUT_MS - 2, TIMEOUT_MS, TIMEOUT_MS + 2, 2 * TIMEOUT_MS]);
    around.flat_map(|delay| [delay, 0, 0])
}

/// By both ways at the same time.
async fn check(command: &str, delays: Vec<usize>) {
    tokio::join!(check_by(End::Serial, command, &delays), check_by(End::Converter, command, &delays));
}

/// Two blocks of three registers, asked with questions of one shape; each register holds its address.
async fn check_by(end: End, command: &str, delays: &[usize]) {
    let mut line = Line::start(end, &own_addresses(&[1], &[100, 200])).await;
    let points = [100, 101, 102, 200, 201, 202].map(|offset| holding(1, offset));
    let settings = json!({"timeout": format!("{TIMEOUT_MS}ms"), "gap": 0});
    let mut reader = Reader::new(line.link(&settings, &points));
    reader.until_all_good().await;
    let before = line.questions().await;
    let words: Vec<String> = delays.iter().map(ToString::to_string).collect();
    line.tell(&format!("{command} {}", words.join(" "))).await;
    let (mut good, mut late) = (0, 0);
    while line.questions().await < before + delays.len() {
        for observation in reader.next().await {
            let at = [100, 101, 102, 200, 201, 202][usize::try_from(observation.point.0).unwrap()];
            if observation.quality == Quality::Good {
                good += 1;
                assert_eq!(text(&observation), format!("good {at}"), "{:?}", reader.errors);
            } else {
                late += 1;
            }
        }
    }
    assert!(good > 0 && late > 0, "{good} good, {late} late: both have to be seen");
    reader.until_all_good().await;
}

#[tokio::test]
async fn pain_04_an_answer_that_a_device_gives_late_is_never_anothers_value() {
    // pymodbus waits within its own action; longer than this it would mix up its questions itself.
    check("think", delays(2 * TIMEOUT_MS).collect()).await;
}

#[tokio::test]
async fn pain_04_an_answer_later_than_any_silence_is_never_anothers_value() {
    check("late", delays(5 * TIMEOUT_MS).collect()).await;
}

#[tokio::test]
async fn pain_04_answers_that_are_all_late_are_never_anothers_value() {
    // Each comes when another question of the same shape is being asked.
    check("late", [340, 360, 380, 330, 350, 370, 390, 310].repeat(3)).await;
}

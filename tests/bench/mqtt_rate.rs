//! 20 000 MQTT messages a second with quality of service 1 through the product's agent into its journal, with the
//! broker set as `plumbline-agent check` says: how many of those that the broker took from the publisher are durable
//! when all is over, whether one is there twice, and at what rate they came.
//!
//! mosquitto, agent, gateway and publisher are processes of their own on one machine. A hundred machines of one
//! template under one subscription; a payload is the number of its message. Everything is set as installed (journal
//! every second) but for windows of five seconds. What is durable is read from the agent's spool after its end.
//! `PLUMBLINE_MQTT_SECONDS` takes another length than ten seconds, to see whether it works.

mod process;
mod table;

use observation::{Quality, Value};
use plumbline_tests::harness::chain::{Chain, PROJECT, Programs, free_port};
use plumbline_tests::harness::mosquitto::Mosquitto;
use plumbline_tests::harness::observed::durable;
use plumbline_tests::harness::process::Process;
use rumqttc_v4::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use table::Aim;

const RATE: u32 = 20_000;
const MACHINES: u32 = 100;
const SECONDS: &str = "10";
const REPETITIONS: usize = 3;
/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(5);
/// What a publisher may have unacknowledged; mosquitto's own limit for those who publish is not set here.
const PUBLISHER_IN_FLIGHT: u16 = 1_000;
const MIB: f64 = 1024.0 * 1024.0;
const ROLE: &str = "PLUMBLINE_BENCH_MQTT";

fn main() {
    if let Ok(port) = std::env::var(ROLE) {
        let port = port.parse().unwrap_or_else(|e| panic!("{port}: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap_or_else(|e| panic!("no runtime: {e}")).block_on(publish(port));
    }
    table::head(&format!("mqtt_rate: {RATE} messages/s for {} s, {REPETITIONS} repetitions", seconds()));
    let (mut received, mut doubled, mut offered, mut rate, mut shares, mut peaks) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for repetition in 0..REPETITIONS {
        let one = measure(repetition == 0);
        received.push(one.distinct / one.sent);
        doubled.push(one.twice / one.sent);
        offered.push(one.sent / one.publishing / f64::from(RATE));
        rate.push(one.distinct / one.whole / f64::from(RATE));
        shares.push(one.agent);
        peaks.push(one.peak / MIB / 60.0);
    }
    table::row("durable ÷ acknowledged to the publisher", &received, Aim::AtLeast(1.0));
    table::row("durable twice ÷ acknowledged to the publisher", &doubled, Aim::AtMost(0.0));
    table::row("offered ÷ 20 000/s (the publisher's own rate) ⧗", &offered, Aim::AtLeast(0.99));
    table::row("received/s, from the first offered to the last received, ÷ 20 000/s ⧗", &rate, Aim::Shown);
    table::row("agent's processor time ÷ one core, while publishing", &shares, Aim::Shown);
    table::row("agent's peak memory ÷ 60 MiB", &peaks, Aim::Shown);
}

fn seconds() -> u32 {
    let written = std::env::var("PLUMBLINE_MQTT_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    written.parse().unwrap_or_else(|e| panic!("PLUMBLINE_MQTT_SECONDS={written}: {e}"))
}

struct Measured {
    sent: f64,
    distinct: f64,
    twice: f64,
    /// From the first message to the last acknowledgement to the publisher, s.
    publishing: f64,
    /// From the first message to the last one received, s.
    whole: f64,
    agent: f64,
    peak: f64,
}

fn measure(print_advice: bool) -> Measured {
    let programs = Programs {
        agent: env!("CARGO_BIN_EXE_agent-under-test"),
        gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
        verify: env!("CARGO_BIN_EXE_verify-under-test"),
    };
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no folder: {e}"));
    // Found out below to be what `check` says, so that the two cannot drift apart.
    let broker = Mosquitto::start(
        folder.path(),
        "max_inflight_messages 40000\nmax_queued_messages 12000000\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\nlog_type subscribe",
    );
    let mut chain = Chain::without_agent(programs);
    let text = chain.configuration(5, &plant(broker.port));
    let text =
        text.replace("length = \"1s\"", "length = \"5s\"").replace("journal = \"200ms\"", "journal = \"1s\"");
    let page = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let text = text.replace("[agent]", &format!("[agent]\nstatus_listen = \"{page}\""));
    chain.enrol(&text);
    let advice = chain.agent_command("check").out;
    for setting in ["max_inflight_messages 40000", "max_queued_messages 12000000"] {
        assert!(advice.contains(setting), "check does not say {setting}:\n{advice}");
    }
    if print_advice {
        for line in advice.lines().filter(|line| line.contains("mosquitto.conf")) {
            println!("{}", line.trim());
        }
    }
    chain.start_gateway(&[("RUST_LOG", "warn")]);
    chain.start_agent(process::AS_INSTALLED);
    broker.wait_for_line("bench-edge 1 plant/+/power");
    let agent = chain.agent().id();
    let before = process::cpu(agent);
    let began = Instant::now();
    let own = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    let publisher = Process::start("publisher", Command::new(own).env(ROLE, broker.port.to_string()));
    let line = acknowledged(&publisher);
    let publishing = began.elapsed().as_secs_f64();
    let processor = process::cpu(agent).saturating_sub(before).as_secs_f64();
    let sent: u32 =
        line.trim_start_matches("acknowledged ").parse().unwrap_or_else(|e| panic!("{line}: {e}"));
    // What the agent has received it makes durable within a second, and at its end in any case.
    let deadline = Instant::now() + PATIENCE;
    while heard(page) < u64::from(sent) {
        assert!(Instant::now() < deadline, "the agent has heard of {} of {sent}", heard(page));
        std::thread::sleep(Duration::from_millis(50));
    }
    let whole = began.elapsed().as_secs_f64();
    let peak = process::peak(agent);
    chain.stop_agent();

    let mut times = vec![0_u32; usize::try_from(sent).unwrap_or(0)];
    for observation in durable(chain.agent_data(), PROJECT) {
        let (Quality::Good, Some(Value::Number(number))) = (observation.quality, observation.value) else {
            continue;
        };
        let number = number.at_exponent(0).and_then(|n| usize::try_from(n).ok());
        if let Some(times) = number.and_then(|n| times.get_mut(n)) {
            *times += 1;
        }
    }
    let count = |of: &dyn Fn(u32) -> bool| {
        f64::from(u32::try_from(times.iter().filter(|t| of(**t)).count()).unwrap_or(u32::MAX))
    };
    Measured {
        sent: f64::from(sent),
        distinct: count(&|t| t > 0),
        twice: count(&|t| t > 1),
        publishing,
        whole,
        agent: processor / publishing,
        peak,
    }
}

/// The last line of the publisher. A bench on a busy machine may take its time.
fn acknowledged(publisher: &Process) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(line) = publisher.printed().lines().find(|line| line.starts_with("acknowledged ")) {
            return line.to_owned();
        }
        assert!(Instant::now() < deadline, "the publisher does not end:\n{}", publisher.printed());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Observations of the link since the agent's start, from its page.
fn heard(page: SocketAddr) -> u64 {
    let mut answer = String::new();
    let asked = TcpStream::connect(page).and_then(|mut stream| {
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: agent\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    });
    asked.unwrap_or_else(|e| panic!("{page}: {e}"));
    let line = answer.lines().find(|line| line.starts_with("plumbline_agent_observations_total{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("the page names no observations:\n{answer}"))
}

fn plant(port: u16) -> String {
    format!(
        r#"
[[link]]
id = "broker"
protocol = "mqtt"
address = "mqtt://127.0.0.1:{port}"
client_id = "bench-edge"
subscribe = ["plant/+/power"]
rate = {RATE}
in_flight = 40000

[[machine]]
each = "m{{00..{last}}}"
name = "{{id}}"
line = "A"
kind = "press"
link = "broker"
[machine.points]
power = {{ topic = "plant/{{n}}/power", measure = "W", stale_after = "10s" }}
[machine.state]
producing = 'power > 1000'
idle = 'true'
"#,
        last = MACHINES - 1
    )
}

/// The publisher's process: offers the messages at the rate and prints how many the broker has acknowledged.
async fn publish(port: u16) {
    let mut options = MqttOptions::new("bench-publisher", ("127.0.0.1", port));
    options.set_keep_alive(30_u16).set_inflight(PUBLISHER_IN_FLIGHT);
    let (client, mut events) = AsyncClient::builder(options).capacity(PUBLISHER_IN_FLIGHT.into()).build();
    let total = RATE * seconds();
    // The client's rule: one task polls, and never stops in the middle of it.
    let answers = tokio::spawn(async move {
        let mut acknowledged = 0;
        while acknowledged < total {
            let event = events.poll().await.unwrap_or_else(|e| panic!("publisher: {e}"));
            acknowledged += u32::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
        }
        acknowledged
    });
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let mut next = 0;
    while next < total {
        tick.tick().await;
        let due = began.elapsed().as_secs_f64() * f64::from(RATE);
        while next < total && f64::from(next) <= due {
            let topic = format!("plant/{}/power", next % MACHINES);
            let options = PublishOptions::new(QoS::AtLeastOnce);
            let sent = client.publish(topic, next.to_string(), options).await;
            sent.unwrap_or_else(|e| panic!("publisher: {e}"));
            next += 1;
        }
    }
    let acknowledged = answers.await.unwrap_or_else(|e| panic!("publisher: {e}"));
    println!("acknowledged {acknowledged}");
}

//! An agent that was cut off from its gateway for as many statements as a week makes, and goes on measuring while it
//! sends them: how soon live windows are in the log once the gateway is back, and how fast the backlog goes.
//!
//! A week of windows of a minute, five in a statement, is 2 016 statements. Here a window is a second and a statement
//! holds one, so that the backlog takes half an hour to make and live windows come often enough to be judged; the
//! machines are ten, read twice a second. Agent and gateway are processes of their own on one machine. An agent asks a
//! gateway that was gone for long every half minute; draining begins when the first statement of the backlog arrives. A
//! window is live if it ends after that; it arrives when the gateway's own page counts it.
//!
//! `PLUMBLINE_BACKLOG` takes another number of statements.

mod process;
mod table;

use plumbline_tests::harness::chain::{Chain, PROJECT, Programs, now_ms, now_s};
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::meters::Meters;
use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};
use table::Aim;

/// Statements of a week: seven days of 1 440 minutes, five to a statement.
const WEEK: i64 = 7 * 1440 / 5;
const MACHINES: usize = 10;
/// For how long live windows are watched, s.
const LIVE_S: i64 = 120;
/// What a live window may take in 99 of 100 cases, ms.
const LIMIT_MS: f64 = 5000.0;
const LOOK: Duration = Duration::from_millis(20);
const MIB: f64 = 1024.0 * 1024.0;

/// Small enough to be exact.
fn float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

fn plant(meters: &Meters) -> String {
    let mut text = format!(
        "[[link]]\nid = \"meters\"\nprotocol = \"modbus\"\naddress = \"tcp://{}\"\npoll = \"500ms\"\ntimeout = \"400ms\"\n\n",
        meters.address
    );
    for n in 0..MACHINES {
        let _ = write!(
            text,
            "[[machine]]\nid = \"press-{n}\"\nname = \"冲床 {n}\"\nline = \"A\"\nkind = \"press\"\nlink = \"meters\"\n\n\
             [machine.points]\npower = {{ unit = 3, register = \"input:12\", type = \"i16\", scale = \"0.1\", measure = \"kW\" }}\n\
             energy_total = {{ unit = 3, register = \"input:0\", type = \"u64\", order = \"ABCDEFGH\", scale = \"1\", measure = \"Wh\" }}\n\n\
             [machine.state]\nproducing = 'power > 1500'\nidle = 'true'\n\n"
        );
    }
    text
}

fn main() {
    let backlog = std::env::var("PLUMBLINE_BACKLOG").ok().and_then(|n| n.parse().ok()).unwrap_or(WEEK);
    table::head(&format!("drain: a backlog of {backlog} statements, live windows for {LIVE_S} s after it"));
    let programs = Programs {
        agent: env!("CARGO_BIN_EXE_agent-under-test"),
        gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
        verify: env!("CARGO_BIN_EXE_verify-under-test"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap_or_else(|e| panic!("no runtime: {e}"));
    let meters = runtime.block_on(Meters::start(Floor::default(), 0));
    let meters = meters.unwrap_or_else(|e| panic!("no meters: {e}"));
    let mut chain = Chain::new(programs, 1, &plant(&meters));
    let quiet = [("RUST_LOG", "error")];
    chain.start_agent(process::AS_INSTALLED);
    let full = now_s() + backlog;
    while now_s() < full {
        sleep(Duration::from_secs(1));
    }

    let back = Instant::now();
    chain.start_gateway(&quiet);
    let agent = chain.agent().id();
    let before = process::cpu(agent);
    let mut seen = chain.from.max(full - backlog);
    while chain.logged_until(PROJECT) <= seen {
        sleep(LOOK);
    }
    let noticed = back.elapsed().as_secs_f64();
    let (began, began_ms) = (Instant::now(), now_ms());
    let mut drained = None;
    let mut waits: Vec<f64> = vec![];
    while began.elapsed() < Duration::from_secs(LIVE_S.unsigned_abs()) {
        let end = chain.logged_until(PROJECT);
        let now = now_ms();
        for window in (seen + 1)..=end {
            if window * 1000 > began_ms {
                drained.get_or_insert(began.elapsed());
                waits.push(f64::from(u32::try_from(now - window * 1000).unwrap_or(u32::MAX)));
            }
        }
        seen = seen.max(end);
        sleep(LOOK);
    }
    let spent = process::cpu(agent).saturating_sub(before).as_secs_f64();
    let peak = process::peak(agent);
    chain.stop_agent();
    chain.stop_gateway();
    waits.sort_by(f64::total_cmp);
    let of = |share: usize| waits[(waits.len() * share / 100).min(waits.len() - 1)];
    let drained = drained.unwrap_or_else(|| panic!("no live window was ever logged")).as_secs_f64();
    let (statements, live_s) =
        (float(usize::try_from(backlog).unwrap_or(0)), float(usize::try_from(LIVE_S).unwrap_or(0)));
    table::row("live windows seen ÷ live windows", &[float(waits.len()) / live_s], Aim::AtLeast(0.95));
    table::row("P99 from a live window's end to the log ÷ 5 s ⧗", &[of(99) / LIMIT_MS], Aim::AtMost(1.0));
    table::row("P50 of the same ÷ 5 s ⧗", &[of(50) / LIMIT_MS], Aim::Shown);
    table::row(
        "from the gateway's return to the first statement ÷ 30 s, the longest pause",
        &[noticed / 30.0],
        Aim::Shown,
    );
    table::row("from then until the first live window is in the log ÷ 5 s ⧗", &[drained / 5.0], Aim::Shown);
    table::row(
        "backlog statements/s ÷ 5 000/s (a gateway's aim) ⧗",
        &[statements / drained / 5000.0],
        Aim::Shown,
    );
    table::row("agent's processor time ÷ one core, over all", &[spent / live_s], Aim::Shown);
    table::row("agent's peak memory ÷ 60 MiB", &[peak / MIB / 60.0], Aim::Shown);
}

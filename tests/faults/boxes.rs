//! Faults of the programs themselves, of plants as a whole, and of the way to the gateway: one chain each, which
//! reads one plant over all transports.

use crate::Job;
use crate::plant::{Plant, Transport};
use crate::site::{Counter, PROGRAMS, configuration, judge, run_for, wait_until_logged};
use crate::table::Row;
use plumbline_tests::harness::chain::{Chain, now_s};
use plumbline_tests::harness::disk::{fill, mount};
use plumbline_tests::harness::peers;
use plumbline_tests::harness::relay::{self, Cut, Relay, Way};
use std::path::PathBuf;

/// How long a chain runs before its fault, s.
const WELL_S: i64 = 8;
/// How long a fault lasts, s.
const FAULT_S: i64 = 3;

/// Room for the data of an agent, and of a gateway.
const DISK_MIB: u32 = 24;
const DAY_S: i64 = 86_400;
const YEAR_S: i64 = 365 * DAY_S;

/// A chain at work.
struct Site {
    folder: tempfile::TempDir,
    /// What the fault does to the wall clock, s.
    steps_s: i64,
    chain: Chain,
    /// Between agent and gateway.
    uplink: Relay,
    plant: Plant,
    counters: Vec<Counter>,
}

/// What is done to it.
struct Fault {
    name: (&'static str, &'static str),
    does: fn(&mut Site),
    /// By how much it steps the wall clock of the agent's box, s.
    steps_s: i64,
}

impl Fault {
    const fn of(name: (&'static str, &'static str), does: fn(&mut Site)) -> Self {
        Self { name, does, steps_s: 0 }
    }

    const fn step(name: (&'static str, &'static str), steps_s: i64) -> Self {
        Self { name, does: Site::step_clock, steps_s }
    }
}

const FAULTS: &[Fault] = &[
    Fault::of(("无故障", "none"), |_| run_for(FAULT_S)),
    Fault::of(("智能体被 kill -9 后重启", "agent: kill -9, started again"), |site| {
        site.chain.agent().kill();
        run_for(FAULT_S);
        site.chain.start_agent(&[]);
    }),
    Fault::of(("网关被 kill -9 后重启", "gateway: kill -9, started again"), |site| {
        site.chain.gateway().kill();
        run_for(FAULT_S);
        site.chain.start_gateway(&[]);
    }),
    Fault::of(("设备程序全部挂起", "devices: hung (SIGSTOP)"), |site| {
        site.plant.hang();
        run_for(FAULT_S);
        site.plant.wake();
    }),
    Fault::of(("设备程序全部被 kill -9 后重启", "devices: kill -9, started again"), |site| {
        site.plant.kill();
        run_for(FAULT_S);
        site.plant.restart();
    }),
    Fault::of(("智能体磁盘已满", "agent: disk full"), |site| {
        let ballast = fill(site.chain.agent_data());
        run_for(FAULT_S);
        std::fs::remove_file(ballast).unwrap();
    }),
    Fault::of(
        ("智能体磁盘已满时被 kill -9 后重启", "agent: disk full, kill -9, started again"),
        |site| {
            let ballast = fill(site.chain.agent_data());
            run_for(FAULT_S);
            site.chain.agent().kill();
            std::fs::remove_file(ballast).unwrap();
            site.chain.start_agent(&[]);
        },
    ),
    Fault::of(("网关磁盘已满", "gateway: disk full"), |site| {
        let ballast = fill(site.chain.gateway_data());
        run_for(FAULT_S);
        std::fs::remove_file(ballast).unwrap();
    }),
    Fault::of(("到网关的连接被复位", "to the gateway: connection reset"), |site| {
        site.uplink.cut(Cut::Reset);
    }),
    Fault::of(("到网关的连接被拒绝", "to the gateway: connections refused"), |site| {
        site.uplink.cut(Cut::Reset);
        site.uplink(relay::Fault::Refuse);
    }),
    Fault::of(("到网关双向黑洞", "to the gateway: black hole, both ways"), |site| {
        site.uplink(relay::Fault::BlackHole(Way::Both));
    }),
    Fault::of(("网关已存、应答丢失", "to the gateway: stored, the answers lost"), |site| {
        site.uplink(relay::Fault::BlackHole(Way::Answers));
    }),
    Fault::of(("网关应答是乱码", "to the gateway: answers are garbage"), |site| {
        site.uplink(relay::Fault::garbage(5));
    }),
    Fault::of(("网关应答重复一次", "to the gateway: answers come twice"), |site| {
        site.uplink(relay::Fault::twice(20));
    }),
    Fault::of(
        ("到网关的应答传到一半时断开", "to the gateway: cut in the middle of an answer"),
        |site| {
            site.uplink(relay::Fault::CutAnswer(Cut::Reset));
        },
    ),
    Fault::step(("墙钟前跳一小时", "wall clock: an hour ahead"), 3600),
    Fault::step(("墙钟后跳十秒", "wall clock: ten seconds back"), -10),
    Fault::step(("墙钟跳到 1970 年", "wall clock: back by 56 years, to 1970"), -56 * YEAR_S),
    Fault::step(("墙钟跳到 2036 年", "wall clock: ahead by 10 years, to 2036"), 10 * YEAR_S),
];

/// Every fault, each for whoever has time.
pub(crate) fn all(chosen: &str) -> Vec<Job> {
    let faults = FAULTS.iter().filter(|fault| fault.name.1.contains(chosen));
    faults.map(|fault| -> Job { Box::new(|| run(fault)) }).collect()
}

impl Site {
    fn new(fault: &Fault) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plant = Plant::start(folder.path(), "plant");
        let counters: Vec<Counter> = Transport::ALL
            .into_iter()
            .map(|transport| Counter {
                id: transport.by().to_owned(),
                transport,
                address: plant.address(transport),
                record: plant.record(),
                held_ms: 0,
                returns: true,
            })
            .collect();
        let mut chain = Chain::without_gateway(PROGRAMS);
        mount(chain.agent_data(), DISK_MIB);
        mount(chain.gateway_data(), DISK_MIB);
        chain.init_gateway();
        let uplink = Relay::start(chain.gateway_address());
        let text = chain.configuration(2, &configuration(&counters));
        let gateway = chain.gateway_address().to_string();
        chain.enrol(&text.replace(&gateway, &uplink.address().to_string()));
        chain.start_gateway(&[]);
        let site = Self { folder, steps_s: fault.steps_s, chain, uplink, plant, counters };
        if fault.steps_s == 0 {
            return Self { chain: started(site.chain, &[]), ..site };
        }
        // The box's wall clock, which the agent alone sees, is what a file says: another one ahead or behind.
        let library = peers::library("faketime/libfaketimeMT.so.1", "libfaketime").display().to_string();
        let file = site.clock();
        std::fs::write(&file, "+0").unwrap();
        let env = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Self { chain: started(site.chain, &env), ..site }
    }

    /// Something happens on the way to the gateway for a while.
    fn uplink(&self, fault: relay::Fault) {
        self.uplink.set(fault);
        run_for(FAULT_S);
        self.uplink.clear();
    }

    fn clock(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    fn step_clock(&mut self) {
        // Another name first: the agent may read at any moment.
        let next = self.folder.path().join("next");
        std::fs::write(&next, format!("{:+}", self.steps_s)).unwrap();
        std::fs::rename(&next, self.clock()).unwrap();
        // A clock that was put back a little is waited for.
        run_for(FAULT_S + if (-DAY_S..0).contains(&self.steps_s) { -self.steps_s } else { 0 });
    }
}

fn started(mut chain: Chain, env: &[(&str, &str)]) -> Chain {
    chain.start_agent(env);
    chain
}

fn run(fault: &Fault) -> Vec<Row> {
    let mut site = Site::new(fault);
    run_for(WELL_S);
    let began = now_s();
    (fault.does)(&mut site);
    // The longest pause before a lost connection is tried again is as long as the outage was.
    run_for(now_s() - began + 4);
    let followed_s = if fault.steps_s.abs() < DAY_S { fault.steps_s } else { 0 };
    wait_until_logged(&site.chain, followed_s, fault.name.1);
    let tallies = judge(&mut site.chain, &site.counters, fault.steps_s);
    let rows = site.counters.iter().zip(tallies);
    rows.map(|(counter, tally)| Row { fault: fault.name, over: counter.transport.title(), tally }).collect()
}

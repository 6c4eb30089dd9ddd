//! Faults of the programs themselves, of plants as a whole, and of the way to the gateway: one chain each, which
//! reads one plant over all transports.

use crate::Job;
use crate::judge::Clock;
use crate::plant::{Plant, Transport};
use crate::site::{Counter, PROGRAMS, configuration, judge, run_for, wait_until_logged};
use crate::table::Row;
use plumbline_tests::harness::chain::{Chain, now_s};
use plumbline_tests::harness::disk::{fill, mount};
use plumbline_tests::harness::peers;
use plumbline_tests::harness::relay::{self, Cut, Relay, Way};
use plumbline_tests::harness::serial::Port;

/// How long a chain runs before its fault, s.
const WELL_S: i64 = 8;
/// How long a fault lasts, s.
const FAULT_S: i64 = 3;

/// Room for the data of an agent, and of a gateway.
const DISK_MIB: u32 = 24;
/// The file of the box's wall clock.
const CLOCK: &str = "clock";
/// How long a box runs with a clock that was ahead when it started, s.
const BOOTED_S: i64 = 5;
/// A clock that is put back by no more than this is waited for, s.
const WAITED_S: i64 = 60;
const DAY_S: i64 = 86_400;
const YEAR_S: i64 = 365 * DAY_S;

/// A chain at work.
struct Site {
    folder: tempfile::TempDir,
    /// The agent's environment: its box's wall clock, which the agent alone sees, is what a file says.
    env: Vec<(&'static str, String)>,
    /// What the agent's clock shows when the fault is over, if it is not the time; later windows do not come.
    stands_at: Option<i64>,
    chain: Chain,
    /// Between agent and gateway.
    uplink: Relay,
    /// The box's serial port.
    _port: Port,
    plant: Plant,
    counters: Vec<Counter>,
}

/// What is done to it.
struct Fault {
    name: (&'static str, &'static str),
    does: fn(&mut Site),
    /// What it does to the wall clock of the agent's box.
    clock: Clock,
}

impl Fault {
    const fn of(name: (&'static str, &'static str), does: fn(&mut Site)) -> Self {
        Self { name, does, clock: Clock::Right }
    }

    const fn step(name: (&'static str, &'static str), by_s: i64) -> Self {
        Self { name, does: |_| {}, clock: Clock::Stepped(by_s) }
    }

    const fn boot(name: (&'static str, &'static str), ahead_s: i64) -> Self {
        Self { name, does: |_| {}, clock: Clock::BootedAhead(ahead_s) }
    }
}

const FAULTS: &[Fault] = &[
    Fault::of(("无故障", "none"), |_| run_for(FAULT_S)),
    Fault::of(("智能体被 kill -9 后重启", "agent: kill -9, started again"), |site| {
        site.chain.agent().kill();
        run_for(FAULT_S);
        site.start_agent();
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
    Fault::of(
        ("Sparkplug 边缘节点被 kill -9 后重启", "Sparkplug edge node: kill -9, started again"),
        |site| {
            site.plant.kill_node();
            run_for(FAULT_S);
            site.plant.restart_node();
        },
    ),
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
            site.start_agent();
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
    Fault::boot(
        ("启动时墙钟快十秒，随后校正", "booted with the clock ten seconds ahead, then put right"),
        10,
    ),
    Fault::boot(
        ("启动时墙钟快一小时，随后校正", "booted with the clock an hour ahead, then put right"),
        3600,
    ),
    Fault::boot(
        ("启动时墙钟在 2036 年，随后校正", "booted with the clock in 2036, then put right"),
        10 * YEAR_S,
    ),
];

/// Every fault, each for whoever has time.
pub(crate) fn all(chosen: &str) -> Vec<Job> {
    let faults = FAULTS.iter().filter(|fault| fault.name.1.contains(chosen));
    faults.map(|fault| -> Job { Box::new(|| run(fault)) }).collect()
}

impl Site {
    fn new(fault: &Fault) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plant = Plant::start(folder.path(), "plant", 1);
        let port = Port::start(folder.path().join("port"), plant.address(Transport::Serial));
        let counters: Vec<Counter> = Transport::ALL
            .into_iter()
            .map(|transport| Counter {
                id: transport.by().to_owned(),
                transport,
                place: match transport {
                    Transport::Serial => port.path().display().to_string(),
                    _ => plant.address(transport).to_string(),
                },
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
        let mut env = vec![];
        if fault.clock != Clock::Right {
            let library = peers::library("faketime/libfaketimeMT.so.1", "libfaketime").display().to_string();
            let file = folder.path().join(CLOCK).display().to_string();
            env.extend([("LD_PRELOAD", library), ("FAKETIME_TIMESTAMP_FILE", file)]);
            let fixed = [("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
            env.extend(fixed.map(|(key, value)| (key, value.to_owned())));
        }
        let mut site = Self { folder, env, stands_at: None, chain, uplink, _port: port, plant, counters };
        site.set_clock(0);
        site.start_agent();
        site
    }

    fn start_agent(&mut self) {
        let env: Vec<_> = self.env.iter().map(|(key, value)| (*key, value.as_str())).collect();
        self.chain.start_agent(&env);
    }

    /// Something happens on the way to the gateway for a while.
    fn uplink(&self, fault: relay::Fault) {
        self.uplink.set(fault);
        run_for(FAULT_S);
        self.uplink.clear();
    }

    /// The wall clock of the agent's box is so far ahead from now on, s.
    fn set_clock(&self, ahead_s: i64) {
        // Another name first: the agent may read at any moment.
        let next = self.folder.path().join("next");
        std::fs::write(&next, format!("{ahead_s:+}")).unwrap();
        std::fs::rename(&next, self.folder.path().join(CLOCK)).unwrap();
    }

    fn step_clock(&mut self, by_s: i64) {
        self.set_clock(by_s);
        // A clock that was put back a little is waited for.
        run_for(FAULT_S + if (-DAY_S..0).contains(&by_s) { -by_s } else { 0 });
        self.stands_at = (by_s.abs() < DAY_S).then(|| now_s() + by_s);
    }

    fn boot_ahead(&mut self, by_s: i64) {
        self.chain.agent().kill();
        self.set_clock(by_s);
        self.start_agent();
        run_for(BOOTED_S);
        self.set_clock(0);
        let corrected = now_s();
        run_for(FAULT_S + if by_s <= WAITED_S { by_s } else { 0 });
        self.stands_at = if by_s <= WAITED_S {
            None
        } else if by_s <= DAY_S {
            // Window time stands still until the clock has come to where it was: longer than a test may take.
            Some(corrected + by_s - 2)
        } else {
            Some(now_s() + by_s)
        };
    }
}

fn run(fault: &Fault) -> Vec<Row> {
    let mut site = Site::new(fault);
    run_for(WELL_S);
    let began = now_s();
    (fault.does)(&mut site);
    match fault.clock {
        Clock::Right => {}
        Clock::Stepped(by_s) => site.step_clock(by_s),
        Clock::BootedAhead(by_s) => site.boot_ahead(by_s),
    }
    // The longest pause before a lost connection is tried again is as long as the outage was.
    let rest_s = now_s() - began + 4;
    run_for(rest_s);
    let shown = match (site.stands_at, fault.clock) {
        (Some(at), Clock::BootedAhead(by_s)) if by_s <= DAY_S => at,
        (Some(at), _) => at + rest_s,
        (None, _) => now_s(),
    };
    wait_until_logged(&site.chain, shown, fault.name.1);
    let tallies = judge(&mut site.chain, &site.counters, fault.clock);
    let rows = site.counters.iter().zip(tallies);
    rows.map(|(counter, tally)| Row { fault: fault.name, over: counter.transport.title(), tally }).collect()
}

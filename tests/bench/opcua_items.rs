//! 10 000 monitored items, each changing once a second, through the product's agent into its journal: share of one
//! core, peak memory, and how many of the changes that the server made were heard.
//!
//! Server, agent and gateway are processes of their own on one machine. One link, one subscription, a hundred
//! machines of a hundred variables; everything is set as installed (journal every second) but for windows of five
//! seconds. What starting costs (a hundred requests to create the items) is not in the processor's share, but in
//! the peak of memory.

mod process;
mod table;

use opcua::crypto::SecurityPolicy;
use opcua::server::address_space::Variable;
use opcua::server::diagnostics::NamespaceMetadata;
use opcua::server::node_manager::memory::{SimpleNodeManager, simple_node_manager};
use opcua::server::{ANONYMOUS_USER_TOKEN_ID, ServerBuilder};
use opcua::types::{DataValue, DateTime, MessageSecurityMode, NodeId, Variant};
use plumbline_tests::harness::chain::{Chain, Programs, free_port, wait_until};
use plumbline_tests::harness::process::Process;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use table::Aim;
use tokio::net::TcpListener;

const MACHINES: u32 = 100;
const VARIABLES: u32 = 100;
const ITEMS: u32 = MACHINES * VARIABLES;
const NAMESPACE: &str = "urn:plumbline:bench";
const SLICE: Duration = Duration::from_secs(5);
const SLICES: usize = 5;
const MIB: f64 = 1024.0 * 1024.0;
const ROLE: &str = "PLUMBLINE_BENCH_OPCUA";

fn main() {
    if let Ok(folder) = std::env::var(ROLE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        return runtime.unwrap_or_else(|e| panic!("no runtime: {e}")).block_on(serve(Path::new(&folder)));
    }
    table::head(&format!("opcua_items: {ITEMS} items at 1 Hz, {SLICES} slices of {} s", SLICE.as_secs()));
    let programs = Programs {
        agent: env!("CARGO_BIN_EXE_agent-under-test"),
        gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
        verify: env!("CARGO_BIN_EXE_verify-under-test"),
    };
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no folder: {e}"));
    let own = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    let server = Process::start("server", Command::new(own).env(ROLE, folder.path()));
    let line = server.wait_for_line("port ");
    let mut chain = Chain::without_agent(programs);
    let text = chain.configuration(5, &plant(line.trim_start_matches("port ")));
    let text =
        text.replace("length = \"1s\"", "length = \"5s\"").replace("journal = \"200ms\"", "journal = \"1s\"");
    let page = format!("[agent]\nstatus_listen = \"127.0.0.1:{}\"", free_port());
    chain.enrol(&text.replace("[agent]", &page));
    chain.start_gateway(&[("RUST_LOG", "warn")]);
    chain.start_agent(process::AS_INSTALLED);
    let agent = chain.agent().id();
    wait_until("every variable was heard", || heard(&mut chain) >= u64::from(3 * ITEMS));

    let (mut shares, mut received) = (vec![], vec![]);
    for _ in 0..SLICES {
        let before = (Instant::now(), process::cpu(agent), heard(&mut chain));
        std::thread::sleep(SLICE);
        let after = (Instant::now(), process::cpu(agent), heard(&mut chain));
        let seconds = (after.0 - before.0).as_secs_f64();
        shares.push(after.1.saturating_sub(before.1).as_secs_f64() / seconds / 0.1);
        let values = f64::from(u32::try_from(after.2 - before.2).unwrap_or(u32::MAX));
        received.push(values / seconds / f64::from(ITEMS));
    }
    let peak = process::peak(agent) / MIB / 60.0;
    chain.stop_agent();
    table::row(
        "values heard/s ÷ 10 000/s (the server's own rate is below 1) ⧗",
        &received,
        Aim::AtLeast(0.95),
    );
    table::row("agent's processor time ÷ 10 % of a core", &shares, Aim::AtMost(1.0));
    table::row("agent's peak memory ÷ 60 MiB", &[peak], Aim::AtMost(1.0));
}

/// Observations of the link since the agent's start.
fn heard(chain: &mut Chain) -> u64 {
    let said = chain.agent_command("status").out;
    let row = said.lines().find(|line| line.contains("opc.tcp://")).unwrap_or_default();
    let counts = row.rsplit("  ").find(|part| part.contains(" / ")).unwrap_or_default();
    counts.split(" / ").next().and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

fn plant(port: &str) -> String {
    let mut text = format!(
        "[[link]]\nid = \"server\"\nprotocol = \"opcua\"\naddress = \"opc.tcp://127.0.0.1:{port}\"\nsecurity = \"none\"\n\
         publish = \"1s\"\nsampling = \"1s\"\n\n"
    );
    for machine in 0..MACHINES {
        let node = |variable: u32| format!("{{ node = \"nsu={NAMESPACE};s=m{machine}.v{variable}\"");
        let _ = write!(
            text,
            "[[machine]]\nid = \"m{machine}\"\nname = \"{machine}\"\nline = \"A\"\nkind = \"press\"\nlink = \"server\"\n\
             [machine.points]\npower = {}, measure = \"W\" }}\n[machine.inputs]\n",
            node(0)
        );
        for variable in 1..VARIABLES {
            let _ = writeln!(text, "v{variable} = {} }}", node(variable));
        }
        text.push_str("[machine.state]\nproducing = 'power > 1000'\nidle = 'true'\n\n");
    }
    text
}

/// The server's process: prints its port and changes every variable once a second.
async fn serve(folder: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|e| panic!("no port: {e}"));
    let address = listener.local_addr().unwrap_or_else(|e| panic!("no address: {e}"));
    let mut builder = ServerBuilder::new()
        .application_name("Plumbline bench")
        .application_uri("urn:plumbline:bench:server")
        .host("127.0.0.1")
        .port(address.port())
        .pki_dir(folder)
        .create_sample_keypair(true)
        .with_node_manager(simple_node_manager(
            NamespaceMetadata { namespace_uri: NAMESPACE.to_owned(), ..Default::default() },
            "bench",
        ))
        .add_endpoint(
            "none",
            ("/", SecurityPolicy::None, MessageSecurityMode::None, &[ANONYMOUS_USER_TOKEN_ID] as &[&str]),
        )
        .discovery_urls(vec![format!("opc.tcp://{address}/")]);
    let limits = &mut builder.limits_mut().subscriptions;
    limits.max_monitored_items_per_sub = 0;
    limits.max_queued_notifications = 1000;
    let (server, handle) = builder.build().unwrap_or_else(|e| panic!("no server: {e}"));
    let nodes = handle.node_managers().get_of_type::<SimpleNodeManager>();
    let nodes = nodes.unwrap_or_else(|| panic!("no node manager"));
    let namespace = handle.get_namespace_index(NAMESPACE).unwrap_or_else(|| panic!("no namespace"));
    let ids: Vec<NodeId> = (0..MACHINES)
        .flat_map(|machine| {
            (0..VARIABLES).map(move |variable| NodeId::new(namespace, format!("m{machine}.v{variable}")))
        })
        .collect();
    let variables: Vec<Variable> =
        ids.iter().map(|id| Variable::new(id, "v", "v", Variant::from(0.0_f64))).collect();
    let _ = nodes.address_space().write().add_variables(variables, &NodeId::objects_folder_id());
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut round = 0.0_f64;
        loop {
            tick.tick().await;
            round += 1.5;
            let values: Vec<DataValue> =
                ids.iter().map(|_| DataValue::new_at(Variant::from(round), DateTime::now())).collect();
            let all = ids.iter().zip(values).map(|(id, value)| (id, None, value));
            nodes.set_values(handle.subscriptions(), all).unwrap_or_else(|e| panic!("no change: {e}"));
        }
    });
    println!("port {}", address.port());
    server.run_with(listener).await.unwrap_or_else(|e| panic!("the server stopped: {e}"));
}

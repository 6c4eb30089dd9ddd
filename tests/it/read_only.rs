//! A machine is read and never written to. What the agent sends is shown to a relay in the tests of the protocols
//! (`tests/harness/relay/watch.rs`); here is the rest: the agent is built without the server of any device protocol,
//! and the source of the protocols calls nothing that writes.

use crate::tidy::rust_files;
use plumbline_tests::harness::peers::root;
use std::collections::BTreeMap;
use std::process::Command;

/// Crates the agent is built of, and their features: of `-p plumbline-agent` alone, as the product is built.
fn agent_crates() -> BTreeMap<String, String> {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "-p", "plumbline-agent", "-e", "normal", "--offline", "--locked"])
        .args(["--prefix", "none", "--format", "{p}|{f}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let crates = text.lines().filter_map(|line| {
        let (package, features) = line.split_once('|')?;
        Some((package.split(' ').next()?.to_owned(), features.trim_end_matches(" (*)").to_owned()))
    });
    crates.collect()
}

/// Device protocols have servers and brokers of these names, or of these features.
const BROKERS: [&str; 5] = ["mqtt5", "rumqttd", "rmqtt", "ntex-mqtt", "mqtt-broker"];

#[test]
fn the_agent_is_built_without_the_server_of_any_device_protocol() {
    let crates = agent_crates();
    for (name, clients) in [
        ("tokio-modbus", &["tcp", "rtu"][..]),
        ("async-opcua", &["client", "async-opcua-client"]),
        ("rumqttc-v4-next", &["use-rustls-no-provider", "use-rustls-ring"]),
        ("rumqttc-v5-next", &["use-rustls-no-provider", "use-rustls-ring"]),
    ] {
        let features = crates.get(name).unwrap_or_else(|| panic!("the agent is built without {name}"));
        // Of the features that are no dependency's name, each is a client's.
        let other = features.split(',').filter(|f| !crates.contains_key(*f) && !clients.contains(f));
        assert_eq!(other.collect::<Vec<_>>(), Vec::<&str>::new(), "{name} is built with more than a client");
    }
    for name in crates.keys() {
        let served = name.contains("opcua") && name.contains("server");
        assert!(!served && !BROKERS.contains(&name.as_str()), "the agent is built with {name}");
    }
}

#[test]
fn the_agent_listens_in_one_place_and_that_is_its_status_page() {
    let mut places = vec![];
    for folder in ["agent/src", "protocols/src"] {
        for (file, code) in sources(folder) {
            for word in
                ["TcpListener::bind", "UdpSocket::bind", "UnixListener::bind", "axum::serve", "TcpSocket"]
            {
                if code.iter().any(|line| line.contains(word)) {
                    places.push(format!("{file}: {word}"));
                }
            }
        }
    }
    let page = "agent/src/runtime/listener.rs";
    assert_eq!(places, [format!("{page}: TcpListener::bind"), format!("{page}: axum::serve")]);
}

/// What writes, in the words of the crates that could: for the folder of each protocol.
const WRITING: &[(&str, &[&str])] = &[
    (
        "modbus",
        &[
            "write_single_coil",
            "write_single_register",
            "write_multiple_coils",
            "write_multiple_registers",
            "masked_write_register",
            "read_write_multiple_registers",
            "WriteSingle",
            "WriteMultiple",
            "MaskWrite",
            "ReadWriteMultiple",
            "Call::Custom",
            "Request::Custom",
            "Writer",
        ],
    ),
    (
        "opcua",
        &[
            ".write(",
            ".call(",
            ".call_one(",
            ".call_method(",
            "WriteValue",
            "WriteRequest",
            "CallMethodRequest",
            "history_update",
            "HistoryUpdate",
            "add_nodes",
            "AddNodes",
            "add_references",
            "AddReferences",
            "delete_nodes",
            "DeleteNodes",
            "delete_references",
            "DeleteReferences",
            "set_triggering",
            "register_nodes",
        ],
    ),
    ("mqtt", MESSAGES),
    ("sparkplug", MESSAGES),
];

const MESSAGES: &[&str] = &["publish(", "publish_bytes(", "will(", "LastWill", "PublishOptions::new"];

/// The only message: a Sparkplug host that was configured to ask for rebirths does so, through a subscriber that
/// nobody else has publish. The places are counted, so that no other can hide behind them.
const PERMITTED: &[(&str, &str, usize)] = &[
    ("protocols/src/mqtt/subscriber.rs", "publish(", 3),
    ("protocols/src/mqtt/subscriber.rs", "PublishOptions::new", 2),
    ("protocols/src/sparkplug/session.rs", "publish(", 1),
    // A lock within the client library, taken to set how it decodes.
    ("protocols/src/opcua/guard.rs", ".write(", 1),
];

/// The lines of a folder's sources that are no comments and no tests.
fn sources(folder: &str) -> Vec<(String, Vec<String>)> {
    let mut found = vec![];
    for path in rust_files(&root().join(folder)) {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        if file.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap().lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect();
        found.push((file, code));
    }
    found
}

/// How often each writing word stands in lines of a protocol.
fn writes<'a>(protocol: &str, code: impl Iterator<Item = &'a String>) -> BTreeMap<&'static str, usize> {
    let words = WRITING.iter().find(|(name, _)| *name == protocol).unwrap().1;
    let mut counts = BTreeMap::new();
    for line in code {
        for word in words.iter().filter(|word| line.contains(*word)) {
            *counts.entry(*word).or_default() += 1;
        }
    }
    counts
}

#[test]
fn the_source_of_the_protocols_calls_nothing_that_writes_but_the_request_for_a_rebirth() {
    let mut found = vec![];
    for (protocol, _) in WRITING {
        let files = sources("protocols/src").into_iter().filter(|(file, _)| {
            file.starts_with(&format!("protocols/src/{protocol}/"))
                || *file == format!("protocols/src/{protocol}.rs")
        });
        let files: Vec<_> = files.collect();
        assert!(!files.is_empty(), "there is no {protocol}");
        for (file, code) in files {
            found.extend(writes(protocol, code.iter()).into_iter().map(|(word, n)| (file.clone(), word, n)));
        }
    }
    let permitted: Vec<_> = PERMITTED.iter().map(|(file, word, n)| ((*file).to_owned(), *word, *n)).collect();
    found.sort();
    let mut wanted = permitted;
    wanted.sort();
    assert_eq!(found, wanted);
    let session = std::fs::read_to_string(root().join("protocols/src/sparkplug/session.rs")).unwrap();
    assert!(
        session.contains("publish(&topic::command(group, node), rebirth::request("),
        "it asks for something else"
    );
}

#[test]
fn every_protocol_has_its_list_of_what_writes() {
    let listed: Vec<&str> = WRITING.iter().map(|(name, _)| *name).collect();
    for name in protocols::names() {
        assert!(listed.contains(&name), "{name} has no list here");
    }
}

#[test]
fn a_call_that_writes_would_be_found() {
    let line = |text: &str| [text.to_owned()];
    for (protocol, text) in [
        ("modbus", "context.write_multiple_registers(4, &[1]).await"),
        ("modbus", "use tokio_modbus::prelude::Writer;"),
        ("opcua", "session.write(&[value]).await"),
        ("opcua", "session.call(method).await"),
        ("mqtt", "client.try_publish(topic, payload, options)"),
        ("mqtt", "options.set_last_will(will)"),
    ] {
        assert_eq!(writes(protocol, line(text).iter()).len(), 1, "{text}");
    }
}

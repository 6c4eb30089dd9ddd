//! The machining centre's controller: an OPC UA server with the variables of OPC 40502 that a collector needs.
//!
//! Namespace `urn:plumbline:sim:cnc`: `Channel1.ProgramStatus`, `Channel1.OperationMode` (Int32, enumerations of
//! OPC 40502), `Channel1.PartCounter` (`UInt32`), `Spindle1.Speed` (Double, 1/min). Offers policy None with
//! an anonymous user only; the secured endpoints are tested against foreign servers.

use super::Floor;
use super::plant::{Activity, Machine};
use opcua::crypto::SecurityPolicy;
use opcua::server::address_space::Variable;
use opcua::server::diagnostics::NamespaceMetadata;
use opcua::server::node_manager::memory::{SimpleNodeManager, simple_node_manager};
use opcua::server::{ANONYMOUS_USER_TOKEN_ID, ServerBuilder, ServerHandle};
use opcua::types::{DataValue, DateTime, MessageSecurityMode, NodeId, Variant};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The namespace of the controller's variables.
pub const NAMESPACE: &str = "urn:plumbline:sim:cnc";
/// How often the controller refreshes its variables.
const CYCLE: Duration = Duration::from_millis(100);

/// A running controller; dropping it or calling [`Cnc::stop`] takes it off the network.
#[derive(Debug)]
pub struct Cnc {
    /// Where it listens.
    pub address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Cnc {
    /// Starts the controller on a loopback port (0 for any). `dir` takes its certificates.
    pub async fn start(floor: Floor, port: u16, dir: &Path) -> Result<Self, String> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let mut builder = ServerBuilder::new()
            .application_name("Plumbline simulated machining centre")
            // Not the variables' namespace: the server's own diagnostics live under this one and would answer
            // for them.
            .application_uri("urn:plumbline:sim:cnc:server")
            .host("127.0.0.1")
            .port(address.port())
            .pki_dir(dir)
            .create_sample_keypair(true)
            .with_node_manager(simple_node_manager(
                NamespaceMetadata { namespace_uri: NAMESPACE.to_owned(), ..Default::default() },
                "cnc",
            ))
            .add_endpoint(
                "none",
                ("/", SecurityPolicy::None, MessageSecurityMode::None, &[ANONYMOUS_USER_TOKEN_ID] as &[&str]),
            )
            .discovery_urls(vec![format!("opc.tcp://{address}/")]);
        builder.limits_mut().subscriptions.min_sampling_interval_ms = 50.0;
        builder.limits_mut().subscriptions.min_publishing_interval_ms = 50.0;
        let (server, handle) = builder.build()?;
        let variables = Variables::add(&handle)?;
        let refresh = tokio::spawn(async move {
            let mut tick = tokio::time::interval(CYCLE);
            loop {
                tick.tick().await;
                let machine = floor.look().cnc.clone();
                variables.refresh(&machine);
            }
        });
        let serve = tokio::spawn(async move {
            if let Err(e) = server.run_with(listener).await {
                tracing::warn!("the simulated machining centre stopped: {e}");
            }
        });
        Ok(Self { address, tasks: [refresh, serve] })
    }

    /// Takes the controller off the network at once, as when its power fails.
    pub fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Cnc {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Variables {
    handle: ServerHandle,
    nodes: Arc<SimpleNodeManager>,
    namespace: u16,
}

impl Variables {
    fn add(handle: &ServerHandle) -> Result<Self, String> {
        let nodes = handle.node_managers().get_of_type::<SimpleNodeManager>().ok_or("no node manager")?;
        let namespace = handle.get_namespace_index(NAMESPACE).ok_or("no namespace")?;
        let this = Self { handle: handle.clone(), nodes, namespace };
        let variables: Vec<Variable> = this
            .values(&super::plant::Plant::default().cnc)
            .into_iter()
            .map(|(id, value)| {
                let name = id.identifier.to_string();
                Variable::new(&id, name.as_str(), name.as_str(), value)
            })
            .collect();
        let mut space = this.nodes.address_space().write();
        let _ = space.add_variables(variables, &NodeId::objects_folder_id());
        drop(space);
        Ok(this)
    }

    fn values(&self, machine: &Machine) -> Vec<(NodeId, Variant)> {
        let status: i32 = match machine.activity() {
            Activity::Producing | Activity::Setup => 1,
            Activity::Waiting => 2,
            Activity::Held => 3,
            Activity::Idle | Activity::Fault | Activity::Off => 0,
        };
        let mode: i32 = if machine.activity() == Activity::Setup { 0 } else { 2 };
        let speed = if machine.activity() == Activity::Producing { 8_400.0 } else { 0.0 };
        let parts = u32::try_from(machine.parts()).unwrap_or(u32::MAX);
        [
            ("Channel1.ProgramStatus", Variant::from(status)),
            ("Channel1.OperationMode", Variant::from(mode)),
            ("Channel1.PartCounter", Variant::from(parts)),
            ("Spindle1.Speed", Variant::from(speed)),
        ]
        .map(|(name, value)| (NodeId::new(self.namespace, name), value))
        .into()
    }

    fn refresh(&self, machine: &Machine) {
        let values: Vec<(NodeId, DataValue)> = self
            .values(machine)
            .into_iter()
            .map(|(id, value)| (id, DataValue::new_at(value, DateTime::now())))
            .collect();
        let refreshed = self
            .nodes
            .set_values(self.handle.subscriptions(), values.iter().map(|(id, v)| (id, None, v.clone())));
        if let Err(status) = refreshed {
            tracing::warn!("the simulated machining centre could not refresh its variables: {status}");
        }
    }
}

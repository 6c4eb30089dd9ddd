//! The robot cell and the shop's MQTT broker.
//!
//! The cell publishes `hall-a/cell-02/status` as JSON every half second, for example
//! `{"state":"RUN","total":77310,"good":70868}`, with states RUN, WAIT, ALARM, IDLE.

use super::Floor;
use super::plant::Activity;
use mqtt5::broker::{BrokerConfig, MqttBroker, StorageBackendType, StorageConfig};
use rumqttc::{AsyncClient, MqttOptions, PublishOptions, QoS};
use rumqttc_v4 as rumqttc;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The topic of the cell's status.
pub const TOPIC: &str = "hall-a/cell-02/status";
/// How often the cell publishes.
const CYCLE: Duration = Duration::from_millis(500);

/// A running broker; [`Broker::stop`] takes it off the network.
#[derive(Debug)]
pub struct Broker {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Broker {
    /// Starts a broker on a loopback port (0 for any).
    pub async fn start(port: u16) -> Result<Self, String> {
        let config = BrokerConfig::new()
            .with_bind_address(SocketAddr::from(([127, 0, 0, 1], port)))
            .with_storage(
                StorageConfig::new().with_backend(StorageBackendType::Memory).with_persistence(false),
            )
            .with_sys_topics_enabled(false);
        let mut broker = MqttBroker::with_config(config).await.map_err(|e| e.to_string())?;
        let address = broker.local_addr().ok_or("the broker has no address")?;
        let mut ready = broker.ready_receiver();
        let task = tokio::spawn(async move {
            if let Err(e) = broker.run().await {
                tracing::warn!("the broker stopped: {e}");
            }
        });
        ready.wait_for(|ready| *ready).await.map_err(|e| e.to_string())?;
        Ok(Self { address, task })
    }

    /// Stops the broker and closes its connections and its port.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// The robot cell's publisher; dropping it silences the cell.
#[derive(Debug)]
pub struct Cell(JoinHandle<()>);

impl Cell {
    /// Starts publishing to a broker; reconnects for as long as it lives.
    pub fn start(floor: Floor, broker: SocketAddr) -> Self {
        let mut options = MqttOptions::new("sim-cell-02", (broker.ip().to_string(), broker.port()));
        options.set_keep_alive(5u16);
        let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
        Self(tokio::spawn(async move {
            let mut tick = tokio::time::interval(CYCLE);
            loop {
                tokio::select! {
                    event = events.poll() => {
                        if event.is_err() {
                            tick.tick().await;
                        }
                    }
                    _ = tick.tick() => {
                        // A full queue means that the broker is away; a stale status is worth nothing later.
                        let _ = client.try_publish(TOPIC, status(&floor), PublishOptions::new(QoS::AtLeastOnce));
                    }
                }
            }
        }))
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn status(floor: &Floor) -> String {
    let plant = floor.look();
    let state = match plant.cell.activity() {
        Activity::Producing => "RUN",
        Activity::Waiting => "WAIT",
        Activity::Fault => "ALARM",
        _ => "IDLE",
    };
    format!(r#"{{"state":"{state}","total":{},"good":{}}}"#, plant.cell.parts(), plant.cell.good_parts())
}

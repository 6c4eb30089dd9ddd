//! A Sparkplug edge node of foreign make: Eclipse Tahu's payloads, published by paho (`tests/peers/sparkplug_peer.py`).

use serde_json::{Value, json};

use super::peer::Script;

/// An edge node of the group Plant. It ends with this value as a program that is killed ends.
pub(crate) struct Edge {
    script: Script,
    _plan: tempfile::NamedTempFile,
    /// The number of the last birth.
    pub(crate) births: i64,
}

impl Edge {
    pub(crate) async fn start(port: u16, node: &str, bd_seq: u8) -> Self {
        let plan = tempfile::NamedTempFile::new().unwrap();
        let content = json!({"port": port, "group": "Plant", "node": node, "bd_seq": bd_seq});
        std::fs::write(plan.path(), content.to_string()).unwrap();
        let mut script = Script::start("sparkplug_peer.py", plan.path());
        assert_eq!(
            script.line().await.as_deref(),
            Some("connected"),
            "the edge node did not start; install it with: target/peers/bin/pip install -r tests/peers/requirements.txt"
        );
        Self { script, _plan: plan, births: i64::from(bd_seq) * 1_000_000 }
    }

    pub(crate) async fn tell(&mut self, command: Value) {
        assert_eq!(self.script.tell(&command.to_string()).await, "ok");
    }

    /// A birth with these metrics, and the point 0 that tells births apart.
    pub(crate) async fn birth(&mut self, metrics: &[Value]) {
        self.births += 1;
        let mut metrics = metrics.to_vec();
        metrics.push(json!({"name": "birth", "alias": 100, "type": "Int64", "value": self.births}));
        self.tell(json!({"send": "NBIRTH", "metrics": metrics})).await;
    }

    pub(crate) async fn data(&mut self, metric: Value) {
        self.tell(json!({"send": "NDATA", "metrics": [metric]})).await;
    }

    /// A birth that the broker keeps, against the rules.
    pub(crate) async fn retained_birth(&mut self, metrics: &[Value]) {
        self.tell(json!({"send": "NBIRTH", "metrics": metrics, "retain": true})).await;
    }

    pub(crate) async fn device(&mut self, message: &str, metrics: &[Value]) {
        self.tell(json!({"send": message, "device": "Press3", "metrics": metrics})).await;
    }

    /// What others have published.
    pub(crate) async fn heard(&mut self, command: Value) -> Vec<Value> {
        serde_json::from_str(&self.script.tell(&command.to_string()).await).unwrap()
    }

    /// kill -9: no goodbye, so that the broker publishes the will.
    pub(crate) async fn kill(self) {
        self.script.kill().await;
    }
}

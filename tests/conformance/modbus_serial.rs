//! Modbus RTU on a serial port: a pair of pseudo-terminals, a line through the relay, and pymodbus on the device file at
//! its other end. A connection that ends is an adapter that is pulled out. The frames are those of RTU over TCP.

use crate::modbus_rtu::RtuOverTcp;
use crate::server::{Server, counting};
use crate::transport::{Age, Reason, Transport, Ways};
use async_trait::async_trait;
use observation::{Clock, PointId};
use plumbline_tests::harness::relay::watch::Rule;
use plumbline_tests::harness::serial::Port;
use protocols::{Expectation, Link, LinkError, Source};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Serial;

/// The longest time-out of a link here, which is listened to for as long before the first question.
const LONGEST: Duration = Duration::from_secs(5);

/// A link, and the port that it opens.
struct Plugged {
    link: Box<dyn Link>,
    _port: Port,
    _folder: tempfile::TempDir,
}

#[async_trait]
impl Link for Plugged {
    async fn connect(&self, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, LinkError> {
        self.link.connect(clock).await
    }
    fn points(&self) -> &[PointId] {
        self.link.points()
    }
    fn expectation(&self, point: PointId) -> Expectation {
        self.link.expectation(point)
    }
}

impl Transport for Serial {
    const NAME: &'static str = "Modbus RTU, serial";
    const RULE: Rule = RtuOverTcp::RULE;
    const AGE: Age = RtuOverTcp::AGE;
    const ONCE: Result<(), Reason> = RtuOverTcp::ONCE;

    fn serve(folder: &Path, from: u64) -> Server {
        let (main, address) = counting(folder, "modbus_serial", from, 0);
        Server { address, main, _others: vec![] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        let folder = tempfile::tempdir().unwrap();
        let port = Port::start(folder.path().join("port"), at);
        let timeout = format!("{}ms", patience.min(LONGEST).as_millis());
        let address = format!("serial://{}", port.path().display());
        let settings = json!({"address": address, "poll": "100ms", "timeout": timeout});
        let point = |unit| json!({"unit": unit, "register": "holding:0", "type": "u32", "order": "ABCD"});
        let points = vec![(PointId(0), point(1)), (PointId(1), point(2))];
        let link = protocols::link("modbus", settings, points).map_err(|e| format!("{e:?}")).unwrap();
        Box::new(Plugged { link, _port: port, _folder: folder })
    }

    fn short() -> Ways {
        RtuOverTcp::short()
    }

    fn wrong_unit() -> Ways {
        RtuOverTcp::wrong_unit()
    }

    fn wrong_id() -> Ways {
        RtuOverTcp::wrong_id()
    }

    fn corrupted() -> Ways {
        RtuOverTcp::corrupted()
    }
}

//! The plant's electricity meters: one Modbus TCP gateway with a unit for each meter.
//!
//! | unit | meter of | registers |
//! |---|---|---|
//! | 1 | machining centre | holding 0–1 energy u32 ABCD in 0.01 kWh; holding 40–41 power f32 CDAB in kW |
//! | 2 | robot cell | the same |
//! | 3 | press | input 0–3 energy u64 in Wh; input 12 power i16 in 0.1 kW |
//!
//! Everything else is refused with the exception a real meter would send. Writes are refused always.

use super::Floor;
use super::plant::Machine;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_modbus::prelude::*;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};

/// A running Modbus gateway; dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Meters {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Meters {
    /// Starts the gateway on a loopback port (0 for any).
    pub async fn start(floor: Floor, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let new_service = |_| Ok(Some(Unit { floor: floor.clone() }));
            let connected = |stream, peer| async move { accept_tcp_connection(stream, peer, new_service) };
            // A broken client connection is the client's affair.
            let _ = Server::new(listener).serve(&connected, |_| ()).await;
        });
        Ok(Self { address, task })
    }
}

impl Drop for Meters {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Unit {
    floor: Floor,
}

impl Service for Unit {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, adu: Self::Request) -> Self::Future {
        let plant = self.floor.look();
        ready(match (adu.slave, adu.request) {
            (1, Request::ReadHoldingRegisters(at, n)) => {
                read(&modern(&plant.cnc), at, n).map(Response::ReadHoldingRegisters)
            }
            (2, Request::ReadHoldingRegisters(at, n)) => {
                read(&modern(&plant.cell), at, n).map(Response::ReadHoldingRegisters)
            }
            (3, Request::ReadInputRegisters(at, n)) => {
                read(&old(&plant.press), at, n).map(Response::ReadInputRegisters)
            }
            (1..=3, _) => Err(ExceptionCode::IllegalFunction),
            _ => Err(ExceptionCode::GatewayTargetDevice),
        })
    }
}

/// (first register, words) blocks of a meter.
type Blocks = Vec<(u16, Vec<u16>)>;

fn modern(machine: &Machine) -> Blocks {
    let energy = u32::try_from(machine.energy_wh() / 10).unwrap_or(u32::MAX);
    let [a, b] = words(energy);
    // Watts of these machines are exact in an f32.
    #[expect(clippy::cast_precision_loss, reason = "the meter really has only a float register")]
    let [c, d] = words((machine.power_w() as f32 / 1000.0).to_bits());
    vec![(0, vec![a, b]), (40, vec![d, c])]
}

fn old(machine: &Machine) -> Blocks {
    let energy = machine.energy_wh();
    let words = [48, 32, 16, 0].map(|shift| u16::try_from(energy >> shift & 0xffff).unwrap_or_default());
    let power = u16::try_from(machine.power_w() / 100).unwrap_or(u16::MAX);
    vec![(0, words.to_vec()), (12, vec![power])]
}

fn words(x: u32) -> [u16; 2] {
    [x >> 16, x & 0xffff].map(|word| u16::try_from(word).unwrap_or_default())
}

/// A read must lie inside one block, as in many real meters: holes are illegal addresses.
fn read(blocks: &Blocks, at: u16, n: u16) -> Result<Vec<u16>, ExceptionCode> {
    blocks
        .iter()
        .find_map(|(first, words)| {
            let from = usize::from(at.checked_sub(*first)?);
            words.get(from..from + usize::from(n)).map(<[u16]>::to_vec)
        })
        .ok_or(ExceptionCode::IllegalDataAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_between_blocks_are_refused() {
        let blocks = vec![(0, vec![1, 2]), (40, vec![3, 4])];
        assert_eq!(read(&blocks, 0, 2), Ok(vec![1, 2]));
        assert_eq!(read(&blocks, 41, 1), Ok(vec![4]));
        assert_eq!(read(&blocks, 0, 3), Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(read(&blocks, 10, 1), Err(ExceptionCode::IllegalDataAddress));
    }
}

//! Modbus: what a device may answer. Promise: each point of the request gets exactly one observation, a number
//! says the registers it came from and nothing else, and whatever the bytes of a frame are, they end the call.

use std::cell::Cell;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt as _;
use observation::{Decimal, Observation, PointId, Value};
use protocols::modbus::address::{Address, Kind, Order, Reading, Table};
use protocols::modbus::decode::{Answer, decode};
use protocols::modbus::plan::{Limits, MAX_BITS, MAX_REGISTERS, Point, Request, plan};
use protocols::modbus::rtu::{self, Heard};
use tokio_modbus::client::{Client as _, tcp};
use tokio_modbus::{Request as Call, Response, Slave};

use super::{AT, Bytes};

const TABLES: [Table; 4] = [Table::Coil, Table::Discrete, Table::Holding, Table::Input];
const KINDS: [Kind; 8] =
    [Kind::I16, Kind::U16, Kind::I32, Kind::U32, Kind::F32, Kind::I64, Kind::U64, Kind::F64];
const LIMITS: Limits = Limits { registers: MAX_REGISTERS, bits: MAX_BITS, gap: 8 };

/// Points, then the registers or bits of the answer.
pub(super) fn answer(data: &[u8]) {
    let mut bytes = Bytes(data);
    let table = TABLES[usize::from(bytes.byte() % 4)];
    let count = bytes.byte() % 8 + 1;
    let points: Vec<Point> = (0..u32::from(count)).map(|id| point(PointId(id), table, &mut bytes)).collect();
    let requests = plan(&points, LIMITS);
    let planned: usize = requests.iter().map(|request| request.points.len()).sum();
    assert_eq!(planned, points.len(), "the plan reads every point once");
    for request in &requests {
        let answer = if table.holds_bits() { bits(&mut bytes, request) } else { words(&mut bytes, request) };
        check(request, &answer);
    }
}

fn point(id: PointId, table: Table, bytes: &mut Bytes<'_>) -> Point {
    let form = bytes.byte();
    let offset = u16::from(bytes.byte());
    let reading = match (table.holds_bits(), form % 4) {
        (true, _) => Reading::Bit,
        (false, 0) => Reading::BitOf(form >> 4),
        (false, 1) => Reading::Text { words: u16::from(form >> 2) % MAX_REGISTERS + 1 },
        (false, scaled) => {
            let kind = KINDS[usize::from(form >> 2 & 7)];
            let orders: Vec<Order> = Order::all(kind.words()).collect();
            let order = orders[usize::from(form >> 5) % orders.len()];
            let scale =
                if scaled == 2 { Decimal::from(1i64) } else { Decimal::new(1, -3).unwrap_or(Decimal::ZERO) };
            Reading::Number { kind, order, scale }
        }
    };
    Point { id, address: Address { unit: 1, table, offset, reading } }
}

/// As many as asked for, or, said by a byte, any other number.
fn length(bytes: &mut Bytes<'_>, asked: usize) -> usize {
    match bytes.byte() {
        0..=0xEF => asked,
        other => usize::from(other - 0xF0),
    }
}

fn words(bytes: &mut Bytes<'_>, request: &Request) -> Answer {
    let n = length(bytes, usize::from(request.count));
    Answer::Words((0..n).map(|_| bytes.short()).collect())
}

fn bits(bytes: &mut Bytes<'_>, request: &Request) -> Answer {
    let n = length(bytes, usize::from(request.count).next_multiple_of(8));
    Answer::Bits((0..n).map(|_| bytes.byte() & 1 == 1).collect())
}

/// What must be true of whatever was answered.
fn check(request: &Request, answer: &Answer) {
    let observations = decode(request, answer, AT);
    assert_eq!(observations.len(), request.points.len(), "one observation a point");
    for (point, observed) in request.points.iter().zip(&observations) {
        assert_eq!((observed.point, observed.agent_time, observed.mono), (point.id, AT.utc, AT.mono));
        assert_eq!(observed.quality.is_good(), observed.value.is_some(), "a value if and only if it is good");
        if answer.fits(request) {
            came_from(&point.address, usize::from(point.address.offset - request.start), answer, observed);
        }
    }
}

/// An unscaled number is turned back into its registers.
fn came_from(address: &Address, from: usize, answer: &Answer, observed: &Observation) {
    let (Answer::Words(words), Some(Value::Number(n))) = (answer, &observed.value) else { return };
    let Reading::Number { kind, order, scale } = address.reading else { return };
    if scale != Decimal::from(1i64) {
        return;
    }
    let Some(value) = value_bytes(kind, *n) else { return };
    let wire: Vec<u8> = order.positions().map(|position| value[position]).collect();
    let span = usize::from(kind.words());
    let came: Vec<u8> = words[from..from + span].iter().flat_map(|word| word.to_be_bytes()).collect();
    assert_eq!(wire, came, "{kind:?} {order:?} {n}");
}

/// The bytes of a number as its kind writes them; none for a zero of a float, whose sign is not kept.
fn value_bytes(kind: Kind, n: Decimal) -> Option<Vec<u8>> {
    let text = n.to_string();
    let float = matches!(kind, Kind::F32 | Kind::F64);
    if float && n == Decimal::ZERO {
        return None;
    }
    let parsed = match kind {
        Kind::I16 => text.parse::<i16>().map(|n| n.to_be_bytes().to_vec()).ok(),
        Kind::U16 => text.parse::<u16>().map(|n| n.to_be_bytes().to_vec()).ok(),
        Kind::I32 => text.parse::<i32>().map(|n| n.to_be_bytes().to_vec()).ok(),
        Kind::U32 => text.parse::<u32>().map(|n| n.to_be_bytes().to_vec()).ok(),
        Kind::I64 => text.parse::<i64>().map(|n| n.to_be_bytes().to_vec()).ok(),
        Kind::U64 => text.parse::<u64>().map(|n| n.to_be_bytes().to_vec()).ok(),
        Kind::F32 => text.parse::<f32>().map(|n| n.to_be_bytes().to_vec()).ok(),
        Kind::F64 => text.parse::<f64>().map(|n| n.to_be_bytes().to_vec()).ok(),
    };
    assert!(parsed.is_some(), "{text} is no {kind:?}");
    parsed
}

thread_local! {
    /// The frame's decoder is known to assert instead of answering; the product catches it, and so does this.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread now is one that the product catches.
pub(crate) fn panic_is_caught() -> bool {
    CAUGHT.with(Cell::get)
}

/// A request, then what a peer sends on the TCP connection before it closes.
pub(super) fn frame(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (form, count) = (bytes.byte(), bytes.byte());
    let request = narrow_request(form, count);
    CAUGHT.with(|caught| caught.set(true));
    let response = catch_unwind(AssertUnwindSafe(|| call(&request, bytes.0.to_vec()).now_or_never()));
    CAUGHT.with(|caught| caught.set(false));
    // Bytes in memory are there at once: the call has ended, or panicked as the product expects it to.
    let Ok(ended) = response else { return };
    let Some(response) = ended.unwrap_or_else(|| panic!("a call waits for bytes that cannot come")) else {
        return;
    };
    let answer = match response {
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => Answer::Bits(bits),
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => Answer::Words(words),
        _ => return,
    };
    check(&request, &answer);
}

async fn call(request: &Request, sent: Vec<u8>) -> Option<Response> {
    let wire = tokio::io::join(Cursor::new(sent), tokio::io::sink());
    let mut client = tcp::attach_slave(wire, Slave(request.unit));
    let (start, count) = (request.start, request.count);
    let question = match request.table {
        Table::Coil => Call::ReadCoils(start, count),
        Table::Discrete => Call::ReadDiscreteInputs(start, count),
        Table::Holding => Call::ReadHoldingRegisters(start, count),
        Table::Input => Call::ReadInputRegisters(start, count),
    };
    client.call(question).await.ok()?.ok()
}

/// A request, then what is heard on the serial line. 0: as it is; else: with the CRC that belongs to it.
pub(super) fn rtu(data: &[u8]) {
    let mut bytes = Bytes(data);
    let form = bytes.byte();
    let request = narrow_request(form, bytes.byte());
    let mut heard = bytes.0.to_vec();
    if form & 0x80 != 0 {
        heard.extend_from_slice(&rtu::crc(bytes.0).to_le_bytes());
    }
    match rtu::hear(&heard, &request) {
        Heard::Answer(answer) => {
            assert!(answer.fits(&request), "an answer of another length");
            assert_eq!(heard.len(), rtu::answer_bytes(&request));
            assert_eq!(on_the_wire(&request, &answer), heard);
            check(&request, &answer);
            partial(&heard, &request);
        }
        Heard::Refused(code) => {
            let body = [request.unit, request.table.function() | 0x80, code];
            assert_eq!(heard, [&body[..], &rtu::crc(&body).to_le_bytes()].concat());
            partial(&heard, &request);
        }
        Heard::Part => assert!(heard.len() < rtu::answer_bytes(&request), "nothing more can come"),
        Heard::Wrong(why) => {
            assert!(!why.is_empty());
            heard.push(0);
            assert!(matches!(rtu::hear(&heard, &request), Heard::Wrong(_)), "more bytes made it right");
        }
    }
}

/// Two points at the ends of a request of `count` addresses and a few more.
fn narrow_request(form: u8, count: u8) -> Request {
    let table = TABLES[usize::from(form % 4)];
    let count = u16::from(count) % MAX_REGISTERS + 1;
    let reading = if table.holds_bits() { Reading::Bit } else { Reading::BitOf(0) };
    let point = |id, offset| {
        let reading = reading.clone();
        Point { id: PointId(id), address: Address { unit: 1, table, offset, reading } }
    };
    let points = vec![point(0, 0), point(1, count - 1)];
    Request { unit: 1, table, start: 0, count, points }
}

/// The frame that says this answer.
fn on_the_wire(request: &Request, answer: &Answer) -> Vec<u8> {
    let data: Vec<u8> = match answer {
        Answer::Words(words) => words.iter().flat_map(|word| word.to_be_bytes()).collect(),
        Answer::Bits(bits) => bits
            .chunks(8)
            .map(|byte| byte.iter().zip(0..).fold(0, |sum, (bit, place)| sum | u8::from(*bit) << place))
            .collect(),
    };
    let mut frame = vec![request.unit, request.table.function(), rtu::data_bytes(request)];
    frame.extend(data);
    frame.extend(rtu::crc(&frame).to_le_bytes());
    frame
}

/// While it arrives, a right frame is never anything but a part.
fn partial(frame: &[u8], request: &Request) {
    for heard in 0..frame.len() {
        assert_eq!(rtu::hear(&frame[..heard], request), Heard::Part, "after {heard} bytes");
    }
}

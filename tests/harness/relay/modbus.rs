//! Modbus requests that only read: functions 1 to 4 (MODBUS Application Protocol Specification V1.1b3, chapter 6).

use super::watch::{Frames, Rule};

/// Modbus TCP: a frame is `transaction:2 protocol:2 length:2 unit:1 function:1 start:2 count:2`.
pub const TCP: Rule = || Box::new(Tcp(Vec::new()));
/// RTU frames on a TCP connection: `unit:1 function:1 start:2 count:2 crc:2`.
pub const RTU: Rule = || Box::new(Rtu(Vec::new()));

struct Tcp(Vec<u8>);
struct Rtu(Vec<u8>);

/// Bytes of a frame before its unit.
const HEADER: usize = 6;
/// A read request from its unit on.
const READ: u16 = 6;
/// A read request as an RTU frame.
const RTU_READ: usize = 8;

fn reads(function: u8) -> Result<String, String> {
    match function {
        1..=4 => Ok(format!("function {function}")),
        other => Err(format!("Modbus function {other} does not read")),
    }
}

impl Frames for Tcp {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, String)>, String> {
        let Some(&[_, _, p1, p0, l1, l0, _unit, function]) = bytes.get(..=HEADER + 1) else {
            return Ok(None);
        };
        let name = reads(function)?;
        let (protocol, length) = (u16::from_be_bytes([p1, p0]), u16::from_be_bytes([l1, l0]));
        if protocol != 0 || length != READ {
            return Err(format!("no Modbus read: protocol {protocol}, length {length}"));
        }
        let whole = HEADER + usize::from(length);
        Ok((bytes.len() >= whole).then_some((whole, name)))
    }

    fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Frames for Rtu {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, String)>, String> {
        let Some(&function) = bytes.get(1) else { return Ok(None) };
        let name = reads(function)?;
        let Some(frame) = bytes.get(..RTU_READ) else { return Ok(None) };
        let (body, sum) = frame.split_at(RTU_READ - 2);
        if crc(body).to_le_bytes() != sum {
            return Err("an RTU frame with a wrong checksum".to_owned());
        }
        Ok(Some((RTU_READ, name)))
    }

    fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

/// CRC-16 as in MODBUS over Serial Line V1.02, 6.2.2: polynomial 0xA001 reflected, starting with ones.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::relay::watch::look_at;

    /// The frame of a request, as a TCP frame.
    fn tcp(pdu: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 7, 0, 0, 0, u8::try_from(pdu.len() + 1).unwrap(), 1];
        frame.extend(pdu);
        frame
    }

    fn rtu(pdu: &[u8]) -> Vec<u8> {
        let mut frame = vec![1];
        frame.extend(pdu);
        let sum = crc(&frame);
        frame.extend(sum.to_le_bytes());
        frame
    }

    #[test]
    fn reads_pass_however_they_are_cut_into_pieces() {
        let stream: Vec<u8> = (1..=4).flat_map(|function| tcp(&[function, 0, 0, 0, 2])).collect();
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        let all = ["function 1×1", "function 2×1", "function 3×1", "function 4×1"];
        assert_eq!(look_at(TCP, &[&stream]).unwrap(), all);
        assert_eq!(look_at(TCP, &bytes).unwrap(), all);
        let stream: Vec<u8> = (1..=4).flat_map(|function| rtu(&[function, 0, 0, 0, 2])).collect();
        assert_eq!(look_at(RTU, &stream.chunks(3).collect::<Vec<_>>()).unwrap(), all);
    }

    #[test]
    fn the_checksum_is_the_one_of_the_specification() {
        // The example of MODBUS over Serial Line V1.02, 6.2.2: 02 07 gives 0x1241, low byte first.
        assert_eq!(crc(&[0x02, 0x07]), 0x1241);
    }

    #[test]
    fn every_function_that_is_no_read_is_told_with_its_bytes() {
        for function in (0..=255u8).filter(|f| !(1..=4).contains(f)) {
            let pdu = [function, 0, 0, 0, 1];
            for (rule, frame) in [(TCP, tcp(&pdu)), (RTU, rtu(&pdu))] {
                let why = look_at(rule, &[&frame]).unwrap_err();
                assert!(why.contains(&format!("function {function} does not read")), "{why}");
                assert!(why.contains(&hex::encode(&frame)), "{why}");
            }
        }
        // Read/write multiple registers hides a read in front; reads with a tail are no reads.
        assert!(look_at(TCP, &[&tcp(&[23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 9])]).is_err());
        assert!(look_at(TCP, &[&tcp(&[3, 0, 0, 0, 1, 9])]).is_err());
        assert!(look_at(RTU, &[&[1, 3, 0, 0, 0, 1, 0, 0]]).is_err());
    }
}

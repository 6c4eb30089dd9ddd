//! Certificates that come with those of their issuers.
//!
//! OPC 10000-6 6.2.6 lets an application append them, end certificate first, wherever it shows its own, and has every
//! application accept that. The stack does not: it reads the field as one certificate, in the opening of the channel, whose
//! signature covers the field, and in the answer to `CreateSession`, which it compares with the endpoint. So such
//! servers are told apart here, and the operator is told what to change on them. Nothing is trusted here.

use crate::LinkError;

/// How many certificates a field holds: each is a SEQUENCE, so its length stands at its beginning (X.690 8.1).
/// What does not look like one counts as one.
pub(super) fn count(mut field: &[u8]) -> usize {
    let mut found = 0;
    while let Some(length) = length(field) {
        found += 1;
        let Some(rest) = field.get(length..) else { break };
        field = rest;
    }
    found.max(1)
}

/// The whole length of the SEQUENCE at the beginning.
fn length(field: &[u8]) -> Option<usize> {
    let (&0x30, rest) = field.split_first()? else { return None };
    let (&first, rest) = rest.split_first()?;
    if first < 0x80 {
        return Some(2 + usize::from(first));
    }
    let digits = rest.get(..usize::from(first & 0x7F)).filter(|digits| matches!(digits.len(), 1..=3))?;
    let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
    Some(2 + digits.len() + length)
}

/// What is wrong with a server that shows so many, and what to do.
pub(super) fn words(count: usize) -> (String, String) {
    (
        format!("it shows its certificate together with those of its issuers ({count} in one), which this program cannot read"),
        "have the server show its own certificate alone: switch off the sending of the chain, or give it a file with only \
         that one certificate, issued by an authority or by itself; then compare its fingerprint and trust it as \
         usual, since the issuers play no part in that"
            .to_owned(),
    )
}

/// A refusal with these words.
pub(super) fn refused(address: &str, count: usize) -> LinkError {
    let (detail, advice) = words(count);
    LinkError::Refused { address: address.to_owned(), detail, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_in_a_row_are_counted_by_their_lengths() {
        let short = [&[0x30, 0x03][..], &[1; 3]].concat();
        let long = [&[0x30, 0x82, 0x01, 0x02][..], &[1; 0x102]].concat();
        for (field, want) in [
            (vec![], 1),
            (b"no certificate".to_vec(), 1),
            (long.clone(), 1),
            ([&long[..], &short].concat(), 2),
            ([&short[..], &long, &short].concat(), 3),
            // Rubbish behind a certificate is no certificate, and is refused as such elsewhere.
            ([&long[..], b"?"].concat(), 1),
            ([&[0x30, 0x89][..], &[1; 9]].concat(), 1),
        ] {
            assert_eq!(count(&field), want, "{field:02x?}");
        }
    }
}

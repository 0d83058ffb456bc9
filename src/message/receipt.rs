//! A receipt: what a buyer keeps to prove later which record of the journal his order is.
//!
//! 48 hex digits are 24 bytes: the seq of the record, big-endian, and the first 16 bytes of the
//! chain value after the batch that holds it. Whoever has a copy of the journal can say whether
//! that is so; nobody can make a journal with other records that says the same.

use std::{fmt, str::FromStr};

use super::{Reply, kind, outcome};

/// Bytes of the chain in a receipt.
pub const RECEIPT_CHAIN_BYTES: usize = 16;
/// Digits of a receipt.
pub const RECEIPT_DIGITS: usize = 2 * (8 + RECEIPT_CHAIN_BYTES);

/// See the page's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The record.
    pub seq: u64,
    /// The beginning of the chain value after its batch.
    pub chain: [u8; RECEIPT_CHAIN_BYTES],
}

/// Why a text is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a receipt is {RECEIPT_DIGITS} hex digits, the first 16 of them not all zero")]
pub struct BadReceipt;

impl Receipt {
    /// Its digits.
    #[inline]
    pub fn digits(&self) -> [u8; RECEIPT_DIGITS] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; RECEIPT_DIGITS];
        let bytes = self.seq.to_be_bytes();
        let bytes = bytes.iter().chain(&self.chain);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        digits
    }

    /// Whether an answer tells of an order that has one.
    #[inline]
    pub fn is_due(reply: &Reply) -> bool {
        reply.kind == kind::REPLY
            && (outcome::HELD..=outcome::LEFT).contains(&reply.outcome)
            && reply.seq.to_native() != 0
    }
}

/// On the wire of the binary protocol the two fields that only rings need carry a receipt's chain.
impl Reply {
    /// Puts a receipt's chain where the rings' fields are; zeros without one.
    #[inline]
    pub fn set_receipt(&mut self, receipt: Option<&Receipt>) {
        let chain = receipt.map_or([0; RECEIPT_CHAIN_BYTES], |receipt| receipt.chain);
        let (front, back) = chain.split_at(8);
        self.after = u64::from_le_bytes(front.try_into().expect("eight of 16")).into();
        self.arrived = u64::from_le_bytes(back.try_into().expect("the rest of 16")).into();
    }

    /// The receipt in an answer from the wire; `None` if it has none.
    pub fn receipt(&self) -> Option<Receipt> {
        let mut chain = [0; RECEIPT_CHAIN_BYTES];
        chain[..8].copy_from_slice(&self.after.to_native().to_le_bytes());
        chain[8..].copy_from_slice(&self.arrived.to_native().to_le_bytes());
        let is_there = Receipt::is_due(self) && chain != [0; RECEIPT_CHAIN_BYTES];
        is_there.then(|| Receipt { seq: self.seq.to_native(), chain })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).expect("hex digits are ASCII"))
    }
}

impl FromStr for Receipt {
    type Err = BadReceipt;

    fn from_str(text: &str) -> Result<Receipt, BadReceipt> {
        let digits: &[u8; RECEIPT_DIGITS] = text.as_bytes().try_into().map_err(|_| BadReceipt)?;
        let mut bytes = [0; RECEIPT_DIGITS / 2];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(BadReceipt);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        let (seq, chain) = bytes.split_at(8);
        let seq = u64::from_be_bytes(seq.try_into().expect("eight of 24"));
        let chain = chain.try_into().expect("the rest of 24");
        if seq == 0 { Err(BadReceipt) } else { Ok(Receipt { seq, chain }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_as_it_was_written_and_nothing_else_is_one() {
        let receipt = Receipt { seq: 0x0102, chain: [0xab; 16] };
        let text = format!("0000000000000102{}", "ab".repeat(16));
        assert_eq!(receipt.to_string(), text);
        assert_eq!(text.parse(), Ok(receipt));
        assert_eq!(text.to_uppercase().parse(), Ok(receipt));
        for bad in [&text[1..], &format!("{text}0"), &text.replace('b', "g"), &"0".repeat(48), ""] {
            assert_eq!(bad.parse::<Receipt>(), Err(BadReceipt), "{bad}");
        }
    }
}

//! In which partition an order lies: the one that Kafka's own clients choose by the key, so that
//! another topic that is keyed by orders lies alike.

use crate::sale::Seq;

/// The partition of an order, of so many.
pub(super) fn of_order(order: Seq, count: usize) -> usize {
    let mut text = [0; 20];
    let mut left = order;
    let mut first = text.len();
    loop {
        first -= 1;
        text[first] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    (murmur2(&text[first..]) & 0x7fff_ffff) as usize % count
}

/// MurmurHash2 of Austin Appleby, with the seed that Kafka takes.
fn murmur2(bytes: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        word ^= word >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are of librdkafka's test, which has them of Kafka's own client.
    #[test]
    fn an_order_lies_where_kafkas_own_clients_look_for_its_key() {
        for (key, hash) in [
            ("kafka", 0xd067_cf64),
            ("giberish123456789", 0x8f55_2b0c),
            ("1234", 0x9fc9_7b14),
            ("234", 0xe7c0_09ca),
            ("34", 0x8739_30da),
            ("4", 0x5a4b_5ca1),
            ("", 0x106e_08d9),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
        let of_key = |key: &str| (murmur2(key.as_bytes()) & 0x7fff_ffff) as usize;
        for order in [0, 9, 10, 12_345, u64::MAX] {
            assert_eq!(of_order(order, 7), of_key(&order.to_string()) % 7);
        }
    }
}

//! Changes to an input: bytes, numbers, blocks, words that the target's readers know, and pieces of
//! other inputs.

use crate::dice::Dice;

/// Numbers at which something may tip over.
const EDGES: [u64; 14] = [
    0,
    1,
    0x7f,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
];

/// Bytes of a cell, and of a line of a snapshot.
const BLOCK: usize = 64;

/// Changes `input` a few times; it never gets longer than `max`.
pub fn mutate(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8], words: &[&str], max: usize) {
    let times = 1 + dice.below(4) * dice.below(3);
    for _ in 0..times {
        once(dice, input, other, words);
        input.truncate(max);
    }
}

fn once(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    if input.is_empty() {
        input.extend_from_slice(&dice.any().to_le_bytes());
        return;
    }
    let at = dice.below(input.len());
    match dice.below(12) {
        0 => input[at] ^= 1 << dice.below(8),
        1 => input[at] = dice.any() as u8,
        2 => input[at] = input[at].wrapping_add(dice.below(5) as u8).wrapping_sub(2),
        3 => {
            let len = 1 + dice.below(8);
            let any: Vec<u8> = (0..len).map(|_| dice.any() as u8).collect();
            input.splice(at..at, any);
        }
        4 => {
            let end = piece_end(dice, input.len(), at);
            input.drain(at..end);
        }
        5 => {
            let end = piece_end(dice, input.len(), at);
            let piece = input[at..end].to_vec();
            let to = dice.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        6 | 7 if !words.is_empty() => {
            let word = words[dice.below(words.len())].bytes();
            let end = if dice.below(2) == 0 { at } else { piece_end(dice, input.len(), at) };
            input.splice(at..end, word);
        }
        8 if !other.is_empty() => {
            let from = dice.below(other.len());
            let to = piece_end(dice, other.len(), from);
            let end = if dice.below(2) == 0 { at } else { piece_end(dice, input.len(), at) };
            input.splice(at..end, other[from..to].iter().copied());
        }
        9 => digits(dice, input, at),
        10 => {
            let bytes = EDGES[dice.below(EDGES.len())].to_le_bytes();
            let len = [1, 2, 4, 8][dice.below(4)].min(input.len() - at);
            input[at..at + len].copy_from_slice(&bytes[..len]);
        }
        _ => block(dice, input, at),
    }
}

/// Mostly short, sometimes to the end.
fn piece_end(dice: &mut Dice, len: usize, at: usize) -> usize {
    let most = if dice.below(4) == 0 { len - at } else { (len - at).min(12) };
    at + 1 + dice.below(most)
}

/// Puts another number in the place of decimal digits at `at` or behind.
fn digits(dice: &mut Dice, input: &mut Vec<u8>, at: usize) {
    let Some(start) = input[at..].iter().position(u8::is_ascii_digit) else { return };
    let start = at + start;
    let len = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = match dice.below(3) {
        0 => dice.below(20).to_string(),
        1 => EDGES[dice.below(EDGES.len())].to_string(),
        _ => (dice.any() >> dice.below(64)).to_string(),
    };
    input.splice(start..start + len, text.bytes());
}

/// Takes out, doubles or swaps whole blocks.
fn block(dice: &mut Dice, input: &mut Vec<u8>, at: usize) {
    let blocks = input.len() / BLOCK;
    if blocks == 0 {
        return input.swap(at, 0);
    }
    let (one, two) = (BLOCK * dice.below(blocks), BLOCK * dice.below(blocks));
    let bytes = input[one..one + BLOCK].to_vec();
    match dice.below(4) {
        0 => drop(input.drain(one..one + BLOCK)),
        1 => drop(input.splice(two..two, bytes)),
        2 => {
            let other = input[two..two + BLOCK].to_vec();
            input[one..one + BLOCK].copy_from_slice(&other);
            input[two..two + BLOCK].copy_from_slice(&bytes);
        }
        _ => input[one..one + BLOCK].fill(dice.any() as u8),
    }
}

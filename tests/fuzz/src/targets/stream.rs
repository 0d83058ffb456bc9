//! A stream of bytes, however it is cut: the same must be read from it.

use std::fmt::Debug;

use crate::dice::Dice;

/// What one look at the front of a stream gave.
#[derive(Debug, PartialEq)]
pub(super) enum Look<T> {
    /// More has to come.
    Partial,
    /// Something whole, and how many bytes it took.
    Whole(T, usize),
    /// Nothing that follows can be understood.
    Broken(T),
}

/// What was read from a stream: what was whole, and what broke it.
type Found<T> = (Vec<(T, usize)>, Option<T>);

/// A stream of more bytes is not given byte by byte.
const BY_BYTES_MAX: usize = 300;

/// Reads the stream in one go, byte by byte, and in pieces.
///
/// # Panics
/// If not the same was read each time.
pub(super) fn cut<T: Debug + PartialEq>(
    input: &[u8],
    mut look: impl FnMut(&[u8]) -> Look<T>,
) -> Found<T> {
    let whole = read(input, &mut look, |_| input.len());
    if input.len() <= BY_BYTES_MAX {
        let by_bytes = read(input, &mut look, |_| 1);
        assert_eq!(by_bytes, whole, "byte by byte something else is read than in one go");
    }
    let mut dice = Dice::of(input);
    let most = 1 + dice.below(input.len().max(1));
    let in_pieces = read(input, &mut look, |_| 1 + dice.below(most));
    assert_eq!(in_pieces, whole, "in pieces something else is read than in one go");
    whole
}

fn read<T>(
    input: &[u8],
    look: &mut impl FnMut(&[u8]) -> Look<T>,
    mut piece: impl FnMut(usize) -> usize,
) -> Found<T> {
    let (mut found, mut from, mut to) = (Vec::new(), 0, 0);
    while to < input.len() {
        to = (to + piece(to)).min(input.len());
        while from < to {
            let there = &input[from..to];
            match look(there) {
                Look::Partial => break,
                Look::Broken(why) => return (found, Some(why)),
                Look::Whole(what, bytes) => {
                    assert!(
                        (1..=there.len()).contains(&bytes),
                        "{bytes} bytes were used of {}",
                        there.len()
                    );
                    found.push((what, bytes));
                    from += bytes;
                }
            }
        }
    }
    (found, None)
}

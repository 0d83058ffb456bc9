//! RESP requests: arrays of bulk strings, found where they lie.
//!
//! [`parse`] looks at what has come so far and either finds one whole request, or wants more, or
//! says how the protocol was broken, in Redis's words. It never copies, never allocates, and never
//! believes a length: a claim only decides how many bytes it waits for, and claims above the
//! bounds are refused at once.
//!
//! Invariant: the verdict on a stream depends on its bytes from the front alone, so a longer prefix
//! never changes a verdict that a shorter one got.

use crate::limits::{RESP_ARGS_MAX, RESP_BULK_BYTES_MAX, RESP_REQUEST_BYTES_MAX};

/// Where the arguments of the last request lie, relative to its first byte. Made once, used again.
pub struct Args {
    ranges: [(u32, u32); RESP_ARGS_MAX],
    count: usize,
    count_max: usize,
}

impl Args {
    /// No arguments yet.
    #[expect(clippy::new_without_default, reason = "a place to parse into, not a value")]
    pub fn new() -> Args {
        Args { ranges: [(0, 0); RESP_ARGS_MAX], count: 0, count_max: RESP_ARGS_MAX }
    }

    /// Bounds how many arguments the next requests may have; strangers get fewer.
    ///
    /// # Panics
    /// If there is no room for so many.
    pub fn allow(&mut self, count_max: usize) {
        assert!(count_max <= RESP_ARGS_MAX);
        self.count_max = count_max;
    }

    /// The arguments within `request`, which must be the bytes that [`parse`] found them in.
    #[inline]
    pub fn of<'a>(&'a self, request: &'a [u8]) -> Words<'a> {
        Words { ranges: &self.ranges[..self.count], request }
    }
}

/// The words of one request; the first is the command. An empty array has none.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    ranges: &'a [(u32, u32)],
    request: &'a [u8],
}

impl<'a> Words<'a> {
    /// Whether it was an empty array, which Redis passes over without an answer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Word `index`.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn word(&self, index: usize) -> &'a [u8] {
        let (start, end) = self.ranges[index];
        &self.request[start as usize..end as usize]
    }
}

/// How a peer broke the protocol. After this nothing it sends can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A request that does not begin with `*`.
    NoArray(u8),
    /// The array's length is no number, or none that a request may have.
    ArrayLength,
    /// The array is longer than a peer may send before it has shown a token.
    StrangerArrayLength,
    /// An argument that does not begin with `$`.
    NoBulk(u8),
    /// An argument's length is no number, or above the bound.
    BulkLength,
    /// An argument does not end where it said.
    NoLineEnd,
    /// The whole request is above the bound.
    TooBig,
}

impl Broken {
    /// Appends the error that the peer is told before the door closes.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"-ERR Protocol error: ");
        let expected = |out: &mut Vec<u8>, what: u8, got: u8| {
            out.extend_from_slice(b"expected ");
            out.extend_from_slice(&[b'\'', what]);
            out.extend_from_slice(b"', got '");
            out.extend(got.escape_ascii());
            out.push(b'\'');
        };
        match self {
            Broken::NoArray(got) => expected(out, b'*', got),
            Broken::NoBulk(got) => expected(out, b'$', got),
            Broken::ArrayLength => out.extend_from_slice(b"invalid multibulk length"),
            Broken::StrangerArrayLength => {
                out.extend_from_slice(b"unauthenticated multibulk length");
            }
            Broken::BulkLength => out.extend_from_slice(b"invalid bulk length"),
            Broken::NoLineEnd => out.extend_from_slice(b"expected CRLF after a bulk string"),
            Broken::TooBig => out.extend_from_slice(b"too big multibulk request"),
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Finds the request at the start of `input` and its length in bytes; `None` if more has to come.
///
/// # Errors
/// When the protocol is broken.
#[inline]
pub fn parse(input: &[u8], args: &mut Args) -> Result<Option<usize>, Broken> {
    match input.first() {
        None => return Ok(None),
        Some(b'*') => {}
        Some(&other) => return Err(Broken::NoArray(other)),
    }
    // The null array, like an empty one, asks for nothing.
    if input.get(1) == Some(&b'-') {
        let null = b"*-1\r\n";
        let come = input.len().min(null.len());
        if input[..come] != null[..come] {
            return Err(Broken::ArrayLength);
        }
        args.count = 0;
        return Ok((come == null.len()).then_some(come));
    }
    let Some((count, mut at)) =
        length(input, 1, RESP_ARGS_MAX).map_err(|NoLength| Broken::ArrayLength)?
    else {
        return Ok(None);
    };
    if count > args.count_max {
        return Err(Broken::StrangerArrayLength);
    }
    for range in &mut args.ranges[..count] {
        match input.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(&other) => return Err(Broken::NoBulk(other)),
        }
        let Some((bytes, start)) =
            length(input, at + 1, RESP_BULK_BYTES_MAX).map_err(|NoLength| Broken::BulkLength)?
        else {
            return Ok(None);
        };
        let end = start + bytes;
        if end + 2 > RESP_REQUEST_BYTES_MAX {
            return Err(Broken::TooBig);
        }
        match input.get(end..) {
            Some([b'\r', b'\n', ..]) => {}
            None | Some([] | [b'\r']) => return Ok(None),
            Some(_) => return Err(Broken::NoLineEnd),
        }
        *range = (start as u32, end as u32);
        at = end + 2;
    }
    args.count = count;
    Ok(Some(at))
}

/// Not a length.
struct NoLength;

/// Reads digits and a line end from `at`; gives the number and where the next line begins. Like
/// Redis it takes no sign, no leading zero and no blank.
#[inline]
fn length(input: &[u8], at: usize, max: usize) -> Result<Option<(usize, usize)>, NoLength> {
    let mut value = 0;
    let mut next = at;
    loop {
        let Some(&byte) = input.get(next) else { return Ok(None) };
        next += 1;
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            let leading_zero = value == 0 && next > at + 1;
            value = value * 10 + usize::from(digit);
            if value > max || leading_zero {
                return Err(NoLength);
            }
        } else if byte == b'\r' && next > at + 1 {
            return match input.get(next) {
                None => Ok(None),
                Some(b'\n') => Ok(Some((value, next + 1))),
                Some(_) => Err(NoLength),
            };
        } else {
            return Err(NoLength);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(words: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    fn broken(input: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        parse(input, &mut Args::new()).err()?.write(&mut out);
        Some(String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn strangers_may_send_fewer_words_and_are_told_as_redis_tells_them() {
        let mut args = Args::new();
        args.allow(10);
        assert_eq!(parse(b"*10\r\n", &mut args), Ok(None));
        let broken = parse(b"*11\r\n", &mut args).expect_err("too many");
        let mut out = Vec::new();
        broken.write(&mut out);
        assert_eq!(out, b"-ERR Protocol error: unauthenticated multibulk length\r\n");
        args.allow(RESP_ARGS_MAX);
        assert_eq!(parse(b"*11\r\n", &mut args), Ok(None));
    }

    /// Takes requests from `pending` as long as there are whole ones.
    fn take(pending: &mut Vec<u8>, found: &mut Vec<Vec<Vec<u8>>>) -> Result<(), Broken> {
        let mut args = Args::new();
        while let Some(used) = parse(pending, &mut args)? {
            let words = args.of(pending);
            found.push((0..words.len()).map(|index| words.word(index).to_vec()).collect());
            pending.drain(..used);
        }
        Ok(())
    }

    #[test]
    fn forged_lengths_are_refused_in_the_words_of_redis() {
        let array = "-ERR Protocol error: invalid multibulk length\r\n";
        let bulk = "-ERR Protocol error: invalid bulk length\r\n";
        for line in ["*4294967295", "*-2\r", "*00\r\n", "*x", "*\r\n", "*1 ", "*65", "*01", "*1\rx"]
        {
            assert_eq!(broken(line.as_bytes()).as_deref(), Some(array), "{line}");
        }
        for line in ["*1\r\n$-1", "*1\r\n$4294967296", "*1\r\n$", "*1\r\n$a"] {
            let expected = (line.len() > 5).then_some(bulk);
            assert_eq!(broken(line.as_bytes()).as_deref(), expected, "{line}");
        }
        assert_eq!(
            broken(b"*1\r\n*1\r\n").as_deref(),
            Some("-ERR Protocol error: expected '$', got '*'\r\n")
        );
        assert_eq!(
            broken(b"ping\r\n").as_deref(),
            Some("-ERR Protocol error: expected '*', got 'p'\r\n")
        );
        assert!(broken(b"*1\r\n$4\r\nPINGxx").is_some());
        let big = [b"*3\r\n".to_vec(), encode(&[vec![b'a'; 16_000]])[4..].repeat(3)].concat();
        assert_eq!(
            broken(&big).as_deref(),
            Some("-ERR Protocol error: too big multibulk request\r\n")
        );
    }

    proptest! {
        #[test]
        fn any_cut_of_a_stream_gives_the_same_requests(
            requests in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..8), 1..6),
            cuts in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let stream: Vec<u8> = requests.iter().flat_map(|words| encode(words)).collect();
            let (mut pending, mut found, mut at) = (Vec::new(), Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(stream.len());
                pending.extend_from_slice(&stream[at..end]);
                prop_assert_eq!(take(&mut pending, &mut found), Ok(()));
                at = end;
                if at == stream.len() {
                    break;
                }
            }
            prop_assert!(pending.is_empty());
            prop_assert_eq!(found, requests);
        }

        #[test]
        fn garbage_gets_the_same_verdict_however_it_comes(
            garbage in prop::collection::vec(
                prop::sample::select(b"*$\r\n0123-aB\0".to_vec()), 0..200),
        ) {
            let mut whole = garbage.clone();
            let mut found = Vec::new();
            let verdict = take(&mut whole, &mut found);
            let (mut pending, mut found_by_bytes, mut last) = (Vec::new(), Vec::new(), Ok(()));
            for byte in garbage {
                pending.push(byte);
                last = take(&mut pending, &mut found_by_bytes);
                if last.is_err() {
                    break;
                }
            }
            prop_assert_eq!(verdict, last);
            prop_assert_eq!(found, found_by_bytes);
        }
    }
}

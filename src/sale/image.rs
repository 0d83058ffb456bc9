//! The whole state as lines of 64 bytes, back again, and its hash.
//!
//! The image depends on the commands alone, never on the hash seed or the bounds: two shops that
//! decided the same have the same image. It holds what cannot be worked out from the rest; limits
//! used, lanes and indexes are made anew from the orders.
//!
//! Integers are little-endian, in this order:
//!
//! - 1 line: magic 8 bytes, version u32, sales u32, orders u64, seq u64, stamp of the newest change
//!   u64;
//! - 2 lines a sale: its name; limit u32, hold_ms u32, opens_at u64, closes_at u64, items u16, bits
//!   u8, currency 3 bytes, extend_ms, offer_ms, waitlist u32, 1 if it is strict u8, the draw's time
//!   u64, limit groups, channels, 1 if there is a draw, 1 if its seed is revealed, pools, lines of
//!   the agenda u8;
//! - 2 lines an item: its name; stock, free to all, held, confirmed, price u64, limit u32, change
//!   of stock and of price since the sale was created, u64 (wrapping);
//! - 2 lines a limit group: its name; limit u32;
//! - 1 line of a draw: its commitment, its seed or zero, 32 bytes each;
//! - 1 line a channel: its name;
//! - 1 line a pool: item u16, channel u8, 1 if it is swept u8, set aside, free, until u64;
//! - 1 line of the agenda: time, id u64, item u16, channel u8 (0 for a wave), units u64;
//! - 2 to 9 lines an order: id, price, expires_at u64, units, condition u32, sale, item u16, state,
//!   buyer's form, key's form, flags, lines, channel u8; buyer's bits, key's bits u128; each long
//!   text; if it counts for members of limit groups what stands for these, u128; the lines of a
//!   basket, which has no item and no price of its own, four to a line: price u64,
//!   units u32, item u16, zero u16.
//!
//! A removed sale has no items and no orders any more.
//!
//! What was added later lies where there were zeros, and zeros mean that it is not used: the hash
//! of a state that old commands made stays what it was.

mod filing;
mod orders;
mod restoring;
mod sales;

pub use filing::{Filing, Pile};
pub use orders::ImageOrder;
pub use restoring::Unfiled;
pub use sales::ImageSale;

use super::Seq;
use super::ident::text_len;
use super::shop::Shop;
use super::terms::Name;

const MAGIC: [u8; 8] = *b"dbimage\x01";
const VERSION: u32 = 1;

/// One line of an image.
pub type Line = [u8; 64];

/// Why an image cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub enum BadImage {
    /// It is none, or one of no lawful state: a sentence.
    Wrong(String),
    /// It has more than the bounds allow, from this order on.
    TooMany(Seq),
}

impl std::fmt::Display for BadImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadImage::Wrong(what) => f.write_str(what),
            BadImage::TooMany(order) => write!(
                f,
                "from order {order} on it does not fit: orders_max, buyers_max or long_texts_max \
                 is too small"
            ),
        }
    }
}

/// Writes integers one after another into a line.
struct Writer {
    line: Line,
    at: usize,
}

impl Writer {
    #[inline]
    fn new() -> Writer {
        Writer { line: [0; 64], at: 0 }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> &mut Writer {
        self.line[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        self
    }

    #[inline]
    fn line(&self) -> &Line {
        &self.line
    }
}

/// Reads them again.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (bytes, rest) = self.0.split_at(N);
        self.0 = rest;
        bytes.try_into().expect("split at that length")
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn u128(&mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }
}

impl Shop {
    /// Gives the image to `out`, line by line.
    pub fn image(&self, out: impl FnMut(&Line)) {
        self.image_at(self.seq, out);
    }

    /// The image's lines.
    pub fn image_lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        self.image(|line| lines.push(*line));
        lines
    }

    fn image_at(&self, seq: Seq, mut out: impl FnMut(&Line)) {
        let mut head = Writer::new();
        head.put(&MAGIC).put(&VERSION.to_le_bytes()).put(&(self.sales.len() as u32).to_le_bytes());
        head.put(&(self.kept_orders_len() as u64).to_le_bytes()).put(&seq.to_le_bytes());
        out(head.put(&self.changed_at.to_le_bytes()).line());
        for (number, sale) in (1..).zip(&self.sales) {
            self.image_sale(number, sale, &mut out);
        }
        for (slot, order) in self.kept_orders() {
            self.image_order(slot, order, &mut out);
        }
    }

    /// The BLAKE3 hash of the image.
    pub fn state_hash(&self) -> [u8; 32] {
        self.hash_at(self.seq)
    }

    /// The hash that a seal which is the newest change must carry: that of the state before it.
    pub fn state_hash_before_seal(&self) -> [u8; 32] {
        self.hash_at(self.seq - 1)
    }

    fn hash_at(&self, seq: Seq) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = Vec::with_capacity(1 << 16);
        self.image_at(seq, |line| {
            buffer.extend_from_slice(line);
            if buffer.len() + line.len() > 1 << 16 {
                hasher.update(&buffer);
                buffer.clear();
            }
        });
        hasher.update(&buffer);
        *hasher.finalize().as_bytes()
    }
}

/// What an image is made of.
pub enum ImagePart<'a> {
    /// A sale; they come in the order of their numbers, and before all orders.
    Sale(&'a ImageSale),
    /// An order; they come in the order of their ids.
    Order(&'a ImageOrder),
}

/// Gives the lines of an image, one after another. It lends them where they lie: copied ones would
/// be read before they are written, and that waits for all that is being written.
pub trait LineSource {
    /// The next line, if there is one.
    fn next_line(&mut self) -> Option<&Line>;
}

impl LineSource for &[Line] {
    fn next_line(&mut self) -> Option<&Line> {
        let (line, left) = self.split_first()?;
        *self = left;
        Some(line)
    }
}

impl<S: LineSource> LineSource for &mut S {
    #[inline]
    fn next_line(&mut self) -> Option<&Line> {
        (**self).next_line()
    }
}

/// Takes an image apart without a shop.
///
/// # Errors
/// If the lines are no image.
pub fn read_image(
    mut lines: impl LineSource,
    mut take: impl FnMut(ImagePart<'_>),
) -> Result<(), BadImage> {
    let head = restoring::Head::read(&mut lines)?;
    for _ in 0..head.sales {
        take(ImagePart::Sale(&ImageSale::read(&mut lines)?));
    }
    let mut order = ImageOrder::empty();
    for _ in 0..head.orders {
        order.read(&mut lines)?;
        take(ImagePart::Order(&order));
    }
    Ok(())
}

#[inline]
fn next(lines: &mut impl LineSource) -> Result<&Line, BadImage> {
    lines.next_line().ok_or_else(|| BadImage::Wrong("it ends too early".to_owned()))
}

fn name(line: &Line) -> Result<Name, BadImage> {
    Name::parse(&line[..text_len(line)]).map_err(BadImage::Wrong)
}

//! What an operator says of a sale before it starts.

use super::{TEXT_BYTES_MAX, Text, text_len};

/// Units of one item in a sale, at most.
pub const STOCK_MAX: u64 = 1 << 40;
/// The highest price in minor units: exactly representable in every JSON reader.
pub const PRICE_MAX: u64 = 1 << 53;

/// The name of a sale or an item: 1-64 characters of `[A-Za-z0-9._-]`, zero-padded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Text);

impl Name {
    /// Takes a name.
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn parse(text: &[u8]) -> Result<Name, String> {
        let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || !text.iter().all(good) {
            let shown = String::from_utf8_lossy(&text[..text.len().min(TEXT_BYTES_MAX)]);
            let shown = shown.escape_debug();
            return Err(format!("'{shown}' is no name: 1 to 64 characters of A-Z a-z 0-9 . _ -"));
        }
        let mut name = [0; TEXT_BYTES_MAX];
        name[..text.len()].copy_from_slice(text);
        Ok(Name(name))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.text()).expect("a name is ASCII")
    }

    /// The characters' bytes: ASCII.
    pub fn text(&self) -> &[u8] {
        &self.0[..text_len(&self.0)]
    }

    /// The 64 bytes, zero-padded.
    pub fn as_bytes(&self) -> &Text {
        &self.0
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One item of a new sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemTerms {
    /// Its name within the sale.
    pub sku: Name,
    /// Units at the start.
    pub stock: u64,
    /// Minor units each.
    pub price: u64,
    /// Units that one buyer may have of it; 0 for no limit.
    pub limit: u32,
}

/// Limit groups of one sale.
pub const GROUPS_MAX: usize = 2;

/// A further key of each purchase (a household, a card, a device) with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTerms {
    /// What the key is called.
    pub name: Name,
    /// Units of the sale that all purchases with the same key may have together; at least 1.
    pub limit: u32,
}

/// That purchases before a time are entries of a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawTerms {
    /// Until when entries are taken, Unix ns.
    pub at: u64,
    /// The BLAKE3 hash of the 32 bytes that the order of the entries will be drawn with.
    pub commitment: [u8; 32],
}

/// A new sale. Times are Unix ns, 0 for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its name.
    pub name: Name,
    /// What it sells; item numbers are positions here, from 1.
    pub items: Vec<ItemTerms>,
    /// Three capital letters, or zeros if none is named. Never looked at.
    pub currency: [u8; 3],
    /// Units that one buyer may have of all items together; 0 for no limit.
    pub limit: u32,
    /// How long a hold lasts; 0 makes every order a purchase at once.
    pub hold_ms: u32,
    /// By how much a hold may be prolonged, once; 0 for not at all.
    pub extend_ms: u32,
    /// How long units are held for one who waited for them; 0 without a waiting list.
    pub offer_ms: u32,
    /// Orders that may wait at once; 0 for no waiting list.
    pub waitlist: u32,
    /// Whether the first who waits for an item blocks those behind, or else the first that fits is
    /// given what is free.
    pub is_strict: bool,
    /// Up to [`GROUPS_MAX`] limit groups, with different names.
    pub groups: Vec<GroupTerms>,
    /// Whether the first purchases are drawn.
    pub draw: Option<DrawTerms>,
    /// When it opens by itself; 0 if the operator opens it.
    pub opens_at: u64,
    /// When it ends by itself; 0 if it does not.
    pub closes_at: u64,
}

impl Terms {
    /// Those of a sale of these items that asks for nothing else: what is bought is sold at once,
    /// without limits, from when the operator opens it until it is closed.
    pub fn new(name: Name, items: Vec<ItemTerms>) -> Terms {
        Terms {
            name,
            items,
            currency: [0; 3],
            limit: 0,
            hold_ms: 0,
            extend_ms: 0,
            offer_ms: 0,
            waitlist: 0,
            is_strict: false,
            groups: Vec::new(),
            draw: None,
            opens_at: 0,
            closes_at: 0,
        }
    }
}

//! Who buys and under which key: up to 64 printable characters, folded into 128 bits and a form.
//!
//! Every text has exactly one form (the first that fits, in the order of [`Form`]), so two idents
//! are the same text if and only if form and bits are equal. Texts that fit no short form are
//! [`Form::Long`]; inside the sale their bits are a keyed digest of the whole text.

/// How 128 bits spell a text. The numbers are part of the wire and journal formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// No text at all.
    None = 0,
    /// A decimal integer below 2^128 without leading zeros; bits are its value.
    Decimal = 1,
    /// 1-16 bytes of text, zero-padded at the end; bits are those bytes, first byte lowest.
    Text = 2,
    /// A hyphenated UUID with lower-case hex digits; bits are its value, first digit highest.
    UuidLower = 3,
    /// The same with upper-case hex digits (at least one letter among them).
    UuidUpper = 4,
    /// Any other text. On the wire and in the journal the bits are its first 16 bytes and a text
    /// cell carries the rest; inside the sale they are a digest.
    Long = 5,
    /// No text, and inside the sale only: what stands for a member of the first limit group.
    FirstGroup = 6,
    /// The same for the second.
    SecondGroup = 7,
}

impl Form {
    /// The form with this number, if there is one that a text can have.
    pub const fn from_number(number: u8) -> Option<Form> {
        Some(match number {
            0 => Form::None,
            1 => Form::Decimal,
            2 => Form::Text,
            3 => Form::UuidLower,
            4 => Form::UuidUpper,
            5 => Form::Long,
            _ => return None,
        })
    }
}

/// The longest text of a buyer, key or name, in bytes.
pub const TEXT_BYTES_MAX: usize = 64;

/// A whole text of up to 64 bytes, zero-padded.
pub type Text = [u8; TEXT_BYTES_MAX];

/// A buyer or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    /// How to read the bits.
    pub form: Form,
    /// The text itself, or for [`Form::Long`] what stands for it.
    pub bits: u128,
}

/// Why a text cannot be an ident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadIdent {
    /// Empty.
    Empty,
    /// More than 64 bytes.
    TooLong,
    /// A byte outside printable ASCII, or a space.
    Unprintable,
}

impl std::fmt::Display for BadIdent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BadIdent::Empty => "is empty: 1 to 64 printable ASCII characters without spaces",
            BadIdent::TooLong => "is longer than 64 characters",
            BadIdent::Unprintable => "may hold printable ASCII characters without spaces only",
        })
    }
}

impl Ident {
    /// No text.
    pub const NONE: Ident = Ident { form: Form::None, bits: 0 };

    /// Finds the one form of `text`. For [`Form::Long`] the bits are the first 16 bytes; the other
    /// `text.len() - 16` belong into a text cell.
    ///
    /// # Errors
    /// When the text is empty, longer than 64 bytes or not printable ASCII without spaces.
    #[inline]
    pub fn parse(text: &[u8]) -> Result<Ident, BadIdent> {
        if text.is_empty() {
            return Err(BadIdent::Empty);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(BadIdent::TooLong);
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err(BadIdent::Unprintable);
        }
        if let Some(value) = decimal(text) {
            return Ok(Ident { form: Form::Decimal, bits: value });
        }
        if text.len() <= 16 {
            return Ok(Ident { form: Form::Text, bits: first_16(text) });
        }
        if let Some(ident) = uuid(text) {
            return Ok(ident);
        }
        Ok(Ident { form: Form::Long, bits: first_16(text) })
    }

    /// Whether these bits, as they came from a peer, are the one right spelling of their text.
    /// [`Form::Long`] is judged with its text cell by [`Ident::parse`] of the whole.
    #[inline]
    pub fn is_canonical(&self) -> bool {
        match self.form {
            Form::None => self.bits == 0,
            Form::FirstGroup | Form::SecondGroup => false,
            Form::Decimal | Form::UuidLower | Form::Long => true,
            Form::Text | Form::UuidUpper => {
                let mut buffer = [0; TEXT_BYTES_MAX];
                let length = self.write_text(&mut buffer);
                Ident::parse(&buffer[..length]) == Ok(*self)
            }
        }
    }

    /// Writes the text into `out` and returns its length in bytes. For [`Form::Long`] that is the
    /// first 16 bytes only.
    #[inline]
    pub fn write_text(&self, out: &mut Text) -> usize {
        match self.form {
            Form::None | Form::FirstGroup | Form::SecondGroup => 0,
            Form::Decimal => write_decimal(self.bits, out),
            Form::Text | Form::Long => {
                out[..16].copy_from_slice(&self.bits.to_le_bytes());
                out[..16].iter().position(|byte| *byte == 0).unwrap_or(16)
            }
            Form::UuidLower => write_uuid(self.bits, b"0123456789abcdef", out),
            Form::UuidUpper => write_uuid(self.bits, b"0123456789ABCDEF", out),
        }
    }
}

/// The length of a zero-padded text, in bytes.
pub fn text_len(text: &Text) -> usize {
    text.iter().position(|byte| *byte == 0).unwrap_or(TEXT_BYTES_MAX)
}

fn first_16(text: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = text.len().min(16);
    bytes[..length].copy_from_slice(&text[..length]);
    u128::from_le_bytes(bytes)
}

fn decimal(text: &[u8]) -> Option<u128> {
    if text.len() > 39 || (text[0] == b'0' && text.len() > 1) {
        return None;
    }
    if text.len() <= 19 {
        let mut value = 0_u64;
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + u64::from(digit);
        }
        return Some(u128::from(value));
    }
    let mut value = 0_u128;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u128::from(digit))?;
    }
    Some(value)
}

fn write_decimal(value: u128, out: &mut Text) -> usize {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    out[..digits.len()].copy_from_slice(digits);
    digits.len()
}

const UUID_LEN: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn uuid(text: &[u8]) -> Option<Ident> {
    if text.len() != UUID_LEN {
        return None;
    }
    let (mut bits, mut lower, mut upper) = (0_u128, false, false);
    for (index, byte) in text.iter().enumerate() {
        if HYPHENS.contains(&index) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => {
                lower = true;
                byte - b'a' + 10
            }
            b'A'..=b'F' => {
                upper = true;
                byte - b'A' + 10
            }
            _ => return None,
        };
        bits = bits << 4 | u128::from(digit);
    }
    match (lower, upper) {
        (true, true) => None,
        (_, false) => Some(Ident { form: Form::UuidLower, bits }),
        (false, true) => Some(Ident { form: Form::UuidUpper, bits }),
    }
}

fn write_uuid(bits: u128, digits: &[u8; 16], out: &mut Text) -> usize {
    let mut shift = 128;
    for (index, byte) in out.iter_mut().enumerate().take(UUID_LEN) {
        *byte = if HYPHENS.contains(&index) {
            b'-'
        } else {
            shift -= 4;
            digits[usize::try_from(bits >> shift & 15).expect("four bits")]
        };
    }
    UUID_LEN
}

/// A buyer or key as people read it: text in place, as it is copied about for each change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// UTF-8 up to `len`.
    bytes: Text,
    len: u8,
}

impl Label {
    /// The text of these bytes, as far as they fit; what is no UTF-8 shows as question marks.
    pub fn of(bytes: &[u8]) -> Label {
        let len = bytes.len().min(TEXT_BYTES_MAX);
        let mut label = Label { bytes: [0; TEXT_BYTES_MAX], len: len as u8 };
        label.bytes[..len].copy_from_slice(&bytes[..len]);
        if std::str::from_utf8(&label.bytes[..len]).is_err() {
            label.bytes[..len].iter_mut().filter(|it| !it.is_ascii()).for_each(|it| *it = b'?');
        }
        label
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.text()).expect("seen to when it was made")
    }

    /// The text's bytes: UTF-8.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::ops::Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl std::fmt::Debug for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Label {
        Label::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form_of(text: &str) -> Form {
        Ident::parse(text.as_bytes()).expect("a good ident").form
    }

    #[test]
    fn each_text_takes_the_first_form_that_fits() {
        assert_eq!(form_of("42"), Form::Decimal);
        assert_eq!(form_of("0"), Form::Decimal);
        assert_eq!(form_of("007"), Form::Text);
        assert_eq!(form_of("340282366920938463463374607431768211455"), Form::Decimal);
        assert_eq!(form_of("340282366920938463463374607431768211456"), Form::Long);
        assert_eq!(form_of("abcdefghijklmnop"), Form::Text);
        assert_eq!(form_of("abcdefghijklmnopq"), Form::Long);
        assert_eq!(form_of("6f1e0c4a-0000-4000-8000-0123456789ab"), Form::UuidLower);
        assert_eq!(form_of("6F1E0C4A-0000-4000-8000-0123456789AB"), Form::UuidUpper);
        assert_eq!(form_of("6f1e0c4a-0000-4000-8000-0123456789AB"), Form::Long);
        assert_eq!(form_of("00000000-0000-4000-8000-000000000000"), Form::UuidLower);
    }

    #[test]
    fn what_is_not_an_ident_is_refused() {
        assert_eq!(Ident::parse(b""), Err(BadIdent::Empty));
        assert_eq!(Ident::parse(&[b'a'; 65]), Err(BadIdent::TooLong));
        assert_eq!(Ident::parse(b"a b"), Err(BadIdent::Unprintable));
        assert_eq!(Ident::parse("é".as_bytes()), Err(BadIdent::Unprintable));
        assert!(!Ident { form: Form::Text, bits: first_16(b"42") }.is_canonical());
        assert!(!Ident { form: Form::Text, bits: first_16(b"a\0b") }.is_canonical());
        assert!(!Ident { form: Form::UuidUpper, bits: 0 }.is_canonical());
    }

    proptest! {
        #[test]
        fn a_text_comes_back_unchanged(text in "[!-~]{1,64}|[0-9]{1,39}") {
            let ident = Ident::parse(text.as_bytes()).expect("a good ident");
            prop_assert!(ident.is_canonical());
            let mut out = [0; TEXT_BYTES_MAX];
            let length = ident.write_text(&mut out);
            let shown_len = if ident.form == Form::Long { 16 } else { text.len() };
            let shown = &text.as_bytes()[..shown_len];
            prop_assert_eq!(&out[..length], shown);
        }
    }
}

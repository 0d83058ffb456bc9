//! Numbers and moments as text, without the machinery of `format!`.
//!
//! A [`Scribe`] composes one short answer on the stack, so that the out buffer grows once an answer
//! and not once a field. It never allocates.
//!
//! Invariant: what is composed here is at most as long as its Scribe has room; more is a bug and
//! stops.

/// Room for one composed answer.
const SCRIBE_BYTES: usize = 256;
const DIGITS_MAX: usize = 20;

/// Two digits at a time.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0_u8;
    while value < 100 {
        pairs[value as usize] = [b'0' + value / 10, b'0' + value % 10];
        value += 1;
    }
    pairs
};

/// A line in the making.
pub(super) struct Scribe<const ROOM: usize = SCRIBE_BYTES> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Scribe<ROOM> {
    #[inline]
    pub(super) fn new() -> Scribe<ROOM> {
        Scribe { bytes: [0; ROOM], len: 0 }
    }

    #[inline]
    pub(super) fn text(&mut self, text: &[u8]) -> &mut Scribe<ROOM> {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
        self
    }

    #[inline]
    pub(super) fn decimal(&mut self, value: u64) -> &mut Scribe<ROOM> {
        self.len += write_decimal(value, &mut self.bytes[self.len..]);
        self
    }

    /// A RESP integer.
    #[inline]
    pub(super) fn integer(&mut self, value: u64) -> &mut Scribe<ROOM> {
        self.text(b":").decimal(value).text(b"\r\n")
    }

    /// A RESP bulk string.
    #[inline]
    pub(super) fn bulk(&mut self, text: &[u8]) -> &mut Scribe<ROOM> {
        self.text(b"$").decimal(text.len() as u64).text(b"\r\n").text(text).text(b"\r\n")
    }

    /// Two digits.
    pub(super) fn pair(&mut self, value: u64) -> &mut Scribe<ROOM> {
        self.text(&PAIRS[value as usize])
    }

    /// What it holds.
    #[inline]
    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[..self.len]);
    }
}

/// Writes a number at the start of `out` and returns its length; `out` holds at least its digits.
#[inline]
fn write_decimal(value: u64, out: &mut [u8]) -> usize {
    if value < 10 {
        out[0] = b'0' + value as u8;
        return 1;
    }
    let len = value.ilog10() as usize + 1;
    let out = &mut out[..len];
    let (mut rest, mut at) = (value, len);
    while rest >= 100 {
        at -= 2;
        out[at..at + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    if at == 2 {
        out[..2].copy_from_slice(&PAIRS[rest as usize]);
    } else {
        out[0] = b'0' + rest as u8;
    }
    len
}

/// Appends a number in decimal digits.
#[inline]
pub fn push_decimal(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; DIGITS_MAX];
    let len = write_decimal(value, &mut digits);
    out.extend_from_slice(&digits[..len]);
}

/// Appends a Unix time in ns as `2026-11-27T20:02:00.123Z`.
///
pub fn push_moment(unix_ns: u64, out: &mut Vec<u8>) {
    let ms = unix_ns / 1_000_000;
    let ((year, month, day), ms) = (date(ms / 86_400_000), ms % 86_400_000);
    let mut line: Scribe = Scribe::new();
    line.decimal(year).text(b"-").pair(month).text(b"-").pair(day).text(b"T");
    line.pair(ms / 3_600_000).text(b":").pair(ms / 60_000 % 60).text(b":").pair(ms / 1000 % 60);
    line.text(b".").text(&[b'0' + (ms % 1000 / 100) as u8]).pair(ms % 100).text(b"Z");
    line.append_to(out);
}

/// Year, month and day of a day counted from the Unix epoch, by Howard Hinnant's
/// `civil_from_days`: years begin in March, so that the leap day is a year's last, and an era of
/// 400 years has a fixed number of days.
pub(super) fn date(unix_day: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    const DAYS_FROM_YEAR_0: u64 = 719_468;
    let days = unix_day + DAYS_FROM_YEAR_0;
    let (era, day) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(unix_ns: u64) -> String {
        let mut out = Vec::new();
        push_moment(unix_ns, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(951_782_400_000_000_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(moment(1_795_809_720_123_456_789), "2026-11-27T20:02:00.123Z");
        assert_eq!(moment(4_107_542_399_999_999_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(moment(4_107_542_400_000_000_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(moment(u64::MAX), "2554-07-21T23:34:33.709Z");
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_format_writes_them(bits in 0_u32..=64, value: u64) {
            let value = value.checked_shr(bits).unwrap_or(0);
            let mut out = Vec::new();
            push_decimal(value, &mut out);
            prop_assert_eq!(out, value.to_string().into_bytes());
        }
    }
}

//! What a purchase names beside buyer and item, as a peer spells it: a channel, and the members of
//! limit groups. And what comes of it once the names of the sale are known.
//!
//! It knows no directory: whoever does hands the sale's names in. Invariant: a [`Side`] that comes
//! out of here has a member for each limit group of the sale, and for no other.

use crate::limits::GROUPS_MAX;
use crate::message::member_digest;
use crate::sale::{BadIdent, Ident, Name, Side};

/// The number of a channel that no sale has: the matcher refuses it in its turn.
pub const NO_SUCH_CHANNEL: u8 = u8::MAX;
const _: () = assert!(crate::limits::CHANNELS_PER_SALE_MAX < NO_SUCH_CHANNEL as usize);

/// The words of a purchase.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// The channel; empty if it names none.
    pub channel: &'a [u8],
    /// Limit groups and its member of each, in the order in which they came.
    groups: [(&'a [u8], &'a [u8]); GROUPS_MAX],
    len: u8,
}

/// Why a group and its member cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadGroup {
    /// The group was there already.
    Twice,
    /// More than any sale has.
    TooMany,
    /// The member is no ident.
    Member(BadIdent),
}

/// Why a purchase does not fit its sale's limit groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit<'a> {
    /// It names no member of this one; the sale has these.
    Missing(&'a Name, &'a [Name]),
    /// It names this one; the sale has these.
    Unknown(&'a [u8], &'a [Name]),
}

impl<'a> Named<'a> {
    /// Adds a limit group and the purchase's member of it.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub fn add(&mut self, group: &'a [u8], member: &'a [u8]) -> Result<(), BadGroup> {
        Ident::parse(member).map_err(BadGroup::Member)?;
        if self.groups().any(|(name, _)| name == group) {
            return Err(BadGroup::Twice);
        }
        let place = self.groups.get_mut(usize::from(self.len)).ok_or(BadGroup::TooMany)?;
        *place = (group, member);
        self.len += 1;
        Ok(())
    }

    /// Limit groups and the purchase's members of them, in the order in which they came.
    pub fn groups(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.groups.into_iter().take(usize::from(self.len))
    }

    /// In numbers, for a sale that has these limit groups and channels, in the order of their
    /// numbers.
    ///
    /// # Errors
    /// What is missing, or too much.
    #[inline]
    pub fn side<'b>(&self, groups: &'b [Name], channels: &[Name]) -> Result<Side, Misfit<'b>>
    where
        'a: 'b,
    {
        if self.len == 0 && self.channel.is_empty() && groups.is_empty() {
            return Ok(Side::NONE);
        }
        self.look_up(groups, channels)
    }

    #[cold]
    fn look_up<'b>(&self, groups: &'b [Name], channels: &[Name]) -> Result<Side, Misfit<'b>>
    where
        'a: 'b,
    {
        let is = |name: &Name, text: &[u8]| name.as_str().as_bytes() == text;
        for (group, _) in self.groups() {
            if !groups.iter().any(|name| is(name, group)) {
                return Err(Misfit::Unknown(group, groups));
            }
        }
        let mut side = Side::NONE;
        for (name, digest) in groups.iter().zip(&mut side.groups) {
            let member = self.groups().find(|(group, _)| is(name, group));
            let (_, member) = member.ok_or(Misfit::Missing(name, groups))?;
            *digest = member_digest(member);
        }
        if !self.channel.is_empty() {
            let at = channels.iter().position(|name| is(name, self.channel));
            side.channel = at.map_or(NO_SUCH_CHANNEL, |at| at as u8 + 1);
        }
        Ok(side)
    }
}

/// Whether a side that came in numbers names a member of each of so many limit groups, and of no
/// other.
#[inline]
pub fn fits(side: &Side, groups: usize) -> bool {
    side.groups.iter().enumerate().all(|(at, digest)| (*digest != 0) == (at < groups))
}

/// The end of a sentence that begins with the group.
impl std::fmt::Display for Misfit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Misfit::Missing(_, groups) => {
                let each = Listed(groups);
                write!(f, "is missing: every purchase in this sale names its {each}")
            }
            Misfit::Unknown(_, []) => f.write_str("is no limit group: the sale has none"),
            Misfit::Unknown(_, groups) => {
                write!(f, "is no limit group: the sale has {}", Listed(groups))
            }
        }
    }
}

/// `card` or `card and household`.
struct Listed<'a>(&'a [Name]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if index > 0 { " and " } else { "" })?;
        }
        Ok(())
    }
}

impl<'a> Misfit<'a> {
    /// The group that it is about; anything.
    pub fn group(&self) -> &'a [u8] {
        match self {
            Misfit::Missing(name, _) => name.as_str().as_bytes(),
            Misfit::Unknown(group, _) => group,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| Name::parse(text.as_bytes()).expect("a name")).collect()
    }

    fn said(misfit: Misfit<'_>) -> String {
        format!("{} {misfit}", misfit.group().escape_ascii())
    }

    #[test]
    fn a_purchase_names_a_member_of_each_group_and_of_no_other() {
        let (both, channels) = (names(&["card", "household"]), names(&["tv", "radio"]));
        let mut named = Named { channel: b"radio", ..Named::default() };
        assert_eq!(
            said(named.side(&both, &channels).expect_err("no card")),
            "card is missing: every purchase in this sale names its card and household"
        );
        named.add(b"household", b"h").expect("good");
        assert_eq!(named.add(b"household", b"i"), Err(BadGroup::Twice));
        assert_eq!(named.add(b"card", b"a b"), Err(BadGroup::Member(BadIdent::Unprintable)));
        named.add(b"card", b"c").expect("good");
        assert_eq!(named.add(b"device", b"d"), Err(BadGroup::TooMany));
        let side = named.side(&both, &channels).expect("all are there");
        let groups = [member_digest(b"c"), member_digest(b"h")];
        assert_eq!(side, Side { channel: 2, groups });
        assert!(fits(&side, 2) && !fits(&side, 1) && !fits(&side, 0));
        assert_eq!(
            said(named.side(&both[..1], &channels).expect_err("no household there")),
            "household is no limit group: the sale has card"
        );
        assert_eq!(
            said(named.side(&[], &channels).expect_err("none there")),
            "household is no limit group: the sale has none"
        );
    }

    #[test]
    fn a_channel_that_the_sale_has_not_is_for_the_matcher_to_refuse() {
        let named = Named { channel: b"tv", ..Named::default() };
        assert_eq!(named.side(&[], &[]).map(|side| side.channel), Ok(NO_SUCH_CHANNEL));
        assert_eq!(Named::default().side(&[], &names(&["tv"])), Ok(Side::NONE));
        assert!(fits(&Side::NONE, 0) && !fits(&Side::NONE, 1));
    }
}

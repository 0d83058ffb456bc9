//! Who may do what: roles, what a request needs, and why it is refused.
//!
//! | need | what | `buy` | `read` | `admin` |
//! |---|---|---|---|---|
//! | [`Need::Any`] | to be known: PING, SELECT, ... | yes | yes | yes |
//! | [`Need::Buy`] | purchases and commands about orders | yes | no | yes |
//! | [`Need::Read`] | reads on the buyers' port | yes | yes | yes |
//! | [`Need::Watch`] | reads on the operator's port, metrics | no | yes | yes |
//! | [`Need::Operate`] | changes on the operator's port | no | no | yes |

use std::fmt;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[repr(u8)]
pub enum Role {
    /// Purchases, commands about orders, and reads on the buyers' port.
    Buy = 1,
    /// Reads only.
    Read = 2,
    /// Everything.
    Admin = 4,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Buy, Role::Read, Role::Admin];

    /// Its word in files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Role::Buy => "buy",
            Role::Read => "read",
            Role::Admin => "admin",
        }
    }

    /// The role of a word.
    pub fn from_word(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// What a request needs; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Any role.
    Any,
    /// To buy.
    Buy,
    /// To look at orders and stock.
    Read,
    /// To look at the whole server.
    Watch,
    /// To change sales.
    Operate,
}

impl Need {
    /// The roles that satisfy it, as bits.
    const fn bits(self) -> u8 {
        const BUY: u8 = Role::Buy as u8;
        const READ: u8 = Role::Read as u8;
        const ADMIN: u8 = Role::Admin as u8;
        match self {
            Need::Any | Need::Read => BUY | READ | ADMIN,
            Need::Buy => BUY | ADMIN,
            Need::Watch => READ | ADMIN,
            Need::Operate => ADMIN,
        }
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Every role.
    pub const EVERY: Roles = Roles(Need::Any.bits());

    /// With one role more.
    #[must_use]
    pub fn and(self, role: Role) -> Roles {
        Roles(self.0 | role as u8)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.0 & *role as u8 != 0)
    }

    /// Whether one of them satisfies the need.
    #[inline]
    pub fn allow(self, need: Need) -> bool {
        self.0 & need.bits() != 0
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        roles.into_iter().fold(Roles::default(), Roles::and)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Role::word).collect();
        f.write_str(&words.join(", "))
    }
}

/// Why a peer may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It has shown no token, or one that does not count any more. HTTP 401.
    #[error("a token is needed")]
    NoToken,
    /// What it has shown is no token of ours. HTTP 401.
    #[error("this is no valid token")]
    WrongToken,
    /// Its token has no role for this. HTTP 403.
    #[error("this token has no permission for that")]
    WrongRole,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_roles() {
        for (need, expected) in [
            (Need::Any, [true, true, true]),
            (Need::Buy, [true, false, true]),
            (Need::Read, [true, true, true]),
            (Need::Watch, [false, true, true]),
            (Need::Operate, [false, false, true]),
        ] {
            let allowed = Role::ALL.map(|role| Roles::default().and(role).allow(need));
            assert_eq!(allowed, expected, "{need:?}");
            assert!(Roles::EVERY.allow(need) && !Roles::default().allow(need));
        }
        let two: Roles = [Role::Read, Role::Buy].into_iter().collect();
        assert_eq!(two.to_string(), "buy, read");
    }

    #[test]
    fn words_and_roles_are_the_same() {
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
        }
        assert_eq!(Role::from_word("Admin"), None);
    }
}

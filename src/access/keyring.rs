//! The tokens that count: which digest has which name and roles.
//!
//! A keyring never changes; a new file makes a new one, of the next version, which takes over the
//! rate accounts of the names that stay. What a connection was granted by an older keyring counts
//! only after [`Keyring::renew`]. It reads no file and knows no token, only digests.
//!
//! Invariant: names are unique, and no digest stands for two of them.

use std::fmt;
use std::sync::Arc;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::meters::Meter;
use super::role::{Denied, Need, Role, Roles};
use super::token::TokenDigest;
use crate::limits::{TOKEN_DIGESTS_MAX, TOKENS_MAX};
use crate::sale::Name;

const SCHEME: &[u8] = b"bearer";
/// The token of a grant that needed none.
const NO_TOKEN: u16 = u16::MAX;
const _: () = assert!(TOKENS_MAX < NO_TOKEN as usize);

/// One name of a tokens file.
#[derive(Clone, Debug)]
pub struct NamedToken {
    /// Its name.
    pub name: Name,
    /// What it may do.
    pub roles: Roles,
    /// The digests of its live tokens, one or two.
    pub digests: Vec<TokenDigest>,
    pub(super) meter: Arc<Meter>,
}

/// What a peer may do, and by which token.
#[derive(Clone, Copy)]
pub struct Grant {
    /// Its roles.
    pub roles: Roles,
    token: u16,
    version: u64,
    digest: [u8; 32],
}

impl Grant {
    /// Everything, for everyone: where no tokens are asked for.
    pub fn everything() -> Grant {
        Grant { roles: Roles::EVERY, token: NO_TOKEN, version: 0, digest: [0; 32] }
    }

    /// The place of its token's name in the file, from 0; `None` if it needed no token.
    pub fn token(&self) -> Option<usize> {
        (self.token != NO_TOKEN).then_some(usize::from(self.token))
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("roles", &self.roles).field("token", &self.token()).finish()
    }
}

/// All tokens that count.
#[derive(Debug)]
pub struct Keyring {
    /// `None`: tokens are not asked for.
    tokens: Option<Vec<NamedToken>>,
    version: u64,
}

impl Keyring {
    /// Asks nobody for a token.
    pub fn open() -> Keyring {
        Keyring { tokens: None, version: 0 }
    }

    /// Lets in who has one of these.
    ///
    /// # Errors
    /// A sentence, if there are too many, or a name or digest twice.
    pub fn new(tokens: Vec<NamedToken>) -> Result<Keyring, String> {
        if tokens.len() > TOKENS_MAX {
            return Err(format!("{} names of tokens; {TOKENS_MAX} at most", tokens.len()));
        }
        for (index, token) in tokens.iter().enumerate() {
            let NamedToken { name, digests, .. } = token;
            if digests.is_empty() || digests.len() > TOKEN_DIGESTS_MAX {
                return Err(format!("token '{name}': one or two digests, not {}", digests.len()));
            }
            let others = tokens[..index].iter();
            if others.clone().any(|other| other.name == *name) {
                return Err(format!("token '{name}' is there twice; names must be unique"));
            }
            let before = digests.iter().enumerate().any(|(at, d)| digests[..at].contains(d));
            if before || others.flat_map(|other| &other.digests).any(|d| digests.contains(d)) {
                return Err(format!("token '{name}': a digest that is there already"));
            }
        }
        Ok(Keyring { tokens: Some(tokens), version: 0 })
    }

    /// This keyring in the place of an older one.
    pub(super) fn after(mut self, before: &Keyring) -> Keyring {
        self.version = before.version + 1;
        for token in self.tokens.iter_mut().flatten() {
            let old = before.tokens().iter().find(|old| old.name == token.name);
            if let Some(old) = old {
                token.meter = Arc::clone(&old.meter);
            }
        }
        self
    }

    /// Whether peers must show a token.
    pub fn asks(&self) -> bool {
        self.tokens.is_some()
    }

    /// The names, in the order of the file.
    pub fn tokens(&self) -> &[NamedToken] {
        self.tokens.as_deref().unwrap_or_default()
    }

    /// What a token grants; `None` if it is none of these. Takes the same time for every token.
    pub fn grant(&self, token: &[u8]) -> Option<Grant> {
        if !self.asks() {
            return Some(Grant::everything());
        }
        self.find(TokenDigest::of(token)?)
    }

    /// As [`grant`](Self::grant), for a peer that also says whose token it is; `default` is
    /// anyone's, for client libraries that must give a name.
    pub fn grant_named(&self, name: &[u8], token: &[u8]) -> Option<Grant> {
        let grant = self.grant(token)?;
        let Some(index) = grant.token() else { return Some(grant) };
        let is_name = self.tokens()[index].name.as_str().as_bytes() == name;
        (is_name || name == b"default").then_some(grant)
    }

    /// What an older grant is worth now; `None` if its token does not count any more.
    #[inline]
    pub fn renew(&self, grant: Grant) -> Option<Grant> {
        if grant.version == self.version && (grant.token().is_some() || !self.asks()) {
            return Some(grant);
        }
        if !self.asks() {
            return Some(Grant::everything());
        }
        self.find(TokenDigest(grant.digest))
    }

    /// What the value of an `Authorization` header grants: `Bearer <token>`.
    ///
    /// # Errors
    /// [`Denied`]: without a header, with a wrong one, or when the role is missing.
    pub fn bearer(&self, header: Option<&[u8]>, need: Need) -> Result<Grant, Denied> {
        if !self.asks() {
            return Ok(Grant::everything());
        }
        let header = header.ok_or(Denied::NoToken)?.trim_ascii();
        let (scheme, token) = header.split_at(header.len().min(SCHEME.len()));
        if !scheme.eq_ignore_ascii_case(SCHEME) || token.first() != Some(&b' ') {
            return Err(Denied::WrongToken);
        }
        self.require(Some(token.trim_ascii()), need)
    }

    /// What a token grants, if that is enough.
    ///
    /// # Errors
    /// [`Denied`]: without a token, with a wrong one, or when the role is missing.
    pub fn require(&self, token: Option<&[u8]>, need: Need) -> Result<Grant, Denied> {
        if !self.asks() {
            return Ok(Grant::everything());
        }
        let grant = self.grant(token.ok_or(Denied::NoToken)?).ok_or(Denied::WrongToken)?;
        if grant.roles.allow(need) { Ok(grant) } else { Err(Denied::WrongRole) }
    }

    /// Compares with every digest, found or not.
    fn find(&self, digest: TokenDigest) -> Option<Grant> {
        let mut found = NO_TOKEN;
        for (token, index) in self.tokens().iter().zip(0_u16..) {
            for live in &token.digests {
                found.conditional_assign(&index, live.0.ct_eq(&digest.0));
            }
        }
        let token = self.tokens().get(usize::from(found))?;
        let (roles, version) = (token.roles, self.version);
        Some(Grant { roles, token: found, version, digest: digest.0 })
    }
}

impl NamedToken {
    /// A name with its roles and digests.
    pub fn new(
        name: Name,
        roles: impl IntoIterator<Item = Role>,
        of: &[TokenDigest],
    ) -> NamedToken {
        let (roles, digests) = (roles.into_iter().collect(), of.to_vec());
        NamedToken { name, roles, digests, meter: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::Token;
    use super::*;

    fn token() -> Token {
        Token::new().expect("random")
    }

    fn named(name: &str, role: Role, tokens: &[&Token]) -> NamedToken {
        let digests: Vec<TokenDigest> = tokens.iter().map(|token| token.digest()).collect();
        NamedToken::new(Name::parse(name.as_bytes()).expect("a name"), [role], &digests)
    }

    fn keyring(tokens: Vec<NamedToken>) -> Keyring {
        Keyring::new(tokens).expect("a good keyring")
    }

    #[test]
    fn two_live_tokens_of_one_name_are_granted_the_same() {
        let (old, new, reader) = (token(), token(), token());
        let keys = keyring(vec![
            named("metrics", Role::Read, &[&reader]),
            named("checkout", Role::Buy, &[&new, &old]),
        ]);
        for token in [&old, &new] {
            let grant = keys.grant(token.reveal().as_bytes()).expect("it counts");
            assert_eq!(grant.token(), Some(1));
            assert!(grant.roles.allow(Need::Buy) && !grant.roles.allow(Need::Watch));
        }
        assert_eq!(keys.grant(reader.reveal().as_bytes()).expect("it counts").token(), Some(0));
        assert!(keys.grant(token().reveal().as_bytes()).is_none());
        assert!(keys.grant(b"").is_none() && keys.grant(&[b'x'; 9999]).is_none());
        assert!(keys.grant_named(b"checkout", old.reveal().as_bytes()).is_some());
        assert!(keys.grant_named(b"default", old.reveal().as_bytes()).is_some());
        assert!(keys.grant_named(b"metrics", old.reveal().as_bytes()).is_none());
    }

    #[test]
    fn a_grant_ends_with_its_token_and_follows_its_name() {
        let (old, new) = (token(), token());
        let first = keyring(vec![named("checkout", Role::Buy, &[&new, &old])]);
        let grants = [&old, &new].map(|t| first.grant(t.reveal().as_bytes()).expect("it counts"));
        let other = named("metrics", Role::Read, &[&token()]);
        let second = keyring(vec![other, named("checkout", Role::Read, &[&new])]).after(&first);
        assert!(second.renew(grants[0]).is_none(), "its token is gone");
        let renewed = second.renew(grants[1]).expect("its token is still there");
        assert_eq!(renewed.token(), Some(1));
        assert!(!renewed.roles.allow(Need::Buy), "the new role counts");
        assert!(Arc::ptr_eq(&first.tokens()[0].meter, &second.tokens()[1].meter));
        assert!(second.renew(Grant::everything()).is_none());
    }

    #[test]
    fn without_tokens_everyone_may_do_everything() {
        let open = Keyring::open();
        let grant = open.grant(b"whatever").expect("anything goes");
        assert!(grant.roles.allow(Need::Operate) && grant.token().is_none());
        assert!(open.bearer(None, Need::Operate).is_ok());
        assert!(open.renew(grant).is_some());
        // An empty file asks for tokens, and there are none.
        let shut = keyring(Vec::new());
        assert!(shut.grant(token().reveal().as_bytes()).is_none());
        assert_eq!(shut.bearer(None, Need::Any).err(), Some(Denied::NoToken));
    }

    #[test]
    fn a_header_is_read_as_a_bearer_token() {
        let reader = token();
        let keys = keyring(vec![named("metrics", Role::Read, &[&reader])]);
        let (text, stranger) = (reader.reveal(), token());
        for (header, need, expected) in [
            (Some(format!("Bearer {text}")), Need::Read, None),
            (Some(format!("bearer  {text} ")), Need::Watch, None),
            (Some(format!("Bearer {text}")), Need::Operate, Some(Denied::WrongRole)),
            (Some(format!("Bearer {}", stranger.reveal())), Need::Read, Some(Denied::WrongToken)),
            (Some(format!("Basic {text}")), Need::Read, Some(Denied::WrongToken)),
            (Some(format!("Bearer{text}")), Need::Read, Some(Denied::WrongToken)),
            (Some("Bearer".into()), Need::Read, Some(Denied::WrongToken)),
            (Some(String::new()), Need::Read, Some(Denied::WrongToken)),
            (None, Need::Read, Some(Denied::NoToken)),
        ] {
            let got = keys.bearer(header.as_ref().map(|header| header.as_bytes()), need);
            assert_eq!(got.err(), expected, "{need:?}");
        }
    }

    #[test]
    fn a_name_or_a_digest_twice_is_refused() {
        let (one, two, three) = (token(), token(), token());
        for (tokens, expected) in [
            (vec![named("a", Role::Buy, &[&one]), named("a", Role::Buy, &[&two])], "unique"),
            (vec![named("a", Role::Buy, &[&one]), named("b", Role::Buy, &[&one])], "already"),
            (vec![named("a", Role::Buy, &[&one, &one])], "already"),
            (vec![named("a", Role::Buy, &[])], "one or two digests, not 0"),
            (vec![named("a", Role::Buy, &[&one, &two, &three])], "not 3"),
        ] {
            let why = Keyring::new(tokens).expect_err(expected);
            assert!(why.contains(expected), "{why}");
        }
    }
}

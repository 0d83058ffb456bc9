//! What an operator writes: the tokens file and the ticket secrets file, read and kept.
//!
//! A file is changed as a whole: written beside, synced, renamed, so that a reader sees the old or
//! the new one. Comments and order stay as they were. Errors name the file and the line, never a
//! secret. It is called at start, on a reload and by the command line, never for a request.
//!
//! Invariant: what [`write_tokens`] wrote, [`read_tokens`] reads.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};
use zeroize::Zeroizing;

use super::keyring::{Keyring, NamedToken};
use super::role::{Role, Roles};
use super::ticket::Tickets;
use super::token::TokenDigest;
use crate::limits::{ACCESS_FILE_BYTES_MAX, TOKEN_DIGESTS_MAX};
use crate::sale::Name;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(default)]
    token: Vec<Spanned<TokenEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: Spanned<String>,
    roles: Spanned<Vec<Spanned<String>>>,
    digests: Spanned<Vec<Spanned<String>>>,
}

/// What was read, and what its owner should know about it.
pub(super) struct Loaded<T> {
    pub(super) what: T,
    pub(super) warnings: Vec<String>,
}

/// Reads a tokens file.
pub(super) fn read_tokens(path: &Path) -> Result<Loaded<Keyring>, String> {
    let (bytes, mut warnings) = read(path)?;
    let text = as_text(path, &bytes)?;
    let keyring = parse_tokens(text).map_err(|(line, why)| at(path, line, &why))?;
    if keyring.tokens().is_empty() {
        warnings.push(format!(
            "{}: no tokens: nobody may do anything; make one with doorbuster token new",
            path.display()
        ));
    }
    Ok(Loaded { what: keyring, warnings })
}

/// Reads a ticket secrets file.
pub(super) fn read_secrets(path: &Path) -> Result<Loaded<Tickets>, String> {
    let (bytes, warnings) = read(path)?;
    let what = Tickets::parse(&bytes).map_err(|(line, why)| at(path, line, &why))?;
    Ok(Loaded { what, warnings })
}

/// Reads a tokens file for the command line: its names in order.
///
/// # Errors
/// A sentence with file and line.
pub fn list(path: &Path) -> Result<Vec<NamedToken>, String> {
    Ok(read_tokens(path)?.what.tokens().to_vec())
}

/// Adds a token's digest under a name, as the newest of the two that it may have. A name that is
/// new needs roles; one that is there keeps its own. Returns the name's roles, and whether another
/// token of that name still counts.
///
/// # Errors
/// A sentence with the file and what is wrong.
pub fn add(
    path: &Path,
    name: &Name,
    roles: &[Role],
    digest: TokenDigest,
) -> Result<(Roles, bool), String> {
    change(path, |keyring, tokens| {
        let Some((index, token)) = find(keyring, name) else {
            if roles.is_empty() {
                return Err(format!("token '{name}' is new: say its --role"));
            }
            let mut table = Table::new();
            table["name"] = value(name.as_str());
            table["roles"] = value(roles.iter().map(|role| role.word()).collect::<Array>());
            table["digests"] = value(Array::from_iter([digest.to_string()]));
            tokens.push(table);
            return Ok((roles.iter().copied().collect(), false));
        };
        let wanted: Roles = roles.iter().copied().collect();
        if !roles.is_empty() && wanted != token.roles {
            return Err(format!(
                "token '{name}' has the roles {}; remove it first to give it others",
                token.roles
            ));
        }
        let live = [digest].into_iter().chain(token.digests.iter().copied());
        let live: Array = live.take(TOKEN_DIGESTS_MAX).map(|digest| digest.to_string()).collect();
        tokens.get_mut(index).ok_or("a token in another form")?["digests"] = value(live);
        Ok((token.roles, true))
    })
}

/// Removes a name, or with `only_older` all its tokens but the newest. Returns how many tokens
/// ended.
///
/// # Errors
/// A sentence with the file and what is wrong.
pub fn remove(path: &Path, name: &Name, only_older: bool) -> Result<usize, String> {
    change(path, |keyring, tokens| {
        let Some((index, token)) = find(keyring, name) else {
            return Err(format!("there is no token '{name}'"));
        };
        if !only_older {
            tokens.remove(index);
            return Ok(token.digests.len());
        }
        let newest = Array::from_iter([token.digests[0].to_string()]);
        tokens.get_mut(index).ok_or("a token in another form")?["digests"] = value(newest);
        Ok(token.digests.len() - 1)
    })
}

fn find<'a>(keyring: &'a Keyring, name: &Name) -> Option<(usize, &'a NamedToken)> {
    keyring.tokens().iter().enumerate().find(|(_, token)| token.name == *name)
}

/// Reads, changes and writes a tokens file; one that is not there yet is an empty one.
fn change<T>(
    path: &Path,
    how: impl FnOnce(&Keyring, &mut ArrayOfTables) -> Result<T, String>,
) -> Result<T, String> {
    let bytes = match read(path) {
        Ok((bytes, _)) => bytes,
        Err(_) if !path.exists() => Zeroizing::default(),
        Err(why) => return Err(why),
    };
    let text = as_text(path, &bytes)?;
    let keyring = parse_tokens(text).map_err(|(line, why)| at(path, line, &why))?;
    let in_file = |why: String| at(path, 0, &why);
    let mut document: DocumentMut =
        text.parse().map_err(|why: toml_edit::TomlError| at(path, 0, why.message()))?;
    let item = document.entry("token").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let tokens = item
        .as_array_of_tables_mut()
        .ok_or_else(|| in_file("write tokens as [[token]] tables to have them changed".into()))?;
    let result = how(&keyring, tokens).map_err(in_file)?;
    write_tokens(path, &document.to_string())?;
    Ok(result)
}

/// Writes beside, syncs, renames. A file that is there keeps its mode and owner; a new one is its
/// owner's alone.
fn write_tokens(path: &Path, text: &str) -> Result<(), String> {
    parse_tokens(text).map_err(|(line, why)| at(path, line, &why))?;
    let write = || -> std::io::Result<()> {
        // A link stays one.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        if let Ok(before) = std::fs::metadata(&path) {
            file.as_file().set_permissions(before.permissions())?;
            // Only root may give files away; whoever may not keeps it as its own.
            let _ =
                std::os::unix::fs::fchown(file.as_file(), Some(before.uid()), Some(before.gid()));
        }
        file.as_file().sync_all()?;
        file.persist(&path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|why| at(path, 0, &format!("could not be written: {why}")))
}

fn parse_tokens(text: &str) -> Result<Keyring, (usize, String)> {
    let line = |start: usize| 1 + text[..start.min(text.len())].matches('\n').count();
    let file: TokensFile = toml::from_str(text)
        .map_err(|why| (why.span().map_or(0, |span| line(span.start)), why.message().to_owned()))?;
    let mut tokens = Vec::with_capacity(file.token.len());
    for entry in &file.token {
        let TokenEntry { name, roles, digests } = entry.get_ref();
        let fault = |what: &std::ops::Range<usize>, why: String| (line(what.start), why);
        let given = Name::parse(name.get_ref().as_bytes())
            .map_err(|why| fault(&name.span(), format!("name: {why}")))?;
        let mut held = Vec::new();
        for word in roles.get_ref() {
            held.push(Role::from_word(word.get_ref()).ok_or_else(|| {
                let word_shown = word.get_ref().escape_debug();
                fault(&word.span(), format!("roles: '{word_shown}' is none of buy, read, admin"))
            })?);
        }
        if held.is_empty() {
            return Err(fault(&roles.span(), "roles: none; give buy, read or admin".into()));
        }
        let mut live = Vec::new();
        for digest in digests.get_ref() {
            live.push(TokenDigest::parse(digest.get_ref()).ok_or_else(|| {
                let why = "digests: each must be sha256: and 64 hex digits, never a token itself";
                fault(&digest.span(), why.into())
            })?);
        }
        tokens.push(NamedToken::new(given, held, &live));
        // With the line of the entry that is too much.
        Keyring::new(tokens.clone()).map_err(|why| fault(&entry.span(), why))?;
    }
    Keyring::new(tokens).map_err(|why| (0, why))
}

fn at(path: &Path, line: usize, why: &str) -> String {
    match line {
        0 => format!("{}: {why}", path.display()),
        line => format!("{}:{line}: {why}", path.display()),
    }
}

fn as_text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| at(path, 0, "is not UTF-8"))
}

/// The bytes of a file, and a warning if others than its owner may read it.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Vec<String>), String> {
    let mut bytes = Zeroizing::default();
    let mut mode = 0;
    let mut open = || -> std::io::Result<()> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() > ACCESS_FILE_BYTES_MAX {
            let why = format!("larger than {ACCESS_FILE_BYTES_MAX} bytes");
            return Err(std::io::Error::new(ErrorKind::InvalidData, why));
        }
        mode = metadata.permissions().mode();
        // As large as it will be, so that no copy is left behind by growing.
        bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
        file.take(ACCESS_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(())
    };
    open().map_err(|why| at(path, 0, &why.to_string()))?;
    let mut warnings = Vec::new();
    if mode & 0o077 != 0 {
        warnings.push(format!(
            "{}: others than its owner may read or change it (mode {:03o}); chmod 600 it",
            path.display(),
            mode & 0o777
        ));
    }
    Ok((bytes, warnings))
}

#[cfg(test)]
mod tests {
    use super::super::token::Token;
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).expect("a name")
    }

    fn digest() -> TokenDigest {
        Token::new().expect("random").digest()
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line() {
        let good = digest().to_string();
        let entry = |name: &str, roles: &str, digests: &str| {
            format!("# ours\n[[token]]\nname = {name}\nroles = {roles}\ndigests = {digests}\n")
        };
        let digests = format!("[\"{good}\"]");
        let twice = entry("\"a\"", "[\"buy\"]", &digests).repeat(2);
        for (text, line, expected) in [
            (entry("\"a b\"", "[\"buy\"]", &digests), 3, "name: 'a b' is no name"),
            (entry("\"a\"", "[\"boss\"]", &digests), 4, "'boss' is none of buy, read, admin"),
            (entry("\"a\"", "[]", &digests), 4, "give buy, read or admin"),
            (entry("\"a\"", "[\"buy\"]", "[\"db_x\"]"), 5, "sha256: and 64 hex digits"),
            (entry("\"a\"", "[\"buy\"]", "[]"), 2, "one or two digests"),
            (entry("\"a\"", "[\"buy\"]", "7"), 5, "invalid type"),
            (entry("\"a\"", "[\"buy\"]", &digests) + "colour = 1\n", 6, "colour"),
            ("tokens = []\n".into(), 1, "unknown field `tokens`"),
            (twice, 7, "unique"),
            ("x".into(), 1, ""),
        ] {
            let (at, why) = parse_tokens(&text).expect_err(expected);
            assert!(at == line && why.contains(expected), "{at}: {why}\n{text}");
        }
    }

    #[test]
    fn a_token_is_made_rotated_and_removed_and_comments_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tokens.toml");
        let (one, two, three) = (digest(), digest(), digest());
        let checkout = name("checkout");
        let why = add(&path, &checkout, &[], one).expect_err("no roles");
        assert!(why.contains("--role") && !path.exists(), "{why}");
        let made = add(&path, &checkout, &[Role::Buy], one).expect("made");
        assert_eq!(made, ([Role::Buy].into_iter().collect(), false));
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, format!("# whose they are\n{text}")).expect("written");
        assert!(add(&path, &checkout, &[], two).expect("rotated").1);
        assert!(add(&path, &checkout, &[Role::Buy], three).expect("rotated").1);
        assert!(
            add(&path, &checkout, &[Role::Read], one).expect_err("other roles").contains("buy")
        );
        add(&path, &name("metrics"), &[Role::Read, Role::Admin], one).expect("made");
        let listed = list(&path).expect("a good file");
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].digests, [three, two]);
        assert_eq!(listed[1].roles.to_string(), "read, admin");
        assert!(std::fs::read_to_string(&path).expect("text").contains("# whose they are"));

        assert_eq!(remove(&path, &checkout, true), Ok(1));
        assert_eq!(list(&path).expect("a good file")[0].digests, [three]);
        assert_eq!(remove(&path, &checkout, false), Ok(1));
        assert!(remove(&path, &checkout, false).expect_err("gone").contains("no token 'checkout'"));
        assert_eq!(remove(&path, &name("metrics"), false), Ok(1));
        let empty = read_tokens(&path).expect("an empty file is a good one");
        assert!(empty.what.asks() && empty.warnings[0].contains("nobody may do anything"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no leftovers");
    }

    #[test]
    fn a_file_that_others_may_read_is_warned_of_and_keeps_its_mode() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tokens.toml");
        add(&path, &name("a"), &[Role::Buy], digest()).expect("made");
        assert!(read_tokens(&path).expect("good").warnings.is_empty());
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, mode).expect("it is ours");
        add(&path, &name("b"), &[Role::Buy], digest()).expect("made");
        let warnings = read_tokens(&path).expect("good").warnings;
        assert!(warnings[0].contains("(mode 644)"), "{warnings:?}");
        let why = read_tokens(&folder.path().join("none")).err().expect("not there");
        assert!(why.contains("none: No such file"), "{why}");
    }
}

//! `type = "nats"`.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::ServerAddr;

use super::SinkTable;
use crate::sink::{Login, NatsTerms, Terms};

pub(super) const KEYS: &[&str] = &[
    "url",
    "user",
    "password_file",
    "password_env",
    "token_file",
    "token_env",
    "creds_file",
    "creds_env",
    "ca_file",
    "stream",
    "prefix",
    "create",
    "message_ids",
    "timeout_ms",
];

const URL: &str = "nats://127.0.0.1:4222";
const STREAM: &str = "DOORBUSTER";
const PREFIX: &str = "doorbuster";
const TIMEOUT_MS_USUAL: u64 = 10_000;

pub(super) fn understood(table: &SinkTable) -> Result<Terms, String> {
    let urls = match table.many("url") {
        [] => vec![URL.to_owned()],
        urls => urls.to_vec(),
    };
    let mut is_tls = false;
    for url in &urls {
        if url.contains('@') {
            return Err("url: no user, password or token in it; they have keys, `user` and \
                        `password_file`, `token_file` or `creds_file`"
                .to_owned());
        }
        let address: ServerAddr = url.parse().map_err(|why| format!("url: `{url}`: {why}"))?;
        if !matches!(address.scheme(), "nats" | "tls") {
            return Err(format!("url: `{url}` is not nats://HOST:PORT or tls://HOST:PORT"));
        }
        is_tls |= address.tls_required();
    }
    let ca = table.one("ca_file")?.map(PathBuf::from);
    if ca.is_some() && !is_tls {
        return Err("ca_file: wants a url that begins with tls://".to_owned());
    }
    let word = |key: &str, usual: &str, more: &str| {
        let word = table.one(key)?.unwrap_or(usual).to_owned();
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte);
        if word.is_empty() || !word.bytes().all(is_good) {
            return Err(format!("{key}: `{word}` is not of A-Z a-z 0-9 {more}"));
        }
        Ok(word)
    };
    let prefix = word("prefix", PREFIX, "_-.")?;
    if prefix.split('.').any(str::is_empty) {
        return Err(format!("prefix: `{prefix}`: words with a dot between them are wanted"));
    }
    let (login, is_made) = (login(table)?, table.flag("create")?.unwrap_or(false));
    let stream = word("stream", STREAM, "_-")?;
    let has_ids = table.flag("message_ids")?.unwrap_or(true);
    let timeout = table.number("timeout_ms", 100..=3_600_000)?.unwrap_or(TIMEOUT_MS_USUAL);
    let timeout = Duration::from_millis(timeout);
    Ok(Terms::Nats(NatsTerms { urls, login, ca, stream, prefix, is_made, timeout, has_ids }))
}

fn login(table: &SinkTable) -> Result<Login, String> {
    let user = table.one("user")?;
    let secrets = (table.secret("password")?, table.secret("token")?, table.secret("creds")?);
    Ok(match (user, secrets) {
        (None, (None, None, None)) => Login::None,
        (Some(user), (Some(password), None, None)) => Login::User(user.to_owned(), password),
        (None, (None, Some(token), None)) => Login::Token(token),
        (None, (None, None, Some(credentials))) => Login::Credentials(credentials),
        _ => {
            return Err("user: one of `user` with `password_file`, `token_file` and `creds_file` \
                        is wanted, or none (or the same with `_env`)"
                .to_owned());
        }
    })
}

//! `type = "redis"`.

use std::path::PathBuf;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo as _};

use super::SinkTable;
use crate::sink::{RedisTerms, Terms};

pub(super) const KEYS: &[&str] =
    &["url", "user", "password_file", "password_env", "ca_file", "stream", "maxlen", "timeout_ms"];

const URL: &str = "redis://127.0.0.1:6379";
const STREAM: &str = "doorbuster:orders";
const MAXLEN_MAX: u64 = 1 << 40;
const TIMEOUT_MS_USUAL: u64 = 10_000;

pub(super) fn understood(table: &SinkTable) -> Result<Terms, String> {
    let url = table.one("url")?.unwrap_or(URL).to_owned();
    if url.contains('@') {
        return Err("url: no user and no password in it; they have keys, `user` and \
                    `password_file` or `password_env`"
            .to_owned());
    }
    let read = url.as_str().into_connection_info();
    let address = read.map_err(|why| format!("url: `{url}`: {why}"))?;
    let is_tls = match address.addr() {
        ConnectionAddr::Tcp(..) => false,
        ConnectionAddr::TcpTls { insecure: false, .. } => true,
        _ => return Err(format!("url: `{url}` is not redis://HOST:PORT or rediss://HOST:PORT")),
    };
    let ca = table.one("ca_file")?.map(PathBuf::from);
    if ca.is_some() && !is_tls {
        return Err("ca_file: wants a url that begins with rediss://".to_owned());
    }
    let (user, password) = (table.one("user")?.map(str::to_owned), table.secret("password")?);
    if user.is_some() && password.is_none() {
        return Err("user: wants `password_file` or `password_env`".to_owned());
    }
    let stream = table.one("stream")?.unwrap_or(STREAM).to_owned();
    if stream.is_empty() {
        return Err("stream: it wants a key".to_owned());
    }
    let entries_max = table.number("maxlen", 0..=MAXLEN_MAX)?.unwrap_or(0);
    let timeout = table.number("timeout_ms", 100..=3_600_000)?.unwrap_or(TIMEOUT_MS_USUAL);
    let timeout = Duration::from_millis(timeout);
    Ok(Terms::Redis(RedisTerms { url, user, password, ca, stream, entries_max, timeout }))
}

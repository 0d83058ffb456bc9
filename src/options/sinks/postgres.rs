//! `type = "postgres"`.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::SinkTable;
use crate::sink::{PostgresTerms, Terms};

pub(super) const KEYS: &[&str] =
    &["url", "password_file", "password_env", "schema", "ca_file", "timeout_ms"];

const SCHEMA_BYTES_MAX: usize = 48;
const TIMEOUT_MS_USUAL: u64 = 30_000;

pub(super) fn understood(table: &SinkTable) -> Result<Terms, String> {
    let url = table.one("url")?;
    let url = url.ok_or("url: it wants one, as postgres://shop@db.example:5432/shop")?;
    let server: Config = url.parse().map_err(|why: tokio_postgres::Error| {
        let source = std::error::Error::source(&why);
        let more = source.map_or(String::new(), |source| format!(": {source}"));
        format!("url: {why}{more}; it is to be as postgres://shop@db.example:5432/shop")
    })?;
    if server.get_password().is_some() {
        return Err("url: no password in it; it belongs into password_file or password_env".into());
    }
    if server.get_hosts().is_empty() || server.get_user().is_none() {
        return Err("url: it wants a host and a user, as postgres://shop@db.example/shop".into());
    }
    let schema = table.one("schema")?.unwrap_or("doorbuster");
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins_well = schema.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if schema.len() > SCHEMA_BYTES_MAX || !schema.bytes().all(is_plain) || !begins_well {
        return Err(format!(
            "schema: `{schema}` is not 1 to {SCHEMA_BYTES_MAX} of a-z 0-9 _, a digit not first"
        ));
    }
    let ca_file = table.one("ca_file")?.map(PathBuf::from);
    if ca_file.is_some() && server.get_ssl_mode() != SslMode::Require {
        // Otherwise whoever stands between could say that the server speaks no TLS.
        return Err("ca_file: wants a url that ends with ?sslmode=require".to_owned());
    }
    let timeout = table.number("timeout_ms", 100..=3_600_000)?.unwrap_or(TIMEOUT_MS_USUAL);
    Ok(Terms::Postgres(Box::new(PostgresTerms {
        server,
        password: table.secret("password")?,
        ca_file,
        schema: schema.to_owned(),
        timeout: Duration::from_millis(timeout),
    })))
}

//! `type = "webhook"`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::Uri;

use super::SinkTable;
use crate::sink::{Terms, WebhookTerms, is_public};

pub(super) const KEYS: &[&str] = &[
    "url",
    "secret_file",
    "secret_env",
    "token_file",
    "token_env",
    "in_flight",
    "batch_max",
    "rate_per_second",
    "timeout_ms",
    "retry_hours",
    "dead_letters",
    "allow_private",
    "ca_file",
];

pub(super) fn understood(table: &SinkTable) -> Result<Terms, String> {
    let is_private_allowed = table.flag("allow_private")?.unwrap_or(false);
    let url = table.one("url")?.ok_or("url: it wants one, as https://shop.example/hooks/orders")?;
    check_url(url, is_private_allowed)?;
    let secret = table.secret("secret")?;
    let secret = secret.ok_or(
        "secret_file: it wants this, or secret_env: the secret that messages are signed with",
    )?;
    let ca_file = path(table, "ca_file")?;
    if ca_file.is_some() && !url.starts_with("https:") {
        return Err("ca_file: only an https URL has a certificate".to_owned());
    }
    let number = |key, within, usual| table.number(key, within).map(|said| said.unwrap_or(usual));
    Ok(Terms::Webhook(WebhookTerms {
        url: url.to_owned(),
        secret,
        token: table.secret("token")?,
        in_flight: number("in_flight", 1..=64, 8)? as usize,
        batch_max: number("batch_max", 1..=1000, 1)? as usize,
        rate_per_second: number("rate_per_second", 0..=1_000_000, 0)?,
        timeout: Duration::from_millis(number("timeout_ms", 10..=120_000, 10_000)?),
        patience: Duration::from_secs(3600 * number("retry_hours", 0..=8760, 72)?),
        dead_letters: path(table, "dead_letters")?,
        is_private_allowed,
        ca_file,
    }))
}

fn path(table: &SinkTable, key: &str) -> Result<Option<PathBuf>, String> {
    match table.one(key)? {
        Some("") => Err(format!("{key}: it is empty; a path is wanted")),
        word => Ok(word.map(PathBuf::from)),
    }
}

/// What is refused is not shown: there may be secrets in it.
fn check_url(url: &str, is_private_allowed: bool) -> Result<(), String> {
    let wanted =
        "http or https, a host and a path are wanted, as https://shop.example/hooks/orders";
    let uri: Uri = url.parse().map_err(|why| format!("url: {why}; {wanted}"))?;
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("url: {wanted}"));
    };
    if authority.as_str().contains('@') {
        let why = "a user or password in it would be shown; `token_file` says who you are";
        return Err(format!("url: {why}"));
    }
    if url.contains('#') {
        return Err("url: what is behind # is never sent; leave it out".to_owned());
    }
    let host = authority.host();
    if host.is_empty() {
        return Err(format!("url: {wanted}"));
    }
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    if let Some(address) = address.filter(|one| !is_private_allowed && !is_public(*one)) {
        return Err(format!("url: {address} is not public; allow_private = true if that is meant"));
    }
    Ok(())
}

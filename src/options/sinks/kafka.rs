//! `type = "kafka"`: refused by a program that was built without it.

use super::SinkTable;
#[cfg(feature = "kafka")]
use crate::sink::KafkaTerms;
use crate::sink::Terms;

pub(super) const KEYS: &[&str] = &["url", "topic", "create", "compression"];

/// Keys of other sinks that this one has not.
pub(super) const ABSENT: &[&str] =
    &["user", "password_file", "password_env", "token_file", "token_env", "ca_file"];
/// Why.
pub(super) const WHY_ABSENT: &str = "a kafka sink speaks neither SASL nor TLS, for that wants \
                                     OpenSSL, and without it a password is there for all to read; \
                                     let it speak to a listener without both, or through a proxy";

#[cfg(not(feature = "kafka"))]
pub(super) fn understood(_: &SinkTable) -> Result<Terms, String> {
    Err("type: this program was built without `kafka`; build it with `cargo build --release \
         --features kafka`, which wants make and a C and a C++ compiler"
        .to_owned())
}

#[cfg(feature = "kafka")]
pub(super) fn understood(table: &SinkTable) -> Result<Terms, String> {
    let brokers = match table.many("url") {
        [] => vec!["127.0.0.1:9092".to_owned()],
        urls => urls.to_vec(),
    };
    if let Some(url) = brokers.iter().find(|url| !is_address(url)) {
        return Err(format!("url: `{url}` is not HOST:PORT"));
    }
    let topic = table.one("topic")?.unwrap_or("doorbuster-orders").to_owned();
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.bytes().all(is_good);
    if !is_name || matches!(topic.as_str(), "." | "..") {
        return Err(format!("topic: `{topic}` is not 1 to {TOPIC_BYTES_MAX} of A-Z a-z 0-9 . _ -"));
    }
    let said = table.one("compression")?.unwrap_or("none");
    let known = COMPRESSIONS.iter().find(|known| **known == said);
    let compression = known.ok_or_else(|| {
        format!("compression: `{said}` is none of `{}`", COMPRESSIONS.join("`, `"))
    })?;
    let is_made = table.flag("create")?.unwrap_or(false);
    Ok(Terms::Kafka(KafkaTerms { brokers, topic, is_made, compression }))
}

/// The longest name of a topic.
#[cfg(feature = "kafka")]
const TOPIC_BYTES_MAX: usize = 249;

/// What the client library has without further libraries.
#[cfg(feature = "kafka")]
const COMPRESSIONS: [&str; 3] = ["none", "lz4", "snappy"];

#[cfg(feature = "kafka")]
fn is_address(url: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let parts = url.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty()
            && host.bytes().all(is_good)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

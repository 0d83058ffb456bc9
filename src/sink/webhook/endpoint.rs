//! The receiver: one message posted, and what its answer means.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use zeroize::Zeroizing;

use super::guard::Guard;
use super::message::Message;
use super::rate::Rate;
use super::signer::Signer;
use super::{WebhookTerms, shown};
use crate::sink::{Secret, Trouble};
use crate::{certificates, clock};

/// Bytes of an answer's body that are read, so that its connection can be used again.
const BODY_BYTES_MAX: u64 = 65_536;
/// Bytes of it that are kept with a message that it refuses.
const KEPT_BYTES_MAX: usize = 256;

/// What has become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The receiver has it.
    Taken,
    /// It does not want this one: a sentence.
    Refused(String),
    /// It takes none now.
    Trouble(Trouble),
}

/// What only both sides know; read again while the server runs.
pub(super) struct Credentials {
    pub(super) signer: Signer,
    /// The whole value of `authorization`.
    token: Option<Zeroizing<String>>,
}

impl Credentials {
    pub(super) fn read(terms: &WebhookTerms) -> Result<Credentials, Trouble> {
        let token = terms.token.as_ref().map(bearer).transpose()?;
        Ok(Credentials { signer: Signer::read(&terms.secret)?, token })
    }
}

fn bearer(secret: &Secret) -> Result<Zeroizing<String>, Trouble> {
    let token = secret.read()?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = "the token is no single word of printable characters";
        return Err(Trouble::Stop(format!("{secret}: {why}")));
    }
    Ok(Zeroizing::new(format!("Bearer {}", *token)))
}

/// The receiver.
pub(super) struct Endpoint {
    agent: Agent,
    url: String,
    /// What may be said of the URL: there may be secrets in its path.
    shown: String,
    pub(super) credentials: Credentials,
    rate: Rate,
}

impl Endpoint {
    pub(super) fn new(terms: &WebhookTerms) -> Result<Endpoint, Trouble> {
        let credentials = Credentials::read(terms)?;
        let tls = tls(terms.ca_file.as_deref())?;
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(terms.timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_idle_connections(terms.in_flight)
            .max_idle_connections_per_host(terms.in_flight)
            .user_agent(concat!("doorbuster/", env!("CARGO_PKG_VERSION")))
            .build();
        let guard = Guard::new(terms.is_private_allowed);
        Ok(Endpoint {
            agent: Agent::with_parts(config, DefaultConnector::default(), guard),
            url: terms.url.clone(),
            shown: shown(&terms.url),
            credentials,
            rate: Rate::new(terms.rate_per_second),
        })
    }

    /// Posts a message, when it is its turn.
    pub(super) fn post(&self, message: &Message) -> Answer {
        self.rate.wait();
        let seconds = clock::unix() / 1_000_000_000;
        let signature = self.credentials.signer.sign(&message.id, seconds, &message.body);
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", message.content_type())
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature);
        if let Some(token) = &self.credentials.token {
            request = request.header("authorization", token.as_str());
        }
        match request.send(&message.body) {
            Err(why) => Answer::Trouble(Trouble::Again(self.told(&cause(&why)))),
            Ok(mut answer) => {
                let mut body = Vec::new();
                // What is said beside the status changes nothing.
                let mut reader = answer.body_mut().as_reader().take(BODY_BYTES_MAX);
                let _ = reader.read_to_end(&mut body);
                self.judge(answer.status(), answer.headers(), &body)
            }
        }
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
        let code = status.as_u16();
        let told = |why: &str| self.told(&format!("{code}{why}"));
        match code {
            200..=299 => Answer::Taken,
            410 => Answer::Trouble(Trouble::Stop(told(": the receiver wants no more of this"))),
            408 | 425 | 429 | 500.. => {
                let may_wait = matches!(code, 429 | 503);
                let wait = headers.get("retry-after").filter(|_| may_wait);
                let wait = wait.and_then(|value| wait_of(value.to_str().ok()?, clock::unix()));
                Answer::Trouble(match wait {
                    Some(wait) => {
                        let why = format!(", not before {} s have passed", wait.as_secs());
                        Trouble::After(told(&why), wait)
                    }
                    None => Trouble::Again(told("")),
                })
            }
            300..=399 => Answer::Refused(format!("{code}: a redirect, which is not followed")),
            _ => match self.excerpt(body).trim() {
                "" => Answer::Refused(code.to_string()),
                said => Answer::Refused(format!("{code}: {said}")),
            },
        }
    }

    /// The beginning of what was said, without what only both sides know.
    fn excerpt(&self, body: &[u8]) -> String {
        let token = self.credentials.token.as_ref().and_then(|value| value.split(' ').nth(1));
        if token.is_some_and(|token| String::from_utf8_lossy(body).contains(token)) {
            return String::new();
        }
        let text = String::from_utf8_lossy(&body[..body.len().min(KEPT_BYTES_MAX)]);
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
    }

    fn told(&self, why: &str) -> String {
        format!("{}: {why}", self.shown)
    }
}

fn tls(ca: Option<&Path>) -> Result<TlsConfig, Trouble> {
    let tls = TlsConfig::builder();
    let tls = match ca {
        None => tls.root_certs(RootCerts::WebPki),
        Some(path) => {
            let found = certificates::authorities(path).map_err(Trouble::Again)?;
            tls.root_certs(RootCerts::Specific(Arc::new(found)))
        }
    };
    Ok(tls.build())
}

/// Why there is no answer.
fn cause(why: &ureq::Error) -> String {
    match why {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "no address is known for this name".to_owned(),
        ureq::Error::Other(why) => why.to_string(),
        ureq::Error::Io(why) => match why.get_ref().and_then(|inner| inner.source()) {
            Some(inner) => format!("{why}: {inner}"),
            None => why.to_string(),
        },
        why => why.to_string(),
    }
}

/// What `Retry-After` says: seconds, or a date.
pub(super) fn wait_of(value: &str, now: u64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = DateTimeParser::new().parse_timestamp(value).ok()?.as_nanosecond();
    let wait = u64::try_from(then).ok()?.saturating_sub(now);
    Some(Duration::from_nanos(wait))
}

//! One question to the operator's port and its answer. The token is kept out of every message.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use doorbuster::certificates::authorities;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{RootCerts, TlsConfig};

use super::{CONFIGURATION, FAILED, UNAVAILABLE, failed};

/// Longer than the port itself waits for the house behind it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest answer: a sale of 1,024 items with room to spare.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The longest token in a file.
const TOKEN_BYTES_MAX: usize = 4096;

/// Which port, and how to get in. The token, if one is needed, comes from the variable
/// DOORBUSTER_TOKEN or from a file, never from the command line, where others could read it.
#[derive(Args)]
pub(super) struct PortArguments {
    /// The operator's port
    #[arg(long, global = true, env = "DOORBUSTER_ADMIN", value_name = "URL",
        default_value = "http://127.0.0.1:7401", value_parser = url)]
    admin: String,
    /// A file with the token; without it the variable DOORBUSTER_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A file with the certificates (PEM) that sign the port's, if no public authority does
    #[arg(long, global = true, env = "DOORBUSTER_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// JSON as the port answers it
    #[arg(long, global = true)]
    pub(super) json: bool,
}

fn url(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let place = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match place {
        Some(place) if !place.is_empty() => Ok(text.to_owned()),
        _ => Err("write it like http://127.0.0.1:7401".to_owned()),
    }
}

/// Why there is no answer to show.
pub(super) enum Failure {
    /// It was asked for, and refused.
    Refused(String),
    /// Nobody there, or nobody who could answer now.
    Unavailable(String),
    /// A file of ours is wrong.
    File(String),
}

/// The port.
pub(super) struct Port {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl Port {
    /// The port that was meant, with the token of the file or of the environment, trusted if the
    /// certificates in `ca` say so; without that file, if a public authority does.
    ///
    /// # Errors
    /// A sentence, if the token or the certificates cannot be read.
    pub(super) fn new(arguments: &PortArguments) -> Result<Port, String> {
        let token = match &arguments.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                Some(text.map_err(|why| format!("{}: {why}", path.display()))?)
            }
            None => std::env::var("DOORBUSTER_TOKEN").ok(),
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        let is_good = |token: &String| {
            token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !token.iter().all(is_good) {
            return Err("the token is no single word of printable characters".to_owned());
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = &arguments.ca {
            tls = tls.root_certs(RootCerts::Specific(Arc::new(authorities(path)?)));
        }
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("doorbuster/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Port { agent: config.into(), url: arguments.admin.clone(), token })
    }

    /// Asks. An answer that is no success becomes a sentence.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let unavailable = |why: &dyn std::fmt::Display| {
            Failure::Unavailable(format!("the operator's port {} does not answer: {why}", self.url))
        };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match (body, method) {
            (Some(body), _) => {
                let request = request.header("content-type", "application/json");
                request.body(body.to_string()).map(|request| self.agent.run(request))
            }
            (None, "POST") => request.body(String::new()).map(|request| self.agent.run(request)),
            (None, _) => request.body(()).map(|request| self.agent.run(request)),
        };
        let mut answer =
            answer.map_err(|why| unavailable(&why))?.map_err(|why| unavailable(&why))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|why| unavailable(&why))?;
        let value = serde_json::from_str::<Value>(&text).ok();
        match value {
            Some(value) if status.is_success() => Ok(value),
            value => {
                let said = |field: &str| value.as_ref().and_then(|value| value[field].as_str());
                let kind = said("type").and_then(|kind| kind.strip_prefix("urn:doorbuster:"));
                let Some(kind) = kind else {
                    return Err(unavailable(&format_args!(
                        "{status}, and not as doorbuster would"
                    )));
                };
                let why = format!("{kind}: {}", said("detail").unwrap_or_default());
                if status.is_server_error() {
                    Err(Failure::Unavailable(why))
                } else {
                    Err(Failure::Refused(why))
                }
            }
        }
    }
}

impl Failure {
    /// Says it. Returns the exit code.
    pub(super) fn told(&self) -> i32 {
        match self {
            Failure::Refused(why) => failed(FAILED, why),
            Failure::Unavailable(why) => failed(UNAVAILABLE, why),
            Failure::File(why) => failed(CONFIGURATION, why),
        }
    }
}

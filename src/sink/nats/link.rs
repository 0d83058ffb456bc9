//! The connection to NATS: finds a stream, and publishes into it.

use std::collections::VecDeque;
use std::error::Error as _;
use std::future::{Future, IntoFuture as _};
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{
    Context, ContextBuilder, GetStreamErrorKind, PublishAckFuture, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Info, LastRawMessageErrorKind, StorageType, Stream};
use async_nats::jetstream::{Error as JetStreamError, ErrorCode};
use async_nats::{ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;
use tokio::time::timeout;

use super::message::{LastWord, Message};
use super::standing::{Found, Mark, NotOurs};
use super::{Login, NatsTerms};
use crate::certificates::trusting;
use crate::sale::Seq;
use crate::sink::{Change, ChangeAt, Checkpoint, Trouble};

/// After such a rest it is connected anew: nobody has answered the server's questions meanwhile.
const REST: Duration = Duration::from_secs(30);
/// Messages of which the last is acknowledged, and with it all.
const MESSAGES_MAX: usize = 1024;
/// Acknowledgements that are waited for at once: servers drop what is more than ten thousand
/// messages ahead.
const ACKS_MAX: usize = 4;

/// What is on its way.
struct Sent {
    /// The number that it is to have in the stream.
    number: u64,
    /// What it tells of.
    seq: Seq,
    ack: PublishAckFuture,
}

/// A stream that was found.
pub(super) struct Link {
    context: Context,
    /// A word when the connection is lost, or the server has refused something.
    ended: watch::Receiver<String>,
    journal: String,
    writer: String,
    mark: Mark,
    seq: Seq,
    skip: u64,
    newest: Option<ChangeAt>,
    used: Instant,
}

impl Link {
    /// Connects and sees where the stream stands. Returns the seq up to which it has everything.
    pub(super) async fn take(
        terms: &NatsTerms,
        writer: &str,
        known: Option<u64>,
        checkpoint: &Checkpoint,
    ) -> Result<(Link, Seq), Trouble> {
        let (context, mut ended) = connect(terms).await?;
        let seen = async {
            let stream = find(&context, terms).await?;
            look(&stream, terms).await
        };
        let found = unless_ended(&mut ended, terms, seen).await??;
        let told = |why: Trouble| at(terms, why);
        let position = found.position(writer, known, checkpoint).map_err(told)?;
        let mark = Mark { made: found.made, last: found.last, base: position.base };
        let link = Link {
            context,
            ended,
            journal: checkpoint.journal.clone(),
            writer: writer.to_owned(),
            mark,
            seq: position.seq,
            skip: position.skip,
            newest: found.newest(),
            used: Instant::now(),
        };
        Ok((link, position.seq))
    }

    /// What the checkpoint is to keep: the last message that belongs to what it speaks of.
    pub(super) fn mark(&self) -> String {
        Mark { last: self.mark.last - self.skip, ..self.mark }.written()
    }

    /// The stream's last message.
    pub(super) fn last(&self) -> u64 {
        self.mark.last
    }

    /// The stream has everything up to here.
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    /// The newest change that the stream has.
    pub(super) fn newest(&self) -> Option<&ChangeAt> {
        self.newest.as_ref()
    }

    /// After a rest: connects anew. What was published meanwhile is met by the next message.
    pub(super) async fn rouse(&mut self, terms: &NatsTerms) -> Result<(), Trouble> {
        if self.used.elapsed() >= REST {
            (self.context, self.ended) = connect(terms).await?;
        }
        Ok(())
    }

    /// Publishes a message for each change; then everything up to `seq` is told.
    pub(super) async fn publish(
        &mut self,
        terms: &NatsTerms,
        changes: &[Change],
        seq: Seq,
        is_new: bool,
    ) -> Result<(), Trouble> {
        let mut acks = VecDeque::new();
        let skipped = if is_new { changes.len().min(self.skip as usize) } else { 0 };
        self.skip -= skipped as u64;
        // The first alone: if the stream refuses that, it says why, and not that it is not there.
        let changes = &changes[skipped..];
        let (first, others) = changes.split_at(changes.len().min(1));
        for changes in first.chunks(1).chain(others.chunks(MESSAGES_MAX)) {
            if acks.len() == ACKS_MAX {
                self.acknowledged(terms, acks.pop_front()).await?;
            }
            let (context, mut ended) = (self.context.clone(), self.ended.clone());
            let sent = self.send(&context, terms, changes, is_new);
            acks.push_back(unless_ended(&mut ended, terms, sent).await??);
        }
        while !acks.is_empty() {
            self.acknowledged(terms, acks.pop_front()).await?;
        }
        if let Some(newest) = changes.last().filter(|_| is_new) {
            self.newest = Some(ChangeAt::of(newest));
        }
        self.seq = seq;
        self.used = Instant::now();
        Ok(())
    }

    /// Sends some, of which the last is to be acknowledged.
    async fn send(
        &mut self,
        context: &Context,
        terms: &NatsTerms,
        changes: &[Change],
        is_new: bool,
    ) -> Result<Sent, Trouble> {
        let upto = (!is_new).then(|| match &self.newest {
            Some(newest) => format!("{} {}", self.seq, newest.written()),
            None => self.seq.to_string(),
        });
        let client = context.client();
        let (last, others) = changes.split_last().expect("chunks are not empty");
        for change in others {
            let Message { subject, headers, payload } = self.next(terms, change, upto.as_deref());
            let sent = client.publish_with_headers(subject, headers, payload.into()).await;
            sent.map_err(|why| refused(terms, change.seq, &why))?;
        }
        let Message { subject, headers, payload } = self.next(terms, last, upto.as_deref());
        let message = PublishMessage::build().headers(headers).payload(payload.into());
        let sent = context.send_publish(subject, message).await;
        let ack = sent.map_err(|why| refused(terms, last.seq, &why))?;
        Ok(Sent { number: self.mark.last, seq: last.seq, ack })
    }

    /// The message of a change that comes next.
    fn next(&mut self, terms: &NatsTerms, change: &Change, upto: Option<&str>) -> Message {
        let who = (self.journal.as_str(), self.writer.as_str());
        let message = Message::of(change, terms, who, self.mark.last, upto);
        self.mark.last += 1;
        message
    }

    async fn acknowledged(&mut self, terms: &NatsTerms, sent: Option<Sent>) -> Result<(), Trouble> {
        let Some(Sent { number, seq, ack }) = sent else { return Ok(()) };
        let again = |why: &str| at(terms, Trouble::Again(why.to_owned()));
        match unless_ended(&mut self.ended, terms, ack.into_future()).await? {
            // Nothing is published twice here.
            Ok(ack) if ack.duplicate => Err(again("somebody else has published the same change")),
            Ok(ack) if ack.sequence == number && ack.stream == terms.stream => Ok(()),
            Ok(ack) => Err(again(&format!(
                "message {number} became {} of {}, which is not where it belongs",
                ack.sequence, ack.stream
            ))),
            Err(why) if why.kind() == PublishErrorKind::WrongLastSequence => Err(again(
                "it does not stand where it did: it has lost or refused something, or somebody \
                 else publishes into it",
            )),
            Err(why) if is_too_large(&why) => Err(refused(terms, seq, &why)),
            Err(why) => Err(again(&why.to_string())),
        }
    }
}

/// A message that is too large never gets smaller.
fn refused(terms: &NatsTerms, seq: Seq, why: &dyn std::fmt::Display) -> Trouble {
    at(terms, Trouble::Stop(format!("the message of seq {seq}: {why}")))
}

/// Whether the stream takes no message of this size.
fn is_too_large(why: &PublishError) -> bool {
    let told = why.source().and_then(|source| source.downcast_ref::<JetStreamError>());
    told.is_some_and(|told| {
        let code = told.error_code();
        code == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM
            || code == ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM
    })
}

/// Waits for something, but not if the connection ends, and not for ever.
async fn unless_ended<T>(
    ended: &mut watch::Receiver<String>,
    terms: &NatsTerms,
    awaited: impl Future<Output = T>,
) -> Result<T, Trouble> {
    tokio::select! {
        biased;
        done = timeout(terms.timeout, awaited) => done.map_err(|_| too_late(terms)),
        why = ended.wait_for(|why| !why.is_empty()) => {
            let why = why.map_or("the connection is lost".to_owned(), |why| why.clone());
            Err(Trouble::Again(format!("{}: {why}", shown(terms))))
        }
    }
}

fn too_late(terms: &NatsTerms) -> Trouble {
    let ms = terms.timeout.as_millis();
    Trouble::Again(format!("{}: no answer within {ms} ms", shown(terms)))
}

pub(super) async fn connect(
    terms: &NatsTerms,
) -> Result<(Context, watch::Receiver<String>), Trouble> {
    let told = |why: &dyn std::fmt::Display| Trouble::Again(format!("{}: {why}", shown(terms)));
    let servers: Result<Vec<ServerAddr>, _> = terms.urls.iter().map(|url| url.parse()).collect();
    let servers = servers.map_err(|why| told(&why))?;
    let mut options = match &terms.login {
        Login::None => ConnectOptions::new(),
        Login::User(user, password) => {
            ConnectOptions::with_user_and_password(user.clone(), password.read()?.to_string())
        }
        Login::Token(token) => ConnectOptions::with_token(token.read()?.to_string()),
        Login::Credentials(credentials) => {
            let read = ConnectOptions::with_credentials(&credentials.read()?);
            read.map_err(|_| told(&"the credentials are not what a .creds file holds"))?
        }
    };
    if servers.iter().any(ServerAddr::tls_required) {
        let trusted = trusting(terms.ca.as_deref()).map_err(Trouble::Again)?;
        options = options.tls_client_config(trusted).require_tls(true);
    }
    let (tell, ended) = watch::channel(String::new());
    let options =
        options.name("doorbuster").connection_timeout(terms.timeout).event_callback(move |event| {
            let why = match event {
                Event::Disconnected | Event::Closed => Some("the connection is lost".to_owned()),
                Event::ServerError(why) => Some(why.to_string()),
                _ => None,
            };
            // The first word counts: what comes later comes of it.
            tell.send_if_modified(|word| match why {
                Some(why) if word.is_empty() => {
                    *word = why;
                    true
                }
                _ => false,
            });
            async {}
        });
    let client = timeout(terms.timeout, options.connect(servers)).await;
    let client = client.map_err(|_| too_late(terms))?.map_err(|why| told(&why))?;
    // Longer than we wait ourselves, for then it is said how long that was.
    let patience = 2 * terms.timeout;
    let context = ContextBuilder::new().timeout(patience).ack_timeout(patience).build(client);
    Ok((context, ended))
}

/// The stream, made if it is to be.
pub(super) async fn find(context: &Context, terms: &NatsTerms) -> Result<Stream, Trouble> {
    let again = |why: &dyn std::fmt::Display| at(terms, Trouble::Again(why.to_string()));
    match context.get_stream(&terms.stream).await {
        Ok(stream) => Ok(stream),
        Err(why) => match why.kind() {
            GetStreamErrorKind::JetStream(why)
                if why.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                if !terms.is_made {
                    let subjects = terms.subjects();
                    return Err(again(&format!(
                        "there is none; make it, with the subjects {subjects}, or say create = true"
                    )));
                }
                let config = Config {
                    name: terms.stream.clone(),
                    subjects: vec![terms.subjects()],
                    storage: StorageType::File,
                    ..Config::default()
                };
                context.create_stream(config).await.map_err(|why| again(&why))
            }
            GetStreamErrorKind::JetStream(why) => Err(again(&why)),
            _ => Err(again(&why)),
        },
    }
}

async fn look(stream: &Stream, terms: &NatsTerms) -> Result<Found, Trouble> {
    let Info { config, created, state, .. } = stream.cached_info();
    let stop = |why: String| at(terms, Trouble::Stop(why));
    let subjects = terms.subjects();
    if !config.subjects.iter().any(|taken| covers(taken, &subjects)) {
        let taken = config.subjects.join(", ");
        return Err(stop(format!("it takes {taken}, and not all of {subjects}")));
    }
    if config.no_ack {
        return Err(stop("it is set to acknowledge nothing (no_ack)".to_owned()));
    }
    let made = created.unix_timestamp_nanos();
    let last = state.last_sequence;
    if last == 0 {
        return Ok(Found { made, last, word: None });
    }
    let word = match stream.get_raw_message(last).await {
        Ok(message) => {
            let not_ours = || NotOurs(message.subject.to_string());
            Some(LastWord::read(&message.headers).ok_or_else(not_ours))
        }
        Err(why) if matches!(why.kind(), LastRawMessageErrorKind::NoMessageFound) => None,
        Err(why) => return Err(at(terms, Trouble::Again(why.to_string()))),
    };
    Ok(Found { made, last, word })
}

/// Whether a subject takes all that another one does.
fn covers(taken: &str, wanted: &str) -> bool {
    let mut wanted = wanted.split('.');
    for word in taken.split('.') {
        match (word, wanted.next()) {
            (">", Some(_)) => return true,
            ("*", Some(other)) if other != ">" => {}
            (word, Some(other)) if word == other => {}
            _ => return false,
        }
    }
    wanted.next().is_none()
}

fn shown(terms: &NatsTerms) -> String {
    terms.urls.join(" ")
}

/// A trouble with the stream, which it names.
fn at(terms: &NatsTerms, why: Trouble) -> Trouble {
    let told = |why: String| format!("{}, stream {}: {why}", shown(terms), terms.stream);
    why.map(told)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_subject_covers_what_it_takes_whole() {
        for (taken, is_covered) in [
            ("doorbuster.>", true),
            ("*.>", true),
            (">", true),
            ("doorbuster.*.*", false),
            ("doorbuster", false),
            ("doorbuster.drop.>", false),
            ("other.>", false),
        ] {
            assert_eq!(covers(taken, "doorbuster.>"), is_covered, "{taken}");
        }
    }
}

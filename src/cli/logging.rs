//! What `serve` says while it runs: one event a line on stderr, for people or as JSON. It never
//! says anything of a single order, and nobody who does not listen can stop the server.

use std::fmt::Debug;

use doorbuster::options::{LogForm, LogLevel};
use tracing::field::Field;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Changes what is said at all.
pub(super) struct Level(reload::Handle<LevelFilter, Registry>);

impl Level {
    pub(super) fn set(&self, level: LogLevel) {
        // It fails only once nothing is said any more.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

/// From here on events are told.
///
/// # Errors
/// If someone in this process tells them already.
pub(super) fn start(form: LogForm, level: LogLevel) -> Result<Level, String> {
    let (filter, handle) = reload::Layer::new(filter(level));
    let events = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        // It would be told on stderr, and end the process where that is closed.
        .log_internal_errors(false);
    // What libraries say names no sink and no option; who uses them says it better.
    let ours = filter_fn(|event| event.target().starts_with("doorbuster"));
    let registry = tracing_subscriber::registry().with(filter).with(ours);
    let done = match form {
        LogForm::Text => {
            let events = events.fmt_fields(debug_fn(sentence));
            tracing::subscriber::set_global_default(registry.with(events))
        }
        LogForm::Json => {
            let events = events.json().flatten_event(true);
            tracing::subscriber::set_global_default(registry.with(events))
        }
    };
    done.map(|()| Level(handle)).map_err(|why| why.to_string())
}

/// People read the sentence; the fields beside it say the same to programs.
fn sentence(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    if field.name() != "message" {
        return Ok(());
    }
    for char in format!("{value:?}").chars() {
        // What a peer or a file said must not look like another line, or move a terminal.
        if char.is_control() {
            write!(writer, "{}", char.escape_default())?;
        } else {
            writer.write_char(char)?;
        }
    }
    Ok(())
}

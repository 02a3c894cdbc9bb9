//! What is told while running: log lines on standard error, for people on a terminal and as JSON otherwise.
//!
//! Standard output stays free for what a command was asked for. Panics become log lines as well, with the thread's
//! name, because nobody looks at the standard error of a service.

use std::{any::Any, io::IsTerminal, panic::PanicHookInfo};

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{Log, LogFormat};

/// What others log about each start and each stranger's garbage; `log.level` can name them to hear it.
const QUIET: &str = "actix_server=warn,actix_http=off";

/// Starts logging and catches panics for the log; once per process.
///
/// # Errors
///
/// A level that is no filter, which [`config`](crate::config) has refused before; a second call.
pub fn start(log: &Log) -> Result<(), TelemetryError> {
    let human = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(format!("{QUIET},{}", log.level))?)
        .with_writer(std::io::stderr);
    if human {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    }
    .map_err(TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is no filter.
    #[error("log.level cannot be read")]
    Level(#[from] ParseError),
    /// It has been started before.
    #[error("logging cannot be started")]
    Twice(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    tracing::error!(
        thread = thread.name().unwrap_or("unnamed"),
        location = info.location().map(tracing::field::display),
        "panic: {}",
        panic_message(info.payload())
    );
}

/// The text of a panic, if it has one.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_read_from_either_kind_of_text() {
        assert_eq!(panic_message(&"fixed"), "fixed");
        assert_eq!(panic_message(&String::from("made")), "made");
        assert_eq!(panic_message(&7), "without a message");
    }
}

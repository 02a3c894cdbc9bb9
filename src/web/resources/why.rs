//! Why: what became of a request on each connection, in sentences, and what can be done about it.

use serde_json::{Value, json};

use super::{Answer, Call, ok};
use crate::{
    domain::{Configuration, ConnectionId, Event, EventStatus, IgnoredCause, RejectionCause, RequestId},
    query::why::{Fate, FateOutcome, Why},
    web::profiles::{self as shapes, Context},
};

/// Answers `GET /requests/{id}/why`.
pub(super) async fn why(call: Call) -> Answer {
    let id: RequestId = call.id()?;
    let why = call.state.query.why(id).await?;
    let context = Context { now: why.now, ..call.context(&why.configuration) };
    let connections: Vec<Value> = why.fates.iter().map(|fate| shape(context, &why, fate)).collect();
    let replayable = connections.iter().any(|connection| connection["replayable"] == true);
    let rejection = why.summary.rejection;
    Ok(ok(&json!({
        "request_id": id.to_string(),
        "source_id": why.summary.source_id.to_string(),
        "status": if rejection.is_some() { "rejected" } else { "accepted" },
        "rejection_cause": rejection.map(RejectionCause::as_str),
        "text": rejection.map_or_else(|| summed_up(&why), |cause| sentence(cause).to_owned()),
        "replayable": replayable,
        "connections": connections,
    })))
}

/// What of it is told of one connection.
struct Told {
    outcome: &'static str,
    text: String,
    cause: Option<&'static str>,
    /// What to call to have it sent; `None` when nothing does.
    how: Option<String>,
}

fn shape(context: Context<'_>, why: &Why, fate: &Fate) -> Value {
    let id = fate.connection_id;
    let (mut event, mut ignored_event) = (Value::Null, Value::Null);
    let told = match &fate.outcome {
        FateOutcome::Event(of) => {
            event = shapes::event(context, of);
            of_event(context, of, why.data_gone.is_none())
        }
        FateOutcome::Ignored(ignored, cause) => {
            ignored_event = json!(ignored.to_string());
            of_ignored(*cause)
        }
        FateOutcome::Rejected => Told {
            outcome: "rejected",
            text: "the request was rejected before any connection was asked".to_owned(),
            cause: why.summary.rejection.map(RejectionCause::as_str),
            how: None,
        },
        FateOutcome::Younger => Told {
            outcome: "no_route",
            text: "the connection is younger than the request".to_owned(),
            cause: None,
            how: None,
        },
        FateOutcome::Unknown => Told {
            outcome: "no_route",
            text: "nothing is kept of it here: its event is past retention, or the connection led elsewhere then"
                .to_owned(),
            cause: None,
            how: None,
        },
    };
    let retry = || format!("POST /requests/{} with {{\"webhook_ids\": [\"{id}\"]}}", retry_path(why));
    let how = told.how.or_else(|| fate.is_missing.then(retry));
    json!({
        "connection": connection(context.configuration, id),
        "outcome": told.outcome,
        "text": told.text,
        "cause": told.cause,
        "event": event,
        "ignored_event_id": ignored_event,
        "duplicate_of": null,
        "replayable": how.is_some(),
        "how": how,
    })
}

fn retry_path(why: &Why) -> String {
    format!("{}/retry", why.summary.id)
}

fn connection(configuration: &Configuration, id: ConnectionId) -> Value {
    let connection = configuration.connections.get(&id);
    let source = connection.and_then(|connection| configuration.sources.get(&connection.source_id));
    let name = connection.and_then(|connection| connection.name.as_deref());
    json!({
        "id": id.to_string(),
        "name": name,
        "full_name": source.map(|source| format!("{} -> {}", source.name, name.unwrap_or_default())),
    })
}

fn of_event(context: Context<'_>, event: &Event, data_is_there: bool) -> Told {
    let standing = context.configuration.standing(event.connection_id);
    let status = event.status(standing, context.now);
    let off = context.configuration.switched_off(event.connection_id);
    let id = event.id();
    if let Some(at) = event.deleted_at {
        return Told {
            outcome: "deleted",
            text: format!("its event {id} was deleted at {at}"),
            cause: None,
            how: None,
        };
    }
    let tries = event.attempts.len();
    let next = event.next_attempt_at(standing);
    let last = event.attempts.last().map(|attempt| match (attempt.result.error(), attempt.result.status()) {
        (Some(error), _) => format!(", the last one with {}", error.as_str()),
        (None, Some(status)) => format!(", the last one with HTTP {status}"),
        (None, None) => String::new(),
    });
    let tried = format!("{tries} {}{}", if tries == 1 { "try" } else { "tries" }, last.unwrap_or_default());
    let text = match status {
        EventStatus::Successful => format!("delivered after {tried}"),
        EventStatus::Hold => "held, because the connection is paused".to_owned(),
        EventStatus::Queued => format!("waits for its turn after {tried}"),
        EventStatus::Scheduled => "waits for its time".to_owned(),
        EventStatus::Failed => match next {
            Some(at) => format!("failed so far after {tried}; the next one is due at {at}"),
            None => format!("given up after {tried}"),
        },
        EventStatus::Cancelled => match off {
            Some(_) => "cancelled, because the connection or its destination was disabled or deleted".to_owned(),
            None => format!("cancelled after {tried}"),
        },
    };
    let how = match off {
        _ if !data_is_there => None,
        Some(_) => None,
        None if status == EventStatus::Hold => Some(format!("PUT /connections/{}/unpause", event.connection_id)),
        None => Some(format!("POST /events/{id}/retry")),
    };
    Told {
        outcome: if status == EventStatus::Hold { "held" } else { "event" },
        text: off.filter(|_| how.is_none()).map_or(text.clone(), |off| format!("{text}; {off}")),
        cause: event.error_code().map(|code| code.as_str()),
        how,
    }
}

fn of_ignored(cause: IgnoredCause) -> Told {
    let (outcome, text) = match cause {
        IgnoredCause::Disabled => ("disabled", "the connection or its destination was disabled"),
        IgnoredCause::CliDisconnected => ("ignored", "its destination is a `listen` session, and there was none"),
    };
    Told { outcome, text: text.to_owned(), cause: Some(cause.as_str()), how: None }
}

fn summed_up(why: &Why) -> String {
    let counted = |count: u32, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let events = counted(why.summary.events, "event", "events");
    let ignored = counted(why.summary.ignored, "connection", "connections");
    format!("accepted: it became {events}, and {ignored} made none of it")
}

/// Why a request was rejected.
const fn sentence(cause: RejectionCause) -> &'static str {
    match cause {
        RejectionCause::NoConnection => "rejected: its source had no connection, so nothing listened",
        RejectionCause::SourceDisabled => "rejected: its source was disabled",
        RejectionCause::UnsupportedHttpMethod => "rejected: its source does not allow its HTTP method",
        RejectionCause::UnsupportedContentType => "rejected: its content type is not taken",
        RejectionCause::UnparsableJson => "rejected: it says that its body is JSON, and it is not",
        RejectionCause::PayloadTooLarge => {
            "rejected: its body is larger than bodies may be; only the beginning is kept"
        }
        RejectionCause::VerificationFailed => "rejected: its sender could not be verified",
        RejectionCause::IngestionFatal => "rejected: it could not be taken in",
    }
}

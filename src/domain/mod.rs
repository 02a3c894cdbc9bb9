//! The words and decisions of hookgate, with no clock, no dice and no I/O.
//!
//! Imports nothing of ours: everything else may build on it. Types here are neither what travels on the wire
//! (`web`) nor what lies on disk (`store/local/record`).

pub mod attempt;
pub mod configuration;
pub mod connection;
pub mod delivery;
pub mod destination;
pub mod directory;
pub mod document;
pub mod error_code;
pub mod event;
pub mod id;
pub mod matching;
pub mod queue;
pub mod request;
pub mod retry_after;
pub mod routing;
pub mod rule;
pub mod secret;
pub mod signature;
pub mod source;
pub mod time;

pub use attempt::{AttemptRecord, AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger};
pub use configuration::{ApiKey, ConfigItem, Configuration, Previous, Project, Scope, SwitchedOff};
pub use connection::Connection;
pub use destination::{CliDestination, Destination, DestinationAuth, DestinationKind, HttpDestination, HttpMethod};
pub use document::{Document, DocumentKey, Family};
pub use error_code::ErrorCode;
pub use event::{Event, EventStatus, NextTry, Phase, Seq, Standing, Unsent};
pub use id::{
    ApiKeyId, AttemptId, AuditId, BookmarkId, BulkId, ConnectionId, DestinationId, EventDataId, EventId,
    IgnoredEventId, ProjectId, RequestId, SourceId, ViewId,
};
pub use request::{Ignored, IgnoredCause, RejectionCause, Request, Route};
pub use retry_after::RetryAfter;
pub use rule::{RetryRule, RetryStrategy, Rule, StatusCodes};
pub use secret::Secret;
pub use source::{CustomResponse, ResponseType, Source, SourceToken};
pub use time::{Span, Timestamp};

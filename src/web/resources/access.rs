//! Sessions of browsers, the signing secret, and the audit of what was changed.

use actix_web::{HttpResponse, http::header::SET_COOKIE};
use serde_json::{Value, json};

use super::{Answer, Call, Param, Route, Takes, joined, keys, ok, ok_page};
use crate::{
    domain::{
        Project, Scope,
        directory::{AccessChange, Command},
    },
    query::{
        PageQuery,
        documents::{AuditFilter, AuditPlace},
    },
    web::{
        auth::{Entered, secret_text},
        error::ApiError,
        filters::read_id,
        parameters::PAGING,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/session", |call| Box::pin(sign_in(call)))
        .ours()
        .open()
        .about("Opens a session of a browser for whoever has a key: sets a cookie that lasts for 12 hours without use.")
        .takes("SignIn")
        .answers("Session"),
    Route::new("GET", "/session", |call| Box::pin(session(call)))
        .ours()
        .about("Whose key or session this is, and what it allows.")
        .answers("Session"),
    Route::new("DELETE", "/session", |call| Box::pin(sign_out(call)))
        .ours()
        .needs(Scope::Read)
        .about("Ends the session.")
        .answers("SignedOut"),
    Route::new("GET", "/signing-secret", |call| Box::pin(signing_secret(call)))
        .ours()
        .needs(Scope::Admin)
        .about("What deliveries are signed with, and what signs beside it since it was rolled.")
        .answers("SigningSecret"),
    Route::new("POST", "/signing-secret/roll", |call| Box::pin(roll(call)))
        .ours()
        .needs(Scope::Admin)
        .about("Signs with another secret; until the delay has passed the old one signs as well.")
        .takes("Roll")
        .answers("SigningSecret"),
    // Whoever changes things could otherwise hide behind them, and what was configured before may tell more than what is now.
    Route::new("GET", "/audit", |call| Box::pin(audits(call)))
        .ours()
        .needs(Scope::Admin)
        .about("Each change of the configuration: who, what, before and after.")
        .query(AUDIT)
        .answers("AuditPage"),
];

const FILTERS: [Param; 3] = [
    Param::new("author", Takes::Texts, "by any of these keys, or `gateway`"),
    Param::new("action", Takes::Texts, "any of these actions, such as connection.pause"),
    Param::new("created_at", Takes::Time, "when"),
];
const AUDIT: &[Param] = &joined::<8>(&[&FILTERS, &PAGING]);
/// An author who is no key.
const GATEWAY: &str = "gateway";

async fn sign_in(call: Call) -> Answer {
    let mut fields = call.fields()?;
    let text = fields.required_text("key")?;
    fields.finish()?;
    let (configuration, now) = (call.configuration(), call.state.query.now());
    let (entered, cookie) = call.state.gate.sign_in(&call.request, &text, &configuration, now)?;
    Ok(HttpResponse::Ok().insert_header((SET_COOKIE, cookie)).json(described(&call, &entered)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn session(call: Call) -> Answer {
    Ok(ok(&described(&call, entered(&call)?)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn sign_out(call: Call) -> Answer {
    call.no_fields()?;
    if !entered(&call)?.by_session {
        return Err(ApiError::unprocessable("there is no session to end: the request came with a key"));
    }
    let cookie = call.state.gate.sign_out(&call.request);
    Ok(HttpResponse::Ok().insert_header((SET_COOKIE, cookie)).json(json!({ "signed_out": true })))
}

fn entered(call: &Call) -> Result<&Entered, ApiError> {
    call.entered.as_ref().ok_or_else(|| ApiError::internal("a route that needs a key was called without one"))
}

fn described(call: &Call, entered: &Entered) -> Value {
    let configuration = call.configuration();
    let project = configuration.project.as_ref();
    json!({
        "key_id": entered.key.id.to_string(),
        "label": entered.key.label,
        "scope": entered.key.scope.as_str(),
        "by": if entered.by_session { "session" } else { "key" },
        "project_id": project.map(|project| project.id.to_string()),
        "project_name": project.map(|project| &project.name),
    })
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn signing_secret(call: Call) -> Answer {
    let configuration = call.configuration();
    let project = configuration.project.as_deref().ok_or_else(no_project)?;
    Ok(secret_of(&call, project))
}

async fn roll(call: Call) -> Answer {
    let delay_ms = keys::read_delay(&call)?;
    let secret = secret_text("").map_err(ApiError::internal)?;
    let applied = call.apply(Command::Access(AccessChange::RollSecret { secret, delay_ms })).await?;
    let project = applied.configuration.project.as_deref().ok_or_else(no_project)?;
    Ok(secret_of(&call, project))
}

fn secret_of(call: &Call, project: &Project) -> HttpResponse {
    let configuration = call.configuration();
    ok(&shapes::signing_secret(call.context(&configuration), project))
}

fn no_project() -> ApiError {
    ApiError::not_found("there is no project yet")
}

async fn audits(call: Call) -> Answer {
    let parameters = &call.parameters;
    let filter = AuditFilter {
        authors: parameters.many("author", |text| if text == GATEWAY { Ok(None) } else { read_id(text).map(Some) })?,
        actions: parameters.many("action", |text| Ok(text.to_owned()))?,
        created: parameters.span("created_at")?,
    };
    let asked: PageQuery<AuditPlace> = parameters.page()?;
    let page = call.state.query.audits(filter, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |audit| shapes::audit(context, audit)))
}

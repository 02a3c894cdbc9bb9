//! Keys to the API: made, listed, named, rolled, revoked. Under `/keys`, and as the hosted API has them under
//! `/organizations/current/api-keys`. The text of a key is in the answers that make one, and nowhere else.

use serde_json::{Value, json};

use super::{Answer, Call, Route, alive, ok, ok_deleted};
use crate::{
    domain::{
        ApiKey, ApiKeyId, Configuration, Scope, Secret,
        directory::{AccessChange, Command},
    },
    web::{
        auth::{KEY_PREFIX, secret_text},
        error::{ApiError, quoted},
        fields::Fields,
        profiles::{self as shapes, Context, Profile},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/keys", |call| Box::pin(list(call, Shape::Ours)))
        .ours()
        .needs(Scope::Admin)
        .about("The keys that open something, newest first, never their texts.")
        .answers("KeyPage"),
    Route::new("POST", "/keys", |call| Box::pin(create(call, Shape::Ours)))
        .ours()
        .needs(Scope::Admin)
        .about("Makes a key; its text is in this answer alone.")
        .takes("NewKey")
        .answers("KeyWithText"),
    Route::new("GET", "/keys/{id}", |call| Box::pin(one(call)))
        .ours()
        .needs(Scope::Admin)
        .about("One key, without its text.")
        .answers("Key"),
    Route::new("PUT", "/keys/{id}", |call| Box::pin(label(call, Shape::Ours)))
        .ours()
        .needs(Scope::Admin)
        .about("Says anew what a key is for.")
        .takes("KeyLabel")
        .answers("Key"),
    Route::new("DELETE", "/keys/{id}", |call| Box::pin(revoke(call)))
        .ours()
        .needs(Scope::Admin)
        .about("Revokes a key for good, and the sessions that were opened with it; the last one of scope admin stays.")
        .answers("Deleted"),
    Route::new("POST", "/keys/{id}/roll", |call| Box::pin(roll(call, Shape::Ours)))
        .ours()
        .needs(Scope::Admin)
        .about("Gives a key another text; the old one works until the delay has passed.")
        .takes("Roll")
        .answers("KeyWithText"),
    Route::new("GET", "/organizations/current/api-keys", |call| Box::pin(list(call, Shape::Hosted)))
        .since(Profile::V2026_09_01)
        .needs(Scope::Admin)
        .about("As `/keys`, in the shape of the hosted API.")
        .answers("ApiKeyPage"),
    Route::new("POST", "/organizations/current/api-keys", |call| Box::pin(create(call, Shape::Hosted)))
        .since(Profile::V2026_09_01)
        .needs(Scope::Admin)
        .about("Makes a key; its text is in this answer alone.")
        .takes("NewApiKey")
        .answers("ApiKeyWithText"),
    Route::new("PUT", "/organizations/current/api-keys/{id}", |call| Box::pin(label(call, Shape::Hosted)))
        .since(Profile::V2026_09_01)
        .needs(Scope::Admin)
        .about("Says anew what a key is for.")
        .takes("KeyLabel")
        .answers("ApiKey"),
    Route::new("DELETE", "/organizations/current/api-keys/{id}", |call| Box::pin(revoke(call)))
        .since(Profile::V2026_09_01)
        .needs(Scope::Admin)
        .about("Revokes a key for good.")
        .answers("Deleted"),
    Route::new("POST", "/organizations/current/api-keys/{id}/roll", |call| Box::pin(roll(call, Shape::Hosted)))
        .since(Profile::V2026_09_01)
        .needs(Scope::Admin)
        .about("Gives a key another text; the old one works until the delay has passed.")
        .takes("Roll")
        .answers("ApiKeyWithText"),
];

/// Whose names are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Ours,
    Hosted,
}

impl Shape {
    fn of(self, context: Context<'_>, key: &ApiKey) -> Value {
        match self {
            Self::Ours => shapes::key(key),
            Self::Hosted => shapes::organization_key(context, key),
        }
    }
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn list(call: Call, shape: Shape) -> Answer {
    let configuration = call.configuration();
    let context = call.context(&configuration);
    let mut keys: Vec<_> = configuration.api_keys.values().filter(|key| key.revoked_at.is_none()).collect();
    keys.sort_by_key(|key| (key.created_at, key.id));
    // All of them: there are few.
    let models: Vec<Value> = keys.iter().rev().map(|key| shape.of(context, key)).collect();
    let pagination = json!({ "order_by": "created_at", "dir": "desc", "limit": models.len() });
    Ok(ok(&json!({ "pagination": pagination, "count": models.len(), "models": models })))
}

async fn create(call: Call, shape: Shape) -> Answer {
    let mut fields = call.fields()?;
    let label = fields.required_text("label")?;
    let scope = match shape {
        Shape::Ours => {
            let scope = fields.required_text("scope")?;
            Scope::parse(&scope).ok_or_else(|| fields.refusal("scope", &not_a_scope(&scope)))?
        }
        Shape::Hosted => hosted_scope(&mut fields, &call.configuration())?,
    };
    fields.finish()?;
    let text = fresh_text()?;
    let (now, random) = call.state.gateway.fresh();
    let id = ApiKeyId::from_parts(now, random);
    let hash = ApiKey::hash_of(text.expose().as_bytes());
    with_text(&call, shape, id, text, AccessChange::CreateKey { id, label, hash, scope }).await
}

/// What the hosted API's fields come to: it has one kind of key for a project, with one or several scopes.
fn hosted_scope(fields: &mut Fields, configuration: &Configuration) -> Result<Scope, ApiError> {
    if fields.text("type")?.is_some_and(|kind| kind != "project") {
        return Err(fields.refusal("type", "must be project: keys open the one project there is"));
    }
    if let Some(team) = fields.text("team_id")?
        && configuration.project.as_ref().is_none_or(|project| project.id.to_string() != team)
    {
        return Err(fields.refusal("team_id", "is not the id of this project"));
    }
    fields.later("grants")?;
    let Some(scopes) = fields.list("scopes")? else { return Ok(Scope::Admin) };
    let read = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        Scope::parse(text).ok_or_else(|| fields.refusal("scopes", &not_a_scope(&value.to_string())))
    };
    let scopes: Vec<Scope> = scopes.iter().map(read).collect::<Result<_, _>>()?;
    scopes.into_iter().max().ok_or_else(|| fields.refusal("scopes", "must name at least one"))
}

fn not_a_scope(given: &str) -> String {
    format!("must be one of {}, not {}", Scope::ALL.map(Scope::as_str).join(", "), quoted(given))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    let id: ApiKeyId = call.id()?;
    let configuration = call.configuration();
    let key = alive(configuration.api_keys.get(&id), format_args!("API key {id}"), |key| key.revoked_at)?;
    Ok(ok(&shapes::key(&key)))
}

async fn label(call: Call, shape: Shape) -> Answer {
    let id = call.id()?;
    let mut fields = call.fields()?;
    let label = fields.required_text("label")?;
    fields.finish()?;
    let key = change(&call, id, AccessChange::LabelKey(id, label)).await?;
    let configuration = call.configuration();
    Ok(ok(&shape.of(call.context(&configuration), &key)))
}

async fn revoke(call: Call) -> Answer {
    let id: ApiKeyId = call.bare_id()?;
    call.apply(Command::Access(AccessChange::RevokeKey(id))).await?;
    Ok(ok_deleted(&id))
}

async fn roll(call: Call, shape: Shape) -> Answer {
    let id = call.id()?;
    let delay_ms = read_delay(&call)?;
    let text = fresh_text()?;
    let hash = ApiKey::hash_of(text.expose().as_bytes());
    with_text(&call, shape, id, text, AccessChange::RollKey { id, hash, delay_ms }).await
}

/// `{delay_sec}`: how long what is rolled counts on, in milliseconds.
pub(super) fn read_delay(call: &Call) -> Result<u64, ApiError> {
    let mut fields = call.fields()?;
    let seconds =
        fields.count("delay_sec")?.ok_or_else(|| fields.refusal("delay_sec", "is required; 0 for at once"))?;
    fields.finish()?;
    Ok(seconds.saturating_mul(1000))
}

fn fresh_text() -> Result<Secret, ApiError> {
    secret_text(KEY_PREFIX).map_err(ApiError::internal)
}

async fn with_text(call: &Call, shape: Shape, id: ApiKeyId, text: Secret, asked: AccessChange) -> Answer {
    let key = change(call, id, asked).await?;
    let configuration = call.configuration();
    Ok(ok(&shapes::with_text(shape.of(call.context(&configuration), &key), &text)))
}

/// Makes a change of a key, and gives the key after it.
async fn change(call: &Call, id: ApiKeyId, asked: AccessChange) -> Result<ApiKey, ApiError> {
    let applied = call.apply(Command::Access(asked)).await?;
    let key = applied.configuration.api_keys.get(&id).map(|key| key.as_ref().clone());
    key.ok_or_else(|| ApiError::internal("a key is not there after it was changed"))
}

//! The API's resources, one file each. A resource is a table of routes; `routes` puts the tables together.

pub mod access;
pub mod attempts;
pub mod bookmarks;
pub mod bulk;
pub mod connections;
pub mod destinations;
pub mod events;
pub mod health;
pub mod identity;
pub mod keys;
pub mod live;
pub mod projects;
pub mod requests;
pub mod resending;
pub mod sources;
pub mod stats;
pub mod testing;
pub mod views;
mod why;

use std::{str::FromStr, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::{
    auth::Entered,
    error::ApiError,
    fields::Fields,
    parameters::Parameters,
    profiles::{self, Profile, Version},
    routes::ApiState,
};
use crate::{
    actors::{ActionError, Applied},
    domain::{
        Configuration, Event, EventStatus, Scope, Timestamp,
        directory::{Command, ConfigError},
        document::Author,
    },
    query::{self, CursorKey, Page, PageQuery, configuration::PlaceIn, search::Searched},
};

/// What a handler answers.
pub type Answer = Result<HttpResponse, ApiError>;

/// One entry of a resource's table: what is reached, who may, what it takes and answers.
pub struct Route {
    /// Its method.
    pub method: &'static str,
    /// Its path; `{id}` stands for a segment that the handler gets.
    pub path: &'static str,
    /// What a key must allow; `None` for everybody.
    pub scope: Option<Scope>,
    /// One sentence for people who read the API's description.
    pub about: &'static str,
    /// What the query string may say.
    pub query: &'static [Param],
    /// The shape of the body, where one is read.
    pub body: Option<Model>,
    /// The shape of the answer.
    pub answer: Model,
    /// Which versions of the API have it.
    pub versions: Versions,
    /// What answers.
    pub handler: fn(Call) -> LocalBoxFuture<'static, Answer>,
}

/// Which versions of the API have a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The first.
    pub since: Profile,
    /// The last.
    pub until: Profile,
    /// Whether paths that name a version have it; without, it is our addition to the newest.
    pub dated: bool,
}

impl Versions {
    /// All of them.
    pub const ALL: Self = Self { since: Profile::OLDEST, until: Profile::NEWEST, dated: true };

    /// Whether a version is among them.
    #[must_use]
    pub fn have(self, version: Version) -> bool {
        (self.dated || !version.dated) && (self.since..=self.until).contains(&version.profile)
    }
}

/// The name of a shape in the API's description (`web/openapi`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model(pub &'static str);

/// A parameter of a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name, without brackets.
    pub name: &'static str,
    /// What its values are.
    pub takes: Takes,
    /// One phrase for people who read the API's description.
    pub about: &'static str,
}

/// What shows credentials, where there are any.
pub const INCLUDE_AUTH: [Param; 1] =
    [Param { name: "include", takes: Takes::Word(&["config.auth"]), about: "`config.auth` shows credentials" }];

/// What the values of a parameter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any of several texts, in every spelling of a list.
    Texts,
    /// Any of several of these words.
    Words(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count,
    /// Whole numbers, ranges and operators.
    Counts,
    /// A moment or a day, with operators.
    Time,
    /// An object: JSON, or in brackets.
    Object,
}

impl Param {
    /// A parameter of a route.
    #[must_use]
    pub const fn new(name: &'static str, takes: Takes, about: &'static str) -> Self {
        Self { name, takes, about }
    }
}

/// Several tables of parameters as one; `N` is how many there are in all.
#[must_use]
pub const fn joined<const N: usize>(tables: &[&[Param]]) -> [Param; N] {
    let mut all = [Param::new("", Takes::Text, ""); N];
    let (mut table, mut next) = (0, 0);
    while table < tables.len() {
        let mut place = 0;
        while place < tables[table].len() {
            all[next] = tables[table][place];
            next += 1;
            place += 1;
        }
        table += 1;
    }
    assert!(next == N, "as many as there are");
    all
}

impl Route {
    /// A route that a key of scope `read` opens when it only looks, and one of scope `write` otherwise.
    pub const fn new(
        method: &'static str,
        path: &'static str,
        handler: fn(Call) -> LocalBoxFuture<'static, Answer>,
    ) -> Self {
        let looks = method.as_bytes()[0] == b'G';
        let scope = Some(if looks { Scope::Read } else { Scope::Write });
        Self {
            method,
            path,
            scope,
            about: "",
            query: &[],
            body: None,
            answer: Model(""),
            versions: Versions::ALL,
            handler,
        }
    }

    /// Says what it does.
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Says what the query string may say.
    pub const fn query(mut self, query: &'static [Param]) -> Self {
        self.query = query;
        self
    }

    /// Says what the body is.
    pub const fn takes(mut self, body: &'static str) -> Self {
        self.body = Some(Model(body));
        self
    }

    /// Says what the answer is.
    pub const fn answers(mut self, answer: &'static str) -> Self {
        self.answer = Model(answer);
        self
    }

    /// Asks for a key of this scope.
    pub const fn needs(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Lets everybody in.
    pub const fn open(mut self) -> Self {
        self.scope = None;
        self
    }

    /// Says which version brought it.
    pub const fn since(mut self, profile: Profile) -> Self {
        self.versions.since = profile;
        self
    }

    /// Says which version has it last.
    pub const fn until(mut self, profile: Profile) -> Self {
        self.versions.until = profile;
        self
    }

    /// Says that it is our addition: paths that name a version do not have it.
    pub const fn ours(mut self) -> Self {
        self.versions.dated = false;
        self
    }
}

/// One call of a route: everything a handler needs, checked as far as all routes are alike.
pub struct Call {
    /// Its entry in the table.
    pub route: &'static Route,
    /// What the API is built from.
    pub state: Data<ApiState>,
    /// Which shapes are asked for.
    pub version: Version,
    /// The segment in the place of `{id}`; empty for paths without.
    pub id: String,
    /// The query string.
    pub parameters: Parameters,
    /// The body; empty for `GET`.
    pub body: Bytes,
    /// Whom it was let in for; `None` of routes that are open to everybody.
    pub entered: Option<Entered>,
    /// As it came, without its body.
    pub request: HttpRequest,
}

impl Call {
    /// The configuration as it is now.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.state.query.configuration()
    }

    /// Changes the configuration in the name of the key.
    ///
    /// # Errors
    ///
    /// As [`GatewayHandle::apply`](crate::actors::GatewayHandle::apply).
    pub async fn apply(&self, command: Command) -> Result<Applied, ActionError> {
        let author = self.entered.as_ref().map_or(Author::Gateway, Entered::author);
        self.state.gateway.apply(command, author).await
    }

    /// Whom it was let in for.
    ///
    /// # Errors
    ///
    /// 401 on a route that is open to everybody.
    pub fn entered(&self) -> Result<&Entered, ApiError> {
        self.entered.as_ref().ok_or_else(|| ApiError::unauthorized("no API key: send `authorization: Bearer hgk_…`"))
    }

    /// Asks for a key that allows more than the route does.
    ///
    /// # Errors
    ///
    /// 403 naming the scope that is needed.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        self.entered.as_ref().map_or(Ok(()), |entered| entered.require(scope))
    }

    /// The id in the path.
    ///
    /// # Errors
    ///
    /// 404 for what is no id of this kind: clients look such things up by name next.
    pub fn id<Id: FromStr<Err = crate::domain::id::IdError>>(&self) -> Result<Id, ApiError> {
        self.id.parse().map_err(|error: crate::domain::id::IdError| ApiError::not_found(error.to_string()))
    }

    /// The fields of the body.
    ///
    /// # Errors
    ///
    /// 400 and 422, see [`Fields::of_body`].
    pub fn fields(&self) -> Result<Fields, ApiError> {
        Fields::of_body(&self.body)
    }

    /// Refuses a body that says something, where nothing can be said.
    ///
    /// # Errors
    ///
    /// 400 and 422.
    pub fn no_fields(&self) -> Result<(), ApiError> {
        self.fields()?.finish()
    }

    /// Whether `include=config.auth` was asked for.
    ///
    /// # Errors
    ///
    /// 422 for another value; 403 for a key that may not see secrets.
    pub fn includes_auth(&self) -> Result<bool, ApiError> {
        let asked = self.parameters.includes("config.auth")?;
        if asked {
            self.require(Scope::Admin)?;
        }
        Ok(asked)
    }

    /// The id in the path of a call that no body can say more to.
    ///
    /// # Errors
    ///
    /// 404 for what is no id of this kind; 400 and 422 for a body that says more.
    pub fn bare_id<Id: FromStr<Err = crate::domain::id::IdError>>(&self) -> Result<Id, ApiError> {
        self.no_fields()?;
        self.id()
    }

    /// What shapes need beside the thing itself.
    pub fn context<'a>(&'a self, configuration: &'a Configuration) -> profiles::Context<'a> {
        profiles::Context {
            configuration,
            version: self.version,
            ingress_url: self.state.ingress_url.trim_end_matches('/'),
            now: self.state.query.now(),
            with_auth: false,
        }
    }
}

/// 200 with a shape.
#[must_use]
pub fn ok(shape: &Value) -> HttpResponse {
    HttpResponse::Ok().json(shape)
}

/// 200 with the id of what was deleted.
#[must_use]
pub fn ok_deleted(id: &impl ToString) -> HttpResponse {
    ok(&json!({ "id": id.to_string() }))
}

/// What is there and not deleted.
///
/// # Errors
///
/// 404 when it never was, 410 when it is deleted.
pub fn alive<T>(
    found: Option<&Arc<T>>,
    what: impl std::fmt::Display,
    deleted_at: impl FnOnce(&T) -> Option<Timestamp>,
) -> Result<Arc<T>, ApiError> {
    let found = found.ok_or_else(|| ApiError::not_found(format!("there is no {what}")))?;
    match deleted_at(found) {
        None => Ok(Arc::clone(found)),
        Some(at) => Err(ApiError::gone(format!("{what} was deleted at {at}"))),
    }
}

/// An event that is shown.
///
/// # Errors
///
/// 410 when it was deleted.
pub fn undeleted(event: Event) -> Result<Event, ApiError> {
    match event.deleted_at {
        None => Ok(event),
        Some(at) => Err(ApiError::gone(format!("event {} was deleted at {at}", event.id()))),
    }
}

/// 200 with a page of shapes.
#[must_use]
pub fn ok_page<T, K: CursorKey>(asked: &PageQuery<K>, page: &Page<T, K>, shape: impl Fn(&T) -> Value) -> HttpResponse {
    let models = page.items.iter().map(shape).collect();
    ok_models(pagination("created_at", asked, page), models)
}

/// How a page was asked for and how it goes on.
#[must_use]
pub fn pagination<T, K: CursorKey>(order_by: &str, asked: &PageQuery<K>, page: &Page<T, K>) -> Value {
    let mut pagination = json!({
        "order_by": order_by,
        "dir": if asked.descending { "desc" } else { "asc" },
        "limit": asked.limit,
    });
    for (name, key) in [("next", &page.next), ("prev", &page.prev)] {
        if let Some(key) = key {
            pagination[name] = json!(key.encode());
        }
    }
    pagination
}

/// Says of a page that was searched for how far the search came: a page that is not complete goes on at `next`.
#[must_use]
pub fn with_search(mut pagination: Value, searched: Option<&Searched>) -> Value {
    if let Some(searched) = searched {
        pagination["complete"] = json!(searched.complete);
        pagination["searched"] = json!(searched.rows);
        pagination["not_searched"] = json!(searched.not_searched);
    }
    pagination
}

/// 200 with a page of what is configured, in one of its list's orders.
///
/// # Errors
///
/// 422 for a page that cannot be had.
pub fn configured_page<T, const LIST: u8>(
    call: &Call,
    orders: &[&str],
    items: Vec<T>,
    place_of: impl Fn(usize, &T) -> PlaceIn<LIST>,
    shape: impl Fn(&T) -> Value,
) -> Answer {
    let (order, asked): (usize, PageQuery<PlaceIn<LIST>>) = call.parameters.page_in(orders)?;
    let page = query::configuration::page(items, |item| place_of(order, item), asked.clone());
    let models = page.items.iter().map(shape).collect();
    Ok(ok_models(pagination(orders[order], &asked, &page), models))
}

/// 200 with a number.
#[must_use]
pub fn ok_count(count: usize) -> HttpResponse {
    ok(&json!({ "count": count }))
}

/// 200 with shapes under a pagination.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "it becomes the answer")]
pub fn ok_models(pagination: Value, models: Vec<Value>) -> HttpResponse {
    ok(&json!({ "pagination": pagination, "count": models.len(), "models": models }))
}

impl From<ActionError> for ApiError {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::NotFound => Self::not_found("there is no such event, or it is no longer kept"),
            ActionError::Deleted => Self::gone("the event was deleted"),
            ActionError::NoMatch => Self::unprocessable(error.to_string()),
            ActionError::AlreadySettled { status } => settled(status),
            ActionError::SwitchedOff(_) => Self::unprocessable(error.to_string()),
            ActionError::Config(error) => error.into(),
            ActionError::Store(error) => error.into(),
            ActionError::Busy => Self::unavailable("BUSY", "busy: try again in a moment"),
        }
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::NotFound { .. } => Self::not_found(error.to_string()),
            ConfigError::Gone { .. } => Self::gone(error.to_string()),
            ConfigError::Invalid { .. } | ConfigError::NameTaken { .. } => Self::unprocessable(error.to_string()),
        }
    }
}

fn settled(status: EventStatus) -> ApiError {
    ApiError::unprocessable(format!(
        "the event is already settled, its status is {}: retry it instead",
        status.as_str()
    ))
}

//! Routes as operations: parameters, bodies, answers, and every refusal a route of its kind can give.

use utoipa::openapi::{
    ContentBuilder, HttpMethod, Paths, PathsBuilder, Ref, RefOr, Required, ResponseBuilder, SecurityRequirement,
    header::HeaderBuilder,
    path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle, PathItem},
    request_body::RequestBodyBuilder,
};

use super::{
    DESCRIPTION,
    words::{Shape, anything, body, count, flag, list, map_of, text, time, word},
};
use crate::{
    domain::Scope,
    web::{
        later::LATER,
        profiles::Profile,
        resources::{Model, Param, Route, Takes},
    },
};

pub(super) const BEARER: &str = "bearer";
pub(super) const BASIC: &str = "basic";

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const EVENTS: &str = "text/event-stream";
/// What is said of a path that answers 501.
pub(super) const NOT_BUILT: &str = "Part of the API, and not available yet";

/// Each status that is no success, and what it says.
const REFUSALS: &[(u16, &str)] = &[
    (400, "What was sent cannot be read"),
    (401, "No key, or none that is known"),
    (403, "The key does not allow this"),
    (404, "There is nothing of that name"),
    (408, "The body did not come in time"),
    (409, "Somebody else changed it at the same time"),
    (410, "It was deleted"),
    (413, "The body is too large"),
    (415, "The body is not JSON"),
    (422, "Readable, but not acceptable; the message names the field"),
    (429, "Too many tries"),
    (500, "A failure of the gateway; its log has details"),
    (501, "Part of the API, and not built yet"),
    (503, "It passes by itself"),
];

/// The route whose 503 tells more than an error does.
const READY: &str = "/-/readyz";

/// Every route, at its path; and those that are not built yet, which say so.
pub(super) fn of(routes: impl Iterator<Item = &'static Route>) -> Paths {
    let add = |paths: PathsBuilder, route: &Route| match method(route.method) {
        Some(method) => paths.path(place(route), PathItem::new(method, operation(route))),
        None => paths,
    };
    let built = routes.fold(PathsBuilder::new(), add);
    let later = LATER.iter().flat_map(|(path, methods)| methods.iter().map(move |method| (*path, *method)));
    later
        .fold(built, |paths, (of, named)| match method(named) {
            Some(method) => paths.path(path(of), PathItem::new(method, not_built(named, of))),
            None => paths,
        })
        .build()
}

/// A path as `OpenAPI` writes it, where names in one path differ.
pub(super) fn path(path: &str) -> String {
    path.replacen("{id}", "{\0}", 1).replace("{id}", "{other_id}").replace("{\0}", "{id}")
}

/// Where a route is: without a version, or behind the last that had it.
pub(super) fn place(route: &Route) -> String {
    let version = match route.versions.until {
        Profile::V2024_03_01 => "/2024-03-01",
        Profile::V2025_07_01 => "/2025-07-01",
        Profile::V2026_09_01 => "",
    };
    format!("{version}{}", path(route.path))
}

fn method(method: &str) -> Option<HttpMethod> {
    Some(match method {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        "PATCH" => HttpMethod::Patch,
        _ => return None,
    })
}

fn operation(route: &Route) -> Operation {
    let tag = tag(route.path);
    let mut operation = OperationBuilder::new()
        .tag(tag)
        .summary(Some(route.about))
        .operation_id(Some(operation_id(route.method, route.path)));
    operation = match route.scope {
        // An empty requirement: nothing is needed.
        None => operation.security(SecurityRequirement::default()),
        Some(scope) => secured(operation).description(Some(format!("Needs a key of scope {}.", scope.as_str()))),
    };
    for name in names_in(&path(route.path)) {
        operation = operation.parameter(in_path(name));
    }
    for param in route.query {
        operation = operation.parameter(in_query(param));
    }
    if let Some(model) = route.body {
        let content = ContentBuilder::new().schema(Some(schema(model))).build();
        operation = operation.request_body(Some(RequestBodyBuilder::new().content(JSON, content).build()));
    }
    operation = operation.response("200", success(route));
    for (status, about) in REFUSALS.iter().filter(|(status, _)| answers(route, *status)) {
        operation = operation.response(status.to_string(), refusal(route, *status, about));
    }
    operation.build()
}

fn not_built(method: &str, of: &str) -> Operation {
    let mut operation = secured(OperationBuilder::new())
        .tag(tag(of))
        .summary(Some(NOT_BUILT))
        .operation_id(Some(operation_id(method, of)));
    for name in names_in(&path(of)) {
        operation = operation.parameter(in_path(name));
    }
    let content = || ContentBuilder::new().schema(Some(schema(Model("Error")))).build();
    for (status, about) in REFUSALS.iter().filter(|(status, _)| [400, 401, 403, 429, 501].contains(status)) {
        operation =
            operation.response(status.to_string(), ResponseBuilder::new().description(*about).content(JSON, content()));
    }
    operation.build()
}

fn secured(operation: OperationBuilder) -> OperationBuilder {
    operation
        .security(SecurityRequirement::new(BEARER, [] as [&str; 0]))
        .security(SecurityRequirement::new(BASIC, [] as [&str; 0]))
}

/// The names in a path that stand for segments.
fn names_in(path: &str) -> impl Iterator<Item = &'static str> {
    ["id", "other_id"].into_iter().filter(move |name| path.contains(&format!("{{{name}}}")))
}

/// The resource: what stands first in the path.
pub(super) fn tag(path: &str) -> &str {
    match path.trim_start_matches('/').split('/').next() {
        Some("-") | None => "health",
        Some(first) => first,
    }
}

fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(['/', '-', '{', '}']).filter(|word| !word.is_empty());
    words.fold(method.to_lowercase(), |id, word| format!("{id}_{word}"))
}

fn in_path(name: &str) -> Parameter {
    let builder = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    builder.schema(Some(text())).build()
}

fn in_query(param: &Param) -> Parameter {
    let builder = ParameterBuilder::new().name(param.name).parameter_in(ParameterIn::Query).required(Required::False);
    let (shape, note) = match param.takes {
        Takes::Text => (text(), ""),
        Takes::Word(words) => (word(words.iter().copied()), ""),
        Takes::Flag => (flag(), ""),
        Takes::Count => (count(), ""),
        Takes::Texts => (list(text()), ""),
        Takes::Words(words) => (list(word(words.iter().copied())), ""),
        Takes::Counts => (operators(count), " Numbers without an operator as well, several of them."),
        Takes::Time => (operators(time), " A moment or a day without an operator as well."),
        Takes::Object => (map_of(anything()), " JSON, or in brackets: `a[b]=c`."),
    };
    let builder = builder.description(Some(format!("{}.{note}", param.about.trim_end_matches('.'))));
    let style = match param.takes {
        Takes::Object => {
            return builder.content(JSON, ContentBuilder::new().schema(Some(shape)).build()).build();
        }
        Takes::Counts | Takes::Time => ParameterStyle::DeepObject,
        Takes::Text | Takes::Word(_) | Takes::Flag | Takes::Count | Takes::Texts | Takes::Words(_) => {
            ParameterStyle::Form
        }
    };
    builder.schema(Some(shape)).style(Some(style)).explode(Some(true)).build()
}

/// `name[gte]=…` and the like.
fn operators(of: fn() -> Shape) -> Shape {
    let operators = ["gt", "gte", "lt", "lte"].into_iter().fold(body(), |thing, name| thing.may(name, of()));
    operators.may("any", flag()).done()
}

fn schema(model: Model) -> Shape {
    Ref::from_schema_name(model.0).into()
}

/// The media type of an answer, where it is not JSON alone.
fn media_types(model: Model) -> &'static [&'static str] {
    if model.0 == DESCRIPTION {
        &[JSON, HTML]
    } else if model.0.ends_with("Stream") {
        &[EVENTS]
    } else {
        &[JSON]
    }
}

fn success(route: &Route) -> RefOr<utoipa::openapi::Response> {
    let mut response = ResponseBuilder::new().description(if route.about.is_empty() { "Done" } else { route.about });
    for of in media_types(route.answer) {
        let shape = if *of == HTML { text() } else { schema(route.answer) };
        response = response.content(*of, ContentBuilder::new().schema(Some(shape)).build());
    }
    response.build().into()
}

/// Whether a route can give this answer.
fn answers(route: &Route, status: u16) -> bool {
    let reads_body = route.method != "GET";
    let is_health = route.path.starts_with("/-/");
    // Those that are open and ask for a key elsewhere than in a header refuse as the others do.
    let is_guarded = !is_health && route.answer.0 != DESCRIPTION;
    let names_something = route.path.contains("{id}") || (reads_body && route.scope.is_some());
    match status {
        400 => true,
        401 | 429 | 500 | 501 => is_guarded,
        422 => !is_health,
        403 => is_guarded && route.scope != Some(Scope::Read),
        404 | 410 => names_something,
        408 | 413 | 415 => reads_body,
        409 => reads_body && route.scope.is_some(),
        503 => is_guarded || route.path == READY,
        _ => false,
    }
}

fn refusal(route: &Route, status: u16, about: &str) -> RefOr<utoipa::openapi::Response> {
    let shape = if route.path == READY && status == 503 { schema(route.answer) } else { schema(Model("Error")) };
    let mut response =
        ResponseBuilder::new().description(about).content(JSON, ContentBuilder::new().schema(Some(shape)).build());
    let header = |shape: Shape| HeaderBuilder::new().schema(Some(shape)).build();
    response = match status {
        401 => response.header("WWW-Authenticate", header(text())),
        429 | 503 if route.scope.is_some() => response.header("Retry-After", header(count())),
        _ => response,
    };
    response.build().into()
}

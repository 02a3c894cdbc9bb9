//! `GET /openapi`: the API described by itself, as `OpenAPI` 3.1 for programs and as a page for people.
//!
//! Put together from the routes' own tables, once; the shapes are in `schemas`. Describes paths without a version, which
//! have the newest shapes; what dates before them change is said in words. Nothing in it depends on who asks.

mod page;
mod paths;
mod schemas;
mod words;

use std::{str, sync::LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, HeaderMap, VARY},
};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::resources::{Answer, Call, Route};

/// What this resource answers to. Open: it says nothing that is not in the source code.
pub const ROUTES: &[Route] = &[Route::new("GET", "/openapi", |call| Box::pin(describe(call)))
    .about("This description: JSON, or a page for a browser")
    .answers(DESCRIPTION)
    .open()];

/// The model of the description itself.
const DESCRIPTION: &str = "Description";
/// Clients may keep it for so long; a new build is noticed soon enough.
const CACHING: &str = "max-age=300";

const ABOUT: &str = "\
Paths without a version, as they are here, have the newest shapes and refuse query parameters that are not known. \
The same paths behind `/2024-03-01`, `/2025-07-01` and `/2026-09-01` have the shapes of those days and ignore what they do not know.\n\n\
Every answer that is not a success is an `Error`. Times are RFC 3339 in UTC with milliseconds. Lists come in pages: \
`limit` (0 to 255), `dir`, `order_by`, and the cursors `next` and `prev` from `pagination`.\n\n\
Several values of a parameter are given as `a=1&a=2`, `a[]=1&a[]=2`, `a[0]=1&a[1]=2` or `a=1,2`; operators as `a[gte]=1&a[lt]=5`.";

static JSON: LazyLock<Result<String, String>> =
    LazyLock::new(|| document().to_json().map_err(|error| error.to_string()));
static PAGE: LazyLock<page::Page> = LazyLock::new(|| page::Page::of(&document(), super::routes::all()));

#[expect(clippy::unused_async, reason = "handlers are")]
async fn describe(call: Call) -> Answer {
    call.parameters.check(call.route.query)?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, CACHING)).insert_header((VARY, ACCEPT.as_str()));
    if wants_page(call.request.headers()) {
        answer.insert_header(ContentType::html()).insert_header((CONTENT_SECURITY_POLICY, PAGE.policy.as_str()));
        return Ok(answer.body(PAGE.html.as_str()));
    }
    let json = JSON.as_ref().map_err(super::error::ApiError::internal)?;
    Ok(answer.insert_header(ContentType::json()).body(json.as_str()))
}

/// Whether whoever asks would rather read a page: names `text/html`, as browsers do and programs do not.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).map(|value| str::from_utf8(value.as_bytes()).unwrap_or_default());
    let types = accepted.unwrap_or_default().split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    types.into_iter().any(|of| of.eq_ignore_ascii_case("text/html"))
}

/// The whole description.
fn document() -> OpenApi {
    let scheme =
        |scheme, about: &str| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(about)).build());
    let components = schemas::all()
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, shape)| components.schema(name, shape))
        .security_scheme(paths::BEARER, scheme(HttpAuthScheme::Bearer, "An API key."))
        .security_scheme(paths::BASIC, scheme(HttpAuthScheme::Basic, "An API key as the user, an empty password."))
        .build();
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("hookgate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license));
    OpenApiBuilder::new().info(info.build()).paths(paths::of(super::routes::all())).components(Some(components)).build()
}

#[cfg(test)]
mod tests;

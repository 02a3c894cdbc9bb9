//! The description as a page: every route and every shape, with a filter. One file that loads nothing from anywhere; its
//! policy lets the browser run and style only what stands in it.

use std::fmt::{self, Write as _};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;

use super::paths;
use crate::web::{
    later::LATER,
    resources::{Model, Route, Takes},
};

const TEMPLATE: &str = include_str!("page.html");
/// Where the content goes in the template.
const PLACE: &str = "{{CONTENT}}";

/// The page, and what it may do.
pub(super) struct Page {
    pub(super) html: String,
    /// The value of `Content-Security-Policy`.
    pub(super) policy: String,
}

impl Page {
    /// Of these routes, and of the shapes in the document.
    pub(super) fn of(document: &OpenApi, routes: impl Iterator<Item = &'static Route>) -> Self {
        let mut content = String::new();
        // Writing to a string cannot fail.
        write(&mut content, document, routes).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash("<style>", "</style>"),
            hash("<script>", "</script>"),
        );
        Self { html: TEMPLATE.replace(PLACE, &content), policy }
    }
}

/// How a policy names what stands between two marks of the template.
fn hash(from: &str, to: &str) -> String {
    let inside = TEMPLATE.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(inside, _)| inside);
    format!("sha256-{}", STANDARD.encode(Sha256::digest(inside)))
}

fn write(out: &mut String, document: &OpenApi, routes: impl Iterator<Item = &'static Route>) -> Result<(), fmt::Error> {
    for paragraph in document.info.description.as_deref().unwrap_or_default().split("\n\n") {
        writeln!(out, "<p>{}</p>", marked(paragraph))?;
    }
    writeln!(out, "<p>As JSON: <code>curl …/openapi</code>.</p>")?;
    let mut last = "";
    for route in routes {
        let tag = paths::tag(route.path);
        if tag != last {
            let end = if last.is_empty() { "" } else { "</section>" };
            writeln!(out, "{end}<section><h2>{}</h2>", escaped(tag))?;
            last = tag;
        }
        write_route(out, route)?;
    }
    writeln!(out, "</section><section><h2>not available yet</h2>")?;
    for (path, methods) in LATER {
        let words = format!("{path} {} 501", methods.join(" ")).to_lowercase();
        writeln!(out, "<details data-words=\"{words}\"><summary><b></b><code>{path}</code>")?;
        writeln!(out, "<span>{}</span><small>501</small></summary></details>", methods.join(" "))?;
    }
    writeln!(out, "</section><section><h2>shapes</h2>")?;
    for (name, shape) in document.components.iter().flat_map(|components| &components.schemas) {
        let json = serde_json::to_string_pretty(shape).unwrap_or_default();
        writeln!(out, "<details id=\"{name}\" data-words=\"shape {}\">", name.to_lowercase())?;
        writeln!(out, "<summary><b></b><code>{name}</code></summary><pre>{}</pre></details>", linked(&json))?;
    }
    writeln!(out, "</section>")
}

fn write_route(out: &mut String, route: &Route) -> Result<(), fmt::Error> {
    let scope = route.scope.map_or("open", crate::domain::Scope::as_str);
    let path = paths::place(route).replace("{other_id}", "{id}");
    let (method, path, about) = (route.method, escaped(&path), marked(route.about));
    let words = format!("{method} {} {} {scope}", route.path, route.about).to_lowercase();
    writeln!(out, "<details data-words=\"{}\">", escaped(&words))?;
    writeln!(
        out,
        "<summary><b>{method}</b><code>{path}</code><span>{about}</span><small>{scope}</small></summary><table>"
    )?;
    for param in route.query {
        let takes = escaped(&taken(param.takes));
        writeln!(out, "<tr><td><code>{}</code><td>{takes}<td>{}</tr>", escaped(param.name), marked(param.about))?;
    }
    let link = |Model(name)| format!("<a href=\"#{name}\">{name}</a>");
    if let Some(body) = route.body {
        writeln!(out, "<tr><td>body<td>{}</tr>", link(body))?;
    }
    writeln!(out, "<tr><td>answer<td>{}</tr></table></details>", link(route.answer))
}

fn taken(takes: Takes) -> String {
    match takes {
        Takes::Text => "text".to_owned(),
        Takes::Word(words) => words.join(" | "),
        Takes::Texts => "texts".to_owned(),
        Takes::Words(words) => format!("any of {}", words.join(", ")),
        Takes::Flag => "true | false".to_owned(),
        Takes::Count => "number".to_owned(),
        Takes::Counts => "numbers, operators".to_owned(),
        Takes::Time => "moment or day, operators".to_owned(),
        Takes::Object => "object".to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What stands between backticks as code.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    for (number, part) in escaped(text).split('`').enumerate() {
        match number % 2 {
            0 => marked.push_str(part),
            _ => marked.push_str(&format!("<code>{part}</code>")),
        }
    }
    marked
}

/// A schema's text, in which the names of others lead to them.
fn linked(json: &str) -> String {
    let mut parts = json.split("\"#/components/schemas/");
    let mut linked = escaped(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once('"').unwrap_or((part, ""));
        linked.push_str(&format!("<a href=\"#{name}\">{name}</a>{}", escaped(rest)));
    }
    linked
}

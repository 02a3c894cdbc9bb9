//! The description is whole: every route, every shape, and a page that loads nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::web::{later::LATER, routes};

fn described() -> Value {
    serde_json::from_str(&document().to_json().unwrap()).unwrap()
}

#[test]
fn every_route_is_described() {
    let document = described();
    for route in routes::all() {
        let operation = &document["paths"][paths::place(route)][route.method.to_lowercase()];
        let at = format!("{} {}", route.method, route.path);
        assert!(operation.is_object(), "{at} is not in the description");
        assert!(!route.about.is_empty(), "{at} says nothing about itself: give it `.about(…)`");
        for param in route.query {
            let given = operation["parameters"].as_array().into_iter().flatten();
            assert!(given.into_iter().any(|given| given["name"] == param.name), "{at}: `{}` is missing", param.name);
        }
    }
    let operations = document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len());
    let later: usize = LATER.iter().map(|(_, methods)| methods.len()).sum();
    assert_eq!(operations.sum::<usize>(), routes::all().count() + later, "a route is in the tables twice");
}

#[test]
fn every_name_of_a_shape_has_a_schema() {
    let document = described();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for route in routes::all() {
        for model in route.body.into_iter().chain([route.answer]) {
            let at = format!("{} {}", route.method, route.path);
            assert!(schemas.contains_key(model.0), "{at}: there is no schema {:?} in web/openapi/schemas", model.0);
        }
    }
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    for name in &named {
        assert!(schemas.contains_key(name), "{name} is referred to and not there");
    }
    for name in schemas.keys() {
        assert!(named.contains(name), "nothing refers to {name}");
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(|name| name.as_str()?.strip_prefix("#/components/schemas/"))
            {
                found.insert(name.to_owned());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let document = described();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let names: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

#[test]
fn the_page_shows_every_route_and_loads_nothing() {
    for route in routes::all() {
        let path = format!("<b>{}</b><code>{}</code>", route.method, paths::place(route).replace("{other_id}", "{id}"));
        assert!(PAGE.html.contains(&path), "{path} is not on the page");
    }
    for word in ["src=", "http://", "https://", "@import", "url(", "style=", "onclick"] {
        assert!(!PAGE.html.contains(word), "{word} is on the page");
    }
    assert!(PAGE.policy.starts_with("default-src 'none'; style-src 'sha256-"), "{}", PAGE.policy);
}

#[test]
fn a_browser_gets_the_page_and_a_program_json() {
    let wants = |accept: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        wants_page(&headers)
    };
    assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
    assert!(!wants("*/*"));
    assert!(!wants("application/json"));
    assert!(!wants_page(&HeaderMap::new()));
}

//! What is different in 2024-03-01: sources and destinations are flat, nothing is ever called cancelled.
//!
//! Status codes of retry rules came later; they are shown all the same, so that a client that writes back what it read
//! loses none.

use serde_json::{Value, json};

/// What a source's configuration holds stands in the source itself.
pub(super) fn source(mut shape: Value) -> Value {
    let config = taken(&mut shape, "config");
    for name in ["type", "authenticated"] {
        taken(&mut shape, name);
    }
    shape["verification"] = Value::Null;
    for name in ["allowed_http_methods", "custom_response"] {
        shape[name] = config[name].clone();
    }
    shape
}

/// What a destination's configuration holds stands in the destination itself; its type shows in which of it is there.
pub(super) fn destination(mut shape: Value) -> Value {
    let config = taken(&mut shape, "config");
    taken(&mut shape, "type");
    for (name, before) in [
        ("url", "url"),
        ("path", "cli_path"),
        ("rate_limit", "rate_limit"),
        ("rate_limit_period", "rate_limit_period"),
        ("http_method", "http_method"),
        ("path_forwarding_disabled", "path_forwarding_disabled"),
    ] {
        shape[before] = config[name].clone();
    }
    shape["auth_method"] = match &config["auth_type"] {
        Value::Null => Value::Null,
        auth_type => json!({ "type": auth_type, "config": config["auth"] }),
    };
    shape
}

pub(super) fn connection(mut shape: Value) -> Value {
    for (name, adapt) in [("source", source as fn(Value) -> Value), ("destination", destination)] {
        if !shape[name].is_null() {
            shape[name] = adapt(shape[name].take());
        }
    }
    shape
}

pub(super) fn request(mut shape: Value) -> Value {
    shape["ingest_priority"] = json!("NORMAL");
    shape
}

pub(super) fn event(mut shape: Value) -> Value {
    if shape["status"] == "CANCELLED" {
        shape["status"] = json!("FAILED");
    }
    shape
}

pub(super) fn attempt(mut shape: Value) -> Value {
    let (status, state) = match shape["status"].as_str() {
        Some("PENDING") => ("QUEUED", "PENDING"),
        Some("SUCCESSFUL") => ("SUCCESSFUL", "COMPLETED"),
        // Also what was cancelled before it was made.
        Some(_) | None => ("FAILED", "COMPLETED"),
    };
    shape["status"] = json!(status);
    shape["state"] = json!(state);
    shape
}

/// Takes a field away; null where there is none.
fn taken(shape: &mut Value, name: &str) -> Value {
    shape.as_object_mut().and_then(|fields| fields.remove(name)).unwrap_or_default()
}

//! What is different in 2026-09-01: destinations have a delivery policy, events a delivery group. There are none yet.

use serde_json::{Value, json};

pub(super) fn destination(mut shape: Value) -> Value {
    if let Some(config) = shape["config"].as_object_mut()
        && config.remove("rate_limit").is_some()
    {
        config.remove("rate_limit_period");
        config.insert("delivery_policy".to_owned(), Value::Null);
    }
    shape
}

pub(super) fn connection(mut shape: Value) -> Value {
    if !shape["destination"].is_null() {
        shape["destination"] = destination(shape["destination"].take());
    }
    shape
}

pub(super) fn event(mut shape: Value) -> Value {
    shape["delivery_group"] = json!(null);
    shape
}

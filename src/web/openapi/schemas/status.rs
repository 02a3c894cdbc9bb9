//! Health, figures, and the description itself.

use super::{
    super::words::{Shape, answer, anything, list, map_of, text, word},
    Named,
};

pub(super) fn schemas() -> Vec<Named> {
    vec![("Health", health()), ("Readiness", readiness()), ("Description", map_of(anything()))]
}

fn health() -> Shape {
    answer().has("status", word(["ok"])).done()
}

fn readiness() -> Shape {
    let reason = answer().has("check", text()).has("reason", text()).done();
    answer().has("status", word(["ok", "unavailable"])).has("reasons", list(reason)).done()
}

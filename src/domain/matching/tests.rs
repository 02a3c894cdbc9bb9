//! The matcher against what the API's own one answered, and against anything at all.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Cases with the answers that `simple-json-match` 1.3.0 gave to them.
const VECTORS: &str = include_str!("../../../tests/fixtures/filters/vectors.json");
/// The same, of filters and inputs made by chance.
const DRAWN: &str = include_str!("../../../tests/fixtures/filters/drawn.json");

fn matches(filter: &Value, input: &Value) -> bool {
    Pattern::new(filter).unwrap().matches(input)
}

fn check(cases: &str) -> usize {
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    for case in &cases {
        assert_eq!(matches(&case["filter"], &case["input"]), case["match"].as_bool().unwrap(), "{case}");
        let pattern = Pattern::new(&case["filter"]).unwrap();
        let read = pattern.read(case["input"].to_string().as_bytes()).unwrap();
        assert_eq!(pattern.matches(&read), case["match"].as_bool().unwrap(), "{case} as {read}");
    }
    cases.len()
}

#[test]
fn every_vector_is_answered_as_the_original_answers_it() {
    assert_eq!(check(VECTORS), 52);
    assert!(check(DRAWN) > 500);
}

#[test]
fn references_lead_to_the_same_element_of_the_array_that_is_gone_through() {
    let filter = json!({ "items": { "sent": { "$gt": { "$ref": "$.items[$index].due" } } } });
    assert!(matches(&filter, &json!({ "items": [{ "sent": 1, "due": 2 }, { "sent": 3, "due": 2 }] })));
    assert!(!matches(&filter, &json!({ "items": [{ "sent": 1, "due": 2 }, { "sent": 2, "due": 2 }] })));
    for path in ["$.a.b", "a.b", "$['a'].b", "$.a['b']", "$.*.b", "$[\"a\"][\"b\"]"] {
        assert!(matches(&json!({ "c": { "$ref": path } }), &json!({ "a": { "b": 7 }, "c": "7" })), "{path}");
    }
}

#[test]
fn a_reference_to_itself_is_given_up() {
    let pattern = Pattern::new(&json!({ "a": { "$ref": "$.a" } })).unwrap();
    assert_eq!(pattern.decide(&json!({ "a": { "$ref": "$.a" } })), None);
}

#[test]
fn what_would_take_too_long_is_given_up() {
    let list: Vec<u32> = (0..2000).collect();
    let pattern = Pattern::new(&json!({ "a": list })).unwrap();
    let far: Vec<u32> = (2000..4000).chain(0..2000).collect();
    assert_eq!(pattern.decide(&json!({ "a": far })), None);
    assert!(!pattern.matches(&json!({ "a": far })));
    assert_eq!(pattern.decide(&json!({ "a": [0] })), Some(false));
}

#[test]
fn a_pattern_has_a_size() {
    assert_eq!(Pattern::new(&json!(vec![1; NODES_MAX])).unwrap_err(), PatternError);
    let mut deep = json!(1);
    for _ in 0..DEPTH_MAX {
        deep = json!({ "a": deep });
    }
    assert_eq!(Pattern::new(&deep).unwrap_err(), PatternError);
    let near = deep["a"]["a"].clone();
    assert!(Pattern::new(&json!({ "b": 1 })).unwrap().decide(&near) == Some(false));
    assert_eq!(Pattern::new(&near).unwrap().decide(&near), None, "too deep to be gone through twice");
}

#[test]
fn only_what_is_looked_at_is_read() {
    let read = |filter: Value, document: &str| Pattern::new(&filter).unwrap().read(document.as_bytes()).unwrap();
    let document = r#"{"a":{"b":1.50,"c":[{"d":2,"e":3}]},"f":"x","n":7}"#;
    assert_eq!(read(json!({ "a": { "c": { "d": 2 } } }), document), json!({ "a": { "c": [{ "d": 2 }] } }));
    assert_eq!(read(json!({ "a": { "b": 1 } }), document).to_string(), r#"{"a":{"b":1.50}}"#);
    assert_eq!(read(json!({ "f": { "g": 1 }, "n": { "g": 1 } }), document), json!({ "f": null, "n": null }));
    assert_eq!(read(json!({ "f": { "$ref": "$.n" } }), document).to_string(), document);
    for bad in ["{", "{}x", "[1", "\"a", ""] {
        assert!(Pattern::new(&json!({ "a": 1 })).unwrap().read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn literals_are_what_no_match_is_without() {
    let literals = |filter: Value| Pattern::new(&filter).unwrap().literals().to_vec();
    assert_eq!(literals(json!({ "type": "order.paid", "n": 1, "s": "10" })), ["order.paid", "type", "n", "s"]);
    assert_eq!(literals(json!({ "a": { "b": [{ "c": "x y" }] } })), ["x y", "a", "b", "c"]);
    assert_eq!(literals(json!({ "a": { "$exist": false }, "b": { "$gt": 1 } })), ["b"]);
    assert_eq!(literals(json!({ "$not": { "a": "x" } })), Vec::<String>::new());
    assert_eq!(literals(json!({ "$or": [{ "a": "x" }], "b": 1 })), Vec::<String>::new());
    assert_eq!(literals(json!({ "$and": [{ "a": "x" }] })), ["a", "x"]);
}

fn json_values() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec!["a", "b", "1", "10", "", "x", "true", "$ref", "$.a"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..12).prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let keys =
        ["a", "b", "0", "$eq", "$neq", "$gt", "$in", "$nin", "$or", "$and", "$not", "$ref", "$exist", "$startsWith"];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(keys.to_vec()), inner), 0..4).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn anything_has_an_answer(filter in json_values(), input in json_values()) {
        let pattern = Pattern::new(&filter).unwrap();
        prop_assert_eq!(pattern.decide(&input), pattern.decide(&input));
    }

    #[test]
    fn what_is_read_matches_as_the_whole_does(filter in json_values(), input in json_values()) {
        let pattern = Pattern::new(&filter).unwrap();
        let read = pattern.read(input.to_string().as_bytes()).unwrap();
        prop_assert_eq!(pattern.decide(&read), pattern.decide(&input), "{} of {}", read, input);
    }

    #[test]
    fn no_match_is_without_its_literals(filter in json_values(), input in json_values()) {
        let pattern = Pattern::new(&filter).unwrap();
        if pattern.matches(&input) {
            let text = input.to_string();
            for literal in pattern.literals() {
                prop_assert!(text.contains(literal.as_str()), "{literal} of {filter} in {text}");
            }
        }
    }
}

//! The query string by example: what is read, and what is refused by name.

use serde_json::json;

use super::*;
use crate::{
    domain::{Span, Timestamp},
    query::{Moment, Optional, PageQuery, Start, events::EventPlace},
};

fn read(query: &str) -> Parameters {
    Parameters::parse(query, true).unwrap()
}

fn values(query: &str) -> Vec<String> {
    read(query).many("id", |value| Ok(value.to_owned())).unwrap()
}

#[test]
fn arrays_are_read_in_every_spelling() {
    for query in ["id=a&id=b", "id[0]=a&id[1]=b", "id[]=a&id[]=b", "id=a,b", "id%5B0%5D=a&id%5B1%5D=b", "id=a%2Cb"] {
        assert_eq!(values(query), ["a", "b"], "{query}");
    }
    assert_eq!(values("other=a"), Vec::<String>::new());
}

#[test]
fn more_values_than_a_filter_has_are_refused() {
    let listed = |count: usize| vec!["1"; count].join(",");
    assert_eq!(values(&format!("id={}", listed(VALUES_MAX))).len(), VALUES_MAX);
    let many = read(&format!("id={}", listed(10_000)));
    for said in
        [many.many("id", |_| Ok(())).unwrap_err(), many.counts("id").unwrap_err(), many.texts("id").unwrap_err()]
    {
        assert!(said.to_string().contains("`id` takes at most 1000"), "{said}");
    }
}

#[test]
fn brackets_that_do_not_close_and_bytes_that_are_no_text_are_malformed() {
    for query in ["a[b=1", "a[b]c=1", "a[b]]=1", "a[=1", "a=%ff", "%ff=1"] {
        assert_eq!(Parameters::parse(query, false).unwrap_err().code(), "BAD_REQUEST", "{query}");
    }
    let deep = format!("a{}=1", "[a]".repeat(200));
    assert_eq!(Parameters::parse(&deep, true).unwrap_err().code(), "UNPROCESSABLE_ENTITY");
    assert!(Parameters::parse("a]=1&&=2&[x]=1", true).is_ok(), "strange, but names all the same");
}

#[test]
fn a_span_is_what_all_operators_leave() {
    let span = |query: &str| read(query).span("t");
    let at = |ms| Some(Timestamp::from_ms(ms));
    let day = 86_400_000;
    for (query, from, before) in [
        ("t=1970-01-01T00:00:01Z", at(1000), at(1001)),
        ("t[gt]=1970-01-01T00:00:01Z", at(1001), None),
        ("t[lte]=1970-01-01T00:00:01Z&t[gte]=1970-01-01", at(0), at(1001)),
        ("t[le]=1970-01-01T00:00:01Z", None, at(1001)),
        ("t[lt]=1970-01-01T01:00:01%2B01:00&t[lt]=1971-01-01", None, at(1000)),
        ("t[lt]=1970-01-01T01:00:01+01:00", None, at(1000)),
        ("t[gte]=1970-01-01T00:00:00.0005Z", at(1), None),
        ("t[lt]=1970-01-01T00:00:00.0005Z", None, at(1)),
        ("t=1970-01-02", at(day), at(2 * day)),
        ("t[gte]=1970-01-02", at(day), None),
        ("t[gt]=1970-01-02", at(2 * day), None),
        ("t[lt]=1970-01-02", None, at(day)),
        ("t[lte]=1970-01-02", None, at(2 * day)),
        ("t[any]=true", None, None),
        ("t[all]=true", None, None),
    ] {
        assert_eq!(span(query).unwrap(), Span { from, before }, "{query}");
    }
    let nothing = |span: Span| span.before.is_some() && span.from >= span.before;
    for query in ["t[any]=false", "t=1970-01-01T00:00:00.0005Z"] {
        assert!(nothing(span(query).unwrap()), "{query}");
    }
    for query in ["t[gt]=1970-01-02&t[lt]=1970-01-01", "t=1970-01-02&t=1970-01-03"] {
        let said = span(query).unwrap_err().to_string();
        assert!(said.contains("`t` asks for what excludes itself"), "{query}: {said}");
    }
    for query in [
        "t=yesterday",
        "t=",
        "t[gte]=2026-13-01",
        "t[like]=2026-01-01",
        "t[]=2026-01-01",
        "t[gte]=1",
        "t[gte][lt]=2026-01-01",
        "t[contains]=2026",
        "t[any]=1",
        "t[all]=false",
        "t=2026-1-1",
    ] {
        assert!(span(query).unwrap_err().to_string().contains("`t`"), "{query}");
    }
}

#[test]
fn a_time_that_may_not_be_there_is_asked_for() {
    let moment = |query: &str| read(query).moment("t").unwrap();
    assert_eq!(moment("t[any]=true"), Moment { present: Some(true), span: Span::default() });
    assert_eq!(moment("t[any]=false").present, Some(false));
    assert_eq!(moment("t[all]=true"), Moment::default());
    assert!(read("t[any]=false&t[any]=true").moment("t").unwrap_err().to_string().contains("excludes itself"));
}

#[test]
fn counts_are_the_values_that_all_operators_leave() {
    let counts = |query: &str| read(query).counts("n");
    for (query, expected) in [
        ("m=1", vec![]),
        ("n[any]=true", vec![]),
        ("n[all]=true", vec![]),
        ("n[any]=false", vec![(1, 0)]),
        ("n=2", vec![(2, 2)]),
        ("n=2&n[]=0&n[1]=7,9", vec![(2, 2), (0, 0), (7, 7), (9, 9)]),
        ("n=3-5,9", vec![(3, 5), (9, 9)]),
        ("n=3-5&n[gt]=4", vec![(5, 5)]),
        ("n[gt]=0", vec![(1, u32::MAX)]),
        ("n[gte]=3&n[lt]=9&n[gt]=1", vec![(3, 8)]),
        ("n[le]=5&n=4&n=6", vec![(4, 4)]),
        ("n[lt]=0", vec![(1, 0)]),
        ("n[gt]=4294967295", vec![(1, 0)]),
    ] {
        assert_eq!(counts(query).unwrap(), expected, "{query}");
    }
    for query in [
        "n[gt]=5&n[lt]=3",
        "n[gt]=5&n=3",
        "n[any]=true&n[any]=false",
        "n=",
        "n=x",
        "n=-1",
        "n[any]=1",
        "n[like]=1",
        "n=1.5",
        "n=4294967296",
        "n=%2B1",
        "n=5-3",
        "n=1-",
        "n[gt]=1-2",
        "n[contains]=1",
        "n[0][1]=1",
    ] {
        assert!(counts(query).unwrap_err().to_string().contains("`n`"), "{query}");
    }
}

#[test]
fn statuses_are_numbers_ranges_lists_and_operators() {
    let statuses = |query: &str| read(query).statuses("s");
    let found = |query: &str| statuses(query).unwrap();
    assert_eq!(found("s=404"), Optional { present: None, any_of: vec![(404, 404)] });
    assert_eq!(found("s=400-499,500").any_of, [(400, 499), (500, 500)]);
    assert_eq!(found("s[gte]=500").any_of, [(500, u16::MAX)]);
    assert_eq!(found("s[any]=false"), Optional { present: Some(false), any_of: vec![] });
    for query in ["s=42", "s=1000", "s=0-100", "s=ok", "s[gte]=-1"] {
        assert!(statuses(query).unwrap_err().to_string().contains("`s`"), "{query}");
    }
}

#[test]
fn texts_are_any_of_some_or_have_something_in_them() {
    let matches = |query: &str, text| read(query).texts("name").unwrap().matches(text);
    for (query, text, expected) in [
        ("", None, true),
        ("name=a,b", Some("b"), true),
        ("name=a", Some("ab"), false),
        ("name[contains]=HOP", Some("my-shop"), true),
        ("name[contains]=hop&name[contains]=x", Some("my-shop"), false),
        ("name[contains]=a", None, false),
        ("name[any]=false", None, true),
        ("name[any]=true&name[all]=true", Some("a"), true),
    ] {
        assert_eq!(matches(query, text), expected, "{query} of {text:?}");
    }
    assert!(read("name[gt]=a").texts("name").is_err());
}

#[test]
fn objects_are_read_from_one_text_and_from_brackets() {
    let object = |query: &str| read(query).object("body").unwrap().unwrap();
    assert_eq!(object("body=%7B%22a%22%3A%7B%22b%22%3A1%7D%7D"), json!({ "a": { "b": 1 } }));
    assert_eq!(object("body=7"), json!(7));
    assert_eq!(object("body[a][b]=1&body[a][c]=x&body[d]="), json!({ "a": { "b": "1", "c": "x" }, "d": "" }));
    assert_eq!(object("body[a][]=1&body[a][]=2"), json!({ "a": ["1", "2"] }));
    assert_eq!(object("body[a][0][b]=1&body[a][1][b]=2"), json!({ "a": [{ "b": "1" }, { "b": "2" }] }));
    assert_eq!(object("body[a]=1&body[a]=2"), json!({ "a": ["1", "2"] }));
    assert_eq!(object("body[paid]=true"), json!({ "paid": { "$or": ["true", true] } }));
    assert_eq!(object("body[a][$exist]=false"), json!({ "a": { "$exist": false } }));
    assert_eq!(object("body[a][$in][]=1&body[a][$in][]=x"), json!({ "a": { "$in": ["1", 1, "x"] } }));
    assert!(read("other=1").object("body").unwrap().is_none());
}

#[test]
fn what_is_no_object_is_refused() {
    let deep = format!("body={}{}", "[".repeat(200), "]".repeat(200));
    for query in
        ["body=[object Object]", "body=", "body={}&body={}", "body[a]=1&body={}", "body[a]=1&body[a][b]=2", &deep]
    {
        let said = read(query).object("body").unwrap_err();
        assert!(said.to_string().contains("`body`"), "{query}: {said}");
    }
}

const KNOWN: [Param; 3] = [
    Param { name: "status", takes: Takes::Texts, about: "" },
    Param { name: "attempts", takes: Takes::Counts, about: "" },
    Param { name: "body", takes: Takes::Object, about: "" },
];

#[test]
fn filters_in_bodies_say_what_the_query_string_says() {
    let inside = read("query[status][]=A&query[status][]=B&query[attempts][gt]=1&query[body][a]=1");
    let from_brackets = inside.inside("query", &KNOWN, "query.").unwrap();
    let object = json!({ "status": ["A", "B"], "attempts": { "gt": 1 }, "body": { "a": "1" } });
    let from_body = Parameters::of_object(object.as_object().unwrap(), &KNOWN, "query.").unwrap();
    for read in [from_brackets, from_body] {
        assert_eq!(read.many("status", |text| Ok(text.to_owned())).unwrap(), ["A", "B"]);
        assert_eq!(read.counts("attempts").unwrap(), [(2, u32::MAX)]);
        assert_eq!(read.object("body").unwrap(), Some(json!({ "a": "1" })));
    }
    for (object, named) in [
        (json!({ "stauts": "A" }), "`query.stauts`"),
        (json!({ "status": null }), "`query.status`"),
        (json!({ "attempts": { "gt": "x" } }), "`query.attempts`"),
    ] {
        let read = Parameters::of_object(object.as_object().unwrap(), &KNOWN, "query.");
        let said = read.and_then(|read| read.counts("attempts")).unwrap_err().to_string();
        assert!(said.contains(named), "{said}");
    }
    let said = read("query=%7B%7D").inside("query", &KNOWN, "query.").unwrap_err().to_string();
    assert!(said.contains("`query` must be of type object"), "{said}");
}

#[test]
fn paging_is_refused_when_it_cannot_be_obeyed() {
    let page = |query: &str| read(query).page::<EventPlace>();
    assert_eq!(page("").unwrap(), PageQuery { descending: true, start: Start::First, limit: 100 });
    assert_eq!(page("dir=ASC&limit=255&order_by=created_at").unwrap().limit, 255);
    for query in [
        "limit=-1",
        "limit=256",
        "limit=18446744073709551616",
        "limit=abc",
        "limit=",
        "limit=1&limit=2",
        "limit[]=1",
        "dir=up",
        "order_by=name",
        "next=nonsense",
        "next=",
        "prev=%00",
        "next=AQAAAAAAAAAB&prev=AQAAAAAAAAAB",
    ] {
        let said = page(query).unwrap_err().to_string();
        assert!(said.contains(&format!("`{}`", query.split(['=', '[']).next().unwrap())), "{query}: {said}");
    }
    assert!(page("next=AQAAAAAAAAAB").is_ok());
}

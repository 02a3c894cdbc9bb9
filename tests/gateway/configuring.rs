//! Sources, destinations and connections as the hosted API's own clients make, read, change and delete them.

use hookgate::testkit::{Flow, PATIENCE, TestDestination, http::Request, poll};
use serde_json::{Value, json};

use crate::harness::{TestGateway, id};

fn call(gateway: &TestGateway, line: &str, body: &Value) -> Value {
    let (method, path) = line.split_once(' ').unwrap();
    gateway.ok(method, path, (!body.is_null()).then_some(body))
}

/// Asserts that an object has these fields, and that they are texts.
fn has_texts(shape: &Value, names: &[&str]) {
    for name in names {
        assert!(shape[name].is_string(), "{name} of {shape}");
    }
}

#[test]
fn what_terraform_creates_reads_changes_and_deletes_comes_back_as_it_was_written() {
    let gateway = TestGateway::start();
    let always = ["id", "team_id", "name", "type", "created_at", "updated_at"];
    let source = call(
        &gateway,
        "POST /2025-07-01/sources",
        &json!({ "name": "tf-source", "type": "WEBHOOK", "config": { "allowed_http_methods": ["POST"] } }),
    );
    has_texts(&source, &always);
    has_texts(&source, &["url"]);
    let path = format!("/2025-07-01/sources/{}", id(&source));
    // Its resource for credentials reads the source, changes them, and writes all of it.
    let read = call(&gateway, &format!("GET {path}?include=config.auth"), &Value::Null);
    let mut config = read["config"].clone();
    config["auth"] = Value::Null;
    config["auth_type"] = Value::Null;
    let written = call(&gateway, &format!("PUT {path}"), &json!({ "type": read["type"], "config": config }));
    assert_eq!(written, source, "nothing changed, its version and time neither");

    let config = json!({ "url": "https://tf.example/in", "auth_type": "API_KEY",
        "auth": { "key": "x-key", "api_key": "k", "to": "header" } });
    let destination = call(
        &gateway,
        "POST /2025-07-01/destinations",
        &json!({ "name": "tf-destination", "type": "HTTP", "config": config }),
    );
    has_texts(&destination, &always);
    let destination_path = format!("/2025-07-01/destinations/{}", id(&destination));
    let read = call(&gateway, &format!("GET {destination_path}?include=config.auth"), &Value::Null);
    assert_eq!(read["config"]["auth"], config["auth"]);
    let written = call(&gateway, &format!("PUT {destination_path}"), &json!({ "config": read["config"] }));
    assert_eq!(written["updated_at"], destination["updated_at"]);

    let rules = json!([{ "type": "retry", "strategy": "linear", "response_status_codes": ["500-599", "!501"] }]);
    let ends = json!({ "source_id": id(&source), "destination_id": id(&destination) });
    let mut new = json!({ "name": "tf-connection", "description": null, "rules": rules });
    new.as_object_mut().unwrap().extend(ends.as_object().unwrap().clone());
    let connection = call(&gateway, "POST /2025-07-01/connections", &new);
    has_texts(&connection, &["id", "team_id", "name", "created_at", "updated_at"]);
    assert_eq!(connection["rules"], rules, "in order, with no key added");
    let path = format!("/2025-07-01/connections/{}", id(&connection));
    assert_eq!(call(&gateway, &format!("GET {path}"), &Value::Null)["rules"], rules);
    let changed = json!({ "name": "tf-connection", "description": "changed", "rules": [] });
    let changed = call(&gateway, &format!("PUT {path}"), &changed);
    assert_eq!((&changed["description"], &changed["rules"]), (&json!("changed"), &json!([])));
    for path in [path, format!("/2025-07-01/sources/{}", id(&source)), destination_path] {
        let last = path.rsplit('/').next().unwrap();
        assert_eq!(call(&gateway, &format!("DELETE {path}"), &Value::Null), json!({ "id": last }));
        assert_eq!(gateway.call("GET", &path, None).status, 410);
        assert_eq!(gateway.call("PUT", &path, Some(&json!({ "name": "x" }))).status, 410);
    }
}

#[test]
fn a_source_answers_as_its_owner_wants_and_goes_on_so_after_a_kill() {
    let gateway = TestGateway::start();
    let destination = TestDestination::start().strict();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    let path = format!("/sources/{}", flow.source_id);
    let send = |gateway: &TestGateway| {
        let answer = gateway.send(&Request { method: "POST", target: &flow.path, headers: &[], body: b"{}" });
        let text = String::from_utf8_lossy(&answer.message.body).into_owned();
        (answer.status, answer.message.header_text("content-type"), text)
    };
    for (word, media_type, body) in [
        ("json", "application/json", r#"{"challenge":"ö"}"#),
        ("text", "text/plain; charset=utf-8", "thanks"),
        ("xml", "application/xml", "<ok/>"),
    ] {
        let response = json!({ "content_type": word, "body": body });
        drop(call(&gateway, &format!("PUT {path}"), &json!({ "config": { "custom_response": response } })));
        assert_eq!(send(&gateway), (200, media_type.to_owned(), body.to_owned()));
    }
    // What is not known to be delivered would be sent again after the kill.
    let delivered = format!("webhook_id={}&status=SUCCESSFUL", flow.connection_id);
    assert!(poll(PATIENCE, || (gateway.events(&delivered).len() == 3).then_some(())).is_some());
    let gateway = gateway.crash();
    assert_eq!(send(&gateway), (200, "application/xml".to_owned(), "<ok/>".to_owned()));
    let methods = json!({ "config": { "allowed_http_methods": ["PUT"] } });
    drop(call(&gateway, &format!("PUT {path}"), &methods));
    assert_eq!(send(&gateway).0, 405, "what is refused is told so");
    let reset = json!({ "config": { "custom_response": null, "allowed_http_methods": ["POST"] } });
    drop(call(&gateway, &format!("PUT {path}"), &reset));
    assert!(send(&gateway).2.contains("request_id"));
    assert_eq!(destination.wait_for(5, PATIENCE).len(), 5);
}

#[test]
fn an_upsert_by_name_is_repeatable_and_moves_what_comes_next_elsewhere() {
    let gateway = TestGateway::start();
    let [first, second] = [(); 2].map(|()| TestDestination::start().strict());
    let flow = gateway.connect("test", &first.url(), &json!([]));
    let before = gateway.get(&format!("/connections/{}", flow.connection_id));
    assert_eq!(call(&gateway, "PUT /connections", &json!({ "name": "test" })), before);
    drop(gateway.pause(&flow));
    drop(gateway.ingest(&flow, b"before"));
    let elsewhere = json!({ "name": "test", "destination": { "name": "other", "type": "HTTP", "config": { "url": second.url() } } });
    let moved = call(&gateway, "PUT /connections", &elsewhere);
    assert_eq!((&moved["id"], &moved["destination"]["name"]), (&before["id"], &json!("other")));
    assert_eq!(call(&gateway, "PUT /connections", &elsewhere)["updated_at"], moved["updated_at"]);
    drop(gateway.unpause(&flow));
    drop(gateway.ingest(&flow, b"after"));
    assert_eq!(first.next_request(PATIENCE).body(), b"before", "it was accepted for that one");
    assert_eq!(second.next_request(PATIENCE).body(), b"after");
    let made = call(
        &gateway,
        "PUT /connections",
        &json!({ "name": "new", "source": { "name": "s" },
        "destination": { "name": "other" } }),
    );
    assert_eq!(Flow::read(&made).destination_id, id(&moved["destination"]));
    for (resource, body) in [
        ("sources", json!({ "name": "s", "description": "mine" })),
        ("destinations", json!({ "name": "other", "config": { "http_method": "PUT" } })),
    ] {
        let put = call(&gateway, &format!("PUT /{resource}"), &body);
        assert_eq!(call(&gateway, &format!("PUT /{resource}"), &body), put, "again");
        assert_eq!(gateway.get(&format!("/{resource}/{}", id(&put))), put);
    }
    let other = gateway.get(&format!("/destinations/{}", id(&moved["destination"])));
    assert_eq!((&other["config"]["url"], &other["config"]["http_method"]), (&json!(second.url()), &json!("PUT")));
}

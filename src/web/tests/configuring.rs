//! Every call of sources, destinations, connections, projects and the CLI's identity, and what they refuse.

use serde_json::{Value, json};

use super::kit::{Answered, KEY, Server, api, call, send, store};

async fn done(server: &Server, line: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = call(server, line, &body).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    answer.json()
}

async fn get(server: &Server, path: &str) -> Value {
    done(server, &format!("GET {path}"), &Value::Null).await
}

fn names(page: &Value) -> Vec<&str> {
    page["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect()
}

/// Three connections of two sources to three destinations.
async fn configured() -> Server {
    let server = api(store());
    for (name, source, destination) in [
        ("orders", "shop", json!({ "name": "erp", "config": { "url": "https://erp.example/in" } })),
        ("refunds", "shop", json!({ "name": "laptop", "type": "CLI", "config": { "path": "/hooks" } })),
        ("invoices", "bank", json!({ "name": "mock", "type": "MOCK_API" })),
    ] {
        let body = json!({ "name": name, "source": { "name": source }, "destination": destination });
        done(&server, "POST /connections", &body).await;
    }
    server
}

#[actix::test]
async fn lists_are_filtered_sorted_counted_and_paged() {
    let server = configured().await;
    for (path, expected) in [
        ("/connections?order_by=name&dir=asc", vec!["invoices", "orders", "refunds"]),
        ("/connections?order_by=full_name&dir=desc", vec!["refunds", "orders", "invoices"]),
        ("/connections?order_by=created_at&dir=ASC", vec!["orders", "refunds", "invoices"]),
        ("/connections?order_by=sources.created_at&dir=asc", vec!["orders", "refunds", "invoices"]),
        ("/connections?order_by=destinations.updated_at", vec!["invoices", "refunds", "orders"]),
        ("/connections", vec!["invoices", "refunds", "orders"]),
        ("/connections?name=orders&name=refunds&order_by=name", vec!["refunds", "orders"]),
        ("/connections?name[contains]=ORD", vec!["orders"]),
        ("/connections?full_name=shop%20-%3E%20ref", vec!["refunds"]),
        ("/connections?full_name=BANK", vec!["invoices"]),
        ("/connections?paused_at[any]=true", vec![]),
        ("/connections?disabled_at[any]=false&limit=1&order_by=name&dir=asc", vec!["invoices"]),
        ("/sources?order_by=name&dir=asc&disabled=false&limit=100", vec!["bank", "shop"]),
        ("/sources?name=shop", vec!["shop"]),
        ("/sources?type=HTTP", vec![]),
        ("/destinations?order_by=name&dir=asc", vec!["erp", "laptop", "mock"]),
        ("/destinations?type=CLI,MOCK_API&order_by=name", vec!["mock", "laptop"]),
        ("/destinations?url[contains]=erp.example", vec!["erp"]),
        ("/destinations?cli_path=/hooks", vec!["laptop"]),
        ("/2025-07-01/destinations?name=erp&unknown=1", vec!["erp"]),
        ("/2024-03-01/connections?name=orders", vec!["orders"]),
    ] {
        let page = get(&server, path).await;
        assert_eq!(names(&page), expected, "{path}");
        assert_eq!(page["count"], expected.len(), "{path}");
        let pagination = &page["pagination"];
        assert!(pagination["order_by"].is_string() && pagination["dir"].is_string(), "{page}");
    }
    for (path, count) in [
        ("/connections/count", 3),
        ("/sources/count", 2),
        ("/destinations/count?type=HTTP", 1),
        ("/2024-03-01/connections/count", 3),
    ] {
        assert_eq!(get(&server, path).await, json!({ "count": count }), "{path}");
    }
    let shop = get(&server, "/sources?name=shop").await["models"][0].clone();
    let id = shop["id"].as_str().unwrap();
    for query in [format!("source_id[0]={id}"), format!("source_id={id}")] {
        assert_eq!(
            names(&get(&server, &format!("/connections?{query}&order_by=name&dir=asc")).await),
            ["orders", "refunds"]
        );
        assert_eq!(get(&server, &format!("/connections/count?{query}")).await["count"], 2);
    }
    let both = get(&server, &format!("/sources?id={id}")).await;
    assert_eq!(both["models"], json!([shop]));
}

#[actix::test]
async fn pages_lead_on_and_back_in_every_order_and_a_cursor_belongs_to_one() {
    let server = configured().await;
    for order in super::super::filters::configuration::CONNECTION_ORDERS {
        let whole = get(&server, &format!("/connections?order_by={order}")).await;
        let (mut seen, mut next, mut last) = (Vec::new(), String::new(), Value::Null);
        for _ in 0..3 {
            last = get(&server, &format!("/connections?limit=1&order_by={order}{next}")).await;
            seen.extend(last["models"].as_array().unwrap().clone());
            next = last["pagination"]["next"].as_str().map(|next| format!("&next={next}")).unwrap_or_default();
        }
        assert_eq!((&json!(seen), next.as_str()), (&whole["models"], ""), "{order}");
        let prev = last["pagination"]["prev"].as_str().unwrap();
        let back = get(&server, &format!("/connections?limit=1&order_by={order}&prev={prev}")).await;
        assert_eq!(back["models"][0], whole["models"][1], "{order}");
        let other = if order == "name" { "created_at" } else { "name" };
        let line = format!("GET /connections?order_by={other}&prev={prev}");
        call(&server, &line, "").await.refusal(422, "UNPROCESSABLE_ENTITY");
        call(&server, &format!("GET /sources?prev={prev}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
}

#[actix::test]
async fn disabled_ones_are_hidden_until_they_are_asked_for_and_deleted_ones_for_ever() {
    let server = configured().await;
    for (kind, name) in [("sources", "bank"), ("destinations", "mock"), ("connections", "orders")] {
        let id = get(&server, &format!("/{kind}?name={name}")).await["models"][0]["id"].as_str().unwrap().to_owned();
        for (off, on) in [("disable", "enable"), ("archive", "unarchive")] {
            done(&server, &format!("PUT /2024-03-01/{kind}/{id}/{off}"), &json!({})).await;
            let counts = |query: &'static str| {
                let path = format!("/{kind}/count?name={name}{query}");
                let server = &server;
                async move { get(server, &path).await["count"].as_u64().unwrap() }
            };
            assert_eq!((counts("").await, counts("&disabled=false").await), (0, 0), "{kind}");
            assert_eq!((counts("&disabled=true").await, counts("&disabled_at[any]=true").await), (1, 1), "{kind}");
            assert_eq!(counts("&disabled_at[gte]=2020-01-01").await, 1, "{kind}");
            done(&server, &format!("PUT /{kind}/{id}/{on}"), &json!({})).await;
            assert_eq!(counts("").await, 1, "{kind}");
        }
        assert_eq!(done(&server, &format!("DELETE /{kind}/{id}"), &Value::Null).await, json!({ "id": id }));
        assert_eq!(get(&server, &format!("/{kind}/count?disabled=true&name={name}")).await["count"], 0);
        for line in [format!("GET /{kind}/{id}"), format!("PUT /{kind}/{id}"), format!("PUT /{kind}/{id}/enable")] {
            call(&server, &line, "").await.refusal(410, "GONE");
        }
        call(&server, &format!("DELETE /{kind}/{id}"), "").await.refusal(410, "GONE");
    }
}

#[actix::test]
async fn what_is_made_again_by_name_is_changed_only_where_it_differs() {
    let server = configured().await;
    let before = get(&server, "/connections?name=orders").await["models"][0].clone();
    for version in ["", "/2024-03-01", "/2025-07-01", "/2026-09-01"] {
        let put = done(&server, &format!("PUT {version}/connections"), &json!({ "name": "orders" })).await;
        assert_eq!((&put["id"], &put["updated_at"]), (&before["id"], &before["updated_at"]), "{version}");
    }
    let made = done(&server, "PUT /sources", &json!({ "name": "new", "type": "HTTP" })).await;
    let changed = done(&server, "PUT /sources", &json!({ "name": "new", "description": "a" })).await;
    assert_eq!((&changed["id"], &changed["type"], &changed["description"]), (&made["id"], &json!("HTTP"), &json!("a")));
    let made = done(&server, "PUT /destinations", &json!({ "name": "new", "type": "MOCK_API" })).await;
    let path = format!("PUT /destinations/{}", made["id"].as_str().unwrap());
    let http = json!({ "type": "HTTP", "config": { "url": "https://a.example/" } });
    assert_eq!(done(&server, &path, &http).await["config"]["url"], "https://a.example/");
    let merged = done(&server, &path, &json!({ "name": "renamed", "config": { "http_method": "PUT" } })).await;
    assert_eq!((&merged["config"]["url"], &merged["name"]), (&json!("https://a.example/"), &json!("renamed")));
    let id = before["id"].as_str().unwrap();
    let rules = json!([{ "type": "retry", "strategy": "linear" }]);
    let changed = done(&server, &format!("PUT /connections/{id}"), &json!({ "rules": rules, "name": "o2" })).await;
    assert_eq!((&changed["rules"], &changed["full_name"]), (&rules, &json!("shop -> o2")));
}

#[actix::test]
async fn changes_that_cannot_be_are_refused_by_field_and_change_nothing() {
    let server = configured().await;
    let [connection, source, destination] = [("connections", "orders"), ("sources", "shop"), ("destinations", "erp")]
        .map(|(kind, name)| format!("/{kind}?name={name}"));
    let id = |page: Value| page["models"][0]["id"].as_str().unwrap().to_owned();
    let connection = id(get(&server, &connection).await);
    let source = id(get(&server, &source).await);
    let destination = id(get(&server, &destination).await);
    let before = get(&server, &format!("/connections/{connection}")).await;
    for (line, body, named) in [
        ("PUT /connections".to_owned(), json!({}), "name"),
        ("PUT /connections".to_owned(), json!({ "name": "unknown" }), "source_id"),
        ("PUT /connections".to_owned(), json!({ "name": "orders", "source": {} }), "source.name"),
        (
            "PUT /connections".to_owned(),
            json!({ "name": "orders", "source": { "name": "new" },
            "destination": { "name": "x", "config": { "url": "nonsense" } } }),
            "destination.config.url",
        ),
        (format!("PUT /connections/{connection}"), json!({ "source_id": source }), "source_id"),
        (format!("PUT /connections/{connection}"), json!({ "name": "refunds" }), "refunds"),
        (format!("PUT /connections/{connection}"), json!({ "rules": [{ "type": "filter" }] }), "filter"),
        (format!("PUT /connections/{connection}"), json!({ "rules": [{ "type": "transform" }] }), "transform"),
        (
            format!("PUT /connections/{connection}"),
            json!({ "rules": [{ "type": "deduplicate", "window": 1 }] }),
            "deduplicate",
        ),
        (format!("PUT /connections/{connection}"), json!({ "rules": [{ "type": "delay", "delay": 1 }] }), "delay"),
        (format!("PUT /connections/{connection}"), json!({ "description": "x".repeat(501) }), "description"),
        (format!("PUT /sources/{source}"), json!({ "type": "STRIPE" }), "type"),
        (
            format!("PUT /sources/{source}"),
            json!({ "config": { "auth_type": "HMAC", "auth": {} } }),
            "config.auth_type",
        ),
        (format!("PUT /sources/{source}"), json!({ "name": "bank" }), "bank"),
        (format!("PUT /sources/{source}"), json!({ "name": "x".repeat(156) }), "name"),
        (
            format!("PUT /sources/{source}"),
            json!({ "config": { "custom_response": { "content_type": "json", "body": "x".repeat(1001) } } }),
            "custom_response.body",
        ),
        (format!("PUT /destinations/{destination}"), json!({ "config": { "path": "/x" } }), "config.path"),
        (format!("PUT /destinations/{destination}"), json!({ "config": { "rate_limit": 1 } }), "config.rate_limit"),
        (
            format!("PUT /destinations/{destination}"),
            json!({ "type": "MOCK_API", "config": { "url": "https://a/" } }),
            "config.url",
        ),
        (
            format!("PUT /destinations/{destination}"),
            json!({ "config": { "auth_type": "OAUTH2_CLIENT_CREDENTIALS", "auth": {} } }),
            "OAUTH2_CLIENT_CREDENTIALS",
        ),
    ] {
        let said = call(&server, &line, &body.to_string()).await.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(said.contains(named), "{line} {body} should name {named}: {said}");
    }
    assert_eq!(get(&server, &format!("/connections/{connection}")).await, before);
    assert_eq!(get(&server, "/sources/count").await["count"], 2, "nothing was made in passing");
    for query in
        ["order_by=status", "limit=256", "disabled=maybe", "disabled_at[like]=x", "id=x", "name[gt]=a", "nmae=x"]
    {
        for kind in ["sources", "destinations", "connections"] {
            let answer: Answered = call(&server, &format!("GET /{kind}?{query}"), "").await;
            answer.refusal(422, "UNPROCESSABLE_ENTITY");
        }
    }
    call(&server, "PUT /sources/src_01ARZ3NDEKTSV4RRFFQ69G5FAV", "{}").await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn the_cli_learns_who_it_is_and_gets_its_key_back() {
    let server = api(store());
    let device = json!({ "device_name": "laptop" });
    let who = done(&server, "POST /2026-09-01/cli-auth/ci", &device).await;
    assert_eq!((&who["key"], &who["claimed"], &who["user_is_guest"]), (&json!(KEY), &json!(true), &json!(false)));
    assert_eq!((&who["team_type"], &who["team_mode"]), (&json!("event_gateway"), &json!("inbound")));
    for name in [
        "user_id",
        "user_name",
        "user_email",
        "organization_name",
        "organization_id",
        "team_id",
        "team_name",
        "client_id",
    ] {
        assert!(who[name].is_string(), "{name}: {who}");
    }
    assert_eq!(get(&server, "/2026-09-01/cli-auth/validate").await, who);
    let polled = send(&server, &format!("GET /2026-09-01/cli-auth/poll?key={KEY}"), "", b"").await;
    assert_eq!((polled.status, &polled.json()), (200, &who));
    for query in ["?key=hgk_wrong", "?key="] {
        send(&server, &format!("GET /cli-auth/poll{query}"), "", b"").await.refusal(401, "UNAUTHORIZED");
    }
    send(&server, "GET /cli-auth/poll", "", b"").await.refusal(422, "UNPROCESSABLE_ENTITY");
    send(&server, "POST /cli-auth", "", b"{\"device_name\":\"a\"}").await.refusal(501, "NOT_IMPLEMENTED");
    send(&server, "POST /cli/guest", "", b"{}").await.refusal(403, "FORBIDDEN");
    send(&server, "POST /cli-auth/ci", "", b"{}").await.refusal(401, "UNAUTHORIZED");
    call(&server, "POST /cli-auth/ci", r#"{"device_name":1}"#).await.refusal(422, "UNPROCESSABLE_ENTITY");
    let client = who["client_id"].as_str().unwrap();
    let named = done(&server, &format!("PUT /2026-09-01/cli/{client}"), &device).await;
    assert_eq!((&named["user_name"], &named["client_id"]), (&json!("laptop"), &who["client_id"]));
    call(&server, "PUT /cli/cl_1", &device.to_string()).await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn there_is_one_project_and_it_may_be_renamed() {
    let server = api(store());
    let listed = get(&server, "/2026-09-01/projects").await;
    let (id, name) = (listed[0]["id"].as_str().unwrap(), listed[0]["name"].as_str().unwrap());
    assert!(name.starts_with('[') && listed.as_array().unwrap().len() == 1, "{listed}");
    assert_eq!(listed[0]["type"], "event_gateway");
    assert_eq!(get(&server, "/2025-07-01/teams").await[0], json!({ "id": id, "name": name, "mode": "inbound" }));
    let renamed = done(&server, &format!("PUT /projects/{id}"), &json!({ "name": "Acme Hooks" })).await;
    assert_eq!(renamed, get(&server, &format!("/2026-09-01/projects/{id}")).await);
    assert_eq!(renamed["name"], "Acme Hooks");
    assert_eq!(get(&server, "/organizations/current").await["name"], "Acme Hooks");
    assert_eq!(done(&server, "PUT /organizations/current", &json!({ "name": "Acme" })).await["name"], "Acme");
    assert_eq!(get(&server, "/projects").await[0]["name"], "[Acme] Acme");
    assert_eq!(get(&server, "/cli-auth/validate").await["organization_name"], "Acme");
    for body in [json!({}), json!({ "name": " " }), json!({ "name": "a\nb" }), json!({ "name": "a", "private": true })]
    {
        call(&server, "PUT /organizations/current", &body.to_string()).await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
    call(&server, "POST /projects", r#"{"name":"b"}"#).await.refusal(422, "UNPROCESSABLE_ENTITY");
    call(&server, &format!("DELETE /projects/{id}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    for line in [
        "GET /projects/tm_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "GET /projects/x",
        "GET /teams",
        "GET /2026-09-01/teams",
        "GET /2025-07-01/projects",
    ] {
        call(&server, line, "").await.refusal(404, "NOT_FOUND");
    }
}

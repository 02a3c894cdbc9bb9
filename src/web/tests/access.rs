//! Keys with their scopes, sessions, the signing secret, the audit.

use serde_json::{Value, json};

use super::kit::{Answered, KEY, Server, api, call, send, store};

/// Calls with another key.
async fn call_as(server: &Server, key: &str, line: &str, body: &str) -> Answered {
    let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
    send(server, line, &headers, body.as_bytes()).await
}

/// Makes a key and gives its id and text.
async fn new_key(server: &Server, label: &str, scope: &str) -> (String, String) {
    let made = call(server, "POST /keys", &json!({ "label": label, "scope": scope }).to_string()).await.json();
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    assert_eq!((&made["label"], &made["scope"]), (&json!(label.trim()), &json!(scope)));
    (text("id"), text("key"))
}

async fn get(server: &Server, target: &str) -> Value {
    let answer = call(server, &format!("GET {target}"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[actix::test]
async fn a_scope_opens_its_routes_and_names_what_it_lacks() {
    let server = api(store());
    let ((_, read), (_, write)) = (new_key(&server, "r", "read").await, new_key(&server, "w", "write").await);
    for (line, needed) in [
        ("GET /events", "read"),
        ("GET /session", "read"),
        ("POST /sources", "write"),
        ("POST /views", "write"),
        ("DELETE /bookmarks/x", "write"),
        ("GET /keys", "admin"),
        ("GET /audit", "admin"),
        ("GET /signing-secret", "admin"),
        ("POST /signing-secret/roll", "admin"),
        ("GET /2026-09-01/organizations/current/api-keys", "admin"),
    ] {
        for (key, scope, rank) in [(&read, "read", 0), (&write, "write", 1)] {
            let answer = call_as(&server, key, line, "").await;
            if rank >= ["read", "write", "admin"].iter().position(|word| *word == needed).unwrap() {
                assert!(![401, 403].contains(&answer.status), "{line} as {scope}: {answer:?}");
            } else {
                let message = answer.refusal(403, "FORBIDDEN");
                assert!(message.contains(&format!("scope {needed}")), "{line} as {scope}: {message}");
            }
        }
    }
    let body = r#"{"name":"to","config":{"url":"https://a.example/"}}"#;
    let made = call(&server, "POST /destinations", body).await.json();
    let path = format!("GET /destinations/{}?include=config.auth", made["id"].as_str().unwrap());
    call_as(&server, &write, &path, "").await.refusal(403, "FORBIDDEN");
    assert_eq!(call(&server, &path, "").await.status, 200);
    call_as(&server, &read, "GET /nonsense", "").await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn the_text_of_a_key_is_shown_once_and_works_until_it_is_rolled_or_revoked() {
    let server = api(store());
    let (id, first) = new_key(&server, " what it is for ", "read").await;
    assert_eq!(call_as(&server, &first, "GET /events", "").await.status, 200);
    let all = get(&server, "/keys").await;
    assert_eq!((all["count"].as_u64(), &all["models"][0]["label"]), (Some(2), &json!("what it is for")));
    assert!(!all.to_string().contains(&first) && !all.to_string().contains("hash"), "{all}");
    let path = format!("/keys/{id}");
    let labelled = call(&server, &format!("PUT {path}"), r#"{"label":"other"}"#).await.json();
    assert_eq!((&labelled["label"], &get(&server, &path).await["label"]), (&json!("other"), &json!("other")));

    let rolled = call(&server, &format!("POST {path}/roll"), r#"{"delay_sec":600}"#).await.json();
    let second = rolled["key"].as_str().unwrap();
    assert!(rolled["previous_until"].is_string(), "{rolled}");
    for key in [first.as_str(), second] {
        assert_eq!(call_as(&server, key, "GET /events", "").await.status, 200);
    }
    let again = call(&server, &format!("POST {path}/roll"), r#"{"delay_sec":0}"#).await.json();
    let third = again["key"].as_str().unwrap();
    for (key, status) in [(first.as_str(), 401), (second, 401), (third, 200)] {
        assert_eq!(call_as(&server, key, "GET /events", "").await.status, status);
    }
    assert_eq!(call(&server, &format!("DELETE {path}"), "").await.json(), json!({ "id": id }));
    call_as(&server, third, "GET /events", "").await.refusal(401, "UNAUTHORIZED");
    assert_eq!(get(&server, "/keys").await["count"], 1);
    for line in [format!("GET {path}"), format!("DELETE {path}")] {
        call(&server, &line, "").await.refusal(410, "GONE");
    }
}

#[actix::test]
async fn keys_that_cannot_be_are_refused_by_the_field() {
    let server = api(store());
    let long = json!({ "label": "a".repeat(156), "scope": "read" }).to_string();
    for (line, body, named) in [
        ("POST /keys", "{}", "label"),
        ("POST /keys", r#"{"label":"a"}"#, "scope"),
        ("POST /keys", r#"{"label":"a","scope":"root"}"#, "scope"),
        ("POST /keys", r#"{"label":1,"scope":"read"}"#, "label"),
        ("POST /keys", r#"{"label":" ","scope":"read"}"#, "label"),
        ("POST /keys", r#"{"label":"a\nb","scope":"read"}"#, "label"),
        ("POST /keys", r#"{"label":"a","scope":"read","hash":"x"}"#, "hash"),
        ("POST /keys", long.as_str(), "155"),
        ("POST /2026-09-01/organizations/current/api-keys", r#"{"label":"a","scopes":["all"]}"#, "scopes"),
        ("POST /2026-09-01/organizations/current/api-keys", r#"{"label":"a","scopes":[]}"#, "scopes"),
        ("POST /2026-09-01/organizations/current/api-keys", r#"{"label":"a","grants":[{}]}"#, "grants"),
        ("POST /2026-09-01/organizations/current/api-keys", r#"{"label":"a","team_id":"tm_x"}"#, "team_id"),
        ("POST /signing-secret/roll", "{}", "delay_sec"),
        ("POST /signing-secret/roll", r#"{"delay_sec":-1}"#, "delay_sec"),
        ("POST /signing-secret/roll", r#"{"delay_sec":604801}"#, "delay_sec"),
        ("POST /signing-secret/roll", r#"{"delay_sec":18446744073709551615}"#, "delay_sec"),
    ] {
        let message = call(&server, line, body).await.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(message.contains(named), "{line} {body}: {message}");
    }
    let own = get(&server, "/session").await["key_id"].as_str().unwrap().to_owned();
    let last = call(&server, &format!("DELETE /keys/{own}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    assert!(last.contains("last one of scope admin"), "{last}");
    for line in ["GET /keys/key_1", "POST /keys/key_01ARZ3NDEKTSV4RRFFQ69G5FAV/roll"] {
        call(&server, line, r#"{"delay_sec":0}"#).await.refusal(404, "NOT_FOUND");
    }
    for line in ["GET /2026-09-01/keys", "GET /2025-07-01/organizations/current/api-keys", "GET /2025-07-01/audit"] {
        call(&server, line, "").await.refusal(404, "NOT_FOUND");
    }
}

#[actix::test]
async fn the_hosted_apis_keys_are_the_same_keys() {
    let server = api(store());
    let path = "/2026-09-01/organizations/current/api-keys";
    let body = r#"{"label":"ci","type":"project","scopes":["read","write"],"grants":null}"#;
    let made = call(&server, &format!("POST {path}"), body).await.json();
    assert_eq!((&made["scopes"], &made["grants"]), (&json!(["write"]), &json!([])));
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(call_as(&server, key, "GET /2026-09-01/events", "").await.status, 200);
    assert_eq!(get(&server, &format!("/keys/{id}")).await["scope"], "write");
    let rolled = call(&server, &format!("POST {path}/{id}/roll"), r#"{"delay_sec":0}"#).await.json();
    assert_ne!(rolled["key"], made["key"]);
    assert_eq!(call(&server, &format!("PUT {path}/{id}"), r#"{"label":"cd"}"#).await.json()["label"], "cd");
    assert_eq!(get(&server, path).await["models"][0]["label"], "cd");
    assert_eq!(call(&server, &format!("DELETE {path}/{id}"), "").await.status, 200);
}

#[actix::test]
async fn wrong_keys_end_in_429_and_a_right_one_still_works_where_it_did() {
    let server = api(store());
    assert_eq!(call(&server, "GET /session", "").await.status, 200);
    let mut last = call_as(&server, "hgk_wrong", "GET /events", "").await;
    for _ in 0..30 {
        last = call_as(&server, "hgk_wrong", "GET /events", "").await;
    }
    last.refusal(429, "TOO_MANY_REQUESTS");
    assert!(last.head.contains("retry-after: "), "{last:?}");
    send(&server, "POST /session", "", br#"{"key":"hgk_wrong"}"#).await.refusal(429, "TOO_MANY_REQUESTS");
    assert_eq!(call(&server, "GET /session", "").await.status, 200);
    send(&server, "GET /events", "", b"").await.refusal(401, "UNAUTHORIZED");
}

#[actix::test]
async fn a_browser_signs_in_looks_changes_and_signs_out() {
    let server = api(store());
    send(&server, "POST /session", "", br#"{"key":"hgk_wrong"}"#).await.refusal(401, "UNAUTHORIZED");
    for body in ["{}", r#"{"key":1}"#, r#"{"key":"a","remember":true}"#] {
        send(&server, "POST /session", "", body.as_bytes()).await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
    let body = json!({ "key": KEY }).to_string();
    send(&server, "POST /session", "origin: https://evil.example\r\n", body.as_bytes()).await.refusal(403, "FORBIDDEN");
    let signed_in = raw_cased(&server, &body).await;
    let set = signed_in.lines().find(|line| line.to_lowercase().starts_with("set-cookie")).unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    let cookie = set.split_once(": ").unwrap().1.split(';').next().unwrap().to_owned();
    let with = |more: &str| format!("cookie: {cookie}\r\n{more}");
    let who = send(&server, "GET /session", &with(""), b"").await.json();
    assert_eq!((&who["by"], &who["scope"], &who["project_name"]), (&json!("session"), &json!("admin"), &json!("test")));
    for (site, status) in [("", 403), ("sec-fetch-site: cross-site\r\n", 403), ("sec-fetch-site: same-origin\r\n", 200)]
    {
        let made = send(&server, "POST /sources", &with(site), format!(r#"{{"name":"s{status}"}}"#).as_bytes()).await;
        assert_eq!(made.status, status, "{made:?}");
    }
    call(&server, "DELETE /session", "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    let same = with("sec-fetch-site: same-origin\r\n");
    let out = send(&server, "DELETE /session", &same, b"").await;
    assert!(out.status == 200 && out.head.contains("max-age=0"), "{out:?}");
    send(&server, "GET /session", &with(""), b"").await.refusal(401, "UNAUTHORIZED");
}

/// The head of the answer to a sign-in as it was written: the cookie's value has capitals.
async fn raw_cased(server: &Server, body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "POST /session HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[actix::test]
async fn the_signing_secret_is_shown_and_rolled() {
    let server = api(store());
    let before = get(&server, "/signing-secret").await;
    assert_eq!((&before["signing_secret"], &before["previous_secret"]), (&json!("s"), &Value::Null));
    let rolled = call(&server, "POST /signing-secret/roll", r#"{"delay_sec":60}"#).await.json();
    assert_eq!((&rolled["previous_secret"], rolled["previous_until"].is_string()), (&json!("s"), true));
    assert_eq!(get(&server, "/signing-secret").await, rolled);
    let at_once = call(&server, "POST /signing-secret/roll", r#"{"delay_sec":0}"#).await.json();
    assert!(at_once["previous_secret"].is_null() && at_once["signing_secret"] != rolled["signing_secret"]);
}

#[actix::test]
async fn the_audit_says_who_changed_what_and_shows_no_secret() {
    let server = api(store());
    let (id, key) = new_key(&server, "desk", "write").await;
    let to = r#"{"name":"to","type":"HTTP","config":{"url":"https://a.example/","auth_type":"BEARER_TOKEN","auth":{"token":"hidden-1"}}}"#;
    assert_eq!(call_as(&server, &key, "POST /destinations", to).await.status, 200);
    assert_eq!(call_as(&server, &key, "PUT /destinations", &to.replace("hidden-1", "hidden-2")).await.status, 200);
    let all = get(&server, "/audit").await;
    let [changed, made, first] = all["models"].as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!((&first["action"], &first["changes"][0]["type"]), (&json!("key.create"), &json!("key")));
    assert_eq!(first["changes"][0]["id"], json!(id));
    assert_eq!((&made["action"], &made["changes"][0]["before"]), (&json!("destination.create"), &Value::Null));
    assert_eq!(made["author"], json!({ "type": "key", "id": id, "label": "desk" }));
    let change = &changed["changes"][0];
    assert_eq!((&changed["action"], &change["secret_changed"]), (&json!("destination.upsert"), &json!(true)));
    assert_eq!(change["before"]["config"]["auth_type"], "BEARER_TOKEN");
    let text = all.to_string();
    assert!(!text.contains("hidden") && !text.contains(&key), "{text}");

    let count = |query: String| {
        let server = &server;
        async move { get(server, &format!("/audit?{query}")).await["count"].clone() }
    };
    assert_eq!(count(format!("author={id}")).await, 2);
    assert_eq!(count("author=gateway".to_owned()).await, 0);
    assert_eq!(count("action=key.create,destination.upsert".to_owned()).await, 2);
    assert_eq!(count("created_at[gt]=2200-01-01".to_owned()).await, 0);
    assert_eq!(count("created_at[gt]=2020-01-01&dir=asc".to_owned()).await, 3);
    let page = get(&server, "/audit?limit=2").await;
    let next = page["pagination"]["next"].as_str().unwrap();
    assert_eq!(get(&server, &format!("/audit?limit=2&next={next}")).await["models"], json!([first]));
    for query in ["author=x", "created_at=x", "next=x", "limit=256", "dir=up", "who=me"] {
        call(&server, &format!("GET /audit?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
}

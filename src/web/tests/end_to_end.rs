//! A webhook from its sender to its destination, through both listeners, the actors and the transport.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use serde_json::json;

use super::kit::{api_with, call, ingress, send, store};
use crate::{
    actors::{Milestone, Milestones},
    ingress::BodyBudget,
};

/// A destination that answers these statuses one after the other and passes on what it was sent.
fn destination(statuses: [u16; 2]) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sent, requests) = mpsc::channel();
    thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{\"n\":1}") {
                let mut chunk = [0; 1024];
                let length = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..length]);
            }
            sent.send(String::from_utf8(request).unwrap()).unwrap();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (port, requests)
}

#[actix::test]
async fn a_webhook_is_delivered_its_failure_shown_and_its_manual_retry_succeeds() {
    let store = store();
    let (milestones, mut reached) = Milestones::channel();
    let api = api_with(store.clone(), milestones, std::sync::Arc::default());
    let ingress = ingress(store, BodyBudget::new(1 << 20), 1 << 20);
    let (port, requests) = destination([503, 200]);
    let body = json!({
        "source": { "name": "shop" },
        "destination": { "name": "erp", "config": { "url": format!("http://127.0.0.1:{port}/hook") } },
    });
    let connection = call(&api, "POST /connections", &body.to_string()).await.json();
    let url = connection["source"]["url"].as_str().unwrap();
    let line = format!("POST /e/{}/a%2Fb?c=d", url.rsplit('/').next().unwrap());

    let accepted = send(&ingress, &line, "x-own: 1\r\n", b"{\"n\":1}").await.json();
    let mut settled = async || loop {
        if let Milestone::Settled(event) = reached.recv().await.unwrap() {
            return event;
        }
    };
    let event = settled().await;
    let shown = call(&api, &format!("GET /events/{event}"), "").await.json();
    assert_eq!((&shown["request_id"], &shown["webhook_id"]), (&accepted["request_id"], &connection["id"]));
    assert_eq!((&shown["status"], &shown["response_status"]), (&json!("FAILED"), &json!(503)));
    let first = requests.recv().unwrap().to_lowercase();
    assert!(first.starts_with("post /hook/a%2fb?c=d http/1.1\r\n") && first.contains("x-own: 1\r\n"), "{first}");

    let refused = call(&api, &format!("PUT /events/{event}/cancel"), "").await;
    assert!(refused.refusal(422, "UNPROCESSABLE_ENTITY").contains("FAILED"));
    let queued = call(&api, &format!("POST /events/{event}/retry"), "{}").await.json();
    assert_eq!((&queued["id"], &queued["status"]), (&json!(event.to_string()), &json!("QUEUED")));
    assert_eq!(settled().await, event);
    let shown = call(&api, &format!("GET /2025-07-01/events/{event}"), "").await.json();
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("SUCCESSFUL"), &json!(2)));
    let attempts = call(&api, &format!("GET /attempts?event_id={event}"), "").await.json();
    let triggers: Vec<_> = attempts["models"].as_array().unwrap().iter().map(|model| &model["trigger"]).collect();
    assert_eq!(triggers, ["MANUAL", "INITIAL"]);
}

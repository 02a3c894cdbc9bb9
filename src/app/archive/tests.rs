//! What an archive has beside events, as it went in: everything that is configured, views, bookmarks with their data. What was
//! erased is not in it.

use std::sync::Arc;

use super::{ExportOptions, export, import};
use crate::{
    app::store_options,
    clock::SystemClock,
    config::{Environment, Loaded, Settings},
    domain::{
        ApiKey, ApiKeyId, ConfigItem, Connection, CustomResponse, Document, Family, Previous, Project, ProjectId,
        Request, ResponseType, Scope, Secret, Source, SourceToken, Timestamp,
    },
    store::{
        DocumentChange, DocumentStretch, Store,
        conformance::{
            START,
            documents::{bookmark, erasure, view},
            kit::{connection, connection_id, destination_id, new_request, request, route, source_id},
        },
        local::{LocalStore, open_ready},
    },
};

const LATER: Timestamp = Timestamp::from_ms(2_000_000_000_000);

fn settings(directory: &std::path::Path) -> Settings {
    let directory = directory.to_str().unwrap();
    Loaded::read(None, &Environment::from_pairs([("HOOKGATE__DATA__DIR", directory)])).unwrap().settings
}

fn opened(settings: &Settings) -> LocalStore {
    LocalStore::open(store_options(settings), Arc::new(SystemClock)).unwrap()
}

fn everything_configured() -> Vec<ConfigItem> {
    let source = Source {
        id: source_id(0),
        name: "source".to_owned(),
        description: None,
        token: SourceToken::new("token"),
        kind: "WEBHOOK".to_owned(),
        allowed_http_methods: Vec::new(),
        custom_response: Some(CustomResponse { content_type: ResponseType::Xml, body: "<ok/>".to_owned() }),
        disabled_at: None,
        deleted_at: None,
        created_at: START,
        updated_at: START,
        version: 1,
    };
    let destination = crate::domain::Destination {
        id: destination_id(1),
        name: "destination".to_owned(),
        description: None,
        kind: crate::domain::DestinationKind::MockApi,
        disabled_at: None,
        deleted_at: None,
        created_at: START,
        updated_at: START,
        version: 1,
    };
    let project = Project {
        id: ProjectId::from_bits(1),
        name: "mine".to_owned(),
        signing_secret: Secret::new("new-secret"),
        previous_secret: Some(Previous { value: Secret::new("old-secret"), until: LATER }),
        created_at: START,
        version: 1,
    };
    let key = ApiKey {
        id: ApiKeyId::from_bits(1),
        label: "rolled".to_owned(),
        hash: [1; 32],
        scope: Scope::Read,
        previous: Some(Previous { value: [2; 32], until: LATER }),
        revoked_at: Some(START),
        created_at: START,
        version: 1,
    };
    vec![
        ConfigItem::Project(project),
        ConfigItem::ApiKey(key),
        ConfigItem::Source(source),
        ConfigItem::Destination(destination),
        ConfigItem::Connection(Connection { destination_id: destination_id(1), ..connection(1, 1, None) }),
    ]
}

fn text_of(settings: &Settings, with_secrets: bool) -> String {
    let mut text = Vec::new();
    export(settings, ExportOptions { config_only: false, with_secrets }, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn documents_and_everything_configured_come_out_as_they_went_in() {
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (before, after) = (settings(before.path()), settings(after.path()));
    let store = opened(&before);
    store.put_config(everything_configured()).wait().unwrap();
    let mut kept = bookmark(1, 1);
    if let Document::Bookmark(kept) = &mut kept {
        kept.connection_id = connection_id(1);
    }
    let attached = Arc::new(request(7));
    let put = [
        DocumentChange::Put(kept.clone(), Some(Arc::clone(&attached))),
        DocumentChange::Put(view(1, 1), None),
        DocumentChange::Put(view(2, 1), None),
    ];
    store.put_documents(put.to_vec()).wait().unwrap();
    store.close();
    drop(store);

    let text = text_of(&before, true);
    assert!(!text_of(&before, false).contains("old-secret"));
    import(&after, &mut text.as_bytes()).unwrap();
    assert_eq!(text_of(&after, true), text);
    let store = open_ready(store_options(&after), Arc::new(SystemClock)).unwrap();
    let items: Vec<ConfigItem> = store.configuration().items().collect();
    assert!(everything_configured().iter().all(|item| items.contains(item)), "{items:?}");
    let all = |family| store.documents(family, DocumentStretch { descending: false, after: None, limit: 9 }).unwrap();
    assert_eq!((all(Family::View), all(Family::Bookmark)), (vec![view(1, 1), view(2, 1)], vec![kept.clone()]));
    assert_eq!(store.attached(kept.key()).as_ref(), Ok(attached.as_ref()));
}

#[test]
fn what_was_erased_is_left_out() {
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (before, after) = (settings(before.path()), settings(after.path()));
    let store = opened(&before);
    store.put_config(everything_configured()).wait().unwrap();
    let private = Request { headers: vec![("x-private".to_owned(), "a-secret-of-theirs".into())], ..request(1) };
    let mut new = new_request(private, &[1]);
    new.routes = vec![route(1)];
    store.accept(new).wait().unwrap();
    assert!(store.event(request(1).id.event(0)).is_ok());
    store.put_documents(vec![DocumentChange::Put(erasure(1), None)]).wait().unwrap();
    store.close();
    drop(store);
    let text = text_of(&before, true);
    assert!(text.contains("\"request\":null") && !text.contains("x-private"), "{text}");
    import(&after, &mut text.as_bytes()).unwrap();
    let store = open_ready(store_options(&after), Arc::new(SystemClock)).unwrap();
    assert_eq!(store.events_of(request(1).id).unwrap().len(), 1);
}

#[test]
fn a_line_of_the_first_format_is_read_with_what_it_lacks() {
    let data = tempfile::tempdir().unwrap();
    let settings = settings(data.path());
    let key = format!(
        "{{\"type\":\"key\",\"id\":\"{}\",\"label\":\"old\",\"sha256\":\"{}\",\"created_at\":\"{START}\"}}",
        ApiKeyId::from_bits(1),
        "a7".repeat(32)
    );
    let text = format!("{{\"type\":\"hookgate\",\"format\":1,\"secrets\":false}}\n{key}\n{{\"type\":\"end\"}}\n");
    import(&settings, &mut text.as_bytes()).unwrap();
    let keys = opened(&settings).configuration().api_keys.clone();
    assert_eq!(keys.values().next().map(|key| key.scope), Some(Scope::Admin));
}

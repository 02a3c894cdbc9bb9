//! Bookmarks: requests that people keep to send them again. What arrived is copied when one is made, so that it stays
//! whatever becomes of the request: also when that expires or is erased.

use std::sync::Arc;

use super::{Answer, Call, Param, Route, Takes, joined, ok, ok_deleted, ok_page};
use crate::{
    actors::DocumentChange,
    domain::{
        BookmarkId, Configuration, ConnectionId, Document, EventDataId, Request,
        directory::{DESCRIPTION_CHARS_MAX, check_name, free_text},
        document::Bookmark,
    },
    query::{PageQuery, StoreError, documents::BookmarkPlace},
    web::{
        error::{ApiError, quoted},
        fields::Fields,
        filters::read_id,
        parameters::{PAGING, Parameters},
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/bookmarks", |call| Box::pin(list(call)))
        .about("Bookmarks that match, a page at a time.")
        .query(LIST)
        .answers("BookmarkPage"),
    Route::new("POST", "/bookmarks", |call| Box::pin(create(call)))
        .about("Keeps what an event or a request arrived with, to send it again over a connection.")
        .takes("NewBookmark")
        .answers("Bookmark"),
    Route::new("GET", "/bookmarks/{id}", |call| Box::pin(one(call)))
        .about("One bookmark with what it keeps.")
        .answers("Bookmark"),
    Route::new("PUT", "/bookmarks/{id}", |call| Box::pin(update(call)))
        .about("Changes what is given of a bookmark.")
        .takes("BookmarkUpdate")
        .answers("Bookmark"),
    Route::new("DELETE", "/bookmarks/{id}", |call| Box::pin(delete(call)))
        .about("Forgets a bookmark and what it keeps.")
        .answers("Deleted"),
    Route::new("GET", "/bookmarks/{id}/raw_body", |call| Box::pin(raw_body(call)))
        .about("The body that a bookmark keeps, as text.")
        .answers("RawBody"),
];

/// Bookmarks at most: each keeps a whole request for as long as it lives, and names are looked for among all.
const BOOKMARKS_MAX: usize = 1000;
/// How often a change is tried again when the bookmark was sent in between.
const TRIES_MAX: u32 = 4;

const FILTERS: [Param; 6] = [
    Param::new("id", Takes::Texts, "any of these bookmarks"),
    Param::new("name", Takes::Texts, "with any of these names"),
    Param::new("webhook_id", Takes::Texts, "over any of these connections"),
    Param::new("event_data_id", Takes::Texts, "of any of these data"),
    Param::new("label", Takes::Texts, "with any of these labels"),
    Param::new("last_used_at", Takes::Time, "when they were last sent"),
];
const LIST: &[Param] = &joined::<11>(&[&FILTERS, &PAGING]);

async fn list(call: Call) -> Answer {
    let matches = read_filter(&call.parameters)?;
    let asked: PageQuery<BookmarkPlace> = call.parameters.page()?;
    let page = call.state.query.bookmarks(matches, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |bookmark| shapes::bookmark(context, bookmark, None)))
}

fn read_filter(parameters: &Parameters) -> Result<impl Fn(&Bookmark) -> bool + Send + 'static, ApiError> {
    let ids: Vec<BookmarkId> = parameters.many("id", read_id)?;
    let connections: Vec<ConnectionId> = parameters.many("webhook_id", read_id)?;
    let data: Vec<EventDataId> = parameters.many("event_data_id", read_id)?;
    let (names, labels) = (parameters.texts("name")?, parameters.texts("label")?);
    let last_used = parameters.moment("last_used_at")?;
    Ok(move |bookmark: &Bookmark| {
        (ids.is_empty() || ids.contains(&bookmark.id))
            && (connections.is_empty() || connections.contains(&bookmark.connection_id))
            && (data.is_empty() || data.contains(&bookmark.event_data_id))
            && names.matches(bookmark.name.as_deref())
            && labels.matches(Some(&bookmark.label))
            && last_used.matches(bookmark.last_used_at)
    })
}

/// What a body says of a bookmark.
#[derive(Default)]
struct Draft {
    event_data_id: Option<EventDataId>,
    connection_id: Option<ConnectionId>,
    label: Option<String>,
    name: Option<Option<String>>,
}

impl Draft {
    fn read(call: &Call, configuration: &Configuration) -> Result<(Self, Fields), ApiError> {
        let mut fields = call.fields()?;
        let event_data_id = read_field(&mut fields, "event_data_id")?;
        let connection_id = read_field(&mut fields, "webhook_id")?;
        let label = fields.text("label")?.map(|label| free_text(&label, "label", DESCRIPTION_CHARS_MAX)).transpose()?;
        let name = fields.text_or_null("name")?;
        if let Some(Some(name)) = &name {
            check_name(name, "name")?;
        }
        if let Some(id) = connection_id {
            check_connection(&fields, configuration, id)?;
        }
        Ok((Self { event_data_id, connection_id, label, name }, fields))
    }
}

fn read_field<Id: std::str::FromStr<Err = crate::domain::id::IdError>>(
    fields: &mut Fields,
    name: &str,
) -> Result<Option<Id>, ApiError> {
    let text = fields.text(name)?;
    text.map(|text| read_id(&text).map_err(|why| fields.refusal(name, &format!("is no such id: {why}")))).transpose()
}

fn check_connection(fields: &Fields, configuration: &Configuration, id: ConnectionId) -> Result<(), ApiError> {
    match configuration.connections.get(&id) {
        None => Err(fields.refusal("webhook_id", "is the id of no connection")),
        Some(connection) if connection.deleted_at.is_some() => {
            Err(fields.refusal("webhook_id", "is the id of a connection that was deleted"))
        }
        Some(_) => Ok(()),
    }
}

async fn create(call: Call) -> Answer {
    let (draft, fields) = Draft::read(&call, &call.configuration())?;
    let required = |name| fields.refusal(name, "is required");
    let event_data_id = draft.event_data_id.ok_or_else(|| required("event_data_id"))?;
    let connection_id = draft.connection_id.ok_or_else(|| required("webhook_id"))?;
    let label = draft.label.ok_or_else(|| required("label"))?;
    fields.finish()?;
    let data = arrived(&call, event_data_id).await?;
    let _turn = call.state.desk.lock().await;
    let all = call.state.query.first_bookmarks(BOOKMARKS_MAX).await?;
    if all.len() >= BOOKMARKS_MAX {
        let message = format!("there are {BOOKMARKS_MAX} bookmarks, and no more: delete one first");
        return Err(ApiError::unprocessable(message));
    }
    let name = draft.name.flatten();
    refuse_taken(name.as_deref(), &all, None)?;
    let (now, random) = call.state.gateway.fresh();
    // Lists are in the order of ids: one made in the same millisecond comes behind those before it.
    let behind = all.iter().map(|known| known.id.bits().saturating_add(1)).max().unwrap_or(0);
    let bookmark = Bookmark {
        id: BookmarkId::from_bits(BookmarkId::from_parts(now, random).bits().max(behind)),
        name,
        label,
        connection_id,
        event_data_id,
        last_used_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let change = DocumentChange::Put(Document::Bookmark(bookmark.clone()), Some(Arc::clone(&data)));
    call.state.gateway.put_documents(vec![change]).await?;
    Ok(shown(&call, &bookmark, Some(&data)))
}

async fn one(call: Call) -> Answer {
    let bookmark = found(&call, call.id()?).await?;
    let data = kept(&call, bookmark.id).await?;
    Ok(shown(&call, &bookmark, data.as_ref()))
}

async fn update(call: Call) -> Answer {
    let id: BookmarkId = call.id()?;
    let (draft, fields) = Draft::read(&call, &call.configuration())?;
    fields.finish()?;
    found(&call, id).await?;
    let data = match draft.event_data_id {
        None => None,
        Some(id) => Some(arrived(&call, id).await?),
    };
    let _turn = call.state.desk.lock().await;
    if let Some(Some(name)) = &draft.name {
        refuse_taken(Some(name), &call.state.query.first_bookmarks(BOOKMARKS_MAX).await?, Some(id))?;
    }
    let mut tries = 0;
    loop {
        let current = found(&call, id).await?;
        let (updated_at, _) = call.state.gateway.fresh();
        let bookmark = Bookmark {
            name: draft.name.clone().unwrap_or(current.name),
            label: draft.label.clone().unwrap_or(current.label),
            connection_id: draft.connection_id.unwrap_or(current.connection_id),
            event_data_id: draft.event_data_id.unwrap_or(current.event_data_id),
            updated_at,
            version: current.version + 1,
            ..current
        };
        let change = DocumentChange::Put(Document::Bookmark(bookmark.clone()), data.clone());
        tries += 1;
        match call.state.gateway.put_documents(vec![change]).await {
            // It was sent meanwhile.
            Err(StoreError::Conflict) if tries < TRIES_MAX => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let data = kept(&call, id).await?;
                return Ok(shown(&call, &bookmark, data.as_ref()));
            }
        }
    }
}

async fn delete(call: Call) -> Answer {
    let id: BookmarkId = call.bare_id()?;
    let mut tries = 0;
    loop {
        let bookmark = Document::Bookmark(found(&call, id).await?);
        tries += 1;
        let change = DocumentChange::Remove(bookmark.key(), bookmark.version());
        match call.state.gateway.put_documents(vec![change]).await {
            Err(StoreError::Conflict) if tries < TRIES_MAX => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(ok_deleted(&id)),
        }
    }
}

async fn raw_body(call: Call) -> Answer {
    let bookmark = found(&call, call.id()?).await?;
    let data = kept(&call, bookmark.id).await?;
    let data = data.ok_or_else(|| ApiError::not_found("what this bookmark keeps is damaged"))?;
    Ok(ok(&shapes::raw_body(&data)))
}

async fn found(call: &Call, id: BookmarkId) -> Result<Bookmark, ApiError> {
    match call.state.query.bookmark(id).await {
        Err(StoreError::NotFound) => Err(ApiError::not_found(format!("there is no bookmark {id}"))),
        found => Ok(found?),
    }
}

/// What a bookmark keeps; `None` when its bytes are damaged.
async fn kept(call: &Call, id: BookmarkId) -> Result<Option<Request>, ApiError> {
    match call.state.query.bookmarked(id).await {
        Ok(request) => Ok(Some(request)),
        Err(StoreError::NotFound | StoreError::Damaged(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What arrived with an event or a request, whole.
async fn arrived(call: &Call, id: EventDataId) -> Result<Arc<Request>, ApiError> {
    let refusal = |why: &str| Err(ApiError::unprocessable(format!("`event_data_id` {why}")));
    match call.state.query.data(id).await {
        Ok(request) if request.body_truncated => {
            refusal("names a request whose body was too large to be kept whole: it could not be sent again")
        }
        Ok(request) => Ok(Arc::new(request)),
        Err(StoreError::NotFound | StoreError::Damaged(_)) => refusal(&format!(
            "{} names nothing that is kept: use that of an event or a request",
            quoted(&id.to_string())
        )),
        Err(error) => Err(error.into()),
    }
}

fn refuse_taken(name: Option<&str>, all: &[Bookmark], of: Option<BookmarkId>) -> Result<(), ApiError> {
    let Some(name) = name else { return Ok(()) };
    if all.iter().any(|other| Some(other.id) != of && other.name.as_deref() == Some(name)) {
        let message = format!("name \"{name}\" is taken by another bookmark: choose another name");
        return Err(ApiError::unprocessable(message));
    }
    Ok(())
}

fn shown(call: &Call, bookmark: &Bookmark, data: Option<&Request>) -> actix_web::HttpResponse {
    let configuration = call.configuration();
    ok(&shapes::bookmark(call.context(&configuration), bookmark, data))
}

//! Views: filters over events that people keep under a name. Four are always there.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Param, Route, events::ORDERS, joined, ok, ok_deleted};
use crate::{
    actors::DocumentChange,
    domain::{
        Document, ViewId,
        directory::{NAME_CHARS_MAX, free_text},
        document::View,
    },
    query::events::EventPlace,
    web::{
        error::ApiError,
        fields::Fields,
        filters::{EVENTS, content, event_filter},
        parameters::{Parameters, paging},
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/views", |call| Box::pin(list(call)))
        .ours()
        .about("The saved filters, those first that are always there.")
        .answers("ViewPage"),
    Route::new("POST", "/views", |call| Box::pin(create(call)))
        .ours()
        .about("Keeps a filter under a name.")
        .takes("NewView")
        .answers("View"),
    Route::new("GET", "/views/{id}", |call| Box::pin(one(call))).ours().about("One saved filter.").answers("View"),
    Route::new("PUT", "/views/{id}", |call| Box::pin(update(call)))
        .ours()
        .about("Changes a saved filter or its name.")
        .takes("ViewUpdate")
        .answers("View"),
    Route::new("DELETE", "/views/{id}", |call| Box::pin(delete(call)))
        .ours()
        .about("Forgets a saved filter.")
        .answers("Deleted"),
];

/// Views at most: more than anybody finds his way in, and few enough to be read whole.
const VIEWS_MAX: usize = 1000;
/// Bytes of a filter's text at most: hundreds of ids.
const FILTER_BYTES_MAX: usize = 16 * 1024;
/// What a filter may say: what a list of events takes, but for the page.
const KNOWN: &[Param] = &joined::<26>(&[&EVENTS, &[paging(&ORDERS)[0], paging(&ORDERS)[1]]]);

/// A view that is always there.
struct BuiltIn {
    id: ViewId,
    name: &'static str,
    statuses: &'static [&'static str],
}

const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn { id: ViewId::from_bits(1), name: "Successful", statuses: &["SUCCESSFUL"] },
    BuiltIn { id: ViewId::from_bits(2), name: "Failed", statuses: &["FAILED"] },
    BuiltIn { id: ViewId::from_bits(3), name: "Pending", statuses: &["QUEUED", "SCHEDULED"] },
    BuiltIn { id: ViewId::from_bits(4), name: "Paused", statuses: &["HOLD"] },
];

impl BuiltIn {
    fn shown(&self, call: &Call) -> Value {
        let since = call.configuration().project.as_ref().map(|project| project.created_at);
        shapes::built_in_view(self.id, self.name, self.statuses, since)
    }
}

async fn list(call: Call) -> Answer {
    let views = all(&call).await?;
    let built_in = BUILT_IN.iter().map(|view| view.shown(&call));
    let models: Vec<Value> = built_in.chain(views.iter().map(shapes::view)).collect();
    // All of them: there are few.
    let pagination = json!({ "order_by": "created_at", "dir": "asc", "limit": models.len() });
    Ok(ok(&json!({ "pagination": pagination, "count": models.len(), "models": models })))
}

async fn create(call: Call) -> Answer {
    let mut fields = call.fields()?;
    let name = fields.required_text("name")?;
    let filter = read_filter(&mut fields)?.unwrap_or_else(|| "{}".to_owned());
    fields.finish()?;
    let _turn = call.state.desk.lock().await;
    let views = all(&call).await?;
    let name = free_name(&name, &views, None)?;
    if views.len() >= VIEWS_MAX {
        return Err(ApiError::unprocessable(format!("there are {VIEWS_MAX} views, and no more: delete one first")));
    }
    let (now, random) = call.state.gateway.fresh();
    // They are shown in the order of ids: one made in the same millisecond comes behind those before it.
    let behind = views.iter().map(|known| known.id.bits().saturating_add(1)).max().unwrap_or(0);
    let id = ViewId::from_bits(ViewId::from_parts(now, random).bits().max(behind));
    let view = View { id, name, filter, created_at: now, updated_at: now, version: 1 };
    keep(&call, view).await
}

async fn one(call: Call) -> Answer {
    let id: ViewId = call.id()?;
    if let Some(view) = BUILT_IN.iter().find(|view| view.id == id) {
        return Ok(ok(&view.shown(&call)));
    }
    Ok(ok(&shapes::view(&found(all(&call).await?, id)?)))
}

async fn update(call: Call) -> Answer {
    let id: ViewId = call.id()?;
    let mut fields = call.fields()?;
    let name = fields.text("name")?;
    let filter = read_filter(&mut fields)?;
    fields.finish()?;
    refuse_built_in(id)?;
    let _turn = call.state.desk.lock().await;
    let views = all(&call).await?;
    let name = name.map(|name| free_name(&name, &views, Some(id))).transpose()?;
    let current = found(views, id)?;
    let changed = View {
        name: name.unwrap_or_else(|| current.name.clone()),
        filter: filter.unwrap_or_else(|| current.filter.clone()),
        ..current.clone()
    };
    if changed == current {
        return Ok(ok(&shapes::view(&current)));
    }
    let (updated_at, _) = call.state.gateway.fresh();
    keep(&call, View { updated_at, version: current.version + 1, ..changed }).await
}

async fn delete(call: Call) -> Answer {
    let id: ViewId = call.bare_id()?;
    refuse_built_in(id)?;
    let _turn = call.state.desk.lock().await;
    let view = Document::View(found(all(&call).await?, id)?);
    call.state.gateway.put_documents(vec![DocumentChange::Remove(view.key(), view.version())]).await?;
    Ok(ok_deleted(&id))
}

async fn all(call: &Call) -> Result<Vec<View>, ApiError> {
    Ok(call.state.query.first_views(VIEWS_MAX).await?)
}

async fn keep(call: &Call, view: View) -> Answer {
    let shown = shapes::view(&view);
    call.state.gateway.put_documents(vec![DocumentChange::Put(Document::View(view), None)]).await?;
    Ok(ok(&shown))
}

fn found(views: Vec<View>, id: ViewId) -> Result<View, ApiError> {
    views.into_iter().find(|view| view.id == id).ok_or_else(|| ApiError::not_found(format!("there is no view {id}")))
}

fn refuse_built_in(id: ViewId) -> Result<(), ApiError> {
    match BUILT_IN.iter().find(|view| view.id == id) {
        None => Ok(()),
        Some(view) => {
            let message = format!("the view {} is always there and stays as it is: make one of your own", view.name);
            Err(ApiError::unprocessable(message))
        }
    }
}

/// A name that no other view has.
fn free_name(name: &str, views: &[View], of: Option<ViewId>) -> Result<String, ApiError> {
    let name = free_text(name, "name", NAME_CHARS_MAX)?;
    let others = views.iter().filter(|view| Some(view.id) != of).map(|view| view.name.as_str());
    if others.chain(BUILT_IN.iter().map(|view| view.name)).any(|other| other == name) {
        return Err(ApiError::unprocessable(format!("name \"{name}\" is taken by another view: choose another name")));
    }
    Ok(name)
}

/// Reads `filter`, which must be one that a list of events would obey; answers its text.
fn read_filter(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    let filter: Map<String, Value> = match fields.take("filter") {
        None => return Ok(None),
        Some(Value::Object(filter)) => filter,
        Some(_) => return Err(fields.refusal("filter", "must be an object, such as {\"status\": \"FAILED\"}")),
    };
    let parameters = Parameters::of_object(&filter, KNOWN, "filter.")?;
    parameters.page_in::<EventPlace>(&ORDERS)?;
    event_filter(&parameters)?;
    content(&parameters)?;
    let text = Value::Object(filter).to_string();
    if text.len() > FILTER_BYTES_MAX {
        return Err(fields.refusal("filter", &format!("must have at most {FILTER_BYTES_MAX} bytes")));
    }
    Ok(Some(text))
}

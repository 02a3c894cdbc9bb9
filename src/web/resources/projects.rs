//! The project and its organization: a gateway has one of each, and they have one name.

use serde_json::json;

use super::{Answer, Call, Route, identity::project, ok};
use crate::{
    domain::{ProjectId, directory::Command},
    web::{
        error::ApiError,
        profiles::{self as shapes, Profile},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/projects", |call| Box::pin(list(call)))
        .about("Lists the project, as a bare array.")
        .answers("ListedProjects")
        .since(Profile::V2026_09_01),
    Route::new("POST", "/projects", |call| Box::pin(refuse(call)))
        .about("Refuses: a gateway has one project.")
        .takes("NameInput")
        .answers("Project")
        .since(Profile::V2026_09_01),
    Route::new("GET", "/projects/{id}", |call| Box::pin(one(call)))
        .about("Shows the project.")
        .answers("Project")
        .since(Profile::V2026_09_01),
    Route::new("PUT", "/projects/{id}", |call| Box::pin(rename(call)))
        .about("Gives the project another name.")
        .takes("NameInput")
        .answers("Project")
        .since(Profile::V2026_09_01),
    Route::new("DELETE", "/projects/{id}", |call| Box::pin(refuse(call)))
        .about("Refuses: a gateway has one project.")
        .answers("Deleted")
        .since(Profile::V2026_09_01),
    Route::new("GET", "/teams", |call| Box::pin(teams(call)))
        .about("Lists the project as it was called before, as a bare array.")
        .answers("ListedTeams")
        .until(Profile::V2025_07_01),
    Route::new("GET", "/organizations/current", |call| Box::pin(organization(call)))
        .about("Shows the organization.")
        .answers("Organization")
        .since(Profile::V2026_09_01),
    Route::new("PUT", "/organizations/current", |call| Box::pin(rename_organization(call)))
        .about("Gives the organization, and with it the project, another name.")
        .takes("NameInput")
        .answers("Organization")
        .since(Profile::V2026_09_01),
];

#[expect(clippy::unused_async, reason = "handlers are")]
async fn list(call: Call) -> Answer {
    let configuration = call.configuration();
    Ok(ok(&json!([shapes::listed_project(project(configuration.project.as_deref())?)])))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn teams(call: Call) -> Answer {
    let configuration = call.configuration();
    Ok(ok(&json!([shapes::listed_team(project(configuration.project.as_deref())?)])))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn refuse(_: Call) -> Answer {
    Err(ApiError::unprocessable("a gateway has one project, which comes and goes with its data directory"))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    is_this_one(&call)?;
    let configuration = call.configuration();
    Ok(ok(&shapes::project(project(configuration.project.as_deref())?)))
}

async fn rename(call: Call) -> Answer {
    is_this_one(&call)?;
    let configuration = put_name(&call).await?;
    Ok(ok(&shapes::project(project(configuration.project.as_deref())?)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn organization(call: Call) -> Answer {
    let configuration = call.configuration();
    Ok(ok(&shapes::organization(project(configuration.project.as_deref())?)))
}

async fn rename_organization(call: Call) -> Answer {
    let configuration = put_name(&call).await?;
    Ok(ok(&shapes::organization(project(configuration.project.as_deref())?)))
}

/// Checks the id in the path.
fn is_this_one(call: &Call) -> Result<(), ApiError> {
    let id: ProjectId = call.id()?;
    let configuration = call.configuration();
    if project(configuration.project.as_deref())?.id == id {
        return Ok(());
    }
    Err(ApiError::not_found(format!("there is no project {id}: GET /projects lists the one there is")))
}

async fn put_name(call: &Call) -> Result<std::sync::Arc<crate::domain::Configuration>, ApiError> {
    let mut fields = call.fields()?;
    let name = fields.required_text("name")?;
    fields.finish()?;
    Ok(call.apply(Command::RenameProject(name)).await?.configuration)
}

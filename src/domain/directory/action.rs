//! What an audit calls a change.

use super::Command;

impl Command {
    /// The thing and the verb, such as `connection.pause`.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::CreateSource(_) => "source.create",
            Self::UpsertSource(_) => "source.upsert",
            Self::UpdateSource(..) => "source.update",
            Self::EnableSource(_) => "source.enable",
            Self::DisableSource(_) => "source.disable",
            Self::DeleteSource(_) => "source.delete",
            Self::CreateDestination(_) => "destination.create",
            Self::UpsertDestination(_) => "destination.upsert",
            Self::UpdateDestination(..) => "destination.update",
            Self::EnableDestination(_) => "destination.enable",
            Self::DisableDestination(_) => "destination.disable",
            Self::DeleteDestination(_) => "destination.delete",
            Self::CreateConnection(_) => "connection.create",
            Self::UpsertConnection(_) => "connection.upsert",
            Self::UpdateConnection(..) => "connection.update",
            Self::Pause(_) => "connection.pause",
            Self::Unpause(_) => "connection.unpause",
            Self::EnableConnection(_) => "connection.enable",
            Self::DisableConnection(_) => "connection.disable",
            Self::DeleteConnection(_) => "connection.delete",
            Self::RenameProject(_) => "project.rename",
            Self::Access(change) => change.action(),
        }
    }
}

//! `backup` and `restore`, and what they tell whoever gave the command.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    clock::{Clock, SystemClock},
    config::Settings,
    store::local::backup::{self, MakeOptions},
};

/// What a backup came to.
#[derive(Debug)]
pub struct BackupReport {
    made: backup::Made,
    into: PathBuf,
    key: Key,
}

/// Where the key is that opens the secrets in a backup.
#[derive(Debug)]
enum Key {
    WithIt,
    Environment,
    File(PathBuf),
}

impl BackupReport {
    /// Whether everything in the journal was as it was written.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.made.damage.is_empty()
    }
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backup::Made { segments, kept, bytes, damage, .. } = &self.made;
        for damage in damage {
            writeln!(f, "damaged before it was backed up, and as it is in the backup: {damage}")?;
        }
        let into = self.into.display();
        writeln!(f, "backed up into {into}: {segments} segments ({kept} were there already), {bytes} bytes")?;
        match &self.key {
            Key::WithIt => write!(f, "the key is in it: whoever has this backup can read the secrets in it"),
            Key::Environment => {
                write!(f, "the key is not in it: without HOOKGATE_MASTER_KEY the secrets in it are lost")
            }
            Key::File(path) => write!(
                f,
                "the key is not in it: keep {} elsewhere as well, without it the backup cannot be used",
                path.display()
            ),
        }
    }
}

/// Backs the data directory up into another one, whether or not a gateway runs on it.
///
/// # Errors
///
/// When either directory cannot be used.
pub fn backup(settings: &Settings, into: &Path, options: MakeOptions) -> anyhow::Result<BackupReport> {
    let has_file = settings.master_key().is_none();
    if options.with_key && !has_file {
        return Err(backup::BackupError::KeyElsewhere.into());
    }
    let made = backup::make(&settings.data.dir, into, options, SystemClock.now())?;
    let key = match (made.has_key, has_file) {
        (true, _) => Key::WithIt,
        (false, false) => Key::Environment,
        (false, true) => Key::File(settings.data.dir.join("key")),
    };
    Ok(BackupReport { made, into: into.to_owned(), key })
}

/// Makes the data directory from a backup.
///
/// # Errors
///
/// When the backup is not whole, or there is something in the data directory.
pub fn restore(settings: &Settings, from: &Path) -> anyhow::Result<String> {
    let data = &settings.data.dir;
    let backup::Restored { made_at, segments, bytes, has_key } = backup::restore(from, data)?;
    let key = if has_key || settings.master_key().is_some() {
        String::new()
    } else {
        format!("\nput the key file of the gateway at {} before you start it", data.join("key").display())
    };
    let what = format!("{segments} segments, {bytes} bytes, everything acknowledged before {made_at}");
    Ok(format!("restored into {}: {what}; the next start makes the state anew{key}", data.display()))
}

//! The command line: reads it, loads the settings, calls [`app`], turns the result into an exit code.

use std::{
    fmt,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    app::{self, ArchiveError, CliConfigError, ExportOptions},
    config::{ConfigError, Environment, Loaded, Settings},
    domain::Scope,
    store::local::{
        OpenError,
        backup::{BackupError, MakeOptions},
        import::ImportError,
    },
    telemetry::{self, panic_message},
};

/// `check` found something, or `backup` met it.
const FOUND: u8 = 1;
/// The command line or the configuration is wrong; clap uses the same.
const USAGE: u8 = 2;
/// We failed: `EX_SOFTWARE` of sysexits.h.
const INTERNAL: u8 = 70;

/// Receives webhooks, keeps them on disk, delivers them until accepted or given up.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 fine, 1 check or backup found damage, 2 wrong usage or configuration, 70 internal failure."
)]
struct Cli {
    /// Configuration file in TOML; otherwise the one `HOOKGATE_CONFIG` names, otherwise none
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Default, Subcommand)]
enum Command {
    /// Run the gateway (this is what happens without a command)
    #[default]
    Serve,
    /// Look through every byte of the journal for damage; changes nothing, needs the gateway stopped
    Check,
    /// Make the state anew from the journal; needs the gateway stopped
    Rebuild {
        /// Keep what is whole where the journal is damaged, and say what is lost
        #[arg(long)]
        salvage: bool,
    },
    /// Back up the data directory into DIR, while the gateway runs or not; again into the same one costs what is new
    Backup {
        /// Where to: a new directory, or one with an earlier backup
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Put the key that seals secrets in as well; whoever has the backup then has the secrets
        #[arg(long)]
        with_key: bool,
        /// Read what an earlier backup brought as well, and copy again what is no longer as it was written
        #[arg(long)]
        verify: bool,
    },
    /// Make the data directory (data.dir), which must be empty or missing, from the backup in DIR
    Restore {
        /// The backup
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Write the data directory to standard output as JSON lines; needs the gateway stopped
    Export {
        /// Leave events and bookmarks out
        #[arg(long)]
        config_only: bool,
        /// Put the signing secret and destinations' credentials in
        #[arg(long)]
        with_secrets: bool,
    },
    /// Make the data directory (data.dir), which must be empty or missing, from JSON lines on standard input
    Import,
    /// Write the configuration file of Hookdeck's CLI for this gateway, to standard output or into a file
    CliConfig {
        /// The API key in it; otherwise that of `HOOKGATE_API_KEY`; otherwise a new one, for which the gateway must be stopped
        #[arg(long, value_name = "KEY")]
        api_key: Option<String>,
        /// Write it into this file, which must not be there yet, for its owner alone
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// API keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ConfigCommand {
    /// Show the settings in effect, each with where it comes from; never secrets
    Show,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make an API key and show it this once; needs the gateway stopped
    New {
        /// What the key is for, shown in lists
        #[arg(long, default_value = "")]
        label: String,
        /// What it allows: read looks at everything but secrets, write changes and sends, admin has keys and secrets as well
        #[arg(long, default_value = "admin", value_parser = scope)]
        scope: Scope,
    },
}

/// What a command came to.
enum Outcome {
    Done,
    /// `check` or `backup` has found damage and told it.
    Found,
}

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version arrive here too; clap knows their exit code.
        Err(error) => error.exit(),
    };
    match catch_unwind(AssertUnwindSafe(|| dispatch(cli))) {
        Ok(Ok(Outcome::Done)) => ExitCode::SUCCESS,
        Ok(Ok(Outcome::Found)) => ExitCode::from(FOUND),
        Ok(Err(error)) => {
            complain(&format_args!("{error:#}"));
            ExitCode::from(exit_code(&error))
        }
        Err(panic) => {
            complain(&format_args!("internal failure: {}", panic_message(panic.as_ref())));
            ExitCode::from(INTERNAL)
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    let loaded = Loaded::read(cli.config.as_deref(), &Environment::of_process()?)?;
    let command = cli.command.unwrap_or_default();
    if let Command::Config { command: ConfigCommand::Show } = command {
        print(&loaded.describe())?;
        return Ok(Outcome::Done);
    }
    telemetry::start(&loaded.settings.log)?;
    if let Some(file) = &loaded.file {
        tracing::info!(file = %file.display(), "configuration read");
    }
    let settings = loaded.settings;
    match command {
        Command::Serve => app::serve(settings)?,
        Command::Check => {
            let report = app::check(&settings)?;
            print(&report)?;
            return Ok(if report.is_clean() { Outcome::Done } else { Outcome::Found });
        }
        Command::Backup { directory, with_key, verify } => {
            let report = app::backup(&settings, &directory, MakeOptions { with_key, verify })?;
            print(&report)?;
            return Ok(if report.is_clean() { Outcome::Done } else { Outcome::Found });
        }
        Command::Export { config_only, with_secrets } => {
            export(&settings, ExportOptions { config_only, with_secrets })?;
        }
        Command::Import => print(&app::import(&settings, &mut std::io::stdin().lock())?)?,
        Command::Restore { directory } => print(&app::restore(&settings, &directory)?)?,
        Command::Rebuild { salvage } => print(&app::rebuild(&settings, salvage)?)?,
        Command::Key { command: KeyCommand::New { label, scope } } => print(&app::new_key(&settings, &label, scope)?)?,
        Command::CliConfig { api_key, output } => {
            let config = app::cli_config(&settings, api_key)?;
            match output {
                Some(file) => config.write_to(&file)?,
                None => print(&config)?,
            }
        }
        Command::Config { command: ConfigCommand::Show } => {}
    }
    Ok(Outcome::Done)
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| format!("must be one of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

/// Writes the lines to standard output; how many they were is told beside.
fn export(settings: &Settings, options: ExportOptions) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let exported = app::export(settings, options, &mut out)?;
    tracing::info!("{exported}");
    Ok(())
}

/// Whoever can mend it decides: the person who wrote the configuration, or us.
fn exit_code(error: &anyhow::Error) -> u8 {
    let theirs = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<ConfigError>()
            || cause.is::<ArchiveError>()
            || cause.is::<CliConfigError>()
            || cause.downcast_ref().is_some_and(OpenError::is_usage)
            || cause.downcast_ref().is_some_and(BackupError::is_usage)
            || cause.downcast_ref().is_some_and(ImportError::is_usage)
    };
    if error.chain().any(theirs) { USAGE } else { INTERNAL }
}

/// Prints what was asked for, with one line feed at its end.
fn print(text: &impl fmt::Display) -> std::io::Result<()> {
    let text = text.to_string();
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
        // `hookgate config show | head` is not a failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Says on standard error why nothing more happens; when that is closed there is nobody to tell.
fn complain(text: &fmt::Arguments<'_>) {
    writeln!(std::io::stderr().lock(), "hookgate: {text}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::Origin;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_the_gateway_runs() {
        assert!(matches!(parse("hookgate").unwrap().command.unwrap_or_default(), Command::Serve));
    }

    #[test]
    fn the_configuration_file_may_stand_on_either_side_of_the_command() {
        for line in ["hookgate --config a.toml check", "hookgate check --config a.toml"] {
            assert_eq!(parse(line).unwrap().config, Some(PathBuf::from("a.toml")), "{line}");
        }
    }

    #[test]
    fn words_that_are_no_command_are_refused() {
        for line in ["hookgate start", "hookgate key", "hookgate config", "hookgate rebuild --force"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), i32::from(USAGE), "{line}");
        }
    }

    #[test]
    fn configuration_is_the_users_and_the_rest_is_ours() {
        let key = "api.listen".to_owned();
        let wrong = ConfigError::Invalid { key, problem: "is taken".into(), origin: Origin::Default };
        let wrapped = Err::<(), _>(wrong).context("cannot start").unwrap_err();
        assert_eq!(exit_code(&wrapped), USAGE);
        assert_eq!(exit_code(&anyhow::anyhow!("disk on fire")), INTERNAL);
    }
}

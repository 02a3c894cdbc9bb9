//! The command line as a user meets it: what the real binary prints where, and its exit codes.

use std::process::{Command, Output};

fn hookgate(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hookgate"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary was built with this test")
}

/// Asserts the exit code and returns (standard output, standard error).
#[track_caller]
fn ended(output: Output, code: i32) -> (String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    (stdout, stderr)
}

#[test]
fn config_show_prints_each_setting_with_its_origin_and_no_secret() {
    let variables = [("HOOKGATE__DELIVERY__CONCURRENCY", "9"), ("HOOKGATE_API_KEY", "a-key-to-be-kept-back")];
    let (stdout, stderr) = ended(hookgate(&["--config", "config/example.toml", "config", "show"], &variables), 0);
    for part in [
        "concurrency = 9 ",
        "# environment variable HOOKGATE__DELIVERY__CONCURRENCY",
        "retention_days = 14 ",
        "# file config/example.toml",
        "# default",
        "# HOOKGATE_API_KEY: set",
    ] {
        assert!(stdout.contains(part), "{part:?} is not in {stdout}");
    }
    assert!(!stdout.contains("a-key-to-be-kept-back"));
    assert_eq!(stderr, "");
}

#[test]
fn a_wrong_setting_ends_with_2_and_one_line_that_names_it() {
    for command in [&["serve"] as &[_], &[], &["check"], &["config", "show"]] {
        let (stdout, stderr) = ended(hookgate(command, &[("HOOKGATE__INGRESS__LISEN", "x")]), 2);
        assert_eq!(stdout, "");
        let line = "hookgate: unknown setting ingress.lisen (environment variable HOOKGATE__INGRESS__LISEN); \
                    did you mean HOOKGATE__INGRESS__LISTEN?\n";
        assert_eq!(stderr, line);
    }
}

#[test]
fn a_file_that_is_missing_ends_with_2_and_says_why() {
    let (_, stderr) = ended(hookgate(&["config", "show"], &[("HOOKGATE_CONFIG", "nowhere.toml")]), 2);
    assert!(stderr.starts_with("hookgate: cannot read the configuration file nowhere.toml: "), "{stderr}");
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    ended(hookgate(&["start"], &[]), 2);
    let (stdout, _) = ended(hookgate(&["--help"], &[]), 0);
    for word in [
        "serve",
        "check",
        "rebuild",
        "backup",
        "restore",
        "export",
        "import",
        "cli-config",
        "config",
        "key",
        "Exit codes",
    ] {
        assert!(stdout.contains(word), "{word} is not in {stdout}");
    }
}

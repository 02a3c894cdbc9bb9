//! A shell script stands in for the gateway: what is tested is how it is started, stopped and listened to.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A fork of another test would inherit a half-written program's descriptor, and running it would fail as busy.
static FORKING: Mutex<()> = Mutex::new(());

/// A program of ours in a directory of its own, and the right to start processes.
fn script(text: &str) -> (tempfile::TempDir, PathBuf, parking_lot::MutexGuard<'static, ()>) {
    let forking = FORKING.lock();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (directory, path, forking)
}

#[test]
fn settings_reach_a_program_and_all_it_says_comes_back() {
    let text = r#"echo "$HOOKGATE__DELIVERY__TIMEOUT_MS"; echo "$HOOKGATE__DATA__DIR" >&2; exit 3"#;
    let (directory, program, _forking) = script(text);
    let ended = Launch::new(program, directory.path()).setting("delivery.timeout_ms", "7").run_to_end();
    assert_eq!(ended.status.code(), Some(3));
    let mut lines: Vec<&str> = ended.output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [directory.path().to_str().unwrap(), "7"]);
}

#[test]
fn a_program_can_be_asked_to_stop() {
    let (directory, program, _forking) =
        script("trap 'echo bye; exit 0' TERM; echo up; while :; do read -r _ <&-; done 2>&-");
    let gateway = Launch::new(program, directory.path()).spawn();
    assert!(poll(PATIENCE, || gateway.output().contains("up").then_some(())).is_some());
    let ended = gateway.stop();
    assert_eq!((ended.status.code(), ended.output.as_str()), (Some(0), "up\nbye\n"));
}

#[test]
#[should_panic(expected = "wrong setting")]
fn a_gateway_that_ends_instead_of_getting_ready_fails_the_test_with_what_it_said() {
    let (directory, program, _forking) = script("echo wrong setting; exit 2");
    drop(Launch::new(program, directory.path()).start());
}

#[test]
#[should_panic(expected = "the gateway panicked")]
fn a_gateway_in_which_something_panicked_fails_the_test_even_when_all_else_is_fine() {
    let (directory, program, _forking) = script("echo panic: out of luck");
    drop(Launch::new(program, directory.path()).run_to_end());
}

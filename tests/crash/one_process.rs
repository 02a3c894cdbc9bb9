//! One process per data directory.

use hookgate::testkit::{NumberedBody, PATIENCE, TestDestination};

use crate::support::{flows, launch};

#[test]
fn a_second_process_on_the_directory_ends_at_once_naming_it_and_the_first_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let first = launch(data.path()).start();
    let flow = flows(&first.client(), 1, &destination).remove(0);

    let second = launch(data.path()).run_to_end();
    assert!(!second.status.success(), "{}", second.output);
    assert!(second.output.contains(&data.path().display().to_string()), "{}", second.output);

    drop(first.client().ingest(&flow, &NumberedBody::numbered(7)));
    assert_eq!(destination.next_request(PATIENCE).number(), Some(7));
}

#[test]
fn after_a_kill_the_directory_is_free_again() {
    let data = tempfile::tempdir().unwrap();
    launch(data.path()).start().kill();
    let ended = launch(data.path()).start().stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
}

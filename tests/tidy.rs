//! Checks the repository itself: layers, places, sizes, words. Each rule is a pure function from a file to findings,
//! run over every file by one test and proven to fail by another (`samples`). What a finding says is what to do.
//!
//! Words this file forbids are put together with `concat!`, so that it may be checked as well.

#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/samples.rs"]
mod samples;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rust::{begins, find_root, imports, is_test_file, is_word, production_code};

/// What a module may import of ours besides itself, as paths; CONTRIBUTING's table. A module that is not here is refused.
const LAYERS: [(&str, &[&str]); 14] = [
    ("domain", &[]),
    // The words for time are the domain's.
    ("clock", &["domain"]),
    ("store", &["domain", "clock"]),
    ("transport", &["domain", "clock"]),
    ("config", &["domain", "clock"]),
    ("telemetry", &["config"]),
    ("actors", &["domain", "clock", "store", "transport"]),
    ("ingress", &["domain", "clock", "store", "actors"]),
    ("query", &["domain", "clock", "store", "actors"]),
    ("web", &["domain", "ingress", "query", "actors"]),
    ("app", &["*"]),
    ("cli", &["*"]),
    ("lib", &["*"]),
    ("testkit", &["*"]),
];

/// Implementations behind the two traits: named by the composition root and by their own kind only.
const CONCRETE: [&str; 6] =
    ["store::local", "store::memory", "store::faulty", "store::conformance", "transport::awc", "transport::scripted"];

/// Text that may stand in one place only, and where.
const PLACES: [(&str, &str); 7] = [
    ("sled::", "src/store/local/state"),
    ("awc::", "src/transport/awc"),
    ("hickory_resolver::", "src/transport/resolver"),
    ("Utc::now", "src/clock.rs"),
    ("SystemTime::now", "src/clock.rs"),
    ("env::", "src/config/environment.rs"),
    ("hookgate::", "src/main.rs"),
];

/// Words of unfinished work.
const LEFTOVERS: [&str; 6] = [
    concat!("to", "do!"),
    concat!("TO", "DO"),
    concat!("unimple", "mented!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("db", "g!"),
];

/// What only makes sense on the machine it was written on.
const MACHINE: [&str; 7] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("replace", "-with"),
    concat!("sparse", "+http"),
    concat!("index.", "crates.io"),
];

const LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 140;

// ---- the rules -------------------------------------------------------------------------------------------------

/// Imports go downwards only.
fn layers(path: &str, text: &str) -> Vec<String> {
    let Some(inner) = path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")) else { return Vec::new() };
    let mut modules: Vec<&str> = inner.split('/').collect();
    modules.pop_if(|last| *last == "mod");
    if is_test_file(path, text) || modules == ["main"] {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(module, _)| *module == modules[0]) else {
        return vec![format!("{path}: add module `{}` to CONTRIBUTING's layers table and to LAYERS", modules[0])];
    };
    if allowed.contains(&"*") {
        return Vec::new();
    }
    let foreign = |import: &str| {
        let permitted = allowed.iter().any(|path| begins(import, path));
        !begins(import, modules[0]) && (!permitted || CONCRETE.iter().any(|path| begins(import, path)))
    };
    let wrong = imports(&production_code(text), modules.len()).into_iter().filter(|import| foreign(import));
    wrong
        .map(|import| format!("{path}: `{}` must not import `{import}`: see CONTRIBUTING, Layers", modules[0]))
        .collect()
}

/// Crates and effects that have one place.
fn places(path: &str, text: &str) -> Vec<String> {
    if !path.starts_with("src/") || !path.ends_with(".rs") || is_test_file(path, text) {
        return Vec::new();
    }
    let code = production_code(text);
    let wrong = PLACES.iter().filter(|(word, place)| !path.starts_with(place) && find_root(&code, word));
    wrong
        .map(|(word, place)| format!("{path}: `{word}` belongs into {place} only: go through what it offers"))
        .collect()
}

/// Every source file says first what it owns.
fn opening(path: &str, text: &str) -> Vec<String> {
    let wrong = path.ends_with(".rs") && !text.starts_with("//!");
    wrong.then(|| format!("{path}: open with `//!`: what it owns, what it never does")).into_iter().collect()
}

/// Files and lines stay readable.
fn sizes(path: &str, text: &str) -> Vec<String> {
    if !path.ends_with(".rs") && !path.ends_with(".toml") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings
            .push(format!("{path}: {lines} lines: split it, {LINES_MAX} are the limit (tests go to `name/tests.rs`)"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX {
            findings.push(format!("{path}:{number}: {columns} columns: break it, {COLUMNS_MAX} are the limit"));
        }
    }
    findings
}

/// No unfinished work.
fn leftovers(path: &str, text: &str) -> Vec<String> {
    find_words(path, text, &LEFTOVERS, "finish it or take it out")
}

/// Nothing that works on one machine only. The lock file's and deny's registry is everybody's.
fn machine(path: &str, text: &str) -> Vec<String> {
    find_words(path, text, &MACHINE, "name no machine's paths or registries: use relative paths")
}

/// The change log can take the next change.
fn changelog(text: &str) -> Vec<String> {
    let missing = !text.lines().any(|line| line.starts_with("## [Unreleased]"));
    missing.then(|| "CHANGELOG.md: add a section `## [Unreleased]`".to_owned()).into_iter().collect()
}

/// The default file is the reference of the settings.
fn commented(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut before = "";
    for line in text.lines() {
        if line.contains('=') && !line.starts_with('#') && !before.starts_with('#') {
            findings.push(format!("config/default.toml: put a comment above `{line}`: what it does, its unit"));
        }
        before = line;
    }
    findings
}

fn find_words(path: &str, text: &str, words: &[&str], advice: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for word in words {
            // `example.com` followed by a path is no path of a machine; neither is a part of a longer word.
            let alone = |at: usize| !line[..at].ends_with(|c: char| is_word(c) || matches!(c, '.' | '}' | '-'));
            if line.match_indices(word).any(|(at, _)| alone(at)) {
                findings.push(format!("{path}:{number}: `{word}`: {advice}"));
            }
        }
    }
    findings
}

// ---- the repository --------------------------------------------------------------------------------------------

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file that is or would be committed: as git lists them, or all but build output in a bare copy.
fn files() -> Vec<(String, String)> {
    let listed = Command::new("git").args(["ls-files", "-z", "-co", "--exclude-standard"]).current_dir(root()).output();
    let mut paths: Vec<PathBuf> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(PathBuf::from).collect()
        }
        _ => walk(Path::new("")),
    };
    paths.sort();
    let read = |path: PathBuf| Some((path.to_str()?.to_owned(), std::fs::read_to_string(root().join(&path)).ok()?));
    let files: Vec<_> = paths.into_iter().filter_map(read).collect();
    assert!(files.iter().any(|(path, _)| path == "src/lib.rs"), "the repository's files were not found");
    files
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(directory))
        .expect("a directory can be listed")
        .map(|entry| entry.expect("and read"))
    {
        let name = entry.file_name();
        let path = directory.join(&name);
        if !entry.file_type().expect("an entry has a type").is_dir() {
            found.push(path);
        } else if ![".git", "target", "data", "node_modules"].iter().any(|skipped| name == *skipped) {
            found.extend(walk(&path));
        }
    }
    found
}

#[track_caller]
fn assert_tidy(rule: fn(&str, &str) -> Vec<String>) {
    let findings: Vec<String> = files().iter().flat_map(|(path, text)| rule(path, text)).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn modules_import_only_from_layers_below() {
    assert_tidy(layers);
}

#[test]
fn crates_and_effects_that_have_one_place_stay_there() {
    assert_tidy(places);
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    assert_tidy(opening);
}

#[test]
fn files_and_lines_are_short_enough_to_read() {
    assert_tidy(sizes);
}

#[test]
fn no_unfinished_work_is_left() {
    assert_tidy(leftovers);
}

#[test]
fn nothing_names_a_machine_or_a_registry() {
    assert_tidy(machine);
}

#[test]
fn the_change_log_has_a_place_for_the_next_change() {
    assert_eq!(changelog(&read("CHANGELOG.md")), Vec::<String>::new());
}

#[test]
fn every_setting_is_explained() {
    assert_eq!(commented(&read("config/default.toml")), Vec::<String>::new());
}

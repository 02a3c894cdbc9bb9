//! Each rule fails on a bad sample and passes a good one.

use super::*;

#[test]
fn upward_imports_are_found_in_every_spelling() {
    let bad = [
        ("src/domain/event.rs", "use crate::store::Store;"),
        ("src/domain/rule/mod.rs", "use super::super::clock::Clock;"),
        ("src/store/mod.rs", "use crate::{domain::Seq, actors::Gateway};"),
        ("src/store/mod.rs", "use crate::{\n    domain::{Seq, Event},\n    web,\n};"),
        ("src/actors/gateway.rs", "fn f() { crate::store::local::open() }"),
        ("src/actors/gateway.rs", "use crate::{store::{query::Page, memory::Memory}};"),
        ("src/web/mod.rs", "use crate::store::Store;"),
        ("src/novelty.rs", "fn f() {}"),
    ];
    for (path, text) in bad {
        assert_eq!(layers(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn downward_imports_tests_comments_and_strings_pass() {
    let good = [
        ("src/store/mod.rs", "use crate::{domain::{Seq, Event}, clock::Clock};"),
        ("src/store/local/mod.rs", "use crate::store::memory::Memory; use super::StoreError;"),
        ("src/domain/rule/mod.rs", "use super::Timestamp; use crate::domain::Seq;"),
        ("src/actors/gateway.rs", "use crate::store::{Store, query::Page};"),
        ("src/domain/event.rs", "#[cfg(test)]\nmod tests { use crate::store::Store; fn f() { {} } }\n"),
        ("src/domain/event.rs", "#[cfg(test)]\nmod tests;\n// crate::store\n/// [`crate::web`]\n"),
        ("src/domain/event.rs", "const A: &str = \"crate::web\"; const B: &str = r#\"a\"crate::web\"#;"),
        ("src/domain/tests.rs", "use crate::store::Store;"),
        ("src/app.rs", "use crate::store::local::LocalStore;"),
    ];
    for (path, text) in good {
        assert_eq!(layers(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn what_follows_a_test_module_or_a_literal_is_still_seen() {
    let text = "#[cfg(test)] mod tests { fn f() { '{'; '\\''; } }\nfn g<'a>() {} use crate::web::A;";
    assert_eq!(layers("src/domain/event.rs", text).len(), 1);
}

#[test]
fn effects_out_of_place_are_found() {
    let bad = [
        "sled::open(p)",
        "use awc::Client;",
        "use ::awc::Client;",
        "chrono::Utc::now()",
        "std::env::var(n)",
        "env::vars()",
    ];
    for text in bad {
        assert_eq!(places("src/actors/gateway.rs", text).len(), 1, "{text}");
    }
    let good =
        ["use crate::transport::awc::Factory;", "env!(\"X\")", "// sled::open", "let parsled::x", "\"env::var\""];
    for text in good {
        assert_eq!(places("src/actors/gateway.rs", text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(places("src/store/local/state/tree.rs", "sled::open(p)"), Vec::<String>::new());
}

#[test]
fn bare_openings_long_files_and_long_lines_are_found() {
    assert_eq!(opening("src/a.rs", "use b;\n").len(), 1);
    assert_eq!(opening("src/a.rs", "//! A.\n"), Vec::<String>::new());
    assert_eq!(sizes("src/a.rs", &"x\n".repeat(LINES_MAX + 1)).len(), 1);
    assert_eq!(sizes("src/a.rs", &"ü".repeat(COLUMNS_MAX + 1)).len(), 1);
    let full = format!("{}\n", "ü".repeat(COLUMNS_MAX)).repeat(LINES_MAX);
    assert_eq!(sizes("src/a.rs", &full), Vec::<String>::new());
}

#[test]
fn every_forbidden_word_is_found_where_it_stands_alone() {
    for word in LEFTOVERS {
        assert_eq!(leftovers("a.rs", &format!("fn f() {{\n    {word}(1)\n}}")).len(), 1, "{word}");
        assert_eq!(leftovers("a.rs", &format!("a{word}")), Vec::<String>::new(), "{word}");
    }
    for word in MACHINE {
        assert_eq!(machine("a.md", &format!("see \"{word}x\"")).len(), 1, "{word}");
    }
    assert_eq!(machine("a.md", concat!("https://example.com/ho", "me/x")), Vec::<String>::new());
}

#[test]
fn a_change_log_without_a_next_section_and_a_bare_setting_are_found() {
    assert_eq!(changelog("# Changelog\n## [0.1.0]\n").len(), 1);
    assert_eq!(commented("[a]\n# Explained.\nb = 1\nc = 2\n").len(), 1);
}

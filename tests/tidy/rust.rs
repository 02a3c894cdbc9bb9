//! Reads as much Rust as the rules need: what is code, and which paths it names.

pub(super) fn is_test_file(path: &str, text: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || text.contains("#![cfg(test)]")
}

/// The code without comments, strings and items under `#[cfg(test)]`.
pub(super) fn production_code(text: &str) -> String {
    let mut code = code_only(text);
    while let Some(start) = code.find("#[cfg(test)]") {
        let body = &code[start..];
        let open = body.find(['{', ';']).map_or(body.len(), |at| at + 1);
        let end = if body[..open].ends_with('{') { open + matching_brace(&body[open..]) } else { open };
        code.replace_range(start..start + end, "");
    }
    code
}

/// Blanks comments and what stands in string and character literals.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw_string(rest).filter(|_| !code.ends_with(is_word)) {
            let open = hashes + 2;
            let close = format!("\"{}", "#".repeat(hashes));
            rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len())
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'')) {
            quoted(rest, '\'')
        } else {
            0
        };
        if skip == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skip..];
        }
    }
    code
}

/// The number of `#` when a raw string begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The length of the literal that begins here, with both its quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            character if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length up to and with the brace that closes one opened just before.
fn matching_brace(code: &str) -> usize {
    let mut depth = 1_u32;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Paths from the crate's root that the code of a file `depth` modules deep names: by `crate::` or by enough `super::`.
pub(super) fn imports(code: &str, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    let supers = "super::".repeat(depth);
    for root in ["crate::", supers.as_str()] {
        for (at, _) in code.match_indices(root).filter(|(at, _)| !code[..*at].ends_with(is_word)) {
            expand("", &code[at + root.len()..], &mut found);
        }
    }
    found
}

/// Reads one path or tree (`a::{b, c::d}`) and returns what follows it.
fn expand<'a>(prefix: &str, code: &'a str, found: &mut Vec<String>) -> &'a str {
    let code = code.trim_start();
    let end = code.find(|character| !is_word(character) && character != ':').unwrap_or(code.len());
    let path = format!("{prefix}{}", &code[..end]);
    let mut rest = &code[end..];
    if !rest.starts_with('{') {
        found.push(path.trim_end_matches(':').to_owned());
        return rest;
    }
    loop {
        rest = expand(&path, &rest[1..], found).trim_start_matches(|c: char| !matches!(c, ',' | '}' | ';'));
        if !rest.starts_with(',') || rest[1..].trim_start().starts_with('}') {
            return rest.split_once('}').map_or("", |(_, after)| after);
        }
    }
}

/// Whether `word` occurs at the root of a path: `awc::` in `awc::Client`, not in `transport::awc::Factory`.
pub(super) fn find_root(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = &code[..at];
        let nested =
            before.strip_suffix("::").is_some_and(|before| before.ends_with(is_word) && !before.ends_with("std"));
        let chrono = word.ends_with("now");
        !before.ends_with(is_word) && (chrono || !nested)
    })
}

pub(super) fn begins(import: &str, path: &str) -> bool {
    import.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

//! What lists, counts and histograms cost over a million events, and over ten million.
//!
//! A child fills a state, another opens it and is asked, so that memory is that of one that only answers. Each question
//! is asked many times, of another connection, day and so on each time; budgets are of the median and of the slowest in a
//! hundred.
//!
//! `cargo bench --bench queries [-- --quick]` prints a table and writes `bench/queries.json` under the target directory.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints a table and may stop")]

mod asking;
mod history;
mod questions;
#[path = "../store/table.rs"]
mod table;

use std::{env, path::Path, process::Command};

use history::History;
use table::Table;

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Budgets over so many events, in milliseconds and mebibytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    events: u64,
    /// Median and slowest in a hundred.
    page_ms: (f64, f64),
    count_ms: f64,
    histogram_ms: f64,
    day_ms: f64,
    memory_mib: f64,
}

const MILLION: Budget = Budget {
    events: 1_000_000,
    page_ms: (5.0, 20.0),
    count_ms: 5.0,
    histogram_ms: 50.0,
    day_ms: 5.0,
    memory_mib: 100.0,
};
const TEN_MILLION: Budget = Budget {
    events: 10_000_000,
    page_ms: (20.0, 20.0),
    count_ms: 100.0,
    histogram_ms: 100.0,
    day_ms: 100.0,
    memory_mib: 250.0,
};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", events, dir] => History { events: events.parse().unwrap() }.fill(Path::new(dir)),
        ["ask", events, dir, times] => {
            let budget = [MILLION, TEN_MILLION].into_iter().find(|budget| budget.events.to_string() == events);
            asking::ask(budget.unwrap(), Path::new(dir), times.parse().unwrap());
        }
        _ => measure(arguments.iter().any(|argument| argument == "--quick")),
    }
}

fn measure(quick: bool) {
    let mut table = Table::default();
    let sizes: &[Budget] = if quick { &[MILLION] } else { &[MILLION, TEN_MILLION] };
    for budget in sizes {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (events, dir) = (budget.events.to_string(), dir.path().to_str().unwrap());
        run(&["fill", &events, dir]);
        table.read(&run(&["ask", &events, dir, if quick { "40" } else { "200" }]));
    }
    table.finish("queries");
}

/// Runs this program in another process.
fn run(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

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
mod served;
#[path = "../relay/sink.rs"]
mod sink;
mod spread;
#[path = "../store/table.rs"]
mod table;

use std::{env, fs, path::Path, process::Command, time::Duration};

use history::History;
use serde_json::Value;
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
        ["ask", events, dir, times, figures] => {
            let budget = [MILLION, TEN_MILLION].into_iter().find(|budget| budget.events.to_string() == events);
            let table = asking::ask(budget.unwrap(), Path::new(dir), times.parse().unwrap());
            fs::write(figures, serde_json::to_vec(&table.json()).unwrap()).unwrap();
        }
        _ => measure(arguments.iter().any(|argument| argument == "--quick")),
    }
}

fn measure(quick: bool) {
    let sizes: &[(&str, Budget)] = if quick { &[("1 M", MILLION)] } else { &[("1 M", MILLION), ("10 M", TEN_MILLION)] };
    let mut all = Vec::new();
    for (size, budget) in sizes {
        println!("\n{} events on {} connections", budget.events, history::CONNECTIONS);
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let figures = dir.path().join("figures.json");
        let (events, state) = (budget.events.to_string(), dir.path().join("state"));
        let [state, path] = [&state, &figures].map(|path| path.to_str().unwrap());
        run(&["fill", &events, state]);
        run(&["ask", &events, state, if quick { "40" } else { "200" }, path]);
        let mut rows: Vec<Value> = serde_json::from_slice(&fs::read(&figures).unwrap()).unwrap();
        for row in &mut rows {
            row["events"] = (*size).into();
        }
        all.append(&mut rows);
    }
    println!("\nthe gateway, with clients");
    let mut served = Table::default();
    served::measure(&mut served, if quick { 1 } else { 3 }, Duration::from_secs(if quick { 3 } else { 6 }));
    all.append(&mut served.json());
    table::write("queries", &all);
}

/// Runs this program in another process.
fn run(arguments: &[&str]) {
    let status = Command::new(env::current_exe().unwrap()).args(arguments).status().unwrap();
    assert!(status.success(), "{arguments:?}");
}

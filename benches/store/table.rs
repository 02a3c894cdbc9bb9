//! What the store's benches measure with: times, memory, a table with budgets that is written as JSON too.

use std::{fs, time::Instant};

use serde_json::{Value, json};

/// A number that looks random but is the same in every run.
pub(crate) fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

pub(crate) fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

pub(crate) fn rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Figures, printed as they come.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, f64, &'static str, f64)>);

impl Table {
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &'static str, budget: f64) {
        let verdict = if value <= budget { "" } else { "  OVER" };
        println!("{name:<58} {value:>9.2} {unit:<13} budget {budget:>6}{verdict}");
        self.0.push((name.to_owned(), value, unit, budget));
    }

    /// What was measured, for a file.
    pub(crate) fn json(&self) -> Vec<Value> {
        let row = |row: &(String, f64, &str, f64)| {
            let (name, value, unit, budget) = row;
            json!({ "name": name, "value": value, "unit": unit, "budget": budget })
        };
        self.0.iter().map(row).collect()
    }
}

/// Writes figures under the target directory: this program lies in `<target>/<profile>/deps`.
pub(crate) fn write(name: &str, figures: &[Value]) {
    let folder = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("bench");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(figures).unwrap()).unwrap();
    println!("written to {}", path.display());
}

//! What the store's benches measure with: times, memory, a table with budgets that is written as JSON too.

use std::{fs, path::PathBuf, time::Instant};

use serde::{Deserialize, Serialize};

/// A number that looks random but is the same in every run.
pub(crate) fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

pub(crate) fn median_ms(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..11)
        .map(|_| {
            let begun = Instant::now();
            work();
            ms(begun)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

pub(crate) fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Processor time of this process, threads that ended included, in microseconds; to a hundredth of a second.
pub(crate) fn cpu_us() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may hold anything: user time is the 12th field, system time the 13th.
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() * 10_000.0
}

pub(crate) fn rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// A figure beside its budget.
#[derive(Serialize, Deserialize)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
    budget: f64,
}

/// Figures, printed as they come.
#[derive(Default)]
pub(crate) struct Table(Vec<Figure>);

impl Table {
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &str, budget: f64) {
        self.push(Figure { name: name.to_owned(), value, unit: unit.to_owned(), budget });
    }

    /// Takes in what another process measured.
    pub(crate) fn read(&mut self, lines: &[u8]) {
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .for_each(|line| self.push(serde_json::from_slice(line).unwrap()));
    }

    fn push(&mut self, figure: Figure) {
        let Figure { name, value, unit, budget } = &figure;
        let verdict = if value <= budget { "" } else { "  OVER" };
        println!("{name:<58} {value:>9.2} {unit:<13} budget {budget:>6}{verdict}");
        self.0.push(figure);
    }

    pub(crate) fn finish(&self, name: &str) {
        let folder = target().join("bench");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.json"));
        fs::write(&path, serde_json::to_string_pretty(&self.0).unwrap()).unwrap();
        println!("written to {}", path.display());
    }
}

/// The target directory: this program lies in `<target>/<profile>/deps`.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

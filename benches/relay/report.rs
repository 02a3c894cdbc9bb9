//! From rounds to a table and a file: medians, spreads, ratios.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::round::Figures;

/// Rounds further apart than this, of their median, are called noisy.
const SPREAD_MAX: f64 = 0.15;

type Column = (&'static str, fn(&Figures) -> f64);

const COLUMNS: [Column; 6] = [
    ("events_per_s", |figures| figures.events_per_s),
    ("cpu_us_per_event", |figures| figures.cpu_us_per_event),
    ("p50_ms", |figures| figures.p50_ms),
    ("p99_ms", |figures| figures.p99_ms),
    ("rss_mib", |figures| figures.rss_mib),
    ("disk_bytes_per_event", |figures| figures.disk_bytes_per_event),
];

/// The rounds of one gateway.
#[derive(Default)]
pub(crate) struct Series(Vec<Figures>);

/// The whole run.
pub(crate) struct Report {
    pub(crate) bare: Series,
    pub(crate) hookgate: Series,
    pub(crate) hookgate_1: Series,
    /// Of each worker of the bare relay.
    pub(crate) senders: usize,
}

impl Series {
    pub(crate) fn push(&mut self, figures: Figures) {
        println!("  {:>8.0} events/s {:>6.1} µs/event", figures.events_per_s, figures.cpu_us_per_event);
        self.0.push(figures);
    }

    fn values(&self, column: fn(&Figures) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.0.iter().map(column).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// How far the rounds' throughputs lie apart, as a share of their median.
    fn spread(&self) -> f64 {
        let values = self.values(COLUMNS[0].1);
        match (values.first(), values.last()) {
            (Some(least), Some(most)) => (most - least) / median(&values),
            _ => 0.0,
        }
    }

    fn json(&self) -> Value {
        let figures = COLUMNS.iter().map(|(name, column)| ((*name).to_owned(), rounded(median(&self.values(*column)))));
        let mut object: serde_json::Map<String, Value> = figures.collect();
        object.insert("spread".into(), rounded(self.spread()));
        Value::Object(object)
    }

    fn row(&self, name: &str) -> String {
        let cells = COLUMNS.iter().map(|(_, column)| format!("{:>21.1}", median(&self.values(*column))));
        format!("{name:<11}{}{:>9.0}%\n", cells.collect::<String>(), self.spread() * 100.0)
    }
}

impl Report {
    /// Names the series that ran.
    fn series(&self) -> impl Iterator<Item = (&'static str, &Series)> {
        let all = [("bare", &self.bare), ("hookgate", &self.hookgate), ("hookgate_1", &self.hookgate_1)];
        all.into_iter().filter(|(_, series)| !series.0.is_empty())
    }

    /// Median over the rounds of hookgate's figure against the bare relay's of the same round.
    fn ratio(&self, column: fn(&Figures) -> f64) -> f64 {
        let pairs = self.hookgate.0.iter().zip(&self.bare.0);
        let mut ratios: Vec<f64> = pairs.map(|(ours, bare)| column(ours) / column(bare)).collect();
        ratios.sort_by(f64::total_cmp);
        median(&ratios)
    }

    fn is_noisy(&self) -> bool {
        self.series().any(|(_, series)| series.spread() > SPREAD_MAX)
    }

    pub(crate) fn table(&self) -> String {
        let names = COLUMNS.iter().map(|(name, _)| format!("{name:>21}"));
        let mut table = format!("\n{:<11}{}{:>10}\n", "median", names.collect::<String>(), "spread");
        for (name, series) in self.series() {
            table.push_str(&series.row(name));
        }
        if !self.hookgate.0.is_empty() {
            let (events, cpu) = (self.ratio(COLUMNS[0].1), self.ratio(COLUMNS[1].1));
            table.push_str(&format!("hookgate / bare: {events:.2} of the events/s, {cpu:.2} times the CPU an event\n"));
        }
        if self.is_noisy() {
            table.push_str(&format!("noisy: rounds lie further apart than {:.0}%\n", SPREAD_MAX * 100.0));
        }
        table
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut object: serde_json::Map<String, Value> =
            self.series().map(|(name, series)| (name.to_owned(), series.json())).collect();
        if !self.hookgate.0.is_empty() {
            let ratio =
                json!({ "events_per_s": rounded(self.ratio(COLUMNS[0].1)), "cpu": rounded(self.ratio(COLUMNS[1].1)) });
            object.insert("ratio".into(), ratio);
        }
        object.insert("rounds".into(), json!(self.bare.0.len()));
        object.insert("bare_senders_per_worker".into(), json!(self.senders));
        object.insert("noisy".into(), json!(self.is_noisy()));
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(path, format!("{:#}\n", Value::Object(object)))
    }
}

/// Of sorted values.
fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// To three places: more would be noise.
fn rounded(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}

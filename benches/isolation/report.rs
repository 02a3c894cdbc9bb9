//! What the rounds of each scenario show: medians of the ratios between trials with and without trouble.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::trial::Figures;

/// By how much healthy connections may suffer.
const ALLOWED: f64 = 0.10;

/// Trials of one scenario, by rounds: without trouble and with it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What is compared, and which way is worse.
    pub(crate) figure: Figure,
    pub(crate) rounds: Vec<(Figures, Figures)>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Late events are worse.
    P99,
    /// Fewer events are worse.
    Throughput,
}

impl Figure {
    fn of(self, figures: &Figures) -> f64 {
        match self {
            Self::P99 => figures.p99_ms,
            Self::Throughput => figures.events_per_s,
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::P99 => "p99 ms",
            Self::Throughput => "events/s",
        }
    }
}

impl Scenario {
    fn median(&self, figure: impl Fn(&(Figures, Figures)) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    /// How many times the figure without trouble the one with it is.
    fn ratio(&self) -> f64 {
        self.median(|(without, with)| self.figure.of(with) / self.figure.of(without))
    }

    fn holds(&self) -> bool {
        match self.figure {
            Figure::P99 => self.ratio() <= 1.0 + ALLOWED,
            Figure::Throughput => self.ratio() >= 1.0 - ALLOWED,
        }
    }

    /// One line of the table.
    pub(crate) fn line(&self) -> String {
        format!(
            "{:<44}{:>10}{:>12.2}{:>12.2}{:>10.2}{:>12.1}{:>10}\n",
            self.name,
            self.figure.unit(),
            self.median(|(without, _)| self.figure.of(without)),
            self.median(|(_, with)| self.figure.of(with)),
            self.ratio(),
            self.median(|(_, with)| with.rss_mib),
            if self.holds() { "within" } else { "beyond" },
        )
    }

    fn json(&self) -> Value {
        let figures = |one: &Figures| {
            json!({
                "events_per_s": one.events_per_s,
                "p50_ms": one.p50_ms,
                "p99_ms": one.p99_ms,
                "rss_mib": one.rss_mib,
            })
        };
        let rounds: Vec<Value> = self
            .rounds
            .iter()
            .map(|(without, with)| json!({ "without": figures(without), "with": figures(with) }))
            .collect();
        json!({
            "name": self.name,
            "figure": self.figure.unit(),
            "ratio": self.ratio(),
            "within": self.holds(),
            "rounds": rounds,
        })
    }
}

/// The head of the table.
pub(crate) fn head() -> String {
    format!(
        "{:<44}{:>10}{:>12}{:>12}{:>10}{:>12}{:>10}\n",
        "healthy connections, medians", "", "without", "with", "ratio", "RSS MiB", "10 %"
    )
}

/// Writes everything.
pub(crate) fn write(path: &Path, scenarios: &[Scenario], others: &Value) -> io::Result<()> {
    let all: Vec<Value> = scenarios.iter().map(Scenario::json).collect();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, format!("{:#}\n", json!({ "scenarios": all, "others": others })))
}

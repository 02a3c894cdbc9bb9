//! Medians and tails.

/// The median and the slowest in a hundred.
pub(crate) fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

//! What a process has used so far, as the kernel tells it.

use std::fs::File;
use std::io::{BufRead, BufReader};

/// User and system time of a process so far, in microseconds.
///
/// # Errors
///
/// When the process is gone.
pub fn cpu_us(pid: u32) -> std::io::Result<u64> {
    /// `USER_HZ`: what the kernel promises for these figures on every machine.
    const TICK_US: u64 = 10_000;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces: count from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    Ok((ticks(11) + ticks(12)) * TICK_US)
}

/// The most memory a process had resident so far, in KiB.
///
/// # Errors
///
/// When the process is gone.
pub fn peak_rss_kib(pid: u32) -> std::io::Result<u64> {
    let status = File::open(format!("/proc/{pid}/status"))?;
    let line = BufReader::new(status).lines().map_while(Result::ok).find(|line| line.starts_with("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1).and_then(|word| word.parse().ok()));
    Ok(figure.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_process_are_read() {
        let own = std::process::id();
        assert!(peak_rss_kib(own).unwrap() > 100);
        assert!(cpu_us(own).is_ok());
        assert!(cpu_us(u32::MAX).is_err());
    }
}

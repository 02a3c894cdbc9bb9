//! Failed tries of keys, by the address they came from.
//!
//! An address may fail some times in a row and then once in a while; past that its keys are not judged any more, so that
//! guessing gets no answers. A right one is let in all the same where one has come in lately: whoever guesses from behind the
//! same proxy must not lock out those who work there. From every other address nothing changes.

use std::{collections::HashMap, net::IpAddr};

use parking_lot::Mutex;

use crate::domain::Timestamp;

/// Failed tries of an address in a row.
const TRIES_MAX: u64 = 20;
/// After how long one more is allowed, in milliseconds: 20 a minute are enough for a person, and nothing for guessing.
const TRY_MS: u64 = 3_000;
/// All of them together.
const WINDOW_MS: u64 = TRIES_MAX * TRY_MS;
/// How long a right key lets the next ones in, in milliseconds: from one working day to the next.
const TRUST_MS: u64 = 24 * 60 * 60 * 1000;
/// Addresses that are remembered: 1 MiB at most.
const ADDRESSES_MAX: usize = 8192;

/// What is known of an address.
#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// When all its failures will be forgotten.
    clear_at: Timestamp,
    /// When a right key last came from it.
    right_at: Option<Timestamp>,
    /// When it last tried.
    seen_at: Timestamp,
}

/// Every address that tried lately.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<Option<IpAddr>, Record>>);

impl Tries {
    /// Judges a try from an address; `None` for those whose address cannot be told, all together.
    ///
    /// # Errors
    ///
    /// The seconds after which the next try is judged, when this one is not.
    pub(super) fn judge(&self, address: Option<IpAddr>, is_right: bool, now: Timestamp) -> Result<(), u64> {
        let mut records = self.0.lock();
        let address = address.map(network_of);
        if records.len() >= ADDRESSES_MAX && !records.contains_key(&address) {
            make_room(&mut records);
        }
        let record = records.entry(address).or_default();
        // A clock that was set back must not shut anybody out for longer.
        record.clear_at = record.clear_at.min(now.plus_ms(WINDOW_MS));
        record.seen_at = now;
        let over = (record.clear_at.ms_since(now) + TRY_MS).saturating_sub(WINDOW_MS);
        let is_trusted = record.right_at.is_some_and(|at| now.ms_since(at) < TRUST_MS);
        if over > 0 && !(is_right && is_trusted) {
            return Err(over.div_ceil(1000));
        }
        if is_right {
            record.right_at = Some(now);
        } else {
            record.clear_at = record.clear_at.max(now).plus_ms(TRY_MS);
        }
        Ok(())
    }
}

/// Forgets the half that has been silent for the longest: rarely enough that each try pays little for it.
fn make_room(records: &mut HashMap<Option<IpAddr>, Record>) {
    let mut seen: Vec<Timestamp> = records.values().map(|record| record.seen_at).collect();
    let middle = seen.len() / 2;
    let (_, median, _) = seen.select_nth_unstable(middle);
    let median = *median;
    records.retain(|_, record| record.seen_at > median);
}

/// Whoever has one address of an IPv6 network has 2⁶⁴ of them.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Fails until it is told to wait, and answers how long.
    fn exhaust(tries: &Tries, from: Option<IpAddr>, now: Timestamp) -> u64 {
        for _ in 0..TRIES_MAX {
            assert_eq!(tries.judge(from, false, now), Ok(()));
        }
        tries.judge(from, false, now).unwrap_err()
    }

    #[test]
    fn an_address_that_guesses_is_told_to_wait_and_others_are_not() {
        let tries = Tries::default();
        let (bad, good) = (address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(exhaust(&tries, bad, T0), 3);
        assert_eq!(tries.judge(bad, true, T0), Err(3), "a guess that is right gets no answer either");
        for other in [good, None] {
            assert_eq!(tries.judge(other, true, T0), Ok(()));
        }
        assert_eq!(tries.judge(bad, false, T0.plus_ms(TRY_MS - 1)), Err(1));
        assert_eq!(tries.judge(bad, false, T0.plus_ms(TRY_MS)), Ok(()));
        assert_eq!(tries.judge(bad, false, T0.plus_ms(TRY_MS)), Err(3));
        assert_eq!(tries.judge(bad, true, T0.plus_ms(2 * TRY_MS)), Ok(()));
    }

    #[test]
    fn where_a_right_key_works_guessing_locks_nobody_out() {
        let (tries, office) = (Tries::default(), address("192.0.2.1"));
        assert_eq!(tries.judge(office, true, T0), Ok(()));
        exhaust(&tries, office, T0);
        assert_eq!(tries.judge(office, true, T0), Ok(()));
        assert_eq!(tries.judge(office, false, T0), Err(3));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let tries = Tries::default();
        exhaust(&tries, address("2001:db8::1"), T0);
        assert!(tries.judge(address("2001:db8::ffff:1"), false, T0).is_err());
        assert!(tries.judge(address("2001:db8:0:1::1"), false, T0).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out() {
        let (tries, from) = (Tries::default(), address("192.0.2.1"));
        exhaust(&tries, from, T0);
        assert_eq!(tries.judge(from, false, T0.minus_ms(1_000_000)), Err(3));
    }

    #[test]
    fn memory_is_bounded_and_who_guesses_now_is_remembered() {
        let (tries, bad) = (Tries::default(), address("192.0.2.1"));
        for number in 0..u32::try_from(2 * ADDRESSES_MAX).unwrap() {
            let now = T0.plus_ms(u64::from(number) / 1000);
            tries.judge(Some(IpAddr::from(number.to_be_bytes())), false, now).unwrap();
            assert!(tries.0.lock().len() <= ADDRESSES_MAX);
        }
        let now = T0.plus_ms(100);
        exhaust(&tries, bad, now);
        for number in 0..u32::try_from(ADDRESSES_MAX / 4).unwrap() {
            tries.judge(Some(IpAddr::from((number | 1 << 31).to_be_bytes())), false, now).unwrap();
        }
        assert!(tries.judge(bad, false, now).is_err());
    }
}

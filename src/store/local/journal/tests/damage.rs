//! Properties: whatever happens to the bytes, nothing wrong is served and nothing whole is lost.

use proptest::prelude::*;

use super::*;
use crate::store::local::journal::{segment::list, verify};

/// What happens to one file.
#[derive(Debug, Clone)]
enum Harm {
    Truncate,
    Zero(usize),
    Flip(u8),
    Noise(usize, u64),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        Just(Harm::Truncate),
        (1..2000_usize).prop_map(Harm::Zero),
        (0..8_u8).prop_map(Harm::Flip),
        (1..600_usize, any::<u64>()).prop_map(|(len, seed)| Harm::Noise(len, seed)),
    ]
}

/// Does it at `place` (a share of the file) and returns the bytes that may have changed.
fn apply(dir: &Path, segment: u64, place: u16, harm: &Harm) -> std::ops::Range<u64> {
    let mut touched = 0..0;
    edit(dir, segment, |data| {
        let start = data.len() * usize::from(place) / (usize::from(u16::MAX) + 1);
        let until = |len: usize| (start + len).min(data.len());
        let end = match harm {
            Harm::Truncate => data.len(),
            Harm::Zero(len) | Harm::Noise(len, _) => until(*len),
            Harm::Flip(_) => start + 1,
        };
        match harm {
            Harm::Truncate => data.truncate(start),
            Harm::Zero(_) => data[start..end].fill(0),
            Harm::Flip(bit) => data[start] ^= 1 << bit,
            Harm::Noise(_, seed) => {
                let mut state = *seed | 1;
                for byte in &mut data[start..end] {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    *byte = state.to_be_bytes()[0];
                }
            }
        }
        touched = start as u64..end as u64;
    });
    touched
}

fn untouched(known: &Known, segment: u64, touched: &std::ops::Range<u64>) -> bool {
    let frame = known.frame;
    frame.start.segment != segment || frame.end.offset <= touched.start || touched.end <= frame.start.offset
}

/// Every record is as written or answers `Damaged`; returns what replay shows.
fn expect_honest(reader: &Reader, known: &[Known]) -> Vec<(RecordRef, RecordHead, Vec<u8>)> {
    for known in known {
        match reader.read(known.at) {
            Ok(record) => {
                assert_eq!(
                    (record.head, &record.meta[..], &record.blob[..]),
                    (known.head, &known.meta[..], &known.blob[..])
                );
            }
            Err(JournalError::Damaged(_) | JournalError::NotFound { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let (shown, all) = (replayed(reader, None), metas(known));
    assert!(shown.iter().all(|record| all.contains(record)), "a record that was never written");
    assert!(shown.is_sorted_by_key(|(at, ..)| *at));
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_wrong_is_served_and_nothing_whole_is_lost(
        frames in 1..25_usize,
        sealed in any::<bool>(),
        which in any::<prop::sample::Index>(),
        place in any::<u16>(),
        harm in harm(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, ..) = reopen(dir.path());
        let known = fill(&mut writer, frames);
        if sealed {
            writer.seal().unwrap();
        }
        drop(writer);
        let segment = *which.get(&list(dir.path()).unwrap());
        let touched = apply(dir.path(), segment, place, &harm);
        verify(dir.path()).unwrap();
        let whole: Vec<_> = known.iter().filter(|known| untouched(known, segment, &touched)).cloned().collect();

        if let Ok((mut writer, reader, recovered)) = open(dir.path(), SMALL, None, false) {
            let shown = expect_honest(&reader, &known);
            for record in metas(&whole) {
                prop_assert!(shown.contains(&record), "lost {:?}, recovered {:?}", record.0, recovered);
            }
            let prefix = metas(&known[..shown.len()]);
            prop_assert_eq!(&shown, &prefix, "only an end may be missing");
            let more = commit(&mut writer, 1_000, &[(9, 99)]);
            drop(writer);
            let (_, reader, recovered) = reopen(dir.path());
            prop_assert_eq!(recovered.cut, vec![]);
            prop_assert_eq!(replayed(&reader, None), [shown, metas(&more)].concat());
        } else {
            let (writer, reader, recovered) = open(dir.path(), SMALL, None, true).unwrap();
            prop_assert!(!recovered.skipped.is_empty());
            let shown = expect_honest(&reader, &known);
            let aside = path_of(dir.path(), segment).with_extension("seg.damaged").exists();
            for record in metas(&whole) {
                prop_assert!(shown.contains(&record) || (aside && record.0.segment == segment), "lost {:?}", record.0);
            }
            drop(writer);
            let (_, reader, recovered) = reopen(dir.path());
            prop_assert_eq!((recovered.cut, recovered.skipped), (vec![], vec![]));
            prop_assert_eq!(replayed(&reader, None), shown);
        }
    }

    #[test]
    fn a_crash_inside_the_last_write_never_refuses_the_start(
        frames in 1..12_usize,
        place in any::<u16>(),
        harm in harm(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, ..) = reopen(dir.path());
        let known = fill(&mut writer, frames);
        drop(writer);
        let last = known.last().unwrap().frame;
        // Only the last frame may be harmed: what was there before is written back.
        let path = path_of(dir.path(), last.start.segment);
        let before = std::fs::read(&path).unwrap();
        let length = last.end.offset - last.start.offset;
        let within = last.start.offset + length * u64::from(place) / (u64::from(u16::MAX) + 1);
        let within = u16::try_from(within * (u64::from(u16::MAX) + 1) / before.len() as u64).unwrap();
        apply(dir.path(), last.start.segment, within, &harm);
        edit(dir.path(), last.start.segment, |data| {
            let kept = at(last.start.offset);
            data.resize(data.len().max(kept), 0);
            data[..kept].copy_from_slice(&before[..kept]);
        });
        let (_, reader, recovered) = open(dir.path(), SMALL, None, false).unwrap();
        let whole: Vec<_> = known.iter().filter(|known| known.frame != last).cloned().collect();
        let shown = replayed(&reader, None);
        prop_assert!(shown == metas(&whole) || shown == metas(&known));
        prop_assert_eq!((recovered.damaged_blobs, recovered.skipped), (vec![], vec![]));
    }

    #[test]
    fn what_the_checkpoint_knows_is_never_cut(
        frames in 2..12_usize,
        known_to in any::<prop::sample::Index>(),
        place in any::<u16>(),
        harm in harm(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, ..) = reopen(dir.path());
        let known = fill(&mut writer, frames);
        let tail = writer.position().segment;
        drop(writer);
        let from = known_to.get(&known).frame.end;
        apply(dir.path(), tail, place, &harm);
        if let Ok((_, reader, _)) = open(dir.path(), SMALL, Some(from), false) {
            prop_assert!(reader.segments().last().unwrap().number >= from.segment);
            let shown = expect_honest(&reader, &known);
            for known in known.iter().filter(|known| known.frame.end <= from) {
                prop_assert!(shown.contains(&metas(std::slice::from_ref(known))[0]), "cut {:?}", known.at);
            }
        }
    }
}

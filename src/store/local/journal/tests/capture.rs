//! Captures of a journal that is being written: all that was committed before is in them, and they open.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::store::local::journal::{
    Capture, capture, capture::Look, capture::look_at, capture_sealed, is_copy, recover::Loaded,
};

/// Puts what is captured of a journal into another directory.
fn copy(dir: &Path, to: &Path) -> Capture {
    let taken = capture(dir).unwrap();
    for number in &taken.sealed {
        let sealed = capture_sealed(dir, *number).unwrap();
        assert_eq!(sealed.damage, vec![]);
        std::fs::write(path_of(to, *number), sealed.bytes).unwrap();
        assert!(is_copy(dir, *number, &path_of(to, *number)).unwrap());
    }
    if let Some(open) = &taken.open {
        std::fs::write(path_of(to, open.number), &open.bytes).unwrap();
    }
    taken
}

#[test]
fn a_capture_opens_with_every_record_and_can_be_written_on() {
    for frames in [1, 2, 5, 40] {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut writer, ..) = reopen(dir.path());
        let known = fill(&mut writer, frames);
        assert_eq!(copy(dir.path(), other.path()).open.unwrap().damage, vec![]);
        let (mut again, reader, recovered) = reopen(other.path());
        assert_eq!((recovered.cut, recovered.damaged_blobs), (vec![], vec![]));
        assert_eq!(replayed(&reader, None), metas(&known));
        expect_readable(&reader, &known);
        let more = fill(&mut again, 3);
        expect_readable(&reader, &more);
    }
}

#[test]
fn a_journal_without_a_frame_has_nothing_to_capture_and_a_sealed_one_has_no_open_segment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, ..) = reopen(dir.path());
    let taken = capture(dir.path()).unwrap();
    assert!(taken.sealed.is_empty() && taken.open.is_none(), "{taken:?}");
    fill(&mut writer, 2);
    writer.seal().unwrap();
    let taken = capture(dir.path()).unwrap();
    assert!(taken.sealed == [1] && taken.open.is_none(), "{taken:?}");
}

#[test]
fn a_frame_that_is_half_there_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, ..) = reopen(dir.path());
    let known = fill(&mut writer, 3);
    let (last, end) = (known[known.len() - 1].frame.start.offset, known[known.len() - 1].frame.end.offset);
    for there in [8, 40, 90, end - last - 40] {
        let whole = std::fs::read(path_of(dir.path(), 1)).unwrap();
        edit(dir.path(), 1, |data| data[at(last + there)..].fill(0));
        let open = capture(dir.path()).unwrap().open.unwrap();
        assert_eq!((open.bytes.len() as u64, open.damage), (last, vec![]), "{there}");
        std::fs::write(path_of(dir.path(), 1), whole).unwrap();
    }
    assert_eq!(capture(dir.path()).unwrap().open.unwrap().bytes.len() as u64, end);
}

#[test]
fn damage_before_the_end_is_told_and_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, ..) = reopen(dir.path());
    let known = fill(&mut writer, 4);
    let end = known[known.len() - 1].frame.end.offset;
    let path = edit(dir.path(), 1, |data| data[at(known[1].at.offset) + 45] ^= 1);
    let open = capture(dir.path()).unwrap().open.unwrap();
    assert_eq!((open.bytes.len() as u64, open.damage.len()), (end, 1));
    assert_eq!((&open.damage[0].file, open.damage[0].offset), (&path, known[1].frame.start.offset));
    writer.seal().unwrap();
    assert_eq!(capture_sealed(dir.path(), 1).unwrap().damage[0].file, path);
}

/// What a reading sees that a frame has overtaken: nothing of it, or only its bodies missing, and the next one whole.
#[test]
fn a_frame_that_overtakes_a_reading_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, ..) = reopen(dir.path());
    let known = fill(&mut writer, 6);
    let frame = known[3].frame;
    let end = known[known.len() - 1].frame.end.offset;
    for missing in [frame.start.offset..frame.end.offset, frame.end.offset - 16..frame.end.offset] {
        let mut readings = 0;
        let looked = look_at(&path_of(dir.path(), 1), || {
            let mut loaded = Loaded::view(dir.path(), 1)?;
            if readings == 0 {
                loaded.data[at(missing.start)..at(missing.end)].fill(0);
            }
            readings += 1;
            Ok(loaded)
        });
        let Ok(Look::Open(captured)) = looked else { panic!("the segment is open") };
        assert_eq!((captured.bytes.len() as u64, captured.damage, readings), (end, vec![], 2));
        assert_eq!(captured.bytes, std::fs::read(path_of(dir.path(), 1)).unwrap()[..at(end)]);
    }
}

#[test]
fn while_frames_are_written_every_capture_is_whole_and_has_those_committed_before() {
    const FRAMES: u64 = 1_000;
    let dir = tempfile::tempdir().unwrap();
    // Big, so that frames overtake a reading of it.
    let big = JournalOptions { segment_bytes: 8 << 20 };
    let (mut writer, ..) = open(dir.path(), big, None, false).unwrap();
    let committed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for seq in 0..FRAMES {
                commit(&mut writer, seq, &[(30, at(seq * 97 % 20_000))]);
                committed.store(seq + 1, Ordering::SeqCst);
            }
        });
        let mut before = 0;
        while before < FRAMES {
            before = committed.load(Ordering::SeqCst);
            let other = tempfile::tempdir().unwrap();
            let taken = copy(dir.path(), other.path());
            assert!(taken.open.is_none_or(|open| open.damage.is_empty()));
            let (_, reader, recovered) = reopen(other.path());
            assert_eq!((recovered.cut, recovered.damaged_blobs), (vec![], vec![]));
            let seqs: Vec<u64> = replayed(&reader, None).iter().map(|(_, head, _)| head.seq).collect();
            assert!(seqs.len() as u64 >= before, "{} of {before}", seqs.len());
            assert!(seqs.iter().copied().eq(0..seqs.len() as u64));
        }
    });
}

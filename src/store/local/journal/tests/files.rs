//! What is written can be read, by record, by segment and by replay, in this life and the next.

use super::*;
use crate::store::local::journal::{segment::list, verify};

#[test]
fn a_record_is_read_as_written_at_once_and_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader, recovered) = reopen(dir.path());
    assert!(recovered.cut.is_empty() && recovered.damaged_blobs.is_empty());
    let known = fill(&mut writer, 60);
    expect_readable(&reader, &known);
    assert_eq!(replayed(&reader, None), metas(&known));
    let end = writer.position();
    drop(writer);
    let (writer, reader, recovered) = reopen(dir.path());
    assert_eq!((recovered.end, &recovered.cut, &recovered.notes), (Some(end), &vec![], &vec![]));
    assert_eq!(writer.position(), end);
    expect_readable(&reader, &known);
    assert_eq!(replayed(&reader, None), metas(&known));
}

#[test]
fn a_full_segment_is_sealed_and_its_footer_equals_its_frames() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader, _) = reopen(dir.path());
    let known = fill(&mut writer, 60);
    let segments = reader.segments();
    assert!(segments.len() > 3, "{segments:?}");
    assert!(segments.iter().rev().skip(1).all(|info| info.sealed) && !segments.last().unwrap().sealed);
    for info in &segments {
        let mut listed = Vec::new();
        reader.entries(info.number, &mut |entry| listed.push((entry.at, entry.blob_len))).unwrap();
        let expected: Vec<_> = known.iter().filter(|known| known.at.segment == info.number).collect();
        let newest = expected.last().map(|known| known.head.at_ms);
        let expected: Vec<_> =
            expected.iter().map(|known| (known.at, u32::try_from(known.blob.len()).unwrap())).collect();
        assert_eq!((listed, reader.newest_at_ms(info.number).unwrap()), (expected, newest));
        let len = std::fs::metadata(path_of(dir.path(), info.number)).unwrap().len();
        assert_eq!(len, info.bytes);
    }
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.damage, report.torn, report.records), (vec![], None, known.len() as u64));
}

#[test]
fn replay_starts_at_the_checkpoint_and_sees_all_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, ..) = reopen(dir.path());
    let known = fill(&mut writer, 60);
    drop(writer);
    for nth in [0, 7, 30, known.len() - 1] {
        let from = known[nth].frame.end;
        let (_, reader, _) = open(dir.path(), SMALL, Some(from), false).unwrap();
        let expected: Vec<_> = known.iter().filter(|known| known.frame.start >= from).cloned().collect();
        assert_eq!(replayed(&reader, Some(from)), metas(&expected));
    }
}

#[test]
fn a_frame_bigger_than_a_segment_gets_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader, _) = reopen(dir.path());
    let mut known = commit(&mut writer, 0, &[(10, 10)]);
    known.extend(commit(&mut writer, 1, &[(10, 30_000), (10, 0)]));
    known.extend(commit(&mut writer, 3, &[(10, 10)]));
    let segments: Vec<_> = known.iter().map(|known| known.at.segment).collect();
    assert_eq!(segments, [1, 2, 2, 3]);
    expect_readable(&reader, &known);
    drop(writer);
    let (_, reader, _) = reopen(dir.path());
    expect_readable(&reader, &known);
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn an_empty_frame_is_refused_and_the_writer_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader, _) = reopen(dir.path());
    let refused = writer.commit(&mut Frame::new()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    let known = commit(&mut writer, 0, &[(5, 5)]);
    expect_readable(&reader, &known);
}

#[test]
fn a_frame_is_used_again_after_a_clear() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader, _) = reopen(dir.path());
    let mut frame = Frame::new();
    for seq in 0..5 {
        frame.clear();
        assert!(frame.is_empty());
        let index = frame.push(head(seq), b"meta", &[b"bl", b"ob"], blob_crc(&[b"blob"]));
        let committed = writer.commit(&mut frame).unwrap();
        let record = reader.read(frame.place(&committed, index)).unwrap();
        assert_eq!((record.head, record.blob.as_ref()), (head(seq), b"blob".as_slice()));
    }
}

#[test]
fn a_clean_stop_seals_and_the_next_start_goes_on_in_a_new_segment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, ..) = reopen(dir.path());
    let mut known = fill(&mut writer, 3);
    writer.seal().unwrap();
    let from = writer.position();
    assert_eq!(from, Position { segment: 2, offset: 64 });
    writer.seal().unwrap();
    assert_eq!(writer.position(), from, "a segment without frames is not sealed");
    drop(writer);
    let (mut writer, reader, recovered) = open(dir.path(), SMALL, Some(from), false).unwrap();
    assert_eq!((recovered.end, recovered.cut), (Some(from), vec![]));
    known.extend(commit(&mut writer, 100, &[(3, 3)]));
    assert_eq!(replayed(&reader, None), metas(&known));
    expect_readable(&reader, &known);
}

#[test]
fn a_removed_segment_is_gone_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader, _) = reopen(dir.path());
    let known = fill(&mut writer, 40);
    let before = reader.bytes_on_disk();
    reader.read(known[0].at).unwrap();
    reader.remove(1).unwrap();
    assert!(reader.bytes_on_disk() < before);
    assert!(matches!(reader.read(known[0].at), Err(JournalError::NotFound { segment: 1 })));
    let refused = reader.remove(writer.position().segment).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    drop(writer);
    assert!(!list(dir.path()).unwrap().contains(&1));
    let (_, reader, recovered) = reopen(dir.path());
    assert_eq!(recovered.start, Some(Position { segment: 2, offset: 64 }));
    let rest: Vec<_> = known.into_iter().filter(|known| known.at.segment > 1).collect();
    assert_eq!(replayed(&reader, None), metas(&rest));
}

#[test]
fn a_place_where_no_record_is_answers_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader, _) = reopen(dir.path());
    let known = commit(&mut writer, 0, &[(50, 50)]);
    let right = known[0].at;
    for offset in [0, right.offset - 8, right.offset + 8, 4000, 1 << 40, u64::MAX] {
        let wrong = RecordRef { offset, ..right };
        assert!(matches!(reader.read(wrong), Err(JournalError::Damaged(_))), "{offset}");
    }
}

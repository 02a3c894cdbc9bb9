//! Torn or damaged: single cases, each at a known place.

use super::*;
use crate::store::local::journal::verify;

/// Three frames of one record in one segment.
fn three(dir: &Path) -> Vec<Known> {
    let (mut writer, ..) = reopen(dir);
    (0..3).flat_map(|seq| commit(&mut writer, seq, &[(30, 100)])).collect()
}

#[test]
fn a_torn_tail_is_cut_whole_and_named_and_a_second_open_finds_nothing_to_do() {
    for torn_at in [0, 8, 40, 50, 100, 200] {
        let dir = tempfile::tempdir().unwrap();
        let known = three(dir.path());
        let last = known[2].frame.start.offset;
        let path = edit(dir.path(), 1, |data| data[at(last + torn_at)..].fill(0));
        let (mut writer, reader, recovered) = reopen(dir.path());
        assert_eq!(replayed(&reader, None), metas(&known[..2]));
        if torn_at > 0 {
            assert_eq!((&recovered.cut[0].file, recovered.cut[0].offset), (&path, last));
        }
        let more = commit(&mut writer, 9, &[(1, 1)]);
        assert_eq!(more[0].frame.start.offset, last);
        drop(writer);
        let (_, reader, recovered) = reopen(dir.path());
        assert_eq!(recovered.cut, vec![]);
        assert_eq!(replayed(&reader, None), metas(&[&known[..2], &more].concat()));
        expect_readable(&reader, &more);
    }
}

#[test]
fn a_bad_frame_before_a_good_one_refuses_the_start_and_names_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let known = three(dir.path());
    let path = edit(dir.path(), 1, |data| data[at(known[1].at.offset) + 45] ^= 1);
    let error = open(dir.path(), SMALL, None, false).unwrap_err();
    assert!(error.to_string().contains("hookgate rebuild --salvage"), "{error}");
    let damage = damage_of(Err(error));
    assert_eq!((damage.file, damage.offset), (path, known[1].frame.start.offset));
    assert_eq!(verify(dir.path()).unwrap().damage.len(), 1);
}

#[test]
fn salvage_leaves_out_the_bad_frame_and_the_next_start_is_a_normal_one() {
    let dir = tempfile::tempdir().unwrap();
    let known = three(dir.path());
    edit(dir.path(), 1, |data| data[at(known[1].at.offset) + 45] ^= 1);
    let (writer, _, recovered) = open(dir.path(), SMALL, None, true).unwrap();
    assert_eq!(recovered.skipped[0].offset, known[1].frame.start.offset);
    drop(writer);
    let (_, reader, recovered) = reopen(dir.path());
    assert_eq!(recovered.skipped, vec![]);
    assert_eq!(replayed(&reader, None), metas(&[known[0].clone(), known[2].clone()]));
    assert!(matches!(reader.read(known[1].at), Err(JournalError::Damaged(_))));
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn a_bad_body_before_a_good_frame_is_listed_and_everything_else_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let known = three(dir.path());
    edit(dir.path(), 1, |data| data[at(known[1].at.offset) + 40 + 30 + 5] ^= 1);
    let (_, reader, recovered) = reopen(dir.path());
    assert_eq!(recovered.damaged_blobs.iter().map(|blob| blob.at).collect::<Vec<_>>(), [known[1].at]);
    assert_eq!(replayed(&reader, None), metas(&known));
    assert!(matches!(reader.read(known[1].at), Err(JournalError::Damaged(_))));
    expect_readable(&reader, &known[2..]);
}

#[test]
fn a_bad_last_body_is_a_torn_tail_unless_the_checkpoint_knows_the_frame() {
    let dir = tempfile::tempdir().unwrap();
    let known = three(dir.path());
    edit(dir.path(), 1, |data| data[at(known[2].at.offset) + 40 + 30 + 5] ^= 1);
    let from = known[2].frame.end;
    let (writer, reader, recovered) = open(dir.path(), SMALL, Some(from), false).unwrap();
    assert_eq!((recovered.cut, recovered.damaged_blobs.len()), (vec![], 1));
    assert_eq!(replayed(&reader, None), metas(&known));
    drop(writer);
    let (_, reader, recovered) = reopen(dir.path());
    assert_eq!((recovered.cut.len(), recovered.damaged_blobs), (1, vec![]));
    assert_eq!(replayed(&reader, None), metas(&known[..2]));
}

#[test]
fn a_journal_that_ends_before_the_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let known = three(dir.path());
    let from = Some(known[2].frame.end);
    edit(dir.path(), 1, |data| data[at(known[2].frame.start.offset)..].fill(0));
    let damage = damage_of(open(dir.path(), SMALL, from, false));
    assert_eq!(damage.offset, known[2].frame.start.offset);
    edit(dir.path(), 1, |data| data[64..].fill(0));
    assert_eq!(damage_of(open(dir.path(), SMALL, from, false)).offset, 64);
    std::fs::remove_file(path_of(dir.path(), 1)).unwrap();
    assert_eq!(damage_of(open(dir.path(), SMALL, from, false)).offset, 0);
    let (writer, ..) = open(dir.path(), SMALL, from, true).unwrap();
    assert_eq!(writer.position().segment, 2, "places of lost records are not given again");
}

#[test]
fn a_segment_that_was_only_prepared_is_no_damage() {
    let blank = |dir: &Path| std::fs::write(path_of(dir, 2), vec![0; 4096]).unwrap();
    let ready = |dir: &Path| drop(super::super::segment::Prepared::create(dir, 2, 4096).unwrap());
    for prepare in [blank, ready] as [fn(&Path); 2] {
        let dir = tempfile::tempdir().unwrap();
        let known = three(dir.path());
        prepare(dir.path());
        let (mut writer, reader, recovered) = reopen(dir.path());
        assert_eq!((recovered.cut, recovered.notes), (vec![], vec![]));
        assert_eq!(replayed(&reader, None), metas(&known));
        let more = fill(&mut writer, 20);
        assert!(more.last().unwrap().at.segment > 1);
        expect_readable(&reader, &more);
    }
}

#[test]
fn a_frame_inside_a_body_is_not_taken_for_a_frame() {
    let dir = tempfile::tempdir().unwrap();
    // A real frame of the right number, made to lie where the body will: all that is wrong is the salt.
    let (mut writer, reader, _) = reopen(dir.path());
    let known = commit(&mut writer, 0, &[(8, 8)]);
    let body_at = known[0].frame.end.offset + 40 + 40 + 8;
    let mut forged = Frame::new();
    forged.push(head(666), b"forged", &[], 0);
    let length = forged.finish().unwrap();
    let identity = super::super::format::Identity { salt: 0x1122_3344_5566_7788, number: 1 };
    let body = forged.stamp(identity, body_at, length).to_vec();
    let mut frame = Frame::new();
    frame.push(head(1), b"12345678", &[&body], blob_crc(&[&body]));
    let committed = writer.commit(&mut frame).unwrap();
    assert_eq!(frame.place(&committed, 0).offset + 48, body_at);
    drop((writer, reader));
    // The outer frame is torn; were the body believed, this would be damage, or worse, a record.
    edit(dir.path(), 1, |data| data[at(committed.start.offset) + 70] ^= 1);
    let (_, reader, recovered) = reopen(dir.path());
    assert_eq!(recovered.cut.len(), 1);
    assert_eq!(replayed(&reader, None), metas(&known));
}

#[test]
fn a_bad_footer_costs_nothing_while_the_frames_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, ..) = reopen(dir.path());
    let known = fill(&mut writer, 40);
    drop(writer);
    let path = edit(dir.path(), 1, |data| {
        let last = data.len() - 40;
        data[last] ^= 1;
    });
    let (_, reader, recovered) = reopen(dir.path());
    assert_eq!(recovered.notes.iter().map(|note| &note.file).collect::<Vec<_>>(), [&path]);
    assert_eq!(replayed(&reader, None), metas(&known));
    assert_eq!(verify(dir.path()).unwrap().damage.len(), 1);
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path());
    edit(dir.path(), 1, |data| {
        data[8] = 2;
        let crc = crc32c::crc32c(&data[..36]);
        data[36..40].copy_from_slice(&crc.to_le_bytes());
    });
    for salvage in [false, true] {
        let error = open(dir.path(), SMALL, None, salvage).unwrap_err();
        assert!(matches!(error, JournalError::NewerFormat { found: 2, known: 1, .. }), "{error}");
    }
}

#[test]
fn a_lost_header_refuses_the_start_and_salvage_finds_the_frames_again() {
    let dir = tempfile::tempdir().unwrap();
    let known = three(dir.path());
    edit(dir.path(), 1, |data| data[..64].fill(0));
    assert_eq!(damage_of(open(dir.path(), SMALL, None, false)).offset, 0);
    let (_, reader, _) = open(dir.path(), SMALL, None, true).unwrap();
    assert_eq!(replayed(&reader, None), metas(&known));
}

//! Tests of the journal's file layer: a small journal with known records, then everything that can happen to it.

mod capture;
mod damage;
mod files;
mod recovery;

use std::path::{Path, PathBuf};

use super::{
    Committed, Frame, JournalError, JournalOptions, Position, Reader, Record, RecordHead, RecordRef, Recovered, Writer,
    blob_crc, open, segment::path_of,
};

/// Small enough that a few dozen records need several segments.
const SMALL: JournalOptions = JournalOptions { segment_bytes: 4096 };

/// A record the test wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    at: RecordRef,
    head: RecordHead,
    meta: Vec<u8>,
    blob: Vec<u8>,
    frame: Committed,
}

fn head(seq: u64) -> RecordHead {
    RecordHead { kind: 1, format: 1, seq, at_ms: 1_000 + i64::try_from(seq).unwrap() }
}

/// Writes a frame with one record for each pair of lengths.
fn commit(writer: &mut Writer, first_seq: u64, lens: &[(usize, usize)]) -> Vec<Known> {
    let mut frame = Frame::new();
    let mut known = Vec::new();
    for (seq, (meta_len, blob_len)) in (first_seq..).zip(lens) {
        let byte = u8::try_from(seq % 251).unwrap() + 1;
        known.push((head(seq), vec![byte; *meta_len], vec![!byte; *blob_len]));
    }
    for (head, meta, blob) in &known {
        let parts = blob.split_at(blob.len() / 2);
        let parts = [parts.0, parts.1];
        frame.push(*head, meta, &parts, blob_crc(&parts));
    }
    let committed = writer.commit(&mut frame).unwrap();
    let placed = known.into_iter().enumerate();
    placed
        .map(|(i, (head, meta, blob))| Known { at: frame.place(&committed, i), head, meta, blob, frame: committed })
        .collect()
}

/// Frames of one to three records until there are `frames`.
fn fill(writer: &mut Writer, frames: usize) -> Vec<Known> {
    let mut all: Vec<Known> = Vec::new();
    for nth in 0..frames {
        let lens: Vec<_> = (0..=nth % 3).map(|i| (20 + nth % 7, 150 * i + nth % 11)).collect();
        let known = commit(writer, all.len() as u64, &lens);
        all.extend(known);
    }
    all
}

fn reopen(dir: &Path) -> (Writer, Reader, Recovered) {
    open(dir, SMALL, None, false).unwrap()
}

fn replayed(reader: &Reader, from: Option<Position>) -> Vec<(RecordRef, RecordHead, Vec<u8>)> {
    let mut seen = Vec::new();
    reader.replay(from, &mut |entry| seen.push((entry.at, entry.head, entry.meta.to_vec()))).unwrap();
    seen
}

fn metas(known: &[Known]) -> Vec<(RecordRef, RecordHead, Vec<u8>)> {
    known.iter().map(|known| (known.at, known.head, known.meta.clone())).collect()
}

fn expect_readable(reader: &Reader, known: &[Known]) {
    for known in known {
        let Record { head, meta, blob } = reader.read(known.at).unwrap();
        assert_eq!((head, meta.as_ref(), blob.as_ref()), (known.head, known.meta.as_slice(), known.blob.as_slice()));
    }
}

/// Changes a file's bytes in place.
fn edit(dir: &Path, segment: u64, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let path = path_of(dir, segment);
    let mut data = std::fs::read(&path).unwrap();
    change(&mut data);
    std::fs::write(&path, data).unwrap();
    path
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

fn damage_of(result: Result<(Writer, Reader, Recovered), JournalError>) -> super::Damage {
    match result {
        Err(JournalError::Damaged(damage)) => damage,
        Err(other) => panic!("not damage: {other}"),
        Ok((.., recovered)) => panic!("opened: {recovered:?}"),
    }
}

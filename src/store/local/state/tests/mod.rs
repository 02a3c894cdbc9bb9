//! The state against a model that keeps every row in a list, and what only disks do: reopening, damage.

mod model;
mod steps;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use proptest::prelude::*;

use self::{
    model::World,
    steps::{Step, ask, step},
};
use super::{Asking, State, StateError, keys};
use crate::{
    domain::{Event, Phase, Standing, Timestamp},
    store::{
        local::row::{Overlaid, Row, Slot, slot_of},
        query::{EventFilter, Histogram},
    },
};

const CACHE: u64 = 16 << 20;

fn run(steps: Vec<Step>, asks: &[steps::Ask]) {
    let mut world = World::new();
    for step in steps {
        let turning_point = step.changes_disk();
        world.take(&step);
        if turning_point {
            world.check(&asks[0]);
        }
    }
    asks.iter().for_each(|ask| world.check(ask));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_history_answers_as_the_model_does(
        steps in prop::collection::vec(step(), 1..60), asks in prop::collection::vec(ask(), 1..8)
    ) {
        run(steps, &asks);
    }
}

/// Two hundred events on three connections in two blocks, everything folded.
fn folded() -> World {
    let mut world = World::new();
    for round in 0..40u8 {
        world.take(&Step::Accept { after_ms: 7, skip: u16::from(round == 20) * 1000, fan_out: 5, of: round % 3 });
        world.take(&Step::Change { which: u16::from(round) * 5, to: round, after_ms: 400, tries: 1 + round % 3 });
    }
    world.take(&Step::FoldAll);
    world
}

#[test]
fn positions_that_a_change_does_not_know_come_from_the_block() {
    let world = folded();
    let (seq, whole) = world.rows().find(|(_, row)| row.attempts_at.len() == 3).unwrap();
    let mut changed = whole.clone();
    (changed.request_at, changed.attempts_at) = (None, vec![None]);
    changed.event.version += 1;
    let mut expected = whole;
    expected.event.version += 1;

    let slots = BTreeMap::from([(slot_of(seq), Slot::Row(changed.into()))]);
    let over = Overlaid::from([(seq / 1024, slots.clone().into())]);
    assert_eq!(world.state().row(seq, &over).unwrap(), Some(expected.clone()), "merged when read");
    world.state().write_block(seq / 1024, &slots).unwrap();
    assert_eq!(world.state().row(seq, &Overlaid::new()).unwrap(), Some(expected), "merged when folded");
}

#[test]
fn a_reader_sees_a_block_before_or_after_it_is_replaced_and_never_between() {
    let world = folded();
    let state = world.state();
    let (seq, mut row) = world.rows().find(|(_, row)| row.attempts_at.len() == 1).unwrap();
    let base = row.event.version;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut newest = 0;
            while !done.load(Ordering::Acquire) {
                let seen = state.row(seq, &Overlaid::new()).unwrap().unwrap();
                assert_eq!(seen.event.attempts.len(), 1 + (seen.event.version - base) as usize);
                assert!(seen.event.version >= newest, "it never goes back");
                newest = seen.event.version;
            }
        });
        for _ in 0..100 {
            row.event.version += 1;
            row.event.attempts.push(row.event.attempts[0]);
            let slots = BTreeMap::from([(slot_of(seq), Slot::Row(row.clone().into()))]);
            state.write_block(seq / 1024, &slots).unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
}

#[test]
fn gone_is_final_and_a_block_without_events_leaves_nothing() {
    let world = folded();
    let state = world.state();
    let (seq, row): (u64, Row) = world.rows().next().unwrap();
    state.write_block(0, &BTreeMap::from([(slot_of(seq), Slot::Gone)])).unwrap();
    state.write_block(0, &BTreeMap::from([(slot_of(seq), Slot::Row(row.into()))])).unwrap();
    assert_eq!(state.version(seq).unwrap(), None);

    for block in [0, 1] {
        state.write_block(block, &(0..1024).map(|slot| (slot, Slot::Gone)).collect()).unwrap();
    }
    assert_eq!(state.blocks(&|_| Standing::default()), vec![]);
    let left: Vec<u8> = state.tree.iter().map(|entry| entry.unwrap().0[0]).collect();
    assert!(left.iter().all(|prefix| *prefix == keys::HANDLE), "{left:?}");
}

#[test]
fn summaries_tell_what_retention_asks() {
    let mut world = folded();
    world.take(&Step::Cut { on: 1 });
    let is_pending =
        |event: &Event| !event.phase.is_settled() && event.generation == world.generation(event.connection_id);
    assert!(world.rows().any(|(_, row)| !row.event.phase.is_settled() && !is_pending(&row.event)), "some are cut");
    for summary in world.state().blocks(&|id| Standing { paused: true, generation: world.generation(id) }) {
        let rows: Vec<Row> = world.rows().filter(|(seq, _)| seq / 1024 == summary.block).map(|(_, row)| row).collect();
        assert_eq!(summary.live, rows.len() as u64);
        assert_eq!(Some(summary.created_min), rows.iter().map(|row| row.event.created_at).min());
        assert_eq!(summary.pending, rows.iter().filter(|row| is_pending(&row.event)).count() as u64);
        assert!(rows.iter().any(|row| row.event.phase == Phase::Failed), "the history has failures");
    }
}

#[test]
fn a_histogram_inside_of_one_block_counts_only_its_buckets() {
    let world = folded();
    let shape = Histogram { start: Timestamp::from_ms(steps::START + 30), bucket_ms: 20, buckets: 1 };
    let shown = world.rows().filter(|(_, row)| row.event.deleted_at.is_none());
    let inside = shown.filter(|(_, row)| shape.bucket_of(row.event.created_at).is_some()).count() as u64;
    assert!(inside > 0, "the history has events there");
    let filter = EventFilter::default();
    let asking = Asking { filter: &filter, standing: &|_| crate::domain::Standing::default(), now: shape.start };
    assert_eq!(world.state().histogram(&Overlaid::new(), &asking, shape).unwrap(), [inside]);
}

#[test]
fn the_generation_and_names_survive_reopening() {
    let mut world = folded();
    world.state().set_meta("store", b"one").unwrap();
    world.state().write_durably(7).unwrap();
    assert!(world.state().disk_bytes().unwrap() > 0);
    world.take(&Step::Reopen);
    assert_eq!(world.state().generation().unwrap(), Some(7));
    assert_eq!(world.state().meta("store").unwrap(), Some(b"one".to_vec()));
    assert_eq!(world.state().meta("other").unwrap(), None);
}

#[test]
fn a_damaged_value_is_named_with_its_directory() {
    let world = folded();
    let state = world.state();
    let flip = |key: &[u8]| {
        let mut value = state.tree.get(key).unwrap().unwrap().to_vec();
        let middle = value.len() / 2;
        value[middle] ^= 4;
        state.tree.insert(key, value).unwrap();
    };
    flip(&keys::cold(0, 0));
    let error = state.row(0, &Overlaid::new()).unwrap_err();
    let StateError::Damaged { dir, key, .. } = &error else { panic!("{error}") };
    assert_eq!((dir.as_path(), key.as_str()), (world.dir(), "c 000000000000000000"));
    assert!(error.to_string().contains("rebuilt"), "{error}");

    assert!(state.write_block(0, &BTreeMap::from([(0, Slot::Gone)])).is_err(), "the part cannot be merged");
    flip(&keys::hot(1));
    let dir = world.close();
    let error = State::open(dir.path(), CACHE).unwrap_err();
    assert!(matches!(&error, StateError::Damaged { key, .. } if key == "h 0000000000000001"), "{error}");
}

#[test]
fn a_state_of_an_older_format_is_called_that_and_not_damaged() {
    let world = folded();
    let key = keys::hot(0);
    let mut value = world.state().tree.get(key).unwrap().unwrap().to_vec();
    value.truncate(value.len() - 4);
    value[0] -= 1;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&key), &value);
    value.extend(crc.to_le_bytes());
    world.state().tree.insert(key, value).unwrap();
    let dir = world.close();
    let error = State::open(dir.path(), CACHE).unwrap_err();
    assert!(matches!(&error, StateError::Older(named) if named == dir.path()), "{error}");
}

#[test]
fn damaged_files_of_sled_are_an_error_and_no_panic() {
    let dir = folded().close();
    for name in ["db", "conf"] {
        let path = dir.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.iter_mut().step_by(3).for_each(|byte| *byte ^= 0x5a);
        std::fs::write(&path, bytes).unwrap();
    }
    State::open(dir.path(), CACHE).unwrap_err();
}

#[test]
fn a_part_that_is_missing_is_damage() {
    let world = folded();
    world.state().tree.remove(keys::cold(0, 0)).unwrap();
    let error = world.state().row(0, &Overlaid::new()).unwrap_err();
    assert!(matches!(&error, StateError::Damaged { key, .. } if key.starts_with("c ")), "{error}");
}

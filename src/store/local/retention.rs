//! Retention: gives the disk back, never at the price of live data.
//!
//! A pass first forgets settled events that are past their time, then looks at sealed segments, oldest first: one in which nothing
//! lives goes; one in which little lives goes after its events were carried to the journal's end. What lives is read off the
//! segment's own footer and the state, so there are no counters that could drift. What was erased is left out of what is carried, and
//! a segment that has any of it goes when it is past retention, whatever lives in it. CONTRIBUTING, decision 6.

mod documents;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::sync::oneshot;

use self::documents::Named;
use super::{
    LocalOptions,
    documents::read::erased,
    journal::{Entry, SegmentInfo, blob_crc},
    queue::{Answer, Job, Kept},
    read,
    record::{Kind, StoredCarried, StoredDocument, StoredItems, StoredRequest, carried, decode},
    replay,
    row::{Row, Slot, block_of},
    shared::Shared,
};
use crate::{
    domain::{Configuration, Event, RequestId, Seq, Timestamp},
    store::StoreError,
};

/// A segment in which more than one event in this many lives is kept.
const CARRY_ONE_IN: usize = 5;
/// The same while the journal is over its quota.
const CARRY_ONE_IN_OVER_QUOTA: usize = 2;
/// Events that one record makes the writer check: keeps a frame short.
const FORGET_AT_ONCE: usize = 4096;

/// The thread: passes until the store closes.
pub(super) fn run(shared: &Shared) {
    while shared.wait_for_retention() {
        match pass(shared) {
            Ok(0) | Err(StoreError::Rebuilding { .. }) => {}
            Ok(bytes) => tracing::info!(bytes, "retention gave disk space back"),
            Err(error) => tracing::error!(%error, "retention could not be done; it is tried again"),
        }
    }
}

/// One pass; answers how many bytes of the journal it gave back.
///
/// # Errors
///
/// When state or journal cannot be read; what was done until then stands.
pub(super) fn pass(shared: &Shared) -> Result<u64, StoreError> {
    let cutoff = horizon(shared);
    if shared.take_unsealed_erasure() {
        // What was erased may lie in the segment that is written: it must not stay open until it is full.
        submit(shared, |answer| Job::Seal { answer })?;
    }
    expire(shared, cutoff)?;
    let before = shared.reader.bytes_on_disk();
    let mut oldest = true;
    let mut kept = false;
    // A start replays from the checkpoint's position on: what it would read must be there.
    let replayed_from = shared.replayed_from();
    for segment in shared.reader.segments() {
        if segment.number >= replayed_from || !segment.sealed || shared.is_retention_stopped() {
            break;
        }
        match examine(shared, segment, cutoff, oldest) {
            Ok(Verdict::Removed) => {}
            Ok(Verdict::Kept) => {
                oldest = false;
                kept = true;
            }
            Ok(Verdict::TooYoung) => break,
            // While a backup copies segments none goes, and nothing new is known about the quota: the next pass looks again.
            Ok(Verdict::BackedUp) => return Ok(before.saturating_sub(shared.reader.bytes_on_disk())),
            Err(StoreError::Damaged(why)) => {
                tracing::error!(segment = segment.number, why, "a damaged segment stays; those after it are looked at");
                oldest = false;
            }
            Err(error) => return Err(error),
        }
    }
    let after = shared.reader.bytes_on_disk();
    // Without a segment that had to stay there was only nothing to look at yet.
    shared.set_over_quota(kept && shared.options.quota_bytes.is_some_and(|quota| after > quota));
    Ok(before.saturating_sub(after))
}

/// What became of a segment.
#[derive(Clone, Copy)]
enum Verdict {
    Removed,
    Kept,
    TooYoung,
    BackedUp,
}

fn examine(shared: &Shared, segment: SegmentInfo, cutoff: Timestamp, oldest: bool) -> Result<Verdict, StoreError> {
    let over_quota = shared.options.quota_bytes.is_some_and(|quota| shared.reader.bytes_on_disk() > quota);
    // Time never goes back from segment to segment: behind the first that is too young all are.
    if !over_quota && shared.reader.newest_at_ms(segment.number)?.is_some_and(|newest| newest >= cutoff.ms()) {
        return Ok(Verdict::TooYoung);
    }
    let alone = shared.pin.try_alone().map_err(|error| StoreError::Io(format!("backup.lock: {error}")))?;
    let Some(_alone) = alone else { return Ok(Verdict::BackedUp) };
    let removed = reclaim(shared, segment, oldest, over_quota)?;
    Ok(if removed { Verdict::Removed } else { Verdict::Kept })
}

/// Forgets every settled event whose last activity is older than `cutoff`.
fn expire(shared: &Shared, cutoff: Timestamp) -> Result<(), StoreError> {
    let blocks = shared.query(|state, _, standing| Ok(state.blocks(standing)))?;
    for block in blocks.into_iter().filter(|block| block.live > block.pending && block.created_min < cutoff) {
        if shared.is_retention_stopped() {
            break;
        }
        let slots = shared.query(|state, over, _| state.read_block(block.block, over))?;
        let configuration = shared.configuration();
        let is_expired = |event: &Event| is_settled(event, &configuration) && last_told(event, &configuration) < cutoff;
        let events = slots.into_values().filter_map(|slot| match slot {
            Slot::Row(row) => is_expired(&row.event).then_some((row.event.seq, row.event.version)),
            Slot::Gone => None,
        });
        forget(shared, &events.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Whether nothing more will happen to an event by itself: what its connection cut is cancelled, however it is stored.
fn is_settled(event: &Event, configuration: &Configuration) -> bool {
    event.phase.effective(event.generation, configuration.standing(event.connection_id)).is_settled()
}

/// When anything last happened to an event. What its connection cut is kept from then on, so that it is seen as cancelled:
/// a later change of the connection keeps it longer, never shorter.
fn last_told(event: &Event, configuration: &Configuration) -> Timestamp {
    let activity = event.last_activity_at();
    match configuration.connections.get(&event.connection_id) {
        Some(connection) if !event.phase.is_settled() => activity.max(connection.updated_at),
        Some(_) | None => activity,
    }
}

/// What is older is past retention.
pub(super) fn horizon(shared: &Shared) -> Timestamp {
    let retention_ms = u64::try_from(shared.options.retention.as_millis()).unwrap_or(u64::MAX);
    shared.clock.now().minus_ms(retention_ms)
}

/// When what was erased at a moment is gone from the disk: the next pass closes the segment that is written, that one is past
/// retention at this age, and the pass after that takes it away.
pub(super) fn gone_by(options: &LocalOptions, erased_at: Timestamp) -> Timestamp {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let later = ms(options.retention).saturating_add(ms(options.retention_interval).saturating_mul(2));
    erased_at.plus_ms(later)
}

fn forget(shared: &Shared, events: &[(Seq, u32)]) -> Result<(), StoreError> {
    for events in events.chunks(FORGET_AT_ONCE) {
        submit(shared, |answer| Job::Gone { events: events.to_vec(), answer })?;
    }
    Ok(())
}

/// What one segment holds, by its own footer.
#[derive(Default)]
struct Contents {
    /// Each event with the bytes it has here; a body counts for every event of its request, since each is carried with its own.
    events: BTreeMap<Seq, u64>,
    config: Vec<Kept>,
    gone: Vec<Kept>,
    documents: Named,
    /// Requests whose data it has; not gathered as long as none was ever erased.
    requests: BTreeSet<RequestId>,
}

impl Contents {
    /// Whether so few and so small events live that carrying them gives disk back.
    fn is_worth_carrying(&self, live: &[Row], segment: SegmentInfo, one_in: usize) -> bool {
        let bytes: u64 = live.iter().filter_map(|row| self.events.get(&row.event.seq)).sum();
        live.is_empty() || (live.len() * one_in < self.events.len() && bytes * (one_in as u64) < segment.bytes)
    }

    /// Whether it has data that was erased: its bytes are to be gone, whatever that costs.
    fn has_erased(&self, shared: &Shared) -> Result<bool, StoreError> {
        for request in &self.requests {
            if erased(shared, *request)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn add_request(&mut self, entry: &Entry<'_>) -> Result<(), StoreError> {
        match Kind::from_number(entry.head.kind) {
            Some(Kind::Request) => {
                let request: StoredRequest<'_> = decode(entry.head.kind, entry.head.format, entry.meta)?;
                self.requests.insert(request.id());
            }
            Some(Kind::Carried) => {
                let carried: StoredCarried<'_> = decode(entry.head.kind, entry.head.format, entry.meta)?;
                self.requests.extend(carried.request.map(|request| request.id()));
            }
            Some(Kind::Outcome | Kind::Change | Kind::Config | Kind::Gone | Kind::Document) | None => {}
        }
        Ok(())
    }
}

/// Removes a segment if little or nothing in it lives; whether it did.
fn reclaim(shared: &Shared, segment: SegmentInfo, oldest: bool, over_quota: bool) -> Result<bool, StoreError> {
    let contents = contents(shared, segment.number)?;
    let mut live = live_rows(shared, &contents.events)?;
    if over_quota {
        let configuration = shared.configuration();
        let settled = live.iter().filter(|row| is_settled(&row.event, &configuration));
        forget(shared, &settled.map(|row| (row.event.seq, row.event.version)).collect::<Vec<_>>())?;
        live = live_rows(shared, &contents.events)?;
    }
    let one_in = if over_quota { CARRY_ONE_IN_OVER_QUOTA } else { CARRY_ONE_IN };
    if !contents.is_worth_carrying(&live, segment, one_in) && !contents.has_erased(shared)? {
        return Ok(false);
    }
    for row in &live {
        if !carry(shared, row)? {
            // It changed since it was read: the next pass sees it as it is now.
            return Ok(false);
        }
    }
    if !contents.documents.carry(shared, segment.number, oldest)? {
        return Ok(false);
    }
    let mut needed = current_items(shared, &contents)?;
    if !oldest {
        // Events of older segments would come back in a rebuild without these.
        needed.extend(contents.gone);
    }
    if !needed.is_empty() {
        submit(shared, |answer| Job::Repeat { records: needed, answer })?;
    }
    shared.reader.remove(segment.number).map_err(|error| StoreError::Io(error.to_string()))?;
    Ok(true)
}

fn contents(shared: &Shared, segment: u64) -> Result<Contents, StoreError> {
    let mut contents = Contents::default();
    let mut failed = None;
    shared
        .reader
        .entries(segment, &mut |entry| failed = failed.take().or(take(shared, &mut contents, &entry).err()))?;
    failed.map_or(Ok(contents), Err)
}

fn take(shared: &Shared, contents: &mut Contents, entry: &Entry<'_>) -> Result<(), StoreError> {
    match Kind::from_number(entry.head.kind) {
        Some(Kind::Config) => contents.config.push(Kept::from(entry)),
        Some(Kind::Gone) => contents.gone.push(Kept::from(entry)),
        Some(Kind::Document) => {
            let record: StoredDocument<'_> = decode(entry.head.kind, entry.head.format, entry.meta)?;
            contents.documents.add(&record);
        }
        Some(Kind::Request | Kind::Outcome | Kind::Change | Kind::Carried) | None => {
            if shared.has_erasures() {
                contents.add_request(entry)?;
            }
            replay::changes(entry, |change| {
                for seq in change.seq() {
                    *contents.events.entry(seq).or_default() += entry.meta.len() as u64 + u64::from(entry.blob_len);
                }
            })?;
        }
    }
    Ok(())
}

fn live_rows(shared: &Shared, events: &BTreeMap<Seq, u64>) -> Result<Vec<Row>, StoreError> {
    let blocks: BTreeSet<u64> = events.keys().copied().map(block_of).collect();
    let mut live = Vec::new();
    for block in blocks {
        let slots = shared.query(|state, over, _| state.read_block(block, over))?;
        live.extend(slots.into_values().filter_map(|slot| match slot {
            Slot::Row(row) => events.contains_key(&row.event.seq).then(|| row.as_ref().clone()),
            Slot::Gone => None,
        }));
    }
    Ok(live)
}

/// Writes an event's whole history to the journal's end; false when it changed meanwhile.
fn carry(shared: &Shared, row: &Row) -> Result<bool, StoreError> {
    let content = match row.request_at.map(|request| read::request_content(shared, request.at)) {
        Some(Ok(content)) => Some(content),
        Some(Err(StoreError::NotFound | StoreError::Erased { .. } | StoreError::Damaged(_))) | None => None,
        Some(Err(error)) => return Err(error),
    };
    let mut records = Vec::new();
    for (index, at) in row.attempts_at.iter().enumerate() {
        records.push(match at.map(|at| read::attempt_record(shared, at, index)) {
            Some(Ok(record)) => Some(record),
            Some(Err(StoreError::NotFound | StoreError::Damaged(_))) | None => None,
            Some(Err(error)) => return Err(error),
        });
    }
    let request = content.as_ref().map(|content| (&content.request, content.ignored.as_slice()));
    let body_bytes = request.map_or(0, |(request, _)| u32::try_from(request.body.len()).unwrap_or(u32::MAX));
    let (meta, blob) = carried(&row.event, request, &records);
    let parts: Vec<&[u8]> = blob.iter().map(AsRef::as_ref).collect();
    let blob_crc = blob_crc(&parts);
    let event = Box::new(row.event.clone());
    submit(shared, |answer| Job::Carry { event, meta, blob, blob_crc, body_bytes, answer })
}

/// The configuration records of a segment of which anything is still current.
fn current_items(shared: &Shared, contents: &Contents) -> Result<Vec<Kept>, StoreError> {
    let configuration = shared.configuration();
    let mut needed = Vec::new();
    for record in &contents.config {
        let stored: StoredItems = decode(record.kind, record.format, &record.meta)?;
        let items = stored.0.into_iter().map(|item| item.into_item(&shared.key));
        for item in items {
            let item = item.map_err(|error| StoreError::Damaged(error.to_string()))?;
            if configuration.version_of(&item) == item.version() {
                needed.push(record.clone());
                break;
            }
        }
    }
    Ok(needed)
}

fn submit<T>(shared: &Shared, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
    let (answer, receiver) = oneshot::channel();
    shared.queue.push(job(answer))?;
    receiver.blocking_recv().unwrap_or(Err(StoreError::Closed))
}

//! The `c` values of a block: 128 slots each, with what only a shown row needs. Decodable without the block's columns.

use super::{
    column::{Reader, Writer, narrow},
    combination::error_from,
    error::Corrupt,
};
use crate::{
    domain::{AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, Phase, RequestId, Timestamp},
    store::local::{RecordRef, row::Row},
};

/// Slots in a part. *Motive:* a page opens few parts, and a part stays far below 8 KiB, past which sled wastes space.
pub(super) const PART_SLOTS: u16 = 128;

/// The part of a slot, and its place in it.
pub(super) fn part_of(slot: u16) -> (u8, usize) {
    (u8::try_from(slot / PART_SLOTS).unwrap_or(u8::MAX), usize::from(slot % PART_SLOTS))
}

const RANDOM_BITS: u32 = 80;
const RANDOM_BYTES: usize = 10;

/// What a part has of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColdRow {
    pub(super) request_id: RequestId,
    pub(super) index: u16,
    pub(super) request_at: Option<RecordRef>,
    /// Of a ready one, or of what a cancelled one left unsent; `Initial` otherwise.
    pub(super) trigger: AttemptTrigger,
    /// Of a cancelled one: when what it left unsent was due.
    pub(super) unsent_due: Option<Timestamp>,
    /// When it was deleted, if it was.
    pub(super) deleted_at: Option<Timestamp>,
    pub(super) automatic_used: u32,
    pub(super) attempts: Vec<AttemptSummary>,
    /// As long as `attempts`.
    pub(super) attempts_at: Vec<Option<RecordRef>>,
}

impl ColdRow {
    /// Takes its share of a row; positions that the row does not know come from what is stored.
    pub(super) fn merge(row: &Row, stored: Option<&Self>) -> Self {
        let event = &row.event;
        let (trigger, unsent_due) = match event.phase {
            Phase::Ready { trigger, .. } => (trigger, None),
            Phase::Cancelled { unsent: Some(unsent) } => (unsent.trigger, Some(unsent.due_at)),
            Phase::Waiting { .. } | Phase::Successful | Phase::Failed | Phase::Cancelled { unsent: None } => {
                (AttemptTrigger::Initial, None)
            }
        };
        let known = |at: usize| {
            let given = row.attempts_at.get(at).copied().flatten();
            given.or_else(|| stored.and_then(|stored| stored.attempts_at.get(at).copied().flatten()))
        };
        Self {
            request_id: event.request_id,
            index: event.index,
            request_at: row
                .request_at
                .map(|request| request.at)
                .or_else(|| stored.and_then(|stored| stored.request_at)),
            trigger,
            unsent_due,
            deleted_at: event.deleted_at,
            automatic_used: event.automatic_used,
            attempts: event.attempts.clone(),
            attempts_at: (0..event.attempts.len()).map(known).collect(),
        }
    }
}

/// One part: [`PART_SLOTS`] places.
pub(super) type Part = Vec<Option<ColdRow>>;

/// A part without events.
pub(super) fn empty() -> Part {
    vec![None; usize::from(PART_SLOTS)]
}

const TRIGGERS: [AttemptTrigger; 5] = [
    AttemptTrigger::Initial,
    AttemptTrigger::Automatic,
    AttemptTrigger::Manual,
    AttemptTrigger::BulkRetry,
    AttemptTrigger::Unpause,
];
const STATUSES: [AttemptStatus; 3] = [AttemptStatus::Successful, AttemptStatus::Failed, AttemptStatus::Cancelled];

fn trigger_number(trigger: AttemptTrigger) -> i64 {
    match trigger {
        AttemptTrigger::Initial => 0,
        AttemptTrigger::Automatic => 1,
        AttemptTrigger::Manual => 2,
        AttemptTrigger::BulkRetry => 3,
        AttemptTrigger::Unpause => 4,
    }
}

fn trigger_from(number: i64) -> Result<AttemptTrigger, Corrupt> {
    let trigger = usize::try_from(number).ok().and_then(|number| TRIGGERS.get(number));
    trigger.copied().ok_or(Corrupt("a trigger is unknown"))
}

/// How a try is counted, and whether it was resumed, in one column: nearly always one of two values.
fn status_number(attempt: &AttemptSummary) -> i64 {
    let status = match attempt.status {
        AttemptStatus::Successful => 0,
        AttemptStatus::Failed => 1,
        AttemptStatus::Cancelled => 2,
    };
    status * 2 + i64::from(attempt.resumed)
}

fn status_from(number: i64) -> Result<(AttemptStatus, bool), Corrupt> {
    let status = usize::try_from(number / 2).ok().and_then(|number| STATUSES.get(number));
    status.map(|status| (*status, number % 2 == 1)).ok_or(Corrupt("an attempt's status is unknown"))
}

pub(super) fn encode(part: &Part) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut column = |values: Vec<i64>| writer.column(&values);
    column(part.iter().map(|row| i64::from(row.is_some())).collect());
    let rows: Vec<&ColdRow> = part.iter().flatten().collect();
    // Events of one fan-out follow each other: their request's id is written once.
    let fresh = |at: usize| at == 0 || rows[at - 1].request_id != rows[at].request_id;
    let requests: Vec<RequestId> = (0..rows.len()).filter(|at| fresh(*at)).map(|at| rows[at].request_id).collect();
    column((0..rows.len()).map(|at| i64::from(fresh(at))).collect());
    column(requests.iter().map(|id| id.time().ms()).collect());
    column(rows.iter().map(|row| row.index.into()).collect());
    column(rows.iter().map(|row| trigger_number(row.trigger)).collect());
    for moment in [|row: &ColdRow| row.unsent_due, |row: &ColdRow| row.deleted_at] {
        column(rows.iter().map(|row| moment(row).is_some().into()).collect());
        column(rows.iter().map(|row| moment(row).map_or(0, Timestamp::ms)).collect());
    }
    column(rows.iter().map(|row| row.automatic_used.into()).collect());
    column(rows.iter().map(|row| i64::try_from(row.attempts.len()).unwrap_or(i64::MAX)).collect());
    let positions: Vec<_> = rows.iter().map(|row| row.request_at).collect();
    encode_positions(&mut writer, &positions);
    encode_attempts(&mut writer, &rows);
    for id in requests {
        writer.bytes(&id.bits().to_be_bytes()[16 - RANDOM_BYTES..]);
    }
    writer.into_bytes()
}

fn encode_attempts(writer: &mut Writer, rows: &[&ColdRow]) {
    let tries: Vec<(&AttemptSummary, RequestId)> =
        rows.iter().flat_map(|row| row.attempts.iter().map(|attempt| (attempt, row.request_id))).collect();
    let mut column = |value: &dyn Fn(&AttemptSummary) -> i64| {
        writer.column(&tries.iter().map(|(attempt, _)| value(attempt)).collect::<Vec<_>>());
    };
    column(&|attempt| trigger_number(attempt.trigger));
    column(&status_number);
    column(&|attempt| attempt.latency_ms.into());
    column(&|attempt| attempt.result.status().map_or(0, |status| i64::from(status) + 1));
    column(&|attempt| attempt.result.error().map_or(0, |error| error.number().into()));
    // Most tries start soon after their request came.
    let since = tries.iter().map(|(attempt, id)| attempt.started_at.ms().wrapping_sub(id.time().ms()));
    writer.column(&since.collect::<Vec<_>>());
    let positions: Vec<_> = rows.iter().flat_map(|row| row.attempts_at.iter().copied()).collect();
    encode_positions(writer, &positions);
}

/// Offsets as steps: neighbours lie near each other in the journal.
fn encode_positions(writer: &mut Writer, positions: &[Option<RecordRef>]) {
    writer.column(&positions.iter().map(|at| at.is_some().into()).collect::<Vec<_>>());
    let known = || positions.iter().flatten();
    writer.column(&known().map(|at| at.segment.cast_signed()).collect::<Vec<_>>());
    let mut previous = 0;
    let steps = known().map(|at| at.offset.wrapping_sub(std::mem::replace(&mut previous, at.offset)).cast_signed());
    let steps: Vec<i64> = steps.collect();
    // The first step is the offset itself: apart, so that it does not widen the others.
    writer.signed(steps.first().copied().unwrap_or(0));
    writer.column(steps.get(1..).unwrap_or(&[]));
}

fn decode_positions(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Option<RecordRef>>, Corrupt> {
    let has = reader.column(count)?;
    let known = has.iter().filter(|has| **has != 0).count();
    let segments = reader.column(known)?;
    let mut offset = reader.signed()?;
    let steps = reader.column(known.saturating_sub(1))?;
    let mut places = segments.into_iter().zip(std::iter::once(0).chain(steps)).map(|(segment, step)| {
        offset = offset.wrapping_add(step);
        RecordRef { segment: segment.cast_unsigned(), offset: offset.cast_unsigned() }
    });
    Ok(has.into_iter().map(|has| if has == 0 { None } else { places.next() }).collect())
}

/// How a part begins: what tells its events apart.
struct Head {
    present: Vec<i64>,
    fresh: Vec<i64>,
    times: Vec<i64>,
    indexes: Vec<u16>,
}

impl Head {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let present = reader.column(usize::from(PART_SLOTS))?;
        let count = present.iter().filter(|present| **present != 0).count();
        let fresh = reader.column(count)?;
        let times = reader.column(fresh.iter().filter(|fresh| **fresh != 0).count())?;
        Ok(Self { present, fresh, times, indexes: narrow::<u16>(reader.column(count)?)? })
    }
}

/// Request and place in the fan-out of each event of a part, with its place in the part: a fraction of what decoding all costs.
/// None when no id has any of some times, which are in order.
pub(super) fn decode_names(body: &[u8], times: &[Timestamp]) -> Result<Vec<(usize, RequestId, u16)>, Corrupt> {
    let head = Head::decode(&mut Reader::new(body))?;
    if !head.times.iter().any(|time| times.binary_search(&Timestamp::from_ms(*time)).is_ok()) {
        return Ok(Vec::new());
    }
    // The random parts of the ids are what a part ends with.
    let start = body.len().checked_sub(head.times.len() * RANDOM_BYTES).ok_or(Corrupt("it ends too early"))?;
    let ids = decode_ids(&mut Reader::new(&body[start..]), &head.fresh, &head.times)?;
    let places = head.present.into_iter().enumerate().filter(|(_, present)| *present != 0).map(|(place, _)| place);
    Ok(places.zip(ids).zip(head.indexes).map(|((place, id), index)| (place, id, index)).collect())
}

pub(super) fn decode(body: &[u8]) -> Result<Part, Corrupt> {
    let mut reader = Reader::new(body);
    let Head { present, fresh, times, indexes } = Head::decode(&mut reader)?;
    let count = indexes.len();
    let triggers = reader.column(count)?;
    let (unsent_due, deleted_at) = (decode_moments(&mut reader, count)?, decode_moments(&mut reader, count)?);
    let used = narrow::<u32>(reader.column(count)?)?;
    let tries = narrow::<u32>(reader.column(count)?)?;
    let request_at = decode_positions(&mut reader, count)?;
    let mut attempts = Attempts::decode(&mut reader, tries.iter().map(|tries| *tries as usize).sum())?;
    let ids = decode_ids(&mut reader, &fresh, &times)?;
    let mut rows = Vec::with_capacity(count);
    for at in 0..count {
        let (summaries, attempts_at) = attempts.take(tries[at] as usize, ids[at])?;
        rows.push(ColdRow {
            request_id: ids[at],
            index: indexes[at],
            request_at: request_at[at],
            trigger: trigger_from(triggers[at])?,
            unsent_due: unsent_due[at],
            deleted_at: deleted_at[at],
            automatic_used: used[at],
            attempts: summaries,
            attempts_at,
        });
    }
    let mut rows = rows.into_iter();
    Ok(present.into_iter().map(|present| if present == 0 { None } else { rows.next() }).collect())
}

fn decode_moments(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Option<Timestamp>>, Corrupt> {
    let (has, moments) = (reader.column(count)?, reader.column(count)?);
    Ok(has.into_iter().zip(moments).map(|(has, at)| (has != 0).then(|| Timestamp::from_ms(at))).collect())
}

fn decode_ids(reader: &mut Reader<'_>, fresh: &[i64], times: &[i64]) -> Result<Vec<RequestId>, Corrupt> {
    let mut times = times.iter();
    let mut id = None;
    let mut ids = Vec::with_capacity(fresh.len());
    for fresh in fresh {
        if *fresh != 0 {
            let mut bits = [0; 16];
            bits[16 - RANDOM_BYTES..].copy_from_slice(reader.bytes(RANDOM_BYTES)?);
            let time = times.next().copied().unwrap_or(0).cast_unsigned();
            id = Some(RequestId::from_bits(u128::from(time) << RANDOM_BITS | u128::from_be_bytes(bits)));
        }
        ids.push(id.ok_or(Corrupt("its first event has no request"))?);
    }
    Ok(ids)
}

/// The attempts of a part, all events' behind each other.
struct Attempts {
    columns: [Vec<i64>; 6],
    positions: Vec<Option<RecordRef>>,
    taken: usize,
}

impl Attempts {
    fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Self, Corrupt> {
        let mut column = || reader.column(count);
        let columns = [column()?, column()?, column()?, column()?, column()?, column()?];
        Ok(Self { columns, positions: decode_positions(reader, count)?, taken: 0 })
    }

    /// The next event's.
    fn take(&mut self, count: usize, id: RequestId) -> Result<(Vec<AttemptSummary>, Vec<Option<RecordRef>>), Corrupt> {
        let range = self.taken..self.taken + count;
        self.taken = range.end;
        let [triggers, states, latencies, statuses, errors, since] = &self.columns;
        let one = |at: usize| {
            let status = match statuses[at] {
                0 => None,
                status => Some(u16::try_from(status - 1).map_err(|_| Corrupt("a status is out of range"))?),
            };
            let result = match (errors[at], status) {
                (0, Some(status)) => AttemptResult::Answered { status },
                (0, None) => return Err(Corrupt("an attempt has neither a status nor an error")),
                (error, status) => AttemptResult::Failed { error: error_from(error.cast_unsigned())?, status },
            };
            let (status, resumed) = status_from(states[at])?;
            Ok(AttemptSummary {
                trigger: trigger_from(triggers[at])?,
                resumed,
                status,
                started_at: Timestamp::from_ms(since[at].wrapping_add(id.time().ms())),
                latency_ms: u32::try_from(latencies[at]).map_err(|_| Corrupt("a latency is out of range"))?,
                result,
            })
        };
        Ok((range.clone().map(one).collect::<Result<_, _>>()?, self.positions[range].to_vec()))
    }
}

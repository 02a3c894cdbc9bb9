//! A chunk of requests as columns, and its zone: what memory keeps of it.

use std::collections::HashMap;

use crate::{
    domain::{RejectionCause, RequestId, SourceId, Timestamp},
    store::{
        PayloadRef, RequestSummary,
        local::{
            requests::CHUNK_REQUESTS,
            state::{
                column::{Reader, Writer, narrow},
                error::Corrupt,
                handles::Staged,
                zone::widen,
            },
        },
    },
};

/// Bytes of an id that are not its time.
const RANDOM_BYTES: usize = 10;
/// Bits of them.
const RANDOM_BITS: u32 = 80;

/// What requests of a chunk have in common: few differ, since fan-outs follow the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Combination {
    /// Handle of the source.
    pub(super) source: u32,
    pub(super) rejection: Option<RejectionCause>,
    pub(super) events: u32,
    pub(super) ignored: u32,
}

/// Requests of one segment that follow each other, in that order; all columns are equally long.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) combinations: Vec<Combination>,
    /// For each request the place of its combination.
    which: Vec<u16>,
    created: Vec<i64>,
    received: Vec<i64>,
    id_times: Vec<i64>,
    randoms: Vec<[u8; RANDOM_BYTES]>,
    offsets: Vec<u64>,
}

impl Chunk {
    /// Takes rows apart; sources get their handles from `staged`.
    pub(super) fn of(rows: &[RequestSummary], staged: &mut Staged<'_>) -> Self {
        let mut chunk = Self::default();
        let mut places = HashMap::new();
        for row in rows {
            let combination = Combination {
                source: staged.intern(row.source_id.bits()),
                rejection: row.rejection,
                events: row.events,
                ignored: row.ignored,
            };
            let place = *places.entry(combination).or_insert_with(|| {
                chunk.combinations.push(combination);
                u16::try_from(chunk.combinations.len() - 1).unwrap_or(u16::MAX)
            });
            let mut random = [0; RANDOM_BYTES];
            random.copy_from_slice(&row.id.bits().to_be_bytes()[16 - RANDOM_BYTES..]);
            chunk.which.push(place);
            chunk.created.push(row.created_at.ms());
            chunk.received.push(row.received_at.ms());
            chunk.id_times.push(row.id.time().ms());
            chunk.randoms.push(random);
            chunk.offsets.push(row.payload_ref.1);
        }
        chunk
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let column = |writer: &mut Writer, of: &dyn Fn(&Combination) -> i64| {
            writer.column(&self.combinations.iter().map(of).collect::<Vec<_>>());
        };
        writer.varint(self.combinations.len() as u64);
        column(&mut writer, &|one| i64::from(one.source));
        column(&mut writer, &|one| one.rejection.map_or(0, |cause| i64::from(cause.number())));
        column(&mut writer, &|one| i64::from(one.events));
        column(&mut writer, &|one| i64::from(one.ignored));
        writer.varint(self.len() as u64);
        writer.column(&self.which.iter().map(|place| i64::from(*place)).collect::<Vec<_>>());
        write_rising(&mut writer, &self.created);
        // A request is committed soon after it came, and its id drawn when it came.
        writer.column(&differences(&self.created, &self.received));
        writer.column(&differences(&self.received, &self.id_times));
        write_rising(&mut writer, &self.offsets.iter().map(|offset| offset.cast_signed()).collect::<Vec<_>>());
        writer.bytes(self.randoms.as_flattened());
        writer.into_bytes()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(body);
        let count = reader.count()?;
        let sources: Vec<u32> = narrow(reader.column(count)?)?;
        let causes: Vec<u8> = narrow(reader.column(count)?)?;
        let events: Vec<u32> = narrow(reader.column(count)?)?;
        let ignored: Vec<u32> = narrow(reader.column(count)?)?;
        let mut combinations = Vec::with_capacity(count);
        for (at, source) in sources.into_iter().enumerate() {
            let rejection = match causes[at] {
                0 => None,
                number => Some(RejectionCause::from_number(number).ok_or(Corrupt("a rejection cause is unknown"))?),
            };
            combinations.push(Combination { source, rejection, events: events[at], ignored: ignored[at] });
        }
        let count = reader.count()?;
        if count == 0 || count > CHUNK_REQUESTS {
            return Err(Corrupt("a chunk has no requests or too many"));
        }
        let which: Vec<u16> = narrow(reader.column(count)?)?;
        let created = read_rising(&mut reader, count)?;
        let received = differences(&created, &reader.column(count)?);
        let id_times = differences(&received, &reader.column(count)?);
        let offsets: Vec<u64> = narrow(read_rising(&mut reader, count)?)?;
        let (randoms, _) = reader.bytes(count * RANDOM_BYTES)?.as_chunks::<RANDOM_BYTES>();
        if which.iter().any(|place| usize::from(*place) >= combinations.len()) || !offsets.is_sorted() {
            return Err(Corrupt("a request has no combination or no place"));
        }
        Ok(Self { combinations, which, created, received, id_times, randoms: randoms.to_vec(), offsets })
    }

    pub(super) fn len(&self) -> usize {
        self.which.len()
    }

    /// Cuts off the requests at or behind an offset.
    pub(super) fn truncate(&mut self, offset: u64) {
        let keep = self.offsets.partition_point(|at| *at < offset);
        self.which.truncate(keep);
        self.created.truncate(keep);
        self.received.truncate(keep);
        self.id_times.truncate(keep);
        self.randoms.truncate(keep);
        self.offsets.truncate(keep);
    }

    /// The place of a request's combination.
    pub(super) fn combination(&self, at: usize) -> usize {
        usize::from(self.which[at])
    }

    pub(super) fn offset(&self, at: usize) -> u64 {
        self.offsets[at]
    }

    pub(super) fn created(&self, at: usize) -> Timestamp {
        Timestamp::from_ms(self.created[at])
    }

    pub(super) fn received(&self, at: usize) -> Timestamp {
        Timestamp::from_ms(self.received[at])
    }

    pub(super) fn id(&self, at: usize) -> RequestId {
        let mut random = [0; 16];
        random[16 - RANDOM_BYTES..].copy_from_slice(&self.randoms[at]);
        let time = u128::from(self.id_times[at].cast_unsigned()) << RANDOM_BITS;
        RequestId::from_bits(time | u128::from_be_bytes(random))
    }

    /// A row, put together again.
    pub(super) fn row(&self, at: usize, segment: u64, source_id: SourceId) -> RequestSummary {
        let Combination { rejection, events, ignored, .. } = self.combinations[self.combination(at)];
        RequestSummary {
            payload_ref: PayloadRef(segment, self.offset(at)),
            id: self.id(at),
            source_id,
            received_at: self.received(at),
            created_at: self.created(at),
            rejection,
            events,
            ignored,
        }
    }
}

/// Element by element; what it makes of its own result is the second again.
fn differences(from: &[i64], these: &[i64]) -> Vec<i64> {
    from.iter().zip(these).map(|(from, this)| from.wrapping_sub(*this)).collect()
}

/// Writes values that rise a little from one to the next: the first, then a column of steps.
fn write_rising(writer: &mut Writer, values: &[i64]) {
    writer.signed(values.first().copied().unwrap_or_default());
    writer.column(&values.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect::<Vec<_>>());
}

fn read_rising(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Corrupt> {
    let mut value = reader.signed()?;
    let mut values = Vec::with_capacity(count);
    values.push(value);
    for step in reader.column(count.saturating_sub(1))? {
        value = value.wrapping_add(step);
        values.push(value);
    }
    Ok(values)
}

/// A chunk with at least one request, in short.
#[derive(Debug)]
pub(in crate::store::local::state) struct Zone {
    /// When its requests were committed, earliest and latest.
    pub(super) created: (Timestamp, Timestamp),
    pub(super) received: (Timestamp, Timestamp),
    /// When their ids were drawn.
    pub(super) ids: (Timestamp, Timestamp),
    /// How many requests there are of each combination: exact.
    pub(super) combinations: Box<[(Combination, u16)]>,
}

impl Zone {
    /// `None` when it has no request.
    pub(super) fn of(chunk: &Chunk) -> Option<Self> {
        let mut counts = vec![0u16; chunk.combinations.len()];
        chunk.which.iter().for_each(|place| counts[usize::from(*place)] += 1);
        let range =
            |times: &[i64]| times.iter().fold(None, |range, time| Some(widen(range, Timestamp::from_ms(*time))));
        let counted = chunk.combinations.iter().copied().zip(counts).filter(|(_, count)| *count > 0);
        Some(Self {
            created: range(&chunk.created)?,
            received: range(&chunk.received)?,
            ids: range(&chunk.id_times)?,
            combinations: counted.collect(),
        })
    }
}

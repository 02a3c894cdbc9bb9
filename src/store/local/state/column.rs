//! Numbers in few bytes: varints, and columns packed relative to their smallest value.
//!
//! A column is its smallest value and then, whichever is shortest: nothing (all equal), the differences at a fixed width of
//! 1 to 8 bytes, or only the differences that are not zero with their places (few values differ from the smallest).

use super::error::Corrupt;

/// Tag of a column whose values are all equal; 1 to 8 are widths.
const CONSTANT: u8 = 0;
/// Tag of a column that lists what differs from the smallest value.
const SPARSE: u8 = 9;
/// Values in one column at most, so that damage cannot ask for much memory: a part has 128 events, so each may have 131 072
/// attempts, for which somebody would have to ask by hand.
const COLUMN_MAX: usize = 1 << 24;

/// Collects the bytes of a value.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits are taken at a time")]
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Signed, with small magnitudes short.
    pub(super) fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Writes a column; the reader must know how many values it has.
    pub(super) fn column(&mut self, values: &[i64]) {
        let min = values.iter().copied().min().unwrap_or(0);
        let max = values.iter().copied().max().unwrap_or(0);
        let width = width_of(difference(max, min));
        let exceptions = values.iter().filter(|value| **value != min).count();
        if width == 0 {
            self.0.push(CONSTANT);
            self.signed(min);
        } else if exceptions * (width + 2) + 8 < values.len() * width && values.len() <= usize::from(u16::MAX) {
            self.0.push(SPARSE);
            self.signed(min);
            let (places, others): (Vec<i64>, Vec<i64>) =
                (0i64..).zip(values).filter(|(_, value)| **value != min).map(|(at, value)| (at, *value)).unzip();
            self.varint(places.len() as u64);
            self.column(&places);
            self.column(&others);
        } else {
            self.0.push(u8::try_from(width).unwrap_or(8));
            self.signed(min);
            for value in values {
                self.0.extend_from_slice(&difference(*value, min).to_le_bytes()[..width]);
            }
        }
    }
}

/// From the smaller to the larger, over the whole range of `i64`.
fn difference(larger: i64, smaller: i64) -> u64 {
    larger.wrapping_sub(smaller).cast_unsigned()
}

/// Bytes that hold a value, none for zero.
fn width_of(value: u64) -> usize {
    (64 - value.leading_zeros()).div_ceil(8) as usize
}

/// Takes the bytes of a value apart again; never panics, whatever they are.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Corrupt> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Corrupt("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Corrupt> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub(super) fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Corrupt("a number is too long"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Corrupt> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A count of things that follow, so no more than a column can have.
    pub(super) fn count(&mut self) -> Result<usize, Corrupt> {
        usize::try_from(self.varint()?).ok().filter(|count| *count <= COLUMN_MAX).ok_or(Corrupt("a count is too large"))
    }

    pub(super) fn column(&mut self, count: usize) -> Result<Vec<i64>, Corrupt> {
        if count > COLUMN_MAX {
            return Err(Corrupt("a column is too long"));
        }
        let tag = self.byte()?;
        let min = self.signed()?;
        match tag {
            CONSTANT => Ok(vec![min; count]),
            1 => self.packed::<1>(min, count),
            2 => self.packed::<2>(min, count),
            3 => self.packed::<3>(min, count),
            4 => self.packed::<4>(min, count),
            5 => self.packed::<5>(min, count),
            6 => self.packed::<6>(min, count),
            7 => self.packed::<7>(min, count),
            8 => self.packed::<8>(min, count),
            SPARSE => self.sparse(min, count),
            _ => Err(Corrupt("a column's width is unknown")),
        }
    }

    /// Passes a column over.
    pub(super) fn skip_column(&mut self, count: usize) -> Result<(), Corrupt> {
        if count > COLUMN_MAX {
            return Err(Corrupt("a column is too long"));
        }
        let tag = self.byte()?;
        self.signed()?;
        match tag {
            CONSTANT => Ok(()),
            width @ 1..=8 => self.bytes(count * usize::from(width)).map(drop),
            SPARSE => {
                let exceptions = self.count()?;
                self.skip_column(exceptions)?;
                self.skip_column(exceptions)
            }
            _ => Err(Corrupt("a column's width is unknown")),
        }
    }

    /// The width is a constant, so that the loop compiles to plain loads.
    fn packed<const WIDTH: usize>(&mut self, min: i64, count: usize) -> Result<Vec<i64>, Corrupt> {
        let bytes = self.bytes(count * WIDTH)?;
        let (values, _) = bytes.as_chunks::<WIDTH>();
        Ok(values
            .iter()
            .map(|value| {
                let mut wide = [0; 8];
                wide[..WIDTH].copy_from_slice(value);
                min.wrapping_add(i64::from_le_bytes(wide))
            })
            .collect())
    }

    fn sparse(&mut self, min: i64, count: usize) -> Result<Vec<i64>, Corrupt> {
        let exceptions = self.count()?;
        let places = self.column(exceptions)?;
        let others = self.column(exceptions)?;
        let mut values = vec![min; count];
        for (place, value) in places.into_iter().zip(others) {
            let place = usize::try_from(place).ok().and_then(|place| values.get_mut(place));
            *place.ok_or(Corrupt("a column's place is outside"))? = value;
        }
        Ok(values)
    }
}

/// Values that must fit a smaller type.
pub(super) fn narrow<T: TryFrom<i64>>(values: Vec<i64>) -> Result<Vec<T>, Corrupt> {
    let narrowed: Result<Vec<T>, _> = values.into_iter().map(T::try_from).collect();
    narrowed.map_err(|_| Corrupt("a number is out of range"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(values: &[i64]) -> usize {
        let mut writer = Writer::default();
        writer.column(values);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.column(values.len()).unwrap(), values);
        let mut passing = Reader::new(&bytes);
        passing.skip_column(values.len()).unwrap();
        assert!(passing.0.is_empty(), "everything is passed over");
        assert!(reader.0.is_empty(), "everything is read");
        bytes.len()
    }

    proptest! {
        #[test]
        fn any_column_reads_back(
            values in prop::collection::vec(prop_oneof![Just(0), 0..300i64, any::<i64>()], 0..200)
        ) {
            round_trip(&values);
        }

        #[test]
        fn a_column_of_mostly_one_value_reads_back(
            many in any::<i64>(), others in prop::collection::btree_map(0usize..1024, any::<i64>(), 0..9)
        ) {
            let mut values = vec![many; 1024];
            others.into_iter().for_each(|(at, value)| values[at] = value);
            round_trip(&values);
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes: Vec<u8>, count in 0usize..2000) {
            let read = Reader::new(&bytes).column(count);
            prop_assert!(read.is_err() || read.is_ok_and(|values| values.len() == count));
        }
    }

    #[test]
    fn equal_values_cost_next_to_nothing_and_rare_ones_little() {
        assert!(round_trip(&[1_700_000_000_000; 1024]) < 10);
        let mut values = [0; 1024];
        values[500] = 3_600_000;
        assert!(round_trip(&values) < 24);
        assert!(round_trip(&(0..1024).collect::<Vec<_>>()) < 2 * 1024 + 8);
        // The attempts of events that were retried ten thousand times each.
        assert!(round_trip(&[3; 1_280_000]) < 10);
    }
}

//! Lists of what is configured. All of it is in memory: a page is cut out of everything that matches.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CursorKey, Page, PageQuery, page_of};
use crate::domain::Timestamp;

/// First byte of these cursors, so that one of another list is refused.
const CONFIGURED: u8 = 0x43;
/// Bytes of a cursor before what it is sorted by: what, which list, which order, whether by text, whose.
const HEAD_BYTES: usize = 20;

/// What something is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortBy {
    /// A moment.
    Time(Timestamp),
    /// A name.
    Text(String),
}

/// A place in a list in one of its orders; `LIST` tells the lists apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceIn<const LIST: u8> {
    /// The order's place among those of the list.
    pub order: u8,
    /// What it is sorted by there.
    pub by: SortBy,
    /// Its id, where that is alike.
    pub id: u128,
}

impl<const LIST: u8> CursorKey for PlaceIn<LIST> {
    fn encode(&self) -> String {
        let is_text = matches!(self.by, SortBy::Text(_));
        let mut bytes = vec![CONFIGURED, LIST, self.order, u8::from(is_text)];
        bytes.extend(self.id.to_be_bytes());
        match &self.by {
            SortBy::Time(at) => bytes.extend(at.ms().to_be_bytes()),
            SortBy::Text(text) => bytes.extend(text.as_bytes()),
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, by) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let [CONFIGURED, list, order, is_text, id @ ..] = head else { return None };
        if *list != LIST {
            return None;
        }
        let by = match *is_text {
            0 => SortBy::Time(Timestamp::from_ms(i64::from_be_bytes(by.try_into().ok()?))),
            1 => SortBy::Text(String::from_utf8(by.to_vec()).ok()?),
            _ => return None,
        };
        Some(Self { order: *order, by, id: u128::from_be_bytes(*id) })
    }

    fn order(&self) -> usize {
        usize::from(self.order)
    }
}

/// Cuts a page out of what matches.
#[must_use]
pub fn page<T, const LIST: u8>(
    items: Vec<T>,
    place_of: impl Fn(&T) -> PlaceIn<LIST>,
    asked: PageQuery<PlaceIn<LIST>>,
) -> Page<T, PlaceIn<LIST>> {
    page_of(items, place_of, asked)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::Start;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_and_by_its_own_list_only(order: u8, id: u128, at: i64, name: Option<String>) {
            let by = name.map_or(SortBy::Time(Timestamp::from_ms(at)), SortBy::Text);
            let place = PlaceIn::<1> { order, by, id };
            prop_assert_eq!(PlaceIn::<2>::decode(&place.encode()), None);
            prop_assert_eq!(PlaceIn::<1>::decode(&place.encode()), Some(place));
        }

        #[test]
        fn any_bytes_are_a_cursor_or_not_but_never_a_panic(bytes: Vec<u8>, text: String) {
            PlaceIn::<1>::decode(&URL_SAFE_NO_PAD.encode(bytes));
            PlaceIn::<1>::decode(&text);
        }
    }

    #[test]
    fn pages_lead_through_names_that_are_alike_and_back() {
        let names = ["b", "a", "b", "c", "a"];
        let items: Vec<usize> = (0..names.len()).collect();
        let place = |item: &usize| PlaceIn::<1> { order: 2, by: SortBy::Text(names[*item].into()), id: *item as u128 };
        let cut = |start| page(items.clone(), place, PageQuery { descending: false, start, limit: 2 });
        let (mut seen, mut start, mut last) = (Vec::new(), Start::First, None);
        for _ in 0..3 {
            let found = cut(start.clone());
            seen.extend(found.items);
            last = found.prev;
            start = found.next.map_or(Start::First, Start::After);
        }
        assert_eq!(seen, [1, 4, 0, 2, 3]);
        assert_eq!(cut(Start::Before(last.unwrap())).items, [0, 2]);
    }
}

//! Pages of audits, against what they must have in them.

use std::sync::Arc;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::ManualClock,
    domain::{AuditId, Timestamp},
    store::{DocumentChange, memory::MemoryStore},
};

const T0: i64 = 1_800_000_000_000;

fn audit(number: i64, author: Option<u128>, action: &str) -> Audit {
    let author = author.map(|id| Author::Key { id: ApiKeyId::from_bits(id), label: String::new() });
    let at = Timestamp::from_ms(T0 + number);
    Audit {
        id: AuditId::from_parts(at, 5),
        at,
        author: author.unwrap_or(Author::Gateway),
        action: action.to_owned(),
        changes: Vec::new(),
    }
}

fn store(audits: impl Iterator<Item = Audit>) -> MemoryStore {
    let store = MemoryStore::new(Arc::new(ManualClock::starting_at(Timestamp::from_ms(T0))));
    let changes = audits.map(|audit| DocumentChange::Put(Document::Audit(audit), None)).collect();
    store.put_documents(changes).now_or_never().unwrap().unwrap();
    store
}

fn page(store: &MemoryStore, filter: &AuditFilter, page: PageQuery<AuditPlace>) -> Page<Audit, AuditPlace> {
    let listed = Listed { family: Family::Audit, ids: filter.ids(), id: |audit: &Audit| audit.id.bits() };
    let pick = |document| match document {
        Document::Audit(audit) if filter.matches(&audit) => Some(audit),
        _ => None,
    };
    page_of_family(store, &listed, page, pick).unwrap()
}

proptest! {
    #[test]
    fn pages_forwards_and_backwards_are_the_list(
        count in 0i64..600,
        limit in 1usize..300,
        descending: bool,
        from in proptest::option::of(-5i64..600),
        before in proptest::option::of(-5i64..600),
        by in proptest::option::of(0u128..3),
    ) {
        let author = |number: i64| u128::try_from(number % 3).ok().filter(|id| *id > 0);
        let all: Vec<Audit> = (0..count).map(|number| audit(number, author(number), "x")).collect();
        let store = store(all.iter().cloned());
        let time = |number: i64| Timestamp::from_ms(T0 + number);
        let created = Span { from: from.map(time), before: before.map(time) };
        let authors = by.map(|id| (id > 0).then(|| ApiKeyId::from_bits(id))).into_iter().collect();
        let filter = AuditFilter { authors, actions: Vec::new(), created };
        let mut expected: Vec<&Audit> =
            all.iter().filter(|audit| filter.matches(audit) && created.contains(audit.at)).collect();
        if descending {
            expected.reverse();
        }
        let (mut start, mut pages) = (Start::First, Vec::new());
        loop {
            let found = page(&store, &filter, PageQuery { descending, start, limit });
            pages.push(found.items);
            let Some(next) = found.next else { break };
            start = Start::After(next);
        }
        let listed = pages.concat();
        prop_assert_eq!(listed.iter().collect::<Vec<_>>(), expected);
        // And back from the last page.
        if let Some(first) = pages.last().and_then(|last| last.first()) && pages.len() > 1 {
            let start = Start::Before(DocumentPlace(first.id.bits()));
            let found = page(&store, &filter, PageQuery { descending, start, limit });
            prop_assert_eq!(&found.items, &pages[pages.len() - 2]);
        }
    }

    #[test]
    fn a_cursor_is_read_back_and_by_its_own_list_only(bits: u128, text: String) {
        let place: AuditPlace = DocumentPlace(bits);
        prop_assert_eq!(AuditPlace::decode(&place.encode()), Some(place));
        prop_assert_eq!(BookmarkPlace::decode(&place.encode()), None);
        AuditPlace::decode(&text);
    }
}

#[test]
fn a_page_that_looked_at_too_many_says_where_it_goes_on() {
    let rare = |number: i64| if number == 3 { "rare" } else { "usual" };
    let many = i64::try_from(LOOKED_AT_MAX).unwrap() + 1_000;
    let store = store((0..many).map(|number| audit(number, None, rare(number))));
    let filter = AuditFilter { actions: vec!["rare".to_owned()], ..AuditFilter::default() };
    let first = page(&store, &filter, PageQuery { descending: true, start: Start::First, limit: 10 });
    assert_eq!((first.items.len(), first.next.is_some()), (0, true));
    let start = Start::After(first.next.unwrap());
    let second = page(&store, &filter, PageQuery { descending: true, start, limit: 10 });
    assert_eq!((second.items.len(), second.next), (1, None));
}

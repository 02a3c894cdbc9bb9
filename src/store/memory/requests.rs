//! The requests of the memory store, in the order in which they were accepted.

use std::sync::Arc;

use crate::{
    domain::{Ignored, Request, RequestId, Timestamp},
    store::{
        KeptRequest, NewRequest, PayloadRef, RequestContent, RequestFilter, RequestPage, RequestStretch,
        RequestSummary, StoreError,
    },
};

struct Kept {
    summary: RequestSummary,
    /// Not where further events of a request that is listed already were made of its data.
    listed: bool,
    request: Arc<Request>,
    ignored: Vec<Ignored>,
}

/// All requests. A payload reference is the place in here.
#[derive(Default)]
pub(super) struct Requests(Vec<Kept>);

impl Requests {
    /// Takes one in; answers where it is.
    pub(super) fn push(&mut self, new: &NewRequest, created_at: Timestamp) -> PayloadRef {
        let payload_ref = PayloadRef(self.0.len() as u64, 0);
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let summary = RequestSummary {
            payload_ref,
            id: new.request.id,
            source_id: new.request.source_id,
            received_at: new.request.received_at,
            created_at,
            rejection: new.rejection,
            events: count(new.routes.len()),
            ignored: count(new.ignored.len()),
        };
        let listed = new.first_index == 0;
        self.0.push(Kept { summary, listed, request: Arc::clone(&new.request), ignored: new.ignored.clone() });
        payload_ref
    }

    pub(super) fn get(&self, at: PayloadRef) -> Option<&Arc<Request>> {
        let place = usize::try_from(at.0).ok().filter(|_| at.1 == 0)?;
        self.0.get(place).map(|kept| &kept.request)
    }

    /// The requests that match, oldest first.
    pub(super) fn matching<'a>(
        &'a self,
        filter: &'a RequestFilter,
    ) -> impl DoubleEndedIterator<Item = &'a RequestSummary> {
        let listed = self.0.iter().filter(|kept| kept.listed);
        listed.map(|kept| &kept.summary).filter(|summary| filter.matches(summary))
    }

    pub(super) fn page(&self, filter: &RequestFilter, stretch: &RequestStretch) -> RequestPage {
        let all = self.matching(filter);
        let directed: Box<dyn Iterator<Item = &RequestSummary>> =
            if stretch.descending { Box::new(all.rev()) } else { Box::new(all) };
        let behind =
            |at: PayloadRef| stretch.after.is_none_or(|after| if stretch.descending { at < after } else { at > after });
        let found = directed.filter(|summary| behind(summary.payload_ref)).take(stretch.limit.saturating_add(1));
        let mut requests: Vec<RequestSummary> = found.copied().collect();
        let more = requests.len() > stretch.limit;
        requests.truncate(stretch.limit);
        RequestPage { requests, more }
    }

    pub(super) fn by_id(&self, id: RequestId) -> Result<KeptRequest, StoreError> {
        let kept = self.0.iter().rfind(|kept| kept.listed && kept.summary.id == id).ok_or(StoreError::NotFound)?;
        let content = RequestContent { request: kept.request.as_ref().clone(), ignored: kept.ignored.clone() };
        Ok(KeptRequest { summary: kept.summary, content: Ok(content) })
    }
}

//! The shapes of one round of the tail: each is made once, whoever wants it.

use std::{collections::HashMap, sync::Arc};

use crate::{
    domain::{Configuration, Event, Seq},
    query::Query,
    web::profiles::{self, Context, Version},
};

/// A shape in each of the versions that were asked for.
type Made = Vec<(Version, Arc<str>)>;

/// See the [module's documentation](self).
pub(super) struct Shapes<'a> {
    query: &'a Query,
    configuration: &'a Configuration,
    ingress_url: &'a str,
    /// By event and number of the attempt, 0 for the event itself.
    made: HashMap<(Seq, u32), Made>,
}

impl<'a> Shapes<'a> {
    pub(super) fn new(query: &'a Query, configuration: &'a Configuration, ingress_url: &'a str) -> Self {
        Self { query, configuration, ingress_url, made: HashMap::new() }
    }

    /// An event, or one of its attempts, as a version shows it; `None` when retention was faster.
    pub(super) fn of(&mut self, event: &Event, attempt: u32, version: Version) -> Option<Arc<str>> {
        let key = (event.seq, attempt);
        let known = self.made.get(&key).and_then(|made| made.iter().find(|(of, _)| *of == version));
        if let Some((_, shape)) = known {
            return Some(Arc::clone(shape));
        }
        let shape: Arc<str> = self.make(event, attempt, version)?.into();
        self.made.entry(key).or_default().push((version, Arc::clone(&shape)));
        Some(shape)
    }

    fn make(&self, event: &Event, attempt: u32, version: Version) -> Option<String> {
        let context = Context {
            configuration: self.configuration,
            version,
            ingress_url: self.ingress_url,
            now: self.query.now(),
            with_auth: false,
        };
        if attempt == 0 {
            return Some(profiles::event(context, event).to_string());
        }
        let row = self.query.attempt_now(event.id().attempt(attempt)).ok()?;
        Some(profiles::attempt(context, &row).to_string())
    }
}

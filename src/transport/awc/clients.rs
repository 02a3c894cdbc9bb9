//! One awc client per origin, given back when its host has been silent for a while.
//!
//! awc closes an idle connection only when somebody asks for its host again, and never forgets a host. A client that is
//! dropped closes what it has, so hosts get clients of their own and a task drops those nobody has used.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    time::Duration,
};

use awc::http::{Uri, uri::Authority};
use tokio::time::Instant;

use super::AwcFactory;

/// The shortest sleep of the sweep, as a part of the keep-alive: so much longer than that a connection may stay.
const SWEEP_PARTS: u32 = 8;

/// Where a URL leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) tls: bool,
    pub(super) authority: Authority,
}

impl Origin {
    /// Of a URL with a host; `None` when it is not one of HTTP.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty())?;
        Some(Self { tls, authority: authority.clone() })
    }
}

struct Slot {
    client: RefCell<awc::Client>,
    used: Cell<Instant>,
}

/// A client in use; while there is one, it is not given back.
pub(super) struct Lease(Rc<Slot>);

impl Lease {
    pub(super) fn client(&self) -> awc::Client {
        self.0.client.borrow().clone()
    }

    /// Puts another client in its place, with the connections that it has; the old one's idle ones are closed.
    pub(super) fn replace(&self, client: awc::Client) {
        self.0.client.replace(client);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.used.set(Instant::now());
    }
}

/// The clients of one arbiter.
pub(super) struct Clients {
    factory: AwcFactory,
    slots: RefCell<HashMap<Origin, Rc<Slot>>>,
    sweeping: Cell<bool>,
}

impl Clients {
    pub(super) fn new(factory: AwcFactory) -> Rc<Self> {
        Rc::new(Self { factory, slots: RefCell::default(), sweeping: Cell::new(false) })
    }

    /// The client of an origin, made when there is none.
    pub(super) fn lease(self: &Rc<Self>, origin: &Origin) -> Lease {
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.get(origin) {
            return Lease(Rc::clone(slot));
        }
        if slots.len() >= self.factory.hosts_max {
            give_back_older_half(&mut slots);
        }
        let client = RefCell::new(self.factory.client(origin));
        let slot = Rc::new(Slot { client, used: Cell::new(Instant::now()) });
        slots.insert(origin.clone(), Rc::clone(&slot));
        if !self.sweeping.replace(true) {
            actix_web::rt::spawn(sweep(Rc::downgrade(self), self.factory.keep_alive));
        }
        Lease(slot)
    }

    /// A client without connections, for an origin that has one already.
    pub(super) fn fresh(&self, origin: &Origin) -> awc::Client {
        self.factory.client(origin)
    }

    /// Gives back what was idle for `keep_alive`; tells when to look again, or that nothing is left to look at.
    pub(super) fn sweep(&self, keep_alive: Duration) -> Option<Instant> {
        let (mut slots, now) = (self.slots.borrow_mut(), Instant::now());
        slots.retain(|_, slot| in_use(slot) || now < slot.used.get() + keep_alive);
        let next = slots.values().map(|slot| if in_use(slot) { now } else { slot.used.get() } + keep_alive).min();
        self.sweeping.set(next.is_some());
        next
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    #[cfg(test)]
    pub(super) fn has(&self, origin: &Origin) -> bool {
        self.slots.borrow().contains_key(origin)
    }
}

fn in_use(slot: &Rc<Slot>) -> bool {
    Rc::strong_count(slot) > 1
}

/// Half and not one, so that looking for them is rare.
fn give_back_older_half(slots: &mut HashMap<Origin, Rc<Slot>>) {
    let mut idle: Vec<_> = slots.values().filter(|slot| !in_use(slot)).map(|slot| slot.used.get()).collect();
    if idle.is_empty() {
        return;
    }
    let middle = idle.len() / 2;
    let newest = *idle.select_nth_unstable(middle).1;
    slots.retain(|_, slot| in_use(slot) || slot.used.get() > newest);
}

/// Ends with the last client, or with their owner.
async fn sweep(clients: Weak<Clients>, keep_alive: Duration) {
    let mut next = Instant::now() + keep_alive;
    loop {
        tokio::time::sleep_until(next.max(Instant::now() + keep_alive / SWEEP_PARTS)).await;
        let Some(again) = clients.upgrade().and_then(|clients| clients.sweep(keep_alive)) else { return };
        next = again;
    }
}

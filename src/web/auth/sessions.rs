//! Sessions of browsers: kept in memory alone, so a restart ends them all.
//!
//! A session is worth its key: it ends with the text that opened it, be that revoked or run out.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::secret_text;
use crate::domain::{ApiKey, ApiKeyId, Configuration, Secret, Timestamp};

/// How long a session lasts that nobody uses, in milliseconds: 12 hours, a day of work and the breaks in it.
const IDLE_MS_MAX: u64 = 12 * 60 * 60 * 1000;
/// Sessions at once; the one that was unused for the longest goes. Far more than people who look at one gateway.
const SESSIONS_MAX: usize = 1000;

/// The hash of a session's secret: who reads our memory cannot use it.
type Name = [u8; 32];

#[derive(Debug, Clone, Copy)]
struct Session {
    key: ApiKeyId,
    /// Of the text that opened it.
    hash: [u8; 32],
    used_at: Timestamp,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Name, Session>>);

impl Sessions {
    /// Opens one for whoever has shown the text of a key.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub(super) fn open(&self, key: ApiKeyId, hash: [u8; 32], now: Timestamp) -> Result<Secret, getrandom::Error> {
        let secret = secret_text("")?;
        let mut sessions = self.0.lock();
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, session| now.ms_since(session.used_at) < IDLE_MS_MAX);
        }
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.used_at).map(|(name, _)| *name)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(name_of(secret.expose().as_bytes()), Session { key, hash, used_at: now });
        Ok(secret)
    }

    /// The key behind a session's secret, while it lasts.
    pub(super) fn key(&self, secret: &[u8], configuration: &Configuration, now: Timestamp) -> Option<Arc<ApiKey>> {
        let (mut sessions, name) = (self.0.lock(), name_of(secret));
        let session = sessions.get_mut(&name)?;
        let key = configuration.api_keys.get(&session.key).filter(|key| bool::from(key.is_of(&session.hash, now)));
        match key {
            Some(key) if now.ms_since(session.used_at) < IDLE_MS_MAX => {
                session.used_at = now;
                Some(Arc::clone(key))
            }
            Some(_) | None => {
                sessions.remove(&name);
                None
            }
        }
    }

    /// Ends one.
    pub(super) fn end(&self, secret: &[u8]) {
        self.0.lock().remove(&name_of(secret));
    }
}

fn name_of(secret: &[u8]) -> Name {
    ApiKey::hash_of(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ConfigItem, Previous, Scope};

    const T0: Timestamp = Timestamp::from_ms(1_800_000_000_000);
    const KEY: ApiKeyId = ApiKeyId::from_bits(7);

    fn key(text: &str) -> ApiKey {
        ApiKey {
            id: KEY,
            label: "desk".to_owned(),
            hash: ApiKey::hash_of(text.as_bytes()),
            scope: Scope::Read,
            previous: None,
            revoked_at: None,
            created_at: T0,
            version: 1,
        }
    }

    fn configured(key: ApiKey) -> Configuration {
        let mut configuration = Configuration::default();
        configuration.put(ConfigItem::ApiKey(key));
        configuration
    }

    fn lasts(sessions: &Sessions, secret: &Secret, configuration: &Configuration, now: Timestamp) -> bool {
        sessions.key(secret.expose().as_bytes(), configuration, now).is_some()
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_not_longer() {
        let (sessions, configuration) = (Sessions::default(), configured(key("a")));
        let secret = sessions.open(KEY, key("a").hash, T0).unwrap();
        let later = T0.plus_ms(IDLE_MS_MAX - 1);
        assert!(lasts(&sessions, &secret, &configuration, later));
        assert!(lasts(&sessions, &secret, &configuration, later.plus_ms(IDLE_MS_MAX - 1)));
        assert!(!lasts(&sessions, &secret, &configuration, later.plus_ms(2 * IDLE_MS_MAX)));
        assert!(!lasts(&sessions, &Secret::new("guess"), &configuration, T0));
    }

    #[test]
    fn a_session_ends_when_it_is_closed_or_its_key_is_revoked() {
        let (sessions, mut configuration) = (Sessions::default(), configured(key("a")));
        let [one, other] = [(); 2].map(|()| sessions.open(KEY, key("a").hash, T0).unwrap());
        sessions.end(one.expose().as_bytes());
        assert!(!lasts(&sessions, &one, &configuration, T0));
        assert!(lasts(&sessions, &other, &configuration, T0));
        configuration.put(ConfigItem::ApiKey(ApiKey { revoked_at: Some(T0), ..key("a") }));
        assert!(!lasts(&sessions, &other, &configuration, T0));
    }

    #[test]
    fn a_session_ends_with_the_text_that_opened_it() {
        let (sessions, until) = (Sessions::default(), T0.plus_ms(5_000));
        let secret = sessions.open(KEY, key("a").hash, T0).unwrap();
        let previous = Some(Previous { value: key("a").hash, until });
        let rolled = configured(ApiKey { previous, ..key("b") });
        assert!(lasts(&sessions, &secret, &rolled, T0.plus_ms(4_999)));
        assert!(!lasts(&sessions, &secret, &rolled, until));
    }

    #[test]
    fn the_one_unused_for_the_longest_makes_room() {
        let (sessions, configuration) = (Sessions::default(), configured(key("a")));
        let open = |number: usize| sessions.open(KEY, key("a").hash, T0.plus_ms(number as u64)).unwrap();
        let opened: Vec<Secret> = (0..=SESSIONS_MAX).map(open).collect();
        assert_eq!(sessions.0.lock().len(), SESSIONS_MAX);
        assert!(!lasts(&sessions, &opened[0], &configuration, T0));
        assert!(lasts(&sessions, &opened[1], &configuration, T0));
    }
}

//! How Redis is told that keys have changed.

use std::borrow::Cow;
use std::time::Duration;

use super::GENERATION;
use super::hear::{self, Word};
use super::link::{Link, Live};
use super::names::Names;
use super::scripts::{Call, END};
use super::verdict::Failure;

/// How long a generation lives under which nothing is kept: what many write and nobody reads shall not fill Redis. Longer than
/// the store's indexes may be behind: after it, the next one counts as just born, which costs a load and no more.
const UNUSED: Duration = Duration::from_secs(10);

/// The end of some generations, which begins the next ones.
///
/// The next one is made at once, not by the next load: what is loaded under it is kept briefly for as long as the store's
/// indexes may be behind, and that time begins with the change. The value and the load under way count for nothing any more:
/// they go too, which frees memory and lets the next load begin at once.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    /// The generations, then what goes with them.
    names: Vec<String>,
    generations: usize,
    lifetime: Duration,
    message: Cow<'a, [u8]>,
}

impl<'a> Ending<'a> {
    /// Of these keys, as they are written; `message` is sent with it, unless it is empty.
    pub(super) fn of(names: &Names, keys: &[String], message: &'a [u8]) -> Self {
        let generations = keys.iter().map(|key| names.generation(key));
        let rest = keys.iter().flat_map(|key| [names.value(key), names.lease(key)]);
        let (names, message) = (generations.chain(rest).collect(), Cow::Borrowed(message));
        Self { names, generations: keys.len(), lifetime: UNUSED, message }
    }

    /// Of everything, and that it is said.
    pub(super) fn of_everything(names: &Names) -> Self {
        let message = hear::written(None, Word::Everything, b"").into();
        Self { names: vec![names.everything.clone()], generations: 1, lifetime: GENERATION, message }
    }

    /// Tells Redis, in one round trip.
    pub(super) async fn tell(&self, link: &Link, live: &Live, deadline: Duration) -> Result<(), Failure> {
        let keys: Vec<_> = self.names.iter().map(String::as_str).collect();
        let (generations, lifetime) = (self.generations.to_string(), self.lifetime.as_millis().to_string());
        // One for all of them: a stamp has the key in it.
        let random: [u8; 16] = rand::random();
        let fixed: [&[u8]; 3] = [generations.as_bytes(), &random, lifetime.as_bytes()];
        let said: [&[u8]; 2] = [link.names.channel.as_bytes(), &self.message];
        let said = if self.message.is_empty() { &[][..] } else { &said };
        let call = Call { script: &END, keys: &keys, arguments: &[&fixed, said].concat() };
        link.run_within::<u8>(live, &call, deadline).await.map(drop)
    }
}

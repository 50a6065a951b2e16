//! Several creates and deletes of one person at once: operations on one echo in the order given, those on different echoes
//! side by side, an outcome for each.
//!
//! Every one is the conditional write that it would be alone, so none undoes an edit, as a blind BatchWriteItem would.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use echoes_shared::validate::{self, Operation};
use echoes_shared::{EchoId, IdempotencyKey, NewEcho, Problem, Region, Slug, Timestamp, UserId};
use futures_util::{StreamExt as _, stream};

use super::{Service, ServiceError, Written};

/// Echoes of one batch that are worked on at a time: enough to be done in a few round trips, few enough that a hundred
/// batches do not make a thousand calls of each of them.
const IN_FLIGHT: usize = 16;

/// A batch as it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The caller.
    pub user: &'a UserId,
    /// The request's body.
    pub body: &'a [u8],
    /// Whether the home of all echoes to be deleted is down.
    pub fallback: bool,
    /// The present time.
    pub now: Timestamp,
    /// How long until the batch is answered with what is done.
    pub deadline: Duration,
}

/// What one operation came to.
pub type Outcome = Result<Done, ServiceError>;

/// An operation that was done.
#[derive(Debug)]
pub enum Done {
    /// A create.
    Written(Box<Written>),
    /// A delete.
    Gone,
}

/// The operations on one echo.
struct Chain {
    echo: EchoId,
    steps: Vec<(usize, Step)>,
}

/// One operation that can be tried.
enum Step {
    Create(IdempotencyKey, NewEcho),
    Delete,
}

impl Service {
    /// Does the operations of a batch, and says of each in order what it came to. `mint` makes a key for a create that has
    /// none.
    ///
    /// Where the store did nothing at all, that is the error: another region may.
    pub async fn batch(
        &self,
        batch: Batch<'_>,
        mint: impl Fn() -> IdempotencyKey,
    ) -> Result<Vec<Outcome>, ServiceError> {
        let Batch { user, now, .. } = batch;
        let items = validate::batch(batch.body, user, Some(self.audio_bucket.as_str()))?;
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(items.len());
        let (mut chains, mut tried) = (Chains::default(), Vec::new());
        for (at, item) in items.into_iter().enumerate() {
            let step = item.operation.and_then(|operation| match operation {
                Operation::Delete(id) => Ok((id, Step::Delete)),
                Operation::Create { key, echo } => {
                    let key = key.unwrap_or_else(&mint);
                    let field = || format!("operations[{at}].key");
                    key.check_window(now).map_err(|error| Problem::invalid_field(field(), error.to_string()))?;
                    Ok((EchoId::derive(user, key), Step::Create(key, *echo)))
                }
            });
            outcomes.push(match step {
                Ok((id, step)) => {
                    tried.push(at);
                    chains.add(id, at, step);
                    None
                }
                Err(problem) => Some(Err(problem.into())),
            });
        }
        let outcomes = Mutex::new(outcomes);
        let work = stream::iter(chains.0).for_each_concurrent(IN_FLIGHT, |chain| self.run(batch, chain, &outcomes));
        // A write that is under way when the time is up may still land. It is whole then, and its repetition finds it: a create
        // by its key, a delete by its tombstone.
        let late = tokio::time::timeout(batch.deadline, work).await.is_err();
        let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        if late {
            tracing::warn!("a batch was not done in time");
        }
        conclude(outcomes, &tried)
    }

    /// Does the operations on one echo, one after another.
    async fn run(&self, batch: Batch<'_>, chain: Chain, outcomes: &Mutex<Vec<Option<Outcome>>>) {
        let Batch { user, fallback, now, .. } = batch;
        let mut stopped = None;
        for (at, step) in chain.steps {
            let outcome = match stopped {
                // What comes after must see what came before: it is done where that is done, and not before.
                Some(Stop::Elsewhere(home)) => Err(ServiceError::Elsewhere(home)),
                Some(Stop::Failed) => Err(not_done("an operation on the same echo before it was not done")),
                None => match step {
                    Step::Create(key, echo) => self
                        .create_checked(user.clone(), key, echo, now)
                        .await
                        .map(|written| Done::Written(Box::new(written))),
                    Step::Delete => self.delete(user, chain.echo, fallback, now).await.map(|()| Done::Gone),
                },
            };
            stopped = stopped.or(Stop::after(&outcome));
            let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = outcomes.get_mut(at) {
                *place = Some(outcome);
            }
        }
    }
}

/// Operations by echo; the chains begin in the order of their first operations.
#[derive(Default)]
struct Chains(Vec<Chain>, HashMap<EchoId, usize>);

impl Chains {
    fn add(&mut self, echo: EchoId, at: usize, step: Step) {
        let Self(chains, places) = self;
        let place = *places.entry(echo).or_insert(chains.len());
        match chains.get_mut(place) {
            Some(chain) => chain.steps.push((at, step)),
            None => chains.push(Chain { echo, steps: vec![(at, step)] }),
        }
    }
}

/// Why the rest of a chain is not tried.
#[derive(Clone, Copy)]
enum Stop {
    Elsewhere(Region),
    Failed,
}

impl Stop {
    fn after(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Err(ServiceError::Elsewhere(home)) => Some(Self::Elsewhere(*home)),
            Err(ServiceError::Store(_)) => Some(Self::Failed),
            Ok(_) | Err(ServiceError::Problem(_)) => None,
        }
    }
}

/// An operation that was not done, or of which that is not known.
fn not_done(detail: &'static str) -> ServiceError {
    Problem::new(Slug::Unavailable, detail).into()
}

/// An outcome for each; or, where nothing of what was tried was answered by the store, that.
fn conclude(outcomes: Vec<Option<Outcome>>, tried: &[usize]) -> Result<Vec<Outcome>, ServiceError> {
    let answered = |at: &usize| matches!(outcomes.get(*at), Some(Some(outcome)) if !is_failure(outcome));
    let in_vain = !tried.is_empty() && !tried.iter().any(answered);
    let late = || Err(not_done("it was not done in time; a create is safe to repeat with its key, a delete always"));
    let mut outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(late));
    if !in_vain {
        return Ok(outcomes.collect());
    }
    let cause = outcomes.find_map(|outcome| outcome.err().filter(|error| matches!(error, ServiceError::Store(_))));
    Err(cause.unwrap_or_else(|| not_done("the store took too long")))
}

fn is_failure(outcome: &Outcome) -> bool {
    match outcome {
        Err(ServiceError::Store(_)) => true,
        Err(ServiceError::Problem(problem)) => problem.slug == Slug::Unavailable,
        Ok(_) | Err(ServiceError::Elsewhere(_)) => false,
    }
}

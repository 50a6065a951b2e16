//! What a task has asked once, and what will wake it when it happens, need not be asked at each of its turns. That it will wake the
//! task must be certain: an answer of tokio's that is only late because the task has spent its budget is no such promise.

use std::task::{Context, Waker};

/// The task that will be woken.
#[derive(Debug, Default)]
pub(super) struct Promise(Option<Waker>);

impl Promise {
    /// Whether it is this task.
    pub(super) fn is_to(&self, context: &Context<'_>) -> bool {
        self.0.as_ref().is_some_and(|waker| waker.will_wake(context.waker()))
    }

    /// From now on it is this task, and no other.
    pub(super) fn give(&mut self, context: &Context<'_>) {
        if !self.is_to(context) {
            self.0 = Some(context.waker().clone());
        }
    }
}

//! Turns a test that panics into one line of blame: where, and what was expected.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on panics are remembered instead of printed.
pub fn listen() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let text = format!("{place}: {}", text_of(info.payload()));
        LAST.with_borrow_mut(|last| *last = Some(text));
    }));
}

/// Runs a test, and gives its result or what it complained of.
pub fn of<T>(test: impl FnOnce() -> T) -> Result<T, String> {
    LAST.take();
    // Nothing that a failed test leaves half done is used by another: each asks the stack anew.
    panic::catch_unwind(AssertUnwindSafe(test))
        .map_err(|payload| LAST.take().unwrap_or_else(|| text_of(payload.as_ref())))
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

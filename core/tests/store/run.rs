//! How suites run their cases.

/// Runs cases one after another and names each.
macro_rules! run {
    ($on:expr, $($case:ident)*) => {
        $(
            println!("{}", stringify!($case));
            // On the heap: all cases of a suite together are too large for a test's stack.
            Box::pin($case($on)).await;
        )*
    };
}

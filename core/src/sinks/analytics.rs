//! Counts echoes from the stream: by emotion, hour, day and person.

pub mod rule;

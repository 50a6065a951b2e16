//! The families of the live streams.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveEnd {
    /// Its listener went away.
    Left,
    /// Its listener was too slow.
    Slow,
    /// Something may have been missed.
    Gap,
    /// The process ends.
    Closing,
}

/// What the live hub counts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveMetrics {
    listeners: IntGauge,
    published: IntCounter,
    duplicates: IntCounter,
    left: IntCounter,
    slow: IntCounter,
    gap: IntCounter,
    closing: IntCounter,
    refused: IntCounter,
}

impl LiveMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let listeners = IntGauge::new("echoes_live_listeners", "Streams of live events that are open.")?;
        registry.register(Box::new(listeners.clone()))?;
        let events = Opts::new("echoes_live_events_total", "Events given to the live hub: published, or duplicate.");
        let events = IntCounterVec::new(events, &["outcome"])?;
        registry.register(Box::new(events.clone()))?;
        let ended = Opts::new(
            "echoes_live_streams_ended_total",
            "Streams that ended: left, slow, gap or closing; refused where none began.",
        );
        let ended = IntCounterVec::new(ended, &["reason"])?;
        registry.register(Box::new(ended.clone()))?;
        let (events, ended) = (|outcome| events.with_label_values(&[outcome]), |end| ended.with_label_values(&[end]));
        Ok(Self {
            listeners,
            published: events("published"),
            duplicates: events("duplicate"),
            left: ended("left"),
            slow: ended("slow"),
            gap: ended("gap"),
            closing: ended("closing"),
            refused: ended("refused"),
        })
    }

    /// So many more streams, or fewer, are open.
    pub fn listens(&self, more: i64) {
        self.listeners.add(more);
    }

    /// Counts events that were new, and others.
    pub fn published(&self, new: usize, others: usize) {
        self.published.inc_by(new as u64);
        self.duplicates.inc_by(others as u64);
    }

    /// Counts a stream that ended.
    pub fn ended(&self, end: LiveEnd) {
        match end {
            LiveEnd::Left => self.left.inc(),
            LiveEnd::Slow => self.slow.inc(),
            LiveEnd::Gap => self.gap.inc(),
            LiveEnd::Closing => self.closing.inc(),
        }
    }

    /// Counts a listener for whom there was no seat.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// How many streams are open.
    #[cfg(test)]
    pub(crate) fn listeners(&self) -> i64 {
        self.listeners.get()
    }
}

//! Every metric of the core, declared in one place (contract, *Metrics*).

mod cache;
mod live;

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    CounterVec, Encoder as _, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts,
    Registry, TextEncoder,
};

pub use cache::{CacheMetrics, CacheOutcome, Tier};
pub use live::{LiveEnd, LiveMetrics};

/// Upper bounds in seconds: from a hit in memory to the edge's whole deadline.
const REQUEST_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];

/// The process's metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    dynamodb_calls: IntCounterVec,
    dynamodb_units: CounterVec,
    stream_lag: GaugeVec,
    stream_records: IntCounterVec,
    cache: CacheMetrics,
    live: LiveMetrics,
}

impl Metrics {
    /// Registers every family.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name, help, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        };
        let http_requests = counter(
            "echoes_http_requests_total",
            "Answers by the route that matched and their status.",
            &["route", "status"],
        )?;
        let dynamodb_calls = counter(
            "echoes_dynamodb_calls_total",
            "Calls to DynamoDB by operation and outcome.",
            &["operation", "outcome"],
        )?;
        let units =
            Opts::new("echoes_dynamodb_units_total", "Units charged, by operation, index (or table) and kind.");
        let dynamodb_units = CounterVec::new(units, &["operation", "index", "kind"])?;
        registry.register(Box::new(dynamodb_units.clone()))?;
        let seconds = HistogramOpts::new("echoes_http_request_seconds", "Seconds until the answer was ready.");
        let http_seconds = HistogramVec::new(seconds.buckets(REQUEST_SECONDS.to_vec()), &["route"])?;
        registry.register(Box::new(http_seconds.clone()))?;
        let stream_records = counter(
            "echoes_stream_records_total",
            "Records of the stream by the sink that was given them and what became of them.",
            &["sink", "outcome"],
        )?;
        let lag = Opts::new("echoes_stream_lag_seconds", "Age of the oldest record that a sink has not applied.");
        let stream_lag = GaugeVec::new(lag, &["sink"])?;
        registry.register(Box::new(stream_lag.clone()))?;
        let cache = CacheMetrics::new(&registry)?;
        let live = LiveMetrics::new(&registry)?;
        let families = Families {
            registry,
            http_requests,
            http_seconds,
            dynamodb_calls,
            dynamodb_units,
            stream_lag,
            stream_records,
            cache,
            live,
        };
        Ok(Self(Arc::new(families)))
    }

    /// Counts one answer.
    pub fn http_request(&self, route: &str, status: &str, took: Duration) {
        self.answers(route, status).count(took);
    }

    /// The counters of one route's answers of one status, looked up once.
    pub fn answers(&self, route: &str, status: &str) -> Answers {
        Answers {
            requests: self.0.http_requests.with_label_values(&[route, status]),
            seconds: self.0.http_seconds.with_label_values(&[route]),
        }
    }

    /// Counts one call to DynamoDB.
    pub fn dynamodb_call(&self, operation: &str, outcome: &str) {
        self.0.dynamodb_calls.with_label_values(&[operation, outcome]).inc();
    }

    /// Counts units that DynamoDB charged; halves are exact.
    pub fn dynamodb_units(&self, operation: &str, index: &str, kind: &str, units: f64) {
        self.0.dynamodb_units.with_label_values(&[operation, index, kind]).inc_by(units);
    }

    /// How far a sink is behind.
    pub fn stream_lag(&self, sink: &str, lag: Duration) {
        self.0.stream_lag.with_label_values(&[sink]).set(lag.as_secs_f64());
    }

    /// Counts records of the stream.
    pub fn stream_records(&self, sink: &str, outcome: &str, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.0.stream_records.with_label_values(&[sink, outcome]).inc_by(records);
    }

    /// What the caches count.
    pub fn cache(&self) -> &CacheMetrics {
        &self.0.cache
    }

    /// What the live hub counts.
    pub fn live(&self) -> &LiveMetrics {
        &self.0.live
    }

    /// All metrics in Prometheus's text format, with its media type.
    pub fn text(&self) -> Result<(String, Vec<u8>), prometheus::Error> {
        let encoder = TextEncoder::new();
        let mut text = Vec::new();
        encoder.encode(&self.0.registry.gather(), &mut text)?;
        Ok((encoder.format_type().to_owned(), text))
    }
}

/// Where the answers of one route and status are counted.
#[derive(Debug, Clone)]
pub struct Answers {
    requests: IntCounter,
    seconds: Histogram,
}

impl Answers {
    /// Counts one answer.
    pub fn count(&self, took: Duration) {
        self.requests.inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

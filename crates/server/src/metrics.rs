//! What the service counts and times, in the form that Prometheus reads.

use std::time::Duration;

use frontload_engine::{SearchResponse, Timings};
use prometheus::{Encoder, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// From a tenth of a millisecond to a minute.
const BOUNDS: [f64; 18] =
    [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// All of it.
pub(crate) struct Metrics {
    registry: Registry,
    requests: HistogramVec,
    stages: HistogramVec,
    lanes: HistogramVec,
    refusals: IntCounterVec,
    generation: IntGauge,
    chunks: IntGauge,
    loaded: IntGauge,
    stale: IntGauge,
    resident: Gauge,
}

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let times = |name: &str, help: &str, labels: &[&str]| -> Result<HistogramVec, prometheus::Error> {
            let options = HistogramOpts::new(name, help).buckets(BOUNDS.to_vec());
            let histogram = HistogramVec::new(options, labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let requests = times("frontload_request_seconds", "Requests by method and code.", &["method", "code"])?;
        let stages = times("frontload_stage_seconds", "Where their time goes.", &["stage"])?;
        let lanes = times("frontload_lane_seconds", "Looking along one lane.", &["lane"])?;
        let refusals = Opts::new("frontload_refused_total", "Questions that were not answered, by reason.");
        let refusals = IntCounterVec::new(refusals, &["reason"])?;
        registry.register(Box::new(refusals.clone()))?;
        let generation = gauge("frontload_generation", "The generation that is served.")?;
        let chunks = gauge("frontload_chunks", "Chunks in it.")?;
        let loaded = gauge("frontload_model_loaded", "Whether the language model is in memory.")?;
        let stale = gauge("frontload_stale", "Whether a newer generation was refused.")?;
        let resident = Gauge::new("frontload_resident_bytes", "Memory of the service without the model's process.")?;
        registry.register(Box::new(resident.clone()))?;
        Ok(Self { registry, requests, stages, lanes, refusals, generation, chunks, loaded, stale, resident })
    }

    pub fn request(&self, method: &str, code: &str, took: Duration) {
        self.requests.with_label_values(&[method, code]).observe(took.as_secs_f64());
    }

    pub fn stage(&self, stage: &str, took: Duration) {
        self.stages.with_label_values(&[stage]).observe(took.as_secs_f64());
    }

    pub fn refused(&self, reason: &str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    pub fn searched(&self, found: &SearchResponse) {
        let Timings { lanes, look, fuse, explain } = &found.timings;
        for (stage, took) in [("look", look), ("fuse", fuse), ("explain", explain)] {
            self.stage(stage, *took);
        }
        self.stage("embed", Duration::from_secs_f64(found.embed_ms / 1e3));
        for (lane, took) in lanes {
            self.lanes.with_label_values(&[&lane.to_string()]).observe(took.as_secs_f64());
        }
    }

    /// Everything as text, with what holds at this moment.
    pub fn text(
        &self,
        (generation, chunks): (u64, u64),
        (loaded, stale): (bool, bool),
        resident: u64,
    ) -> Result<String, prometheus::Error> {
        self.generation.set(generation as i64);
        self.chunks.set(chunks as i64);
        self.loaded.set(i64::from(loaded));
        self.stale.set(i64::from(stale));
        self.resident.set(resident as f64);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

//! Logs on stderr, and traces to a collector when one is named.

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{EnvFilter, Layer, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::args::LogFormat;

/// What is logged, as `tracing` writes it: `info`, or `frontload_server=debug`.
const LOG_VARIABLE: &str = "FRONTLOAD_LOG";

/// Sends what is still to be sent when it is dropped.
pub struct Logs(Option<SdkTracerProvider>);

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            eprintln!("warning: the last traces were not sent: {error}");
        }
    }
}

/// Begins to log. The collector is spoken to in OTLP over gRPC, so this must be called inside the runtime.
pub fn start(format: LogFormat, collector: Option<&str>) -> anyhow::Result<Logs> {
    let filter = EnvFilter::builder().with_env_var(LOG_VARIABLE).with_default_directive(LevelFilter::INFO.into());
    let filter = filter.from_env().with_context(|| format!("the variable {LOG_VARIABLE}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let provider = collector.map(provider).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        // Of our own spans alone: a library's would drown them, and may say what was asked.
        let ours = tracing_subscriber::filter::filter_fn(|metadata| metadata.target().starts_with("frontload"));
        tracing_opentelemetry::layer().with_tracer(provider.tracer("frontload")).with_filter(ours)
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).init();
    Ok(Logs(provider))
}

fn provider(collector: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(collector).build();
    let exporter = exporter.with_context(|| format!("--otlp {collector}"))?;
    let resource = Resource::builder().with_service_name("frontload").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

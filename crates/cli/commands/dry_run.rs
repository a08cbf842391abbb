//! What `frontload index --dry-run` says.

use std::process::ExitCode;

use frontload_engine::Preview;
use frontload_enrich::{Estimate, Range};
use serde_json::json;

use crate::{config::Config, exit, print};

const SECONDS_A_MINUTE: f64 = 60.0;
const BYTES_A_MEGABYTE: f64 = 1e6;

pub fn describe(config: &Config, preview: Option<&Preview>) -> ExitCode {
    let Some(preview) = preview else {
        eprintln!("stopped before the pilot was over; its answers are kept");
        return ExitCode::from(exit::INTERRUPTED);
    };
    if config.json {
        print::json(&as_json(preview));
        return ExitCode::SUCCESS;
    }
    let Preview { documents, chunks, estimate, handles_a_chunk, index_bytes, skipped } = preview;
    print::line(&format!("{documents} documents, {chunks} chunks; {} items left out", skipped.len()));
    let Some(estimate) = estimate else {
        print::line("nothing to ask: every answer is in the ledger");
        return ExitCode::SUCCESS;
    };
    print::line(&format!(
        "asked {} to see what they cost ({} failed); their answers are kept. What is left:",
        estimate.pilot, estimate.pilot_failed
    ));
    print::line(&format!("  calls          {}", estimate.calls));
    print::line(&format!("  prompt tokens  {}", counted(estimate.prefill_tokens)));
    print::line(&format!("  answer tokens  {}", counted(estimate.answer_tokens)));
    print::line(&format!("  minutes        {}", decimals(estimate.seconds.times(1.0 / SECONDS_A_MINUTE))));
    print::line(&format!("  ledger, MB     {}", decimals(estimate.ledger_bytes.times(1.0 / BYTES_A_MEGABYTE))));
    print::line(&format!(
        "  index, MB      {} ({handles_a_chunk:.1} handles a chunk; a second generation is kept beside it)",
        decimals(index_bytes.times(1.0 / BYTES_A_MEGABYTE))
    ));
    if estimate.unfit > 0 {
        print::line(&format!("  {} prompts do not fit the model's context: cut smaller with --chunk", estimate.unfit));
    }
    ExitCode::SUCCESS
}

fn counted(range: Range) -> String {
    format!("{:.0}  ({:.0} to {:.0})", range.likely, range.low, range.high)
}

fn decimals(range: Range) -> String {
    format!("{:.1}  ({:.1} to {:.1})", range.likely, range.low, range.high)
}

fn as_json(preview: &Preview) -> serde_json::Value {
    let range = |range: Range| json!({"low": range.low, "likely": range.likely, "high": range.high});
    let estimate = |estimate: &Estimate| {
        json!({
            "calls": estimate.calls,
            "pilot": estimate.pilot,
            "pilot_failed": estimate.pilot_failed,
            "prefill_tokens": range(estimate.prefill_tokens),
            "answer_tokens": range(estimate.answer_tokens),
            "seconds": range(estimate.seconds),
            "ledger_bytes": range(estimate.ledger_bytes),
            "unfit": estimate.unfit,
        })
    };
    json!({
        "schema_version": 1,
        "documents": preview.documents,
        "chunks": preview.chunks,
        "estimate": preview.estimate.as_ref().map(estimate),
        "handles_a_chunk": preview.handles_a_chunk,
        "index_bytes": range(preview.index_bytes),
        "skipped": preview.skipped.len(),
    })
}

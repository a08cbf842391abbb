//! Embedding, beside fastembed.

use std::fs;

use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use frontload_core::{Embedder, TextRole};

use crate::{
    Result,
    data::{Data, embedder, models},
    figures::{ratio, timed},
};

/// Our embedding beside fastembed as it comes, on both cores.
pub fn embedding(data: &Data) -> Result<()> {
    println!("embedding, two cores:");
    let mut texts: Vec<String> = Vec::new();
    // Mixed lengths: texts, their first sentences, and pairs of them.
    for (at, id) in data.reader.ids().take(600).enumerate() {
        let text = data.reader.chunk(id)?.chunk.text;
        match at % 3 {
            0 => texts.push(text),
            1 => texts.push(text.split(". ").next().unwrap_or_default().to_owned()),
            _ => texts.push(format!("{text} {}", texts.last().cloned().unwrap_or_default())),
        }
    }
    let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut ours = embedder(2)?;
    let folder = models().join("all-MiniLM-L6-v2");
    let read = |name: &str| fs::read(folder.join(name));
    let files = TokenizerFiles {
        tokenizer_file: read("tokenizer.json")?,
        config_file: read("config.json")?,
        special_tokens_map_file: read("special_tokens_map.json")?,
        tokenizer_config_file: read("tokenizer_config.json")?,
    };
    let model = UserDefinedEmbeddingModel::new(read("model.onnx")?, files).with_pooling(Pooling::Mean);
    let environment = frontload_models::onnx_environment(&models().join("libonnxruntime.so"))?;
    let options = InitOptionsUserDefined::new().with_environment(environment);
    let mut stock = TextEmbedding::try_new_from_user_defined(model, options)?;
    let mut ratios = Vec::new();
    let mut least: f32 = 1.0;
    for _ in 0..3 {
        let (first, vectors) = timed(|| ours.embed(&plain, TextRole::Passage));
        let (second, stock_vectors) = timed(|| stock.embed(&plain, None));
        let (third, _) = timed(|| stock.embed(&plain, None));
        let (fourth, _) = timed(|| ours.embed(&plain, TextRole::Passage));
        ratios.push((second + third) / (first + fourth));
        for (left, right) in vectors?.iter().zip(stock_vectors?) {
            least = least.min(left.iter().zip(&right).map(|(left, right)| left * right).sum());
        }
        println!(
            "  ours {:.1} texts/s, stock {:.1}",
            2e3 * texts.len() as f64 / (first + fourth),
            2e3 * texts.len() as f64 / (second + third)
        );
    }
    ratio("ours ÷ fastembed as it comes", &ratios);
    println!("  least cosine between the two: {least:.6}");
    Ok(())
}

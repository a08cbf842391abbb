//! What people see. Text from a corpus or a model is never trusted with the terminal.

use std::io::{IsTerminal, Write};

use frontload_core::{Chunk, Handle, escape_json, is_hidden};
use frontload_engine::{Hit, LaneEvidence};
use frontload_eval::{Paired, p_value};
use serde::Serialize;
use serde_json::json;

/// Prints one JSON object on a line of its own, with nothing in it that a terminal would obey.
pub fn json(value: &impl Serialize) {
    let text = escape_json(&serde_json::to_string(value).unwrap_or_default());
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A comparison of two systems, as every command shows it in JSON.
pub fn compared(compared: &Paired) -> serde_json::Value {
    let Paired { topics, difference, interval, p, topics_needed } = compared;
    json!({"topics": topics, "difference": difference, "interval": interval, "p": p, "topics_needed": topics_needed})
}

/// The same in words; `units` would show the difference if it is not significant.
pub fn difference(compared: &Paired, units: &str) -> String {
    let Paired { difference, interval: (low, high), p, topics_needed, .. } = compared;
    let needed = match topics_needed {
        Some(needed) if !compared.is_significant() => format!("; {needed} {units} would tell"),
        _ => String::new(),
    };
    format!("{difference:+.3} (95% {low:+.3} to {high:+.3}), {}{needed}", p_value(*p))
}

/// Prints a line of data. A closed pipe ends the program quietly.
pub fn line(text: &str) {
    if writeln!(anstream::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints what belongs into a file: as it is, and cleaned only where a terminal would show it.
pub fn content(text: &str) {
    if std::io::stdout().is_terminal() { line(&clean(text)) } else { line(text) }
}

/// Replaces control, direction and zero-width characters by `·`, but keeps line ends.
pub fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter != '\n' && is_hidden(letter) { '·' } else { letter }).collect()
}

/// The same on one line: a name that comes from a file may break it, and be taken for two.
pub fn name(text: &str) -> String {
    clean(text).replace('\n', "·")
}

/// On one line, cut to a width in characters.
pub fn cut(text: &str, width: usize) -> String {
    let text = clean(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if text.chars().count() <= width {
        return text;
    }
    let short: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", short.trim_end())
}

/// The handle that gave most to a hit, if a handle gave anything.
pub fn best_handle(hit: &Hit) -> Option<(&LaneEvidence, &Handle)> {
    hit.evidence.iter().find_map(|given| Some((given, given.handle.as_ref()?)))
}

/// One hit as a paragraph; every lane's part when `explain`.
pub fn hit(hit: &Hit, explain: bool) {
    let bold = anstyle::Style::new().bold();
    let dim = anstyle::Style::new().dimmed();
    let plain = match hit.plain_rank {
        Some(rank) if rank == hit.rank => String::new(),
        Some(rank) => format!("  (without handles: {rank})"),
        None => "  (without handles: not found)".to_owned(),
    };
    let title = cut(&hit.chunk.title, 60);
    line(&format!(
        "{:>2}. {bold}{}{bold:#}  {title}  {dim}{:.3}{plain}{dim:#}",
        hit.rank,
        name(&hit.chunk.id()),
        hit.score
    ));
    line(&format!("    {}", cut(&hit.chunk.text, 100)));
    if explain {
        for given in &hit.evidence {
            let matched = given.handle.as_ref().map_or_else(String::new, |handle| {
                let quote =
                    quote(&hit.chunk, handle).map_or_else(String::new, |quote| format!(" from “{}”", cut(quote, 60)));
                format!("  {}{quote}", said(handle))
            });
            let part = &given.given;
            let (lane, rank) =
                (part.lane.to_string(), part.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string()));
            line(&format!(
                "    {dim}{lane:<16} rank {rank:<4} score {:<8.3} share {:.3}{dim:#}{matched}",
                part.score, part.share
            ));
        }
    } else if let Some((given, handle)) = best_handle(hit) {
        line(&format!("    {dim}{}{dim:#}  {}", given.given.lane, said(handle)));
    }
}

/// What a handle rests on, where that is not the handle itself.
pub fn quote<'a>(chunk: &'a Chunk, handle: &Handle) -> Option<&'a str> {
    let (start, end) = handle.span?;
    chunk.text.get(start as usize..end as usize).filter(|quote| *quote != handle.text)
}

/// A handle with what stands behind it.
pub fn said(handle: &Handle) -> String {
    format!("“{}” ({})", cut(&handle.text, 70), handle.evidence)
}

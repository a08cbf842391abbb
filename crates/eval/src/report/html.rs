//! The page.

use std::fmt::Write;

use frontload_core::is_hidden;

use super::{Report, Worst, plot, verdict};
use crate::{ALPHA, Ablated, Effect, Verdict};

const STYLE: &str = include_str!("style.css");

/// The report as one HTML document.
pub fn page(report: &Report) -> String {
    let ablation = report.ablation;
    let measure = ablation.measure.to_string();
    let compared = &ablation.all_against_plain;
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src \
         'none'; style-src 'unsafe-inline'\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         <p>{about}</p><p class=\"figures\"><span><b>{plain:.3}</b> text alone</span> <span class=\"s1\"><b>{all:.3}</b> with handles</span></p><p>{measure} on \
         {topics} topics: {difference:+.3} (95% {low:+.3} to {high:+.3}), {p} by a paired randomisation test.{needed}</p>",
        title = escaped(&report.title),
        about = escaped(&report.about),
        plain = ablation.plain,
        all = ablation.all,
        topics = ablation.topics,
        difference = compared.difference,
        low = compared.interval.0,
        high = compared.interval.1,
        p = p_value(compared.p),
        needed = match compared.topics_needed {
            Some(needed) if compared.p >= ALPHA => format!(" {needed} topics like these would tell."),
            _ => String::new(),
        }
    );
    let _ = write!(page, "<h2>Recall by depth</h2><figure>{}</figure>", plot::curves(&report.curves));
    if !report.groups.is_empty() {
        page.push_str(&groups(report, &measure));
    }
    if ablation.kinds.is_empty() {
        page.push_str("<h2>Kinds of handle</h2><p>This index has no handles: there is nothing to add to the text.</p>");
    } else {
        let _ = write!(
            page,
            "<h2>What each kind changes</h2><p>{measure} with it, less without it: beside the text alone, and beside \
             everything else. A kind is kept when it is shown to help, dropped when it is shown to do harm or to gain less \
             than 0.005; starred where p &lt; 0.05, corrected for all tests of a table (Holm).</p><figure>{}</figure>{}",
            plot::lifts(&ablation.kinds),
            table(report, "kind", &ablation.kinds)
        );
        page.push_str(&cost_plot(report));
    }
    let _ = write!(page, "<h2>Single lanes</h2>{}", table(report, "lane", &ablation.lanes));
    page.push_str(&worst(&report.worst, &measure));
    page + "</main></body></html>\n"
}

fn groups(report: &Report, measure: &str) -> String {
    let mut text = format!(
        "<h2>By type of query</h2><div class=\"scroll\"><table><thead><tr><th>type</th><th class=\"n\">topics</th><th \
         class=\"n\">text alone</th><th class=\"n\">with handles</th><th>{measure}</th></tr></thead><tbody>"
    );
    for group in &report.groups {
        let bar = |class: &str, value: f64| {
            format!("<i class=\"bar {class}\" style=\"width:{:.1}%\"></i>", value.clamp(0.0, 1.0) * 100.0)
        };
        let _ = write!(
            text,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.3}</td><td class=\"n\">{:.3}</td><td \
             class=\"bars\">{}{}</td></tr>",
            escaped(&group.name),
            group.topics,
            group.plain,
            group.all,
            bar("s0", group.plain),
            bar("s1", group.all)
        );
    }
    text + "</tbody></table></div>"
}

fn table(report: &Report, title: &str, rows: &[Ablated]) -> String {
    let mut text = format!(
        "<div class=\"scroll\"><table><thead><tr><th>{title}</th><th class=\"n\">added to the text</th><th class=\"n\">taken \
         from everything</th><th>verdict</th><th class=\"n\">tokens</th><th class=\"n\">seconds</th><th class=\"n\">index</th>\
         <th class=\"n\">a query</th></tr></thead><tbody>"
    );
    for row in rows {
        let cost = report.costs.get(&row.name).copied().unwrap_or_default();
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"));
        let _ = write!(
            text,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"v {verdict}\">{verdict}{}</td><td \
             class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.0} kB</td><td class=\"n\">{:.2} ms</td></tr>",
            escaped(&row.name),
            shown(&row.add_one),
            shown(&row.leave_one_out),
            match row.verdict {
                Verdict::Undecided { topics_needed: Some(needed) } =>
                    format!("<br><small>{needed} topics would tell</small>"),
                _ => String::new(),
            },
            number(cost.tokens),
            number(cost.seconds),
            cost.index_bytes as f64 / 1e3,
            cost.query_ms,
            verdict = verdict(row.verdict),
        );
    }
    text + "</tbody></table></div>"
}

fn shown(effect: &Effect) -> String {
    let (low, high) = effect.compared.interval;
    let star = if effect.corrected < ALPHA { "*" } else { "" };
    format!("{:+.3}{star}<br><small>{low:+.3} to {high:+.3}</small>", effect.compared.difference)
}

/// By the model's tokens where the ledger knows them, else by what stands in the index.
fn cost_plot(report: &Report) -> String {
    let rows = &report.ablation.kinds;
    let cost = |row: &Ablated| report.costs.get(&row.name).copied().unwrap_or_default();
    let tokens = rows.iter().any(|row| cost(row).tokens.is_some());
    let placed: Vec<(&str, f64, f64)> = rows
        .iter()
        .map(|row| {
            let cost = cost(row);
            let spent = if tokens { cost.tokens.unwrap_or(0.0) / 1e3 } else { cost.index_bytes as f64 / 1e3 };
            (row.name.as_str(), spent, row.leave_one_out.compared.difference)
        })
        .collect();
    let axis = if tokens { "thousand tokens of the model" } else { "kilobytes in the index" };
    format!(
        "<h2>Cost against lift</h2><p>Up: what would be lost without it. Right: what it costs.</p><figure>{}</figure>",
        plot::costs(&placed, axis)
    )
}

fn worst(rows: &[Worst], measure: &str) -> String {
    let mut text = format!(
        "<h2>The worst queries</h2><p>And the lane that ranks an answer best: what would have found it.</p><div \
         class=\"scroll\"><table><thead><tr><th>query</th><th class=\"n\">{measure}</th><th>best lane</th></tr></thead><tbody>"
    );
    for row in rows {
        let best = match &row.best {
            Some((document, lane, rank)) => {
                format!("{} has {} at {rank}", escaped(&lane.to_string()), escaped(document))
            }
            None => "no lane has an answer among its first 200".to_owned(),
        };
        let _ = write!(
            text,
            "<tr><td>{}<br><small>{}</small></td><td class=\"n\">{:.3}</td><td>{best}</td></tr>",
            escaped(&row.text),
            escaped(&row.topic),
            row.value
        );
    }
    text + "</tbody></table></div>"
}

/// No finer than the rounds of the test can tell.
pub fn p_value(p: f64) -> String {
    if p < 0.0001 { "p < 0.0001".to_owned() } else { format!("p = {p:.4}") }
}

/// Text from topics, corpora and schemas is never markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter if letter != '\n' && is_hidden(letter) => safe.push('·'),
            letter => safe.push(letter),
        }
    }
    safe
}

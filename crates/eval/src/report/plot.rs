//! Plots as SVG text. Colours come from the page's style, so that they follow its light and dark forms.

use std::fmt::Write;

use super::{Curve, html::escaped};
use crate::{Ablated, Effect};

const WIDTH: f64 = 640.0;

/// Recall by depth: lines in bands, over a logarithmic axis.
pub(super) fn curves(curves: &[Curve]) -> String {
    let (height, left, right, top, bottom) = (300.0, 44.0, 120.0, 12.0, 36.0);
    let last = curves.iter().flat_map(|curve| &curve.points).map(|point| point.0).max().unwrap_or(1).max(2) as f64;
    let x = |k: usize| left + (WIDTH - left - right) * (k as f64).ln() / last.ln();
    let y = |value: f64| top + (height - top - bottom) * (1.0 - value);
    let mut svg = opened(height, "Recall by depth, with 95% intervals");
    for step in 0..=5 {
        let value = f64::from(step) / 5.0;
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"tick end\" \
             x=\"{:.1}\" y=\"{:.1}\">{value:.1}</text>",
            WIDTH - right,
            left - 6.0,
            y(value) + 4.0,
            y = y(value)
        );
    }
    for point in curves.first().into_iter().flat_map(|curve| &curve.points) {
        let _ = write!(
            svg,
            "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x(point.0),
            height - bottom + 18.0,
            point.0
        );
    }
    let mut labels: Vec<f64> = Vec::new();
    for (number, curve) in curves.iter().enumerate() {
        let upper = curve.points.iter().map(|&(k, _, _, high)| format!("{:.1},{:.1}", x(k), y(high)));
        let lower = curve.points.iter().rev().map(|&(k, _, low, _)| format!("{:.1},{:.1}", x(k), y(low)));
        let band: Vec<String> = upper.chain(lower).collect();
        let line: Vec<String> =
            curve.points.iter().map(|&(k, mean, ..)| format!("{:.1},{:.1}", x(k), y(mean))).collect();
        let _ = write!(
            svg,
            "<polygon class=\"band s{number}\" points=\"{}\"/><polyline class=\"line s{number}\" points=\"{}\"/>",
            band.join(" "),
            line.join(" ")
        );
        for &(k, mean, low, high) in &curve.points {
            let _ = write!(
                svg,
                "<circle class=\"dot s{number}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"><title>{} R@{k} {mean:.3} \
                 ({low:.3} to {high:.3})</title></circle>",
                x(k),
                y(mean),
                escaped(&curve.name)
            );
        }
        // Two labels at one height would cover each other.
        let mut at = curve.points.last().map_or(top, |point| y(point.1));
        while labels.iter().any(|other| (other - at).abs() < 16.0) {
            at += 16.0;
        }
        labels.push(at);
        let _ = write!(
            svg,
            "<text class=\"label s{number}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - right + 8.0,
            at + 4.0,
            escaped(&curve.name)
        );
    }
    let _ = write!(
        svg,
        "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">first k documents</text></svg>",
        left + (WIDTH - left - right) / 2.0,
        height - 2.0
    );
    svg
}

/// Differences with their intervals, one row a kind, around a line at zero.
pub(super) fn lifts(rows: &[Ablated]) -> String {
    let (left, right, top, row_height, bottom) = (130.0, 20.0, 26.0, 34.0, 28.0);
    let height = top + row_height * rows.len() as f64 + bottom;
    let ends = rows.iter().flat_map(|row| [row.add_one.compared.interval, row.leave_one_out.compared.interval]);
    let (least, most) = ends.fold((-0.02_f64, 0.02_f64), |(least, most), (low, high)| (least.min(low), most.max(high)));
    let x = |value: f64| left + (WIDTH - left - right) * (value - least) / (most - least);
    let mut svg = opened(height, "What each kind changes, with 95% intervals");
    let _ = write!(
        svg,
        "<text class=\"label s0\" x=\"{left}\" y=\"14\">● added to the text</text><text class=\"label s1\" x=\"{:.1}\" \
         y=\"14\">● taken from everything</text>",
        left + 160.0
    );
    for value in ticks(least, most) {
        let class = if value.abs() < 1e-9 { "zero" } else { "grid" };
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{:.1}\"/><text class=\"tick middle\" \
             x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            height - bottom,
            height - bottom + 16.0,
            signed(value),
            x = x(value)
        );
    }
    for (at, row) in rows.iter().enumerate() {
        let y = top + row_height * (at as f64 + 0.5);
        let _ = write!(
            svg,
            "<text class=\"row end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 10.0,
            y + 4.0,
            escaped(&row.name)
        );
        for (number, effect, offset) in [(0, &row.add_one, -6.0), (1, &row.leave_one_out, 6.0)] {
            svg.push_str(&whisker(number, effect, y + offset, &x));
        }
    }
    svg + "</svg>"
}

fn whisker(number: usize, effect: &Effect, y: f64, x: &dyn Fn(f64) -> f64) -> String {
    let (difference, (low, high)) = (effect.compared.difference, effect.compared.interval);
    format!(
        "<line class=\"whisker s{number}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><circle class=\"dot \
         s{number}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{difference:+.3} ({low:+.3} to {high:+.3})</title></circle>",
        x(low),
        x(high),
        x(difference)
    )
}

/// Cost against lift: what a kind costs, and what would be lost without it.
pub(super) fn costs(rows: &[(&str, f64, f64)], axis: &str) -> String {
    let (height, left, right, top, bottom) = (280.0, 60.0, 90.0, 14.0, 40.0);
    let most_cost = rows.iter().map(|row| row.1).fold(1e-9, f64::max) * 1.08;
    let (least, most) =
        rows.iter().fold((-0.005_f64, 0.01_f64), |(least, most), row| (least.min(row.2), most.max(row.2)));
    let (least, most) = (least - 0.05 * (most - least), most + 0.08 * (most - least));
    let x = |cost: f64| left + (WIDTH - left - right) * cost / most_cost;
    let y = |lift: f64| top + (height - top - bottom) * (1.0 - (lift - least) / (most - least));
    let mut svg = opened(height, "Cost against lift");
    for value in ticks(least, most) {
        let class = if value.abs() < 1e-9 { "zero" } else { "grid" };
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{left}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"tick end\" \
             x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - right,
            left - 6.0,
            y(value) + 4.0,
            signed(value),
            y = y(value)
        );
    }
    let mut labels: Vec<(f64, f64)> = Vec::new();
    for &(name, cost, lift) in rows {
        let (beside, mut under) = (x(cost) + 9.0, y(lift) + 4.0);
        while labels.iter().any(|other| (other.0 - beside).abs() < 90.0 && (other.1 - under).abs() < 13.0) {
            under += 13.0;
        }
        labels.push((beside, under));
        let _ = write!(
            svg,
            "<circle class=\"dot s1\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\"><title>{name}: {cost:.1}, {lift:+.3}</title></circle>\
             <text class=\"row\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
            x(cost),
            y(lift),
            beside,
            under,
            name = escaped(name)
        );
    }
    let _ = write!(
        svg,
        "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{:.1}</text><text class=\"tick\" x=\"{left}\" y=\"{:.1}\">0</text>\
         <text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text></svg>",
        WIDTH - right,
        height - bottom + 18.0,
        most_cost / 1.08,
        height - bottom + 18.0,
        left + (WIDTH - left - right) / 2.0,
        height - 6.0,
        escaped(axis)
    );
    svg
}

fn signed(value: f64) -> String {
    if value.abs() < 1e-9 { "0".to_owned() } else { format!("{value:+.2}") }
}

fn opened(height: f64, title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" preserveAspectRatio=\"xMinYMin meet\">"
    )
}

/// Round values between two ends, zero among them if it is inside.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let rough = (most - least) / 7.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|&step| step >= rough).unwrap_or(power);
    let (first, last) = ((least / step).ceil() as i64, (most / step).floor() as i64);
    (first..=last).map(|at| at as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_zero() {
        let check = |least: f64, most: f64, expected: &[f64]| {
            let found = ticks(least, most);
            assert!(found.len() == expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(left, right)| (left - right).abs() < 1e-9), "{found:?}");
        };
        check(-0.1, 0.45, &[-0.1, 0.0, 0.1, 0.2, 0.3, 0.4]);
        check(0.0, 1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(-0.02, 0.02, &[-0.02, -0.01, 0.0, 0.01, 0.02]);
    }
}

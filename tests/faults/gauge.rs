//! What a running process holds, as the kernel tells it, and how that goes over time.

use std::{fs, path::Path, time::Instant};

const HOUR: f64 = 3600.0;

/// What a process holds at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Since the beginning.
    pub seconds: f64,
    /// Memory in use, in kB.
    pub resident_kb: u64,
    /// The part of it that no file stands behind.
    pub anonymous_kb: u64,
    pub descriptors: u64,
    pub threads: u64,
    /// Generations on the disk.
    pub generations: u64,
}

impl Sample {
    /// Looks at a process; `None` when it is gone.
    pub fn of(process: u32, generations: &Path, started: Instant) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let number = |name: &str| {
            let told = status.lines().find_map(|line| line.strip_prefix(name))?;
            told.split_whitespace().next()?.parse::<u64>().ok()
        };
        let folders = fs::read_dir(generations).into_iter().flatten().flatten();
        let built = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with("gen-"));
        Some(Self {
            seconds: started.elapsed().as_secs_f64(),
            resident_kb: number("VmRSS:")?,
            anonymous_kb: number("RssAnon:")?,
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64,
            threads: number("Threads:")?,
            generations: built.count() as u64,
        })
    }
}

/// Values over time: the least, the most, and a straight line through them by least squares. Its standard error takes
/// them for independent of one another, which what a process holds from second to second is not: it is too small.
pub struct Trend {
    least: f64,
    most: f64,
    slope_per_hour: f64,
    error_per_hour: f64,
}

impl Trend {
    /// Through points of seconds and values.
    pub fn of(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        let mean = |value: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count.max(1.0);
        let (middle, level) = (mean(&|point| point.0), mean(&|point| point.1));
        let spread: f64 = points.iter().map(|(at, _)| (at - middle).powi(2)).sum();
        let together: f64 = points.iter().map(|(at, value)| (at - middle) * (value - level)).sum();
        let slope = if spread > 0.0 { together / spread } else { 0.0 };
        let left: f64 = points.iter().map(|(at, value)| (value - level - slope * (at - middle)).powi(2)).sum();
        let error = if spread > 0.0 && count > 2.0 { (left / (count - 2.0) / spread).sqrt() } else { f64::INFINITY };
        let values = || points.iter().map(|point| point.1);
        Self {
            least: values().fold(f64::INFINITY, f64::min),
            most: values().fold(f64::NEG_INFINITY, f64::max),
            slope_per_hour: slope * HOUR,
            error_per_hour: error * HOUR,
        }
    }

    /// By how much values grew in each quarter of the time, from line to line: what warms up grows less and less.
    pub fn by_quarters(points: &[(f64, f64)]) -> [f64; 4] {
        std::array::from_fn(|quarter| {
            let part = &points[points.len() * quarter / 4..points.len() * (quarter + 1) / 4];
            let seconds = part.last().zip(part.first()).map_or(0.0, |(last, first)| last.0 - first.0);
            Self::of(part).slope_per_hour / HOUR * seconds
        })
    }

    pub fn told(&self, unit: &str) -> String {
        let Self { least, most, slope_per_hour, error_per_hour } = self;
        format!("{least:.1} to {most:.1}{unit}, slope {slope_per_hour:+.2} ± {error_per_hour:.2}{unit} an hour")
    }
}

#[test]
fn a_line_has_its_slope() {
    let check = |points: &[(f64, f64)], slope: f64, error: f64| {
        let trend = Trend::of(points);
        assert!((trend.slope_per_hour / HOUR - slope).abs() < 1e-9, "{points:?}: {}", trend.slope_per_hour);
        assert!((trend.error_per_hour / HOUR - error).abs() < 1e-9, "{points:?}: {}", trend.error_per_hour);
    };
    check(&[(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)], 2.0, 0.0);
    // By hand: residuals 0.5, -1, 0.5; their squares sum to 1.5, over 1 and over 2.
    check(&[(0.0, 1.0), (1.0, 0.0), (2.0, 2.0)], 0.5, 0.75_f64.sqrt());
    let bend: Vec<(f64, f64)> = (0..8).map(|at| (f64::from(at), f64::from(at.min(4) * 2))).collect();
    for (grew, expected) in Trend::by_quarters(&bend).into_iter().zip([2.0, 2.0, 0.0, 0.0]) {
        assert!((grew - expected).abs() < 1e-9, "{grew} where {expected} was expected");
    }
    assert_eq!(Trend::of(&[(0.0, 1.5), (1.0, 0.5)]).told(" MB").split(',').next(), Some("0.5 to 1.5 MB"));
}

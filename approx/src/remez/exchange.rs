//! Rounds of the exchange.

use std::f64::consts::PI;

use super::double::Double;
use super::levelled::Levelled;
use super::problem::{Problem, Real};
use crate::error::FitError;
use crate::search::peak;

/// Most rounds.
const ROUNDS: usize = 80;
/// Rounds without a better polynomial before it gives up.
const PATIENCE: usize = 15;
/// Largest error over the level at which references are as good as f64 points can be.
const LEVEL: f64 = 1.0 + 1e-7;

/// The best polynomial of all rounds.
pub(super) struct Exchange {
    pub(super) series: Vec<Real>,
    largest: f64,
    /// Lower bound of every polynomial's largest error.
    pub(super) lower: f64,
    /// Alternation of its error.
    pub(super) points: Vec<f64>,
}

pub(super) fn run(problem: &Problem<'_>) -> Result<Exchange, FitError> {
    let count = problem.terms + 1;
    let mut points = start(problem)?;
    let mut best: Option<Exchange> = None;
    let mut lower = 0.0f64;
    let mut idle = 0;
    for _ in 0..ROUNDS {
        let (Levelled { series, level }, found) = match round(problem, &points) {
            Ok(found) => found,
            Err(_) if best.is_some() => break,
            Err(error) => return Err(error),
        };
        let largest = found.largest();
        lower = lower.max(level.abs());
        let next = found.alternation(problem, count).or_else(|| found.single(problem, &points));
        let done = largest <= LEVEL * level.abs() || largest <= problem.noise();
        if best.as_ref().is_none_or(|b| largest < b.largest) {
            let points = next.clone().unwrap_or_else(|| points.clone());
            best = Some(Exchange { series, largest, lower, points });
            idle = 0;
        } else {
            idle += 1;
        }
        match next {
            Some(next) if !done && idle < PATIENCE && next != points => points = next,
            _ => break,
        }
    }
    let mut best = best.ok_or(FitError::NotConverged { degree: problem.degree, ratio: f64::INFINITY })?;
    best.lower = lower.next_down().max(0.0);
    Ok(best)
}

fn round(problem: &Problem<'_>, points: &[f64]) -> Result<(Levelled, Extrema), FitError> {
    let levelled = Levelled::at(problem, points)?;
    if !levelled.level.is_finite() {
        return Err(FitError::NotFinite { x: points[0] });
    }
    let found = extrema(problem, &levelled.series, levelled.level, points, 1)?;
    Ok((levelled, found))
}

/// Extrema of Chebyshev polynomials on each interval, shared out by their widths in v.
fn start(problem: &Problem<'_>) -> Result<Vec<f64>, FitError> {
    let count = problem.terms + 1;
    let widths: Vec<f64> =
        problem.intervals.iter().map(|(lo, hi)| problem.position(*hi) - problem.position(*lo)).collect();
    let total: f64 = widths.iter().sum();
    let mut shares: Vec<usize> = widths.iter().map(|w| (w / total * count as f64) as usize).collect();
    let pieces = shares.len();
    for k in 0..count.saturating_sub(shares.iter().sum()) {
        shares[k % pieces] += 1;
    }
    let mut points = Vec::with_capacity(count);
    for ((lo, hi), share) in problem.intervals.iter().zip(&shares) {
        let (a, b) = (problem.position(*lo), problem.position(*hi));
        for k in 0..*share {
            let cosine = if *share == 1 { 0.0 } else { -(PI * k as f64 / (*share - 1) as f64).cos() };
            // An odd polynomial can do nothing at 0, so the reference does not begin there.
            let cosine = if k == 0 && problem.is_fixed(*lo) {
                -(PI * 0.5 / (*share).max(2) as f64).cos()
            } else {
                cosine
            };
            let x = problem.argument(0.5 * (a + b) + 0.5 * (b - a) * cosine);
            points.push(x.clamp(*lo, *hi));
        }
    }
    points.truncate(count);
    points.sort_by(f64::total_cmp);
    points.dedup();
    if points.len() < count { Err(FitError::Domain(problem.intervals.clone())) } else { Ok(points) }
}

/// The largest error of each run of equal signs, ascending in x.
pub(super) struct Extrema(Vec<(f64, f64)>);

/// Extrema of the error of a series, sought between `knots` with `density` times the usual grid.
/// They are located in f64 where its roundings are far below the `level` of the errors, else with twice
/// the digits, and measured in big floats.
pub(super) fn extrema(
    problem: &Problem<'_>,
    series: &[Real],
    level: f64,
    knots: &[f64],
    density: usize,
) -> Result<Extrema, FitError> {
    /// Rounding errors may be this part of the level: they move an extremum by the root of it.
    const NEGLIGIBLE: f64 = 3e-7;
    let short: Vec<f64> = series.iter().map(|c| c.to_f64().value()).collect();
    let located = if problem.rounding(&short) <= NEGLIGIBLE * level.abs() {
        located(problem, &|x| problem.approximate_error(&short, x), knots, density)?
    } else {
        let rest = |c: &Real, high: f64| (c - problem.real(high)).to_f64().value();
        let double: Vec<Double> = series.iter().zip(&short).map(|(c, s)| Double(*s, rest(c, *s))).collect();
        located(problem, &|x| problem.double_error(&double, x), knots, density)?
    };
    let exact = located.0.iter().map(|(x, _)| Ok((*x, problem.error(series, *x)?)));
    Ok(Extrema(exact.collect::<Result<_, FitError>>()?))
}

fn located(
    problem: &Problem<'_>,
    error: &dyn Fn(f64) -> Result<f64, FitError>,
    knots: &[f64],
    density: usize,
) -> Result<Extrema, FitError> {
    const PER_GAP: usize = 8;
    let mut runs: Vec<(f64, f64)> = Vec::new();
    for (lo, hi) in &problem.intervals {
        let mut ends = vec![*lo];
        ends.extend(knots.iter().filter(|x| lo < *x && *x < hi));
        ends.push(*hi);
        let steps = PER_GAP * density;
        let mut grid: Vec<f64> = ends
            .windows(2)
            .flat_map(|w| (0..steps).map(move |k| w[0] + (w[1] - w[0]) * (k as f64 / steps as f64)))
            .collect();
        grid.push(*hi);
        grid.dedup();
        let errors: Vec<f64> = grid.iter().map(|x| error(*x)).collect::<Result<_, _>>()?;
        let mut begin = 0;
        while begin < grid.len() {
            let sign = errors[begin] >= 0.0;
            let end = (begin..grid.len()).find(|k| (errors[*k] >= 0.0) != sign).unwrap_or(grid.len());
            for k in peaks(&errors[begin..end]) {
                let at = begin + k;
                let around = (grid[at.saturating_sub(1)], grid[at], grid[(at + 1).min(grid.len() - 1)]);
                let unit = if sign { 1.0 } else { -1.0 };
                let height = |x: f64| error(x).map(|e| unit * e);
                let (x, e) = peak(height, around, unit * errors[at])?;
                match runs.last_mut() {
                    Some(last) if (last.1 >= 0.0) == sign => {
                        if e > last.1.abs() {
                            *last = (x, unit * e);
                        }
                    }
                    _ => runs.push((x, unit * e)),
                }
            }
            begin = end;
        }
    }
    Ok(Extrema(runs))
}

/// The largest value of a run, and local maxima that the refinement could lift above it.
fn peaks(errors: &[f64]) -> Vec<usize> {
    let at = |k: usize| errors[k].abs();
    let top = (0..errors.len()).map(at).fold(0.0, f64::max);
    (0..errors.len())
        .filter(|k| {
            let before = *k == 0 || at(k - 1) <= at(*k);
            let after = k + 1 == errors.len() || at(k + 1) < at(*k);
            at(*k) == top || (at(*k) > 0.9 * top && before && after)
        })
        .collect()
}

impl Extrema {
    pub(super) fn largest(&self) -> f64 {
        self.0.iter().fold(0.0, |a, (_, e)| a.max(e.abs()))
    }

    /// The points with the largest error's in the place of its neighbour: what is left when the level is zero
    /// by accident, and errors need not alternate.
    fn single(&self, problem: &Problem<'_>, points: &[f64]) -> Option<Vec<f64>> {
        let usable = self.0.iter().filter(|(x, _)| !problem.is_fixed(*x));
        let worst = usable.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?.0;
        let distance = |k: &usize| (points[*k] - worst).abs();
        let nearest = (0..points.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let mut points = points.to_vec();
        points[nearest] = worst;
        points.sort_by(f64::total_cmp);
        points.windows(2).all(|w| w[0] < w[1]).then_some(points)
    }

    /// `count` successive extrema with the largest among them; none if there are fewer.
    pub(super) fn alternation(&self, problem: &Problem<'_>, count: usize) -> Option<Vec<f64>> {
        let mut runs = self.0.clone();
        runs.retain(|(x, _)| !problem.is_fixed(*x));
        let at = |runs: &[(f64, f64)], k: usize| runs[k].1.abs();
        while runs.len() > count {
            let last = runs.len() - 1;
            if runs.len() == count + 1 {
                let drop = if at(&runs, 0) < at(&runs, last) { 0 } else { last };
                runs.remove(drop);
                continue;
            }
            let least = (0..=last).min_by(|a, b| at(&runs, *a).total_cmp(&at(&runs, *b)))?;
            runs.remove(least);
            if least != 0 && least != last {
                // Its neighbours have the same sign: only the larger stays.
                let drop = if at(&runs, least - 1) < at(&runs, least) { least - 1 } else { least };
                runs.remove(drop);
            }
        }
        let ascending = runs.windows(2).all(|w| w[0].0 < w[1].0);
        (runs.len() == count && ascending).then(|| runs.into_iter().map(|r| r.0).collect())
    }
}

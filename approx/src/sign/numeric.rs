//! Errors of a composition, by following its oscillations.

use std::f64::consts::PI;

use super::composition::Sign;
use crate::search::largest;

/// Grid points per half-oscillation.
const DENSITY: f64 = 8.0;
/// Points below ε, where the composition rises from 0.
const BELOW: usize = 128;

pub(super) fn relu_error(sign: &Sign) -> f64 {
    below(sign).max(beyond(sign))
}

/// The part in [0, ε].
pub(super) fn below(sign: &Sign) -> f64 {
    largest(|x| relu_defect(sign, x), &grid_below(sign, BELOW)).1
}

/// The part in [ε, 1].
fn beyond(sign: &Sign) -> f64 {
    largest(|x| relu_defect(sign, x), &grid_beyond(sign, DENSITY)).1
}

pub(super) fn growth(sign: &Sign, t: f64) -> f64 {
    const OUTSIDE: usize = 1000;
    let mut grid = grid_below(sign, BELOW);
    grid.extend(grid_beyond(sign, DENSITY));
    if t > 1.0 {
        grid.extend((1..=OUTSIDE).map(|k| (1.0 + (t - 1.0) * (k as f64 / OUTSIDE as f64)).min(t)));
    }
    grid.retain(|x| *x <= t);
    grid.dedup();
    let finite = grid.iter().all(|x| sign.eval(*x).is_finite());
    if finite { largest(|x| sign.eval(x).abs(), &grid).1 } else { f64::INFINITY }
}

/// |x(1 + p(x))/2 − x| for x ≥ 0.
fn relu_defect(sign: &Sign, x: f64) -> f64 {
    (x * (1.0 - sign.eval(x)) / 2.0).abs()
}

pub(super) fn grid_below(sign: &Sign, points: usize) -> Vec<f64> {
    (0..=points).map(|k| sign.epsilon * (k as f64 / points as f64)).collect()
}

/// Ascending from ε to 1, with `density` points or more to each half-oscillation of the composition.
pub(super) fn grid_beyond(sign: &Sign, density: f64) -> Vec<f64> {
    let ends: Vec<(f64, f64)> = std::iter::once((sign.epsilon, 1.0))
        .chain(sign.taus.iter().map(|tau| (1.0 - tau, 1.0 + tau)))
        .take(sign.stages.len())
        .collect();
    // Stage i oscillates (d + 1)/2 times over angles from 0 to π.
    let phases = |x: f64| -> Vec<f64> {
        let mut y = x;
        let mut out = Vec::with_capacity(ends.len());
        for ((stage, (a, b)), d) in sign.stages.iter().zip(&ends).zip(&sign.degrees) {
            let v = (2.0 * y * y - a * a - b * b) / (b * b - a * a);
            out.push(v.clamp(-1.0, 1.0).acos() * (d + 1) as f64 / (2.0 * PI));
            y = stage.eval(y);
        }
        out
    };
    const MOST: usize = 1 << 20;
    let mut grid = vec![sign.epsilon];
    let mut stack = vec![(1.0, phases(1.0))];
    let mut last = (sign.epsilon, phases(sign.epsilon));
    while let Some((x, phase)) = stack.pop() {
        let step = phase.iter().zip(&last.1).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let middle = 0.5 * (last.0 + x);
        if step * density > 1.0 && last.0 < middle && middle < x && grid.len() < MOST {
            stack.push((x, phase));
            stack.push((middle, phases(middle)));
        } else {
            grid.push(x);
            last = (x, phase);
        }
    }
    grid
}

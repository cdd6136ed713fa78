//! Maxima of functions of one variable: found, and proven.

use crate::interval::Interval;

/// A maximum of `f` on [a, c], given that b between them is at least as high as both: Brent's method.
/// Returns (x, f(x)), never below f(b).
pub(crate) fn peak<E>(
    mut f: impl FnMut(f64) -> Result<f64, E>,
    (a, b, c): (f64, f64, f64),
    value: f64,
) -> Result<(f64, f64), E> {
    const GOLDEN: f64 = 0.381_966_011_250_105_1;
    let (mut lo, mut hi) = (a, c);
    let tolerance = 1e-9 * (c - a);
    let ((mut x, mut fx), mut w, mut v) = ((b, value), (b, value), (b, value));
    let (mut step, mut before) = (c - a, c - a);
    for _ in 0..60 {
        let middle = 0.5 * lo + 0.5 * hi;
        if (x - middle).abs() + 0.5 * (hi - lo) <= 2.0 * tolerance {
            break;
        }
        let r = (x - w.0) * (fx - v.1);
        let q = (x - v.0) * (fx - w.1);
        let p = (x - v.0) * q - (x - w.0) * r;
        let q = 2.0 * (q - r);
        let parabolic = -p / q;
        let usable = parabolic.is_finite()
            && x + parabolic > lo
            && x + parabolic < hi
            && parabolic.abs() < 0.5 * before.abs();
        before = step;
        step = if usable {
            parabolic
        } else {
            before = if x < middle { hi - x } else { lo - x };
            GOLDEN * before
        };
        let u = if step.abs() >= tolerance { x + step } else { x + tolerance.copysign(step) };
        if !(lo <= u && u <= hi) {
            break;
        }
        let fu = f(u)?;
        if fu >= fx {
            if u < x {
                hi = x
            } else {
                lo = x
            }
            (v, w) = (w, (x, fx));
            (x, fx) = (u, fu);
        } else {
            if u < x {
                lo = u
            } else {
                hi = u
            }
            if fu >= w.1 || w.0 == x {
                (v, w) = (w, (u, fu));
            } else if fu >= v.1 || v.0 == x || v.0 == w.0 {
                v = (u, fu);
            }
        }
    }
    Ok((x, fx))
}

/// Largest value of `f` on a sorted grid, with the local maxima near the largest refined.
pub(crate) fn largest(f: impl Fn(f64) -> f64, grid: &[f64]) -> (f64, f64) {
    let values: Vec<f64> = grid.iter().map(|x| f(*x)).collect();
    let top = values.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let near = top - 0.1 * top.abs();
    let mut best = (f64::NAN, f64::NEG_INFINITY);
    for (i, value) in values.iter().enumerate() {
        let (before, after) = (i.saturating_sub(1), (i + 1).min(grid.len() - 1));
        if *value < near || values[before] > *value || values[after] > *value {
            continue;
        }
        let found = peak(|x| Ok::<_, ()>(f(x)), (grid[before], grid[i], grid[after]), *value);
        if let Ok(found) = found
            && found.1 > best.1
        {
            best = found;
        }
    }
    best
}

/// An upper bound of a function on [lo, hi] that exceeds the largest value by about `slack(largest)` at
/// most, unless `budget` pieces do not suffice. `bound` encloses the values on a piece.
pub(crate) fn upper_bound(
    bound: impl Fn(f64, f64) -> Interval,
    starts: &[f64],
    slack: impl Fn(f64) -> f64,
    budget: usize,
) -> f64 {
    let at = |x: f64| bound(x, x).lo;
    let mut best = starts.iter().map(|x| at(*x)).fold(f64::NEG_INFINITY, f64::max);
    let mut result = best;
    let mut stack: Vec<(f64, f64)> = starts.windows(2).map(|w| (w[0], w[1])).collect();
    if let [only] = starts {
        stack.push((*only, *only));
    }
    let mut used = 0;
    while let Some((lo, hi)) = stack.pop() {
        used += 1;
        let top = bound(lo, hi).hi;
        let middle = 0.5 * lo + 0.5 * hi;
        if top <= best + slack(best) || used > budget || !(lo < middle && middle < hi) {
            result = result.max(top);
            continue;
        }
        best = best.max(at(middle));
        stack.push((lo, middle));
        stack.push((middle, hi));
    }
    result
}

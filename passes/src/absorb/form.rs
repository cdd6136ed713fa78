//! The form that a polynomial takes.

use fhec_ir::ValueId;

use super::gauge::Gauge;

/// What becomes of a polynomial: of z = x + shift, result p(z) + constant.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    /// Coefficients of p in z, `powers[k][c]`, before factors of values are applied.
    pub powers: Vec<Vec<f64>>,
    /// Shift of the argument per channel, in units of the unscaled argument; not 0 only where that helps.
    pub shift: Vec<f64>,
    /// Sign of the leading coefficient after normalisation; None if it stays general.
    pub monic: Option<f64>,
    /// Factor on z per channel, in units of the unscaled argument, that no neighbour takes.
    pub scale: Option<Vec<f64>>,
}

/// Leading coefficients beyond this are not multiplied by: of a power that is small because its argument is, the noise would
/// be multiplied as well, and nothing else be left.
const MAX_LEADING: f64 = 16.0;

/// The same of their inverse, which makes results so much larger.
const MAX_FORWARD: f64 = 4096.0;

/// The form of the polynomial y = p(x), monic if factors of values and a shift of x can make it so; `powers[k][c]` are its
/// coefficients. The gauge takes note of the factors.
pub(super) fn normalise(gauge: &mut Gauge, y: ValueId, x: ValueId, mut powers: Vec<Vec<f64>>) -> Form {
    while powers.len() > 1 && powers.last().is_some_and(|p| p.iter().all(|&c| c == 0.0)) {
        powers.pop();
    }
    let channels = powers[0].len();
    let degree = powers.len() - 1;
    let no_shift = vec![0.0; channels];
    if degree < 2 || powers[degree].contains(&0.0) {
        let scale = scaled(gauge, y, &powers[degree], degree);
        return Form { powers, shift: no_shift, monic: None, scale };
    }
    let shift: Vec<f64> =
        (0..channels).map(|c| powers[degree - 1][c] / (degree as f64 * powers[degree][c])).collect();
    let plain = powers.clone();
    for c in 0..channels {
        let mut column: Vec<f64> = powers.iter().map(|p| p[c]).collect();
        taylor_shift(&mut column, -shift[c]);
        column[degree - 1] = 0.0;
        powers.iter_mut().zip(column).for_each(|(p, v)| p[c] = v);
    }
    match monic(gauge, y, x, &powers) {
        Some(sign) => {
            gauge.freeze(y);
            Form { powers, shift, monic: Some(sign), scale: None }
        }
        None => match scaled(gauge, y, &powers[degree], degree) {
            // The shift costs nothing beside the factor.
            Some(scale) => {
                let monic = common_sign(powers[degree].iter().zip(gauge.factor(y)).map(|(a, f)| a * f));
                Form { powers, shift, monic, scale: Some(scale) }
            }
            None if far(&powers, &shift) => Form { powers, shift, monic: None, scale: None },
            None => Form { powers: plain, shift: no_shift, monic: None, scale: None },
        },
    }
}

/// The sign of all numbers, if it is the same.
fn common_sign(leading: impl Iterator<Item = f64>) -> Option<f64> {
    let mut signs = leading.map(f64::signum);
    let first = signs.next()?;
    signs.all(|sign| sign == first).then_some(first)
}

/// Factors for the argument of a polynomial that make leading coefficients ±1 where they are not 0, at no more levels than
/// multiplying by these takes, if some is too large for that.
fn scaled(gauge: &mut Gauge, y: ValueId, leading: &[f64], degree: usize) -> Option<Vec<f64>> {
    let leading: Vec<f64> = leading.iter().zip(gauge.factor(y)).map(|(a, f)| a * f).collect();
    if degree < 2 || leading.iter().all(|a| a.abs() <= MAX_LEADING) {
        return None;
    }
    gauge.freeze(y);
    let root = |a: f64| if a == 0.0 { 1.0 } else { a.abs().powf(1.0 / degree as f64) };
    Some(leading.into_iter().map(root).collect())
}

/// How much farther from 0 than the roots of a polynomial are from their mean that mean lies, where powers of x would cancel.
const FAR: f64 = 4.0;

/// True if the roots of a polynomial without second coefficient, in z = x + shift, are closer together than to x = 0 in some
/// channel: near them powers of x are much larger than their sum. By Fujiwara's bound on roots.
fn far(powers: &[Vec<f64>], shift: &[f64]) -> bool {
    let degree = powers.len() - 1;
    let reach = |c: usize| {
        let root = |k: usize| (powers[k][c] / powers[degree][c]).abs().powf(1.0 / (degree - k) as f64);
        2.0 * (0..degree).map(root).fold(0.0, f64::max)
    };
    degree > 2 && (0..shift.len()).any(|c| shift[c].abs() > FAR * reach(c))
}

/// Replaces p(x) by p(x + t).
fn taylor_shift(p: &mut [f64], t: f64) {
    let degree = p.len() - 1;
    for i in 0..degree {
        for k in (i..degree).rev() {
            p[k] += t * p[k + 1];
        }
    }
}

/// Makes the leading coefficient ±1, the same sign in all channels, and for even degree 2 exactly 1. Returns it.
fn monic(gauge: &mut Gauge, y: ValueId, x: ValueId, powers: &[Vec<f64>]) -> Option<f64> {
    let degree = powers.len() - 1;
    let leading = |gauge: &Gauge| -> Vec<f64> {
        let (before, after) = (gauge.factor(x), gauge.factor(y));
        (0..powers[degree].len())
            .map(|c| powers[degree][c] * after[c] / before[c].powi(degree as i32))
            .collect()
    };
    let root = |a: &f64| {
        let magnitude = a.abs().powf(1.0 / degree as f64);
        if degree % 2 == 1 { magnitude.copysign(*a) } else { magnitude }
    };
    // A factor may come back to the other end of the polynomial, through a shortcut around it: then it is no use.
    let reached = |gauge: &Gauge, sign: Option<f64>| {
        leading(gauge).iter().all(|a| (sign.map_or(a.abs(), |s| s * a) - 1.0).abs() < 1e-9)
    };
    let start = gauge.clone();
    let a = leading(gauge);
    let backward: Vec<f64> = a.iter().map(root).collect();
    if !(gauge.request(x, &backward, y) && reached(gauge, None)) {
        *gauge = start.clone();
        let forward: Vec<f64> = a.iter().map(|a| 1.0 / a).collect();
        let bounded = forward.iter().all(|f| (1.0 / MAX_LEADING..=MAX_FORWARD).contains(&f.abs()));
        if !(bounded && gauge.request(y, &forward, y) && reached(gauge, None)) {
            *gauge = start;
            return None;
        }
    }
    let monic = gauge.clone();
    let signs: Vec<f64> = leading(gauge).iter().map(|a| a.signum()).collect();
    if gauge.request(y, &signs, y) && reached(gauge, Some(1.0)) {
        return Some(1.0);
    }
    if signs.iter().all(|&s| s == -1.0) {
        *gauge = monic;
        return Some(-1.0);
    }
    // Mixed signs that nothing takes: then the magnitudes are of no use either.
    *gauge = start;
    None
}

//! Weighted minimax on points, for any basis: Lawson's iteration.
//!
//! Weighted least squares whose weights grow where the error is large. Its weighted rms error bounds the
//! minimax error from below, so the distance from the optimum is known when it stops. It needs no
//! alternation, hence takes any basis, but comes near the optimum only (Lawson 1961; Cline, SIAM J.
//! Numer. Anal. 9, 1972).

/// Coefficients of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Lawson {
    /// One for each column.
    pub coeffs: Vec<f64>,
    /// Largest weighted error.
    pub error: f64,
    /// No coefficients have a smaller largest error.
    pub lower: f64,
}

/// Minimises the largest weights_i·|rows_i·c − targets_i|, by at most `iterations` rounds of least squares;
/// stops when it is within the factor `optimal` of the lower bound. None without rows, columns or
/// rounds, or when lengths differ.
pub fn fit(
    rows: &[Vec<f64>],
    targets: &[f64],
    weights: &[f64],
    iterations: usize,
    optimal: f64,
) -> Option<Lawson> {
    let columns = rows.first()?.len();
    let uneven = rows.iter().any(|r| r.len() != columns);
    if columns == 0 || uneven || targets.len() != rows.len() || weights.len() != rows.len() {
        return None;
    }
    let mut importance = vec![1.0 / rows.len() as f64; rows.len()];
    let mut best: Option<Lawson> = None;
    for _ in 0..iterations {
        let scale: Vec<f64> = importance.iter().zip(weights).map(|(i, w)| f64::sqrt(*i) * w).collect();
        let coeffs = least_squares(rows, targets, &scale);
        let errors: Vec<f64> = rows
            .iter()
            .zip(targets)
            .zip(weights)
            .map(|((row, t), w)| w * (row.iter().zip(&coeffs).map(|(a, b)| a * b).sum::<f64>() - t).abs())
            .collect();
        let error = errors.iter().fold(0.0, |a: f64, b| a.max(*b));
        let rms = importance.iter().zip(&errors).map(|(i, e)| i * e * e).sum::<f64>().sqrt();
        match &mut best {
            Some(best) => {
                best.lower = rms.max(best.lower);
                if error < best.error {
                    (best.error, best.coeffs) = (error, coeffs);
                }
            }
            None => best = Some(Lawson { coeffs, error, lower: rms }),
        }
        if best.as_ref().is_some_and(|best| best.error <= optimal * best.lower) {
            break;
        }
        let total: f64 = importance.iter().zip(&errors).map(|(i, e)| i * e).sum();
        importance.iter_mut().zip(&errors).for_each(|(i, e)| *i *= e / total);
    }
    best
}

/// argmin Σ (scale_i·(rows_i·x − targets_i))² by Householder reflections.
fn least_squares(rows: &[Vec<f64>], targets: &[f64], scale: &[f64]) -> Vec<f64> {
    let columns = rows[0].len();
    let mut a: Vec<Vec<f64>> = rows
        .iter()
        .zip(targets)
        .zip(scale)
        .map(|((row, t), s)| row.iter().chain([t]).map(|x| x * s).collect())
        .collect();
    for k in 0..columns {
        let norm = a[k..].iter().map(|r| r[k] * r[k]).sum::<f64>().sqrt();
        let alpha = if a[k][k] > 0.0 { -norm } else { norm };
        let mut v: Vec<f64> = a[k..].iter().map(|r| r[k]).collect();
        v[0] -= alpha;
        let square: f64 = v.iter().map(|x| x * x).sum();
        if square == 0.0 {
            continue;
        }
        for column in k..=columns {
            let dot: f64 = v.iter().zip(&a[k..]).map(|(v, r)| v * r[column]).sum();
            let factor = 2.0 * dot / square;
            v.iter().zip(&mut a[k..]).for_each(|(v, r)| r[column] -= factor * v);
        }
    }
    let mut x = vec![0.0; columns];
    for k in (0..columns).rev() {
        let known: f64 = (k + 1..columns).map(|j| a[k][j] * x[j]).sum();
        x[k] = if a[k][k] == 0.0 { 0.0 } else { (a[k][columns] - known) / a[k][k] };
    }
    x
}

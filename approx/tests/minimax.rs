//! The exchange: closed forms, alternation, and what it says of itself.

use fhec_approx::{FitError, Minimax, Parity, functions, minimax};
use proptest::prelude::*;

type Function = fn(f64) -> f64;

fn one(_: f64) -> f64 {
    1.0
}

/// Weighted errors of the f64 polynomial on a grid of each interval.
fn grid_error(fit: &Minimax, f: &dyn Fn(f64) -> f64, w: &dyn Fn(f64) -> f64, domain: &[(f64, f64)]) -> f64 {
    const POINTS: usize = 4000;
    domain
        .iter()
        .flat_map(|(lo, hi)| (0..=POINTS).map(move |k| lo + (hi - lo) * (k as f64 / POINTS as f64)))
        .map(|x| (w(x) * (f(x) - fit.poly.eval(x))).abs())
        .fold(0.0, f64::max)
}

/// What holds of every result. `noise`: roundings of f64 evaluation.
fn check(
    fit: &Minimax,
    f: &dyn Fn(f64) -> f64,
    w: &dyn Fn(f64) -> f64,
    domain: &[(f64, f64)],
    noise: f64,
) -> Result<(), String> {
    let Minimax { error, lower, points, .. } = fit;
    if lower > error || error.is_nan() {
        return Err(format!("lower {lower:e} above {error:e}"));
    }
    let grid = grid_error(fit, f, w, domain);
    if grid > error * (1.0 + 1e-9) + noise {
        return Err(format!("grid {grid:e} above {error:e}"));
    }
    if *error < 1e3 * noise {
        return Ok(());
    }
    if *error > 1.001 * lower {
        return Err(format!("{error:e} against {lower:e}"));
    }
    let errors: Vec<f64> = points.iter().map(|x| w(*x) * (f(*x) - fit.poly.eval(*x))).collect();
    for pair in errors.windows(2) {
        if pair[0] * pair[1] >= 0.0 {
            return Err(format!("no alternation: {errors:?}"));
        }
    }
    let inside = |x: &f64| domain.iter().any(|(lo, hi)| lo <= x && x <= hi);
    if !points.iter().all(inside) || !points.windows(2).all(|p| p[0] < p[1]) {
        return Err(format!("points {points:?}"));
    }
    Ok(())
}

#[test]
fn monomials_have_chebyshev_errors() {
    for n in 2..=20 {
        let f = |x: f64| x.powi(n);
        let degree = n as usize - 1;
        let fit = minimax(&f, &one, &[(-1.0, 1.0)], Parity::General, degree).expect("converges");
        let expected = (1.0 - f64::from(n)).exp2();
        assert!((fit.error / expected - 1.0).abs() < 1e-7, "{n}: {:e}, {expected:e}", fit.error);
        check(&fit, &f, &one, &[(-1.0, 1.0)], 1e-15).expect("equioscillates");
        let parity = if n % 2 == 0 { Parity::Even } else { Parity::Odd };
        if n > 2 {
            let same = minimax(&f, &one, &[(-1.0, 1.0)], parity, degree - 1).expect("converges");
            assert!((same.error / expected - 1.0).abs() < 1e-7, "{n}: {:e}", same.error);
        }
    }
}

#[test]
fn known_approximations() {
    // |x| by 2nd degree: x² + 1/8; √x on [0, 1] by a line: x + 1/8; 1/x on [1, 2] by a line:
    // error (1/√a − 1/√b)²/2.
    let fit = minimax(&f64::abs, &one, &[(-1.0, 1.0)], Parity::Even, 2).expect("converges");
    assert!((fit.error - 0.125).abs() < 1e-9);
    assert!((fit.poly.eval(0.0) - 0.125).abs() < 1e-9 && (fit.poly.eval(1.0) - 1.125).abs() < 1e-9);
    let fit = minimax(&f64::sqrt, &one, &[(0.0, 1.0)], Parity::General, 1).expect("converges");
    assert!((fit.error - 0.125).abs() < 1e-9);
    let fit = minimax(&functions::reciprocal, &one, &[(1.0, 2.0)], Parity::General, 1).expect("converges");
    let expected = (1.0 - 0.5f64.sqrt()).powi(2) / 2.0;
    assert!((fit.error - expected).abs() < 1e-9, "{} {expected}", fit.error);
    // Bernstein: 2n·E_2n(|x|) → 0.2801694….
    let fit = minimax(&f64::abs, &one, &[(-1.0, 1.0)], Parity::Even, 60).expect("converges");
    assert!((60.0 * fit.error - 0.280_17).abs() < 1e-3, "{}", 60.0 * fit.error);
}

#[test]
fn errors_equioscillate_to_a_millionth() {
    let cases: [(Function, f64, f64, Parity, usize); 5] = [
        (functions::silu, -8.0, 8.0, Parity::General, 20),
        (functions::tanh, -4.0, 4.0, Parity::Odd, 15),
        (functions::exp, 0.0, 2.0, Parity::General, 5),
        (functions::sqrt, 0.0, 1.0, Parity::General, 12),
        (|_| 1.0, 0.01, 1.0, Parity::Odd, 15),
    ];
    for (f, lo, hi, parity, degree) in cases {
        let fit = minimax(&f, &one, &[(lo, hi)], parity, degree).expect("converges");
        assert!(fit.error <= (1.0 + 1e-6) * fit.lower, "{} {}", fit.error, fit.lower);
        let coefficients = if parity == Parity::General { degree + 1 } else { degree.div_ceil(2) };
        assert_eq!(fit.points.len(), coefficients + 1);
        for x in &fit.points {
            let e = (f(*x) - fit.poly.eval(*x)).abs();
            assert!((e / fit.error - 1.0).abs() < 1e-6, "{degree}: {e:e} at {x}, {:e}", fit.error);
        }
        assert!(fit.poly.degree() <= degree);
    }
}

#[test]
fn several_intervals_and_weights() {
    let domain = [(-2.0, -1.0), (0.5, 0.6), (1.5, 3.0)];
    let w = |x: f64| 1.0 / (1.0 + x * x);
    let fit = minimax(&functions::exp, &w, &domain, Parity::General, 7).expect("converges");
    check(&fit, &functions::exp, &w, &domain, 1e-14).expect("equioscillates");
    // sgn on two intervals is 1 by odd polynomials on one.
    let both = [(-1.0, -0.2), (0.2, 1.0)];
    let general = minimax(&f64::signum, &one, &both, Parity::General, 7).expect("converges");
    let odd = minimax(&f64::signum, &one, &both, Parity::Odd, 7).expect("converges");
    let one_side = minimax(&one, &one, &both[1..], Parity::Odd, 7).expect("converges");
    assert!((general.error / odd.error - 1.0).abs() < 1e-5);
    assert!((one_side.error / odd.error - 1.0).abs() < 1e-9);
    assert!(odd.poly.coeffs.iter().step_by(2).all(|c| *c == 0.0));
}

#[test]
fn polynomials_are_reproduced() {
    let f = |x: f64| 3.0 * x * x - x + 0.5;
    let fit = minimax(&f, &one, &[(-3.0, 5.0)], Parity::General, 6).expect("converges");
    assert!(fit.error < 1e-13, "{:e}", fit.error);
    assert!((fit.poly.eval(1.7) - f(1.7)).abs() < 1e-13);
}

#[test]
fn nonsense_is_refused() {
    let nan = f64::NAN;
    for domain in [
        &[][..],
        &[(1.0, 0.0)],
        &[(1.0, 1.0)],
        &[(nan, 1.0)],
        &[(0.0, f64::INFINITY)],
        &[(0.0, 2.0), (1.0, 3.0)],
        &[(-1e308, 1e308)],
        &[(1.0, 1.0 + 1e-15)],
        &[(0.0, 1e-300)],
    ] {
        for parity in [Parity::General, Parity::Even, Parity::Odd] {
            let result = minimax(&functions::exp, &one, domain, parity, 3);
            assert!(matches!(result, Err(FitError::Domain(_))), "{domain:?} {result:?}");
        }
    }
    for degree in [0, 512, usize::MAX] {
        let result = minimax(&functions::exp, &one, &[(0.0, 1.0)], Parity::General, degree);
        assert_eq!(result, Err(FitError::Degree(degree)));
    }
    let unit = [(-1.0, 1.0)];
    let refused = |f: Function, w: Function| minimax(&f, &w, &unit, Parity::General, 4);
    assert!(matches!(refused(f64::sqrt, one), Err(FitError::NotFinite { .. })));
    assert!(matches!(refused(one, |_| 0.0), Err(FitError::NotFinite { .. })));
    assert!(matches!(refused(one, |x| x), Err(FitError::NotFinite { .. })));
    assert!(matches!(refused(one, |_| f64::INFINITY), Err(FitError::NotFinite { .. })));
    // An odd polynomial cannot be 1 at 0.
    let result = minimax(&functions::exp, &one, &unit, Parity::Odd, 5);
    assert_eq!(result, Err(FitError::NotOdd(1.0)));
    // A jump that no point of f64 hides.
    let result = minimax(&f64::signum, &one, &unit, Parity::General, 5);
    assert!(result.is_err() || result.is_ok_and(|fit| fit.error >= 0.99));
}

fn functions_to_fit() -> impl Strategy<Value = (usize, Function)> {
    let list: Vec<(usize, Function)> = vec![
        (0, functions::silu),
        (1, functions::sigmoid),
        (2, f64::abs),
        (3, functions::gelu),
        (4, |x| (3.0 * x).sin()),
        (5, functions::softsign),
        (6, |x| functions::elu(x, 1.3)),
        (7, |x| x.max(0.0)),
        (8, |x| 1.0 / (1.0 + 25.0 * x * x)),
        (9, |_| 1.0),
        (10, |x| x * x * x - x),
    ];
    proptest::sample::select(list)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fit_is_good_or_says_it_is_not(
        (index, f) in functions_to_fit(),
        lo in -6.0f64..6.0,
        widths in prop::collection::vec(1e-3f64..5.0, 1..4),
        gap in 1e-3f64..2.0,
        degree in 1usize..24,
        parity in prop::sample::select(vec![Parity::General, Parity::Even, Parity::Odd]),
        slope in -0.1f64..0.1,
    ) {
        let mut domain = Vec::new();
        let mut at = lo;
        for width in &widths {
            domain.push((at, at + width));
            at += width + gap;
        }
        let w = move |x: f64| (slope * x).exp();
        match minimax(&f, &w, &domain, parity, degree) {
            Ok(fit) => {
                // Even and odd fits see x ≥ 0 only.
                let folded: Vec<(f64, f64)> = match parity {
                    Parity::General => domain.clone(),
                    Parity::Even | Parity::Odd => domain
                        .iter()
                        .map(|(a, b)| if *a >= 0.0 { (*a, *b) } else if *b <= 0.0 { (-b, -a) } else { (0.0, b.max(-a)) })
                        .collect(),
                };
                let coeffs: f64 = fit.poly.coeffs.iter().map(|c| c.abs()).sum();
                let noise = 1e-13 * (1.0 + coeffs);
                if let Err(why) = check(&fit, &f, &w, &folded, noise) {
                    prop_assert!(false, "{index} {domain:?} {parity:?} {degree}: {why}");
                }
            }
            Err(FitError::NotConverged { ratio, .. }) => {
                // What is continuous, not a polynomial, and not forced to cancel huge coefficients converges.
                let plain = parity == Parity::General && widths.iter().all(|w| *w > 0.5);
                let curved = ![9, 10].contains(&index);
                prop_assert!(ratio > 1.001 && !(plain && curved && degree <= 12),
                    "{index} {domain:?} {parity:?} {degree}: {ratio}");
            }
            Err(FitError::NotOdd(value)) => {
                let at_zero = domain.iter().any(|(a, b)| *a <= 0.0 && 0.0 <= *b);
                prop_assert!(parity == Parity::Odd && at_zero && f(0.0) == value && value != 0.0);
            }
            Err(FitError::Degree(d)) => prop_assert!(d == 1 && parity == Parity::Even),
            Err(other) => prop_assert!(false, "{index} {domain:?} {parity:?} {degree}: {other}"),
        }
    }
}

//! Compositions for the sign function against published values, grids and proofs.

use fhec_approx::{FitError, Sign, catalogue};

/// Largest ReLU error on a plain grid: even, and crowded towards 0.
fn grid_error(sign: &Sign) -> f64 {
    const POINTS: i32 = 20_000;
    let plain = (0..=POINTS).map(|k| f64::from(k) / f64::from(POINTS));
    let crowded = (0..=POINTS).map(|k| (-16.0 * f64::from(k) / f64::from(POINTS)).exp2());
    plain
        .chain(crowded)
        .flat_map(|x| [x, -x])
        .map(|x| (x * (1.0 + sign.eval(x)) / 2.0 - x.max(0.0)).abs())
        .fold(0.0, f64::max)
}

#[test]
fn published_errors_of_stages() {
    let sign = Sign::new(&[15, 15, 27], 1.0 / 512.0).expect("a composition");
    let published = [0.95203831, 0.55774839, 9.9406e-5];
    for (tau, expected) in sign.taus.iter().zip(published) {
        assert!((tau / expected - 1.0).abs() < 1e-5, "{tau} {expected}");
    }
    assert_eq!((sign.depth(), sign.products()), (13, 26));
    let widths: Vec<f64> = sign.stages.iter().map(|s| s.half_width).collect();
    assert_eq!(widths[0], 1.0);
    for (width, tau) in widths[1..].iter().zip(&sign.taus) {
        assert!((width - 1.0 - tau).abs() < 1e-12);
    }
    for x in [0.002, 0.01, 0.3, 0.77, 1.0] {
        assert!((sign.eval(x) - 1.0).abs() <= 1.000_001 * sign.taus[2]);
        assert_eq!(sign.eval(-x), -sign.eval(x));
    }
}

#[test]
fn relu_errors_are_published_ones_or_better_and_proven() {
    let table: [(&[usize], f64); 6] = [
        (&[3, 7], -6.03),
        (&[7, 15], -7.95),
        (&[7, 7, 13], -10.07),
        (&[7, 15, 27], -12.10),
        (&[15, 15, 27], -13.14),
        (&[15, 27, 29], -14.00),
    ];
    for (degrees, log2) in table {
        let sign = Sign::for_relu(degrees).expect("a composition");
        let error = sign.relu_error();
        assert!(error.log2() < log2 && error.log2() > log2 - 0.15, "{degrees:?}: {}", error.log2());
        let grid = grid_error(&sign);
        assert!(grid <= error * (1.0 + 1e-9) && grid > 0.99 * error, "{degrees:?}: {grid:e} {error:e}");
        let proven = sign.proven_relu_error();
        println!(
            "{degrees:?}: 2^{:.3} at ε = {:.6}, proven {:.4} of it",
            error.log2(),
            sign.epsilon,
            proven / error
        );
        assert!(proven >= error && proven <= 1.05 * error, "{degrees:?}: {proven:e} {error:e}");
        // Neither a smaller nor a larger threshold is better.
        for factor in [0.98, 1.02] {
            let other = Sign::new(degrees, factor * sign.epsilon).expect("a composition");
            assert!(other.relu_error() > error, "{degrees:?} {factor}");
        }
    }
}

#[test]
fn proofs_hold_for_other_thresholds() {
    for (degrees, epsilon) in [(&[5][..], 0.1), (&[3, 3, 3, 3], 0.01), (&[31, 5], 0.2), (&[7, 7, 7], 0.05)] {
        let sign = Sign::new(degrees, epsilon).expect("a composition");
        let (error, grid, proven) = (sign.relu_error(), grid_error(&sign), sign.proven_relu_error());
        assert!(grid <= error * (1.0 + 1e-9) && error <= proven && proven <= 1.05 * error, "{degrees:?}");
    }
}

#[test]
fn growth() {
    let sign = Sign::for_relu(&[7, 15]).expect("a composition");
    let inside = sign.growth(1.0);
    assert!((inside - 1.0 - sign.taus[1]).abs() < 1e-6, "{inside}");
    let (a, b) = (sign.growth(1.02), sign.growth(1.1));
    assert!(inside <= a && a <= b && b > 1e6);
    for t in [1.02, 1.1] {
        let direct = (0..=100_000).map(|k| sign.eval(t * f64::from(k) / 1e5).abs()).fold(0.0, f64::max);
        let found = sign.growth(t);
        assert!((found / direct - 1.0).abs() < 1e-3, "{found} {direct}");
    }
    assert!(sign.growth(1e300) > 1e300);
}

#[test]
fn nonsense_is_refused() {
    assert_eq!(Sign::new(&[], 0.1), Err(FitError::Degree(0)));
    assert_eq!(Sign::new(&[3; 9], 0.1), Err(FitError::Degree(9)));
    assert_eq!(Sign::new(&[3, 4], 0.1), Err(FitError::Degree(4)));
    assert_eq!(Sign::new(&[513], 0.1), Err(FitError::Degree(513)));
    assert_eq!(Sign::for_relu(&[]), Err(FitError::Degree(0)));
    for epsilon in [0.0, -1.0, 1.0, 2.0, f64::INFINITY, 1e-300] {
        assert_eq!(Sign::new(&[3], epsilon), Err(FitError::Tolerance(epsilon)));
    }
    assert!(matches!(Sign::new(&[3], f64::NAN), Err(FitError::Tolerance(_))));
    // The first stage leaves nothing to do.
    assert!(Sign::new(&[63, 31, 31], 0.9).is_err());
    // Tuning still finds a threshold for it.
    let sign = Sign::for_relu(&[1]).expect("a composition");
    assert!(sign.relu_error() < 0.2);
}

#[test]
fn the_catalogue_is_right() {
    let all = catalogue();
    assert!(all.len() > 50);
    assert!(all[0].alpha < 4.5 && all[all.len() - 1].alpha > 15.0);
    assert!(all.windows(2).all(|w| w[0].alpha <= w[1].alpha));
    for a in all {
        let better = |b: &&fhec_approx::Composition| {
            b.depth <= a.depth && b.products <= a.products && b.alpha >= a.alpha
        };
        assert_eq!(all.iter().filter(better).count(), 1, "{a:?}");
    }
    for entry in all.iter().step_by(11) {
        let sign = Sign::new(entry.degrees, entry.epsilon).expect("a composition");
        assert_eq!((sign.depth(), sign.products()), (entry.depth, entry.products), "{entry:?}");
        let alpha = -sign.relu_error().log2();
        assert!((alpha - entry.alpha).abs() < 1e-3, "{alpha} {entry:?}");
    }
    for entry in [all[0], all[20], all[60]] {
        let tuned = Sign::for_relu(entry.degrees).expect("a composition");
        assert!((tuned.epsilon / entry.epsilon - 1.0).abs() < 1e-3, "{} {entry:?}", tuned.epsilon);
    }
    let deepest = all.iter().find(|e| e.alpha > 12.0).expect("twelve bits");
    assert!(deepest.products < 24);
}

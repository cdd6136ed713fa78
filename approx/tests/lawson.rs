//! Lawson's iteration against the exchange.

use fhec_approx::{Parity, lawson, minimax};

#[test]
fn it_nears_the_exchange() {
    let points: Vec<f64> = (0..200).map(|k| -1.0 + f64::from(k) / 99.5).collect();
    let rows: Vec<Vec<f64>> =
        points.iter().map(|x| (0..6).map(|n| (f64::from(n) * x.acos()).cos()).collect()).collect();
    let targets: Vec<f64> = points.iter().map(|x| x.exp()).collect();
    let fit = lawson::fit(&rows, &targets, &vec![1.0; 200], 300, 1.02).expect("rows");
    let best = minimax(&f64::exp, &|_| 1.0, &[(-1.0, 1.0)], Parity::General, 5).expect("converges");
    assert!(fit.lower <= fit.error && fit.error <= 1.02 * fit.lower);
    assert!(fit.lower <= best.error && fit.error >= 0.98 * best.error && fit.error <= 1.03 * best.error);
    for (c, d) in fit.coeffs.iter().zip(&best.poly.coeffs) {
        assert!((c - d).abs() < 2.0 * best.error);
    }
}

#[test]
fn uneven_lengths_are_refused() {
    assert_eq!(lawson::fit(&[], &[], &[], 9, 1.1), None);
    assert_eq!(lawson::fit(&[vec![]], &[1.0], &[1.0], 9, 1.1), None);
    assert_eq!(lawson::fit(&[vec![1.0], vec![]], &[1.0, 1.0], &[1.0, 1.0], 9, 1.1), None);
    assert_eq!(lawson::fit(&[vec![1.0]], &[], &[1.0], 9, 1.1), None);
    assert_eq!(lawson::fit(&[vec![1.0]], &[1.0], &[1.0], 0, 1.1), None);
}

//! Least degrees, and enclosures of polynomials.

use fhec_approx::{Chebyshev, FitError, functions, smooth};
use proptest::prelude::*;

type Function = fn(f64) -> f64;

#[test]
fn the_degree_is_least_and_the_error_kept() {
    let cases: [(&str, Function); 7] = [
        ("silu", functions::silu),
        ("sigmoid", functions::sigmoid),
        ("tanh", functions::tanh),
        ("gelu", functions::gelu),
        ("gelu_tanh", functions::gelu_tanh),
        ("softplus", functions::softplus),
        ("mish", functions::mish),
    ];
    for (name, f) in cases {
        for (lo, hi, error) in [(-6.0, 6.0, 1e-2), (-8.0, 8.0, 1e-4), (-3.0, 5.0, 1e-3)] {
            let fit = smooth(&f, lo, hi, error, 63).expect(name);
            let grid = (0..=50_000)
                .map(|k| lo + (hi - lo) * f64::from(k) / 5e4)
                .map(|x| (f(x) - fit.poly.eval(x)).abs())
                .fold(0.0, f64::max);
            assert!(grid <= fit.error && fit.error <= error && fit.error < 1.01 * grid, "{name} {lo} {hi}");
            let degree = fit.poly.degree();
            let symmetric = lo == -hi && name != "mish";
            let fewer = if symmetric { 2 } else { 1 };
            println!("{name} on [{lo}, {hi}] to {error:e}: degree {degree}, error {:.3e}", fit.error);
            let short = smooth(&f, lo, hi, error, degree - fewer);
            assert!(
                matches!(short, Err(FitError::Unreachable { error: e, .. }) if e > error),
                "{name} {short:?}"
            );
        }
    }
}

#[test]
fn forms_are_kept_exactly() {
    for (f, slope) in [(functions::silu as Function, 0.5), (functions::gelu, 0.5), (functions::softplus, 0.5)]
    {
        let poly = smooth(&f, -7.0, 7.0, 1e-3, 63).expect("a fit").poly;
        assert_eq!((poly.centre, poly.half_width), (0.0, 7.0));
        assert_eq!(poly.coeffs[1], slope * 7.0);
        assert!(poly.coeffs[3..].iter().step_by(2).all(|c| *c == 0.0));
    }
    for (f, constant) in
        [(functions::sigmoid as Function, 0.5), (functions::tanh, 0.0), (functions::erf, 0.0)]
    {
        let poly = smooth(&f, -5.0, 5.0, 1e-3, 63).expect("a fit").poly;
        assert_eq!(poly.coeffs[0], constant);
        assert!(poly.coeffs[2..].iter().step_by(2).all(|c| *c == 0.0));
    }
}

#[test]
fn simple_functions() {
    let line = smooth(&|x| 2.0 * x - 1.0, -1.0, 3.0, 1e-6, 9).expect("a fit");
    assert_eq!(line.poly.degree(), 1);
    let constant = smooth(&|_| 4.0, 0.0, 1.0, 1e-6, 9).expect("a fit");
    assert!((constant.poly.eval(0.3) - 4.0).abs() < 1e-14);
    let fit = smooth(&functions::sqrt, 0.01, 1.0, 1e-3, 63).expect("a fit");
    assert!((fit.poly.eval(0.25) - 0.5).abs() < 1e-3);
    let fit = smooth(&functions::reciprocal, 0.1, 2.0, 1e-3, 63).expect("a fit");
    assert!((fit.poly.eval(0.5) - 2.0).abs() < 1e-3);
}

#[test]
fn nonsense_is_refused() {
    let f = functions::silu;
    for (lo, hi) in [(1.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (-1.7e308, 1.7e308)] {
        assert!(matches!(smooth(&f, lo, hi, 1e-3, 9), Err(FitError::Domain(_))), "{lo} {hi}");
    }
    for error in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(smooth(&f, -1.0, 1.0, error, 9), Err(FitError::Tolerance(_))));
    }
    assert_eq!(smooth(&f, -1.0, 1.0, 1e-3, 0), Err(FitError::Degree(0)));
    assert_eq!(smooth(&f, -1.0, 1.0, 1e-3, 512), Err(FitError::Degree(512)));
    assert!(matches!(smooth(&functions::sqrt, -1.0, 1.0, 1e-3, 9), Err(FitError::NotFinite { .. })));
    assert!(matches!(
        smooth(&f, -9.0, 9.0, 1e-6, 1),
        Err(FitError::Unreachable { .. } | FitError::Degree(_))
    ));
    assert!(matches!(smooth(&f64::abs, -1.0, 1.0, 1e-6, 20), Err(FitError::Unreachable { .. })));
}

#[test]
fn functions_are_stable_far_out() {
    use functions as g;
    assert_eq!((g::silu(-800.0), g::silu(800.0)), (0.0, 800.0));
    assert_eq!((g::gelu(-60.0), g::gelu(60.0)), (0.0, 60.0));
    assert_eq!((g::gelu_tanh(-60.0), g::gelu_tanh(60.0)), (0.0, 60.0));
    assert_eq!((g::mish(-800.0), g::mish(800.0)), (0.0, 800.0));
    assert_eq!((g::softplus(-800.0), g::softplus(800.0)), (0.0, 800.0));
    assert_eq!((g::sigmoid(-800.0), g::sigmoid(800.0)), (0.0, 1.0));
    assert!((g::gelu(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
    assert!((g::gelu_tanh(1.0) - 0.841_191_990_607_477_5).abs() < 1e-12);
    assert!((g::mish(1.0) - 0.865_098_388_267_310_1).abs() < 1e-12);
    assert!((g::selu(-1.0) + 1.111_330_737_812_562_8).abs() < 1e-12);
    assert!((g::softsign(-3.0) + 0.75).abs() < 1e-15 && (g::swish(1.0, 2.0) - g::sigmoid(2.0)).abs() < 1e-15);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn enclosures_hold_and_are_tight(
        coeffs in prop::collection::vec(-2.0f64..2.0, 1..40),
        centre in -3.0f64..3.0,
        half_width in 0.1f64..4.0,
        from in -1.05f64..1.05,
        width in 0.0f64..1.0,
    ) {
        let poly = Chebyshev { coeffs, centre, half_width };
        let (lo, hi) = (centre + half_width * from, centre + half_width * (from + width * (1.05 - from)));
        let enclosure = poly.enclosure(lo, hi);
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for k in 0..=3000 {
            let y = poly.eval((lo + (hi - lo) * f64::from(k) / 3000.0).clamp(lo, hi));
            least = least.min(y);
            most = most.max(y);
        }
        let scale: f64 = enclosure.magnitude().max(poly.coeffs.iter().map(|c| c.abs()).sum());
        let rounding = 1e-12 * scale;
        prop_assert!(enclosure.lo <= least + rounding && most - rounding <= enclosure.hi);
        let slack = 0.02 * (most - least) + rounding;
        prop_assert!(enclosure.hi <= most + slack && enclosure.lo >= least - slack,
            "{enclosure:?} for [{least}, {most}]");
    }
}

#[test]
fn enclosures_of_anything() {
    let poly = |coeffs: &[f64]| Chebyshev { coeffs: coeffs.to_vec(), centre: 0.0, half_width: 1.0 };
    assert!(poly(&[]).enclosure(-1.0, 1.0).contains(0.0));
    assert_eq!(poly(&[f64::NAN]).enclosure(-1.0, 1.0).hi, f64::INFINITY);
    assert_eq!(poly(&[1.0, 2.0]).enclosure(f64::NAN, 1.0).lo, f64::NEG_INFINITY);
    let reversed = poly(&[0.0, 1.0]).enclosure(1.0, -1.0);
    assert!(reversed.contains(-1.0) && reversed.contains(1.0) && reversed.width() < 2.1);
    assert_eq!(poly(&[1.0, 1e200, 1e308, 1e308]).enclosure(-1e300, 1e300).hi, f64::INFINITY);
    let zero = Chebyshev { coeffs: vec![1.0, 1.0], centre: 0.0, half_width: 0.0 };
    assert_eq!(zero.enclosure(-1.0, 1.0).hi, f64::INFINITY);
}

//! Monic forms against ordinary coefficients, in clear and encrypted.

use super::tests::{Lab, grid};
use super::{Basis, MonicForm, Polynomial};
use crate::error::CkksError;
use proptest::prelude::*;

const SCALE: f64 = (1u64 << 45) as f64;

/// ReLU of degrees 2 and 4 (Hermite), SiLU of degree 4 (least squares, B = 3), and fits of degrees 6, 8.
const ACTIVATIONS: [&[f64]; 5] = [
    &[0.19947114, 0.5, 0.19947114],
    &[0.14960336, 0.5, 0.29920671, 0.0, -0.01662259],
    &[0.01075545, 0.5, 0.22129509, 0.0, -0.00826021],
    &[0.12, 0.5, 0.35, 0.0, -0.03, 0.0, 0.0013],
    &[0.1, 0.5, 0.42, 0.0, -0.06, 0.0, 0.005, 0.0, -0.00015],
];

fn check(coefficients: &[f64], range: f64) {
    let lab = Lab::shared();
    let form = MonicForm::new(coefficients).unwrap();
    let p = Polynomial::new(Basis::Monomial, coefficients).unwrap();
    let x: Vec<f64> = grid(lab.params.slots()).iter().map(|x| range * x).collect();
    let size = |x: f64| p.coefficients().iter().fold(0.0, |acc, c| acc * x.abs() + c.abs());
    let clear = x.iter().map(|x| (form.eval(*x) - p.eval(*x)).abs()).fold(0.0, f64::max);
    assert!(clear < 1e-12 * (1.0 + size(range)), "in clear: {clear:e}");
    let level = 5;
    let ct = lab.encrypt(&x, level, SCALE);
    let plan = form.plan(&lab.params, level, SCALE).unwrap();
    let depth = p.degree().div_ceil(2).min(3);
    assert_eq!((plan.depth(), plan.relinearizations(), plan.multiplications()), (depth, depth, depth));
    assert_eq!(plan.plain_rescalings(), 0);
    let out = lab.eval.evaluate_monic(&ct, &form).unwrap();
    assert_eq!((out.level(), out.scale()), (level - depth, plan.target_scale()));
    assert!(out.scale() > 0.0);
    let error = lab.max_error(&out, &x, |x| p.eval(x));
    assert!(error < 2f64.powi(-25), "{coefficients:?}: error 2^{:.1}", error.log2());
}

#[test]
fn activations() {
    for coefficients in ACTIVATIONS {
        check(coefficients, 3.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn random_forms(
        half in 1usize..=4,
        c in proptest::collection::vec(-1.0f64..1.0, 6),
        leading in 0.1f64..1.0,
        negative in any::<bool>(),
    ) {
        let mut coefficients = vec![0.0; 2 * half + 1];
        (0..=half).for_each(|i| coefficients[2 * i] = c[i]);
        coefficients[1] = c[5];
        coefficients[2 * half] = if negative { -leading } else { leading };
        check(&coefficients, 1.0);
    }
}

#[test]
fn other_shapes_are_refused() {
    let shape = |c: &[f64]| assert!(matches!(MonicForm::new(c), Err(CkksError::Shape(_))), "{c:?}");
    shape(&[]);
    shape(&[1.0, 1.0]);
    shape(&[1.0, 1.0, 0.0, 1.0]);
    shape(&[1.0, 1.0, 1.0, 0.1, 1.0]);
    shape(&[1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
    shape(&[1.0, 1.0, 1e300, 0.0, 1e-300]);
    assert!(matches!(MonicForm::new(&[1.0, f64::NAN, 1.0]), Err(CkksError::NotFinite { index: 1 })));
    let lab = Lab::shared();
    let form = MonicForm::new(ACTIVATIONS[4]).unwrap();
    let result = form.plan(&lab.params, 2, SCALE);
    assert!(matches!(result, Err(CkksError::NotEnoughLevels { needed: 3, level: 2 })));
    let trimmed = MonicForm::new(&[0.0, 0.0, 2.0, 0.0, 0.0]).unwrap();
    assert_eq!((trimmed.depth(), trimmed.leading(), trimmed.eval(3.0)), (1, 2.0, 18.0));
}

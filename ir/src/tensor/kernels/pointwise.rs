//! Element-wise operators.

use pulp::{Arch, NullaryFnOnce};

use crate::Constant;
use crate::tensor::basis::is_even_but_linear;
use crate::tensor::value::{broadcast_steps, for_each_strided};
use crate::tensor::{Activation, Basis, Real, Tensor};

/// The activation of one number, computed in f64.
pub fn activation<T: Real>(a: Activation, x: T) -> T {
    let v = x.to_f64();
    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
    let softplus = |v: f64| v.max(0.0) + (-v.abs()).exp().ln_1p();
    let y = match a {
        Activation::Relu => v.max(0.0),
        Activation::LeakyRelu(alpha) => {
            if v >= 0.0 {
                v
            } else {
                f64::from(alpha) * v
            }
        }
        Activation::Clip(lo, hi) => v.max(f64::from(lo)).min(f64::from(hi)),
        Activation::Elu(alpha) => {
            if v >= 0.0 {
                v
            } else {
                f64::from(alpha) * v.exp_m1()
            }
        }
        Activation::Selu(alpha, gamma) => {
            f64::from(gamma) * if v > 0.0 { v } else { f64::from(alpha) * v.exp_m1() }
        }
        Activation::Sigmoid => sigmoid(v),
        Activation::Tanh => v.tanh(),
        Activation::Erf => libm::erf(v),
        Activation::Softplus => softplus(v),
        Activation::Softsign => v / (1.0 + v.abs()),
        Activation::Swish(alpha) => v * sigmoid(f64::from(alpha) * v),
        Activation::Gelu => v * 0.5 * libm::erfc(-v * std::f64::consts::FRAC_1_SQRT_2),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v);
            0.5 * v * (1.0 + inner.tanh())
        }
        Activation::HardSwish => v * (v / 6.0 + 0.5).clamp(0.0, 1.0),
        Activation::HardSigmoid(alpha, beta) => (f64::from(alpha) * v + f64::from(beta)).clamp(0.0, 1.0),
        Activation::Mish => v * softplus(v).tanh(),
        Activation::ThresholdedRelu(alpha) => {
            if v > f64::from(alpha) {
                v
            } else {
                0.0
            }
        }
        Activation::Abs => v.abs(),
        Activation::Exp => v.exp(),
        Activation::Sqrt => v.sqrt(),
        Activation::Reciprocal => 1.0 / v,
        Activation::Pow(p) => v.powf(f64::from(p)),
    };
    T::from_f64(y)
}

pub(super) fn binary<T: Real>(args: &[&Tensor<T>], f: impl Fn(T, T) -> T) -> Vec<T> {
    args[0].data.iter().zip(&args[1].data).map(|(&a, &b)| f(a, b)).collect()
}

/// Calls `f(flat, constant)` for every element of `shape` with the constant broadcast to it.
fn for_each_broadcast<T: Real>(shape: &[usize], constant: &Constant, mut f: impl FnMut(usize, T)) {
    let steps = broadcast_steps(&constant.shape);
    for_each_strided(shape, 0, &steps, |i, c| f(i, T::from_f64(constant.at(c))));
}

pub(super) fn affine<T: Real>(x: &Tensor<T>, scale: Option<&Constant>, shift: Option<&Constant>) -> Vec<T> {
    let mut y = x.data.clone();
    if let Some(scale) = scale {
        for_each_broadcast(&x.shape, scale, |i, c: T| y[i] = y[i] * c);
    }
    if let Some(shift) = shift {
        for_each_broadcast(&x.shape, shift, |i, c: T| y[i] += c);
    }
    y
}

pub(super) fn prelu<T: Real>(x: &Tensor<T>, slope: &Constant) -> Vec<T> {
    let mut y = x.data.clone();
    for_each_broadcast(&x.shape, slope, |i, c: T| {
        if y[i] < T::default() {
            y[i] = y[i] * c;
        }
    });
    y
}

/// Numbers that a polynomial is evaluated at together.
const LANES: usize = 32;

pub(super) fn poly<T: Real>(x: &Tensor<T>, coeffs: &Constant, basis: Basis) -> Vec<T> {
    let channels = coeffs.shape[1];
    let inner = if channels == 1 { x.data.len() } else { x.shape[2..].iter().product() };
    let mut y = x.data.clone();
    // What is even but for a multiple of x takes half as much in b_2.
    let even = coeffs.shape[0] > 6 && is_even_but_linear(coeffs);
    let columns: Vec<Vec<T>> = (0..channels)
        .map(|c| coeffs.data.values().skip(c).step_by(channels).map(T::from_f64).collect())
        .collect();
    for (k, block) in y.chunks_mut(inner.max(1)).enumerate() {
        let column = &columns[k % channels];
        Arch::new().dispatch(Block { block, column, basis, even });
    }
    y
}

struct Block<'b, T> {
    block: &'b mut [T],
    column: &'b [T],
    basis: Basis,
    even: bool,
}

impl<T: Real> NullaryFnOnce for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { block, column, basis, even } = self;
        if even {
            let halved: Vec<T> = column.iter().step_by(2).copied().collect();
            let square = |x: T| match basis {
                Basis::Power => x * x,
                Basis::Chebyshev => x * (x + x) - T::from_f64(1.0),
            };
            let linear = |x: T| column[1] * x;
            let mut chunks = block.chunks_exact_mut(LANES);
            for chunk in &mut chunks {
                let Ok(lanes) = <&mut [T; LANES]>::try_from(chunk) else { continue };
                let mut squares = lanes.map(square);
                basis.eval_all(&halved, &mut squares);
                lanes.iter_mut().zip(squares).for_each(|(x, even)| *x = even + linear(*x));
            }
            for v in chunks.into_remainder() {
                *v = basis.eval(&halved, square(*v)) + linear(*v);
            }
            return;
        }
        let mut chunks = block.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            let Ok(lanes) = <&mut [T; LANES]>::try_from(chunk) else { continue };
            basis.eval_all(column, lanes);
        }
        for v in chunks.into_remainder() {
            *v = basis.eval(column, *v);
        }
    }
}

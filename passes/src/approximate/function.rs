//! What is replaced: functions that are linear but for a few kinks, and smooth ones.

use fhec_ir::Node;
use fhec_ir::tensor::bounds::Interval;
use fhec_ir::tensor::{Activation, TensorGraph, TensorOp};

use super::ties::channels;

/// slope·x + offset + Σ_j weight_j·|x − at_j|, per channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piecewise {
    pub(super) slope: Vec<f64>,
    pub(super) offset: f64,
    pub(super) kinks: Vec<Kink>,
}

/// weight·|x − at|.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kink {
    pub(super) at: f64,
    /// Per channel.
    pub(super) weight: Vec<f64>,
}

/// What an activation is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Function {
    /// Linear between kinks.
    Piecewise(Piecewise),
    /// x times such a function.
    Gated(Piecewise),
    /// x above a threshold, 0 below.
    Step(f64),
    /// No kinks.
    Smooth(Activation),
    /// scale·x above 0, scale·alpha·(eˣ − 1) below.
    Exponential { scale: f64, alpha: f64 },
}

impl Piecewise {
    /// The function of these slopes from left to right, which change at `kinks`, with the value `y` at `x`.
    fn new(slopes: &[f64], kinks: &[f64], (x, y): (f64, f64)) -> Self {
        let slope = (slopes[0] + slopes[slopes.len() - 1]) / 2.0;
        let weights = slopes.windows(2).map(|pair| (pair[1] - pair[0]) / 2.0);
        let kinks: Vec<Kink> =
            kinks.iter().zip(weights).map(|(at, weight)| Kink { at: *at, weight: vec![weight] }).collect();
        let rest: f64 = kinks.iter().map(|k| k.weight[0] * (x - k.at).abs()).sum();
        Self { slope: vec![slope], offset: y - slope * x - rest, kinks }
    }

    fn clip(lo: f64, hi: f64) -> Self {
        match (lo.is_finite(), hi.is_finite()) {
            _ if lo >= hi => Self::new(&[0.0], &[], (0.0, hi)),
            (true, true) => Self::new(&[0.0, 1.0, 0.0], &[lo, hi], (lo, lo)),
            (true, false) => Self::new(&[0.0, 1.0], &[lo], (lo, lo)),
            (false, true) => Self::new(&[1.0, 0.0], &[hi], (hi, hi)),
            (false, false) => Self::new(&[1.0], &[], (0.0, 0.0)),
        }
    }

    fn hard_sigmoid(alpha: f64, beta: f64) -> Self {
        if alpha == 0.0 {
            return Self::new(&[0.0], &[], (0.0, beta.clamp(0.0, 1.0)));
        }
        let (zero, one) = (-beta / alpha, (1.0 - beta) / alpha);
        let left = if alpha > 0.0 { 0.0 } else { 1.0 };
        let (first, last) = (zero.min(one), zero.max(one));
        Self::new(&[0.0, alpha, 0.0], &[first, last], (first, left))
    }

    fn leaky(alphas: &[f64]) -> Self {
        let half = |sign: f64| alphas.iter().map(|a| (1.0 + sign * a) / 2.0).collect();
        Self { slope: half(1.0), offset: 0.0, kinks: vec![Kink { at: 0.0, weight: half(-1.0) }] }
    }

    /// The same on a range, without the kinks outside of it.
    pub(super) fn within(mut self, range: Interval) -> Self {
        let kinks = std::mem::take(&mut self.kinks);
        for kink in kinks {
            let side = match kink.at {
                at if at <= range.lo => 1.0,
                at if at >= range.hi => -1.0,
                _ => {
                    self.kinks.push(kink);
                    continue;
                }
            };
            let len = self.slope.len().max(kink.weight.len());
            let part = |v: &[f64], c: usize| v[c % v.len()];
            self.slope = (0..len).map(|c| part(&self.slope, c) + side * part(&kink.weight, c)).collect();
            // Kinks away from 0 have one weight.
            self.offset -= side * kink.weight[0] * kink.at;
        }
        self
    }

    /// A bound on all |x − at_j| for x in a range.
    pub(super) fn reach(&self, range: Interval) -> f64 {
        let reach = |k: &Kink| (range.lo - k.at).abs().max((range.hi - k.at).abs());
        self.kinks.iter().map(reach).fold(0.0, f64::max)
    }
}

impl Function {
    /// What a node computes of its operand; None if it is no such function.
    pub(super) fn of(graph: &TensorGraph, node: &Node<TensorOp>) -> Option<Self> {
        use Activation as A;
        let piecewise = |f| Some(Self::Piecewise(f));
        let activation = match &node.op {
            TensorOp::Activation(a) => *a,
            TensorOp::PRelu { slope } => {
                let slopes = per_channel(graph, node, *slope)?;
                return piecewise(Piecewise::leaky(&slopes));
            }
            _ => return None,
        };
        match activation {
            A::Relu => piecewise(Piecewise::leaky(&[0.0])),
            A::LeakyRelu(alpha) => piecewise(Piecewise::leaky(&[f64::from(alpha)])),
            A::Abs => piecewise(Piecewise::new(&[-1.0, 1.0], &[0.0], (0.0, 0.0))),
            A::Clip(lo, hi) => piecewise(Piecewise::clip(f64::from(lo), f64::from(hi))),
            A::HardSigmoid(alpha, beta) => {
                piecewise(Piecewise::hard_sigmoid(f64::from(alpha), f64::from(beta)))
            }
            A::HardSwish => Some(Self::Gated(Piecewise::hard_sigmoid(1.0 / 6.0, 0.5))),
            A::ThresholdedRelu(0.0) => piecewise(Piecewise::leaky(&[0.0])),
            A::ThresholdedRelu(alpha) => Some(Self::Step(f64::from(alpha))),
            A::Elu(alpha) => Some(Self::Exponential { scale: 1.0, alpha: f64::from(alpha) }),
            A::Selu(alpha, gamma) => {
                Some(Self::Exponential { scale: f64::from(gamma), alpha: f64::from(alpha) })
            }
            smooth => Some(Self::Smooth(smooth)),
        }
    }
}

/// The numbers of a constant by index of axis 1, if they vary along no other.
fn per_channel(graph: &TensorGraph, node: &Node<TensorOp>, constant: fhec_ir::ConstId) -> Option<Vec<f64>> {
    let constant = graph.constant(constant);
    let along = constant.shape.iter().enumerate().all(|(axis, extent)| *extent == 1 || axis == 1);
    along.then(|| constant.values()).filter(|v| v.len() == 1 || v.len() == channels(&node.ty))
}

/// Why a function cannot be replaced on a range, if it cannot.
pub(super) fn undefined(a: Activation, range: Interval) -> Option<String> {
    let positive = match a {
        Activation::Sqrt => range.lo >= 0.0,
        Activation::Reciprocal => range.lo > 0.0 || range.hi < 0.0,
        Activation::Pow(p) => range.lo > 0.0 || (p > 0.0 && range.lo >= 0.0),
        _ => return None,
    };
    (!positive).then(|| {
        format!(
            "its operand lies within {:.3e}..{:.3e}, where the function is not defined or infinite: add a constant to the \
             operand in the network, or leave the function to the client",
            range.lo, range.hi
        )
    })
}

#[cfg(test)]
mod tests {
    use fhec_ir::tensor::activation;

    use super::*;

    fn eval(f: &Piecewise, x: f64) -> f64 {
        f.slope[0] * x + f.offset + f.kinks.iter().map(|k| k.weight[0] * (x - k.at).abs()).sum::<f64>()
    }

    #[test]
    fn functions_with_kinks_are_sums_of_magnitudes() {
        use Activation as A;
        let of = |a: Activation| match Function::of(&TensorGraph::new("g", ()), &node(a)) {
            Some(Function::Piecewise(f)) => f,
            other => panic!("{a:?} is {other:?}"),
        };
        for a in [
            A::Relu,
            A::LeakyRelu(0.1),
            A::Abs,
            A::Clip(-1.0, 2.0),
            A::Clip(0.5, f32::INFINITY),
            A::Clip(f32::NEG_INFINITY, 0.5),
            A::Clip(3.0, 1.0),
            A::HardSigmoid(0.2, 0.5),
            A::HardSigmoid(-0.5, 0.25),
            A::HardSigmoid(0.0, 2.0),
            A::ThresholdedRelu(0.0),
        ] {
            let f = of(a);
            for (lo, hi) in [(-5.0, 5.0), (-0.4, 0.3), (1.0, 5.0), (-5.0, -2.5)] {
                let within = f.clone().within(Interval::new(lo, hi));
                assert!(within.kinks.iter().all(|k| lo < k.at && k.at < hi), "{a:?} on {lo}..{hi}");
                for step in 0..=50 {
                    let x = lo + (hi - lo) * f64::from(step) / 50.0;
                    let want = activation(a, x);
                    assert!((eval(&f, x) - want).abs() < 1e-6, "{a:?}({x})");
                    assert!((eval(&within, x) - want).abs() < 1e-6, "{a:?}({x}) on {lo}..{hi}");
                    assert!(within.reach(Interval::new(lo, hi)) <= hi - lo);
                }
            }
        }
    }

    fn node(a: Activation) -> Node<TensorOp> {
        Node { op: TensorOp::Activation(a), args: vec![], ty: vec![1, 1], name: "f".into() }
    }
}

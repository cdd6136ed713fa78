//! What stands for |x|, of which all functions with kinks are made.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use fhec_approx::{Chebyshev, FitError, Parity, Sign, minimax};

/// A way of approximating |x| on [−1, 1].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// One even polynomial of this degree: x/2 and half of it are ReLU. Its error is 0.28/degree at the kink, and falls off
    /// from there.
    Even(usize),
    /// x times a composition of odd polynomials of these degrees, which is sgn but for a gap around 0 (Lee et al. 2021).
    Composite(Vec<usize>),
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even(degree) => write!(f, "an even polynomial of degree {degree}"),
            Self::Composite(degrees) => {
                let degrees: Vec<String> = degrees.iter().map(usize::to_string).collect();
                write!(f, "a composition of degrees {}", degrees.join(", "))
            }
        }
    }
}

impl FromStr for Method {
    type Err = String;

    /// `even:110`, or degrees as in `7,7,13`.
    fn from_str(text: &str) -> Result<Self, String> {
        let degree = |t: &str, even: bool| {
            let degree = t
                .trim()
                .parse()
                .ok()
                .filter(|d: &usize| (2..=MAX_DEGREE).contains(d) && d.is_multiple_of(2) == even);
            degree.ok_or_else(|| {
                format!("{t:?} is no {} number from 2 to {MAX_DEGREE}", if even { "even" } else { "odd" })
            })
        };
        match text.strip_prefix("even:") {
            Some(even) => Ok(Self::Even(degree(even, true)?)),
            None => Ok(Self::Composite(text.split(',').map(|d| degree(d, false)).collect::<Result<_, _>>()?)),
        }
    }
}

/// Highest degree of one polynomial.
const MAX_DEGREE: usize = fhec_approx::FitError::MAX_DEGREE;

/// An approximation of |x| on [−1, 1].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Absolute {
    Even(Chebyshev),
    Composite(Sign),
}

/// Where errors of even polynomials fall off: weight 1 + |x|/`FALL` makes them small where most values of a layer lie far from
/// the kink, for a tenth more at the kink.
const FALL: f64 = 0.02;

impl Method {
    /// Levels of |x|.
    pub fn depth(&self) -> u32 {
        let of = |degree: usize| (degree + 1).next_power_of_two().trailing_zeros();
        match self {
            Self::Even(degree) => 1 + fhec_ir::slot::BabyGiant::new(degree / 2).depth,
            Self::Composite(degrees) => 1 + degrees.iter().map(|d| of(*d)).sum::<u32>(),
        }
    }

    /// Products of ciphertexts of |x|.
    pub fn products(&self) -> u32 {
        match self {
            Self::Even(degree) => 1 + fhec_ir::slot::BabyGiant::new(degree / 2).products,
            Self::Composite(degrees) => {
                1 + degrees.iter().map(|d| fhec_approx::odd_products(*d)).sum::<u32>()
            }
        }
    }

    /// −log2 of the largest error of ReLU on [−1, 1]; 0 if the polynomials were not found.
    pub fn precision(&self) -> f64 {
        self.make().map_or(0.0, |absolute| 1.0 - absolute.error().log2())
    }

    /// The polynomials.
    pub(super) fn make(&self) -> Result<Arc<Absolute>, FitError> {
        // Passes run several times, and most nodes have the same method.
        static MADE: Mutex<BTreeMap<Method, Arc<Absolute>>> = Mutex::new(BTreeMap::new());
        let made = |m: &BTreeMap<Method, Arc<Absolute>>| m.get(self).cloned();
        if let Some(known) = MADE.lock().ok().and_then(|m| made(&m)) {
            return Ok(known);
        }
        let absolute = Arc::new(match self {
            Self::Even(degree) => {
                let weight = |x: f64| 1.0 + x.abs() / FALL;
                Absolute::Even(minimax(&f64::abs, &weight, &[(0.0, 1.0)], Parity::Even, *degree)?.poly)
            }
            Self::Composite(degrees) => {
                let known = fhec_approx::catalogue().iter().find(|c| c.degrees == degrees);
                Absolute::Composite(match known {
                    Some(known) => Sign::new(degrees, known.epsilon)?,
                    None => Sign::for_relu(degrees)?,
                })
            }
        });
        if let Ok(mut made) = MADE.lock() {
            made.insert(self.clone(), absolute.clone());
        }
        Ok(absolute)
    }
}

impl Absolute {
    /// The approximation at a number.
    pub(super) fn eval(&self, x: f64) -> f64 {
        match self {
            Self::Even(poly) => poly.eval(x),
            Self::Composite(sign) => x * sign.eval(x),
        }
    }

    /// Largest error on [−1, 1].
    pub(super) fn error(&self) -> f64 {
        // Errors are extreme near the kink, at distances of 1/degree.
        let points = (0..=20_000).map(|k| (f64::from(k) / 20_000.0).powi(3));
        points.map(|x| (self.eval(x) - x).abs()).fold(0.0, f64::max)
    }
}

/// Products that cost as much as a level: a level less between bootstraps, or a longer chain.
const LEVEL: u32 = 20;

/// Methods by rising precision and cost: none is as cheap as a more precise one.
pub fn ladder() -> Vec<Method> {
    let even = [14, 26, 38, 58, 94, 110, 142, 192, 240, 320, 384, 480].map(Method::Even);
    let composites = fhec_approx::catalogue().iter().filter(|c| c.alpha > LEAST_COMPOSITE);
    let all = even.into_iter().chain(composites.map(|c| Method::Composite(c.degrees.to_vec())));
    let mut ladder: Vec<Method> = Vec::new();
    let cost = |m: &Method| m.depth() * LEVEL + m.products();
    for method in all {
        while ladder.last().is_some_and(|last| cost(last) >= cost(&method)) {
            ladder.pop();
        }
        ladder.push(method);
    }
    ladder
}

/// Precision from which compositions have smaller errors on a layer's values than even polynomials of the highest degree: theirs is at the kink.
const LEAST_COMPOSITE: f64 = 11.7;

/// The cheapest composition whose ReLU errs by 2^−alpha at most.
pub fn composite(alpha: f64) -> Option<Method> {
    let fit = fhec_approx::catalogue().iter().filter(|c| c.alpha >= alpha - 0.1);
    let best = fit.min_by_key(|c| (c.depth, c.products))?;
    Some(Method::Composite(best.degrees.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_cost_rise_along_the_ladder() {
        let ladder = ladder();
        let cost = |m: &Method| m.depth() * LEVEL + m.products();
        assert!(ladder.windows(2).all(|m| cost(&m[0]) < cost(&m[1])), "{ladder:?}");
        // Of the same kind; even polynomials are worse at the kink than beside it.
        for pair in ladder.windows(2).filter(|m| matches!(m[1], Method::Composite(_)) || m[0].depth() < 8) {
            assert!(pair[0].precision() < pair[1].precision() + 0.1, "{pair:?}");
        }
        assert!(matches!(ladder.first(), Some(Method::Even(_))));
        assert!(ladder.last().is_some_and(|m| m.precision() > 14.0), "{ladder:?}");
    }

    #[test]
    fn an_even_polynomial_is_as_good_as_theory_says() {
        for degree in [192, 240] {
            let method = Method::Even(degree);
            let absolute = method.make().unwrap();
            // Bernstein: 0.2802/degree without a weight.
            let best = 0.2802 / degree as f64;
            assert!((best..1.7 * best).contains(&absolute.error()), "{degree}: {}", absolute.error());
            assert!(
                (absolute.eval(0.5) - 0.5).abs() < best / 3.0
                    && (absolute.eval(-0.5) - 0.5).abs() < best / 3.0
            );
        }
    }

    #[test]
    fn methods_are_words() {
        assert_eq!("even:110".parse(), Ok(Method::Even(110)));
        assert_eq!("7,7,13".parse(), Ok(Method::Composite(vec![7, 7, 13])));
        for wrong in ["even:7", "even:0", "even:1000", "8", "", "7,,7", "x"] {
            assert!(wrong.parse::<Method>().is_err(), "{wrong}");
        }
        assert_eq!(composite(10.0).map(|m| m.precision() > 9.9), Some(true));
        assert_eq!(composite(40.0), None);
    }
}

//! From bytes to numbers.

use std::fmt;

use super::data::{ClientInput, Normalisation};
use super::image::{AxisOrder, ImageAxes};

/// Number of channels of an input, and how many elements lie between one channel and the next. Tensors that are no
/// image have their channels on the second axis.
pub fn channels(shape: &[usize]) -> (usize, usize) {
    let (channels, plane) = match ImageAxes::of(shape) {
        Some(ImageAxes { order: AxisOrder::Hwc, channels, .. }) => (channels, 1),
        Some(ImageAxes { channels, height, width, .. }) => (channels, height.saturating_mul(width)),
        None => {
            let plane = shape.iter().skip(2).fold(1, |n: usize, &d| n.saturating_mul(d));
            (shape.get(1).copied().unwrap_or(1), plane)
        }
    };
    (channels.max(1), plane.max(1))
}

impl Normalisation {
    /// Whether it fits an input of this shape: a number for each channel or one for all, no division by 0.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let (channels, _) = channels(shape);
        for (name, list) in [("mean", &self.mean), ("std", &self.std)] {
            if ![0, 1, channels].contains(&list.len()) {
                let plural = if channels == 1 { "" } else { "s" };
                return Err(format!("{name} has {} numbers for {channels} channel{plural}", list.len()));
            }
            if list.iter().any(|x| !x.is_finite()) {
                return Err(format!("a number of {name} is not finite"));
            }
        }
        let divisors = || self.std.iter().chain([&self.divisor]);
        if divisors().any(|x| *x == 0.0) {
            return Err("division by 0".into());
        }
        match divisors().find(|x| !x.is_finite() || **x < 0.0) {
            Some(x) => Err(format!("division by {x}")),
            None => Ok(()),
        }
    }

    /// Bytes of a tensor of a shape for which [`Normalisation::check`] holds: (x/divisor − mean)/std.
    pub fn apply(&self, bytes: &[u8], shape: &[usize]) -> Vec<f64> {
        let of_element = self.by_element(shape);
        let number = |(k, byte): (usize, &u8)| {
            let (mean, std) = of_element(k);
            (f64::from(*byte) / self.divisor - mean) / std
        };
        bytes.iter().enumerate().map(number).collect()
    }

    /// The bytes that a tensor of a shape was made of, or the nearest ones.
    pub fn invert(&self, numbers: &[f64], shape: &[usize]) -> Vec<u8> {
        let of_element = self.by_element(shape);
        let byte = |(k, x): (usize, &f64)| {
            let (mean, std) = of_element(k);
            ((x * std + mean) * self.divisor).round() as u8
        };
        numbers.iter().enumerate().map(byte).collect()
    }

    /// Mean and deviation of each element of a tensor.
    fn by_element(&self, shape: &[usize]) -> impl Fn(usize) -> (f64, f64) {
        let (channels, plane) = channels(shape);
        let of = |list: &[f64], channel: usize, none: f64| match list {
            [] => none,
            [all] => *all,
            _ => list.get(channel).copied().unwrap_or(none),
        };
        move |k| {
            let channel = k / plane % channels;
            (of(&self.mean, channel, 0.0), of(&self.std, channel, 1.0))
        }
    }
}

/// `(x/255 − 0.1307)/0.3081`.
impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[f64]| match numbers {
            [one] => one.to_string(),
            many => format!("({})", many.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")),
        };
        let scaled = if self.divisor == 1.0 { "x".into() } else { format!("x/{}", self.divisor) };
        match (&self.mean[..], &self.std[..]) {
            (mean, std) if mean.iter().all(|m| *m == 0.0) && std.iter().all(|s| *s == 1.0) => {
                write!(f, "{scaled}")
            }
            (mean, []) => write!(f, "{scaled} − {}", list(mean)),
            ([], std) => write!(f, "({scaled})/{}", list(std)),
            (mean, std) => write!(f, "({scaled} − {})/{}", list(mean), list(std)),
        }
    }
}

/// `x [1,1,28,28], bytes → (x/255 − 0.1307)/0.3081`, or `x [1,3,224,224], pictures → short side 256 → centre crop 224 → RGB →
/// x/255`.
impl fmt::Display for ClientInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.layout.shape();
        let steps = match self.preprocessing.describe(&shape) {
            none if none.is_empty() => "bytes".into(),
            steps => format!("pictures → {steps}"),
        };
        write!(f, "{} {}, {steps} → {}", self.name, crate::text::shape_text(&shape), self.normalisation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalisation(mean: &[f64], std: &[f64]) -> Normalisation {
        Normalisation { mean: mean.to_vec(), std: std.to_vec(), ..Normalisation::default() }
    }

    #[test]
    fn channels_are_where_they_can_be() {
        let axes = |shape: &[usize]| {
            ImageAxes::of(shape).map(|a| (a.order == AxisOrder::Hwc, a.channels, a.height, a.width))
        };
        assert_eq!(axes(&[1, 3, 32, 16]), Some((false, 3, 32, 16)));
        assert_eq!(axes(&[1, 32, 16, 3]), Some((true, 3, 32, 16)));
        assert_eq!(axes(&[32, 16, 1]), Some((true, 1, 32, 16)));
        assert_eq!(axes(&[1, 3, 3, 3]), Some((false, 3, 3, 3)));
        assert_eq!(axes(&[1, 1, 28, 1]), Some((false, 1, 28, 1)));
        assert_eq!(axes(&[1, 16, 8, 8]), Some((false, 16, 8, 8)));
        assert_eq!(axes(&[1, 784]), None);
        assert_eq!(channels(&[1, 2, 3, 4, 5]), (2, 60));
    }

    #[test]
    fn each_channel_has_its_numbers() {
        let n = normalisation(&[0.0, 1.0], &[1.0, 0.5]);
        assert_eq!(n.apply(&[0, 255, 0, 255], &[1, 2, 1, 2]), [0.0, 1.0, -2.0, 0.0]);
        assert_eq!(n.invert(&[0.0, 1.0, -2.0, 9.0], &[1, 2, 1, 2]), [0, 255, 0, 255]);
        let n = normalisation(&[0.0, 1.0, 0.0], &[1.0]);
        assert_eq!(n.apply(&[0, 255, 255, 255, 0, 0], &[1, 2, 1, 3]), [0.0, 0.0, 1.0, 1.0, -1.0, 0.0]);
        let refused = normalisation(&[0.1, 0.2, 0.3], &[]).check(&[1, 1, 28, 28]).unwrap_err();
        assert_eq!(refused, "mean has 3 numbers for 1 channel");
        assert!(normalisation(&[0.1; 3], &[0.2; 3]).check(&[1, 32, 32, 3]).is_ok());
        assert!(normalisation(&[0.1], &[0.2]).check(&[1, 784]).is_ok());
        assert!(normalisation(&[], &[0.0]).check(&[1, 784]).is_err());
    }

    #[test]
    fn it_reads_as_a_formula() {
        let text = |mean: &[f64], std: &[f64]| normalisation(mean, std).to_string();
        assert_eq!(text(&[0.1307], &[0.3081]), "(x/255 − 0.1307)/0.3081");
        assert_eq!(text(&[], &[]), "x/255");
        assert_eq!(text(&[0.5], &[]), "x/255 − 0.5");
        assert_eq!(text(&[], &[0.5]), "(x/255)/0.5");
        assert_eq!(text(&[0.5, 0.4, 0.3], &[1.0]), "(x/255 − (0.5, 0.4, 0.3))/1");
        assert_eq!(Normalisation { divisor: 1.0, ..Normalisation::default() }.to_string(), "x");
    }
}
